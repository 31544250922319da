//! Attacks a trained network, and shows loss and accuracy under attack as a table, as JSON and as pictures.
//! The library runs the attacks; this loads the images and shows the results.

mod args;
mod grid;
mod run;
mod shown;

pub use args::Args;

use crate::failure::{Failure, print};
use crate::inputs::Input;
use crate::interrupt::INTERRUPTED;
use run::{Found, Stop};
use sharpdim::attack::Target;
use sharpdim::nn::Trained;
use sharpdim::{Device, Error};
use shown::Shown;

/// `sharpdim attack`: attacks, writes what was asked for and prints; returns the exit code.
pub fn main(args: Args) -> Result<u8, Failure> {
    let args = &args.check()?;
    let stop = Stop::on_ctrl_c()?;
    let device = Device::parse(&args.device).map_err(Failure::asked)?;
    let trained = Trained::read(&args.checkpoint)?;
    let attacks = args.attacks(&trained)?;
    let mut target = Target::new(&trained, &device, args.batch).map_err(Failure::asked)?;
    let input = Input::load(&args.wanted, args.part(), &trained, &args.checkpoint, args.seed, args.quiet)?;
    let labels = input.labels(&trained)?;
    let found = match Found::run(args, &attacks, &mut target, &input, &labels, &stop) {
        // Before anything was finished.
        Err(Error::Stopped) => return Ok(INTERRUPTED),
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
    Ok(if found.stopped { INTERRUPTED } else { 0 })
}
