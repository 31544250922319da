//! Curation against oracles that look at every pair, and at every group by flooding: what is listed, what is left
//! out, and what label sharpness is then.

use crate::support::{Random, Set, close, devices, in_reach, nasty_f32, nasty_u8, noise_u8, on_threads};
use sharpdim::data::{Dataset, Preprocess};
use sharpdim::measure::{ClassPair, Curation, CurationOptions, Group, Near, Spread, curate};
use sharpdim::ops::{Progress, class_pairs, sharpness};
use sharpdim::{Device, Error, Points};
use std::path::PathBuf;
use std::sync::Mutex;

const QUIET: Progress<'static> = &|_| ();

fn options(near: Near) -> CurationOptions {
    CurationOptions { near, ..CurationOptions::default() }
}

fn labels(n: usize, classes: usize, seed: u64) -> Vec<u32> {
    let mut random = Random::new(seed);
    let mut labels: Vec<u32> = (0..n).map(|_| random.below(classes) as u32 * 5).collect();
    (labels[0], labels[n - 1]) = (0, 5);
    labels
}

/// The squared distances of all samples to all.
fn squared(set: &Set) -> Vec<Vec<f64>> {
    (0..set.n()).map(|i| set.squared_from(i)).collect()
}

/// Samples that hang together by pairs for which `linked` holds, in groups of at least two.
fn flood(n: usize, linked: impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let mut seen = vec![false; n];
    let mut groups = Vec::new();
    for start in 0..n {
        let mut group = Vec::new();
        let mut edge = vec![start];
        while let Some(i) = edge.pop() {
            if !std::mem::replace(&mut seen[i], true) {
                group.push(i);
                edge.extend((0..n).filter(|&j| j != i && linked(i, j)));
            }
        }
        group.sort_unstable();
        if group.len() > 1 {
            groups.push(group);
        }
    }
    groups
}

fn classes(group: &[usize], labels: &[u32]) -> usize {
    let mut classes: Vec<u32> = group.iter().map(|i| labels[*i]).collect();
    classes.sort_unstable();
    classes.dedup();
    classes.len()
}

fn median_nearest(squared: &[Vec<f64>]) -> f64 {
    let nearest = |(i, row): (usize, &Vec<f64>)| {
        row.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, s)| *s).fold(f64::INFINITY, f64::min)
    };
    let mut all: Vec<f64> = squared.iter().enumerate().map(nearest).filter(|s| *s > 0.0).collect();
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).map_or(0.0, |s| s.sqrt())
}

