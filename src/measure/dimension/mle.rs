//! Maximum likelihood from the distances to k neighbours (Levina & Bickel 2004, averaged as MacKay &
//! Ghahramani 2005), for one k, over a range of k, and extrapolated to distance 0 (GeoMLE, Gomtsyan et al. 2019).

use super::spread::{Z95, choose, halves, independent, listed, mean, sharing, standard_error};
use super::{Duplicates, Estimate, Estimator, Excluded, infinite, nothing_left};
use crate::ops::Neighbours;
use crate::random::Random;
use crate::{Error, Result};
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
///
/// ```
/// use sharpdim::measure::{Estimator, Mle, MleNorm, Pooling};
/// // Levina and Bickel's own: the maximum of the likelihood at each sample, and the plain mean of these.
/// let original = Mle { k: 15, norm: MleNorm::KMinus1, pooling: Pooling::Mean, ..Mle::default() };
/// assert_eq!(Estimator::Mle(original).to_string(), "MLE, k = 15, k - 1 norm, plain mean");
/// ```
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
///
/// ```
/// use sharpdim::measure::{Estimator, MleRange};
/// let range = Estimator::MleRange(MleRange { from: 5, to: 15, ..MleRange::default() });
/// assert_eq!((range.name(), range.neighbours()), ("mle_range", 15));
/// ```
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

/// GeoMLE: the [`Mle`] for every k of a range in several bootstrap samples, each sample compared with those
/// that were drawn; a polynomial in the mean distance to the k-th neighbour is fitted to the mean estimates,
/// weighted by the inverse of their variance over bootstraps, and its value at distance 0 is the
/// estimate: what curvature and density did is left behind.
///
/// An estimate whose bias changes with k, as the paper's k - 2 norm does with the harmonic mean, would be
/// extrapolated as if it were geometry: each norm goes with the pooling that it leaves without bias.
///
/// The authors' code adds a ridge penalty, whose effect depends on the data's unit; this is plain
/// weighted least squares.
///
/// ```
/// use sharpdim::{Device, data::manifolds::{Manifold, Settings}};
/// use sharpdim::measure::{Estimator, GeoMle, intrinsic_dim};
/// let circle = Manifold::Sphere { dim: 1 }.sample(500, &Settings::default())?;
/// let straight = Estimator::GeoMle(GeoMle { degree: 1, ..GeoMle::default() });
/// let found = intrinsic_dim(&Device::cpu(), &circle.points()?, &straight)?;
/// assert!((found.value - 1.0).abs() < 0.3);
/// # Ok::<(), sharpdim::Error>(())
/// ```
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
    /// How points are pooled: the plain mean goes with the norm k - 2, as Gomtsyan et al. have it, the harmonic
    /// one with k - 1.
    pub pooling: Pooling,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// What happens to duplicates.
    pub duplicates: Duplicates,
}

impl Default for GeoMle {
    fn default() -> Self {
        let (pooling, duplicates) = Default::default();
        GeoMle { from: 10, to: 40, bootstraps: 20, degree: 2, pooling, seed: 0, duplicates }
    }
}

impl GeoMle {
    fn norm(&self) -> MleNorm {
        match self.pooling {
            Pooling::Harmonic => MleNorm::KMinus1,
            Pooling::Mean => MleNorm::KMinus2,
        }
    }

    /// Neighbours to read, so that `to` of them are drawn: a bootstrap sample holds a sample with
    /// probability 1 - 1/e = 0.632, and six standard deviations of their number are room enough.
    pub(super) fn neighbours(&self) -> usize {
        listed(self.to, 1.0 - (-1.0f64).exp(), 6.0)
    }
}

/// The inverse local dimension m_i for each of ascending `squared` distances up to every k of the range: one
/// pass for all k. Half the log ratio of squared distances is that of distances.
fn inverses(squared: &[f64], from: usize, to: usize, norm: MleNorm, mut each: impl FnMut(usize, f64)) {
    // In units of the nearest, so that equal distances have logarithm 0 whatever the data's unit.
    let mut sum = 0.0;
    for (at, distance) in squared[..to].iter().enumerate() {
        let (k, log) = (at + 1, (distance / squared[0]).ln());
        if k >= from {
            each(k - from, 0.5 * (at as f64 * log - sum) / norm.of(k));
        }
        sum += log;
    }
}

