//! `sharpness` on the CPU, fused with the tiles of pairs: exact products for 8-bit data, a GEMM for
//! floats, whose few close pairs are recomputed from the samples themselves.

use super::{Found, Progress, Task, closest};
use crate::ops::pairs::direct::squared_distances;
use crate::ops::pairs::keeper::Keeper;
use crate::ops::pairs::pass::{Pass, TileReader};
use crate::ops::pairs::scan::{Ratios, Sum, padded, row_ratios};
use crate::ops::pairs::{Bounds, Tile};
use rayon::prelude::*;
use std::collections::HashMap;

/// Columns that are scanned before a row's limit is looked at anew.
const RUN: usize = 256;

pub(super) fn sharpness(task: &Task<'_>, progress: Progress<'_>) -> Found {
    let pass = Pass::new(task.points);
    let (row, col) = pass.terms();
    let mut scan = Scan::new(task, pass.bounds(), row, col);
    pass.whole_tiles(&mut scan, progress);
    scan.finish()
}

/// What the tiles seen so far say.
struct Scan<'a> {
    task: &'a Task<'a>,
    bounds: &'a Bounds,
    row: &'a [f64],
    col: &'a [f64],
    unit: f64,
    /// Of each sample's pairs with later samples: the closest, and the sums for the mean.
    keepers: Vec<Keeper>,
    sums: Vec<(f64, f64)>,
    /// Squared distances of the close pairs, as recomputed.
    close: Vec<(f64, (u32, u32))>,
}

impl<'a> Scan<'a> {
    fn new(task: &'a Task<'a>, bounds: &'a Bounds, row: &'a [f64], col: &'a [f64]) -> Self {
        let n = task.points.n();
        let keepers = vec![Keeper::default(); n];
        let unit = bounds.unit();
        Scan { task, bounds, row, col, unit, keepers, sums: vec![(0.0, 0.0); n], close: Vec::new() }
    }

    fn add<S: Sum>(&mut self, tile: &Tile, entries: &[S]) {
        let task = self.task;
        let stride = tile.stride();
        let cols = tile.cols.clone();
        let col_terms = padded(&self.col[cols.clone()]);
        let (near, norms) = self.bounds.near(self.row);
        let col_norms = padded(&norms[cols.clone()]);
        // For each class: 1 where a column's label is another, 0 where it is the same.
        let mut weights: HashMap<u32, Vec<f64>> = HashMap::new();
        for label in &task.labels[tile.rows.clone()] {
            weights.entry(*label).or_insert_with(|| {
                let other = |l: &u32| if l == label { 0.0 } else { 1.0 };
                let mut weights: Vec<f64> = task.labels[cols.clone()].iter().map(other).collect();
                weights.resize(col_terms.len(), 0.0);
                weights
            });
        }
        let mut keepers = std::mem::take(&mut self.keepers);
        let mut sums = std::mem::take(&mut self.sums);
        let this = &*self;
        let close: Vec<(u32, u32)> = keepers[tile.rows.clone()]
            .par_iter_mut()
            .zip(&mut sums[tile.rows.clone()])
            .enumerate()
            .flat_map_iter(|(r, (keeper, sums))| {
                let i = tile.rows.start + r;
                let weights = &weights[&task.labels[i]];
                let (mut hits, mut close) = (Vec::new(), Vec::new());
                // On the diagonal the first group of columns holds pairs that are not this row's.
                let mut own = weights[..weights.len().min(tile.first_col(r) + RUN)].to_vec();
                if tile.diagonal {
                    own[..=r].fill(0.0);
                }
                for from in (tile.first_col(r)..col_terms.len()).step_by(RUN) {
                    let run = from..col_terms.len().min(from + RUN);
                    let weights =
                        if from == tile.first_col(r) { &own[run.clone()] } else { &weights[run.clone()] };
                    let limit = this.bounds.limit(i, keeper.reach(task.top));
                    let run = Ratios {
                        row_term: this.row[i],
                        col_terms: &col_terms[run.clone()],
                        weights,
                        row_norm: norms[i],
                        col_norms: &col_norms[run],
                        near,
                        limit,
                    };
                    let (first, second) = row_ratios(&run, &entries[r * stride + from..], &mut hits);
                    sums.0 += first;
                    sums.1 += second;
                    for (c, value) in hits.drain(..) {
                        let j = cols.start + from + c;
                        if !task.counts(i, j) {
                            continue;
                        }
                        if value <= near * (norms[i] + norms[j]).powi(2) {
                            close.push((i as u32, j as u32));
                        } else {
                            let interval = this.bounds.interval(i, j, value);
                            keeper.offer(task.top, this.bounds.exact(), interval, j);
                        }
                    }
                }
                close
            })
            .collect();
        self.keepers = keepers;
        self.sums = sums;
        let squared = squared_distances(task.points, &close);
        for ((i, _), squared) in close.iter().zip(&squared) {
            let sums = &mut self.sums[*i as usize];
            sums.0 += (self.unit / squared).sqrt();
            sums.1 += self.unit / squared;
        }
        self.close.extend(squared.into_iter().zip(close));
        keep_closest(&mut self.close, task.top);
    }

    fn finish(self) -> Found {
        let task = self.task;
        let (mut sum, mut sum_of_squares) = (0.0, 0.0);
        for (first, second) in &self.sums {
            sum += first / self.unit.sqrt();
            sum_of_squares += second / self.unit;
        }
        // The distance that `top` pairs are known not to exceed.
        let mut upper: Vec<f64> = self.keepers.iter().flat_map(Keeper::greatest).collect();
        upper.extend(self.close.iter().map(|(squared, _)| *squared));
        upper.sort_unstable_by(f64::total_cmp);
        let reach = upper.get(task.top - 1).copied().unwrap_or(f64::INFINITY);
        let mut found = self.close;
        let mut pairs = Vec::new();
        for (i, keeper) in self.keepers.into_iter().enumerate() {
            if keeper.loose {
                // Row by row, so that many such samples take no more memory than one.
                let later = (i + 1).max(task.points.partners().start)..task.points.n();
                let others = later.filter(|&j| task.counts(i, j));
                let others: Vec<_> = others.map(|j| (i as u32, j as u32)).collect();
                found.extend(squared_distances(task.points, &others).into_iter().zip(others));
                keep_closest(&mut found, task.top);
            }
            let within = keeper.found.into_iter().filter(|(low, _)| *low <= reach);
            if self.bounds.exact() {
                found.extend(within.map(|(squared, j)| (squared, (i as u32, j))));
            } else {
                pairs.extend(within.map(|(_, j)| (i as u32, j)));
            }
        }
        found.extend(squared_distances(task.points, &pairs).into_iter().zip(pairs));
        Found { sharpest: closest(found, task.top), sum, sum_of_squares }
    }
}

impl TileReader for Scan<'_> {
    fn read<S: Sum>(&mut self, tile: &Tile, sums: &[S]) {
        self.add(tile, sums);
    }
}

/// Leaves the `top` closest of some pairs, each once: a sample that is compared with all others brings pairs
/// that were close enough to be known before.
fn keep_closest(pairs: &mut Vec<(f64, (u32, u32))>, top: usize) {
    if pairs.len() > top {
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        pairs.dedup();
        pairs.truncate(top);
    }
}
