//! Label sharpness of a labelled set of samples (Konz & Mazurowski 2024): over all its pairs, or by
//! the paper's protocol, over class-balanced draws of 1000.

use crate::ops::{Progress, SharpPair, Sharpness, sharpness_with};
use crate::{Device, Error, Points, Result, Values};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Class-balanced draws, as the paper measures label sharpness.
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
}

/// A measured label sharpness, in 1 / units of the data.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelSharpness {
    /// K_F: the greatest 1[y_i != y_j] / |x_i - x_j| over all pairs; by the paper's protocol, over all
    /// draws.
    pub max: f64,
    /// All pairs: mean of 1 / distance over pairs with different labels. Paper's protocol: mean of K_F
    /// over draws.
    pub mean: f64,
    /// The standard deviation of the same (over draws: of a sample of draws; 0 for a single one).
    pub sd: f64,
    /// The sharpest pairs, the closest first.
    pub sharpest: Vec<SharpPair>,
    /// Unordered pairs compared, draws counted one by one.
    pub pairs_compared: u64,
    /// Pairs at distance 0 with different labels, left out of the above: of all samples, or in the draw
    /// that had most.
    pub contradictions: u64,
    /// K_F of each draw; of all samples as the only entry under [`Protocol::AllPairs`].
    pub draws: Vec<f64>,
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
            let found = sharpness_with(device, points, labels, top, progress)?;
            return Ok(of_all_pairs(found, top));
        }
        Protocol::Paper(protocol) => protocol,
    };
    if labels.len() != points.n() {
        return Err(Error::Argument(format!(
            "{} labels for {} samples: there must be one each",
            labels.len(),
            points.n()
        )));
    }
    if protocol.repeats == 0 || protocol.samples == 0 {
        return Err(Error::Argument(
            "the paper's protocol needs at least one draw of at least one sample".into(),
        ));
    }
    let mut draws = Vec::new();
    for repeat in 0..protocol.repeats {
        let rows = draw(labels, &protocol, repeat);
        let labels: Vec<u32> = rows.iter().map(|&i| labels[i]).collect();
        let done = |fraction: f64| progress((repeat as f64 + fraction) / protocol.repeats as f64);
        let mut found = match points.values() {
            Values::U8(values) => {
                let values = gather(values, points.dim(), &rows);
                sharpness_with(device, &Points::u8(&values, points.dim())?, &labels, top, &done)?
            }
            Values::F32(values) => {
                let values = gather(values, points.dim(), &rows);
                sharpness_with(device, &Points::f32(&values, points.dim())?, &labels, top, &done)?
            }
        };
        for sharp in &mut found.sharpest {
            sharp.pair = sharp.pair.map(|i| rows[i]);
        }
        draws.push(found);
    }
    Ok(pool(draws, top))
}

/// What all pairs say, of one set or between two.
pub(super) fn of_all_pairs(found: Sharpness, top: usize) -> LabelSharpness {
    let (mean, sd) = (found.mean, found.sd);
    LabelSharpness { mean, sd, ..pool(vec![found], top) }
}

/// The samples of one draw, ascending.
fn draw(labels: &[u32], protocol: &PaperProtocol, repeat: usize) -> Vec<usize> {
    let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, label) in labels.iter().enumerate() {
        classes.entry(*label).or_default().push(i);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(protocol.seed);
    rng.set_stream(repeat as u64);
    let share = protocol.samples.div_ceil(classes.len());
    let mut rows: Vec<usize> = Vec::new();
    for members in classes.values() {
        let chosen = index::sample(&mut rng, members.len(), share.min(members.len()));
        rows.extend(chosen.iter().map(|at| members[at]));
    }
    rows.sort_unstable();
    rows
}

fn gather<T: Copy>(values: &[T], dim: usize, rows: &[usize]) -> Vec<T> {
    let mut out = Vec::with_capacity(rows.len() * dim);
    for &i in rows {
        out.extend_from_slice(&values[i * dim..(i + 1) * dim]);
    }
    out
}

/// Several draws as one result, with mean and standard deviation over draws.
fn pool(found: Vec<Sharpness>, top: usize) -> LabelSharpness {
    let draws: Vec<f64> = found.iter().map(|found| found.sharpest[0].ratio()).collect();
    let mean = draws.iter().sum::<f64>() / draws.len() as f64;
    let squares: f64 = draws.iter().map(|k| (k - mean).powi(2)).sum();
    let sd = (squares / (draws.len() as f64 - 1.0).max(1.0)).sqrt();
    let pairs_compared = found.iter().map(|found| found.pairs_compared).sum();
    let contradictions = found.iter().map(|found| found.contradictions).max().unwrap_or(0);
    let mut sharpest: Vec<SharpPair> = found.into_iter().flat_map(|found| found.sharpest).collect();
    sharpest.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.pair.cmp(&b.pair)));
    sharpest.dedup();
    sharpest.truncate(top);
    let max = draws.iter().copied().fold(0.0, f64::max);
    LabelSharpness { max, mean, sd, sharpest, pairs_compared, contradictions, draws }
}
