//! `conv2d` on the CPU: blocks of the matrix of patches (im2col), each multiplied as soon as it is gathered. Tasks depend on
//! the shape only, so that results do not depend on the number of threads.

mod few;
mod winograd;

use super::Conv2d;
use crate::ops::Activation;
use crate::ops::gemm::{Operand, gemm};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Mutex;

/// Output pixels in a block: enough to amortise packing the weights for each block.
const PIXELS: usize = 512;
/// Output channels in a task, where there are too few blocks of pixels.
const CHANNELS: usize = 64;
/// Columns of the weights' gradient in a task.
const COLUMNS: usize = 512;
/// Tasks that balance the load over a usual number of threads.
const TASKS: usize = 64;
/// Bands of image rows in the images' gradient: fewer, as adjacent bands both compute the patches between them.
const BANDS: usize = 32;
/// Least rows of a band.
const ROWS: usize = 8;

/// A matrix: its first value, and the strides of its rows and columns.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    row: usize,
    column: usize,
}

/// A tensor to which tasks write disjoint values. It is mutably borrowed meanwhile.
struct Shared<'a> {
    start: *mut f32,
    len: usize,
    values: PhantomData<&'a mut [f32]>,
}

// SAFETY: tasks write disjoint values, as its functions demand.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    fn new(values: &'a mut [f32]) -> Self {
        Shared { start: values.as_mut_ptr(), len: values.len(), values: PhantomData }
    }

    /// Values `at .. at + len`.
    ///
    /// # Safety
    /// No other task may read or write any of them.
    #[allow(clippy::mut_from_ref, reason = "tasks share the tensor, not its values")]
    unsafe fn part(&self, at: usize, len: usize) -> &mut [f32] {
        assert!(at + len <= self.len);
        // SAFETY: inside the tensor; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }

    /// The product `left` `right`, m x k by k x n, written at `at` with row stride `row`; accumulated into the output where
    /// `add`.
    ///
    /// # Safety
    /// No other task may read or write any of them.
    unsafe fn multiply(
        &self,
        [m, k, n]: [usize; 3],
        left: Matrix<'_>,
        right: Matrix<'_>,
        (at, row): (usize, usize),
        add: bool,
    ) {
        assert!(m > 0 && k > 0 && n > 0);
        let last = |matrix: &Matrix<'_>, rows: usize, columns: usize| {
            (rows - 1) * matrix.row + (columns - 1) * matrix.column
        };
        assert!(last(&left, m, k) < left.values.len() && last(&right, k, n) < right.values.len());
        assert!(at + (m - 1) * row + n <= self.len);
        // SAFETY: the last entries of all three lie inside their slices, as just checked, and so do all others; who
        // else writes the target is the caller's promise.
        unsafe {
            let operand = |matrix: Matrix<'_>| Operand {
                first: matrix.values.as_ptr(),
                row: matrix.row,
                column: matrix.column,
            };
            gemm([m, k, n], operand(left), operand(right), (self.start.add(at), row), add);
        }
    }
}

impl Conv2d {
    /// Whether the images themselves are the matrix of patches.
    fn is_product(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0
    }

    /// The filter columns that lie inside the image for output column `q`, and the image column of the first.
    fn inside(&self, at: usize, extent: usize) -> (Range<usize>, usize) {
        let first = at * self.stride;
        let from = self.padding.saturating_sub(first).min(self.kernel);
        let to = (extent + self.padding).saturating_sub(first).min(self.kernel).max(from);
        (from..to, (first + from).saturating_sub(self.padding))
    }

    /// Image, row and column of an output pixel.
    fn place(&self, pixel: usize) -> [usize; 3] {
        let (p, q) = (self.out_height(), self.out_width());
        [pixel / (p * q), pixel / q % p, pixel % q]
    }
}

/// Gathers rows `pixels` of the matrix of patches, for filter rows `rows`, into `out`.
fn gather(conv: &Conv2d, x: &[f32], pixels: Range<usize>, rows: Range<usize>, out: &mut [f32]) {
    let (c, width) = (conv.in_channels, conv.kernel * conv.in_channels);
    for (pixel, out) in pixels.zip(out.chunks_mut(rows.len() * width)) {
        let [n, p, q] = conv.place(pixel);
        let (inside_rows, first_row) = conv.inside(p, conv.height);
        let (inside, first) = conv.inside(q, conv.width);
        for (r, out) in rows.clone().zip(out.chunks_exact_mut(width)) {
            if !inside_rows.contains(&r) {
                out.fill(0.0);
                continue;
            }
            let row = (n * conv.height + first_row + r - inside_rows.start) * conv.width;
            out[..inside.start * c].fill(0.0);
            out[inside.start * c..inside.end * c]
                .copy_from_slice(&x[(row + first) * c..][..inside.len() * c]);
            out[inside.end * c..].fill(0.0);
        }
    }
}

