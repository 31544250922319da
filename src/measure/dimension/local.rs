//! Estimators that look at a sample's neighbours among themselves: TLE (Amsaleg et al. 2019), expected simplex
//! skewness (Johnsson et al. 2015) and local PCA (Fukunaga & Olsen 1971). All need the distances between
//! neighbours only: centred inner products follow from them.

use super::spread::independent;
use super::symmetric::Symmetric;
use super::{Duplicates, Estimate, Estimator, Halving, mean_of_local, refuse_twins, spread};
use crate::ops::{Neighbours, distances_among, neighbours};
use crate::random::Random;
use crate::{Device, Points, Result};
use rayon::prelude::*;

/// The tight local estimator: the MLE's log ratios, taken also of the distances that the sample's
/// neighbours, and their mirror images at the sample, see between themselves. The dimension is the mean over samples.
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

/// Expected simplex skewness, version a with d = 1: the area that pairs of centred neighbours span, over the
/// product of their lengths, says how many dimensions they have. The dimension is the mean over samples.
///
/// ```
/// use sharpdim::measure::{Ess, Estimator};
/// let ess = Estimator::Ess(Ess { k: 50, ..Ess::default() });
/// assert_eq!(ess.to_string(), "ESS, version a, k = 50, plain mean");
/// ```
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
///
/// ```
/// use sharpdim::measure::{Estimator, LocalPca, PcaRule};
/// let most = Estimator::LocalPca(LocalPca { rule: PcaRule::Explained(0.9), ..LocalPca::default() });
/// assert_eq!(most.to_string(), "local PCA, k = 50, 90 % of the variance, plain mean");
/// ```
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

/// A sample's nearest neighbours: squared distances to it, and those among them, (1, 0), (2, 0), (2, 1),
/// (3, 0), ... An estimator that takes fewer of them takes the first of both.
struct Neighbourhood<'a> {
    own: &'a [f64],
    among: &'a [f64],
}

impl Neighbourhood<'_> {
    fn squared(&self, i: usize, j: usize) -> f64 {
        let (low, high) = (i.min(j), i.max(j));
        if low == high { 0.0 } else { self.among[high * (high - 1) / 2 + low] }
    }

    /// Inner products of the first `k` neighbours, centred at their mean: by double centring, which loses
    /// nothing that matters, as the distances themselves lost nothing.
    fn gram(&self, k: usize) -> Symmetric {
        let squared = Symmetric::from_fn(k, |i, j| self.squared(i, j));
        let row: Vec<f64> = squared.rows().map(|row| row.iter().sum::<f64>() / k as f64).collect();
        let all = row.iter().sum::<f64>() / k as f64;
        Symmetric::from_fn(k, |i, j| 0.5 * (row[i] + row[j] - squared[[i, j]] - all))
    }
}

/// Pairs of neighbours whose distances are held at a time.
const PAIRS: usize = 1 << 22;

