//! `sharpness` against looking at every pair of samples in f64: the sharpest pairs, the mean and the
//! standard deviation, and every count.

use crate::support::{
    LONG_ROWS, Random, Set, close, devices, in_reach, least, nasty_f32, nasty_f64, nasty_u8, noise_u8,
    on_threads,
};
use approx::abs_diff_eq;
use sharpdim::ops::{Sharpness, sharpness, sharpness_with};
use sharpdim::{Device, Error, Points};
use std::sync::Mutex;

/// Each class about as large, in no order.
pub fn labels(n: usize, classes: usize, seed: u64) -> Vec<u32> {
    let mut random = Random::new(seed);
    let mut labels: Vec<u32> = (0..n).map(|_| random.below(classes) as u32 * 7).collect();
    (labels[0], labels[n - 1]) = (0, 7);
    labels
}

/// What all pairs say, one by one; the sharpest as (squared distance, pair).
struct Naive {
    sharpest: Vec<(f64, [usize; 2])>,
    mean: f64,
    sd: f64,
    differing: u64,
    contradictions: u64,
}

fn naive(set: &Set, labels: &[u32], top: usize) -> Naive {
    let (mut all, mut differing) = (Vec::new(), 0);
    for i in 0..set.n() {
        for (j, squared) in set.squared_from(i).into_iter().enumerate().skip(i + 1) {
            if labels[i] != labels[j] {
                differing += 1;
                if squared > 0.0 {
                    all.push((squared, [i, j]));
                }
            }
        }
    }
    let count = all.len() as f64;
    // Sums of sums, so that roundings of a million terms do not add up.
    let sum = |power: &dyn Fn(f64) -> f64| -> f64 {
        all.chunks(1000)
            .map(|all| all.iter().map(|(squared, _)| power(1.0 / squared.sqrt())).sum::<f64>())
            .sum()
    };
    let mean = sum(&|ratio| ratio) / count;
    let variance = sum(&|ratio| (ratio - mean).powi(2)) / count;
    let contradictions = differing - all.len() as u64;
    Naive { sharpest: least(all, top), mean, sd: variance.sqrt(), differing, contradictions }
}

#[track_caller]
pub fn verify(set: &Set, labels: &[u32], top: usize, found: &Sharpness, place: &str) {
    let place = format!("{place}, {}, {} x {}, top {top}", set.name, set.n(), set.dim);
    let want = naive(set, labels, top);
    let n = set.n() as u64;
    assert_eq!(found.pairs_compared, n * (n - 1) / 2, "{place}");
    assert_eq!(found.pairs_differing, want.differing, "{place}");
    assert_eq!(found.contradictions, want.contradictions, "{place}");
    assert_eq!(found.sharpest.len(), want.sharpest.len(), "{place}");
    for (got, (squared, pair)) in found.sharpest.iter().zip(&want.sharpest) {
        if set.exact() {
            assert_eq!((got.distance, got.pair), (squared.sqrt(), *pair), "{place}");
        }
        close(got.distance, squared.sqrt(), 1e-9, || &place);
        let [i, j] = got.pair;
        assert!(i < j && labels[i] != labels[j], "{place}: {:?}", got.pair);
        close(got.distance, set.squared_from(i)[j].sqrt(), 1e-9, || &place);
        assert_eq!(got.ratio(), 1.0 / got.distance);
    }
    let mut pairs: Vec<_> = found.sharpest.iter().map(|sharp| sharp.pair).collect();
    pairs.sort_unstable();
    pairs.dedup();
    assert_eq!(pairs.len(), found.sharpest.len(), "{place}: a pair twice");
    // Sums of up to a million terms, in another order; floats as promised. A few close pairs make most of
    // the deviation, so that a GPU's roundings do not average out in it.
    let tolerance = if set.exact() { 1e-11 } else { 1e-5 };
    close(found.mean, want.mean, tolerance, || format!("{place}: mean"));
    let tolerance = match (set.exact(), place.starts_with("cpu")) {
        (true, _) => 1e-10,
        (false, true) => 1e-5,
        (false, false) => 1e-4,
    };
    // The least that a difference of two sums can tell, where all distances are alike.
    let allowed = tolerance * want.sd + 1e-6 * want.mean;
    assert!(
        abs_diff_eq!(found.sd, want.sd, epsilon = allowed),
        "{place}: sd {} for {}, allowed {allowed:.1e}",
        found.sd,
        want.sd
    );
}

