//! `class_pairs` on the CPU, fused with the tiles of pairs. A tile's rows are dealt out class by class, so that a
//! task has one table of all classes to add to; tables are added up in order, whatever the thread count.

use super::{Found, Task};
use crate::Points;
use crate::ops::pairs::direct::squared_distances;
use crate::ops::pairs::pass::{Pass, TileReader};
use crate::ops::pairs::scan::Sum;
use crate::ops::pairs::{Bounds, NEAR, Tile};
use crate::ops::{Progress, SharpPair};
use crate::simd::vectorized;
use macro_rules_attribute::apply;
use rayon::prelude::*;

/// Rows of a task at most.
const ROWS: usize = 128;
/// Pairs that may be the closest of two classes, kept at most.
const MOST_CANDIDATES: usize = 64;

pub(super) fn class_pairs(task: &Task<'_>, progress: Progress<'_>) -> Vec<Found> {
    let pass = Pass::new(task.points);
    let (row, col) = pass.terms();
    let cells = vec![Cell::default(); task.count * (task.count + 1) / 2];
    let mut table = Table { task, bounds: pass.bounds(), row, col, cells };
    pass.whole_tiles(&mut table, progress);
    table.finish()
}

/// What is known of two classes so far.
#[derive(Clone, Debug)]
struct Cell {
    /// Of 1 / distance.
    sum: f64,
    pairs: u64,
    /// The least of all greatest possible squared distances.
    upper: f64,
    /// Pairs that may be the closest, and their least possible squared distances; a single one where values
    /// are exact.
    found: Vec<(f64, (u32, u32))>,
}

impl Default for Cell {
    fn default() -> Self {
        Cell { sum: 0.0, pairs: 0, upper: f64::INFINITY, found: Vec::new() }
    }
}

impl Cell {
    fn offer(&mut self, points: &Points<'_>, (low, high): (f64, f64), pair: (u32, u32)) {
        if low > self.upper {
            return;
        }
        if low == high {
            if self.found.first().is_none_or(|best| (low, pair) < *best) {
                (self.upper, self.found) = (low, vec![(low, pair)]);
            }
            return;
        }
        self.upper = self.upper.min(high);
        self.found.push((low, pair));
        if self.found.len() > MOST_CANDIDATES {
            self.found.retain(|(low, _)| *low <= self.upper);
            if self.found.len() > MOST_CANDIDATES / 2 {
                let (squared, pair) = self.closest(points);
                let (low, high) = about(squared);
                (self.upper, self.found) = (self.upper.min(high), vec![(low, pair)]);
            }
        }
    }

    fn add(&mut self, points: &Points<'_>, other: Cell, exact: bool) {
        self.sum += other.sum;
        self.pairs += other.pairs;
        for (low, pair) in other.found {
            // The bound that matters came with one of these: for the others any bound no less will do.
            let high = if exact { low } else { other.upper.max(low.next_up()) };
            self.offer(points, (low, high), pair);
        }
    }

    /// The closest of the candidates, recomputed.
    fn closest(&self, points: &Points<'_>) -> (f64, (u32, u32)) {
        let pairs: Vec<_> = self.found.iter().map(|(_, pair)| *pair).collect();
        let all = squared_distances(points, &pairs).into_iter().zip(pairs);
        all.min_by(|a, b| a.partial_cmp(b).expect("no NaN")).expect("a cell with pairs has candidates")
    }
}

/// Bounds of a recomputed squared distance.
fn about(squared: f64) -> (f64, f64) {
    (squared * (1.0 - 1e-12), squared * (1.0 + 1e-12))
}

struct Table<'a> {
    task: &'a Task<'a>,
    bounds: &'a Bounds,
    row: &'a [f64],
    col: &'a [f64],
    /// Of classes a <= b at b (b + 1) / 2 + a.
    cells: Vec<Cell>,
}

fn place(a: u32, b: u32) -> usize {
    let (a, b) = (a.min(b) as usize, a.max(b) as usize);
    b * (b + 1) / 2 + a
}

