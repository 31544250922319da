//! Statistics as text, for captions of figures.

use crate::study::fit::{Correlation, Linear};

/// A number with two or three significant digits.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        large if !(0.01..1000.0).contains(&large) => format!("{value:.2e}"),
        large if large >= 100.0 => format!("{value:.0}"),
        large if large >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A probability, which is never 0.
pub(super) fn p(value: f64) -> String {
    if value < 0.001 { "p < 0.001".into() } else { format!("p = {value:.3}") }
}

/// A slope with its interval.
pub(super) fn slope(fit: &Linear) -> String {
    let slope = &fit.coefficients[1];
    match slope.inference {
        Some(inference) => format!(
            "{} (95 % {} .. {}; n = {})",
            number(slope.value),
            number(inference.interval[0]),
            number(inference.interval[1]),
            fit.n
        ),
        None if fit.exact => format!("{} (exact; n = {})", number(slope.value), fit.n),
        None => format!("{} (n = {}, too few for an interval)", number(slope.value), fit.n),
    }
}

/// A correlation with its interval and the p value of the permutation test.
pub(super) fn correlation(found: &Correlation) -> String {
    let interval =
        found.interval.map_or(String::new(), |[low, high]| format!("95 % {low:.2} .. {high:.2}, "));
    format!("{:.2} ({interval}{} by permutation, n = {})", found.r, p(found.permuted.p), found.n)
}

/// Words with commas and an `and`.
pub(super) fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
