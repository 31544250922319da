//! The released code's protocol: equal labels, some pairs, infinite where a sample meets itself; and the
//! definition's numbers beside it.

use crate::support::{Random, Set, close, devices, noise_u8, on_threads, uniform_f32};
use approx::abs_diff_ne;
use sharpdim::data::{Dataset, Preprocess};
use sharpdim::measure::{LabelSharpness, Protocol, ReleasedProtocol, label_sharpness};
use sharpdim::ops::{Progress, sharpness};
use sharpdim::{Device, Error, Points};
use std::path::PathBuf;
use std::sync::Mutex;

const QUIET: Progress<'static> = &|_| ();

fn by(samples: usize, batch: usize, repeats: usize, seed: u64) -> Protocol {
    Protocol::Released(ReleasedProtocol { samples, batch, repeats, seed })
}

fn measure(device: &Device, set: &Set, labels: &[u32], protocol: Protocol, top: usize) -> LabelSharpness {
    label_sharpness(device, &set.points(), labels, protocol, top, QUIET).unwrap()
}

fn labels(n: usize, classes: usize, seed: u64) -> Vec<u32> {
    let mut random = Random::new(seed);
    (0..n).map(|_| random.below(classes) as u32).collect()
}

/// Batches of one sample pair each sample with each: the greatest ratio of all pairs with equal labels, and infinite
/// in the released code, since each sample meets itself.
#[test]
fn batches_of_one_see_every_pair() {
    let n = 60;
    let labels = labels(n, 3, 1);
    for device in devices() {
        for set in [noise_u8(n, 4, 2), uniform_f32(n, 4, 2)] {
            let mut want = 0.0f64;
            for i in 0..n {
                let same = set.squared_from(i).into_iter().enumerate().skip(i + 1);
                let same = same.filter(|(j, squared)| labels[i] == labels[*j] && *squared > 0.0);
                want = same.map(|(_, squared)| 1.0 / squared.sqrt()).fold(want, f64::max);
            }
            let found = measure(&device, &set, &labels, by(n, 1, 2, 0), 5);
            close(found.max, want, 1e-9, || "max");
            assert_eq!(found.draws, [found.max; 2]);
            assert_eq!(found.protocol, by(n, 1, 2, 0));
            assert_eq!(found.pairs_compared, 2 * 60 * 60);
            assert_eq!(found.sharpest.len(), 5);
            assert!(found.sharpest.iter().all(|sharp| labels[sharp.pair[0]] == labels[sharp.pair[1]]));
            assert!(found.sharpest.is_sorted_by(|a, b| (a.distance, a.pair) < (b.distance, b.pair)));
            let released = found.released.unwrap();
            assert_eq!(released.infinite_draws, 2);
            // The definition sees the same samples, all of them here, and pairs with different labels.
            let right = sharpness(&device, &set.points(), &labels, 1).unwrap().sharpest[0].ratio();
            assert_eq!(released.definition, [right; 2]);
            assert_eq!(released.definition_max(), right);
        }
    }
}

/// `samples`^2 / `batch` ordered pairs; a sample meets itself as often as chance has it: of 2 draws in e^2 none.
#[test]
fn batches_see_a_part_of_the_pairs() {
    let set = uniform_f32(500, 3, 3);
    let labels = labels(500, 2, 4);
    let device = Device::cpu();
    let found = measure(&device, &set, &labels, by(100, 50, 200, 5), 1);
    assert_eq!(found.pairs_compared, 200 * 100 * 100 / 50);
    let finite = 200 - found.released.as_ref().unwrap().infinite_draws;
    // 200 e^-2 = 27, give or take 4 standard deviations.
    assert!((8..47).contains(&finite), "{finite}");
    // Fewer pairs, as a rule a smaller maximum.
    let all = measure(&device, &set, &labels, by(500, 1, 1, 5), 1);
    assert!(found.max <= all.max && found.mean < 0.8 * all.max);
    let mean = found.draws.iter().sum::<f64>() / 200.0;
    close(found.mean, mean, 1e-12, || "mean");
    // Batches of two sizes are paired as far as both go: 7 and 3 with 7 and 3.
    assert_eq!(measure(&device, &set, &labels, by(10, 7, 1, 6), 1).pairs_compared, 7 + 3 + 3 + 3);
    // Fewer samples than asked for: all there are.
    assert_eq!(measure(&device, &set, &labels, by(1000, 500, 1, 7), 1).pairs_compared, 500);
}

