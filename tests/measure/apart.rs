//! Label sharpness between groups, against all pairs one by one.

use crate::support::{Random, devices, noise_u8, uniform_f32};
use approx::assert_abs_diff_eq;
use sharpdim::measure::{Protocol, label_sharpness, sharpness_between_groups};
use sharpdim::{Device, Error, Points, Values};

/// The closest pair with different labels and a distance, of different groups or of the same, by f64.
fn closest(points: &Points<'_>, labels: &[u32], groups: &[u32], apart: bool) -> Option<([usize; 2], f64)> {
    let (n, dim) = (points.n(), points.dim());
    let row = |i: usize| -> Vec<f64> {
        match points.values() {
            Values::U8(values) => values[i * dim..(i + 1) * dim].iter().map(|v| f64::from(*v)).collect(),
            Values::F32(values) => values[i * dim..(i + 1) * dim].iter().map(|v| f64::from(*v)).collect(),
            _ => unreachable!("of those two"),
        }
    };
    let rows: Vec<Vec<f64>> = (0..n).map(row).collect();
    let mut best: Option<([usize; 2], f64)> = None;
    for i in 0..n {
        for j in i + 1..n {
            if labels[i] == labels[j] || (groups[i] != groups[j]) != apart {
                continue;
            }
            let squares: f64 = rows[i].iter().zip(&rows[j]).map(|(a, b)| (a - b).powi(2)).sum();
            if squares > 0.0 && best.is_none_or(|(_, least)| squares.sqrt() < least) {
                best = Some(([i, j], squares.sqrt()));
            }
        }
    }
    best
}

#[test]
fn pairs_of_different_groups_only() {
    for device in devices() {
        for set in [noise_u8(150, 6, 1), uniform_f32(150, 6, 2)] {
            let points = set.points();
            let labels: Vec<u32> = (0..150).map(|i| u32::from(i % 3 == 0)).collect();
            for groups in [1, 2, 7, 40].map(|size| (0..150u32).map(|i| i / size).collect::<Vec<_>>()) {
                let found = sharpness_between_groups(&device, &points, &labels, &groups, 4, &|_| ()).unwrap();
                let (pair, distance) = closest(&points, &labels, &groups, true).unwrap();
                assert_eq!(found.sharpest[0].pair, pair);
                assert_abs_diff_eq!(found.max * distance, 1.0, epsilon = 1e-6);
                assert_eq!(found.sharpest.len(), 4);
                for sharp in &found.sharpest {
                    assert_ne!(groups[sharp.pair[0]], groups[sharp.pair[1]]);
                    assert_ne!(labels[sharp.pair[0]], labels[sharp.pair[1]]);
                }
                let within =
                    closest(&points, &labels, &groups, false).filter(|(_, within)| *within < distance);
                assert_eq!(found.within.map(|sharp| sharp.pair), within.map(|(pair, _)| pair));
                let all = label_sharpness(&device, &points, &labels, Protocol::AllPairs, 1, &|_| ()).unwrap();
                assert_eq!(all.max, found.within.map_or(found.max, |sharp| sharp.ratio()));
            }
        }
    }
}

/// Two patients far from each other, each with thousands of pairs of slices that are nearer: none of those looked at first is of
/// both.
#[test]
fn those_beyond_thousands_of_nearer_ones_are_found() {
    let mut random = Random::new(5);
    let mut values: Vec<f32> = random.floats(2 * 90 * 3, Random::normal);
    values.iter_mut().skip(90 * 3).for_each(|v| *v += 1000.0);
    let points = Points::f32(&values, 3).unwrap();
    let labels: Vec<u32> = (0..180).map(|i| i % 2).collect();
    let groups: Vec<u32> = (0..180).map(|i| i / 90).collect();
    let found = sharpness_between_groups(&Device::cpu(), &points, &labels, &groups, 2, &|_| ()).unwrap();
    let (pair, distance) = closest(&points, &labels, &groups, true).unwrap();
    assert!(distance > 1000.0);
    assert_eq!(found.sharpest[0].pair, pair);
    assert_eq!(found.sharpest.len(), 2);
    assert_eq!(found.within.unwrap().pair, closest(&points, &labels, &groups, false).unwrap().0);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let points = Points::u8(&[1, 2, 3], 1).unwrap();
    let apart = |labels: &[u32], groups: &[u32]| {
        sharpness_between_groups(&Device::cpu(), &points, labels, groups, 1, &|_| ()).unwrap_err()
    };
    let error = apart(&[0, 1, 0], &[0, 0]);
    assert!(matches!(&error, Error::Argument(why) if why.contains("2 groups for 3 samples")), "{error}");
    let error = apart(&[0, 1, 0], &[4, 4, 4]);
    assert!(matches!(&error, Error::Data(why) if why.contains("different groups")), "{error}");
    assert!(matches!(apart(&[0, 1], &[0, 1, 1]), Error::Argument(_)));
    assert!(matches!(apart(&[1, 1, 1], &[0, 1, 1]), Error::Data(_)));
}
