//! `neighbours_between` against sorting all distances of each query: exactly for whole numbers, else within the
//! promised error of every distance, and with no nearer reference sample left out. `sharpness_between` against looking
//! at every pair of samples in f64.

use crate::support::{
    LONG_ROWS, Random, Set, close, devices, in_reach, least, nasty_f32, nasty_f64, nasty_u8, noise_u8,
    on_threads, uniform_f32,
};
use approx::abs_diff_eq;
use sharpdim::ops::{Neighbours, Sharpness, neighbours, neighbours_between, sharpness, sharpness_between};
use sharpdim::{Device, Error, Points};
use std::sync::Mutex;

/// The promise, for squared distances; the CPU keeps a far closer one.
fn tolerance(device: &Device) -> f64 {
    if device.is_cpu() { 1e-12 } else { 2e-5 }
}

/// The first `queries` samples of a set search the others.
#[track_caller]
fn verify(set: &Set, queries: usize, k: usize, found: &Neighbours, tolerance: f64, place: &str) {
    let reference = set.n() - queries;
    let place = format!("{place}, {}, {queries} in {reference} x {}, k = {k}", set.name, set.dim);
    assert_eq!((found.n(), found.k(), found.reference()), (queries, k, Some(reference)), "{place}");
    for i in 0..queries {
        let truth = &set.squared_from(i)[queries..];
        let want = least(truth.iter().copied().zip(0..).collect(), k);
        let (indices, squared) = (found.indices(i), found.squared_distances(i));
        if set.exact() {
            let got: Vec<_> = squared.iter().copied().zip(indices.iter().copied()).collect();
            assert_eq!(got, want, "{place}, query {i}");
            continue;
        }
        let mut sorted = indices.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), k, "{place}, query {i}: {indices:?}");
        for j in 0..k {
            let at = || format!("{place}, query {i}, neighbour {j}");
            close(squared[j], truth[indices[j] as usize], tolerance, at);
            close(squared[j], want[j].0, tolerance, || at() + ", which is not the nearest");
            let ordered = j == 0 || (squared[j - 1], indices[j - 1]) < (squared[j], indices[j]);
            assert!(ordered, "{}: out of order", at());
        }
    }
}

fn search(device: &Device, set: &Set, queries: usize, k: usize) -> Neighbours {
    let (asked, reference) = (set.rows(0..queries), set.rows(queries..set.n()));
    neighbours_between(device, &asked.points(), &reference.points(), k, &|_| ()).unwrap()
}

#[track_caller]
fn check(device: &Device, set: &Set, queries: usize, k: usize) {
    if in_reach(device, set.n(), set.dim) {
        verify(set, queries, k, &search(device, set, queries, k), tolerance(device), &device.name());
    }
}

#[test]
fn bytes_in_every_shape() {
    for device in devices() {
        // One query, one reference sample, and the edges of groups of 16 and of 128.
        for queries in [1, 2, 15, 16, 17, 64, 127, 128, 129] {
            for reference in [1, 2, 15, 16, 17, 127, 128, 129, 161] {
                for dim in [1, 7, 65] {
                    let set = noise_u8(queries + reference, dim, 1);
                    check(&device, &set, queries, 1);
                    check(&device, &set, queries, reference.min(20));
                }
            }
        }
        for (queries, reference) in [(1, 40), (40, 1), (60, 90), (150, 140)] {
            for set in nasty_u8(queries + reference, 3, 2) {
                check(&device, &set, queries, reference);
            }
        }
        for dim in [1023, 1025, 4096, 33_000, LONG_ROWS.1] {
            check(&device, &noise_u8(LONG_ROWS.0, dim, 3), 13, 7);
        }
    }
}

#[test]
fn sets_larger_than_a_tile() {
    for device in devices() {
        for (queries, reference) in [(2049, 2047), (3, 4200), (4200, 3), (2100, 2100)] {
            check(&device, &noise_u8(queries + reference, 5, 4), queries, 3);
        }
        for set in nasty_u8(2500, 3, 5) {
            check(&device, &set, 300, 9);
        }
        for set in nasty_f32(2500, 3, 5) {
            check(&device, &set, 2200, 5);
            check(&device, &set, 300, 20);
        }
    }
}

#[test]
fn doubles_of_every_kind() {
    for device in devices() {
        for (queries, reference, dim, k) in [(1, 1, 1, 1), (60, 40, 1, 3), (75, 75, 7, 4), (500, 200, 3, 2)] {
            let n = queries + reference;
            for set in nasty_f64(n, dim, 30).into_iter().filter(|_| in_reach(&device, n, dim)) {
                verify(&set, queries, k, &search(&device, &set, queries, k), 1e-12, &device.name());
                if queries > 1 {
                    check_sharpness(&device, &set, queries, &labels(n, 3, 31), 9);
                }
            }
        }
        for set in nasty_f64(2500, 3, 32) {
            check(&device, &set, 2200, 5);
            check_sharpness(&device, &set, 2200, &labels(2500, 2, 33), 3);
        }
    }
}

