//! Expected simplex skewness (Johnsson et al. 2015).

use super::method::{Formula, FromNeighbourhoods, Method, at_least};
use super::neighbourhood::Neighbourhood;
use super::{Duplicates, Estimator};
use crate::Result;
use std::fmt;

/// Expected simplex skewness, version a with d = 1: the area that pairs of centred neighbours span, over the
/// product of their lengths, gives the local dimension. The dimension is the mean over samples.
///
/// ```
/// use sharpdim::measure::{Ess, Estimator};
/// let ess = Estimator::Ess(Ess { k: 50, ..Ess::default() });
/// assert_eq!(ess.to_string(), "ESS, version a, k = 50, plain mean");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ess {
    /// Neighbours of each sample: at least 3. The sample itself is not one.
    pub k: usize,
    /// What happens to duplicates.
    pub duplicates: Duplicates,
}

impl Default for Ess {
    fn default() -> Self {
        Ess { k: 20, duplicates: Duplicates::default() }
    }
}

impl fmt::Display for Ess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ESS, version a, k = {}, plain mean", self.k)
    }
}

impl Method for Ess {
    fn name(&self) -> &'static str {
        "ess"
    }

    fn about(&self) -> &'static str {
        "Skewness of the simplices of neighbours (Johnsson et al.)"
    }

    fn key(&self) -> String {
        let Ess { k, duplicates } = *self;
        format!("k={k} duplicates={}", duplicates.key())
    }

    fn check(&self) -> Result<()> {
        at_least(self, "k", self.k, 3)
    }

    fn formula(&self) -> Formula<'_> {
        Formula::Neighbourhoods(self)
    }

    fn neighbours(&self) -> usize {
        self.k
    }

    fn k(&self) -> Option<usize> {
        Some(self.k)
    }

    fn with_k(&self, k: usize) -> Option<Estimator> {
        Some(Ess { k, ..*self }.into())
    }

    fn duplicates(&self) -> Duplicates {
        self.duplicates
    }
}

impl FromNeighbourhoods for Ess {
    fn local_dim(&self, near: &Neighbourhood<'_>) -> f64 {
        let gram = near.gram(self.k);
        let length = |i: usize| gram[[i, i]].max(0.0).sqrt();
        let (mut areas, mut products) = (0.0, 0.0);
        for i in 0..self.k {
            for j in 0..i {
                let product = length(i) * length(j);
                areas += (product * product - gram[[i, j]].powi(2)).max(0.0).sqrt();
                products += product;
            }
        }
        if products == 0.0 {
            return f64::NAN;
        }
        let found = areas / products;
        // Skewness grows with the dimension: the whole numbers around, and how far between.
        let (mut low, mut high) = (1, 2);
        while skewness(high) <= found && high < MOST {
            (low, high) = (high, 2 * high);
        }
        while high - low > 1 {
            let middle = (low + high) / 2;
            if skewness(middle) <= found { low = middle } else { high = middle }
        }
        let (below, above) = (skewness(low), skewness(high));
        low as f64 + (found - below) / (above - below)
    }
}

/// The expected skewness of simplices in `n` dimensions: Gamma(n/2)^2 / (Gamma((n+1)/2) Gamma((n-1)/2)), by
/// the recurrence s(n+2) = s(n) n^2 / ((n+1) (n-1)) from s(1) = 0, s(2) = 2/pi and s(3) = pi/4.
fn skewness(n: usize) -> f64 {
    use std::f64::consts::PI;
    if n < 2 {
        return 0.0;
    }
    let (mut at, mut value) = if n.is_multiple_of(2) { (2, 2.0 / PI) } else { (3, PI / 4.0) };
    while at < n {
        let a = at as f64;
        value *= a * a / ((a + 1.0) * (a - 1.0));
        at += 2;
    }
    value
}

/// The largest dimension that is looked for.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn skewness_is_what_gamma_functions_say() {
        // Gamma(5/2)^2 / (Gamma(3) Gamma(2)) = (3 sqrt(pi) / 4)^2 / 2.
        let five = (0.75 * std::f64::consts::PI.sqrt()).powi(2) / 2.0;
        assert_abs_diff_eq!(skewness(5), five, epsilon = 1e-15);
        assert_eq!(skewness(1), 0.0);
        for n in 2..300 {
            assert!(skewness(n) > skewness(n - 1) && skewness(n) < 1.0);
        }
    }

    #[test]
    fn three_neighbours_in_a_line_have_one_dimension() {
        // At 1, 2 and 4 from the sample, all on one side.
        let near = Neighbourhood { own: &[1.0, 4.0, 16.0], among: &[1.0, 9.0, 4.0] };
        assert_abs_diff_eq!(Ess { k: 3, ..Ess::default() }.local_dim(&near), 1.0, epsilon = 1e-6);
    }
}
