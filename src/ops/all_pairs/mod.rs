//! `all_pairs`: nearest neighbours, label sharpness, what classes say of each other and correlation sums, from one pass
//! over all pairs: the product of two samples is computed once, and whoever wants to know of the pair reads it there.

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

/// What [`all_pairs`] is to find.
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
    /// One class index for each sample; `None` where there are none, and label sharpness is not wanted.
    pub labels: Option<&'a [u32]>,
    /// The number of sharpest pairs to keep.
    pub top: usize,
    /// Whether every two classes are to be compared too.
    pub class_pairs: bool,
    /// For each k here, at least 1 and at most [`k`](Self::k), the samples nearer to each than the median distance to the
    /// k-th neighbour are to be counted, where this pass can: see [`AllPairs::within`].
    pub within: &'a [usize],
}

/// How many others each sample has within the median distance to a neighbour, as [`all_pairs`] counts them on its way.
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
    /// Which neighbour.
    pub k: usize,
    /// The square of the median over samples of the distance to the `k`-th neighbour, in the data's units squared.
    pub squared: f64,
    /// Of each sample, what [`counts_within`](super::counts_within) counts at that squared radius.
    pub counts: Vec<u64>,
}

/// What [`all_pairs`] found.
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
    /// The label sharpness, as [`sharpness`](super::sharpness()) finds it, or why there is none: one class alone, for
    /// example. `None` where no labels were given.
    pub sharpness: Option<Result<Sharpness>>,
    /// What [`class_pairs`](super::class_pairs()) finds; empty where that is not wanted.
    pub class_pairs: Vec<ClassPair>,
    /// Of [`Wanted::within`] those that this pass counted, in their order. The medians are known only after the pass, so
    /// it counts around what a search of a few samples expects. Missing are all of fewer than 2000 samples, and where more
    /// than 8 388 608 pairs, on a GPU half as many, were too near the expected ones; and one that was not near what was
    /// expected. [`counts_within`](super::counts_within) counts those, in another pass.
    pub within: Vec<Within>,
}

/// Finds all that is wanted of the pairs of `points` in one pass over them; each as the function of its own finds it,
/// and for floats with the same bounds on errors.
///
/// Where samples are such that a pass of products tells too little
/// of them (floats whose range leaves that of f32), and on a GPU where more neighbours or pairs are wanted than its lists
/// hold, each is found by a pass of its own.
///
/// # Errors
/// As [`neighbours`](super::neighbours()); [`Error::Argument`] where there is not one label for each sample or `top` is
/// 0, or where a number in [`Wanted::within`] is 0 or above k; as [`class_pairs`](super::class_pairs()) where that is
/// wanted. That labels tell of no sharpness is no error here:
/// [`AllPairs::sharpness`] says so.
pub fn all_pairs(
    device: &Device,
    points: &Points<'_>,
    wanted: &Wanted<'_>,
    progress: Progress<'_>,
) -> Result<AllPairs> {
    check_k(points, wanted.k)?;
    if let Some(k) = wanted.within.iter().find(|k| !(1..=wanted.k).contains(*k)) {
        return Err(Error::Argument(format!(
            "pairs within the distance to neighbour {k} of {}: it must be from 1 to as many as are sought",
            wanted.k
        )));
    }
    if let Some(labels) = wanted.labels {
        one_label_each(points, labels)?;
    }
    let brackets = within::brackets(device, points, wanted)?;
    // On a CPU neighbours alone have screens of their own, which cost less for some floats.
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

/// In one pass; `None` where its products would tell too little.
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
    // What a GPU has left to the CPU is found by itself.
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

/// What is wanted beside neighbours.
struct Readers<'a> {
    task: Option<&'a sharpness::Task<'a>>,
    classes: Option<&'a class_pairs::Classes<'a>>,
    brackets: &'a [Bracket],
}

/// What a pass found. What was wanted and is `None` the device could not find on its way.
struct Found {
    neighbours: Neighbours,
    sharpness: Option<sharpness::Found>,
    classes: Option<Vec<class_pairs::Found>>,
    within: Vec<Within>,
}
