//! `class_pairs` against looking at every pair of samples in f64.

use crate::support::{
    LONG_ROWS, Random, Set, close, devices, in_reach, nasty_f32, nasty_f64, nasty_u8, noise_u8, on_threads,
};
use approx::assert_abs_diff_eq;
use sharpdim::ops::{ClassPair, class_pairs, class_pairs_with};
use sharpdim::{Device, Error, Points};
use std::collections::BTreeMap;
use std::sync::Mutex;

fn labels(n: usize, classes: usize, seed: u64) -> Vec<u32> {
    let mut random = Random::new(seed);
    (0..n).map(|_| random.below(classes) as u32 * 3).collect()
}

/// Of every two classes: pairs as (squared distance, pair), and how many are identical.
type Naive = BTreeMap<[u32; 2], (Vec<(f64, [usize; 2])>, u64)>;

fn naive(set: &Set, labels: &[u32]) -> Naive {
    let mut all = Naive::new();
    for i in 0..set.n() {
        for (j, squared) in set.squared_from(i).into_iter().enumerate().skip(i + 1) {
            let classes = [labels[i].min(labels[j]), labels[i].max(labels[j])];
            let (pairs, identical) = all.entry(classes).or_default();
            if squared > 0.0 { pairs.push((squared, [i, j])) } else { *identical += 1 }
        }
    }
    all.retain(|_, (pairs, _)| !pairs.is_empty());
    all
}

#[track_caller]
fn check(set: &Set, labels: &[u32]) {
    for device in devices().iter().filter(|device| in_reach(device, set.n(), set.dim)) {
        verify(device, set, labels, &class_pairs(device, &set.points(), labels).unwrap());
    }
}

#[track_caller]
pub fn verify(device: &Device, set: &Set, labels: &[u32], found: &[ClassPair]) {
    // On a GPU a squared distance used for a mean of floats is within 1/1000 of the truth, so that 1/distance is within half
    // of that. Errors of many pairs cancel.
    let tolerance = |pairs: usize| match (set.exact(), device.is_cpu()) {
        (true, _) => 1e-11,
        (false, false) if pairs < 1000 => 5.1e-4,
        (false, _) => 1e-5,
    };
    let all = naive(set, labels);
    let place = format!("{}, {} x {}", set.name, set.n(), set.dim);
    let classes: Vec<_> = found.iter().map(|found| found.classes).collect();
    assert_eq!(classes, all.keys().copied().collect::<Vec<_>>(), "{place}");
    for (found, (classes, (pairs, identical))) in found.iter().zip(&all) {
        let place = format!("{place}, {classes:?}");
        let least = pairs.iter().copied().min_by(|a, b| a.partial_cmp(b).unwrap()).unwrap();
        let sharpest = found.sharpest;
        if set.exact() {
            assert_eq!((sharpest.distance, sharpest.pair), (least.0.sqrt(), least.1), "{place}");
        }
        close(sharpest.distance, least.0.sqrt(), 1e-9, || &place);
        close(set.squared_from(sharpest.pair[0])[sharpest.pair[1]], least.0, 1e-9, || &place);
        let [a, b] = sharpest.pair.map(|i| labels[i]);
        assert_eq!([a.min(b), a.max(b)], *classes, "{place}");
        assert_eq!((found.pairs, found.identical), (pairs.len() as u64, *identical), "{place}");
        let mean = pairs.iter().map(|(squared, _)| 1.0 / squared.sqrt()).sum::<f64>() / pairs.len() as f64;
        close(found.mean, mean, tolerance(pairs.len()), || format!("{place}: mean"));
    }
}