/// The spread over samples that `out` does not name.
#[track_caller]
fn check_spread(found: Option<&Spread>, squared: &[Vec<f64>], labels: &[u32], out: &[usize], place: &str) {
    let kept: Vec<usize> = (0..labels.len()).filter(|i| !out.contains(i)).collect();
    let mut ratios = Vec::new();
    for (at, &i) in kept.iter().enumerate() {
        let others = kept[at + 1..].iter().filter(|j| labels[i] != labels[**j] && squared[i][**j] > 0.0);
        ratios.extend(others.map(|j| 1.0 / squared[i][*j].sqrt()));
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let Some(found) = found else {
        return assert!(ratios.is_empty(), "{place}: nothing is said of {} pairs", ratios.len());
    };
    let count = ratios.len();
    assert_eq!((found.pairs, found.samples), (count as u64, kept.len()), "{place}");
    close(found.max, ratios[count - 1], 1e-9, || format!("{place}: max"));
    // About 1e-5 for floats, as `sharpness` promises: few pairs average out less of a GPU's roundings.
    let tolerance = if place.starts_with("cpu") { 1e-5 } else { 4e-5 };
    close(found.mean, ratios.iter().sum::<f64>() / count as f64, tolerance, || format!("{place}: mean"));
    for (q, value) in &found.quantiles {
        let rank = ((q * count as f64).ceil() as usize).clamp(1, count);
        close(*value, ratios[rank - 1], 1e-6, || format!("{place}: quantile {q}"));
        assert!(*value <= found.max);
    }
}

fn check_groups(found: &[Group], want: &[Vec<usize>], squared: &[Vec<f64>], labels: &[u32], place: &str) {
    let mut samples: Vec<_> = found.iter().map(|group| group.samples.clone()).collect();
    samples.sort_unstable();
    assert_eq!(samples, want, "{place}");
    for group in found {
        assert_eq!(group.classes, classes(&group.samples, labels), "{place}");
        let members = &group.samples;
        let pairs = members.iter().flat_map(|&i| members.iter().map(move |&j| (i, j))).filter(|(i, j)| i < j);
        let least = pairs.map(|(i, j)| squared[i][j]).fold(f64::INFINITY, f64::min).sqrt();
        close(group.closest, least, 1e-9, || format!("{place}: closest"));
        // At the farthest link they hang together, below it they do not.
        let link = group.farthest_link;
        let parts = |radius: f64| {
            let near = |a: usize, b: usize| squared[members[a]][members[b]].sqrt() <= radius;
            flood(members.len(), near).first().map_or(0, Vec::len)
        };
        assert_eq!(parts(link * (1.0 + 1e-9)), members.len(), "{place}");
        assert!(link == 0.0 || parts(link * (1.0 - 1e-9)) < members.len(), "{place}");
    }
}

#[track_caller]
fn check(device: &Device, set: &Set, labels: &[u32], near: Near) {
    if !in_reach(device, set.n(), set.dim) {
        return;
    }
    let place = format!("{device}, {}, {} x {}, {near:?}", set.name, set.n(), set.dim);
    let all = squared(set);
    let found = match curate(device, &set.points(), labels, &options(near), QUIET) {
        Ok(found) => found,
        Err(error) => {
            let differing = |i: usize, j: usize| labels[i] != labels[j] && all[i][j] > 0.0;
            assert!((0..set.n()).all(|i| (0..set.n()).all(|j| !differing(i, j))), "{place}: {error}");
            return;
        }
    };
    let radius = match near {
        Near::Distance(distance) => distance,
        Near::Fraction(fraction) => fraction * median_nearest(&all),
    };
    close(found.near_radius, radius, 1e-9, || format!("{place}: radius"));

    let twins = flood(set.n(), |i, j| all[i][j] == 0.0);
    let contradictions: Vec<_> = twins.into_iter().filter(|group| classes(group, labels) > 1).collect();
    check_groups(&found.contradictions, &contradictions, &all, labels, &place);
    let groups = flood(set.n(), |i, j| all[i][j].sqrt() <= found.near_radius * (1.0 + 1e-12));
    check_groups(&found.near_duplicates, &groups, &all, labels, &place);
    let order = |group: &Group| (group.classes == 1, group.closest);
    assert!(found.near_duplicates.is_sorted_by(|a, b| order(a) <= order(b)), "{place}");

    let mut left_out: Vec<usize> =
        groups.iter().filter(|g| classes(g, labels) > 1).flatten().copied().collect();
    left_out.sort_unstable();
    assert_eq!(found.left_out, left_out, "{place}");
    check_spread(Some(&found.all), &all, labels, &[], &place);
    let without = |spread: &Option<Spread>, out: &[usize]| {
        check_spread(spread.as_ref(), &all, labels, out, &place);
    };
    without(&found.without_contradictions, &contradictions.concat());
    without(&found.without_near_duplicates, &left_out);

    let sharp = sharpness(device, &set.points(), labels, 20).unwrap();
    assert_eq!(found.sharpest, sharp.sharpest, "{place}");
    let pairs = class_pairs(device, &set.points(), labels).unwrap();
    let same = |pair: &&ClassPair| pair.classes[0] == pair.classes[1];
    assert!(pairs.iter().filter(same).eq(&found.within_classes), "{place}");
    assert!(pairs.iter().filter(|pair| !same(pair)).eq(&found.class_pairs), "{place}");
}

#[test]
fn bytes_of_every_kind() {
    for device in devices() {
        for (n, dim) in [(3, 2), (60, 3), (129, 2)] {
            for set in nasty_u8(n, dim, 1) {
                for near in [Near::default(), Near::Fraction(1.0), Near::Distance(5.0), Near::Distance(0.0)] {
                    check(&device, &set, &labels(n, 3, 2), near);
                }
                check(&device, &set, &labels(n, 40, 3), Near::Fraction(1.1));
            }
        }
    }
}

#[test]
fn floats_of_every_kind() {
    for device in devices() {
        for (n, dim) in [(3, 2), (60, 3)] {
            for set in nasty_f32(n, dim, 4) {
                for near in [Near::default(), Near::Fraction(1.3)] {
                    check(&device, &set, &labels(n, 3, 5), near);
                }
            }
        }
    }
}

/// A radius that is a pair's distance as it was reported holds that pair, whatever its root was rounded to.
#[test]
fn a_pair_at_the_radius_is_within() {
    for device in devices() {
        // The squares of some of these roots fall short.
        for d in [1u8, 2, 7, 255, 5, 6, 8] {
            let values = [0, 0, d, 1, 255, 0];
            let points = Points::u8(&values, 2).unwrap();
            let distance = (f64::from(d) * f64::from(d) + 1.0).sqrt();
            let found =
                curate(&device, &points, &[0, 1, 1], &options(Near::Distance(distance)), QUIET).unwrap();
            assert_eq!(found.near_duplicates[0].samples[..2], [0, 1], "{device}, {d}");
            let short = options(Near::Distance(distance * (1.0 - 1e-12)));
            let found = curate(&device, &points, &[0, 1, 1], &short, QUIET).unwrap();
            assert!(found.near_duplicates.iter().all(|group| group.samples != [0, 1]), "{device}, {d}");
        }
    }
}

/// Chains 1e4 from the origin: each sample near the next one only, classes alternating.
#[test]
fn chains_are_groups_far_from_the_origin() {
    let values: Vec<f32> = (0..60).map(|i| 1e4 + (i / 6 * 50) as f32 + 0.5 * (i % 6) as f32).collect();
    let labels: Vec<u32> = (0..60).map(|i| u32::from(i >= 30 || i % 2 == 1)).collect();
    for device in devices() {
        let points = Points::f32(&values, 1).unwrap();
        let found = curate(&device, &points, &labels, &options(Near::Distance(0.5)), QUIET).unwrap();
        assert_eq!(found.near_duplicates.len(), 10);
        for (at, group) in found.near_duplicates.iter().enumerate() {
            assert_eq!(group.samples, (6 * at..6 * at + 6).collect::<Vec<_>>());
            assert_eq!(
                (group.classes, group.closest, group.farthest_link),
                (if at < 5 { 2 } else { 1 }, 0.5, 0.5)
            );
        }
        // Only the second class is left.
        assert_eq!(found.left_out, (0..30).collect::<Vec<_>>());
        assert_eq!(found.without_near_duplicates, None);
        assert_eq!(found.without_contradictions, Some(found.all));
    }
}

#[test]
fn thread_counts_change_no_bit() {
    for set in [nasty_f32(90, 3, 6), nasty_u8(90, 3, 6)].concat() {
        let labels = labels(90, 4, 7);
        let options = options(Near::Fraction(1.0));
        let find = || curate(&Device::cpu(), &set.points(), &labels, &options, QUIET).ok();
        assert_eq!(on_threads(1, find), on_threads(3, find), "{}", set.name);
    }
}

#[test]
fn progress_ascends_to_1() {
    for device in devices() {
        for set in [nasty_f32(100, 3, 8).remove(6), noise_u8(100, 3, 8)] {
            let seen = Mutex::new(Vec::new());
            let see = |done: f64| seen.lock().unwrap().push(done);
            let options = options(Near::Fraction(1.0));
            curate(&device, &set.points(), &labels(100, 3, 9), &options, &see).unwrap();
            let seen = seen.into_inner().unwrap();
            assert!(seen.is_sorted() && seen.last() == Some(&1.0), "{seen:?}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let set = noise_u8(30, 3, 10);
    for device in devices() {
        let refused = |labels: &[u32], options: &CurationOptions| {
            curate(&device, &set.points(), labels, options, QUIET).unwrap_err()
        };
        let fine = labels(30, 2, 11);
        for near in [f64::NAN, -1.0, f64::INFINITY] {
            for near in [Near::Distance(near), Near::Fraction(near)] {
                let error = refused(&fine, &options(near));
                assert!(
                    matches!(error, Error::Argument(_)) && error.to_string().contains("at least 0"),
                    "{error}"
                );
            }
        }
        for q in [-0.1, 1.5, f64::NAN] {
            let options = CurationOptions { quantiles: vec![q], ..CurationOptions::default() };
            assert!(matches!(refused(&fine, &options), Error::Argument(_)));
        }
        let none = CurationOptions { top: 0, ..CurationOptions::default() };
        assert!(matches!(refused(&fine, &none), Error::Argument(_)));
        assert!(matches!(refused(&fine[1..], &CurationOptions::default()), Error::Argument(_)));
        assert!(matches!(refused(&[3; 30], &CurationOptions::default()), Error::Data(_)));
    }
}

/// A radius that holds nearly all pairs of many samples is no radius of duplicates: the message names one.
#[test]
fn too_wide_a_radius_is_an_error_that_names_a_smaller_one() {
    let n = 3000;
    let set = noise_u8(n, 2, 12);
    let wide = options(Near::Distance(400.0));
    let error = curate(&Device::cpu(), &set.points(), &labels(n, 2, 13), &wide, QUIET).unwrap_err();
    assert!(matches!(error, Error::Data(_)) && error.to_string().contains("radius below"), "{error}");
}

/// What a real pack holds, at 224 px, preprocessed as in the paper; `None`, with a line that says what is lacking,
/// where there are no packs.
fn of_pack(name: &str) -> Option<Curation> {
    let Some(packs) = std::env::var_os("SHARPDIM_DATA").map(PathBuf::from) else {
        println!("SHARPDIM_DATA is not set: {name} is not looked at");
        return None;
    };
    let loaded = Dataset::open(&packs.join(name)).unwrap().load(&Preprocess::default(), &|_| ()).unwrap();
    let points = loaded.samples.points().unwrap();
    let found = curate(&Device::cpu(), &points, &loaded.labels, &CurationOptions::default(), QUIET).unwrap();
    let row = |spread: &Spread| {
        let quantiles: Vec<String> = spread.quantiles.iter().map(|(q, v)| format!("{q}: {v:.3e}")).collect();
        format!("K_F {:.3e}, mean {:.3e}, {}", spread.max, spread.mean, quantiles.join(", "))
    };
    let several = found.near_duplicates.iter().filter(|group| group.classes > 1).count();
    println!(
        "{name}: radius {:.0}, {} groups, {several} across classes",
        found.near_radius,
        found.near_duplicates.len()
    );
    println!("  all      {}", row(&found.all));
    println!("  without  {}", found.without_near_duplicates.as_ref().map_or("nothing".into(), row));
    Some(found)
}

#[test]
fn near_duplicates_across_classes_of_real_ultrasound() {
    let Some(found) = of_pack("breast_ultrasound") else { return };
    assert!(found.near_duplicates[0].classes == 2 && !found.left_out.is_empty());
    let rest = found.without_near_duplicates.unwrap();
    assert!(rest.max < 0.7 * found.all.max, "{} {}", rest.max, found.all.max);
    // What does not hang on single pairs hardly changes.
    for ((_, before), (_, after)) in found.all.quantiles.iter().zip(&rest.quantiles).take(2) {
        close(*after, *before, 0.02, || "a quantile");
    }
}

#[test]
fn real_radiographs_hold_none() {
    for name in ["chest_xray_adult", "knee_oa"] {
        let Some(found) = of_pack(name) else { return };
        let rest = found.without_near_duplicates.unwrap();
        close(rest.max, found.all.max, 0.1, || format!("{name}: K_F"));
        assert!(found.left_out.len() < 10, "{name}: {:?}", found.left_out);
    }
}
