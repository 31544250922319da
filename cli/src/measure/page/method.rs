//! What was measured and how: all that is needed to measure it again.

use super::Part;
use crate::measure::measured::Measured;
use sharpdim::Result;
use std::time::{SystemTime, UNIX_EPOCH};

/// Classes and notes are listed up to this many.
const LISTED: usize = 20;

pub fn add(part: &mut Part, measured: &Measured) -> Result<()> {
    part.section("What was measured, and how", |_, section| {
        let loaded = &measured.loaded;
        let what = if loaded.features { "samples" } else { "images" };
        let mut facts: Vec<(&str, String)> =
            vec![("dataset", measured.source()), (what, loaded.samples.n().to_string())];
        if measured.sharpness.is_some() {
            let classes = measured.classes().map(|(name, count)| format!("{name}: {count}")).collect();
            facts.push(("classes", listed(classes)));
        }
        facts.push(("each", measured.each()));
        facts.push(("preprocessing", measured.preprocessing()));
        if measured.sharpness.is_some() {
            facts.push(("pairs for K_F", measured.pairs()));
        }
        facts.push(("distances", "Euclidean, between the values as preprocessed".into()));
        facts.push(("seed", measured.args.seed.to_string()));
        facts.push(("device", measured.device.to_string()));
        let steps = measured.seconds.steps();
        let steps: Vec<String> = steps.iter().map(|(step, took)| format!("{step} {took:.2}")).collect();
        facts.push(("seconds", steps.join(", ")));
        facts.push(("measured", format!("{}, by sharpdim {}", today(), env!("CARGO_PKG_VERSION"))));
        if !loaded.skipped.is_empty() {
            let skipped = loaded.skipped.iter().map(|(name, why)| format!("{name}: {why}")).collect();
            facts.push(("left out", listed(skipped)));
        }
        facts.extend(measured.notes.iter().take(LISTED).map(|note| ("note", note.clone())));
        Ok(section.facts("", facts))
    })
}

fn listed(all: Vec<String>) -> String {
    if all.len() > LISTED {
        format!("{} and {} more", all[..LISTED].join(", "), all.len() - LISTED)
    } else {
        all.join(", ")
    }
}

/// Today's date, UTC, as 2024-05-07.
fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date(seconds / 86_400)
}

/// The date so many days after 1970-01-01: by eras of 400 years, with years that begin in March.
fn date(days: u64) -> String {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}