/// A sample's own part in what is averaged: its m_i or, for a plain mean, 1/m_i; NaN where that is infinite.
fn part(pooling: Pooling, inverse: f64) -> f64 {
    match pooling {
        Pooling::Harmonic => inverse,
        Pooling::Mean => {
            if inverse > 0.0 {
                1.0 / inverse
            } else {
                f64::NAN
            }
        }
    }
}

/// The dimension that the mean part says.
fn pooled(pooling: Pooling, mean: f64) -> f64 {
    match pooling {
        Pooling::Harmonic => 1.0 / mean,
        Pooling::Mean => mean,
    }
}

pub(super) fn mle(neighbours: &Neighbours, mle: &Mle, estimator: Estimator) -> Result<Estimate> {
    let inverse = |squared: &[f64]| {
        let last = squared[mle.k - 1];
        squared[..mle.k - 1].iter().map(|s| 0.5 * (last / s).ln()).sum::<f64>() / mle.norm.of(mle.k)
    };
    let inverses: Vec<f64> = (0..neighbours.n())
        .map(|i| neighbours.squared_distances(i))
        .map(|squared| if squared[0] > 0.0 { inverse(squared) } else { f64::NAN })
        .collect();
    let parts: Vec<f64> = inverses.iter().map(|m| part(mle.pooling, *m)).collect();
    let mut excluded = Excluded::twins(neighbours);
    let (mean, kept) = mean(&parts);
    excluded.add(parts.len() - kept - excluded.count(), "all k neighbours at one distance");
    if kept == 0 {
        return Err(nothing_left(&excluded));
    }
    if mean == 0.0 {
        return Err(infinite(&format!("every sample's {} nearest neighbours", mle.k)));
    }
    let error = standard_error(neighbours, mle.k, &parts, |squared| part(mle.pooling, inverse(squared)));
    let margin = Z95 * error;
    let (value, low, high) = match mle.pooling {
        Pooling::Harmonic => {
            let high = if mean > margin { 1.0 / (mean - margin) } else { f64::INFINITY };
            (1.0 / mean, 1.0 / (mean + margin), high)
        }
        Pooling::Mean => (mean, mean - margin, mean + margin),
    };
    let local = inverses.iter().map(|m| 1.0 / m).collect();
    Ok(Estimate::new(estimator, value, (low, high), excluded).with_local(local))
}

/// What a sample with its list of `squared` distances adds to the sum over k of `shares` times dimension:
/// `dims[k]` is each k's pooled dimension.
fn share_of(
    squared: &[f64],
    from: usize,
    norm: MleNorm,
    pooling: Pooling,
    dims: &[f64],
    shares: &[f64],
) -> f64 {
    let mut sum = 0.0;
    inverses(squared, from, from + dims.len() - 1, norm, |at, m| {
        let slope = match pooling {
            Pooling::Harmonic => -dims[at] * dims[at],
            Pooling::Mean => 1.0,
        };
        sum += shares[at] * slope * part(pooling, m);
    });
    sum
}

pub(super) fn range(neighbours: &Neighbours, range: &MleRange, estimator: Estimator) -> Result<Estimate> {
    let (n, ks) = (neighbours.n(), range.to - range.from + 1);
    let mut parts = vec![vec![f64::NAN; n]; ks];
    let mut inverse_sums = vec![f64::NAN; n];
    for i in 0..n {
        let squared = neighbours.squared_distances(i);
        if squared[0] > 0.0 {
            inverse_sums[i] = 0.0;
            inverses(squared, range.from, range.to, range.norm, |at, m| {
                parts[at][i] = part(range.pooling, m);
                inverse_sums[i] += m;
            });
        }
    }
    let excluded = Excluded::twins(neighbours);
    if excluded.count() == n {
        return Err(nothing_left(&excluded));
    }
    let dims: Vec<f64> = parts.iter().map(|parts| pooled(range.pooling, mean(parts).0)).collect();
    if dims.iter().any(|dim| !dim.is_finite()) {
        return Err(infinite("the nearest neighbours of (nearly) every sample"));
    }
    let shares = vec![1.0 / ks as f64; ks];
    let value = dims.iter().sum::<f64>() / ks as f64;
    let share = |squared: &[f64]| share_of(squared, range.from, range.norm, range.pooling, &dims, &shares);
    let margin = Z95 * standard_error(neighbours, range.to, &each(neighbours, share), share);
    let local = inverse_sums.iter().map(|sum| ks as f64 / sum).collect();
    Ok(Estimate::new(estimator, value, (value - margin, value + margin), excluded).with_local(local))
}