/// Identical samples with one label are infinite too, and left out; those with two labels say nothing.
#[test]
fn identical_samples_are_left_out() {
    let values = [0u8, 0, 0, 9, 30];
    let points = Points::u8(&values, 1).unwrap();
    for device in devices() {
        let labels = [0, 0, 1, 1, 1];
        let found = label_sharpness(&device, &points, &labels, by(5, 1, 1, 0), 9, QUIET).unwrap();
        // Pairs of class 1 apart: 0 and 9, 0 and 30, 9 and 30.
        let distances: Vec<f64> = found.sharpest.iter().map(|sharp| sharp.distance).collect();
        assert_eq!(distances, [9.0, 21.0, 30.0]);
        assert_eq!((found.max, found.contradictions), (1.0 / 9.0, 2));
        let released = found.released.unwrap();
        assert_eq!((released.infinite_draws, released.definition_max()), (1, 1.0 / 9.0));
        // No two apart share a label.
        let found = label_sharpness(&device, &points, &[0, 0, 1, 2, 3], by(5, 1, 1, 0), 9, QUIET).unwrap();
        assert!(found.max == 0.0 && found.sharpest.is_empty());
    }
}

#[test]
fn a_seed_gives_one_result() {
    let set = uniform_f32(200, 5, 8);
    let labels = labels(200, 2, 9);
    let find = |seed: u64| measure(&Device::cpu(), &set, &labels, by(40, 20, 3, seed), 3);
    assert_eq!(on_threads(1, || find(0)), on_threads(3, || find(0)));
    assert_ne!(find(0).draws, find(1).draws);
}

#[test]
fn progress_ascends_to_1_and_nonsense_is_refused() {
    let set = noise_u8(40, 3, 10);
    let labels = labels(40, 2, 11);
    for device in devices() {
        let seen = Mutex::new(Vec::new());
        let see = |done: f64| seen.lock().unwrap().push(done);
        label_sharpness(&device, &set.points(), &labels, by(20, 5, 3, 0), 1, &see).unwrap();
        let seen = seen.into_inner().unwrap();
        assert!(seen.is_sorted() && seen.last() == Some(&1.0), "{seen:?}");
        for protocol in [by(0, 5, 1, 0), by(5, 0, 1, 0), by(5, 5, 0, 0)] {
            let refused = label_sharpness(&device, &set.points(), &labels, protocol, 1, QUIET);
            assert!(matches!(refused, Err(Error::Argument(_))));
        }
        let refused = |labels: &[u32], top: usize| {
            label_sharpness(&device, &set.points(), labels, by(20, 5, 1, 0), top, QUIET).unwrap_err()
        };
        assert!(matches!(refused(&labels[1..], 1), Error::Argument(_)));
        assert!(matches!(refused(&labels, 0), Error::Argument(_)));
        assert!(matches!(refused(&[7; 40], 1), Error::Data(_)));
    }
}

/// What docs/measures.md says of two packs.
#[test]
fn on_real_images_the_two_differ() {
    let Some(packs) = std::env::var_os("SHARPDIM_DATA").map(PathBuf::from) else {
        println!("SHARPDIM_DATA is not set: the protocols are not compared on real images");
        return;
    };
    for name in ["breast_ultrasound", "knee_oa"] {
        let loaded = Dataset::open(&packs.join(name)).unwrap().load(&Preprocess::default(), &|_| ()).unwrap();
        let protocol = Protocol::Released(ReleasedProtocol::default());
        let points = loaded.samples.points().unwrap();
        let found = label_sharpness(&Device::cpu(), &points, &loaded.labels, protocol, 1, QUIET).unwrap();
        let released = found.released.unwrap();
        println!("{name}: released {:.3e}, definition {:.3e}", found.max, released.definition_max());
        assert!(abs_diff_ne!(found.max / released.definition_max(), 1.0, epsilon = 0.1), "{name}");
    }
}
