//! A proportion, with Wilson's interval.

use super::tail::NORMAL_POINT;
use crate::{Error, Result};

/// What [`proportion`] finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proportion {
    /// The cases in which it holds.
    pub successes: usize,
    /// All cases.
    pub n: usize,
    /// The fraction, from 0 to 1.
    pub value: f64,
    /// The interval of 95 %.
    pub interval: [f64; 2],
}

/// The fraction `successes / n` with Wilson's score interval (Wilson 1927), which is valid near 0 and 1 too. Cases are
/// assumed independent.
///
/// # Errors
/// [`Error::Data`] where there is no case; [`Error::Argument`] where `successes` is above `n`.
///
/// ```
/// let found = sharpdim::study::fit::proportion(10, 10)?;
/// assert_eq!(found.value, 1.0);
/// assert!((found.interval[0] - 0.722).abs() < 1e-3);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn proportion(successes: usize, n: usize) -> Result<Proportion> {
    if n == 0 {
        return Err(Error::Data("0 cases: a proportion needs at least one".into()));
    }
    if successes > n {
        return Err(Error::Argument(format!(
            "{successes} successes in {n} cases: there cannot be more than {n}"
        )));
    }
    let (count, value, square) = (n as f64, successes as f64 / n as f64, NORMAL_POINT * NORMAL_POINT);
    let middle = (value + square / (2.0 * count)) / (1.0 + square / count);
    let reach = NORMAL_POINT / (1.0 + square / count)
        * (value * (1.0 - value) / count + square / (4.0 * count * count)).sqrt();
    // At either end one bound is the end itself, but for rounding.
    let low = if successes == 0 { 0.0 } else { middle - reach };
    let high = if successes == n { 1.0 } else { middle + reach };
    Ok(Proportion { successes, n, value, interval: [low, high] })
}
