//! Draws the paper's fifth figure from a study's store: the representations' dimension against the images', with the bound.
//! `cargo run --release --example figure5 [the study's folder]`; `sharpdim figure figure5` has more options.

#[path = "support/figure.rs"]
mod figure;

fn main() -> std::process::ExitCode {
    figure::main("figure5")
}
