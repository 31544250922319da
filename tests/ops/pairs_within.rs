//! `pairs_within` against looking at every pair of samples in f64.

use crate::support::{
    LONG_ROWS, Random, Set, close, devices, in_reach, nasty_f32, nasty_f64, nasty_u8, noise_u8, on_threads,
};
use sharpdim::ops::{pairs_within, pairs_within_with};
use sharpdim::{Device, Error, Points};
use std::sync::Mutex;

/// Every pair with its squared distance, sorted by its samples.
fn all_pairs(set: &Set) -> Vec<(u32, u32, f64)> {
    let from = |i: usize| {
        let later = set.squared_from(i).into_iter().enumerate().skip(i + 1);
        later.map(move |(j, squared)| (i as u32, j as u32, squared)).collect::<Vec<_>>()
    };
    (0..set.n()).flat_map(from).collect()
}

/// Radii that matter: the nearest pair's, one that a few pairs are within, the median, and all; each is the
/// distance of a pair, so that there are ties at the radius.
fn check(device: &Device, set: &Set) {
    if !in_reach(device, set.n(), set.dim) {
        return;
    }
    let all = all_pairs(set);
    let mut squared: Vec<f64> = all.iter().map(|pair| pair.2).collect();
    squared.sort_unstable_by(f64::total_cmp);
    let emulated = device.name().starts_with("emulated");
    let ranks = [0, set.n() / 2, all.len() / 2, all.len() - 1];
    for rank in &ranks[..if emulated { 3 } else { 4 }] {
        let radius = squared[(*rank).min(all.len() - 1)];
        let place = format!("{device}, {}, {} x {}, {radius:e}", set.name, set.n(), set.dim);
        let found = pairs_within(device, &set.points(), radius, all.len()).unwrap();
        if set.exact() {
            let within: Vec<_> = all.iter().copied().filter(|pair| pair.2 <= radius).collect();
            assert_eq!(found, within, "{place}");
            continue;
        }
        // Sums in another order: whatever is that close to the radius may be within or not.
        assert!(found.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)), "{place}");
        let sure = all.iter().filter(|pair| pair.2 <= radius * (1.0 - 1e-11));
        for pair in sure {
            let at = found.binary_search_by_key(&(pair.0, pair.1), |found| (found.0, found.1));
            assert!(at.is_ok(), "{place}: {pair:?} is missing");
        }
        for found in &found {
            let at = all.binary_search_by_key(&(found.0, found.1), |pair| (pair.0, pair.1)).unwrap();
            close(found.2, all[at].2, 1e-11, || &place);
            assert!(found.2 <= radius, "{place}: {found:?}");
        }
    }
}

#[test]
fn doubles_of_every_kind() {
    for device in devices() {
        for (n, dim) in [(2, 1), (17, 5), (130, 7), (40, 1030), (257, 5)] {
            nasty_f64(n, dim, 20).iter().for_each(|set| check(&device, set));
        }
    }
}

#[test]
fn bytes_of_every_kind() {
    for device in devices() {
        for (n, dim) in [(2, 1), (3, 4), (16, 7), (33, 65), (127, 4), (129, 7), (257, 5)] {
            nasty_u8(n, dim, 1).iter().for_each(|set| check(&device, set));
        }
        check(&device, &noise_u8(LONG_ROWS.0, LONG_ROWS.1, 2));
        nasty_u8(2100, 3, 3).iter().for_each(|set| check(&device, set));
    }
}

#[test]
fn floats_of_every_kind() {
    for device in devices() {
        for (n, dim) in [(2, 1), (17, 5), (100, 1), (150, 7), (40, 1030), (290, 3)] {
            nasty_f32(n, dim, 4).iter().for_each(|set| check(&device, set));
        }
        check(&device, &nasty_f32(2100, 2, 5)[0]);
    }
}

