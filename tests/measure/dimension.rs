//! Intrinsic dimension: every convention against its formula in plain f64 and against scikit-dimension,
//! the truth on samples whose dimension is known, duplicates, intervals, errors.

use crate::support::{Random, Set, Values, close, devices, in_reach, noise_u8, on_threads, uniform_f32};
use npyz::NpyFile;
use serde_json::Value;
use sharpdim::measure::{
    Duplicates, Estimate, Estimator, Mle, MleNorm, Pooling, TwoNn, estimate, intrinsic_dim,
};
use sharpdim::ops::neighbours;
use sharpdim::{Device, Error, Points};
use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};

fn mle(k: usize, norm: MleNorm, pooling: Pooling) -> Estimator {
    Estimator::Mle(Mle { k, norm, pooling, ..Mle::default() })
}

fn fit(discard: f64) -> Estimator {
    Estimator::TwoNn(TwoNn::Fit { discard, seed: 0, duplicates: Duplicates::Exclude })
}

const CLOSED_FORM: Estimator = Estimator::TwoNn(TwoNn::ClosedForm { duplicates: Duplicates::Exclude });

/// Every estimator, in every convention.
fn all() -> Vec<Estimator> {
    let mut all = vec![fit(0.1), fit(0.25), CLOSED_FORM];
    for k in [3, 5, 20] {
        for norm in [MleNorm::KMinus1, MleNorm::KMinus2] {
            all.extend([Pooling::Harmonic, Pooling::Mean].map(|pooling| mle(k, norm, pooling)));
        }
    }
    all
}

/// Dimension and excluded samples by the formulas as papers print them.
fn naive(set: &Set, estimator: &Estimator) -> (f64, usize) {
    let distances = |i: usize| -> Vec<f64> {
        set.nearest(i, estimator.neighbours()).into_iter().map(|(squared, _)| squared.sqrt()).collect()
    };
    let kept: Vec<Vec<f64>> = (0..set.n()).map(distances).filter(|t| t[0] > 0.0).collect();
    let count = kept.len() as f64;
    let mut mu: Vec<f64> = kept.iter().map(|t| t[1] / t[0]).collect();
    mu.sort_by(f64::total_cmp);
    let value = match estimator {
        Estimator::Mle(Mle { k, norm, pooling, .. }) => {
            let over = if *norm == MleNorm::KMinus1 { k - 1 } else { k - 2 } as f64;
            let inverse =
                kept.iter().map(|t| t[..k - 1].iter().map(|t_j| (t[k - 1] / t_j).ln()).sum::<f64>() / over);
            match pooling {
                Pooling::Harmonic => count / inverse.sum::<f64>(),
                Pooling::Mean => {
                    // Neighbours all at one distance leave it.
                    let local: Vec<f64> = inverse.map(|m| 1.0 / m).filter(|d| d.is_finite()).collect();
                    return (local.iter().sum::<f64>() / local.len() as f64, set.n() - local.len());
                }
            }
        }
        Estimator::TwoNn(TwoNn::ClosedForm { .. }) => count / mu.iter().map(|mu| mu.ln()).sum::<f64>(),
        Estimator::TwoNn(TwoNn::Fit { discard, .. }) => {
            let (mut xy, mut xx) = (0.0, 0.0);
            for (at, mu) in mu.iter().take((count * (1.0 - discard)) as usize).enumerate() {
                let y = -(1.0 - (at + 1) as f64 / count).ln();
                xy += mu.ln() * y;
                xx += mu.ln().powi(2);
            }
            xy / xx
        }
        other => panic!("no naive formula for {other} yet"),
    };
    (value, set.n() - kept.len())
}

/// Uniform on a torus of `dim` circles in 2 `dim` dimensions: flat, without a border.
fn torus(n: usize, dim: usize, seed: u64) -> Set {
    let mut random = Random::new(seed);
    let values = (0..n * dim).flat_map(|_| {
        let (sin, cos) = (TAU * random.uniform()).sin_cos();
        [cos as f32, sin as f32]
    });
    Set::f32("torus", 2 * dim, values.collect())
}

/// Uniform on a sphere of `dim` dimensions in `dim` + 1.
fn sphere(n: usize, dim: usize, seed: u64) -> Set {
    let mut random = Random::new(seed);
    let mut values = random.floats(n * (dim + 1), Random::normal);
    for row in values.chunks_mut(dim + 1) {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        row.iter_mut().for_each(|v| *v /= length);
    }
    Set::f32("sphere", dim + 1, values)
}