/// Each sample's part of a sum over k, NaN where it has a twin.
fn each(neighbours: &Neighbours, share: impl Fn(&[f64]) -> f64 + Sync) -> Vec<f64> {
    let own = |i| {
        let squared = neighbours.squared_distances(i);
        if squared[0] > 0.0 { share(squared) } else { f64::NAN }
    };
    (0..neighbours.n()).into_par_iter().map(own).collect()
}

/// What one bootstrap sample says.
struct Resampled {
    /// Each sample's distances to its nearest that were drawn, squared; empty where it has a twin.
    squared: Vec<Vec<f64>>,
    /// For each k, the dimension and the mean distance to the k-th neighbour.
    dims: Vec<f64>,
    radii: Vec<f64>,
}

pub(super) fn geo(neighbours: &Neighbours, geo: &GeoMle, estimator: Estimator) -> Result<Estimate> {
    let excluded = Excluded::twins(neighbours);
    if excluded.count() == neighbours.n() {
        return Err(nothing_left(&excluded));
    }
    let resampled: Vec<Resampled> =
        (0..geo.bootstraps).into_par_iter().map(|b| resample(neighbours, geo, b)).collect::<Result<_>>()?;
    let over = |of: &dyn Fn(&Resampled) -> f64| resampled.iter().map(of).sum::<f64>() / geo.bootstraps as f64;
    let fit: Vec<Fitted> = (0..=geo.to - geo.from)
        .map(|at| {
            let dim = over(&|r| r.dims[at]);
            let variance = over(&|r| (r.dims[at] - dim).powi(2));
            Fitted { radius: over(&|r| r.radii[at]), dim, variance }
        })
        .collect();
    if fit.iter().any(|fitted| !fitted.dim.is_finite()) {
        return Err(infinite("the nearest neighbours of (nearly) every sample"));
    }
    let shares = intercept_shares(&fit, geo.degree).ok_or_else(|| {
        Error::Data(
            "GeoMLE: the mean distances to the k-th neighbours do not differ: no curve can be fitted".into(),
        )
    })?;
    let value: f64 = shares.iter().zip(&fit).map(|(share, fitted)| share * fitted.dim).sum();
    if value <= 0.0 {
        return Err(Error::Data(format!(
            "GeoMLE: the fitted polynomial falls to {value:.1} at distance 0, which is no dimension: distances grow \
             too little from neighbour {} to {} for a degree of {}; fewer neighbours, more samples or a lower degree help",
            geo.from, geo.to, geo.degree
        )));
    }
    let dims: Vec<f64> = fit.iter().map(|fitted| fitted.dim).collect();
    let share = |squared: &[f64]| share_of(squared, geo.from, geo.norm(), geo.pooling, &dims, &shares);
    // A sample's part is the mean over bootstraps, which scatters less than that of its own list; how much
    // samples share is found for the latter.
    let bagged: Vec<f64> = (0..neighbours.n())
        .into_par_iter()
        .map(|i| {
            let lists = resampled.iter().map(|r| &r.squared[i]).filter(|squared| !squared.is_empty());
            mean(&lists.map(|squared| share(squared)).collect::<Vec<f64>>()).0
        })
        .collect();
    let single = each(neighbours, share);
    let error = sharing(&halves(neighbours, geo.to, 0, &single, share)) * independent(&bagged);
    let margin = Z95 * error;
    Ok(Estimate::new(estimator, value, (value - margin, value + margin), excluded))
}

