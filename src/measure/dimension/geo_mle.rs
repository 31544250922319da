//! GeoMLE (Gomtsyan et al. 2019): maximum likelihood extrapolated to distance 0.

use super::intervals::{self, Z95, choose, halves, independent, listed, mean, sharing};
use super::method::{Formula, FromDistances, Method, at_least, scaled};
use super::mle::{each, inverses, part, pooled, share_of};
use super::{Duplicates, Estimate, Estimator, Excluded, MleNorm, Pooling, infinite, nothing_left};
use crate::bootstrap::Resampler;
use crate::ops::Neighbours;
use crate::{Error, Result};
use rayon::prelude::*;
use std::fmt;

/// GeoMLE: the [`Mle`](super::Mle) for every k of a range in several bootstrap samples, each sample compared with the
/// drawn ones; a polynomial in the mean distance to the k-th neighbour is fitted to the mean estimates,
/// weighted by the inverse of their variance over bootstraps, and its value at distance 0 is the
/// estimate, free of the effects of curvature and density.
///
/// An estimate whose bias changes with k, as the paper's k - 2 norm does with the harmonic mean, would be
/// extrapolated as if it were geometry: each norm goes with the pooling for which it is unbiased.
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
}

impl fmt::Display for GeoMle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GeoMle { from, to, bootstraps, degree, pooling, .. } = self;
        let pooling = pooling.words();
        write!(f, "GeoMLE, k = {from}..{to}, {bootstraps} bootstraps, degree {degree}, {pooling} mean")
    }
}

impl Method for GeoMle {
    fn name(&self) -> &'static str {
        "geomle"
    }

    fn about(&self) -> &'static str {
        "Maximum likelihood, extrapolated to distance 0 (Gomtsyan et al.)"
    }

    fn key(&self) -> String {
        let GeoMle { from, to, bootstraps, degree, pooling, seed, duplicates } = *self;
        let (pooling, duplicates) = (pooling.key(), duplicates.key());
        format!(
            "from={from} to={to} bootstraps={bootstraps} degree={degree} pooling={pooling} seed={seed} \
             duplicates={duplicates}"
        )
    }

    fn check(&self) -> Result<()> {
        at_least(self, "the smallest k", self.from, 3)?;
        at_least(self, "the number of bootstraps", self.bootstraps, 2)?;
        at_least(self, "the degree", self.degree, 1)?;
        at_least(self, "the largest k", self.to, self.from + self.degree + 1)?;
        if self.degree > 3 {
            return Err(Error::Argument(format!("{self}: the degree must be at most 3")));
        }
        Ok(())
    }

    fn formula(&self) -> Formula<'_> {
        Formula::Distances(self)
    }

    /// So many that `to` of them are drawn: a bootstrap sample holds a sample with probability 1 - 1/e = 0.632, and
    /// six standard deviations of their number are room enough.
    fn neighbours(&self) -> usize {
        listed(self.to, 1.0 - (-1.0f64).exp(), 6.0)
    }

    /// The interval halves the samples themselves, not the bootstrap samples: a half must hold `to` neighbours.
    fn reach(&self, n: usize) -> usize {
        self.neighbours().max(intervals::reach(self.to, n))
    }

    fn k(&self) -> Option<usize> {
        Some(self.to)
    }

    fn with_k(&self, k: usize) -> Option<Estimator> {
        Some(GeoMle { from: scaled(self.from, self.to, k), to: k, ..*self }.into())
    }

    fn with_seed(&self, seed: u64) -> Option<Estimator> {
        Some(GeoMle { seed, ..*self }.into())
    }

    fn duplicates(&self) -> Duplicates {
        self.duplicates
    }
}

