//! Two more readings of k neighbours' distances: the method of moments (Amsaleg et al. 2015) and MiND-ML,
//! the likelihood of the nearest distance over the k+1-st (Rozza et al. 2012).

use super::spread::{Z95, falling_root, standard_error};
use super::{Duplicates, Estimate, Estimator, Excluded, infinite, mean_of_local, nothing_left};
use crate::Result;
use crate::ops::Neighbours;

/// The method of moments: the local dimension is m / (T_k - m), m being the mean of T_1 .. T_k; the
/// dimension is the mean over samples.
///
/// ```
/// use sharpdim::measure::{Estimator, Moments};
/// let moments = Estimator::Moments(Moments { k: 30, ..Moments::default() });
/// assert_eq!((moments.name(), moments.neighbours()), ("mom", 30));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
    /// Neighbours of each sample: at least 2.
    pub k: usize,
    /// What happens to duplicates.
    pub duplicates: Duplicates,
}

impl Default for Moments {
    fn default() -> Self {
        Moments { k: 20, duplicates: Duplicates::default() }
    }
}

/// MiND-ML: the maximum of the likelihood of rho_i = T_1 / T_{k+1}, k + 1 neighbours being read.
///
/// ```
/// use sharpdim::measure::{Estimator, MindMl};
/// let whole = Estimator::MindMl(MindMl { k: 10, whole: true, ..MindMl::default() });
/// assert_eq!(whole.to_string(), "MiND-ML, k = 10, whole dimensions");
/// assert_eq!(whole.neighbours(), 11);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MindMl {
    /// Neighbours nearer than the last: at least 1.
    pub k: usize,
    /// Only whole dimensions (MiND-MLi), the interval's ends rounded outwards; else any (MiND-MLk).
    pub whole: bool,
    /// What happens to duplicates.
    pub duplicates: Duplicates,
}

impl Default for MindMl {
    fn default() -> Self {
        MindMl { k: 20, whole: false, duplicates: Duplicates::default() }
    }
}

pub(super) fn moments(neighbours: &Neighbours, moments: &Moments, estimator: Estimator) -> Result<Estimate> {
    let local_of = |squared: &[f64]| {
        let distances = squared[..moments.k].iter().map(|s| s.sqrt());
        let mean = distances.sum::<f64>() / moments.k as f64;
        let last = squared[moments.k - 1].sqrt();
        // Rounding may put the mean of equal distances above them.
        if mean < last && squared[0] < squared[moments.k - 1] { mean / (last - mean) } else { f64::INFINITY }
    };
    let local = (0..neighbours.n())
        .map(|i| neighbours.squared_distances(i))
        .map(|squared| if squared[0] > 0.0 { local_of(squared) } else { f64::NAN })
        .collect();
    let error = |finite: &[f64]| standard_error(neighbours, moments.k, finite, local_of);
    mean_of_local(neighbours, local, "all k neighbours at one distance", error, estimator)
}

pub(super) fn mind_ml(neighbours: &Neighbours, mind: &MindMl, estimator: Estimator) -> Result<Estimate> {
    let log_of = |squared: &[f64]| {
        if squared[0] > 0.0 { 0.5 * (squared[0] / squared[mind.k]).ln() } else { f64::NAN }
    };
    let mut logs: Vec<f64> = (0..neighbours.n()).map(|i| log_of(neighbours.squared_distances(i))).collect();
    let mut excluded = Excluded::twins(neighbours);
    let flat = logs.iter().filter(|log| **log == 0.0).count();
    if mind.k > 1 {
        // A ratio of 1 has likelihood 0 at every dimension.
        excluded.add(flat, "all k + 1 neighbours at one distance");
        logs.iter_mut().filter(|log| **log == 0.0).for_each(|log| *log = f64::NAN);
    }
    let kept: Vec<f64> = logs.iter().copied().filter(|log| !log.is_nan()).collect();
    if kept.iter().all(|log| *log == 0.0) {
        return Err(if flat > 0 {
            infinite("the neighbours of every sample")
        } else {
            nothing_left(&excluded)
        });
    }
    // The density of rho is k d rho^(d - 1) (1 - rho^d)^(k - 1); l is ln(rho).
    let others = mind.k as f64 - 1.0;
    let score = |d: f64, l: f64| {
        let inner = if mind.k == 1 { 0.0 } else { others * l / (-d * l).exp_m1() };
        1.0 / d + l - inner
    };
    let curvature = |d: f64, l: f64| {
        let inner = if mind.k == 1 { 0.0 } else { others * l * l / (2.0 * (0.5 * d * l).sinh()).powi(2) };
        1.0 / (d * d) + inner
    };
    let best = falling_root(|d| kept.iter().map(|l| score(d, *l)).sum());
    let likelihood = |d: f64| {
        let last = |l: f64| if mind.k == 1 { 0.0 } else { others * (-(d * l).exp_m1()).ln() };
        let one = |l: &f64| d.ln() + (d - 1.0) * l + last(*l);
        kept.iter().map(one).sum::<f64>()
    };
    let value = match mind.whole {
        false => best,
        // The likelihood has one top: a whole number beside it is the best one.
        true => {
            let (below, above) = (best.floor().max(1.0), best.floor().max(1.0) + 1.0);
            if likelihood(above) > likelihood(below) { above } else { below }
        }
    };
    let information = kept.iter().map(|l| curvature(best, *l)).sum::<f64>() / kept.len() as f64;
    let influence = |l: f64| score(best, l) / information;
    let influences: Vec<f64> = logs.iter().map(|l| influence(*l)).collect();
    let error = standard_error(neighbours, mind.k + 1, &influences, |squared| influence(log_of(squared)));
    let margin = Z95 * error / best;
    let (low, high) = (best * (-margin).exp(), best * margin.exp());
    // Of whole dimensions, those around the interval.
    let interval = if mind.whole { (low.floor().max(1.0), high.ceil()) } else { (low, high) };
    Ok(Estimate::new(estimator, value, interval, excluded))
}
