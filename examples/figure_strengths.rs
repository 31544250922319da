//! Draws a figure of the paper's appendix from a study's store: what attacks cost by their strength.

#[path = "support/drawn.rs"]
mod drawn;
#[path = "support/failure.rs"]
mod failure;
#[path = "support/outputs.rs"]
mod outputs;

fn main() -> std::process::ExitCode {
    drawn::main("strengths")
}
