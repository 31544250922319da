//! Entry points: estimates of samples, from a new search for neighbours or from given neighbours.

use super::among::{self, Asked};
use super::duplicates::refuse_twins;
use super::intervals::Halving;
use super::method::Formula;
use super::{Estimate, Estimator};
use crate::ops::{AllPairs, Neighbours, Progress, Wanted, Within, all_pairs};
use crate::{Device, Error, Points, Result};

/// Finds neighbours on `device` and estimates the intrinsic dimension of `points`.
///
/// # Errors
/// As [`intrinsic_dims`].
///
/// ```
/// use sharpdim::{Device, Points, measure::{Estimator, Mle, intrinsic_dim}};
/// use rand::{RngExt, SeedableRng, rngs::StdRng};
/// // A thousand points of a square: two-dimensional.
/// let mut rng = StdRng::seed_from_u64(1);
/// let square: Vec<f32> = (0..2000).map(|_| rng.random()).collect();
/// let points = Points::f32(&square, 2)?;
/// let found = intrinsic_dim(&Device::cpu(), &points, &Estimator::Mle(Mle::default()))?;
/// assert!((found.value - 2.0).abs() < 0.3);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn intrinsic_dim(device: &Device, points: &Points<'_>, estimator: &Estimator) -> Result<Estimate> {
    intrinsic_dims(device, points, &[*estimator], &|_| ())?.remove(0)
}

/// Estimates the intrinsic dimension of `points` by several estimators on one search for neighbours: an
/// estimate or an error for each, in their order. `progress` follows the search.
///
/// The search, counting pairs within a distance ([`Correlation`](super::Correlation)) and the distances of neighbours among themselves
/// ([`Tle`](super::Tle), [`Ess`](super::Ess), [`LocalPca`](super::LocalPca)) run on `device`.
///
/// # Errors
/// [`Error::Argument`] where an estimator's settings make no sense, [`Error::Data`] where there are too few
/// samples for one, [`Error::Device`] where the device fails. For each estimator: as [`estimate`].
///
/// ```
/// use sharpdim::{Device, data::manifolds::{Manifold, Settings}};
/// use sharpdim::measure::{Estimator, intrinsic_dims};
/// let roll = "M7_Roll".parse::<Manifold>()?.sample(1000, &Settings::default())?;
/// let estimators = Estimator::all();
/// for found in intrinsic_dims(&Device::cpu(), &roll.points()?, &estimators, &|_| ())? {
///     assert!((found?.value - 2.0).abs() < 0.4);
/// }
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn intrinsic_dims(
    device: &Device,
    points: &Points<'_>,
    estimators: &[Estimator],
    progress: Progress<'_>,
) -> Result<Vec<Result<Estimate>>> {
    estimators.iter().try_for_each(Estimator::check)?;
    let k = estimators.iter().map(|estimator| estimator.reach(points.n())).max().unwrap_or(1);
    let pairs = searched(device, points, k, estimators, progress)?;
    estimates_from(device, points, (&pairs.neighbours, &pairs.within), estimators, Halving::Done)
}

/// The `k` nearest neighbours, and the counts that these estimators need, from one pass.
pub(in crate::measure) fn searched(
    device: &Device,
    points: &Points<'_>,
    k: usize,
    estimators: &[Estimator],
    progress: Progress<'_>,
) -> Result<AllPairs> {
    let within = &Estimator::within(estimators)[..];
    all_pairs(device, points, &Wanted { k, labels: None, top: 1, class_pairs: false, within }, progress)
}

