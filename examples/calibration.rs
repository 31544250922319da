//! Tries how often calibrated intervals hold the truth: of new samples of the manifolds that they are calibrated on, and
//! of a kind that was left out. Prints Markdown tables, and with `--page` puts them into docs/coverage.md:
//!
//!     cargo run --release --example calibration -- --page docs/coverage.md

#[path = "support/page.rs"]
mod page;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use sharpdim::data::manifolds::Manifold;
use sharpdim::measure::*;
use sharpdim::{Device, Result};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// How often calibrated 95 % intervals hold the truth.
#[derive(Parser)]
struct Args {
    /// Points in a sample, above 120.
    #[arg(long, value_delimiter = ',', default_values_t = [500, 1000, 2000])]
    sizes: Vec<usize>,
    /// New samples.
    #[arg(long, default_value_t = 1200)]
    new: usize,
    /// Keep what was drawn there, and go on with it.
    #[arg(long, default_value = "target/calibration")]
    store: PathBuf,
    /// Put the tables there, in the place of those that it has.
    #[arg(long)]
    page: Option<PathBuf>,
}

/// Where the page's tables begin and end.
const MARKS: [&str; 2] = ["<!-- calibrated -->", "<!-- end of calibrated -->"];

/// Bands of dimensions, by their last.
const BANDS: [(&str, std::ops::RangeInclusive<usize>); 3] =
    [("d <= 5", 1..=5), ("d 6..20", 6..=20), ("d > 20", 21..=usize::MAX)];

/// Of a kind that was left out, by these.
const LEFT_OUT: [&str; 4] = ["mle", "twonn", "gride", "ess"];

/// Draws of one seed, from the store as far as it has them.
fn drawn(args: &Args, n: usize, seed: u64, draws: usize) -> Result<Calibration> {
    let population = Population { seed, ..Population::default() };
    let mut calibration = Calibration::new(n, &Estimator::all(), population)?;
    fs::create_dir_all(&args.store)
        .map_err(|source| sharpdim::Error::Io { path: args.store.clone(), source })?;
    let file = args.store.join(calibration.file_name());
    calibration.resume(&file)?;
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {elapsed} ({eta} left)");
    let bar = ProgressBar::new(draws as u64).with_style(style.expect("a template that is right"));
    bar.set_message(format!("N = {n}, seed {seed}"));
    while calibration.draws() < draws {
        calibration.extend(&Device::cpu(), draws.min(calibration.draws() + 48), &|_| ())?;
        calibration.save(&file)?;
        bar.set_position(calibration.draws() as u64);
    }
    Ok(calibration)
}

/// What was found of some intervals: how many hold the truth, of how many, and how wide they are.
#[derive(Default)]
struct Held {
    held: usize,
    intervals: usize,
    /// The upper end over the lower one.
    widths: Vec<f64>,
}

impl Held {
    fn add(&mut self, truth: &Truth, dim: usize) {
        self.intervals += 1;
        self.held += usize::from(truth.holds(dim as f64));
        self.widths.push(truth.high / truth.low);
    }

    fn share(&self) -> String {
        match self.intervals {
            0 => String::new(),
            intervals => {
                let share = self.held as f64 / intervals as f64;
                let text = format!("{:.0} %", 100.0 * share);
                if (0.92..=0.98).contains(&share) { format!("**{text}**") } else { text }
            }
        }
    }

    fn width(&mut self) -> String {
        self.widths.sort_by(f64::total_cmp);
        self.widths.get(self.widths.len() / 2).map_or(String::new(), |median| format!("{median:.1}"))
    }
}

/// The new draws for which an estimator said something: manifold and value.
fn said(new: &Calibration, own: usize) -> impl Iterator<Item = (Manifold, f64)> + '_ {
    (0..new.draws()).filter_map(move |at| {
        let (manifold, values) = new.draw(at);
        Some((manifold, values[own]?))
    })
}

