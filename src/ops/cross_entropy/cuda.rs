//! `cross_entropy` on a GPU.

use super::CrossEntropy;
use crate::device::{Addresses, Gpu, Kernel, Launch, params};
use crate::{Error, Precision, Result, Slot};
use bytemuck::NoUninit;

/// Images per block: one warp each.
const IMAGES: usize = 8;

/// Mirrors `CrossEntropyParams` of kernels/cross_entropy.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct CrossEntropyParams {
    logits: u64,
    labels: u64,
    out: u64,
    batch: u32,
    classes: u32,
    scale: f32,
    unused: u32,
}
params!(CrossEntropyParams: 40 bytes, batch at 24);

pub(super) fn forward(
    gpu: &Gpu,
    at: Addresses,
    loss: &CrossEntropy,
    logits: Slot,
    labels: Slot,
    losses: Slot,
) -> Result<()> {
    let kernel = match logits.precision() {
        Precision::F32 => Kernel::CrossEntropyForwardF32,
        Precision::Bf16 => Kernel::CrossEntropyForwardBf16,
    };
    launch(gpu, at, kernel, loss, [logits, labels, losses], 1.0)
}

pub(super) fn backward(
    gpu: &Gpu,
    at: Addresses,
    loss: &CrossEntropy,
    logits: Slot,
    labels: Slot,
    scale: f32,
    gradient: Slot,
) -> Result<()> {
    let kernel = match logits.precision() {
        Precision::F32 => Kernel::CrossEntropyBackwardF32,
        Precision::Bf16 => Kernel::CrossEntropyBackwardBf16,
    };
    launch(gpu, at, kernel, loss, [logits, labels, gradient], scale)
}

fn launch(
    gpu: &Gpu,
    at: Addresses,
    kernel: Kernel,
    loss: &CrossEntropy,
    [logits, labels, out]: [Slot; 3],
    scale: f32,
) -> Result<()> {
    let batch = i32::try_from(loss.batch).map_err(|_| {
        Error::Argument(format!("cross_entropy: a batch of {} images is too large for a launch", loss.batch))
    })? as u32;
    let params = CrossEntropyParams {
        logits: at.address(logits),
        labels: at.address(labels),
        out: at.address(out),
        batch,
        // Below 2^24, as `CrossEntropy::new` checks.
        classes: loss.classes as u32,
        scale,
        unused: 0,
    };
    let grid = [loss.batch.div_ceil(IMAGES) as u32, 1, 1];
    // SAFETY: all three tensors lie in the arena, of the sizes that `mod.rs` checks; a label is compared with the number
    // of classes before it is an index, and warps past the batch return.
    unsafe { gpu.launch(kernel, &params, Launch { grid, threads: 256, shared_bytes: 0 }) }
}
