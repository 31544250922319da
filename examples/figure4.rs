//! Draws the paper's fourth figure from a study's store: test loss against the representations' dimension.
//! `cargo run --release --example figure4 [the study's folder]`; `sharpdim figure figure4` has more options.

#[path = "support/figure.rs"]
mod figure;

fn main() -> std::process::ExitCode {
    figure::main("figure4")
}
