//! `duplicates` against comparing every sample with every earlier one.

use crate::support::{Set, Values, nasty_f32, nasty_f64, nasty_u8};
use sharpdim::ops::duplicates;

fn check(set: &Set) {
    let n = set.n();
    let equal = |i: usize, j: usize| {
        let (i, j) = (i * set.dim..(i + 1) * set.dim, j * set.dim..(j + 1) * set.dim);
        match &set.values {
            Values::U8(values) => values[i] == values[j],
            Values::F32(values) => values[i].iter().zip(&values[j]).all(|(a, b)| a == b),
            Values::F64(values) => values[i].iter().zip(&values[j]).all(|(a, b)| a == b),
        }
    };
    let first = |i: usize| (0..i).find(|&j| equal(i, j)).unwrap_or(i) as u32;
    let want: Vec<u32> = (0..n).map(first).collect();
    assert_eq!(duplicates(&set.points()), want, "{}", set.name);
}

#[test]
fn each_sample_names_the_first_like_it() {
    for (n, dim) in [(1, 1), (2, 3), (60, 1), (100, 5), (50, 1100)] {
        nasty_u8(n, dim, 1).iter().for_each(check);
        nasty_f32(n, dim, 2).iter().for_each(check);
        nasty_f64(n, dim, 2).iter().for_each(check);
    }
}

#[test]
fn zeros_of_either_sign_are_equal() {
    check(&Set::f32("signed zeros", 2, vec![0.0, 1.0, -0.0, 1.0, 0.0, -1.0, -0.0, -1.0]));
    check(&Set::f64("signed zeros", 2, vec![0.0, 1.0, -0.0, 1.0, 0.0, -1.0, -0.0, -1.0]));
}
