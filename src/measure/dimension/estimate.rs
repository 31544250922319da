//! An estimate with its interval, and the samples left out and why.

use super::Estimator;
use super::intervals::{Z95, mean};
use crate::ops::Neighbours;
use crate::{Error, Result};
use std::fmt;

/// Samples without a value, and why.
///
/// ```
/// use sharpdim::{Device, Points, measure::{Estimator, Mle, intrinsic_dim}};
/// // The first two samples are identical.
/// let points = Points::u8(&[7, 7, 10, 14, 19, 25, 32, 40], 1)?;
/// let found = intrinsic_dim(&Device::cpu(), &points, &Estimator::Mle(Mle { k: 3, ..Mle::default() }))?;
/// assert_eq!(found.excluded.to_string(), "2: an identical twin");
/// assert_eq!(found.excluded.reasons(), [(found.excluded.count(), "an identical twin")]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excluded {
    reasons: Vec<(usize, &'static str)>,
}

impl Excluded {
    /// Those with an identical twin.
    pub(super) fn twins(neighbours: &Neighbours) -> Self {
        let mut excluded = Excluded::default();
        let twins = (0..neighbours.n()).filter(|&i| neighbours.squared_distances(i)[0] == 0.0).count();
        let of_two_sets = neighbours.reference().is_some();
        excluded
            .add(twins, if of_two_sets { "identical to a reference sample" } else { "an identical twin" });
        excluded
    }

    pub(super) fn add(&mut self, count: usize, reason: &'static str) {
        if count > 0 {
            self.reasons.push((count, reason));
        }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.reasons.iter().map(|(count, _)| count).sum()
    }

    /// How many for each reason.
    pub fn reasons(&self) -> &[(usize, &'static str)] {
        &self.reasons
    }
}

impl fmt::Display for Excluded {
    /// `12: an identical twin; 3: ...`; nothing where there are none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (count, reason)) in self.reasons.iter().enumerate() {
            write!(f, "{}{count}: {reason}", if at > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

/// An estimated intrinsic dimension.
///
/// ```
/// use sharpdim::{Device, data::manifolds::{Manifold, Settings}};
/// use sharpdim::measure::{Estimator, Mle, intrinsic_dim};
/// let torus = Manifold::FlatTorus { dim: 2 }.sample(300, &Settings::default())?;
/// let found = intrinsic_dim(&Device::cpu(), &torus.points()?, &Estimator::Mle(Mle::default()))?;
/// assert!(found.low < found.value && found.value < found.high);
/// assert_eq!((found.local.len(), found.excluded.count()), (300, 0));
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// The dimension.
    pub value: f64,
    /// Lower end of its 95 % interval, for the estimator's expectation on such data: it covers sampling error, not
    /// bias.
    ///
    /// Standard errors are found by halving the samples at random, 100 times: estimates within two halves
    /// differ by the variance of both. Where [lists of neighbours](Estimator::reach) or samples are too few
    /// for that, the standard error is that of independent samples times 1.4.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Samples without a value, such as those with an identical twin.
    pub excluded: Excluded,
    /// Which estimator, with which convention.
    pub estimator: Estimator,
    /// Each sample's local dimension; NaN where it was excluded, infinite where its neighbours are all
    /// at one distance. Empty where the estimator has none.
    pub local: Vec<f64>,
}

impl Estimate {
    pub(super) fn new(estimator: Estimator, value: f64, (low, high): (f64, f64), excluded: Excluded) -> Self {
        Estimate { value, low, high, excluded, estimator, local: Vec::new() }
    }

    pub(super) fn with_local(self, local: Vec<f64>) -> Self {
        Estimate { local, ..self }
    }
}

pub(super) fn nothing_left(excluded: &Excluded) -> Error {
    Error::Data(format!(
        "no sample gives a dimension: {} samples have an identical twin; are all images the same?",
        excluded.count()
    ))
}

pub(super) fn infinite(whose: &str) -> Error {
    Error::Data(format!("{whose} are at one distance: the dimension is infinite"))
}

/// The plain mean of local dimensions (NaN where a sample has a twin or gives none), with its interval from
/// the standard error that `error` finds for the finite ones. `reason` is why one can be infinite or missing.
pub(super) fn mean_of_local(
    neighbours: &Neighbours,
    local: Vec<f64>,
    reason: &'static str,
    error: impl FnOnce(&[f64]) -> f64,
    estimator: Estimator,
) -> Result<Estimate> {
    let mut excluded = Excluded::twins(neighbours);
    let finite: Vec<f64> = local.iter().map(|d| if d.is_finite() { *d } else { f64::NAN }).collect();
    let (value, kept) = mean(&finite);
    excluded.add((finite.len() - kept).saturating_sub(excluded.count()), reason);
    if kept == 0 {
        let flat = local.iter().any(|d| d.is_infinite());
        return Err(if flat { infinite("the neighbours of every sample") } else { nothing_left(&excluded) });
    }
    let margin = Z95 * error(&finite);
    Ok(Estimate::new(estimator, value, (value - margin, value + margin), excluded).with_local(local))
}
