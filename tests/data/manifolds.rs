//! Manifolds: their closed forms, the moments of scikit-dimension's benchmark (tests/vectors/manifolds.py),
//! isometric embedding, noise, seeds, names, and what cannot be had.

use super::make::{assert_says, cases};
use approx::abs_diff_eq;
use proptest::prelude::*;
use serde_json::Value;
use sharpdim::Device;
use sharpdim::data::manifolds::{Manifold, ManifoldSample, Settings};
use sharpdim::measure::{Estimator, Mle, MleNorm, intrinsic_dim};

const SEED: u64 = 7;

fn plain(manifold: Manifold, n: usize) -> ManifoldSample {
    manifold.sample(n, &Settings { seed: SEED, ..Settings::default() }).unwrap()
}

/// The rows of `n` samples, as f64.
fn rows(manifold: Manifold, n: usize) -> Vec<Vec<f64>> {
    let sample = plain(manifold, n);
    assert_eq!((sample.dim, sample.intrinsic_dim), (manifold.natural_dim(), manifold.intrinsic_dim()));
    assert_eq!(sample.values.len(), n * sample.dim);
    sample.values.chunks_exact(sample.dim).map(|row| row.iter().map(|v| f64::from(*v)).collect()).collect()
}

fn squared(row: &[f64]) -> f64 {
    row.iter().map(|v| v * v).sum()
}

/// Zero, as far as f32 can say for values up to `scale`.
fn assert_zero(value: f64, scale: f64, what: &str) {
    assert!(abs_diff_eq!(value, 0.0, epsilon = 1e-6 * scale), "{what}: {value}");
}

#[test]
fn spheres_have_radius_1() {
    for dim in [1, 2, 10] {
        for row in rows(Manifold::Sphere { dim }, 500) {
            assert_zero(squared(&row) - 1.0, 1.0, "sphere");
        }
    }
}

#[test]
fn balls_are_uniform() {
    for dim in [1, 3, 10] {
        let n = 20_000;
        let squares: Vec<f64> = rows(Manifold::Ball { dim }, n).iter().map(|row| squared(row)).collect();
        assert!(squares.iter().all(|s| *s <= 1.0 + 1e-6));
        // r^dim is uniform, so E r^2 = d / (d + 2), E r^4 = d / (d + 4).
        let d = dim as f64;
        let mean = squares.iter().sum::<f64>() / n as f64;
        let sd = (d / (d + 4.0) - (d / (d + 2.0)).powi(2)).sqrt();
        assert!(abs_diff_eq!(mean, d / (d + 2.0), epsilon = 5.0 * sd / (n as f64).sqrt()), "{dim}: {mean}");
    }
}

#[test]
fn cubes_and_their_faces() {
    let inside = |v: &f64| (0.0..=1.0).contains(v);
    assert!(rows(Manifold::Cube { dim: 5 }, 500).iter().flatten().all(inside));
    let mut faces = [0; 8];
    for row in rows(Manifold::CubeSurface { dim: 3 }, 8000) {
        assert!(row.iter().all(inside));
        let on: Vec<usize> = (0..4).filter(|axis| row[*axis] == 0.0 || row[*axis] == 1.0).collect();
        // Another coordinate may round to an end as well, but hardly.
        faces[2 * on[0] + row[on[0]] as usize] += 1;
    }
    assert!(faces.iter().all(|count| (850..1150).contains(count)), "{faces:?}");
}

