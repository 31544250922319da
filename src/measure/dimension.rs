//! Estimators of intrinsic dimension from nearest-neighbour distances: the maximum-likelihood
//! estimator (Levina & Bickel 2004, averaged as MacKay & Ghahramani 2005) and TwoNN (Facco et al. 2017).

use crate::ops::{Neighbours, neighbours};
use crate::{Device, Error, Points, Result};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt;

/// Two-sided 95 % of the normal distribution.
const Z95: f64 = 1.959_963_984_540_054;

/// What the sum of log ratios of the MLE is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MleNorm {
    /// k - 2: the local dimension 1/m_i is unbiased (the paper's choice).
    #[default]
    KMinus2,
    /// k - 1: Levina and Bickel's original, the maximum of the likelihood.
    KMinus1,
}

/// How per-point values become one estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooling {
    /// The inverse of the mean of inverse dimensions m_i (MacKay and Ghahramani; the paper's choice).
    #[default]
    Harmonic,
    /// The plain mean of local dimensions 1/m_i (Levina and Bickel).
    Mean,
}

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

/// The maximum-likelihood estimator. With T_j the distance to the j-th nearest other sample,
/// m_i = (1 / (k - 2)) sum_{j<k} ln(T_k / T_j), and the dimension is 1 / mean(m_i).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mle {
    /// Neighbours of each sample: at least 3 (2 with [`MleNorm::KMinus1`]).
    pub k: usize,
    /// What the sum is divided by.
    pub norm: MleNorm,
    /// How points are pooled.
    pub pooling: Pooling,
    /// What happens to duplicates.
    pub duplicates: Duplicates,
}

impl Default for Mle {
    fn default() -> Self {
        Mle {
            k: 20,
            norm: MleNorm::default(),
            pooling: Pooling::default(),
            duplicates: Duplicates::default(),
        }
    }
}

/// TwoNN: from the ratio mu_i = T_2 / T_1 of each sample's two nearest distances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TwoNn {
    /// The slope through the origin of -ln(1 - F(mu)) against ln(mu), F the empirical distribution i/N,
    /// without the `discard` fraction of the largest mu (Facco et al.; 0.1 by default).
    Fit {
        /// Fraction of the largest ratios that the fit leaves out, above 0 and below 1.
        discard: f64,
        /// Seed of the interval's bootstrap.
        seed: u64,
        /// What happens to duplicates.
        duplicates: Duplicates,
    },
    /// The maximum of the likelihood, N / sum ln(mu_i).
    ClosedForm {
        /// What happens to duplicates.
        duplicates: Duplicates,
    },
}

impl Default for TwoNn {
    fn default() -> Self {
        TwoNn::Fit { discard: 0.1, seed: 0, duplicates: Duplicates::default() }
    }
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
    /// Two nearest neighbours.
    TwoNn(TwoNn),
}

impl Estimator {
    /// How many neighbours of each sample it reads.
    pub fn neighbours(&self) -> usize {
        match self {
            Estimator::Mle(mle) => mle.k,
            Estimator::TwoNn(_) => 2,
        }
    }

    /// Short name, as command lines and JSON have it.
    pub fn name(&self) -> &'static str {
        match self {
            Estimator::Mle(_) => "mle",
            Estimator::TwoNn(TwoNn::Fit { .. }) => "twonn",
            Estimator::TwoNn(TwoNn::ClosedForm { .. }) => "twonn_mle",
        }
    }

    fn duplicates(&self) -> Duplicates {
        match self {
            Estimator::Mle(Mle { duplicates, .. })
            | Estimator::TwoNn(TwoNn::Fit { duplicates, .. } | TwoNn::ClosedForm { duplicates }) => {
                *duplicates
            }
        }
    }
}

