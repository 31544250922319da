//! Draws a figure of the paper's appendix from a study's store: what attacks cost by their strength.
//! `cargo run --release --example figure_strengths [the study's folder]`; `sharpdim figure strengths` has more options.

#[path = "support/figure.rs"]
mod figure;

fn main() -> std::process::ExitCode {
    figure::main("strengths")
}
