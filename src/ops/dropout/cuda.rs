//! `dropout` on a GPU.

use super::Dropout;
use crate::device::{Addresses, Gpu, Kernel, Params};
use crate::ops::vectors::Vectors;
use crate::{Precision, Result, Slot};
use std::mem::offset_of;

/// Mirrors `DropoutParams` of kernels/dropout.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
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
const _: () = assert!(size_of::<DropoutParams>() == 64 && offset_of!(DropoutParams, key_low) == 40);
// SAFETY: repr(C), no padding, as asserted by size.
unsafe impl Params for DropoutParams {}

pub(super) fn apply(gpu: &Gpu, at: Addresses, dropout: &Dropout, x: Slot, step: Slot, y: Slot) -> Result<()> {
    let kernel = match x.precision() {
        Precision::F32 => Kernel::DropoutF32,
        Precision::Bf16 => Kernel::DropoutBf16,
    };
    let bytes = x.precision().bytes();
    let (from, to) = (at.of(x), at.of(y));
    let split = Vectors::new(x.len(), 16 / bytes, &[(from, bytes), (to, bytes)])?;
    let params = DropoutParams {
        x: from,
        y: to,
        step: at.of(step),
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