impl fmt::Display for Estimator {
    /// The convention in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Estimator::Mle(Mle { k, norm, pooling, .. }) => {
                let norm = match norm {
                    MleNorm::KMinus2 => "k - 2",
                    MleNorm::KMinus1 => "k - 1",
                };
                let pooling = match pooling {
                    Pooling::Harmonic => "harmonic",
                    Pooling::Mean => "plain",
                };
                write!(f, "MLE, k = {k}, {norm} norm, {pooling} mean")
            }
            Estimator::TwoNn(TwoNn::Fit { discard, .. }) => {
                write!(f, "TwoNN, fit through the origin, top {} % discarded", discard * 100.0)
            }
            Estimator::TwoNn(TwoNn::ClosedForm { .. }) => write!(f, "TwoNN, closed-form maximum likelihood"),
        }
    }
}

/// An estimated intrinsic dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The dimension.
    pub value: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Samples that gave no value, for having an identical twin (or, in the plain mean of local
    /// dimensions, k neighbours at one distance).
    pub excluded: usize,
    /// Which estimator, with which convention.
    pub estimator: Estimator,
    /// Each sample's local dimension; NaN where it was excluded, infinite where its neighbours are all
    /// at one distance. Empty for TwoNN, which has none.
    pub local: Vec<f64>,
}

/// Finds neighbours on `device` and estimates the intrinsic dimension of `points`.
///
/// # Errors
/// As [`neighbours`] and [`estimate`].
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
    check(estimator)?;
    estimate(&neighbours(device, points, estimator.neighbours())?, estimator)
}

/// Estimates the intrinsic dimension from neighbours that were found before; one search for the
/// largest k serves every estimator.
///
/// # Errors
/// [`Error::Argument`] where the estimator's settings make no sense or it needs more neighbours than
/// there are; [`Error::Data`] where no sample gives a value, or, with [`Duplicates::Refuse`], where one
/// has an identical twin.
pub fn estimate(neighbours: &Neighbours, estimator: &Estimator) -> Result<Estimate> {
    check(estimator)?;
    if neighbours.k() < estimator.neighbours() {
        return Err(Error::Argument(format!(
            "{estimator} reads {} neighbours of each sample: only {} were found",
            estimator.neighbours(),
            neighbours.k()
        )));
    }
    if estimator.duplicates() == Duplicates::Refuse {
        let twin = (0..neighbours.n()).find(|&i| neighbours.squared_distances(i)[0] == 0.0);
        if let Some(i) = twin {
            return Err(Error::Data(format!(
                "samples {i} and {} are identical: remove one, or let duplicates be excluded",
                neighbours.indices(i)[0]
            )));
        }
    }
    match estimator {
        Estimator::Mle(mle) => mle_estimate(neighbours, mle, *estimator),
        Estimator::TwoNn(two_nn) => two_nn_estimate(neighbours, two_nn, *estimator),
    }
}

fn check(estimator: &Estimator) -> Result<()> {
    match *estimator {
        Estimator::Mle(Mle { k, norm, .. }) => {
            let least = match norm {
                MleNorm::KMinus2 => 3,
                MleNorm::KMinus1 => 2,
            };
            if k < least {
                return Err(Error::Argument(format!("{estimator}: k must be at least {least}")));
            }
        }
        Estimator::TwoNn(TwoNn::Fit { discard, .. }) => {
            if !(discard > 0.0 && discard < 1.0) {
                return Err(Error::Argument(format!(
                    "TwoNN discards a fraction above 0 and below 1 of the largest ratios, not {discard}"
                )));
            }
        }
        Estimator::TwoNn(TwoNn::ClosedForm { .. }) => {}
    }
    Ok(())
}

fn no_sample_left(excluded: usize) -> Error {
    Error::Data(format!(
        "no sample gives a dimension: {excluded} samples have an identical twin; are all images the same?"
    ))
}

