//! `convert` on a GPU.

use crate::device::{Addresses, Gpu, Kernel, params};
use crate::ops::vectors::Vectors;
use crate::{Precision, Result, Slot};
use bytemuck::NoUninit;

/// Mirrors `ConvertParams` of kernels/convert.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct ConvertParams {
    x: u64,
    y: u64,
    len: u64,
    vectors: u64,
}
params!(ConvertParams: 32 bytes, len at 16);

pub(super) fn copy(gpu: &Gpu, at: Addresses, x: Slot, y: Slot) -> Result<()> {
    // Values per thread: those of the narrower type in 16 bytes.
    let (kernel, each) = match (x.precision(), y.precision()) {
        (Precision::F32, Precision::F32) => (Kernel::ConvertF32F32, 4),
        (Precision::F32, Precision::Bf16) => (Kernel::ConvertF32Bf16, 8),
        (Precision::Bf16, Precision::F32) => (Kernel::ConvertBf16F32, 8),
        (Precision::Bf16, Precision::Bf16) => (Kernel::ConvertBf16Bf16, 8),
    };
    let (from, to) = (at.address(x), at.address(y));
    let split = Vectors::new(x.len(), each, &[(from, x.precision().bytes()), (to, y.precision().bytes())])?;
    let params = ConvertParams { x: from, y: to, len: split.len, vectors: split.vectors };
    // SAFETY: both tensors lie in the arena and have `len` values, of the kernel's precisions.
    unsafe { gpu.launch(kernel, &params, split.launch()) }
}
