//! One set measured against another, held against formulas written out on naive distances.

use crate::support::{Random, Set, close, devices, in_reach, least, nasty_u8, uniform_f32};
use approx::abs_diff_eq;
use sharpdim::data::manifolds::{Manifold, Settings};
use sharpdim::measure::{
    Duplicates, Estimator, Gride, MindMl, Mle, MleRange, Moments, TwoNn, cross_dim, cross_sharpness,
    estimate, intrinsic_dim,
};
use sharpdim::ops::{neighbours_between, sharpness_between};
use sharpdim::{Device, Error, Points};

/// Distances only.
fn estimators() -> Vec<Estimator> {
    let duplicates = Duplicates::default();
    vec![
        Estimator::Mle(Mle { k: 10, ..Mle::default() }),
        Estimator::MleRange(MleRange { from: 5, to: 10, ..MleRange::default() }),
        Estimator::TwoNn(TwoNn::default()),
        Estimator::TwoNn(TwoNn::ClosedForm { duplicates }),
        Estimator::Gride(Gride::default()),
        Estimator::Moments(Moments::default()),
        Estimator::MindMl(MindMl::default()),
    ]
}

#[test]
fn mle_is_the_formula() {
    let (n, dim, queries, k) = (90, 3, 30, 10);
    let mut set = uniform_f32(n, dim, 1);
    if let crate::support::Values::F32(values) = &mut set.values {
        // Queries 3 and 8 are reference samples; reference samples 70 and 71 are twins, which is nothing to a query.
        values.copy_within(40 * dim..41 * dim, 3 * dim);
        values.copy_within(50 * dim..51 * dim, 8 * dim);
        values.copy_within(70 * dim..71 * dim, 71 * dim);
    }
    let inverse = |i: usize| {
        let near = least(set.squared_from(i)[queries..].to_vec(), k);
        (0..k - 1).map(|j| (near[k - 1] / near[j]).sqrt().ln()).sum::<f64>() / (k - 2) as f64
    };
    let all: Vec<f64> = (0..queries).map(inverse).collect();
    assert_eq!(all.iter().filter(|m| m.is_infinite()).count(), 2);
    let kept: Vec<f64> = all.iter().copied().filter(|m| m.is_finite()).collect();
    let want = kept.len() as f64 / kept.iter().sum::<f64>();
    let (asked, reference) = (set.rows(0..queries), set.rows(queries..n));
    for device in devices().into_iter().filter(|device| in_reach(device, n, dim)) {
        let mle = Mle { k, ..Mle::default() };
        let found = cross_dim(&device, &asked.points(), &reference.points(), &Estimator::Mle(mle)).unwrap();
        close(found.value, want, 1e-5, || "MLE");
        assert!(found.low < found.value && found.value < found.high);
        assert_eq!(found.excluded.reasons(), [(2, "identical to a reference sample")]);
        for (i, m) in all.iter().enumerate() {
            if m.is_finite() {
                close(found.local[i], 1.0 / m, 1e-4, || format!("query {i}"))
            } else {
                assert!(found.local[i].is_nan())
            }
        }
        let refuse = Estimator::Mle(Mle { duplicates: Duplicates::Refuse, ..mle });
        let error = cross_dim(&device, &asked.points(), &reference.points(), &refuse).unwrap_err();
        assert!(error.to_string().contains("query 3 and reference sample 10 are identical"), "{error}");
    }
}

/// How estimates scatter over 150 pairs of samples of one torus, against what each claims of itself: with as many
/// reference samples as queries, and with so few that queries share nearly all.
#[test]
fn intervals_know_of_shared_reference_samples() {
    let device = Device::cpu();
    let estimators = [
        Estimator::Mle(Mle { k: 10, ..Mle::default() }),
        Estimator::TwoNn(TwoNn::ClosedForm { duplicates: Duplicates::default() }),
    ];
    for (queries, reference) in [(300, 300), (600, 120)] {
        for estimator in &estimators {
            let measured = (0..150).map(|seed| {
                let settings = Settings { seed, ..Settings::default() };
                let torus = Manifold::FlatTorus { dim: 2 }.sample(queries + reference, &settings).unwrap();
                let (asked, others) = torus.values.split_at(queries * torus.dim);
                let points = |values| Points::f32(values, torus.dim).unwrap();
                let found = cross_dim(&device, &points(asked), &points(others), estimator).unwrap();
                (found.value, (found.high - found.low) / 3.92)
            });
            let (values, claimed): (Vec<f64>, Vec<f64>) = measured.unzip();
            let mean = values.iter().sum::<f64>() / 150.0;
            let scatter = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 149.0).sqrt();
            let ratio = scatter / (claimed.iter().sum::<f64>() / 150.0);
            assert!((0.8..1.25).contains(&ratio), "{queries} and {reference}, {estimator}: {ratio:.2}");
        }
    }
}

