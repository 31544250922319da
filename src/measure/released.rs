//! Label sharpness as the authors' released code computes it, for comparison with numbers that came from there:
//! not what their paper defines. docs/measures.md says how the two differ.

use super::sharpness::{LabelSharpness, Protocol, sharpness_of_rows};
use crate::ops::{Progress, SharpPair, one_label_each, pair_distances};
use crate::random::Random;
use crate::{Device, Error, Points, Result};

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
/// // What the definition says of the same draws, which hold all six samples: 10 is 9 from 1.
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

/// What is to be known beside the released code's numbers.
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

pub(super) fn released(
    device: &Device,
    points: &Points<'_>,
    labels: &[u32],
    protocol: ReleasedProtocol,
    top: usize,
    progress: Progress<'_>,
) -> Result<LabelSharpness> {
    one_label_each(points, labels)?;
    let ReleasedProtocol { samples, batch, repeats, seed } = protocol;
    if samples == 0 || batch == 0 || repeats == 0 {
        return Err(Error::Argument(
            "the released code's protocol needs at least one draw of at least one sample, and at least one sample \
             to a batch"
                .into(),
        ));
    }
    let mut sharpest: Vec<SharpPair> = Vec::new();
    let (mut draws, mut definition, mut infinite_draws) = (Vec::new(), Vec::new(), 0);
    let (mut pairs_compared, mut contradictions) = (0, 0);
    for repeat in 0..repeats {
        let mut random = Random::stream(seed, repeat as u64);
        let rows = random.subset(points.n(), samples.min(points.n()));
        let done = |fraction: f64| progress((repeat as f64 + 0.8 * fraction) / repeats as f64);
        let right = sharpness_of_rows(device, points, labels, &rows, top, &done)?;
        definition.push(right.sharpest[0].ratio());
        contradictions = right.contradictions.max(contradictions);

        let (pairs, compared, mut infinite) = same_labels(&rows, labels, batch, &mut random);
        pairs_compared += compared;
        let mut found: Vec<SharpPair> = Vec::new();
        for ((i, j), squared) in pairs.iter().zip(pair_distances(device, points, &pairs)?) {
            match squared > 0.0 {
                true => found.push(SharpPair { pair: [*i as usize, *j as usize], distance: squared.sqrt() }),
                false => infinite = true,
            }
        }
        infinite_draws += usize::from(infinite);
        draws.push(found.iter().map(SharpPair::ratio).fold(0.0, f64::max));
        sharpest.extend(found);
        sharpest.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.pair.cmp(&b.pair)));
        sharpest.dedup();
        sharpest.truncate(top);
        progress((repeat + 1) as f64 / repeats as f64);
    }
    Ok(LabelSharpness {
        protocol: Protocol::Released(protocol),
        sharpest,
        pairs_compared,
        contradictions,
        released: Some(Released { infinite_draws, definition }),
        ..LabelSharpness::of_draws(draws)
    })
}

/// The pairs with one label that a draw sees, sorted and each once; how many pairs of any labels it sees; and whether
/// a sample met itself.
fn same_labels(
    rows: &[usize],
    labels: &[u32],
    batch: usize,
    random: &mut Random,
) -> (Vec<(u32, u32)>, u64, bool) {
    let (mut pairs, mut compared, mut itself) = (Vec::new(), 0, false);
    let (mut left, mut right) = (rows.to_vec(), rows.to_vec());
    random.shuffle(&mut left, rows.len());
    for left in left.chunks(batch) {
        random.shuffle(&mut right, rows.len());
        for (&i, &j) in right.chunks(batch).flat_map(|right| left.iter().zip(right)) {
            compared += 1;
            itself |= i == j;
            if i != j && labels[i] == labels[j] {
                pairs.push((i.min(j) as u32, i.max(j) as u32));
            }
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    (pairs, compared, itself)
}
