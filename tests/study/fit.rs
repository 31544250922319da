//! Fits beside statsmodels and scipy, on the committed vectors of tests/vectors/fits.py, and where nothing can be fitted.

use approx::{abs_diff_eq, assert_abs_diff_eq};
use serde_json::Value;
use sharpdim::study::fit::{INTERCEPT, bootstrap, equal_slopes, linear, pearson, proportion, spearman};
use sharpdim::{Error, Result};
use std::fs;
use std::path::Path;

fn vectors() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/fits.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// Within 1e-9 of what is wanted, or of `unit` where that is larger: what is 0 in theory is rounding in both.
#[track_caller]
fn close_of(got: f64, want: f64, unit: f64, what: &str) {
    assert!(abs_diff_eq!(got, want, epsilon = 1e-9 * want.abs().max(unit)), "{what}: {got:?}, not {want:?}");
}

#[track_caller]
fn close(got: f64, want: &Value, what: &str) {
    close_of(got, want.as_f64().unwrap(), 0.0, what);
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, words: &str) {
    match result {
        Err(Error::Data(reason) | Error::Argument(reason)) => assert!(reason.contains(words), "{reason}"),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn least_squares_are_those_of_statsmodels() {
    let said = vectors();
    for (name, want) in said["linear"].as_object().unwrap() {
        let columns: Vec<(&str, Vec<f64>)> = want["columns"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, values)| (&name[..], floats(values)))
            .collect();
        let columns: Vec<(&str, &[f64])> =
            columns.iter().map(|(name, values)| (*name, &values[..])).collect();
        let y = floats(&want["y"]);
        let fit = linear(&columns, &y).unwrap();
        assert_eq!(fit.n, y.len());
        assert_eq!(fit.degrees_of_freedom as u64, want["degrees_of_freedom"].as_u64().unwrap());
        assert_eq!(fit.coefficients.len(), columns.len() + 1);
        assert_eq!(fit.coefficients[0].name, INTERCEPT);
        for (at, coefficient) in fit.coefficients.iter().enumerate() {
            let what = format!("{name}, {}", coefficient.name);
            let told = coefficient.inference.unwrap();
            close(coefficient.value, &want["value"][at], &what);
            close(told.standard_error, &want["standard_error"][at], &what);
            close(told.t, &want["t"][at], &what);
            close(told.p, &want["p"][at], &what);
            close(told.interval[0], &want["interval"][at][0], &what);
            close(told.interval[1], &want["interval"][at][1], &what);
        }
        close(fit.r_squared.unwrap(), &want["r_squared"], name);
        close(fit.adjusted_r_squared.unwrap(), &want["adjusted_r_squared"], name);
        close(fit.f.unwrap().f, &want["f"], name);
        close(fit.f.unwrap().p, &want["f_p"], name);
        assert_eq!(fit.f.unwrap().degrees_of_freedom, [columns.len(), fit.degrees_of_freedom]);
        close(fit.residual_standard_error.unwrap(), &want["residual_standard_error"], name);
        for (got, want) in fit.residuals.iter().zip(floats(&want["residuals"])) {
            close_of(*got, want, 1.0, name);
        }
        assert!(!fit.exact);
    }
}

#[test]
fn as_many_points_as_coefficients_give_values_alone() {
    let fit = linear(&[("x", &[1.0, 3.0])], &[2.0, 8.0]).unwrap();
    for (coefficient, want) in fit.coefficients.iter().zip([-1.0, 3.0]) {
        close_of(coefficient.value, want, 0.0, &coefficient.name);
    }
    assert!(fit.coefficients.iter().all(|coefficient| coefficient.inference.is_none()));
    assert_eq!((fit.n, fit.degrees_of_freedom), (2, 0));
    close_of(fit.r_squared.unwrap(), 1.0, 0.0, "r squared");
    assert_eq!((fit.adjusted_r_squared, fit.f, fit.residual_standard_error), (None, None, None));
    let exact = |residual: &f64| abs_diff_eq!(*residual, 0.0, epsilon = 1e-14);
    assert!(fit.residuals.iter().all(exact), "{:?}", fit.residuals);
}

#[test]
fn an_exact_fit_tells_no_interval() {
    let x: Vec<f64> = (0..50).map(|at| 0.1 + 0.37 * f64::from(at)).collect();
    let z: Vec<f64> = x.iter().map(|x| (x * 1.7).sin()).collect();
    let y: Vec<f64> = x.iter().zip(&z).map(|(x, z)| 1000.0 - 0.3 * x + 7.0 * z).collect();
    let fit = linear(&[("x", &x), ("z", &z)], &y).unwrap();
    for (coefficient, want) in fit.coefficients.iter().zip([1000.0, -0.3, 7.0]) {
        close_of(coefficient.value, want, 0.0, &coefficient.name);
        assert_eq!(coefficient.inference, None);
    }
    assert_eq!((fit.exact, fit.r_squared, fit.adjusted_r_squared, fit.f), (true, Some(1.0), Some(1.0), None));
    // What does not vary is fitted by a slope of 0, and has no variance to explain.
    let fit = linear(&[("x", &x)], &[0.3; 50]).unwrap();
    close_of(fit.coefficients[0].value, 0.3, 0.0, "intercept");
    assert_abs_diff_eq!(fit.coefficients[1].value, 0.0, epsilon = 1e-15);
    assert_eq!((fit.exact, fit.r_squared, fit.adjusted_r_squared, fit.f), (true, None, None, None));
}

#[test]
fn what_is_small_or_large_neither_under_nor_overflows() {
    for (x_unit, y_unit) in [(1e-200, 1.0), (1.0, 1e-200), (1e149, 1e149), (1e-160, 1e-10)] {
        let x = [1.0, 2.0, 4.0].map(|x| x * x_unit);
        let y = [1.0, 2.5, 3.0].map(|y| y * y_unit);
        let (fit, like) = (
            linear(&[("x", &x)], &y).unwrap(),
            linear(&[("x", &[1.0, 2.0, 4.0])], &[1.0, 2.5, 3.0]).unwrap(),
        );
        let (got, want) = (fit.coefficients[1].inference.unwrap(), like.coefficients[1].inference.unwrap());
        close_of(fit.coefficients[1].value, like.coefficients[1].value / x_unit * y_unit, 0.0, "slope");
        close_of(got.t, want.t, 0.0, "t");
    }
    refused(
        linear(&[("x", &[1e-200, 2e-200, 3e-200])], &[1e140, 2e140, 3.5e140]),
        "beyond what 64-bit floats hold",
    );
}

#[test]
fn fits_refuse_in_words() {
    let two = [1.0, 2.0];
    refused(linear(&[], &two), "no column");
    refused(linear(&[("x", &two)], &[1.0]), "column x has 2 values, y has 1");
    refused(linear(&[("x", &[])], &[]), "0 points for 2 coefficients");
    refused(linear(&[("x", &[1.0])], &[1.0]), "1 point for 2 coefficients");
    refused(linear(&[("x", &two), ("z", &two)], &two), "2 points for 3 coefficients");
    refused(linear(&[("d_data", &[7.0; 4])], &[1.0, 2.0, 3.0, 4.0]), "column d_data is 7.0 in all 4 points");
    // The mean of three times 0.1 is not 0.1 but for rounding.
    refused(linear(&[("x", &[0.1 + 0.2, 0.3, 0.3])], &[1.0, 2.0, 3.0]), "in all 3 points");
    refused(linear(&[("x", &[1.0, f64::NAN])], &two), "column x has the value NaN in row 1");
    refused(linear(&[("x", &two)], &[f64::INFINITY, 1.0]), "y has the value inf in row 0");
    refused(linear(&[("x", &two)], &[1.0, -1e200]), "y has the value -1e200 in row 1");
    let (a, b) = ([1.0, 2.0, 3.0, 5.0], [2.0, 1.0, 0.0, 7.0]);
    let both: Vec<f64> = a.iter().zip(b).map(|(a, b)| 3.0 * a - b / 7.0 + 1.0).collect();
    refused(linear(&[("a", &a), ("b", &b), ("c", &both)], &a), "column c is a combination of a, b");
}

#[test]
fn slopes_are_compared_as_statsmodels_does() {
    let said = vectors();
    for (name, want) in said["equal_slopes"].as_object().unwrap() {
        let groups: Vec<(&str, Vec<f64>, Vec<f64>)> = want["groups"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(group, columns)| (&group[..], floats(&columns["x"]), floats(&columns["y"])))
            .collect();
        let groups: Vec<(&str, &[f64], &[f64])> =
            groups.iter().map(|(group, x, y)| (*group, &x[..], &y[..])).collect();
        let found = equal_slopes(&groups).unwrap();
        close(found.test.f, &want["f"], name);
        close(found.test.p, &want["p"], name);
        close(found.common, &want["common"], name);
        let freedom = found.test.degrees_of_freedom.map(|freedom| freedom as f64);
        assert_eq!(freedom.to_vec(), floats(&want["degrees_of_freedom"]));
        for (at, slope) in found.slopes.iter().enumerate() {
            close(slope.slope.value, &want["slopes"][at], name);
            assert_eq!((&slope.group[..], slope.n), (groups[at].0, groups[at].1.len()));
            assert_eq!(slope.slope.inference.is_some(), slope.n > 2);
        }
    }
}

#[test]
fn slopes_that_cannot_be_compared_say_why() {
    let (x, y) = ([1.0, 2.0, 3.0], [1.0, 2.5, 2.0]);
    refused(equal_slopes(&[]), "at least two groups, not 0");
    refused(equal_slopes(&[("a", &x, &y)]), "at least two groups, not 1");
    refused(equal_slopes(&[("a", &x, &y), ("b", &[1.0], &[1.0])]), "group b: 1 point for 2 coefficients");
    refused(equal_slopes(&[("a", &x, &y), ("b", &[4.0; 3], &y)]), "group b: column x is 4.0 in all 3 points");
    refused(equal_slopes(&[("a", &x, &y[..2]), ("b", &x, &y)]), "group a: column x has 3 values, y has 2");
    refused(equal_slopes(&[("a", &x[..2], &y[..2]), ("b", &x[..2], &y[..2])]), "4 points for 4 coefficients");
    let twice = x.map(|x| 0.1 + 2.0 * x);
    refused(equal_slopes(&[("a", &x, &twice), ("b", &x, &x)]), "on its line");
}

#[test]
fn correlations_are_those_of_scipy() {
    let said = vectors();
    let mut exact = 0;
    for (name, set) in said["correlations"].as_object().unwrap() {
        let (x, y) = (floats(&set["x"]), floats(&set["y"]));
        for (kind, found) in
            [("pearson", pearson(&x, &y, 2000, 7).unwrap()), ("spearman", spearman(&x, &y, 2000, 7).unwrap())]
        {
            let (want, what) = (&set[kind], format!("{name}, {kind}"));
            assert_eq!(found.n, x.len());
            close_of(found.r, want["r"].as_f64().unwrap(), 1e-6, &what);
            close_of(found.p, want["p"].as_f64().unwrap(), 1e-6, &what);
            assert_eq!(found.interval.is_some(), x.len() > 3);
            for (at, bound) in found.interval.into_iter().flatten().enumerate() {
                close_of(bound, want["interval"][at].as_f64().unwrap(), 1e-6, &what);
            }
            assert_eq!(found.permuted.exact, x.len() <= 8);
            if let Some(want) = want["exact"].as_f64() {
                assert_eq!(found.permuted.p, want, "{what}");
                exact += 1;
            } else if !found.permuted.exact {
                // Where no distribution is assumed the p is near that of normal points.
                assert_eq!(found.permuted.draws, 2000);
                let margin = 4.0 * (found.p / 2000.0).sqrt() + 0.01;
                assert!(abs_diff_eq!(found.permuted.p, found.p, epsilon = margin), "{what}: {found:?}");
            }
        }
    }
    assert_eq!(exact, 13);
}

#[test]
fn permutations_are_what_their_seed_says() {
    let x: Vec<f64> = (0..12).map(f64::from).collect();
    let y: Vec<f64> = x.iter().map(|x| (x * 2.3).sin() + 0.1 * x).collect();
    let p = |seed| pearson(&x, &y, 500, seed).unwrap().permuted.p;
    assert_eq!(p(1), p(1));
    assert_ne!(p(1), p(2));
    // None of the orders is as far from 0 as points on a line: the p is the smallest there can be, and not 0.
    assert_eq!(pearson(&x, &x, 99, 0).unwrap().permuted.p, 0.01);
    let line = pearson(&x, &x.iter().map(|x| 0.3 - 0.1 * x).collect::<Vec<_>>(), 99, 0).unwrap();
    assert_eq!((line.r, line.p, line.interval), (-1.0, 0.0, Some([-1.0, -1.0])));
}

#[test]
fn correlations_refuse_in_words() {
    let three = [1.0, 2.0, 4.0];
    for correlation in [pearson, spearman] {
        refused(correlation(&[], &[], 9, 0), "0 points: a correlation needs at least 3");
        refused(correlation(&[1.0], &[1.0], 9, 0), "1 point: a");
        refused(correlation(&three[..2], &three[..2], 9, 0), "2 points");
        refused(correlation(&three, &three[..2], 9, 0), "3 values of x and 2 of y");
        refused(correlation(&[5.0; 3], &three, 9, 0), "x is 5.0 in all 3 points");
        refused(correlation(&three, &[0.0; 3], 9, 0), "y is 0.0 in all 3 points");
        refused(correlation(&three, &[0.0, f64::NAN, 1.0], 9, 0), "y has the value NaN in row 1");
        refused(correlation(&three, &three, 0, 0), "0 draws");
    }
}

#[test]
fn proportions_are_those_of_statsmodels() {
    for want in vectors()["proportions"].as_array().unwrap() {
        let (successes, n) =
            (want["successes"].as_u64().unwrap() as usize, want["n"].as_u64().unwrap() as usize);
        let found = proportion(successes, n).unwrap();
        assert_eq!((found.successes, found.n, found.value), (successes, n, successes as f64 / n as f64));
        for (bound, want) in found.interval.into_iter().zip(floats(&want["interval"])) {
            close_of(bound, want, 1e-6, &format!("{successes} of {n}"));
            assert!((0.0..=1.0).contains(&bound));
        }
    }
    refused(proportion(0, 0), "0 cases");
    refused(proportion(3, 2), "3 successes in 2 cases");
}

/// The groups of the vectors: x, y and each point's group.
fn grouped(said: &Value) -> (Vec<f64>, Vec<f64>, Vec<String>) {
    let (mut x, mut y, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for (name, columns) in said["groups"].as_object().unwrap() {
        x.extend(floats(&columns["x"]));
        y.extend(floats(&columns["y"]));
        groups.resize(x.len(), name.clone());
    }
    (x, y, groups)
}

#[test]
fn draws_of_groups_come_near_all_draws_there_are() {
    let said = &vectors()["bootstrap"];
    let (x, y, groups) = grouped(said);
    let groups: Vec<&str> = groups.iter().map(|group| &group[..]).collect();
    let draws = 20_000;
    let found = bootstrap(&[("x", &x)], &y, &groups, draws, 3).unwrap();
    assert_eq!((found.groups, found.draws), (5, draws));
    let slope = &found.slopes[0];
    close_of(slope.value, linear(&[("x", &x)], &y).unwrap().coefficients[1].value, 0.0, "slope");
    for (bound, want) in slope.interval.into_iter().zip(floats(&said["interval"])) {
        assert!(abs_diff_eq!(bound, want, epsilon = 0.01), "{bound} beside {want}");
    }
    // Five times b, or five times d, have one x.
    let part = said["unfitted"].as_f64().unwrap();
    assert_abs_diff_eq!(
        found.unfitted as f64,
        part * draws as f64,
        epsilon = 5.0 * (part * draws as f64).sqrt()
    );
    assert!(found.unfitted > 0);

    assert_eq!(found, bootstrap(&[("x", &x)], &y, &groups, draws, 3).unwrap());
    assert_ne!(found, bootstrap(&[("x", &x)], &y, &groups, draws, 4).unwrap());
    // A group's rows need not be together.
    let order: Vec<usize> = (0..x.len()).rev().collect();
    let take = |values: &[f64]| order.iter().map(|&at| values[at]).collect::<Vec<_>>();
    let turned: Vec<&str> = order.iter().map(|&at| groups[at]).collect();
    let again = bootstrap(&[("x", &take(&x))], &take(&y), &turned, draws, 3).unwrap();
    close_of(again.slopes[0].interval[0], slope.interval[0], 0.0, "turned");
}

#[test]
fn a_bootstrap_of_two_columns_finds_both_slopes() {
    let x: Vec<f64> = (0..30).map(|at| f64::from(at % 7)).collect();
    let z: Vec<f64> = (0..30).map(|at| f64::from(at * at % 11)).collect();
    let y: Vec<f64> = (0..30).map(|at| 2.0 * x[at] - 3.0 * z[at] + (at as f64 * 1.3).sin()).collect();
    let names: Vec<String> = (0..30).map(|at| format!("{}", at / 3)).collect();
    let groups: Vec<&str> = names.iter().map(|name| &name[..]).collect();
    let found = bootstrap(&[("x", &x), ("z", &z)], &y, &groups, 200, 0).unwrap();
    for (slope, want) in found.slopes.iter().zip([2.0, -3.0]) {
        let [low, high] = slope.interval;
        assert!(low < want && want < high && high - low < 0.5, "{slope:?}");
    }
    assert_eq!((&found.slopes[1].name[..], found.groups, found.unfitted), ("z", 10, 0));
}

#[test]
fn a_bootstrap_refuses_in_words() {
    let (x, y) = ([1.0, 2.0, 4.0], [1.0, 2.5, 3.0]);
    refused(bootstrap(&[("x", &x)], &y, &["a", "b"], 9, 0), "2 groups for 3 points");
    refused(bootstrap(&[("x", &x)], &y, &["a", "b", "c"], 0, 0), "0 draws");
    refused(bootstrap(&[("x", &x)], &y, &["a", "a", "a"], 9, 0), "1 group to draw from");
    refused(bootstrap(&[("x", &x)], &y, &["a", "b", "b"], 9, 0), "2 groups to draw from");
    refused(bootstrap(&[("x", &[1.0; 3])], &y, &["a", "b", "c"], 9, 0), "column x is 1.0");
    refused(bootstrap(&[("x", &[1.0, f64::NAN, 2.0])], &y, &["a", "b", "c"], 9, 0), "NaN in row 1");
    // Of two columns and three points, only draws of all three can be fitted: 6 in 27.
    let z = [0.0, 1.0, 0.0];
    refused(bootstrap(&[("x", &x), ("z", &z)], &y, &["a", "b", "c"], 200, 0), "could be fitted");
}
