//! Estimators that look at a sample's neighbours among themselves: TLE (Amsaleg et al. 2019), expected simplex
//! skewness (Johnsson et al. 2015) and local PCA (Fukunaga & Olsen 1971). All need the distances between
//! neighbours only: centred inner products follow from them.

use super::Duplicates;
use nalgebra::{DMatrix, SymmetricEigen};

/// The tight local estimator: the MLE's log ratios, taken also of the distances that the sample's
/// neighbours, and their mirror images at the sample, see between themselves. The dimension is the mean over samples.
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

/// Expected simplex skewness, version a with d = 1: the area that pairs of centred neighbours span, over the
/// product of their lengths, says how many dimensions they have. The dimension is the mean over samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ess {
    /// Neighbours of each sample: at least 3. The sample itself is not one.
    pub k: usize,
    /// What happens to duplicates.
    pub duplicates: Duplicates,
}

impl Default for Ess {
    fn default() -> Self {
        Ess { k: 20, duplicates: Duplicates::default() }
    }
}

/// When a principal component counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PcaRule {
    /// Its variance exceeds this fraction of the largest (Fukunaga and Olsen; 0.05 by default).
    Relative(f64),
    /// The first ones that together hold this fraction of the variance.
    Explained(f64),
    /// A soft count: (sum of variances)^2 / sum of squared variances.
    Participation,
}

/// Local PCA: how many principal components of a sample's neighbours count. The dimension is the mean over
/// samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalPca {
    /// Neighbours of each sample: at least 3. The sample itself is not one.
    pub k: usize,
    /// When a component counts.
    pub rule: PcaRule,
    /// What happens to duplicates.
    pub duplicates: Duplicates,
}

impl Default for LocalPca {
    fn default() -> Self {
        LocalPca { k: 50, rule: PcaRule::Relative(0.05), duplicates: Duplicates::default() }
    }
}

/// A sample's k nearest: squared distances to it, and among them, as a full k x k matrix.
pub(super) struct Neighbourhood<'a> {
    pub own: &'a [f64],
    pub among: &'a [f64],
}

impl Neighbourhood<'_> {
    /// The first `k` only.
    fn among(&self, k: usize, i: usize, j: usize) -> f64 {
        debug_assert!(i < k && j < k && k <= self.own.len());
        self.among[i * self.own.len() + j]
    }

    /// Inner products of the first `k` neighbours, centred at their mean, by double centring.
    fn gram(&self, k: usize) -> DMatrix<f64> {
        let row: Vec<f64> =
            (0..k).map(|i| (0..k).map(|j| self.among(k, i, j)).sum::<f64>() / k as f64).collect();
        let all = row.iter().sum::<f64>() / k as f64;
        DMatrix::from_fn(k, k, |i, j| 0.5 * (row[i] + row[j] - self.among(k, i, j) - all))
    }
}

/// NaN where nothing can be said.
pub(super) fn tle(near: &Neighbourhood<'_>, tle: &Tle) -> f64 {
    let k = tle.k;
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
    let (mut sum, mut dropped) = (0.0, 0usize);
    for i in 0..k {
        for j in 0..k {
            if i == j {
                continue;
            }
            let v2 = near.among(k, i, j) / last;
            if v2 == 0.0 {
                dropped += 2;
                continue;
            }
            // The mirror image of j at the sample, by the parallelogram law.
            let mirrored = 2.0 * own[i] + 2.0 * own[j] - v2;
            let (direct, mirrored) = (seen(own[i], own[j], v2), seen(own[i], own[j], mirrored.max(0.0)));
            if direct.is_nan() || mirrored.is_nan() || direct < tle.epsilon || mirrored < tle.epsilon {
                dropped += 2;
            } else {
                sum += direct.ln() + mirrored.ln();
            }
        }
    }
    let mut logs = 0.0;
    for u2 in &own {
        if u2.sqrt() < tle.epsilon {
            dropped += 2;
        } else {
            logs += 0.5 * u2.ln();
        }
    }
    let measurements = 2.0 * (k * k) as f64 - dropped as f64;
    let total = sum + 2.0 * logs;
    if total < 0.0 { -measurements / total } else { f64::INFINITY }
}