#[test]
fn estimates_are_what_the_formulas_say() {
    let mut with_twins = uniform_f32(200, 4, 1);
    if let Values::F32(values) = &mut with_twins.values {
        values.copy_within(0..40, 400);
    }
    let sets =
        [uniform_f32(250, 6, 2), noise_u8(250, 6, 3), noise_u8(120, 1, 4), with_twins, torus(280, 2, 5)];
    for device in devices() {
        for set in sets.iter().filter(|set| in_reach(&device, set.n(), set.dim)) {
            let nearest = neighbours(&device, &set.points(), 20).unwrap();
            for estimator in all() {
                let what = || format!("{device}, {}, {estimator}", set.name);
                let found = estimate(&nearest, &estimator).unwrap();
                let (value, excluded) = naive(set, &estimator);
                close(found.value, value, 1e-9, what);
                assert_eq!(found.excluded.count(), excluded, "{}", what());
                assert!(found.low <= found.value && found.value <= found.high, "{}: {found:?}", what());
                assert_eq!(found.estimator, estimator);
            }
        }
    }
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn read_points(name: &str) -> Set {
    let bytes = fs::read(vectors().join(name)).unwrap();
    let file = NpyFile::new(&bytes[..]).unwrap();
    let dim = file.shape()[1] as usize;
    Set::f32(name, dim, file.into_vec().unwrap())
}

#[test]
fn estimates_are_those_of_scikit_dimension() {
    let said: Value = serde_json::from_slice(&fs::read(vectors().join("dimension.json")).unwrap()).unwrap();
    let k = said["k"].as_u64().unwrap() as usize;
    let discard = said["discard_fraction"].as_f64().unwrap();
    let mut compared = 0;
    for (name, vector) in said["sets"].as_object().unwrap() {
        let set = read_points(vector["points"].as_str().unwrap());
        for device in devices().iter().filter(|device| in_reach(device, set.n(), set.dim)) {
            let nearest = neighbours(device, &set.points(), k).unwrap();
            let find = |estimator: Estimator| estimate(&nearest, &estimator).unwrap();
            let mut check = |got: f64, want: &Value, key: &str| {
                close(got, want.as_f64().unwrap(), 1e-6, || format!("{device}, {name}, {key}"));
                compared += 1;
            };
            for (norm, norm_name) in [(MleNorm::KMinus1, "k_minus_1"), (MleNorm::KMinus2, "k_minus_2")] {
                for (pooling, pooling_name) in [(Pooling::Harmonic, "harmonic"), (Pooling::Mean, "mean")] {
                    let key = format!("mle_{norm_name}_{pooling_name}");
                    let found = find(mle(k, norm, pooling));
                    check(found.value, &vector["skdim"][&key], &key);
                    let key = format!("mle_{norm_name}_local");
                    let local = vector["skdim"][&key].as_array().unwrap();
                    assert_eq!(local.len(), found.local.len());
                    found.local.iter().zip(local).for_each(|(got, want)| check(*got, want, &key));
                }
            }
            check(find(fit(discard)).value, &vector["skdim"]["twonn_fit"], "twonn_fit");
            let closed = find(CLOSED_FORM).value;
            check(closed, &vector["numpy"]["twonn_closed_form"], "twonn_closed_form");
            let n = set.n() as f64;
            let unbiased = closed * (n - 1.0) / n;
            check(unbiased, &vector["skdim"]["twonn_closed_form_unbiased"], "twonn_closed_form_unbiased");
        }
    }
    assert!(compared >= 3 * (4 + 3));
}

/// Known biases: all estimators fall short where neighbours are far apart for the dimension, the MLE at
/// k = 20 more than TwoNN, and more in a cube, which has borders, than on a sphere.
#[test]
fn estimates_are_near_the_truth() {
    let device = Device::cpu();
    for (dim, on_sphere, in_cube) in TRUTHS {
        for seed in 0..2 {
            let cube = uniform_f32(2000, dim, seed);
            for (set, ratios) in [(sphere(2000, dim, seed), on_sphere), (cube, in_cube)] {
                let found = neighbours(&device, &set.points(), 20).unwrap();
                for (estimator, ratio) in
                    [Estimator::Mle(Mle::default()), fit(0.1), CLOSED_FORM].iter().zip(ratios)
                {
                    let got = estimate(&found, estimator).unwrap().value / dim as f64;
                    println!("{} {dim} {estimator}: {got:.3}", set.name);
                    close(got, ratio, 0.08, || format!("{}, dimension {dim}, {estimator}", set.name));
                }
            }
        }
    }
}

/// Dimension; estimate over dimension of MLE, TwoNN by fit, TwoNN in closed form: on a sphere, in a cube.
const TRUTHS: [(usize, [f64; 3], [f64; 3]); 3] = [
    (2, [0.95, 1.0, 1.0], [0.93, 1.0, 1.0]),
    (5, [0.93, 0.97, 0.97], [0.85, 0.92, 0.92]),
    (10, [0.85, 0.91, 0.91], [0.77, 0.84, 0.85]),
];

/// Any scale, offset or sign: one dimension. Powers of two, so that floats change by nothing else.
#[test]
fn units_do_not_matter() {
    let set = uniform_f32(100, 5, 6);
    let Values::F32(values) = &set.values else { unreachable!() };
    for device in devices() {
        let nearest = neighbours(&device, &set.points(), 20).unwrap();
        for scale in [2f32.powi(-90), -4.0, 2f32.powi(100)] {
            let scaled = Set::f32("scaled", 5, values.iter().map(|v| v * scale).collect());
            let nearest_scaled = neighbours(&device, &scaled.points(), 20).unwrap();
            for estimator in all() {
                let want = estimate(&nearest, &estimator).unwrap();
                let found = estimate(&nearest_scaled, &estimator).unwrap();
                close(found.value, want.value, 1e-9, || format!("{device}, {estimator}, times {scale}"));
            }
        }
    }
}

#[test]
fn twins_are_left_out_and_counted() {
    let mut set = uniform_f32(300, 3, 7);
    let Values::F32(values) = &mut set.values else { unreachable!() };
    // Three alike, and two pairs: seven samples with a twin.
    values.copy_within(30..33, 300);
    values.copy_within(30..33, 600);
    values.copy_within(33..36, 90);
    values.copy_within(36..39, 93);
    for device in devices() {
        let nearest = neighbours(&device, &set.points(), 20).unwrap();
        for estimator in all() {
            let found = estimate(&nearest, &estimator).unwrap();
            let (value, excluded) = naive(&set, &estimator);
            // Three alike may be all three neighbours of a sample, which leave it out of a plain mean.
            assert!(excluded == 7 || estimator.neighbours() == 3);
            assert_eq!(found.excluded.count(), excluded, "{estimator}");
            close(found.value, value, 1e-9, || estimator);
            assert!(found.value.is_finite() && found.high.is_finite() && found.low > 0.0);
            if let Estimator::Mle(_) = estimator {
                let without: Vec<usize> = (0..300).filter(|i| found.local[*i].is_nan()).collect();
                assert_eq!(without, [10, 11, 12, 30, 31, 100, 200]);
            } else {
                assert!(found.local.is_empty());
            }
        }
        let duplicates = Duplicates::Refuse;
        let refusing = [
            Estimator::Mle(Mle { duplicates, ..Mle::default() }),
            Estimator::TwoNn(TwoNn::ClosedForm { duplicates }),
            Estimator::TwoNn(TwoNn::Fit { discard: 0.1, seed: 0, duplicates }),
        ];
        for estimator in refusing {
            let error = intrinsic_dim(&device, &set.points(), &estimator).unwrap_err();
            let said = error.to_string();
            assert!(matches!(error, Error::Data(_)) && said.contains("samples 10 and 100 "), "{said}");
            let unlike = uniform_f32(60, 3, 8);
            assert!(intrinsic_dim(&device, &unlike.points(), &estimator).is_ok());
        }
    }
}

#[test]
fn what_has_no_dimension_is_refused() {
    let set = uniform_f32(20, 3, 9);
    let alike = vec![7u8; 90];
    let alike = Points::u8(&alike, 3).unwrap();
    // The corners of a square: each has two nearest at one distance; of a regular simplex: all.
    let square: Vec<u8> = (0..10u8).flat_map(|at| [0, 0, 1, 0, 0, 1, 1, 1].map(|v| v + at * 25)).collect();
    let square = Points::u8(&square, 2).unwrap();
    let simplex: Vec<u8> = (0..30 * 30).map(|at| u8::from(at / 30 == at % 30)).collect();
    let simplex = Points::u8(&simplex, 30).unwrap();
    for device in devices() {
        let refused = |points: &Points<'_>, estimator: Estimator| {
            intrinsic_dim(&device, points, &estimator).expect_err(&estimator.to_string())
        };
        let points = set.points();
        let [one, two] = [MleNorm::KMinus1, MleNorm::KMinus2];
        for (k, norm) in [(0, one), (1, one), (0, two), (1, two), (2, two)] {
            assert!(matches!(refused(&points, mle(k, norm, Pooling::Harmonic)), Error::Argument(_)));
        }
        assert!(intrinsic_dim(&device, &points, &mle(2, one, Pooling::Harmonic)).is_ok());
        assert!(intrinsic_dim(&device, &points, &mle(19, two, Pooling::Harmonic)).is_ok());
        assert!(matches!(refused(&points, mle(20, two, Pooling::Harmonic)), Error::Data(_)));
        for discard in [0.0, 1.0, -0.1, 1.5, f64::NAN, f64::INFINITY] {
            assert!(matches!(refused(&points, fit(discard)), Error::Argument(_)), "{discard}");
        }
        for estimator in all() {
            let error = refused(&alike, estimator);
            assert!(matches!(error, Error::Data(_)) && error.to_string().contains("30"), "{error}");
            assert!(matches!(refused(&simplex, estimator), Error::Data(_)));
        }
        for estimator in [fit(0.1), CLOSED_FORM] {
            let error = refused(&square, estimator);
            assert!(matches!(error, Error::Data(_)) && error.to_string().contains("infinite"), "{error}");
            assert!(matches!(refused(&Points::u8(&[1, 2], 1).unwrap(), estimator), Error::Data(_)));
        }
        let found = neighbours(&device, &points, 4).unwrap();
        assert!(matches!(estimate(&found, &Estimator::Mle(Mle::default())), Err(Error::Argument(_))));
    }
}

