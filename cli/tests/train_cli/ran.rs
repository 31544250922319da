//! Runs `train`, and reads what it leaves.

pub use crate::binary::{Ran, finish};

use crate::binary;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// A training of seconds: generated images.
pub const SMALL: [&str; 12] =
    ["--size", "32", "--train", "24", "--test", "8", "--batch", "8", "--epochs", "3", "--seed", "4"];

pub fn command(args: &[&str], out: &Path) -> Command {
    let mut command = binary::command("train");
    command.args(args).arg("--out").arg(out).stdin(Stdio::null());
    command
}

#[track_caller]
pub fn run(args: &[&str], out: &Path) -> Ran {
    finish(&mut command(args, out))
}

/// Asserts that a run fails with this code, says all these words on stderr, and prints nothing on stdout.
#[track_caller]
pub fn assert_fails(args: &[&str], out: &Path, code: i32, words: &[&str]) {
    let ran = run(args, out);
    assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout, "");
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?} is not in the message: {}", ran.stderr);
    }
}

/// The JSON object of a run that succeeds.
#[track_caller]
pub fn json(args: &[&str], out: &Path) -> Value {
    let ran = run(&[args, &["--json"]].concat(), out);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).expect("one JSON object and nothing else")
}

/// The lines of metrics.jsonl, without what depends on the clock.
pub fn metrics(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join("metrics.jsonl")).expect("metrics.jsonl");
    let without_time = |line: &str| {
        let mut value: Value = serde_json::from_str(line).expect("a line of JSON");
        let object = value.as_object_mut().expect("an object");
        for name in ["seconds", "images_per_second"] {
            assert!(object.remove(name).expect("a time").as_f64().expect("a number") > 0.0);
        }
        value
    };
    text.lines().map(without_time).collect()
}

/// The bytes of each tensor of a safetensors file.
pub fn tensors(path: impl AsRef<OsStr>) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(Path::new(path.as_ref())).expect("a safetensors file");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("whole");
    file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}
