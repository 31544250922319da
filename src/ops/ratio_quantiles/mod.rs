//! `ratio_quantiles`: quantiles of 1 / distance over all pairs of samples with different labels, without sorting or storing
//! them: a label sharpness that does not depend on a single pair.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::Progress;
use super::sharpness::{LabelPairs, one_label_each};
use crate::{Device, Error, Points, Result, Values};

/// Leading bits of a positive double that index the first pass's bins: its exponent and 7 bits of its fraction.
const FIRST_BITS: u32 = 18;
/// The next bits, which index the second pass's bins.
const SECOND_BITS: u32 = 12;
/// A bin of the second pass beyond those of finite numbers.
const END: u64 = 0x7FF << (52 - (63 - FIRST_BITS - SECOND_BITS));
/// The value of a pair that does not count.
const NOWHERE: u32 = u32::MAX;

/// Quantiles of 1 / distance over all pairs of samples that have different labels and are not identical.
///
/// Of P such ratios, the quantile `q` is the `ceil(q P)`-th smallest (the smallest for 0, the greatest, which is
/// K_F, for 1). They are found by radix selection: one pass over all pairs counts squared distances by their
/// leading bits, a second those in the bins of quantiles by the next bits. For floats, a third collects the pairs that
/// rounding bounds leave undecided, which are recomputed from the samples themselves. Memory does not grow with the number of
/// pairs.
///
/// The relative error of a quantile is at most 5e-7, and 0 for 8-bit data up to a distance of 1024. For floats with more
/// undecided pairs than can be recomputed in reasonable time, it is about 1e-5.
///
/// # Errors
/// [`Error::Argument`] where a quantile is not from 0 to 1, where there are more than 1000 of them, or where
/// `labels` has another length than the samples; [`Error::Data`] where all labels are the same, or every pair
/// with different labels is identical; [`Error::Device`] where the device fails.
///
/// ```
/// use sharpdim::{Device, Points, ops::ratio_quantiles};
/// // Distances between classes: 5, 1, 4.
/// let points = Points::u8(&[0, 5, 1, 4], 1)?;
/// let found = ratio_quantiles(&Device::cpu(), &points, &[0, 1, 1, 1], &[0.5, 1.0])?;
/// assert_eq!(found, [1.0 / 4.0, 1.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn ratio_quantiles(
    device: &Device,
    points: &Points<'_>,
    labels: &[u32],
    quantiles: &[f64],
) -> Result<Vec<f64>> {
    ratio_quantiles_with(device, points, labels, quantiles, &|_| ())
}

/// As [`ratio_quantiles`], with a progress callback.
///
/// ```
/// use sharpdim::{Device, Points, ops::ratio_quantiles_with};
/// let (points, labels) = (Points::u8(&[0, 5, 1, 4], 1)?, [0, 1, 1, 1]);
/// let found = ratio_quantiles_with(&Device::cpu(), &points, &labels, &[1.0], &|done| println!("{done}"))?;
/// assert_eq!(found, [1.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn ratio_quantiles_with(
    device: &Device,
    points: &Points<'_>,
    labels: &[u32],
    quantiles: &[f64],
    progress: Progress<'_>,
) -> Result<Vec<f64>> {
    check(quantiles)?;
    one_label_each(points, labels)?;
    let pairs = LabelPairs::new(points, labels)?;
    if quantiles.is_empty() {
        progress(1.0);
        return Ok(Vec::new());
    }
    let total = pairs.counted();
    // The greatest ratio is the least distance.
    let ranks: Vec<u64> = quantiles.iter().map(|q| total - rank(*q, total)).collect();
    let task = Task { points, labels, groups: &pairs.groups };
    let integers = matches!(points.values(), Values::U8(_));
    let ratios = |squared: Vec<f64>| squared.into_iter().map(|squared| 1.0 / squared.sqrt()).collect();
    #[cfg(gpu)]
    if let Some(gpu) = device.gpu()
        && let Some(passes) = cuda::Passes::new(gpu, &task)?
        && let Some(squared) = select(&passes, integers, &ranks, progress)?
    {
        return Ok(ratios(squared));
    }
    #[cfg(not(gpu))]
    let _ = device;
    let squared = select(&cpu::Passes::new(&task), integers, &ranks, progress)?;
    Ok(ratios(squared.expect("the CPU completes every pass")))
}

