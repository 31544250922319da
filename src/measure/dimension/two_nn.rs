//! TwoNN (Facco et al. 2017), the ratio of the two nearest distances: by fit, by maximum likelihood and with a prior.

use super::intervals::{Z95, gamma_quantile, halves, sharing};
use super::method::{Formula, FromDistances, Method};
use super::{Duplicates, Estimate, Estimator, Excluded, infinite, nothing_left};
use crate::ops::Neighbours;
use crate::{Error, Result};
use std::fmt;

/// TwoNN: from the ratio mu_i = T_2 / T_1 of each sample's two nearest distances.
///
/// ```
/// use sharpdim::measure::{Duplicates, Estimator, TwoNn};
/// let duplicates = Duplicates::Refuse;
/// let half = Estimator::TwoNn(TwoNn::Fit { discard: 0.5, seed: 0, duplicates });
/// assert_eq!(half.to_string(), "TwoNN, fit through the origin, top 50 % discarded");
/// let names = [TwoNn::ClosedForm { duplicates }, TwoNn::bayes()].map(|kind| Estimator::TwoNn(kind).name());
/// assert_eq!(names, ["twonn_mle", "twonn_bayes"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
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
}

impl fmt::Display for TwoNn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TwoNn::Fit { discard, .. } => {
                write!(f, "TwoNN, fit through the origin, top {} % discarded", discard * 100.0)
            }
            TwoNn::ClosedForm { .. } => write!(f, "TwoNN, closed-form maximum likelihood"),
            TwoNn::Bayes { shape, rate, .. } => {
                write!(f, "TwoNN, posterior mean, gamma prior of shape {shape} and rate {rate}")
            }
        }
    }
}

impl Method for TwoNn {
    fn name(&self) -> &'static str {
        match self {
            TwoNn::Fit { .. } => "twonn",
            TwoNn::ClosedForm { .. } => "twonn_mle",
            TwoNn::Bayes { .. } => "twonn_bayes",
        }
    }

    fn about(&self) -> &'static str {
        match self {
            TwoNn::Fit { .. } => "Ratio of the two nearest distances, fitted (Facco et al.)",
            TwoNn::ClosedForm { .. } => "Ratio of the two nearest distances, by maximum likelihood",
            TwoNn::Bayes { .. } => "Ratio of the two nearest distances, mean of the posterior",
        }
    }

    fn key(&self) -> String {
        let duplicates = self.duplicates().key();
        match *self {
            TwoNn::Fit { discard, seed, duplicates: _ } => {
                format!("discard={discard} seed={seed} duplicates={duplicates}")
            }
            TwoNn::ClosedForm { duplicates: _ } => format!("duplicates={duplicates}"),
            TwoNn::Bayes { shape, rate, duplicates: _ } => {
                format!("shape={shape} rate={rate} duplicates={duplicates}")
            }
        }
    }

    fn check(&self) -> Result<()> {
        match *self {
            TwoNn::Fit { discard, .. } if !(discard > 0.0 && discard < 1.0) => Err(Error::Argument(format!(
                "TwoNN discards a fraction above 0 and below 1 of the largest ratios, not {discard}"
            ))),
            TwoNn::Bayes { shape, rate, .. }
                if !(shape > 0.0 && shape.is_finite() && rate >= 0.0 && rate.is_finite()) =>
            {
                Err(Error::Argument(format!(
                    "{self}: the prior's shape must be above 0, and its rate not below"
                )))
            }
            TwoNn::Fit { .. } | TwoNn::ClosedForm { .. } | TwoNn::Bayes { .. } => Ok(()),
        }
    }

    fn formula(&self) -> Formula<'_> {
        Formula::Distances(self)
    }

    fn neighbours(&self) -> usize {
        2
    }

    fn k(&self) -> Option<usize> {
        None
    }

    fn with_k(&self, _: usize) -> Option<Estimator> {
        None
    }

    fn with_seed(&self, seed: u64) -> Option<Estimator> {
        match *self {
            TwoNn::Fit { discard, duplicates, .. } => Some(TwoNn::Fit { discard, seed, duplicates }.into()),
            TwoNn::ClosedForm { .. } | TwoNn::Bayes { .. } => None,
        }
    }

    fn duplicates(&self) -> Duplicates {
        match *self {
            TwoNn::Fit { duplicates, .. }
            | TwoNn::ClosedForm { duplicates }
            | TwoNn::Bayes { duplicates, .. } => duplicates,
        }
    }
}

impl FromDistances for TwoNn {
    fn estimate(&self, neighbours: &Neighbours) -> Result<Estimate> {
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
        let (value, interval) = match *self {
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
                let differences = halvings.iter().map(|[one, other]| {
                    (slope(one.clone(), discard) - slope(other.clone(), discard)).powi(2)
                });
                let error = (differences.sum::<f64>() / halvings.len() as f64).sqrt() / 2.0;
                // Too few to halve: as in the closed form.
                let relative = if error.is_finite() { error / value } else { sharing(&[]) / count.sqrt() };
                (value, (value * (-Z95 * relative).exp(), value * (Z95 * relative).exp()))
            }
        };
        Ok(Estimate::new((*self).into(), value, interval, excluded))
    }
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

/// ln(T_b / T_a), NaN where T_a is 0.
pub(super) fn log_ratio(squared: &[f64], a: usize, b: usize) -> f64 {
    if squared[a - 1] > 0.0 { 0.5 * (squared[b - 1] / squared[a - 1]).ln() } else { f64::NAN }
}

/// That of each sample.
pub(super) fn log_ratios(neighbours: &Neighbours, a: usize, b: usize) -> Vec<f64> {
    (0..neighbours.n()).map(|i| log_ratio(neighbours.squared_distances(i), a, b)).collect()
}
