//! `class_pairs` on the CPU, fused with the blocks of pairs. Each block has a table of its own classes; tables are
//! summed in order, whatever the number of threads.

use super::{Classes, Found, place};
use crate::Points;
use crate::ops::pairs::direct::squared_distances;
use crate::ops::pairs::pass::Pass;
use crate::ops::pairs::scan::Sum;
use crate::ops::pairs::{BLOCK, Block, Bounds, NEAR, Reader, Tile};
use crate::ops::{Progress, SharpPair};
use crate::simd::vectorized;
use macro_rules_attribute::apply;
use std::sync::{Mutex, PoisonError};

/// The most candidates kept for the closest pair of two classes.
const MOST_CANDIDATES: usize = 64;

pub(super) fn class_pairs(task: &Classes<'_>, progress: Progress<'_>) -> Vec<Found> {
    let pass = Pass::new(task.points);
    let mut table = Table::new(task, &pass);
    pass.blocks(&mut table, |table, _, done| {
        table.settle();
        progress(done);
    });
    table.finish()
}

/// The result for two classes so far.
#[derive(Clone, Debug)]
struct Cell {
    /// Sum of 1 / distance.
    sum: f64,
    pairs: u64,
    /// The smallest upper bound of a squared distance.
    upper: f64,
    /// Candidates for the closest pair, with lower bounds of their squared distances; a single one where values are exact.
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
            // The smallest upper bound belongs to one of these: for the others any larger bound will do.
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

/// Reads blocks of pairs, and accumulates the results of tiles.
pub(in crate::ops) struct Table<'a> {
    task: &'a Classes<'a>,
    bounds: &'a Bounds,
    row: &'a [f64],
    col: &'a [f64],
    /// Results of the tile's blocks.
    parts: Mutex<Vec<Part>>,
    /// Classes a <= b are at b (b + 1) / 2 + a.
    cells: Vec<Cell>,
}

/// A block's result: its position, a cell for every two classes, and the pairs to recompute.
type Part = ([usize; 2], Vec<([u32; 2], Cell)>, Vec<(u32, u32)>);

impl Reader for Table<'_> {
    fn read<S: Sum>(&self, tile: &Tile, block: &Block<'_, S>) {
        let task = self.task;
        let (near, norms) = self.bounds.near(self.row);
        let unit = self.bounds.unit();
        // The error of a value that is not near is at most 1 / NEAR of it: pairs beyond the closest by more than that
        // are no candidates.
        let least = if self.bounds.exact() { unit } else { unit * (1.0 - 1.01 / NEAR) };
        let rows = tile.rows.start + block.rows.start..tile.rows.start + block.rows.end;
        let cols = tile.cols.start + block.cols.start..tile.cols.start + block.cols.end;
        // The classes of this block, renumbered, for a small table.
        let (of_rows, of_cols) =
            (Local::new(&task.classes[rows.clone()]), Local::new(&task.classes[cols.clone()]));
        let across = of_cols.classes.len();
        let (mut cells, mut close) = (vec![Cell::default(); of_rows.classes.len() * across], Vec::new());
        let (mut values, mut inverse) = ([0.0; BLOCK], [0.0; BLOCK]);
        for (r, i) in rows.clone().enumerate() {
            let from = (i + 1).saturating_sub(cols.start).min(cols.len());
            let (values, inverse) = (&mut values[from..cols.len()], &mut inverse[from..cols.len()]);
            let later = cols.start + from..cols.end;
            invert(self.row[i], &self.col[later.clone()], &block.row(r)[from..cols.len()], values, inverse);
            let cells = &mut cells[of_rows.places[r] * across..][..across];
            for ((j, place), (value, inverse)) in
                later.zip(&of_cols.places[from..]).zip(values.iter().zip(&*inverse))
            {
                if task.groups[i] == task.groups[j] {
                    continue;
                }
                // NaN, too, is near.
                let far = *value > near * (norms[i] + norms[j]).powi(2);
                if !far {
                    close.push((i as u32, j as u32));
                    continue;
                }
                let cell = &mut cells[*place];
                cell.sum += inverse;
                cell.pairs += 1;
                if value * least <= cell.upper {
                    cell.offer(task.points, self.bounds.interval(i, j, *value), (i as u32, j as u32));
                }
            }
        }
        let named = cells.into_iter().enumerate().filter(|(_, cell)| cell.pairs > 0).map(|(at, mut cell)| {
            cell.sum /= unit.sqrt();
            ([of_rows.classes[at / across], of_cols.classes[at % across]], cell)
        });
        let part = ([rows.start, cols.start], named.collect(), close);
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).push(part);
    }
}

/// The distinct classes of some samples, and each sample's index among them.
struct Local {
    classes: Vec<u32>,
    places: Vec<usize>,
}

impl Local {
    fn new(classes: &[u32]) -> Self {
        let mut known = classes.to_vec();
        known.sort_unstable();
        known.dedup();
        let places = classes.iter().map(|class| known.partition_point(|one| one < class)).collect();
        Local { classes: known, places }
    }
}

impl<'a> Table<'a> {
    pub(in crate::ops) fn new(task: &'a Classes<'a>, pass: &'a Pass<'_>) -> Self {
        let (row, col) = pass.terms();
        let count = task.names.len();
        let cells = vec![Cell::default(); count * (count + 1) / 2];
        Table { task, bounds: pass.bounds(), row, col, parts: Mutex::default(), cells }
    }

    /// Adds the results of a tile's blocks in a fixed order.
    pub(in crate::ops) fn settle(&mut self) {
        let (task, exact) = (self.task, self.bounds.exact());
        let mut parts = std::mem::take(self.parts.get_mut().unwrap_or_else(PoisonError::into_inner));
        parts.sort_unstable_by_key(|(at, _, _)| *at);
        for (_, cells, close) in parts {
            for ([a, b], cell) in cells {
                self.cells[place(a, b)].add(task.points, cell, exact);
            }
            for ((i, j), squared) in close.iter().zip(squared_distances(task.points, &close)) {
                let cell = &mut self.cells[place(task.classes[*i as usize], task.classes[*j as usize])];
                cell.sum += 1.0 / squared.sqrt();
                cell.pairs += 1;
                cell.offer(task.points, about(squared), (*i, *j));
            }
        }
    }

    pub(in crate::ops) fn finish(self) -> Vec<Found> {
        let mut found = Vec::new();
        for a in 0..self.task.names.len() as u32 {
            for b in a..self.task.names.len() as u32 {
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