fn mle_estimate(neighbours: &Neighbours, mle: &Mle, estimator: Estimator) -> Result<Estimate> {
    let norm = match mle.norm {
        MleNorm::KMinus2 => mle.k - 2,
        MleNorm::KMinus1 => mle.k - 1,
    } as f64;
    // Inverse local dimensions. Half the log ratio of squared distances is the log ratio of distances.
    let inverse: Vec<f64> = (0..neighbours.n())
        .map(|i| {
            let squared = &neighbours.squared_distances(i)[..mle.k];
            if squared[0] == 0.0 {
                return f64::NAN;
            }
            let last = squared[mle.k - 1];
            squared[..mle.k - 1].iter().map(|s| 0.5 * (last / s).ln()).sum::<f64>() / norm
        })
        .collect();
    let local: Vec<f64> = inverse.iter().map(|m| 1.0 / m).collect();
    // The plain mean cannot take a local dimension that is infinite.
    let pooled: Vec<f64> = match mle.pooling {
        Pooling::Harmonic => inverse,
        Pooling::Mean => local.iter().map(|d| if d.is_finite() { *d } else { f64::NAN }).collect(),
    };
    let kept = pooled.iter().filter(|v| !v.is_nan()).count();
    let excluded = pooled.len() - kept;
    if kept == 0 {
        return Err(no_sample_left(excluded));
    }
    let mean = pooled.iter().filter(|v| !v.is_nan()).sum::<f64>() / kept as f64;
    if mean == 0.0 {
        return Err(Error::Data(format!(
            "every sample's {} nearest neighbours are at one distance: the dimension is infinite",
            mle.k
        )));
    }
    let margin = Z95 * standard_error(neighbours, mle.k, &pooled, mean, kept);
    let (value, low, high) = match mle.pooling {
        Pooling::Harmonic => {
            let high = if mean > margin { 1.0 / (mean - margin) } else { f64::INFINITY };
            (1.0 / mean, 1.0 / (mean + margin), high)
        }
        Pooling::Mean => (mean, mean - margin, mean + margin),
    };
    Ok(Estimate { value, low, high, excluded, estimator, local })
}

/// The standard error of the mean of per-sample values. Samples that are neighbours share distances,
/// so their values are correlated: products of deviations are summed over neighbouring pairs too, as
/// for any sum over a dependency graph.
fn standard_error(neighbours: &Neighbours, k: usize, values: &[f64], mean: f64, kept: usize) -> f64 {
    let deviation = |i: usize| if values[i].is_nan() { 0.0 } else { values[i] - mean };
    let mut variance = 0.0;
    let mut shared = 0.0;
    for i in 0..values.len() {
        variance += deviation(i).powi(2);
        for &j in &neighbours.indices(i)[..k] {
            let mutual = neighbours.indices(j as usize)[..k].contains(&(i as u32));
            // A mutual pair is met from both sides, a one-sided pair once: each counts twice in all.
            let weight = if mutual { 1.0 } else { 2.0 };
            shared += weight * deviation(i) * deviation(j as usize);
        }
    }
    (variance + shared).max(variance).sqrt() / kept as f64
}

