//! Local PCA (Fukunaga & Olsen 1971): the number of large principal components of a sample's neighbours.

use super::method::{Formula, FromNeighbourhoods, Method, at_least, inside};
use super::neighbourhood::Neighbourhood;
use super::{Duplicates, Estimator};
use crate::Result;
use std::fmt;

/// When a principal component counts.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum PcaRule {
    /// Its variance exceeds this fraction of the largest (Fukunaga and Olsen; 0.05 by default).
    Relative(f64),
    /// The first ones that together hold this fraction of the variance.
    Explained(f64),
    /// A soft count: (sum of variances)^2 / sum of squared variances.
    Participation,
}

/// Local PCA: how many principal components of a sample's neighbours count. The dimension is the mean over
/// samples.
///
/// ```
/// use sharpdim::measure::{Estimator, LocalPca, PcaRule};
/// let most = Estimator::LocalPca(LocalPca { rule: PcaRule::Explained(0.9), ..LocalPca::default() });
/// assert_eq!(most.to_string(), "local PCA, k = 50, 90 % of the variance, plain mean");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalPca {
    /// Neighbours of each sample: at least 3. The sample itself is not one.
    pub k: usize,
    /// When a component counts.
    pub rule: PcaRule,
    /// What happens to duplicates.
    pub duplicates: Duplicates,
}

impl Default for LocalPca {
    fn default() -> Self {
        LocalPca { k: 50, rule: PcaRule::Relative(0.05), duplicates: Duplicates::default() }
    }
}

impl fmt::Display for LocalPca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let k = self.k;
        match self.rule {
            PcaRule::Relative(alpha) => {
                write!(f, "local PCA, k = {k}, variances above {alpha} of the largest, plain mean")
            }
            PcaRule::Explained(share) => {
                write!(f, "local PCA, k = {k}, {} % of the variance, plain mean", share * 100.0)
            }
            PcaRule::Participation => write!(f, "local PCA, k = {k}, participation ratio, plain mean"),
        }
    }
}

impl Method for LocalPca {
    fn name(&self) -> &'static str {
        "lpca"
    }

    fn about(&self) -> &'static str {
        "Number of large principal components of the neighbours"
    }

    fn key(&self) -> String {
        let LocalPca { k, rule, duplicates } = *self;
        let rule = match rule {
            PcaRule::Relative(fraction) => format!("relative:{fraction}"),
            PcaRule::Explained(fraction) => format!("explained:{fraction}"),
            PcaRule::Participation => "participation".to_owned(),
        };
        format!("k={k} rule={rule} duplicates={}", duplicates.key())
    }

    fn check(&self) -> Result<()> {
        at_least(self, "k", self.k, 3)?;
        match self.rule {
            PcaRule::Relative(fraction) | PcaRule::Explained(fraction) => {
                inside(self, "the fraction", fraction)
            }
            PcaRule::Participation => Ok(()),
        }
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
        Some(LocalPca { k, ..*self }.into())
    }

    fn duplicates(&self) -> Duplicates {
        self.duplicates
    }
}

impl FromNeighbourhoods for LocalPca {
    fn local_dim(&self, near: &Neighbourhood<'_>) -> f64 {
        let gram = near.gram(self.k);
        // The eigenvalues of the inner products are those of the covariance, times k - 1, and zeros.
        let total = gram.trace();
        if total <= 0.0 {
            return f64::NAN;
        }
        match self.rule {
            PcaRule::Relative(alpha) => {
                let tridiagonal = gram.tridiagonal();
                tridiagonal.above([alpha * tridiagonal.largest()])[0] as f64
            }
            PcaRule::Explained(share) => {
                let eigenvalues = gram.tridiagonal().eigenvalues();
                let mut variances: Vec<f64> = eigenvalues.into_iter().map(|v| v.max(0.0)).collect();
                variances.sort_unstable_by(|a, b| b.total_cmp(a));
                let mut sum = 0.0;
                let short = |v: &f64| {
                    sum += v;
                    sum < share * total
                };
                (variances.into_iter().take_while(short).count() + 1) as f64
            }
            PcaRule::Participation => total * total / gram.squared_norm(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn three_neighbours_in_a_line_have_one_dimension() {
        // At 1, 2 and 4 from the sample, all on one side.
        let near = Neighbourhood { own: &[1.0, 4.0, 16.0], among: &[1.0, 9.0, 4.0] };
        let pca = |rule| LocalPca { k: 3, rule, duplicates: Duplicates::default() }.local_dim(&near);
        assert_eq!(pca(PcaRule::Relative(0.05)), 1.0);
        assert_eq!(pca(PcaRule::Explained(0.95)), 1.0);
        assert_abs_diff_eq!(pca(PcaRule::Participation), 1.0, epsilon = 1e-9);
    }
}
