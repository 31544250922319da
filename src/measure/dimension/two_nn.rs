//! Ratios of two neighbours' distances: TwoNN (Facco et al. 2017), by fit, by maximum likelihood and with a
//! prior, and its generalisation to any scale, GRIDE (Denti et al. 2022).

use super::spread::{Z95, falling_root, gamma_quantile, halves, sharing, standard_error};
use super::{Duplicates, Estimate, Estimator, Excluded, infinite, nothing_left};
use crate::ops::Neighbours;
use crate::{Error, Result};

/// TwoNN: from the ratio mu_i = T_2 / T_1 of each sample's two nearest distances.
///
/// ```
/// use sharpdim::measure::{Duplicates, Estimator, TwoNn};
/// let duplicates = Duplicates::Refuse;
/// let half = Estimator::TwoNn(TwoNn::Fit { discard: 0.5, seed: 0, duplicates });
/// assert_eq!(half.to_string(), "TwoNN, fit through the origin, top 50 % discarded");
/// let names = [TwoNn::ClosedForm { duplicates }, TwoNn::bayes()].map(|of| Estimator::TwoNn(of).name());
/// assert_eq!(names, ["twonn_mle", "twonn_bayes"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TwoNn {
    /// The slope through the origin of -ln(1 - F(mu)) against ln(mu), F the empirical distribution i/N,
    /// without the `discard` fraction of the largest mu (Facco et al.; 0.1 by default).
    Fit {
        /// Fraction of the largest ratios that the fit leaves out, above 0 and below 1.
        discard: f64,
        /// Seed of the interval's halvings.
        seed: u64,
        /// What happens to duplicates.
        duplicates: Duplicates,
    },
    /// The maximum of the likelihood, N / sum ln(mu_i).
    ClosedForm {
        /// What happens to duplicates.
        duplicates: Duplicates,
    },
    /// The mean of the posterior under a gamma prior, (shape + N) / (rate + sum ln(mu_i)), with the
    /// posterior's own 95 % interval, widened as samples share distances.
    Bayes {
        /// Shape of the prior, above 0: 1 makes it an exponential distribution.
        shape: f64,
        /// Rate of the prior, not below 0: 0 is the improper flat one where the shape is 1.
        rate: f64,
        /// What happens to duplicates.
        duplicates: Duplicates,
    },
}

impl Default for TwoNn {
    fn default() -> Self {
        TwoNn::Fit { discard: 0.1, seed: 0, duplicates: Duplicates::default() }
    }
}

impl TwoNn {
    /// With a flat prior.
    pub fn bayes() -> Self {
        TwoNn::Bayes { shape: 1.0, rate: 0.0, duplicates: Duplicates::default() }
    }

    pub(super) fn duplicates(&self) -> Duplicates {
        match *self {
            TwoNn::Fit { duplicates, .. }
            | TwoNn::ClosedForm { duplicates }
            | TwoNn::Bayes { duplicates, .. } => duplicates,
        }
    }
}

/// GRIDE: the maximum of the likelihood of mu_i = T_{2n} / T_n, which sees the data at the scale of T_n.
/// At n = 1 it is TwoNN's closed form.
///
/// ```
/// use sharpdim::{Device, data::manifolds::{Manifold, Settings}, ops::neighbours};
/// use sharpdim::measure::{Estimator, Gride, estimate};
/// // The scale curve of a square with a little noise, on one search: more dimensions where one looks closer.
/// let noisy = Settings { embedding_dim: Some(10), noise_sd: 0.01, seed: 0 };
/// let square = Manifold::Cube { dim: 2 }.sample(1000, &noisy)?;
/// let near = neighbours(&Device::cpu(), &square.points()?, 64)?;
/// let curve = Gride::scales(64).into_iter().map(|gride| Ok(estimate(&near, &Estimator::Gride(gride))?.value));
/// let curve = curve.collect::<Result<Vec<f64>, sharpdim::Error>>()?;
/// assert!(curve[0] > 4.0 && curve[5] < 3.0);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gride {
    /// The nearer neighbour, n; 2 n neighbours are read.
    pub n: usize,
    /// What happens to duplicates.
    pub duplicates: Duplicates,
}

