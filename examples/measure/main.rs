//! Measures a labelled image dataset: its intrinsic dimension and its label sharpness, as a table or as JSON.
//! The library does the measuring; here are the order of the steps, the clock, and advice on errors.

mod args;
mod report;

use args::Args;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use report::{Report, Seconds};
use sharpdim::data::{Dataset, OpenOptions, Selection};
use sharpdim::measure::{Estimator, Protocol, estimate, label_sharpness};
use sharpdim::ops::neighbours_with;
use sharpdim::{Device, Error};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let done = Args::read().and_then(|args| {
        let report = measure(&args)?;
        print(&report)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Not eprintln!, which panics where stderr is closed.
            let _ = writeln!(io::stderr(), "measure: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// Why there is no result: 2 is the exit code for a command line that makes no sense, 1 for all else.
struct Failure {
    code: u8,
    message: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { code: 1, message: error.to_string() }
    }
}

/// The library's error, and what on the command line may help.
fn advise(error: Error, advice: &str) -> Failure {
    Failure { code: 1, message: format!("{error}; {advice}") }
}

/// The report as a table or as JSON, made as text first: nothing of it is printed where something failed.
fn measure(args: &Args) -> Result<String, Failure> {
    let mut clock = Clock { start: Instant::now(), last: Instant::now() };
    let device = Device::parse(&args.device).map_err(|error| Failure {
        code: if matches!(error, Error::Argument(_)) { 2 } else { 1 },
        message: error.to_string(),
    })?;

    let dataset = open(args)?;
    two_classes(&dataset)?;
    let load = clock.lap();

    let bar = bar("loading images", dataset.len(), "{pos}/{len}");
    let loaded =
        dataset.load(&args.preprocess(), &|finished| bar.inc(finished as u64)).map_err(
            |error| match error {
                Error::Format { .. } | Error::Io { .. } if !args.skip_bad => {
                    advise(error, "--skip-bad leaves out images that cannot be read")
                }
                _ => error.into(),
            },
        )?;
    drop(bar);
    let preprocess = clock.lap();

    // One search serves all estimators.
    let estimators = args.estimators();
    let k = estimators.iter().map(Estimator::neighbours).max().unwrap_or(2);
    let points = loaded.samples.points()?;
    let bar = fraction_bar("neighbours");
    let nearest =
        neighbours_with(&device, &points, k, &|done| show(&bar, done)).map_err(|error| match error {
            Error::Data(_) => advise(error, "--k asks for fewer"),
            _ => error.into(),
        })?;
    drop(bar);
    let estimates = estimators.iter().map(|e| estimate(&nearest, e)).collect::<Result<Vec<_>, _>>()?;
    let neighbours = clock.lap();

    let protocol = args.protocol();
    let sharpness = match dataset.is_labelled() {
        true => {
            let bar = fraction_bar("label sharpness");
            let show = |done| show(&bar, done);
            Some(label_sharpness(&device, &points, &loaded.labels, protocol, args.top, &show)?)
        }
        false => None,
    };
    let sharpness_took = clock.lap();

    let total = clock.start.elapsed().as_secs_f64();
    let seconds = Seconds { load, preprocess, neighbours, sharpness: sharpness_took, total };
    let mut notes = loaded.notes.clone();
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
    let report =
        Report { args, format: dataset.format(), loaded, notes, device, estimates, sharpness, seconds };
    Ok(if args.json { report.json() } else { report.table() })
}

/// The images asked for; without a path, generated ones.
fn open(args: &Args) -> Result<Dataset, Error> {
    let selection = Selection { classes: args.classes.clone(), per_class: args.per_class, seed: args.seed };
    match &args.path {
        Some(path) => Dataset::open_with(path, &OpenOptions { split: args.split.into() })?.select(&selection),
        None => Dataset::generated(args.per_class.unwrap_or(500), 64, args.seed)?.select(&selection),
    }
}

/// Label sharpness needs two classes; better said now than after the images are loaded and compared. Where
/// there are no labels at all it is not asked for.
fn two_classes(dataset: &Dataset) -> Result<(), Failure> {
    if !dataset.is_labelled() {
        return Ok(());
    }
    let counts = dataset.class_counts();
    let mut present = dataset.class_names().iter().zip(counts).filter(|(_, count)| *count > 0);
    match (present.next(), present.next()) {
        (Some((only, count)), None) => Err(Failure {
            code: 1,
            message: format!(
                "all {count} images are of one class, {only:?}: label sharpness compares at least two; \
                 measure a dataset that has two, or name two of its classes with --classes A,B"
            ),
        }),
        _ => Ok(()),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        // Whoever reads has read enough, as `head` does.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure { code: 1, message: format!("cannot write the result: {error}") })
        }
        _ => Ok(()),
    }
}

struct Clock {
    start: Instant,
    last: Instant,
}

impl Clock {
    /// Seconds since the last lap.
    fn lap(&mut self) -> f64 {
        let now = Instant::now();
        let lap = (now - self.last).as_secs_f64();
        self.last = now;
        lap
    }
}

/// A bar on stderr, not drawn where that is no terminal; it goes when it is dropped.
fn bar(what: &'static str, len: usize, count: &str) -> ProgressBar {
    let template = format!("{{prefix:15}} [{{bar:40}}] {count} {{eta}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(len as u64)
        .with_style(style.progress_chars("=> "))
        .with_prefix(what)
        .with_finish(ProgressFinish::AndClear)
}

fn fraction_bar(what: &'static str) -> ProgressBar {
    bar(what, 1000, "{percent} %")
}

fn show(bar: &ProgressBar, done: f64) {
    bar.set_position((done * 1000.0) as u64);
}
