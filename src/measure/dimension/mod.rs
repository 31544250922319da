//! Estimators of intrinsic dimension on one search for nearest neighbours, with the field's conventions as
//! types, 95 % intervals, and what was left out and why.

mod correlation;
mod local;
mod mle;
mod moments;
mod spread;
mod symmetric;
mod two_nn;

pub use correlation::Correlation;
pub use local::{Ess, LocalPca, PcaRule, Tle};
pub use mle::{GeoMle, Mle, MleNorm, MleRange, Pooling};
pub use moments::{MindMl, Moments};
pub use two_nn::{Gride, TwoNn};

use crate::ops::{AllPairs, Neighbours, Progress, Wanted, Within, all_pairs};
use crate::{Device, Error, Points, Result};
use spread::{Z95, mean};
use std::fmt;

/// What happens to samples that have an identical twin: their nearest distance is 0, and its
/// logarithm infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// Such a sample gives no value of its own, and is counted as excluded (the default). It stays a
    /// neighbour of others.
    #[default]
    Exclude,
    /// The first such sample is an error, which names it and its twin.
    Refuse,
}

/// An estimator with its convention.
///
/// ```
/// use sharpdim::measure::{Estimator, Mle, MleNorm};
/// let levina_bickel = Estimator::Mle(Mle { k: 10, norm: MleNorm::KMinus1, ..Mle::default() });
/// assert_eq!(levina_bickel.to_string(), "MLE, k = 10, k - 1 norm, harmonic mean");
/// assert_eq!(levina_bickel.neighbours(), 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Estimator {
    /// Maximum likelihood.
    Mle(Mle),
    /// Maximum likelihood, averaged over a range of k.
    MleRange(MleRange),
    /// Maximum likelihood, extrapolated to distance 0.
    GeoMle(GeoMle),
    /// Two nearest neighbours.
    TwoNn(TwoNn),
    /// Two neighbours at any scale.
    Gride(Gride),
    /// Method of moments.
    Moments(Moments),
    /// The nearest distance over the k+1-st.
    MindMl(MindMl),
    /// Correlation dimension.
    Correlation(Correlation),
    /// Tight local estimator.
    Tle(Tle),
    /// Expected simplex skewness.
    Ess(Ess),
    /// Local principal components.
    LocalPca(LocalPca),
}

impl Estimator {
    /// One of each kind, with its default settings, the two of the paper first.
    pub fn all() -> Vec<Estimator> {
        let duplicates = Duplicates::default();
        vec![
            Estimator::Mle(Mle::default()),
            Estimator::TwoNn(TwoNn::default()),
            Estimator::TwoNn(TwoNn::ClosedForm { duplicates }),
            Estimator::TwoNn(TwoNn::bayes()),
            Estimator::MleRange(MleRange::default()),
            Estimator::GeoMle(GeoMle::default()),
            Estimator::Gride(Gride::default()),
            Estimator::Moments(Moments::default()),
            Estimator::MindMl(MindMl::default()),
            Estimator::Correlation(Correlation::default()),
            Estimator::Tle(Tle::default()),
            Estimator::Ess(Ess::default()),
            Estimator::LocalPca(LocalPca::default()),
        ]
    }

    /// How many neighbours of each sample it reads.
    pub fn neighbours(&self) -> usize {
        match self {
            Estimator::Mle(mle) => mle.k,
            Estimator::MleRange(range) => range.to,
            Estimator::GeoMle(geo) => geo.neighbours(),
            Estimator::TwoNn(_) => 2,
            Estimator::Gride(gride) => 2 * gride.n,
            Estimator::Moments(moments) => moments.k,
            Estimator::MindMl(mind) => mind.k + 1,
            Estimator::Correlation(correlation) => correlation.k2,
            Estimator::Tle(tle) => tle.k,
            Estimator::Ess(ess) => ess.k,
            Estimator::LocalPca(pca) => pca.k,
        }
    }

