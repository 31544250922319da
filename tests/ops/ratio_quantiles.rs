//! `ratio_quantiles` against sorting the ratios of all pairs in f64.

use crate::support::{
    LONG_ROWS, Random, Set, close, devices, in_reach, nasty_f32, nasty_f64, nasty_u8, noise_u8, on_threads,
    uniform_f32,
};
use sharpdim::ops::{ratio_quantiles, ratio_quantiles_with, sharpness};
use sharpdim::{Device, Error, Points};
use std::sync::Mutex;

const QUANTILES: [f64; 8] = [0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0];

const ON_A_GRID: [&str; 4] = ["small integers", "signed zeros", "all identical", "bytes as floats"];

fn labels(n: usize, classes: usize, seed: u64) -> Vec<u32> {
    let mut random = Random::new(seed);
    let mut labels: Vec<u32> = (0..n).map(|_| random.below(classes) as u32 * 7).collect();
    (labels[0], labels[n - 1]) = (0, 7);
    labels
}

/// The ratios of all pairs with different labels, ascending.
fn ratios(set: &Set, labels: &[u32]) -> Vec<f64> {
    let mut all = Vec::new();
    for i in 0..set.n() {
        for (j, squared) in set.squared_from(i).into_iter().enumerate().skip(i + 1) {
            if labels[i] != labels[j] && squared > 0.0 {
                all.push(1.0 / squared.sqrt());
            }
        }
    }
    all.sort_unstable_by(f64::total_cmp);
    all
}

#[track_caller]
fn check(device: &Device, set: &Set, labels: &[u32]) {
    if !in_reach(device, set.n(), set.dim) {
        return;
    }
    let place = format!("{device}, {}, {} x {}", set.name, set.n(), set.dim);
    let all = ratios(set, labels);
    let found = match ratio_quantiles(device, &set.points(), labels, &QUANTILES) {
        Ok(found) => found,
        Err(error) => return assert!(all.is_empty(), "{place}: {error}"),
    };
    for (q, found) in QUANTILES.into_iter().zip(found) {
        let rank = ((q * all.len() as f64).ceil() as usize).clamp(1, all.len());
        let want = all[rank - 1];
        if set.exact() && want > 1.0 / 1024.0 && matches!(set.values, crate::support::Values::U8(_)) {
            assert_eq!(found, want, "{place}, quantile {q}");
        }
        // Floats are recomputed, unless they lie on a grid, as any two numbers do, whose products are exact.
        let tolerance =
            if set.exact() || set.n() == 2 || ON_A_GRID.contains(&set.name.as_str()) { 5e-7 } else { 1e-11 };
        close(found, want, tolerance, || format!("{place}, quantile {q}"));
    }
}

#[test]
fn bytes_of_every_kind() {
    for device in devices() {
        for (n, dim) in [(2, 1), (3, 4), (16, 7), (33, 65), (127, 4), (129, 7), (257, 5)] {
            for set in nasty_u8(n, dim, 1) {
                check(&device, &set, &labels(n, 2, 2));
                check(&device, &set, &labels(n, 5, 3));
            }
        }
        check(&device, &noise_u8(LONG_ROWS.0, LONG_ROWS.1, 4), &labels(LONG_ROWS.0, 3, 5));
        check(&device, &noise_u8(2100, 3, 6), &labels(2100, 40, 7));
    }
}

#[test]
fn floats_of_every_kind() {
    for device in devices() {
        for (n, dim) in [(2, 1), (17, 5), (100, 1), (150, 7), (290, 3), (40, 1030)] {
            for set in nasty_f32(n, dim, 8) {
                check(&device, &set, &labels(n, 2, 9));
                check(&device, &set, &labels(n, 3, 10));
            }
        }
        for set in nasty_f32(2100, 2, 11) {
            check(&device, &set, &labels(2100, 4, 12));
        }
    }
}

