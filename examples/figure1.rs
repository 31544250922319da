//! Draws the paper's first figure from a study's store: each dataset's intrinsic dimension and label sharpness.

#[path = "support/drawn.rs"]
mod drawn;
#[path = "support/failure.rs"]
mod failure;
#[path = "support/outputs.rs"]
mod outputs;

fn main() -> std::process::ExitCode {
    drawn::main("figure1")
}