fn resample(neighbours: &Neighbours, geo: &GeoMle, bootstrap: usize) -> Result<Resampled> {
    let (n, ks) = (neighbours.n(), geo.to - geo.from + 1);
    let mut random = Random::stream(geo.seed, bootstrap as u64);
    let mut drawn = vec![false; n];
    for _ in 0..n {
        drawn[random.below(n)] = true;
    }
    let list = |i: usize| -> Vec<f64> {
        if neighbours.squared_distances(i)[0] == 0.0 {
            return Vec::new();
        }
        let listed = neighbours.squared_distances(i);
        let listed = &listed[..geo.neighbours().min(listed.len())];
        let mut squared = vec![0.0; geo.to];
        // Too few of the listed were drawn: once in many millions.
        if choose(neighbours.indices(i), listed, |j| drawn[j], &mut squared) < geo.to {
            squared.clear();
        }
        squared
    };
    let squared: Vec<Vec<f64>> = (0..n).map(list).collect();
    let (mut sums, mut counts) = (vec![0.0; ks], vec![0usize; ks]);
    let (mut radii, mut kept) = (vec![0.0; ks], 0usize);
    for squared in squared.iter().filter(|squared| !squared.is_empty()) {
        kept += 1;
        inverses(squared, geo.from, geo.to, geo.norm(), |at, m| {
            let part = part(geo.pooling, m);
            if !part.is_nan() {
                sums[at] += part;
                counts[at] += 1;
            }
        });
        for (at, radius) in radii.iter_mut().enumerate() {
            *radius += squared[geo.from + at - 1].sqrt();
        }
    }
    if kept == 0 {
        return Err(Error::Data(format!(
            "GeoMLE: no sample has {} neighbours in a bootstrap sample: there are too few samples",
            geo.to
        )));
    }
    let dims = sums.iter().zip(counts).map(|(sum, count)| pooled(geo.pooling, sum / count as f64)).collect();
    radii.iter_mut().for_each(|radius| *radius /= kept as f64);
    Ok(Resampled { squared, dims, radii })
}

/// One k's mean over bootstraps.
struct Fitted {
    radius: f64,
    dim: f64,
    variance: f64,
}

/// The weights a_k with which the fitted polynomial's value at distance 0 is sum a_k d_k: solves the normal
/// equations of weighted least squares in radii scaled to at most 1.
fn intercept_shares(fit: &[Fitted], degree: usize) -> Option<Vec<f64>> {
    let unit = fit.iter().map(|fitted| fitted.radius).fold(0.0, f64::max);
    let most = fit.iter().map(|fitted| fitted.variance).fold(0.0, f64::max);
    // Estimates that never varied weigh alike.
    let weight = |fitted: &Fitted| if most > 0.0 { 1.0 / (fitted.variance / most).max(1e-6) } else { 1.0 };
    let powers = |fitted: &Fitted| {
        let x = fitted.radius / unit;
        (0..=degree).map(move |p| x.powi(p as i32))
    };
    let size = degree + 1;
    let mut normal = vec![vec![0.0; size + 1]; size];
    for fitted in fit {
        for (row, a) in normal.iter_mut().zip(powers(fitted)) {
            for (sum, b) in row.iter_mut().zip(powers(fitted)) {
                *sum += weight(fitted) * a * b;
            }
        }
    }
    normal[0][size] = 1.0;
    let first = solve(normal)?;
    let share =
        |fitted: &Fitted| weight(fitted) * first.iter().zip(powers(fitted)).map(|(c, p)| c * p).sum::<f64>();
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
                let radius = f64::from(k) * 0.1;
                let dim = 3.0 + 2.0 * radius - radius * radius;
                Fitted { radius, dim, variance: 0.1 + f64::from(k % 3) }
            })
            .collect();
        let shares = intercept_shares(&fit, 2).unwrap();
        let value: f64 = shares.iter().zip(&fit).map(|(s, f)| s * f.dim).sum();
        assert!((value - 3.0).abs() < 1e-9, "{value}");
        let same = || Fitted { radius: 1.0, dim: 2.0, variance: 0.1 };
        assert!(intercept_shares(&[same(), same(), same()], 1).is_none());
    }
}
