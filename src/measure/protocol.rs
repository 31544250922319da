//! The protocols of label sharpness, and their result.

use crate::ops::{Progress, SharpPair, Sharpness, sharpness_with};
use crate::{Device, Points, Result};

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
    /// What the authors' released code computes, which differs from their paper: the greatest 1 / distance over
    /// some of the pairs with *equal* labels. [`LabelSharpness::released`] has the numbers by definition.
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
    /// Only under [`Protocol::Released`]: label sharpness by definition, on the same draws.
    pub released: Option<Released>,
}

impl LabelSharpness {
    /// From the K_F of each draw, without pairs.
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

/// How the released code draws pairs.
///
/// Each draw takes `samples` at random, without regard to classes. It shuffles them and cuts them into batches; for
/// each batch it shuffles and cuts them again, and pairs the batch with each of those, element by element: of
/// `samples`^2 ordered pairs it sees `samples`^2 / `batch`. Where batches are not of one size, as many are paired as
/// both have (the released code stops with an error there).
///
/// ```
/// use sharpdim::{Device, Points, measure::{Protocol, ReleasedProtocol, label_sharpness}};
/// let points = Points::u8(&[0, 1, 10, 40, 90, 170], 1)?;
/// let small = ReleasedProtocol { samples: 6, batch: 3, repeats: 2, seed: 0 };
/// let found = label_sharpness(&Device::cpu(), &points, &[0, 0, 1, 0, 1, 1], Protocol::Released(small), 1, &|_| ())?;
/// // By definition, on the same draws, which hold all six samples: 10 is 9 from 1.
/// let right = found.released.unwrap(); // a `Released`
/// assert_eq!((right.definition.len(), right.definition_max()), (2, 1.0 / 9.0));
/// assert!(right.infinite_draws <= 2);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleasedProtocol {
    /// Samples in a draw; all of them where there are fewer (the released code stops with an error there).
    pub samples: usize,
    /// Samples in a batch.
    pub batch: usize,
    /// Independent draws. The released code makes one.
    pub repeats: usize,
    /// Seed of the draws. The released code's are not seeded.
    pub seed: u64,
}

impl Default for ReleasedProtocol {
    /// 10 draws of 1000 samples, in batches of 500, which is the released code's default.
    fn default() -> Self {
        ReleasedProtocol { samples: 1000, batch: 500, repeats: 10, seed: 0 }
    }
}

/// Context for the released code's numbers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Released {
    /// Draws in which a sample was paired with itself, or with an identical one of its own label. There the released
    /// code divides 1 by 0: its result is infinite, where ours leaves the pair out.
    pub infinite_draws: usize,
    /// K_F of the same draws as the paper defines it, over all their pairs with different labels: the right numbers.
    pub definition: Vec<f64>,
}

impl Released {
    /// The greatest of [`definition`](Self::definition).
    pub fn definition_max(&self) -> f64 {
        self.definition.iter().copied().fold(0.0, f64::max)
    }
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