#[track_caller]
fn check(device: &Device, set: &Set, labels: &[u32], top: usize) {
    if !in_reach(device, set.n(), set.dim) {
        return;
    }
    match sharpness(device, &set.points(), labels, top) {
        Ok(found) => verify(set, labels, top, &found, &device.name()),
        Err(error) => nothing_to_find(set, labels, &error),
    }
}

/// Fails where there are pairs after all.
pub fn nothing_to_find(set: &Set, labels: &[u32], error: &Error) {
    assert!(naive(set, labels, 1).sharpest.is_empty(), "{}: {error}", set.name);
}

#[test]
fn bytes_in_every_shape() {
    for device in devices() {
        for n in [2, 3, 15, 16, 17, 31, 33, 64, 65, 127, 129, 257] {
            for dim in [1, 4, 7, 65, 257] {
                for set in nasty_u8(n, dim, 1) {
                    check(&device, &set, &labels(n, 2, 2), 1);
                    check(&device, &set, &labels(n, 5, 3), 12);
                }
            }
        }
        for dim in [1023, 1024, 1025, 32_768, 33_000, LONG_ROWS.1] {
            check(&device, &noise_u8(LONG_ROWS.0, dim, 4), &labels(LONG_ROWS.0, 3, 5), 9);
        }
        for set in nasty_u8(2100, 3, 6) {
            check(&device, &set, &labels(2100, 2, 7), 3);
        }
        check(&device, &noise_u8(4100, 5, 8), &labels(4100, 40, 9), 100);
    }
}

#[test]
fn floats_of_every_kind() {
    for device in devices() {
        for (n, dim) in [(2, 1), (17, 5), (100, 1), (150, 7), (290, 40), (40, 1030), (700, 3), (2100, 2)] {
            for set in nasty_f32(n, dim, 10) {
                check(&device, &set, &labels(n, 2, 11), 1);
                check(&device, &set, &labels(n, 3, 12), 20);
            }
        }
    }
}

#[test]
fn doubles_of_every_kind() {
    for device in devices() {
        for (n, dim) in [(2, 1), (17, 5), (100, 1), (150, 7), (40, 1030), (700, 3), (2100, 2)] {
            for set in nasty_f64(n, dim, 30) {
                check(&device, &set, &labels(n, 2, 31), 1);
                check(&device, &set, &labels(n, 3, 32), 20);
            }
        }
    }
}

/// More pairs than there are, and every pair.
#[test]
fn top_may_be_more_than_there_is() {
    for device in devices() {
        for top in [60 * 59 / 2, 1_000_000, usize::MAX / 64] {
            for set in [nasty_u8(60, 4, 13), nasty_f32(60, 4, 13)].concat() {
                check(&device, &set, &labels(60, 2, 14), top);
            }
        }
    }
}

/// Clusters so narrow that no product tells their pairs apart: samples are compared with all others, and pairs
/// that were recomputed before come up twice.
#[test]
fn clusters_hide_no_pair() {
    for device in devices() {
        for n in [700, 2500] {
            let set = nasty_f32(n, 3, 22).into_iter().find(|set| set.name == "clustered").unwrap();
            for top in [20, 30, 200] {
                check(&device, &set, &labels(n, 4, 23), top);
            }
        }
    }
}

/// Twins with the same label say nothing, twins with different labels are counted apart, and neither
/// hides the closest pair that counts.
#[test]
fn contradictions_are_counted_and_left_out() {
    let values = [0, 0, 5, 5, 0, 0, 9, 9, 5, 5, 0, 0];
    let labels = [0, 1, 1, 1, 1, 0];
    for device in devices() {
        let as_floats: Vec<f32> = values.iter().map(|v| f32::from(*v)).collect();
        for points in [Points::u8(&values, 2).unwrap(), Points::f32(&as_floats, 2).unwrap()] {
            let found = sharpness(&device, &points, &labels, 2).unwrap();
            // Samples 0, 2, 5 are at one place with labels 0, 1, 0.
            assert_eq!((found.pairs_compared, found.pairs_differing, found.contradictions), (15, 8, 2));
            assert_eq!(found.sharpest[0].pair, [0, 1]);
            assert_eq!(found.sharpest[1].pair, [0, 4]);
            close(found.sharpest[0].distance, 50f64.sqrt(), 1e-15, || "distance");
            let ratios = [50f64, 50.0, 50.0, 50.0, 162.0, 162.0].map(|squared| 1.0 / squared.sqrt());
            close(found.mean, ratios.iter().sum::<f64>() / 6.0, 1e-6, || "mean");
        }
    }
}