/// A row for each estimator at one size: over all, by dimension, and how wide.
fn over_the_population(n: usize, known: &Calibration, new: &Calibration) -> Result<String> {
    let bands: Vec<&str> = BANDS.iter().map(|(name, _)| *name).collect();
    let mut table = format!(
        "**N = {n}**: how often the interval holds the truth (bold: 92..98 %), and its upper end over its\n\
         lower one, the median\n\n| estimator | all | {} | width |\n|---|---:|{}---:|\n",
        bands.join(" | "),
        "---:|".repeat(BANDS.len())
    );
    for (own, estimator) in Estimator::all().iter().enumerate() {
        let (mut all, mut by_band) = (Held::default(), BANDS.map(|_| Held::default()));
        for (manifold, value) in said(new, own) {
            let (truth, dim) = (known.truth(estimator, value)?, manifold.intrinsic_dim());
            all.add(&truth, dim);
            for (held, (_, band)) in by_band.iter_mut().zip(BANDS) {
                if band.contains(&dim) {
                    held.add(&truth, dim);
                }
            }
        }
        let cells: Vec<String> = by_band.iter().map(Held::share).collect();
        table += &format!("| {estimator} | {} | {} | {} |\n", all.share(), cells.join(" | "), all.width());
    }
    Ok(table)
}

/// A row for each kind at one size: with its own draws among the known ones, and with these left out.
fn kind_by_kind(n: usize, known: &Calibration, new: &Calibration) -> Result<String> {
    let kind = |manifold: &Manifold| -> String {
        format!("{manifold:?}").split([' ', '{']).next().unwrap_or_default().to_owned()
    };
    let all = Estimator::all();
    let shown: Vec<usize> =
        LEFT_OUT.iter().filter_map(|name| all.iter().position(|e| e.name() == *name)).collect();
    let mut kinds: Vec<String> = (0..new.draws()).map(|at| kind(&new.draw(at).0)).collect();
    kinds.sort();
    kinds.dedup();
    let mut table = format!(
        "**Kind by kind, N = {n}**: how often the interval holds the truth of a kind, and how often where\n\
         that kind was left out of the calibration\n\n| kind | {} |\n|---|{}\n",
        LEFT_OUT.map(|name| format!("`{name}` | left out")).join(" | "),
        "---:|---:|".repeat(shown.len())
    );
    let mut totals: Vec<[Held; 2]> = shown.iter().map(|_| Default::default()).collect();
    for own_kind in &kinds {
        let mut cells = Vec::new();
        for (&own, total) in shown.iter().zip(&mut totals) {
            let mut held: [Held; 2] = Default::default();
            for (manifold, value) in said(new, own).filter(|(manifold, _)| kind(manifold) == *own_kind) {
                let (estimator, dim) = (&all[own], manifold.intrinsic_dim());
                let truths = [
                    known.truth(estimator, value)?,
                    known.truth_among(estimator, value, |other| kind(other) != *own_kind)?,
                ];
                for at in 0..2 {
                    held[at].add(&truths[at], dim);
                    total[at].add(&truths[at], dim);
                }
            }
            cells.extend(held.map(|held| held.share()));
        }
        table += &format!("| {own_kind} | {} |\n", cells.join(" | "));
    }
    let cells: Vec<String> = totals.iter().flat_map(|total| total.each_ref().map(Held::share)).collect();
    table += &format!("| all | {} |\n", cells.join(" | "));
    Ok(table)
}

fn run(args: &Args) -> Result<()> {
    let mut tables = vec![format!(
        "{} draws of the population to calibrate with, {} new ones to try.",
        Calibration::DRAWS,
        args.new
    )];
    let mut first = None;
    for &n in &args.sizes {
        let known = drawn(args, n, 0, Calibration::DRAWS)?;
        let new = drawn(args, n, 1, args.new)?;
        tables.push(over_the_population(n, &known, &new)?);
        first = first.or(Some((n, known, new)));
    }
    if let Some((n, known, new)) = first {
        tables.push(kind_by_kind(n, &known, &new)?);
    }
    let tables = tables.join("\n\n").replace("\n\n\n", "\n\n");
    if let Some(page) = &args.page {
        page::put(page, MARKS, &tables);
    }
    println!("{tables}");
    Ok(())
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.sizes.iter().any(|n| *n <= 120) {
        eprintln!("calibration: above 120 points are needed");
        return ExitCode::from(2);
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("calibration: {error}");
            ExitCode::FAILURE
        }
    }
}
