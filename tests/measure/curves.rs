//! Curves: points against estimates of the same samples found one by one, warnings against what is known of the data.

use crate::support::{Set, Values, close, drawn_subset, on_threads, uniform_f32};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sharpdim::data::manifolds::{Manifold, Settings};
use sharpdim::measure::*;
use sharpdim::{Device, Error};
use std::sync::Mutex;

const DUPLICATES: Duplicates = Duplicates::Exclude;

fn curves(set: &Set, estimators: &[Estimator], options: &CurveOptions) -> Vec<Curve> {
    dimension_curves(&Device::cpu(), &set.points(), estimators, options, &|_| ()).unwrap()
}

/// Some of a set's samples.
fn rows(set: &Set, rows: &[usize]) -> Set {
    let Values::F32(values) = &set.values else { unreachable!() };
    let row = |i: &usize| values[i * set.dim..(i + 1) * set.dim].to_vec();
    Set::f32("some", set.dim, rows.iter().flat_map(row).collect())
}

#[test]
fn points_are_estimates_one_by_one() {
    let set = uniform_f32(240, 4, 30);
    let estimators = [
        Estimator::Mle(Mle::default()),
        Estimator::TwoNn(TwoNn::ClosedForm { duplicates: DUPLICATES }),
        Estimator::Gride(Gride { n: 2, duplicates: DUPLICATES }),
        Estimator::Ess(Ess { k: 8, duplicates: DUPLICATES }),
        Estimator::Correlation(Correlation { k1: 4, k2: 8 }),
    ];
    let options = CurveOptions { ks: vec![12, 4, 8, 4], sizes: vec![120, 60], repeats: 3, seed: 9 };
    let found = curves(&set, &estimators, &options);
    let against: Vec<_> = found.iter().map(|curve| (curve.estimator.name(), curve.against)).collect();
    use Against::{Neighbours, Samples};
    let expected = [
        ("mle", Neighbours),
        ("mle", Samples),
        ("twonn_mle", Samples),
        ("gride", Neighbours),
        ("gride", Samples),
        ("ess", Neighbours),
        ("ess", Samples),
        ("corr", Neighbours),
        ("corr", Samples),
    ];
    assert_eq!(against, expected);
    let one =
        |set: &Set, estimator: &Estimator| intrinsic_dim(&Device::cpu(), &set.points(), estimator).unwrap();
    for curve in &found {
        let name = curve.estimator.name();
        match curve.against {
            Neighbours => {
                assert_eq!(curve.points.iter().map(|point| point.at).collect::<Vec<_>>(), [4, 8, 12]);
                for point in &curve.points {
                    let want = one(&set, &curve.estimator.with_neighbours(point.at).unwrap());
                    assert_eq!(
                        (point.value, point.low, point.high),
                        (want.value, want.low, want.high),
                        "{name}"
                    );
                }
            }
            Samples => {
                assert_eq!(curve.points.iter().map(|point| point.at).collect::<Vec<_>>(), [60, 120, 240]);
                let want = one(&set, &curve.estimator);
                let last = curve.points[2];
                assert_eq!((last.value, last.low, last.high), (want.value, want.low, want.high), "{name}");
                // The subsamples as they are said to be drawn: stream after stream, size after size.
                for (at, point) in curve.points[..2].iter().enumerate() {
                    let values: Vec<f64> = (0..3)
                        .map(|repeat| {
                            let mut rng = ChaCha8Rng::seed_from_u64(9);
                            rng.set_stream(at as u64 * 3 + repeat);
                            let drawn = drawn_subset(&mut rng, 240, point.at);
                            one(&rows(&set, &drawn), &curve.estimator).value
                        })
                        .collect();
                    let mean = values.iter().sum::<f64>() / 3.0;
                    let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
                    close(point.value, mean, 1e-12, || name);
                    close(point.low, mean - 1.96 * sd, 1e-12, || name);
                    close(point.high, mean + 1.96 * sd, 1e-12, || name);
                }
            }
        }
    }
}

/// A cube of 20 dimensions has never enough samples; a torus of 2 soon has.
#[test]
fn warnings_come_where_estimates_have_not_settled() {
    let estimators = [
        Estimator::Mle(Mle { norm: MleNorm::KMinus1, ..Mle::default() }),
        Estimator::TwoNn(TwoNn::default()),
    ];
    let on = |manifold: Manifold, n: usize, seed: u64| {
        let sample = manifold.sample(n, &Settings { seed, ..Settings::default() }).unwrap();
        let set = Set::f32("sample", sample.dim, sample.values);
        curves(&set, &estimators, &CurveOptions { repeats: 10, ..CurveOptions::default() })
    };
    for seed in 0..3 {
        let cube = on(Manifold::Cube { dim: 20 }, 500, seed);
        let warning = cube[1].warning.as_deref().expect("the MLE rises with the sample");
        println!("{warning}");
        assert_eq!((cube[1].against, cube[1].points.last().unwrap().at), (Against::Samples, 500));
        let said = format!("{:.2} at 500", cube[1].points.last().unwrap().value);
        assert!(warning.starts_with("still rises by ") && warning.contains(&said), "{warning}");
        let neighbours = cube[0].warning.as_deref().expect("the MLE falls with k");
        assert!(neighbours.starts_with("depends on the number of neighbours"), "{neighbours}");

        for curve in on(Manifold::FlatTorus { dim: 2 }, 2000, seed) {
            assert_eq!(curve.warning, None, "{:?} {}", curve.against, curve.estimator);
        }
    }
}

