//! Measures the dimension of a trained network's representations, layer by layer, as a table, as JSON and as a chart.
//! The library does the measuring; this finds the images and shows what was found.

mod args;
mod progress;
mod shown;

pub use args::Args;

use crate::failure::{Failure, print};
use crate::inputs::Input;
use progress::Watch;
use sharpdim::Device;
use sharpdim::nn::Trained;
use sharpdim::represent::{relative_depth, representations};
use shown::Shown;

/// `sharpdim represent`: returns the exit code.
pub fn main(args: Args) -> Result<u8, Failure> {
    print(&run(&args.check()?)?).map(|()| 0)
}

/// Measures and writes what was asked for; returns what is printed.
fn run(args: &Args) -> Result<String, Failure> {
    let device = Device::parse(&args.device).map_err(Failure::asked)?;
    let trained = Trained::read(&args.checkpoint)?;
    let options = args.options();
    // Before images are decoded.
    for layer in &options.layers {
        relative_depth(trained.model, layer).map_err(|error| Failure::usage(format!("--layers: {error}")))?;
    }
    let input = Input::load(&args.wanted, args.part, &trained, &args.checkpoint, args.seed, args.quiet)?;
    let watch = Watch::start(args.quiet);
    let found = representations(&device, &trained, &input.images, &options, &|stage| watch.show(stage))?;
    drop(watch);
    let shown = Shown {
        checkpoint: &args.checkpoint,
        trained: &trained,
        input: &input,
        device: &device,
        estimators: &options.estimators,
        found: &found,
        out: args.out.as_deref(),
    };
    if let Some(path) = &args.out {
        shown.chart()?.write(path)?;
    }
    Ok(if args.json { shown.json().to_string() } else { shown.table() })
}
