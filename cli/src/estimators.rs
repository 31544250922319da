//! The estimators of intrinsic dimension by name, each with a line for --help.

use clap::builder::{PossibleValue, PossibleValuesParser};
use sharpdim::measure::{Estimator, GeoMle, Mle, TwoNn};

/// What stands for all of them.
pub const ALL: &str = "all";

/// The names that --estimator takes.
pub fn names() -> PossibleValuesParser {
    let each = Estimator::all().into_iter().map(|e| PossibleValue::new(e.name()).help(in_a_line(&e)));
    PossibleValuesParser::new(each.chain([PossibleValue::new(ALL).help("All of these")]))
}

/// The estimators of these names, once each, with the settings of the command line.
pub fn named(names: &[String], k: usize, seed: u64) -> Vec<Estimator> {
    let mut all = Estimator::all();
    for estimator in &mut all {
        match estimator {
            Estimator::Mle(Mle { k: own, .. }) => *own = k,
            Estimator::TwoNn(TwoNn::Fit { seed: own, .. }) | Estimator::GeoMle(GeoMle { seed: own, .. }) => {
                *own = seed;
            }
            _ => (),
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

/// What an estimator looks at, in a few words.
pub fn in_a_line(estimator: &Estimator) -> &'static str {
    match estimator {
        Estimator::Mle(_) => "Maximum likelihood from the k nearest (Levina & Bickel; the paper's)",
        Estimator::MleRange(_) => "The same, averaged over a range of k",
        Estimator::GeoMle(_) => "The same, extrapolated to distance 0 (Gomtsyan et al.)",
        Estimator::TwoNn(TwoNn::Fit { .. }) => "Ratio of the two nearest distances, fitted (Facco et al.)",
        Estimator::TwoNn(TwoNn::ClosedForm { .. }) => "The same ratio, by maximum likelihood",
        Estimator::TwoNn(TwoNn::Bayes { .. }) => "The same ratio, the mean of its posterior",
        Estimator::Gride(_) => "Ratio of two farther distances: less noise (Denti et al.)",
        Estimator::Moments(_) => "Mean of the k nearest distances over the k-th (Amsaleg et al.)",
        Estimator::MindMl(_) => "The nearest distance over the k+1-st (Rozza et al.)",
        Estimator::Correlation(_) => "How the number of close pairs grows (Grassberger & Procaccia)",
        Estimator::Tle(_) => "Tight local: distances among the neighbours too (Amsaleg et al.)",
        Estimator::Ess(_) => "Skewness of the simplices of neighbours (Johnsson et al.)",
        Estimator::LocalPca(_) => "Principal components of the neighbours that matter",
    }
}
