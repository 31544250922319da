//! Maximum likelihood from the distances to k neighbours (Levina & Bickel 2004, averaged as MacKay &
//! Ghahramani 2005), for one k, over a range of k, and extrapolated to distance 0 (GeoMLE, Gomtsyan et al. 2019).

use super::spread::{Z95, mean, standard_error};
use super::{Duplicates, Estimate, Estimator, Excluded, infinite, nothing_left};
use crate::ops::Neighbours;
use crate::{Error, Result};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// What the sum of log ratios of the MLE is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MleNorm {
    /// k - 2: the local dimension 1/m_i is unbiased (the paper's choice).
    #[default]
    KMinus2,
    /// k - 1: Levina and Bickel's original, the maximum of the likelihood.
    KMinus1,
}

impl MleNorm {
    fn of(self, k: usize) -> f64 {
        match self {
            MleNorm::KMinus2 => k as f64 - 2.0,
            MleNorm::KMinus1 => k as f64 - 1.0,
        }
    }

    /// The least k.
    pub(super) fn least(self) -> usize {
        match self {
            MleNorm::KMinus2 => 3,
            MleNorm::KMinus1 => 2,
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            MleNorm::KMinus2 => "k - 2",
            MleNorm::KMinus1 => "k - 1",
        }
    }
}

/// How per-point values become one estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooling {
    /// The inverse of the mean of inverse dimensions m_i (MacKay and Ghahramani; the paper's choice).
    #[default]
    Harmonic,
    /// The plain mean of local dimensions 1/m_i (Levina and Bickel).
    Mean,
}

impl Pooling {
    pub(super) fn words(self) -> &'static str {
        match self {
            Pooling::Harmonic => "harmonic",
            Pooling::Mean => "plain",
        }
    }
}

/// The maximum-likelihood estimator. With T_j the distance to the j-th nearest other sample,
/// m_i = (1 / (k - 2)) sum_{j<k} ln(T_k / T_j), and the dimension is 1 / mean(m_i).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mle {
    /// Neighbours of each sample: at least 3 (2 with [`MleNorm::KMinus1`]).
    pub k: usize,
    /// What the sum is divided by.
    pub norm: MleNorm,
    /// How points are pooled.
    pub pooling: Pooling,
    /// What happens to duplicates.
    pub duplicates: Duplicates,
}

impl Default for Mle {
    fn default() -> Self {
        Mle {
            k: 20,
            norm: MleNorm::default(),
            pooling: Pooling::default(),
            duplicates: Duplicates::default(),
        }
    }
}

/// The mean of the [`Mle`] for every k of a range, as Levina and Bickel average it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MleRange {
    /// The smallest k: at least 3 (2 with [`MleNorm::KMinus1`]).
    pub from: usize,
    /// The largest k.
    pub to: usize,
    /// What the sums are divided by.
    pub norm: MleNorm,
    /// How points are pooled, for each k.
    pub pooling: Pooling,
    /// What happens to duplicates.
    pub duplicates: Duplicates,
}

impl Default for MleRange {
    fn default() -> Self {
        let (norm, pooling, duplicates) = Default::default();
        MleRange { from: 10, to: 20, norm, pooling, duplicates }
    }
}

/// GeoMLE: the [`Mle`] (k - 2, harmonic) for every k of a range in several bootstrap samples, each sample
/// compared with those that were drawn; a polynomial in the mean distance to the k-th neighbour is
/// fitted to the mean estimates, weighted by the inverse of their standard deviation over bootstraps, and
/// its value at distance 0 is the estimate: what curvature and density did is left behind.
///
/// The authors' code adds a ridge penalty, whose effect depends on the data's unit; this is plain
/// weighted least squares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeoMle {
    /// The smallest k: at least 3.
    pub from: usize,
    /// The largest k: at least `from + degree + 1`.
    pub to: usize,
    /// Bootstrap samples: at least 2.
    pub bootstraps: usize,
    /// Degree of the polynomial: 1, 2 or 3.
    pub degree: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// What happens to duplicates.
    pub duplicates: Duplicates,
}