impl TileReader for Table<'_> {
    fn read<S: Sum>(&mut self, tile: &Tile, sums: &[S]) {
        let task = self.task;
        let class = |i: &u32| task.classes[*i as usize];
        let mut rows: Vec<u32> = (tile.rows.start as u32..tile.rows.end as u32).collect();
        rows.sort_by_key(class);
        let tasks: Vec<&[u32]> =
            rows.chunk_by(|a, b| class(a) == class(b)).flat_map(|rows| rows.chunks(ROWS)).collect();
        let this = &*self;
        let parts: Vec<_> = tasks.par_iter().map(|rows| this.rows(tile, rows, sums)).collect();
        let exact = self.bounds.exact();
        for (rows, (cells, close)) in tasks.into_iter().zip(parts) {
            let own = class(&rows[0]);
            for (other, cell) in cells.into_iter().enumerate().filter(|(_, cell)| cell.pairs > 0) {
                self.cells[place(own, other as u32)].add(task.points, cell, exact);
            }
            for ((i, j), squared) in close.iter().zip(squared_distances(task.points, &close)) {
                let cell = &mut self.cells[place(own, class(j))];
                cell.sum += 1.0 / squared.sqrt();
                cell.pairs += 1;
                cell.offer(task.points, about(squared), (*i, *j));
            }
        }
    }
}

impl Table<'_> {
    /// What some rows of one class say of each class, and their pairs that are to be recomputed.
    fn rows<S: Sum>(&self, tile: &Tile, rows: &[u32], sums: &[S]) -> (Vec<Cell>, Vec<(u32, u32)>) {
        let task = self.task;
        let (near, norms) = self.bounds.near(self.row);
        let unit = self.bounds.unit();
        // A value that is not near is off by no more than a NEARth: what is further than that from the
        // closest need not be looked at twice.
        let least = if self.bounds.exact() { unit } else { unit * (1.0 - 1.01 / NEAR) };
        let (mut cells, mut close) = (vec![Cell::default(); task.count], Vec::new());
        let (mut values, mut inverse) = (vec![0.0; tile.cols.len()], vec![0.0; tile.cols.len()]);
        for &i in rows {
            let i = i as usize;
            let from = (i + 1).saturating_sub(tile.cols.start).min(tile.cols.len());
            let sums = &sums[(i - tile.rows.start) * tile.stride()..][from..tile.cols.len()];
            let cols = tile.cols.start + from..tile.cols.end;
            invert(self.row[i], &self.col[cols.clone()], sums, &mut values[from..], &mut inverse[from..]);
            for (j, (value, inverse)) in cols.zip(values[from..].iter().zip(&inverse[from..])) {
                if task.groups[i] == task.groups[j] {
                    continue;
                }
                // NaN, too, is near.
                let far = *value > near * (norms[i] + norms[j]).powi(2);
                if !far {
                    close.push((i as u32, j as u32));
                    continue;
                }
                let cell = &mut cells[task.classes[j] as usize];
                cell.sum += inverse;
                cell.pairs += 1;
                if value * least <= cell.upper {
                    cell.offer(task.points, self.bounds.interval(i, j, *value), (i as u32, j as u32));
                }
            }
        }
        for cell in &mut cells {
            cell.sum /= unit.sqrt();
        }
        (cells, close)
    }

    fn finish(self) -> Vec<Found> {
        let mut found = Vec::new();
        for a in 0..self.task.count as u32 {
            for b in a..self.task.count as u32 {
                let cell = &self.cells[place(a, b)];
                if cell.pairs == 0 {
                    continue;
                }
                let (squared, (i, j)) =
                    if self.bounds.exact() { cell.found[0] } else { cell.closest(self.task.points) };
                let sharpest = SharpPair { pair: [i as usize, j as usize], distance: squared.sqrt() };
                found.push(Found { classes: [a, b], sharpest, sum: cell.sum, pairs: cell.pairs });
            }
        }
        found
    }
}

/// The values of one row's pairs, and 1 / distance in the values' unit.
#[apply(vectorized)]
fn invert<S: Sum>(term: f64, terms: &[f64], sums: &[S], values: &mut [f64], inverse: &mut [f64]) {
    let out = values.iter_mut().zip(inverse);
    for ((term_of_col, sum), (value, inverse)) in terms.iter().zip(sums).zip(out) {
        *value = term + term_of_col - 2.0 * sum.f64();
        *inverse = 1.0 / value.sqrt();
    }
}
