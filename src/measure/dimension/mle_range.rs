//! Maximum likelihood averaged over a range of k (Levina & Bickel 2004).

use super::intervals::{Z95, mean, standard_error};
use super::method::{Formula, FromDistances, Method, at_least, scaled};
use super::mle::{each, inverses, part, pooled, share_of};
use super::{Duplicates, Estimate, Estimator, Excluded, MleNorm, Pooling, infinite, nothing_left};
use crate::Result;
use crate::ops::Neighbours;
use std::fmt;

/// The mean of the [`Mle`](super::Mle) for every k of a range, as Levina and Bickel average it.
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

impl fmt::Display for MleRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MleRange { from, to, norm, pooling, .. } = self;
        write!(f, "MLE, mean over k = {from}..{to}, {} norm, {} mean", norm.words(), pooling.words())
    }
}

impl Method for MleRange {
    fn name(&self) -> &'static str {
        "mle_range"
    }

    fn about(&self) -> &'static str {
        "Maximum likelihood, averaged over a range of k"
    }

    fn key(&self) -> String {
        let MleRange { from, to, norm, pooling, duplicates } = *self;
        let (norm, pooling, duplicates) = (norm.key(), pooling.key(), duplicates.key());
        format!("from={from} to={to} norm={norm} pooling={pooling} duplicates={duplicates}")
    }

    fn check(&self) -> Result<()> {
        at_least(self, "the smallest k", self.from, self.norm.least())?;
        at_least(self, "the largest k", self.to, self.from)
    }

    fn formula(&self) -> Formula<'_> {
        Formula::Distances(self)
    }

    fn neighbours(&self) -> usize {
        self.to
    }

    fn k(&self) -> Option<usize> {
        Some(self.to)
    }

    fn with_k(&self, k: usize) -> Option<Estimator> {
        Some(MleRange { from: scaled(self.from, self.to, k), to: k, ..*self }.into())
    }

    fn duplicates(&self) -> Duplicates {
        self.duplicates
    }
}

impl FromDistances for MleRange {
    fn estimate(&self, neighbours: &Neighbours) -> Result<Estimate> {
        let (n, ks) = (neighbours.n(), self.to - self.from + 1);
        let mut parts = vec![vec![f64::NAN; n]; ks];
        let mut inverse_sums = vec![f64::NAN; n];
        for i in 0..n {
            let squared = neighbours.squared_distances(i);
            if squared[0] > 0.0 {
                inverse_sums[i] = 0.0;
                inverses(squared, self.from, self.to, self.norm, |at, m| {
                    parts[at][i] = part(self.pooling, m);
                    inverse_sums[i] += m;
                });
            }
        }
        let excluded = Excluded::twins(neighbours);
        if excluded.count() == n {
            return Err(nothing_left(&excluded));
        }
        let dims: Vec<f64> = parts.iter().map(|parts| pooled(self.pooling, mean(parts).0)).collect();
        if dims.iter().any(|dim| !dim.is_finite()) {
            return Err(infinite("the nearest neighbours of (nearly) every sample"));
        }
        let shares = vec![1.0 / ks as f64; ks];
        let value = dims.iter().sum::<f64>() / ks as f64;
        let share = |squared: &[f64]| share_of(squared, self.from, self.norm, self.pooling, &dims, &shares);
        let margin = Z95 * standard_error(neighbours, self.to, &each(neighbours, share), share);
        let local = inverse_sums.iter().map(|sum| ks as f64 / sum).collect();
        Ok(Estimate::new((*self).into(), value, (value - margin, value + margin), excluded).with_local(local))
    }
}
