//! Runs the program as its users do, and says what a run came to.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A run of `sharpdim SUBCOMMAND`. What it keeps of decoded images goes to a folder of this test binary, which is empty at first: tests
/// leave the user's alone, and see what is decoded now.
pub fn command(subcommand: &str) -> Command {
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
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharpdim"));
    command.arg(subcommand).env("SHARPDIM_CACHE", cache);
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