    /// How many neighbours of each of `n` samples it and its interval read, at most all others. With lists
    /// that are shorter, and where there are too few samples, the interval is a cruder one: see
    /// [`Estimate::low`].
    pub fn reach(&self, n: usize) -> usize {
        let value = self.neighbours();
        let interval = match self {
            Estimator::GeoMle(geo) => spread::reach(geo.to, n),
            // Their intervals do not come from lists of neighbours.
            Estimator::Correlation(_) | Estimator::Tle(_) | Estimator::Ess(_) | Estimator::LocalPca(_) => 0,
            Estimator::Mle(_) | Estimator::MleRange(_) | Estimator::TwoNn(_) => spread::reach(value, n),
            Estimator::Gride(_) | Estimator::Moments(_) | Estimator::MindMl(_) => spread::reach(value, n),
        };
        value.max(interval)
    }

    /// The neighbours within whose median distances these estimators count pairs: what [`all_pairs`] is to be asked for,
    /// as [`Wanted::within`].
    ///
    /// ```
    /// use sharpdim::measure::{Correlation, Estimator, Mle};
    /// let both = [Estimator::Mle(Mle::default()), Estimator::Correlation(Correlation::default())];
    /// assert_eq!(Estimator::within(&both), [10, 20]);
    /// ```
    pub fn within(estimators: &[Estimator]) -> Vec<usize> {
        let each = estimators.iter().filter_map(|estimator| match estimator {
            Estimator::Correlation(Correlation { k1, k2 }) => Some([*k1, *k2]),
            _ => None,
        });
        let mut all: Vec<usize> = each.flatten().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Short name, as command lines and JSON have it.
    pub fn name(&self) -> &'static str {
        match self {
            Estimator::Mle(_) => "mle",
            Estimator::MleRange(_) => "mle_range",
            Estimator::GeoMle(_) => "geomle",
            Estimator::TwoNn(TwoNn::Fit { .. }) => "twonn",
            Estimator::TwoNn(TwoNn::ClosedForm { .. }) => "twonn_mle",
            Estimator::TwoNn(TwoNn::Bayes { .. }) => "twonn_bayes",
            Estimator::Gride(_) => "gride",
            Estimator::Moments(_) => "mom",
            Estimator::MindMl(_) => "mind_ml",
            Estimator::Correlation(_) => "corr",
            Estimator::Tle(_) => "tle",
            Estimator::Ess(_) => "ess",
            Estimator::LocalPca(_) => "lpca",
        }
    }

    /// Whether it needs the samples themselves, and not only their nearest distances.
    pub fn needs_samples(&self) -> bool {
        self.is_local() || matches!(self, Estimator::Correlation(_))
    }

    /// Whether it looks at neighbours among themselves.
    fn is_local(&self) -> bool {
        match self {
            Estimator::Tle(_) | Estimator::Ess(_) | Estimator::LocalPca(_) => true,
            Estimator::Mle(_) | Estimator::MleRange(_) | Estimator::GeoMle(_) | Estimator::TwoNn(_) => false,
            Estimator::Gride(_)
            | Estimator::Moments(_)
            | Estimator::MindMl(_)
            | Estimator::Correlation(_) => false,
        }
    }

