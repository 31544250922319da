//! `avg_pool` on a GPU: a thread takes one or more channels of a pixel.

use super::AvgPool;
use crate::device::{Addresses, Gpu, Kernel, Launch, params};
use crate::ops::operand::channels_at_once;
use crate::{Precision, Result, Slot};
use bytemuck::NoUninit;

/// Mirrors `AvgPoolParams` of kernels/avg_pool.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct AvgPoolParams {
    from: u64,
    to: u64,
    threads: u32,
    channels: u32,
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    wide: u32,
    unused: u32,
}
params!(AvgPoolParams: 48 bytes, threads at 16);

/// Launches a thread for every pixel of `to` and each group of `width` channels.
fn run(gpu: &Gpu, at: Addresses, kernels: [Kernel; 2], pool: &AvgPool, from: Slot, to: Slot) -> Result<()> {
    let kernel = kernels[usize::from(to.precision() == Precision::Bf16)];
    let (len, precision) = (to.len(), to.precision());
    let (from, to) = (at.address(from), at.address(to));
    let width = channels_at_once(precision, pool.channels, &[from, to]);
    let params = AvgPoolParams {
        from,
        to,
        threads: (len / width) as u32,
        channels: pool.channels as u32,
        height: pool.height as u32,
        width: pool.width as u32,
        out_height: pool.out_height as u32,
        out_width: pool.out_width as u32,
        wide: u32::from(width > 1),
        unused: 0,
    };
    let grid = [(len / width).div_ceil(256) as u32, 1, 1];
    // SAFETY: the operands have the pool's shapes and lie in the arena; a thread touches only pixels within them.
    unsafe { gpu.launch(kernel, &params, Launch { grid, threads: 256, shared_bytes: 0 }) }
}

pub(super) fn forward(gpu: &Gpu, at: Addresses, pool: &AvgPool, x: Slot, y: Slot) -> Result<()> {
    run(gpu, at, [Kernel::AvgPoolF32, Kernel::AvgPoolBf16], pool, x, y)
}

pub(super) fn backward(gpu: &Gpu, at: Addresses, pool: &AvgPool, dy: Slot, dx: Slot) -> Result<()> {
    run(gpu, at, [Kernel::AvgPoolGradientF32, Kernel::AvgPoolGradientBf16], pool, dy, dx)
}
