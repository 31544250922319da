//! Measures labelled image datasets: intrinsic dimension and label sharpness, as a table, as JSON, and as a page
//! to read. The library does the measuring; this shows what was found.

mod args;
mod calibrated;
mod charts;
mod compare;
mod cross;
mod describe;
mod inputs;
mod json;
mod measured;
mod outputs;
mod page;
mod points;
mod progress;
mod table;

pub use args::Args;

use crate::failure::{Failure, print};
use crate::named;
use compare::Summary;
use inputs::Input;
use outputs::Written;
use points::Points;
use serde_json::{Value, json};
use sharpdim::Device;

/// `sharpdim measure`: returns the exit code.
pub fn main(args: Args) -> Result<u8, Failure> {
    let args = args.check()?;
    let text = if args.list_datasets { named::listing(args.by_name.root.as_deref()) } else { run(&args)? };
    print(&text).map(|()| 0)
}

/// What of a dataset is kept once it is measured: its samples are not.
struct Outcome {
    summary: Summary,
    json: Value,
    table: String,
    page: page::Part,
    points: Option<Points>,
}

/// Measures and writes what was asked for; returns what is printed, made as text first: nothing of it is printed
/// where something failed.
fn run(args: &Args) -> Result<String, Failure> {
    outputs::check(args)?;
    let device = Device::parse(&args.device).map_err(Failure::asked)?;
    let (inputs, query) = inputs::open(args)?;
    let several = inputs.len() > 1;
    let mut outcomes = Vec::new();
    for (at, input) in inputs.into_iter().enumerate() {
        let name = input.name.clone();
        let outcome = outcome(args, &device, input, query.as_ref(), several.then_some(at));
        outcomes.push(outcome.map_err(|failure| if several { failure.in_dataset(&name) } else { failure })?);
    }
    let written = write(args, &mut outcomes)?;
    Ok(if args.json { as_json(&outcomes, &written) } else { as_table(outcomes, &written) })
}

/// Measures one dataset; `at` is its position among several.
fn outcome(
    args: &Args,
    device: &Device,
    input: Input,
    query: Option<&Input>,
    at: Option<usize>,
) -> Result<Outcome, Failure> {
    let measured = measured::measure(args, device, input, query)?;
    Ok(Outcome {
        summary: Summary::new(&measured),
        json: measured.json(),
        table: measured.table(),
        page: if args.thorough() { page::part(&measured)? } else { page::Part::default() },
        points: args.points.as_ref().map(|_| Points::new(&measured, at)),
    })
}

fn write(args: &Args, outcomes: &mut [Outcome]) -> Result<Written, Failure> {
    let mut written = Written::default();
    if args.thorough() {
        let summaries: Vec<&Summary> = outcomes.iter().map(|outcome| &outcome.summary).collect();
        let parts = outcomes.iter().map(|outcome| &outcome.page).collect::<Vec<_>>();
        if let Some(path) = &args.report {
            written.page(path, &page::page(args, &summaries, &parts)?)?;
        }
        if let Some(folder) = &args.figures {
            written.figures(folder, &page::figures(&summaries, &parts)?)?;
        }
    }
    if let Some(path) = &args.points {
        let points = Points::join(outcomes.iter_mut().filter_map(|outcome| outcome.points.take()).collect());
        let npy = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npy"));
        written.bytes(path, &if npy { points.npy() } else { points.csv() })?;
    }
    Ok(written)
}

/// One object: the dataset's, or one that holds those of all.
fn as_json(outcomes: &[Outcome], written: &Written) -> String {
    let files: Vec<String> = written.files.iter().map(|path| path.display().to_string()).collect();
    match outcomes {
        [only] => {
            let mut object = only.json.clone();
            object["written"] = json!(files);
            object.to_string()
        }
        all => {
            let datasets: Vec<&Value> = all.iter().map(|outcome| &outcome.json).collect();
            let notes = compare::cautions(&all.iter().map(|outcome| &outcome.summary).collect::<Vec<_>>());
            json!({ "datasets": datasets, "notes": notes, "written": files }).to_string()
        }
    }
}

fn as_table(outcomes: Vec<Outcome>, written: &Written) -> String {
    let mut parts: Vec<String> = outcomes.iter().map(|outcome| outcome.table.clone()).collect();
    if outcomes.len() > 1 {
        parts.push(compare::table(&outcomes.iter().map(|outcome| &outcome.summary).collect::<Vec<_>>()));
    }
    if !written.files.is_empty() {
        let files: Vec<String> = written.files.iter().map(|path| path.display().to_string()).collect();
        parts.push(format!("Written              {}", files.join("\n                     ")));
    }
    parts.join("\n\n")
}
