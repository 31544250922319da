//! A regression on observations: the values of y and of the columns, the excluded observations and why, and the fit.

use super::LawOptions;
use crate::study::Observation;
use crate::study::fit::{Bootstrap, Linear, bootstrap, linear};
use std::collections::{BTreeMap, BTreeSet};

/// The observations of a fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The domain; `None` is all.
    pub domain: Option<String>,
    /// The model; `None` is all.
    pub model: Option<String>,
}

impl Scope {
    /// All models and each, by all domains and each; names in alphabetical order.
    pub(super) fn all(observations: &[Observation]) -> Vec<Scope> {
        let names = |field: fn(&Observation) -> &String| {
            let names: BTreeSet<&String> = observations.iter().map(field).collect();
            std::iter::once(None).chain(names.into_iter().cloned().map(Some)).collect::<Vec<_>>()
        };
        let domains = names(|observation| &observation.domain);
        names(|observation| &observation.model)
            .into_iter()
            .flat_map(|model| {
                domains.iter().map(move |domain| Scope { domain: domain.clone(), model: model.clone() })
            })
            .collect()
    }

    pub(super) fn holds(&self, observation: &Observation) -> bool {
        self.domain.as_ref().is_none_or(|domain| *domain == observation.domain)
            && self.model.as_ref().is_none_or(|model| *model == observation.model)
    }
}

/// What was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// The observation, as `mnist (3 and 8), resnet18, 500 images, seed 0`, or the mean of several.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// A point of a fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The observation, or the dataset that it is the mean of.
    pub name: String,
    /// Its domain.
    pub domain: String,
    /// Its dataset, which the bootstrap resamples as a whole.
    pub dataset: String,
    /// Its two classes; empty where it is the mean over all of a dataset's.
    pub classes: String,
    /// Observations that it is the mean of: 1 where it is one.
    pub observations: usize,
    /// The value of each column.
    pub columns: Vec<f64>,
    /// The response.
    pub y: f64,
}

/// A least-squares fit of observations.
#[derive(Clone, Debug, PartialEq)]
pub struct Regression {
    /// The scope.
    pub scope: Scope,
    /// The response, as `log test loss`.
    pub y: String,
    /// The predictors; the fit's coefficients have these names.
    pub columns: Vec<String>,
    /// The points, in the order of the fit's residuals.
    pub points: Vec<Point>,
    /// What was left out.
    pub excluded: Vec<Excluded>,
    /// Datasets that the points are of.
    pub datasets: usize,
    /// The fit, or why there is none.
    pub fit: Result<Linear, String>,
    /// The slopes' intervals from the bootstrap over datasets, or why there are none.
    pub bootstrap: Result<Bootstrap, String>,
}

impl Regression {
    pub(super) fn fit(
        scope: Scope,
        y: &str,
        columns: &[&str],
        points: Vec<Point>,
        excluded: Vec<Excluded>,
        options: &LawOptions,
    ) -> Self {
        let values: Vec<Vec<f64>> =
            (0..columns.len()).map(|at| points.iter().map(|point| point.columns[at]).collect()).collect();
        let named: Vec<(&str, &[f64])> =
            columns.iter().zip(&values).map(|(name, values)| (*name, &values[..])).collect();
        let fitted: Vec<f64> = points.iter().map(|point| point.y).collect();
        let groups: Vec<&str> = points.iter().map(|point| &point.dataset[..]).collect();
        let fit = linear(&named, &fitted).map_err(|error| error.to_string());
        let bootstrap = bootstrap(&named, &fitted, &groups, options.draws, options.seed)
            .map_err(|error| error.to_string());
        Regression {
            scope,
            y: y.into(),
            columns: columns.iter().map(|&name| name.into()).collect(),
            datasets: datasets(&points),
            points,
            excluded,
            fit,
            bootstrap,
        }
    }
}

/// How many datasets points are of.
pub(super) fn datasets(points: &[Point]) -> usize {
    points.iter().map(|point| &point.dataset).collect::<BTreeSet<_>>().len()
}

/// The value of a quantity for an observation, or why it has none.
type Taken<'a> = dyn Fn(&Observation) -> Result<f64, String> + 'a;

/// A quantity of observations, by name.
pub(super) struct Quantity<'a> {
    pub(super) name: String,
    pub(super) value: Box<Taken<'a>>,
}

impl<'a> Quantity<'a> {
    pub(super) fn new(name: &str, value: impl Fn(&Observation) -> Result<f64, String> + 'a) -> Self {
        Quantity { name: name.into(), value: Box::new(value) }
    }
}

/// The quantities of the laws.
#[derive(Clone, Copy)]
pub(super) struct Quantities<'a> {
    pub(super) options: &'a LawOptions,
}

