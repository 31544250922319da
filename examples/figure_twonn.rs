//! Draws a figure of the paper's appendix from a study's store: test loss against the images' dimension by TwoNN.

#[path = "support/drawn.rs"]
mod drawn;
#[path = "support/failure.rs"]
mod failure;
#[path = "support/outputs.rs"]
mod outputs;

fn main() -> std::process::ExitCode {
    drawn::main("twonn")
}