/// Splits a range into pieces of `most`; the last may be shorter.
fn pieces(len: usize, most: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    (0..len).step_by(most).map(move |from| from..(from + most).min(len))
}

/// Workspaces that tasks borrow: one per concurrent thread.
struct Spaces<'a>(Mutex<Vec<&'a mut [f32]>>);

impl<'a> Spaces<'a> {
    fn new(work: &'a mut [f32], each: usize) -> Self {
        Spaces(Mutex::new(if each == 0 { Vec::new() } else { work.chunks_exact_mut(each).collect() }))
    }

    fn with<R>(&self, work: impl FnOnce(&mut [f32]) -> R) -> R {
        let space = self.0.lock().unwrap_or_else(|e| e.into_inner()).pop().unwrap_or_default();
        let result = work(space);
        self.0.lock().unwrap_or_else(|e| e.into_inner()).push(space);
        result
    }
}

fn block(conv: &Conv2d) -> usize {
    if conv.is_product() { 0 } else { PIXELS.min(conv.pixels()) * conv.patch() }
}

pub(super) fn workspace_len(conv: &Conv2d) -> usize {
    // The images' gradient needs a block for patches' gradients, even where the forward pass gathers none.
    let blocks = block(conv) * rayon::current_num_threads();
    if few::pays(conv) {
        return 0;
    }
    if winograd::pays(conv) {
        return blocks.max(winograd::workspace_len(conv));
    }
    blocks + turned(conv).max(Parts::new(conv).partial(conv))
}

/// Values of the weights transposed for the forward pass: 0 where pixels are too few for that to pay.
fn turned(conv: &Conv2d) -> usize {
    if conv.pixels() > 2 * PIXELS { conv.weight_len() } else { 0 }
}

/// `turned`\[column\]\[filter\] = `w`\[filter\]\[column\]: the order from which `gemm` packs them fast, for each block.
fn turn(w: &[f32], patch: usize, turned: &mut [f32]) {
    const LINES: usize = 16;
    let k = w.len() / patch;
    turned.par_chunks_mut(LINES * k).enumerate().for_each(|(at, turned)| {
        for (filter, row) in w.chunks_exact(patch).enumerate() {
            for (line, v) in turned.chunks_exact_mut(k).zip(&row[at * LINES..]) {
                line[filter] = *v;
            }
        }
    });
}

/// Applies bias, if any, and activation to the outputs of adjacent filters from `first` on.
fn finish(out: &mut [f32], bias: &[f32], first: usize, activation: Activation) {
    if !bias.is_empty() {
        out.iter_mut().zip(&bias[first..]).for_each(|(out, b)| *out += b);
    }
    activation.apply(out);
}

#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub(super) fn forward(
    conv: &Conv2d,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    activation: Activation,
    y: &mut [f32],
    work: &mut [f32],
) {
    if few::pays(conv) {
        return few::forward(conv, x, w, bias, activation, y);
    }
    if winograd::pays(conv) {
        return winograd::forward(conv, x, w, bias, activation, y, work);
    }
    let (patch, k) = (conv.patch(), conv.out_channels);
    let blocks: Vec<Range<usize>> = pieces(conv.pixels(), PIXELS).collect();
    // With few pixels filters are divided too, although each part gathers the patches again.
    let most = if blocks.len() < TASKS { k.div_ceil(TASKS.div_ceil(blocks.len())).max(CHANNELS) } else { k };
    let tasks: Vec<(Range<usize>, Range<usize>)> =
        blocks.iter().flat_map(|block| pieces(k, most).map(|filters| (block.clone(), filters))).collect();
    let (weights, work) = work.split_at_mut(turned(conv));
    let weights = if weights.is_empty() {
        Matrix { values: w, row: 1, column: patch }
    } else {
        turn(w, patch, weights);
        Matrix { values: weights, row: k, column: 1 }
    };
    let (spaces, y) = (Spaces::new(work, block(conv)), Shared::new(y));
    tasks.into_par_iter().for_each(|(pixels, filters)| {
        spaces.with(|space| {
            let patches = if conv.is_product() {
                &x[pixels.start * patch..pixels.end * patch]
            } else {
                let space = &mut space[..pixels.len() * patch];
                gather(conv, x, pixels.clone(), 0..conv.kernel, space);
                space
            };
            // SAFETY: this task's pixels and filters are its alone.
            unsafe {
                y.multiply(
                    [pixels.len(), patch, filters.len()],
                    Matrix { values: patches, row: patch, column: 1 },
                    Matrix { values: &weights.values[filters.start * weights.column..], ..weights },
                    (pixels.start * k + filters.start, k),
                    false,
                );
            }
            if !bias.is_empty() || activation != Activation::Identity {
                for pixel in pixels {
                    // SAFETY: as above.
                    let out = unsafe { y.part(pixel * k + filters.start, filters.len()) };
                    finish(out, bias, filters.start, activation);
                }
            }
        })
    });
}

