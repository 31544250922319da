//! Label sharpness as the authors' released code computes it, to compare with numbers from that code; the paper defines
//! it otherwise. docs/measures.md says how.

use super::protocol::{LabelSharpness, Protocol, Released, ReleasedProtocol, sharpness_of_rows};
use crate::ops::{Progress, SharpPair, one_label_each, pair_distances};
use crate::random::Random;
use crate::{Device, Error, Points, Result};

pub(super) fn released_sharpness(
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
            if squared > 0.0 {
                found.push(SharpPair { pair: [*i as usize, *j as usize], distance: squared.sqrt() })
            } else {
                infinite = true
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
