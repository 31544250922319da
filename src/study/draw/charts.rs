//! The charts. Domains are marks; each caption has the numbers behind the chart, and what was left out.

use super::words::{correlation, list, number, p, slope};
use super::{Drawn, Results};
use crate::figure::{Axis, Figure, Lines, Marked, Scatter, Series, Size};
use crate::study::fit::tail::t_point;
use crate::study::fit::{Linear, linear};
use crate::study::{Observation, Over, PenaltyOf, Published};
use crate::{Error, Result};
use std::collections::BTreeSet;

/// Sizes of a single chart, and of one of several.
const WIDE: Size = Size { width: 620, height: 430 };
const PANEL: Size = Size { width: 430, height: 360 };
/// Panels in a row.
const ACROSS: usize = 3;
/// Points of a fit's line.
const STEPS: usize = 40;

fn nothing(what: &str) -> Error {
    Error::Data(format!("nothing to draw: {what}"))
}

/// Mean and standard deviation; that of one is 0.
fn mean_sd(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|value| value / n).sum::<f64>();
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    (mean, if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 })
}

/// Distinct values in the order in which they come.
fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    values.for_each(|value| {
        if !seen.contains(&value) {
            seen.push(value);
        }
    });
    seen
}

/// Domains in the order of their names, so that a domain has the same mark in each figure.
fn domains<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    names.map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Panels in rows, or the only one.
fn panels(title: &str, panels: Vec<Figure>) -> Result<Figure> {
    match panels.as_slice() {
        [one] => Ok(one.clone()),
        _ => {
            let rows: Vec<Figure> =
                panels.chunks(ACROSS).map(|row| Figure::beside(title, row)).collect::<Result<_>>()?;
            Figure::below(title, &rows)
        }
    }
}

/// The value drawn of a measurement, and of the paper's.
type Ours = fn(&crate::study::Measurement) -> Option<f64>;
type Theirs = fn(&Published) -> f64;

/// Figure 1: each dataset's dimension and label sharpness at the greatest size; means over class pairs and seeds.
pub(super) fn datasets(results: &Results, published: &[Published]) -> Result<Drawn> {
    let measured: Vec<_> = results.measurements.iter().filter(|found| found.estimator == "mle").collect();
    if measured.is_empty() {
        return Err(nothing("no dataset was measured by the estimator mle"));
    }
    let names = distinct(measured.iter().map(|found| found.dataset.as_str()));
    let domains = domains(measured.iter().map(|found| &found.domain));
    let mut left_out = Vec::new();
    let quantities: [(&str, Axis, Ours, Theirs); 2] = [
        (
            "d_data",
            Axis::linear("intrinsic dimension d_data (MLE)"),
            |found| Some(found.d_data[0]),
            |paper| paper.d_data,
        ),
        (
            "K_F",
            Axis::log("label sharpness K_F (1 / unit of pixel value)"),
            |found| found.k_f,
            |paper| paper.k_f,
        ),
    ];
    let mut charts = Vec::new();
    for (what, axis, value, theirs) in quantities {
        let log = axis.log;
        let mut chart = Scatter::in_rows(what, axis, &names);
        for domain in &domains {
            let (mut ours, mut others) = (Vec::new(), Vec::new());
            for (row, name) in names.iter().enumerate() {
                let of_set: Vec<_> = measured
                    .iter()
                    .filter(|found| found.dataset == *name && found.domain == *domain)
                    .collect();
                let greatest = of_set.iter().map(|found| found.train).max();
                let values: Vec<f64> = of_set
                    .iter()
                    .filter(|found| Some(found.train) == greatest)
                    .filter_map(|found| value(found))
                    .filter(|value| value.is_finite() && (!log || *value > 0.0))
                    .collect();
                if values.is_empty() {
                    if !of_set.is_empty() {
                        left_out.push(format!("{name} has no {what}"));
                    }
                    continue;
                }
                let (mean, sd) = mean_sd(&values);
                let mut point = Marked::new("", mean, row as f64);
                if sd > 0.0 && (!log || sd < mean) {
                    point = point.x_interval(mean - sd, mean + sd);
                }
                ours.push(point);
                others.extend(
                    published
                        .iter()
                        .filter(|paper| paper.dataset == *name)
                        .map(|paper| Marked::new("", theirs(paper), row as f64)),
                );
            }
            chart = chart.group(*domain, &ours);
            if !others.is_empty() {
                chart = chart.open_group(format!("{domain}, published"), &others);
            }
        }
        let height = 150 + 30 * names.len() as u32;
        charts.push(chart.draw(Size { width: 520, height: height.max(220) })?);
    }
    let figure = Figure::beside("Intrinsic dimension and label sharpness of each dataset", &charts)?;
    let mean_of = |domain: &str, value: Ours| {
        let values: Vec<f64> =
            measured.iter().filter(|found| found.domain == domain).filter_map(|found| value(found)).collect();
        (!values.is_empty()).then(|| number(mean_sd(&values).0))
    };
    let statistics: Vec<String> = domains
        .iter()
        .filter_map(|domain| {
            let (d, k) =
                (mean_of(domain, |found| Some(found.d_data[0]))?, mean_of(domain, |found| found.k_f)?);
            Some(format!("{domain}: d_data {d}, K_F {k} on average over all its measurements"))
        })
        .collect();
    let mut caption = format!(
        "Means over class pairs and seeds at each dataset's greatest number of images, with standard deviations. {}.",
        statistics.join("; ")
    );
    if published.iter().any(|paper| names.contains(&paper.dataset)) {
        caption +=
            " Open marks: the paper's values, read off its first figure to 5 %, of images of 224 x 224.";
    }
    if !left_out.is_empty() {
        caption += &format!(" Left out: {}.", left_out.join("; "));
    }
    Ok(Drawn { figure, caption })
}

