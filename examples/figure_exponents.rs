//! Draws a figure of the paper's appendix from a study's store: how fast the test loss falls with the number of images, against the laws' exponents.
//! `cargo run --release --example figure_exponents [the study's folder]`; `sharpdim figure exponents` has more options.

#[path = "support/figure.rs"]
mod figure;

fn main() -> std::process::ExitCode {
    figure::main("exponents")
}
