//! `all_pairs`: nearest neighbours, label sharpness and what classes say of each other, from one pass over all pairs:
//! the product of two samples is computed once, and whoever wants to know of the pair reads it there.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::Progress;
use super::class_pairs::{self, ClassPair, class_pairs_with};
use super::neighbours::{Neighbours, check_k, neighbours_with};
use super::pairs::Rows;
use super::sharpness::{LabelPairs, Sharpness, one_label_each, sharpness_with};
use crate::{Device, Error, Points, Result};

/// What [`all_pairs`] is to find.
///
/// ```
/// use sharpdim::ops::Wanted;
/// // Ten neighbours of each of three samples, and the sharpest of their pairs.
/// let wanted = Wanted { k: 10, labels: Some(&[0, 1, 0]), top: 1, class_pairs: false };
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
}

/// What [`all_pairs`] found.
///
/// ```
/// use sharpdim::{Device, Points, ops::{AllPairs, Wanted, all_pairs}};
/// let points = Points::u8(&[0, 2, 5, 9], 1)?;
/// let wanted = Wanted { k: 1, labels: Some(&[0, 0, 1, 1]), top: 1, class_pairs: true };
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
}

/// Finds all that is wanted of the pairs of `points` in one pass over them; each as the function of its own finds it,
/// and for floats with the same bounds on errors.
///
/// On a GPU classes are compared by a pass of their own. Where samples are such that a pass of products tells too little
/// of them (floats whose range leaves that of f32), and on a GPU where more neighbours or pairs are wanted than its lists
/// hold, each is found by a pass of its own.
///
/// # Errors
/// As [`neighbours`](super::neighbours()); [`Error::Argument`] where there is not one label for each sample or `top` is
/// 0; as [`class_pairs`](super::class_pairs()) where that is wanted. That labels tell of no sharpness is no error here:
/// [`AllPairs::sharpness`] says so.
pub fn all_pairs(
    device: &Device,
    points: &Points<'_>,
    wanted: &Wanted<'_>,
    progress: Progress<'_>,
) -> Result<AllPairs> {
    check_k(points, wanted.k)?;
    let Some(labels) = wanted.labels else {
        let neighbours = neighbours_with(device, points, wanted.k, progress)?;
        return Ok(AllPairs { neighbours, sharpness: None, class_pairs: Vec::new() });
    };
    one_label_each(points, labels)?;
    if let Some(found) = together(device, points, labels, wanted, progress)? {
        return Ok(found);
    }
    let part = |from: f64, to: f64| move |done: f64| progress(from + (to - from) * done);
    let (half, most) = if wanted.class_pairs { (0.35, 0.7) } else { (0.5, 1.0) };
    let neighbours = neighbours_with(device, points, wanted.k, &part(0.0, half))?;
    let sharpness = match sharpness_with(device, points, labels, wanted.top, &part(half, most)) {
        Err(error @ (Error::Argument(_) | Error::Device { .. } | Error::Unavailable { .. })) => {
            return Err(error);
        }
        sharpness => sharpness,
    };
    let class_pairs = match wanted.class_pairs {
        true => class_pairs_with(device, points, labels, &part(most, 1.0))?,
        false => Vec::new(),
    };
    Ok(AllPairs { neighbours, sharpness: Some(sharpness), class_pairs })
}

/// In one pass; `None` where its products would tell too little.
fn together(
    device: &Device,
    points: &Points<'_>,
    labels: &[u32],
    wanted: &Wanted<'_>,
    progress: Progress<'_>,
) -> Result<Option<AllPairs>> {
    let rows = Rows::from(points);
    let sharp = super::sharpness::check_top(wanted.top).and_then(|()| LabelPairs::new(rows, labels));
    let pairs = match sharp {
        Err(error @ Error::Argument(_)) => return Err(error),
        pairs => pairs,
    };
    let task = pairs.as_ref().ok().map(|pairs| pairs.task(rows, labels, wanted.top));
    #[cfg(gpu)]
    if let Some(gpu) = device.gpu() {
        let (Ok(pairs), Some(task)) = (&pairs, &task) else { return Ok(None) };
        // Classes, where they are wanted, take a pass of their own.
        let most = if wanted.class_pairs { 0.5 } else { 1.0 };
        let Some((neighbours, found)) =
            cuda::all_pairs(gpu, &rows, wanted.k, task, &|done| progress(most * done))?
        else {
            return Ok(None);
        };
        let class_pairs = match wanted.class_pairs {
            true => class_pairs_with(device, points, labels, &|done| progress(most + (1.0 - most) * done))?,
            false => Vec::new(),
        };
        return Ok(Some(AllPairs { neighbours, sharpness: Some(Ok(pairs.sharpness(found))), class_pairs }));
    }
    #[cfg(not(gpu))]
    let _ = device;
    let classes = match wanted.class_pairs {
        true => Some(class_pairs::Classes::new(points, labels)?),
        false => None,
    };
    let Some(found) = cpu::all_pairs(&rows, wanted.k, task.as_ref(), classes.as_ref(), progress) else {
        return Ok(None);
    };
    let sharpness = match (pairs, found.sharpness) {
        (Ok(pairs), Some(found)) => Ok(pairs.sharpness(found)),
        (Err(error), _) => Err(error),
        (Ok(_), None) => unreachable!("what was asked for is found"),
    };
    let class_pairs = match (classes, found.classes) {
        (Some(classes), Some(found)) => classes.named(found),
        _ => Vec::new(),
    };
    Ok(Some(AllPairs { neighbours: found.neighbours, sharpness: Some(sharpness), class_pairs }))
}
