//! Where a study stands, in words and as JSON, and what was drawn of it.

use crate::failure::Failure;
use indicatif::HumanDuration;
use serde_json::json;
use sharpdim::study::{Entry, LawOptions, Results, State, Status, Store, write_report};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Errors and reasons that are shown; the store has all.
const SHOWN: usize = 10;

pub fn status(status: &Status, store: &Path) -> String {
    let all = [&status.done, &status.running, &status.pending, &status.failed, &status.skipped];
    let total: usize = all.iter().map(|entries| entries.len()).sum();
    let mut lines = vec![format!("Study     {}", store.display())];
    lines.push(format!("Done      {} of {total} tasks", status.done.len()));
    for entry in &status.running {
        lines.push(format!("Running   {}", described(entry)));
    }
    let begun = status.pending.iter().filter(|entry| entry.epochs_done > 0).count();
    if !status.pending.is_empty() {
        let begun = if begun > 0 { format!(", {begun} of them begun") } else { String::new() };
        lines.push(format!("Left      {}{begun}", status.pending.len()));
    }
    if let Some(seconds) =
        status.seconds_left.filter(|_| !(status.pending.is_empty() && status.running.is_empty()))
    {
        let left = HumanDuration(Duration::from_secs_f64(seconds.min(1e9)));
        lines.push(format!("Time      {left} at the pace so far"));
    }
    let mut reasons: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for entry in &status.skipped {
        if let State::Skipped { reason } = &entry.state {
            *reasons.entry((&entry.dataset, reason)).or_default() += 1;
        }
    }
    for ((dataset, reason), count) in reasons {
        lines.push(format!("Skipped   {count} of {dataset}: {}", reason.replace('\n', "\n          ")));
    }
    for entry in status.failed.iter().take(SHOWN) {
        if let State::Failed { error, .. } = &entry.state {
            lines.push(format!("Failed    {}: {error}", described(entry)));
        }
    }
    if status.failed.len() > SHOWN {
        lines.push(format!("Failed    {} more", status.failed.len() - SHOWN));
    }
    if !status.failed.is_empty() {
        lines.push("          --retry runs them again".into());
    }
    lines.join("\n")
}

fn described(entry: &Entry) -> String {
    let classes = if entry.classes.is_empty() { String::new() } else { format!(" ({})", entry.classes) };
    let what = entry.model.clone().unwrap_or_else(|| "measures".into());
    let epochs =
        if entry.epochs_done > 0 { format!(", after {} epochs", entry.epochs_done) } else { String::new() };
    format!("{}{classes}, {what}, {} images, seed {}{epochs}", entry.dataset, entry.train, entry.seed)
}

pub fn status_json(status: &Status, store: &Path) -> String {
    let as_json = |entry: &Entry| {
        let reason = match &entry.state {
            State::Failed { error, .. } => Some(error),
            State::Skipped { reason } => Some(reason),
            _ => None,
        };
        json!({
            "id": entry.id, "kind": entry.kind, "dataset": entry.dataset, "domain": entry.domain, "classes": entry.classes,
            "model": entry.model, "train": entry.train, "seed": entry.seed, "epochs_done": entry.epochs_done,
            "seconds": entry.seconds, "reason": reason,
        })
    };
    let list = |entries: &[Entry]| entries.iter().map(as_json).collect::<Vec<_>>();
    json!({
        "store": store.display().to_string(), "done": status.done.len(), "running": list(&status.running),
        "pending": status.pending.len(), "failed": list(&status.failed), "skipped": list(&status.skipped),
        "seconds_left": status.seconds_left,
    })
    .to_string()
}

/// Draws all that can be drawn of the results, and says what.
pub fn draw(store: &Store, folder: &Path) -> Result<String, Failure> {
    let results = Results::from_store(store, &LawOptions::default())?;
    let written = write_report(store, &results, folder)?;
    let mut lines: Vec<String> = Vec::new();
    // Each claim over the most there is; over each domain it is in the report.
    for statement in results.laws.statements() {
        if !lines.contains(&statement.claim) {
            let found = statement.found.split("; exceptions: ").next().unwrap_or_default().to_owned();
            lines.extend([statement.claim, format!("  {found}")]);
        }
    }
    lines.push(format!("\nWritten   {}", folder.join("report.html").display()));
    lines.push(format!("          {}, {} files", folder.join("figures").display(), written.files.len() - 1));
    for (name, reason) in &written.not_drawn {
        lines.push(format!("Not drawn {name}: {reason}"));
    }
    Ok(lines.join("\n"))
}
