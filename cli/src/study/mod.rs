//! Runs a study's plan, shows where it stands, joins the stores of its shards, and draws its figures. The library does all that.

mod args;
mod progress;
mod shown;

pub use args::Args;

use crate::cached;
use crate::failure::{Failure, print};
use crate::interrupt::{INTERRUPTED, on_interrupt};
use args::{Command, MergeArgs, RunArgs};
use progress::Watch;
use sharpdim::Device;
use sharpdim::study::{Plan, RunOptions, Status, Store, run, store_path};
use std::io;
use std::path::{Path, PathBuf};

/// `sharpdim study`: returns the exit code.
pub fn main(args: Args) -> Result<u8, Failure> {
    let (text, code) = match &args.command {
        None => study(&args.run),
        Some(Command::Status(args)) => status(&args.out.out, args.json),
        Some(Command::Merge(args)) => merge(args),
        Some(Command::Report(args)) => {
            Store::open(&store_path(&args.out, None)).map_err(Failure::from).and_then(|store| {
                let text = shown::draw(&store, &args.out)?;
                Ok((text, 0))
            })
        }
        Some(Command::Plan(args)) => args.text().map(|text| (text, 0)),
    }?;
    print(&text).map(|()| code)
}

fn study(args: &RunArgs) -> Result<(String, u8), Failure> {
    let plan = Plan::read(&args.plan).map_err(Failure::asked)?;
    let device = Device::parse(&args.device).map_err(Failure::asked)?;
    let shard = args.shard.map(|shard| (shard.0, shard.1));
    let options = RunOptions {
        data: args.data.clone(),
        cache: cached::cache(args.no_cache),
        shard,
        jobs: args.jobs,
        retry: args.retry,
        keep_checkpoints: args.keep_checkpoints,
        save_every: args.save_every,
        stop: on_interrupt("sharpdim: stopping after the batches under way; once more stops at once")?,
    };
    let folder = &args.out.out;
    let mut watch = Watch::start(args.quiet);
    if let Some(reason) = device.fallback() {
        watch.say(&format!("On the CPU: {reason}"));
    }
    let found = run(&device, &plan, folder, &options, &mut |event| watch.see(&event));
    watch.end_all();
    let summary = found?;
    let path = store_path(folder, shard);
    let store = Store::open(&path)?;
    let status = Status::read(&store, folder)?;
    let mut text = shown::status(&status, &path);
    if summary.stopped {
        text += "\nStopped: the same command continues";
        return Ok((text, INTERRUPTED));
    }
    if shard.is_some() {
        text += &format!("\nWhen all shards have ended: sharpdim study merge --out {}", folder.display());
    } else if !args.no_figures {
        text += &format!("\n\n{}", shown::draw(&store, folder)?);
    }
    Ok((text, u8::from(summary.failed > 0)))
}

fn status(folder: &Path, json: bool) -> Result<(String, u8), Failure> {
    let mut stores = shards(folder)?;
    let whole = store_path(folder, None);
    if whole.is_file() || stores.is_empty() {
        stores.insert(0, whole);
    }
    let mut texts = Vec::new();
    for path in &stores {
        let status = Status::read(&Store::open(path)?, folder)?;
        texts.push(if json { shown::status_json(&status, path) } else { shown::status(&status, path) });
    }
    Ok((texts.join(if json { "\n" } else { "\n\n" }), 0))
}

fn merge(args: &MergeArgs) -> Result<(String, u8), Failure> {
    let folder = &args.out.out;
    let stores = if args.stores.is_empty() { shards(folder)? } else { args.stores.clone() };
    if stores.is_empty() {
        return Err(Failure::new(format!(
            "{}: there are no shards' stores in it (study-1-of-2.sqlite and so on); name stores to join",
            folder.display()
        )));
    }
    // Before the store is made, so that a wrong name leaves none behind.
    for path in &stores {
        Store::open(path)?;
    }
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    let whole = store_path(folder, None);
    let mut store = Store::create(&whole)?;
    let mut lines = Vec::new();
    for path in &stores {
        lines.push(format!("{}: {} new results", path.display(), store.merge(path)?));
    }
    lines.push(shown::status(&Status::read(&store, folder)?, &whole));
    if !args.no_figures {
        lines.push(format!("\n{}", shown::draw(&store, folder)?));
    }
    Ok((lines.join("\n"), 0))
}

/// The stores of shards in a folder.
fn shards(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let wrong = |error: io::Error| Failure::new(format!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with("study-") && name.contains("-of-") && name.ends_with(".sqlite") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
