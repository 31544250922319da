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
command goes on where it was. Several processes may run it in one folder at once.";

const MORE: &str = "\
Plans are TOML; `sharpdim study plan demo` prints one to start from. Data that are not there are
skipped, and listed.

Files in the folder --out:
  study.sqlite    all results, a row for each, with settings, seed, version and device
  runs/           checkpoints of trainings that are under way
  report.html     all figures with the statistics, one page
  figures/        each figure as SVG and PNG

Examples:
  sharpdim study --plan demo --out demo             generated images, some minutes on two cores
  sharpdim study --plan paper --data sets           what there is of the paper's eleven datasets
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
    /// Joins stores, as those of shards, and draws their figures
    Merge(MergeArgs),
    /// Draws the figures and the page of what is there so far
    Report(OutArgs),
    /// Prints a plan that comes with the program, as TOML
    Plan(PlanArgs),
}

#[derive(clap::Args)]
pub struct RunArgs {
    /// What to do: a TOML file, or paper or demo, which come with the program
    #[arg(long, value_name = "FILE|NAME", default_value = "paper")]
    pub plan: PathBuf,

    #[command(flatten)]
    pub out: OutArgs,

    /// The folder that the plan's datasets are in, each under its name or path
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,

    /// Do part I of N only, for arrays of jobs; each part has its own store in --out
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,

    /// Tasks at once on the CPU, each on its part of the threads
    ///
    /// [default: 1; of images of up to 64 px as many as threads and 4 GB of memory allow]
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZero<usize>>,

    /// Do again what failed
    #[arg(long)]
    pub retry: bool,

    /// Keep the checkpoints of trainings that are done, in --out
    #[arg(long)]
    pub keep_checkpoints: bool,

    /// Seconds from one checkpoint to the next, at ends of epochs; 0 after every epoch
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub save_every: Duration,

    /// Decode all images anew, and keep none of them for the next run
    #[arg(long)]
    pub no_cache: bool,

    /// auto, cpu or cuda:I
    #[arg(long, default_value = "auto")]
    pub device: String,

    /// Draw no figures
    #[arg(long)]
    pub no_figures: bool,

    /// No progress
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

    /// Stores to join to the one in --out [default: those of shards in --out]
    pub stores: Vec<PathBuf>,

    /// Draw no figures
    #[arg(long)]
    pub no_figures: bool,
}

#[derive(clap::Args)]
pub struct PlanArgs {
    /// Which; without it, all are listed
    pub name: Option<String>,
}

/// Number and count.
#[derive(Clone, Copy)]
pub struct Shard(pub usize, pub usize);

fn shard(text: &str) -> Result<Shard, String> {
    let parts = text.split_once('/').map(|(number, count)| (number.parse(), count.parse()));
    match parts {
        Some((Ok(number), Ok(count))) if (1..=count).contains(&number) => Ok(Shard(number, count)),
        _ => Err("two numbers as 3/8 are wanted, the first from 1 to the second".into()),
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
