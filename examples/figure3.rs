//! Draws the paper's third figure from a study's store: the rise of the loss under attack against label sharpness.
//! `cargo run --release --example figure3 [the study's folder]`; `sharpdim figure figure3` has more options.

#[path = "support/figure.rs"]
mod figure;

fn main() -> std::process::ExitCode {
    figure::main("figure3")
}
