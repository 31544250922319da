//! The command line of `sharpdim study`.

use crate::failure::Failure;
use crate::seconds::seconds;
use clap::Subcommand;
use sharpdim::study::Plan;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

const ABOUT: &str = "\
Runs a grid of experiments of Konz & Mazurowski, ICLR 2024: for each dataset, pair of
classes, network, training size and seed it measures intrinsic dimension and label
sharpness, trains, tests, attacks, and measures the dimension of the representations.

What is done stays done: after Ctrl-C, kill -9, a full disk or a lost GPU the same
command continues where it was. Several processes may run it in one folder at once.";

const MORE: &str = "\
Plans are TOML; `sharpdim study plan demo` prints one to start from. Missing datasets are
skipped, and listed.

Files in the folder --out:
  study.sqlite    all results, a row for each, with settings, seed, version and device
  runs/           checkpoints of trainings that are under way
  report.html     all figures with the statistics, one page
  figures/        each figure as SVG and PNG

Examples:
  sharpdim study --plan demo --out demo             generated images, some minutes on two cores
  sharpdim study --plan paper --data sets           those of the paper's datasets that are there
  sharpdim study --plan mine.toml --out runs/mine
  sharpdim study --plan paper --shard 3/8           the third of eight jobs; then, when all ended:
  sharpdim study merge --out study
  sharpdim study status --out study                 what is done, running, failed, and the time left

Exit codes: 0, 1 for an error or where tasks failed, 2 for a command line that makes no
sense, 130 after Ctrl-C.";

/// Runs the paper's grid of experiments, or any other, and draws its figures
#[derive(clap::Args)]
#[command(long_about = ABOUT, after_long_help = MORE, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Subcommand)]
pub enum Command {
    /// What is done, running, left, skipped and failed, and how long the rest will take
    Status(StatusArgs),
    /// Merges stores, as those of shards, and draws their figures
    Merge(MergeArgs),
    /// Draws the figures and the report of the results so far
    Report(OutArgs),
    /// Prints a plan that comes with the program, as TOML
    Plan(PlanArgs),
}

#[derive(clap::Args)]
pub struct RunArgs {
    /// Plan: a TOML file, or one that comes with the program, paper or demo
    #[arg(long, value_name = "FILE|NAME", default_value = "paper")]
    pub plan: PathBuf,

    #[command(flatten)]
    pub out: OutArgs,

    /// The folder that the plan's datasets are in, each under its name or path
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,

    /// Run shard I of N only, for job arrays; each shard has its own store in --out
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,

    /// Tasks side by side on the CPU, each on its share of the threads
    ///
    /// [default: 1; of images of up to 64 px as many as threads and 4 GB of memory allow]
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZero<usize>>,

    /// Run failed tasks again
    #[arg(long)]
    pub retry: bool,

    /// Keep the checkpoints of finished trainings, in --out
    #[arg(long)]
    pub keep_checkpoints: bool,

    /// Seconds between checkpoints, at ends of epochs; 0: after every epoch
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub save_every: Duration,

    /// Decode all images, without reading or writing the cache
    #[arg(long)]
    pub no_cache: bool,

    /// auto, cpu or cuda:I
    #[arg(long, default_value = "auto")]
    pub device: String,

    /// Draw no figures
    #[arg(long)]
    pub no_figures: bool,

    /// Show no progress
    #[arg(long)]
    pub quiet: bool,
}

#[derive(clap::Args)]
pub struct OutArgs {
    /// The study's folder
    #[arg(long, value_name = "DIR", default_value = "study")]
    pub out: PathBuf,
}

#[derive(clap::Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub out: OutArgs,

    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(clap::Args)]
pub struct MergeArgs {
    #[command(flatten)]
    pub out: OutArgs,

    /// Stores to merge into the one in --out [default: those of shards in --out]
    pub stores: Vec<PathBuf>,

    /// Draw no figures
    #[arg(long)]
    pub no_figures: bool,
}

#[derive(clap::Args)]
pub struct PlanArgs {
    /// Name of the plan; without it, all are listed
    pub name: Option<String>,
}

/// Number and count.
#[derive(Clone, Copy)]
pub struct Shard(pub usize, pub usize);

fn shard(text: &str) -> Result<Shard, String> {
    let parts = text.split_once('/').map(|(number, count)| (number.parse(), count.parse()));
    match parts {
        Some((Ok(number), Ok(count))) if (1..=count).contains(&number) => Ok(Shard(number, count)),
        _ => Err("expected I/N, as 3/8, with I from 1 to N".into()),
    }
}

impl PlanArgs {
    /// The plan's text, or a list of all.
    pub fn text(&self) -> Result<String, Failure> {
        let Some(name) = &self.name else {
            let lines: Vec<String> =
                Plan::built_in().map(|(name, about)| format!("{name:<8}{about}")).collect();
            return Ok(lines.join("\n"));
        };
        Plan::text_of(name).map(|text| text.trim_end().to_owned()).ok_or_else(|| {
            let known: Vec<&str> = Plan::built_in().map(|(name, _)| name).collect();
            Failure::usage(format!("there is no plan {name:?}; there are {}", known.join(", ")))
        })
    }
}
