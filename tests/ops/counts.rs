//! `counts_within` against counting all distances of each sample, and `pair_distances` against those distances.

use crate::support::{
    LONG_ROWS, Random, Set, close, devices, in_reach, nasty_f32, nasty_f64, nasty_u8, noise_u8, on_threads,
    uniform_f32,
};
use sharpdim::ops::{counts_within, neighbours, pair_distances};
use sharpdim::{Device, Error, Points};
use std::sync::Mutex;

/// Three squared radii among the squared distances of a set: of whole numbers, distances that there are; else the
/// middles of gaps that are wide enough to have one right answer.
fn radii(set: &Set, random: &mut Random) -> [f64; 3] {
    let mut all: Vec<f64> = set.squared_from(random.below(set.n()));
    all.sort_unstable_by(f64::total_cmp);
    let mut pick = || {
        let at = random.below(all.len());
        if set.exact() {
            return all[at];
        }
        let gap = |at: &usize| all[*at + 1] > all[*at] * (1.0 + 1e-6) && all[*at + 1] > 0.0;
        match (at..all.len() - 1).chain(0..at.min(all.len() - 1)).find(gap) {
            Some(at) => 0.5 * (all[at] + all[at + 1]),
            None => 2.0 * all[all.len() - 1] + 1.0,
        }
    };
    [pick(), pick(), pick()]
}

#[track_caller]
fn check(device: &Device, set: &Set, seed: u64) {
    if !in_reach(device, set.n(), set.dim) {
        return;
    }
    let mut random = Random::new(seed);
    let squared = radii(set, &mut random);
    let found = counts_within(device, &set.points(), squared, &|_| ()).unwrap();
    for (i, found) in found.iter().enumerate() {
        let all = set.squared_from(i);
        for (found, radius) in found.iter().zip(squared) {
            // Another sample's distances may be as near a radius as rounding goes: then either is right.
            let count = |below: &dyn Fn(f64) -> bool| {
                (0..set.n()).filter(|j| *j != i && below(all[*j])).count() as u64
            };
            let (least, most) = if set.exact() {
                (count(&|d| d < radius), count(&|d| d < radius))
            } else {
                (count(&|d| d < radius * (1.0 - 1e-12)), count(&|d| d < radius * (1.0 + 1e-12)))
            };
            assert!(
                (least..=most).contains(found),
                "{device}, {}, {} x {}: sample {i} has {found} within {radius:e}, not {least}..{most}",
                set.name,
                set.n(),
                set.dim
            );
        }
    }
}

#[test]
fn bytes_in_every_shape() {
    for device in devices() {
        for n in [1, 2, 15, 16, 17, 127, 128, 129, 257] {
            for dim in [1, 7, 65] {
                for set in nasty_u8(n, dim, 1) {
                    check(&device, &set, 2);
                }
            }
        }
        for dim in [1023, 1025, 33_000, LONG_ROWS.1] {
            check(&device, &noise_u8(LONG_ROWS.0, dim, 3), 4);
        }
        for set in nasty_u8(2500, 3, 5) {
            check(&device, &set, 6);
        }
    }
}

#[test]
fn doubles_of_every_kind() {
    for device in devices() {
        for (n, dim) in [(2, 1), (17, 5), (100, 1), (130, 7), (40, 1030), (2500, 2)] {
            for set in nasty_f64(n, dim, 30) {
                check(&device, &set, 31);
            }
        }
    }
}

#[test]
fn floats_of_every_kind() {
    for device in devices() {
        for (n, dim) in [(2, 1), (17, 5), (100, 1), (130, 7), (150, 15), (290, 15), (40, 1030), (700, 3)] {
            for set in nasty_f32(n, dim, 7) {
                check(&device, &set, 8);
                check(&device, &set, 9);
            }
        }
        for set in nasty_f32(2500, 2, 10) {
            check(&device, &set, 11);
        }
        check(&device, &uniform_f32(LONG_ROWS.0, LONG_ROWS.1, 12), 13);
    }
}

/// Strictly: a pair at the radius is not within it, nor is one that is a last bit nearer left out.
#[test]
fn ties_at_the_radius_are_not_within_it() {
    for device in devices() {
        // The whole numbers 0 .. 99 on a line, shuffled by a stride, as bytes and as floats at any offset.
        let line: Vec<u8> = (0..100u32).map(|i| (i * 37 % 100) as u8).collect();
        let bytes = Set::u8("line", 1, line.clone());
        let at = |offset: f32| Set::f32("line", 1, line.iter().map(|v| f32::from(*v) + offset).collect());
        for set in [bytes, at(0.0), at(0.5), at(1e4), at(-3e5)] {
            let squared = [0.0, 1.0, 9.0, 100.0, 9801.0, 9802.0];
            let found = counts_within(&device, &set.points(), squared, &|_| ()).unwrap();
            for (i, found) in found.iter().enumerate() {
                let within = |distance: i64| {
                    let near = |j: &usize| i64::from(line[i]).abs_diff(i64::from(line[*j])) < distance as u64;
                    (0..100).filter(|j| *j != i && near(j)).count() as u64
                };
                assert_eq!(*found, [0, 1, 3, 10, 99, 100].map(within), "{device}, {i}");
            }
        }
        // Every sample has a twin, every second one's a last bit away, 1e4 from the origin.
        let mut random = Random::new(14);
        let mut values = random.floats(60 * 4, |r| 1e4 + r.normal());
        for i in (1..60).step_by(2) {
            values.copy_within((i - 1) * 4..i * 4, i * 4);
            values[i * 4] = if i % 4 == 1 { values[i * 4].next_up() } else { values[i * 4] };
        }
        let points = Points::f32(&values, 4).unwrap();
        let ulp = f64::from(2f32.powi(-10)).powi(2);
        let squared = [f64::MIN_POSITIVE, ulp, ulp.next_up()];
        let found = counts_within(&device, &points, squared, &|_| ()).unwrap();
        for (i, found) in found.iter().enumerate() {
            assert_eq!(*found, if i % 4 < 2 { [0, 0, 1] } else { [1, 1, 1] }, "{device}, {i}");
        }
    }
}

