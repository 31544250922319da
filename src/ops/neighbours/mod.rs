//! `neighbours`: the k nearest other samples of every sample, by Euclidean distance, never holding
//! the N x N matrix.

mod between;
pub(super) mod cpu;
#[cfg(gpu)]
pub(super) mod cuda;
pub(super) mod exact;
mod limits;

use super::Progress;
use super::pairs::Rows;
use super::pairs::keeper::{keep_nearest, sort};
use crate::{Device, Error, Points, Result};
use rayon::prelude::*;

pub use between::neighbours_between;

/// The `k` nearest other samples of each of `n` samples, nearest first; ties go to the lower index. Or, found by
/// [`neighbours_between`], the `k` nearest reference samples of each of `n` queries.
///
/// ```
/// use sharpdim::{Device, Points, ops::{Neighbours, neighbours}};
/// let found: Neighbours = neighbours(&Device::cpu(), &Points::u8(&[0, 0, 3, 4, 0, 1], 2)?, 2)?;
/// assert_eq!((found.n(), found.k(), found.reference()), (3, 2, None));
/// assert!(found.distances(0).eq([1.0, 5.0]));
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    n: usize,
    k: usize,
    indices: Vec<u32>,
    squared: Vec<f64>,
    reference: Option<usize>,
}

impl Neighbours {
    /// `k` neighbours of each query row, by row number.
    fn of_rows(rows: &Rows<'_>, k: usize, mut indices: Vec<u32>, squared: Vec<f64>) -> Self {
        let first = rows.partners().start as u32;
        if first > 0 {
            indices.par_iter_mut().for_each(|index| *index -= first);
        }
        let reference = rows.two().then(|| rows.partners().len());
        Neighbours { n: rows.asked().len(), k, indices, squared, reference }
    }

    /// The number of samples, or of queries.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The number of neighbours per sample.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The number of reference samples in a search between two sets; `None` within one set, where indices name samples and
    /// neighbours alike.
    pub fn reference(&self) -> Option<usize> {
        self.reference
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

    /// The `k` nearest of each sample's neighbours: all where `k` is larger.
    pub(crate) fn first(&self, k: usize) -> Neighbours {
        let k = k.min(self.k);
        let each = 0..self.n;
        let indices = each.clone().flat_map(|i| &self.indices(i)[..k]).copied().collect();
        let squared = each.flat_map(|i| &self.squared_distances(i)[..k]).copied().collect();
        Neighbours { n: self.n, k, indices, squared, reference: self.reference }
    }

    /// The square of the median over samples of the distance to the `k`-th neighbour.
    pub(crate) fn squared_median(&self, k: usize) -> f64 {
        squared_median((0..self.n).map(|i| self.squared_distances(i)[k - 1]).collect())
    }

    /// Their distances T_1 <= ... <= T_k, in the data's units.
    pub fn distances(&self, i: usize) -> impl Iterator<Item = f64> + '_ {
        self.squared_distances(i).iter().map(|d| d.sqrt())
    }
}

/// The square of the median distance, from squared distances. A median that is one of them is returned unchanged: the square
/// of its rounded root could be larger, and the pair would count as nearer than itself.
fn squared_median(mut squared: Vec<f64>) -> f64 {
    squared.sort_unstable_by(f64::total_cmp);
    let half = squared.len() / 2;
    let (low, high) = (squared[(squared.len() - 1) / 2], squared[half]);
    if low == high { low } else { (0.5 * (low.sqrt() + high.sqrt())).powi(2) }
}

/// Finds the `k` nearest other samples of every sample.
///
/// A sample is not its own neighbour, but an identical sample is: self is excluded by index. 8-bit
/// data give exact integer squared distances; for floats, candidates are screened with an error
/// bound and their distances recomputed as sums of squared differences in f64, so that neither
/// offsets nor near-duplicates cost accuracy. A GPU's lists have 256 places: for more than 256 neighbours
/// (162 for floats) the CPU does the work on every device, with the same answer.
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

