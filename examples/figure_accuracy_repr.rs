//! Draws a figure of the paper's appendix from a study's store: test accuracy against the representations' dimension.
//! `cargo run --release --example figure_accuracy_repr [the study's folder]`; `sharpdim figure accuracy-repr` has more options.

#[path = "support/figure.rs"]
mod figure;

fn main() -> std::process::ExitCode {
    figure::main("accuracy-repr")
}