/// The x axis of a figure of test losses.
pub(super) struct Against {
    repr: bool,
    /// The estimator, by its name.
    estimator: String,
}

impl Against {
    pub fn data(estimator: &str) -> Self {
        Against { repr: false, estimator: estimator.to_owned() }
    }

    pub fn repr(estimator: &str) -> Self {
        Against { repr: true, estimator: estimator.to_owned() }
    }

    fn value(&self, observation: &Observation) -> Option<f64> {
        let dims = if self.repr { &observation.d_repr } else { &observation.d_data };
        let found = dims.iter().find(|(name, _)| *name == self.estimator).map(|(_, value)| *value);
        found.filter(|value| value.is_finite() && *value > 0.0)
    }

    fn axis(&self) -> Axis {
        let name = match self.estimator.as_str() {
            "twonn" => "TwoNN",
            "mle" => "MLE",
            other => other,
        };
        Axis::linear(if self.repr {
            format!("dimension of representations d_repr ({name})")
        } else {
            format!("dimension of images d_data ({name})")
        })
    }

    fn short(&self) -> &'static str {
        if self.repr { "d_repr" } else { "d_data" }
    }
}

/// The line of a fit over its points' extent, and the 95 % band of the mean around it; `to` maps fitted values to the axis.
fn line(fit: &Linear, x: &[f64], to: fn(f64) -> f64) -> (Vec<[f64; 2]>, Vec<(f64, f64)>) {
    let (low, high) =
        x.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    let (mean, _) = mean_sd(x);
    let squares: f64 = x.iter().map(|x| (x - mean).powi(2)).sum();
    let error = fit.residual_standard_error.filter(|_| fit.degrees_of_freedom > 0);
    let (mut places, mut band) = (Vec::new(), Vec::new());
    for step in 0..=STEPS {
        let at = low + (high - low) * step as f64 / STEPS as f64;
        let value = fit.at(&[at]);
        places.push([at, to(value)]);
        if let Some(error) = error {
            let t = t_point(fit.degrees_of_freedom as f64);
            let width = t * error * (1.0 / x.len() as f64 + (at - mean).powi(2) / squares).sqrt();
            band.push((to(value - width), to(value + width)));
        }
    }
    (places, band)
}

