//! Draws a figure of the paper's appendix from a study's store: the dimension of representations, layer by layer.
//! `cargo run --release --example figure_layers [the study's folder]`; `sharpdim figure layers` has more options.

#[path = "support/figure.rs"]
mod figure;

fn main() -> std::process::ExitCode {
    figure::main("layers")
}
