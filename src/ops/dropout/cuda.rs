//! `dropout` on a GPU.

use super::Dropout;
use crate::device::{Addresses, Gpu, Kernel, params};
use crate::ops::vectors::Vectors;
use crate::{Precision, Result, Slot};
use bytemuck::NoUninit;

/// Mirrors `DropoutParams` of kernels/dropout.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct DropoutParams {
    x: u64,
    y: u64,
    step: u64,
    len: u64,
    vectors: u64,
    key_low: u32,
    key_high: u32,
    layer: u32,
    threshold: u32,
    factor: f32,
    unused: u32,
}
params!(DropoutParams: 64 bytes, key_low at 40);

pub(super) fn apply(gpu: &Gpu, at: Addresses, dropout: &Dropout, x: Slot, step: Slot, y: Slot) -> Result<()> {
    let kernel = match x.precision() {
        Precision::F32 => Kernel::DropoutF32,
        Precision::Bf16 => Kernel::DropoutBf16,
    };
    let bytes = x.precision().bytes();
    let (from, to) = (at.address(x), at.address(y));
    let split = Vectors::new(x.len(), 16 / bytes, &[(from, bytes), (to, bytes)])?;
    let params = DropoutParams {
        x: from,
        y: to,
        step: at.address(step),
        len: split.len,
        vectors: split.vectors,
        key_low: dropout.seed as u32,
        key_high: (dropout.seed >> 32) as u32,
        layer: dropout.layer,
        threshold: dropout.threshold(),
        factor: dropout.factor(),
        unused: 0,
    };
    // SAFETY: all three tensors lie in the arena; x and y have `len` values of the kernel's precision, the step is a
    // float, as `mod.rs` checks.
    unsafe { gpu.launch(kernel, &params, split.launch()) }
}
