//! Both intrinsic properties of a labelled set of samples, from one pass over its pairs where that is possible.

use super::dimension::{Estimate, Estimator, estimates_of, intrinsic_dims};
use super::protocol::{LabelSharpness, Protocol};
use super::sharpness::label_sharpness;
use crate::ops::{Progress, Wanted, all_pairs};
use crate::{Device, Error, Points, Result};

/// What [`intrinsic_properties`] finds.
#[derive(Debug)]
#[non_exhaustive]
pub struct Properties {
    /// Of each estimator, in their order: as [`intrinsic_dims`].
    pub dimensions: Vec<Result<Estimate>>,
    /// As [`label_sharpness`]; an [`Error::Data`] where it is undefined for these labels.
    pub sharpness: Result<LabelSharpness>,
}

/// Measures the intrinsic dimension by several estimators, and the label sharpness. Under [`Protocol::AllPairs`] both come
/// from one pass over all pairs; the other protocols have draws of their own.
///
/// # Errors
/// As [`intrinsic_dims`]; [`Error::Argument`] and [`Error::Device`] as [`label_sharpness`], whose [`Error::Data`] is
/// [`Properties::sharpness`].
///
/// ```
/// use sharpdim::{Device, data::{Dataset, Preprocess}};
/// use sharpdim::measure::{Estimator, Mle, Properties, Protocol, intrinsic_properties};
/// let images = Dataset::generated(30, 16, 0)?.load(&Preprocess::default(), &|_| ())?;
/// let (points, mle) = (images.samples.points()?, Estimator::Mle(Mle::default()));
/// let Properties { dimensions, sharpness, .. } =
///     intrinsic_properties(&Device::cpu(), &points, &images.labels, &[mle], Protocol::AllPairs, 1, &|_| ())?;
/// assert!(dimensions[0].is_ok() && sharpness?.max > 0.0);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn intrinsic_properties(
    device: &Device,
    points: &Points<'_>,
    labels: &[u32],
    estimators: &[Estimator],
    protocol: Protocol,
    top: usize,
    progress: Progress<'_>,
) -> Result<Properties> {
    if protocol != Protocol::AllPairs || estimators.is_empty() {
        let half = |from: f64| move |done: f64| progress(from + 0.5 * done);
        let dimensions = match estimators {
            [] => Vec::new(),
            all => intrinsic_dims(device, points, all, &half(0.0))?,
        };
        let sharpness = label_sharpness(device, points, labels, protocol, top, &half(0.5));
        return Ok(Properties { dimensions, sharpness: of_data(sharpness)? });
    }
    estimators.iter().try_for_each(Estimator::check)?;
    let k = estimators.iter().map(|estimator| estimator.reach(points.n())).max().unwrap_or(1);
    let within = &Estimator::within(estimators)[..];
    let wanted = Wanted { k, labels: Some(labels), top, class_pairs: false, within };
    let mut found = all_pairs(device, points, &wanted, progress)?;
    let sharpness = found.sharpness.take().map_or_else(
        || Err(Error::Argument("no labels were given".into())),
        |sharpness| sharpness.map(LabelSharpness::from),
    );
    Ok(Properties {
        dimensions: estimates_of(device, points, &found, estimators)?,
        sharpness: of_data(sharpness)?,
    })
}

/// An undefined sharpness is a result; other errors stay errors.
fn of_data<T>(found: Result<T>) -> Result<Result<T>> {
    match found {
        Ok(found) => Ok(Ok(found)),
        Err(error @ Error::Data(_)) => Ok(Err(error)),
        Err(error) => Err(error),
    }
}
