//! Tails of Student's t and of F, and what 95 % intervals are made of.

use statrs::function::beta::beta_reg;

/// The normal distribution's 97.5 % point.
pub(super) const NORMAL_POINT: f64 = 1.959963984540054;

/// How probable a t at least as far from 0 is, on either side.
pub(super) fn two_sided_t(t: f64, freedom: f64) -> f64 {
    // Of t / (sqrt(freedom) + |t|) no square overflows.
    let (root, t) = (freedom.sqrt(), t.abs());
    if t.is_infinite() {
        return 0.0;
    }
    let (root, t) = (root / (root + t), t / (root + t));
    let all = root * root + t * t;
    incomplete_beta(freedom / 2.0, 0.5, root * root / all, t * t / all)
}

/// How probable an F at least as large is.
pub(super) fn upper_f(f: f64, numerator: f64, denominator: f64) -> f64 {
    let (above, below) = (numerator * f, denominator);
    if above.is_infinite() {
        return 0.0;
    }
    incomplete_beta(denominator / 2.0, numerator / 2.0, below / (above + below), above / (above + below))
}

/// The p of a correlation r of n points that are independent and normal: that of t = r sqrt((n - 2) / (1 - r^2)).
pub(super) fn two_sided_r(r: f64, n: usize) -> f64 {
    incomplete_beta((n - 2) as f64 / 2.0, 0.5, (1.0 - r) * (1.0 + r), r * r)
}

/// The t that is exceeded on either side in 5 %.
pub(in crate::study) fn t_point(freedom: f64) -> f64 {
    // That of one degree of freedom, the largest, is 12.7.
    let (mut low, mut high) = (0.0, 13.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if two_sided_t(middle, freedom) > 0.05 { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// The regularised incomplete beta function of x, whose 1 - x is `rest`: each is given, so that none of its digits is
/// lost where the other is near 1.
fn incomplete_beta(a: f64, b: f64, x: f64, rest: f64) -> f64 {
    // Of the two continued fractions the one that converges fast.
    let value =
        if x < (a + 1.0) / (a + b + 2.0) { beta_reg(a, b, x) } else { 1.0 - beta_reg(b, a, rest.min(1.0)) };
    value.clamp(0.0, 1.0)
}