impl Default for GeoMle {
    fn default() -> Self {
        GeoMle { from: 10, to: 40, bootstraps: 20, degree: 2, seed: 0, duplicates: Duplicates::default() }
    }
}

impl GeoMle {
    /// Neighbours to read, so that `to` of them are drawn: a bootstrap sample holds a sample with
    /// probability 1 - 1/e = 0.632, and six standard deviations of their number are room enough.
    pub(super) fn neighbours(&self) -> usize {
        let share = 1.0 - (-1.0f64).exp();
        let k = self.to as f64;
        ((k + 6.0 * (k * (1.0 - share)).sqrt()) / share).ceil() as usize
    }
}

/// The inverse local dimension m_i for each of ascending `squared` distances up to every k of the range, the
/// last of which is k - 1: one pass for all k. Half the log ratio of squared distances is that of distances.
fn inverses(squared: &[f64], from: usize, to: usize, norm: MleNorm, mut each: impl FnMut(usize, f64)) {
    let mut sum = 0.0;
    for k in 1..=to {
        // sum is over ln T_j^2, j < k.
        let last = squared[k - 1].ln();
        if k >= from {
            each(k - from, 0.5 * ((k - 1) as f64 * last - sum) / norm.of(k));
        }
        sum += last;
    }
}

/// The pooled dimension of one k, and each sample's influence on it: the sample's value less the mean,
/// scaled to the dimension.
fn pool(inverse: &[f64], pooling: Pooling) -> (f64, Vec<f64>) {
    match pooling {
        Pooling::Harmonic => {
            let (m, _) = mean(inverse);
            (1.0 / m, inverse.iter().map(|v| -v / (m * m)).collect())
        }
        Pooling::Mean => {
            // The plain mean cannot take a local dimension that is infinite.
            let local: Vec<f64> = inverse.iter().map(|m| if *m > 0.0 { 1.0 / m } else { f64::NAN }).collect();
            (mean(&local).0, local)
        }
    }
}

pub(super) fn mle(neighbours: &Neighbours, mle: &Mle, estimator: Estimator) -> Result<Estimate> {
    let inverse: Vec<f64> = (0..neighbours.n())
        .map(|i| {
            let squared = &neighbours.squared_distances(i)[..mle.k];
            if squared[0] == 0.0 {
                return f64::NAN;
            }
            let last = squared[mle.k - 1];
            squared[..mle.k - 1].iter().map(|s| 0.5 * (last / s).ln()).sum::<f64>() / mle.norm.of(mle.k)
        })
        .collect();
    let local: Vec<f64> = inverse.iter().map(|m| 1.0 / m).collect();
    let mut excluded = Excluded::twins(neighbours);
    // The plain mean cannot take a local dimension that is infinite.
    let pooled: Vec<f64> = match mle.pooling {
        Pooling::Harmonic => inverse,
        Pooling::Mean => local.iter().map(|d| if d.is_finite() { *d } else { f64::NAN }).collect(),
    };
    let (mean, kept) = mean(&pooled);
    excluded.add(pooled.len() - kept - excluded.count(), "all k neighbours at one distance");
    if kept == 0 {
        return Err(nothing_left(&excluded));
    }
    if mean == 0.0 {
        return Err(infinite(&format!("every sample's {} nearest neighbours", mle.k)));
    }
    let margin = Z95 * standard_error(neighbours, mle.k, &pooled);
    let (value, low, high) = match mle.pooling {
        Pooling::Harmonic => {
            let high = if mean > margin { 1.0 / (mean - margin) } else { f64::INFINITY };
            (1.0 / mean, 1.0 / (mean + margin), high)
        }
        Pooling::Mean => (mean, mean - margin, mean + margin),
    };
    Ok(Estimate::new(estimator, value, (low, high), excluded).with_local(local))
}

