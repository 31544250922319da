//! Trains once, and runs a program, `crate::PROGRAM`, on what that leaves.

use crate::PROGRAM;
pub use crate::binary::{Ran, finish};

use crate::binary;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

pub fn command(args: &[&str]) -> Command {
    let mut command = binary::command(PROGRAM);
    command.args(args).stdin(Stdio::null());
    command
}

#[track_caller]
pub fn run(args: &[&str]) -> Ran {
    finish(&mut command(args))
}

#[track_caller]
pub fn train(args: &[&str], out: &Path) {
    let ran = finish(binary::command("train").args(args).arg("--quiet").arg("--out").arg(out));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

/// A checkpoint of ResNet-18 on 24 generated images of 32 x 32, made once for all tests.
pub fn checkpoint() -> &'static str {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PROGRAM);
        let small =
            ["--size", "32", "--train", "24", "--test", "24", "--batch", "8", "--epochs", "1", "--restart"];
        train(&small, &folder);
        folder.join("checkpoint.safetensors")
    };
    MADE.get_or_init(make).to_str().expect("UTF-8")
}

/// Asserts that it wants a checkpoint, and takes none that is missing or not whole.
#[track_caller]
pub fn assert_refuses_bad_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none.safetensors");
    assert_fails(&[], 2, &["CHECKPOINT"]);
    assert_fails(&[none.to_str().unwrap()], 1, &["none.safetensors"]);
    std::fs::write(&none, b"nothing").unwrap();
    assert_fails(&[none.to_str().unwrap()], 1, &["none.safetensors"]);
}

/// The JSON object of a run that succeeds.
#[track_caller]
pub fn json(args: &[&str]) -> Value {
    let ran = run(&[args, &["--json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).expect("one JSON object and nothing else")
}

/// Asserts that a run fails with this code, says all these words on stderr, and prints nothing on stdout.
#[track_caller]
pub fn assert_fails(args: &[&str], code: i32, words: &[&str]) {
    let ran = run(args);
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{}", ran.stderr);
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?} is not in the message: {}", ran.stderr);
    }
}
