//! `max_pool` on a GPU: a thread takes one or more channels of a pixel.

use super::MaxPool;
use crate::device::{Addresses, Gpu, Kernel, Launch, params};
use crate::ops::operand::channels_at_once;
use crate::{Precision, Result, Slot};
use bytemuck::NoUninit;

/// Mirrors `MaxPoolParams` of kernels/max_pool.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct MaxPoolParams {
    x: u64,
    y: u64,
    dy: u64,
    dx: u64,
    threads: u32,
    channels: u32,
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    kernel: u32,
    stride: u32,
    padding: u32,
    wide: u32,
}
params!(MaxPoolParams: 72 bytes, threads at 32);

/// Launches a thread for every pixel of `shape` and each group of `width` channels.
fn run(
    gpu: &Gpu,
    kernels: [Kernel; 2],
    pool: &MaxPool,
    precision: Precision,
    shape: [usize; 4],
    [x, y, dy, dx]: [u64; 4],
) -> Result<()> {
    let width = channels_at_once(precision, pool.channels, &[x, y, dy, dx]);
    let threads = shape.iter().product::<usize>() / width;
    let params = MaxPoolParams {
        x,
        y,
        dy,
        dx,
        threads: threads as u32,
        channels: pool.channels as u32,
        height: pool.height as u32,
        width: pool.width as u32,
        out_height: pool.out_height() as u32,
        out_width: pool.out_width() as u32,
        kernel: pool.kernel as u32,
        // A stride beyond any image gives one window, whatever its value.
        stride: pool.stride.min(1 << 31) as u32,
        padding: pool.padding as u32,
        wide: u32::from(width > 1),
    };
    let kernel = kernels[usize::from(precision == Precision::Bf16)];
    let launch = Launch { grid: [threads.div_ceil(256) as u32, 1, 1], threads: 256, shared_bytes: 0 };
    // SAFETY: the operands have the pool's shapes and lie in the arena; a thread touches only pixels within them.
    unsafe { gpu.launch(kernel, &params, launch) }
}

pub(super) fn forward(gpu: &Gpu, at: Addresses, pool: &MaxPool, x: Slot, y: Slot) -> Result<()> {
    let kernels = [Kernel::MaxPoolF32, Kernel::MaxPoolBf16];
    run(gpu, kernels, pool, x.precision(), pool.output_shape(), [at.address(x), at.address(y), 0, 0])
}

pub(super) fn backward(
    gpu: &Gpu,
    at: Addresses,
    pool: &MaxPool,
    x: Slot,
    y: Slot,
    dy: Slot,
    dx: Slot,
) -> Result<()> {
    let kernels = [Kernel::MaxPoolGradientF32, Kernel::MaxPoolGradientBf16];
    let operands = [x, y, dy, dx].map(|slot| at.address(slot));
    run(gpu, kernels, pool, x.precision(), pool.input_shape(), operands)
}