#[test]
fn one_search_serves_every_estimator() {
    let set = uniform_f32(60, 5, 10);
    for device in devices() {
        let found = neighbours(&device, &set.points(), 25).unwrap();
        for estimator in all() {
            let want = intrinsic_dim(&device, &set.points(), &estimator).unwrap();
            let got = estimate(&found, &estimator).unwrap();
            assert_eq!((got.value, got.excluded), (want.value, want.excluded), "{estimator}");
            assert_eq!((got.low, got.high), (want.low, want.high), "{estimator}");
        }
    }
}

#[test]
fn thread_counts_change_no_bit() {
    for device in devices() {
        let set = uniform_f32(if in_reach(&device, 280, 5) { 280 } else { 40 }, 5, 11);
        for estimator in [Estimator::Mle(Mle::default()), fit(0.1), CLOSED_FORM] {
            let find = || {
                let Estimate { value, low, high, local, .. } =
                    intrinsic_dim(&device, &set.points(), &estimator).unwrap();
                (value, low, high, local)
            };
            assert_eq!(on_threads(1, find), on_threads(3, find), "{estimator}");
        }
    }
}

/// How estimates scatter over 60 samples of one torus, against what each claims of itself.
#[test]
fn intervals_are_as_wide_as_estimates_scatter() {
    let device = Device::cpu();
    let (n, dim, repeats) = (600, 3, 60);
    let estimators = [
        mle(20, MleNorm::KMinus2, Pooling::Harmonic),
        mle(20, MleNorm::KMinus2, Pooling::Mean),
        mle(5, MleNorm::KMinus1, Pooling::Harmonic),
        fit(0.1),
        CLOSED_FORM,
    ];
    let found: Vec<_> =
        (0..repeats).map(|seed| neighbours(&device, &torus(n, dim, seed).points(), 20).unwrap()).collect();
    for estimator in estimators {
        let estimates: Vec<Estimate> =
            found.iter().map(|found| estimate(found, &estimator).unwrap()).collect();
        let count = repeats as f64;
        let mean = estimates.iter().map(|e| e.value).sum::<f64>() / count;
        let variance = estimates.iter().map(|e| (e.value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let claimed = estimates.iter().map(|e| (e.high - e.low) / 3.92).sum::<f64>() / count;
        let ratio = variance.sqrt() / claimed;
        println!(
            "{estimator}: mean {mean:.3}, sd {:.4}, claimed {claimed:.4}, ratio {ratio:.2}",
            variance.sqrt()
        );
        assert!((0.6..1.7).contains(&ratio), "{estimator}: scatter {ratio:.2} times what is claimed");
    }
}

#[test]
fn the_seed_moves_the_interval_alone() {
    let set = uniform_f32(300, 4, 12);
    let with = |seed: u64| {
        let estimator = Estimator::TwoNn(TwoNn::Fit { discard: 0.1, seed, duplicates: Duplicates::Exclude });
        intrinsic_dim(&Device::cpu(), &set.points(), &estimator).unwrap()
    };
    let (one, other) = (with(1), with(2));
    assert_eq!(one.value, other.value);
    assert_eq!((one.low, one.high), (with(1).low, with(1).high));
    assert_ne!((one.low, one.high), (other.low, other.high));
}
