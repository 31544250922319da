//! How far estimates can be from the truth: standard errors of sums over samples that share distances,
//! and quantiles of what the closed forms follow.

use crate::ops::Neighbours;

/// Two-sided 95 % of the normal distribution.
pub(super) const Z95: f64 = 1.959_963_984_540_054;

/// The mean of what is not NaN, and how many that is.
pub(super) fn mean(values: &[f64]) -> (f64, usize) {
    let kept = values.iter().filter(|v| !v.is_nan()).count();
    (values.iter().filter(|v| !v.is_nan()).sum::<f64>() / kept as f64, kept)
}

/// The standard error of the mean of per-sample values (NaN where a sample gives none). Samples that are
/// neighbours share distances, so their values are correlated: products of deviations are summed over
/// neighbouring pairs too, as for any sum over a dependency graph. Queries share reference samples: two of them
/// count with the fraction of their neighbours that they have in common.
pub(super) fn standard_error(neighbours: &Neighbours, k: usize, values: &[f64]) -> f64 {
    let (mean, kept) = mean(values);
    let deviation = |i: usize| if values[i].is_nan() { 0.0 } else { values[i] - mean };
    if let Some(reference) = neighbours.reference() {
        // The sum over pairs of queries, written as one over the reference samples that they share.
        let mut sums = vec![0.0; reference];
        for i in 0..values.len() {
            neighbours.indices(i)[..k].iter().for_each(|&r| sums[r as usize] += deviation(i));
        }
        let variance = sums.iter().map(|sum| sum * sum).sum::<f64>() / k as f64;
        return variance.sqrt() / kept as f64;
    }
    let mut variance = 0.0;
    let mut shared = 0.0;
    for i in 0..values.len() {
        variance += deviation(i).powi(2);
        for &j in &neighbours.indices(i)[..k] {
            let mutual = neighbours.indices(j as usize)[..k].contains(&(i as u32));
            // A mutual pair is met from both sides, a one-sided pair once: each counts twice in all.
            let weight = if mutual { 1.0 } else { 2.0 };
            shared += weight * deviation(i) * deviation(j as usize);
        }
    }
    (variance + shared).max(variance).sqrt() / kept as f64
}

/// How much wider than for independent values an interval must be.
pub(super) fn dependence(neighbours: &Neighbours, k: usize, values: &[f64]) -> f64 {
    let (mean, kept) = mean(values);
    let squares: f64 = values.iter().filter(|v| !v.is_nan()).map(|v| (v - mean).powi(2)).sum();
    let alone = squares.sqrt() / kept as f64;
    if alone > 0.0 { standard_error(neighbours, k, values) / alone } else { 1.0 }
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
