//! Operations: each has its shape checks and dispatch in `mod.rs`, its CPU code in `cpu.rs` and its
//! CUDA launch in `cuda.rs`.

mod neighbours;
mod pairs;
pub mod resize;

pub use neighbours::{Neighbours, Progress, neighbours, neighbours_with};

/// The vector instructions that the CPU code uses here.
pub(crate) fn instructions() -> &'static str {
    match pairs::int::Isa::best() {
        #[cfg(target_arch = "x86_64")]
        pairs::int::Isa::Vnni => "AVX-512 VNNI",
        #[cfg(target_arch = "x86_64")]
        pairs::int::Isa::Avx2 => "AVX2",
        pairs::int::Isa::Portable => "portable code",
    }
}