pub(super) fn backward_input(
    conv: &Conv2d,
    dy: &[f32],
    w: &[f32],
    add: bool,
    dx: &mut [f32],
    work: &mut [f32],
) {
    if few::pays(conv) {
        return few::backward_input(conv, dy, w, add, dx);
    }
    if winograd::pays(conv) {
        return winograd::backward_input(conv, dy, w, add, dx, work);
    }
    let (patch, k, c) = (conv.patch(), conv.out_channels, conv.in_channels);
    if conv.is_product() {
        // dx = dy w, cut into blocks of pixels and, where those are few, of channels.
        let blocks: Vec<Range<usize>> = pieces(conv.pixels(), PIXELS).collect();
        let most =
            if blocks.len() < TASKS { c.div_ceil(TASKS.div_ceil(blocks.len())).max(CHANNELS) } else { c };
        let tasks: Vec<(Range<usize>, Range<usize>)> =
            blocks.iter().flat_map(|block| pieces(c, most).map(|part| (block.clone(), part))).collect();
        let dx = Shared::new(dx);
        tasks.into_par_iter().for_each(|(pixels, channels)| {
            // SAFETY: this task's pixels and channels are its alone.
            unsafe {
                dx.multiply(
                    [pixels.len(), k, channels.len()],
                    Matrix { values: &dy[pixels.start * k..pixels.end * k], row: k, column: 1 },
                    Matrix { values: &w[channels.start..], row: c, column: 1 },
                    (pixels.start * c + channels.start, c),
                    add,
                );
            }
        });
        return;
    }
    // The patches' gradients, block by block, are accumulated into the image (col2im): a task is a band of an image's rows,
    // which adds its blocks in order.
    let bands = BANDS.div_ceil(conv.batch).min(conv.height.div_ceil(ROWS));
    let tasks: Vec<(usize, Range<usize>)> = (0..conv.batch)
        .flat_map(|image| pieces(conv.height, conv.height.div_ceil(bands)).map(move |rows| (image, rows)))
        .collect();
    let (width, q, pixels) = (conv.width * c, conv.out_width(), conv.out_height() * conv.out_width());
    let (spaces, dx) = (Spaces::new(work, block(conv)), Shared::new(dx));
    tasks.into_par_iter().for_each(|(image, rows)| {
        let dy = &dy[image * pixels * k..(image + 1) * pixels * k];
        // SAFETY: this task's rows are its alone.
        let dx = unsafe { dx.part((image * conv.height + rows.start) * width, rows.len() * width) };
        if !add {
            dx.fill(0.0);
        }
        // Output rows whose patches reach the band.
        let first = (rows.start + conv.padding + 1).saturating_sub(conv.kernel).div_ceil(conv.stride);
        let end = ((rows.end - 1 + conv.padding) / conv.stride + 1).min(conv.out_height());
        spaces.with(|space| {
            for block in pieces(end.saturating_sub(first) * q, PIXELS) {
                let block = first * q + block.start..first * q + block.end;
                let space = &mut space[..block.len() * patch];
                // SAFETY: the space is this task's.
                unsafe {
                    Shared::new(space).multiply(
                        [block.len(), k, patch],
                        Matrix { values: &dy[block.start * k..block.end * k], row: k, column: 1 },
                        Matrix { values: w, row: patch, column: 1 },
                        (0, patch),
                        false,
                    );
                }
                scatter(conv, space, block, rows.clone(), dx);
            }
        });
    });
}

/// Accumulates gradients of an image's patches into some of its rows (col2im).
fn scatter(conv: &Conv2d, patches: &[f32], pixels: Range<usize>, band: Range<usize>, dx: &mut [f32]) {
    let (c, width) = (conv.in_channels, conv.kernel * conv.in_channels);
    for (pixel, patch) in pixels.zip(patches.chunks_exact(conv.patch())) {
        let [_, p, q] = conv.place(pixel);
        let (rows, first_row) = conv.inside(p, conv.height);
        let (inside, first) = conv.inside(q, conv.width);
        for (r, patch) in patch.chunks_exact(width).enumerate().filter(|(r, _)| rows.contains(r)) {
            let row = first_row + r - rows.start;
            if !band.contains(&row) {
                continue;
            }
            let out = &mut dx[((row - band.start) * conv.width + first) * c..][..inside.len() * c];
            out.iter_mut().zip(&patch[inside.start * c..]).for_each(|(out, v)| *out += v);
        }
    }
}

