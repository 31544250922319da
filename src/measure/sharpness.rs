//! Label sharpness of a labelled set of samples (Konz & Mazurowski 2024): over all its pairs, or by
//! the paper's protocol, over class-balanced draws of 1000.

use super::released::{Released, ReleasedProtocol, released};
use crate::ops::{Progress, SharpPair, Sharpness, one_label_each, sharpness_with};
use crate::random::Random;
use crate::{Device, Error, Points, Result};
use std::collections::BTreeMap;

/// Class-balanced draws, as the paper measures label sharpness.
///
/// ```
/// use sharpdim::{Device, Points, measure::{PaperProtocol, Protocol, label_sharpness}};
/// let points = Points::u8(&[0, 1, 10, 40, 90, 170], 1)?;
/// let two_each = Protocol::Paper(PaperProtocol { samples: 4, repeats: 3, seed: 0 });
/// let found = label_sharpness(&Device::cpu(), &points, &[0, 0, 1, 0, 1, 1], two_each, 1, &|_| ())?;
/// // A `LabelSharpness`: K_F of each of three draws, and the greatest of them.
/// assert_eq!((found.protocol, found.draws.len()), (two_each, 3));
/// assert!(found.draws.contains(&found.max) && found.max == found.sharpest[0].ratio());
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaperProtocol {
    /// Samples in a draw, shared equally among classes (a class that has fewer gives all it has).
    pub samples: usize,
    /// Independent draws.
    pub repeats: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for PaperProtocol {
    fn default() -> Self {
        PaperProtocol { samples: 1000, repeats: 10, seed: 0 }
    }
}

/// Which pairs are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// All pairs of all samples: no chance involved.
    #[default]
    AllPairs,
    /// All pairs within each of several class-balanced draws.
    Paper(PaperProtocol),
    /// What the authors' released code computes, which is not what their paper says: the greatest 1 / distance over
    /// some of the pairs with *equal* labels. [`LabelSharpness::released`] has the right numbers beside it.
    Released(ReleasedProtocol),
}

/// A measured label sharpness, in 1 / units of the data.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LabelSharpness {
    /// Which pairs were compared, and how.
    pub protocol: Protocol,
    /// K_F: the greatest 1[y_i != y_j] / |x_i - x_j| over all pairs; by the paper's protocol, over all
    /// draws. By the released code's, the greatest 1[y_i = y_j] / |x_i - x_j| over the pairs that it sees and that
    /// are not identical; 0 where there are none.
    pub max: f64,
    /// All pairs: mean of 1 / distance over pairs with different labels. The other protocols: mean of K_F
    /// over draws.
    pub mean: f64,
    /// The standard deviation of the same (over draws: of a sample of draws; 0 for a single one).
    pub sd: f64,
    /// The sharpest pairs, the closest first; by the released code's protocol they have equal labels.
    pub sharpest: Vec<SharpPair>,
    /// Unordered pairs compared, draws counted one by one; by the released code's protocol ordered pairs, a sample
    /// with itself among them.
    pub pairs_compared: u64,
    /// Pairs at distance 0 with different labels, left out of the above: of all samples, or in the draw
    /// that had most.
    pub contradictions: u64,
    /// K_F of each draw; of all samples as the only entry under [`Protocol::AllPairs`].
    pub draws: Vec<f64>,
    /// Only under [`Protocol::Released`]: what the definition says of the same draws.
    pub released: Option<Released>,
}

impl LabelSharpness {
    /// Of the K_F of each draw, with nothing said of pairs.
    pub(super) fn of_draws(draws: Vec<f64>) -> Self {
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let squares: f64 = draws.iter().map(|k| (k - mean).powi(2)).sum();
        LabelSharpness {
            protocol: Protocol::AllPairs,
            max: draws.iter().copied().fold(0.0, f64::max),
            mean,
            sd: (squares / (draws.len() as f64 - 1.0).max(1.0)).sqrt(),
            sharpest: Vec::new(),
            pairs_compared: 0,
            contradictions: 0,
            draws,
            released: None,
        }
    }
}

