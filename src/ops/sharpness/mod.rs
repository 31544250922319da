//! `sharpness`: how sharply labels change between samples, over all pairs (Konz & Mazurowski 2024):
//! the greatest of 1[y_i != y_j] / |x_i - x_j|, an estimate of the label function's Lipschitz constant.

mod between;
pub(super) mod cpu;
#[cfg(gpu)]
pub(super) mod cuda;

use super::Progress;
use super::duplicates::identical;
use super::pairs::Rows;
use crate::{Device, Error, Points, Result};
use std::collections::HashMap;

pub use between::sharpness_between;

/// Two samples, with different labels unless stated otherwise.
///
/// ```
/// use sharpdim::ops::SharpPair;
/// assert_eq!(SharpPair { pair: [1, 2], distance: 4.0 }.ratio(), 0.25);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SharpPair {
    /// The samples, lower index first; between two sets, the first set's and the second set's.
    pub pair: [usize; 2],
    /// Their Euclidean distance, in the data's units.
    pub distance: f64,
}

impl SharpPair {
    /// 1 / distance, which is the pair's label sharpness.
    pub fn ratio(&self) -> f64 {
        1.0 / self.distance
    }
}

/// The label sharpness of a labelled set of samples, over all its pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Sharpness {
    /// The sharpest pairs, the closest first; ties go to lower indices. The first one's
    /// [`ratio`](SharpPair::ratio) is the label sharpness K_F.
    pub sharpest: Vec<SharpPair>,
    /// The mean of 1 / distance over pairs with different labels (contradictions left out). Exact for
    /// 8-bit data; for floats to about 1e-5 relative.
    pub mean: f64,
    /// The standard deviation of the same.
    pub sd: f64,
    /// Unordered pairs of samples: N (N - 1) / 2; between two sets N M.
    pub pairs_compared: u64,
    /// Pairs with different labels.
    pub pairs_differing: u64,
    /// Pairs at distance 0 with different labels: no finite Lipschitz constant exists for them.
    pub contradictions: u64,
}

/// A device's result: candidates' distances are final, sums cover `counted` pairs.
pub(super) struct Found {
    sharpest: Vec<SharpPair>,
    sum: f64,
    sum_of_squares: f64,
}

/// Compares all pairs of samples; keeps the `top` sharpest.
///
/// `labels` holds one class index for each sample.
///
/// # Errors
/// [`Error::Argument`] where `labels` has another length than the samples or `top` is 0;
/// [`Error::Data`] where all labels are the same, or every pair with different labels is identical;
/// [`Error::Device`] where the device fails.
///
/// ```
/// use sharpdim::{Device, Points, ops::sharpness};
/// let points = Points::u8(&[0, 0, 3, 4, 0, 1], 2)?;
/// let found = sharpness(&Device::cpu(), &points, &[0, 1, 0], 1)?;
/// assert_eq!(found.sharpest[0].pair, [1, 2]);
/// assert_eq!(found.sharpest[0].distance, 18f64.sqrt());
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn sharpness(device: &Device, points: &Points<'_>, labels: &[u32], top: usize) -> Result<Sharpness> {
    sharpness_with(device, points, labels, top, &|_| ())
}

/// As [`sharpness`], with a progress callback.
///
/// ```
/// use sharpdim::{Device, Points, ops::sharpness_with};
/// let points = Points::u8(&[0, 0, 3, 4, 0, 1], 2)?;
/// let found = sharpness_with(&Device::cpu(), &points, &[0, 1, 0], 1, &|done| println!("{done}"))?;
/// assert_eq!((found.pairs_compared, found.pairs_differing), (3, 2));
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn sharpness_with(
    device: &Device,
    points: &Points<'_>,
    labels: &[u32],
    top: usize,
    progress: Progress<'_>,
) -> Result<Sharpness> {
    one_label_each(points, labels)?;
    measure(device, &Rows::from(points), labels, top, progress)
}

/// The sharpness of the pairs of `rows`, each of which has a label.
fn measure(
    device: &Device,
    rows: &Rows<'_>,
    labels: &[u32],
    top: usize,
    progress: Progress<'_>,
) -> Result<Sharpness> {
    check_top(top)?;
    let pairs = LabelPairs::new(rows, labels)?;
    let task = pairs.task(*rows, labels, top);
    #[cfg(gpu)]
    let found = match device.gpu() {
        Some(gpu) => cuda::sharpness(gpu, &task, progress)?,
        None => cpu::sharpness(&task, progress),
    };
    #[cfg(not(gpu))]
    let found = {
        let _ = device;
        cpu::sharpness(&task, progress)
    };
    Ok(pairs.sharpness(found))
}

