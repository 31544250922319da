//! Every estimator by the formulas as papers print them, in plain f64, one sample at a time: slow, and sharing no
//! code with the crate.

use crate::support::{Set, drawn_below};
use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sharpdim::measure::{
    Correlation, Ess, Estimator, GeoMle, Gride, LocalPca, MindMl, Mle, MleNorm, MleRange, Moments, PcaRule,
    Pooling, Tle, TwoNn,
};

/// Dimension and excluded samples.
pub fn naive(set: &Set, estimator: &Estimator) -> (f64, usize) {
    let n = set.n();
    let distances = |k: usize| -> Vec<Vec<f64>> {
        let list = |i| set.nearest(i, k).into_iter().map(|(squared, _)| squared.sqrt()).collect();
        (0..n).map(list).collect()
    };
    // Distances of samples without a twin.
    let unlike = |k: usize| -> Vec<Vec<f64>> { distances(k).into_iter().filter(|t| t[0] > 0.0).collect() };
    match *estimator {
        Estimator::Mle(Mle { k, norm, pooling, .. }) => {
            let (value, kept) = pooled_mle(&unlike(k), k, norm, pooling);
            (value, n - kept)
        }
        Estimator::MleRange(MleRange { from, to, norm, pooling, .. }) => {
            let t = unlike(to);
            let each = (from..=to).map(|k| pooled_mle(&t, k, norm, pooling).0);
            (each.sum::<f64>() / (to - from + 1) as f64, n - t.len())
        }
        Estimator::GeoMle(geo) => geo_mle(set, &geo),
        Estimator::TwoNn(two_nn) => {
            let mu: Vec<f64> = unlike(2).iter().map(|t| t[1] / t[0]).collect();
            (from_ratios(mu.clone(), two_nn), n - mu.len())
        }
        Estimator::Gride(Gride { n: at, .. }) => {
            let ratios = distances(2 * at).into_iter().filter(|t| t[at - 1] > 0.0);
            let mu: Vec<f64> =
                ratios.map(|t| t[2 * at - 1] / t[at - 1]).filter(|mu| *mu > 1.0 || at == 1).collect();
            (gride(&mu, at, mu.len() as f64), n - mu.len())
        }
        Estimator::Moments(Moments { k, .. }) => {
            let local = unlike(k).into_iter().map(|t| {
                let mean = t.iter().sum::<f64>() / k as f64;
                if t[0] == t[k - 1] { f64::INFINITY } else { mean / (t[k - 1] - mean) }
            });
            plain_mean(local.collect(), n)
        }
        Estimator::MindMl(MindMl { k, whole, .. }) => {
            let rho: Vec<f64> =
                unlike(k + 1).iter().map(|t| t[0] / t[k]).filter(|rho| k == 1 || *rho < 1.0).collect();
            (mind_ml(&rho, k, whole), n - rho.len())
        }
        Estimator::Correlation(Correlation { k1, k2 }) => {
            let t = distances(k2);
            let [r1, r2] = [k1, k2].map(|k| median(t.iter().map(|t| t[k - 1]).collect()));
            let within = |r: f64| -> f64 {
                // All but the sample itself.
                let count = |i| set.squared_from(i).iter().filter(|s| s.sqrt() < r).count() - 1;
                (0..n).map(|i| count(i) as f64).sum()
            };
            ((within(r2) / within(r1)).ln() / (r2 / r1).ln(), 0)
        }
        Estimator::Tle(tle_of) => plain_mean(unlike_samples(set).map(|i| tle(set, i, &tle_of)).collect(), n),
        Estimator::Ess(Ess { k, .. }) => plain_mean(unlike_samples(set).map(|i| ess(set, i, k)).collect(), n),
        Estimator::LocalPca(LocalPca { k, rule, .. }) => {
            plain_mean(unlike_samples(set).map(|i| local_pca(set, i, k, rule)).collect(), n)
        }
        other => panic!("{other}: write its naive version here"),
    }
}

/// Each sample's local dimension, of those that have no twin.
pub fn unlike_samples(set: &Set) -> impl Iterator<Item = usize> + '_ {
    (0..set.n()).filter(|i| set.nearest(*i, 1)[0].0 > 0.0)
}

fn plain_mean(local: Vec<f64>, n: usize) -> (f64, usize) {
    let finite: Vec<f64> = local.into_iter().filter(|d| d.is_finite()).collect();
    (finite.iter().sum::<f64>() / finite.len() as f64, n - finite.len())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    0.5 * (values[(values.len() - 1) / 2] + values[values.len() / 2])
}

/// The dimension, and of how many samples.
fn pooled_mle(t: &[Vec<f64>], k: usize, norm: MleNorm, pooling: Pooling) -> (f64, usize) {
    let over = if norm == MleNorm::KMinus1 { k - 1 } else { k - 2 } as f64;
    let inverse = t.iter().map(|t| t[..k - 1].iter().map(|t_j| (t[k - 1] / t_j).ln()).sum::<f64>() / over);
    match pooling {
        Pooling::Harmonic => (t.len() as f64 / inverse.sum::<f64>(), t.len()),
        Pooling::Mean => {
            // Neighbours all at one distance leave it.
            let local: Vec<f64> = inverse.map(|m| 1.0 / m).filter(|d| d.is_finite()).collect();
            (local.iter().sum::<f64>() / local.len() as f64, local.len())
        }
        other => panic!("{other:?}: write its naive version here"),
    }
}