#[test]
fn curves_and_surfaces_satisfy_their_equations() {
    for row in rows(Manifold::SwissRoll, 500) {
        let t = row[0].hypot(row[2]);
        assert!((4.712..14.138).contains(&t) && (0.0..=21.0).contains(&row[1]), "{row:?}");
        assert_zero(row[0] - t * t.cos(), 100.0, "roll, x");
        assert_zero(row[2] - t * t.sin(), 100.0, "roll, z");
    }
    for row in rows(Manifold::Helix, 500) {
        let radius = row[0].hypot(row[1]) - 2.0;
        assert_zero(radius.hypot(row[2]) - 1.0, 1.0, "helix on its torus");
        assert_zero((8.0 * row[1].atan2(row[0])).sin() - row[2], 10.0, "helix");
    }
    for row in rows(Manifold::Helicoid, 500) {
        let angle = 2.0 * row[2];
        assert_zero(row[0] * angle.sin() - row[1] * angle.cos(), 100.0, "helicoid");
        assert!(row[0].hypot(row[1]) < 31.42 && (0.0..15.71).contains(&row[2]), "{row:?}");
    }
    for row in rows(Manifold::Spiral, 500) {
        assert_zero(row[0] - 100.0 * row[2].cos(), 1000.0, "spiral, x");
        assert_zero(row[1] - 100.0 * row[2].sin(), 1000.0, "spiral, y");
        assert!(row[3..].iter().all(|v| *v == 0.0));
    }
    for row in rows(Manifold::SCurve, 500) {
        assert_zero(row[0].hypot(row[2].abs() - 1.0) - 1.0, 1.0, "S");
        assert!((0.0..=2.0).contains(&row[1]));
    }
    for row in rows(Manifold::Moebius, 500) {
        let (sin, cos) = (5.0 * row[1].atan2(row[0])).sin_cos();
        let out = row[0].hypot(row[1]) - 1.0;
        assert_zero(out * sin - row[2] * cos, 5.0, "band");
        assert!(out.hypot(row[2]) <= 0.5 + 1e-6);
    }
}

#[test]
fn coordinates_satisfy_their_equations() {
    for row in rows(Manifold::FlatTorus { dim: 4 }, 500) {
        assert!(row.chunks(2).all(|pair| abs_diff_eq!(squared(pair), 1.0, epsilon = 1e-6)));
    }
    for row in rows(Manifold::Paraboloid { dim: 3 }, 500) {
        assert_zero(squared(&row[..3]) - row[3], 3.0, "paraboloid");
        for (at, x) in row[..4].iter().enumerate() {
            assert_zero(row[4 + at] - x.sin(), 1.0, "paraboloid, sine");
            assert_zero(row[8 + at] - x * x, 10.0, "paraboloid, square");
        }
    }
    // The affine piece lies in the space that its three directions span.
    let offset = [3.0, -1.0, 0.0, 0.0, 8.0];
    let directions = [[1.2, 0.5, -0.5, 0.4, 1.1], [-0.5, 0.9, -0.2, -0.9, -0.3], [0.0, 0.0, 1.0, -0.1, 0.0]];
    for row in rows(Manifold::Affine3To5, 500) {
        let moved: Vec<f64> = row.iter().zip(offset).map(|(v, offset)| v - offset).collect();
        assert_zero(residual(&moved, &directions), 20.0, "affine");
    }
    for row in rows(Manifold::Nonlinear { dim: 3, repeats: 2 }, 500) {
        assert_eq!(row[..6], row[6..]);
        // Each pair's angle is a radius of the pair before it.
        let radius = |at: usize| row[2 * at].hypot(row[2 * at + 1]);
        for at in 0..3 {
            let angle = row[2 * at + 1].atan2(row[2 * at]).rem_euclid(std::f64::consts::TAU);
            let turns = angle / std::f64::consts::TAU - radius((at + 2) % 3);
            assert!(abs_diff_eq!(turns, turns.round(), epsilon = 1e-5) || radius(at) < 0.1, "{row:?}");
        }
    }
}

/// How far a vector is from those that the directions span.
fn residual(vector: &[f64], directions: &[[f64; 5]]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut left = vector.to_vec();
    let mut axes: Vec<Vec<f64>> = Vec::new();
    let less = |from: &mut Vec<f64>, axis: &[f64]| {
        let along = dot(from, axis);
        from.iter_mut().zip(axis).for_each(|(value, axis)| *value -= along * axis);
    };
    for direction in directions {
        let mut axis = direction.to_vec();
        axes.iter().for_each(|before| less(&mut axis, before));
        let length = squared(&axis).sqrt();
        axes.push(axis.iter().map(|value| value / length).collect());
        less(&mut left, &axes[axes.len() - 1]);
    }
    squared(&left).sqrt()
}

