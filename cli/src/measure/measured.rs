//! One dataset, measured: the order of the steps, and what they found.

use crate::failure::{Failure, advise};
use crate::measure::args::Args;
use crate::measure::calibrated::{self, Calibrated};
use crate::measure::cross::{self, Cross};
use crate::measure::inputs::Input;
use crate::measure::progress::{Clock, bar, fraction_bar, show};
use sharpdim::data::{Cache, CacheSize, Dataset, Loaded};
use sharpdim::measure::{
    BetweenGroups, Curation, Curve, CurveOptions, Estimate, Estimator, Group, LabelSharpness, Protocol,
    Spread, curate_from, dimension_curves, estimates_of, few_classes, label_sharpness,
    sharpness_between_groups,
};
use sharpdim::ops::{AllPairs, Neighbours, Wanted, all_pairs};
use sharpdim::{Device, Error, Points};
use std::path::PathBuf;

pub struct Measured<'a> {
    pub args: &'a Args,
    pub device: &'a Device,
    pub name: String,
    pub path: Option<PathBuf>,
    pub format: &'static str,
    pub loaded: Loaded,
    /// The cache that images came from or were put in, and its size after that; `None` where there is none.
    pub cache: Option<(Cache, CacheSize)>,
    pub notes: Vec<String>,
    /// What each estimator says, or why it says nothing.
    pub estimates: Vec<(Estimator, Result<Estimate, String>)>,
    /// As many neighbours of each sample as the estimators read.
    pub nearest: Neighbours,
    /// `None` where it is not asked for.
    pub calibrated: Option<Calibrated>,
    /// `None` where there are no labels.
    pub sharpness: Option<LabelSharpness>,
    /// Between patients; `None` where patients are unknown.
    pub apart: Option<BetweenGroups>,
    /// `None` where they are not asked for.
    pub curves: Option<Vec<Curve>>,
    /// `None` where it is not asked for, or there are no labels.
    pub curation: Option<Curation>,
    /// What was found with the query set; `None` where there is none.
    pub cross: Option<Cross>,
    pub seconds: Seconds,
}

/// How long each step took.
#[derive(Default)]
pub struct Seconds {
    pub load: f64,
    pub preprocess: f64,
    /// One pass over all pairs: neighbours, label sharpness, class pairs.
    pub pairs: f64,
    pub estimates: f64,
    /// What of label sharpness is not in that pass: draws, and pairs between patients.
    pub sharpness: f64,
    pub calibration: f64,
    pub curves: f64,
    pub curation: f64,
    pub cross: f64,
}

impl Seconds {
    /// Every step that was taken.
    pub fn steps(&self) -> Vec<(&'static str, f64)> {
        let further = [
            ("curves", self.curves),
            ("curation", self.curation),
            ("cross", self.cross),
            ("calibration", self.calibration),
        ];
        let always = [
            ("load", self.load),
            ("preprocess", self.preprocess),
            ("pairs", self.pairs),
            ("estimates", self.estimates),
            ("sharpness", self.sharpness),
        ];
        always.into_iter().chain(further.into_iter().filter(|(_, took)| *took > 0.0)).collect()
    }

    pub fn total(&self) -> f64 {
        self.steps().iter().map(|(_, took)| took).sum()
    }
}

