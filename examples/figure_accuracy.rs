//! Draws a figure of the paper's appendix from a study's store: test accuracy against the images' dimension.
//! `cargo run --release --example figure_accuracy [the study's folder]`; `sharpdim figure accuracy` has more options.

#[path = "support/figure.rs"]
mod figure;

fn main() -> std::process::ExitCode {
    figure::main("accuracy")
}
