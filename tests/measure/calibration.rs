//! Intervals for the truth, bias included: they hold it 95 times of 100 over the population that they are made of, and
//! are what their definition says.

use approx::abs_diff_eq;
use sharpdim::data::manifolds::{Manifold, Settings};
use sharpdim::measure::*;
use sharpdim::{Device, Error};
use std::fs;

/// All but those that look at neighbours among themselves, and GeoMLE, which wants more samples.
fn estimators() -> Vec<Estimator> {
    Estimator::all().into_iter().filter(|e| !["tle", "ess", "lpca", "geomle"].contains(&e.name())).collect()
}

fn calibration(n: usize, estimators: &[Estimator], seed: u64, draws: usize) -> Calibration {
    let population = Population { seed, ..Population::default() };
    let mut calibration = Calibration::new(n, estimators, population).unwrap();
    calibration.extend(&Device::cpu(), draws, &|_| ()).unwrap();
    calibration
}

/// Of 1200 new draws, a true 95 % is found within 93.7..96.3 % nineteen times of twenty; calibrations scatter as much.
#[test]
fn intervals_hold_the_truth_over_the_population() {
    let estimators = estimators();
    let known = calibration(200, &estimators, 0, Calibration::DRAWS);
    let new = calibration(200, &estimators, 1, 1200);
    for (own, estimator) in estimators.iter().enumerate() {
        let (mut held, mut of, mut bounded) = (0, 0, 0);
        for at in 0..new.draws() {
            let (manifold, values) = new.draw(at);
            let Some(value) = values[own] else { continue };
            let truth = known.truth(estimator, value).unwrap();
            of += 1;
            held += usize::from(truth.holds(manifold.intrinsic_dim() as f64));
            bounded += usize::from(truth.high.is_finite());
        }
        let share = f64::from(held as u32) / f64::from(of as u32);
        println!("{estimator}: {share:.3} of {of}, {bounded} with an upper end");
        assert!((0.92..=0.98).contains(&share), "{estimator}: {share}");
        assert!(of > 1190 && bounded > 9 * of / 10, "{estimator}: {of}, {bounded}");
    }
}

/// As one would do it by hand: sort all draws by how far their estimate is, take 119, their dimensions over their
/// estimates, and of all runs of 115 of these the shortest.
#[test]
fn an_interval_is_of_the_nearest_draws() {
    let mle = Estimator::Mle(Mle::default());
    let known = calibration(60, &[mle], 3, 400);
    for value in [0.8, 1.0, 1.7, 2.9, 6.0, 9.4, 14.0, 90.0] {
        let mut all: Vec<(f64, usize, f64)> = (0..known.draws())
            .map(|at| {
                let (manifold, values) = known.draw(at);
                let said = values[0].unwrap();
                (f64::ln(said / value).abs(), manifold.intrinsic_dim(), said)
            })
            .collect();
        let above = all.iter().filter(|(_, _, said)| *said > value).count();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut factors: Vec<f64> = all[..119].iter().map(|(_, dim, said)| *dim as f64 / said).collect();
        factors.sort_by(f64::total_cmp);
        let mut expected = Truth::new(factors[0] * value, factors[114] * value);
        for from in 1..5 {
            let (low, high) = (factors[from] * value, factors[from + 114] * value);
            if high / low < expected.high / expected.low {
                expected = Truth::new(low, high);
            }
        }
        if above < 29 {
            expected = Truth::new(factors[5] * value, f64::INFINITY);
        }
        assert_eq!(known.truth(&mle, value).unwrap(), expected, "{value}");
    }
    assert_eq!(known.truth(&mle, 1e6).unwrap().high, f64::INFINITY);
}

#[test]
fn every_kind_and_every_scale_of_dimension_is_drawn() {
    let population = Population::default();
    let drawn: Vec<Manifold> = (0..9000).map(|at| population.draw(at).0).collect();
    let kind = |manifold: &Manifold| format!("{manifold:?}").split([' ', '{']).next().unwrap().to_owned();
    let mut kinds: Vec<String> = drawn.iter().map(kind).collect();
    kinds.sort();
    let counts: Vec<usize> = kinds.chunk_by(|a, b| a == b).map(<[String]>::len).collect();
    // 500 of each of 18 are expected, within four standard deviations.
    assert_eq!(counts.len(), 18);
    assert!(counts.iter().all(|count| (410..590).contains(count)), "{counts:?}");
    // Spheres may have any dimension: as many from 2 to 4 as from 20 to 44, ln(5 / 2) / ln(257) of all.
    let spheres: Vec<usize> = drawn
        .iter()
        .filter(|m| matches!(m, Manifold::Sphere { .. } | Manifold::Ball { .. } | Manifold::Cube { .. }))
        .map(Manifold::intrinsic_dim)
        .collect();
    for (low, high) in [(2, 5), (20, 50), (80, 200)] {
        let share =
            spheres.iter().filter(|dim| (low..high).contains(*dim)).count() as f64 / spheres.len() as f64;
        assert!(abs_diff_eq!(share, 0.1651, epsilon = 0.04), "{low}..{high}: {share}");
    }
    assert!(spheres.iter().all(|dim| (1..=256).contains(dim)));
    let flat = Population { max_dim: 1, seed: 5 };
    assert!((0..200).all(|at| flat.draw(at).0.intrinsic_dim() <= 4));
}