pub fn measure<'a>(
    args: &'a Args,
    device: &'a Device,
    input: Input,
    query: Option<&Input>,
) -> Result<Measured<'a>, Failure> {
    let Input { name, path, dataset, took } = input;
    let mut clock = Clock::start();
    let mut seconds = Seconds { load: took, ..Seconds::default() };
    let loaded = load(args, &dataset, Hold::asked(args, &dataset, query)?)?;
    seconds.preprocess = clock.lap();
    // One that cannot be read has been noted: it could not be written either.
    let cache = dataset.cache().map(|cache| (cache.clone(), cache.size().unwrap_or_default()));

    let points = loaded.samples.points()?;
    calibrated::check(args, points.n())?;
    let protocol = args.protocol();
    let labels = dataset.is_labelled().then_some(&loaded.labels[..]);
    let patients = loaded.patients.as_ref().filter(|_| labels.is_some());
    let within = Estimator::within(&fit(&args.estimators(), points.n()));
    let to_curate = args.curation().filter(|_| labels.is_some());
    let wanted = Wanted {
        k: neighbours_asked(&args.estimators(), points.n()),
        // The paper's protocol and the released code's have draws of their own.
        labels: labels
            .filter(|_| protocol == Protocol::AllPairs || patients.is_some() || to_curate.is_some()),
        top: if patients.is_some() { BetweenGroups::pairs_for(args.top()) } else { args.top() },
        class_pairs: to_curate.is_some() && few_classes(&loaded.labels),
        within: &within,
    };
    let mut pairs = all_pairs_of(device, &points, &wanted)?;
    seconds.pairs = clock.lap();
    let found = dimensions(device, &points, &pairs, &args.estimators())?;
    seconds.estimates = clock.lap();

    let sharpness = match (labels, protocol) {
        (None, _) => None,
        (Some(_), Protocol::AllPairs) => {
            if let Some(Err(error)) = pairs.sharpness.take_if(|found| found.is_err()) {
                return Err(error.into());
            }
            let found = pairs.sharpness.iter().flatten().next().cloned();
            found.map(|mut found| {
                found.sharpest.truncate(args.top());
                LabelSharpness::from(found)
            })
        }
        (Some(labels), _) => {
            let bar = fraction_bar("label sharpness");
            let show = |done| show(&bar, done);
            Some(label_sharpness(device, &points, labels, protocol, args.top(), &show)?)
        }
    };
    let (mut apart, mut within_patients) = (None, None);
    if let Some(patients) = patients {
        match between_patients(args, device, &points, &loaded.labels, patients, &pairs) {
            Err(Error::Data(why)) => within_patients = Some(format!("no K_F between patients: {why}")),
            found => apart = Some(found?),
        }
    }
    seconds.sharpness = clock.lap();

    let curves = if args.curves() { Some(curves(args, device, &points, &found)?) } else { None };
    seconds.curves = if curves.is_some() { clock.lap() } else { 0.0 };

    let mut notes = notes(args, &loaded, sharpness.is_some(), &found);
    notes.extend(within_patients);
    let mut curation = None;
    if let Some(options) = to_curate {
        let bar = fraction_bar("curation");
        let show = |done| show(&bar, done);
        match curate_from(device, &points, &loaded.labels, &options, &pairs, &show) {
            // A page can do without what was not asked for by name.
            Err(Error::Data(why)) if !args.asks_for_curation() => notes.push(format!("no curation: {why}")),
            found => curation = Some(found?),
        }
    }
    seconds.curation = if curation.is_some() { clock.lap() } else { 0.0 };

    let cross = match query {
        Some(query) => Some(cross::measure(args, device, &loaded, dataset.is_labelled(), query)?),
        None => None,
    };
    seconds.cross = if cross.is_some() { clock.lap() } else { 0.0 };

    let mut calibrated = None;
    if args.calibrate {
        let estimates = found.iter().filter_map(|(_, found)| found.as_ref().ok());
        let found = calibrated::calibrate(args, device, points.n(), estimates)?;
        notes.extend(found.notes.iter().cloned());
        calibrated = Some(found);
        seconds.calibration = clock.lap();
    }

    let format = dataset.format();
    Ok(Measured {
        args,
        device,
        name,
        path,
        format,
        loaded,
        cache,
        notes,
        estimates: found,
        nearest: pairs.neighbours,
        calibrated,
        sharpness,
        apart,
        curves,
        curation,
        cross,
        seconds,
    })
}

/// Notes beside the numbers.
fn notes(args: &Args, loaded: &Loaded, labelled: bool, found: &Found) -> Vec<String> {
    let mut notes = loaded.notes.clone();
    for (estimator, found) in found {
        if let Err(why) = found {
            notes.push(format!("no {}: {why}", estimator.name()));
        }
    }
    if !labelled {
        notes.push("label sharpness compares classes: without labels it is left out".into());
    }
    let for_images = args.for_images();
    if loaded.features && !for_images.is_empty() {
        let verb = if for_images.len() == 1 { "is" } else { "are" };
        let names = for_images.join(", ");
        notes.push(format!("{names} {verb} for images: features are taken as they are"));
    }
    if args.protocol() == Protocol::AllPairs && (args.samples.is_some() || args.repeats.is_some()) {
        notes.push(
            "--samples and --repeats are for --protocol paper or released: all pairs were compared".into(),
        );
    }
    notes
}

/// Against k and the number of samples.
fn curves(args: &Args, device: &Device, points: &Points<'_>, found: &Found) -> Result<Vec<Curve>, Failure> {
    let mut options = CurveOptions { seed: args.seed, ..CurveOptions::for_samples(points.n()) };
    // Of a handful of samples an eighth is none.
    options.sizes.retain(|size| *size > 0);
    // Those that look at samples again at every k and size take minutes: only where they are asked for.
    let wanted = |estimator: &Estimator| !args.estimator.is_empty() || !estimator.needs_samples();
    let able: Vec<Estimator> = found
        .iter()
        .filter(|(estimator, estimate)| estimate.is_ok() && wanted(estimator))
        .map(|(estimator, _)| *estimator)
        .collect();
    let bar = fraction_bar("curves");
    Ok(dimension_curves(device, points, &able, &options, &|done| show(&bar, done))?)
}

/// How enlarged images are held.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    Embeddings,
    Pixels,
}