    /// Whether its settings make sense.
    pub(crate) fn check(&self) -> Result<()> {
        let at_least = |name: &str, value: usize, least: usize| match value < least {
            true => Err(Error::Argument(format!("{self}: {name} must be at least {least}"))),
            false => Ok(()),
        };
        let inside = |name: &str, value: f64| match value > 0.0 && value < 1.0 {
            true => Ok(()),
            false => Err(Error::Argument(format!("{self}: {name} must be above 0 and below 1, not {value}"))),
        };
        match *self {
            Estimator::Mle(Mle { k, norm, .. }) => at_least("k", k, norm.least()),
            Estimator::MleRange(MleRange { from, to, norm, .. }) => {
                at_least("the smallest k", from, norm.least())?;
                at_least("the largest k", to, from)
            }
            Estimator::GeoMle(GeoMle { from, to, bootstraps, degree, .. }) => {
                at_least("the smallest k", from, 3)?;
                at_least("the number of bootstraps", bootstraps, 2)?;
                at_least("the degree", degree, 1)?;
                at_least("the largest k", to, from + degree + 1)?;
                match degree > 3 {
                    true => Err(Error::Argument(format!("{self}: the degree must be at most 3"))),
                    false => Ok(()),
                }
            }
            Estimator::TwoNn(TwoNn::Fit { discard, .. }) => match discard > 0.0 && discard < 1.0 {
                true => Ok(()),
                false => Err(Error::Argument(format!(
                    "TwoNN discards a fraction above 0 and below 1 of the largest ratios, not {discard}"
                ))),
            },
            Estimator::TwoNn(TwoNn::ClosedForm { .. }) => Ok(()),
            Estimator::TwoNn(TwoNn::Bayes { shape, rate, .. }) => {
                let sane = shape > 0.0 && shape.is_finite() && rate >= 0.0 && rate.is_finite();
                match sane {
                    true => Ok(()),
                    false => Err(Error::Argument(format!(
                        "{self}: the prior's shape must be above 0, and its rate not below"
                    ))),
                }
            }
            Estimator::Gride(Gride { n, .. }) => at_least("n", n, 1),
            Estimator::Moments(Moments { k, .. }) => at_least("k", k, 2),
            Estimator::MindMl(MindMl { k, .. }) => at_least("k", k, 1),
            Estimator::Correlation(Correlation { k1, k2 }) => {
                at_least("k1", k1, 1)?;
                at_least("k2", k2, k1 + 1)
            }
            Estimator::Tle(Tle { k, epsilon, .. }) => {
                at_least("k", k, 3)?;
                inside("epsilon", epsilon)
            }
            Estimator::Ess(Ess { k, .. }) => at_least("k", k, 3),
            Estimator::LocalPca(LocalPca { k, rule, .. }) => {
                at_least("k", k, 3)?;
                match rule {
                    PcaRule::Relative(fraction) | PcaRule::Explained(fraction) => {
                        inside("the fraction", fraction)
                    }
                    PcaRule::Participation => Ok(()),
                }
            }
        }
    }

    fn duplicates(&self) -> Duplicates {
        match self {
            Estimator::Mle(Mle { duplicates, .. })
            | Estimator::MleRange(MleRange { duplicates, .. })
            | Estimator::GeoMle(GeoMle { duplicates, .. })
            | Estimator::Gride(Gride { duplicates, .. })
            | Estimator::Moments(Moments { duplicates, .. })
            | Estimator::MindMl(MindMl { duplicates, .. })
            | Estimator::Tle(Tle { duplicates, .. })
            | Estimator::Ess(Ess { duplicates, .. })
            | Estimator::LocalPca(LocalPca { duplicates, .. }) => *duplicates,
            Estimator::TwoNn(two_nn) => two_nn.duplicates(),
            Estimator::Correlation(_) => Duplicates::Exclude,
        }
    }
}

