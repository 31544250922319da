//! Fits and statistics of a study's results, over plain slices: least squares, whether slopes are equal, a bootstrap
//! over groups, correlations and proportions. Each has its number of points, or the reason why it is impossible.
//!
//! Intervals hold 95 %. Least squares, its t and F tests and the correlations' assume independent points. Those of a
//! study are not, where one dataset gives several: use the interval of [`bootstrap`] then, which resamples whole
//! datasets.

mod bootstrap;
mod correlation;
mod equal_slopes;
mod linear;
mod proportion;
pub(super) mod tail;

pub use bootstrap::{Bootstrap, Resampled, bootstrap};
pub use correlation::{Correlation, Permuted, pearson, spearman};
pub use equal_slopes::{EqualSlopes, GroupSlope, equal_slopes};
pub use linear::{Coefficient, FTest, INTERCEPT, Inference, Linear, linear};
pub use proportion::{Proportion, proportion};

use crate::{Error, Result};

/// Beyond this a square could overflow.
const LARGEST: f64 = 1e150;

/// Refuses values whose sum of squares could overflow.
fn finite(name: &str, values: &[f64]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite() || value.abs() > LARGEST) {
        Some(row) => Err(Error::Data(format!(
            "{name} has the value {:?} in row {row}: every value must be finite, and no larger than {LARGEST:?}",
            values[row]
        ))),
        None => Ok(()),
    }
}

/// Whether values differ by more than the rounding of what they were computed from.
fn varies(values: &[f64]) -> bool {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for &value in values {
        (low, high) = (low.min(value), high.max(value));
    }
    high - low > 1e-12 * largest(values)
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| value.abs().max(most))
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Values about their mean, in units of the largest of those: no square of them over- or underflows.
struct Centred {
    mean: f64,
    scale: f64,
    values: Vec<f64>,
}

impl Centred {
    fn new(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let rough = values.iter().map(|value| value / n).sum::<f64>();
        let mut about: Vec<f64> = values.iter().map(|value| value - rough).collect();
        // The first mean is rounded: a second pass removes the rest.
        let left = about.iter().sum::<f64>() / n;
        about.iter_mut().for_each(|value| *value -= left);
        let scale = Some(largest(&about)).filter(|&scale| scale > 0.0).unwrap_or(1.0);
        about.iter_mut().for_each(|value| *value /= scale);
        Centred { mean: rough + left, scale, values: about }
    }
}