pub(super) fn range(neighbours: &Neighbours, range: &MleRange, estimator: Estimator) -> Result<Estimate> {
    let (n, ks) = (neighbours.n(), range.to - range.from + 1);
    let mut inverse = vec![vec![f64::NAN; n]; ks];
    for i in 0..n {
        let squared = neighbours.squared_distances(i);
        if squared[0] > 0.0 {
            inverses(squared, range.from, range.to, range.norm, |at, m| inverse[at][i] = m);
        }
    }
    let excluded = Excluded::twins(neighbours);
    if excluded.count() == n {
        return Err(nothing_left(&excluded));
    }
    let mut value = 0.0;
    let mut influence = vec![0.0; n];
    for inverse in &inverse {
        let (one, own) = pool(inverse, range.pooling);
        if !one.is_finite() {
            return Err(infinite("the nearest neighbours of (nearly) every sample"));
        }
        value += one / ks as f64;
        for (sum, own) in influence.iter_mut().zip(own) {
            *sum += own / ks as f64;
        }
    }
    let margin = Z95 * standard_error(neighbours, range.to, &influence);
    let local = |i: usize| ks as f64 / inverse.iter().map(|inverse| inverse[i]).sum::<f64>();
    let local = (0..n).map(local).collect();
    Ok(Estimate::new(estimator, value, (value - margin, value + margin), excluded).with_local(local))
}

/// What one bootstrap sample says: for each k the dimension and the mean distance to the k-th neighbour, and
/// each sample's m_i.
struct Resampled {
    dims: Vec<f64>,
    radii: Vec<f64>,
    inverse: Vec<Vec<f64>>,
}

pub(super) fn geo(neighbours: &Neighbours, geo: &GeoMle, estimator: Estimator) -> Result<Estimate> {
    let n = neighbours.n();
    let excluded = Excluded::twins(neighbours);
    if excluded.count() == n {
        return Err(nothing_left(&excluded));
    }
    let resampled: Vec<Resampled> =
        (0..geo.bootstraps).into_par_iter().map(|b| resample(neighbours, geo, b)).collect::<Result<_>>()?;
    let ks = geo.to - geo.from + 1;
    let over = |of: &dyn Fn(&Resampled) -> f64| resampled.iter().map(of).sum::<f64>() / geo.bootstraps as f64;
    let mut fit = Vec::new();
    for at in 0..ks {
        let dim = over(&|r| r.dims[at]);
        let variance = over(&|r| (r.dims[at] - dim).powi(2));
        fit.push((over(&|r| r.radii[at]), dim, variance.sqrt()));
    }
    if fit.iter().any(|(_, dim, _)| !dim.is_finite()) {
        return Err(infinite("the nearest neighbours of (nearly) every sample"));
    }
    // Coefficients that give the polynomial's value at 0 as a sum over k.
    let shares = intercept_shares(&fit, geo.degree).ok_or_else(|| {
        Error::Data(
            "GeoMLE: the mean distances to the k-th neighbours do not differ: no curve can be fitted".into(),
        )
    })?;
    let value: f64 = shares.iter().zip(&fit).map(|(share, (_, dim, _))| share * dim).sum();
    let influence: Vec<f64> = (0..n)
        .map(|i| {
            let mut sum = 0.0;
            for (at, share) in shares.iter().enumerate() {
                let drawn = |r: &Resampled| {
                    if r.inverse[at][i].is_nan() { 1.0 / r.dims[at] } else { r.inverse[at][i] }
                };
                let m = resampled.iter().map(drawn).sum::<f64>() / geo.bootstraps as f64;
                sum -= share * m * fit[at].1.powi(2);
            }
            if neighbours.squared_distances(i)[0] > 0.0 { sum } else { f64::NAN }
        })
        .collect();
    let margin = Z95 * standard_error(neighbours, geo.to, &influence);
    Ok(Estimate::new(estimator, value, (value - margin, value + margin), excluded))
}

