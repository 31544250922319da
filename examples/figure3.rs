//! Draws the paper's third figure from a study's store: the rise of the loss under attack against label sharpness.

#[path = "support/drawn.rs"]
mod drawn;
#[path = "support/failure.rs"]
mod failure;
#[path = "support/outputs.rs"]
mod outputs;

fn main() -> std::process::ExitCode {
    drawn::main("figure3")
}
