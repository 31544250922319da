//! Tries how often 95 % intervals hold the truth, and the estimator's own expectation: estimators on many samples of
//! manifolds of known dimension. Prints Markdown tables, and with `--page` puts them into docs/coverage.md:
//!
//!     cargo run --release --example coverage -- --page docs/coverage.md

#[path = "../tests/support/coverage.rs"]
mod coverage;
#[path = "support/page.rs"]
mod page;

use clap::Parser;
use coverage::{Coverage, simulate};
use sharpdim::data::manifolds::Manifold;
use sharpdim::measure::*;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// How often 95 % intervals hold the truth, and the estimator's own mean.
#[derive(Parser)]
struct Args {
    /// Samples of each manifold.
    #[arg(long, default_value_t = 200)]
    repeats: u64,
    /// The same for TLE, ESS and local PCA, which cost most and are tried on a few manifolds.
    #[arg(long, default_value_t = 24)]
    costly_repeats: u64,
    /// Points in a sample, above 120.
    #[arg(long, default_value_t = 500)]
    points: usize,
    /// Other manifolds than the page's, by the names that the library reads.
    #[arg(long, value_delimiter = ',', default_values_t = MANIFOLDS.map(String::from))]
    manifolds: Vec<String>,
    /// Put the tables there, in the place of those that it has, after each manifold.
    #[arg(long)]
    page: Option<PathBuf>,
}

const MANIFOLDS: [&str; 14] = [
    "sphere:1",
    "sphere:2",
    "flat_torus:2",
    "M7_Roll",
    "flat_torus:3",
    "sphere:3",
    "M5a_Helix1d",
    "cube:2",
    "M11_Moebius",
    "M2_Affine_3to5",
    "Mp1_Paraboloid",
    "M13b_Spiral",
    "M13a_Scurve",
    "sphere:5",
];

/// Those on which the costly ones are tried too.
const COSTLY: [&str; 3] = ["sphere:1", "cube:2", "flat_torus:3"];

/// Where the page's tables begin and end.
const MARKS: [&str; 2] = ["<!-- tables -->", "<!-- end of tables -->"];

/// The defaults, with other settings of those that have little bias with them.
fn estimators() -> Vec<Estimator> {
    let duplicates = Duplicates::default();
    let mle = |k, norm, pooling| Estimator::Mle(Mle { k, norm, pooling, duplicates });
    let straight = |from, to| Estimator::GeoMle(GeoMle { from, to, degree: 1, ..GeoMle::default() });
    vec![
        Estimator::TwoNn(TwoNn::default()),
        Estimator::TwoNn(TwoNn::ClosedForm { duplicates }),
        Estimator::TwoNn(TwoNn::bayes()),
        Estimator::Gride(Gride::default()),
        Estimator::Gride(Gride { n: 4, duplicates }),
        mle(5, MleNorm::KMinus1, Pooling::Harmonic),
        mle(10, MleNorm::KMinus1, Pooling::Harmonic),
        mle(20, MleNorm::KMinus1, Pooling::Harmonic),
        mle(10, MleNorm::KMinus2, Pooling::Mean),
        Estimator::MindMl(MindMl { k: 8, whole: false, duplicates }),
        Estimator::MindMl(MindMl::default()),
        Estimator::Correlation(Correlation { k1: 5, k2: 10 }),
        Estimator::Correlation(Correlation::default()),
        straight(5, 15),
        straight(10, 40),
        Estimator::GeoMle(GeoMle::default()),
        Estimator::Mle(Mle::default()),
        Estimator::MleRange(MleRange::default()),
        Estimator::Moments(Moments::default()),
        Estimator::Tle(Tle::default()),
        Estimator::Ess(Ess::default()),
        Estimator::LocalPca(LocalPca::default()),
    ]
}

/// One table: a row for each estimator, a column for each manifold.
fn table(found: &[(String, Vec<Coverage>)], cell: impl Fn(&Coverage) -> String) -> String {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let names = found.iter().map(|(name, _)| format!("`{name}`"));
    let mut table = row(std::iter::once("estimator".into()).chain(names).collect());
    table.push_str(&format!("|---|{}\n", "---:|".repeat(found.len())));
    for estimator in estimators() {
        let cell_of =
            |(_, rows): &(String, Vec<Coverage>)| rows.iter().find(|r| r.estimator == estimator).map(&cell);
        let cells: Vec<Option<String>> = found.iter().map(cell_of).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(Option::unwrap_or_default);
            table.push_str(&row(std::iter::once(estimator.to_string()).chain(cells).collect()));
        }
    }
    table
}

fn tables(found: &[(String, Vec<Coverage>)], args: &Args) -> String {
    let Args { repeats, costly_repeats, points, .. } = args;
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let stated = |share: f64, refused: usize| {
        let share =
            if (0.92..=0.98).contains(&share) { format!("**{}**", percent(share)) } else { percent(share) };
        if refused == 0 { share } else { format!("{share} ({refused})") }
    };
    let number = |value: f64, digits: usize, signed: bool| match (value.is_finite(), signed) {
        (false, _) => "none".to_string(),
        (true, true) => format!("{value:+.digits$}").replace('-', "−"),
        (true, false) => format!("{value:.digits$}"),
    };
    format!(
        "{points} points in a sample, {repeats} samples of each manifold; of TLE, ESS and local PCA {costly_repeats}.\n\n\
         **How often the interval holds the truth** (bold: 92..98 %; in brackets: samples for which it gave\n\
         no estimate)\n\n{}\n\
         **Bias**, the mean estimate less the truth, in standard deviations of an estimate\n\n{}\n\
         **Scatter over claim**, the standard deviation of estimates over the one that intervals claim on\n\
         average\n\n{}\n\
         **How often the interval holds the estimator's own mean** (bold: 92..98 %)\n\n{}",
        table(found, |c| stated(c.of_truth, c.refused)),
        table(found, |c| number(c.bias(), 1, true)),
        table(found, |c| number(c.ratio, 2, false)),
        table(found, |c| stated(c.of_mean, 0)),
    )
}

fn run(args: &Args) -> sharpdim::Result<()> {
    let is_costly = |estimator: &Estimator| estimator.reads() == Reads::Neighbourhoods;
    let (costly, most): (Vec<Estimator>, Vec<Estimator>) = estimators().into_iter().partition(is_costly);
    let mut found: Vec<(String, Vec<Coverage>)> = Vec::new();
    for name in &args.manifolds {
        let start = Instant::now();
        let manifold: Manifold = name.parse()?;
        let mut rows = simulate(manifold, args.points, args.repeats, 0, &most);
        if COSTLY.contains(&name.as_str()) {
            rows.extend(simulate(manifold, args.points, args.costly_repeats, 0, &costly));
        }
        eprintln!("{name}: {:.0?}", start.elapsed());
        found.push((name.clone(), rows));
        if let Some(page) = &args.page {
            page::put(page, MARKS, &tables(&found, args));
        }
    }
    println!("{}", tables(&found, args));
    Ok(())
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.points <= 120 || args.repeats < 2 || args.costly_repeats < 2 {
        eprintln!("coverage: above 120 points, and 2 or more repeats, are needed");
        return ExitCode::from(2);
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("coverage: {error}");
            ExitCode::FAILURE
        }
    }
}