/// Refuses `top` of 0.
pub(super) fn check_top(top: usize) -> Result<()> {
    match top {
        0 => Err(Error::Argument("the number of sharpest pairs asked for is 0: ask for at least 1".into())),
        _ => Ok(()),
    }
}

/// Counts of pairs of labelled rows with different labels, and the groups of identical samples.
pub(crate) struct LabelPairs {
    /// Groups of identical samples, whose pairs have no distance.
    pub groups: Vec<u32>,
    pub compared: u64,
    pub differing: u64,
    pub contradictions: u64,
}

impl LabelPairs {
    /// # Errors
    /// [`Error::Data`] where no pair with different labels has a positive distance.
    pub(crate) fn new<'a>(rows: impl Into<Rows<'a>>, labels: &[u32]) -> Result<Self> {
        let rows = rows.into();
        // Of a set with itself, or of the first with the second.
        let pairs = |[first, second]: [u64; 2]| {
            if rows.two() { first * second } else { first * first.saturating_sub(1) / 2 }
        };
        let count = |all: &mut [u64; 2], i: usize| all[usize::from(!rows.asked().contains(&i))] += 1;
        let (mut all, mut classes): ([u64; 2], HashMap<u32, [u64; 2]>) = Default::default();
        for i in rows.sets().flatten() {
            count(&mut all, i);
            count(classes.entry(labels[i]).or_default(), i);
        }
        if classes.len() < 2 {
            return Err(Error::Data(
                "all samples have one label: label sharpness compares samples of at least two classes".into(),
            ));
        }
        let compared = pairs(all);
        let differing = compared - classes.values().map(|count| pairs(*count)).sum::<u64>();

        let groups = identical(&rows);
        let mut kinds: HashMap<u32, HashMap<u32, [u64; 2]>> = HashMap::new();
        for i in rows.sets().flatten() {
            count(kinds.entry(groups[i]).or_default().entry(labels[i]).or_default(), i);
        }
        let sum = |counts: &HashMap<u32, [u64; 2]>| [0, 1].map(|side| counts.values().map(|c| c[side]).sum());
        let contradictions = kinds
            .values()
            .filter(|labels| labels.len() > 1)
            .map(|labels| pairs(sum(labels)) - labels.values().map(|c| pairs(*c)).sum::<u64>())
            .sum();
        if differing == contradictions {
            return Err(Error::Data(
                "every pair of samples with different labels is identical: no distance to measure sharpness by"
                    .into(),
            ));
        }
        Ok(LabelPairs { groups, compared, differing, contradictions })
    }

    /// The task of a device, keeping the `top` sharpest pairs.
    pub(super) fn task<'a>(&'a self, points: Rows<'a>, labels: &'a [u32], top: usize) -> Task<'a> {
        Task { points, labels, groups: &self.groups, top: top.min(self.counted() as usize) }
    }

    /// The full result from a device's.
    pub(super) fn sharpness(&self, found: Found) -> Sharpness {
        let counted = self.counted() as f64;
        let mean = found.sum / counted;
        let variance = found.sum_of_squares / counted - mean * mean;
        Sharpness {
            sharpest: found.sharpest,
            mean,
            sd: variance.max(0.0).sqrt(),
            pairs_compared: self.compared,
            pairs_differing: self.differing,
            contradictions: self.contradictions,
        }
    }

    /// Pairs with different labels at a positive distance.
    pub(crate) fn counted(&self) -> u64 {
        self.differing - self.contradictions
    }
}

/// Refuses labels that are not one for each sample.
pub(crate) fn one_label_each(points: &Points<'_>, labels: &[u32]) -> Result<()> {
    if labels.len() == points.n() {
        return Ok(());
    }
    Err(Error::Argument(format!(
        "{} labels for {} samples: there must be one each",
        labels.len(),
        points.n()
    )))
}

/// Checked input of all devices.
pub(super) struct Task<'a> {
    points: Rows<'a>,
    labels: &'a [u32],
    /// Groups of identical samples, whose pairs have no distance.
    groups: &'a [u32],
    top: usize,
}

impl Task<'_> {
    /// Whether a pair has a finite, positive sharpness.
    fn counts(&self, i: usize, j: usize) -> bool {
        self.labels[i] != self.labels[j] && self.groups[i] != self.groups[j]
    }
}

/// The `top` closest of some pairs of known squared distance.
fn closest(mut pairs: Vec<(f64, (u32, u32))>, top: usize) -> Vec<SharpPair> {
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    pairs.dedup();
    pairs.truncate(top);
    let pair = |(squared, (i, j)): (f64, (u32, u32))| SharpPair {
        pair: [i as usize, j as usize],
        distance: squared.sqrt(),
    };
    pairs.into_iter().map(pair).collect()
}