#[test]
fn bytes_of_every_kind() {
    for (n, dim) in [(2, 1), (3, 4), (16, 7), (33, 65), (129, 7), (257, 5)] {
        for set in nasty_u8(n, dim, 1) {
            for classes in [1, 2, 3, 40] {
                check(&set, &labels(n, classes, 2));
            }
        }
    }
    check(&noise_u8(LONG_ROWS.0, LONG_ROWS.1, 3), &labels(LONG_ROWS.0, 3, 4));
    // More than a tile, and classes with fewer samples than a tile has rows.
    for set in nasty_u8(2100, 3, 5) {
        check(&set, &labels(2100, 7, 6));
    }
    check(&noise_u8(4200, 4, 7), &labels(4200, 1000, 8));
}

#[test]
fn floats_of_every_kind() {
    for (n, dim) in [(2, 1), (17, 5), (100, 1), (150, 7), (290, 3), (40, 1030)] {
        for set in nasty_f32(n, dim, 9) {
            for classes in [1, 2, 3, 40] {
                check(&set, &labels(n, classes, 10));
            }
        }
    }
    for set in nasty_f32(2100, 2, 11) {
        check(&set, &labels(2100, 3, 12));
    }
}

#[test]
fn doubles_of_every_kind() {
    for (n, dim) in [(2, 1), (17, 5), (150, 7), (40, 1030), (2100, 2)] {
        for set in nasty_f64(n, dim, 20) {
            check(&set, &labels(n, 3, 21));
        }
    }
}

#[test]
fn thread_counts_change_no_bit() {
    for set in [nasty_f32(300, 5, 13), nasty_u8(300, 5, 13)].concat() {
        let labels = labels(300, 4, 14);
        let find = || class_pairs(&Device::cpu(), &set.points(), &labels).unwrap();
        assert_eq!(on_threads(1, find), on_threads(3, find), "{}", set.name);
    }
}

/// Sorted by class, a warp's pairs are of one cell. Twice, as sums do not depend on whose turn it is.
#[test]
fn sorted_classes_and_runs_change_nothing() {
    for device in devices() {
        for set in [noise_u8(290, 4, 17), nasty_f32(290, 3, 18).remove(0)] {
            if !in_reach(&device, set.n(), set.dim) {
                continue;
            }
            let sorted: Vec<u32> = (0..290).map(|i| i / 100).collect();
            let find = || class_pairs(&device, &set.points(), &sorted).unwrap();
            let found = find();
            verify(&device, &set, &sorted, &found);
            assert_eq!(found, find(), "{}", device.name());
        }
    }
}

#[test]
fn every_device_says_the_same_and_how_far_it_is() {
    let set = noise_u8(60, 5, 15);
    let labels = labels(60, 3, 16);
    let want = class_pairs(&Device::cpu(), &set.points(), &labels).unwrap();
    for device in devices() {
        let seen = Mutex::new(Vec::new());
        let see = |done: f64| seen.lock().unwrap().push(done);
        let found = class_pairs_with(&device, &set.points(), &labels, &see).unwrap();
        for (found, want) in found.iter().zip(&want) {
            assert_abs_diff_eq!(found.mean, want.mean, epsilon = 1e-11 * want.mean);
            assert_eq!(*found, ClassPair { mean: found.mean, ..*want });
        }
        assert_eq!(found.len(), want.len());
        let seen = seen.into_inner().unwrap();
        assert!(seen.is_sorted() && seen.last() == Some(&1.0), "{seen:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let values: Vec<u8> = (0..2049u32).map(|i| i as u8).collect();
    let points = Points::u8(&values, 1).unwrap();
    let device = Device::cpu();
    assert!(matches!(class_pairs(&device, &points, &[0, 1]), Err(Error::Argument(_))));
    let labels: Vec<u32> = (0..2049).collect();
    let error = class_pairs(&device, &points, &labels).unwrap_err();
    assert!(matches!(error, Error::Data(_)) && error.to_string().contains("2049 classes"), "{error}");
    assert_eq!(class_pairs(&device, &Points::u8(&[5], 1).unwrap(), &[9]).unwrap(), []);
    assert_eq!(class_pairs(&device, &Points::u8(&[5, 5], 1).unwrap(), &[9, 4]).unwrap(), []);
}
