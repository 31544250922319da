//! `batch_norm` on a GPU: blocks sum their rows into the workspace, a second kernel adds these sums in order, and a third
//! processes the images.

use super::{BatchNorm, Gradients, Statistics, Weights};
use crate::device::{Addresses, Gpu, Kernel, Launch, params};
use crate::ops::Activation;
use crate::ops::operand::channels_at_once;
use crate::{Precision, Result, Slot};
use bytemuck::NoUninit;

const THREADS: usize = 256;
/// Approximate blocks resident on a multiprocessor.
const BLOCKS: usize = 4;
/// Channels per block of the second kernels: `THREADS / ADDERS` of kernels/batch_norm.cu.
const ADDED_CHANNELS: usize = 32;

/// Mirrors `BatchNormParams` of kernels/batch_norm.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, NoUninit)]
struct BatchNormParams {
    x: u64,
    y: u64,
    shortcut: u64,
    gamma: u64,
    beta: u64,
    mean: u64,
    variance: u64,
    saved: u64,
    low: u64,
    pivot: u64,
    partial: u64,
    dy: u64,
    dx: u64,
    dgamma: u64,
    dbeta: u64,
    dshortcut: u64,
    rows: u32,
    channels: u32,
    across: u32,
    split_rows: u32,
    splits: u32,
    wide: u32,
    /// The activation's code.
    activation: u32,
    batch: u32,
    eps: f32,
    momentum: f32,
}
params!(BatchNormParams: 168 bytes, rows at 128);

/// How rows and channels are distributed to blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Grid {
    /// Channels per thread.
    width: usize,
    /// Groups of `width` channels per block, a power of two.
    across: usize,
    /// Blocks along the channels.
    blocks: usize,
    /// Rows per block.
    split_rows: usize,
    /// Blocks along the rows.
    splits: usize,
}

impl Grid {
    /// Enough blocks to fill the GPU, as long as each of their threads has two rows.
    fn new(rows: usize, channels: usize, width: usize, multiprocessors: usize) -> Self {
        let groups = channels / width;
        let across = groups.next_power_of_two().min(32);
        let (blocks, down) = (groups.div_ceil(across), THREADS / across);
        let wanted = (BLOCKS * multiprocessors).div_ceil(blocks);
        let split_rows = rows.div_ceil(wanted).max(2 * down).next_multiple_of(down);
        Grid { width, across, blocks, split_rows, splits: rows.div_ceil(split_rows) }
    }

    fn launch(&self, shared_bytes: usize) -> Launch {
        let grid = [self.blocks as u32, self.splits as u32, 1];
        Launch { grid, threads: THREADS as u32, shared_bytes: shared_bytes as u32 }
    }
}

/// Workspace: for each channel the mean's low part, a pivot, and two sums per block along the rows. The number of blocks
/// depends on the channels per thread, which are not known here: the maximum is taken.
fn floats(rows: usize, channels: usize, multiprocessors: usize) -> usize {
    let splits = |width| Grid::new(rows, channels, width, multiprocessors).splits;
    let widths = [1, 4, 8].into_iter().filter(|width| channels.is_multiple_of(*width));
    2 * channels * (1 + widths.map(splits).max().unwrap_or(0))
}

pub(super) fn workspace_len(gpu: &Gpu, norm: &BatchNorm) -> usize {
    floats(norm.rows, norm.channels, gpu.multiprocessors())
}

/// The kernel of a precision.
fn kernel(precision: Precision, f32: Kernel, bf16: Kernel) -> Kernel {
    match precision {
        Precision::F32 => f32,
        Precision::Bf16 => bf16,
    }
}

/// The grid and parameters that all launches of a pass share; `addresses` are those of its images.
fn prepare(
    gpu: &Gpu,
    norm: &BatchNorm,
    precision: Precision,
    addresses: &[u64],
    work: u64,
) -> (Grid, BatchNormParams) {
    let BatchNorm { rows, channels, eps, momentum } = *norm;
    let width = channels_at_once(precision, channels, addresses);
    let grid = Grid::new(rows, channels, width, gpu.multiprocessors());
    let params = BatchNormParams {
        low: work,
        pivot: work + 4 * channels as u64,
        partial: work + 8 * channels as u64,
        rows: rows as u32,
        channels: channels as u32,
        across: grid.across as u32,
        split_rows: grid.split_rows as u32,
        splits: grid.splits as u32,
        wide: u32::from(width > 1),
        eps,
        momentum,
        ..BatchNormParams::default()
    };
    (grid, params)
}

/// The launch of a second kernel: so many channels per block.
fn by_channel(norm: &BatchNorm, channels: usize, shared_bytes: usize) -> Launch {
    let grid = [norm.channels.div_ceil(channels) as u32, 1, 1];
    Launch { grid, threads: THREADS as u32, shared_bytes: shared_bytes as u32 }
}

