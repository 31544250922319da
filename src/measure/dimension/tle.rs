//! The tight local estimator (Amsaleg et al. 2019): the MLE's log ratios, also of distances among neighbours.

use super::method::{Formula, FromNeighbourhoods, Method, at_least, inside};
use super::neighbourhood::Neighbourhood;
use super::{Duplicates, Estimator};
use crate::Result;
use std::fmt;

/// The tight local estimator: the MLE's log ratios, also of the distances among the sample's
/// neighbours and their mirror images at the sample. The dimension is the mean over samples.
///
/// ```
/// use sharpdim::measure::{Estimator, Tle};
/// let tle = Estimator::Tle(Tle { k: 30, ..Tle::default() });
/// assert!(tle.needs_samples() && tle.neighbours() == 30);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tle {
    /// Neighbours of each sample: at least 3.
    pub k: usize,
    /// Measurements below this fraction of T_k are dropped.
    pub epsilon: f64,
    /// What happens to duplicates.
    pub duplicates: Duplicates,
}

impl Default for Tle {
    fn default() -> Self {
        Tle { k: 20, epsilon: 1e-6, duplicates: Duplicates::default() }
    }
}

impl fmt::Display for Tle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TLE, k = {}, plain mean", self.k)
    }
}

impl Method for Tle {
    fn name(&self) -> &'static str {
        "tle"
    }

    fn about(&self) -> &'static str {
        "Tight local: distances among the neighbours too (Amsaleg et al.)"
    }

    fn key(&self) -> String {
        let Tle { k, epsilon, duplicates } = *self;
        format!("k={k} epsilon={epsilon} duplicates={}", duplicates.key())
    }

    fn check(&self) -> Result<()> {
        at_least(self, "k", self.k, 3)?;
        inside(self, "epsilon", self.epsilon)
    }

    fn formula(&self) -> Formula<'_> {
        Formula::Neighbourhoods(self)
    }

    fn neighbours(&self) -> usize {
        self.k
    }

    fn k(&self) -> Option<usize> {
        Some(self.k)
    }

    fn with_k(&self, k: usize) -> Option<Estimator> {
        Some(Tle { k, ..*self }.into())
    }

    fn duplicates(&self) -> Duplicates {
        self.duplicates
    }
}

impl FromNeighbourhoods for Tle {
    fn local_dim(&self, near: &Neighbourhood<'_>) -> f64 {
        let k = self.k;
        let last = near.own[k - 1];
        if last == 0.0 {
            return f64::NAN;
        }
        // In units of T_k. Distances to the sample, squared.
        let own: Vec<f64> = near.own[..k].iter().map(|s| s / last).collect();
        // What a neighbour at u sees of another at squared distance v2 from it and w2 from the sample: the
        // distance at which a sphere that touches the neighbourhood's from inside passes through both, in units
        // of its radius; with the limit for neighbours on the rim and at the centre.
        let seen = |u2: f64, w2: f64, v2: f64| {
            let to_rim = 1.0 - u2;
            let across = u2 + v2 - w2;
            if u2 == 0.0 {
                w2.sqrt()
            } else if w2 == 0.0 {
                let v = v2.sqrt();
                v / (1.0 + v)
            } else if to_rim <= 0.0 {
                v2 / (1.0 + v2 - w2)
            } else {
                // The textbook form ((a^2 + b)^0.5 - a) / c cancels where a > 0; this one does not.
                let root = (across * across + 4.0 * v2 * to_rim).sqrt();
                if across > 0.0 { 2.0 * v2 / (root + across) } else { (root - across) / (2.0 * to_rim) }
            }
        };
        let (mut sum, mut dropped) = (Logs::new(), 0usize);
        for i in 0..k {
            for j in 0..k {
                if i == j {
                    continue;
                }
                let v2 = near.squared(i, j) / last;
                if v2 == 0.0 {
                    dropped += 2;
                    continue;
                }
                // The mirror image of j at the sample, by the parallelogram law.
                let mirrored = 2.0 * own[i] + 2.0 * own[j] - v2;
                let (direct, mirrored) = (seen(own[i], own[j], v2), seen(own[i], own[j], mirrored.max(0.0)));
                if direct.is_nan() || mirrored.is_nan() || direct < self.epsilon || mirrored < self.epsilon {
                    dropped += 2;
                } else {
                    sum.add(direct);
                    sum.add(mirrored);
                }
            }
        }
        let mut logs = Logs::new();
        for u2 in &own {
            if u2.sqrt() < self.epsilon {
                dropped += 2;
            } else {
                // Twice: of the distance itself, not squared, and of its mirror image.
                logs.add(*u2);
            }
        }
        let measurements = 2.0 * (k * k) as f64 - dropped as f64;
        let total = sum.total() + logs.total();
        if total < 0.0 { -measurements / total } else { f64::INFINITY }
    }
}

/// A sum of logarithms, by the logarithms of products: far fewer.
struct Logs {
    sum: f64,
    product: f64,
}

impl Logs {
    fn new() -> Self {
        Logs { sum: 0.0, product: 1.0 }
    }

    fn add(&mut self, value: f64) {
        let product = self.product * value;
        // Far from where products overflow or lose bits.
        if (1e-250..1e250).contains(&product) {
            self.product = product;
        } else {
            self.sum += self.product.ln();
            self.product = value;
        }
    }

    fn total(&self) -> f64 {
        self.sum + self.product.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn sums_of_logarithms_hold_whatever_their_products_come_to() {
        for values in
            [vec![], vec![0.25; 3], vec![1e-3; 300], vec![1e3; 300], vec![1e-200, 1e300, 1e-300, 1e200, 3.0]]
        {
            let mut logs = Logs::new();
            values.iter().for_each(|value| logs.add(*value));
            let sum: f64 = values.iter().map(|value| value.ln()).sum();
            assert_abs_diff_eq!(logs.total(), sum, epsilon = 1e-12 * (1.0 + sum.abs()));
        }
    }
}