impl fmt::Display for Estimator {
    /// The convention in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Estimator::Mle(Mle { k, norm, pooling, .. }) => {
                write!(f, "MLE, k = {k}, {} norm, {} mean", norm.words(), pooling.words())
            }
            Estimator::MleRange(MleRange { from, to, norm, pooling, .. }) => {
                let (norm, pooling) = (norm.words(), pooling.words());
                write!(f, "MLE, mean over k = {from}..{to}, {norm} norm, {pooling} mean")
            }
            Estimator::GeoMle(GeoMle { from, to, bootstraps, degree, pooling, .. }) => {
                write!(
                    f,
                    "GeoMLE, k = {from}..{to}, {bootstraps} bootstraps, degree {degree}, {} mean",
                    pooling.words()
                )
            }
            Estimator::TwoNn(TwoNn::Fit { discard, .. }) => {
                write!(f, "TwoNN, fit through the origin, top {} % discarded", discard * 100.0)
            }
            Estimator::TwoNn(TwoNn::ClosedForm { .. }) => write!(f, "TwoNN, closed-form maximum likelihood"),
            Estimator::TwoNn(TwoNn::Bayes { shape, rate, .. }) => {
                write!(f, "TwoNN, posterior mean, gamma prior of shape {shape} and rate {rate}")
            }
            Estimator::Gride(Gride { n, .. }) => write!(f, "GRIDE, neighbours {n} and {}", 2 * n),
            Estimator::Moments(Moments { k, .. }) => write!(f, "method of moments, k = {k}, plain mean"),
            Estimator::MindMl(MindMl { k, whole, .. }) => {
                write!(f, "MiND-ML, k = {k}{}", if *whole { ", whole dimensions" } else { "" })
            }
            Estimator::Correlation(Correlation { k1, k2 }) => {
                write!(f, "correlation dimension between median distances to neighbours {k1} and {k2}")
            }
            Estimator::Tle(Tle { k, .. }) => write!(f, "TLE, k = {k}, plain mean"),
            Estimator::Ess(Ess { k, .. }) => write!(f, "ESS, version a, k = {k}, plain mean"),
            Estimator::LocalPca(LocalPca { k, rule, .. }) => match rule {
                PcaRule::Relative(alpha) => {
                    write!(f, "local PCA, k = {k}, variances above {alpha} of the largest, plain mean")
                }
                PcaRule::Explained(share) => {
                    write!(f, "local PCA, k = {k}, {} % of the variance, plain mean", share * 100.0)
                }
                PcaRule::Participation => write!(f, "local PCA, k = {k}, participation ratio, plain mean"),
            },
        }
    }
}

/// Samples that gave no value, and why.
///
/// ```
/// use sharpdim::{Device, Points, measure::{Estimator, Mle, intrinsic_dim}};
/// // The first two samples are identical.
/// let points = Points::u8(&[7, 7, 10, 14, 19, 25, 32, 40], 1)?;
/// let found = intrinsic_dim(&Device::cpu(), &points, &Estimator::Mle(Mle { k: 3, ..Mle::default() }))?;
/// assert_eq!(found.excluded.to_string(), "2: an identical twin");
/// assert_eq!(found.excluded.reasons(), [(found.excluded.count(), "an identical twin")]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excluded {
    reasons: Vec<(usize, &'static str)>,
}

impl Excluded {
    /// Those with an identical twin.
    fn twins(neighbours: &Neighbours) -> Self {
        let mut excluded = Excluded::default();
        let twins = (0..neighbours.n()).filter(|&i| neighbours.squared_distances(i)[0] == 0.0).count();
        let of_two_sets = neighbours.reference().is_some();
        excluded
            .add(twins, if of_two_sets { "identical to a reference sample" } else { "an identical twin" });
        excluded
    }

    fn add(&mut self, count: usize, reason: &'static str) {
        if count > 0 {
            self.reasons.push((count, reason));
        }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.reasons.iter().map(|(count, _)| count).sum()
    }

