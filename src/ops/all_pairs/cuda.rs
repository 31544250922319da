//! `all_pairs` on a GPU: the kernel of `neighbours` makes each tile's sums, and those of `sharpness` and `counts_within`
//! read the same.

use super::Within;
use super::within::{self, Bracket};
use crate::Result;
use crate::device::Gpu;
use crate::ops::Progress;
use crate::ops::counts::cuda as counts;
use crate::ops::neighbours::{Neighbours, cuda as neighbours};
use crate::ops::pairs::Rows;
use crate::ops::pairs::cuda::Prepared;
use crate::ops::sharpness::{self, Task, cuda as sharp};

pub(super) struct Found {
    pub neighbours: Neighbours,
    /// `None` where the device cannot find it, or it was not asked for.
    pub sharpness: Option<sharpness::Found>,
    pub within: Vec<Within>,
}

/// `None` where the device's lists cannot hold so many neighbours.
pub(super) fn all_pairs(
    gpu: &Gpu,
    rows: &Rows<'_>,
    k: usize,
    task: Option<&Task<'_>>,
    brackets: &[Bracket],
    progress: Progress<'_>,
) -> Result<Option<Found>> {
    let Some(list) = neighbours::list_length(rows, k) else { return Ok(None) };
    let prepared = Prepared::new(gpu, rows)?;
    let mut sums = match task {
        Some(task) => sharp::Sums::new(gpu, task, &prepared)?,
        None => None,
    };
    let ranges: Vec<[f64; 2]> = brackets.iter().map(|bracket| [bracket.low, bracket.high]).collect();
    let counter = match (1..=counts::MOST_RADII).contains(&ranges.len()) {
        true => counts::Counter::new(gpu, &prepared, rows, &ranges)?,
        false => None,
    };
    if sums.is_none() && counter.is_none() {
        return Ok(None);
    }
    let lists = neighbours::Lists::new(gpu, rows, k, list)?;
    prepared.for_each_launch(progress, |work| {
        lists.launch(work)?;
        let again = work.again();
        sums.iter_mut().try_for_each(|sums| sums.launch(&again))?;
        counter.iter().try_for_each(|counter| counter.launch(&again))
    })?;
    let sharpness = match sums {
        Some(sums) => sums.finish(&prepared)?,
        None => None,
    };
    let neighbours = lists.finish(&prepared)?;
    let radii = within::radii(brackets, &neighbours);
    let counted = match counter {
        Some(counter) => counter.finish(&prepared, &radii)?,
        None => None,
    };
    let within = counted.map_or_else(Vec::new, |counts| within::held(brackets, &radii, &counts));
    Ok(Some(Found { neighbours, sharpness, within }))
}
