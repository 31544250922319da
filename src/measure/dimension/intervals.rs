//! 95 % intervals of estimates: standard errors by random halving of the samples, and quantiles of the gamma
//! distribution for closed forms.

use crate::ops::Neighbours;
use crate::random::Random;
use rayon::prelude::*;

/// Whether samples are halved for intervals, which costs more than the estimates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::measure) enum Halving {
    Done,
    /// Cruder intervals, where only the values are needed.
    LeftOut,
}

/// Two-sided 95 % of the normal distribution.
pub(super) const Z95: f64 = 1.959_963_984_540_054;

/// How often samples are halved.
const HALVINGS: u64 = 100;

/// Where samples are too few to halve, standard errors are those of independent samples times this: about the
/// largest factor that halving finds for the mean of logarithms, whatever the dimension.
const SHARING: f64 = 1.4;

/// The mean of the values that are not NaN, and their number.
pub(super) fn mean(values: &[f64]) -> (f64, usize) {
    let kept = values.iter().filter(|v| !v.is_nan()).count();
    (values.iter().filter(|v| !v.is_nan()).sum::<f64>() / kept as f64, kept)
}

/// How long a list of neighbours must be for `k` of them to be among a `share` of all samples, with room for so
/// many standard deviations of their number.
pub(super) fn listed(k: usize, share: f64, deviations: f64) -> usize {
    let k = k as f64;
    ((k + deviations * (k * (1.0 - share)).sqrt()) / share).ceil() as usize
}

/// The length of the lists that an interval reads, where each sample's value is of `k` neighbours: more than twice
/// `k`, so that halves of the samples hold `k`.
pub(super) fn reach(k: usize, n: usize) -> usize {
    listed(k, 0.5, 4.0).min(n.saturating_sub(1)).max(k)
}

/// The standard error of the mean of per-sample values, `values` (NaN where a sample gives none), each being
/// `value` of its `k` nearest squared distances, or of the first of them.
pub(super) fn standard_error(
    neighbours: &Neighbours,
    k: usize,
    values: &[f64],
    value: impl Fn(&[f64]) -> f64 + Sync,
) -> f64 {
    sharing(&halves(neighbours, k, 0, values, value)) * independent(values)
}

/// The factor by which shared distances change the standard error of a mean, from the samples' values within their
/// halves.
///
/// Neighbours share distances, so that their values are not independent, and how much depends on the dimension
/// and on the kind of value. But two random halves of the samples are (nearly) independent samples of one
/// distribution: the means of their values, each sample's within its half, differ by the standard errors of both.
pub(super) fn sharing(halvings: &[[Vec<f64>; 2]]) -> f64 {
    let (mut found, mut alone) = (0.0, 0.0);
    for [one, other] in halvings {
        found += (mean(one).0 - mean(other).0).powi(2);
        alone += independent(one).powi(2) + independent(other).powi(2);
    }
    if halvings.is_empty() || !(found / alone).is_finite() { SHARING } else { (found / alone).sqrt() }
}

/// The standard error of a mean of independent values.
pub(super) fn independent(values: &[f64]) -> f64 {
    let (mean, kept) = mean(values);
    let squares: f64 = values.iter().filter(|v| !v.is_nan()).map(|v| (v - mean).powi(2)).sum();
    squares.sqrt() / kept as f64
}

/// Each sample's `value` of its `k` nearest squared distances within its half, for a hundred random halvings
/// of the samples: of those whose entry in `values` is not NaN. None where halves hold too few neighbours. Where
/// neighbours were sought for queries, both sets are halved: reference samples are what queries share.
pub(super) fn halves(
    neighbours: &Neighbours,
    k: usize,
    seed: u64,
    values: &[f64],
    value: impl Fn(&[f64]) -> f64 + Sync,
) -> Vec<[Vec<f64>; 2]> {
    let n = neighbours.n();
    let reach = reach(k, neighbours.reference().map_or(n, |reference| reference + 1)).min(neighbours.k());
    // Hardly a sample has all its k nearest in its own half.
    if reach <= k {
        return Vec::new();
    }
    let kept: Vec<usize> = (0..n).filter(|i| !values[*i].is_nan()).collect();
    let halve = |halving: u64| {
        let side = sides(seed, halving, n);
        let reference = neighbours.reference().map(|reference| sides(seed, HALVINGS + halving, reference));
        let others = reference.as_ref().unwrap_or(&side);
        let mut near = vec![0.0; k];
        let mut within = |i: usize| {
            let squared = &neighbours.squared_distances(i)[..reach];
            let found = choose(neighbours.indices(i), squared, |j| others[j] == side[i], &mut near);
            if found == k { value(&near) } else { f64::NAN }
        };
        halve(&side, kept.iter().map(|i| (*i, within(*i))))
    };
    (0..HALVINGS).into_par_iter().filter_map(halve).collect()
}

/// Writes the first of these `squared` distances whose neighbour is `wanted` to `near`, as many as it holds, and returns
/// how many. No branch on `wanted`: it is random, and half of the predictions would be wrong.
pub(super) fn choose(
    indices: &[u32],
    squared: &[f64],
    wanted: impl Fn(usize) -> bool,
    near: &mut [f64],
) -> usize {
    let mut found = 0;
    for (j, squared) in indices.iter().zip(squared) {
        if found == near.len() {
            break;
        }
        near[found] = *squared;
        found += usize::from(wanted(*j as usize));
    }
    found
}

/// In which half each of `n` samples is. Halves are of one size: an estimate that changes with the number of samples,
/// as on curved manifolds, would else differ between halves for that reason too.
pub(super) fn sides(seed: u64, halving: u64, n: usize) -> Vec<bool> {
    let mut sides: Vec<bool> = (0..n).map(|i| i % 2 == 0).collect();
    Random::stream(seed, halving).shuffle(&mut sides, n);
    sides
}

/// The values of each half that are finite, where most are.
pub(super) fn halve(
    side: &[bool],
    values: impl ExactSizeIterator<Item = (usize, f64)>,
) -> Option<[Vec<f64>; 2]> {
    let all = values.len();
    let mut halves = [Vec::with_capacity(all), Vec::with_capacity(all)];
    for (i, value) in values.filter(|(_, value)| value.is_finite()) {
        halves[usize::from(side[i])].push(value);
    }
    halves.iter().all(|half| half.len() >= 2 && 10 * half.len() >= 3 * all).then_some(halves)
}

/// A quantile of the gamma distribution of a `shape` of some dozens or more and rate 1, `z` being the same
/// quantile of the normal distribution: Wilson and Hilferty's cube.
pub(super) fn gamma_quantile(shape: f64, z: f64) -> f64 {
    let ninth = 1.0 / (9.0 * shape);
    shape * (1.0 - ninth + z * ninth.sqrt()).max(0.0).powi(3)
}

/// The root of a function that falls from above 0 to below it as its argument grows from 0.
pub(super) fn falling_root(f: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (1e-9, 1.0);
    while f(high) > 0.0 && high < 1e12 {
        (low, high) = (high, 2.0 * high);
    }
    // As many halvings as an f64 has bits to tell the ends apart.
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if f(middle) > 0.0 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}
