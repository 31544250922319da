//! `neighbours` against sorting all distances of each sample: exactly for whole numbers, else within
//! the promised error of every distance, and with no nearer sample left out.

use crate::support::{
    LONG_ROWS, Random, Set, close, devices, in_reach, nasty_f32, nasty_f64, nasty_u8, nearest, noise_u8,
    on_threads, uniform_f32,
};
use sharpdim::ops::{Neighbours, neighbours, neighbours_with};
use sharpdim::{Device, Error, Points};
use std::sync::Mutex;

/// The promise, for squared distances; the CPU keeps a far closer one.
pub fn tolerance(device: &Device) -> f64 {
    if device.is_cpu() { 1e-12 } else { 2e-5 }
}

#[track_caller]
pub fn verify(set: &Set, k: usize, found: &Neighbours, tolerance: f64, place: &str) {
    let place = format!("{place}, {}, {} x {}, k = {k}", set.name, set.n(), set.dim);
    assert_eq!((found.n(), found.k()), (set.n(), k), "{place}");
    for i in 0..set.n() {
        let truth = set.squared_from(i);
        let want = nearest(&truth, i, k);
        let (indices, squared) = (found.indices(i), found.squared_distances(i));
        if set.exact() {
            let got: Vec<_> = squared.iter().copied().zip(indices.iter().copied()).collect();
            assert_eq!(got, want, "{place}, sample {i}");
            continue;
        }
        let mut sorted = indices.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert!(sorted.len() == k && !sorted.contains(&(i as u32)), "{place}, sample {i}: {indices:?}");
        for j in 0..k {
            let at = || format!("{place}, sample {i}, neighbour {j}");
            close(squared[j], truth[indices[j] as usize], tolerance, at);
            close(squared[j], want[j].0, tolerance, || at() + ", which is not the nearest");
            let ordered = j == 0 || (squared[j - 1], indices[j - 1]) < (squared[j], indices[j]);
            assert!(ordered, "{}: out of order", at());
        }
    }
}

#[track_caller]
fn check(device: &Device, set: &Set, k: usize) {
    if in_reach(device, set.n(), set.dim) {
        let found = neighbours(device, &set.points(), k).unwrap();
        verify(set, k, &found, tolerance(device), &device.name());
    }
}

#[test]
fn bytes_give_exact_integers_in_every_shape() {
    for device in devices() {
        // Few samples, and the edges of groups of 16 and more.
        for n in [2, 3, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 257] {
            for dim in [1, 3, 4, 7, 64, 257] {
                check(&device, &noise_u8(n, dim, 1), 1);
                check(&device, &noise_u8(n, dim, 2), (n - 1).min(20));
            }
        }
        for n in [2, 5, 40, 150] {
            check(&device, &noise_u8(n, 11, 3), n - 1);
        }
        for dim in [1, 2, 3, 4, 5, 31, 32, 33, 127, 128, 129, 1021, 1023, 1024, 1025, 2048, 2051, 4096] {
            check(&device, &noise_u8(40, dim, 4), 6);
        }
    }
}

#[test]
fn bytes_of_long_rows_do_not_overflow() {
    let (n, dim) = LONG_ROWS;
    for device in devices() {
        for set in nasty_u8(n, dim, 5) {
            check(&device, &set, 7);
        }
        for dim in [32_767, 32_768, 32_769, 66_000] {
            check(&device, &noise_u8(19, dim, 6), 5);
            // The greatest products there are.
            let ends = (0..19 * dim).map(|at| if at / dim % 2 == 0 { 255 } else { (at % 2) as u8 * 254 });
            check(&device, &Set::u8("extremes", dim, ends.collect()), 18);
        }
    }
}

#[test]
fn bytes_in_several_tiles() {
    for device in devices() {
        for (n, dim) in [(2047, 5), (2048, 3), (2049, 4), (4100, 2), (4100, 17)] {
            check(&device, &noise_u8(n, dim, 7), 4);
        }
        for set in nasty_u8(2100, 3, 8) {
            check(&device, &set, 9);
        }
    }
}

#[test]
fn ties_go_to_the_lower_index() {
    for device in devices() {
        check(&device, &nasty_u8(260, 1, 9)[1], 256);
        for (n, dim, k) in [(20, 1, 3), (100, 2, 5), (290, 3, 20), (300, 1, 299), (600, 2, 1)] {
            for set in nasty_u8(n, dim, 9) {
                check(&device, &set, k);
            }
        }
    }
}

#[test]
fn floats_of_every_kind() {
    for device in devices() {
        for (n, dim, k) in [(2, 1, 1), (17, 5, 16), (100, 1, 3), (150, 7, 4), (290, 40, 10), (40, 1030, 5)] {
            for set in nasty_f32(n, dim, 10) {
                check(&device, &set, k);
            }
        }
    }
}

