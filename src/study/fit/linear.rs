//! Ordinary least squares with an intercept, by a QR decomposition of centred columns.

use super::tail::{t_point, two_sided_t, upper_f};
use super::{Centred, dot, finite, largest, norm, varies};
use crate::{Error, Result};

/// The intercept's name among the coefficients.
pub const INTERCEPT: &str = "intercept";

/// A column whose part orthogonal to those before it is smaller than this counts as a combination of them.
const COLLINEAR: f64 = 1e-10;

/// What [`linear`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// Points fitted.
    pub n: usize,
    /// Points less coefficients.
    pub degrees_of_freedom: usize,
    /// The intercept, and a slope for each column, in order.
    pub coefficients: Vec<Coefficient>,
    /// The part of y's variance that the columns explain; `None` where y does not vary.
    pub r_squared: Option<f64>,
    /// `1 - (1 - r_squared) (n - 1) / degrees_of_freedom`; `None` where y does not vary or no freedom is left.
    pub adjusted_r_squared: Option<f64>,
    /// The test of all slopes being zero; `None` where the coefficients have no intervals.
    pub f: Option<FTest>,
    /// The root of the residuals' sum of squares over the degrees of freedom, in units of y; `None` where no freedom
    /// is left.
    pub residual_standard_error: Option<f64>,
    /// y minus the fit, point by point, in units of y.
    pub residuals: Vec<f64>,
    /// Whether the residuals are no larger than rounding: coefficients then have no standard errors.
    pub exact: bool,
}

/// A coefficient of a fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Coefficient {
    /// The column, or [`INTERCEPT`].
    pub name: String,
    /// In units of y for each unit of the column.
    pub value: f64,
    /// Its standard error and test; `None` where there are as many points as coefficients, or the fit is exact.
    pub inference: Option<Inference>,
}

/// Inference for a coefficient, assuming independent normal residuals of one variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inference {
    /// In units of the coefficient.
    pub standard_error: f64,
    /// The coefficient over its standard error.
    pub t: f64,
    /// The p value: the probability of a t at least as far from 0 if the coefficient is 0.
    pub p: f64,
    /// The interval of 95 %: from, to.
    pub interval: [f64; 2],
}

/// An F test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FTest {
    /// The ratio of variances.
    pub f: f64,
    /// Degrees of freedom of its numerator and denominator.
    pub degrees_of_freedom: [usize; 2],
    /// The p value: the probability of an F at least as large.
    pub p: f64,
}

impl Linear {
    /// The coefficient of a column, or that named [`INTERCEPT`].
    ///
    /// ```
    /// let fit = sharpdim::study::fit::linear(&[("x", &[0.0, 1.0])], &[1.0, 3.0])?;
    /// assert!((fit.coefficient("x").unwrap().value - 2.0).abs() < 1e-12);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn coefficient(&self, name: &str) -> Option<&Coefficient> {
        self.coefficients.iter().find(|coefficient| coefficient.name == name)
    }

    /// The fitted y at these values of the columns; missing ones count as 0.
    ///
    /// ```
    /// let fit = sharpdim::study::fit::linear(&[("x", &[0.0, 1.0])], &[1.0, 3.0])?;
    /// assert!((fit.at(&[2.0]) - 5.0).abs() < 1e-12);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn at(&self, columns: &[f64]) -> f64 {
        let slopes = self.coefficients[1..].iter().zip(columns);
        self.coefficients[0].value + slopes.map(|(slope, value)| slope.value * value).sum::<f64>()
    }
}