/// The expected skewness of simplices in `n` dimensions: Gamma(n/2)^2 / (Gamma((n+1)/2) Gamma((n-1)/2)), by
/// the recurrence s(n+2) = s(n) n^2 / ((n+1) (n-1)) from s(1) = 0, s(2) = 2/pi and s(3) = pi/4.
fn skewness(n: usize) -> f64 {
    use std::f64::consts::PI;
    if n < 2 {
        return 0.0;
    }
    let (mut at, mut value) = if n.is_multiple_of(2) { (2, 2.0 / PI) } else { (3, PI / 4.0) };
    while at < n {
        let a = at as f64;
        value *= a * a / ((a + 1.0) * (a - 1.0));
        at += 2;
    }
    value
}

/// Dimensions that skewness tells apart at most.
const MOST: usize = 10_000;

/// NaN where nothing can be said.
pub(super) fn ess(near: &Neighbourhood<'_>, ess: &Ess) -> f64 {
    let gram = near.gram(ess.k);
    let length = |i: usize| gram[(i, i)].max(0.0).sqrt();
    let (mut areas, mut products) = (0.0, 0.0);
    for i in 0..ess.k {
        for j in 0..i {
            let product = length(i) * length(j);
            areas += (product * product - gram[(i, j)].powi(2)).max(0.0).sqrt();
            products += product;
        }
    }
    if products == 0.0 {
        return f64::NAN;
    }
    let found = areas / products;
    // Skewness grows with the dimension: the whole numbers around, and how far between.
    let (mut low, mut high) = (1, 2);
    while skewness(high) <= found && high < MOST {
        (low, high) = (high, 2 * high);
    }
    while high - low > 1 {
        let middle = (low + high) / 2;
        if skewness(middle) <= found { low = middle } else { high = middle }
    }
    let (below, above) = (skewness(low), skewness(high));
    low as f64 + (found - below) / (above - below)
}

/// NaN where nothing can be said.
pub(super) fn local_pca(near: &Neighbourhood<'_>, pca: &LocalPca) -> f64 {
    let gram = near.gram(pca.k);
    let mut variances: Vec<f64> = SymmetricEigen::new(gram).eigenvalues.iter().map(|v| v.max(0.0)).collect();
    variances.sort_unstable_by(|a, b| b.total_cmp(a));
    let total: f64 = variances.iter().sum();
    if total == 0.0 {
        return f64::NAN;
    }
    match pca.rule {
        PcaRule::Relative(alpha) => variances.iter().filter(|v| **v > alpha * variances[0]).count() as f64,
        PcaRule::Explained(share) => {
            let mut sum = 0.0;
            let short = |v: &&f64| {
                sum += **v;
                sum < share * total
            };
            (variances.iter().take_while(short).count() + 1) as f64
        }
        PcaRule::Participation => total * total / variances.iter().map(|v| v * v).sum::<f64>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skewness_is_what_gamma_functions_say() {
        // Gamma(5/2)^2 / (Gamma(3) Gamma(2)) = (3 sqrt(pi) / 4)^2 / 2.
        let five = (0.75 * std::f64::consts::PI.sqrt()).powi(2) / 2.0;
        assert!((skewness(5) - five).abs() < 1e-15);
        assert_eq!(skewness(1), 0.0);
        for n in 2..300 {
            assert!(skewness(n) > skewness(n - 1) && skewness(n) < 1.0);
        }
    }

    #[test]
    fn three_neighbours_in_a_line_have_one_dimension() {
        // At 1, 2 and 4 from the sample, all on one side.
        let among = [0.0, 1.0, 9.0, 1.0, 0.0, 4.0, 9.0, 4.0, 0.0];
        let near = Neighbourhood { own: &[1.0, 4.0, 16.0], among: &among };
        assert!((ess(&near, &Ess { k: 3, ..Ess::default() }) - 1.0).abs() < 1e-6);
        let pca = |rule| local_pca(&near, &LocalPca { k: 3, rule, duplicates: Duplicates::default() });
        assert_eq!(pca(PcaRule::Relative(0.05)), 1.0);
        assert_eq!(pca(PcaRule::Explained(0.95)), 1.0);
        assert!((pca(PcaRule::Participation) - 1.0).abs() < 1e-9);
    }
}