/// The passes of a device over all pairs. `None` where a device cannot complete one.
trait Passes {
    /// The number of pairs in each bin.
    fn count(&self, bins: &Bins, progress: Progress<'_>) -> Result<Option<Vec<u64>>>;
    /// For pairs whose squared distance may lie in one of some ranges: the value that `count` uses, and the true value.
    fn open(&self, ranges: &[(f64, f64)], progress: Progress<'_>) -> Result<Option<Vec<(f64, f64)>>>;
    /// Whether `count` uses true values.
    fn exact(&self) -> bool;
    /// Whether undecided pairs may keep the values of `count`.
    fn rough(&self) -> bool;
}

/// Limit of recomputed pairs times values per sample.
const MOST_OPEN_VALUES: usize = 1 << 32;

/// Limit of undecided pairs of samples with `dim` values.
fn most_open(dim: usize) -> usize {
    (MOST_OPEN_VALUES / dim).clamp(1 << 10, 1 << 22)
}

/// The squared distances of some ranks, counted from 0.
fn select(
    passes: &impl Passes,
    integers: bool,
    ranks: &[u64],
    progress: Progress<'_>,
) -> Result<Option<Vec<f64>>> {
    let Some(first) = passes.count(&Bins::first(), &|done| progress(0.4 * done))? else {
        return Ok(None);
    };
    let places: Vec<(u32, u64)> = ranks.iter().map(|rank| locate(&first, *rank)).collect();
    let mut prefixes: Vec<u32> =
        places.iter().flat_map(|(prefix, _)| [prefix.saturating_sub(1), *prefix]).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    let second = passes.count(&Bins::second(&prefixes), &|done| progress(0.4 + 0.3 * done))?;
    let Some(second) = second else {
        return Ok(None);
    };
    let slot = |prefix: u32| {
        let slot = prefixes.partition_point(|other| *other < prefix);
        &second[slot << SECOND_BITS..(slot + 1) << SECOND_BITS]
    };
    // Bins of both passes combined: the first pass's index, then the second's.
    let bins: Vec<u64> = places
        .iter()
        .map(|(prefix, rank)| u64::from(*prefix) << SECOND_BITS | u64::from(locate(slot(*prefix), *rank).0))
        .collect();
    // The number of pairs counted below the start of a bin.
    let before = |bin: u64| {
        let (prefix, rest) = ((bin >> SECOND_BITS) as usize, bin as usize & ((1 << SECOND_BITS) - 1));
        first[..prefix].iter().sum::<u64>() + slot(prefix as u32)[..rest].iter().sum::<u64>()
    };
    // Wider ranges where roundings moved a quantile by more than a bin.
    for (attempt, margin) in [128, 2048].into_iter().enumerate().filter(|_| !passes.exact()) {
        let starts: Vec<u64> = bins.iter().map(|bin| bin.saturating_sub(margin)).collect();
        let ends = bins.iter().map(|bin| (bin + 1 + margin).min(END));
        let ranges: Vec<(f64, f64)> = starts.iter().copied().map(start).zip(ends.map(start)).collect();
        let behind = [0.7, 0.9][attempt];
        let Some(open) = passes.open(&ranges, &|done| progress(behind + [0.2, 0.1][attempt] * done))? else {
            break;
        };
        let quantile = |at: usize| settled(&open, ranges[at], ranks[at], before(starts[at]));
        if let Some(squared) = (0..ranks.len()).map(quantile).collect() {
            progress(1.0);
            return Ok(Some(squared));
        }
    }
    progress(1.0);
    Ok((passes.exact() || passes.rough())
        .then(|| bins.into_iter().map(|bin| middle(bin, integers)).collect()))
}

/// The squared distance of rank `rank`, given all undecided pairs of a range (counted and true value), and the number of
/// pairs counted below its start; `None` where it is not in the range.
fn settled(open: &[(f64, f64)], (low, high): (f64, f64), rank: u64, before: u64) -> Option<f64> {
    // Decided pairs are on the side of the range's start where they were counted.
    let taken = open.iter().filter(|(taken, _)| *taken < low).count() as u64;
    let truly = open.iter().filter(|(_, squared)| *squared < low).count() as u64;
    let rank = rank.checked_sub(before - taken + truly)?;
    let mut inside: Vec<f64> =
        open.iter().map(|(_, squared)| *squared).filter(|s| (low..=high).contains(s)).collect();
    if rank >= inside.len() as u64 {
        return None;
    }
    Some(*inside.select_nth_unstable_by(rank as usize, f64::total_cmp).1)
}

/// Checks quantiles.
pub(crate) fn check(quantiles: &[f64]) -> Result<()> {
    if let Some(wrong) = quantiles.iter().find(|q| !(0.0..=1.0).contains(*q)) {
        return Err(Error::Argument(format!("{wrong} is no quantile: quantiles go from 0 to 1")));
    }
    if quantiles.len() > 1000 {
        return Err(Error::Argument(format!("{} quantiles are asked for: at most 1000", quantiles.len())));
    }
    Ok(())
}

/// The rank, counted from 1, of a quantile of `total` ascending values.
pub(crate) fn rank(quantile: f64, total: u64) -> u64 {
    ((quantile * total as f64).ceil() as u64).clamp(1, total)
}

/// The bin of the value of rank `rank`, counted from 0, and its rank within the bin.
fn locate(counts: &[u64], rank: u64) -> (u32, u64) {
    let mut before = 0;
    for (bin, count) in counts.iter().enumerate() {
        if before + count > rank {
            return (bin as u32, rank - before);
        }
        before += count;
    }
    unreachable!("a rank below the number of pairs counted")
}

/// The smallest squared distance in a bin of the second pass.
fn start(bin: u64) -> f64 {
    f64::from_bits(bin << (63 - FIRST_BITS - SECOND_BITS))
}

/// The squared distance that represents a bin.
fn middle(bin: u64, integers: bool) -> f64 {
    let (low, width) = (start(bin), start(bin + 1) - start(bin));
    // A bin no wider than 1 contains no integer except its start.
    if integers && width <= 1.0 { low } else { low + width / 2.0 }
}

/// The bins of a pass.
struct Bins {
    /// In the second pass, for each bin of the first: its index among the refined bins, or [`NOWHERE`].
    slots: Option<Vec<u32>>,
    /// Number of bins.
    len: usize,
}

impl Bins {
    fn first() -> Self {
        Bins { slots: None, len: 1 << FIRST_BITS }
    }

    fn second(prefixes: &[u32]) -> Self {
        let mut slots = vec![NOWHERE; 1 << FIRST_BITS];
        (0..).zip(prefixes).for_each(|(slot, prefix)| slots[*prefix as usize] = slot);
        Bins { slots: Some(slots), len: prefixes.len() << SECOND_BITS }
    }

    /// The bin of a positive squared distance; `len` or more where its bin is not refined.
    fn index(&self, squared: f64) -> usize {
        let bits = squared.to_bits();
        let prefix = (bits >> (63 - FIRST_BITS)) as usize;
        match &self.slots {
            None => prefix,
            Some(slots) => {
                let rest = (bits >> (63 - FIRST_BITS - SECOND_BITS)) as usize & ((1 << SECOND_BITS) - 1);
                (slots[prefix] as usize) << SECOND_BITS | rest
            }
        }
    }
}

/// Checked input of all devices.
struct Task<'a> {
    points: &'a Points<'a>,
    labels: &'a [u32],
    groups: &'a [u32],
}

impl Task<'_> {
    /// Whether a pair has a finite, positive ratio.
    fn counts(&self, i: usize, j: usize) -> bool {
        self.labels[i] != self.labels[j] && self.groups[i] != self.groups[j]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn bins_are_narrow_and_hold_what_they_stand_for() {
        // `Points` accepts no values whose squared distances reach the ends of f64's range.
        for value in [5e-324, 1e-300, 0.1, 1.0, 3.0, 65_025.0, 9.8e9, 1e77, 1e88, 1e270] {
            let prefix = Bins::first().index(value) as u32;
            let bin = Bins::second(&[prefix]).index(value) as u32;
            assert!(bin < 1 << SECOND_BITS);
            let found = middle(u64::from(prefix) << SECOND_BITS | u64::from(bin), false);
            // Subnormal numbers have fewer bits.
            assert_abs_diff_eq!(found, value, epsilon = value.max(2f64.powi(-1000)) * 2f64.powi(-20));
            assert_eq!(Bins::first().index(found) as u32, prefix);
        }
        for value in (1..1 << 20).step_by(977) {
            let prefix = Bins::first().index(f64::from(value)) as u32;
            let bin = Bins::second(&[prefix - 1, prefix, prefix + 1]).index(f64::from(value));
            assert_eq!(bin >> SECOND_BITS, 1);
            let bin = u64::from(prefix) << SECOND_BITS | (bin as u64 & 4095);
            assert_eq!(middle(bin, true), f64::from(value));
        }
        assert!(Bins::second(&[7]).index(1.0) >= Bins::second(&[7]).len);
    }

    #[test]
    fn ranks_are_those_of_a_sorted_list() {
        assert_eq!([0.0, 0.1, 0.25, 0.26, 0.5, 1.0].map(|q| rank(q, 4)), [1, 1, 1, 2, 2, 4]);
        assert_eq!(rank(0.999, 1), 1);
        assert_eq!(locate(&[0, 2, 0, 3], 1), (1, 1));
        assert_eq!(locate(&[0, 2, 0, 3], 2), (3, 0));
    }
}
