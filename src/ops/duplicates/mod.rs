//! `duplicates`: which samples are identical, value for value.

use super::pairs::{Rows, Run, blocks};
use crate::Points;
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
    identical(&Rows::from(points))
}

/// For each row, the lowest number of a row with the same values, of either set.
pub(super) fn identical(rows: &Rows<'_>) -> Vec<u32> {
    let hashes: Vec<u64> = (0..rows.n()).into_par_iter().map(|i| hash(rows, i)).collect();
    // Samples with the same hash are compared in full with one of each group seen before.
    let mut seen: HashMap<u64, Vec<u32>> = HashMap::new();
    let mut first = Vec::with_capacity(rows.n());
    for (i, hash) in hashes.into_iter().enumerate() {
        let kinds = seen.entry(hash).or_default();
        let same = kinds.iter().copied().find(|&j| equal(rows, i, j as usize));
        first.push(same.unwrap_or_else(|| {
            kinds.push(i as u32);
            i as u32
        }));
    }
    first
}

fn hash(rows: &Rows<'_>, i: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let Run::U8(values) = rows.row(i, 0..rows.dim()) {
        hasher.write(values);
        return hasher.finish();
    }
    let mut bytes = [0u8; 4096];
    if let Run::F64(values) = rows.row(i, 0..rows.dim()) {
        for values in values.chunks(bytes.len() / 8) {
            for (bytes, value) in bytes.chunks_exact_mut(8).zip(values) {
                bytes.copy_from_slice(&(value + 0.0).to_ne_bytes());
            }
            hasher.write(&bytes[..8 * values.len()]);
        }
        return hasher.finish();
    }
    for columns in blocks(0..rows.dim(), bytes.len() / 4) {
        rows.row(i, columns).with_floats(|values| {
            for (bytes, value) in bytes.chunks_exact_mut(4).zip(values) {
                // Adding 0 turns -0 into 0, which is equal to it.
                bytes.copy_from_slice(&(value + 0.0).to_ne_bytes());
            }
            hasher.write(&bytes[..4 * values.len()]);
        });
    }
    hasher.finish()
}

fn equal(rows: &Rows<'_>, i: usize, j: usize) -> bool {
    match (rows.row(i, 0..rows.dim()), rows.row(j, 0..rows.dim())) {
        (Run::U8(a), Run::U8(b)) => a == b,
        (Run::F32(a), Run::F32(b)) => a == b,
        (Run::F64(a), Run::F64(b)) => a == b,
        (Run::F16(a), Run::F16(b)) => a == b,
        (Run::BF16(a), Run::BF16(b)) => a == b,
        _ => unreachable!("both sets have one type"),
    }
}