/// What `each` makes of the neighbourhoods of `k` of these samples.
fn of_neighbourhoods<T: Send>(
    device: &Device,
    points: &Points<'_>,
    neighbours: &Neighbours,
    samples: &[usize],
    k: usize,
    each: impl Fn(usize, &Neighbourhood<'_>) -> T + Sync,
) -> Result<Vec<T>> {
    let pairs_each = k * (k - 1) / 2;
    let n = points.n();
    let all_pairs = n * n.saturating_sub(1) / 2;
    if all_pairs <= PAIRS.min(samples.len() * pairs_each) {
        // Neighbourhoods share so many pairs that all there are cost less: each is computed once.
        let all: Vec<u32> = (0..n as u32).collect();
        let squared = distances_among(device, points, &all, n)?;
        let at = |a: u32, b: u32| {
            let (low, high) = (a.min(b) as usize, a.max(b) as usize);
            squared[high * (high - 1) / 2 + low]
        };
        let one = |i: &usize| {
            let near = &neighbours.indices(*i)[..k];
            let among: Vec<f64> =
                (0..k).flat_map(|a| (0..a).map(move |b| (a, b))).map(|(a, b)| at(near[a], near[b])).collect();
            each(*i, &Neighbourhood { own: &neighbours.squared_distances(*i)[..k], among: &among })
        };
        return Ok(samples.par_iter().map(one).collect());
    }
    let mut found = Vec::with_capacity(samples.len());
    for some in samples.chunks((PAIRS / pairs_each).max(1)) {
        // Some pairs are in several neighbourhoods, but computing them again costs less than looking for them.
        let sets: Vec<u32> = some.iter().flat_map(|i| &neighbours.indices(*i)[..k]).copied().collect();
        let squared = distances_among(device, points, &sets, k)?;
        let one = |(i, among): (&usize, &[f64])| {
            each(*i, &Neighbourhood { own: &neighbours.squared_distances(*i)[..k], among })
        };
        found.par_extend(some.par_iter().zip(squared.par_chunks(pairs_each)).map(one));
    }
    Ok(found)
}

/// A sample's local dimension by one of the [local](Estimator::is_local) estimators: NaN where nothing can be said.
fn value_of(estimator: &Estimator, near: &Neighbourhood<'_>) -> f64 {
    if near.own[0] == 0.0 {
        return f64::NAN;
    }
    match estimator {
        Estimator::Tle(of) => tle(near, of),
        Estimator::Ess(of) => ess(near, of),
        Estimator::LocalPca(of) => local_pca(near, of),
        other => unreachable!("{other} reads no distances among neighbours"),
    }
}

/// The estimates of estimators that look at neighbours among themselves.
pub(super) fn estimates(
    device: &Device,
    points: &Points<'_>,
    neighbours: &Neighbours,
    estimators: &[Estimator],
    halving: Halving,
) -> Result<Vec<Result<Estimate>>> {
    let Some(k) = estimators.iter().map(Estimator::neighbours).max() else { return Ok(Vec::new()) };
    let samples: Vec<usize> = (0..neighbours.n()).collect();
    let values = of_neighbourhoods(device, points, neighbours, &samples, k, |_, near| -> Vec<f64> {
        estimators.iter().map(|estimator| value_of(estimator, near)).collect()
    })?;
    let find = |(at, estimator): (usize, &Estimator)| {
        let local: Vec<f64> = values.iter().map(|values| values[at]).collect();
        let sharing = match halving {
            Halving::Done => sharing(device, points, &local, estimator)?,
            Halving::LeftOut => spread::sharing(&[]),
        };
        Ok(refuse_twins(neighbours, estimator).and_then(|()| {
            let error = |finite: &[f64]| sharing * independent(finite);
            mean_of_local(neighbours, local, "neighbours too much alike", error, *estimator)
        }))
    };
    estimators.iter().enumerate().map(find).collect()
}

/// How often samples are halved: less often than lists of distances, as neighbourhoods cost more.
const HALVINGS: u64 = 30;

/// How many samples are halved at most: enough for halves to hold many neighbourhoods of `k`.
fn halved(k: usize) -> usize {
    (20_000 / k).max(5 * k).min(1000).max(4 * k)
}

/// What [`spread::sharing`] finds for the mean of `local`, on some random thousand of the samples at most.
fn sharing(device: &Device, points: &Points<'_>, local: &[f64], estimator: &Estimator) -> Result<f64> {
    let mut kept: Vec<usize> = (0..local.len()).filter(|i| local[*i].is_finite()).collect();
    let k = estimator.neighbours();
    if kept.len() > halved(k) {
        let chosen = Random::stream(0, 0).subset(kept.len(), halved(k));
        kept = chosen.into_iter().map(|at| kept[at]).collect();
    }
    let n = kept.len();
    if n < 2 * (k + 1) {
        return Ok(spread::sharing(&[]));
    }
    let rows = points.gather(&kept);
    let points = rows.points()?;
    let reach = spread::reach(k, n);
    let neighbours = neighbours(device, &points, reach)?;
    let sides: Vec<Vec<bool>> = (0..HALVINGS).map(|halving| spread::sides(0, halving, n)).collect();
    let samples: Vec<usize> = (0..n).collect();
    // Each sample's value within its half, for each halving.
    let values = of_neighbourhoods(device, &points, &neighbours, &samples, reach, |i, near| -> Vec<f64> {
        let listed = neighbours.indices(i);
        let within = |side: &Vec<bool>| {
            let same = (0..reach).filter(|at| side[listed[*at] as usize] == side[i]);
            let chosen: Vec<usize> = same.take(k).collect();
            if chosen.len() < k {
                return f64::NAN;
            }
            let own: Vec<f64> = chosen.iter().map(|at| near.own[*at]).collect();
            let among = (0..k).flat_map(|a| (0..a).map(move |b| (a, b)));
            let among: Vec<f64> = among.map(|(a, b)| near.squared(chosen[a], chosen[b])).collect();
            value_of(estimator, &Neighbourhood { own: &own, among: &among })
        };
        sides.iter().map(within).collect()
    })?;
    let halving =
        |(halving, side): (usize, &Vec<bool>)| spread::halve(side, (0..n).map(|i| (i, values[i][halving])));
    Ok(spread::sharing(&sides.iter().enumerate().filter_map(halving).collect::<Vec<_>>()))
}

/// NaN where nothing can be said.
fn tle(near: &Neighbourhood<'_>, tle: &Tle) -> f64 {
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
            if direct.is_nan() || mirrored.is_nan() || direct < tle.epsilon || mirrored < tle.epsilon {
                dropped += 2;
            } else {
                sum.add(direct);
                sum.add(mirrored);
            }
        }
    }
    let mut logs = Logs::new();
    for u2 in &own {
        if u2.sqrt() < tle.epsilon {
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
fn ess(near: &Neighbourhood<'_>, ess: &Ess) -> f64 {
    let gram = near.gram(ess.k);
    let length = |i: usize| gram[[i, i]].max(0.0).sqrt();
    let (mut areas, mut products) = (0.0, 0.0);
    for i in 0..ess.k {
        for j in 0..i {
            let product = length(i) * length(j);
            areas += (product * product - gram[[i, j]].powi(2)).max(0.0).sqrt();
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
fn local_pca(near: &Neighbourhood<'_>, pca: &LocalPca) -> f64 {
    let gram = near.gram(pca.k);
    // The eigenvalues of the inner products are those of the covariance, times k - 1, and zeros.
    let total = gram.trace();
    if total <= 0.0 {
        return f64::NAN;
    }
    match pca.rule {
        PcaRule::Relative(alpha) => {
            let tridiagonal = gram.tridiagonal();
            tridiagonal.above([alpha * tridiagonal.largest()])[0] as f64
        }
        PcaRule::Explained(share) => {
            let eigenvalues = gram.tridiagonal().eigenvalues();
            let mut variances: Vec<f64> = eigenvalues.into_iter().map(|v| v.max(0.0)).collect();
            variances.sort_unstable_by(|a, b| b.total_cmp(a));
            let mut sum = 0.0;
            let short = |v: &f64| {
                sum += v;
                sum < share * total
            };
            (variances.into_iter().take_while(short).count() + 1) as f64
        }
        PcaRule::Participation => total * total / gram.squared_norm(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_logarithms_hold_whatever_their_products_come_to() {
        for values in
            [vec![], vec![0.25; 3], vec![1e-3; 300], vec![1e3; 300], vec![1e-200, 1e300, 1e-300, 1e200, 3.0]]
        {
            let mut logs = Logs::new();
            values.iter().for_each(|value| logs.add(*value));
            let sum: f64 = values.iter().map(|value| value.ln()).sum();
            assert!((logs.total() - sum).abs() <= 1e-12 * (1.0 + sum.abs()), "{sum}");
        }
    }

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
        let near = Neighbourhood { own: &[1.0, 4.0, 16.0], among: &[1.0, 9.0, 4.0] };
        assert!((ess(&near, &Ess { k: 3, ..Ess::default() }) - 1.0).abs() < 1e-6);
        let pca = |rule| local_pca(&near, &LocalPca { k: 3, rule, duplicates: Duplicates::default() });
        assert_eq!(pca(PcaRule::Relative(0.05)), 1.0);
        assert_eq!(pca(PcaRule::Explained(0.95)), 1.0);
        assert!((pca(PcaRule::Participation) - 1.0).abs() < 1e-9);
    }
}