#[test]
fn floats_of_every_kind() {
    for device in devices() {
        let shapes = [(1, 1, 1, 1), (1, 16, 5, 16), (16, 1, 5, 1), (60, 40, 1, 3), (75, 75, 7, 4)];
        let more = [(140, 150, 15, 10), (10, 30, 1030, 5), (500, 200, 3, 2), (200, 500, 3, 170)];
        for (queries, reference, dim, k) in shapes.into_iter().chain(more) {
            for set in nasty_f32(queries + reference, dim, 6) {
                check(&device, &set, queries, k);
            }
        }
        check(&device, &uniform_f32(LONG_ROWS.0, LONG_ROWS.1, 7), 17, 5);
        // Distances so much alike that 256 steps tell nothing.
        check(&device, &uniform_f32(600, 3000, 8), 290, 10);
    }
}

/// A set searched for in itself: what `neighbours` finds, after the sample itself.
#[test]
fn a_set_in_itself_gives_each_sample_first() {
    for device in devices() {
        let (n, dim) = if in_reach(&device, 200, 10) { (200, 10) } else { (60, 4) };
        for set in [uniform_f32(n, dim, 9), noise_u8(n, dim, 9)] {
            let points = set.points();
            let within = neighbours(&device, &points, 5).unwrap();
            let between = neighbours_between(&device, &points, &points, 6, &|_| ()).unwrap();
            assert_eq!(within.reference(), None);
            for i in 0..n {
                assert_eq!((between.indices(i)[0], between.squared_distances(i)[0]), (i as u32, 0.0));
                assert_eq!(between.indices(i)[1..], *within.indices(i), "{device}, {}", set.name);
                assert_eq!(between.squared_distances(i)[1..], *within.squared_distances(i));
            }
        }
    }
}

#[test]
fn thread_counts_and_memory_limits_change_no_bit() {
    for device in devices() {
        let (n, dim) = if in_reach(&device, 290, 15) { (290, 15) } else { (60, 4) };
        for set in [nasty_f32(n, dim, 10), nasty_u8(n, dim, 10)].concat() {
            let find = || search(&device, &set, n / 3, 6);
            let one = on_threads(1, find);
            assert_eq!(one, on_threads(3, find), "{device}, {}", set.name);
            device.set_memory_limit(1 << 14);
            let tight = find();
            device.set_memory_limit(u64::MAX);
            assert_eq!(one, tight, "{device}, {}", set.name);
        }
    }
}