fn resample(neighbours: &Neighbours, geo: &GeoMle, bootstrap: usize) -> Result<Resampled> {
    let (n, ks) = (neighbours.n(), geo.to - geo.from + 1);
    let mut rng = ChaCha8Rng::seed_from_u64(geo.seed);
    rng.set_stream(bootstrap as u64);
    let mut drawn = vec![false; n];
    for _ in 0..n {
        drawn[rng.random_range(0..n)] = true;
    }
    let mut inverse = vec![vec![f64::NAN; n]; ks];
    let (mut radii, mut kept) = (vec![0.0; ks], 0usize);
    let mut squared = Vec::with_capacity(geo.to);
    for i in 0..n {
        squared.clear();
        let pairs = neighbours.indices(i).iter().zip(neighbours.squared_distances(i));
        squared.extend(pairs.filter(|(j, _)| drawn[**j as usize]).map(|(_, s)| *s).take(geo.to));
        // Too few of the listed were drawn: once in many millions, unless lists are short.
        if squared.len() < geo.to || squared[0] == 0.0 {
            continue;
        }
        kept += 1;
        inverses(&squared, geo.from, geo.to, MleNorm::KMinus2, |at, m| inverse[at][i] = m);
        for (at, radius) in radii.iter_mut().enumerate() {
            *radius += squared[geo.from + at - 1].sqrt();
        }
    }
    if kept == 0 {
        return Err(Error::Data(format!(
            "GeoMLE: no sample has {} neighbours in a bootstrap sample: there are too few samples, or all have twins",
            geo.to
        )));
    }
    let dims = inverse.iter().map(|inverse| 1.0 / mean(inverse).0).collect();
    radii.iter_mut().for_each(|radius| *radius /= kept as f64);
    Ok(Resampled { dims, radii, inverse })
}

/// The weights a_k with which the fitted polynomial's value at distance 0 is sum a_k d_k: solves the normal
/// equations of weighted least squares in radii scaled to at most 1.
fn intercept_shares(fit: &[(f64, f64, f64)], degree: usize) -> Option<Vec<f64>> {
    let unit = fit.iter().map(|f| f.0).fold(0.0, f64::max);
    let spread = fit.iter().map(|f| f.2).fold(0.0, f64::max);
    // Estimates that never varied weigh alike.
    let weight = |sd: f64| if spread > 0.0 { 1.0 / (sd / spread).max(1e-6) } else { 1.0 };
    let size = degree + 1;
    let mut normal = vec![vec![0.0; size + 1]; size];
    for (radius, _, sd) in fit {
        let powers: Vec<f64> = (0..size).map(|p| (radius / unit).powi(p as i32)).collect();
        for (row, a) in normal.iter_mut().zip(&powers) {
            for (sum, b) in row.iter_mut().zip(&powers) {
                *sum += weight(*sd) * a * b;
            }
        }
    }
    normal[0][size] = 1.0;
    let first = solve(normal)?;
    let share = |(radius, _, sd): &(f64, f64, f64)| {
        let value: f64 = first.iter().enumerate().map(|(p, c)| c * (radius / unit).powi(p as i32)).sum();
        weight(*sd) * value
    };
    Some(fit.iter().map(share).collect())
}

/// Solves a few linear equations, right sides in the last column, by elimination with pivoting.
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let size = rows.len();
    for at in 0..size {
        let pivot = (at..size).max_by(|a, b| rows[*a][at].abs().total_cmp(&rows[*b][at].abs()))?;
        rows.swap(at, pivot);
        let own = rows[at].clone();
        if own[at].abs() < 1e-13 * own.iter().fold(0.0, |m: f64, v| m.max(v.abs())) || own[at] == 0.0 {
            return None;
        }
        for (r, row) in rows.iter_mut().enumerate() {
            if r != at {
                let factor = row[at] / own[at];
                row.iter_mut().zip(&own).for_each(|(v, o)| *v -= factor * o);
            }
        }
    }
    Some((0..size).map(|at| rows[at][size] / rows[at][at]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polynomial_is_extrapolated_exactly() {
        // d = 3 + 2 r - r^2 with any weights: the value at 0 is 3.
        let fit: Vec<_> = (1..12)
            .map(|k| {
                let r = f64::from(k) * 0.1;
                (r, 3.0 + 2.0 * r - r * r, 0.1 + f64::from(k % 3))
            })
            .collect();
        let shares = intercept_shares(&fit, 2).unwrap();
        let value: f64 = shares.iter().zip(&fit).map(|(s, f)| s * f.1).sum();
        assert!((value - 3.0).abs() < 1e-9, "{value}");
        assert!(intercept_shares(&[(1.0, 2.0, 0.1); 5], 1).is_none());
    }
}
