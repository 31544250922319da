//! Maximum likelihood from the distances to k neighbours (Levina & Bickel 2004, averaged as MacKay &
//! Ghahramani 2005), and the parts shared with MLE over a range and GeoMLE: norms, pooling, and the sums for every k of
//! a range.

use super::intervals::{Z95, mean, standard_error};
use super::method::{Formula, FromDistances, Method, at_least};
use super::{Duplicates, Estimate, Estimator, Excluded, infinite, nothing_left};
use crate::Result;
use crate::ops::Neighbours;
use rayon::prelude::*;
use std::fmt;

/// What the sum of log ratios of the MLE is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MleNorm {
    /// k - 2: the local dimension 1/m_i is unbiased (the paper's choice).
    #[default]
    KMinus2,
    /// k - 1: Levina and Bickel's original, the maximum of the likelihood.
    KMinus1,
}

impl MleNorm {
    pub(super) fn divisor(self, k: usize) -> f64 {
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

    /// Its word in [`Method::key`].
    pub(super) fn key(self) -> &'static str {
        match self {
            MleNorm::KMinus2 => "k-2",
            MleNorm::KMinus1 => "k-1",
        }
    }
}

/// How per-point values become one estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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

    /// Its word in [`Method::key`].
    pub(super) fn key(self) -> &'static str {
        match self {
            Pooling::Harmonic => "harmonic",
            Pooling::Mean => "mean",
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

impl fmt::Display for Mle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mle { k, norm, pooling, .. } = self;
        write!(f, "MLE, k = {k}, {} norm, {} mean", norm.words(), pooling.words())
    }
}

impl Method for Mle {
    fn name(&self) -> &'static str {
        "mle"
    }

    fn about(&self) -> &'static str {
        "Maximum likelihood from the k nearest (Levina & Bickel; the paper's)"
    }

    fn key(&self) -> String {
        let Mle { k, norm, pooling, duplicates } = *self;
        format!("k={k} norm={} pooling={} duplicates={}", norm.key(), pooling.key(), duplicates.key())
    }

    fn check(&self) -> Result<()> {
        at_least(self, "k", self.k, self.norm.least())
    }

    fn formula(&self) -> Formula<'_> {
        Formula::Distances(self)
    }

    fn neighbours(&self) -> usize {
        self.k
    }

    fn k(&self) -> Option<usize> {
        Some(self.k)
    }

    fn with_k(&self, k: usize) -> Option<Estimator> {
        Some(Mle { k, ..*self }.into())
    }

    fn duplicates(&self) -> Duplicates {
        self.duplicates
    }
}

impl FromDistances for Mle {
    fn estimate(&self, neighbours: &Neighbours) -> Result<Estimate> {
        let inverse = |squared: &[f64]| {
            let last = squared[self.k - 1];
            squared[..self.k - 1].iter().map(|s| 0.5 * (last / s).ln()).sum::<f64>()
                / self.norm.divisor(self.k)
        };
        let inverses: Vec<f64> = (0..neighbours.n())
            .map(|i| neighbours.squared_distances(i))
            .map(|squared| if squared[0] > 0.0 { inverse(squared) } else { f64::NAN })
            .collect();
        let parts: Vec<f64> = inverses.iter().map(|m| part(self.pooling, *m)).collect();
        let mut excluded = Excluded::twins(neighbours);
        let (mean, kept) = mean(&parts);
        excluded.add(parts.len() - kept - excluded.count(), "all k neighbours at one distance");
        if kept == 0 {
            return Err(nothing_left(&excluded));
        }
        if mean == 0.0 {
            return Err(infinite(&format!("every sample's {} nearest neighbours", self.k)));
        }
        let error =
            standard_error(neighbours, self.k, &parts, |squared| part(self.pooling, inverse(squared)));
        let margin = Z95 * error;
        let (value, low, high) = match self.pooling {
            Pooling::Harmonic => {
                let high = if mean > margin { 1.0 / (mean - margin) } else { f64::INFINITY };
                (1.0 / mean, 1.0 / (mean + margin), high)
            }
            Pooling::Mean => (mean, mean - margin, mean + margin),
        };
        let local = inverses.iter().map(|m| 1.0 / m).collect();
        Ok(Estimate::new((*self).into(), value, (low, high), excluded).with_local(local))
    }
}

/// The inverse local dimension m_i for each of ascending `squared` distances up to every k of the range: one
/// pass for all k. Half the log ratio of squared distances is that of distances.
pub(super) fn inverses(
    squared: &[f64],
    from: usize,
    to: usize,
    norm: MleNorm,
    mut each: impl FnMut(usize, f64),
) {
    // In units of the nearest, so that equal distances have logarithm 0 whatever the data's unit.
    let mut sum = 0.0;
    for (at, distance) in squared[..to].iter().enumerate() {
        let (k, log) = (at + 1, (distance / squared[0]).ln());
        if k >= from {
            each(k - from, 0.5 * (at as f64 * log - sum) / norm.divisor(k));
        }
        sum += log;
    }
}

/// A sample's term of the average: m_i or, for a plain mean, 1/m_i; NaN where that is infinite.
pub(super) fn part(pooling: Pooling, inverse: f64) -> f64 {
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

/// The dimension from the mean of these terms.
pub(super) fn pooled(pooling: Pooling, mean: f64) -> f64 {
    match pooling {
        Pooling::Harmonic => 1.0 / mean,
        Pooling::Mean => mean,
    }
}

/// The influence of a sample with these `squared` distances on the sum over k of `shares` times dimension; `dims[k]`
/// is the pooled dimension of each k.
pub(super) fn share_of(
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

/// Each sample's influence on a sum over k, NaN where it has an identical twin.
pub(super) fn each(neighbours: &Neighbours, share: impl Fn(&[f64]) -> f64 + Sync) -> Vec<f64> {
    let own = |i| {
        let squared = neighbours.squared_distances(i);
        if squared[0] > 0.0 { share(squared) } else { f64::NAN }
    };
    (0..neighbours.n()).into_par_iter().map(own).collect()
}