/// Measures the label sharpness of `points`; `labels` holds one class index for each sample.
///
/// # Errors
/// [`Error::Argument`] where `labels` has another length than the samples or a number asked for is 0;
/// [`Error::Data`] where all labels are the same, or every pair with different labels is identical;
/// [`Error::Device`] where the device fails.
///
/// ```
/// use sharpdim::{Device, Points, measure::{Protocol, label_sharpness}};
/// let points = Points::u8(&[0, 0, 3, 4, 60, 80], 2)?;
/// let found = label_sharpness(&Device::cpu(), &points, &[0, 1, 0], Protocol::AllPairs, 3, &|_| ())?;
/// assert_eq!(found.max, 1.0 / 5.0);
/// assert_eq!(found.sharpest[0].pair, [0, 1]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn label_sharpness(
    device: &Device,
    points: &Points<'_>,
    labels: &[u32],
    protocol: Protocol,
    top: usize,
    progress: Progress<'_>,
) -> Result<LabelSharpness> {
    let protocol = match protocol {
        Protocol::AllPairs => {
            return Ok(sharpness_with(device, points, labels, top, progress)?.into());
        }
        Protocol::Paper(protocol) => protocol,
        Protocol::Released(protocol) => {
            return released(device, points, labels, protocol, top, progress);
        }
    };
    one_label_each(points, labels)?;
    if protocol.repeats == 0 || protocol.samples == 0 {
        return Err(Error::Argument(
            "the paper's protocol needs at least one draw of at least one sample".into(),
        ));
    }
    let mut draws = Vec::new();
    for repeat in 0..protocol.repeats {
        let rows = draw(labels, &protocol, repeat);
        let done = |fraction: f64| progress((repeat as f64 + fraction) / protocol.repeats as f64);
        let found = sharpness_of_rows(device, points, labels, &rows, top, &done)?;
        draws.push(found);
    }
    Ok(LabelSharpness { protocol: Protocol::Paper(protocol), ..pool(draws, top) })
}

/// The sharpness of some of the samples, ascending; pairs are named as in the whole set.
pub(super) fn sharpness_of_rows(
    device: &Device,
    points: &Points<'_>,
    labels: &[u32],
    rows: &[usize],
    top: usize,
    progress: Progress<'_>,
) -> Result<Sharpness> {
    let labels: Vec<u32> = rows.iter().map(|&i| labels[i]).collect();
    let gathered = points.gather(rows);
    let mut found = sharpness_with(device, &gathered.points()?, &labels, top, progress)?;
    for sharp in &mut found.sharpest {
        sharp.pair = sharp.pair.map(|i| rows[i]);
    }
    Ok(found)
}

impl From<Sharpness> for LabelSharpness {
    /// What all pairs say, of one set or between two.
    fn from(found: Sharpness) -> Self {
        let (mean, sd, top) = (found.mean, found.sd, found.sharpest.len());
        LabelSharpness { mean, sd, ..pool(vec![found], top) }
    }
}

/// The samples of one draw, ascending.
fn draw(labels: &[u32], protocol: &PaperProtocol, repeat: usize) -> Vec<usize> {
    let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, label) in labels.iter().enumerate() {
        classes.entry(*label).or_default().push(i);
    }
    let mut random = Random::stream(protocol.seed, repeat as u64);
    let share = protocol.samples.div_ceil(classes.len());
    let mut rows: Vec<usize> = Vec::new();
    for members in classes.values() {
        let chosen = random.subset(members.len(), share.min(members.len()));
        rows.extend(chosen.into_iter().map(|at| members[at]));
    }
    rows.sort_unstable();
    rows
}

/// Several draws as one result, with mean and standard deviation over draws.
fn pool(found: Vec<Sharpness>, top: usize) -> LabelSharpness {
    let draws: Vec<f64> = found.iter().map(|found| found.sharpest[0].ratio()).collect();
    let pairs_compared = found.iter().map(|found| found.pairs_compared).sum();
    let contradictions = found.iter().map(|found| found.contradictions).max().unwrap_or(0);
    let mut sharpest: Vec<SharpPair> = found.into_iter().flat_map(|found| found.sharpest).collect();
    sharpest.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.pair.cmp(&b.pair)));
    sharpest.dedup();
    sharpest.truncate(top);
    LabelSharpness { sharpest, pairs_compared, contradictions, ..LabelSharpness::of_draws(draws) }
}
