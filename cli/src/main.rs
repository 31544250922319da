//! The program `sharpdim`: measures datasets, trains networks on them, attacks them, and runs studies. The work is done by
//! the library; here are arguments, progress, tables and JSON.

mod attack;
mod bar;
mod cached;
mod chosen;
#[cfg(feature = "download")]
mod download;
mod estimators;
mod failure;
mod figure;
mod inputs;
mod interrupt;
mod measure;
mod named;
mod outputs;
mod represent;
mod seconds;
mod study;
mod train;

use clap::{Parser, Subcommand};
use failure::{Failure, ended};
use std::process::ExitCode;

const ABOUT: &str = "\
Measures the intrinsic dimension and label sharpness of labelled image datasets, and shows
how they govern what a network learns from them (Konz & Mazurowski, ICLR 2024).";

const MORE: &str = "\
Examples:
  sharpdim measure                                    generated images, a few seconds
  sharpdim measure mnist --classes 3,8 --per-class 500
  sharpdim train mnist --classes 3,8 --size 32
  sharpdim attack trained/checkpoint.safetensors
  sharpdim study --plan demo --out demo               all of it, with figures

sharpdim COMMAND --help describes each command.";

/// Intrinsic dimension and label sharpness of image datasets, and what they do to networks
#[derive(Parser)]
#[command(name = "sharpdim", version, propagate_version = true, long_about = ABOUT, after_help = MORE)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Measure(Box<measure::Args>),
    Train(Box<train::Args>),
    Attack(Box<attack::Args>),
    Represent(Box<represent::Args>),
    Study(Box<study::Args>),
    Figure(figure::Args),
    #[cfg(feature = "download")]
    Download(download::Args),
}

fn main() -> ExitCode {
    ended(parsed().and_then(|command| match command {
        Command::Measure(args) => measure::main(*args),
        Command::Train(args) => train::main(*args),
        Command::Attack(args) => attack::main(*args),
        Command::Represent(args) => represent::main(*args),
        Command::Study(args) => study::main(*args),
        Command::Figure(args) => figure::main(args),
        #[cfg(feature = "download")]
        Command::Download(args) => download::main(args),
    }))
}

/// What the command line asks for. Help and version are printed here, and end the program.
fn parsed() -> Result<Command, Failure> {
    Cli::try_parse().map(|cli| cli.command).map_err(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        let message = error.to_string();
        Failure::usage(message.strip_prefix("error: ").unwrap_or(&message).trim_end())
    })
}