/// On every device as good as 64-bit differences are.
#[test]
fn doubles_of_every_kind() {
    for device in devices() {
        let few = [(2, 1, 1), (17, 5, 16), (100, 1, 3), (150, 7, 4), (290, 12, 10), (40, 1030, 5)];
        let many = [(700, 3, 2), (900, 33, 5), (2100, 2, 20)];
        for (n, dim, k) in few.into_iter().chain(many) {
            for set in nasty_f64(n, dim, 20).into_iter().filter(|_| in_reach(&device, n, dim)) {
                let found = neighbours(&device, &set.points(), k).unwrap();
                verify(&set, k, &found, 1e-12, &device.name());
            }
        }
    }
}

/// More samples than any screen keeps candidates: here the wrong ones would be dropped.
#[test]
fn floats_of_every_kind_in_numbers() {
    for device in devices() {
        for (n, dim, k) in [(700, 3, 2), (900, 33, 5), (2100, 2, 20)] {
            for set in nasty_f32(n, dim, 11) {
                check(&device, &set, k);
            }
        }
    }
}

#[test]
fn floats_of_long_rows() {
    let (n, dim) = LONG_ROWS;
    for device in devices() {
        check(&device, &uniform_f32(n, dim, 12), 5);
        // Distances so much alike that 256 steps tell nothing.
        check(&device, &uniform_f32(600, 3000, 13), 10);
    }
}

/// Whole numbers have one right answer, whatever they are stored as.
#[test]
fn bytes_and_the_same_as_floats_agree() {
    for device in devices() {
        for (n, dim) in [(60, 30), (290, 100), (2060, 9)] {
            let bytes = noise_u8(n, dim, 14);
            let crate::support::Values::U8(values) = &bytes.values else { unreachable!() };
            let floats = Set::f32("noise", dim, values.iter().map(|v| f32::from(*v)).collect());
            if in_reach(&device, n, dim) {
                let of_bytes = neighbours(&device, &bytes.points(), 8).unwrap();
                assert_eq!(of_bytes, neighbours(&device, &floats.points(), 8).unwrap());
            }
        }
    }
}

#[test]
fn thread_counts_change_no_bit() {
    for device in devices() {
        let shape = if in_reach(&device, 200, 10) { (200, 10) } else { (40, 4) };
        for set in
            [nasty_f32(shape.0, shape.1, 15), nasty_f64(shape.0, shape.1, 15), nasty_u8(shape.0, shape.1, 15)]
                .concat()
        {
            let find = || neighbours(&device, &set.points(), 6).unwrap();
            assert_eq!(on_threads(1, find), on_threads(3, find), "{device}, {}", set.name);
        }
        for set in [uniform_f32(2300, 10, 16), noise_u8(2300, 10, 16)] {
            if in_reach(&device, set.n(), set.dim) {
                let find = || neighbours(&device, &set.points(), 6).unwrap();
                assert_eq!(on_threads(1, find), on_threads(3, find), "{device}, {}", set.name);
            }
        }
    }
}

/// Data that do not fit the GPU pass through it in parts; the answer is the same.
#[test]
fn memory_limits_change_no_bit() {
    for device in devices() {
        for set in [uniform_f32(290, 15, 17), noise_u8(290, 15, 17)] {
            if !in_reach(&device, set.n(), set.dim) {
                continue;
            }
            let free = neighbours(&device, &set.points(), 5).unwrap();
            device.set_memory_limit(1 << 14);
            let tight = neighbours(&device, &set.points(), 5).unwrap();
            device.set_memory_limit(u64::MAX);
            assert_eq!(free, tight, "{device}, {}", set.name);
        }
    }
}

#[test]
fn progress_stays_within_0_and_1_and_ends_at_1() {
    for device in devices() {
        for set in [uniform_f32(130, 7, 18), noise_u8(130, 7, 18), nasty_f32(290, 5, 18).remove(2)] {
            if !in_reach(&device, set.n(), set.dim) {
                continue;
            }
            let seen = Mutex::new(Vec::new());
            neighbours_with(&device, &set.points(), 3, &|done| seen.lock().unwrap().push(done)).unwrap();
            let seen = seen.into_inner().unwrap();
            assert!(seen.iter().all(|done| (0.0..=1.0).contains(done)), "{device}: {seen:?}");
            assert_eq!(seen.last(), Some(&1.0), "{device}, {}", set.name);
        }
    }
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let values = Random::new(19).bytes(30);
    let points = Points::u8(&values, 3).unwrap();
    for device in devices() {
        assert!(matches!(neighbours(&device, &points, 0), Err(Error::Argument(_))));
        let error = neighbours(&device, &points, 10).unwrap_err();
        assert!(matches!(error, Error::Data(_)) && error.to_string().contains("11"), "{error}");
        assert!(matches!(neighbours(&device, &points, usize::MAX - 1), Err(Error::Data(_))));
        let none = Points::f32(&[], 3).unwrap();
        assert!(matches!(neighbours(&device, &none, 1), Err(Error::Data(_))));
    }
}
