//! Attacks a trained network, and shows what that costs it as a table, as JSON and as pictures.
//! The library does the attacking; this binary finds the images and shows what was found.

mod args;
#[path = "../support/bar.rs"]
mod bar;
#[path = "../support/cached.rs"]
mod cached;
#[path = "../support/chosen.rs"]
mod chosen;
#[path = "../support/failure.rs"]
mod failure;
mod grid;
#[path = "../support/inputs.rs"]
mod inputs;
#[path = "../support/outputs.rs"]
mod outputs;
mod run;
mod shown;

use args::Args;
use failure::{Failure, ended, print};
use inputs::Input;
use run::{Found, Stop};
use sharpdim::attack::Target;
use sharpdim::nn::Trained;
use sharpdim::{Device, Error};
use shown::Shown;
use std::process::ExitCode;

/// Exit code after Ctrl-C, as shells have it.
const STOPPED: u8 = 130;

fn main() -> ExitCode {
    ended("attack", Args::read().and_then(|args| attacked(&args)))
}

/// Attacks, writes what was asked for and prints; returns the exit code.
fn attacked(args: &Args) -> Result<u8, Failure> {
    let stop = Stop::on_ctrl_c()?;
    let device = Device::parse(&args.device).map_err(Failure::asked)?;
    let trained = Trained::read(&args.checkpoint)?;
    let attacks = args.attacks(&trained)?;
    let mut target = Target::new(&trained, &device, args.batch).map_err(Failure::asked)?;
    let input = Input::load(&args.wanted, args.part(), &trained, &args.checkpoint, args.seed, args.quiet)?;
    let labels = input.labels(&trained)?;
    let found = match Found::run(args, &attacks, &mut target, &input, &labels, &stop) {
        // Before anything was finished.
        Err(Error::Stopped) => return Ok(STOPPED),
        found => found.map_err(Failure::asked)?,
    };
    let shown = Shown { args, trained: &trained, input: &input, device: &device, found: &found };
    if let (Some(path), true) = (&args.out, found.drawable()) {
        grid::draw(args, &trained, &input, &labels, &found)?.write(path)?;
    }
    if let (Some(path), true) = (&args.curves, found.drawable()) {
        shown.curves()?.write(path)?;
    }
    print(&if args.json { shown.json().to_string() } else { shown.table() })?;
    Ok(if found.stopped { STOPPED } else { 0 })
}