impl FromDistances for GeoMle {
    fn estimate(&self, neighbours: &Neighbours) -> Result<Estimate> {
        let excluded = Excluded::twins(neighbours);
        if excluded.count() == neighbours.n() {
            return Err(nothing_left(&excluded));
        }
        let resampled: Vec<Resampled> = (0..self.bootstraps)
            .into_par_iter()
            .map(|b| resample(neighbours, self, b))
            .collect::<Result<_>>()?;
        let over = |quantity: &dyn Fn(&Resampled) -> f64| {
            resampled.iter().map(quantity).sum::<f64>() / self.bootstraps as f64
        };
        let fit: Vec<Fitted> = (0..=self.to - self.from)
            .map(|at| {
                let dim = over(&|r| r.dims[at]);
                let variance = over(&|r| (r.dims[at] - dim).powi(2));
                Fitted { radius: over(&|r| r.radii[at]), dim, variance }
            })
            .collect();
        if fit.iter().any(|fitted| !fitted.dim.is_finite()) {
            return Err(infinite("the nearest neighbours of (nearly) every sample"));
        }
        let shares = intercept_shares(&fit, self.degree).ok_or_else(|| {
            Error::Data(
                "GeoMLE: the mean distances to the k-th neighbours do not differ: no curve can be fitted"
                    .into(),
            )
        })?;
        let value: f64 = shares.iter().zip(&fit).map(|(share, fitted)| share * fitted.dim).sum();
        if value <= 0.0 {
            return Err(Error::Data(format!(
                "GeoMLE: the fitted polynomial falls to {value:.1} at distance 0, which is no dimension: distances grow \
             too little from neighbour {} to {} for a degree of {}; fewer neighbours, more samples or a lower degree help",
                self.from, self.to, self.degree
            )));
        }
        let dims: Vec<f64> = fit.iter().map(|fitted| fitted.dim).collect();
        let share = |squared: &[f64]| share_of(squared, self.from, self.norm(), self.pooling, &dims, &shares);
        // A sample's influence is the mean over bootstraps, which varies less than that of its own list; the factor for
        // shared distances is found for the latter.
        let bagged: Vec<f64> = (0..neighbours.n())
            .into_par_iter()
            .map(|i| {
                let lists = resampled.iter().map(|r| &r.squared[i]).filter(|squared| !squared.is_empty());
                mean(&lists.map(|squared| share(squared)).collect::<Vec<f64>>()).0
            })
            .collect();
        let single = each(neighbours, share);
        let error = sharing(&halves(neighbours, self.to, 0, &single, share)) * independent(&bagged);
        let margin = Z95 * error;
        Ok(Estimate::new((*self).into(), value, (value - margin, value + margin), excluded))
    }

    /// Its bootstrap draws samples and neighbours from one set.
    fn between_sets(&self) -> bool {
        false
    }
}

/// The estimates on one bootstrap sample.
struct Resampled {
    /// Each sample's squared distances to its nearest drawn samples; empty where it has an identical twin.
    squared: Vec<Vec<f64>>,
    /// For each k, the dimension and the mean distance to the k-th neighbour.
    dims: Vec<f64>,
    radii: Vec<f64>,
}

fn resample(neighbours: &Neighbours, geo: &GeoMle, bootstrap: usize) -> Result<Resampled> {
    let (n, ks) = (neighbours.n(), geo.to - geo.from + 1);
    let mut drawn = vec![false; n];
    Resampler::new(geo.seed, bootstrap as u64, n).sample().for_each(|i| drawn[i] = true);
    let list = |i: usize| -> Vec<f64> {
        if neighbours.squared_distances(i)[0] == 0.0 {
            return Vec::new();
        }
        let listed = neighbours.squared_distances(i);
        let listed = &listed[..geo.neighbours().min(listed.len())];
        let mut squared = vec![0.0; geo.to];
        // Too few of the listed were drawn: less than once in a million.
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
    use approx::assert_abs_diff_eq;

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
        assert_abs_diff_eq!(value, 3.0, epsilon = 1e-9);
        let same = || Fitted { radius: 1.0, dim: 2.0, variance: 0.1 };
        assert!(intercept_shares(&[same(), same(), same()], 1).is_none());
    }
}
