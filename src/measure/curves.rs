//! Estimates of intrinsic dimension against the number of neighbours and of samples, and whether they have converged:
//! if not, the value depends on the sample size as well as on the data.

use super::dimension::{Estimate, Estimator, Halving, estimates_from, searched, values};
use crate::ops::Progress;
use crate::random::Random;
use crate::{Device, Error, Points, Result};

/// Options of [`dimension_curves`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurveOptions {
    /// The numbers of neighbours; those that an estimator does not allow, or that are too many for the samples, are left
    /// out of its curve. Empty: chosen from the number of samples, as
    /// [`for_samples`](CurveOptions::for_samples) does.
    pub ks: Vec<usize>,
    /// The sizes of subsamples; the whole set always ends the curve. Empty: an eighth, a quarter and half of it.
    pub sizes: Vec<usize>,
    /// Subsamples of each size: at least 2, so that they have a spread.
    pub repeats: usize,
    /// Seed of the subsamples.
    pub seed: u64,
}

impl Default for CurveOptions {
    fn default() -> Self {
        CurveOptions { ks: Vec::new(), sizes: Vec::new(), repeats: 5, seed: 0 }
    }
}

impl CurveOptions {
    /// For `n` samples: k from 3 to a quarter of them, at most 100, each about sqrt(2) times the one before;
    /// an eighth, a quarter and half of them, and all.
    pub fn for_samples(n: usize) -> Self {
        let most = (n / 4).clamp(3, 100);
        let mut ks: Vec<usize> = Vec::new();
        let mut k = 3.0f64;
        while (k.round() as usize) < most {
            ks.push(k.round() as usize);
            k *= std::f64::consts::SQRT_2;
        }
        ks.push(most);
        let sizes = [8, 4, 2, 1].map(|part| n / part).to_vec();
        CurveOptions { ks, sizes, ..CurveOptions::default() }
    }
}

/// One estimate of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CurvePoint {
    /// The number of neighbours, or of samples.
    pub at: usize,
    /// The dimension: of all samples or, for fewer, the mean over subsamples.
    pub value: f64,
    /// Lower end of a 95 % interval: the estimate's own for all samples, and for subsamples 1.96 standard
    /// deviations of their estimates to each side, the spread that one more subsample would be in.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What an estimate is drawn against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The number of neighbours of each sample.
    Neighbours,
    /// The number of samples.
    Samples,
}

/// An estimate against the number of neighbours or of samples.
///
/// ```
/// use sharpdim::{Device, data::manifolds::{Manifold, Settings}};
/// use sharpdim::measure::{Against, CurveOptions, CurvePoint, Estimator, Mle, dimension_curves};
/// let cube = Manifold::Cube { dim: 20 }.sample(400, &Settings::default())?;
/// let (mle, options) = (Estimator::Mle(Mle::default()), CurveOptions::for_samples(400));
/// let curves = dimension_curves(&Device::cpu(), &cube.points()?, &[mle], &options, &|_| ())?;
/// let against = curves.iter().find(|curve| curve.against == Against::Samples).unwrap();
/// let whole: CurvePoint = *against.points.last().unwrap();
/// assert!(whole.at == 400 && whole.low < whole.value && whole.value < whole.high);
/// assert!(against.warning.as_ref().unwrap().contains("more samples")); // 400 are few for 20 dimensions
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Curve {
    /// The estimator, with the settings it has at the whole sample.
    pub estimator: Estimator,
    /// What it is drawn against.
    pub against: Against,
    /// Ascending in `at`; empty where no point could be estimated.
    pub points: Vec<CurvePoint>,
    /// A sentence with numbers, where the estimate has not settled.
    pub warning: Option<String>,
}

