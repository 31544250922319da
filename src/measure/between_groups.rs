//! Label sharpness between groups, such as patients: two neighbouring slices of one volume with different labels make K_F
//! large, though no two patients are near each other.

use crate::ops::{Progress, SharpPair, one_label_each, sharpness_with};
use crate::{Device, Error, Points, Result};

/// What [`sharpness_between_groups`] finds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BetweenGroups {
    /// K_F over pairs of samples of different groups.
    pub max: f64,
    /// The sharpest pairs of different groups, the closest first.
    pub sharpest: Vec<SharpPair>,
    /// The sharpest pair of samples of one group that is closer than the sharpest of different ones; `None` where there is none, and
    /// K_F over all pairs is `max`.
    pub within: Option<SharpPair>,
}

/// Measures the label sharpness over the pairs of samples whose `groups` differ, as those of different patients;
/// [`Loaded::patients`](crate::data::Loaded::patients) has such groups. The rest is as
/// [`label_sharpness`](super::label_sharpness) over all pairs.
///
/// # Errors
/// As [`label_sharpness`](super::label_sharpness); [`Error::Argument`] where there is not a group for each sample;
/// [`Error::Data`] where no pair of different labels is of different groups.
///
/// ```
/// use sharpdim::{Device, Points, measure::sharpness_between_groups};
/// // Two slices of patient 0, whose labels differ, and one of patient 1.
/// let points = Points::u8(&[10, 11, 15], 1)?;
/// let found = sharpness_between_groups(&Device::cpu(), &points, &[0, 1, 0], &[0, 0, 1], 1, &|_| ())?;
/// assert_eq!(found.max, 1.0 / 4.0);
/// assert_eq!(found.within.unwrap().pair, [0, 1]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn sharpness_between_groups(
    device: &Device,
    points: &Points<'_>,
    labels: &[u32],
    groups: &[u32],
    top: usize,
    progress: Progress<'_>,
) -> Result<BetweenGroups> {
    one_label_each(points, labels)?;
    if groups.len() != labels.len() {
        return Err(Error::Argument(format!(
            "{} groups for {} samples: each needs one",
            groups.len(),
            labels.len()
        )));
    }
    let mut asked = BetweenGroups::pairs_for(top);
    loop {
        let found = sharpness_with(device, points, labels, asked, progress)?;
        match BetweenGroups::among(&found.sharpest, found.sharpest.len() < asked, groups, top) {
            Some(found) => return found,
            // Too few pairs between groups among these: more of the sharpest are needed.
            None => asked = asked.saturating_mul(8),
        }
    }
}

impl BetweenGroups {
    /// How many of the sharpest pairs to search first for `top` pairs between groups: pairs within groups may come
    /// before them.
    ///
    /// ```
    /// use sharpdim::measure::BetweenGroups;
    /// assert!(BetweenGroups::pairs_for(100) >= 100);
    /// ```
    pub fn pairs_for(top: usize) -> usize {
        const LEAST: usize = 64;
        top.max(LEAST)
    }

    /// The result for pairs of different `groups`, from the sharpest pairs of all samples, the closest first; `complete`
    /// means that there are no further pairs. `None` where `top` pairs between groups need further ones.
    ///
    /// # Errors
    /// [`Error::Data`] where none is of different groups, and there are no further ones.
    ///
    /// ```
    /// use sharpdim::measure::BetweenGroups;
    /// use sharpdim::ops::SharpPair;
    /// let sharpest = [([0, 1], 1.0), ([1, 2], 4.0)].map(|(pair, distance)| SharpPair { pair, distance });
    /// let found = BetweenGroups::among(&sharpest, false, &[0, 0, 1], 1).unwrap()?;
    /// assert_eq!((found.max, found.within), (0.25, Some(sharpest[0])));
    /// assert!(BetweenGroups::among(&sharpest, false, &[0, 0, 0], 1).is_none());
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn among(
        sharpest: &[SharpPair],
        complete: bool,
        groups: &[u32],
        top: usize,
    ) -> Option<Result<BetweenGroups>> {
        let (mut apart, within): (Vec<SharpPair>, Vec<SharpPair>) =
            sharpest.iter().partition(|sharp| groups[sharp.pair[0]] != groups[sharp.pair[1]]);
        if apart.len() < top.max(1) && !complete {
            return None;
        }
        let Some(first) = apart.first().copied() else {
            return Some(Err(Error::Data(
                "no pair with different labels is of different groups: there is no label sharpness between groups"
                    .into(),
            )));
        };
        let within = within.into_iter().next().filter(|sharp| sharp.distance < first.distance);
        apart.truncate(top);
        Some(Ok(BetweenGroups { max: first.ratio(), sharpest: apart, within }))
    }
}
