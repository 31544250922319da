//! `perturb` on a GPU.

use super::operands::Work;
use super::{Noise, Norm, Perturb};
use crate::device::{Addresses, Gpu, Kernel, Launch, params};
use crate::ops::philox::key;
use crate::{Error, Precision, Result, Slot};
use bytemuck::NoUninit;

/// Threads per block of elementwise operations.
const THREADS: usize = 256;

/// Threads per block that processes a whole image, and its shared memory in bytes: a double per warp.
const IMAGE: (u32, u32) = (512, 128);

/// Mirrors `PerturbParams` of kernels/perturb.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct PerturbParams {
    origin: u64,
    x: u64,
    other: u64,
    g: u64,
    norms: u64,
    controls: u64,
    scale: u64,
    y: u64,
    key_low: u32,
    key_high: u32,
    values: u32,
    width: u32,
    channels: u32,
    blocks: u32,
    wide: u32,
    g_kind: u32,
    y_kind: u32,
    kind: u32,
    low: f32,
    high: f32,
}
params!(PerturbParams: 112 bytes, key_low at 64);

/// The kernels' code of a tensor's precision.
fn kind_of(slot: Slot) -> u32 {
    match slot.precision() {
        _ if slot.is_empty() => 0,
        Precision::F32 => 1,
        Precision::Bf16 => 2,
    }
}

/// Values per thread, and blocks per image: four values where every tensor's images are aligned to four values.
fn split(values: usize, tensors: &[(u64, usize)]) -> (usize, usize) {
    let aligned = |&(address, bytes): &(u64, usize)| address.is_multiple_of(4 * bytes as u64);
    let each = if values.is_multiple_of(4) && tensors.iter().all(aligned) { 4 } else { 1 };
    (each, values.div_ceil(each * THREADS))
}

/// Whether an operation takes one block per image, and its kernel.
fn kernel(work: Work) -> (bool, Kernel) {
    match work {
        Work::GradientNorms => (true, Kernel::PerturbGradientNorms),
        Work::Normalise => (false, Kernel::PerturbNormalise),
        Work::Step(Norm::Linf) => (false, Kernel::PerturbStepLinf),
        Work::Step(Norm::L2) => (true, Kernel::PerturbStepL2),
        Work::StepApgd(Norm::Linf) => (false, Kernel::PerturbStepApgdLinf),
        Work::StepApgd(Norm::L2) => (true, Kernel::PerturbStepApgdL2),
        Work::Accumulate => (false, Kernel::PerturbAccumulate),
        Work::Noise(Noise::Ball, _) => (true, Kernel::PerturbNoiseL2),
        Work::Noise(..) => (false, Kernel::PerturbNoiseLinf),
        Work::Keep => (false, Kernel::PerturbKeep),
        Work::Square(..) => (false, Kernel::PerturbSquare),
    }
}

/// Reads originals, images, gradient, norms, controls, scales and shifts; writes images, the other output and the network's
/// input.
pub(super) fn run(
    gpu: &Gpu,
    at: Addresses,
    p: &Perturb,
    work: Work,
    reads: [Slot; 6],
    writes: [Slot; 3],
) -> Result<()> {
    let [origin, from, g, norms, controls, scale] = reads;
    let [x, other, y] = writes;
    // No operation has both operands.
    let x = if x.is_empty() { from } else { x };
    let (of_image, kernel) = kernel(work);
    let images = [origin, x, other, g, y].map(|slot| (at.address(slot), slot.precision().bytes()));
    let values = p.height * p.width * p.channels;
    let (each, blocks) = split(values, &images);
    let blocks = if of_image { 1 } else { blocks };
    let grid = p.batch.checked_mul(blocks).and_then(|grid| i32::try_from(grid).ok()).ok_or_else(|| {
        Error::Argument(format!("perturb: a batch of {} images is too large for a launch", p.batch))
    })?;
    let [key_low, key_high] = key(work.seed());
    // Every extent is below 2^31, as `Perturb::new` checks.
    let params = PerturbParams {
        origin: at.address(origin),
        x: at.address(x),
        other: at.address(other),
        g: at.address(g),
        norms: at.address(norms),
        controls: at.address(controls),
        scale: at.address(scale),
        y: at.address(y),
        key_low,
        key_high,
        values: values as u32,
        width: p.width as u32,
        channels: p.channels as u32,
        blocks: blocks as u32,
        wide: (each > 1).into(),
        g_kind: kind_of(g),
        y_kind: kind_of(y),
        kind: work.purpose(),
        low: p.low,
        high: p.high,
    };
    let (threads, shared_bytes) = if of_image { IMAGE } else { (THREADS as u32, 0) };
    let launch = Launch { grid: [grid as u32, 1, 1], threads, shared_bytes };
    // SAFETY: all tensors that the kernel has lie in the arena, of the sizes that `operands.rs` checks; threads past an
    // image's values do nothing, and controls are compared, never used as indices.
    unsafe { gpu.launch(kernel, &params, launch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_an_image_has_one_thread() {
        for values in 1..5000 {
            for tensors in
                [&[(512, 4), (1024, 2), (0, 4)][..], &[(512, 4), (520, 2)], &[(516, 4)], &[(514, 2)]]
            {
                let (each, blocks) = split(values, tensors);
                // As kernels/perturb.cu has it: all or none of a thread's values are the image's.
                assert!(values % each == 0 && blocks * THREADS * each >= values);
                assert!((blocks - 1) * THREADS * each < values);
                assert_eq!(
                    each == 4,
                    values % 4 == 0 && tensors.iter().all(|(at, bytes)| at % (4 * *bytes as u64) == 0)
                );
            }
        }
    }
}
