//! What each estimator's settings implement: its name, what it reads, its checks, and its formula.

use super::neighbourhood::Neighbourhood;
use super::{Duplicates, Estimate, Estimator, intervals};
use crate::ops::{Neighbours, Within};
use crate::{Device, Error, Points, Result};
use std::fmt;

/// An estimator's settings, whose [`Display`](fmt::Display) is their convention in words. [`Estimator`] delegates to it.
pub(super) trait Method: fmt::Display + Sync {
    /// As [`Estimator::name`]: no two have one name.
    fn name(&self) -> &'static str;

    /// As [`Estimator::about`].
    fn about(&self) -> &'static str;

    /// All settings, as in the keys of cached files: unique to the settings, and stable between versions. Written field
    /// by field, so that no new field is forgotten and a renamed one changes nothing.
    fn key(&self) -> String;

    /// Refuses settings that make no sense.
    fn check(&self) -> Result<()>;

    /// What it reads, and the formula that reads it.
    fn formula(&self) -> Formula<'_>;

    /// The most neighbours that it reads of any sample: every list has at least as many, nearest first. It may use
    /// fewer of one sample than of another, as it finds in the lists.
    fn neighbours(&self) -> usize;

    /// As [`Estimator::reach`]: where intervals come from lists of distances, halves of the samples are to hold
    /// [`neighbours`](Method::neighbours).
    fn reach(&self, n: usize) -> usize {
        match self.formula() {
            Formula::Distances(_) => intervals::reach(self.neighbours(), n),
            // Their intervals do not come from lists of neighbours.
            Formula::Neighbourhoods(_) | Formula::Counts(_) => self.neighbours(),
        }
    }

    /// As [`Estimator::k`].
    fn k(&self) -> Option<usize>;

    /// As [`Estimator::with_neighbours`], before the settings are checked; `None` where there is no such setting.
    fn with_k(&self, k: usize) -> Option<Estimator>;

    /// The same with another seed; `None` where nothing is drawn by one.
    fn with_seed(&self, _seed: u64) -> Option<Estimator> {
        None
    }

    /// What happens to samples that have an identical twin.
    fn duplicates(&self) -> Duplicates;
}

/// What an estimator reads, with the formula that reads it.
pub(super) enum Formula<'a> {
    Distances(&'a dyn FromDistances),
    Neighbourhoods(&'a dyn FromNeighbourhoods),
    Counts(&'a dyn FromCounts),
}

/// A formula of the distances to each sample's nearest neighbours.
pub(super) trait FromDistances {
    /// As [`estimate`](super::estimate), from settings that were checked and lists that are long enough. Lists may be
    /// longer than [`Method::neighbours`]: intervals read up to [`Method::reach`].
    fn estimate(&self, neighbours: &Neighbours) -> Result<Estimate>;

    /// Whether it can be asked of one set's distances to another.
    fn between_sets(&self) -> bool {
        true
    }
}

/// A formula of the distances among a sample's neighbours.
pub(super) trait FromNeighbourhoods: Sync {
    /// A sample's local dimension, NaN where it is undefined. `near` holds at least [`Method::neighbours`]
    /// neighbours, of which the nearest is not identical to the sample.
    fn local_dim(&self, near: &Neighbourhood<'_>) -> f64;
}

/// A formula of the numbers of pairs within distances.
pub(super) trait FromCounts {
    /// As [`Estimator::within`].
    fn within(&self) -> Vec<usize>;

    /// As [`intrinsic_dims`](super::intrinsic_dims); `within` may hold the counts already.
    fn estimate(
        &self,
        device: &Device,
        points: &Points<'_>,
        neighbours: &Neighbours,
        within: &[Within],
    ) -> Result<Estimate>;
}

/// Refuses a number below `least`.
pub(super) fn at_least(settings: &dyn fmt::Display, name: &str, value: usize, least: usize) -> Result<()> {
    if value < least {
        return Err(Error::Argument(format!("{settings}: {name} must be at least {least}")));
    }
    Ok(())
}

/// Refuses a number that is not between 0 and 1.
pub(super) fn inside(settings: &dyn fmt::Display, name: &str, value: f64) -> Result<()> {
    if !(value > 0.0 && value < 1.0) {
        return Err(Error::Argument(format!("{settings}: {name} must be above 0 and below 1, not {value}")));
    }
    Ok(())
}

/// The smallest k of a range whose largest is to be `k`: it keeps its proportion.
pub(super) fn scaled(from: usize, to: usize, k: usize) -> usize {
    (from * k).div_ceil(to.max(1))
}
