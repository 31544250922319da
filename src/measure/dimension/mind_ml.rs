//! MiND-ML (Rozza et al. 2012): the likelihood of the nearest distance over the k+1-st.

use super::intervals::{Z95, falling_root, standard_error};
use super::method::{Formula, FromDistances, Method, at_least};
use super::{Duplicates, Estimate, Estimator, Excluded, infinite, nothing_left};
use crate::Result;
use crate::ops::Neighbours;
use std::fmt;

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

impl fmt::Display for MindMl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MiND-ML, k = {}{}", self.k, if self.whole { ", whole dimensions" } else { "" })
    }
}

impl Method for MindMl {
    fn name(&self) -> &'static str {
        "mind_ml"
    }

    fn about(&self) -> &'static str {
        "The nearest distance over the k+1-st (Rozza et al.)"
    }

    fn key(&self) -> String {
        let MindMl { k, whole, duplicates } = *self;
        format!("k={k} whole={whole} duplicates={}", duplicates.key())
    }

    fn check(&self) -> Result<()> {
        at_least(self, "k", self.k, 1)
    }

    fn formula(&self) -> Formula<'_> {
        Formula::Distances(self)
    }

    fn neighbours(&self) -> usize {
        self.k + 1
    }

    fn k(&self) -> Option<usize> {
        Some(self.k)
    }

    fn with_k(&self, k: usize) -> Option<Estimator> {
        Some(MindMl { k, ..*self }.into())
    }

    fn duplicates(&self) -> Duplicates {
        self.duplicates
    }
}

impl FromDistances for MindMl {
    fn estimate(&self, neighbours: &Neighbours) -> Result<Estimate> {
        let log_of = |squared: &[f64]| {
            if squared[0] > 0.0 { 0.5 * (squared[0] / squared[self.k]).ln() } else { f64::NAN }
        };
        let mut logs: Vec<f64> =
            (0..neighbours.n()).map(|i| log_of(neighbours.squared_distances(i))).collect();
        let mut excluded = Excluded::twins(neighbours);
        let flat = logs.iter().filter(|log| **log == 0.0).count();
        if self.k > 1 {
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
        let others = self.k as f64 - 1.0;
        let score = |d: f64, l: f64| {
            let inner = if self.k == 1 { 0.0 } else { others * l / (-d * l).exp_m1() };
            1.0 / d + l - inner
        };
        let curvature = |d: f64, l: f64| {
            let inner = if self.k == 1 { 0.0 } else { others * l * l / (2.0 * (0.5 * d * l).sinh()).powi(2) };
            1.0 / (d * d) + inner
        };
        let best = falling_root(|d| kept.iter().map(|l| score(d, *l)).sum());
        let likelihood = |d: f64| {
            let last = |l: f64| if self.k == 1 { 0.0 } else { others * (-(d * l).exp_m1()).ln() };
            let one = |l: &f64| d.ln() + (d - 1.0) * l + last(*l);
            kept.iter().map(one).sum::<f64>()
        };
        let value = if self.whole {
            // The likelihood has one maximum: the best whole number is next to it.
            let (below, above) = (best.floor().max(1.0), best.floor().max(1.0) + 1.0);
            if likelihood(above) > likelihood(below) { above } else { below }
        } else {
            best
        };
        let information = kept.iter().map(|l| curvature(best, *l)).sum::<f64>() / kept.len() as f64;
        let influence = |l: f64| score(best, l) / information;
        let influences: Vec<f64> = logs.iter().map(|l| influence(*l)).collect();
        let error = standard_error(neighbours, self.k + 1, &influences, |squared| influence(log_of(squared)));
        let margin = Z95 * error / best;
        let (low, high) = (best * (-margin).exp(), best * margin.exp());
        // Of whole dimensions, those around the interval.
        let interval = if self.whole { (low.floor().max(1.0), high.ceil()) } else { (low, high) };
        Ok(Estimate::new((*self).into(), value, interval, excluded))
    }
}
