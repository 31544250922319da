//! Tries every estimator on manifolds of known dimension: samples of several sizes and seeds, a line of JSON for
//! each; and draws the charts of it. `scripts/accuracy.py` runs it, and makes docs/accuracy.md.
//!
//! `accuracy --store results.jsonl --sizes 500,1000 --seeds 3 --figures docs/images`

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use sharpdim::data::manifolds::{Manifold, Settings};
use sharpdim::figure::{Axis, Lines, Series, Size};
use sharpdim::measure::{Estimator, intrinsic_dims};
use sharpdim::{Device, Result};
use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Estimates of known dimensions: every estimator with its default settings, on samples of every manifold.
#[derive(Parser)]
struct Args {
    /// Results, a line each: those that are there are not computed again, so that a run can be resumed.
    #[arg(long)]
    store: PathBuf,
    /// Samples drawn of a manifold.
    #[arg(long, value_delimiter = ',', default_values_t = [500, 1000, 2000, 5000])]
    sizes: Vec<usize>,
    /// Draws of each size, from seeds 0, 1, ...
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Names as the library reads them; the benchmark's, and four plain ones of several dimensions, where none are
    /// given.
    #[arg(long, value_delimiter = ',')]
    manifolds: Vec<String>,
    /// Turn all into a space of that many dimensions; 0: as their formulas have them.
    #[arg(long, default_value_t = 0)]
    ambient: usize,
    /// Standard deviation of the noise added to every value.
    #[arg(long, default_value_t = 0.0)]
    noise: f64,
    /// Write samples there as raw little-endian f32, `<manifold>_<n>_<seed>.f32`, of ...
    #[arg(long)]
    samples: Option<PathBuf>,
    /// ... the first so many seeds.
    #[arg(long, default_value_t = 1)]
    sample_seeds: u64,
    /// Draw the charts there.
    #[arg(long)]
    figures: Option<PathBuf>,
}

/// Plain manifolds of any dimension: uniform, and curved or with an edge.
const FAMILIES: [&str; 4] = ["sphere", "ball", "cube", "flat_torus"];
const DIMS: [usize; 5] = [2, 4, 8, 16, 32];

/// Those of the charts. Flat tori stay out: so curved at the reach of 20 neighbours that estimates come out high where
/// they come out low for the others, and a mean would hide both.
const CHARTED: [&str; 3] = ["sphere", "ball", "cube"];

/// The estimators that the charts show, a few that tell different stories.
const SHOWN: [&str; 7] = ["mle", "twonn", "geomle", "gride", "corr", "tle", "ess"];

