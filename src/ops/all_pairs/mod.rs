//! `all_pairs`: nearest neighbours, label sharpness, pairs of classes and correlation sums from one pass over all pairs: each
//! product of two samples is computed once, and all readers use it.

mod cpu;
#[cfg(gpu)]
mod cuda;
#[cfg(test)]
mod tests;
mod within;

use super::Progress;
use super::class_pairs::{self, ClassPair, class_pairs_with};
use super::neighbours::{Neighbours, check_k, neighbours_with};
use super::pairs::Rows;
use super::sharpness::{self, LabelPairs, Sharpness, one_label_each, sharpness_with};
use crate::{Device, Error, Points, Result};
use within::Bracket;

/// The measures that [`all_pairs`] computes.
///
/// ```
/// use sharpdim::ops::Wanted;
/// // Ten neighbours of each of three samples, and the sharpest of their pairs.
/// let wanted = Wanted { k: 10, labels: Some(&[0, 1, 0]), top: 1, class_pairs: false, within: &[] };
/// assert_eq!(wanted.labels.unwrap().len(), 3);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Nearest neighbours of each sample.
    pub k: usize,
    /// One class index for each sample; `None` without labels, or where label sharpness is not wanted.
    pub labels: Option<&'a [u32]>,
    /// The number of sharpest pairs to keep.
    pub top: usize,
    /// Whether every two classes are to be compared too.
    pub class_pairs: bool,
    /// For each k here, from 1 to [`k`](Self::k), counts each sample's others within the median distance to the k-th neighbour,
    /// where this pass can: see [`AllPairs::within`].
    pub within: &'a [usize],
}

/// The number of other samples within the median distance to the k-th neighbour, for each sample, from [`all_pairs`].
///
/// ```
/// use sharpdim::{Device, Points, ops::{Wanted, Within, all_pairs, counts_within}};
/// let values: Vec<f32> = (0..6000).map(|i| (i as f32).sin()).collect();
/// let (device, points) = (Device::cpu(), Points::f32(&values, 2)?);
/// let wanted = Wanted { k: 5, labels: None, top: 1, class_pairs: false, within: &[5] };
/// for Within { squared, counts, .. } in all_pairs(&device, &points, &wanted, &|_| ())?.within {
///     let again = counts_within(&device, &points, [squared], &|_| ())?;
///     assert!(again.iter().map(|[count]| count).eq(&counts));
/// }
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Within {
    /// The neighbour's rank.
    pub k: usize,
    /// The square of the median over samples of the distance to the `k`-th neighbour, in the data's units squared.
    pub squared: f64,
    /// For each sample, the count of [`counts_within`](super::counts_within) at that squared radius.
    pub counts: Vec<u64>,
}

/// The results of [`all_pairs`].
///
/// ```
/// use sharpdim::{Device, Points, ops::{AllPairs, Wanted, all_pairs}};
/// let points = Points::u8(&[0, 2, 5, 9], 1)?;
/// let wanted = Wanted { k: 1, labels: Some(&[0, 0, 1, 1]), top: 1, class_pairs: true, within: &[] };
/// let found: AllPairs = all_pairs(&Device::cpu(), &points, &wanted, &|_| ())?;
/// assert_eq!(found.neighbours.indices(3), [2]);
/// assert_eq!(found.sharpness.unwrap()?.sharpest[0].distance, 3.0);
/// assert_eq!(found.class_pairs.len(), 3);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Debug)]
pub struct AllPairs {
    /// The nearest neighbours of each sample, as [`neighbours`](super::neighbours()) finds them.
    pub neighbours: Neighbours,
    /// The label sharpness, as from [`sharpness`](super::sharpness()), or why there is none, such as a single class. `None`
    /// without labels.
    pub sharpness: Option<Result<Sharpness>>,
    /// The result of [`class_pairs`](super::class_pairs()); empty where not wanted.
    pub class_pairs: Vec<ClassPair>,
    /// The counts of [`Wanted::within`] that this pass could make, in order. The medians are known only after the pass, so it
    /// uses brackets from a search of a few samples. All are missing for fewer than 2000 samples, and where more than
    /// 8 388 608 pairs (on a GPU half as many) fall into the brackets; one is missing where its median misses the bracket.
    /// [`counts_within`](super::counts_within) counts these in another pass.
    pub within: Vec<Within>,
}