/// Figures 2 and 4, and those of accuracy: a point for each training; a line for each domain.
pub(super) fn generalization(results: &Results, against: Against, accuracy: bool) -> Result<Drawn> {
    let all = &results.observations;
    let names = domains(all.iter().map(|observation| &observation.domain));
    let (mut charts, mut statistics) = (Vec::new(), Vec::new());
    let mut left_out = BTreeSet::new();
    for model in distinct(all.iter().map(|observation| observation.model.as_str())) {
        let axis = if accuracy { Axis::linear("test accuracy, %") } else { Axis::log("test loss") };
        let mut chart = Scatter::new(model, against.axis(), axis);
        let mut drawn = 0;
        for domain in &names {
            let of_domain =
                all.iter().filter(|observation| observation.model == model && observation.domain == *domain);
            let mut points: Vec<(&Observation, f64, f64)> = Vec::new();
            for observation in of_domain {
                let y = if accuracy { 100.0 * observation.test_accuracy } else { observation.test_loss };
                match against.value(observation) {
                    Some(_) if !accuracy && y == 0.0 => {
                        left_out
                            .insert(format!("{} (a test loss of 0 has no logarithm)", observation.dataset));
                    }
                    Some(x) if y.is_finite() => points.push((observation, x, y)),
                    _ => {
                        _ = left_out.insert(format!(
                            "{} (no {} by {})",
                            observation.dataset,
                            against.short(),
                            against.estimator
                        ))
                    }
                }
            }
            drawn += points.len();
            let marks: Vec<Marked> = points
                .iter()
                .map(|(observation, x, y)| Marked::new(label(observation, &points), *x, *y))
                .collect();
            chart = chart.group(*domain, &marks);
            let (x, y): (Vec<f64>, Vec<f64>) =
                points.iter().map(|(_, x, y)| (*x, if accuracy { *y } else { y.ln() })).unzip();
            let what = if accuracy { "accuracy, in points," } else { "log loss" };
            match linear(&[(against.short(), &x)], &y) {
                Ok(fit) => {
                    let (places, band) = line(&fit, &x, if accuracy { |y| y } else { f64::exp });
                    chart = chart.fit(&places, &band);
                    statistics.push(format!("{model}, {domain}: slope of {what} {}", slope(&fit)));
                }
                Err(error) if !points.is_empty() => {
                    statistics.push(format!("{model}, {domain}: no line: {error}"))
                }
                Err(_) => (),
            }
        }
        if drawn > 0 {
            charts.push(chart.draw(if several(results) { PANEL } else { WIDE })?);
        }
    }
    if charts.is_empty() {
        return Err(nothing("no training has a test loss and a dimension yet"));
    }
    let title = format!("Test {} against {}", if accuracy { "accuracy" } else { "loss" }, against.short());
    let mut caption = format!(
        "Each mark is a training; lines are least squares for each domain with the 95 % band of the mean. {}.",
        statistics.join("; ")
    );
    let dependence = match (accuracy, against.repr) {
        (false, false) => &results.laws.log_loss_on_d_data,
        (false, true) => &results.laws.log_loss_on_d_repr,
        (true, false) => &results.laws.accuracy_on_d_data,
        (true, true) => &results.laws.accuracy_on_d_repr,
    };
    let options = &results.laws.options;
    let of_laws = if against.repr { &options.repr_estimator } else { &options.data_estimator };
    let between = dependence.between_domains.iter().find(|found| found.model.is_none());
    if let Some(Ok(test)) =
        between.filter(|_| *of_laws == against.estimator).map(|found| &found.dataset_means)
    {
        caption += &format!(
            " Whether the domains have one slope, over dataset means: F = {:.2}, {}.",
            test.test.f,
            p(test.test.p)
        );
    }
    Ok(Drawn { figure: panels(&title, charts)?, caption: with_left_out(caption, left_out) })
}

fn several(results: &Results) -> bool {
    distinct(results.observations.iter().map(|observation| observation.model.as_str())).len() > 1
}

/// A dataset's name for its training on the most images, empty for the others.
fn label(observation: &Observation, points: &[(&Observation, f64, f64)]) -> String {
    let same = points.iter().filter(|(other, ..)| other.dataset == observation.dataset);
    let first = same.max_by_key(|(other, ..)| (other.train, std::cmp::Reverse((other.seed, &other.classes))));
    match first {
        Some((first, ..)) if std::ptr::eq(*first, observation) => observation.dataset.clone(),
        _ => String::new(),
    }
}

