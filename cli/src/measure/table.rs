//! What was measured, as a table for people.

use crate::measure::cross::Cross;
use crate::measure::measured::{Measured, across_and_within, what_is_left};
use sharpdim::measure::{
    Against, BetweenGroups, Curation, Curve, Estimate, LabelSharpness, Protocol, Spread,
};
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
        if let Some((cache, size)) = &self.cache {
            let (images, megabytes) = (size.images, size.bytes as f64 / 1e6);
            let folder = cache.folder().display();
            line(format!(
                "  from the cache     {} of them; it has {images} images now, {megabytes:.1} MB, in {folder}",
                loaded.from_cache
            ));
        }
        let skipped: Vec<String> =
            loaded.skipped.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        if !skipped.is_empty() {
            let indent = "\n                       ";
            line(format!("  skipped            {}:{indent}{}", skipped.len(), listed(&skipped, indent)));
        }
        self.notes.iter().for_each(|note| line(format!("  note               {note}")));

        line("\nIntrinsic dimension              95 % interval     excluded  convention".into());
        self.found().for_each(|found| line(estimate_line(found)));
        let reasons: BTreeSet<String> = self.found().map(|e| e.excluded.to_string()).collect();
        for why in reasons.iter().filter(|why| !why.is_empty()) {
            line(format!("  excluded           {why}"));
        }
        if let Some(calibrated) = &self.calibrated {
            line(format!(
                "\nTrue dimension                   95 %, bias included: by {} samples of manifolds of known dimension",
                calibrated.draws()
            ));
            for (estimator, truth) in &calibrated.truths {
                line(format!("  {:<14}                 {truth}", estimator.name()));
            }
        }

        if let Some(curves) = &self.curves {
            curve_lines(curves).into_iter().for_each(&mut line);
        }
        if let Some(found) = &self.sharpness {
            self.sharpness_lines(found).into_iter().for_each(&mut line);
        }
        if let Some(curation) = &self.curation {
            self.curation_lines(curation).into_iter().for_each(&mut line);
        }

        if let Some(cross) = &self.cross {
            self.cross_lines(cross).into_iter().for_each(&mut line);
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

    /// The table's part on the query set.
    fn cross_lines(&self, cross: &Cross) -> Vec<String> {
        let source = cross.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let mut lines = vec![
            format!("\nFrom the query set   {source}: {} samples", cross.loaded.samples.n()),
            "  their neighbours in the dataset".into(),
        ];
        lines.extend(cross.estimates.iter().filter_map(|(_, found)| found.as_ref().ok()).map(estimate_line));
        if let Some(found) = &cross.sharpness {
            lines.push(format!("  K_F between both   {:.3e} per unit of {}", found.max, self.unit()));
            lines.push(format!("  contradictions     {}", found.contradictions));
            for sharp in &found.sharpest {
                let [own, query] = [self.named(sharp.pair[0]), cross.named(sharp.pair[1])];
                let (ratio, distance) = (sharp.ratio(), sharp.distance);
                lines.push(format!("                        {ratio:.3e}  {distance:>10.1}  {own}, {query}"));
            }
        }
        lines.extend(cross.notes.iter().map(|note| format!("  note               {note}")));
        lines
    }

    /// The table's part on contradictions and near-duplicates.
    fn curation_lines(&self, curation: &Curation) -> Vec<String> {
        let Curation { contradictions, near_radius, .. } = curation;
        let (across, within) = across_and_within(curation);
        let mut lines = vec![
            "\nAcross classes".to_owned(),
            format!("  contradictions     {} groups of identical samples", contradictions.len()),
            format!("  near-duplicates    {} groups of samples within {near_radius:.1}", across.len()),
        ];
        for group in across.iter().take(LISTED) {
            let members: Vec<String> = group.samples.iter().map(|&i| self.named(i)).collect();
            lines.push(format!("                     {:>10.1}  {}", group.closest, listed(&members, ", ")));
        }
        if across.len() > LISTED {
            lines.push(format!("                     and {} more", across.len() - LISTED));
        }
        lines.push(format!("  within one class   {} groups within the same distance", within.len()));
        lines.push(format!("  of 1 / distance           {:>8}{}", "samples", spread_header(&curation.all)));
        for (name, spread) in what_is_left(curation) {
            lines.push(format!("    {name:<24}{:>8}{}", spread.samples, spread_line(spread)));
        }
        lines
    }

    /// The table's part on label sharpness.
    fn sharpness_lines(&self, found: &LabelSharpness) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = |text: String| lines.push(text);
        let unit = self.unit();
        line(format!("\nLabel sharpness K_F  {:.3e} per unit of {unit}", found.max));
        if let Some(released) = &found.released {
            line("  NOT the paper's    its released code compares some of the pairs of equal labels".into());
            line(format!("  by the definition  {:.3e}, of the same draws", released.definition_max()));
            if released.infinite_draws > 0 {
                let (infinite, draws) = (released.infinite_draws, found.draws.len());
                line(format!(
                    "  infinite there     {infinite} of {draws} draws: a sample was paired with itself or an identical one"
                ));
            }
        }
        if let Some(apart) = &self.apart {
            let BetweenGroups { max, within, .. } = apart;
            line(format!("  between patients   {max:.3e}, over all pairs of images of different patients"));
            if let Some(sharp) = within {
                let [a, b] = sharp.pair.map(|i| self.named(i));
                line(format!("  within a patient   {:.3e}: {a}, {b}", sharp.ratio()));
            }
        }
        line(format!("  pairs compared     {}, {}", found.pairs_compared, self.pairs()));
        let of_what = match self.args.protocol() {
            Protocol::AllPairs => "of 1 / distance over the pairs of different classes",
            Protocol::Paper(_) | Protocol::Released(_) => "of K_F over draws",
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

fn estimate_line(e: &Estimate) -> String {
    let interval = format!("{:.2} .. {:.2}", e.low, e.high);
    let (name, value, excluded) = (e.estimator.name(), e.value, e.excluded.count());
    format!("  {name:<14} {value:>10.2}      {interval:<17} {excluded:>8}  {}", e.estimator)
}

/// Each curve in a line, and below it why it is not to be trusted.
fn curve_lines(curves: &[Curve]) -> Vec<String> {
    let mut lines = Vec::new();
    for (against, title) in [
        (Against::Neighbours, "\nDimension against k"),
        (Against::Samples, "\nDimension against the number of samples"),
    ] {
        let mut of_kind = curves.iter().filter(|curve| curve.against == against).peekable();
        if of_kind.peek().is_some() {
            lines.push(title.to_owned());
        }
        for curve in of_kind {
            let points: Vec<String> =
                curve.points.iter().map(|point| format!("{}: {:.2}", point.at, point.value)).collect();
            lines.push(format!("  {:<17}  {}", curve.estimator.name(), points.join("   ")));
            lines.extend(
                curve.warning.iter().map(|warning| format!("                     warning: {warning}")),
            );
        }
    }
    lines
}

/// What a spread's columns are called.
fn spread_header(spread: &Spread) -> String {
    let quantiles = spread.quantiles.iter().map(|(at, _)| format!("{:>12}", format!("{} %", at * 100.0)));
    format!("{:>12}{}{:>12}", "K_F", quantiles.collect::<String>(), "mean")
}

fn spread_line(spread: &Spread) -> String {
    let quantiles = spread.quantiles.iter().map(|(_, value)| format!("{value:>12.3e}"));
    format!("{:>12.3e}{}{:>12.3e}", spread.max, quantiles.collect::<String>(), spread.mean)
}

/// The first few, and how many more there are.
fn listed(all: &[String], separator: &str) -> String {
    let mut text = all[..all.len().min(LISTED)].join(separator);
    if all.len() > LISTED {
        let _ = write!(text, "{separator}and {} more", all.len() - LISTED);
    }
    text
}
