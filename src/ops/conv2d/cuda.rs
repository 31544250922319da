//! `conv2d` on a GPU: the kernel, tiles and splits of each pass, and its launches. All of it follows from the shape and the
//! number of multiprocessors, without queries to the device.

use super::Conv2d;
use crate::device::{Addresses, Gpu, Kernel, Launch, params};
use crate::ops::Activation;
use crate::{Precision, Result, Slot};
use bytemuck::NoUninit;

/// Rows or columns of a tile on its longer side.
const TILE: usize = 128;
/// Rows or columns on the shorter side, except in wide tiles.
const NARROW: usize = 64;
/// Bytes of one row or column in a step of the sum.
const STEP_BYTES: usize = 64;
/// Least steps of a split: filling and draining the pipeline takes three.
const SPLIT_STEPS: usize = 4;
/// Least pixels in a part of the bias' gradient.
const PART_PIXELS: usize = 64;
/// Filters per block of the bias' gradient.
const BIAS_FILTERS: usize = 32;
/// The limit of a grid's second extent.
const MOST_SPLITS: usize = 65_535;

/// Mirrors `Divisor` of kernels/conv2d.cu: n / d for n below 2^31 is the upper half of n `multiplier`, shifted.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, NoUninit)]
struct Divisor {
    multiplier: u32,
    shift: u32,
}

impl Divisor {
    fn new(by: usize) -> Self {
        if by <= 1 {
            return Divisor { multiplier: 0, shift: 0 };
        }
        // With 2^(l - 1) < d <= 2^l and multiplier = ceil(2^(31 + l) / d), the quotient's error is below
        // n / 2^(31 + l) < 1 / d: too small to reach the next integer.
        let log = by.next_power_of_two().ilog2();
        let multiplier = (1u64 << (31 + log)).div_ceil(by as u64);
        Divisor { multiplier: multiplier as u32, shift: log - 1 }
    }
}

/// Mirrors `Conv2dParams` of kernels/conv2d.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct Conv2dParams {
    left: u64,
    right: u64,
    bias: u64,
    out: u64,
    batch: u32,
    height: u32,
    width: u32,
    channels: u32,
    out_height: u32,
    out_width: u32,
    filters: u32,
    kernel: u32,
    stride: u32,
    padding: u32,
    tiles_down: u32,
    tiles_across: u32,
    splits: u32,
    whole: u32,
    /// The activation's code.
    activation: u32,
    add: u32,
    inner: Divisor,
    outer: Divisor,
    outer_more: Divisor,
}
params!(Conv2dParams: 120 bytes, batch at 32, inner at 96);

/// Mirrors `Conv2dSumParams` of kernels/conv2d.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct Conv2dSumParams {
    partial: u64,
    bias: u64,
    out: u64,
    len: u32,
    channels: u32,
    splits: u32,
    /// The activation's code.
    activation: u32,
    add: u32,
    unused: u32,
}
params!(Conv2dSumParams: 48 bytes, len at 24);

/// Mirrors `Conv2dBiasParams` of kernels/conv2d.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct Conv2dBiasParams {
    dy: u64,
    partial: u64,
    pixels: u32,
    filters: u32,
    parts: u32,
    unused: u32,
}
params!(Conv2dBiasParams: 32 bytes, pixels at 16);

/// The three products that a convolution has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    Forward,
    Input,
    Weight,
}

/// Whether the left and the right operand can be read in chunks of 16 bytes.
type Whole = [bool; 2];

/// How a pass is cut into tiles and splits, and the kernel that computes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tiling {
    kernel: Kernel,
    /// Rows and columns of a tile.
    tile: [usize; 2],
    /// Tiles per class: down and across.
    tiles: [usize; 2],
    /// Classes of pixels in the input's gradient, by position modulo the stride.
    classes: usize,
    splits: usize,
    whole: Whole,
    /// Bytes of dynamic shared memory.
    shared_bytes: u32,
    /// Values of the output.
    len: usize,
}

impl Tiling {
    fn workspace_len(&self) -> usize {
        if self.splits > 1 { self.splits * self.len } else { 0 }
    }
}