fn with_left_out(caption: String, left_out: BTreeSet<String>) -> String {
    if left_out.is_empty() {
        caption
    } else {
        format!("{caption} Left out: {}.", left_out.into_iter().collect::<Vec<_>>().join("; "))
    }
}

/// Figure 3, and that of accuracy: a point for each dataset, a line over all.
pub(super) fn penalties(results: &Results, accuracy: bool) -> Result<Drawn> {
    let options = &results.laws.options;
    let penalty = if accuracy { PenaltyOf::Accuracy } else { PenaltyOf::Loss };
    let (mut charts, mut statistics) = (Vec::new(), Vec::new());
    let mut left_out = BTreeSet::new();
    let models = distinct(results.observations.iter().map(|observation| observation.model.as_str()));
    let scale = if accuracy { 100.0 } else { 1.0 };
    for model in &models {
        let wanted = results.laws.robustness.iter().find(|found| {
            found.model.as_deref() == Some(*model)
                && (found.penalty, found.over) == (penalty, Over::Datasets)
                && found.attack == options.attack
                && found.epsilon == options.epsilon
        });
        let Some(found) = wanted.filter(|found| !found.points.is_empty()) else { continue };
        let y = if accuracy { "fall of the accuracy, points" } else { "rise of the test loss" };
        let mut chart = Scatter::new(*model, Axis::linear("label sharpness K_F x 10⁴"), Axis::linear(y));
        let names = domains(found.points.iter().map(|point| &point.domain));
        for domain in &names {
            let of_domain = found.points.iter().filter(|point| point.domain == *domain);
            let marks: Vec<Marked> = of_domain
                .map(|point| Marked::new(point.dataset.clone(), 1e4 * point.columns[0], scale * point.y))
                .collect();
            chart = chart.group(*domain, &marks);
        }
        let (x, y): (Vec<f64>, Vec<f64>) =
            found.points.iter().map(|point| (1e4 * point.columns[0], scale * point.y)).unzip();
        if let Ok(fit) = linear(&[("K_F", &x)], &y) {
            let (places, band) = line(&fit, &x, |y| y);
            chart = chart.group("least squares", &[]).fit(&places, &band);
        }
        statistics.push(match (&found.pearson, &found.spearman) {
            (Ok(r), Ok(rho)) => {
                format!("{model}: Pearson's r {}, Spearman's {}", correlation(r), correlation(rho))
            }
            (Err(error), _) | (_, Err(error)) => format!("{model}: no correlation: {error}"),
        });
        left_out.extend(found.excluded.iter().map(|out| format!("{} ({})", out.name, out.reason)));
        charts.push(chart.draw(if models.len() > 1 { PANEL } else { WIDE })?);
    }
    if charts.is_empty() {
        return Err(nothing(&format!(
            "no training was attacked by {} at {}",
            options.attack, options.epsilon
        )));
    }
    let caption = format!(
        "{} at {} of 255: a mark for each dataset, the mean over its class pairs, sizes and seeds; the line is least squares with the 95 % \
         band of the mean. {}.",
        options.attack.to_uppercase(),
        options.epsilon,
        statistics.join("; ")
    );
    let title =
        if accuracy { "Fall of the accuracy against K_F" } else { "Rise of the test loss against K_F" };
    Ok(Drawn { figure: panels(title, charts)?, caption: with_left_out(caption, left_out) })
}