/// Computes all wanted measures in one pass over the pairs of `points`. Each result is that of its own function, for floats
/// with the same error bounds.
///
/// Where a pass of products is too imprecise (floats whose range exceeds that of f32), and on a GPU where
/// more neighbours or pairs are wanted than its lists hold, each has a pass of its own.
///
/// # Errors
/// As [`neighbours`](super::neighbours()); [`Error::Argument`] where there is not one label for each sample or `top` is
/// 0, or where a number in [`Wanted::within`] is 0 or above k; as [`class_pairs`](super::class_pairs()) where that is
/// wanted. Labels without a sharpness are no error here:
/// [`AllPairs::sharpness`] holds the reason.
pub fn all_pairs(
    device: &Device,
    points: &Points<'_>,
    wanted: &Wanted<'_>,
    progress: Progress<'_>,
) -> Result<AllPairs> {
    check_k(points, wanted.k)?;
    if let Some(k) = wanted.within.iter().find(|k| !(1..=wanted.k).contains(*k)) {
        return Err(Error::Argument(format!(
            "pairs within the distance to neighbour {k} of {}: k must be from 1 to the number of neighbours",
            wanted.k
        )));
    }
    if let Some(labels) = wanted.labels {
        one_label_each(points, labels)?;
    }
    let brackets = within::brackets(device, points, wanted)?;
    // On a CPU, neighbours alone have their own screens, which are cheaper for some floats.
    let several = wanted.labels.is_some() || !brackets.is_empty();
    if several && let Some(found) = together(device, points, wanted, &brackets, progress)? {
        return Ok(found);
    }
    let Some(labels) = wanted.labels else {
        let neighbours = neighbours_with(device, points, wanted.k, progress)?;
        return Ok(AllPairs { neighbours, sharpness: None, class_pairs: Vec::new(), within: Vec::new() });
    };
    let part = |from: f64, to: f64| move |done: f64| progress(from + (to - from) * done);
    let (half, most) = if wanted.class_pairs { (0.35, 0.7) } else { (0.5, 1.0) };
    let neighbours = neighbours_with(device, points, wanted.k, &part(0.0, half))?;
    let sharpness = match sharpness_with(device, points, labels, wanted.top, &part(half, most)) {
        Err(error @ (Error::Argument(_) | Error::Device { .. } | Error::Unavailable { .. })) => {
            return Err(error);
        }
        sharpness => sharpness,
    };
    let class_pairs = if wanted.class_pairs {
        class_pairs_with(device, points, labels, &part(most, 1.0))?
    } else {
        Vec::new()
    };
    Ok(AllPairs { neighbours, sharpness: Some(sharpness), class_pairs, within: Vec::new() })
}

/// In one pass; `None` where its products would be too imprecise.
fn together(
    device: &Device,
    points: &Points<'_>,
    wanted: &Wanted<'_>,
    brackets: &[Bracket],
    progress: Progress<'_>,
) -> Result<Option<AllPairs>> {
    let rows = Rows::from(points);
    let sharp = |labels| super::sharpness::check_top(wanted.top).and_then(|()| LabelPairs::new(rows, labels));
    let pairs = match wanted.labels.map(sharp) {
        Some(Err(error @ Error::Argument(_))) => return Err(error),
        pairs => pairs,
    };
    let task = match (&pairs, wanted.labels) {
        (Some(Ok(pairs)), Some(labels)) => Some(pairs.task(rows, labels, wanted.top)),
        _ => None,
    };
    let classes = match wanted.labels {
        Some(labels) if wanted.class_pairs => Some(class_pairs::Classes::new(points, labels)?),
        _ => None,
    };
    let readers = Readers { task: task.as_ref(), classes: classes.as_ref(), brackets };
    #[cfg(gpu)]
    let found = match device.gpu() {
        Some(gpu) => cuda::all_pairs(gpu, &rows, wanted.k, &readers, progress)?,
        None => cpu::all_pairs(&rows, wanted.k, &readers, within::MOST_KEPT, progress),
    };
    #[cfg(not(gpu))]
    let found = cpu::all_pairs(&rows, wanted.k, &readers, within::MOST_KEPT, progress);
    let Some(Found { neighbours, sharpness, classes: compared, within }) = found else { return Ok(None) };
    // What the GPU left to the CPU is computed separately.
    let sharpness = match (pairs, sharpness, wanted.labels) {
        (Some(Ok(pairs)), Some(found), _) => Some(Ok(pairs.sharpness(found))),
        (Some(Ok(_)), None, Some(labels)) => {
            Some(Ok(sharpness_with(device, points, labels, wanted.top, &|_| ())?))
        }
        (Some(Err(error)), ..) => Some(Err(error)),
        (Some(Ok(_)), None, None) | (None, ..) => None,
    };
    let class_pairs = match (classes, compared, wanted.labels) {
        (Some(classes), Some(compared), _) => classes.named(compared),
        (Some(_), None, Some(labels)) => class_pairs_with(device, points, labels, &|_| ())?,
        _ => Vec::new(),
    };
    Ok(Some(AllPairs { neighbours, sharpness, class_pairs, within }))
}

/// The measures wanted beside neighbours.
struct Readers<'a> {
    task: Option<&'a sharpness::Task<'a>>,
    classes: Option<&'a class_pairs::Classes<'a>>,
    brackets: &'a [Bracket],
}

/// Results of a pass. Wanted measures that are `None` need a pass of their own.
struct Found {
    neighbours: Neighbours,
    sharpness: Option<sharpness::Found>,
    classes: Option<Vec<class_pairs::Found>>,
    within: Vec<Within>,
}
