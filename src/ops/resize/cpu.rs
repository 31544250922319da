//! `resize` on the CPU: one image at a time, first along its rows, then along its columns.
//! The weights of both axes are computed once per image; callers run one image per thread.

use crate::simd::vectorized;
use macro_rules_attribute::apply;

/// The filter taps of each output position along one axis: `count` inputs from `first` on, and their weights.
///
/// Computed in the precisions of PyTorch's CPU code, for the same weights to the last bits; the CUDA code reads these tables
/// too, so that both devices agree.
///
/// ```
/// use sharpdim::ops::resize::Taps;
/// // Two values to four: the first output is the first input, the second lies a quarter of the way on.
/// let taps = Taps::new(2, 4, false);
/// assert_eq!((taps.first[1], &taps.weights[2..4]), (0, &[0.75, 0.25][..]));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Taps {
    /// The first input of each output.
    pub first: Vec<u32>,
    /// Number of inputs of each output: from 1 to `stride`.
    pub count: Vec<u32>,
    /// `stride` weights for each output, of which the first `count` are used. They sum to 1.
    pub weights: Vec<f32>,
    /// The most inputs of any output.
    pub stride: usize,
}

impl Taps {
    /// The taps that resize `input` values to `output` values: half-pixel centres, edges repeated.
    ///
    /// Without `antialias` each output lies between two inputs. With it, where there are fewer outputs
    /// than inputs, each is the triangle-weighted mean of all the inputs within a step of it, as in Pillow.
    ///
    /// # Panics
    /// Where an extent is 0 or above `u32::MAX`.
    pub fn new(input: usize, output: usize, antialias: bool) -> Self {
        assert!(input > 0 && output > 0, "resizing {input} values to {output}");
        assert!(u32::try_from(input).is_ok(), "resizing {input} values");
        if antialias { Self::triangle(input, output) } else { Self::linear(input, output) }
    }

    fn linear(input: usize, output: usize) -> Self {
        let scale = input as f32 / output as f32;
        let mut taps = Taps::empty(output, 2);
        for at in 0..output {
            let centre = (scale * (at as f32 + 0.5) - 0.5).max(0.0);
            let first = (centre as usize).min(input - 1);
            let second_weight = (centre - first as f32).clamp(0.0, 1.0);
            if first + 1 < input {
                taps.push(first, &[1.0 - second_weight, second_weight])
            } else {
                taps.push(first, &[1.0])
            }
        }
        taps
    }

    fn triangle(input: usize, output: usize) -> Self {
        let scale = input as f32 / output as f32;
        let support = scale.max(1.0);
        let narrowing = 1.0 / f64::from(support);
        let mut taps = Taps::empty(output, support.ceil() as usize * 2 + 1);
        let mut weights = Vec::new();
        for at in 0..output {
            let centre = (f64::from(scale) * (at as f64 + 0.5)) as f32;
            // Casts truncate towards zero, and negative values become zero.
            let first = (f64::from(centre - support) + 0.5) as usize;
            let end = ((f64::from(centre + support) + 0.5) as usize).min(input);
            weights.clear();
            weights.extend((first..end).map(|i| {
                let distance = (f64::from(i as f32 - centre) + 0.5) * narrowing;
                (1.0 - distance.abs()).max(0.0) as f32
            }));
            let sum: f32 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
            taps.push(first, &weights);
        }
        taps
    }

    fn empty(output: usize, stride: usize) -> Self {
        let (first, count) = (Vec::with_capacity(output), Vec::with_capacity(output));
        Taps { first, count, weights: Vec::with_capacity(output * stride), stride }
    }

    fn push(&mut self, first: usize, weights: &[f32]) {
        self.first.push(first as u32);
        self.count.push(weights.len() as u32);
        self.weights.extend(weights);
        self.weights.resize(self.first.len() * self.stride, 0.0);
    }

    /// The first input of output `at`, and the weights of the inputs from there on.
    #[inline]
    pub(super) fn at(&self, at: usize) -> (usize, &[f32]) {
        let weights = &self.weights[at * self.stride..][..self.count[at] as usize];
        (self.first[at] as usize, weights)
    }
}