/// Figure 5: d_repr against d_data, each training a point, with the bound.
pub(super) fn bound(results: &Results) -> Result<Drawn> {
    let all = &results.observations;
    let names = domains(all.iter().map(|observation| &observation.domain));
    let mut charts = Vec::new();
    let pairs = [(&results.laws.options.data_estimator, &results.laws.options.repr_estimator)];
    let same = ("mle".to_owned(), "mle".to_owned());
    let pairs = pairs.into_iter().chain((pairs[0] != (&same.0, &same.1)).then_some((&same.0, &same.1)));
    let (mut statistics, mut exceptions) = (Vec::new(), BTreeSet::new());
    for (data, repr) in pairs {
        let dims = |observation: &Observation| {
            let find = |dims: &[(String, f64)], name: &str| {
                dims.iter()
                    .find(|(known, _)| known == name)
                    .map(|(_, value)| *value)
                    .filter(|d| d.is_finite())
            };
            Some((find(&observation.d_data, data)?, find(&observation.d_repr, repr)?))
        };
        let mut chart = Scatter::new(
            "",
            Axis::linear(format!("dimension of images d_data ({data})")),
            Axis::linear(format!("dimension of representations d_repr ({repr})")),
        );
        let mut drawn = 0;
        for domain in &names {
            let points: Vec<(&Observation, f64, f64)> = all
                .iter()
                .filter(|observation| observation.domain == *domain)
                .filter_map(|observation| dims(observation).map(|(x, y)| (observation, x, y)))
                .collect();
            exceptions.extend(
                points.iter().filter(|(_, x, y)| y > x).map(|(observation, ..)| observation.dataset.clone()),
            );
            drawn += points.len();
            let marks: Vec<Marked> = points
                .iter()
                .map(|(observation, x, y)| Marked::new(label(observation, &points), *x, *y))
                .collect();
            chart = chart.group(*domain, &marks);
        }
        if drawn == 0 {
            continue;
        }
        charts.push(chart.diagonal("d_repr = d_data").draw(PANEL)?);
        let found = results.laws.bound.iter().find(|found| {
            found.scope == Default::default()
                && (&found.data_estimator, &found.repr_estimator) == (data, repr)
        });
        if let Some(found) = found
            && let Ok(holding) = &found.holding
        {
            statistics.push(format!(
                "d_repr ({repr}) is at most d_data ({data}) in {} of {} trainings: {:.0} % (95 % {:.0} .. {:.0})",
                holding.successes,
                holding.n,
                100.0 * holding.value,
                100.0 * holding.interval[0],
                100.0 * holding.interval[1]
            ));
        }
    }
    if charts.is_empty() {
        return Err(nothing("no training has a d_repr yet"));
    }
    let mut caption = format!("Each mark is a training. {}.", statistics.join("; "));
    if !exceptions.is_empty() {
        caption += &format!(
            " Exceptions, by either pair of estimators: {}.",
            list(&exceptions.into_iter().collect::<Vec<_>>())
        );
    }
    Ok(Drawn { figure: panels("d_repr against d_data", charts)?, caption })
}

/// Each dataset's rise of the loss by the attack's strength, and the correlation with K_F at each.
pub(super) fn strengths(results: &Results) -> Result<Drawn> {
    let attack = &results.laws.options.attack;
    let mut epsilons: Vec<f64> = results
        .observations
        .iter()
        .flat_map(|observation| {
            observation.attacks.iter().filter(|found| found.attack == *attack).map(|found| found.epsilon)
        })
        .collect();
    epsilons.sort_by(f64::total_cmp);
    epsilons.dedup();
    if epsilons.is_empty() {
        return Err(nothing(&format!("no training was attacked by {attack}")));
    }
    let pooled = |epsilon: f64| {
        results.laws.robustness.iter().find(|found| {
            found.model.is_none()
                && (found.penalty, found.over) == (PenaltyOf::Loss, Over::Datasets)
                && found.attack == *attack
                && found.epsilon == epsilon
        })
    };
    let title = format!("{} by its strength", attack.to_uppercase());
    let mut chart = Lines::new(&title, Axis::log("epsilon (of 255)"), Axis::linear("rise of the test loss"));
    let names = distinct(results.observations.iter().map(|observation| observation.dataset.as_str()));
    let mut drawn = 0;
    for name in names {
        let (x, y): (Vec<f64>, Vec<f64>) = epsilons
            .iter()
            .filter_map(|epsilon| {
                let point = pooled(*epsilon)?.points.iter().find(|point| point.dataset == name)?;
                Some((*epsilon, point.y))
            })
            .unzip();
        if !x.is_empty() {
            drawn += 1;
            chart = chart.series(Series::new(name, &x, &y));
        }
    }
    if drawn == 0 {
        return Err(nothing("no dataset has both a penalty and a K_F"));
    }
    let mut charts = vec![chart.draw(Size { width: 560, height: 440 })?];
    let (mut x, mut r, mut statistics) = (Vec::new(), Vec::new(), Vec::new());
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for epsilon in &epsilons {
        if let Some(Ok(found)) = pooled(*epsilon).map(|found| &found.pearson) {
            x.push(*epsilon);
            r.push(found.r);
            let [from, to] = found.interval.unwrap_or([found.r; 2]);
            low.push(from);
            high.push(to);
            statistics.push(format!("at {epsilon}: {}", correlation(found)));
        }
    }
    if !x.is_empty() {
        let series = Series::new("Pearson's r", &x, &r).band(&low, &high);
        let axis = Axis::linear("Pearson's r of the rise with K_F");
        charts.push(
            Lines::new("", Axis::log("epsilon (of 255)"), axis)
                .series(series)
                .draw(Size { width: 430, height: 440 })?,
        );
    }
    let statistics = if statistics.is_empty() {
        "too few datasets for a correlation".to_owned()
    } else {
        statistics.join("; ")
    };
    let caption = format!(
        "Each line is a dataset, the mean over its trainings. Pearson's r of the rise with K_F over datasets: {statistics}."
    );
    Ok(Drawn { figure: Figure::beside(title, &charts)?, caption })
}

