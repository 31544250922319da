//! `sharpness` on the CPU, fused with the blocks of pairs: exact products for 8-bit data, else products of floats,
//! whose few close pairs are recomputed from the samples themselves.

use super::{Found, Progress, Task, closest};
use crate::ops::pairs::direct::squared_distances;
use crate::ops::pairs::pass::Pass;
use crate::ops::pairs::scan::{Ratios, Sum, row_ratios};
use crate::ops::pairs::{BLOCK, Block, Bounds, LANES, Reader, TILE, Tile};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Blocks in a row of a tile.
const ACROSS: usize = TILE / BLOCK;

pub(in crate::ops) fn sharpness(task: &Task<'_>, progress: Progress<'_>) -> Found {
    let pass = Pass::new(task.points);
    let mut scan = Scan::new(task, &pass);
    pass.blocks(&mut scan, |scan, tile, done| {
        scan.settle(tile);
        progress(done);
    });
    scan.finish()
}

/// Reads blocks of pairs, and accumulates the results of tiles.
pub(in crate::ops) struct Scan<'a> {
    task: &'a Task<'a>,
    bounds: &'a Bounds,
    row: &'a [f64],
    col: &'a [f64],
    unit: f64,
    /// For each row of the tile and each block of columns, the sums of 1 / distance and of its square, as bits: added in a
    /// fixed order.
    partial: Vec<[AtomicU64; 2]>,
    /// Sums over each sample's pairs with later samples.
    sums: Vec<[f64; 2]>,
    /// An upper bound on the squared distance of the `top` closest pairs, as bits, read without a lock.
    reach: AtomicU64,
    candidates: Mutex<Candidates>,
}

/// Candidates for the closest pairs.
#[derive(Default)]
struct Candidates {
    /// The smallest of their upper bounds of squared distances, ascending: `top` at most.
    upper: Vec<f64>,
    /// Lower bounds of squared distances.
    found: Vec<(f64, (u32, u32))>,
    /// Pairs of the tile that are too close for their value to be precise.
    near: Vec<(u32, u32)>,
}

impl Candidates {
    /// An upper bound on the squared distance of the `top` closest pairs.
    fn reach(&self, top: usize) -> f64 {
        self.upper.get(top - 1).copied().unwrap_or(f64::INFINITY)
    }

    fn offer(&mut self, top: usize, (low, high): (f64, f64), pair: (u32, u32)) {
        if low > self.reach(top) {
            return;
        }
        if high < self.reach(top) {
            self.upper.truncate(top - 1);
            self.upper.insert(self.upper.partition_point(|upper| *upper <= high), high);
        }
        self.found.push((low, pair));
    }
}

impl<'a> Scan<'a> {
    pub(in crate::ops) fn new(task: &'a Task<'a>, pass: &'a Pass<'_>) -> Self {
        let (row, col) = pass.terms();
        let n = task.points.n();
        let cells = n.min(TILE) * ACROSS;
        Scan {
            task,
            bounds: pass.bounds(),
            row,
            col,
            unit: pass.bounds().unit(),
            partial: (0..cells).map(|_| Default::default()).collect(),
            sums: vec![[0.0; 2]; n],
            reach: AtomicU64::new(f64::INFINITY.to_bits()),
            candidates: Mutex::default(),
        }
    }

    /// Finishes a tile: recomputes pairs too close for their value, and drops candidates above the bound.
    pub(in crate::ops) fn settle(&mut self, tile: &Tile) {
        let (task, top, exact) = (self.task, self.task.top, self.bounds.exact());
        for (sums, cells) in
            self.sums[tile.rows.clone()].iter_mut().zip(self.partial.chunks_exact_mut(ACROSS))
        {
            for cell in cells {
                for (sum, part) in sums.iter_mut().zip(cell) {
                    *sum += f64::from_bits(std::mem::take(part.get_mut()));
                }
            }
        }
        let candidates = self.candidates.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut near = std::mem::take(&mut candidates.near);
        near.sort_unstable();
        for (squared, pair) in squared_distances(task.points, &near).into_iter().zip(near) {
            let sums = &mut self.sums[pair.0 as usize];
            sums[0] += (self.unit / squared).sqrt();
            sums[1] += self.unit / squared;
            candidates.offer(top, about(squared, exact), pair);
        }
        let reach = candidates.reach(top);
        candidates.found.retain(|(low, _)| *low <= reach);
        if candidates.found.len() > 4 * top + 128 {
            let pairs = std::mem::take(&mut candidates.found).into_iter().map(|(_, pair)| pair).collect();
            candidates.upper.clear();
            for (squared, pair) in self.nearest(pairs) {
                let candidates = self.candidates.get_mut().unwrap_or_else(PoisonError::into_inner);
                candidates.offer(top, about(squared, exact), pair);
            }
        }
    }

