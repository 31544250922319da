//! 95 % intervals, over many samples of manifolds whose dimension is known: they hold the truth where the
//! estimator has no bias to speak of, and its own expectation everywhere.

use crate::support::coverage::{Coverage, simulate};
use sharpdim::data::manifolds::Manifold;
use sharpdim::measure::*;

fn mle(k: usize, norm: MleNorm, pooling: Pooling) -> Estimator {
    Estimator::Mle(Mle { k, norm, pooling, ..Mle::default() })
}

fn unbiased() -> Vec<Estimator> {
    let duplicates = Duplicates::Exclude;
    vec![
        Estimator::TwoNn(TwoNn::default()),
        Estimator::TwoNn(TwoNn::ClosedForm { duplicates }),
        Estimator::TwoNn(TwoNn::bayes()),
        mle(10, MleNorm::KMinus1, Pooling::Harmonic),
        mle(10, MleNorm::KMinus2, Pooling::Mean),
        Estimator::Gride(Gride { n: 4, duplicates }),
        Estimator::MindMl(MindMl { k: 8, whole: false, duplicates }),
        Estimator::Correlation(Correlation { k1: 5, k2: 10 }),
        Estimator::GeoMle(GeoMle { from: 5, to: 15, degree: 1, bootstraps: 10, ..GeoMle::default() }),
    ]
}

fn biased() -> Vec<Estimator> {
    vec![
        Estimator::Mle(Mle::default()),
        Estimator::MleRange(MleRange::default()),
        Estimator::Moments(Moments::default()),
    ]
}

fn print(what: &str, found: &[Coverage]) {
    for found in found {
        println!(
            "{what}, {}: mean {:.3}, ratio {:.2}, {:.3} hold the truth, {:.3} the mean",
            found.estimator, found.mean, found.ratio, found.of_truth, found.of_mean
        );
    }
}

/// A circle, and a sphere, of which a chord of length r cuts off exactly pi r^2: local counts grow as they would on
/// a plane.
#[test]
fn intervals_hold_the_truth_where_there_is_no_bias() {
    for (what, manifold) in [("circle", Manifold::Sphere { dim: 1 }), ("sphere", Manifold::Sphere { dim: 2 })]
    {
        let found = simulate(manifold, 200, 300, 0, &unbiased());
        print(what, &found);
        for found in &found {
            assert!((0.92..=0.98).contains(&found.of_truth), "{what}: {found:?}");
        }
    }
}

#[test]
fn intervals_hold_the_estimators_own_expectation() {
    let estimators = [unbiased(), biased()].concat();
    let found = simulate(Manifold::FlatTorus { dim: 3 }, 200, 200, 1000, &estimators);
    print("torus of 3", &found);
    for found in &found {
        assert!((0.91..=0.99).contains(&found.of_mean), "{found:?}");
    }
    // Those that look at neighbours among themselves cost more.
    let duplicates = Duplicates::Exclude;
    let estimators = [
        Estimator::Tle(Tle { k: 10, ..Tle::default() }),
        Estimator::Ess(Ess { k: 10, duplicates }),
        Estimator::LocalPca(LocalPca { k: 10, rule: PcaRule::Participation, duplicates }),
    ];
    let found = simulate(Manifold::FlatTorus { dim: 3 }, 150, 100, 2000, &estimators);
    print("torus of 3", &found);
    for found in &found {
        assert!((0.88..=1.0).contains(&found.of_mean), "{found:?}");
    }
}