/// Each dataset's measured exponent against those of the laws.
pub(super) fn exponents(results: &Results) -> Result<Drawn> {
    let found = &results.laws.exponents.found;
    let names = domains(found.iter().map(|exponent| &exponent.domain));
    let several = distinct(found.iter().map(|exponent| exponent.model.as_str())).len() > 1;
    type Exponent = fn(&crate::study::Exponent) -> Option<f64>;
    let laws: [(&str, Exponent); 2] =
        [("-1/d_data", |exponent| exponent.by_data), ("-1/d_repr", |exponent| exponent.by_repr)];
    let (mut charts, mut statistics) = (Vec::new(), Vec::new());
    for (name, law) in laws {
        let axis = Axis::linear("slope of log test loss on log N");
        let mut chart = Scatter::new("", Axis::linear(format!("{name}, the law's exponent")), axis);
        let (mut drawn, mut below) = (0, 0);
        for domain in &names {
            let points: Vec<Marked> = found
                .iter()
                .filter(|exponent| exponent.domain == *domain)
                .filter_map(|exponent| {
                    let (x, y) = (law(exponent)?, exponent.measured()?);
                    below += usize::from(y <= x);
                    let model = if several { format!(", {}", exponent.model) } else { String::new() };
                    Some(Marked::new(format!("{}{model}", exponent.dataset), x, y))
                })
                .collect();
            drawn += points.len();
            chart = chart.group(*domain, &points);
        }
        if drawn > 0 {
            charts.push(chart.diagonal("as the law's").draw(PANEL)?);
            statistics.push(format!("{below} of {drawn} fall at least as fast as {name} says"));
        }
    }
    if charts.is_empty() {
        return Err(nothing("no dataset was trained on with 3 numbers of images"));
    }
    let mut caption = format!(
        "Each mark is a dataset, its classes and a network; the slope is least squares over sizes and seeds. The law bounds the loss from \
         above: marks below the line satisfy it. {}.",
        statistics.join("; ")
    );
    let left_out: Vec<String> = results
        .laws
        .exponents
        .excluded
        .iter()
        .map(|excluded| format!("{} ({})", excluded.name, excluded.reason))
        .collect();
    if !left_out.is_empty() {
        caption += &format!(" Left out: {}.", left_out.join("; "));
    }
    let title = "Measured exponents against those of the laws";
    Ok(Drawn { figure: panels(title, charts)?, caption })
}