/// A neighbour's distance, as `neighbours` gives it, is not below itself, and all that are nearer are.
#[test]
fn counts_agree_with_neighbours() {
    for device in devices() {
        let (n, dim) = if in_reach(&device, 100, 7) { (100, 7) } else { (40, 4) };
        for set in [nasty_f32(n, dim, 15), nasty_u8(n, dim, 15)].concat() {
            let near = neighbours(&device, &set.points(), 9).unwrap();
            for i in [0, n / 2] {
                let squared = [2, 5, 8].map(|j| near.squared_distances(i)[j]);
                let found = counts_within(&device, &set.points(), squared, &|_| ()).unwrap();
                let want = squared
                    .map(|radius| near.squared_distances(i).iter().filter(|d| **d < radius).count() as u64);
                assert_eq!(found[i], want, "{device}, {}, sample {i}", set.name);
            }
        }
    }
}

#[test]
fn threads_and_memory_limits_change_no_count() {
    for device in devices() {
        let (n, dim) = if in_reach(&device, 290, 15) { (290, 15) } else { (60, 4) };
        for set in [nasty_f32(n, dim, 16), nasty_u8(n, dim, 16)].concat() {
            let squared = radii(&set, &mut Random::new(17));
            let count = || counts_within(&device, &set.points(), squared, &|_| ()).unwrap();
            let one = on_threads(1, count);
            assert_eq!(one, on_threads(3, count), "{device}, {}", set.name);
            device.set_memory_limit(1 << 14);
            let tight = count();
            device.set_memory_limit(u64::MAX);
            assert_eq!(one, tight, "{device}, {}", set.name);
        }
    }
}

#[test]
fn progress_ends_at_1_and_no_number_is_no_radius() {
    for device in devices() {
        for set in [uniform_f32(130, 5, 18), noise_u8(130, 5, 18)] {
            let seen = Mutex::new(Vec::new());
            let progress = |done| seen.lock().unwrap().push(done);
            let squared = [-1.0, f64::INFINITY];
            let found = counts_within(&device, &set.points(), squared, &progress).unwrap();
            assert!(found.iter().all(|found| *found == [0, 129]), "{device}");
            let seen = seen.into_inner().unwrap();
            assert!(seen.is_sorted() && seen.last() == Some(&1.0), "{device}: {seen:?}");
            let refused = counts_within(&device, &set.points(), [1.0, f64::NAN], &|_| ());
            assert!(matches!(refused, Err(Error::Argument(_))));
        }
        let none = counts_within(&device, &Points::u8(&[], 3).unwrap(), [1.0], &|_| ()).unwrap();
        assert!(none.is_empty());
    }
}

#[test]
fn distances_of_listed_pairs() {
    for device in devices() {
        let (n, dim) = if in_reach(&device, 290, 15) { (290, 15) } else { (60, 4) };
        let mut random = Random::new(19);
        for set in [nasty_f32(n, dim, 20), nasty_f64(n, dim, 20), nasty_u8(n, dim, 20)].concat() {
            // In no order, some twice, some of a sample with itself.
            let pairs: Vec<(u32, u32)> = (0..500)
                .map(|at| (random.below(n) as u32, if at % 9 == 0 { 7 } else { random.below(n) as u32 }))
                .chain([(7, 7), (0, n as u32 - 1)])
                .collect();
            let found = pair_distances(&device, &set.points(), &pairs).unwrap();
            for ((i, j), found) in pairs.iter().zip(&found) {
                let want = set.squared_from(*i as usize)[*j as usize];
                let allowed = if set.exact() { 0.0 } else { 1e-12 };
                close(*found, want, allowed, || format!("{device}, {}, {i} {j}", set.name));
            }
            device.set_memory_limit(1 << 14);
            let tight = pair_distances(&device, &set.points(), &pairs).unwrap();
            device.set_memory_limit(u64::MAX);
            assert_eq!(found, tight, "{device}, {}", set.name);
        }
        let set = noise_u8(5, 3, 21);
        assert!(pair_distances(&device, &set.points(), &[]).unwrap().is_empty());
        for pair in [(5, 0), (0, 5), (u32::MAX, 1)] {
            let refused = pair_distances(&device, &set.points(), &[(1, 2), pair]).unwrap_err();
            assert!(matches!(refused, Error::Argument(_)) && refused.to_string().contains("there are 5"));
        }
    }
}
