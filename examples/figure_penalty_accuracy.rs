//! Draws a figure of the paper's appendix from a study's store: the fall of the accuracy under attack against label sharpness.

#[path = "support/drawn.rs"]
mod drawn;
#[path = "support/failure.rs"]
mod failure;
#[path = "support/outputs.rs"]
mod outputs;

fn main() -> std::process::ExitCode {
    drawn::main("penalty-accuracy")
}
