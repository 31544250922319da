//! Draws a figure of the paper's appendix from a study's store: the fall of the accuracy under attack against label sharpness.
//! `cargo run --release --example figure_penalty_accuracy [the study's folder]`; `sharpdim figure penalty-accuracy` has more options.

#[path = "support/figure.rs"]
mod figure;

fn main() -> std::process::ExitCode {
    figure::main("penalty-accuracy")
}