impl<'a> Quantities<'a> {
    pub(super) fn log_loss(self) -> Quantity<'a> {
        Quantity::new("log test loss", |observation| log("the test loss", observation.test_loss))
    }

    pub(super) fn accuracy(self) -> Quantity<'a> {
        Quantity::new("test accuracy", |observation| finite("the test accuracy", observation.test_accuracy))
    }

    pub(super) fn d_data(self) -> Quantity<'a> {
        Quantity::new("d_data", move |observation| {
            dimension("d_data", &observation.d_data, &self.options.data_estimator)
        })
    }

    pub(super) fn d_repr(self) -> Quantity<'a> {
        Quantity::new("d_repr", move |observation| {
            dimension("d_repr", &observation.d_repr, &self.options.repr_estimator)
        })
    }

    pub(super) fn k_f(self) -> Quantity<'a> {
        Quantity::new("K_F", k_f)
    }

    pub(super) fn log_k_f(self) -> Quantity<'a> {
        Quantity::new("log K_F", |observation| log("K_F", k_f(observation)?))
    }

    pub(super) fn log_n(self) -> Quantity<'a> {
        Quantity::new("log N", |observation| log("N", observation.train as f64))
    }

    /// `-(1/d) log N`.
    pub(super) fn by_dimension(self, name: &str, dimension: Quantity<'a>) -> Quantity<'a> {
        let log_n = self.log_n();
        Quantity::new(name, move |observation| {
            finite("(1/d) log N", -(log_n.value)(observation)? / (dimension.value)(observation)?)
        })
    }
}

fn k_f(observation: &Observation) -> Result<f64, String> {
    finite("K_F", observation.k_f.ok_or("it has no K_F")?)
}

pub(super) fn dimension(what: &str, dims: &[(String, f64)], estimator: &str) -> Result<f64, String> {
    let found = dims.iter().find(|(name, _)| name == estimator);
    let value = found.ok_or_else(|| format!("it has no {what} by {estimator}"))?.1;
    if finite(what, value)? > 0.0 {
        Ok(value)
    } else {
        Err(format!("{what} is {value:?}: a dimension is above 0"))
    }
}

pub(super) fn finite(what: &str, value: f64) -> Result<f64, String> {
    if value.is_finite() { Ok(value) } else { Err(format!("{what} is {value:?}: not finite")) }
}

pub(super) fn log(what: &str, value: f64) -> Result<f64, String> {
    if finite(what, value)? > 0.0 {
        Ok(value.ln())
    } else {
        Err(format!("{what} is {value:?}: its logarithm is undefined"))
    }
}

/// An observation's name.
pub(super) fn name(observation: &Observation) -> String {
    let Observation { dataset, classes, model, train, seed, .. } = observation;
    format!("{}, {model}, {train} images, seed {seed}", task(dataset, classes))
}

/// A dataset and its classes, as `mnist (3 and 8)`.
pub(super) fn task(dataset: &str, classes: &str) -> String {
    if classes.is_empty() { dataset.into() } else { format!("{dataset} ({classes})") }
}

/// A point for each observation with all quantities; the others with the reason.
pub(super) fn gather<'a>(
    observations: impl IntoIterator<Item = &'a Observation>,
    y: &Quantity,
    columns: &[&Quantity],
) -> (Vec<Point>, Vec<Excluded>) {
    let (mut points, mut excluded) = (Vec::new(), Vec::new());
    for observation in observations {
        let values: Result<Vec<f64>, String> =
            columns.iter().copied().chain([y]).map(|quantity| (quantity.value)(observation)).collect();
        match values {
            Ok(mut columns) => points.push(Point {
                name: name(observation),
                domain: observation.domain.clone(),
                dataset: observation.dataset.clone(),
                classes: observation.classes.clone(),
                observations: 1,
                y: columns.pop().unwrap_or_default(),
                columns,
            }),
            Err(reason) => excluded.push(Excluded { name: name(observation), reason }),
        }
    }
    (points, excluded)
}

/// The mean of the points of each dataset and its classes.
pub(super) fn task_means(points: &[Point]) -> Vec<Point> {
    means(points, |point| (point.domain.clone(), point.dataset.clone(), point.classes.clone()))
}

/// The mean of each dataset's [`task_means`]: every pair of classes has the same weight.
pub(super) fn dataset_means(points: &[Point]) -> Vec<Point> {
    means(&task_means(points), |point| (point.domain.clone(), point.dataset.clone(), String::new()))
}

fn means(points: &[Point], key: impl Fn(&Point) -> (String, String, String)) -> Vec<Point> {
    let mut groups: BTreeMap<_, Vec<&Point>> = BTreeMap::new();
    for point in points {
        groups.entry(key(point)).or_default().push(point);
    }
    groups
        .into_iter()
        .map(|((domain, dataset, classes), points)| {
            // Divided first: no sum overflows.
            let mean = |value: &dyn Fn(&Point) -> f64| {
                points.iter().map(|p| value(p) / points.len() as f64).sum::<f64>()
            };
            Point {
                name: task(&dataset, &classes),
                observations: points.iter().map(|point| point.observations).sum(),
                columns: (0..points[0].columns.len()).map(|at| mean(&|point| point.columns[at])).collect(),
                y: mean(&|point| point.y),
                domain,
                dataset,
                classes,
            }
        })
        .collect()
}