/// Queries that are samples of the same manifold see what the reference samples see of themselves.
#[test]
fn every_estimator_of_distances_finds_the_reference_samples_dimension() {
    let mut random = Random::new(3);
    // Three dimensions, in five columns.
    let values = (0..2400 * 5).map(|at| if at % 5 < 3 { random.uniform() as f32 } else { 0.5 });
    let set = Set::f32("cube", 5, values.collect());
    let (asked, reference) = (set.rows(0..1200), set.rows(1200..2400));
    for estimator in estimators() {
        let device = Device::cpu();
        let found = cross_dim(&device, &asked.points(), &reference.points(), &estimator).unwrap();
        let within = intrinsic_dim(&device, &reference.points(), &estimator).unwrap();
        assert!(found.low < found.value && found.value < found.high, "{estimator}");
        let margin = (found.high - found.low).hypot(within.high - within.low) / 2.0;
        let alike = abs_diff_eq!(found.value, within.value, epsilon = margin);
        assert!(margin < 0.6 && alike, "{estimator}: {} and {}", found.value, within.value);
    }
}

#[test]
fn what_reads_more_than_distances_is_refused() {
    let set = uniform_f32(80, 3, 4);
    let (asked, reference) = (set.rows(0..30), set.rows(30..80));
    let device = Device::cpu();
    let asked_of: Vec<&str> = estimators().iter().map(Estimator::name).collect();
    for estimator in Estimator::all().into_iter().filter(|e| !asked_of.contains(&e.name())) {
        let found = cross_dim(&device, &asked.points(), &reference.points(), &estimator);
        if matches!(estimator, Estimator::TwoNn(_)) {
            found.unwrap();
            continue;
        }
        let error = found.unwrap_err();
        assert!(
            matches!(error, Error::Argument(_)) && error.to_string().contains("their own set"),
            "{error}"
        );
        let near = neighbours_between(&device, &asked.points(), &reference.points(), 50, &|_| ()).unwrap();
        assert!(matches!(estimate(&near, &estimator), Err(Error::Argument(_))), "{estimator}");
    }
    let few = Estimator::Mle(Mle { k: 51, ..Mle::default() });
    assert!(matches!(cross_dim(&device, &asked.points(), &reference.points(), &few), Err(Error::Data(_))));
    let none = Estimator::Mle(Mle { k: 0, ..Mle::default() });
    assert!(matches!(
        cross_dim(&device, &asked.points(), &reference.points(), &none),
        Err(Error::Argument(_))
    ));
}

/// Queries that are all reference samples give nothing.
#[test]
fn a_set_in_itself_has_no_dimension_to_tell() {
    let set = uniform_f32(40, 3, 5);
    let device = Device::cpu();
    let error =
        cross_dim(&device, &set.points(), &set.points(), &Estimator::Mle(Mle::default())).unwrap_err();
    assert!(matches!(error, Error::Data(_)) && error.to_string().contains("40 samples"), "{error}");
}

#[test]
fn cross_sharpness_is_that_of_all_pairs() {
    for set in nasty_u8(60, 5, 6) {
        let labels: Vec<u32> = (0..60).map(|i| i * 7 % 3).collect();
        let (a, b) = (set.rows(0..25), set.rows(25..60));
        let (labels_a, labels_b) = labels.split_at(25);
        for device in devices() {
            let all = sharpness_between(&device, &a.points(), labels_a, &b.points(), labels_b, 4, &|_| ());
            let found = cross_sharpness(&device, &a.points(), labels_a, &b.points(), labels_b, 4, &|_| ());
            let (Ok(all), Ok(found)) = (all, found) else {
                assert_eq!(set.name, "all identical");
                continue;
            };
            assert_eq!((found.mean, found.sd, &found.sharpest), (all.mean, all.sd, &all.sharpest));
            assert_eq!((found.pairs_compared, found.contradictions), (25 * 35, all.contradictions));
            assert_eq!(found.max, 1.0 / all.sharpest[0].distance);
        }
    }
}