fn main() -> std::process::ExitCode {
    match run(&Args::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("accuracy: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn names(args: &Args) -> Vec<String> {
    if !args.manifolds.is_empty() {
        return args.manifolds.clone();
    }
    let plain = FAMILIES.iter().flat_map(|family| DIMS.map(|dim| format!("{family}:{dim}")));
    Manifold::benchmark().iter().map(|(name, _)| name.to_string()).chain(plain).collect()
}

fn run(args: &Args) -> Result<()> {
    let device = Device::cpu();
    let mut done: HashSet<String> = HashSet::new();
    for line in lines(&args.store) {
        done.insert(key(&line));
    }
    let mut store =
        fs::OpenOptions::new().create(true).append(true).open(&args.store).expect("open the store");
    let names = names(args);
    let total = names.len() * args.seeds as usize * args.sizes.iter().sum::<usize>();
    let style =
        ProgressStyle::with_template("{bar:40} {percent} % of the samples, {elapsed} ({eta} left) {msg}");
    let bar = ProgressBar::new(total as u64).with_style(style.expect("a template that is right"));
    for &n in &args.sizes {
        for name in &names {
            bar.set_message(format!("{name}, N = {n}"));
            for seed in 0..args.seeds {
                let manifold: Manifold = name.parse()?;
                let embedding_dim = (args.ambient > 0).then_some(args.ambient);
                let sample = manifold.sample(n, &Settings { embedding_dim, noise_sd: args.noise, seed })?;
                if let (Some(folder), true) = (&args.samples, seed < args.sample_seeds) {
                    let bytes: Vec<u8> = sample.values.iter().flat_map(|v| v.to_le_bytes()).collect();
                    let file = format!("{}_{n}_{seed}.f32", name.replace(':', "_"));
                    fs::write(folder.join(file), bytes).expect("write the samples");
                }
                let mut line = json!({
                    "manifold": name, "truth": sample.intrinsic_dim, "dim": sample.dim, "n": n, "seed": seed,
                    "ambient": args.ambient, "noise": args.noise,
                });
                if done.insert(key(&line)) {
                    let mut estimates = json!({});
                    let estimators = Estimator::all();
                    let found = intrinsic_dims(&device, &sample.points()?, &estimators, &|_| ())?;
                    for (estimator, found) in estimators.iter().zip(found) {
                        // An estimator may have nothing to say, and says why.
                        estimates[estimator.name()] = match found {
                            Ok(found) => {
                                json!({ "value": found.value, "low": found.low, "high": found.high })
                            }
                            Err(error) => json!({ "error": error.to_string() }),
                        };
                    }
                    line["estimates"] = estimates;
                    writeln!(store, "{line}").expect("write to the store");
                }
                bar.inc(n as u64);
            }
        }
    }
    bar.finish_and_clear();
    if let Some(folder) = &args.figures {
        draw(&lines(&args.store), folder)?;
    }
    Ok(())
}

/// The results that are stored; the last line may be cut off where a run was stopped.
fn lines(store: &Path) -> Vec<Value> {
    let text = fs::read_to_string(store).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// What a result is of.
fn key(line: &Value) -> String {
    ["manifold", "n", "seed", "ambient", "noise"].map(|part| line[part].to_string()).join(" ")
}

/// The mean over the charted families and all seeds of an estimate's relative error, in percent.
fn bias(lines: &[Value], estimator: &str, dim: usize, n: usize) -> Option<f64> {
    let of_family = |family: &str| format!("{family}:{dim}");
    let wanted = |line: &&Value| {
        line["n"] == n
            && line["ambient"] == 0
            && line["noise"] == 0.0
            && CHARTED.iter().any(|family| line["manifold"] == of_family(family))
    };
    let found = lines.iter().filter(wanted).filter_map(|line| line["estimates"][estimator]["value"].as_f64());
    let errors: Vec<f64> = found.map(|value| 100.0 * (value / dim as f64 - 1.0)).collect();
    (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
}

/// Bias against the true dimension, and against the number of samples.
fn draw(lines: &[Value], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).expect("make the folder of the figures");
    let chart = |title: &str, x: Axis, at: &[(usize, usize, usize)]| {
        let mut chart =
            Lines::new(title, x, Axis::linear("bias (% of the dimension)")).reference("the truth", 0.0);
        for name in SHOWN {
            let points = at.iter().filter_map(|(x, dim, n)| Some((*x as f64, bias(lines, name, *dim, *n)?)));
            let (x, y): (Vec<f64>, Vec<f64>) = points.unzip();
            if !x.is_empty() {
                chart = chart.series(Series::new(name, &x, &y));
            }
        }
        chart.draw(Size::default())
    };
    let by_dim = DIMS.map(|dim| (dim, dim, 2000));
    let title = "Spheres, balls and cubes, N = 2000";
    chart(title, Axis::log("true dimension"), &by_dim)?.write(&folder.join("accuracy-dimension.svg"))?;
    let by_n = [500, 1000, 2000, 5000].map(|n| (n, 8, n));
    let title = "Spheres, balls and cubes of 8 dimensions";
    chart(title, Axis::log("samples"), &by_n)?.write(&folder.join("accuracy-samples.svg"))
}
