//! The estimators of intrinsic dimension by name, each with a line for --help.

use clap::builder::{PossibleValue, PossibleValuesParser};
use sharpdim::measure::Estimator;

/// The name that means all estimators.
pub const ALL: &str = "all";

/// The names that --estimator takes.
pub fn names() -> PossibleValuesParser {
    let each = Estimator::all().into_iter().map(|e| PossibleValue::new(e.name()).help(e.about()));
    PossibleValuesParser::new(each.chain([PossibleValue::new(ALL).help("All of these")]))
}

/// The estimators of these names, once each, with the settings of the command line.
pub fn named(names: &[String], k: usize, seed: u64) -> Vec<Estimator> {
    let mut all: Vec<Estimator> = Estimator::all().iter().map(|e| e.with_seed(seed)).collect();
    for estimator in &mut all {
        // --k is that of the paper's estimator: others keep theirs.
        if let Estimator::Mle(mle) = estimator {
            mle.k = k;
        }
    }
    if names.iter().any(|name| name == ALL) {
        return all;
    }
    let mut found: Vec<Estimator> = Vec::new();
    for estimator in names.iter().filter_map(|name| all.iter().find(|e| e.name() == name)) {
        if !found.contains(estimator) {
            found.push(*estimator);
        }
    }
    found
}
