//! Rows for the integer engine: bytes as they are, or floats on a grid of 256 or 65 536 steps.
//!
//! A 16-bit value X is two planes of bytes, X = 256 high + low. Of the four products in X.Y, the three
//! largest are computed. The fourth, low.low, is a product of two nearly centred remainders after
//! subtracting 128 from each byte: it is bounded by their norms (Cauchy-Schwarz) and left out.

use super::int::{Pass, Totals};
use super::{Bounds, Float, Rows, Run, WIDENED, blocks};
use crate::points::Kind;
use crate::simd::vectorized;
use macro_rules_attribute::apply;
use rayon::prelude::*;

/// The 8- or 16-bit form of a set of samples, computed at each read: only the grid is stored.
#[derive(Clone)]
pub(crate) struct Quantised<'a> {
    rows: Rows<'a>,
    /// Each column's least value: the grid starts there, so that its step depends on the widest
    /// column's range and not on any offset. Empty for bytes, and for 64-bit values, which have their own.
    low: Vec<f32>,
    wide_low: Vec<f64>,
    /// The widest column's range.
    range: f64,
    /// Steps in one unit of the data: a 32-bit float for all but 64-bit values.
    scale: f64,
    fine: bool,
}

impl<'a> Quantised<'a> {
    /// The 8-bit form of `rows`, and the error bounds of its distances.
    pub(crate) fn new(rows: impl Into<Rows<'a>>) -> (Self, Bounds) {
        let rows = rows.into();
        if rows.bytes() {
            let (low, wide_low) = (Vec::new(), Vec::new());
            let this = Quantised { rows, low, wide_low, range: 255.0, scale: 1.0, fine: false };
            return (this, Bounds::Exact { unit: 1.0 });
        }
        let (mut low, mut wide_low) = (Vec::new(), Vec::new());
        let range = match rows.kind() {
            Kind::F64 => {
                let high;
                (wide_low, high) = column_ranges(&rows);
                widest(&wide_low, &high)
            }
            _ => {
                let high;
                (low, high) = column_ranges(&rows);
                widest(&low, &high)
            }
        };
        let mut this = Quantised { rows, low, wide_low, range, scale: 0.0, fine: false };
        this.scale = this.scale_of(255.0);
        let bounds = this.bounds(rows.n());
        (this, bounds)
    }

    /// Steps in one unit of the data, where the widest column has so many.
    fn scale_of(&self, steps: f64) -> f64 {
        match (self.range > 0.0, self.rows.kind()) {
            (false, _) => 0.0,
            (true, Kind::F64) => steps / self.range,
            (true, _) => f64::from((steps / self.range) as f32),
        }
    }

    /// The 16-bit form of the same samples, and its bounds.
    pub(crate) fn refined(&self, n: usize) -> (Self, Bounds) {
        let this = Quantised { scale: self.scale_of(65535.0), fine: true, ..self.clone() };
        let bounds = this.bounds(n);
        (this, bounds)
    }

    /// The same grid for other samples, which must lie within its range.
    pub(crate) fn on_same_grid(&self, rows: impl Into<Rows<'a>>) -> (Self, Bounds) {
        let this = Quantised { rows: rows.into(), ..self.clone() };
        let bounds = this.bounds(this.rows.n());
        (this, bounds)
    }

    pub(crate) fn dim(&self) -> usize {
        self.rows.dim()
    }

    /// Bytes per value.
    pub(crate) fn planes(&self) -> usize {
        if self.fine { 2 } else { 1 }
    }

