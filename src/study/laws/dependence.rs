//! Test loss and accuracy on a dimension, and whether the slope is the same in all domains.

use super::LawOptions;
use super::regression::{Point, Quantity, Regression, Scope, dataset_means, gather};
use crate::study::Observation;
use crate::study::fit::{EqualSlopes, equal_slopes};
use std::collections::BTreeMap;

/// The regression of test loss or accuracy on a dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependence {
    /// The regression over each scope; the column is `d_data` or `d_repr`.
    pub fits: Vec<Regression>,
    /// Whether the domains have one slope: over all models, and each.
    pub between_domains: Vec<BetweenDomains>,
}

/// Whether the domains have one slope.
#[derive(Clone, Debug, PartialEq)]
pub struct BetweenDomains {
    /// The model; `None` is all.
    pub model: Option<String>,
    /// The test over all observations, or why there is none. It assumes independence, which observations of one
    /// dataset lack: its p is too small.
    pub observations: Result<EqualSlopes, String>,
    /// The test over one point for each dataset: the mean of both quantities over its sizes and seeds, then over its
    /// classes.
    pub dataset_means: Result<EqualSlopes, String>,
}

impl Dependence {
    /// The regression over a domain and a model; `None` is all.
    ///
    /// ```
    /// use sharpdim::study::{LawOptions, laws};
    /// let found = laws(&[], &LawOptions::default());
    /// assert!(found.log_loss_on_d_data.over(None, None).unwrap().fit.is_err());
    /// assert!(found.log_loss_on_d_data.over(Some("natural"), None).is_none());
    /// ```
    pub fn over(&self, domain: Option<&str>, model: Option<&str>) -> Option<&Regression> {
        let wanted = |scope: &Scope| scope.domain.as_deref() == domain && scope.model.as_deref() == model;
        self.fits.iter().find(|fit| wanted(&fit.scope))
    }
}

pub(super) fn dependence(
    observations: &[Observation],
    scopes: &[Scope],
    y: &Quantity,
    x: &Quantity,
    options: &LawOptions,
) -> Dependence {
    let mut fits = Vec::new();
    let mut between_domains = Vec::new();
    for scope in scopes {
        let (points, excluded) =
            gather(observations.iter().filter(|observation| scope.holds(observation)), y, &[x]);
        if scope.domain.is_none() {
            between_domains.push(BetweenDomains {
                model: scope.model.clone(),
                observations: compare(&points),
                dataset_means: compare(&dataset_means(&points)),
            });
        }
        fits.push(Regression::fit(scope.clone(), &y.name, &[&x.name], points, excluded, options));
    }
    Dependence { fits, between_domains }
}

fn compare(points: &[Point]) -> Result<EqualSlopes, String> {
    let mut domains: BTreeMap<&str, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for point in points {
        let (x, y) = domains.entry(&point.domain).or_default();
        x.push(point.columns[0]);
        y.push(point.y);
    }
    let groups: Vec<(&str, &[f64], &[f64])> =
        domains.iter().map(|(name, (x, y))| (*name, &x[..], &y[..])).collect();
    equal_slopes(&groups).map_err(|error| error.to_string())
}
