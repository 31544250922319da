//! Ratios of two neighbours' distances: TwoNN (Facco et al. 2017), by fit, by maximum likelihood and with a
//! prior, and its generalisation to any scale, GRIDE (Denti et al. 2022).

use super::spread::{Z95, dependence, falling_root, gamma_quantile, standard_error};
use super::{Duplicates, Estimate, Estimator, Excluded, infinite, nothing_left};
use crate::Result;
use crate::ops::Neighbours;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

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
    /// The mean of the posterior under a gamma prior, (shape + N) / (rate + sum ln(mu_i)), with the
    /// posterior's own 95 % interval, widened as samples share distances.
    Bayes {
        /// Shape of the prior, above 0: 1 makes it an exponential distribution.
        shape: f64,
        /// Rate of the prior, not below 0: 0 is the improper flat one where the shape is 1.
        rate: f64,
        /// What happens to duplicates.
        duplicates: Duplicates,
    },
}

impl Default for TwoNn {
    fn default() -> Self {
        TwoNn::Fit { discard: 0.1, seed: 0, duplicates: Duplicates::default() }
    }
}

impl TwoNn {
    /// With a flat prior.
    pub fn bayes() -> Self {
        TwoNn::Bayes { shape: 1.0, rate: 0.0, duplicates: Duplicates::default() }
    }

    pub(super) fn duplicates(&self) -> Duplicates {
        match *self {
            TwoNn::Fit { duplicates, .. }
            | TwoNn::ClosedForm { duplicates }
            | TwoNn::Bayes { duplicates, .. } => duplicates,
        }
    }
}

/// GRIDE: the maximum of the likelihood of mu_i = T_{2n} / T_n, which sees the data at the scale of T_n.
/// At n = 1 it is TwoNN's closed form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gride {
    /// The nearer neighbour, n; 2 n neighbours are read.
    pub n: usize,
    /// What happens to duplicates.
    pub duplicates: Duplicates,
}

impl Default for Gride {
    fn default() -> Self {
        Gride { n: 2, duplicates: Duplicates::default() }
    }
}

impl Gride {
    /// The estimators of the scale curve: n = 1, 2, 4, ... as far as `neighbours` reach.
    pub fn scales(neighbours: usize) -> Vec<Gride> {
        let scales = std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|n| 2 * n <= neighbours);
        scales.map(|n| Gride { n, ..Gride::default() }).collect()
    }
}

/// ln(T_b / T_a) of each sample, NaN where T_a is 0.
fn log_ratios(neighbours: &Neighbours, a: usize, b: usize) -> Vec<f64> {
    let log = |i: usize| {
        let squared = neighbours.squared_distances(i);
        if squared[a - 1] > 0.0 { 0.5 * (squared[b - 1] / squared[a - 1]).ln() } else { f64::NAN }
    };
    (0..neighbours.n()).map(log).collect()
}

pub(super) fn two_nn(neighbours: &Neighbours, two_nn: &TwoNn, estimator: Estimator) -> Result<Estimate> {
    let all = log_ratios(neighbours, 1, 2);
    let mut logs: Vec<f64> = all.iter().copied().filter(|log| !log.is_nan()).collect();
    let excluded = Excluded::twins(neighbours);
    if logs.is_empty() {
        return Err(nothing_left(&excluded));
    }
    logs.sort_unstable_by(f64::total_cmp);
    let flat = || infinite("the two nearest neighbours of (nearly) every sample");
    let sum: f64 = logs.iter().sum();
    if sum == 0.0 {
        return Err(flat());
    }
    // The dimension times the sum follows a gamma distribution.
    let gamma = |shape: f64, rate: f64| {
        let end = |z: f64| gamma_quantile(shape, z) / rate;
        (shape / rate, end(-Z95), end(Z95))
    };
    let (value, low, high) = match *two_nn {
        TwoNn::ClosedForm { .. } => gamma(logs.len() as f64, sum),
        TwoNn::Bayes { shape, rate, .. } => gamma(shape + logs.len() as f64, rate + sum),
        TwoNn::Fit { discard, seed, .. } => {
            let once = vec![1u32; logs.len()];
            let value = slope(&logs, &once, discard).ok_or_else(flat)?;
            let (low, high) = bootstrap(&logs, discard, seed);
            (value, low.min(value), high.max(value))
        }
    };
    let wider = dependence(neighbours, 2, &all);
    let interval = (value * (low / value).powf(wider), value * (high / value).powf(wider));
    Ok(Estimate::new(estimator, value, interval, excluded))
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

pub(super) fn gride(neighbours: &Neighbours, gride: &Gride, estimator: Estimator) -> Result<Estimate> {
    let n = gride.n as f64;
    let logs = log_ratios(neighbours, gride.n, 2 * gride.n);
    let mut excluded = Excluded::default();
    excluded.add(logs.iter().filter(|log| log.is_nan()).count(), "the n-th neighbour is identical");
    // A ratio of 1 has likelihood 0 at every dimension, but at n = 1.
    let usable = |log: f64| log > 0.0 || (gride.n == 1 && log == 0.0);
    let equal = logs.iter().filter(|log| !log.is_nan() && !usable(**log)).count();
    excluded.add(equal, "the n-th and the 2n-th neighbour at one distance");
    let logs: Vec<f64> = logs.into_iter().map(|log| if usable(log) { log } else { f64::NAN }).collect();
    let kept: Vec<f64> = logs.iter().copied().filter(|log| !log.is_nan()).collect();
    if kept.is_empty() {
        return Err(if equal > 0 {
            infinite("the neighbours of every sample")
        } else {
            nothing_left(&excluded)
        });
    }
    if kept.iter().all(|log| *log == 0.0) {
        return Err(infinite("the two nearest neighbours of (nearly) every sample"));
    }
    // The density of mu is d (mu^d - 1)^(n-1) / (B(n, n) mu^(d (2n - 1) + 1)); this is the derivative of its
    // logarithm in d, and that of the derivative.
    let score = |d: f64, log: f64| {
        let inner = if gride.n == 1 { 0.0 } else { (n - 1.0) * log / -(-d * log).exp_m1() };
        1.0 / d + inner - (2.0 * n - 1.0) * log
    };
    let curvature = |d: f64, log: f64| {
        let inner =
            if gride.n == 1 { 0.0 } else { (n - 1.0) * log * log / (2.0 * (0.5 * d * log).sinh()).powi(2) };
        1.0 / (d * d) + inner
    };
    let value = falling_root(|d| kept.iter().map(|log| score(d, *log)).sum());
    let information = kept.iter().map(|log| curvature(value, *log)).sum::<f64>() / kept.len() as f64;
    let influence: Vec<f64> = logs.iter().map(|log| score(value, *log) / information).collect();
    // The logarithm of the dimension is nearer to normal than the dimension.
    let margin = Z95 * standard_error(neighbours, 2 * gride.n, &influence) / value;
    let interval = (value * (-margin).exp(), value * margin.exp());
    Ok(Estimate::new(estimator, value, interval, excluded))
}
