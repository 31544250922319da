//! Label sharpness as a measure: over all pairs it is what the operation says, and the paper's protocol
//! draws balanced classes, reproducibly, and names samples of the whole set.

use crate::support::{Random, Set, Values, close, devices, noise_u8, on_threads, uniform_f32};
use sharpdim::measure::{LabelSharpness, PaperProtocol, Protocol, label_sharpness};
use sharpdim::ops::{Progress, sharpness};
use sharpdim::{Device, Error};
use std::sync::Mutex;

const QUIET: Progress<'static> = &|_| ();

fn paper(samples: usize, repeats: usize, seed: u64) -> Protocol {
    Protocol::Paper(PaperProtocol { samples, repeats, seed })
}

fn measure(device: &Device, set: &Set, labels: &[u32], protocol: Protocol, top: usize) -> LabelSharpness {
    label_sharpness(device, &set.points(), labels, protocol, top, QUIET).unwrap()
}

fn two_classes(n: u32) -> Vec<u32> {
    (0..n).map(|i| u32::from(i % 3 == 0)).collect()
}

#[test]
fn all_pairs_are_the_operation_s() {
    let labels = two_classes(200);
    for device in devices() {
        for set in [noise_u8(200, 9, 1), uniform_f32(200, 9, 1)] {
            let want = sharpness(&device, &set.points(), &labels, 5).unwrap();
            let found = measure(&device, &set, &labels, Protocol::AllPairs, 5);
            assert_eq!((found.mean, found.sd), (want.mean, want.sd));
            assert_eq!(found.max, 1.0 / want.sharpest[0].distance);
            assert_eq!(found.draws, [found.max]);
            assert_eq!(found.sharpest, want.sharpest);
            assert_eq!(
                (found.pairs_compared, found.contradictions),
                (want.pairs_compared, want.contradictions)
            );
        }
    }
}

/// A draw of 20 from classes of 200 and 5 is 10 and 5: 105 pairs, where any 20 would give 190.
#[test]
fn draws_are_balanced() {
    let set = uniform_f32(205, 4, 2);
    let labels: Vec<u32> = (0..205).map(|i| u32::from(i % 41 == 40)).collect();
    for device in devices() {
        assert_eq!(measure(&device, &set, &labels, paper(20, 6, 0), 1).pairs_compared, 6 * 105);
        // Three classes share 20 as 7 each; class 9 has but 2.
        let mut labels = two_classes(205);
        (labels[3], labels[100]) = (9, 9);
        assert_eq!(measure(&device, &set, &labels, paper(20, 2, 0), 1).pairs_compared, 2 * 16 * 15 / 2);
    }
}

/// Samples on a line, each at its own square: which ones a draw held shows in its distances.
#[test]
fn draws_hold_distinct_samples_and_name_them_in_the_whole_set() {
    let n = 120;
    let set = Set::f32("squares", 1, (0..n).map(|i| (i * i) as f32).collect());
    let labels = two_classes(n as u32);
    for device in devices() {
        // Every pair that differs, of one draw of 30 + 30.
        let found = measure(&device, &set, &labels, paper(60, 1, 3), 10_000);
        assert_eq!((found.pairs_compared, found.contradictions), (60 * 59 / 2, 0));
        assert_eq!(found.sharpest.len(), 30 * 30);
        let mut members: Vec<usize> = found.sharpest.iter().flat_map(|sharp| sharp.pair).collect();
        members.sort_unstable();
        members.dedup();
        assert_eq!(members.len(), 60);
        assert_eq!(members.iter().filter(|i| labels[**i] == 0).count(), 30);
        for sharp in &found.sharpest {
            let [i, j] = sharp.pair;
            assert!(i < j && labels[i] != labels[j]);
            close(sharp.distance, (j * j - i * i) as f64, 1e-12, || format!("{i} {j}"));
        }
        assert!(found.sharpest.is_sorted_by(|a, b| (a.distance, a.pair) < (b.distance, b.pair)));
    }
}