/// The sharpest pairs are a last bit apart, beside samples 1e4 from the origin.
#[test]
fn near_twins_of_two_classes() {
    let (n, dim) = (290, 30);
    let mut random = Random::new(15);
    let mut values = random.floats(n * dim, |r| 1e4 + r.normal());
    let labels: Vec<u32> = (0..n as u32).map(|i| i % 2).collect();
    for i in (1..n).step_by(10) {
        values.copy_within((i - 1) * dim..i * dim, i * dim);
        values[i * dim + i % dim] = values[i * dim + i % dim].next_up();
    }
    let set = Set::f32("near twins", dim, values);
    for device in devices() {
        check(&device, &set, &labels, 40);
        let found = sharpness(&device, &set.points(), &labels, 29).unwrap();
        assert!(found.sharpest.iter().all(|sharp| sharp.distance == f64::from(2f32.powi(-10))));
    }
}

#[test]
fn thread_counts_and_memory_limits_change_no_bit() {
    for device in devices() {
        let (n, dim) = if in_reach(&device, 200, 10) { (200, 10) } else { (40, 4) };
        for set in [nasty_f32(n, dim, 16), nasty_u8(n, dim, 16)].concat() {
            let labels = labels(n, 3, 17);
            let find = || sharpness(&device, &set.points(), &labels, 6).ok();
            let one = on_threads(1, find);
            assert_eq!(one, on_threads(3, find), "{device}, {}", set.name);
        }
        let set = noise_u8(290, 15, 18);
        if !in_reach(&device, set.n(), set.dim) {
            continue;
        }
        let labels = labels(290, 2, 19);
        let free = sharpness(&device, &set.points(), &labels, 6).unwrap();
        device.set_memory_limit(1 << 14);
        let tight = sharpness(&device, &set.points(), &labels, 6).unwrap();
        device.set_memory_limit(u64::MAX);
        assert_eq!(free.sharpest, tight.sharpest, "{device}");
        close(tight.mean, free.mean, 1e-12, || "mean in parts");
    }
}

#[test]
fn progress_ends_at_1() {
    for device in devices() {
        for set in [nasty_f32(130, 5, 20).remove(0), noise_u8(130, 5, 20)] {
            let seen = Mutex::new(Vec::new());
            let labels = labels(130, 2, 21);
            sharpness_with(&device, &set.points(), &labels, 1, &|done| seen.lock().unwrap().push(done))
                .unwrap();
            let seen = seen.into_inner().unwrap();
            assert!(seen.is_sorted() && seen[0] >= 0.0 && seen.last() == Some(&1.0), "{device}: {seen:?}");
        }
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let values = [1u8, 2, 3, 1, 2, 3];
    let points = Points::u8(&values, 3).unwrap();
    for device in devices() {
        let refused = |labels: &[u32], top: usize| sharpness(&device, &points, labels, top).unwrap_err();
        assert!(matches!(refused(&[0], 1), Error::Argument(_)));
        assert!(matches!(refused(&[0, 1, 1], 1), Error::Argument(_)));
        assert!(matches!(refused(&[0, 1], 0), Error::Argument(_)));
        assert!(matches!(refused(&[4, 4], 1), Error::Data(_)));
        // Two classes, but nothing that tells them apart.
        let error = refused(&[0, 1], 1);
        assert!(matches!(error, Error::Data(_)) && error.to_string().contains("identical"), "{error}");
        let none = Points::f32(&[], 3).unwrap();
        assert!(matches!(sharpness(&device, &none, &[], 1), Err(Error::Data(_))));
    }
}