/// For the input's gradient: rows and columns of the first class of pixels, which is the largest, and the largest number of
/// filter taps of any class.
fn largest_class(conv: &Conv2d) -> ([usize; 2], usize) {
    let (stride, extents) = (conv.stride, [conv.height, conv.width]);
    // An image smaller than the stride lacks classes, possibly the one with the most taps.
    let taps = extents.map(|extent| {
        let taps = |class: usize| {
            conv.kernel / stride + usize::from((class + conv.padding) % stride < conv.kernel % stride)
        };
        (0..stride.min(extent)).map(taps).max().unwrap_or(0)
    });
    (extents.map(|extent| extent.div_ceil(stride)), taps[0] * taps[1])
}

/// `aligned`: which operands start at a multiple of 16 bytes.
fn tiling(conv: &Conv2d, pass: Pass, precision: Precision, aligned: Whole, multiprocessors: usize) -> Tiling {
    let chunk = 16 / precision.bytes();
    let [c, k] = [conv.in_channels, conv.out_channels].map(|channels| channels % chunk == 0);
    let (rows, columns, depth, classes, channels, len) = match pass {
        Pass::Forward => (conv.pixels(), conv.out_channels, conv.patch(), 1, [c, c], conv.output_len()),
        Pass::Input => {
            let ([high, wide], taps) = largest_class(conv);
            let classes = conv.stride.min(conv.height) * conv.stride.min(conv.width);
            let depth = taps * conv.out_channels;
            (conv.batch * high * wide, conv.in_channels, depth, classes, [k, c], conv.input_len())
        }
        Pass::Weight => (conv.out_channels, conv.patch(), conv.pixels(), 1, [k, c], conv.weight_len()),
    };
    let whole = [channels[0] && aligned[0], channels[1] && aligned[1]];
    let copied = whole == [true; 2];
    // The side of the channels may be narrow.
    let across = if pass == Pass::Weight { rows } else { columns };
    let wide = copied && across > NARROW;
    let tile = match (wide, pass) {
        (true, _) => [TILE, TILE],
        (false, Pass::Weight) => [NARROW, TILE],
        (false, _) => [TILE, NARROW],
    };
    let tiles = [rows.div_ceil(tile[0]), columns.div_ceil(tile[1])];
    // Two blocks are resident on a multiprocessor.
    let steps = (depth * precision.bytes()).div_ceil(STEP_BYTES);
    let busy = (2 * multiprocessors).div_ceil(tiles[0] * tiles[1] * classes);
    let splits = busy.min(steps / SPLIT_STEPS).clamp(1, MOST_SPLITS);
    let stages = if copied { 4 } else { 2 };
    let shared_bytes = (stages * (tile[0] + tile[1]) * STEP_BYTES) as u32;
    Tiling {
        kernel: kernel(pass, precision, copied, wide),
        tile,
        tiles,
        classes,
        splits,
        whole,
        shared_bytes,
        len,
    }
}

fn kernel(pass: Pass, precision: Precision, copied: bool, wide: bool) -> Kernel {
    let [any, narrow, wider] = match (pass, precision) {
        (Pass::Forward, Precision::F32) => {
            [Kernel::Conv2dForwardF32Any, Kernel::Conv2dForwardF32, Kernel::Conv2dForwardF32Wide]
        }
        (Pass::Forward, Precision::Bf16) => {
            [Kernel::Conv2dForwardBf16Any, Kernel::Conv2dForwardBf16, Kernel::Conv2dForwardBf16Wide]
        }
        (Pass::Input, Precision::F32) => {
            [Kernel::Conv2dInputF32Any, Kernel::Conv2dInputF32, Kernel::Conv2dInputF32Wide]
        }
        (Pass::Input, Precision::Bf16) => {
            [Kernel::Conv2dInputBf16Any, Kernel::Conv2dInputBf16, Kernel::Conv2dInputBf16Wide]
        }
        (Pass::Weight, Precision::F32) => {
            [Kernel::Conv2dWeightF32Any, Kernel::Conv2dWeightF32, Kernel::Conv2dWeightF32Wide]
        }
        (Pass::Weight, Precision::Bf16) => {
            [Kernel::Conv2dWeightBf16Any, Kernel::Conv2dWeightBf16, Kernel::Conv2dWeightBf16Wide]
        }
    };
    match (copied, wide) {
        (false, _) => any,
        (true, false) => narrow,
        (true, true) => wider,
    }
}

