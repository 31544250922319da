//! What label sharpness is worth: identical and nearly identical images of different classes, K_F without them,
//! and which classes are near each other.

use super::{Part, Pictures};
use crate::measure::charts;
use crate::measure::measured::{Measured, across_and_within, what_is_left};
use sharpdim::Result;
use sharpdim::measure::{Curation, Group, Spread};
use sharpdim::report::{Column, Picture, Section, Table};

/// So many groups are shown,
const GROUPS: usize = 8;
/// and so many samples of each.
const MEMBERS: usize = 6;

pub fn add(part: &mut Part, measured: &Measured, pictures: Option<&Pictures>) -> Result<()> {
    let Some(curation) = &measured.curation else { return Ok(()) };
    part.section("Contradictions and near-duplicates", |_, section| {
        let section = section.paragraph(&format!(
            "Identical samples of different classes are contradictions; near-duplicates are nearer than {:.1} to \
             each other, or joined by a row of such. Either is a wrong label, one image in two places, or a pair \
             that cannot be told apart. Within one class they do not touch K_F, but pull TwoNN down, and leak from \
             training into test data where a set is split.",
            curation.near_radius
        ));
        let (across, within) = across_and_within(curation);
        let (mut section, mut none) = (section, Vec::new());
        for (title, all) in [
            ("Contradictions", curation.contradictions.iter().collect()),
            ("Near-duplicates across classes", across),
            ("Near-duplicates within a class", within),
        ] {
            if all.is_empty() {
                none.push(title.to_lowercase());
            } else {
                section = section.subsection(groups(measured, pictures, title, &all)?);
            }
        }
        let said = format!("None were found of: {}.", none.join(", "));
        Ok(if none.is_empty() { section } else { section.paragraph(&said) })
    })?;
    part.section("K_F and its quantiles", |_, section| {
        let section = section.paragraph(
            "K_F is a maximum: one pair decides it. A quantile of 1 / distance over the pairs of different classes \
             does not hang on single pairs: a robust K_F. Where there are contradictions or near-duplicates across \
             classes, the same without any of their samples.",
        );
        Ok(section.table(effect(curation)?))
    })?;
    if let Some(chart) = charts::class_pairs(measured)? {
        part.section("Which classes are near each other", |part, section| {
            Ok(part.chart(section, Some(chart)))
        })?;
    }
    Ok(())
}

fn groups(measured: &Measured, pictures: Option<&Pictures>, title: &str, all: &[&Group]) -> Result<Section> {
    let section = Section::new(title);
    let mut section = match all.len() {
        ..=GROUPS => section,
        _ => section.paragraph(&format!("The {GROUPS} closest of {} groups.", all.len())),
    };
    let mut shown: Vec<(Vec<Picture>, String)> = Vec::new();
    let columns = [Column::text("group"), Column::number("closest"), Column::text("samples")];
    let mut table = Table::new("", columns);
    for (at, group) in all.iter().take(GROUPS).enumerate() {
        let members = &group.samples[..group.samples.len().min(MEMBERS)];
        let more = match group.samples.len() - members.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let names: Vec<String> = members.iter().map(|&i| measured.named(i)).collect();
        let names = names.join(", ") + &more;
        match pictures {
            Some(pictures) => {
                let images = members.iter().map(|&i| pictures.picture(i, measured.named(i)));
                let images = images.collect::<Result<Vec<_>>>()?;
                shown.push((images, format!("{}. {:.1} apart: {names}", at + 1, group.closest)));
            }
            None => table = table.row([(at + 1).to_string(), format!("{:.1}", group.closest), names])?,
        }
    }
    section = match pictures {
        Some(_) => section.groups(shown),
        None => section.table(table),
    };
    Ok(section)
}

/// K_F, its quantiles and the mean, of all and of what is left.
fn effect(curation: &Curation) -> Result<Table> {
    let quantile = |(at, _): &(f64, f64)| Column::number(format!("{} %", at * 100.0));
    let mut columns = vec![Column::text(""), Column::number("samples"), Column::number("K_F")];
    columns.extend(curation.all.quantiles.iter().map(quantile));
    columns.push(Column::number("mean"));
    let mut table = Table::new("1 / distance: its maximum, quantiles and mean", columns);
    for (name, Spread { max, mean, quantiles, samples, .. }) in what_is_left(curation) {
        let mut cells = vec![name.to_owned(), samples.to_string(), format!("{max:.3e}")];
        cells.extend(quantiles.iter().map(|(_, value)| format!("{value:.3e}")));
        cells.push(format!("{mean:.3e}"));
        table = table.row(cells)?;
    }
    Ok(table)
}