    /// The products that make up a pair's inner product; for the 16-bit form, 1/256 of it.
    pub(crate) fn passes(&self) -> &'static [Pass] {
        const ALL: [Pass; 3] = [
            Pass { left: 0, right: 0, weight: 0 },
            Pass { left: 0, right: 1, weight: 1 },
            Pass { left: 1, right: 0, weight: 1 },
        ];
        if self.fine { &ALL } else { &ALL[..1] }
    }

    /// Weights of the passes' products.
    pub(crate) fn weights(&self) -> &'static [i64] {
        if self.fine { &[256, 1] } else { &[1] }
    }

    /// A row's term in the squared distance; for the 16-bit form, 1/256 of it.
    pub(crate) fn term(&self, total: &Totals) -> f64 {
        let [high, mixed, low] = total.products.map(|p| p as f64);
        if !self.fine {
            return high;
        }
        // |X|^2 = 65536 h.h + 512 h.l + l.l, and low.low = its centred form + 128 (both rows' sums)
        // - 128^2 dim, of which twice this row's half is taken off here.
        let square = 65536.0 * high + 512.0 * mixed + low;
        (square - 256.0 * total.sums[1] as f64 + 16384.0 * self.dim() as f64) / 256.0
    }

    /// Columns `from .. from + out.len()` of one plane of row `row`, [`WIDENED`] at most.
    pub(crate) fn read(&self, plane: usize, row: usize, from: usize, out: &mut [u8]) {
        match self.rows.row(row, from..from + out.len()) {
            Run::U8(values) => out.copy_from_slice(values),
            Run::F64(values) => self.steps(plane, values, &self.wide_low[from..], out),
            floats => floats.with_floats(|values| self.steps(plane, values, &self.low[from..], out)),
        }
    }

    /// One plane of values on the grid that starts at `low`.
    fn steps<T: Float>(&self, plane: usize, values: &[T], low: &[T], out: &mut [u8]) {
        match (self.fine, plane) {
            (false, _) => steps_256(values, low, self.scale, out),
            (true, 0) => steps_65536::<T, 8>(values, low, self.scale, out),
            (true, _) => steps_65536::<T, 0>(values, low, self.scale, out),
        }
    }

    /// The error bounds of distances between these forms, measured sample by sample.
    fn bounds(&self, n: usize) -> Bounds {
        let step = self.range / if self.fine { 65535.0 } else { 255.0 };
        let (mut error, product): (Vec<f64>, Vec<f64>) =
            (0..n).into_par_iter().map(|i| self.errors(i, step)).unzip();
        // Data on the grid (8-bit images stored as floats) has no error.
        let worst = error.iter().copied().fold(0.0, f64::max);
        if worst == 0.0 && !self.fine {
            // Without a range all samples are equal, and any unit will do.
            return Bounds::Exact { unit: if step > 0.0 { step * step } else { 1.0 } };
        }
        // The places on the grid are rounded where errors are measured: to 2^-53 of where they lie. (64-bit values are
        // measured from the grid's start.)
        let farthest = self.low.iter().fold(0.0f64, |most, low| most.max(low.f64().abs())) + self.range;
        let rounding =
            if self.low.is_empty() { 0.0 } else { (self.dim() as f64).sqrt() * f64::EPSILON * farthest };
        error.iter_mut().for_each(|error| *error += rounding);
        let worst = worst + rounding;
        let worst_product = product.iter().copied().fold(0.0, f64::max);
        let unit = if self.fine { 16.0 * step } else { step };
        Bounds::Quantised { step: unit, error, worst, product, worst_product }
    }

    /// |x - its quantised form| of row `i`, and the norm of its omitted part, both rounded up.
    fn errors(&self, i: usize, step: f64) -> (f64, f64) {
        const CHUNK: usize = 1024;
        if self.rows.bytes() {
            return (0.0, 0.0);
        }
        let mut planes = [[0u8; CHUNK]; 2];
        let (mut error, mut left_out) = (0.0, 0u64);
        for columns in blocks(0..self.dim(), CHUNK) {
            let len = columns.len();
            for (p, plane) in planes[..self.planes()].iter_mut().enumerate() {
                self.read(p, i, columns.start, &mut plane[..len]);
            }
            let weight = if self.fine { 256.0 } else { 1.0 };
            let (high, low) = (&planes[0][..len], &planes[1][..len]);
            let from = columns.start;
            error += match self.rows.row(i, columns) {
                Run::F64(values) => squared_errors(values, &self.wide_low[from..], high, low, weight, step),
                floats => floats
                    .with_floats(|values| squared_errors(values, &self.low[from..], high, low, weight, step)),
            };
            left_out += squares_less_128(low);
        }
        let mut error = error.sqrt();
        if self.rows.kind() == Kind::F64 {
            // Both distances from the grid's start, and their difference, are rounded: to 2^-53 of the range each.
            error += (self.dim() as f64).sqrt() * 2.0 * f64::EPSILON * self.range;
        }
        let left_out = if self.fine { (left_out as f64).sqrt() / 16.0 } else { 0.0 };
        (error * (1.0 + 1e-9), left_out * (1.0 + 1e-9))
    }
}

