//! Draws a figure of the paper's appendix from a study's store: how fast the test loss falls with the number of images, against the laws' exponents.

#[path = "support/drawn.rs"]
mod drawn;
#[path = "support/failure.rs"]
mod failure;
#[path = "support/outputs.rs"]
mod outputs;

fn main() -> std::process::ExitCode {
    drawn::main("exponents")
}
