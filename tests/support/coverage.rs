//! The spread of estimates over many samples of one manifold, compared with their own intervals.

use rayon::prelude::*;
use sharpdim::data::manifolds::{Manifold, Settings};
use sharpdim::measure::{Estimate, Estimator, intrinsic_dims};
use sharpdim::{Device, Result};

/// One estimator on many samples of one manifold.
#[derive(Clone, Debug)]
pub struct Coverage {
    pub estimator: Estimator,
    /// The manifold's dimension.
    pub truth: f64,
    /// The mean estimate, the estimator's own expectation to within the scatter of a mean.
    pub mean: f64,
    /// The standard deviation of estimates.
    pub sd: f64,
    /// The standard deviation of estimates, over the one that their intervals claim on average.
    pub ratio: f64,
    /// Fraction of intervals that hold the truth.
    pub of_truth: f64,
    /// Fraction of intervals that hold the mean estimate.
    pub of_mean: f64,
    /// Samples for which it gave no estimate: they are left out of all that.
    pub refused: usize,
}

impl Coverage {
    /// How far the mean estimate is from the truth, in standard deviations of an estimate.
    pub fn bias(&self) -> f64 {
        (self.mean - self.truth) / self.sd
    }
}

/// Each estimator on `repeats` samples of `n`, of seeds from `seed` on, one neighbour search for each sample.
pub fn simulate(
    manifold: Manifold,
    n: usize,
    repeats: u64,
    seed: u64,
    estimators: &[Estimator],
) -> Vec<Coverage> {
    let samples: Vec<Vec<Result<Estimate>>> = (seed..seed + repeats)
        .into_par_iter()
        .map(|seed| {
            let sample = manifold.sample(n, &Settings { seed, ..Settings::default() }).unwrap();
            intrinsic_dims(&Device::cpu(), &sample.points().unwrap(), estimators, &|_| ()).unwrap()
        })
        .collect();
    let summary = |at: usize| {
        let found: Vec<&Estimate> = samples.iter().filter_map(|sample| sample[at].as_ref().ok()).collect();
        let count = found.len() as f64;
        let over = |value: &dyn Fn(&Estimate) -> f64| found.iter().map(|e| value(e)).sum::<f64>() / count;
        let mean = over(&|e| e.value);
        let sd = (over(&|e| (e.value - mean).powi(2)) * count / (count - 1.0)).sqrt();
        let covers = |what: f64| over(&|e| f64::from(u8::from(e.low <= what && what <= e.high)));
        let truth = manifold.intrinsic_dim() as f64;
        Coverage {
            estimator: estimators[at],
            truth,
            mean,
            sd,
            ratio: sd / over(&|e| (e.high - e.low) / (2.0 * 1.96)),
            of_truth: covers(truth),
            of_mean: covers(mean),
            refused: samples.len() - found.len(),
        }
    };
    (0..estimators.len()).map(summary).collect()
}
