//! The charts of one dataset and of several, for the page and as files.

use crate::measure::compare::Summary;
use crate::measure::measured::Measured;
use sharpdim::Result;
use sharpdim::figure::{Axis, Bar, Bars, Figure, Heatmap, Histogram, Lines, Marked, Scatter, Series, Size};
use sharpdim::measure::{Against, CurvePoint, Estimate};
use std::collections::BTreeSet;

/// A chart, its file name and its caption.
pub struct Chart {
    pub file: &'static str,
    pub figure: Figure,
    pub caption: String,
}

const WIDTH: u32 = 720;

/// The axis title of estimates.
const DIMENSION: &str = "intrinsic dimension";

/// Estimates above this many times the main one are implausible, as those below 0 are.
const FAR: f64 = 20.0;

/// All estimates of one dataset.
pub fn estimators(measured: &Measured) -> Result<Option<Chart>> {
    let largest = FAR * measured.main_estimate().map_or(0.0, |main| main.value);
    let can_be = |found: &&Estimate| found.value > 0.0 && found.value <= largest;
    let (found, absurd): (Vec<&Estimate>, Vec<&Estimate>) = measured.found().partition(can_be);
    if found.is_empty() {
        return Ok(None);
    }
    let names: Vec<&str> = found.iter().map(|found| found.estimator.name()).collect();
    let bars: Vec<Bar> = found.iter().map(|found| bar(found)).collect();
    let figure = Bars::new("Intrinsic dimension, by estimator", DIMENSION, &names)
        .series("estimate", &bars)
        .draw(Size { width: WIDTH, height: 100 + 30 * names.len().max(2) as u32 })?;
    let mut caption =
        "Lines with ends are 95 % intervals: of chance alone, not of an estimator's bias.".to_owned();
    if !absurd.is_empty() {
        let absurd: Vec<String> =
            absurd.iter().map(|found| format!("{} ({:.1})", found.estimator.name(), found.value)).collect();
        caption += &format!(" Not drawn, as an implausible estimate: {}.", absurd.join(", "));
    }
    Ok(Some(Chart { file: "estimators", figure, caption }))
}

/// The main estimator on samples of known dimension, and the measured estimate among them.
pub fn calibrated(measured: &Measured) -> Result<Option<Chart>> {
    let Some((calibrated, main)) = measured.calibrated.as_ref().zip(measured.main_estimate()) else {
        return Ok(None);
    };
    let Some(truth) = calibrated.truth(&main.estimator) else { return Ok(None) };
    let known: Vec<Marked> =
        calibrated.said(&main.estimator).into_iter().map(|(said, dim)| Marked::new("", said, dim)).collect();
    let highest = known.iter().map(|point| point.at[1]).fold(truth.low, f64::max);
    let high = truth.high.min(highest);
    let own = Marked::new("", main.value, (truth.low * high).sqrt()).y_interval(truth.low, high);
    let x = Axis::log(format!("estimate by {}", main.estimator.name()));
    let figure = Scatter::new("Estimates of manifolds of known dimension", x, Axis::log("true dimension"))
        .diagonal("no bias")
        .group("known manifolds", &known)
        .group(format!("{}, 95 %", measured.name), &[own])
        .draw(Size { width: WIDTH, height: 480 })?;
    let caption = format!(
        "Each point is a sample of {} points of a manifold whose dimension is known. The line with ends is at this \
         dataset's estimate: 95 % of the points near it are within it.",
        measured.loaded.samples.n()
    );
    Ok(Some(Chart { file: "calibrated", figure, caption }))
}

