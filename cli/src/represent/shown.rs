//! What was measured, as a table for people, as JSON for programs, and as a chart.

use crate::failure::Failure;
use crate::inputs::Input;
use serde_json::{Value, json};
use sharpdim::figure::{Axis, Figure, Lines, Series, Size};
use sharpdim::measure::{Estimate, Estimator, LabelSharpness};
use sharpdim::nn::Trained;
use sharpdim::represent::Representation;
use sharpdim::{Device, Error, Result};
use std::path::Path;

const SIZE: Size = Size { width: 640, height: 420 };

/// All that is shown of a run.
pub struct Shown<'a> {
    pub checkpoint: &'a Path,
    pub trained: &'a Trained,
    pub input: &'a Input,
    pub device: &'a Device,
    pub estimators: &'a [Estimator],
    pub found: &'a [Representation],
    pub out: Option<&'a Path>,
}

impl Shown<'_> {
    /// An estimator's value of the images, and of the last hidden layer, where both were measured.
    fn both(&self, at: usize) -> Option<(&Estimate, &Estimate)> {
        let measured = |is: &dyn Fn(&str) -> bool| {
            self.found.iter().find(|layer| is(&layer.layer))?.dims[at].as_ref().ok()
        };
        let last = self.trained.model.last_hidden();
        Some((measured(&|name| name == "input")?, measured(&|name| name == "last_hidden" || name == last)?))
    }

    pub fn table(&self) -> String {
        let trained = self.trained;
        let mut lines = self.input.lines(trained);
        let sharpness = self.found.iter().any(|layer| layer.sharpness.is_some());
        for (at, estimator) in self.estimators.iter().enumerate() {
            lines.push(format!("\n{estimator}"));
            lines.push(format!(
                "  layer          depth     values  dimension  95 % interval     excluded{}",
                if sharpness { "  K_F" } else { "" }
            ));
            lines.extend(self.found.iter().map(|layer| line(layer, at)));
            if let Some((data, repr)) = self.both(at) {
                lines.push(format!(
                    "  d_data {:.2}, d_repr {:.2} ({}): {}",
                    data.value,
                    repr.value,
                    trained.model.last_hidden(),
                    compared(data, repr)
                ));
            }
        }
        lines.push(format!("\nDevice      {}", self.device));
        if let Some(reason) = self.device.fallback() {
            lines.push(format!("  no GPU    {reason}"));
        }
        lines.extend(self.out.map(|path| format!("Written     {}", path.display())));
        lines.join("\n")
    }

    pub fn json(&self) -> Value {
        let of_layer = |layer: &Representation| {
            let dims =
                self.estimators.iter().zip(&layer.dims).map(|(estimator, found)| dim(estimator, found));
            json!({
                "layer": layer.layer,
                "depth": layer.depth,
                "shape": layer.shape,
                "values": layer.values,
                "dims": dims.collect::<Vec<_>>(),
                "label_sharpness": layer.sharpness.as_ref().map(sharpness),
            })
        };
        // The first estimator's, as the table's first block has them.
        let both = if self.estimators.is_empty() { None } else { self.both(0) };
        json!({
            "checkpoint": self.checkpoint.display().to_string(),
            "model": self.trained.model.name(),
            "epochs": self.trained.history.len(),
            "images": self.input.what,
            "n": self.input.images.len(),
            "trained_on": self.input.trained_on,
            "notes": self.input.notes,
            "last_hidden": self.trained.model.last_hidden(),
            "layers": self.found.iter().map(of_layer).collect::<Vec<_>>(),
            "d_data": both.map(|(data, _)| data.value),
            "d_repr": both.map(|(_, repr)| repr.value),
            "device": self.device.name(),
            "figure": self.out.map(|path| path.display().to_string()),
        })
    }

    /// Dimension against depth, a line for each estimator. A layer without a value has no point.
    pub fn chart(&self) -> std::result::Result<Figure, Failure> {
        let title = format!("{}: dimension of representations", self.trained.model);
        let y = Axis::linear("intrinsic dimension");
        let mut lines = Lines::new(title, Axis::linear("relative depth (0: images, 1: logits)"), y);
        let mut drawn = false;
        for (at, estimator) in self.estimators.iter().enumerate() {
            let mut points: Vec<(f64, &Estimate)> = self
                .found
                .iter()
                .filter_map(|layer| Some((layer.depth, layer.dims[at].as_ref().ok()?)))
                .filter(|(_, found)| [found.low, found.high].iter().all(|end| end.is_finite()))
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            if points.is_empty() {
                continue;
            }
            drawn = true;
            let column = |value: fn(&Estimate) -> f64| -> Vec<f64> {
                points.iter().map(|(_, found)| value(found)).collect()
            };
            let depths: Vec<f64> = points.iter().map(|(depth, _)| *depth).collect();
            let series = Series::new(estimator.name(), &depths, &column(|found| found.value));
            lines = lines.series(series.band(&column(|found| found.low), &column(|found| found.high)));
        }
        if !drawn {
            return Err(Failure::new("--out: no layer has a dimension, so that there is nothing to draw"));
        }
        Ok(lines.draw(SIZE)?)
    }
}

/// Layers whose dimension could not be told say why.
fn line(layer: &Representation, at: usize) -> String {
    let start = format!("  {:<13} {:>6.3} {:>10}", layer.layer, layer.depth, layer.values);
    let sharpness = match &layer.sharpness {
        None => String::new(),
        Some(Ok(found)) => format!("  {:.3e}", found.max),
        Some(Err(error)) => format!("  {error}"),
    };
    match &layer.dims[at] {
        Ok(found) => {
            let interval = format!("{:.2} .. {:.2}", found.low, found.high);
            format!("{start} {:>10.2}  {interval:<17} {:>8}{sharpness}", found.value, found.excluded.count())
        }
        Err(error) => format!("{start}  none: {error}"),
    }
}

fn compared(data: &Estimate, repr: &Estimate) -> &'static str {
    match () {
        () if repr.high < data.low => "the representations have fewer dimensions",
        () if repr.low > data.high => "the representations have more dimensions",
        () => "the intervals overlap: neither is shown to be larger",
    }
}

fn dim(estimator: &Estimator, found: &Result<Estimate>) -> Value {
    let value = found.as_ref().ok();
    json!({
        "estimator": estimator.name(),
        "convention": estimator.to_string(),
        "dim": value.map(|found| found.value),
        "low": value.map(|found| found.low),
        "high": value.map(|found| found.high),
        "excluded": value.map(|found| found.excluded.count()),
        "error": found.as_ref().err().map(Error::to_string),
    })
}

fn sharpness(found: &Result<LabelSharpness>) -> Value {
    let value = found.as_ref().ok();
    json!({
        "max": value.map(|found| found.max),
        "mean": value.map(|found| found.mean),
        "sd": value.map(|found| found.sd),
        "contradictions": value.map(|found| found.contradictions),
        "pair": value.and_then(|found| found.sharpest.first()).map(|sharp| sharp.pair),
        "error": found.as_ref().err().map(Error::to_string),
    })
}