/// Fits y as an intercept and a slope for each named column, by ordinary least squares. Standard errors, t, F and
/// intervals are the textbook's (Draper & Smith, *Applied Regression Analysis*, 1998, chapters 1 and 4), equal to
/// those of statsmodels' `OLS`. Columns are centred and scaled, and solved by QR: normal equations would square their
/// condition number.
///
/// # Errors
/// [`Error::Argument`] where there is no column, or one's length is not that of y; [`Error::Data`] where a value is
/// not finite, there are fewer points than coefficients, a column does not vary, or is a combination of those before
/// it.
///
/// ```
/// let fit = sharpdim::study::fit::linear(&[("x", &[0.0, 1.0, 2.0, 3.0])], &[0.1, 0.9, 2.1, 2.9])?;
/// let slope = &fit.coefficients[1];
/// assert!((slope.value - 0.96).abs() < 1e-12);
/// let [low, high] = slope.inference.unwrap().interval;
/// assert!(low < 1.0 && 1.0 < high);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn linear(columns: &[(&str, &[f64])], y: &[f64]) -> Result<Linear> {
    check(columns, y)?;
    let solved = Solved::new(columns, y)?;
    let (n, count) = (y.len(), columns.len() + 1);
    let freedom = n - count;

    let sum_of_squares = dot(&solved.residuals, &solved.residuals);
    let explained = solved.explained;
    let scale = solved.y.scale;
    let slopes = solved.slopes();
    let intercept = solved.y.mean - dot(&slopes, &solved.means());
    let reach =
        slopes.iter().zip(columns).map(|(slope, (_, column))| slope.abs() * largest(column)).sum::<f64>();
    let rounding = 1e-14 * (n as f64).sqrt() * (largest(y) + reach);
    let exact = scale * sum_of_squares.sqrt() <= rounding;

    let y_varies = varies(y);
    let r_squared = y_varies.then(|| if exact { 1.0 } else { explained / (explained + sum_of_squares) });
    let variance = (freedom > 0).then(|| sum_of_squares / freedom as f64);
    let error_variance = variance.filter(|_| !exact);
    let spreads = solved.spreads();
    let coefficients = std::iter::once(INTERCEPT)
        .chain(columns.iter().map(|&(name, _)| name))
        .zip(std::iter::once(intercept).chain(slopes))
        .zip(spreads)
        .map(|((name, value), spread)| Coefficient {
            name: name.into(),
            value,
            inference: error_variance
                .map(|variance| Inference::new(value, scale * variance.sqrt() * spread, freedom)),
        })
        .collect();
    let fit = Linear {
        n,
        degrees_of_freedom: freedom,
        coefficients,
        r_squared,
        adjusted_r_squared: r_squared
            .filter(|_| freedom > 0)
            .map(|r_squared| 1.0 - (1.0 - r_squared) * (n - 1) as f64 / freedom as f64),
        f: error_variance.map(|variance| {
            FTest::new(explained / columns.len() as f64 / variance, [columns.len(), freedom])
        }),
        residual_standard_error: variance.map(|variance| scale * variance.sqrt()),
        residuals: solved.residuals.iter().map(|residual| residual * scale).collect(),
        exact,
    };
    let values = fit.coefficients.iter().flat_map(|coefficient| {
        let inference = coefficient.inference.map(|inference| {
            [inference.standard_error, inference.t, inference.interval[0], inference.interval[1]]
        });
        std::iter::once(coefficient.value).chain(inference.into_iter().flatten())
    });
    if values.chain(fit.f.map(|test| test.f)).any(|value| !value.is_finite()) {
        return Err(Error::Data(
            "a coefficient is beyond what 64-bit floats hold: rescale y and the columns".into(),
        ));
    }
    Ok(fit)
}

impl Inference {
    fn new(value: f64, standard_error: f64, freedom: usize) -> Self {
        let (t, freedom) = (value / standard_error, freedom as f64);
        let reach = t_point(freedom) * standard_error;
        Inference { standard_error, t, p: two_sided_t(t, freedom), interval: [value - reach, value + reach] }
    }
}

impl FTest {
    pub(super) fn new(f: f64, degrees_of_freedom: [usize; 2]) -> Self {
        let [numerator, denominator] = degrees_of_freedom.map(|freedom| freedom as f64);
        FTest { f, degrees_of_freedom, p: upper_f(f, numerator, denominator) }
    }
}

/// Refuses lengths that differ and values that are not finite.
pub(super) fn check(columns: &[(&str, &[f64])], y: &[f64]) -> Result<()> {
    if columns.is_empty() {
        return Err(Error::Argument("there is no column to fit y on: at least one is needed".into()));
    }
    for (name, column) in columns {
        if column.len() != y.len() {
            return Err(Error::Argument(format!(
                "column {name} has {} values, y has {}: each point needs one of both",
                column.len(),
                y.len()
            )));
        }
        finite(&format!("column {name}"), column)?;
    }
    finite("y", y)
}

/// A least-squares solution, of centred columns in units of their own.
pub(super) struct Solved {
    columns: Vec<Centred>,
    y: Centred,
    scaled_slopes: Vec<f64>,
    /// The columns of R's inverse.
    inverse: Vec<Vec<f64>>,
    residuals: Vec<f64>,
    /// The sum of squares of what the columns explain.
    explained: f64,
}