/// The curves of each estimator: against the number of neighbours, where it has one, and against the number of
/// samples, in this order. All numbers of neighbours are served by one search, and so are all estimators on one
/// subsample.
///
/// A curve has a warning where the estimate has not settled. Against samples: where its last doubling still moves it
/// by more than 2 %, and by more than twice the standard error of that step. Against neighbours:
/// where it changes by more than 5 % between half and twice the number that the estimator has, and neither
/// estimate is in the other's interval.
///
/// # Errors
/// [`Error::Argument`] where an estimator's settings make no sense, a size is more than there are samples, or
/// `repeats` is below 2; [`Error::Device`] where the device fails. A point that cannot be estimated, for lack of samples
/// for example, is left out; [`Error::Data`] where not even all samples give an estimate.
///
/// ```
/// use sharpdim::{Device, data::manifolds::{Manifold, Settings}};
/// use sharpdim::measure::{CurveOptions, Estimator, Mle, dimension_curves};
/// let cube = Manifold::Cube { dim: 20 }.sample(500, &Settings::default())?;
/// let mle = Estimator::Mle(Mle::default());
/// let curves =
///     dimension_curves(&Device::cpu(), &cube.points()?, &[mle], &CurveOptions::default(), &|_| ())?;
/// for curve in &curves {
///     println!("{:?}: {:?}", curve.against, curve.warning);
/// }
/// assert!(curves[1].warning.is_some());
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn dimension_curves(
    device: &Device,
    points: &Points<'_>,
    estimators: &[Estimator],
    options: &CurveOptions,
    progress: Progress<'_>,
) -> Result<Vec<Curve>> {
    let n = points.n();
    let chosen = CurveOptions::for_samples(n);
    let ks = ascending(if options.ks.is_empty() { &chosen.ks } else { &options.ks });
    let sizes = ascending(if options.sizes.is_empty() { &chosen.sizes } else { &options.sizes });
    estimators.iter().try_for_each(Estimator::check)?;
    if options.repeats < 2 {
        return Err(Error::Argument(
            "curves need at least 2 subsamples of each size, to have a spread".into(),
        ));
    }
    if let Some(size) = sizes.iter().find(|size| **size > n || **size == 0) {
        return Err(Error::Argument(format!("no subsample of {size} can be drawn from {n} samples")));
    }

    // All estimates on the whole set: each estimator as it is, and at each k.
    let mut of_all = Vec::new();
    let mut ranges = Vec::new();
    for estimator in estimators {
        let start = of_all.len();
        of_all.push(*estimator);
        let mut others: Vec<Estimator> = ks.iter().filter_map(|k| estimator.with_neighbours(*k)).collect();
        others.dedup();
        of_all.extend(others.into_iter().filter(|other| other.neighbours() < n));
        ranges.push(start..of_all.len());
    }
    let smaller: Vec<usize> = sizes.into_iter().filter(|size| *size < n).collect();
    // The work of a search grows with the square of the samples.
    let work = |size: usize| (size as f64 / n as f64).powi(2);
    let total = 1.0 + options.repeats as f64 * smaller.iter().map(|size| work(*size)).sum::<f64>();
    let reach = of_all.iter().map(|estimator| estimator.reach(n)).max().unwrap_or(1);
    let pairs = searched(device, points, reach, &of_all, &|part| progress(part / total))?;
    let whole = estimates_from(device, points, (&pairs.neighbours, &pairs.within), &of_all, Halving::Done)?;
    drop(pairs);

    let mut done = 1.0 / total;
    let mut subsamples: Vec<(usize, Vec<Vec<f64>>)> = Vec::new();
    for (size_at, &size) in smaller.iter().enumerate() {
        // Only those that have enough samples.
        let able: Vec<Estimator> = estimators.iter().copied().filter(|e| e.neighbours() < size).collect();
        let mut found = vec![Vec::new(); estimators.len()];
        for repeat in 0..options.repeats {
            let mut random = Random::stream(options.seed, (size_at * options.repeats + repeat) as u64);
            let rows = random.subset(n, size);
            let gathered = points.gather(&rows);
            let part = work(size) / total;
            if !able.is_empty() {
                let progress = |fraction: f64| progress(done + fraction * part);
                let mut some = values(device, &gathered.points()?, &able, &progress)?.into_iter();
                for (found, estimator) in found.iter_mut().zip(estimators) {
                    if estimator.neighbours() < size {
                        found.extend(some.next().flatten());
                    }
                }
            }
            done += part;
        }
        subsamples.push((size, found));
    }
    progress(1.0);

    let mut whole = whole.into_iter();
    let mut curves = Vec::new();
    for (which, (estimator, range)) in estimators.iter().zip(ranges).enumerate() {
        let own = whole.next().expect("one for each")?;
        let others: Vec<Estimate> =
            whole.by_ref().take(range.len() - 1).filter_map(|found| found.ok()).collect();
        if let Some(k) = estimator.k().filter(|_| range.len() > 1) {
            // GRIDE takes even numbers only: an odd one is rounded down.
            let at_k = |found: &Estimate| Some(point(found.estimator.k()?, found));
            let points: Vec<CurvePoint> = others.iter().filter_map(at_k).collect();
            let warning = neighbours_warning(k, &points);
            curves.push(Curve { estimator: *estimator, against: Against::Neighbours, points, warning });
        }
        let mut points = Vec::new();
        let mut spreads = Vec::new();
        for (size, found) in &subsamples {
            let found = &found[which];
            if found.len() >= 2 {
                let (mean, sd) = mean_and_sd(found);
                spreads.push(sd);
                points.push(CurvePoint {
                    at: *size,
                    value: mean,
                    low: mean - 1.96 * sd,
                    high: mean + 1.96 * sd,
                });
            }
        }
        let warning = points.last().zip(spreads.last()).and_then(|(before, sd)| {
            samples_warning(before, *sd / (options.repeats as f64).sqrt(), &point(n, &own))
        });
        points.push(point(n, &own));
        curves.push(Curve { estimator: *estimator, against: Against::Samples, points, warning });
    }
    Ok(curves)
}

