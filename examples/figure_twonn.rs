//! Draws a figure of the paper's appendix from a study's store: test loss against the images' dimension by TwoNN.
//! `cargo run --release --example figure_twonn [the study's folder]`; `sharpdim figure twonn` has more options.

#[path = "support/figure.rs"]
mod figure;

fn main() -> std::process::ExitCode {
    figure::main("twonn")
}
