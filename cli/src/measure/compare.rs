//! Several datasets side by side, as a table and for the page.

use crate::measure::measured::Measured;
use sharpdim::measure::Estimate;
use std::fmt::Write;

/// The results of a dataset that are compared with others.
pub struct Summary {
    pub name: String,
    pub n: usize,
    pub classes: usize,
    pub channels: usize,
    pub features: bool,
    pub estimates: Vec<Estimate>,
    pub k_f: Option<f64>,
    pub distance: Option<f64>,
    pub contradictions: Option<u64>,
}

impl Summary {
    pub fn new(measured: &Measured) -> Self {
        let sharpness = measured.sharpness.as_ref();
        let without_local = |found: &Estimate| {
            let mut found = found.clone();
            found.local = Vec::new();
            found
        };
        Summary {
            name: measured.name.clone(),
            n: measured.loaded.samples.n(),
            classes: measured.classes().filter(|(_, count)| *count > 0).count(),
            channels: measured.loaded.channels,
            features: measured.loaded.features,
            estimates: measured.found().map(without_local).collect(),
            k_f: sharpness.map(|found| found.max),
            distance: sharpness.and_then(|found| Some(found.sharpest.first()?.distance)),
            contradictions: sharpness.map(|found| found.contradictions),
        }
    }

    pub fn estimate(&self, name: &str) -> Option<&Estimate> {
        self.estimates.iter().find(|found| found.estimator.name() == name)
    }

    /// The estimate that stands for all: the paper's where it is among them.
    pub fn main(&self) -> Option<&Estimate> {
        self.estimate("mle").or_else(|| self.estimates.first())
    }
}

/// What makes datasets hard to compare though all were preprocessed alike.
pub fn cautions(all: &[&Summary]) -> Vec<String> {
    let mut cautions = Vec::new();
    let differ =
        |number: fn(&Summary) -> usize| all.windows(2).any(|pair| number(pair[0]) != number(pair[1]));
    if differ(|summary| summary.n) {
        let least = all.iter().map(|summary| summary.n).min().unwrap_or(0);
        cautions.push(format!(
            "the datasets differ in size (the smallest has {least}): estimates of high dimensions grow with \
             the number of samples, and so does K_F; --per-class draws as many of each class"
        ));
    }
    if all.iter().any(|summary| summary.features) && all.iter().any(|summary| !summary.features) {
        cautions.push("features and images have no common unit of distance: their K_F do not compare".into());
    } else if differ(|summary| summary.channels) {
        cautions.push(
            "some datasets are gray and others RGB, whose distances are longer for having three channels: \
             --grayscale or --rgb makes all alike"
                .into(),
        );
    }
    cautions
}

/// A row of the comparison: its heading, and each dataset's cell.
pub type Row = (String, Vec<String>);

pub fn rows(all: &[&Summary]) -> Vec<Row> {
    let row = |name: &str, cell: &dyn Fn(&Summary) -> String| {
        (name.to_owned(), all.iter().map(|summary| cell(summary)).collect())
    };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".into());
    let dimension = |name: &str| {
        let cell = |e: &Estimate| format!("{:.2} ({:.2} .. {:.2})", e.value, e.low, e.high);
        row(name, &|summary| or_dash(summary.estimate(name).map(cell)))
    };
    let mut names: Vec<&str> = Vec::new();
    for found in all.iter().filter_map(|summary| summary.main()).chain(all.iter().flat_map(|s| &s.estimates))
    {
        if !names.contains(&found.estimator.name()) {
            names.push(found.estimator.name());
        }
    }
    let mut rows = vec![
        row("samples", &|summary| summary.n.to_string()),
        row("classes", &|summary| summary.classes.to_string()),
    ];
    let (main, others) = names.split_at(names.len().min(1));
    rows.extend(main.iter().map(|name| dimension(name)));
    rows.push(row("K_F", &|summary| or_dash(summary.k_f.map(|k_f| format!("{k_f:.3e}")))));
    rows.push(row("sharpest distance", &|summary| or_dash(summary.distance.map(|d| format!("{d:.1}")))));
    rows.push(row("contradictions", &|s| or_dash(s.contradictions.map(|count| count.to_string()))));
    rows.extend(others.iter().map(|name| dimension(name)));
    rows
}

/// The comparison as text.
pub fn table(all: &[&Summary]) -> String {
    let rows = rows(all);
    let widest = |at: usize| {
        let cells = rows.iter().map(|(_, cells)| cells[at].chars().count());
        cells.chain([all[at].name.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..all.len()).map(widest).collect();
    let mut out = format!("{:<19}", "Compared");
    for (summary, wide) in all.iter().zip(&widths) {
        _ = write!(out, "  {:>wide$}", summary.name);
    }
    for (name, cells) in rows {
        _ = write!(out, "\n  {name:<17}");
        for (cell, wide) in cells.iter().zip(&widths) {
            _ = write!(out, "  {cell:>wide$}");
        }
    }
    for caution in cautions(all) {
        _ = write!(out, "\n  note  {caution}");
    }
    out
}