/// As [`neighbours`], with a progress callback.
///
/// ```
/// use sharpdim::{Device, Points, ops::neighbours_with};
/// let points = Points::u8(&[0, 0, 3, 4, 0, 1], 2)?;
/// let nearest = neighbours_with(&Device::cpu(), &points, 1, &|done| println!("{:.0} %", 100.0 * done))?;
/// assert_eq!(nearest.indices(0), [2]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn neighbours_with(
    device: &Device,
    points: &Points<'_>,
    k: usize,
    progress: Progress<'_>,
) -> Result<Neighbours> {
    check_k(points, k)?;
    search(device, &Rows::from(points), k, progress)
}

/// Refuses k of 0, or too few samples for it.
pub(super) fn check_k(points: &Points<'_>, k: usize) -> Result<()> {
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
    Ok(())
}

/// The k nearest partners of every query row, of which there are at least k.
fn search(device: &Device, rows: &Rows<'_>, k: usize, progress: Progress<'_>) -> Result<Neighbours> {
    #[cfg(gpu)]
    if let Some(gpu) = device.gpu() {
        return cuda::neighbours(gpu, rows, k, progress);
    }
    #[cfg(not(gpu))]
    let _ = device;
    Ok(cpu::neighbours(rows, k, progress))
}

/// The squared distances of each sample to its candidates, computed by `direct`. A pair that is a candidate of both its
/// samples is computed once; `direct` receives sorted pairs.
fn recompute(
    candidates: &[Vec<u32>],
    direct: impl Fn(&[(u32, u32)]) -> Result<Vec<f64>>,
) -> Result<Vec<Vec<(f64, u32)>>> {
    let ordered = |i: usize, j: u32| (j.min(i as u32), j.max(i as u32));
    let mut pairs: Vec<(u32, u32)> = candidates
        .par_iter()
        .enumerate()
        .flat_map_iter(|(i, others)| others.iter().map(move |j| ordered(i, *j)))
        .collect();
    pairs.par_sort_unstable();
    pairs.dedup();
    let squared = direct(&pairs)?;
    let found = candidates.par_iter().enumerate().map(|(i, others)| {
        let distance = |j: &u32| {
            let at = pairs.binary_search(&ordered(i, *j)).expect("each candidate was recomputed");
            (squared[at], *j)
        };
        others.iter().map(distance).collect()
    });
    Ok(found.collect())
}

/// Compares the rows that screening left `open` with all their partners, by the squared distances of `direct`, and replaces
/// their candidates.
fn compare_with_all(
    rows: &Rows<'_>,
    open: &[usize],
    found: &mut [Vec<(f64, u32)>],
    direct: impl Fn(&[(u32, u32)]) -> Result<Vec<f64>>,
) -> Result<()> {
    for open in open.chunks((1 << 20) / rows.partners().len() + 1) {
        let others = |&i: &usize| rows.others(i).map(move |j| (i as u32, j as u32));
        let pairs: Vec<_> = open.iter().flat_map(others).collect();
        let squared = direct(&pairs)?;
        // Each has the same number of partners.
        let others = pairs.len() / open.len();
        for (at, &i) in open.iter().enumerate() {
            let own = at * others..(at + 1) * others;
            let others = pairs[own.clone()].iter().map(|(_, j)| *j);
            found[i] = squared[own].iter().copied().zip(others).collect();
        }
    }
    Ok(())
}

/// The k nearest candidates of each query row.
fn collect(rows: &Rows<'_>, k: usize, mut found: Vec<Vec<(f64, u32)>>) -> Neighbours {
    let n = rows.asked().len();
    found.truncate(n);
    let (mut indices, mut squared) = (vec![0; n * k], vec![0.0; n * k]);
    let places = indices.par_chunks_mut(k).zip(squared.par_chunks_mut(k));
    places.zip(found).for_each(|((indices, squared), mut found)| {
        keep_nearest(&mut found, k);
        sort(&mut found);
        for (at, (distance, j)) in found.into_iter().enumerate() {
            (indices[at], squared[at]) = (j, distance);
        }
    });
    Neighbours::of_rows(rows, k, indices, squared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_that_is_a_distance_is_exact() {
        for squared in (1..1000).map(|i| f64::from(i) * 0.37) {
            assert_eq!(squared_median(vec![9e9, squared, 0.0]), squared);
            assert_eq!(squared_median(vec![squared, 9e9, 0.0, squared]), squared);
        }
        assert_eq!(squared_median(vec![1.0, 9.0, 0.0, 25.0]), 4.0);
    }
}
