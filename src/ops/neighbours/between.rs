//! `neighbours_between`: the k nearest samples of one set for every sample of another.

use super::{Neighbours, search};
use crate::ops::Progress;
use crate::ops::pairs::Rows;
use crate::{Device, Error, Points, Result};

/// Finds the `k` nearest of `reference` for each of `queries`, without storing the matrix of distances.
///
/// Nothing is excluded: a reference sample identical to a query is its neighbour at distance 0, so a set searched
/// for in itself gives each sample itself first (an identical sample of lower index before it). Exact as
/// [`neighbours`](super::neighbours()) is: 8-bit data give integer squared distances, for floats candidates'
/// distances are recomputed as sums of squared differences in f64. `progress` receives the fraction done.
///
/// # Errors
/// [`Error::Argument`] where the sets differ in their number of values or their type, or `k` is 0;
/// [`Error::Data`] where there are fewer than `k` reference samples or no queries; [`Error::Device`] where the
/// device fails.
///
/// ```
/// use sharpdim::{Device, Points, ops::neighbours_between};
/// let queries = Points::u8(&[0, 0], 2)?;
/// let reference = Points::u8(&[3, 4, 0, 1, 0, 0], 2)?;
/// let nearest = neighbours_between(&Device::cpu(), &queries, &reference, 2, &|_| ())?;
/// assert_eq!(nearest.indices(0), [2, 1]);
/// assert_eq!(nearest.squared_distances(0), [0.0, 1.0]);
/// assert_eq!((nearest.n(), nearest.reference()), (1, Some(3)));
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn neighbours_between(
    device: &Device,
    queries: &Points<'_>,
    reference: &Points<'_>,
    k: usize,
    progress: Progress<'_>,
) -> Result<Neighbours> {
    if k == 0 {
        return Err(Error::Argument("k is 0: it must be at least 1".into()));
    }
    let rows = Rows::between(queries, reference)?;
    if reference.n() < k {
        return Err(Error::Data(format!(
            "{} reference samples are fewer than the {k} neighbours asked for",
            reference.n()
        )));
    }
    search(device, &rows, k, progress)
}