fn ascending(numbers: &[usize]) -> Vec<usize> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn point(at: usize, found: &Estimate) -> CurvePoint {
    CurvePoint { at, value: found.value, low: found.low, high: found.high }
}

fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0)).sqrt())
}

/// A step that is smaller, in proportion, is no reason to worry.
const SETTLED: f64 = 0.02;

/// Whether the step from the largest subsamples, whose mean has the standard error `error`, to all samples says that
/// more would move the estimate on. Steps of other than a doubling are scaled to one, as bias falls with a power of
/// the number.
fn samples_warning(before: &CurvePoint, error: f64, all: &CurvePoint) -> Option<String> {
    let step = all.value - before.value;
    let error = error.hypot((all.high - all.low) / (2.0 * 1.96));
    let doublings = (all.at as f64 / before.at as f64).log2();
    let per_doubling = step / doublings;
    let unsettled =
        per_doubling.abs() > SETTLED * all.value && (step.abs() > 2.0 * error || !error.is_finite());
    unsettled.then(|| {
        let (verb, more) = if step > 0.0 { ("rises", "higher") } else { ("falls", "lower") };
        format!(
            "still {verb} by {:.2} per doubling of the sample ({:.2} at {}, {:.2} at {}): more samples would \
             give a {more} dimension",
            per_doubling.abs(),
            before.value,
            before.at,
            all.value,
            all.at
        )
    })
}

/// Whether the estimate depends on k around the one in use.
fn neighbours_warning(k: usize, points: &[CurvePoint]) -> Option<String> {
    let near = |point: &&CurvePoint| (k..=4 * k).contains(&(2 * point.at));
    let (first, last) = (points.iter().find(near)?, points.iter().rfind(near)?);
    let change = (last.value - first.value).abs() / first.value.min(last.value);
    let outside = |value: f64, point: &CurvePoint| value < point.low || value > point.high;
    let apart = outside(first.value, last) && outside(last.value, first);
    (first.at < last.at && change > 2.5 * SETTLED && apart).then(|| {
        format!(
            "depends on the number of neighbours ({:.2} at {}, {:.2} at {}): compare only at the same number, and \
             trust smaller ones more where there are enough samples",
            first.value, first.at, last.value, last.at
        )
    })
}