#[test]
fn settings_are_chosen_from_the_number_of_samples() {
    let chosen = CurveOptions::for_samples(2000);
    assert_eq!(chosen.ks, [3, 4, 6, 8, 12, 17, 24, 34, 48, 68, 96, 100]);
    assert_eq!(chosen.sizes, [250, 500, 1000, 2000]);
    assert_eq!(CurveOptions::for_samples(40).ks, [3, 4, 6, 8, 10]);
    let set = uniform_f32(40, 3, 31);
    let estimators = [Estimator::Moments(Moments { k: 10, duplicates: DUPLICATES })];
    let found = curves(&set, &estimators, &CurveOptions::default());
    assert_eq!(found[0].points.iter().map(|point| point.at).collect::<Vec<_>>(), [3, 4, 6, 8, 10]);
    // 5 and 10 samples have no 10 neighbours each.
    assert_eq!(found[1].points.iter().map(|point| point.at).collect::<Vec<_>>(), [20, 40]);
}

#[test]
fn every_estimator_takes_another_number_of_neighbours_or_says_not() {
    for estimator in Estimator::all() {
        let other = estimator.with_neighbours(16);
        assert_eq!(other.is_none(), matches!(estimator, Estimator::TwoNn(_)), "{estimator}");
        let Some(other) = other else { continue };
        assert_eq!(other.name(), estimator.name());
        match other {
            Estimator::MindMl(mind) => assert_eq!(mind.k, 16),
            Estimator::GeoMle(geo) => assert_eq!((geo.from, geo.to), (4, 16)),
            Estimator::MleRange(range) => assert_eq!((range.from, range.to), (8, 16)),
            Estimator::Correlation(correlation) => assert_eq!((correlation.k1, correlation.k2), (8, 16)),
            Estimator::Gride(gride) => assert_eq!(gride.n, 8),
            other => assert_eq!(other.neighbours(), 16),
        }
        assert_eq!(estimator.with_neighbours(0), None);
    }
    assert_eq!(Estimator::Mle(Mle::default()).with_neighbours(2), None);
}

#[test]
fn curves_refuse_what_makes_no_sense_and_follow_the_seed() {
    let set = uniform_f32(80, 3, 32);
    let estimators = [Estimator::Mle(Mle { k: 8, ..Mle::default() })];
    let options = CurveOptions { ks: vec![5, 8], sizes: vec![40], repeats: 2, seed: 1 };
    let refused = |options: &CurveOptions, word: &str| {
        let error =
            dimension_curves(&Device::cpu(), &set.points(), &estimators, options, &|_| ()).unwrap_err();
        assert!(matches!(error, Error::Argument(_)) && error.to_string().contains(word), "{error}");
    };
    refused(&CurveOptions { repeats: 1, ..options.clone() }, "at least 2");
    refused(&CurveOptions { sizes: vec![81], ..options.clone() }, "81");
    refused(&CurveOptions { sizes: vec![0], ..options.clone() }, "of 0");
    let bad = [Estimator::Mle(Mle { k: 1, ..Mle::default() })];
    let error = dimension_curves(&Device::cpu(), &set.points(), &bad, &options, &|_| ()).unwrap_err();
    assert!(matches!(error, Error::Argument(_)), "{error}");

    let find = || curves(&set, &estimators, &options);
    assert_eq!(on_threads(1, find), on_threads(3, find));
    let other = curves(&set, &estimators, &CurveOptions { seed: 2, ..options.clone() });
    assert_ne!(other[1].points[0], find()[1].points[0]);
    assert_eq!(other[1].points[1], find()[1].points[1]);

    let told = Mutex::new(Vec::new());
    let tell = |done: f64| told.lock().unwrap().push(done);
    dimension_curves(&Device::cpu(), &set.points(), &estimators, &options, &tell).unwrap();
    let told = told.into_inner().unwrap();
    assert!(
        told.iter().all(|done| (0.0..=1.0 + 1e-9).contains(done)) && told.last() == Some(&1.0),
        "{told:?}"
    );
}