/// The bootstrap samples are drawn as the crate says it draws them; all else is done for each from the start.
fn geo_mle(set: &Set, geo: &GeoMle) -> (f64, usize) {
    let n = set.n();
    let norm = if geo.pooling == Pooling::Harmonic { MleNorm::KMinus1 } else { MleNorm::KMinus2 };
    let centres: Vec<usize> = unlike_samples(set).collect();
    let bootstraps: Vec<Vec<Vec<f64>>> = (0..geo.bootstraps)
        .map(|bootstrap| {
            let mut rng = ChaCha8Rng::seed_from_u64(geo.seed);
            rng.set_stream(bootstrap as u64);
            let mut drawn: Vec<usize> = (0..n).map(|_| drawn_below(&mut rng, n)).collect();
            drawn.sort_unstable();
            drawn.dedup();
            let distances = |i: &usize| {
                let from = set.squared_from(*i);
                let mut t: Vec<f64> = drawn.iter().filter(|j| *j != i).map(|j| from[*j].sqrt()).collect();
                t.sort_by(f64::total_cmp);
                t.truncate(geo.to);
                t
            };
            centres.iter().map(distances).collect()
        })
        .collect();
    let size = geo.degree + 1;
    let ks: Vec<usize> = (geo.from..=geo.to).collect();
    let (mut design, mut dims, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for &k in &ks {
        let each: Vec<f64> = bootstraps.iter().map(|t| pooled_mle(t, k, norm, geo.pooling).0).collect();
        let mean = each.iter().sum::<f64>() / each.len() as f64;
        let variance = each.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / each.len() as f64;
        let radius = bootstraps.iter().flatten().map(|t| t[k - 1]).sum::<f64>()
            / (bootstraps.len() * centres.len()) as f64;
        design.extend((0..size).map(|p| radius.powi(p as i32)));
        dims.push(mean);
        weights.push(1.0 / variance);
    }
    let root = DMatrix::from_diagonal(&DVector::from_vec(weights).map(f64::sqrt));
    let design = &root * DMatrix::from_row_slice(ks.len(), size, &design);
    let fitted = design.svd(true, true).solve(&(root * DVector::from_vec(dims)), 1e-14).unwrap();
    (fitted[0], n - centres.len())
}

fn from_ratios(mut mu: Vec<f64>, two_nn: TwoNn) -> f64 {
    mu.sort_by(f64::total_cmp);
    let count = mu.len() as f64;
    let sum = mu.iter().map(|mu| mu.ln()).sum::<f64>();
    match two_nn {
        TwoNn::ClosedForm { .. } => count / sum,
        TwoNn::Bayes { shape, rate, .. } => (shape + count) / (rate + sum),
        TwoNn::Fit { discard, .. } => {
            let (mut xy, mut xx) = (0.0, 0.0);
            for (at, mu) in mu.iter().take((count * (1.0 - discard)) as usize).enumerate() {
                let y = -(1.0 - (at + 1) as f64 / count).ln();
                xy += mu.ln() * y;
                xx += mu.ln().powi(2);
            }
            xy / xx
        }
        other => panic!("{other:?}: write its naive version here"),
    }
}

/// Where a falling function is 0.
fn root(f: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (1e-3, 1e6);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if f(middle) > 0.0 { low = middle } else { high = middle }
    }
    low
}

/// The root of (count)/d + (n2 - n1 - 1) sum ln mu / (1 - mu^-d) - (n2 - 1) sum ln mu: DADApy has N - 1 for `count`, the
/// maximum of the likelihood N.
pub fn gride(mu: &[f64], n1: usize, count: f64) -> f64 {
    root(|d| {
        let inner = |mu: &f64| if n1 == 1 { 0.0 } else { mu.ln() / (1.0 - mu.powf(-d)) };
        let sum: f64 =
            mu.iter().map(|mu| (n1 as f64 - 1.0) * inner(mu) - (2.0 * n1 as f64 - 1.0) * mu.ln()).sum();
        count / d + sum
    })
}

fn mind_ml(rho: &[f64], k: usize, whole: bool) -> f64 {
    let (n, k) = (rho.len() as f64, k as f64);
    let likelihood = |d: f64| -> f64 {
        let last = |rho: &f64| if k == 1.0 { 0.0 } else { (k - 1.0) * (1.0 - rho.powf(d)).ln() };
        n * (k * d).ln() + rho.iter().map(|rho| (d - 1.0) * rho.ln() + last(rho)).sum::<f64>()
    };
    if whole {
        let dims = (1..200).map(f64::from);
        return dims.max_by(|a, b| likelihood(*a).total_cmp(&likelihood(*b))).unwrap();
    }
    root(|d| {
        let last = |rho: &f64| {
            if k == 1.0 { 0.0 } else { (k - 1.0) * rho.powf(d) * rho.ln() / (1.0 - rho.powf(d)) }
        };
        n / d + rho.iter().map(|rho| rho.ln() - last(rho)).sum::<f64>()
    })
}