    /// How many for each reason.
    pub fn reasons(&self) -> &[(usize, &'static str)] {
        &self.reasons
    }
}

impl fmt::Display for Excluded {
    /// `12: an identical twin; 3: ...`; nothing where there are none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (count, reason)) in self.reasons.iter().enumerate() {
            write!(f, "{}{count}: {reason}", if at > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

/// An estimated intrinsic dimension.
///
/// ```
/// use sharpdim::{Device, data::manifolds::{Manifold, Settings}};
/// use sharpdim::measure::{Estimator, Mle, intrinsic_dim};
/// let torus = Manifold::FlatTorus { dim: 2 }.sample(300, &Settings::default())?;
/// let found = intrinsic_dim(&Device::cpu(), &torus.points()?, &Estimator::Mle(Mle::default()))?;
/// assert!(found.low < found.value && found.value < found.high);
/// assert_eq!((found.local.len(), found.excluded.count()), (300, 0));
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The dimension.
    pub value: f64,
    /// Lower end of its 95 % interval: about chance alone, which samples happened to be drawn. It is for
    /// what this estimator says of such data on average, and not for its bias.
    ///
    /// Standard errors are found by halving the samples at random, 100 times: estimates within two halves
    /// differ by the variance of both. Where [lists of neighbours](Estimator::reach) or samples are too few
    /// for that, the standard error is that of independent samples times 1.4.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Samples that gave no value, for having an identical twin for example.
    pub excluded: Excluded,
    /// Which estimator, with which convention.
    pub estimator: Estimator,
    /// Each sample's local dimension; NaN where it was excluded, infinite where its neighbours are all
    /// at one distance. Empty where the estimator has none.
    pub local: Vec<f64>,
}

impl Estimate {
    fn new(estimator: Estimator, value: f64, (low, high): (f64, f64), excluded: Excluded) -> Self {
        Estimate { value, low, high, excluded, estimator, local: Vec::new() }
    }