#[test]
fn draws_pool_as_they_should() {
    let labels = two_classes(200);
    for device in devices() {
        for set in [noise_u8(200, 3, 4), uniform_f32(200, 3, 4)] {
            let found = measure(&device, &set, &labels, paper(40, 7, 5), 4);
            assert_eq!(found.draws.len(), 7);
            let mean = found.draws.iter().sum::<f64>() / 7.0;
            let variance = found.draws.iter().map(|k| (k - mean).powi(2)).sum::<f64>() / 6.0;
            close(found.mean, mean, 1e-12, || "mean");
            close(found.sd, variance.sqrt(), 1e-9, || "sd");
            assert_eq!(found.max, found.draws.iter().copied().fold(0.0, f64::max));
            assert_eq!(found.max, found.sharpest[0].ratio());
            assert_eq!(found.sharpest.len(), 4);
            // No draw can be sharper than the whole set.
            assert!(found.max <= measure(&device, &set, &labels, Protocol::AllPairs, 1).max);
            assert_eq!(measure(&device, &set, &labels, paper(40, 1, 5), 4).sd, 0.0);
        }
    }
}

#[test]
fn a_seed_gives_one_result_and_another_seed_another() {
    let set = uniform_f32(200, 5, 6);
    let labels = two_classes(200);
    for device in devices() {
        let find = |seed: u64| {
            move |device: &Device, set: &Set, labels: &[u32]| {
                measure(device, set, labels, paper(30, 5, seed), 3)
            }
        };
        let one = find(1)(&device, &set, &labels);
        assert_eq!(one, on_threads(1, || find(1)(&device, &set, &labels)));
        assert_eq!(one, on_threads(3, || find(1)(&device, &set, &labels)));
        assert_ne!(one.draws, find(2)(&device, &set, &labels).draws);
        // Draws differ from each other, and the first ones do not depend on how many follow.
        assert_ne!(one.draws[0], one.draws[1]);
        assert_eq!(one.draws[..2], measure(&device, &set, &labels, paper(30, 2, 1), 3).draws);
    }
}

/// A draw as large as the set is the set.
#[test]
fn a_draw_of_everything_is_all_pairs() {
    let set = noise_u8(60, 4, 7);
    let labels: Vec<u32> = (0..60).map(|i| i % 2).collect();
    for device in devices() {
        let all = measure(&device, &set, &labels, Protocol::AllPairs, 3);
        for samples in [60, 1000, usize::MAX] {
            let drawn = measure(&device, &set, &labels, paper(samples, 2, 8), 3);
            assert_eq!((drawn.max, &drawn.sharpest), (all.max, &all.sharpest));
            assert_eq!((drawn.sd, drawn.pairs_compared), (0.0, 2 * all.pairs_compared));
        }
    }
}

#[test]
fn contradictions_are_those_of_the_worst_draw() {
    let mut random = Random::new(9);
    let mut values = random.bytes(100 * 3);
    values.copy_within(0..30, 150);
    let set = Set { name: "twins".into(), dim: 3, values: Values::U8(values) };
    let labels: Vec<u32> = (0..100).map(|i| u32::from(i >= 50)).collect();
    for device in devices() {
        assert_eq!(measure(&device, &set, &labels, Protocol::AllPairs, 1).contradictions, 10);
        assert_eq!(measure(&device, &set, &labels, paper(100, 3, 0), 1).contradictions, 10);
        let some = measure(&device, &set, &labels, paper(50, 4, 0), 1).contradictions;
        assert!((1..10).contains(&some), "{some}");
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let set = noise_u8(30, 3, 10);
    let labels = two_classes(30);
    for device in devices() {
        let refused = |labels: &[u32], protocol: Protocol, top: usize| {
            label_sharpness(&device, &set.points(), labels, protocol, top, QUIET).unwrap_err()
        };
        for protocol in [Protocol::AllPairs, paper(10, 2, 0)] {
            assert!(matches!(refused(&labels[..29], protocol, 1), Error::Argument(_)));
            assert!(matches!(refused(&labels, protocol, 0), Error::Argument(_)));
            assert!(matches!(refused(&[3; 30], protocol, 1), Error::Data(_)));
        }
        assert!(matches!(refused(&labels, paper(0, 2, 0), 1), Error::Argument(_)));
        assert!(matches!(refused(&labels, paper(10, 0, 0), 1), Error::Argument(_)));
    }
}

#[test]
fn progress_ascends_to_1() {
    let set = noise_u8(100, 3, 11);
    for device in devices() {
        for protocol in [Protocol::AllPairs, paper(20, 4, 0)] {
            let seen = Mutex::new(Vec::new());
            let see = |done: f64| seen.lock().unwrap().push(done);
            label_sharpness(&device, &set.points(), &two_classes(100), protocol, 1, &see).unwrap();
            let seen = seen.into_inner().unwrap();
            assert!(seen.is_sorted() && seen.last() == Some(&1.0), "{seen:?}");
        }
    }
}
