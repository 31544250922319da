//! Draws a figure of the paper's appendix from a study's store: label sharpness under other sizes, channels and ranges of values.
//! `cargo run --release --example figure_invariance [the study's folder]`; `sharpdim figure invariance` has more options.

#[path = "support/figure.rs"]
mod figure;

fn main() -> std::process::ExitCode {
    figure::main("invariance")
}
