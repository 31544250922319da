//! `sharpness_between`: how sharply labels change from the samples of one set to those of another.

use super::{Sharpness, measure, one_label_each};
use crate::ops::Progress;
use crate::ops::pairs::Rows;
use crate::{Device, Points, Result};

/// Compares every sample of `a` with every sample of `b`, such as a training and a test set, and keeps the `top` sharpest
/// pairs: the nearest with different labels, given by their index in `a` and in `b`.
///
/// `labels_a` and `labels_b` hold one class index for each sample, in the same numbering. `progress` receives the
/// fraction done. Pairs within a set do not count: see [`sharpness`](super::sharpness()).
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) where the sets differ in their number of values or their type,
/// labels are not one for each sample, or `top` is 0; [`Error::Data`](crate::Error::Data) where a set is empty, all
/// labels are the same, or every pair with different labels is identical;
/// [`Error::Device`](crate::Error::Device) where the device fails.
///
/// ```
/// use sharpdim::{Device, Points, ops::sharpness_between};
/// let train = Points::u8(&[0, 0, 3, 4], 2)?;
/// let test = Points::u8(&[0, 0, 0, 1], 2)?;
/// let found = sharpness_between(&Device::cpu(), &train, &[0, 1], &test, &[1, 0], 1, &|_| ())?;
/// assert_eq!(found.sharpest[0].pair, [1, 1]);
/// assert_eq!(found.sharpest[0].distance, 18f64.sqrt());
/// // The first samples of both are one image with two labels.
/// assert_eq!((found.pairs_compared, found.contradictions), (4, 1));
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn sharpness_between(
    device: &Device,
    a: &Points<'_>,
    labels_a: &[u32],
    b: &Points<'_>,
    labels_b: &[u32],
    top: usize,
    progress: Progress<'_>,
) -> Result<Sharpness> {
    one_label_each(a, labels_a)?;
    one_label_each(b, labels_b)?;
    let rows = Rows::between(a, b)?;
    let first = rows.partners().start;
    // Padding rows between the sets are in no pair: any label will do.
    let mut labels = vec![0; rows.n()];
    labels[rows.asked()].copy_from_slice(labels_a);
    labels[rows.partners()].copy_from_slice(labels_b);
    let mut found = measure(device, &rows, &labels, top, progress)?;
    for sharp in &mut found.sharpest {
        sharp.pair[1] -= first;
    }
    Ok(found)
}