/// Resizes an image of `h x w` pixels of `c` values, row-major, to `out_h x out_w` pixels: bilinear, with
/// half-pixel centres, as `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`. Values are floats,
/// or converted to floats row by row.
///
/// ```
/// use sharpdim::ops::resize::resize_bilinear;
/// let mut wide = [0.0; 4];
/// resize_bilinear(&[0.0, 8.0], 1, 2, 1, &mut wide, 1, 4, false);
/// assert_eq!(wide, [0.0, 2.0, 6.0, 8.0]);
/// resize_bilinear(&[0u8, 80], 1, 2, 1, &mut wide, 1, 4, false);
/// assert_eq!(wide, [0.0, 20.0, 60.0, 80.0]);
/// ```
///
/// # Panics
/// Where an extent is 0, or a slice's length does not match the extents.
#[allow(clippy::too_many_arguments, reason = "two images, each with its extents")]
pub fn resize_bilinear<T: Copy + Into<f32>>(
    src: &[T],
    h: usize,
    w: usize,
    c: usize,
    dst: &mut [f32],
    out_h: usize,
    out_w: usize,
    antialias: bool,
) {
    assert_eq!(src.len(), h * w * c, "an image of {h} x {w} x {c} values");
    assert_eq!(dst.len(), out_h * out_w * c, "an image of {out_h} x {out_w} x {c} values");
    let (rows, columns) = (Taps::new(h, out_h, antialias), Taps::new(w, out_w, antialias));
    let out_row = out_w * c;
    // A ring buffer of resized rows, as many as one output row needs. Row r is in slot r % stride.
    let mut ring = vec![0.0; rows.stride * out_row];
    let mut floats = vec![0.0; w * c];
    let mut ready = 0;
    for (at, out) in dst.chunks_exact_mut(out_row).enumerate() {
        let (first, weights) = rows.at(at);
        ready = ready.max(first);
        while ready < first + weights.len() {
            let slot = &mut ring[ready % rows.stride * out_row..][..out_row];
            let row = &src[ready * w * c..][..w * c];
            floats.iter_mut().zip(row).for_each(|(float, value)| *float = (*value).into());
            match c {
                1 => resize_row::<1>(&floats, &columns, slot),
                3 => resize_row::<3>(&floats, &columns, slot),
                _ => resize_row_of(&floats, c, &columns, slot),
            }
            ready += 1;
        }
        let row = |tap: usize| &ring[(first + tap) % rows.stride * out_row..][..out_row];
        if let [a, b] = weights {
            out.iter_mut()
                .zip(row(0))
                .zip(row(1))
                .for_each(|((out, above), below)| *out = a * above + b * below);
            continue;
        }
        for (tap, weight) in weights.iter().enumerate() {
            let row = row(tap);
            match tap {
                0 => out.iter_mut().zip(row).for_each(|(out, value)| *out = weight * value),
                _ => out.iter_mut().zip(row).for_each(|(out, value)| *out += weight * value),
            }
        }
    }
}

fn resize_row<const C: usize>(row: &[f32], columns: &Taps, out: &mut [f32]) {
    let (row, out) = (row.as_chunks::<C>().0, out.as_chunks_mut::<C>().0);
    if columns.stride == 2 {
        // Without antialiasing all outputs have two inputs, except those at or beyond the last pixel.
        let two = columns.count.iter().rposition(|count| *count == 2).map_or(0, |last| last + 1);
        let (inner, edge) = out.split_at_mut(two);
        let taps = columns.first.iter().zip(columns.weights.as_chunks::<2>().0);
        for (out, (first, [a, b])) in inner.iter_mut().zip(taps.clone()) {
            let [left, right] = &row[*first as usize..][..2] else { continue };
            *out = std::array::from_fn(|c| a * left[c] + b * right[c]);
        }
        for (out, (first, [a, _])) in edge.iter_mut().zip(taps.skip(two)) {
            *out = row[*first as usize].map(|v| a * v);
        }
        return;
    }
    for (at, out) in out.iter_mut().enumerate() {
        let (first, weights) = columns.at(at);
        let mut sums = [0.0; C];
        for (pixel, weight) in row[first..].iter().zip(weights) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += weight * value;
            }
        }
        *out = sums;
    }
}

fn resize_row_of(row: &[f32], c: usize, columns: &Taps, out: &mut [f32]) {
    for (at, out) in out.chunks_exact_mut(c).enumerate() {
        let (first, weights) = columns.at(at);
        out.fill(0.0);
        for (pixel, weight) in row[first * c..].chunks_exact(c).zip(weights) {
            for (sum, value) in out.iter_mut().zip(pixel) {
                *sum += weight * value;
            }
        }
    }
}

/// Scales values by their maximum: `floor(v * 255 / max)`, exactly; all zeros stay zeros.
///
/// ```
/// let mut scaled = [0; 3];
/// sharpdim::ops::resize::scale_by_max_u8(&[0, 50, 100], &mut scaled);
/// assert_eq!(scaled, [0, 127, 255]);
/// ```
///
/// # Panics
/// Where the slices differ in length.
pub fn scale_by_max_u8(src: &[u8], dst: &mut [u8]) {
    assert_eq!(src.len(), dst.len());
    dst.copy_from_slice(src);
    scale_in_place(dst);
}

