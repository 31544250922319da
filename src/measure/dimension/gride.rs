//! GRIDE (Denti et al. 2022): TwoNN's ratio of two neighbours' distances, at any scale.

use super::intervals::{Z95, falling_root, standard_error};
use super::method::{Formula, FromDistances, Method, at_least};
use super::two_nn::{log_ratio, log_ratios};
use super::{Duplicates, Estimate, Estimator, Excluded, infinite, nothing_left};
use crate::ops::Neighbours;
use crate::{Error, Result};
use std::fmt;

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

impl fmt::Display for Gride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GRIDE, neighbours {} and {}", self.n, 2 * self.n)
    }
}

impl Method for Gride {
    fn name(&self) -> &'static str {
        "gride"
    }

    fn about(&self) -> &'static str {
        "Ratio of two farther distances: less noise (Denti et al.)"
    }

    fn key(&self) -> String {
        let Gride { n, duplicates } = *self;
        format!("n={n} duplicates={}", duplicates.key())
    }

    fn check(&self) -> Result<()> {
        at_least(self, "n", self.n, 1)
    }

    fn formula(&self) -> Formula<'_> {
        Formula::Distances(self)
    }

    fn neighbours(&self) -> usize {
        2 * self.n
    }

    fn k(&self) -> Option<usize> {
        Some(2 * self.n)
    }

    fn with_k(&self, k: usize) -> Option<Estimator> {
        Some(Gride { n: k / 2, ..*self }.into())
    }

    fn duplicates(&self) -> Duplicates {
        self.duplicates
    }
}

impl FromDistances for Gride {
    fn estimate(&self, neighbours: &Neighbours) -> Result<Estimate> {
        let n = self.n as f64;
        let logs = log_ratios(neighbours, self.n, 2 * self.n);
        let mut excluded = Excluded::default();
        excluded.add(logs.iter().filter(|log| log.is_nan()).count(), "the n-th neighbour is identical");
        // A ratio of 1 has likelihood 0 at every dimension, but at n = 1.
        let usable = |log: f64| log > 0.0 || (self.n == 1 && log == 0.0);
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
            let inner = if self.n == 1 { 0.0 } else { (n - 1.0) * log / -(-d * log).exp_m1() };
            1.0 / d + inner - (2.0 * n - 1.0) * log
        };
        let curvature = |d: f64, log: f64| {
            let inner = if self.n == 1 {
                0.0
            } else {
                (n - 1.0) * log * log / (2.0 * (0.5 * d * log).sinh()).powi(2)
            };
            1.0 / (d * d) + inner
        };
        let value = falling_root(|d| kept.iter().map(|log| score(d, *log)).sum());
        let information = kept.iter().map(|log| curvature(value, *log)).sum::<f64>() / kept.len() as f64;
        let influence = |log: f64| score(value, log) / information;
        let influences: Vec<f64> = logs.iter().map(|log| influence(*log)).collect();
        let error = standard_error(neighbours, 2 * self.n, &influences, |squared| {
            influence(log_ratio(squared, self.n, 2 * self.n))
        });
        // The logarithm of the dimension is nearer to normal than the dimension.
        let margin = Z95 * error / value;
        let interval = (value * (-margin).exp(), value * margin.exp());
        Ok(Estimate::new((*self).into(), value, interval, excluded))
    }
}
