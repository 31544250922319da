//! `neighbours`: the k nearest other samples of every sample, by Euclidean distance, never holding
//! the N x N matrix.

mod cpu;

use super::Progress;
use crate::{Device, Error, Points, Result};

/// The `k` nearest other samples of each of `n` samples, nearest first; ties go to the lower index.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    n: usize,
    k: usize,
    indices: Vec<u32>,
    squared: Vec<f64>,
}

impl Neighbours {
    /// The number of samples.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The number of neighbours of each.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The neighbours of sample `i`, nearest first: `k` indices.
    pub fn indices(&self, i: usize) -> &[u32] {
        &self.indices[i * self.k..(i + 1) * self.k]
    }

    /// Their squared distances, in the data's units squared: exact integers for 8-bit data, within
    /// 1e-12 relative of the truth for floats.
    pub fn squared_distances(&self, i: usize) -> &[f64] {
        &self.squared[i * self.k..(i + 1) * self.k]
    }

    /// Their distances T_1 <= ... <= T_k, in the data's units.
    pub fn distances(&self, i: usize) -> impl Iterator<Item = f64> + '_ {
        self.squared_distances(i).iter().map(|d| d.sqrt())
    }
}

/// Finds the `k` nearest other samples of every sample.
///
/// A sample is not its own neighbour, but an identical sample is: self is excluded by index. 8-bit
/// data give exact integer squared distances; for floats, candidates are screened with an error
/// bound and their distances recomputed as sums of squared differences in f64, so that neither
/// offsets nor near-duplicates cost accuracy.
///
/// # Errors
/// [`Error::Data`] where there are fewer than `k + 1` samples, [`Error::Argument`] where `k` is 0,
/// and [`Error::Device`] where the device fails.
///
/// ```
/// use sharpdim::{Device, Points, ops::neighbours};
/// let points = Points::u8(&[0, 0, 3, 4, 0, 1], 2)?;
/// let nearest = neighbours(&Device::cpu(), &points, 2)?;
/// assert_eq!(nearest.indices(0), [2, 1]);
/// assert_eq!(nearest.squared_distances(0), [1.0, 25.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn neighbours(device: &Device, points: &Points<'_>, k: usize) -> Result<Neighbours> {
    neighbours_with(device, points, k, &|_| ())
}

/// As [`neighbours`], telling `progress` how far it is.
pub fn neighbours_with(device: &Device, points: &Points<'_>, k: usize, progress: Progress<'_>) -> Result<Neighbours> {
    if k == 0 {
        return Err(Error::Argument("k is 0: it must be at least 1".into()));
    }
    if points.n() < k + 1 {
        return Err(Error::Data(format!(
            "{} samples have no {k} neighbours each: at least k + 1 = {} samples are needed",
            points.n(),
            k + 1
        )));
    }
    let _ = device;
    Ok(cpu::neighbours(points, k, progress))
}