/// K_F of each dataset under other preprocessings, over its mean over datasets: only ratios mean anything.
pub(super) fn invariance(results: &Results) -> Result<Drawn> {
    let variants = &results.variants;
    if variants.is_empty() {
        return Err(nothing(
            "the plan measures no variants: as variants = [{ size = 112 }, { color = \"gray\" }]",
        ));
    }
    let preprocessings = distinct(variants.iter().map(|variant| variant.preprocessing.as_str()));
    let names = distinct(variants.iter().map(|variant| variant.dataset.as_str()));
    // Datasets that have all of them, so that each mean is over the same.
    let value = |name: &str, preprocessing: &str| {
        let found =
            variants.iter().find(|variant| variant.dataset == name && variant.preprocessing == preprocessing);
        found.map(|variant| variant.k_f).filter(|k_f| *k_f > 0.0)
    };
    let whole: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| preprocessings.iter().all(|preprocessing| value(name, preprocessing).is_some()))
        .collect();
    if whole.is_empty() {
        return Err(nothing("no dataset has its K_F under each of the variants"));
    }
    let mean = |preprocessing: &str| {
        let logs: Vec<f64> =
            whole.iter().filter_map(|name| value(name, preprocessing)).map(f64::ln).collect();
        mean_sd(&logs).0.exp()
    };
    let mut chart = Scatter::in_rows(
        "Label sharpness beside other datasets', by preprocessing",
        Axis::log("K_F over the geometric mean of all datasets' K_F"),
        &whole,
    );
    let mut widest = (0.0, String::new());
    for preprocessing in &preprocessings {
        let scale = mean(preprocessing);
        let marks: Vec<Marked> = whole
            .iter()
            .enumerate()
            .filter_map(|(row, name)| Some(Marked::new("", value(name, preprocessing)? / scale, row as f64)))
            .collect();
        let name = if preprocessing.is_empty() { "as in the plan" } else { preprocessing };
        chart = chart.group(name, &marks);
        for name in &whole {
            let (Some(here), Some(plain)) = (value(name, preprocessing), value(name, "")) else { continue };
            let ratio = ((here / scale) / (plain / mean(""))).ln().abs();
            if ratio > widest.0 {
                widest = (ratio, format!("{name}, {preprocessing}"));
            }
        }
    }
    let height = (170 + 34 * whole.len() as u32).max(240);
    let figure = chart.draw(Size { width: 720, height })?;
    let mut caption = format!(
        "Each row is a dataset: if each preprocessing scaled K_F of all datasets by one constant, its marks would coincide. \
         The largest deviation from the plan's preprocessing is {}: {:.0} %.",
        widest.1,
        100.0 * (f64::exp(widest.0) - 1.0)
    );
    let lacking: Vec<String> =
        names.iter().filter(|name| !whole.contains(name)).map(|name| (*name).to_owned()).collect();
    if !lacking.is_empty() {
        caption += &format!(" Left out, as not all were measured: {}.", list(&lacking));
    }
    Ok(Drawn { figure, caption })
}

/// The dimension of each network's layers, a line for each dataset.
pub(super) fn layers(results: &Results) -> Result<Drawn> {
    let curves: Vec<_> = results.curves.iter().filter(|curve| curve.layers.len() > 1).collect();
    let estimators = distinct(curves.iter().map(|curve| curve.estimator.as_str()));
    let Some(estimator) = estimators.iter().find(|name| **name == "twonn").or(estimators.first()) else {
        return Err(nothing("the plan measures no layers but the last: as layers = [\"all\"]"));
    };
    let models = distinct(curves.iter().map(|curve| curve.model.as_str()));
    let mut charts = Vec::new();
    for model in &models {
        let mut chart = Lines::new(
            *model,
            Axis::linear("relative depth"),
            Axis::linear(format!("intrinsic dimension ({estimator})")),
        );
        for curve in curves.iter().filter(|curve| curve.model == *model && curve.estimator == *estimator) {
            let (x, y): (Vec<f64>, Vec<f64>) =
                curve.layers.iter().map(|(_, depth, value)| (*depth, *value)).unzip();
            chart = chart.series(Series::new(&curve.dataset, &x, &y));
        }
        charts.push(chart.draw(if models.len() > 1 { PANEL } else { WIDE })?);
    }
    let caption = "Each line is a dataset: the mean over its trainings of the dimension of each layer's representation of the training \
                   images, from the images (0) to the logits (1), as Ansuini et al. (2019) draw it."
        .to_owned();
    Ok(Drawn { figure: panels("Dimension of representations, layer by layer", charts)?, caption })
}
