//! `pairs_within` on the CPU, fused with the tiles of pairs: bounds select the few candidates within the radius; for
//! floats, these are recomputed from the samples themselves.

use super::{Found, Task};
use crate::Values;
use crate::ops::Progress;
use crate::ops::pairs::direct::squared_distances;
use crate::ops::pairs::pass::Pass;
use crate::ops::pairs::scan::{Hits, Sum, hits};
use crate::ops::pairs::{BLOCK, Block, Bounds, LANES, Reader, Tile};
use std::sync::{Mutex, PoisonError};

pub(super) fn pairs_within(task: &Task<'_>, progress: Progress<'_>) -> Found {
    let pass = Pass::new(task.points);
    let (row, col) = pass.terms();
    let mut collector = Collector {
        task,
        // 8-bit values are squared distances themselves; the unit of a grid of floats is rounded.
        exact: matches!(task.points.values(), Values::U8(_)),
        bounds: pass.bounds(),
        row,
        col,
        near: task.squared,
        tile: Mutex::default(),
        found: Vec::new(),
        within: 0,
    };
    pass.blocks(&mut collector, |collector, _, fraction| {
        collector.settle();
        progress(fraction);
    });
    let Collector { mut found, within, .. } = collector;
    if within > task.most as u64 {
        let squared = nearest(&mut found, task.most + 1);
        return Found::TooMany { within, squared };
    }
    found.sort_unstable_by_key(|(i, j, _)| (*i, *j));
    Found::Pairs(found)
}

struct Collector<'a> {
    task: &'a Task<'a>,
    exact: bool,
    bounds: &'a Bounds,
    row: &'a [f64],
    col: &'a [f64],
    /// Pairs beyond this are counted but not kept, as there are too many.
    near: f64,
    tile: Mutex<OfTile>,
    found: Vec<(u32, u32, f64)>,
    /// Pairs within the radius, kept or not.
    within: u64,
}

/// The pairs of a tile's blocks, in the order of their completion.
#[derive(Default)]
struct OfTile {
    candidates: Vec<(u32, u32, f64)>,
    /// Pairs that are certainly within the radius and certainly too far to be kept.
    counted: u64,
}

impl Collector<'_> {
    fn settle(&mut self) {
        let tile = std::mem::take(self.tile.get_mut().unwrap_or_else(PoisonError::into_inner));
        let mut candidates = tile.candidates;
        self.within += tile.counted;
        if !self.exact {
            candidates.sort_unstable_by_key(|(i, j, _)| (*i, *j));
            let pairs: Vec<_> = candidates.iter().map(|(i, j, _)| (*i, *j)).collect();
            let squared = squared_distances(self.task.points, &pairs);
            candidates.iter_mut().zip(squared).for_each(|(candidate, squared)| candidate.2 = squared);
            candidates.retain(|(_, _, squared)| *squared <= self.task.squared);
        }
        self.within += candidates.len() as u64;
        self.found.extend(candidates.into_iter().filter(|(_, _, squared)| *squared <= self.near));
        if self.found.len() > self.task.most.saturating_mul(2) {
            self.near = nearest(&mut self.found, self.task.most + 1);
        }
    }
}

/// Keeps the `count` nearest pairs, and returns the squared distance of the last.
fn nearest(found: &mut Vec<(u32, u32, f64)>, count: usize) -> f64 {
    let (_, last, _) = found.select_nth_unstable_by(count - 1, |a, b| a.2.total_cmp(&b.2));
    let squared = last.2;
    found.truncate(count);
    squared
}

impl Reader for Collector<'_> {
    fn read<S: Sum>(&self, tile: &Tile, block: &Block<'_, S>) {
        // Far above the roundings of f64; an extra candidate costs nothing.
        let room = if self.exact { 0.0 } else { 1e-11 };
        let first = tile.cols.start + block.cols.start;
        let mut terms = [f64::NAN; BLOCK];
        terms[..block.cols.len()].copy_from_slice(&self.col[first..][..block.cols.len()]);
        let groups = block.cols.len().next_multiple_of(LANES);
        let no_limits = [f64::NEG_INFINITY; BLOCK];
        let (mut passed, mut none, mut found) = (Hits::default(), Hits::default(), OfTile::default());
        for r in 0..block.rows.len() {
            let i = tile.rows.start + block.rows.start + r;
            // On the diagonal, columns before this group are not computed.
            let run = (i.saturating_sub(first) / LANES * LANES).min(groups)..groups;
            let row = (self.row[i], self.bounds.limit(i, self.task.squared * (1.0 + room)));
            let sums = &block.row(r)[run.clone()];
            passed.clear();
            hits(row, &terms[run.clone()], &no_limits[run.clone()], sums, run.start, &mut passed, &mut none);
            for (c, value) in passed.iter() {
                let j = first + c;
                let (low, high) = self.bounds.interval(i, j, value);
                if j <= i || low * (1.0 - room) > self.task.squared {
                    continue;
                }
                if low * (1.0 - room) > self.near && high * (1.0 + room) <= self.task.squared {
                    found.counted += 1;
                } else {
                    found.candidates.push((i as u32, j as u32, value));
                }
            }
        }
        if found.counted > 0 || !found.candidates.is_empty() {
            let mut all = self.tile.lock().unwrap_or_else(PoisonError::into_inner);
            all.candidates.append(&mut found.candidates);
            all.counted += found.counted;
        }
    }
}
