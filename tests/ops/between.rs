//! `neighbours_between` against sorting all distances of each query: exactly for whole numbers, else within the
//! promised error of every distance, and with no nearer reference sample left out.

use crate::support::{
    LONG_ROWS, Set, close, devices, in_reach, least, nasty_f32, nasty_u8, noise_u8, on_threads, uniform_f32,
};
use sharpdim::ops::{Neighbours, neighbours, neighbours_between};
use sharpdim::{Device, Error, Points};
use std::sync::Mutex;

/// The promise, for squared distances; the CPU keeps a far closer one.
fn tolerance(device: &Device) -> f64 {
    if device.name() == "cpu" { 1e-12 } else { 2e-5 }
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
