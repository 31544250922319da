//! Preparing an image: scaling it by its own maximum to 8 bits, and resizing it bilinearly.
//! The numbers are those of the paper's preprocessing: `REFERENCE` section 1, PyTorch's `interpolate`.

mod cpu;

pub use cpu::*;