impl Solved {
    /// Solves what [`check`] let pass.
    pub(super) fn new(columns: &[(&str, &[f64])], y: &[f64]) -> Result<Self> {
        let (n, count) = (y.len(), columns.len() + 1);
        if n < count {
            return Err(Error::Data(format!(
                "{n} point{} for {count} coefficients: at least as many points are needed",
                if n == 1 { "" } else { "s" }
            )));
        }
        if let Some((name, column)) = columns.iter().find(|(_, column)| !varies(column)) {
            return Err(Error::Data(format!(
                "column {name} is {:?} in all {n} points: a constant column has no slope",
                column[0]
            )));
        }
        let centred: Vec<Centred> = columns.iter().map(|(_, column)| Centred::new(column)).collect();
        let mut qr = Qr::default();
        for (at, (name, _)) in columns.iter().enumerate() {
            if !qr.push(&centred[at].values) {
                let before = columns[..at].iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                return Err(Error::Data(format!(
                    "column {name} is a combination of {before} in all {n} points: their slopes are not identifiable"
                )));
            }
        }
        let y = Centred::new(y);
        let along: Vec<f64> = qr.q.iter().map(|q| dot(q, &y.values)).collect();
        let scaled_slopes = qr.solve(&along);
        let axis = |at| (0..columns.len()).map(|row| f64::from(u8::from(row == at))).collect::<Vec<f64>>();
        let inverse = (0..columns.len()).map(|at| qr.solve(&axis(at))).collect();
        let mut residuals = y.values.clone();
        for (column, slope) in centred.iter().zip(&scaled_slopes) {
            residuals.iter_mut().zip(&column.values).for_each(|(residual, value)| *residual -= slope * value);
        }
        let explained = dot(&along, &along);
        Ok(Solved { columns: centred, y, scaled_slopes, inverse, residuals, explained })
    }

    /// The slopes, in units of y for each unit of a column.
    pub(super) fn slopes(&self) -> Vec<f64> {
        let scaled = self.scaled_slopes.iter().zip(&self.columns);
        scaled.map(|(slope, column)| slope * (self.y.scale / column.scale)).collect()
    }

    fn means(&self) -> Vec<f64> {
        self.columns.iter().map(|column| column.mean).collect()
    }

    /// Each coefficient's standard error over the residuals' standard deviation.
    fn spreads(&self) -> Vec<f64> {
        let n = self.y.values.len() as f64;
        let means: Vec<f64> = self.columns.iter().map(|column| column.mean / column.scale).collect();
        let along: Vec<f64> = self.inverse.iter().map(|column| dot(column, &means)).collect();
        let intercept = (1.0 / n + dot(&along, &along)).sqrt();
        let row = |at: usize| self.inverse.iter().map(|column| column[at]).collect::<Vec<f64>>();
        let slopes = self.columns.iter().enumerate().map(|(at, column)| norm(&row(at)) / column.scale);
        std::iter::once(intercept).chain(slopes).collect()
    }
}

/// Orthonormal columns Q and a triangle R whose product is a matrix: each column less its parts along those before it,
/// twice, after which what is left is orthogonal to rounding (Giraud et al., 2005).
#[derive(Default)]
struct Qr {
    /// Column by column.
    q: Vec<Vec<f64>>,
    /// Column by column, down to the diagonal.
    r: Vec<Vec<f64>>,
}

impl Qr {
    /// Takes one more column, unless it is a combination of those before.
    fn push(&mut self, column: &[f64]) -> bool {
        let (mut left, mut parts) = (column.to_vec(), vec![0.0; self.q.len()]);
        for _ in 0..2 {
            for (q, part) in self.q.iter().zip(&mut parts) {
                let along = dot(q, &left);
                *part += along;
                left.iter_mut().zip(q).for_each(|(left, q)| *left -= along * q);
            }
        }
        let length = norm(&left);
        if length < COLLINEAR * norm(column) {
            return false;
        }
        left.iter_mut().for_each(|left| *left /= length);
        parts.push(length);
        self.q.push(left);
        self.r.push(parts);
        true
    }

    /// Solves R x = `right`.
    fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut x = right.to_vec();
        for (at, column) in self.r.iter().enumerate().rev() {
            x[at] /= column[at];
            let solved = x[at];
            x[..at].iter_mut().zip(column).for_each(|(x, r)| *x -= solved * r);
        }
        x
    }
}
