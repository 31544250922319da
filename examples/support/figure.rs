//! A figure of a study's results, drawn into the current folder.

use sharpdim::Result;
use sharpdim::study::{LawOptions, Results, Store, draw, store_path};
use std::path::PathBuf;
use std::process::ExitCode;

/// Draws the figure of this name from the study that the first argument names, `study` where there is none.
pub fn main(name: &str) -> ExitCode {
    match drawn(name) {
        Ok(caption) => {
            println!("{caption}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn drawn(name: &str) -> Result<String> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("study"), PathBuf::from);
    let store = Store::open(&store_path(&folder, None))?;
    let drawn = draw(&Results::from_store(&store, &LawOptions::default())?, name)?;
    for ending in ["svg", "png"] {
        drawn.figure.write(&PathBuf::from(format!("{name}.{ending}")))?;
    }
    Ok(format!("{}\nWritten: {name}.svg, {name}.png", drawn.caption))
}
