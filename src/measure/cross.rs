//! One set measured against another: the dimension of the reference set's manifold around queries (a test
//! set against its training set, generated images against real ones), and how sharply labels change between them.

use super::dimension::{Estimate, Estimator, check_between, estimate};
use super::protocol::LabelSharpness;
use crate::ops::{Progress, neighbours_between, sharpness_between};
use crate::{Device, Points, Result};

/// Estimates the intrinsic dimension of `reference` around the `queries`: each query's nearest neighbours are sought
/// among the reference samples, and their distances T_1 <= ... <= T_k read as the estimator reads those of a sample
/// to its own set's.
///
/// Where queries lie on the reference samples' manifold this is its dimension; where they lie beside it, their nearest
/// distances are alike, and it is larger. Estimators that only read distances can be asked: MLE (for one k and over
/// a range), TwoNN, GRIDE, moments and MiND-ML. A query that is identical to a reference sample (T_1 = 0) gives no
/// value: it is [excluded](Estimate::excluded) and counted, or refused, as the estimator's
/// [`Duplicates`](super::Duplicates) say. [`Estimate::local`] has an entry for each query.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) where the sets differ in their number of values or their type, the
/// estimator's settings make no sense, or it compares samples with others of their own set (GeoMLE, correlation, TLE,
/// ESS, local PCA); [`Error::Data`](crate::Error::Data) where there are fewer reference samples than the estimator
/// reads, or no query gives a value; [`Error::Device`](crate::Error::Device) where the device fails.
///
/// ```
/// use sharpdim::{Device, Points, measure::{Estimator, Mle, cross_dim}};
/// use rand::{RngExt, SeedableRng, rngs::StdRng};
/// // Two samples of one square.
/// let mut rng = StdRng::seed_from_u64(1);
/// let train: Vec<f32> = (0..2000).map(|_| rng.random()).collect();
/// let test: Vec<f32> = (0..400).map(|_| rng.random()).collect();
/// let (train, test) = (Points::f32(&train, 2)?, Points::f32(&test, 2)?);
/// let found = cross_dim(&Device::cpu(), &test, &train, &Estimator::Mle(Mle::default()))?;
/// assert!((found.value - 2.0).abs() < 0.3);
/// assert_eq!(found.local.len(), 200);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn cross_dim(
    device: &Device,
    queries: &Points<'_>,
    reference: &Points<'_>,
    estimator: &Estimator,
) -> Result<Estimate> {
    check_between(estimator)?;
    // One more than the reference samples: a query is not among them.
    let k = estimator.reach(reference.n() + 1);
    let neighbours = neighbours_between(device, queries, reference, k, &|_| ())?;
    estimate(&neighbours, estimator)
}

/// Measures the label sharpness between two labelled sets, over all pairs of a sample of `a` and one of `b`; the
/// sharpest pairs name both by their index in their set. `labels_a` and `labels_b` hold one class index for each sample,
/// of one numbering. `progress` receives the fraction done.
///
/// # Errors
/// As [`sharpness_between`].
///
/// ```
/// use sharpdim::{Device, Points, measure::cross_sharpness};
/// let train = Points::u8(&[0, 0, 60, 80], 2)?;
/// let test = Points::u8(&[3, 4], 2)?;
/// let found = cross_sharpness(&Device::cpu(), &train, &[0, 1], &test, &[1], 3, &|_| ())?;
/// assert_eq!(found.max, 1.0 / 5.0);
/// assert_eq!(found.sharpest[0].pair, [0, 0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn cross_sharpness(
    device: &Device,
    a: &Points<'_>,
    labels_a: &[u32],
    b: &Points<'_>,
    labels_b: &[u32],
    top: usize,
    progress: Progress<'_>,
) -> Result<LabelSharpness> {
    Ok(sharpness_between(device, a, labels_a, b, labels_b, top, progress)?.into())
}