/// Parts of the pixels with separate sums of dy.
fn bias_parts(conv: &Conv2d, multiprocessors: usize) -> usize {
    // Eight blocks are resident on a multiprocessor.
    let busy = (8 * multiprocessors).div_ceil(conv.out_channels.div_ceil(BIAS_FILTERS));
    busy.min(conv.pixels() / PART_PIXELS).clamp(1, MOST_SPLITS)
}

pub(super) fn workspace_len(gpu: &Gpu, conv: &Conv2d, precision: Precision) -> usize {
    needed(conv, precision, gpu.multiprocessors())
}

fn needed(conv: &Conv2d, precision: Precision, multiprocessors: usize) -> usize {
    // The maximum over all alignments of the operands.
    let aligned = [[false; 2], [false, true], [true, false], [true; 2]];
    let passes = [Pass::Forward, Pass::Input, Pass::Weight];
    let each = passes.iter().flat_map(|pass| aligned.map(|aligned| (*pass, aligned)));
    let product = each
        .map(|(pass, aligned)| tiling(conv, pass, precision, aligned, multiprocessors).workspace_len())
        .max();
    product.unwrap_or(0).max(bias_parts(conv, multiprocessors) * conv.out_channels)
}

/// The epilogue: what is applied to sums before they are written.
#[derive(Clone, Copy, Default)]
struct Epilogue {
    /// Address of the bias, or 0.
    bias: u64,
    activation: Activation,
    add: bool,
}

/// Runs one pass: the product of `left` and `right` to `out`.
#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
fn product(
    gpu: &Gpu,
    at: Addresses,
    conv: &Conv2d,
    pass: Pass,
    [left, right]: [Slot; 2],
    epilogue: Epilogue,
    out: Slot,
    work: Slot,
) -> Result<()> {
    let addresses = [at.address(left), at.address(right)];
    let aligned = addresses.map(|address| address % 16 == 0);
    let tiling = tiling(conv, pass, left.precision(), aligned, gpu.multiprocessors());
    let (stride, kernel) = (conv.stride, conv.kernel);
    let [inner, outer, outer_more] = match pass {
        Pass::Forward => [conv.in_channels, kernel, 1],
        Pass::Input => [conv.out_channels, kernel / stride, kernel / stride + 1],
        Pass::Weight => [conv.out_width(), conv.out_height(), 1],
    }
    .map(Divisor::new);
    let split = tiling.splits > 1;
    let params = Conv2dParams {
        left: addresses[0],
        right: addresses[1],
        bias: epilogue.bias,
        out: at.address(if split { work } else { out }),
        batch: conv.batch as u32,
        height: conv.height as u32,
        width: conv.width as u32,
        channels: conv.in_channels as u32,
        out_height: conv.out_height() as u32,
        out_width: conv.out_width() as u32,
        filters: conv.out_channels as u32,
        kernel: kernel as u32,
        stride: stride as u32,
        padding: conv.padding as u32,
        tiles_down: tiling.tiles[0] as u32,
        tiles_across: tiling.tiles[1] as u32,
        splits: tiling.splits as u32,
        whole: u32::from(tiling.whole[0]) + 2 * u32::from(tiling.whole[1]),
        activation: epilogue.activation.code(),
        add: epilogue.add.into(),
        inner,
        outer,
        outer_more,
    };
    let blocks = tiling.classes * tiling.tiles[0] * tiling.tiles[1];
    let grid = [blocks as u32, tiling.splits as u32, 1];
    // SAFETY: operands and output have the sizes of `conv`, as checked before, and the workspace has an output for
    // each split; the kernel stays within these extents.
    unsafe {
        gpu.launch(tiling.kernel, &params, Launch { grid, threads: 256, shared_bytes: tiling.shared_bytes })?
    };
    if split {
        sum(gpu, at, work, tiling.splits, epilogue, conv.out_channels, out)?;
    }
    Ok(())
}