#[test]
fn doubles_of_every_kind() {
    for device in devices() {
        for (n, dim) in [(2, 1), (17, 5), (150, 7), (40, 1030), (2100, 2)] {
            for set in nasty_f64(n, dim, 30) {
                check(&device, &set, &labels(n, 3, 31));
            }
        }
    }
}

/// The greatest ratio is the label sharpness.
#[test]
fn the_last_quantile_is_the_maximum() {
    for device in devices() {
        let set = uniform_f32(200, 9, 13);
        let labels = labels(200, 3, 14);
        let sharpest = sharpness(&device, &set.points(), &labels, 1).unwrap().sharpest[0];
        let found = ratio_quantiles(&device, &set.points(), &labels, &[1.0]).unwrap();
        close(found[0], sharpest.ratio(), 5e-7, || "the maximum");
    }
}

/// In any order and however many: each quantile is found as if it were asked for alone.
#[test]
fn many_quantiles_and_none() {
    let set = noise_u8(100, 7, 15);
    let labels = labels(100, 2, 16);
    let many: Vec<f64> = (0..1000).map(|at| f64::from(at * 379 % 1000) / 999.0).collect();
    for device in devices() {
        let points = set.points();
        let found = ratio_quantiles(&device, &points, &labels, &many).unwrap();
        for at in [0, 1, 500, 999] {
            assert_eq!(ratio_quantiles(&device, &points, &labels, &[many[at]]).unwrap(), [found[at]]);
        }
        assert!(ratio_quantiles(&device, &points, &labels, &[]).unwrap().is_empty());
    }
}

#[test]
fn thread_counts_and_memory_limits_change_no_bit() {
    for device in devices() {
        for set in [nasty_f32(100, 5, 17), nasty_u8(100, 5, 17)].concat() {
            let labels = labels(100, 3, 18);
            let find = || ratio_quantiles(&device, &set.points(), &labels, &QUANTILES).ok();
            if in_reach(&device, set.n(), set.dim) {
                assert_eq!(on_threads(1, find), on_threads(3, find), "{device}, {}", set.name);
            }
        }
        let set = noise_u8(290, 15, 19);
        if in_reach(&device, set.n(), set.dim) {
            let labels = labels(290, 2, 20);
            let find = || ratio_quantiles(&device, &set.points(), &labels, &QUANTILES).unwrap();
            let free = find();
            device.set_memory_limit(1 << 14);
            let tight = find();
            device.set_memory_limit(u64::MAX);
            assert_eq!(free, tight, "{device}");
        }
    }
}

#[test]
fn progress_ends_at_1() {
    for device in devices() {
        for set in [nasty_f32(130, 5, 21).remove(0), noise_u8(130, 5, 21)] {
            let seen = Mutex::new(Vec::new());
            let see = |done: f64| seen.lock().unwrap().push(done);
            ratio_quantiles_with(&device, &set.points(), &labels(130, 2, 22), &[0.5], &see).unwrap();
            let seen = seen.into_inner().unwrap();
            assert!(seen.is_sorted() && seen[0] >= 0.0 && seen.last() == Some(&1.0), "{device}: {seen:?}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let points = Points::u8(&[1, 2, 2], 1).unwrap();
    for device in devices() {
        let refused = |labels: &[u32], q: &[f64]| ratio_quantiles(&device, &points, labels, q).unwrap_err();
        for q in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = refused(&[0, 1, 1], &[0.5, q]);
            assert!(matches!(error, Error::Argument(_)) && error.to_string().contains("quantile"), "{error}");
        }
        assert!(matches!(refused(&[0, 1, 1], &[0.5; 1001]), Error::Argument(_)));
        assert!(matches!(refused(&[0, 1], &[0.5]), Error::Argument(_)));
        assert!(matches!(refused(&[1, 1, 1], &[0.5]), Error::Data(_)));
        let twins = Points::u8(&[1, 1], 1).unwrap();
        assert!(matches!(ratio_quantiles(&device, &twins, &[0, 1], &[0.5]), Err(Error::Data(_))));
    }
}
