//! The laws of generalization, whose slopes are 1 where the bound is tight, and the exponents measured by size.

use super::LawOptions;
use super::regression::{Excluded, Point, Quantities, Quantity, Regression, Scope, gather, task};
use crate::study::Observation;
use crate::study::fit::{Linear, linear};
use std::collections::{BTreeMap, BTreeSet};

/// The fewest sizes for a slope.
const FEWEST_SIZES: usize = 3;

/// A law's regression, and its slopes compared with 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Law {
    /// The regression.
    pub regression: Regression,
    /// Each column's slope; empty where there is no fit.
    pub slopes: Vec<AgainstOne>,
}

/// A slope that the law says is 1. The law bounds from above: a slope other than 1 does not refute it by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct AgainstOne {
    /// The column.
    pub column: String,
    /// The slope.
    pub value: f64,
    /// Its interval by t, assuming independent points.
    pub interval: Option<[f64; 2]>,
    /// Whether the interval contains 1.
    pub one_inside: Option<bool>,
    /// Its interval from the bootstrap over datasets.
    pub bootstrap_interval: Option<[f64; 2]>,
    /// Whether the bootstrap interval contains 1.
    pub one_inside_bootstrap: Option<bool>,
}

impl Law {
    pub(super) fn new(regression: Regression) -> Self {
        let inside = |[low, high]: [f64; 2]| low <= 1.0 && 1.0 <= high;
        let coefficients = regression.fit.iter().flat_map(|fit| &fit.coefficients[1..]);
        let slopes = coefficients
            .enumerate()
            .map(|(at, slope)| {
                let interval = slope.inference.map(|told| told.interval);
                let bootstrap_interval =
                    regression.bootstrap.as_ref().ok().map(|bootstrap| bootstrap.slopes[at].interval);
                AgainstOne {
                    column: slope.name.clone(),
                    value: slope.value,
                    interval,
                    one_inside: interval.map(inside),
                    bootstrap_interval,
                    one_inside_bootstrap: bootstrap_interval.map(inside),
                }
            })
            .collect();
        Law { regression, slopes }
    }
}

/// The law of these columns over each scope.
pub(super) fn laws(
    observations: &[Observation],
    scopes: &[Scope],
    y: &Quantity,
    columns: &[&Quantity],
    options: &LawOptions,
) -> Vec<Law> {
    let names: Vec<&str> = columns.iter().map(|column| &column.name[..]).collect();
    scopes
        .iter()
        .map(|scope| {
            let (points, excluded) =
                gather(observations.iter().filter(|observation| scope.holds(observation)), y, columns);
            Law::new(Regression::fit(scope.clone(), &y.name, &names, points, excluded, options))
        })
        .collect()
}

/// The exponents of all datasets, classes and models.
#[derive(Clone, Debug, PartialEq)]
pub struct Exponents {
    /// Those with three sizes or more.
    pub found: Vec<Exponent>,
    /// The others.
    pub excluded: Vec<Excluded>,
}

/// How fast the test loss falls with the size of the training set.
#[derive(Clone, Debug, PartialEq)]
pub struct Exponent {
    /// The domain.
    pub domain: String,
    /// The dataset.
    pub dataset: String,
    /// Its classes.
    pub classes: String,
    /// The model.
    pub model: String,
    /// The sizes, ascending.
    pub sizes: Vec<usize>,
    /// log L on log N: each size and seed is a point. The slope, of the column `log N`, is the exponent.
    pub fit: Result<Linear, String>,
    /// The points.
    pub points: Vec<Point>,
    /// Observations left out.
    pub excluded: Vec<Excluded>,
    /// -1/d_data, the exponent of the law in d_data: the mean over the points that have it.
    pub by_data: Option<f64>,
    /// -1/d_repr, likewise.
    pub by_repr: Option<f64>,
}

impl Exponent {
    /// The measured exponent; `None` where there is no fit.
    ///
    /// ```
    /// use sharpdim::study::{LawOptions, Observation, laws};
    /// let sizes = [500, 1000, 1500].map(|train| Observation {
    ///     dataset: "mnist".into(), train, test_loss: (train as f64).powf(-0.3), ..Observation::default()
    /// });
    /// let found = laws(&sizes, &LawOptions::default());
    /// assert!((found.exponents.found[0].measured().unwrap() + 0.3).abs() < 1e-9);
    /// ```
    pub fn measured(&self) -> Option<f64> {
        self.fit.as_ref().ok().map(|fit| fit.coefficients[1].value)
    }
}

pub(super) fn exponents(observations: &[Observation], quantities: &Quantities) -> Exponents {
    let mut series: BTreeMap<[&str; 4], Vec<&Observation>> = BTreeMap::new();
    for observation in observations {
        let Observation { domain, dataset, classes, model, .. } = observation;
        series.entry([domain, dataset, classes, model]).or_default().push(observation);
    }
    let (log_loss, log_n, d_data, d_repr) =
        (quantities.log_loss(), quantities.log_n(), quantities.d_data(), quantities.d_repr());
    let mut found = Exponents { found: Vec::new(), excluded: Vec::new() };
    for ([domain, dataset, classes, model], all) in series {
        let (points, excluded) = gather(all.iter().copied(), &log_loss, &[&log_n]);
        let used: Vec<&Observation> = all
            .into_iter()
            .filter(|observation| (log_loss.value)(observation).is_ok() && (log_n.value)(observation).is_ok())
            .collect();
        let sizes: BTreeSet<usize> = used.iter().map(|observation| observation.train).collect();
        if sizes.len() < FEWEST_SIZES {
            let left = match excluded.len() {
                0 => String::new(),
                count => {
                    format!(" ({count} left out, the first since {})", excluded[0].reason)
                }
            };
            found.excluded.push(Excluded {
                name: format!("{}, {model}", task(dataset, classes)),
                reason: format!(
                    "{} size{}{left}: an exponent needs {FEWEST_SIZES}",
                    sizes.len(),
                    if sizes.len() == 1 { "" } else { "s" }
                ),
            });
            continue;
        }
        let exponent = |dimension: &Quantity| {
            let values: Vec<f64> = used
                .iter()
                .filter_map(|observation| Some(-1.0 / (dimension.value)(observation).ok()?))
                .collect();
            Some(values.iter().map(|value| value / values.len() as f64).sum::<f64>())
                .filter(|mean| !values.is_empty() && mean.is_finite())
        };
        let x: Vec<f64> = points.iter().map(|point| point.columns[0]).collect();
        let y: Vec<f64> = points.iter().map(|point| point.y).collect();
        found.found.push(Exponent {
            domain: domain.into(),
            dataset: dataset.into(),
            classes: classes.into(),
            model: model.into(),
            sizes: sizes.into_iter().collect(),
            fit: linear(&[(&log_n.name, &x)], &y).map_err(|error| error.to_string()),
            points,
            excluded,
            by_data: exponent(&d_data),
            by_repr: exponent(&d_repr),
        });
    }
    found
}
