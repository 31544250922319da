//! Draws the paper's first figure from a study's store: each dataset's intrinsic dimension and label sharpness.
//! `cargo run --release --example figure1 [the study's folder]`; `sharpdim figure figure1` has more options.

#[path = "support/figure.rs"]
mod figure;

fn main() -> std::process::ExitCode {
    figure::main("figure1")
}
