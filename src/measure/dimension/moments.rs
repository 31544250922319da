//! The method of moments (Amsaleg et al. 2015): the mean of k distances over the largest.

use super::estimate::mean_of_local;
use super::intervals::standard_error;
use super::method::{Formula, FromDistances, Method, at_least};
use super::{Duplicates, Estimate, Estimator};
use crate::Result;
use crate::ops::Neighbours;
use std::fmt;

/// The method of moments: the local dimension is m / (T_k - m), m being the mean of T_1 .. T_k; the
/// dimension is the mean over samples.
///
/// ```
/// use sharpdim::measure::{Estimator, Moments};
/// let moments = Estimator::Moments(Moments { k: 30, ..Moments::default() });
/// assert_eq!((moments.name(), moments.neighbours()), ("mom", 30));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
    /// Neighbours of each sample: at least 2.
    pub k: usize,
    /// What happens to duplicates.
    pub duplicates: Duplicates,
}

impl Default for Moments {
    fn default() -> Self {
        Moments { k: 20, duplicates: Duplicates::default() }
    }
}

impl fmt::Display for Moments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "method of moments, k = {}, plain mean", self.k)
    }
}

impl Method for Moments {
    fn name(&self) -> &'static str {
        "mom"
    }

    fn about(&self) -> &'static str {
        "Mean of the k nearest distances over the k-th (Amsaleg et al.)"
    }

    fn key(&self) -> String {
        let Moments { k, duplicates } = *self;
        format!("k={k} duplicates={}", duplicates.key())
    }

    fn check(&self) -> Result<()> {
        at_least(self, "k", self.k, 2)
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
        Some(Moments { k, ..*self }.into())
    }

    fn duplicates(&self) -> Duplicates {
        self.duplicates
    }
}

impl FromDistances for Moments {
    fn estimate(&self, neighbours: &Neighbours) -> Result<Estimate> {
        let local_of = |squared: &[f64]| {
            let distances = squared[..self.k].iter().map(|s| s.sqrt());
            let mean = distances.sum::<f64>() / self.k as f64;
            let last = squared[self.k - 1].sqrt();
            // Rounding may put the mean of equal distances above them.
            if mean < last && squared[0] < squared[self.k - 1] { mean / (last - mean) } else { f64::INFINITY }
        };
        let local = (0..neighbours.n())
            .map(|i| neighbours.squared_distances(i))
            .map(|squared| if squared[0] > 0.0 { local_of(squared) } else { f64::NAN })
            .collect();
        let error = |finite: &[f64]| standard_error(neighbours, self.k, finite, local_of);
        mean_of_local(neighbours, local, "all k neighbours at one distance", error, (*self).into())
    }
}
