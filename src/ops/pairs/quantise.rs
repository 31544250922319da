//! Rows for the integer engine: bytes as they are, or floats on a grid of 256 steps.

use super::Bounds;
use super::int::ByteRows;
use crate::{Points, Values};
use rayon::prelude::*;

/// The 8-bit form of a set of samples, made anew each time it is read: nothing is stored but the grid.
pub(crate) enum Quantised<'a> {
    /// The data itself.
    Bytes {
        /// Row-major values.
        values: &'a [u8],
        /// Values in a row.
        dim: usize,
    },
    /// Value x of column j becomes round((x - low[j]) * scale).
    Floats {
        /// Row-major values.
        values: &'a [f32],
        /// Each column's least value: the grid starts there, so its step depends on the widest
        /// column's range and not on any offset.
        low: Vec<f32>,
        /// Steps in one unit of the data: 255 / the widest column's range.
        scale: f32,
    },
}

impl ByteRows for Quantised<'_> {
    fn dim(&self) -> usize {
        match self {
            Quantised::Bytes { dim, .. } => *dim,
            Quantised::Floats { low, .. } => low.len(),
        }
    }

    fn read(&self, row: usize, from: usize, out: &mut [u8]) {
        match self {
            Quantised::Bytes { values, dim } => {
                out.copy_from_slice(&values[row * dim + from..][..out.len()]);
            }
            Quantised::Floats { values, low, scale } => {
                let values = &values[row * low.len() + from..][..out.len()];
                for ((out, x), low) in out.iter_mut().zip(values).zip(&low[from..]) {
                    // Any rounding will do, since the error is measured; `as` saturates.
                    *out = ((x - low) * scale + 0.5) as u8;
                }
            }
        }
    }
}

impl<'a> Quantised<'a> {
    /// The 8-bit form of `points`, and how far distances between 8-bit forms are from the truth.
    pub(crate) fn new(points: &Points<'a>) -> (Self, Bounds) {
        let dim = points.dim();
        let values = match points.values() {
            Values::U8(values) => {
                return (Quantised::Bytes { values, dim }, Bounds::Exact { unit: 1.0 });
            }
            Values::F32(values) => values,
        };
        let (low, high) = column_ranges(values, dim);
        let range = low
            .iter()
            .zip(&high)
            .map(|(low, high)| f64::from(*high) - f64::from(*low))
            .fold(0.0, f64::max);
        let step = range / 255.0;
        let scale = if range > 0.0 { (255.0 / range) as f32 } else { 0.0 };
        let this = Quantised::Floats { values, low, scale };
        let error = this.errors(step, points.n());
        let worst = error.iter().copied().fold(0.0, f64::max);
        // Data that lies on the grid (8-bit images stored as floats) loses nothing.
        let bounds = if worst == 0.0 && step > 0.0 {
            Bounds::Exact { unit: step * step }
        } else {
            Bounds::Quantised { step, error, worst }
        };
        (this, bounds)
    }

    /// |x - its quantised form| of each row, rounded up.
    fn errors(&self, step: f64, n: usize) -> Vec<f64> {
        const CHUNK: usize = 1024;
        let Quantised::Floats { values, low, .. } = self else {
            return vec![0.0; n];
        };
        let dim = low.len();
        (0..n)
            .into_par_iter()
            .map_init(
                || [0u8; CHUNK],
                |bytes, i| {
                    let mut sum = 0.0;
                    for from in (0..dim).step_by(CHUNK) {
                        let bytes = &mut bytes[..CHUNK.min(dim - from)];
                        self.read(i, from, bytes);
                        let values = &values[i * dim + from..];
                        // Eight partial sums, so that the loop runs in vectors.
                        let mut partial = [0.0f64; 8];
                        let lanes = bytes.chunks(8).zip(values.chunks(8)).zip(low[from..].chunks(8));
                        for ((bytes, values), low) in lanes {
                            for (l, byte) in bytes.iter().enumerate() {
                                let exact = f64::from(values[l]) - f64::from(low[l]);
                                partial[l] += (exact - f64::from(*byte) * step).powi(2);
                            }
                        }
                        sum += partial.iter().sum::<f64>();
                    }
                    sum.sqrt() * (1.0 + 1e-9)
                },
            )
            .collect()
    }
}

/// The least and the greatest value of each column.
fn column_ranges(values: &[f32], dim: usize) -> (Vec<f32>, Vec<f32>) {
    let rows = (values.len() / dim).div_ceil(rayon::current_num_threads()).max(1);
    values
        .par_chunks(rows * dim)
        .map(|rows| {
            let (mut low, mut high) = (rows[..dim].to_vec(), rows[..dim].to_vec());
            for row in rows.chunks_exact(dim) {
                for ((low, high), x) in low.iter_mut().zip(&mut high).zip(row) {
                    *low = low.min(*x);
                    *high = high.max(*x);
                }
            }
            (low, high)
        })
        .reduce_with(|(mut low, mut high), (other_low, other_high)| {
            for (low, other) in low.iter_mut().zip(other_low) {
                *low = low.min(other);
            }
            for (high, other) in high.iter_mut().zip(other_high) {
                *high = high.max(other);
            }
            (low, high)
        })
        .unwrap_or_default()
}
