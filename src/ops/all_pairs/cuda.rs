//! `all_pairs` on a GPU: the kernel of `neighbours` computes each tile's sums, and those of `sharpness`, `class_pairs`
//! and `counts_within` reuse them.

use super::within::{self, Bracket};
use super::{Found, Readers};
use crate::Result;
use crate::device::Gpu;
use crate::ops::Progress;
use crate::ops::class_pairs::cuda as class_pairs;
use crate::ops::counts::cuda as counts;
use crate::ops::neighbours::cuda as neighbours;
use crate::ops::pairs::Rows;
use crate::ops::pairs::cuda::Prepared;
use crate::ops::sharpness::cuda as sharp;

/// `None` where the device's lists cannot hold that many neighbours, or it can compute nothing else.
pub(super) fn all_pairs(
    gpu: &Gpu,
    rows: &Rows<'_>,
    k: usize,
    wanted: &Readers<'_>,
    progress: Progress<'_>,
) -> Result<Option<Found>> {
    let Some(list) = neighbours::list_length(rows, k) else { return Ok(None) };
    let prepared = Prepared::new(gpu, rows)?;
    let mut sums = match wanted.task {
        Some(task) => sharp::Sums::new(gpu, task, &prepared)?,
        None => None,
    };
    let table = match wanted.classes {
        Some(classes) => class_pairs::Table::new(gpu, classes, &prepared)?,
        None => None,
    };
    let ranges: Vec<[f64; 2]> =
        wanted.brackets.iter().map(|&Bracket { low, high, .. }| [low, high]).collect();
    let counter = if (1..=counts::MOST_RADII).contains(&ranges.len()) {
        counts::Counter::new(gpu, &prepared, rows, &ranges)?
    } else {
        None
    };
    if sums.is_none() && table.is_none() && counter.is_none() {
        return Ok(None);
    }
    let lists = neighbours::Lists::new(gpu, rows, k, list)?;
    prepared.for_each_launch(progress, |work| {
        lists.launch(work)?;
        let again = work.again();
        sums.iter_mut().try_for_each(|sums| sums.launch(&again))?;
        table.iter().try_for_each(|table| table.launch(&again))?;
        counter.iter().try_for_each(|counter| counter.launch(&again))
    })?;
    let sharpness = match sums {
        Some(sums) => sums.finish(&prepared)?,
        None => None,
    };
    let classes = match table {
        Some(table) => table.finish(&prepared)?,
        None => None,
    };
    let neighbours = lists.finish(&prepared)?;
    let radii = within::radii(wanted.brackets, &neighbours);
    let counted = match counter {
        Some(counter) => counter.finish(&prepared, &radii)?,
        None => None,
    };
    let within = counted.map_or_else(Vec::new, |counts| within::held(wanted.brackets, &radii, &counts));
    Ok(Some(Found { neighbours, sharpness, classes, within }))
}