/// The estimates of settings that were checked, from lists that reach far enough, and from counts where there are any.
pub(in crate::measure) fn estimates_from(
    device: &Device,
    points: &Points<'_>,
    (neighbours, within): (&Neighbours, &[Within]),
    estimators: &[Estimator],
    halving: Halving,
) -> Result<Vec<Result<Estimate>>> {
    let asked = |estimator| match Estimator::formula(estimator) {
        Formula::Neighbourhoods(formula) => Some((estimator, formula)),
        Formula::Distances(_) | Formula::Counts(_) => None,
    };
    let of_neighbourhoods: Vec<Asked<'_>> = estimators.iter().filter_map(asked).collect();
    let mut found = among::estimates(device, points, neighbours, &of_neighbourhoods, halving)?.into_iter();
    let all = estimators.iter().map(|estimator| match estimator.formula() {
        Formula::Neighbourhoods(_) => found.next().expect("one for each"),
        Formula::Counts(formula) => formula.estimate(device, points, neighbours, within),
        // Lists of only the neighbours that the value reads are not halved.
        Formula::Distances(_) if halving == Halving::LeftOut => {
            estimate(&neighbours.first(estimator.neighbours()), estimator)
        }
        Formula::Distances(_) => estimate(neighbours, estimator),
    });
    Ok(all.collect())
}

/// Each estimator's value without an interval, for checked settings and enough samples; `None` where there is none.
pub(in crate::measure) fn values(
    device: &Device,
    points: &Points<'_>,
    estimators: &[Estimator],
    progress: Progress<'_>,
) -> Result<Vec<Option<f64>>> {
    let k = estimators.iter().map(Estimator::neighbours).max().unwrap_or(1);
    let pairs = searched(device, points, k, estimators, progress)?;
    let nearest = (&pairs.neighbours, &pairs.within[..]);
    let found = estimates_from(device, points, nearest, estimators, Halving::LeftOut)?;
    Ok(found.into_iter().map(|found| Some(found.ok()?.value)).collect())
}

/// Estimates the intrinsic dimension from given neighbours; one search for the largest k serves every estimator that
/// reads only distances.
///
/// # Errors
/// [`Error::Argument`] where the estimator's settings make no sense, it needs more neighbours than
/// there are, or [the samples themselves](Estimator::needs_samples), which [`intrinsic_dims`] has;
/// [`Error::Data`] where no sample gives a value, or, with [`Duplicates::Refuse`](super::Duplicates::Refuse), where one has an identical twin.
///
/// ```
/// use sharpdim::{Device, data::manifolds::{Manifold, Settings}, ops::neighbours};
/// use sharpdim::measure::{Estimator, Mle, TwoNn, estimate};
/// let torus = Manifold::FlatTorus { dim: 2 }.sample(500, &Settings::default())?;
/// let near = neighbours(&Device::cpu(), &torus.points()?, 60)?; // enough for intervals too: Estimator::reach
/// for estimator in [Estimator::Mle(Mle::default()), Estimator::TwoNn(TwoNn::default())] {
///     assert!((estimate(&near, &estimator)?.value - 2.0).abs() < 0.4);
/// }
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn estimate(neighbours: &Neighbours, estimator: &Estimator) -> Result<Estimate> {
    estimator.check()?;
    if neighbours.k() < estimator.neighbours() {
        return Err(Error::Argument(format!(
            "{estimator} reads {} neighbours of each sample: only {} were found",
            estimator.neighbours(),
            neighbours.k()
        )));
    }
    if neighbours.reference().is_some() {
        check_between(estimator)?;
    }
    refuse_twins(neighbours, estimator)?;
    match estimator.formula() {
        Formula::Distances(formula) => formula.estimate(neighbours),
        Formula::Neighbourhoods(_) | Formula::Counts(_) => Err(Error::Argument(format!(
            "{estimator} needs the samples themselves, not only their nearest distances: use intrinsic_dims"
        ))),
    }
}

/// Refuses estimators that do not work on one set's distances to another.
pub(in crate::measure) fn check_between(estimator: &Estimator) -> Result<()> {
    estimator.check()?;
    let between_sets = match estimator.formula() {
        Formula::Distances(formula) => formula.between_sets(),
        Formula::Neighbourhoods(_) | Formula::Counts(_) => false,
    };
    if !between_sets {
        return Err(Error::Argument(format!(
            "{estimator} compares samples with others of their own set: between two sets, ask for an estimator \
             that reads distances only, MLE or TwoNN for example"
        )));
    }
    Ok(())
}