impl Hold {
    /// Embeddings, unless those of the query set would be others: there are no distances between such.
    fn asked(args: &Args, dataset: &Dataset, query: Option<&Input>) -> Result<Self, Failure> {
        let Some(query) = query else { return Ok(Hold::Embeddings) };
        let embedding =
            |dataset: &Dataset| dataset.embedding(&args.preprocess()).map_err(|e| advised(args, e));
        let of_query = embedding(&query.dataset).map_err(|failure| failure.in_dataset(&query.name))?;
        Ok(if embedding(dataset)? == of_query { Hold::Embeddings } else { Hold::Pixels })
    }

    /// How these images are held.
    pub fn current(loaded: &Loaded) -> Self {
        if loaded.samples.embedding().is_some() { Hold::Embeddings } else { Hold::Pixels }
    }
}

pub fn load(args: &Args, dataset: &Dataset, hold: Hold) -> Result<Loaded, Failure> {
    let bar = bar("loading images", dataset.len());
    let progress = |finished| bar.inc(finished as u64);
    let loaded = match hold {
        Hold::Embeddings => dataset.load(&args.preprocess(), &progress),
        Hold::Pixels => dataset.load_pixels(&args.preprocess(), &progress),
    };
    loaded.map_err(|error| advised(args, error))
}

/// An error of images, with advice.
fn advised(args: &Args, error: Error) -> Failure {
    match error {
        Error::Format { .. } | Error::Io { .. } if !args.skip_bad => {
            advise(error, "--skip-bad leaves out images that cannot be read")
        }
        _ => error.into(),
    }
}

type Found = Vec<(Estimator, Result<Estimate, String>)>;

/// Estimators that have samples enough.
fn fit(asked: &[Estimator], n: usize) -> Vec<Estimator> {
    asked.iter().copied().filter(|estimator| estimator.neighbours() < n).collect()
}

/// As many neighbours as one search needs to serve all estimators that have samples enough.
fn neighbours_asked(asked: &[Estimator], n: usize) -> usize {
    let fit = fit(asked, n);
    let searched = if fit.is_empty() { asked } else { &fit };
    searched.iter().map(|estimator| estimator.reach(n)).max().unwrap_or(2)
}

fn all_pairs_of(device: &Device, points: &Points<'_>, wanted: &Wanted<'_>) -> Result<AllPairs, Failure> {
    let bar = fraction_bar("pairs");
    all_pairs(device, points, wanted, &|done| show(&bar, done)).map_err(|error| match error {
        Error::Data(_) => advise(error, "--k asks for fewer"),
        _ => error.into(),
    })
}

/// Label sharpness over pairs of different patients; from the sharpest pairs of all, where these are enough.
fn between_patients(
    args: &Args,
    device: &Device,
    points: &Points<'_>,
    labels: &[u32],
    patients: &[u32],
    pairs: &AllPairs,
) -> sharpdim::Result<BetweenGroups> {
    if let Some(Ok(found)) = &pairs.sharpness {
        let complete = found.sharpest.len() < BetweenGroups::pairs_for(args.top());
        if let Some(found) = BetweenGroups::among(&found.sharpest, complete, patients, args.top()) {
            return found;
        }
    }
    let bar = fraction_bar("between patients");
    sharpness_between_groups(device, points, labels, patients, args.top(), &|done| show(&bar, done))
}

/// What each estimator says. One of several that has too few samples says so; where none has enough, that is an error.
fn dimensions(
    device: &Device,
    points: &Points<'_>,
    pairs: &AllPairs,
    asked: &[Estimator],
) -> Result<Found, Failure> {
    let n = points.n();
    let fit = fit(asked, n);
    let mut measured = estimates_of(device, points, pairs, &fit)?.into_iter();
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
        _ => Ok(found),
    }
}

/// The groups of near-duplicates that hold several classes, and those of one class.
pub fn across_and_within(curation: &Curation) -> (Vec<&Group>, Vec<&Group>) {
    curation.near_duplicates.iter().partition(|group| group.classes > 1)
}

/// Label sharpness of all, and without what there is to leave out.
pub fn what_is_left(curation: &Curation) -> Vec<(&'static str, &Spread)> {
    let contradictions =
        curation.without_contradictions.as_ref().filter(|_| !curation.contradictions.is_empty());
    let near_duplicates = curation.without_near_duplicates.as_ref().filter(|_| !curation.left_out.is_empty());
    let parts = [
        ("all", Some(&curation.all)),
        ("without contradictions", contradictions),
        ("without near-duplicates", near_duplicates),
    ];
    parts.into_iter().filter_map(|(name, spread)| Some((name, spread?))).collect()
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

    /// Why estimates are not to be trusted: those that have not settled.
    pub fn unsettled(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let curves = self.curves.iter().flatten();
        curves.filter_map(|curve| Some((curve.estimator.name(), curve.warning.as_deref()?)))
    }

    /// The unit of distances.
    pub fn unit(&self) -> &'static str {
        if self.loaded.features { "feature value" } else { "pixel value" }
    }
}
