//! How often the representation's dimension is at most the data's.

use super::regression::{Excluded, Quantity, Scope, dimension, gather};
use super::{LawOptions, Observation};
use crate::study::fit::{Proportion, proportion};

/// How often d_repr <= d_data.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The scope.
    pub scope: Scope,
    /// The estimator of d_data.
    pub data_estimator: String,
    /// The estimator of d_repr.
    pub repr_estimator: String,
    /// The fraction of observations in which it holds, or why there is none. Its interval assumes independence, which
    /// observations of one dataset lack: it is too narrow.
    pub holding: Result<Proportion, String>,
    /// Those in which it does not, with both dimensions.
    pub exceptions: Vec<String>,
    /// Observations that lack one of them.
    pub excluded: Vec<Excluded>,
}

/// The bound by the options' estimators over each scope; then by each other estimator that both dimensions have, since
/// two estimators' biases differ.
pub(super) fn bounds(observations: &[Observation], scopes: &[Scope], options: &LawOptions) -> Vec<Bound> {
    let mut pairs = vec![(&options.data_estimator, &options.repr_estimator)];
    for (name, _) in observations.iter().flat_map(|observation| &observation.d_data) {
        let has =
            |observation: &Observation| observation.d_repr.iter().any(|(estimator, _)| estimator == name);
        if !pairs.contains(&(name, name)) && observations.iter().any(has) {
            pairs.push((name, name));
        }
    }
    // The result does not depend on the order of the observations' estimators.
    pairs[1..].sort();
    let mut found = Vec::new();
    for (data_estimator, repr_estimator) in pairs {
        let d_data =
            Quantity::new("d_data", |observation| dimension("d_data", &observation.d_data, data_estimator));
        let d_repr =
            Quantity::new("d_repr", |observation| dimension("d_repr", &observation.d_repr, repr_estimator));
        for scope in scopes {
            let scoped = observations.iter().filter(|observation| scope.holds(observation));
            let (points, excluded) = gather(scoped, &d_repr, &[&d_data]);
            let exceptions: Vec<String> = points
                .iter()
                .filter(|point| point.y > point.columns[0])
                .map(|point| format!("{}: d_repr {:.2}, d_data {:.2}", point.name, point.y, point.columns[0]))
                .collect();
            found.push(Bound {
                scope: scope.clone(),
                data_estimator: data_estimator.clone(),
                repr_estimator: repr_estimator.clone(),
                holding: proportion(points.len() - exceptions.len(), points.len())
                    .map_err(|error| error.to_string()),
                exceptions,
                excluded,
            });
        }
    }
    found
}