/// Quantises values to a grid of 256 steps from `low` on. Any rounding will do, since its error is measured.
#[apply(vectorized)]
fn steps_256<T: Float>(values: &[T], low: &[T], scale: f64, out: &mut [u8]) {
    for ((out, x), low) in out.iter_mut().zip(values).zip(low) {
        let steps = (x.steps(*low, scale) + 0.5).min(255.0);
        // SAFETY: x >= low and scale >= 0, so that this is between 0 and 255, and no NaN. A saturating
        // conversion would not vectorise.
        *out = unsafe { steps.to_int_unchecked::<i32>() } as u8;
    }
}

/// One byte of values on a grid of 65 536 steps: the upper where SHIFT is 8, the lower where it is 0.
#[apply(vectorized)]
fn steps_65536<T: Float, const SHIFT: u32>(values: &[T], low: &[T], scale: f64, out: &mut [u8]) {
    for ((out, x), low) in out.iter_mut().zip(values).zip(low) {
        let steps = (x.steps(*low, scale) + 0.5).min(65535.0);
        // SAFETY: as above, with 65 535 for 255.
        *out = (unsafe { steps.to_int_unchecked::<i32>() } >> SHIFT) as u8;
    }
}

/// The sum of squared differences between values and their quantised forms.
#[apply(vectorized)]
fn squared_errors<T: Float>(
    values: &[T],
    start: &[T],
    high: &[u8],
    low: &[u8],
    weight: f64,
    step: f64,
) -> f64 {
    const WIDTH: usize = 16;
    let mut partial = [0.0f64; WIDTH];
    let mut add = |lane: usize, x: T, start: T, high: u8, low: u8| {
        let steps = f64::from(high) * weight + f64::from(low);
        let difference = x.off(start, steps * step);
        partial[lane] += difference * difference;
    };
    let whole = values.len() / WIDTH * WIDTH;
    for at in (0..whole).step_by(WIDTH) {
        let x: &[T; WIDTH] = values[at..at + WIDTH].try_into().expect("WIDTH values");
        let start: &[T; WIDTH] = start[at..at + WIDTH].try_into().expect("WIDTH values");
        let high: &[u8; WIDTH] = high[at..at + WIDTH].try_into().expect("WIDTH values");
        let low: &[u8; WIDTH] = low[at..at + WIDTH].try_into().expect("WIDTH values");
        for l in 0..WIDTH {
            add(l, x[l], start[l], high[l], low[l]);
        }
    }
    for at in whole..values.len() {
        add(at - whole, values[at], start[at], high[at], low[at]);
    }
    partial.iter().sum()
}

/// The sum of (b - 128)^2.
#[apply(vectorized)]
fn squares_less_128(bytes: &[u8]) -> u64 {
    bytes.iter().map(|b| (i32::from(*b) - 128).pow(2)).sum::<i32>() as u64
}

/// The widest column's range.
pub(super) fn widest<T: Float>(low: &[T], high: &[T]) -> f64 {
    low.iter().zip(high).map(|(low, high)| high.f64() - low.f64()).fold(0.0, f64::max)
}

/// Minimum and maximum of each column of floats; empty without rows.
pub(super) fn column_ranges<T: Float>(rows: &Rows<'_>) -> (Vec<T>, Vec<T>) {
    let piece = rows.samples().div_ceil(rayon::current_num_threads()).max(1);
    let pieces: Vec<_> = rows.sets().flat_map(|set| blocks(set, piece)).collect();
    pieces
        .into_par_iter()
        .map(|piece| {
            let (mut low, mut high) = (vec![T::INFINITY; rows.dim()], vec![T::NEG_INFINITY; rows.dim()]);
            for i in piece {
                for columns in blocks(0..rows.dim(), WIDENED) {
                    let (low, high) = (&mut low[columns.clone()], &mut high[columns.clone()]);
                    T::see(rows.row(i, columns), |row| widen(low, high, row, row));
                }
            }
            (low, high)
        })
        .reduce_with(|(mut low, mut high), (other_low, other_high)| {
            widen(&mut low, &mut high, &other_low, &other_high);
            (low, high)
        })
        .unwrap_or_default()
}

#[apply(vectorized)]
fn widen<T: Float>(low: &mut [T], high: &mut [T], other_low: &[T], other_high: &[T]) {
    for (low, other) in low.iter_mut().zip(other_low) {
        *low = low.least(*other);
    }
    for (high, other) in high.iter_mut().zip(other_high) {
        *high = high.greatest(*other);
    }
}