/// Estimates the intrinsic dimension of `points` by several estimators, from their given neighbours: an estimate or an
/// error for each, in their order. As [`intrinsic_dims`] where there are as many neighbours as each estimator's
/// [`reach`](Estimator::reach).
///
/// # Errors
/// [`Error::Argument`] where an estimator's settings make no sense, or `neighbours` are those of other samples or
/// fewer than an estimator [reads](Estimator::neighbours); [`Error::Device`] where the device fails. For each
/// estimator: as [`estimate`].
///
/// ```
/// use sharpdim::{Device, Points, measure::{Estimator, Mle, Tle, estimates}, ops::neighbours};
/// let line: Vec<u8> = (0..60u8).flat_map(|i| [i, i / 2]).collect();
/// let (device, points) = (Device::cpu(), Points::u8(&line, 2)?);
/// let nearest = neighbours(&device, &points, 20)?;
/// let both = [Estimator::Mle(Mle::default()), Estimator::Tle(Tle::default())];
/// for found in estimates(&device, &points, &nearest, &both)? {
///     println!("{:.2}", found?.value);
/// }
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn estimates(
    device: &Device,
    points: &Points<'_>,
    neighbours: &Neighbours,
    estimators: &[Estimator],
) -> Result<Vec<Result<Estimate>>> {
    given(device, points, (neighbours, &[]), estimators)
}

/// As [`estimates`], from the result of one pass over all pairs: if it [counted](Estimator::within), the correlation
/// dimension needs no other pass.
///
/// # Errors
/// As [`estimates`].
///
/// ```
/// use sharpdim::{Device, data::manifolds::{Manifold, Settings}, ops::{Wanted, all_pairs}};
/// use sharpdim::measure::{Correlation, Estimator, estimates_of};
/// let (device, torus) = (Device::cpu(), Manifold::FlatTorus { dim: 2 }.sample(2500, &Settings::default())?);
/// let estimators = [Estimator::Correlation(Correlation::default())];
/// let within = &Estimator::within(&estimators)[..];
/// let wanted = Wanted { k: 20, labels: None, top: 1, class_pairs: false, within };
/// let pairs = all_pairs(&device, &torus.points()?, &wanted, &|_| ())?;
/// let found = estimates_of(&device, &torus.points()?, &pairs, &estimators)?.remove(0)?;
/// assert!((found.value - 2.0).abs() < 0.2);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn estimates_of(
    device: &Device,
    points: &Points<'_>,
    pairs: &AllPairs,
    estimators: &[Estimator],
) -> Result<Vec<Result<Estimate>>> {
    given(device, points, (&pairs.neighbours, &pairs.within), estimators)
}

/// The estimates from given lists and counts.
fn given(
    device: &Device,
    points: &Points<'_>,
    (neighbours, within): (&Neighbours, &[Within]),
    estimators: &[Estimator],
) -> Result<Vec<Result<Estimate>>> {
    estimators.iter().try_for_each(Estimator::check)?;
    if neighbours.n() != points.n() || neighbours.reference().is_some() {
        return Err(Error::Argument(format!(
            "neighbours of {} samples for {} samples: they must be found among these same samples",
            neighbours.n(),
            points.n()
        )));
    }
    if let Some(estimator) = estimators.iter().find(|estimator| estimator.neighbours() > neighbours.k()) {
        return Err(Error::Argument(format!(
            "{estimator} reads {} neighbours of each sample: only {} were found",
            estimator.neighbours(),
            neighbours.k()
        )));
    }
    estimates_from(device, points, (neighbours, within), estimators, Halving::Done)
}
