//! Squared distances as sums of squared differences in f64: what certifies every f32 answer.

use super::{Rows, Run, WIDENED, blocks};
use crate::simd::vectorized;
use macro_rules_attribute::apply;
use rayon::prelude::*;

/// The squared distances of `pairs`, relative error below 1e-12 each.
///
/// Rows are long and each is in many pairs, so the columns are cut into chunks that let a chunk of
/// every row stay in the last-level cache while all pairs are worked through.
pub(crate) fn squared_distances<'a>(rows: impl Into<Rows<'a>>, pairs: &[(u32, u32)]) -> Vec<f64> {
    let rows = rows.into();
    // A quarter of a usual 32 MiB cache, and rows of no fewer than 1 KiB.
    let chunk = ((8 << 20) / (4 * rows.n().max(1))).clamp(256, WIDENED);
    // Neighbouring pairs share their first row, and pairs of one piece share a worker's passes.
    let piece = pairs.len().div_ceil(rayon::current_num_threads()).max(64);
    let mut out = vec![0.0; pairs.len()];
    out.par_chunks_mut(piece).zip(pairs.par_chunks(piece)).for_each(|(out, pairs)| {
        for columns in blocks(0..rows.dim(), chunk) {
            for (out, &(i, j)) in out.iter_mut().zip(pairs) {
                *out += part(&rows, i as usize, j as usize, columns.clone());
            }
        }
    });
    out
}

/// The part of a pair's squared distance that some columns hold.
fn part(rows: &Rows<'_>, i: usize, j: usize, columns: std::ops::Range<usize>) -> f64 {
    match (rows.row(i, columns.clone()), rows.row(j, columns)) {
        (Run::U8(a), Run::U8(b)) => part_u8(a, b) as f64,
        (a, b) => a.with_floats(|a| b.with_floats(|b| part_f32(a, b))),
    }
}

/// Exact: a run of columns has a sum below 2^31, so that vectors of 32-bit sums hold it. Loops rather than
/// closures, which would be compiled for every processor, and not for the one with the vectors.
#[apply(vectorized)]
fn part_u8(a: &[u8], b: &[u8]) -> u64 {
    const RUN: usize = 1 << 14;
    const WIDTH: usize = 64;
    let mut total = 0;
    for (a, b) in a.chunks(RUN).zip(b.chunks(RUN)) {
        let mut partial = [0i32; WIDTH];
        let (whole_a, rest_a) = a.as_chunks::<WIDTH>();
        let (whole_b, rest_b) = b.as_chunks::<WIDTH>();
        for (a, b) in whole_a.iter().zip(whole_b) {
            for l in 0..WIDTH {
                let difference = i32::from(i16::from(a[l]) - i16::from(b[l]));
                partial[l] += difference * difference;
            }
        }
        for (l, (a, b)) in rest_a.iter().zip(rest_b).enumerate() {
            partial[l] += (i32::from(*a) - i32::from(*b)).pow(2);
        }
        total += partial.iter().sum::<i32>() as u64;
    }
    total
}

/// The difference of two f32 is formed in f64: exact unless their exponents are 29 apart, and its
/// square neither overflows nor vanishes. 32 partial sums keep four vectors of additions in flight.
#[apply(vectorized)]
fn part_f32(a: &[f32], b: &[f32]) -> f64 {
    const WIDTH: usize = 32;
    let mut partial = [0.0f64; WIDTH];
    let (whole_a, rest_a) = a.as_chunks::<WIDTH>();
    let (whole_b, rest_b) = b.as_chunks::<WIDTH>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for l in 0..WIDTH {
            let difference = f64::from(a[l]) - f64::from(b[l]);
            partial[l] += difference * difference;
        }
    }
    for (l, (a, b)) in rest_a.iter().zip(rest_b).enumerate() {
        partial[l] += (f64::from(*a) - f64::from(*b)).powi(2);
    }
    partial.iter().sum()
}
