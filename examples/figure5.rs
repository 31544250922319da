//! Draws the paper's fifth figure from a study's store: the representations' dimension against the images', with the bound.

#[path = "support/drawn.rs"]
mod drawn;
#[path = "support/failure.rs"]
mod failure;
#[path = "support/outputs.rs"]
mod outputs;

fn main() -> std::process::ExitCode {
    drawn::main("figure5")
}