    /// The `top` closest of some pairs, recomputed.
    fn nearest(&self, mut pairs: Vec<(u32, u32)>) -> Vec<(f64, (u32, u32))> {
        pairs.sort_unstable();
        let squared = squared_distances(self.task.points, &pairs);
        let mut found: Vec<_> = squared.into_iter().zip(pairs).collect();
        found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        found.truncate(self.task.top);
        found
    }

    pub(in crate::ops) fn finish(mut self) -> Found {
        let candidates = std::mem::take(&mut self.candidates);
        let candidates = candidates.into_inner().unwrap_or_else(PoisonError::into_inner);
        let pairs = candidates.found.into_iter().map(|(_, pair)| pair).collect();
        let (mut sum, mut sum_of_squares) = (0.0, 0.0);
        for [first, second] in &self.sums {
            sum += first / self.unit.sqrt();
            sum_of_squares += second / self.unit;
        }
        Found { sharpest: closest(self.nearest(pairs), self.task.top), sum, sum_of_squares }
    }
}

/// Bounds of a recomputed squared distance.
fn about(squared: f64, exact: bool) -> (f64, f64) {
    if exact { (squared, squared) } else { (squared * (1.0 - 1e-12), squared * (1.0 + 1e-12)) }
}

impl Reader for Scan<'_> {
    fn read<S: Sum>(&self, tile: &Tile, block: &Block<'_, S>) {
        let (task, top, bounds) = (self.task, self.task.top, self.bounds);
        let first = tile.cols.start + block.cols.start;
        let cols = first..first + block.cols.len();
        let (near, norms) = bounds.near(self.row);
        // Padding of a group of lanes: NaN, which is neither near nor far.
        let (mut terms, mut col_norms, mut labels) = ([f64::NAN; BLOCK], [f64::NAN; BLOCK], [0; BLOCK]);
        terms[..cols.len()].copy_from_slice(&self.col[cols.clone()]);
        col_norms[..cols.len()].copy_from_slice(&norms[cols.clone()]);
        labels[..cols.len()].copy_from_slice(&task.labels[cols.clone()]);
        let groups = cols.len().next_multiple_of(LANES);
        let reach = f64::from_bits(self.reach.load(Ordering::Relaxed));
        let (mut hits, mut pairs, mut close) = (Vec::new(), Vec::new(), Vec::new());
        for r in block.rows.clone() {
            let i = tile.rows.start + r;
            // A sample is no pair with itself, and pairs before it belong to earlier rows.
            if cols.contains(&i) {
                terms[i - first] = f64::NAN;
            }
            // On the diagonal, columns before this group are not computed.
            let run = (i.saturating_sub(first) / LANES * LANES).min(groups)..groups;
            let ratios = Ratios {
                row_term: self.row[i],
                col_terms: &terms[run.clone()],
                row_label: task.labels[i],
                col_labels: &labels[run.clone()],
                row_norm: norms[i],
                col_norms: &col_norms[run.clone()],
                near,
                limit: bounds.limit(i, reach),
            };
            let sums = row_ratios(&ratios, &block.row(r - block.rows.start)[run.clone()], &mut hits);
            let cell = &self.partial[r * ACROSS + block.cols.start / BLOCK];
            cell[0].store(sums.0.to_bits(), Ordering::Relaxed);
            cell[1].store(sums.1.to_bits(), Ordering::Relaxed);
            for (c, value) in hits.drain(..) {
                let j = first + run.start + c;
                if !task.counts(i, j) {
                    continue;
                }
                let pair = (i as u32, j as u32);
                if value <= near * (norms[i] + norms[j]).powi(2) {
                    close.push(pair);
                } else {
                    pairs.push((bounds.interval(i, j, value), pair));
                }
            }
        }
        if pairs.is_empty() && close.is_empty() {
            return;
        }
        let mut candidates = self.candidates.lock().unwrap_or_else(PoisonError::into_inner);
        candidates.near.append(&mut close);
        for (interval, pair) in pairs {
            candidates.offer(top, interval, pair);
        }
        self.reach.store(candidates.reach(top).to_bits(), Ordering::Relaxed);
    }
}
