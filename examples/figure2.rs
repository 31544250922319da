//! Draws the paper's second figure from a study's store: test loss against the images' dimension.
//! `cargo run --release --example figure2 [the study's folder]`; `sharpdim figure figure2` has more options.

#[path = "support/figure.rs"]
mod figure;

fn main() -> std::process::ExitCode {
    figure::main("figure2")
}
