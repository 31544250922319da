//! Two more readings of k neighbours' distances: the method of moments (Amsaleg et al. 2015) and MiND-ML,
//! the likelihood of the nearest distance over the k+1-st (Rozza et al. 2012).

use super::spread::{Z95, falling_root, standard_error};
use super::{Duplicates, Estimate, Estimator, Excluded, infinite, mean_of_local, nothing_left};
use crate::Result;
use crate::ops::Neighbours;

/// The method of moments: the local dimension is m / (T_k - m), m being the mean of T_1 .. T_k; the
/// dimension is the mean over samples.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MindMl {
    /// Neighbours nearer than the last: at least 1.
    pub k: usize,
    /// Only whole dimensions (MiND-MLi); else any (MiND-MLk). The interval is the same.
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
    let k = moments.k;
    let local = (0..neighbours.n()).map(|i| {
        if neighbours.squared_distances(i)[0] == 0.0 {
            return f64::NAN;
        }
        let (mut sum, mut last) = (0.0, 0.0);
        for distance in neighbours.distances(i).take(k) {
            sum += distance;
            last = distance;
        }
        let mean = sum / k as f64;
        // Rounding may put the mean of equal distances above them.
        if mean < last { mean / (last - mean) } else { f64::INFINITY }
    });
    mean_of_local(neighbours, k, local.collect(), "all k neighbours at one distance", estimator)
}

pub(super) fn mind_ml(neighbours: &Neighbours, mind: &MindMl, estimator: Estimator) -> Result<Estimate> {
    let log = |i: usize| {
        let squared = neighbours.squared_distances(i);
        if squared[0] > 0.0 { 0.5 * (squared[0] / squared[mind.k]).ln() } else { f64::NAN }
    };
    let mut logs: Vec<f64> = (0..neighbours.n()).map(log).collect();
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
        let one = |l: &f64| d.ln() + (d - 1.0) * l + others * (-(d * l).exp_m1()).ln();
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
    let influence: Vec<f64> = logs.iter().map(|l| score(best, *l) / information).collect();
    let margin = Z95 * standard_error(neighbours, mind.k + 1, &influence) / best;
    Ok(Estimate::new(estimator, value, (best * (-margin).exp(), best * margin.exp()), excluded))
}
