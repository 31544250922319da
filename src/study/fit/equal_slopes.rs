//! Whether several groups have the same slope: the F test of an analysis of covariance.

use super::linear::{Coefficient, FTest, linear};
use super::{Centred, dot, largest};
use crate::{Error, Result};

/// What [`equal_slopes`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct EqualSlopes {
    /// The test of all groups having one slope.
    pub test: FTest,
    /// Each group's slope, in order.
    pub slopes: Vec<GroupSlope>,
    /// The common slope, of the model with one slope and an intercept for each group.
    pub common: f64,
    /// Points of all groups.
    pub n: usize,
}

/// The slope of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupSlope {
    /// The group.
    pub group: String,
    /// Its points.
    pub n: usize,
    /// Its slope, as [`linear`] of that group alone finds it.
    pub slope: Coefficient,
}

/// Tests whether the slope of y on x is the same in all groups of (name, x, y): the F test of the interaction, a slope and
/// an intercept for each group against one slope and an intercept for each (Draper & Smith, *Applied Regression
/// Analysis*, 1998, chapter 14), equal to statsmodels' `anova_lm` of both.
///
/// # Errors
/// [`Error::Argument`] where there are fewer than two groups; those of [`linear`], with the group's name;
/// [`Error::Data`] where residuals have no degrees of freedom, or are no larger than rounding.
///
/// ```
/// let x = [0.0, 1.0, 2.0, 3.0];
/// let groups = [("natural", &x[..], &[0.1, 0.9, 2.1, 2.9][..]), ("radiology", &x, &[0.0, 3.1, 5.9, 9.0])];
/// let found = sharpdim::study::fit::equal_slopes(&groups)?;
/// assert!(found.test.p < 0.001);
/// assert_eq!(found.test.degrees_of_freedom, [1, 4]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn equal_slopes(groups: &[(&str, &[f64], &[f64])]) -> Result<EqualSlopes> {
    if groups.len() < 2 {
        return Err(Error::Argument(format!(
            "comparing slopes needs at least two groups, not {}",
            groups.len()
        )));
    }
    let mut slopes = Vec::new();
    let (mut residual, mut rounding) = (0.0, 0.0);
    // Sums of squares of x, and of products of x and y, each about its group's means.
    let mut sums = Vec::new();
    for &(group, x, y) in groups {
        let named = |error| match error {
            Error::Data(reason) => Error::Data(format!("group {group}: {reason}")),
            Error::Argument(reason) => Error::Argument(format!("group {group}: {reason}")),
            other => other,
        };
        let fit = linear(&[("x", x)], y).map_err(named)?;
        residual += dot(&fit.residuals, &fit.residuals);
        let slope = fit.coefficients[1].clone();
        let step = 1e-14 * (largest(y) + slope.value.abs() * largest(x));
        rounding += fit.n as f64 * step * step;
        let (x, y) = (Centred::new(x), Centred::new(y));
        sums.push((
            x.scale * x.scale * dot(&x.values, &x.values),
            x.scale * y.scale * dot(&x.values, &y.values),
        ));
        slopes.push(GroupSlope { group: group.into(), n: fit.n, slope });
    }
    let n: usize = slopes.iter().map(|slope| slope.n).sum();
    let (numerator, used) = (groups.len() - 1, 2 * groups.len());
    if n <= used {
        return Err(Error::Data(format!(
            "{n} points for {used} coefficients, a slope and an intercept for each group: more points are needed"
        )));
    }
    if residual <= rounding {
        return Err(Error::Data(
            "every group's points lie exactly on its line: there are no residuals to test against".into(),
        ));
    }
    let common = sums.iter().map(|sum| sum.1).sum::<f64>() / sums.iter().map(|sum| sum.0).sum::<f64>();
    // The increase of the residual sum of squares from one slope for all.
    let more: f64 =
        slopes.iter().zip(&sums).map(|(group, sum)| sum.0 * (group.slope.value - common).powi(2)).sum();
    let f = more / numerator as f64 / (residual / (n - used) as f64);
    if !(f.is_finite() && common.is_finite()) {
        return Err(Error::Data(
            "sums of squares are beyond what 64-bit floats hold: rescale x and y".into(),
        ));
    }
    Ok(EqualSlopes { test: FTest::new(f, [numerator, n - used]), slopes, common, n })
}