impl Default for Gride {
    fn default() -> Self {
        Gride { n: 2, duplicates: Duplicates::default() }
    }
}

impl Gride {
    /// The estimators of the scale curve: n = 1, 2, 4, ... as far as `neighbours` reach.
    pub fn scales(neighbours: usize) -> Vec<Gride> {
        let scales = std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|n| 2 * n <= neighbours);
        scales.map(|n| Gride { n, ..Gride::default() }).collect()
    }

    /// The distance at which it sees the data, in the data's units: the mean over samples of (T_n + T_2n) / 2.
    ///
    /// # Errors
    /// [`Error::Argument`] where n is 0 or there are fewer than 2 n neighbours.
    ///
    /// ```
    /// use sharpdim::{Device, data::manifolds::{Manifold, Settings}, ops::neighbours};
    /// use sharpdim::measure::{Estimator, Gride, estimate};
    /// let roll = Manifold::SwissRoll.sample(1000, &Settings::default())?;
    /// let found = neighbours(&Device::cpu(), &roll.points()?, 64)?;
    /// for gride in Gride::scales(found.k()) {
    ///     let dim = estimate(&found, &Estimator::Gride(gride))?.value;
    ///     println!("dimension {dim:.2} at distance {:.2}", gride.scale(&found)?);
    /// }
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn scale(&self, neighbours: &Neighbours) -> Result<f64> {
        if self.n == 0 || neighbours.k() < 2 * self.n {
            return Err(Error::Argument(format!(
                "GRIDE at n = {} reads {} neighbours, at least 2: {} were found",
                self.n,
                2 * self.n,
                neighbours.k()
            )));
        }
        let both = |i| {
            let squared = neighbours.squared_distances(i);
            0.5 * (squared[self.n - 1].sqrt() + squared[2 * self.n - 1].sqrt())
        };
        Ok((0..neighbours.n()).map(both).sum::<f64>() / neighbours.n() as f64)
    }
}

/// ln(T_b / T_a), NaN where T_a is 0.
fn log_ratio(squared: &[f64], a: usize, b: usize) -> f64 {
    if squared[a - 1] > 0.0 { 0.5 * (squared[b - 1] / squared[a - 1]).ln() } else { f64::NAN }
}

fn log_ratios(neighbours: &Neighbours, a: usize, b: usize) -> Vec<f64> {
    (0..neighbours.n()).map(|i| log_ratio(neighbours.squared_distances(i), a, b)).collect()
}

pub(super) fn two_nn(neighbours: &Neighbours, two_nn: &TwoNn, estimator: Estimator) -> Result<Estimate> {
    let all = log_ratios(neighbours, 1, 2);
    let logs: Vec<f64> = all.iter().copied().filter(|log| !log.is_nan()).collect();
    let excluded = Excluded::twins(neighbours);
    if logs.is_empty() {
        return Err(nothing_left(&excluded));
    }
    let flat = || infinite("the two nearest neighbours of (nearly) every sample");
    let sum: f64 = logs.iter().sum();
    if sum == 0.0 {
        return Err(flat());
    }
    let log = |squared: &[f64]| log_ratio(squared, 1, 2);
    let halvings = |seed| halves(neighbours, 2, seed, &all, log);
    // The dimension times the sum of independent logarithms follows a gamma distribution; those of samples
    // that share distances scatter more.
    let gamma = |shape: f64, rate: f64| {
        let (value, wider) = (shape / rate, sharing(&halvings(0)));
        let end = |z: f64| value * (gamma_quantile(shape, z) / shape).powf(wider);
        (value, (end(-Z95), end(Z95)))
    };
    let (value, interval) = match *two_nn {
        TwoNn::ClosedForm { .. } => gamma(logs.len() as f64, sum),
        TwoNn::Bayes { shape, rate, .. } => gamma(shape + logs.len() as f64, rate + sum),
        TwoNn::Fit { discard, seed, .. } => {
            let count = logs.len() as f64;
            let value = slope(logs, discard);
            if !value.is_finite() {
                return Err(flat());
            }
            // Slopes within halves differ by the variance of both, 4 times that of the whole.
            let halvings = halvings(seed);
            let differences = halvings
                .iter()
                .map(|[one, other]| (slope(one.clone(), discard) - slope(other.clone(), discard)).powi(2));
            let error = (differences.sum::<f64>() / halvings.len() as f64).sqrt() / 2.0;
            // Too few to halve: as in the closed form.
            let relative = if error.is_finite() { error / value } else { sharing(&[]) / count.sqrt() };
            (value, (value * (-Z95 * relative).exp(), value * (Z95 * relative).exp()))
        }
    };
    Ok(Estimate::new(estimator, value, interval, excluded))
}