/// How the local dimension is spread over the samples.
pub fn local(measured: &Measured) -> Result<Option<Chart>> {
    let Some(main) = measured.main_estimate().filter(|found| !found.local.is_empty()) else {
        return Ok(None);
    };
    let mut values: Vec<f64> = main.local.iter().copied().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    if values.is_empty() {
        return Ok(None);
    }
    // A few samples with a very large one would squeeze all others into one bar.
    let far = 3.0 * values[values.len() * 9 / 10];
    let shown = values.partition_point(|&value| value <= far);
    let beyond = match values.len() - shown {
        0 => String::new(),
        beyond => format!(" {beyond} of more than {far:.0} are not shown."),
    };
    let (kind, what) = (main.estimator.name(), if measured.loaded.features { "samples" } else { "images" });
    let title = format!("Local dimension at each of the {what}");
    let x = Axis::linear(format!("local dimension ({kind})"));
    let figure = Histogram::new(title, x, what, &values[..shown])
        .mark(format!("median, {:.1}", values[values.len() / 2]), values[values.len() / 2])
        .mark(format!("estimate, {:.1}", main.value), main.value)
        .draw(Size { width: WIDTH, height: 340 })?;
    let caption = format!(
        "The inverse of a mean of logarithms for each of the {what}: single values scatter widely even \
         where the dimension is the same everywhere.{beyond}"
    );
    Ok(Some(Chart { file: "local-dimension", figure, caption }))
}

/// Estimates against k or against the number of samples. Of many, those of different kinds are drawn.
pub fn curves(measured: &Measured, against: Against) -> Result<Option<Chart>> {
    let largest = FAR * measured.main_estimate().map_or(0.0, |main| main.value);
    let of_kind = || measured.curves.iter().flatten().filter(|curve| curve.against == against);
    let few = of_kind().count() <= SIDE_BY_SIDE.len();
    let curves = of_kind().filter(|curve| few || SIDE_BY_SIDE.contains(&curve.estimator.name()));
    let (file, title, x) = match against {
        Against::Neighbours => {
            ("against-k", "Intrinsic dimension against the number of neighbours", "k (neighbours)")
        }
        Against::Samples => {
            ("against-samples", "Intrinsic dimension against the number of samples", "samples")
        }
    };
    let values = of_kind().flat_map(|curve| &curve.points).map(|point| point.value);
    let highest = 1.5 * values.filter(|value| *value <= largest).fold(0.0, f64::max);
    let mut chart = Lines::new(title, Axis::log(x), Axis::linear(DIMENSION));
    let mut drawn = 0;
    for curve in curves {
        let shown: Vec<&CurvePoint> = curve
            .points
            .iter()
            .filter(|point| point.value > 0.0 && point.value <= largest && point.low.is_finite())
            .collect();
        if shown.is_empty() {
            continue;
        }
        drawn += 1;
        let column =
            |value: fn(&CurvePoint) -> f64| shown.iter().map(|point| value(point)).collect::<Vec<f64>>();
        let series = Series::new(curve.estimator.name(), &column(|p| p.at as f64), &column(|p| p.value));
        // An interval of very few samples may reach so far that all else would be flat.
        let cut = |ends: Vec<f64>| ends.into_iter().map(|end| end.clamp(0.0, highest)).collect::<Vec<f64>>();
        chart = chart.series(series.band(&cut(column(|p| p.low)), &cut(column(|p| p.high))));
    }
    if drawn == 0 {
        return Ok(None);
    }
    let figure = chart.draw(Size { width: WIDTH, height: 400 })?;
    let caption = match against {
        Against::Neighbours => {
            "Small k looks near, and sees noise; large k looks far, and sees the shape bend. A plateau between \
             them is what to trust."
        }
        Against::Samples => {
            "Where the line still rises at the right end, more samples would give a higher dimension. Bands \
             show how draws of that size differ."
        }
    };
    Ok(Some(Chart { file, figure, caption: caption.into() }))
}

/// The sharpness of each pair of classes, where there are more than two.
pub fn class_pairs(measured: &Measured) -> Result<Option<Chart>> {
    let Some(curation) = measured.curation.as_ref().filter(|curation| curation.class_pairs.len() > 1) else {
        return Ok(None);
    };
    let pairs = &curation.class_pairs;
    let present: BTreeSet<u32> = pairs.iter().flat_map(|pair| pair.classes).collect();
    if present.len() > MOST_CLASSES {
        return Ok(None);
    }
    let names: Vec<&str> =
        present.iter().map(|&class| measured.loaded.class_names[class as usize].as_str()).collect();
    let cell = |(row, column): (u32, u32)| {
        let pair = pairs.iter().find(|p| p.classes == [row, column] || p.classes == [column, row])?;
        Some(pair.sharpest.ratio()).filter(|ratio| ratio.is_finite())
    };
    let cells: Vec<Option<f64>> =
        present.iter().flat_map(|&row| present.iter().map(move |&column| (row, column))).map(cell).collect();
    let side = 60 * present.len().max(4) as u32;
    let figure =
        Heatmap::new("K_F of each pair of classes", Axis::linear("1 / distance"), &names, &names, &cells)
            .draw(Size { width: (side + 220).max(480), height: side + 120 })?;
    let caption = "The darker, the nearer are the two nearest samples of the pair of classes.".into();
    Ok(Some(Chart { file: "class-pairs", figure, caption }))
}