    fn with_local(self, local: Vec<f64>) -> Self {
        Estimate { local, ..self }
    }
}

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
/// The search, counting pairs within a distance ([`Correlation`]) and the distances of neighbours among themselves
/// ([`Tle`], [`Ess`], [`LocalPca`]) run on `device`.
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

/// The `k` nearest neighbours, and what else one pass finds for these estimators.
pub(super) fn searched(
    device: &Device,
    points: &Points<'_>,
    k: usize,
    estimators: &[Estimator],
    progress: Progress<'_>,
) -> Result<AllPairs> {
    let within = &Estimator::within(estimators)[..];
    all_pairs(device, points, &Wanted { k, labels: None, top: 1, class_pairs: false, within }, progress)
}

/// Whether samples are halved for intervals, which costs more than the estimates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halving {
    Done,
    /// Intervals are cruder: for who wants the values.
    LeftOut,
}

/// The estimates of settings that were checked, from lists that reach far enough, and from counts where there are any.
pub(super) fn estimates_from(
    device: &Device,
    points: &Points<'_>,
    (neighbours, within): (&Neighbours, &[Within]),
    estimators: &[Estimator],
    halving: Halving,
) -> Result<Vec<Result<Estimate>>> {
    let local: Vec<Estimator> = estimators.iter().copied().filter(Estimator::is_local).collect();
    let mut found = local::estimates(device, points, neighbours, &local, halving)?.into_iter();
    let all = estimators.iter().map(|estimator| match estimator {
        Estimator::Correlation(correlation) => {
            correlation::correlation(device, points, neighbours, within, correlation, *estimator)
        }
        _ if estimator.is_local() => found.next().expect("one for each"),
        // Lists of no more than what the value reads have nothing to halve.
        _ if halving == Halving::LeftOut => estimate(&neighbours.first(estimator.neighbours()), estimator),
        _ => estimate(neighbours, estimator),
    });
    Ok(all.collect())
}

/// What each estimator says, of settings that were checked and with samples enough, without an interval; `None`
/// where it says nothing.
pub(super) fn values(
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

/// Estimates the intrinsic dimension from neighbours that were found before; one search for the
/// largest k serves every estimator that reads no more than distances.
///
/// # Errors
/// [`Error::Argument`] where the estimator's settings make no sense, it needs more neighbours than
/// there are, or [the samples themselves](Estimator::needs_samples), which [`intrinsic_dims`] has;
/// [`Error::Data`] where no sample gives a value, or, with [`Duplicates::Refuse`], where one has an identical twin.
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
    match estimator {
        Estimator::Mle(mle) => mle::mle(neighbours, mle, *estimator),
        Estimator::MleRange(range) => mle::range(neighbours, range, *estimator),
        Estimator::GeoMle(geo) => mle::geo(neighbours, geo, *estimator),
        Estimator::TwoNn(two_nn) => two_nn::two_nn(neighbours, two_nn, *estimator),
        Estimator::Gride(gride) => two_nn::gride(neighbours, gride, *estimator),
        Estimator::Moments(moments) => moments::moments(neighbours, moments, *estimator),
        Estimator::MindMl(mind) => moments::mind_ml(neighbours, mind, *estimator),
        Estimator::Correlation(_) | Estimator::Tle(_) | Estimator::Ess(_) | Estimator::LocalPca(_) => {
            Err(Error::Argument(format!(
                "{estimator} needs the samples themselves, not only their nearest distances: ask intrinsic_dims"
            )))
        }
    }
}

fn refuse_twins(neighbours: &Neighbours, estimator: &Estimator) -> Result<()> {
    if estimator.duplicates() == Duplicates::Refuse {
        let twin = (0..neighbours.n()).find(|&i| neighbours.squared_distances(i)[0] == 0.0);
        if let Some(i) = twin {
            let twin = neighbours.indices(i)[0];
            let both = match neighbours.reference() {
                Some(_) => format!("query {i} and reference sample {twin}"),
                None => format!("samples {i} and {twin}"),
            };
            return Err(Error::Data(format!(
                "{both} are identical: remove one, or let duplicates be excluded"
            )));
        }
    }
    Ok(())
}

/// Refuses what cannot be asked of one set's distances to another.
pub(super) fn check_between(estimator: &Estimator) -> Result<()> {
    estimator.check()?;
    // GeoMLE draws samples that are each other's neighbours.
    if estimator.needs_samples() || matches!(estimator, Estimator::GeoMle(_)) {
        return Err(Error::Argument(format!(
            "{estimator} compares samples with others of their own set: between two sets, ask for an estimator \
             that reads distances only, MLE or TwoNN for example"
        )));
    }
    Ok(())
}

fn nothing_left(excluded: &Excluded) -> Error {
    Error::Data(format!(
        "no sample gives a dimension: {} samples have an identical twin; are all images the same?",
        excluded.count()
    ))
}

fn infinite(whose: &str) -> Error {
    Error::Data(format!("{whose} are at one distance: the dimension is infinite"))
}

/// The plain mean of local dimensions (NaN where a sample has a twin or gives none), with its interval from
/// the standard error that `error` finds for those that are finite. `reason` says why one can be infinite or missing.
fn mean_of_local(
    neighbours: &Neighbours,
    local: Vec<f64>,
    reason: &'static str,
    error: impl FnOnce(&[f64]) -> f64,
    estimator: Estimator,
) -> Result<Estimate> {
    let mut excluded = Excluded::twins(neighbours);
    let finite: Vec<f64> = local.iter().map(|d| if d.is_finite() { *d } else { f64::NAN }).collect();
    let (value, kept) = mean(&finite);
    excluded.add((finite.len() - kept).saturating_sub(excluded.count()), reason);
    if kept == 0 {
        let flat = local.iter().any(|d| d.is_infinite());
        return Err(if flat { infinite("the neighbours of every sample") } else { nothing_left(&excluded) });
    }
    let margin = Z95 * error(&finite);
    Ok(Estimate::new(estimator, value, (value - margin, value + margin), excluded).with_local(local))
}

/// Estimates the intrinsic dimension of `points` by several estimators, from their neighbours that were found
/// before: an estimate or an error for each, in their order. As [`intrinsic_dims`] where there are as many
/// neighbours as each estimator's [`reach`](Estimator::reach).
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

/// As [`estimates`], from what one pass over all pairs found before: where it was asked to [count](Estimator::within), the
/// correlation dimension takes no other.
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

/// The estimates from lists and counts that others found.
fn given(
    device: &Device,
    points: &Points<'_>,
    (neighbours, within): (&Neighbours, &[Within]),
    estimators: &[Estimator],
) -> Result<Vec<Result<Estimate>>> {
    estimators.iter().try_for_each(Estimator::check)?;
    if neighbours.n() != points.n() || neighbours.reference().is_some() {
        return Err(Error::Argument(format!(
            "neighbours of {} samples for {} samples: they must be of the same, among themselves",
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