/// The k nearest others as rows, in f64.
fn near(set: &Set, i: usize, k: usize) -> Vec<Vec<f64>> {
    set.nearest(i, k).into_iter().map(|(_, j)| set.row(j as usize)).collect()
}

fn tle(set: &Set, i: usize, tle: &Tle) -> f64 {
    let k = tle.k;
    let d: Vec<f64> = set.nearest(i, k).into_iter().map(|(squared, _)| squared.sqrt()).collect();
    let rows = near(set, i, k);
    let r = d[k - 1];
    let (mut total, mut left_out) = (0.0, 0);
    for i in 0..k {
        for j in (0..k).filter(|j| *j != i) {
            let v2: f64 = rows[i].iter().zip(&rows[j]).map(|(a, b)| (a - b).powi(2)).sum();
            let z2 = (2.0 * d[i].powi(2) + 2.0 * d[j].powi(2) - v2).max(0.0);
            let measured = [v2, z2].map(|w2| {
                let (b, gap) = (d[i].powi(2) + w2 - d[j].powi(2), r * r - d[i].powi(2));
                if gap == 0.0 {
                    r * w2 / (r * r + w2 - d[j].powi(2))
                } else {
                    // The printed form, (root - b) / (2 gap), times (root + b) / (root + b) where it cancels.
                    let root = (b * b + 4.0 * w2 * gap).sqrt();
                    if b > 0.0 { r * 2.0 * w2 / (root + b) } else { r * (root - b) / (2.0 * gap) }
                }
            });
            if v2 == 0.0 || measured.iter().any(|m| m.is_nan() || *m < tle.epsilon * r) {
                left_out += 1;
            } else {
                total += measured.iter().map(|m| (m / r).ln()).sum::<f64>();
            }
        }
    }
    let near: Vec<f64> = d.iter().map(|d| d / r).filter(|d| *d >= tle.epsilon).collect();
    left_out += k - near.len();
    let own: f64 = near.iter().map(|d| d.ln()).sum();
    -2.0 * (k * k - left_out) as f64 / (total + 2.0 * own)
}

/// The mean sine between two random directions in `n` dimensions, by Wallis's integrals.
fn mean_sine(n: usize) -> f64 {
    let integral = |power: usize| {
        let start = if power.is_multiple_of(2) { std::f64::consts::PI } else { 2.0 };
        (2..=power).filter(|m| m % 2 == power % 2).map(|m| (m - 1) as f64 / m as f64).product::<f64>() * start
    };
    if n == 1 { 0.0 } else { integral(n - 1) / integral(n - 2) }
}

fn ess(set: &Set, i: usize, k: usize) -> f64 {
    let rows = centred(near(set, i, k));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (mut areas, mut products) = (0.0, 0.0);
    for a in 0..k {
        for b in 0..a {
            let product = dot(&rows[a], &rows[a]) * dot(&rows[b], &rows[b]);
            areas += (product - dot(&rows[a], &rows[b]).powi(2)).max(0.0).sqrt();
            products += product.sqrt();
        }
    }
    let found: f64 = areas / products;
    if found.is_nan() {
        return found;
    }
    let above = (2..10_000).find(|n| mean_sine(*n) > found).unwrap();
    let (low, high) = (mean_sine(above - 1), mean_sine(above));
    (above - 1) as f64 + (found - low) / (high - low)
}

fn centred(mut rows: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for column in 0..rows[0].len() {
        let mean = rows.iter().map(|row| row[column]).sum::<f64>() / rows.len() as f64;
        rows.iter_mut().for_each(|row| row[column] -= mean);
    }
    rows
}

fn local_pca(set: &Set, i: usize, k: usize, rule: PcaRule) -> f64 {
    let rows = centred(near(set, i, k));
    let rows = DMatrix::from_fn(k, set.dim, |r, c| rows[r][c]);
    let mut l: Vec<f64> = rows.singular_values().iter().map(|s| s * s).collect();
    l.sort_by(|a, b| b.total_cmp(a));
    let total: f64 = l.iter().sum();
    if total == 0.0 {
        return f64::NAN;
    }
    match rule {
        PcaRule::Relative(alpha) => l.iter().filter(|l_i| **l_i > alpha * l[0]).count() as f64,
        PcaRule::Explained(share) => {
            let short = |m: &usize| l[..*m].iter().sum::<f64>() / total < share;
            (1 + (1..=l.len()).filter(short).count()) as f64
        }
        PcaRule::Participation => total * total / l.iter().map(|l| l * l).sum::<f64>(),
        other => panic!("{other:?}: write its naive version here"),
    }
}