/// Sums `splits` partial outputs, stored one after another in the workspace.
fn sum(
    gpu: &Gpu,
    at: Addresses,
    work: Slot,
    splits: usize,
    epilogue: Epilogue,
    channels: usize,
    out: Slot,
) -> Result<()> {
    let params = Conv2dSumParams {
        partial: at.address(work),
        bias: epilogue.bias,
        out: at.address(out),
        len: out.len() as u32,
        channels: channels as u32,
        splits: splits as u32,
        activation: epilogue.activation.code(),
        add: epilogue.add.into(),
        unused: 0,
    };
    let kernel = match out.precision() {
        Precision::F32 => Kernel::Conv2dSumF32,
        Precision::Bf16 => Kernel::Conv2dSumBf16,
    };
    let grid = [out.len().div_ceil(256) as u32, 1, 1];
    // SAFETY: the workspace has `splits` times the output's values, as was checked; the bias, where there is one, has
    // `channels`.
    unsafe { gpu.launch(kernel, &params, Launch { grid, threads: 256, shared_bytes: 0 }) }
}

#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub(super) fn forward(
    gpu: &Gpu,
    at: Addresses,
    conv: &Conv2d,
    x: Slot,
    w: Slot,
    bias: Slot,
    activation: Activation,
    y: Slot,
    work: Slot,
) -> Result<()> {
    let epilogue = Epilogue { bias: at.address(bias), activation, add: false };
    product(gpu, at, conv, Pass::Forward, [x, w], epilogue, y, work)
}

#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub(super) fn backward_input(
    gpu: &Gpu,
    at: Addresses,
    conv: &Conv2d,
    dy: Slot,
    w: Slot,
    add: bool,
    dx: Slot,
    work: Slot,
) -> Result<()> {
    let epilogue = Epilogue { add, ..Epilogue::default() };
    product(gpu, at, conv, Pass::Input, [dy, w], epilogue, dx, work)
}

