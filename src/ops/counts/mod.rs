//! `counts_within`: for each sample, the number of other samples within given distances; and `pair_distances`: the distances
//! of listed pairs.

mod cpu;
#[cfg(gpu)]
pub(super) mod cuda;

use super::Progress;
use super::pairs::Rows;
#[cfg(gpu)]
use super::pairs::cuda::Streamed;
use super::pairs::direct::{among, squared_distances};
use crate::{Device, Error, Points, Result};
use rayon::prelude::*;

/// The squared Euclidean distances of `pairs` of samples, in the data's units squared: exact integers for
/// 8-bit data, within 1e-12 relative of the truth for floats. Sorted pairs are computed faster.
///
/// # Errors
/// [`Error::Argument`] for a pair with an index out of range; [`Error::Device`] where the device fails.
///
/// ```
/// use sharpdim::{Device, Points, ops::pair_distances};
/// let points = Points::u8(&[0, 0, 3, 4, 0, 1], 2)?;
/// assert_eq!(pair_distances(&Device::cpu(), &points, &[(0, 1), (1, 2)])?, [25.0, 18.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn pair_distances(device: &Device, points: &Points<'_>, pairs: &[(u32, u32)]) -> Result<Vec<f64>> {
    if let Some((i, j)) = pairs.iter().find(|(i, j)| *i.max(j) as usize >= points.n()) {
        return Err(Error::Argument(format!(
            "the pair ({i}, {j}) is out of range: there are {} samples",
            points.n()
        )));
    }
    #[cfg(gpu)]
    if let Some(gpu) = device.gpu() {
        return Streamed::as_given(gpu, points)?.squared_distances(pairs);
    }
    #[cfg(not(gpu))]
    let _ = device;
    Ok(squared_distances(points, pairs))
}

/// The squared distances within each set of `size` consecutive entries of `sets`, in the order of pairs (1, 0), (2, 0),
/// (2, 1), (3, 0), ... As exact as those of [`pair_distances`].
pub(crate) fn distances_among(
    device: &Device,
    points: &Points<'_>,
    sets: &[u32],
    size: usize,
) -> Result<Vec<f64>> {
    if device.is_cpu() {
        return Ok(among(points, sets, size));
    }
    let pairs_of = |set: &[u32]| -> Vec<(u32, u32)> {
        (0..size).flat_map(|a| (0..a).map(move |b| (a, b))).map(|(a, b)| (set[a], set[b])).collect()
    };
    let pairs: Vec<(u32, u32)> = sets.par_chunks(size).flat_map_iter(pairs_of).collect();
    pair_distances(device, points, &pairs)
}

/// For each sample, the number of other samples whose squared distance to it is below each of up to 8 `squared`
/// radii. Exact: float pairs too near a radius to decide are recomputed as sums of squared differences in f64, so that
/// a distance from [`neighbours`](super::neighbours()) is not below itself. The matrix of all distances is never stored. `progress` receives the fraction done.
///
/// This is the correlation integral of Grassberger and Procaccia (1983), sample by sample.
///
/// # Errors
/// [`Error::Argument`] where a radius is NaN; [`Error::Device`] where the device fails.
///
/// ```
/// use sharpdim::{Device, Points, ops::counts_within};
/// let points = Points::u8(&[0, 0, 3, 4, 0, 1], 2)?;
/// let counts = counts_within(&Device::cpu(), &points, [18.0, 20.0, 26.0], &|_| ())?;
/// assert_eq!(counts, [[1, 1, 2], [0, 1, 2], [1, 2, 2]]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn counts_within<const R: usize>(
    device: &Device,
    points: &Points<'_>,
    squared: [f64; R],
    progress: Progress<'_>,
) -> Result<Vec<[u64; R]>> {
    const { assert!(R >= 1 && R <= 8, "from 1 to 8 radii") };
    if squared.iter().any(|squared| squared.is_nan()) {
        return Err(Error::Argument("a radius is NaN: radii must be numbers".into()));
    }
    let samples = Rows::from(points);
    #[cfg(gpu)]
    if let Some(gpu) = device.gpu() {
        return cuda::counts(gpu, &samples, squared, progress);
    }
    #[cfg(not(gpu))]
    let _ = device;
    Ok(cpu::counts(&samples, squared, progress))
}
