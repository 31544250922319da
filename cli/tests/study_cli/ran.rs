//! Runs `study`, and reads what it leaves.

pub use crate::binary::{Ran, finish};

use crate::binary;
use sharpdim::study::Store;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Two datasets of generated images, two sizes: 4 measurements and 4 trainings, of a second each.
pub const PLAN: &str = r#"
name = "small"
models = ["resnet18"]
train = [24, 48]
test = 16
size = 32
epochs = 4
sharpness = "all-pairs"
epsilons = [2, 8]
variants = [{ scale = "unit" }, { size = 24 }]

[[datasets]]
name = "spots"
domain = "radiology"
generated = { family = "radiology", latents = 4, contrast = 0.5 }

[[datasets]]
name = "things"
generated = { family = "objects", latents = 4, contrast = 0.5 }
"#;

pub fn command(args: &[&str]) -> Command {
    let mut command = binary::command("study");
    command.args(args).stdin(Stdio::null());
    command
}

#[track_caller]
pub fn run(args: &[&str]) -> Ran {
    finish(&mut command(args))
}

/// A run that succeeds: what it prints.
#[track_caller]
pub fn good(args: &[&str]) -> Ran {
    let ran = run(args);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    ran
}

/// Asserts that a run fails with this code, says all these words on stderr, and prints nothing on stdout.
#[track_caller]
pub fn assert_fails(args: &[&str], code: i32, words: &[&str]) {
    let ran = run(args);
    assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout, "");
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?} is not in the message: {}", ran.stderr);
    }
}

/// A folder with a plan in it.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new(plan: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("plan.toml"), plan).unwrap();
        Place { folder }
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// The arguments of a run of the plan that writes a checkpoint after every epoch.
    pub fn args_saving(&self, out: &str) -> Vec<String> {
        [&self.args(out)[..], &["--save-every", "0"].map(str::to_owned)].concat()
    }

    /// The arguments of a run of the plan.
    pub fn args(&self, out: &str) -> Vec<String> {
        ["--plan", &self.path("plan.toml"), "--out", &self.path(out), "--device", "cpu", "--no-figures"]
            .map(str::to_owned)
            .to_vec()
    }
}

pub fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// All results of a study's store.
pub fn dump(out: impl AsRef<Path>) -> String {
    let path: PathBuf = out.as_ref().join("study.sqlite");
    Store::open(&path).unwrap().dump().unwrap()
}

/// The results of the plan, of a run that nothing disturbed.
pub fn whole() -> &'static str {
    static WHOLE: OnceLock<String> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let place = Place::new(PLAN);
        let ran = good(&words(&place.args("out")));
        assert!(ran.stdout.contains("8 of 8 tasks"), "{}", ran.stdout);
        let found = dump(place.path("out"));
        // 4 measurements, 4 trainings; attacks of two strengths, four epochs each.
        let lines = |table: &str| found.lines().filter(|line| line.starts_with(table)).count();
        assert_eq!((lines("task:"), lines("attack:"), lines("epoch:")), (8, 8, 16), "{found}");
        // Two estimators of images, on two of four measurements in three forms, and of each network's last layer.
        assert_eq!((lines("dimension:"), lines("sharpness:")), (2 * (2 + 2 * 3) + 8, 2 + 2 * 3));
        found
    })
}
