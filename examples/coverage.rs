//! Prints how often 95 % intervals hold the truth, as a Markdown table: estimators on many samples of manifolds of
//! known dimension.
//!
//!     cargo run --release --example coverage -- [SAMPLES OF EACH MANIFOLD] [POINTS IN EACH SAMPLE]

#[path = "../tests/support/coverage.rs"]
mod coverage;

use sharpdim::data::manifolds::Manifold;
use sharpdim::measure::{Estimator, GeoMle, Gride, Mle, MleNorm, Pooling};
use std::io::Write;

fn main() {
    let mut numbers = std::env::args().skip(1).map(|arg| arg.parse::<usize>().expect("a whole number"));
    let repeats = numbers.next().unwrap_or(1000) as u64;
    let n = numbers.next().unwrap_or(500);
    let only = std::env::args().nth(3);
    let mut estimators = Estimator::all();
    let mle = |k, norm, pooling| Estimator::Mle(Mle { k, norm, pooling, ..Mle::default() });
    estimators.extend([
        mle(20, MleNorm::KMinus1, Pooling::Harmonic),
        mle(20, MleNorm::KMinus2, Pooling::Mean),
        mle(5, MleNorm::KMinus1, Pooling::Harmonic),
        Estimator::GeoMle(GeoMle { pooling: Pooling::Mean, ..GeoMle::default() }),
        Estimator::GeoMle(GeoMle { degree: 1, ..GeoMle::default() }),
        Estimator::Gride(Gride { n: 8, ..Gride::default() }),
    ]);
    let slow = std::env::var_os("LPCA").is_none();
    if slow {
        estimators.retain(|e| e.name() != "lpca");
    }
    let manifolds = [
        ("flat_torus:1", Manifold::FlatTorus { dim: 1 }),
        ("flat_torus:2", Manifold::FlatTorus { dim: 2 }),
        ("flat_torus:3", Manifold::FlatTorus { dim: 3 }),
        ("flat_torus:5", Manifold::FlatTorus { dim: 5 }),
        ("sphere:1", Manifold::Sphere { dim: 1 }),
        ("sphere:2", Manifold::Sphere { dim: 2 }),
        ("sphere:3", Manifold::Sphere { dim: 3 }),
        ("sphere:5", Manifold::Sphere { dim: 5 }),
    ];
    println!("| manifold | estimator | mean | scatter / claimed | holds the truth | holds its own mean |");
    println!("|---|---|---|---|---|---|");
    for (name, manifold) in manifolds {
        if only.as_ref().is_some_and(|only| !name.contains(only)) {
            continue;
        }
        for found in coverage::simulate(manifold, n, repeats, 0, &estimators) {
            println!(
                "| {name} | {} | {:.3} | {:.2} | {:.1} % | {:.1} % |",
                found.estimator,
                found.mean,
                found.ratio,
                100.0 * found.of_truth,
                100.0 * found.of_mean
            );
        }
        std::io::stdout().flush().unwrap();
    }
}
