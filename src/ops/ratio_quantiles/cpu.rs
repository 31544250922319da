//! The passes of `ratio_quantiles` on the CPU, fused with the tiles of pairs: each thread has its own counts, and
//! integer sums do not depend on the order.

use super::{Bins, Task, most_open};
use crate::Result;
use crate::ops::Progress;
use crate::ops::pairs::direct::squared_distances;
use crate::ops::pairs::pass::Pass;
use crate::ops::pairs::scan::Sum;
use crate::ops::pairs::{Block, Bounds, Reader, Tile};
use std::sync::{Mutex, PoisonError};

pub(super) struct Passes<'a> {
    task: &'a Task<'a>,
    pass: Pass<'a>,
}

impl<'a> Passes<'a> {
    pub(super) fn new(task: &'a Task<'a>) -> Self {
        Passes { task, pass: Pass::new(task.points) }
    }

    /// Runs a pass for a consumer of all pairs that count.
    fn run<W: Wants>(&self, wants: W, progress: Progress<'_>) -> W {
        let (row, col) = self.pass.terms();
        let (near, norms) = self.pass.bounds().near(row);
        let mut scan = Scan { task: self.task, row, col, near, norms, close: Mutex::default(), wants };
        self.pass.blocks(&mut scan, |scan, _, fraction| {
            scan.settle();
            progress(fraction);
        });
        scan.wants
    }
}

impl super::Passes for Passes<'_> {
    fn count(&self, bins: &Bins, progress: Progress<'_>) -> Result<Option<Vec<u64>>> {
        let unit = self.pass.bounds().unit();
        let counter = Counter { bins, unit, idle: Mutex::default(), close: vec![0; bins.len] };
        let Counter { idle, mut close, .. } = self.run(counter, progress);
        for part in idle.into_inner().unwrap_or_else(PoisonError::into_inner) {
            close.iter_mut().zip(part).for_each(|(count, part)| *count += part);
        }
        Ok(Some(close))
    }

    fn open(&self, ranges: &[(f64, f64)], progress: Progress<'_>) -> Result<Option<Vec<(f64, f64)>>> {
        let most = most_open(self.task.points.dim());
        let (pairs, close) = (Mutex::default(), Vec::new());
        let collector = Collector { bounds: self.pass.bounds(), ranges, most, pairs, close };
        let Collector { pairs, close: mut open, .. } = self.run(collector, progress);
        let mut pairs = pairs.into_inner().unwrap_or_else(PoisonError::into_inner);
        if pairs.len() + open.len() > most {
            return Ok(None);
        }
        pairs.sort_unstable_by_key(|(i, j, _)| (*i, *j));
        let places: Vec<_> = pairs.iter().map(|(i, j, _)| (*i, *j)).collect();
        let squared = squared_distances(self.task.points, &places);
        open.extend(pairs.into_iter().map(|(_, _, taken)| taken).zip(squared));
        Ok(Some(open))
    }

    fn exact(&self) -> bool {
        self.pass.bounds().exact()
    }

    fn rough(&self) -> bool {
        true
    }
}

/// A consumer of all pairs that count; those too close for their value are recomputed.
trait Wants: Sync {
    /// Per-thread state of a block.
    type Own;
    fn begin(&self) -> Self::Own;
    /// A pair and its value; `counts` says whether it counts.
    fn far(&self, own: &mut Self::Own, i: usize, j: usize, value: f64, counts: bool);
    fn end(&self, own: Self::Own);
    fn close(&mut self, squared: f64);
}

struct Scan<'a, W> {
    task: &'a Task<'a>,
    row: &'a [f64],
    col: &'a [f64],
    /// Pairs of value `near` (norm_i + norm_j)^2 or less are recomputed.
    near: f64,
    norms: &'a [f64],
    /// Such pairs of this tile.
    close: Mutex<Vec<(u32, u32)>>,
    wants: W,
}

