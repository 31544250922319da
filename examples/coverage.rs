//! Prints how often 95 % intervals hold the truth, and the estimator's own mean, as a Markdown table: estimators on
//! many samples of manifolds of known dimension. The numbers in docs/accuracy.md and docs/measures.md are from here.
//!
//! TLE, ESS and local PCA, which cost most, get an eighth of the samples.
//!
//!     cargo run --release --example coverage -- [SAMPLES OF EACH MANIFOLD] [POINTS IN EACH SAMPLE]

#[path = "../tests/support/coverage.rs"]
mod coverage;

use sharpdim::data::manifolds::Manifold;
use sharpdim::measure::{Estimator, GeoMle, Gride, Mle, MleNorm, Pooling};
use std::process::ExitCode;

fn main() -> ExitCode {
    let numbers: Result<Vec<usize>, _> = std::env::args().skip(1).map(|arg| arg.parse()).collect();
    let (repeats, n) = match numbers.as_deref() {
        Ok([]) => (400, 500),
        Ok([repeats]) => (*repeats, 500),
        Ok([repeats, n]) if *n > 120 => (*repeats, *n),
        _ => {
            eprintln!("coverage [SAMPLES OF EACH MANIFOLD] [POINTS IN EACH SAMPLE, above 120]");
            return ExitCode::from(2);
        }
    };
    let mle = |k, norm, pooling| Estimator::Mle(Mle { k, norm, pooling, ..Mle::default() });
    let mut estimators = Estimator::all();
    estimators.extend([
        mle(20, MleNorm::KMinus1, Pooling::Harmonic),
        mle(20, MleNorm::KMinus2, Pooling::Mean),
        mle(5, MleNorm::KMinus1, Pooling::Harmonic),
        Estimator::GeoMle(GeoMle { pooling: Pooling::Mean, ..GeoMle::default() }),
        Estimator::GeoMle(GeoMle { degree: 1, ..GeoMle::default() }),
        Estimator::Gride(Gride { n: 8, ..Gride::default() }),
    ]);
    let manifolds = [
        ("sphere:1", Manifold::Sphere { dim: 1 }),
        ("sphere:2", Manifold::Sphere { dim: 2 }),
        ("sphere:3", Manifold::Sphere { dim: 3 }),
        ("sphere:5", Manifold::Sphere { dim: 5 }),
        ("flat_torus:2", Manifold::FlatTorus { dim: 2 }),
        ("flat_torus:3", Manifold::FlatTorus { dim: 3 }),
        ("flat_torus:5", Manifold::FlatTorus { dim: 5 }),
        ("M7_Roll", Manifold::SwissRoll),
    ];
    println!(
        "| manifold | estimator | truth | mean | scatter / claimed | holds the truth | holds its mean |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (name, manifold) in manifolds {
        // Those that look at neighbours among themselves cost some ten times as much as all the others.
        let few = |estimator: &Estimator| ["tle", "ess", "lpca"].contains(&estimator.name());
        let (some, most): (Vec<Estimator>, Vec<Estimator>) = estimators.iter().copied().partition(few);
        let mut rows = coverage::simulate(manifold, n, repeats as u64, 0, &most);
        rows.extend(coverage::simulate(manifold, n, repeats.div_ceil(8).max(2) as u64, 0, &some));
        for found in rows {
            println!(
                "| {name} | {} | {} | {:.3} | {:.2} | {:.1} % | {:.1} % |",
                found.estimator,
                found.truth,
                found.mean,
                found.ratio,
                100.0 * found.of_truth,
                100.0 * found.of_mean
            );
        }
    }
    ExitCode::SUCCESS
}