/// More classes than this have no room in a chart.
const MOST_CLASSES: usize = 40;

/// Datasets by dimension and label sharpness.
pub fn scatter(summaries: &[&Summary]) -> Result<Option<Chart>> {
    let mark = |summary: &&Summary| {
        let (dimension, k_f) = (summary.main()?, summary.k_f.filter(|k_f| *k_f > 0.0)?);
        let point = Marked::new(&summary.name, dimension.value, k_f);
        Some(match interval(dimension) {
            Some((low, high)) => point.x_interval(low, high),
            None => point,
        })
    };
    let points: Vec<Marked> = summaries.iter().filter_map(mark).collect();
    if points.is_empty() {
        return Ok(None);
    }
    let estimator =
        summaries.iter().find_map(|summary| summary.main()).map_or("mle", |found| found.estimator.name());
    let x = Axis::linear(format!("{DIMENSION} ({estimator})"));
    let figure = Scatter::new("Dimension and label sharpness", x, Axis::log("label sharpness K_F"))
        .group("datasets", &points)
        .draw(Size { width: WIDTH, height: 420 })?;
    let caption =
        "Lines with ends are 95 % intervals of the dimension. Label sharpness is a maximum and has \
                   none. By the paper's laws, harder to learn is to the right and up."
            .into();
    Ok(Some(Chart { file: "datasets", figure, caption }))
}

/// The estimators that are drawn side by side for several datasets: of different kinds, few enough to be told
/// apart.
const SIDE_BY_SIDE: [&str; 5] = ["mle", "geomle", "twonn", "gride", "tle"];

/// Datasets side by side.
pub fn bars(summaries: &[&Summary]) -> Result<Option<Chart>> {
    let of_all = |name: &&str| {
        summaries.iter().all(|summary| {
            let largest = FAR * summary.main().map_or(0.0, |main| main.value);
            summary.estimate(name).is_some_and(|found| found.value > 0.0 && found.value <= largest)
        })
    };
    let names = || summaries.iter().flat_map(|summary| &summary.estimates).map(|e| e.estimator.name());
    let mut shown: Vec<&str> = SIDE_BY_SIDE.into_iter().filter(of_all).collect();
    if shown.is_empty() {
        shown = names().filter(of_all).take(1).collect();
    }
    if shown.is_empty() {
        return Ok(None);
    }
    let datasets: Vec<&str> = summaries.iter().map(|summary| summary.name.as_str()).collect();
    let mut chart = Bars::new("Intrinsic dimension, by dataset", DIMENSION, &datasets);
    for name in &shown {
        let bars: Vec<Bar> = summaries.iter().filter_map(|s| s.estimate(name)).map(bar).collect();
        chart = chart.series(*name, &bars);
    }
    let rows = (shown.len() * datasets.len()).max(3) as u32;
    let figure = chart.draw(Size { width: WIDTH, height: 130 + 24 * rows })?;
    let caption = "Lines with ends are 95 % intervals.".into();
    Ok(Some(Chart { file: "dimensions", figure, caption }))
}

fn bar(found: &Estimate) -> Bar {
    match interval(found) {
        Some((low, high)) => Bar::with_interval(found.value, low, high),
        None => Bar::new(found.value),
    }
}

/// The interval, where it can be drawn.
fn interval(found: &Estimate) -> Option<(f64, f64)> {
    (found.low.is_finite() && found.high.is_finite()).then_some((found.low, found.high))
}