#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub(super) fn forward_training(
    gpu: &Gpu,
    at: Addresses,
    norm: &BatchNorm,
    x: Slot,
    weights: Weights,
    shortcut: Slot,
    activation: Activation,
    y: Slot,
    saved: Slot,
    work: Slot,
) -> Result<()> {
    let precision = x.precision();
    let [x, shortcut, y] = [x, shortcut, y].map(|slot| at.address(slot));
    let (grid, shared) = prepare(gpu, norm, precision, &[x, shortcut, y], at.address(work));
    let params = BatchNormParams {
        x,
        y,
        shortcut,
        gamma: at.address(weights.gamma),
        beta: at.address(weights.beta),
        mean: at.address(weights.mean),
        variance: at.address(weights.variance),
        saved: at.address(saved),
        activation: activation.code(),
        ..shared
    };
    let moments = kernel(precision, Kernel::BatchNormMomentsF32, Kernel::BatchNormMomentsBf16);
    let apply = kernel(precision, Kernel::BatchNormApplyF32, Kernel::BatchNormApplyBf16);
    let sums = (2 * grid.width + 1) * THREADS * 4;
    // SAFETY: all operands lie in the arena and have the shapes that the kernels expect; the workspace has the length
    // of `floats`, enough for this grid.
    unsafe {
        gpu.launch(moments, &params, grid.launch(sums))?;
        gpu.launch(Kernel::BatchNormStatistics, &params, by_channel(norm, ADDED_CHANNELS, 24 * THREADS))?;
        gpu.launch(apply, &params, grid.launch(0))
    }
}

#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub(super) fn forward_inference(
    gpu: &Gpu,
    at: Addresses,
    norm: &BatchNorm,
    x: Slot,
    weights: Weights,
    shortcut: Slot,
    activation: Activation,
    y: Slot,
    saved: Slot,
) -> Result<()> {
    let precision = x.precision();
    let [x, shortcut, y] = [x, shortcut, y].map(|slot| at.address(slot));
    let (grid, shared) = prepare(gpu, norm, precision, &[x, shortcut, y], 0);
    let params = BatchNormParams {
        x,
        y,
        shortcut,
        gamma: at.address(weights.gamma),
        beta: at.address(weights.beta),
        mean: at.address(weights.mean),
        variance: at.address(weights.variance),
        saved: at.address(saved),
        activation: activation.code(),
        ..shared
    };
    let apply = kernel(precision, Kernel::BatchNormApplyF32, Kernel::BatchNormApplyBf16);
    // SAFETY: all operands lie in the arena and have the shapes that the kernels expect; neither kernel reads
    // the workspace.
    unsafe {
        gpu.launch(Kernel::BatchNormRunning, &params, by_channel(norm, THREADS, 0))?;
        gpu.launch(apply, &params, grid.launch(0))
    }
}

#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub(super) fn backward(
    gpu: &Gpu,
    at: Addresses,
    norm: &BatchNorm,
    statistics: Statistics,
    x: Slot,
    y: Slot,
    gamma: Slot,
    saved: Slot,
    dy: Slot,
    into: Gradients,
    work: Slot,
) -> Result<()> {
    let precision = x.precision();
    let images = [x, y, dy, into.x, into.shortcut].map(|slot| at.address(slot));
    let (grid, shared) = prepare(gpu, norm, precision, &images, at.address(work));
    let [x, y, dy, dx, dshortcut] = images;
    let params = BatchNormParams {
        x,
        y,
        gamma: at.address(gamma),
        saved: at.address(saved),
        dy,
        dx,
        dgamma: at.address(into.gamma),
        dbeta: at.address(into.beta),
        dshortcut,
        batch: u32::from(statistics == Statistics::Batch),
        ..shared
    };
    let sums = kernel(precision, Kernel::BatchNormGradientSumsF32, Kernel::BatchNormGradientSumsBf16);
    let gradient = kernel(precision, Kernel::BatchNormGradientF32, Kernel::BatchNormGradientBf16);
    // SAFETY: all operands lie in the arena and have the shapes that the kernels expect; the workspace has the length
    // of `floats`, enough for this grid.
    unsafe {
        gpu.launch(sums, &params, grid.launch(2 * grid.width * THREADS * 4))?;
        gpu.launch(Kernel::BatchNormSums, &params, by_channel(norm, ADDED_CHANNELS, 16 * THREADS))?;
        gpu.launch(gradient, &params, grid.launch(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_and_channel_is_some_threads_and_the_workspace_holds_all_sums() {
        let rows = (1..300).chain([1000, 4095, 12_544, 100_352, 0x7fff_ffff]);
        for rows in rows {
            for channels in (1..70).chain([200, 512, 2048]).filter(|channels| rows * channels < 1 << 31) {
                for multiprocessors in [1, 2, 132] {
                    let floats = floats(rows, channels, multiprocessors);
                    for width in [1, 4, 8].into_iter().filter(|width| channels % width == 0) {
                        let grid = Grid::new(rows, channels, width, multiprocessors);
                        let what = format!("{rows} x {channels} on {multiprocessors}: {grid:?}");
                        assert!(grid.across.is_power_of_two() && grid.across <= 32, "{what}");
                        assert!(grid.blocks * grid.across * width >= channels, "{what}");
                        assert!((grid.blocks - 1) * grid.across * width < channels, "{what}");
                        assert!(grid.splits * grid.split_rows >= rows, "{what}");
                        assert!((grid.splits - 1) * grid.split_rows < rows, "no block without rows: {what}");
                        assert!(grid.splits <= 65_535 && grid.split_rows <= u32::MAX as usize, "{what}");
                        assert!(channels * (2 + 2 * grid.splits) <= floats, "{what}");
                    }
                }
            }
        }
    }
}
