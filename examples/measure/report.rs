//! What was measured, as a table for people and as JSON for programs.
//! The JSON's fields are only ever added to; what is not finite is null in it.

use crate::args::{Args, Part};
use serde_json::{Map, Value, json};
use sharpdim::data::{Loaded, Preprocess, Scale};
use sharpdim::measure::{Estimate, LabelSharpness, PaperProtocol, Protocol, ReleasedProtocol};
use sharpdim::ops::SharpPair;
use sharpdim::{Device, Values};
use std::fmt::Write;

pub struct Report<'a> {
    pub args: &'a Args,
    pub format: &'static str,
    pub loaded: Loaded,
    pub notes: Vec<String>,
    pub device: Device,
    pub estimates: Vec<Estimate>,
    /// `None` where there are no labels.
    pub sharpness: Option<LabelSharpness>,
    pub seconds: Seconds,
}

pub struct Seconds {
    pub load: f64,
    pub preprocess: f64,
    pub neighbours: f64,
    pub sharpness: f64,
    pub total: f64,
}

/// Classes, skipped images and the like are listed up to this many.
const LISTED: usize = 10;

impl Report<'_> {
    pub fn json(&self) -> String {
        let loaded = &self.loaded;
        let Preprocess { antialias, .. } = self.args.preprocess();
        let classes: Map<String, Value> =
            self.classes().map(|(name, count)| (name.to_owned(), count.into())).collect();
        let estimate = |e: &Estimate| {
            let fields = json!({
                "value": e.value,
                "low": e.low,
                "high": e.high,
                "excluded": e.excluded.count(),
                "convention": e.estimator.to_string(),
            });
            (e.estimator.name().to_owned(), fields)
        };
        let estimates: Map<String, Value> = self.estimates.iter().map(estimate).collect();
        let seconds = &self.seconds;
        let skipped: Vec<Value> =
            loaded.skipped.iter().map(|(name, reason)| json!({ "name": name, "reason": reason })).collect();
        let object = json!({
            "n": loaded.samples.n(),
            "dim": loaded.samples.dim(),
            "classes": classes,
            "device": self.device.name(),
            "intrinsic_dim": estimates,
            "label_sharpness": self.sharpness.as_ref().map(|found| self.sharpness_json(found)),
            "seconds": {
                "load": seconds.load,
                "preprocess": seconds.preprocess,
                "neighbours": seconds.neighbours,
                "sharpness": seconds.sharpness,
                "total": seconds.total,
            },
            "path": self.args.path.as_ref().map(|path| path.display().to_string()),
            "format": self.format,
            "height": loaded.height,
            "width": loaded.width,
            "channels": loaded.channels,
            "values": self.values(),
            "scale": self.scale(),
            "antialias": antialias && !loaded.features,
            "features": loaded.features,
            "seed": self.args.seed,
            "skipped": skipped,
            "notes": self.notes,
            "device_description": self.device.to_string(),
            "device_fallback": self.device.fallback(),
        });
        object.to_string()
    }

    fn sharpness_json(&self, found: &LabelSharpness) -> Value {
        let pair = |sharp: &SharpPair| {
            json!({
                "pair": sharp.pair,
                "names": sharp.pair.map(|i| self.loaded.names[i].as_str()),
                "labels": sharp.pair.map(|i| self.class_of(i)),
                "distance": sharp.distance,
                "sharpness": sharp.ratio(),
            })
        };
        let first = pair(&found.sharpest[0]);
        let mut object = json!({
            "max": found.max,
            "mean": found.mean,
            "sd": found.sd,
            "pair": first["pair"],
            "pairs_compared": found.pairs_compared,
            "contradictions": found.contradictions,
            "protocol": "all-pairs",
            "distance": first["distance"],
            "pair_names": first["names"],
            "pair_labels": first["labels"],
            "sharpest": found.sharpest.iter().map(pair).collect::<Vec<_>>(),
        });
        if let Protocol::Paper(PaperProtocol { samples, repeats, seed }) = self.args.protocol() {
            object["protocol"] = "paper".into();
            object["samples"] = samples.into();
            object["repeats"] = repeats.into();
            object["seed"] = seed.into();
            object["draws"] = json!(found.draws);
        }
        object
    }

    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let mut line = |text: String| _ = writeln!(out, "{text}");
        let loaded = &self.loaded;

        line(format!("Dataset              {}", self.source()));
        let what = if loaded.features { "samples" } else { "images " };
        line(format!("  {what}            {}", loaded.samples.n()));
        let classes: Vec<String> = self.classes().map(|(name, count)| format!("{name}: {count}")).collect();
        line(format!("  classes            {}", listed(&classes, ", ")));
        line(format!("  each               {}", self.each()));
        line(format!("  preprocessing      {}", self.preprocessing()));
        let skipped: Vec<String> =
            loaded.skipped.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        if !skipped.is_empty() {
            let indent = "\n                       ";
            line(format!("  skipped            {}:{indent}{}", skipped.len(), listed(&skipped, indent)));
        }
        self.notes.iter().for_each(|note| line(format!("  note               {note}")));

        line("\nIntrinsic dimension              95 % interval     excluded  convention".into());
        for e in &self.estimates {
            let interval = format!("{:.2} .. {:.2}", e.low, e.high);
            let (name, value, excluded) = (e.estimator.name(), e.value, e.excluded.count());
            line(format!("  {name:<14} {value:>10.2}      {interval:<17} {excluded:>8}  {}", e.estimator));
        }

        if let Some(found) = &self.sharpness {
            self.sharpness_lines(found).into_iter().for_each(&mut line);
        }

        line(format!("\nDevice               {}", self.device));
        if let Some(reason) = self.device.fallback() {
            line(format!("  no GPU             {reason}"));
        }
        let Seconds { load, preprocess, neighbours, sharpness, total } = self.seconds;
        line(format!(
            "Seconds              {total:.2}: load {load:.2}, preprocess {preprocess:.2}, \
             neighbours {neighbours:.2}, sharpness {sharpness:.2}"
        ));
        out.truncate(out.trim_end().len());
        out
    }

    /// The table's part on label sharpness.
    fn sharpness_lines(&self, found: &LabelSharpness) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = |text: String| lines.push(text);
        let unit = if self.loaded.features { "feature value" } else { "pixel value" };
        line(format!("\nLabel sharpness K_F  {:.3e} per unit of {unit}", found.max));
        line(format!("  pairs compared     {}, {}", found.pairs_compared, self.pairs()));
        let of_what = match self.args.protocol() {
            Protocol::AllPairs => "of 1 / distance over the pairs of different classes",
            Protocol::Paper(_) | Protocol::Released(_) => "of K_F over draws",
        };
        line(format!("  mean, sd           {:.3e}, {:.3e} {of_what}", found.mean, found.sd));
        let meaning = match found.contradictions {
            0 => "",
            _ => " (pairs of identical images with different labels, left out)",
        };
        line(format!("  contradictions     {}{meaning}", found.contradictions));
        line("  sharpest pairs     1 / distance    distance".into());
        for sharp in &found.sharpest {
            let [a, b] = sharp.pair.map(|i| format!("{} ({})", self.loaded.names[i], self.class_of(i)));
            line(format!(
                "                        {:.3e}  {:>10.1}  {a}, {b}",
                sharp.ratio(),
                sharp.distance
            ));
        }
        lines
    }

    /// What a sample is.
    fn each(&self) -> String {
        let Loaded { height, width, channels, features, .. } = self.loaded;
        let (dim, values) = (self.loaded.samples.dim(), self.values());
        match (features, channels) {
            (true, _) => format!("{dim} features ({values})"),
            (false, 1) => format!("{height} x {width} gray: {dim} values ({values})"),
            (false, _) => format!("{height} x {width} RGB: {dim} values ({values})"),
        }
    }

    fn source(&self) -> String {
        let part = match self.args.split {
            Part::Train => "",
            Part::Test => ", test part",
        };
        match &self.args.path {
            Some(path) => format!("{} ({}{part})", path.display(), self.format),
            None => {
                "generated images (no path given): striped ellipses, with a bright spot or without".into()
            }
        }
    }

    /// The name and number of samples of each class.
    fn classes(&self) -> impl Iterator<Item = (&str, usize)> {
        let mut counts = vec![0; self.loaded.class_names.len()];
        self.loaded.labels.iter().for_each(|label| counts[*label as usize] += 1);
        self.loaded.class_names.iter().map(String::as_str).zip(counts)
    }

    fn class_of(&self, sample: usize) -> &str {
        &self.loaded.class_names[self.loaded.labels[sample] as usize]
    }

    /// What samples are stored as.
    fn values(&self) -> &'static str {
        match self.loaded.samples.points().map(|points| points.values()) {
            Ok(Values::U8(_)) => "u8",
            _ => "f32",
        }
    }

    fn scale(&self) -> &'static str {
        match (self.loaded.features, self.args.preprocess().scale) {
            (false, Scale::Max) => "max",
            _ => "none",
        }
    }

    fn preprocessing(&self) -> String {
        if self.loaded.features {
            return "none: features as they are".into();
        }
        let Preprocess { scale, size, antialias, .. } = self.args.preprocess();
        let scaled = match scale {
            Scale::Max => "each image scaled by its maximum to 8 bits",
            Scale::None => "values as they are",
        };
        match (size, antialias) {
            (None, _) => format!("{scaled}; size as it is"),
            (Some(_), true) => format!("{scaled}; resized, bilinear, antialiased"),
            (Some(_), false) => format!("{scaled}; resized, bilinear"),
        }
    }

    fn pairs(&self) -> String {
        match self.args.protocol() {
            Protocol::AllPairs => "all there are".into(),
            Protocol::Paper(PaperProtocol { samples, repeats, seed }) => {
                format!("in {repeats} class-balanced draws of {samples} (seed {seed})")
            }
            Protocol::Released(ReleasedProtocol { samples, batch, repeats, seed }) => {
                format!("as the released code does, in {repeats} draws of {samples} by {batch} (seed {seed})")
            }
        }
    }
}

/// The first few, and how many more there are.
fn listed(all: &[String], separator: &str) -> String {
    let mut text = all[..all.len().min(LISTED)].join(separator);
    if all.len() > LISTED {
        let _ = write!(text, "{separator}and {} more", all.len() - LISTED);
    }
    text
}
