//! The results of attacks, as a table for people, as JSON for programs, and as curves.

use crate::attack::args::Args;
use crate::attack::run::{Found, Ran};
use crate::failure::Failure;
use crate::inputs::Input;
use serde_json::{Value, json};
use sharpdim::Device;
use sharpdim::attack::{Estimate, Norm};
use sharpdim::figure::{Axis, Figure, Lines, Series, Size};
use sharpdim::nn::Trained;

const SIZE: Size = Size { width: 640, height: 420 };

/// All that is shown of a run.
pub struct Shown<'a> {
    pub args: &'a Args,
    pub trained: &'a Trained,
    pub input: &'a Input,
    pub device: &'a Device,
    pub found: &'a Found,
}

/// The quantiles of least epsilons that are shown: of images classified correctly unattacked, None where more are not flipped.
struct Least {
    right: usize,
    flipped: usize,
    median: Option<f32>,
}

impl Least {
    fn new(ran: &Ran) -> Option<Self> {
        let mut right: Vec<Option<f32>> =
            ran.least.as_ref()?.iter().copied().filter(|least| *least != Some(0.0)).collect();
        // Images that were not flipped sort last.
        let order = |least: &Option<f32>| least.unwrap_or(f32::INFINITY);
        right.sort_by(|a, b| order(a).total_cmp(&order(b)));
        let flipped = right.iter().flatten().count();
        Some(Least { right: right.len(), flipped, median: right.get(right.len() / 2).copied().flatten() })
    }
}

impl Shown<'_> {
    pub fn table(&self) -> String {
        let mut lines = self.input.lines(self.trained);
        let clean = self.found.ran.first().map(|ran| (ran.report.clean_loss, ran.report.clean_accuracy));
        if let Some((loss, accuracy)) = clean {
            lines.push(format!("Unattacked  loss {}, accuracy {}", number(&loss), percent(&accuracy)));
        }
        for ran in &self.found.ran {
            lines.push(format!("\n{}", ran.report.attack));
            if !ran.report.levels.is_empty() {
                lines.push(format!(
                    "  {:<8}{:<26}{:<26}{:<23}{:<23}{:>6}  {:>8}",
                    "epsilon",
                    "loss",
                    "loss penalty",
                    "accuracy, %",
                    "accuracy penalty, %",
                    "masked",
                    "images/s"
                ));
            }
            for (level, speed) in ran.report.levels.iter().zip(&ran.images_per_second) {
                lines.push(format!(
                    "  {:<8}{:<26}{:<26}{:<23}{:<23}{:>6}  {speed:>8.1}",
                    level.epsilon,
                    number(&level.loss),
                    number(&level.loss_penalty),
                    percent(&level.accuracy),
                    percent(&level.accuracy_penalty),
                    level.masked,
                ));
            }
            if let Some((Least { right, flipped, median }, upper)) = Least::new(ran).zip(self.args.least) {
                let median = median.map_or_else(|| format!("above {upper}"), |median| median.to_string());
                lines.push(format!(
                    "  least epsilon that flips an image: {flipped} of {right} by {upper}; median {median}"
                ));
            }
        }
        if self.found.stopped {
            lines.push("\nStopped: what was not finished is left out".into());
        }
        lines.push(format!("\nDevice      {}", self.device));
        if let Some(reason) = self.device.fallback() {
            lines.push(format!("  no GPU    {reason}"));
        }
        lines.extend(self.files().map(|path| format!("Written     {path}")));
        lines.join("\n")
    }

    fn files(&self) -> impl Iterator<Item = String> {
        let written = [&self.args.out, &self.args.curves].into_iter().flatten();
        let drawn = self.found.drawable();
        written.filter(move |_| drawn).map(|path| path.display().to_string())
    }

    pub fn json(&self) -> Value {
        let first = self.found.ran.first().map(|ran| &ran.report);
        let attack = |ran: &Ran| {
            let levels = ran.report.levels.iter().zip(&ran.images_per_second).map(|(level, speed)| {
                json!({
                    "epsilon": level.epsilon,
                    "loss": estimate(&level.loss),
                    "loss_penalty": estimate(&level.loss_penalty),
                    "accuracy": estimate(&level.accuracy),
                    "accuracy_penalty": estimate(&level.accuracy_penalty),
                    "masked": level.masked,
                    "images_per_second": speed,
                })
            });
            json!({
                "attack": ran.report.attack,
                "norm": match ran.norm { Norm::Linf => "linf", Norm::L2 => "l2" },
                "levels": levels.collect::<Vec<_>>(),
                "least_epsilon": ran.least,
            })
        };
        json!({
            "checkpoint": self.args.checkpoint.display().to_string(),
            "model": self.trained.model.name(),
            "epochs": self.trained.history.len(),
            "images": self.input.what,
            "n": self.input.images.len(),
            "trained_on": self.input.trained_on,
            "notes": self.input.notes,
            "loss": first.map(|report| estimate(&report.clean_loss)),
            "accuracy": first.map(|report| estimate(&report.clean_accuracy)),
            "attacks": self.found.ran.iter().map(attack).collect::<Vec<_>>(),
            "stopped": self.found.stopped,
            "device": self.device.name(),
            "figures": self.files().collect::<Vec<_>>(),
        })
    }

    /// Loss penalty against epsilon, a line for each attack.
    pub fn curves(&self) -> Result<Figure, Failure> {
        let title = format!("{}: loss penalty under attack", self.trained.model);
        let x = match self.args.norm {
            crate::attack::args::NormName::Linf => "epsilon (L∞, pixel units)",
            crate::attack::args::NormName::L2 => "epsilon (L2, pixel units)",
        };
        let mut lines = Lines::new(title, Axis::linear(x), Axis::linear("attacked loss - unattacked loss"));
        for ran in self.found.ran.iter().filter(|ran| !ran.report.levels.is_empty()) {
            let mut levels: Vec<_> = ran.report.levels.iter().collect();
            levels.sort_by(|a, b| a.epsilon.total_cmp(&b.epsilon));
            levels.dedup_by_key(|level| level.epsilon);
            let column = |value: fn(&Estimate) -> f64| -> Vec<f64> {
                levels.iter().map(|level| value(&level.loss_penalty)).collect()
            };
            let epsilons: Vec<f64> = levels.iter().map(|level| f64::from(level.epsilon)).collect();
            let series = Series::new(&ran.report.attack, &epsilons, &column(|found| found.value));
            lines = lines
                .series(series.band(&column(|found| found.interval[0]), &column(|found| found.interval[1])));
        }
        Ok(lines.draw(SIZE)?)
    }
}

fn number(found: &Estimate) -> String {
    format!("{:.4} [{:.4}, {:.4}]", found.value, found.interval[0], found.interval[1])
}

fn percent(found: &Estimate) -> String {
    let [value, low, high] = [found.value, found.interval[0], found.interval[1]].map(|part| 100.0 * part);
    format!("{value:.1} [{low:.1}, {high:.1}]")
}

fn estimate(found: &Estimate) -> Value {
    json!({ "value": found.value, "low": found.interval[0], "high": found.interval[1] })
}
