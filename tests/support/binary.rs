//! Where the example binaries are that tests run, and what a run of one came to.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The binary of an example. `cargo test` builds it, beside the folder of this test's own; `cargo test --test NAME`
/// does not: after a change, `cargo build --example EXAMPLE` must come first, with the same profile.
pub fn binary(example: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/<profile>/deps/<test>");
    let binary = profile.join("examples").join(format!("{example}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        binary.exists(),
        "{} is not there: `cargo test` builds it (with --test it does not: `cargo build --example {example}`)",
        binary.display()
    );
    binary
}

/// A run of it. What it keeps of decoded images goes to a folder of this test binary, which is empty at first: tests
/// leave the user's alone, and see what is decoded now.
#[allow(dead_code, reason = "each test binary uses its own part of this")]
pub fn command(example: &str) -> Command {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    let cache = CACHE.get_or_init(|| {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(concat!(env!("CARGO_CRATE_NAME"), "-images"));
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                panic!("{}: {error}", folder.display())
            }
            _ => folder,
        }
    });
    let mut command = Command::new(binary(example));
    command.env("SHARPDIM_CACHE", cache);
    command
}

/// What a run came to.
#[allow(dead_code, reason = "each test binary uses its own part of this")]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs it to its end: no signal ends it, and it never panics.
#[allow(dead_code, reason = "each test binary uses its own part of this")]
#[track_caller]
pub fn finish(command: &mut Command) -> Ran {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let ran = Ran {
        code: output.status.code().expect("no signal ended it"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    for word in ["panicked", "RUST_BACKTRACE", "stack backtrace"] {
        assert!(!ran.stderr.contains(word), "{}", ran.stderr);
    }
    ran
}