#[test]
fn draws_are_kept_and_gone_on_with() {
    let estimators = [Estimator::TwoNn(TwoNn::default()), Estimator::Mle(Mle::default())];
    let folder = tempfile::tempdir().unwrap();
    let whole = calibration(50, &estimators, 0, 30);
    let file = folder.path().join(whole.file_name());
    calibration(50, &estimators, 0, 12).save(&file).unwrap();
    let empty = |n: usize, seed: u64| {
        Calibration::new(n, &estimators, Population { seed, ..Population::default() }).unwrap()
    };

    let mut resumed = empty(50, 0);
    resumed.resume(&file).unwrap();
    assert_eq!(resumed.draws(), 12);
    resumed.extend(&Device::cpu(), 30, &|_| ()).unwrap();
    assert_eq!(resumed, whole);
    // Fewer draws than there are do not replace them.
    resumed.resume(&file).unwrap();
    assert_eq!(resumed, whole);

    // Of another size, of other draws, of another estimator, and no file at all: nothing happens.
    for mut other in [empty(51, 0), empty(50, 1), calibration(50, &estimators[..1], 0, 0)] {
        assert_ne!(other.file_name(), whole.file_name());
        other.resume(&file).unwrap();
        assert_eq!(other.draws(), 0);
        other.resume(&folder.path().join("none.json")).unwrap();
    }

    let text = fs::read_to_string(&file).unwrap();
    let cut = &text[..text.len() / 2];
    let fewer = text.replacen("\"draws\":[[", "\"draws\":[[1.0,", 1);
    let words = text.replacen("\"draws\":[[", "\"draws\":[[\"two\",", 1);
    for (content, what) in
        [(cut, "not JSON"), (&fewer, "draw 0"), (&words, "not a list of lists of numbers"), ("", "not JSON")]
    {
        fs::write(&file, content).unwrap();
        let mut damaged = empty(50, 0);
        match damaged.resume(&file) {
            Err(Error::Format { path, reason }) => assert!(path == file && reason.contains(what), "{reason}"),
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(damaged.draws(), 0);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mle = Estimator::Mle(Mle::default());
    let refused = |n, estimator: Estimator| {
        Calibration::new(n, &[estimator], Population::default()).unwrap_err().to_string()
    };
    assert!(refused(20, mle).contains("20 samples do not have them"));
    assert!(refused(100, Estimator::Mle(Mle { k: 1, ..Mle::default() })).contains("k must be at least"));

    let few = calibration(60, &[mle], 0, 237);
    let why = few.truth(&mle, 3.0).unwrap_err().to_string();
    assert!(why.contains("237 draws") && why.contains("238 are needed"), "{why}");
    let why = few.truth(&mle, 0.0).unwrap_err().to_string();
    assert!(why.contains("0 is not a dimension"), "{why}");
    let why = few.truth(&Estimator::TwoNn(TwoNn::default()), 3.0).unwrap_err().to_string();
    assert!(why.contains("was not calibrated"), "{why}");
}

/// What is known of data narrows the interval: a Gaussian's dimension by Gaussians is its own, or nearly.
#[test]
fn some_of_the_draws_say_more() {
    let mle = Estimator::Mle(Mle::default());
    let mut known = Calibration::new(100, &[mle], Population { max_dim: 64, seed: 0 }).unwrap();
    known.extend(&Device::cpu(), 5000, &|_| ()).unwrap();
    let sample =
        Manifold::Gaussian { dim: 12 }.sample(100, &Settings { seed: 9, ..Settings::default() }).unwrap();
    let found = intrinsic_dim(&Device::cpu(), &sample.points().unwrap(), &mle).unwrap();
    let all = known.truth(&mle, found.value).unwrap();
    let gaussians = known.truth_among(&mle, found.value, |m| matches!(m, Manifold::Gaussian { .. })).unwrap();
    println!("{}: {all}, by Gaussians {gaussians}", found.value);
    assert!(all.holds(12.0) && gaussians.holds(12.0));
    let wide = |truth: &Truth| truth.high / truth.low;
    assert!(wide(&gaussians) < wide(&all));
}
