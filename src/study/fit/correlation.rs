//! Pearson's and Spearman's correlations, with intervals and permutation tests.

use super::tail::{NORMAL_POINT, two_sided_r};
use super::{Centred, dot, finite, norm, varies};
use crate::random::Random;
use crate::{Error, Result};

/// Up to this many points, all permutations are tested: 8! are 40320.
const ALL_ORDERS: usize = 8;

/// Correlations that differ by less are equal but for rounding.
const ROUNDING: f64 = 1e-12;

/// What [`pearson`] and [`spearman`] find.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlation {
    /// Points.
    pub n: usize,
    /// The correlation, from -1 to 1.
    pub r: f64,
    /// The interval of 95 %; `None` of fewer than four points.
    pub interval: Option<[f64; 2]>,
    /// The p value by Student's t of n - 2 degrees of freedom.
    pub p: f64,
    /// The permutation test, which assumes no distribution.
    pub permuted: Permuted,
}

/// The result of a permutation test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Permuted {
    /// The fraction of permutations of y whose correlation is at least as far from 0. Over all of them where `exact`; else
    /// `(1 + count) / (1 + draws)` (Phipson & Smyth 2010).
    pub p: f64,
    /// Permutations tested.
    pub draws: usize,
    /// Whether these are all permutations.
    pub exact: bool,
}

/// Pearson's correlation of x and y. Its interval is Fisher's: `tanh(atanh r +- 1.96 / sqrt(n - 3))` (Fisher 1921), as
/// scipy's `pearsonr` gives it. Up to eight points the permutation test takes all permutations of y, else
/// `draws` of them, by `seed`.
///
/// # Errors
/// [`Error::Argument`] where lengths differ or there is no draw; [`Error::Data`] of fewer than three points, where a
/// value is not finite, and where all x or all y are equal.
///
/// ```
/// let found = sharpdim::study::fit::pearson(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 4.0], 1000, 0)?;
/// assert!((found.r - 0.8).abs() < 1e-12);
/// assert!(found.permuted.exact);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn pearson(x: &[f64], y: &[f64], draws: usize, seed: u64) -> Result<Correlation> {
    check(x, y, draws)?;
    Ok(correlate(x, y, |_| 1.0, draws, seed))
}

/// Spearman's correlation: [`pearson`]'s of ranks, equal values having the mean of theirs. Fisher's z has the variance
/// `(1 + r^2 / 2) / (n - 3)` in its interval (Bonett & Wright 2000). The rest, errors too, is as [`pearson`]'s.
///
/// ```
/// let found = sharpdim::study::fit::spearman(&[1.0, 2.0, 3.0, 4.0], &[1.0, 10.0, 100.0, 1000.0], 1000, 0)?;
/// assert_eq!(found.r, 1.0);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn spearman(x: &[f64], y: &[f64], draws: usize, seed: u64) -> Result<Correlation> {
    check(x, y, draws)?;
    Ok(correlate(&ranks(x), &ranks(y), |r| 1.0 + r * r / 2.0, draws, seed))
}

fn check(x: &[f64], y: &[f64], draws: usize) -> Result<()> {
    if x.len() != y.len() {
        return Err(Error::Argument(format!(
            "{} values of x and {} of y: each point needs one of both",
            x.len(),
            y.len()
        )));
    }
    if draws == 0 {
        return Err(Error::Argument("0 draws: a test by permutations needs at least one".into()));
    }
    if x.len() < 3 {
        return Err(Error::Data(format!(
            "{} point{}: a correlation needs at least 3",
            x.len(),
            if x.len() == 1 { "" } else { "s" }
        )));
    }
    for (name, values) in [("x", x), ("y", y)] {
        finite(name, values)?;
        if !varies(values) {
            return Err(Error::Data(format!(
                "{name} is {:?} in all {} points: a constant has no correlation",
                values[0],
                values.len()
            )));
        }
    }
    Ok(())
}

/// The correlation of values that vary; `variance` is that of Fisher's z times n - 3.
fn correlate(x: &[f64], y: &[f64], variance: impl Fn(f64) -> f64, draws: usize, seed: u64) -> Correlation {
    let n = x.len();
    let unit = |values: &[f64]| {
        let centred = Centred::new(values).values;
        let length = norm(&centred);
        centred.into_iter().map(|value| value / length).collect::<Vec<_>>()
    };
    let (x, y) = (unit(x), unit(y));
    let r = dot(&x, &y).clamp(-1.0, 1.0);
    // Points on a line have a correlation of one but for rounding.
    let r = if 1.0 - r.abs() < 1e-14 { r.signum() } else { r };
    let interval = (n > 3).then(|| {
        let reach = NORMAL_POINT * (variance(r) / (n - 3) as f64).sqrt();
        [r.atanh() - reach, r.atanh() + reach].map(f64::tanh)
    });
    Correlation { n, r, interval, p: two_sided_r(r, n), permuted: permute(&x, y, r, draws, seed) }
}

/// Tests permutations of y; x and y are about their means and of length 1, so that products are correlations.
fn permute(x: &[f64], mut y: Vec<f64>, r: f64, draws: usize, seed: u64) -> Permuted {
    let n = y.len();
    let as_far = |y: &[f64]| usize::from(dot(x, y).abs() >= r.abs() - ROUNDING);
    if n > ALL_ORDERS {
        let mut random = Random::stream(seed, 0);
        let count: usize = (0..draws)
            .map(|_| {
                random.shuffle(&mut y, n);
                as_far(&y)
            })
            .sum();
        return Permuted { p: (1 + count) as f64 / (1 + draws) as f64, draws, exact: false };
    }
    // Heap's algorithm: each order is the one before with two values swapped.
    let (mut count, mut orders) = (as_far(&y), 1);
    let mut steps = vec![0; n];
    let mut at = 1;
    while at < n {
        if steps[at] < at {
            y.swap(if at % 2 == 0 { 0 } else { steps[at] }, at);
            (count, orders) = (count + as_far(&y), orders + 1);
            steps[at] += 1;
            at = 1;
        } else {
            steps[at] = 0;
            at += 1;
        }
    }
    Permuted { p: count as f64 / orders as f64, draws: orders, exact: true }
}

/// Each value's place in ascending order, from 1 on; equal values have the mean of their places.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut place = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = place as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|&at| ranks[at] = mean);
        place += equal.len();
    }
    ranks
}
