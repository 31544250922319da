//! Label sharpness of a labelled set of samples (Konz & Mazurowski 2024): over all its pairs, or by
//! the paper's protocol, over class-balanced draws of 1000.

use super::protocol::{LabelSharpness, PaperProtocol, Protocol, sharpness_of_rows};
use super::released_protocol::released_sharpness;
use crate::ops::{Progress, SharpPair, Sharpness, one_label_each, sharpness_with};
use crate::random::Random;
use crate::{Device, Error, Points, Result};
use std::collections::BTreeMap;

/// Measures the label sharpness of `points`; `labels` holds one class index for each sample.
///
/// # Errors
/// [`Error::Argument`] where `labels` has another length than the samples or a requested number is 0;
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
            return released_sharpness(device, points, labels, protocol, top, progress);
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

impl From<Sharpness> for LabelSharpness {
    /// The result over all pairs, within one set or between two.
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