#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub(super) fn backward_weight(
    gpu: &Gpu,
    at: Addresses,
    conv: &Conv2d,
    x: Slot,
    dy: Slot,
    dw: Slot,
    db: Slot,
    work: Slot,
) -> Result<()> {
    product(gpu, at, conv, Pass::Weight, [dy, x], Epilogue::default(), dw, work)?;
    if db.is_empty() {
        return Ok(());
    }
    // The workspace is free again: launches run one after another.
    let parts = bias_parts(conv, gpu.multiprocessors());
    let params = Conv2dBiasParams {
        dy: at.address(dy),
        partial: at.address(if parts > 1 { work } else { db }),
        pixels: conv.pixels() as u32,
        filters: conv.out_channels as u32,
        parts: parts as u32,
        unused: 0,
    };
    let kernel = match dy.precision() {
        Precision::F32 => Kernel::Conv2dBiasF32,
        Precision::Bf16 => Kernel::Conv2dBiasBf16,
    };
    let grid = [conv.out_channels.div_ceil(BIAS_FILTERS) as u32, parts as u32, 1];
    // SAFETY: dy has `pixels` times `filters` values; the workspace `parts` times `filters`, and db one of them.
    unsafe { gpu.launch(kernel, &params, Launch { grid, threads: 256, shared_bytes: 0 })? };
    if parts > 1 {
        sum(gpu, at, work, parts, Epilogue::default(), conv.out_channels, db)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_divisor_divides() {
        let near = |n: u64| [n.saturating_sub(1), n, n + 1];
        for by in (1..=300).chain([511, 512, 513, 4096, 25_088, 65_537, (1 << 30) + 1, (1 << 31) - 1]) {
            let divisor = Divisor::new(by);
            let quotient = |n: u64| match divisor.multiplier {
                0 => n,
                multiplier => ((n * u64::from(multiplier)) >> 32) >> divisor.shift,
            };
            let multiples = (0..60).map(|i| (i * 37_123_457 % (1 << 31)) / by as u64 * by as u64);
            for n in (0..1000).chain(multiples.flat_map(near)).chain(near((1 << 31) - 2)) {
                if n < 1 << 31 {
                    assert_eq!(quotient(n), n / by as u64, "{n} / {by}");
                }
            }
        }
    }

    /// Small convolutions of all kinds.
    fn small() -> Vec<Conv2d> {
        let mut all = Vec::new();
        for [batch, height, width] in [[1, 1, 1], [1, 5, 4], [2, 7, 19], [3, 24, 24]] {
            for channels in [[1, 1], [3, 64], [8, 65], [64, 20], [128, 300]] {
                for kernel in [1, 2, 3, 7] {
                    for stride in [1, 2, 3, 9] {
                        for padding in 0..kernel {
                            let [c, k] = channels;
                            all.extend(Conv2d::new([batch, height, width, c], k, kernel, stride, padding));
                        }
                    }
                }
            }
        }
        all.extend(Conv2d::linear(6, 25_088, 4096));
        all
    }

    #[test]
    fn tiles_cover_everything_once_and_the_workspace_suffices() {
        let mut with_splits = 0;
        for conv in small() {
            for (pass, precision, multiprocessors) in [Pass::Forward, Pass::Input, Pass::Weight]
                .into_iter()
                .flat_map(|pass| [Precision::F32, Precision::Bf16].map(|precision| (pass, precision)))
                .flat_map(|(pass, precision)| [1, 2, 132].map(|count| (pass, precision, count)))
            {
                let work = needed(&conv, precision, multiprocessors);
                for aligned in [[true; 2], [true, false], [false, true], [false; 2]] {
                    let tiling = tiling(&conv, pass, precision, aligned, multiprocessors);
                    let what = format!("{conv:?} {tiling:?}");
                    assert!(tiling.workspace_len() <= work, "{what}");
                    assert!(tiling.shared_bytes <= tiling.kernel.most_shared_bytes(), "{what}");
                    with_splits += usize::from(tiling.splits > 1);

                    // Rows, columns and values of the sum, class by class, as the kernel has them.
                    let (s, r) = (conv.stride, conv.kernel);
                    let mut classes = Vec::new();
                    match pass {
                        Pass::Forward => {
                            classes.push([conv.pixels(), conv.out_channels, conv.patch()]);
                        }
                        Pass::Weight => {
                            classes.push([conv.out_channels, conv.patch(), conv.pixels()]);
                        }
                        Pass::Input => {
                            let pixels = |extent: usize, class: usize| (class..extent).step_by(s).count();
                            let taps = |class: usize| {
                                (0..r)
                                    .filter(|tap| (class + conv.padding + s * r - tap).is_multiple_of(s))
                                    .count()
                            };
                            for row in 0..s.min(conv.height) {
                                for column in 0..s.min(conv.width) {
                                    classes.push([
                                        conv.batch * pixels(conv.height, row) * pixels(conv.width, column),
                                        conv.in_channels,
                                        taps(row) * taps(column) * conv.out_channels,
                                    ]);
                                }
                            }
                        }
                    }
                    assert_eq!(classes.len(), tiling.classes, "{what}");
                    let values: usize = classes.iter().map(|[rows, columns, _]| rows * columns).sum();
                    assert_eq!(values, tiling.len, "{what}");
                    for class in &classes {
                        for side in 0..2 {
                            let covered = tiling.tiles[side] * tiling.tile[side];
                            assert!(covered >= class[side], "{what} {class:?}");
                        }
                    }
                    for side in 0..2 {
                        let most = classes.iter().map(|class| class[side]).max().unwrap();
                        assert!(tiling.tiles[side] * tiling.tile[side] < most + tiling.tile[side], "{what}");
                    }
                    // Splits of the largest class: none is empty, none too short.
                    let depth = classes.iter().map(|class| class[2]).max().unwrap();
                    let steps = (depth * precision.bytes()).div_ceil(STEP_BYTES);
                    let at = |split: usize| steps * split / tiling.splits;
                    assert_eq!((at(0), at(tiling.splits)), (0, steps), "{what}");
                    if tiling.splits > 1 {
                        let least = (0..tiling.splits).map(|split| at(split + 1) - at(split)).min();
                        assert!(least >= Some(SPLIT_STEPS), "{what}");
                        let without = tiling.tiles[0] * tiling.tiles[1] * tiling.classes;
                        assert!(without < 2 * multiprocessors, "{what}: split without need");
                    }
                }
                let parts = bias_parts(&conv, multiprocessors);
                assert!(parts >= 1 && parts <= conv.pixels().div_ceil(PART_PIXELS), "{conv:?}");
            }
        }
        assert!(with_splits > 100);
    }
}
