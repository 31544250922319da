//! Distances among a sample's nearest neighbours, and the Gram matrix of centred neighbours.

use super::symmetric::Symmetric;

/// A sample's nearest neighbours: squared distances to it, and those among them, (1, 0), (2, 0), (2, 1),
/// (3, 0), ... An estimator that takes fewer of them takes the first of both.
pub(super) struct Neighbourhood<'a> {
    pub own: &'a [f64],
    pub among: &'a [f64],
}

impl Neighbourhood<'_> {
    pub fn squared(&self, i: usize, j: usize) -> f64 {
        let (low, high) = (i.min(j), i.max(j));
        if low == high { 0.0 } else { self.among[high * (high - 1) / 2 + low] }
    }

    /// Inner products of the first `k` neighbours, centred at their mean: by double centring, accurate as
    /// the distances themselves are.
    pub fn gram(&self, k: usize) -> Symmetric {
        let squared = Symmetric::from_fn(k, |i, j| self.squared(i, j));
        let row: Vec<f64> = squared.rows().map(|row| row.iter().sum::<f64>() / k as f64).collect();
        let all = row.iter().sum::<f64>() / k as f64;
        Symmetric::from_fn(k, |i, j| 0.5 * (row[i] + row[j] - squared[[i, j]] - all))
    }
}
