//! One dataset, measured: the order of the steps, and what they found.

use crate::args::Args;
use crate::failure::{Failure, advise};
use crate::inputs::Input;
use crate::progress::{Clock, bar, fraction_bar, show};
use sharpdim::data::{Dataset, Loaded};
use sharpdim::measure::{Estimate, Estimator, LabelSharpness, Protocol, estimates, label_sharpness};
use sharpdim::ops::{Neighbours, neighbours_with};
use sharpdim::{Device, Error, Points};
use std::path::PathBuf;

pub struct Measured<'a> {
    pub args: &'a Args,
    pub device: &'a Device,
    pub name: String,
    pub path: Option<PathBuf>,
    pub format: &'static str,
    pub loaded: Loaded,
    pub notes: Vec<String>,
    /// What each estimator says, or why it says nothing.
    pub estimates: Vec<(Estimator, Result<Estimate, String>)>,
    /// As many neighbours of each sample as the estimators read.
    pub nearest: Neighbours,
    /// `None` where there are no labels.
    pub sharpness: Option<LabelSharpness>,
    pub seconds: Seconds,
}

/// How long each step took.
#[derive(Default)]
pub struct Seconds {
    pub load: f64,
    pub preprocess: f64,
    pub neighbours: f64,
    pub sharpness: f64,
}

impl Seconds {
    pub fn steps(&self) -> [(&'static str, f64); 4] {
        [
            ("load", self.load),
            ("preprocess", self.preprocess),
            ("neighbours", self.neighbours),
            ("sharpness", self.sharpness),
        ]
    }

    pub fn total(&self) -> f64 {
        self.steps().iter().map(|(_, took)| took).sum()
    }
}

pub fn measure<'a>(args: &'a Args, device: &'a Device, input: Input) -> Result<Measured<'a>, Failure> {
    let Input { name, path, dataset, took } = input;
    let mut clock = Clock::start();
    let mut seconds = Seconds { load: took, ..Seconds::default() };
    let loaded = load(args, &dataset)?;
    seconds.preprocess = clock.lap();

    let points = loaded.samples.points()?;
    let (nearest, found) = dimensions(device, &points, &args.estimators())?;
    seconds.neighbours = clock.lap();

    let protocol = args.protocol();
    let sharpness = match dataset.is_labelled() {
        true => {
            let bar = fraction_bar("label sharpness");
            let show = |done| show(&bar, done);
            Some(label_sharpness(device, &points, &loaded.labels, protocol, args.top(), &show)?)
        }
        false => None,
    };
    seconds.sharpness = clock.lap();

    let mut notes = loaded.notes.clone();
    for (estimator, found) in &found {
        if let Err(why) = found {
            notes.push(format!("no {}: {why}", estimator.name()));
        }
    }
    if sharpness.is_none() {
        notes.push("label sharpness compares classes: without labels it is left out".into());
    }
    let for_images = args.for_images();
    if loaded.features && !for_images.is_empty() {
        let verb = if for_images.len() == 1 { "is" } else { "are" };
        let names = for_images.join(", ");
        notes.push(format!("{names} {verb} for images: features are taken as they are"));
    }
    if protocol == Protocol::AllPairs && (args.samples.is_some() || args.repeats.is_some()) {
        notes.push("--samples and --repeats are for --protocol paper: all pairs were compared".into());
    }
    let format = dataset.format();
    Ok(Measured {
        args,
        device,
        name,
        path,
        format,
        loaded,
        notes,
        estimates: found,
        nearest,
        sharpness,
        seconds,
    })
}

fn load(args: &Args, dataset: &Dataset) -> Result<Loaded, Failure> {
    let bar = bar("loading images", dataset.len());
    let loaded = dataset.load(&args.preprocess(), &|finished| bar.inc(finished as u64));
    loaded.map_err(|error| match error {
        Error::Format { .. } | Error::Io { .. } if !args.skip_bad => {
            advise(error, "--skip-bad leaves out images that cannot be read")
        }
        _ => error.into(),
    })
}

type Found = Vec<(Estimator, Result<Estimate, String>)>;

/// One search serves all estimators. One of several that has too few samples says so; where none has enough,
/// that is an error.
fn dimensions(
    device: &Device,
    points: &Points<'_>,
    asked: &[Estimator],
) -> Result<(Neighbours, Found), Failure> {
    let n = points.n();
    let fit: Vec<Estimator> = asked.iter().copied().filter(|e| e.neighbours() < n).collect();
    let searched = if fit.is_empty() { asked } else { &fit };
    let k = searched.iter().map(Estimator::neighbours).max().unwrap_or(2);
    let bar = fraction_bar("neighbours");
    let nearest =
        neighbours_with(device, points, k, &|done| show(&bar, done)).map_err(|error| match error {
            Error::Data(_) => advise(error, "--k asks for fewer"),
            _ => error.into(),
        })?;
    drop(bar);
    let mut measured = estimates(points, &nearest, &fit)?.into_iter();
    let mut errors = Vec::new();
    let mut found = Vec::new();
    for &estimator in asked {
        let least = estimator.neighbours() + 1;
        let measured = if least <= n { measured.next() } else { None };
        let estimate = match measured {
            Some(estimate) => estimate.map_err(|error| {
                let why = error.to_string();
                errors.push(error);
                why
            }),
            None => Err(format!("its {} neighbours need {least} samples, and there are {n}", least - 1)),
        };
        found.push((estimator, estimate));
    }
    match errors.into_iter().next() {
        Some(error) if found.iter().all(|(_, estimate)| estimate.is_err()) => Err(error.into()),
        _ => Ok((nearest, found)),
    }
}

impl Measured<'_> {
    /// The estimates there are.
    pub fn found(&self) -> impl Iterator<Item = &Estimate> {
        self.estimates.iter().filter_map(|(_, found)| found.as_ref().ok())
    }

    pub fn estimate(&self, name: &str) -> Option<&Estimate> {
        self.found().find(|estimate| estimate.estimator.name() == name)
    }

    /// The estimate that stands for all: the paper's where it is among them.
    pub fn main_estimate(&self) -> Option<&Estimate> {
        self.estimate("mle").or_else(|| self.found().next())
    }

    /// The class of a sample, by name.
    pub fn class_of(&self, sample: usize) -> &str {
        &self.loaded.class_names[self.loaded.labels[sample] as usize]
    }

    /// A sample by name and, where there are labels, class.
    pub fn named(&self, sample: usize) -> String {
        let name = &self.loaded.names[sample];
        match self.sharpness {
            Some(_) => format!("{name} ({})", self.class_of(sample)),
            None => name.clone(),
        }
    }

    /// The name and number of samples of each class.
    pub fn classes(&self) -> impl Iterator<Item = (&str, usize)> {
        let mut counts = vec![0; self.loaded.class_names.len()];
        self.loaded.labels.iter().for_each(|label| counts[*label as usize] += 1);
        self.loaded.class_names.iter().map(String::as_str).zip(counts)
    }

    /// The unit of distances.
    pub fn unit(&self) -> &'static str {
        if self.loaded.features { "feature value" } else { "pixel value" }
    }
}
