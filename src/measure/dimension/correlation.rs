//! The correlation dimension (Grassberger & Procaccia 1983): how the number of pairs within a distance
//! grows with the distance, between the typical distances of two neighbours.

use super::intervals::Z95;
use super::method::{Formula, FromCounts, Method, at_least};
use super::{Duplicates, Estimate, Estimator, Excluded, infinite};
use crate::ops::{Neighbours, Within, counts_within};
use crate::{Device, Error, Points, Result};
use std::fmt;

/// The correlation dimension ln(C(r2) / C(r1)) / ln(r2 / r1), C(r) being the fraction of all pairs nearer
/// than r, and r1 and r2 the medians over samples of the distances to the k1-th and the k2-th neighbour.
/// Identical samples count as pairs like any other.
///
/// ```
/// use sharpdim::measure::{Correlation, Estimator};
/// let wider = Estimator::Correlation(Correlation { k1: 20, k2: 40 });
/// assert!(wider.needs_samples()); // it counts pairs: distances to neighbours are not enough
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correlation {
    /// The neighbour at the inner distance: at least 1.
    pub k1: usize,
    /// The neighbour at the outer distance: above `k1`.
    pub k2: usize,
}

impl Default for Correlation {
    fn default() -> Self {
        Correlation { k1: 10, k2: 20 }
    }
}

impl fmt::Display for Correlation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Correlation { k1, k2 } = self;
        write!(f, "correlation dimension between median distances to neighbours {k1} and {k2}")
    }
}

impl Method for Correlation {
    fn name(&self) -> &'static str {
        "corr"
    }

    fn about(&self) -> &'static str {
        "How the number of close pairs grows (Grassberger & Procaccia)"
    }

    fn key(&self) -> String {
        let Correlation { k1, k2 } = self;
        format!("k1={k1} k2={k2}")
    }

    fn check(&self) -> Result<()> {
        at_least(self, "k1", self.k1, 1)?;
        at_least(self, "k2", self.k2, self.k1 + 1)
    }

    fn formula(&self) -> Formula<'_> {
        Formula::Counts(self)
    }

    fn neighbours(&self) -> usize {
        self.k2
    }

    fn k(&self) -> Option<usize> {
        Some(self.k2)
    }

    fn with_k(&self, k: usize) -> Option<Estimator> {
        Some(Correlation { k1: k / 2, k2: k }.into())
    }

    fn duplicates(&self) -> Duplicates {
        Duplicates::Exclude
    }
}

impl FromCounts for Correlation {
    fn within(&self) -> Vec<usize> {
        vec![self.k1, self.k2]
    }

    fn estimate(
        &self,
        device: &Device,
        points: &Points<'_>,
        neighbours: &Neighbours,
        within: &[Within],
    ) -> Result<Estimate> {
        let squared = [self.k1, self.k2].map(|k| neighbours.squared_median(k));
        let [r1, r2] = squared.map(f64::sqrt);
        if r1 == 0.0 {
            return Err(Error::Data(format!(
                "correlation dimension: half of the samples have {} or more identical twins: remove duplicates",
                self.k1
            )));
        }
        if r1 >= r2 {
            return Err(infinite(&format!("the {}-th and the {}-th neighbour", self.k1, self.k2)));
        }
        let counted = squared.map(|squared| within.iter().find(|within| within.squared == squared));
        let counts = match counted {
            [Some(inner), Some(outer)] => {
                inner.counts.iter().zip(&outer.counts).map(|(inner, outer)| [*inner, *outer]).collect()
            }
            _ => counts_within(device, points, squared, &|_| ())?,
        };
        let total = |at: usize| counts.iter().map(|counts| counts[at] as f64).sum::<f64>();
        let (inner, outer) = (total(0), total(1));
        let span = (r2 / r1).ln();
        if inner == 0.0 {
            return Err(Error::Data(format!(
                "correlation dimension: no pair is nearer than the median distance {r1} to the {}-th neighbour",
                self.k1
            )));
        }
        let value = (outer / inner).ln() / span;
        // The value is a sum over pairs: with h = 1/P2 - 1/P1 of a pair within r1 and 1/P2 of one within r2 only, P1 and
        // P2 being the numbers of such pairs, its variance is the sum of h_ij h_il over pairs that share a sample,
        // which is that of the samples' sums squared, less that of h^2, which those count twice.
        let (inner, outer) = (inner / 2.0, outer / 2.0);
        let of_samples: f64 =
            counts.iter().map(|counts| (counts[1] as f64 / outer - counts[0] as f64 / inner).powi(2)).sum();
        let of_pairs = 1.0 / inner - 1.0 / outer;
        let variance = (of_samples - of_pairs).max(of_pairs);
        let margin = Z95 * variance.sqrt() / span;
        Ok(Estimate::new((*self).into(), value, (value - margin, value + margin), Excluded::default()))
    }
}