/// How the weights' gradient is divided into tasks.
struct Parts {
    /// Filter rows in a task; all of them where the images are the matrix of patches.
    rows: usize,
    /// Columns of the matrix of patches in a task.
    columns: usize,
    filters: usize,
    /// Slices of the pixels, with separate sums, where the weights alone give too few tasks.
    slices: usize,
}

impl Parts {
    fn new(conv: &Conv2d) -> Self {
        let (patch, k) = (conv.patch(), conv.out_channels);
        let row = conv.kernel * conv.in_channels;
        let rows = if conv.is_product() { 1 } else { (COLUMNS / row).clamp(1, conv.kernel) };
        let columns = if conv.is_product() { COLUMNS.min(patch) } else { rows * row };
        let count = patch.div_ceil(columns);
        let filters = k.div_ceil(TASKS.div_ceil(count).min(8)).max(CHANNELS).min(k);
        let tasks = count * k.div_ceil(filters);
        let slices = TASKS.div_ceil(tasks).min(conv.pixels().div_ceil(8 * PIXELS));
        Parts { rows, columns, filters, slices }
    }

    /// Values of all slices' sums.
    fn partial(&self, conv: &Conv2d) -> usize {
        if self.slices > 1 { self.slices * conv.weight_len() } else { 0 }
    }
}

pub(super) fn backward_weight(
    conv: &Conv2d,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    db: &mut [f32],
    work: &mut [f32],
) {
    if !db.is_empty() {
        sum_rows(dy, db);
    }
    if few::pays(conv) {
        return few::backward_weight(conv, x, dy, dw);
    }
    if winograd::pays(conv) {
        return winograd::backward_weight(conv, x, dy, dw, work);
    }
    let (patch, k) = (conv.patch(), conv.out_channels);
    // A task takes some columns and filters, and goes through all pixels, or those of a slice, in order.
    let parts = Parts::new(conv);
    let slice = conv.pixels().div_ceil(PIXELS).div_ceil(parts.slices) * PIXELS;
    let tasks: Vec<_> = pieces(conv.pixels(), slice)
        .enumerate()
        .flat_map(|slice| pieces(patch, parts.columns).map(move |columns| (slice.clone(), columns)))
        .flat_map(|(slice, columns)| {
            pieces(k, parts.filters).map(move |filters| (slice.clone(), columns.clone(), filters))
        })
        .collect();
    let (partial, work) = work.split_at_mut(parts.partial(conv));
    let spaces = Spaces::new(work, block(conv));
    let sums = Shared::new(if partial.is_empty() { &mut *dw } else { &mut *partial });
    tasks.into_par_iter().for_each(|((slice, all), columns, filters)| {
        spaces.with(|space| {
            for block in pieces(all.len(), PIXELS) {
                let pixels = all.start + block.start..all.start + block.end;
                let patches = if conv.is_product() {
                    Matrix { values: &x[pixels.start * patch + columns.start..], row: patch, column: 1 }
                } else {
                    let first = columns.start / (conv.kernel * conv.in_channels);
                    let rows = first..(first + parts.rows).min(conv.kernel);
                    let space = &mut space[..pixels.len() * columns.len()];
                    gather(conv, x, pixels.clone(), rows, space);
                    Matrix { values: space, row: columns.len(), column: 1 }
                };
                // SAFETY: this task's slice, filters and columns are its alone.
                unsafe {
                    sums.multiply(
                        [filters.len(), pixels.len(), columns.len()],
                        Matrix { values: &dy[pixels.start * k + filters.start..], row: 1, column: k },
                        patches,
                        (slice * conv.weight_len() + filters.start * patch + columns.start, patch),
                        block.start > 0,
                    );
                }
            }
        })
    });
    if !partial.is_empty() {
        const AT_ONCE: usize = 1 << 12;
        let slices = conv.pixels().div_ceil(slice);
        dw.par_chunks_mut(AT_ONCE).enumerate().for_each(|(at, dw)| {
            dw.fill(0.0);
            for sums in partial.chunks_exact(conv.weight_len()).take(slices) {
                dw.iter_mut().zip(&sums[at * AT_ONCE..]).for_each(|(dw, sum)| *dw += sum);
            }
        });
    }
}

/// The sum of all rows, in f64 and in order.
fn sum_rows(rows: &[f32], out: &mut [f32]) {
    const AT_ONCE: usize = 64;
    let k = out.len();
    out.par_chunks_mut(AT_ONCE).enumerate().for_each(|(at, out)| {
        let mut sums = [0f64; AT_ONCE];
        for row in rows.chunks_exact(k) {
            let row = &row[at * AT_ONCE..][..out.len()];
            sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += f64::from(*v));
        }
        out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = *sum as f32);
    });
}
