//! A pass of `ratio_quantiles` on the CPU, fused with the tiles of pairs: each thread counts for itself, and
//! sums of integers are the same in any order.

use super::{Bins, Task};
use crate::ops::Progress;
use crate::ops::pairs::direct::squared_distances;
use crate::ops::pairs::pass::Pass;
use crate::ops::pairs::scan::Sum;
use crate::ops::pairs::{Block, Reader, Tile};
use std::sync::{Mutex, PoisonError};

/// The number of pairs in each bin.
pub(super) fn count(task: &Task<'_>, bins: &Bins, progress: Progress<'_>) -> Vec<u64> {
    let pass = Pass::new(task.points);
    let (row, col) = pass.terms();
    let (near, norms) = pass.bounds().near(row);
    let unit = pass.bounds().unit();
    let (idle, close) = (Mutex::default(), Mutex::default());
    let counts = vec![0; bins.len];
    let mut counter = Counter { task, bins, row, col, near, norms, unit, idle, close, counts };
    pass.blocks(&mut counter, |counter, fraction| {
        counter.settle();
        progress(fraction);
    });
    counter.finish()
}

struct Counter<'a> {
    task: &'a Task<'a>,
    bins: &'a Bins,
    row: &'a [f64],
    col: &'a [f64],
    /// Pairs of value `near` (norm_i + norm_j)^2 or less are recomputed.
    near: f64,
    norms: &'a [f64],
    unit: f64,
    /// Counts that no thread is busy with.
    idle: Mutex<Vec<Vec<u64>>>,
    /// Pairs of this tile that are recomputed.
    close: Mutex<Vec<(u32, u32)>>,
    /// Of the recomputed pairs.
    counts: Vec<u64>,
}

impl Counter<'_> {
    fn settle(&mut self) {
        let mut pairs = std::mem::take(self.close.get_mut().unwrap_or_else(PoisonError::into_inner));
        pairs.sort_unstable();
        for squared in squared_distances(self.task.points, &pairs) {
            if let Some(count) = self.counts.get_mut(self.bins.of(squared)) {
                *count += 1;
            }
        }
    }

    fn finish(self) -> Vec<u64> {
        let mut counts = self.counts;
        for part in self.idle.into_inner().unwrap_or_else(PoisonError::into_inner) {
            counts.iter_mut().zip(part).for_each(|(count, part)| *count += part);
        }
        counts
    }
}

impl Reader for Counter<'_> {
    fn read<S: Sum>(&self, tile: &Tile, block: &Block<'_, S>) {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // One more place, for all pairs that are not counted: cheaper than a branch on labels.
        let mut counts = idle.unwrap_or_else(|| vec![0; self.bins.len + 1]);
        let mut close = Vec::new();
        let first = tile.cols.start + block.cols.start;
        for r in 0..block.rows.len() {
            let i = tile.rows.start + block.rows.start + r;
            let from = (i + 1).saturating_sub(first).min(block.cols.len());
            for (j, sum) in (first + from..).zip(&block.row(r)[from..block.cols.len()]) {
                let value = self.row[i] + self.col[j] - 2.0 * sum.f64();
                let far = value > self.near * (self.norms[i] + self.norms[j]).powi(2);
                let counted = self.task.counts(i, j);
                if !far && counted {
                    close.push((i as u32, j as u32));
                }
                let bin = if far && counted { self.bins.of(value * self.unit) } else { self.bins.len };
                counts[bin.min(self.bins.len)] += 1;
            }
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(counts);
        if !close.is_empty() {
            self.close.lock().unwrap_or_else(PoisonError::into_inner).append(&mut close);
        }
    }
}
