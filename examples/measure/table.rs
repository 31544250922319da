//! What was measured, as a table for people.

use crate::measured::Measured;
use sharpdim::measure::{LabelSharpness, Protocol};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Classes, skipped images and the like are listed up to this many.
const LISTED: usize = 10;

impl Measured<'_> {
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let mut line = |text: String| _ = writeln!(out, "{text}");
        let loaded = &self.loaded;

        line(format!("Dataset              {}", self.source()));
        let what = if loaded.features { "samples" } else { "images " };
        line(format!("  {what}            {}", loaded.samples.n()));
        let classes: Vec<String> = self.classes().map(|(name, count)| format!("{name}: {count}")).collect();
        line(format!("  classes            {}", listed(&classes, ", ")));
        line(format!("  each               {}", self.each()));
        line(format!("  preprocessing      {}", self.preprocessing()));
        let skipped: Vec<String> =
            loaded.skipped.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        if !skipped.is_empty() {
            let indent = "\n                       ";
            line(format!("  skipped            {}:{indent}{}", skipped.len(), listed(&skipped, indent)));
        }
        self.notes.iter().for_each(|note| line(format!("  note               {note}")));

        line("\nIntrinsic dimension              95 % interval     excluded  convention".into());
        for e in self.found() {
            let interval = format!("{:.2} .. {:.2}", e.low, e.high);
            let (name, value, excluded) = (e.estimator.name(), e.value, e.excluded.count());
            line(format!("  {name:<14} {value:>10.2}      {interval:<17} {excluded:>8}  {}", e.estimator));
        }
        let reasons: BTreeSet<String> = self.found().map(|e| e.excluded.to_string()).collect();
        for why in reasons.iter().filter(|why| !why.is_empty()) {
            line(format!("  excluded           {why}"));
        }

        if let Some(found) = &self.sharpness {
            self.sharpness_lines(found).into_iter().for_each(&mut line);
        }

        line(format!("\nDevice               {}", self.device));
        if let Some(reason) = self.device.fallback() {
            line(format!("  no GPU             {reason}"));
        }
        let steps: Vec<String> =
            self.seconds.steps().iter().map(|(step, took)| format!("{step} {took:.2}")).collect();
        line(format!("Seconds              {:.2}: {}", self.seconds.total(), steps.join(", ")));
        out.truncate(out.trim_end().len());
        out
    }

    /// The table's part on label sharpness.
    fn sharpness_lines(&self, found: &LabelSharpness) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = |text: String| lines.push(text);
        let unit = self.unit();
        line(format!("\nLabel sharpness K_F  {:.3e} per unit of {unit}", found.max));
        line(format!("  pairs compared     {}, {}", found.pairs_compared, self.pairs()));
        let of_what = match self.args.protocol() {
            Protocol::AllPairs => "of 1 / distance over the pairs of different classes",
            Protocol::Paper(_) => "of K_F over draws",
        };
        line(format!("  mean, sd           {:.3e}, {:.3e} {of_what}", found.mean, found.sd));
        let meaning = match found.contradictions {
            0 => "",
            _ => " (pairs of identical images with different labels, left out)",
        };
        line(format!("  contradictions     {}{meaning}", found.contradictions));
        line("  sharpest pairs     1 / distance    distance".into());
        for sharp in &found.sharpest {
            let [a, b] = sharp.pair.map(|i| self.named(i));
            line(format!(
                "                        {:.3e}  {:>10.1}  {a}, {b}",
                sharp.ratio(),
                sharp.distance
            ));
        }
        lines
    }
}

/// The first few, and how many more there are.
fn listed(all: &[String], separator: &str) -> String {
    let mut text = all[..all.len().min(LISTED)].join(separator);
    if all.len() > LISTED {
        let _ = write!(text, "{separator}and {} more", all.len() - LISTED);
    }
    text
}