/// Slope through the origin of -ln(1 - i/N) against the i-th smallest log ratio, up to the fraction that is
/// discarded; infinite or NaN where all that counts is 0.
fn slope(mut logs: Vec<f64>, discard: f64) -> f64 {
    logs.sort_unstable_by(f64::total_cmp);
    let n = logs.len();
    // The largest ratio has F = 1 and never counts.
    let kept = ((n as f64 * (1.0 - discard)) as usize).clamp(1, (n - 1).max(1));
    let (mut xy, mut xx) = (0.0, 0.0);
    for (at, log) in logs[..kept].iter().enumerate() {
        xy += log * -(-((at + 1) as f64) / n as f64).ln_1p();
        xx += log * log;
    }
    xy / xx
}

pub(super) fn gride(neighbours: &Neighbours, gride: &Gride, estimator: Estimator) -> Result<Estimate> {
    let n = gride.n as f64;
    let logs = log_ratios(neighbours, gride.n, 2 * gride.n);
    let mut excluded = Excluded::default();
    excluded.add(logs.iter().filter(|log| log.is_nan()).count(), "the n-th neighbour is identical");
    // A ratio of 1 has likelihood 0 at every dimension, but at n = 1.
    let usable = |log: f64| log > 0.0 || (gride.n == 1 && log == 0.0);
    let equal = logs.iter().filter(|log| !log.is_nan() && !usable(**log)).count();
    excluded.add(equal, "the n-th and the 2n-th neighbour at one distance");
    let logs: Vec<f64> = logs.into_iter().map(|log| if usable(log) { log } else { f64::NAN }).collect();
    let kept: Vec<f64> = logs.iter().copied().filter(|log| !log.is_nan()).collect();
    if kept.is_empty() {
        return Err(if equal > 0 {
            infinite("the neighbours of every sample")
        } else {
            nothing_left(&excluded)
        });
    }
    if kept.iter().all(|log| *log == 0.0) {
        return Err(infinite("the two nearest neighbours of (nearly) every sample"));
    }
    // The density of mu is d (mu^d - 1)^(n-1) / (B(n, n) mu^(d (2n - 1) + 1)); this is the derivative of its
    // logarithm in d, and that of the derivative.
    let score = |d: f64, log: f64| {
        let inner = if gride.n == 1 { 0.0 } else { (n - 1.0) * log / -(-d * log).exp_m1() };
        1.0 / d + inner - (2.0 * n - 1.0) * log
    };
    let curvature = |d: f64, log: f64| {
        let inner =
            if gride.n == 1 { 0.0 } else { (n - 1.0) * log * log / (2.0 * (0.5 * d * log).sinh()).powi(2) };
        1.0 / (d * d) + inner
    };
    let value = falling_root(|d| kept.iter().map(|log| score(d, *log)).sum());
    let information = kept.iter().map(|log| curvature(value, *log)).sum::<f64>() / kept.len() as f64;
    let influence = |log: f64| score(value, log) / information;
    let influences: Vec<f64> = logs.iter().map(|log| influence(*log)).collect();
    let error = standard_error(neighbours, 2 * gride.n, &influences, |squared| {
        influence(log_ratio(squared, gride.n, 2 * gride.n))
    });
    // The logarithm of the dimension is nearer to normal than the dimension.
    let margin = Z95 * error / value;
    let interval = (value * (-margin).exp(), value * margin.exp());
    Ok(Estimate::new(estimator, value, interval, excluded))
}