#[test]
fn benchmark_is_that_of_scikit_dimension() {
    let text = include_str!("../vectors/manifolds.json");
    let reference: Value = serde_json::from_str(text).unwrap();
    let names: Vec<&str> = reference["manifolds"].as_object().unwrap().keys().map(String::as_str).collect();
    let benchmark = Manifold::benchmark();
    assert_eq!(names, benchmark.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let n = 20_000;
    // Both sides are samples.
    let error = (1.0 / n as f64 + 1.0 / reference["points"].as_f64().unwrap()).sqrt();
    for (name, manifold) in benchmark {
        let theirs = &reference["manifolds"][name];
        let number = |key: &str| theirs[key].as_u64().unwrap() as usize;
        assert_eq!(manifold.intrinsic_dim(), number("intrinsic_dim"), "{name}");
        assert_eq!(manifold.natural_dim(), number("embedding_dim"), "{name}");
        let rows = rows(manifold, n);
        for at in 0..manifold.natural_dim() {
            let statistic = |key: &str| theirs[key][at].as_f64().unwrap();
            let mean = rows.iter().map(|row| row[at]).sum::<f64>() / n as f64;
            let variance = rows.iter().map(|row| (row[at] - mean).powi(2)).sum::<f64>() / n as f64;
            let allowed = 5.5 * error * statistic("variance").sqrt() + 1e-6;
            assert!(
                abs_diff_eq!(mean, statistic("mean"), epsilon = allowed),
                "{name}, {at}: mean {mean}, {allowed}"
            );
            let allowed = 5.5 * error * statistic("variance_error") + 1e-6 * statistic("variance");
            assert!(
                abs_diff_eq!(variance, statistic("variance"), epsilon = allowed),
                "{name}, {at}: variance {variance}"
            );
        }
    }
}

/// The maximum-likelihood estimate falls behind where 2000 points are few for the dimension, and runs a
/// little ahead where neighbours are not of one density.
#[test]
fn estimates_are_near() {
    let others = [
        ("ball", Manifold::Ball { dim: 3 }),
        ("cube", Manifold::Cube { dim: 2 }),
        ("flat torus", Manifold::FlatTorus { dim: 3 }),
    ];
    for (name, manifold) in Manifold::benchmark().into_iter().chain(others) {
        let sample = plain(manifold, 2000);
        let estimator = Estimator::Mle(Mle { k: 10, norm: MleNorm::KMinus1, ..Mle::default() });
        let found = intrinsic_dim(&Device::cpu(), &sample.points().unwrap(), &estimator).unwrap().value;
        let share = found / manifold.intrinsic_dim() as f64;
        println!("{name}: {found:.2}, {share:.2} of the dimension");
        let least = if manifold.intrinsic_dim() <= 4 { 0.85 } else { 0.45 };
        assert!((least..1.3).contains(&share), "{name}: {found}");
    }
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn embedding_keeps_distances(seed: u64, which in 0..24usize, more in 0..40usize) {
        let (name, manifold) = Manifold::benchmark()[which];
        let embedding_dim = Some(manifold.natural_dim() + more);
        let flat = manifold.sample(20, &Settings { seed, ..Settings::default() }).unwrap();
        let turned = manifold.sample(20, &Settings { embedding_dim, seed, ..Settings::default() }).unwrap();
        prop_assert_eq!(Some(turned.dim), embedding_dim);
        prop_assert_eq!(turned.intrinsic_dim, manifold.intrinsic_dim());
        prop_assert_ne!(&turned.values, &flat.values);
        let distance = |sample: &ManifoldSample, a: usize, b: usize| {
            let row = |at: usize| &sample.values[at * sample.dim..(at + 1) * sample.dim];
            row(a).iter().zip(row(b)).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
        };
        for a in 0..20 {
            for b in 0..a {
                let (before, after) = (distance(&flat, a, b), distance(&turned, a, b));
                prop_assert!(abs_diff_eq!(before, after, epsilon = 1e-4 * before + 1e-4), "{}: {} {}", name, before, after);
            }
        }
    }
}

#[test]
fn noise_is_added_to_every_value() {
    let settings = Settings { embedding_dim: Some(30), noise_sd: 0.0, seed: SEED };
    let clean = Manifold::SwissRoll.sample(1000, &settings).unwrap();
    let noisy = Manifold::SwissRoll.sample(1000, &Settings { noise_sd: 0.5, ..settings }).unwrap();
    let noise: Vec<f64> = noisy.values.iter().zip(&clean.values).map(|(a, b)| f64::from(a - b)).collect();
    for column in 0..30 {
        let values: Vec<f64> = noise.iter().skip(column).step_by(30).copied().collect();
        let mean = values.iter().sum::<f64>() / 1000.0;
        let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 1000.0).sqrt();
        // Five standard deviations of each.
        let alike = abs_diff_eq!(mean, 0.0, epsilon = 0.08) && abs_diff_eq!(sd, 0.5, epsilon = 0.06);
        assert!(alike, "{column}: {mean}, {sd}");
    }
}