impl<W: Wants> Scan<'_, W> {
    fn settle(&mut self) {
        let mut pairs = std::mem::take(self.close.get_mut().unwrap_or_else(PoisonError::into_inner));
        pairs.sort_unstable();
        for squared in squared_distances(self.task.points, &pairs) {
            self.wants.close(squared);
        }
    }
}

impl<W: Wants> Reader for Scan<'_, W> {
    fn read<S: Sum>(&self, tile: &Tile, block: &Block<'_, S>) {
        let (mut own, mut close) = (self.wants.begin(), Vec::new());
        let first = tile.cols.start + block.cols.start;
        for r in 0..block.rows.len() {
            let i = tile.rows.start + block.rows.start + r;
            let from = (i + 1).saturating_sub(first).min(block.cols.len());
            for (j, sum) in (first + from..).zip(&block.row(r)[from..block.cols.len()]) {
                let value = self.row[i] + self.col[j] - 2.0 * sum.f64();
                let far = value > self.near * (self.norms[i] + self.norms[j]).powi(2);
                let counts = self.task.counts(i, j);
                if !far && counts {
                    close.push((i as u32, j as u32));
                }
                self.wants.far(&mut own, i, j, value, far && counts);
            }
        }
        self.wants.end(own);
        if !close.is_empty() {
            self.close.lock().unwrap_or_else(PoisonError::into_inner).append(&mut close);
        }
    }
}

/// Counts pairs per bin.
struct Counter<'a> {
    bins: &'a Bins,
    unit: f64,
    /// Idle counts of threads, with one more entry for all pairs that do not count: cheaper than a branch on labels.
    idle: Mutex<Vec<Vec<u64>>>,
    /// Counts of recomputed pairs.
    close: Vec<u64>,
}

impl Wants for Counter<'_> {
    type Own = Vec<u64>;

    fn begin(&self) -> Vec<u64> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| vec![0; self.bins.len + 1])
    }

    #[inline(always)]
    fn far(&self, counts: &mut Vec<u64>, _: usize, _: usize, value: f64, counted: bool) {
        let bin = if counted { self.bins.index(value * self.unit) } else { self.bins.len };
        counts[bin.min(self.bins.len)] += 1;
    }

    fn end(&self, counts: Vec<u64>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(counts);
    }

    fn close(&mut self, squared: f64) {
        if let Some(count) = self.close.get_mut(self.bins.index(squared)) {
            *count += 1;
        }
    }
}

/// Collects pairs that may be in a range.
struct Collector<'a> {
    bounds: &'a Bounds,
    ranges: &'a [(f64, f64)],
    /// The limit of pairs; beyond it, which are kept does not matter.
    most: usize,
    /// Pairs with the squared distance of their value.
    pairs: Mutex<Vec<(u32, u32, f64)>>,
    /// Recomputed pairs, counted with their true values.
    close: Vec<(f64, f64)>,
}

impl Wants for Collector<'_> {
    type Own = Vec<(u32, u32, f64)>;

    fn begin(&self) -> Self::Own {
        Vec::new()
    }

    #[inline(always)]
    fn far(&self, own: &mut Self::Own, i: usize, j: usize, value: f64, counted: bool) {
        if counted {
            // Far above the roundings of f64; an extra pair costs nothing.
            let (low, high) = self.bounds.interval(i, j, value);
            let (low, high) = (low * (1.0 - 1e-11), high * (1.0 + 1e-11));
            if self.ranges.iter().any(|range| low <= range.1 && high >= range.0) {
                own.push((i as u32, j as u32, value * self.bounds.unit()));
            }
        }
    }

    fn end(&self, mut own: Self::Own) {
        if own.is_empty() {
            return;
        }
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        if pairs.len() <= self.most {
            pairs.append(&mut own);
        }
    }

    fn close(&mut self, squared: f64) {
        let inside = self.ranges.iter().any(|range| (range.0..=range.1).contains(&squared));
        if inside && self.close.len() <= self.most {
            self.close.push((squared, squared));
        }
    }
}
