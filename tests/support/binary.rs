//! Where the example binaries are that tests run.

use std::path::PathBuf;

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
