//! Tail probabilities of Student's t and of F, and quantiles for 95 % intervals.

use libm::lgamma;

/// The normal distribution's 97.5 % point.
pub(super) const NORMAL_POINT: f64 = 1.959963984540054;

/// The two-sided p value of a t.
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

/// The upper tail probability of an F.
pub(super) fn upper_f(f: f64, numerator: f64, denominator: f64) -> f64 {
    let (above, below) = (numerator * f, denominator);
    if above.is_infinite() {
        return 0.0;
    }
    incomplete_beta(denominator / 2.0, numerator / 2.0, below / (above + below), above / (above + below))
}

/// The two-sided p value of a correlation r of n independent normal points: that of t = r sqrt((n - 2) / (1 - r^2)).
pub(super) fn two_sided_r(r: f64, n: usize) -> f64 {
    incomplete_beta((n - 2) as f64 / 2.0, 0.5, (1.0 - r) * (1.0 + r), r * r)
}

/// The two-sided 95 % point of t.
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
    if x <= 0.0 || rest <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    // x^a (1 - x)^b / B(a, b)
    let front = (a * x.ln() + b * rest.ln() + lgamma(a + b) - lgamma(a) - lgamma(b)).exp();
    // Of the two continued fractions the one that converges fast.
    let value = if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, rest) / b
    };
    value.clamp(0.0, 1.0)
}

/// The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let nonzero = |value: f64| if value == 0.0 { f64::MIN_POSITIVE } else { value };
    let (mut c, mut d) = (1.0, 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0)));
    let mut value = d;
    // About as many terms as the root of the greater of a and b.
    for term in 1..100_000 {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = value;
        for part in [even, odd] {
            d = 1.0 / nonzero(1.0 + part * d);
            c = nonzero(1.0 + part / c);
            value *= c * d;
        }
        if (value - before).abs() <= f64::EPSILON * value.abs() {
            break;
        }
    }
    value
}
