//! Intervals of slopes by a bootstrap that draws whole groups, as all trainings on a dataset.

use super::linear::{Solved, check};
use crate::bootstrap::{Resampler, interval};
use crate::{Error, Result};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Of fewer groups, draws give hardly more than the groups themselves.
const FEWEST_GROUPS: usize = 3;

/// What [`bootstrap`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    /// A slope for each column, in order.
    pub slopes: Vec<Resampled>,
    /// Groups drawn from.
    pub groups: usize,
    /// Draws made.
    pub draws: usize,
    /// Draws that could not be fitted, as where all their x are equal; the intervals are of the others.
    pub unfitted: usize,
}

/// A slope, and how it varies as groups are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Resampled {
    /// The column.
    pub name: String,
    /// The slope over all points.
    pub value: f64,
    /// From the 2.5 % to the 97.5 % point of the draws' slopes.
    pub interval: [f64; 2],
}

/// Fits y on the columns over `draws` draws of as many whole groups as there are, with replacement; `groups` names each
/// point's. Intervals are the percentiles of the draws' slopes, interpolated linearly (Efron & Tibshirani, *An
/// Introduction to the Bootstrap*, 1993, chapter 13; drawing clusters: Davison & Hinkley 1997, section 3.8). With few
/// groups they are somewhat too narrow. A seed gives the same interval on every machine.
///
/// # Errors
/// Those of [`linear`](super::linear) over all points; [`Error::Argument`] where there is not a group for each point,
/// or no draw; [`Error::Data`] where there are fewer than three groups, or fewer than half of the draws can be fitted.
///
/// ```
/// let (x, y) = ([0.0, 1.0, 2.0, 3.0, 4.0], [0.1, 0.9, 2.1, 2.9, 4.0]);
/// let found = sharpdim::study::fit::bootstrap(&[("x", &x)], &y, &["a", "b", "c", "d", "e"], 500, 0)?;
/// let [low, high] = found.slopes[0].interval;
/// assert!(0.7 < low && low < 1.0 && 1.0 < high && high < 1.3);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn bootstrap(
    columns: &[(&str, &[f64])],
    y: &[f64],
    groups: &[&str],
    draws: usize,
    seed: u64,
) -> Result<Bootstrap> {
    if groups.len() != y.len() {
        return Err(Error::Argument(format!(
            "{} groups for {} points: each needs one",
            groups.len(),
            y.len()
        )));
    }
    if draws == 0 {
        return Err(Error::Argument("0 draws: a bootstrap needs at least one".into()));
    }
    check(columns, y)?;
    let all = Solved::new(columns, y)?.slopes();
    let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, group) in groups.iter().enumerate() {
        rows.entry(group).or_default().push(row);
    }
    let rows: Vec<Vec<usize>> = rows.into_values().collect();
    if rows.len() < FEWEST_GROUPS {
        return Err(Error::Data(format!(
            "{} to draw from: a bootstrap needs at least {FEWEST_GROUPS}",
            if rows.len() == 1 { "1 group".into() } else { format!("{} groups", rows.len()) }
        )));
    }

    let mut resampler = Resampler::new(seed, 0, rows.len());
    let drawn: Vec<Vec<usize>> = (0..draws).map(|_| resampler.sample().collect()).collect();
    let fitted: Vec<Vec<f64>> = drawn
        .par_iter()
        .filter_map(|drawn| {
            let points: Vec<usize> = drawn.iter().flat_map(|&group| &rows[group]).copied().collect();
            let take = |values: &[f64]| points.iter().map(|&row| values[row]).collect::<Vec<_>>();
            let taken: Vec<(&str, Vec<f64>)> =
                columns.iter().map(|(name, values)| (*name, take(values))).collect();
            let taken: Vec<(&str, &[f64])> =
                taken.iter().map(|(name, values)| (*name, &values[..])).collect();
            let slopes = Solved::new(&taken, &take(y)).ok()?.slopes();
            slopes.iter().all(|slope| slope.is_finite()).then_some(slopes)
        })
        .collect();
    if 2 * fitted.len() < draws {
        return Err(Error::Data(format!(
            "only {} of {draws} draws of {} groups could be fitted: the groups' points are too alike",
            fitted.len(),
            rows.len()
        )));
    }
    let slopes = columns
        .iter()
        .zip(all)
        .enumerate()
        .map(|(at, (&(name, _), value))| {
            let mut values: Vec<f64> = fitted.iter().map(|slopes| slopes[at]).collect();
            Resampled { name: name.into(), value, interval: interval(&mut values) }
        })
        .collect();
    Ok(Bootstrap { slopes, groups: rows.len(), draws, unfitted: draws - fitted.len() })
}
