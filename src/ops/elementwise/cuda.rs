//! Elementwise operations on a GPU.

use crate::device::{Addresses, Gpu, Kernel, params};
use crate::ops::vectors::Vectors;
use crate::{Precision, Result, Slot};
use bytemuck::NoUninit;

/// Mirrors `ElementwiseParams` of kernels/elementwise.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct ElementwiseParams {
    x: u64,
    y: u64,
    len: u64,
    vectors: u64,
}
params!(ElementwiseParams: 32 bytes, len at 16);

pub(super) fn relu_forward(gpu: &Gpu, at: Addresses, x: Slot, y: Slot) -> Result<()> {
    launch(gpu, at, [Kernel::ReluForwardF32, Kernel::ReluForwardBf16], x, y)
}

pub(super) fn relu_backward(gpu: &Gpu, at: Addresses, y: Slot, gradient: Slot) -> Result<()> {
    launch(gpu, at, [Kernel::ReluBackwardF32, Kernel::ReluBackwardBf16], y, gradient)
}

pub(super) fn add(gpu: &Gpu, at: Addresses, x: Slot, y: Slot) -> Result<()> {
    launch(gpu, at, [Kernel::AddF32, Kernel::AddBf16], x, y)
}

fn launch(gpu: &Gpu, at: Addresses, kernels: [Kernel; 2], x: Slot, y: Slot) -> Result<()> {
    let kernel = match x.precision() {
        Precision::F32 => kernels[0],
        Precision::Bf16 => kernels[1],
    };
    let bytes = x.precision().bytes();
    let (from, to) = (at.address(x), at.address(y));
    let split = Vectors::new(x.len(), 16 / bytes, &[(from, bytes), (to, bytes)])?;
    let params = ElementwiseParams { x: from, y: to, len: split.len, vectors: split.vectors };
    // SAFETY: both tensors lie in the arena and have `len` values of the kernel's precision, as `mod.rs` checks.
    unsafe { gpu.launch(kernel, &params, split.launch()) }
}
