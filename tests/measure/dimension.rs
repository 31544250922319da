//! Intrinsic dimension: every convention against its formula in plain f64 and against scikit-dimension,
//! the truth on samples whose dimension is known, duplicates, intervals, errors.

use super::naive::naive;
use crate::support::{
    Random, Set, Values, close, devices, drawn_subset, in_reach, nasty_f32, noise_u8, on_threads, uniform_f32,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sharpdim::data::manifolds::{Manifold, Settings};
use sharpdim::measure::{
    Correlation, Duplicates, Ess, Estimate, Estimator, GeoMle, Gride, LocalPca, MindMl, Mle, MleNorm,
    MleRange, Moments, PcaRule, Pooling, Properties, Protocol, Tle, TwoNn, estimate, estimates, estimates_of,
    intrinsic_dim, intrinsic_dims, intrinsic_properties,
};
use sharpdim::ops::{Wanted, all_pairs, neighbours};
use sharpdim::{Device, Error, Points};
use std::f64::consts::TAU;

fn mle(k: usize, norm: MleNorm, pooling: Pooling) -> Estimator {
    Estimator::Mle(Mle { k, norm, pooling, ..Mle::default() })
}

fn fit(discard: f64) -> Estimator {
    Estimator::TwoNn(TwoNn::Fit { discard, seed: 0, duplicates: Duplicates::Exclude })
}

const CLOSED_FORM: Estimator = Estimator::TwoNn(TwoNn::ClosedForm { duplicates: Duplicates::Exclude });

/// Every estimator, in every convention, of few neighbours.
fn all() -> Vec<Estimator> {
    let duplicates = Duplicates::Exclude;
    let mut all = vec![fit(0.1), fit(0.25), CLOSED_FORM];
    for k in [3, 5, 20] {
        for norm in [MleNorm::KMinus1, MleNorm::KMinus2] {
            all.extend([Pooling::Harmonic, Pooling::Mean].map(|pooling| mle(k, norm, pooling)));
        }
    }
    let bayes = |shape, rate| Estimator::TwoNn(TwoNn::Bayes { shape, rate, duplicates });
    all.extend([bayes(1.0, 0.0), bayes(2.0, 5.0)]);
    for pooling in [Pooling::Harmonic, Pooling::Mean] {
        all.push(Estimator::MleRange(MleRange { from: 5, to: 12, pooling, ..MleRange::default() }));
        let geo = GeoMle { from: 4, to: 9, bootstraps: 4, degree: 1, pooling, ..GeoMle::default() };
        // A parabola through so few k ends below 0 on some of the sets.
        all.extend([Estimator::GeoMle(geo), Estimator::GeoMle(GeoMle { to: 20, degree: 2, seed: 3, ..geo })]);
    }
    all.extend([1, 2, 5].map(|n| Estimator::Gride(Gride { n, duplicates })));
    all.extend([2, 6, 20].map(|k| Estimator::Moments(Moments { k, duplicates })));
    for k in [1, 2, 12] {
        all.extend([true, false].map(|whole| Estimator::MindMl(MindMl { k, whole, duplicates })));
    }
    all.extend([(1, 2), (5, 15)].map(|(k1, k2)| Estimator::Correlation(Correlation { k1, k2 })));
    all.extend([3, 12].map(|k| Estimator::Tle(Tle { k, ..Tle::default() })));
    all.extend([3, 12].map(|k| Estimator::Ess(Ess { k, duplicates })));
    for k in [3, 15] {
        let rules = [
            PcaRule::Relative(0.05),
            PcaRule::Relative(0.5),
            PcaRule::Explained(0.9),
            PcaRule::Participation,
        ];
        all.extend(rules.map(|rule| Estimator::LocalPca(LocalPca { k, rule, duplicates })));
    }
    all
}

/// Whether each sample has a dimension of its own.
fn is_pointwise(estimator: &Estimator) -> bool {
    use Estimator::*;
    matches!(estimator, Mle(_) | MleRange(_) | Moments(_) | Tle(_) | Ess(_) | LocalPca(_))
}

/// What each says of the set, on one search.
fn find(device: &Device, set: &Set, estimators: &[Estimator]) -> Vec<Estimate> {
    let found = intrinsic_dims(device, &set.points(), estimators, &|_| ()).unwrap();
    let unwrap = |(found, estimator): (sharpdim::Result<Estimate>, &Estimator)| {
        found.unwrap_or_else(|error| panic!("{device}, {}, {estimator}: {error}", set.name))
    };
    found.into_iter().zip(estimators).map(unwrap).collect()
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
    let all = all();
    for kind in Estimator::all() {
        assert!(
            all.iter().any(|tested| tested.name() == kind.name()),
            "{kind} is not compared with its formula"
        );
    }
    for set in &sets {
        let said: Vec<_> = all.iter().map(|estimator| naive(set, estimator)).collect();
        for device in devices().iter().filter(|device| in_reach(device, set.n(), set.dim)) {
            for (found, (value, excluded)) in find(device, set, &all).into_iter().zip(&said) {
                let what = || format!("{device}, {} of {}, {}", set.name, set.dim, found.estimator);
                // A fitted polynomial, and areas of triangles that are nearly flat, lose digits.
                let loses = ["geomle", "ess"].contains(&found.estimator.name());
                let tolerance = if loses { 1e-7 } else { 1e-9 };
                close(found.value, *value, tolerance, what);
                assert_eq!(found.excluded.count(), *excluded, "{}", what());
                assert!(found.low <= found.value && found.value <= found.high, "{}: {found:?}", what());
                assert_eq!(found.local.len(), if is_pointwise(&found.estimator) { set.n() } else { 0 });
            }
        }
    }
}

/// The nearest neighbours of an offset set, and near-duplicates, keep their distances: so do estimates.
#[test]
fn offsets_and_near_duplicates_cost_no_accuracy() {
    for set in nasty_f32(150, 5, 21) {
        if !["offset 1e4", "an ulp apart", "clustered", "constant columns"].contains(&set.name.as_str()) {
            continue;
        }
        // Halves that are ulps apart leave lines of two points, whose least variances are rounding's alone.
        let estimators: Vec<Estimator> =
            all().into_iter().filter(|e| !matches!(e, Estimator::GeoMle(_))).collect();
        for (found, estimator) in find(&Device::cpu(), &set, &estimators).into_iter().zip(&estimators) {
            let (value, excluded) = naive(&set, estimator);
            close(found.value, value, 1e-6, || format!("{}, {estimator}", set.name));
            assert_eq!(found.excluded.count(), excluded, "{}, {estimator}", set.name);
        }
    }
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

/// What changes with k by the estimator's norm and not by geometry must not be extrapolated: with k - 2 and the
/// harmonic mean the swiss roll had 1.4 dimensions.
#[test]
fn geomle_is_near_the_truth_with_either_pooling() {
    for (manifold, seed) in
        [(Manifold::SwissRoll, 0), (Manifold::SwissRoll, 1), (Manifold::Sphere { dim: 2 }, 0)]
    {
        let sample = manifold.sample(2000, &Settings { seed, ..Settings::default() }).unwrap();
        for pooling in [Pooling::Harmonic, Pooling::Mean] {
            let geo = Estimator::GeoMle(GeoMle { pooling, ..GeoMle::default() });
            let found = intrinsic_dim(&Device::cpu(), &sample.points().unwrap(), &geo).unwrap();
            println!("{manifold:?} {geo}: {:.3} ({:.3} to {:.3})", found.value, found.low, found.high);
            close(found.value, 2.0, 0.1, || format!("{manifold:?}, {geo}"));
            assert!(found.high - found.low > 0.02 && found.high - found.low < 0.6, "{found:?}");
        }
    }
}

/// Any scale, offset or sign: one dimension. Powers of two, so that floats change by nothing else.
#[test]
fn units_do_not_matter() {
    let set = uniform_f32(100, 5, 6);
    let Values::F32(values) = &set.values else { unreachable!() };
    for device in devices() {
        let want = find(&device, &set, &all());
        for scale in [2f32.powi(-90), -4.0, 2f32.powi(100)] {
            let scaled = Set::f32("scaled", 5, values.iter().map(|v| v * scale).collect());
            for (found, want) in find(&device, &scaled, &all()).into_iter().zip(&want) {
                let what = || format!("{device}, {}, times {scale}", want.estimator);
                close(found.value, want.value, 1e-9, what);
                close(found.high, want.high, 1e-9, what);
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
        for found in find(&device, &set, &all()) {
            let estimator = found.estimator;
            let (value, excluded) = naive(&set, &estimator);
            // Three alike may be all three neighbours of a sample, which leave it out of a plain mean.
            let expected = match estimator {
                Estimator::Correlation(_) => 0,
                Estimator::Gride(Gride { n, .. }) if n > 2 => 0,
                Estimator::Gride(Gride { n: 2, .. }) => 3,
                _ => 7,
            };
            assert!(excluded == expected || estimator.neighbours() <= 4, "{estimator}: {excluded}");
            assert_eq!(found.excluded.count(), excluded, "{estimator}");
            close(found.value, value, if estimator.name() == "geomle" { 1e-7 } else { 1e-9 }, || estimator);
            assert!(found.value.is_finite() && found.high.is_finite() && found.low.is_finite());
            if is_pointwise(&estimator) && estimator.neighbours() > 4 {
                let without: Vec<usize> = (0..300).filter(|i| found.local[*i].is_nan()).collect();
                assert_eq!(without, [10, 11, 12, 30, 31, 100, 200], "{estimator}");
            }
        }
        let duplicates = Duplicates::Refuse;
        let refusing = [
            Estimator::Mle(Mle { duplicates, ..Mle::default() }),
            Estimator::MleRange(MleRange { duplicates, ..MleRange::default() }),
            Estimator::GeoMle(GeoMle { from: 3, to: 10, duplicates, ..GeoMle::default() }),
            Estimator::TwoNn(TwoNn::ClosedForm { duplicates }),
            Estimator::TwoNn(TwoNn::Fit { discard: 0.1, seed: 0, duplicates }),
            Estimator::TwoNn(TwoNn::Bayes { shape: 1.0, rate: 0.0, duplicates }),
            Estimator::Gride(Gride { n: 2, duplicates }),
            Estimator::Moments(Moments { k: 5, duplicates }),
            Estimator::MindMl(MindMl { k: 5, whole: false, duplicates }),
            Estimator::Tle(Tle { k: 5, duplicates, ..Tle::default() }),
            Estimator::Ess(Ess { k: 5, duplicates }),
            Estimator::LocalPca(LocalPca { k: 5, duplicates, ..LocalPca::default() }),
        ];
        let unlike = uniform_f32(60, 3, 8);
        for estimator in refusing {
            let error = intrinsic_dim(&device, &set.points(), &estimator).unwrap_err();
            let said = error.to_string();
            assert!(matches!(error, Error::Data(_)) && said.contains("samples 10 and 100 "), "{said}");
            assert!(intrinsic_dim(&device, &unlike.points(), &estimator).is_ok(), "{estimator}");
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
            let said = error.to_string();
            assert!(said.contains("30") || said.contains("identical"), "{said}");
            assert!(matches!(error, Error::Data(_)), "{said}");
            // The simplex of some neighbours has a shape, but their distances say nothing.
            if !matches!(estimator, Estimator::Ess(_) | Estimator::LocalPca(_)) {
                assert!(matches!(refused(&simplex, estimator), Error::Data(_)));
            }
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

/// Settings that make no sense, and a word of what is said of each.
fn nonsense() -> Vec<(Estimator, &'static str)> {
    let (range, geo, duplicates) = (MleRange::default(), GeoMle::default(), Duplicates::Exclude);
    let bayes = |shape, rate| Estimator::TwoNn(TwoNn::Bayes { shape, rate, duplicates });
    let pca = |rule| Estimator::LocalPca(LocalPca { rule, ..LocalPca::default() });
    vec![
        (mle(2, MleNorm::KMinus2, Pooling::Mean), "k must be at least 3"),
        (mle(1, MleNorm::KMinus1, Pooling::Mean), "k must be at least 2"),
        (Estimator::MleRange(MleRange { from: 2, ..range }), "smallest k must be at least 3"),
        (Estimator::MleRange(MleRange { from: 9, to: 8, ..range }), "largest k must be at least 9"),
        (Estimator::GeoMle(GeoMle { from: 2, ..geo }), "smallest k must be at least 3"),
        (Estimator::GeoMle(GeoMle { to: 12, ..geo }), "largest k must be at least 13"),
        (Estimator::GeoMle(GeoMle { bootstraps: 1, ..geo }), "bootstraps must be at least 2"),
        (Estimator::GeoMle(GeoMle { degree: 0, ..geo }), "degree must be at least 1"),
        (Estimator::GeoMle(GeoMle { degree: 4, ..geo }), "degree must be at most 3"),
        (bayes(0.0, 0.0), "shape must be above 0"),
        (bayes(1.0, -1.0), "rate not below"),
        (bayes(f64::NAN, 0.0), "shape must be above 0"),
        (bayes(1.0, f64::INFINITY), "rate not below"),
        (Estimator::Gride(Gride { n: 0, duplicates }), "n must be at least 1"),
        (Estimator::Moments(Moments { k: 1, duplicates }), "k must be at least 2"),
        (Estimator::MindMl(MindMl { k: 0, whole: false, duplicates }), "k must be at least 1"),
        (Estimator::Correlation(Correlation { k1: 0, k2: 5 }), "k1 must be at least 1"),
        (Estimator::Correlation(Correlation { k1: 5, k2: 5 }), "k2 must be at least 6"),
        (Estimator::Tle(Tle { k: 2, ..Tle::default() }), "k must be at least 3"),
        (Estimator::Tle(Tle { epsilon: 0.0, ..Tle::default() }), "epsilon must be above 0"),
        (Estimator::Tle(Tle { epsilon: f64::NAN, ..Tle::default() }), "epsilon must be above 0"),
        (Estimator::Ess(Ess { k: 2, duplicates }), "k must be at least 3"),
        (Estimator::LocalPca(LocalPca { k: 2, ..LocalPca::default() }), "k must be at least 3"),
        (pca(PcaRule::Relative(1.0)), "fraction must be above 0 and below 1"),
        (pca(PcaRule::Explained(0.0)), "fraction must be above 0 and below 1"),
    ]
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let set = uniform_f32(80, 3, 14);
    let nearest = neighbours(&Device::cpu(), &set.points(), 79).unwrap();
    for (estimator, word) in nonsense() {
        for error in [
            intrinsic_dim(&Device::cpu(), &set.points(), &estimator).unwrap_err(),
            estimate(&nearest, &estimator).unwrap_err(),
        ] {
            assert!(matches!(error, Error::Argument(_)) && error.to_string().contains(word), "{error}");
        }
    }
}

/// Those that `all` has not: the others' least settings are among its estimators.
#[test]
fn the_least_settings_are_accepted() {
    let (range, geo) = (MleRange::default(), GeoMle::default());
    let least = GeoMle { from: 3, to: 5, bootstraps: 2, degree: 1, ..geo };
    let set = uniform_f32(80, 3, 14);
    for estimator in [
        mle(2, MleNorm::KMinus1, Pooling::Harmonic),
        Estimator::MleRange(MleRange { from: 3, to: 3, ..range }),
        Estimator::GeoMle(least),
        Estimator::GeoMle(GeoMle { to: 7, degree: 3, ..least }),
    ] {
        // A polynomial through so few k may end below 0: an error of the data.
        let found = intrinsic_dim(&Device::cpu(), &set.points(), &estimator);
        assert!(!matches!(found, Err(Error::Argument(_))), "{estimator}: {found:?}");
    }
}

/// As few samples as there may be, and one fewer; samples on a line, all at one spacing and not.
#[test]
fn few_samples_and_lines_give_numbers_or_errors() {
    let device = Device::cpu();
    let check = |set: &Set, estimator: &Estimator| match intrinsic_dim(&device, &set.points(), estimator) {
        Ok(found) => {
            let sane = found.value.is_finite() && found.low <= found.value && found.value <= found.high;
            assert!(sane, "{}, {estimator}: {found:?}", set.name);
        }
        Err(error) => assert!(matches!(error, Error::Data(_)), "{}, {estimator}: {error}", set.name),
    };
    let line = |name, at: &dyn Fn(usize) -> f32| {
        Set::f32(name, 3, (0..100).flat_map(|i| [at(i), -2.0 * at(i), 0.5 * at(i)]).collect())
    };
    let lines = [line("spaced alike", &|i| i as f32), line("spaced more and more", &|i| (i * i) as f32)];
    for estimator in all() {
        let reads = estimator.neighbours();
        let error = intrinsic_dim(&device, &uniform_f32(reads, 3, 15).points(), &estimator).unwrap_err();
        assert!(matches!(error, Error::Data(_)) && error.to_string().contains("at least"), "{error}");
        for more in [1, 2, 5] {
            check(&uniform_f32(reads + more, 3, 16), &estimator);
        }
        lines.iter().for_each(|set| check(set, &estimator));
    }
}

#[test]
fn one_search_serves_every_estimator() {
    let set = uniform_f32(60, 5, 10);
    for device in devices() {
        let nearest = neighbours(&device, &set.points(), 59).unwrap();
        for estimator in all() {
            let want = intrinsic_dim(&device, &set.points(), &estimator).unwrap();
            if estimator.needs_samples() {
                let error = estimate(&nearest, &estimator).unwrap_err();
                assert!(matches!(error, Error::Argument(_)) && error.to_string().contains("intrinsic_dims"));
            } else {
                assert_eq!(estimate(&nearest, &estimator).unwrap(), want, "{estimator}");
            }
        }
    }
}

/// Lists that reach no further than the estimator's own neighbours give the same value, and an interval.
#[test]
fn short_lists_give_the_same_value() {
    let set = uniform_f32(200, 5, 13);
    for estimator in all().into_iter().filter(|e| !e.needs_samples()) {
        let want = intrinsic_dim(&Device::cpu(), &set.points(), &estimator).unwrap();
        let nearest = neighbours(&Device::cpu(), &set.points(), estimator.neighbours()).unwrap();
        let got = estimate(&nearest, &estimator).unwrap();
        assert_eq!((got.value, got.local.len()), (want.value, want.local.len()), "{estimator}");
        assert!(got.low <= got.value && got.value <= got.high, "{estimator}: {got:?}");
    }
}

#[test]
fn thread_counts_change_no_bit() {
    for device in devices() {
        let set = uniform_f32(if in_reach(&device, 280, 5) { 280 } else { 64 }, 5, 11);
        let find = || format!("{:?}", find(&device, &set, &all()));
        assert!(on_threads(1, find) == on_threads(3, find), "{device}");
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

/// In high dimension distances hardly grow with k, and a parabola through the estimates can end anywhere.
#[test]
fn geomle_gives_no_dimension_below_zero() {
    let mut refused = 0;
    for (dim, seed) in [5, 8, 12].into_iter().flat_map(|dim| (0..6).map(move |seed| (dim, seed))) {
        let torus =
            Manifold::FlatTorus { dim }.sample(300, &Settings { seed, ..Settings::default() }).unwrap();
        let geo = Estimator::GeoMle(GeoMle::default());
        match intrinsic_dim(&Device::cpu(), &torus.points().unwrap(), &geo) {
            Ok(found) => assert!(found.value > 0.0, "{dim}: {}", found.value),
            Err(error) => {
                assert!(error.to_string().contains("which is no dimension"), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "no sample went below 0: the test shows nothing");
}

/// The correlation dimension from the pass that finds the neighbours is, to the last bit, that of a pass of its own.
#[track_caller]
fn one_pass_says_what_two_say(set: &Set, suffices: bool) {
    let (device, points) = (Device::cpu(), set.points());
    let estimators =
        [(3, 8), (10, 20), (8, 10)].map(|(k1, k2)| Estimator::Correlation(Correlation { k1, k2 }));
    let nearest = neighbours(&device, &points, 20).unwrap();
    let words = |found: Vec<sharpdim::Result<Estimate>>| -> Vec<Result<Estimate, String>> {
        found.into_iter().map(|found| found.map_err(|error| error.to_string())).collect()
    };
    let two = words(estimates(&device, &points, &nearest, &estimators).unwrap());

    let within = &Estimator::within(&estimators)[..];
    assert_eq!(within, [3, 8, 10, 20]);
    let wanted = Wanted { k: 20, labels: None, top: 1, class_pairs: false, within };
    let pairs = all_pairs(&device, &points, &wanted, &|_| ()).unwrap();
    assert_eq!(pairs.neighbours, nearest, "{}", set.name);
    assert_eq!(pairs.within.len(), if suffices { 4 } else { 0 }, "{}", set.name);
    let one = words(estimates_of(&device, &points, &pairs, &estimators).unwrap());
    assert_eq!(one, two, "{}", set.name);
    assert_eq!(words(intrinsic_dims(&device, &points, &estimators, &|_| ()).unwrap()), two, "{}", set.name);
    let labels: Vec<u32> = (0..set.n() as u32).map(|i| i % 3).collect();
    let Properties { dimensions, .. } =
        intrinsic_properties(&device, &points, &labels, &estimators, Protocol::AllPairs, 1, &|_| ()).unwrap();
    assert_eq!(words(dimensions), two, "{}", set.name);
    if let (Ok(found), true) = (&one[1], suffices) {
        let (value, _) = naive(set, &estimators[1]);
        close(found.value, value, 1e-9, || format!("{}, counted one by one", set.name));
    }
}

#[test]
fn correlation_sums_are_those_of_another_pass() {
    let mut twins = uniform_f32(2100, 4, 41);
    if let Values::F32(values) = &mut twins.values {
        values.copy_within(0..400, 4000);
    }
    let mut random = Random::new(42);
    let doubles = Set::f64("doubles", 3, (0..2100 * 3).map(|_| random.normal()).collect());
    let ties = Set::u8("ties", 2, Random::new(43).bytes(2100 * 2).iter().map(|v| v / 16).collect());
    let sets = [noise_u8(2100, 6, 40), torus(2100, 2, 44), twins, doubles, ties];
    sets.iter().for_each(|set| one_pass_says_what_two_say(set, true));
    // Too few for a search that tells where to count.
    [noise_u8(21, 3, 45), noise_u8(300, 3, 46), uniform_f32(300, 3, 46)]
        .iter()
        .for_each(|set| one_pass_says_what_two_say(set, false));
    // The few that are searched first are a cluster: all that they tell is wrong.
    let mut misleading = uniform_f32(2100, 4, 47);
    if let Values::F32(values) = &mut misleading.values {
        for i in drawn_subset(&mut ChaCha8Rng::seed_from_u64(0), 2100, 256) {
            values[i * 4..(i + 1) * 4].iter_mut().for_each(|v| *v = *v * 1e-3 + 50.0);
        }
    }
    one_pass_says_what_two_say(&misleading, false);
}