#[test]
fn progress_ends_at_1() {
    for device in devices() {
        for set in [uniform_f32(130, 5, 11), noise_u8(130, 5, 11)] {
            let seen = Mutex::new(Vec::new());
            let (queries, reference) = (set.rows(0..50), set.rows(50..130));
            let progress = |done| seen.lock().unwrap().push(done);
            neighbours_between(&device, &queries.points(), &reference.points(), 3, &progress).unwrap();
            let seen = seen.into_inner().unwrap();
            assert!(seen.iter().all(|done| (0.0..=1.0).contains(done)), "{device}: {seen:?}");
            assert_eq!(seen.last(), Some(&1.0), "{device}, {}", set.name);
        }
    }
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let (bytes, floats) = ([1u8, 2, 3, 4, 5, 6], [1f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let points = Points::u8(&bytes, 3).unwrap();
    for device in devices() {
        let refused = |queries: &Points<'_>, reference: &Points<'_>, k: usize| {
            neighbours_between(&device, queries, reference, k, &|_| ()).unwrap_err()
        };
        assert!(matches!(refused(&points, &points, 0), Error::Argument(_)));
        let error = refused(&points, &points, 3);
        assert!(matches!(error, Error::Data(_)) && error.to_string().contains("2 reference"), "{error}");
        let error = refused(&points, &Points::u8(&bytes, 2).unwrap(), 1);
        let said = error.to_string();
        assert!(matches!(error, Error::Argument(_)) && said.contains("3 values of type u8"), "{said}");
        assert!(said.contains("2 values of type u8"), "{said}");
        let error = refused(&Points::f32(&floats, 3).unwrap(), &points, 1);
        let said = error.to_string();
        assert!(matches!(error, Error::Argument(_)) && said.contains("type f32"), "{said}");
        assert!(said.contains("type u8"), "{said}");
        let none = Points::u8(&[], 3).unwrap();
        let error = refused(&none, &points, 1);
        assert!(matches!(error, Error::Data(_)) && error.to_string().contains("no queries"), "{error}");
        assert!(matches!(refused(&points, &none, 1), Error::Data(_)));
    }
}

/// Each class about as large, in no order; whatever the split, two of them meet.
fn labels(n: usize, classes: usize, seed: u64) -> Vec<u32> {
    let mut random = Random::new(seed);
    let mut labels: Vec<u32> = (0..n).map(|_| random.below(classes) as u32 * 7).collect();
    (labels[0], labels[n - 1]) = (0, 7);
    labels
}

fn compare(device: &Device, set: &Set, first: usize, labels: &[u32], top: usize) -> Result<Sharpness, Error> {
    let (a, b) = (set.rows(0..first), set.rows(first..set.n()));
    let (labels_a, labels_b) = labels.split_at(first);
    sharpness_between(device, &a.points(), labels_a, &b.points(), labels_b, top, &|_| ())
}

/// The first `first` samples of a set against the others.
#[track_caller]
fn check_sharpness(device: &Device, set: &Set, first: usize, labels: &[u32], top: usize) {
    if !in_reach(device, set.n(), set.dim) {
        return;
    }
    let place = format!("{}, {}, {first} of {} x {}, top {top}", device.name(), set.name, set.n(), set.dim);
    let (mut all, mut differing) = (Vec::new(), 0);
    for i in 0..first {
        for (j, squared) in set.squared_from(i)[first..].iter().enumerate() {
            if labels[i] != labels[first + j] {
                differing += 1;
                if *squared > 0.0 {
                    all.push((*squared, [i, j]));
                }
            }
        }
    }
    let found = match compare(device, set, first, labels, top) {
        Ok(found) => found,
        Err(error) => {
            assert!(all.is_empty() && matches!(error, Error::Data(_)), "{place}: {error}");
            return;
        }
    };
    assert_eq!(found.pairs_compared, (first * (set.n() - first)) as u64, "{place}");
    assert_eq!(
        (found.pairs_differing, found.contradictions),
        (differing, differing - all.len() as u64),
        "{place}"
    );
    let count = all.len() as f64;
    let mean = all.iter().map(|(squared, _)| 1.0 / squared.sqrt()).sum::<f64>() / count;
    let variance = all.iter().map(|(squared, _)| (1.0 / squared.sqrt() - mean).powi(2)).sum::<f64>() / count;
    let want = least(all, top);
    assert_eq!(found.sharpest.len(), want.len(), "{place}");
    for (got, (squared, pair)) in found.sharpest.iter().zip(&want) {
        if set.exact() {
            assert_eq!((got.distance, got.pair), (squared.sqrt(), *pair), "{place}");
        }
        close(got.distance, squared.sqrt(), 1e-9, || &place);
        let [i, j] = got.pair;
        assert!(i < first && labels[i] != labels[first + j], "{place}: {:?}", got.pair);
        close(got.distance, set.squared_from(i)[first + j].sqrt(), 1e-9, || &place);
    }
    let mut pairs: Vec<_> = found.sharpest.iter().map(|sharp| sharp.pair).collect();
    pairs.sort_unstable();
    pairs.dedup();
    assert_eq!(pairs.len(), found.sharpest.len(), "{place}: a pair twice");
    close(found.mean, mean, if set.exact() { 1e-11 } else { 1e-5 }, || format!("{place}: mean"));
    // As in `sharpness`: a GPU's roundings do not average out in the deviation, which a few close pairs make.
    let tolerance = if device.is_cpu() { 1e-5 } else { 1e-4 };
    let (sd, allowed) = (variance.sqrt(), tolerance * variance.sqrt() + 1e-6 * mean);
    assert!(abs_diff_eq!(found.sd, sd, epsilon = allowed), "{place}: sd {} for {sd}", found.sd);
}

#[test]
fn sharpness_of_every_kind_and_shape() {
    for device in devices() {
        for (first, n) in
            [(1, 2), (1, 3), (2, 3), (1, 140), (139, 140), (16, 40), (60, 100), (128, 257), (129, 290)]
        {
            for dim in [1, 7, 65] {
                for set in nasty_u8(n, dim, 12) {
                    check_sharpness(&device, &set, first, &labels(n, 2, 13), 1);
                    check_sharpness(&device, &set, first, &labels(n, 5, 14), 12);
                }
            }
            for set in nasty_f32(n, 7, 15) {
                check_sharpness(&device, &set, first, &labels(n, 2, 16), 1);
                check_sharpness(&device, &set, first, &labels(n, 3, 17), 20);
            }
        }
        // Every pair, more than there are, and more than a GPU's list holds.
        for top in [24 * 36, 1_000_000, usize::MAX / 64] {
            for set in [nasty_u8(60, 4, 18), nasty_f32(60, 4, 18)].concat() {
                check_sharpness(&device, &set, 24, &labels(60, 2, 19), top);
            }
        }
        for dim in [1025, 33_000, LONG_ROWS.1] {
            check_sharpness(&device, &noise_u8(LONG_ROWS.0, dim, 20), 13, &labels(LONG_ROWS.0, 3, 21), 9);
        }
        for set in [nasty_u8(2500, 3, 22), nasty_f32(2500, 3, 22)].concat() {
            check_sharpness(&device, &set, 2200, &labels(2500, 2, 23), 3);
            check_sharpness(&device, &set, 100, &labels(2500, 4, 23), 30);
            if set.name == "clustered" {
                // Many samples that a screen leaves open, in both sets: their own set's others are not theirs.
                check_sharpness(&device, &set, 600, &labels(2500, 4, 23), 30);
            }
        }
    }
}

/// The pairs within `a`, within `b` and between them are the pairs of both together.
#[test]
fn within_and_between_add_up() {
    for device in devices() {
        let set = noise_u8(90, 7, 24);
        let labels = labels(90, 3, 25);
        let (a, b) = (set.rows(0..40), set.rows(40..90));
        let all = sharpness(&device, &set.points(), &labels, 5).unwrap();
        let parts = [
            sharpness(&device, &a.points(), &labels[..40], 5).unwrap(),
            sharpness(&device, &b.points(), &labels[40..], 5).unwrap(),
            compare(&device, &set, 40, &labels, 5).unwrap(),
        ];
        let sum = |field: fn(&Sharpness) -> f64| parts.iter().map(field).sum::<f64>();
        assert_eq!(all.pairs_compared as f64, sum(|s| s.pairs_compared as f64));
        assert_eq!(all.pairs_differing as f64, sum(|s| s.pairs_differing as f64));
        let total = |s: &Sharpness| s.mean * (s.pairs_differing - s.contradictions) as f64;
        close(sum(total), total(&all), 1e-12, || "sum of 1 / distance");
        let closest = parts.iter().map(|s| s.sharpest[0].distance).fold(f64::INFINITY, f64::min);
        assert_eq!(closest, all.sharpest[0].distance);
    }
}

#[test]
fn sharpness_in_parts_and_on_any_threads_is_the_same() {
    for device in devices() {
        let (n, dim) = if in_reach(&device, 290, 15) { (290, 15) } else { (60, 4) };
        for set in [nasty_f32(n, dim, 26), nasty_u8(n, dim, 26)].concat() {
            let labels = labels(n, 3, 27);
            let find = || compare(&device, &set, n / 3, &labels, 6).ok();
            let one = on_threads(1, find);
            assert_eq!(one, on_threads(3, find), "{device}, {}", set.name);
            device.set_memory_limit(1 << 14);
            let tight = find();
            device.set_memory_limit(u64::MAX);
            assert_eq!(one.map(|s| s.sharpest), tight.map(|s| s.sharpest), "{device}, {}", set.name);
        }
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let (bytes, floats) = ([1u8, 2, 3, 1, 2, 3], [1f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let (points, none) = (Points::u8(&bytes, 3).unwrap(), Points::u8(&[], 3).unwrap());
    let others = Points::f32(&floats, 3).unwrap();
    for device in devices() {
        let refused = |b: &Points<'_>, labels_a: &[u32], labels_b: &[u32], top: usize| {
            sharpness_between(&device, &points, labels_a, b, labels_b, top, &|_| ()).unwrap_err()
        };
        assert!(matches!(refused(&points, &[0], &[0, 1], 1), Error::Argument(_)));
        assert!(matches!(refused(&points, &[0, 1], &[0, 1, 0], 1), Error::Argument(_)));
        assert!(matches!(refused(&points, &[0, 1], &[0, 1], 0), Error::Argument(_)));
        assert!(matches!(refused(&others, &[0, 1], &[0, 1], 1), Error::Argument(_)));
        assert!(matches!(refused(&points, &[4, 4], &[4, 4], 1), Error::Data(_)));
        assert!(matches!(refused(&none, &[0, 1], &[], 1), Error::Data(_)));
        let error = refused(&points, &[0, 1], &[0, 1], 1);
        assert!(matches!(error, Error::Data(_)) && error.to_string().contains("identical"), "{error}");
    }
}
