//! Attack penalties against label sharpness: correlations, a line for figures, and the law's slope of logarithms.

use super::generalization::Law;
use super::regression::{
    Excluded, Point, Quantities, Quantity, Regression, Scope, dataset_means, datasets, finite, gather, log,
    name, task_means,
};
use super::{LawOptions, Observation};
use crate::study::Penalty;
use crate::study::fit::{Correlation, Linear, linear, pearson, spearman};

/// The kind of penalty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PenaltyOf {
    /// The rise of the mean test loss.
    Loss,
    /// The fall of the accuracy, a fraction of 1.
    Accuracy,
}

/// What a point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A dataset: the mean of its tasks.
    Datasets,
    /// A dataset with its two classes: the mean over sizes and seeds, and over models where all are taken.
    Tasks,
    /// An observation. Those of a dataset are not independent: p values are too small, intervals too narrow.
    Observations,
}

/// The penalty of an attack against K_F.
#[derive(Clone, Debug, PartialEq)]
pub struct Robustness {
    /// The attack.
    pub attack: String,
    /// Its strength, in units of pixel value of 255.
    pub epsilon: f64,
    /// The model; `None` is all.
    pub model: Option<String>,
    /// The kind of penalty.
    pub penalty: PenaltyOf,
    /// What a point is.
    pub over: Over,
    /// The points: the column is K_F, y the penalty.
    pub points: Vec<Point>,
    /// Observations left out.
    pub excluded: Vec<Excluded>,
    /// Datasets that the points are of.
    pub datasets: usize,
    /// Pearson's correlation, or why there is none.
    pub pearson: Result<Correlation, String>,
    /// Spearman's.
    pub spearman: Result<Correlation, String>,
    /// The penalty on K_F, a line for figures; its column is `K_F`.
    pub line: Result<Linear, String>,
    /// The law: the penalty's logarithm on that of K_F, where the penalty is above 0. A robustness of
    /// R >~ b / K_F is a penalty that rises no faster than K_F: a slope of 1.
    pub law: Law,
}

/// The robustness for each attack and strength of the observations and options, over all models and by model; and the
/// attacks whose strength is not finite.
pub(super) fn robustness(
    observations: &[Observation],
    options: &LawOptions,
) -> (Vec<Robustness>, Vec<Excluded>) {
    let mut attacks: Vec<(&str, f64)> = Vec::new();
    let mut unknown = Vec::new();
    if options.epsilon.is_finite() {
        attacks.push((&options.attack, options.epsilon));
    } else {
        let reason = format!("{} of strength {:?}: not finite", options.attack, options.epsilon);
        unknown.push(Excluded { name: "the attack asked for".into(), reason });
    }
    for observation in observations {
        for Penalty { attack, epsilon, .. } in &observation.attacks {
            if epsilon.is_finite() {
                attacks.push((attack, *epsilon));
            } else {
                let reason = format!("{attack} of strength {epsilon:?}: not finite");
                unknown.push(Excluded { name: name(observation), reason });
            }
        }
    }
    attacks.sort_by(|a, b| a.0.cmp(b.0).then(a.1.total_cmp(&b.1)));
    attacks.dedup();
    let models: Vec<Option<String>> = Scope::all(observations)
        .into_iter()
        .filter(|scope| scope.domain.is_none())
        .map(|scope| scope.model)
        .collect();

    let mut found = Vec::new();
    for (attack, epsilon) in attacks {
        for model in &models {
            for kind in [PenaltyOf::Loss, PenaltyOf::Accuracy] {
                let scope = Scope { domain: None, model: model.clone() };
                let penalty = penalty(kind, attack, epsilon);
                let sharpness = Quantities { options }.k_f();
                let scoped = observations.iter().filter(|observation| scope.holds(observation));
                let (points, excluded) = gather(scoped, &penalty, &[&sharpness]);
                for over in [Over::Datasets, Over::Tasks, Over::Observations] {
                    let points = match over {
                        Over::Datasets => dataset_means(&points),
                        Over::Tasks => task_means(&points),
                        Over::Observations => points.clone(),
                    };
                    let excluded = excluded.clone();
                    let (x, y): (Vec<f64>, Vec<f64>) = points.iter().map(|p| (p.columns[0], p.y)).unzip();
                    let (draws, seed) = (options.permutations, options.seed);
                    found.push(Robustness {
                        attack: attack.into(),
                        epsilon,
                        model: model.clone(),
                        penalty: kind,
                        over,
                        datasets: datasets(&points),
                        pearson: pearson(&x, &y, draws, seed).map_err(|error| error.to_string()),
                        spearman: spearman(&x, &y, draws, seed).map_err(|error| error.to_string()),
                        line: linear(&[(&sharpness.name, &x)], &y).map_err(|error| error.to_string()),
                        law: of_logs(&points, &excluded, &penalty.name, scope.clone(), options),
                        points,
                        excluded,
                    });
                }
            }
        }
    }
    (found, unknown)
}

/// The penalty of an attack on an observation.
fn penalty<'a>(kind: PenaltyOf, attack: &'a str, epsilon: f64) -> Quantity<'a> {
    let name = match kind {
        PenaltyOf::Loss => "loss penalty",
        PenaltyOf::Accuracy => "accuracy penalty",
    };
    Quantity::new(name, move |observation| {
        let found = observation.attacks.iter().find(|p| p.attack == attack && p.epsilon == epsilon);
        let found = found.ok_or_else(|| format!("it has no {attack} of strength {epsilon}"))?;
        match kind {
            PenaltyOf::Loss => finite("the loss penalty", found.loss),
            PenaltyOf::Accuracy => finite("the accuracy penalty", found.accuracy),
        }
    })
}

/// The law of logarithms: of means, the logarithms of the means.
fn of_logs(
    points: &[Point],
    excluded: &[Excluded],
    penalty: &str,
    scope: Scope,
    options: &LawOptions,
) -> Law {
    let (mut logs, mut excluded) = (Vec::new(), excluded.to_vec());
    for point in points {
        let both =
            log("K_F", point.columns[0]).and_then(|x| Ok((x, log(&format!("the {penalty}"), point.y)?)));
        match both {
            Ok((x, y)) => logs.push(Point { columns: vec![x], y, ..point.clone() }),
            Err(reason) => excluded.push(Excluded { name: point.name.clone(), reason }),
        }
    }
    Law::new(Regression::fit(scope, &format!("log {penalty}"), &["log K_F"], logs, excluded, options))
}
