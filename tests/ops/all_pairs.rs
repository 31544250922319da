//! `all_pairs` against the oracles of what it finds in one pass: neighbours, sharpness, and every two classes.

use super::{class_pairs, neighbours, sharpness};
use crate::support::{
    LONG_ROWS, Set, devices, in_reach, nasty_f32, nasty_u8, noise_u8, on_threads, uniform_f32,
};
use sharpdim::ops::{AllPairs, Wanted, all_pairs};
use sharpdim::{Device, Error, Points};
use std::sync::Mutex;

fn find(device: &Device, set: &Set, wanted: &Wanted<'_>) -> AllPairs {
    all_pairs(device, &set.points(), wanted, &|_| ()).unwrap()
}

#[track_caller]
fn check(device: &Device, set: &Set, k: usize, classes: usize, top: usize) {
    let n = set.n();
    if !in_reach(device, n, set.dim) {
        return;
    }
    let labels = sharpness::labels(n, classes, 3);
    let found = find(device, set, &Wanted { k, labels: Some(&labels), top, class_pairs: true, within: &[] });
    neighbours::verify(set, k, &found.neighbours, neighbours::tolerance(device), &device.name());
    class_pairs::verify(device, set, &labels, &found.class_pairs);
    match found.sharpness.unwrap() {
        Ok(found) => sharpness::verify(set, &labels, top, &found, &device.name()),
        Err(error) => sharpness::nothing_to_find(set, &labels, &error),
    }
}

#[test]
fn bytes_of_every_kind() {
    for device in devices() {
        for (n, dim) in [(2, 1), (16, 7), (33, 65), (129, 7), (257, 5)] {
            for set in nasty_u8(n, dim, 1) {
                check(&device, &set, (n - 1).min(6), 3, 4);
            }
        }
        check(&device, &noise_u8(LONG_ROWS.0, 33_000, 4), 3, 2, 9);
        // More than a tile.
        check(&device, &noise_u8(2100, 3, 6), 20, 4, 50);
    }
}

#[test]
fn floats_of_every_kind() {
    for device in devices() {
        for (n, dim) in [(2, 1), (17, 5), (150, 7), (290, 40), (40, 1030)] {
            for set in nasty_f32(n, dim, 10) {
                check(&device, &set, (n - 1).min(6), 3, 20);
            }
        }
        // More than a tile.
        check(&device, &uniform_f32(2100, 2, 3), 6, 3, 20);
        // Longer than what is packed at a time.
        check(&device, &uniform_f32(LONG_ROWS.0, 5000, 2), 3, 2, 9);
    }
}

/// Without labels, with one class alone, and with one that nothing tells from the other.
#[test]
fn labels_may_tell_nothing() {
    let set = noise_u8(40, 3, 1);
    let wanted = Wanted { k: 5, labels: None, top: 0, class_pairs: true, within: &[] };
    let found = find(&Device::cpu(), &set, &wanted);
    neighbours::verify(&set, 5, &found.neighbours, 1e-12, "cpu");
    assert!(found.sharpness.is_none() && found.class_pairs.is_empty());
    let one = [7; 40];
    let found = find(&Device::cpu(), &set, &Wanted { labels: Some(&one), top: 1, ..wanted });
    assert!(matches!(found.sharpness.unwrap(), Err(Error::Data(_))));
    class_pairs::verify(&Device::cpu(), &set, &one, &found.class_pairs);
}

#[test]
fn thread_counts_change_no_bit() {
    for set in [noise_u8(2100, 40, 3), uniform_f32(2100, 40, 3)] {
        let labels = sharpness::labels(set.n(), 5, 3);
        let wanted = Wanted { k: 9, labels: Some(&labels), top: 5, class_pairs: true, within: &[2, 9] };
        let found = |threads| {
            let found = on_threads(threads, || find(&Device::cpu(), &set, &wanted));
            assert_eq!(found.within.len(), 2);
            (found.neighbours, found.sharpness.unwrap().unwrap(), found.class_pairs, found.within)
        };
        assert_eq!(found(1), found(7));
    }
}

#[test]
fn progress_rises_to_1() {
    for device in devices() {
        let set = noise_u8(4100, 2, 3);
        let labels = sharpness::labels(set.n(), 2, 3);
        let seen = Mutex::new(vec![0.0]);
        let wanted = Wanted { k: 2, labels: Some(&labels), top: 1, class_pairs: true, within: &[] };
        all_pairs(&device, &set.points(), &wanted, &|done| seen.lock().unwrap().push(done)).unwrap();
        let seen = seen.into_inner().unwrap();
        assert!(seen.iter().all(|done| (0.0..=1.0).contains(done)) && *seen.last().unwrap() == 1.0);
    }
}

#[test]
fn what_cannot_be_found_is_refused() {
    let points = Points::u8(&[0, 1, 2, 3], 1).unwrap();
    let wanted = Wanted { k: 2, labels: Some(&[0, 1, 0, 1]), top: 1, class_pairs: false, within: &[] };
    let refused =
        |wanted: Wanted<'_>| all_pairs(&Device::cpu(), &points, &wanted, &|_| ()).unwrap_err().to_string();
    assert!(refused(Wanted { k: 0, ..wanted }).starts_with("k is 0"));
    assert!(refused(Wanted { k: 4, ..wanted }).contains("at least k + 1 = 5"));
    assert!(refused(Wanted { within: &[3], ..wanted }).contains("neighbour 3 of 2"));
    assert!(refused(Wanted { top: 0, ..wanted }).contains("at least 1"));
    assert!(refused(Wanted { labels: Some(&[0, 1]), ..wanted }).starts_with("2 labels for 4 samples"));
}