/// Twins a last bit apart, 1e4 from the origin: a radius between their distance and twice it.
#[test]
fn near_twins_far_from_the_origin() {
    let (n, dim) = (290, 15);
    let mut random = Random::new(6);
    let mut values = random.floats(n * dim, |r| 1e4 + r.normal());
    let mut want = Vec::new();
    for i in (1..n).step_by(10) {
        values.copy_within((i - 1) * dim..i * dim, i * dim);
        values[i * dim + i % dim] = values[i * dim + i % dim].next_up();
        want.push((i as u32 - 1, i as u32, f64::from(2f32.powi(-20))));
    }
    let points = Points::f32(&values, dim).unwrap();
    for device in devices().iter().filter(|device| in_reach(device, n, dim)) {
        assert_eq!(pairs_within(device, &points, 2f64.powi(-20), 100).unwrap(), want, "{device}");
        assert_eq!(pairs_within(device, &points, 0.999 * 2f64.powi(-20), 100).unwrap(), [], "{device}");
    }
}

/// One pair too many is an error that counts them and names a radius; that radius then does.
#[test]
fn too_many_pairs_are_counted_and_a_radius_that_would_do_is_named() {
    let floats: Vec<f32> = (0..60).map(|i| (i * i) as f32 + 0.25).collect();
    let bytes: Vec<u8> = (0..60).map(|i| i * 4).collect();
    for device in devices() {
        for points in [Points::f32(&floats, 1).unwrap(), Points::u8(&bytes, 1).unwrap()] {
            let all = pairs_within(&device, &points, 1e8, 1770).unwrap();
            assert_eq!(all.len(), 60 * 59 / 2, "{device}");
            for most in [1, 50, 1769] {
                let error = pairs_within(&device, &points, 1e8, most).unwrap_err();
                assert!(matches!(error, Error::Data(_)));
                let message = error.to_string();
                assert!(message.starts_with("1770 pairs"), "{device}: {message}");
                let radius: f64 = message.rsplit(' ').next().unwrap().parse().unwrap();
                let within = pairs_within(&device, &points, (radius * (1.0 - 1e-9)).powi(2), most).unwrap();
                let mut squared: Vec<f64> = all.iter().map(|pair| pair.2).collect();
                squared.sort_unstable_by(f64::total_cmp);
                assert_eq!(within.len(), squared.iter().filter(|s| **s < squared[most]).count(), "{device}");
            }
        }
        let twins = [7u8; 40];
        let error = pairs_within(&device, &Points::u8(&twins, 4).unwrap(), 0.0, 44).unwrap_err().to_string();
        assert!(error.starts_with("45 pairs") && error.contains("identical"), "{error}");
        assert_eq!(pairs_within(&device, &Points::u8(&twins, 4).unwrap(), 0.0, 45).unwrap().len(), 45);
    }
}

#[test]
fn thread_counts_and_memory_limits_change_no_bit() {
    for device in devices() {
        for set in [nasty_f32(100, 5, 7), nasty_u8(100, 5, 7)].concat() {
            if in_reach(&device, set.n(), set.dim) {
                let find = || pairs_within(&device, &set.points(), 0.5, 10_000).unwrap();
                assert_eq!(on_threads(1, find), on_threads(3, find), "{device}, {}", set.name);
            }
        }
        let set = noise_u8(290, 15, 8);
        if in_reach(&device, set.n(), set.dim) {
            let find = || pairs_within(&device, &set.points(), 60_000.0, 50_000).unwrap();
            let free = find();
            assert!(free.len() > 100);
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
        for set in [nasty_f32(130, 5, 9).remove(0), noise_u8(130, 5, 9)] {
            let seen = Mutex::new(Vec::new());
            let see = |done: f64| seen.lock().unwrap().push(done);
            pairs_within_with(&device, &set.points(), 1.0, 10_000, &see).unwrap();
            let seen = seen.into_inner().unwrap();
            assert!(seen.is_sorted() && seen[0] >= 0.0 && seen.last() == Some(&1.0), "{device}: {seen:?}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let points = Points::u8(&[1, 2, 3], 1).unwrap();
    for device in devices() {
        for (squared, most) in [(-1.0, 5), (f64::NAN, 5), (f64::INFINITY, 5), (1.0, 0)] {
            let refused = pairs_within(&device, &points, squared, most);
            assert!(matches!(refused, Err(Error::Argument(_))), "{squared} {most}");
        }
        assert_eq!(pairs_within(&device, &Points::u8(&[1], 1).unwrap(), 1.0, 5).unwrap(), []);
        assert_eq!(pairs_within(&device, &Points::u8(&[], 1).unwrap(), 1.0, 5).unwrap(), []);
    }
}