fn two_nn_estimate(neighbours: &Neighbours, two_nn: &TwoNn, estimator: Estimator) -> Result<Estimate> {
    let n = neighbours.n();
    let mut logs: Vec<f64> = (0..n)
        .map(|i| neighbours.squared_distances(i))
        .filter(|squared| squared[0] > 0.0)
        .map(|squared| 0.5 * (squared[1] / squared[0]).ln())
        .collect();
    let excluded = n - logs.len();
    if logs.is_empty() {
        return Err(no_sample_left(excluded));
    }
    logs.sort_unstable_by(f64::total_cmp);
    let infinite = || {
        Error::Data(
            "the two nearest neighbours of (nearly) every sample are at one distance: the TwoNN dimension is infinite"
                .into(),
        )
    };
    let (value, low, high) = match *two_nn {
        TwoNn::ClosedForm { .. } => {
            let sum: f64 = logs.iter().sum();
            if sum == 0.0 {
                return Err(infinite());
            }
            // d times the sum is half a chi-squared of 2 N degrees; Wilson and Hilferty's cube.
            let degrees = 2.0 * logs.len() as f64;
            let spread = (2.0 / (9.0 * degrees)).sqrt();
            let quantile = |z: f64| degrees * (1.0 - 2.0 / (9.0 * degrees) + z * spread).powi(3);
            (logs.len() as f64 / sum, quantile(-Z95) / (2.0 * sum), quantile(Z95) / (2.0 * sum))
        }
        TwoNn::Fit { discard, seed, .. } => {
            let once = vec![1u32; logs.len()];
            let value = slope(&logs, &once, discard).ok_or_else(infinite)?;
            let (low, high) = bootstrap(&logs, discard, seed);
            (value, low.min(value), high.max(value))
        }
    };
    let wider = dependence(neighbours);
    let (low, high) = (value * (low / value).powf(wider), value * (high / value).powf(wider));
    Ok(Estimate { value, low, high, excluded, estimator, local: Vec::new() })
}

/// How much wider than for independent ratios an interval must be: mutual neighbours share a distance,
/// so their ratios go together.
fn dependence(neighbours: &Neighbours) -> f64 {
    let log = |i: usize| {
        let squared = neighbours.squared_distances(i);
        if squared[0] > 0.0 { 0.5 * (squared[1] / squared[0]).ln() } else { f64::NAN }
    };
    let logs: Vec<f64> = (0..neighbours.n()).map(log).collect();
    let kept = logs.iter().filter(|log| !log.is_nan()).count();
    let mean = logs.iter().filter(|log| !log.is_nan()).sum::<f64>() / kept as f64;
    let squares: f64 = logs.iter().filter(|log| !log.is_nan()).map(|log| (log - mean).powi(2)).sum();
    let alone = squares.sqrt() / kept as f64;
    if alone > 0.0 { standard_error(neighbours, 2, &logs, mean, kept) / alone } else { 1.0 }
}

/// Slope through the origin of -ln(1 - i/N) against the i-th smallest log ratio, each taken as often
/// as `times` says, up to the fraction that is discarded.
fn slope(sorted: &[f64], times: &[u32], discard: f64) -> Option<f64> {
    let n: u32 = times.iter().sum();
    // The largest ratio has F = 1 and never counts.
    let kept = ((f64::from(n) * (1.0 - discard)) as u32).clamp(1, (n - 1).max(1));
    let (mut xy, mut xx) = (0.0, 0.0);
    let mut rank = 0;
    'all: for (log, times) in sorted.iter().zip(times) {
        for _ in 0..*times {
            if rank == kept {
                break 'all;
            }
            rank += 1;
            let y = -(-f64::from(rank) / f64::from(n)).ln_1p();
            xy += log * y;
            xx += log * log;
        }
    }
    (xx > 0.0 && xy.is_finite()).then(|| xy / xx)
}

/// 95 % percentile interval of the slope over 400 seeded resamples of the ratios.
fn bootstrap(sorted: &[f64], discard: f64, seed: u64) -> (f64, f64) {
    const RESAMPLES: u64 = 400;
    let resample = |r: u64| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(r);
        let mut times = vec![0u32; sorted.len()];
        for _ in 0..sorted.len() {
            // The upper half of a 64-bit product is uniform to within N / 2^32.
            let at = (u64::from(rng.next_u32()) * sorted.len() as u64) >> 32;
            times[at as usize] += 1;
        }
        slope(sorted, &times, discard).unwrap_or(f64::INFINITY)
    };
    let mut slopes: Vec<f64> = (0..RESAMPLES).map(resample).collect();
    slopes.sort_unstable_by(f64::total_cmp);
    let at = |q: f64| slopes[((RESAMPLES - 1) as f64 * q).round() as usize];
    (at(0.025), at(0.975))
}
