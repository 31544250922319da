//! `duplicates`: which samples are identical, value for value.

use crate::{Points, Values};
use rayon::prelude::*;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

/// For each of the samples, the lowest index of a sample with the same values: its own index where no
/// earlier sample is identical.
///
/// ```
/// use sharpdim::{Points, ops::duplicates};
/// let points = Points::u8(&[1, 2, 3, 4, 1, 2], 2)?;
/// assert_eq!(duplicates(&points), [0, 1, 0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn duplicates(points: &Points<'_>) -> Vec<u32> {
    let hashes: Vec<u64> = (0..points.n()).into_par_iter().map(|i| hash(points, i)).collect();
    // Samples that share a hash are compared in full with one of each kind seen before.
    let mut seen: HashMap<u64, Vec<u32>> = HashMap::new();
    let mut first = Vec::with_capacity(points.n());
    for (i, hash) in hashes.into_iter().enumerate() {
        let kinds = seen.entry(hash).or_default();
        let same = kinds.iter().copied().find(|&j| equal(points, i, j as usize));
        first.push(same.unwrap_or_else(|| {
            kinds.push(i as u32);
            i as u32
        }));
    }
    first
}

fn hash(points: &Points<'_>, i: usize) -> u64 {
    let row = i * points.dim()..(i + 1) * points.dim();
    let mut hasher = DefaultHasher::new();
    match points.values() {
        Values::U8(values) => hasher.write(&values[row]),
        Values::F32(values) => {
            let mut bytes = [0u8; 4096];
            for values in values[row].chunks(bytes.len() / 4) {
                for (bytes, value) in bytes.chunks_exact_mut(4).zip(values) {
                    // Adding 0 turns -0 into 0, which equals it.
                    bytes.copy_from_slice(&(value + 0.0).to_ne_bytes());
                }
                hasher.write(&bytes[..4 * values.len()]);
            }
        }
    }
    hasher.finish()
}

fn equal(points: &Points<'_>, i: usize, j: usize) -> bool {
    let row = |i: usize| i * points.dim()..(i + 1) * points.dim();
    match points.values() {
        Values::U8(values) => values[row(i)] == values[row(j)],
        Values::F32(values) => values[row(i)] == values[row(j)],
    }
}
