//! `take_images` on the CPU: rows of pixels in parallel. Every operation is rounded separately, in the order of
//! kernels/take_images.cu, for the same bits.

use super::{CHOICE, TakeImages};
use crate::simd::vectorized;
use macro_rules_attribute::apply;
use rayon::prelude::*;

/// Values in a task, at least.
const PIECE: usize = 1 << 12;

/// The source of an image, from the operand `choices`.
struct Source<'a> {
    bytes: &'a [u8],
    top: f32,
    left: f32,
    height: f32,
    width: f32,
    flip: bool,
}

impl<'a> Source<'a> {
    fn new(op: &TakeImages, set: &'a [u8], choice: &[f32]) -> Option<Self> {
        let &[row, top, left, height, width, flip] = choice else { return None };
        let at = row as usize;
        let named = at as f32 == row && at < op.images;
        let bytes = named.then(|| &set[at * op.values()..][..op.values()])?;
        Some(Source { bytes, top, left, height, width, flip: flip != 0.0 })
    }

    fn is_whole(&self, op: &TakeImages) -> bool {
        [self.top, self.left] == [0.0; 2] && [self.height, self.width] == [op.height as f32, op.width as f32]
    }
}

/// The two adjacent pixels of a sampling position, and its distance from the first.
struct Between {
    low: usize,
    high: usize,
    along: f32,
}

/// `place` of an image of `len` rows or columns, in a box of `extent` from `from` on.
fn between(place: usize, len: usize, from: f32, extent: f32) -> Between {
    let step = extent / len as f32;
    let at = (from + (place as f32 + 0.5) * step) - 0.5;
    let at = at.max(from).min((from + extent) - 1.0);
    let low = (at as usize).min(len - 1);
    Between { low, high: (low + 1).min(len - 1), along: at - low as f32 }
}

pub(super) fn take(op: &TakeImages, set: &[f32], choices: &[f32], scale: &[f32], y: &mut [f32]) {
    let set: &[u8] = bytemuck::cast_slice(set);
    // A row's scales and shifts, repeated for all its pixels, so that they are read contiguously.
    let (scale, shift) = scale.split_at(op.channels);
    let of_row = |values: &[f32]| values.repeat(op.width);
    let (scale, shift) = (of_row(scale), of_row(shift));
    let len = op.width * op.channels;
    let rows = y.par_chunks_exact_mut(len).enumerate().with_min_len(PIECE.div_ceil(len));
    rows.for_each(|(at, y)| {
        let (image, row) = (at / op.height, at % op.height);
        let Some(source) = Source::new(op, set, &choices[image * CHOICE..][..CHOICE]) else {
            return y.fill(f32::NAN);
        };
        if source.is_whole(op) {
            let bytes = &source.bytes[row * len..][..len];
            if source.flip { flipped(op, bytes, y) } else { as_floats(bytes, y) }
        } else {
            sampled(op, &source, row, y);
        }
        normalise(&scale, &shift, y);
    });
}

#[apply(vectorized)]
fn as_floats(bytes: &[u8], y: &mut [f32]) {
    for (y, byte) in y.iter_mut().zip(bytes) {
        *y = f32::from(*byte);
    }
}

#[apply(vectorized)]
fn normalise(scale: &[f32], shift: &[f32], y: &mut [f32]) {
    for (y, (scale, shift)) in y.iter_mut().zip(scale.iter().zip(shift)) {
        *y = *y * scale + shift;
    }
}

/// A row of pixels from its end.
fn flipped(op: &TakeImages, bytes: &[u8], y: &mut [f32]) {
    for (y, pixel) in y.chunks_exact_mut(op.channels).zip(bytes.rchunks_exact(op.channels)) {
        for (y, byte) in y.iter_mut().zip(pixel) {
            *y = f32::from(*byte);
        }
    }
}

/// A row of a box that is not the whole image.
fn sampled(op: &TakeImages, source: &Source<'_>, row: usize, y: &mut [f32]) {
    let &TakeImages { height, width, channels, .. } = op;
    let down = between(row, height, source.top, source.height);
    let [above, below] =
        [down.low, down.high].map(|i| &source.bytes[i * width * channels..][..width * channels]);
    for (j, y) in y.chunks_exact_mut(channels).enumerate() {
        let place = if source.flip { width - 1 - j } else { j };
        let right = between(place, width, source.left, source.width);
        let (left, other) = (right.low * channels, right.high * channels);
        for (c, y) in y.iter_mut().enumerate() {
            let mix = |row: &[u8]| {
                let (a, b) = (f32::from(row[left + c]), f32::from(row[other + c]));
                a + right.along * (b - a)
            };
            let (a, b) = (mix(above), mix(below));
            *y = a + down.along * (b - a);
        }
    }
}