#[test]
fn the_same_for_a_seed() {
    for (name, manifold) in Manifold::benchmark() {
        let draw = |n, seed| {
            let settings =
                Settings { embedding_dim: Some(80.max(manifold.natural_dim())), noise_sd: 0.1, seed };
            manifold.sample(n, &settings).unwrap().values
        };
        let first = draw(10, 1);
        assert_eq!(first, draw(10, 1), "{name}");
        assert_ne!(first, draw(10, 2), "{name}");
        // More samples are more, not others.
        assert_eq!(first, draw(20, 1)[..first.len()], "{name}");
    }
}

#[test]
fn names() {
    for (name, manifold) in Manifold::benchmark() {
        assert_eq!(name.parse::<Manifold>().unwrap(), manifold);
        assert_eq!(name.to_lowercase().parse::<Manifold>().unwrap(), manifold);
    }
    assert_eq!("sphere:5".parse::<Manifold>().unwrap(), Manifold::Sphere { dim: 5 });
    assert_eq!("cube_surface:2".parse::<Manifold>().unwrap(), Manifold::CubeSurface { dim: 2 });
    for name in
        ["", "sphere", "sphere:", "sphere:-1", "sphere:5.0", "M7", "torus:3", "sphere:99999999999999999999"]
    {
        assert_says(
            name.parse::<Manifold>(),
            &[&format!("'{name}'"), "M7_Roll", "Mp3_Paraboloid", "flat_torus:5"],
        );
    }
}

#[test]
fn what_cannot_be_had() {
    let settings = Settings::default();
    for dim in [0, usize::MAX] {
        for family in ["sphere", "ball", "cube", "cube_surface", "affine", "gaussian", "flat_torus"] {
            let manifold: Manifold = format!("{family}:{dim}").parse().unwrap();
            let right = if dim == 0 { "at least 1" } else { "coordinates are more than" };
            assert_says(manifold.sample(5, &settings), &[right]);
        }
        assert_says(Manifold::Beta { dim }.sample(5, &settings), &["Beta"]);
        assert_says(Manifold::Tangents { dim }.sample(5, &settings), &["Tangents"]);
        assert_says(Manifold::Paraboloid { dim }.sample(5, &settings), &["Paraboloid"]);
        assert_says(Manifold::Nonlinear { dim, repeats: 2 }.sample(5, &settings), &["Nonlinear"]);
        assert_says(Manifold::Nonlinear { dim: 2, repeats: dim }.sample(5, &settings), &["repeats"]);
    }
    let roll = Manifold::SwissRoll;
    assert_says(roll.sample(0, &settings), &["0 samples", "at least 1"]);
    assert_says(roll.sample(usize::MAX, &settings), &["no memory", "x 3 values"]);
    let small = Settings { embedding_dim: Some(2), ..settings };
    assert_says(roll.sample(5, &small), &["2 dimensions do not hold its 3", "embed in 3 or more"]);
    let huge = Settings { embedding_dim: Some(usize::MAX), ..settings };
    assert_says(roll.sample(5, &huge), &["no memory"]);
    for noise_sd in [-1.0, f64::NAN, f64::INFINITY] {
        assert_says(roll.sample(5, &Settings { noise_sd, ..settings }), &["noise", "0 or more"]);
    }
    // Values that f32 does not hold are found when they are used.
    let loud = Settings { noise_sd: 1e300, ..settings };
    assert_says(roll.sample(5, &loud).unwrap().points(), &["must be finite"]);
}