/// As [`scale_by_max_u8`], where they are.
#[apply(vectorized)]
pub(crate) fn scale_in_place(values: &mut [u8]) {
    let max = values.iter().copied().fold(0, u8::max);
    if max == 0 || max == 255 {
        return;
    }
    // As below: 1 / max, rounded up to a multiple of 2^-24, is too large by less than 2^-24, a product below 2^16 by
    // less than 2^-8, which is less than its distance to the next integer.
    let inverse = (1u32 << 24).div_ceil(max.into());
    values.iter_mut().for_each(|value| *value = ((u32::from(*value) * 255 * inverse) >> 24) as u8);
}

/// Scales 16-bit values by their maximum to 8 bits: `floor(v * 255 / max)`, exactly; all zeros stay zeros.
///
/// # Panics
/// Where the slices differ in length.
///
/// ```
/// use sharpdim::ops::resize::scale_by_max_u16;
/// let mut scaled = [0; 3];
/// scale_by_max_u16(&[0, 500, 1000], &mut scaled);
/// assert_eq!(scaled, [0, 127, 255]);
/// ```
pub fn scale_by_max_u16(src: &[u16], dst: &mut [u8]) {
    assert_eq!(src.len(), dst.len());
    let max = u64::from(src.iter().copied().max().unwrap_or(0)).max(1);
    scale_u16(src, max, dst);
}

/// `floor(v * 255 / max)` by a multiplication: 1 / max is rounded up to a multiple of 2^-40, by less than 2^-40, so
/// that a product below 2^24 is too large by less than 2^-16, which is less than its distance to the next integer.
#[apply(vectorized)]
fn scale_u16(src: &[u16], max: u64, dst: &mut [u8]) {
    let inverse = (1u64 << 40).div_ceil(max);
    dst.iter_mut().zip(src).for_each(|(dst, value)| *dst = ((u64::from(*value) * 255 * inverse) >> 40) as u8);
}

/// Scales floats by their maximum to 8 bits: `floor(v * 255 / max)` in f64; all zeros stay zeros.
///
/// # Errors
/// The position of the first value that is negative, NaN or infinite, for which scaling by the maximum is not defined.
///
/// # Panics
/// Where the slices differ in length.
///
/// ```
/// use sharpdim::ops::resize::scale_by_max_f32;
/// let mut scaled = [0; 3];
/// assert_eq!(scale_by_max_f32(&[0.0, 0.5, 1.0], &mut scaled), Ok(()));
/// assert_eq!(scaled, [0, 127, 255]);
/// assert_eq!(scale_by_max_f32(&[0.0, -0.5, 1.0], &mut scaled), Err(1));
/// ```
pub fn scale_by_max_f32(src: &[f32], dst: &mut [u8]) -> Result<(), usize> {
    assert_eq!(src.len(), dst.len());
    if let Some(at) = src.iter().position(|value| !value.is_finite() || *value < 0.0) {
        return Err(at);
    }
    let max = f64::from(src.iter().copied().fold(0.0, f32::max));
    if max == 0.0 {
        dst.fill(0);
        return Ok(());
    }
    dst.iter_mut().zip(src).for_each(|(dst, value)| *dst = (f64::from(*value) * 255.0 / max) as u8);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bits_are_scaled_exactly() {
        for max in 0..=u8::MAX {
            let mut scaled: Vec<u8> = (0..=max).collect();
            scale_in_place(&mut scaled);
            let expected = (0..=max).map(|v| (u32::from(v) * 255 / u32::from(max.max(1))) as u8);
            assert_eq!(scaled, expected.collect::<Vec<_>>());
        }
    }

    /// Where a quotient is a whole number, or just below one, for every maximum there is.
    #[test]
    fn sixteen_bits_are_scaled_exactly() {
        let mut scaled = Vec::new();
        for max in 1..=u16::MAX {
            let (wide, parts) = (u32::from(max), 0..=255u32);
            let mut values: Vec<u16> = parts
                .flat_map(|part| [(part * wide).div_ceil(255), (part * wide / 255).saturating_sub(1)])
                .filter(|value| *value <= wide)
                .map(|value| value as u16)
                .collect();
            values.push(max);
            scaled.resize(values.len(), 0);
            scale_by_max_u16(&values, &mut scaled);
            for (value, scaled) in values.iter().zip(&scaled) {
                assert_eq!(u32::from(*scaled), u32::from(*value) * 255 / wide, "{value} of {max}");
            }
        }
    }
}
