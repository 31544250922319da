//! `counts_within` on the CPU, fused with the tiles of pairs: exact products for 8-bit data, a GEMM for floats,
//! whose pairs too near a radius to decide are recomputed from the samples themselves.

use crate::ops::Progress;
use crate::ops::pairs::direct::squared_distances;
use crate::ops::pairs::pass::Pass;
use crate::ops::pairs::scan::Sum;
use crate::ops::pairs::{BLOCK, Block, Bounds, LANES, Reader, Rows, Tile};
use crate::simd::vectorized;
use macro_rules_attribute::apply;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub(super) fn counts<const R: usize>(
    samples: &Rows<'_>,
    squared: [f64; R],
    progress: Progress<'_>,
) -> Vec<[u64; R]> {
    let pass = Pass::new(samples);
    let (row, col) = pass.terms();
    let mut counter = Counter::new(squared, pass.bounds(), row, col);
    pass.blocks(&mut counter, |counter, _, done| {
        counter.settle(samples);
        progress(done);
    });
    counter.finish()
}

struct Counter<'a, const R: usize> {
    squared: [f64; R],
    row: &'a [f64],
    col: &'a [f64],
    /// The error of a value is at most `eta` (norm_i + norm_j)^2, in units of `unit`.
    eta: f64,
    unit: f64,
    norm: &'a [f64],
    counts: Vec<[AtomicU64; R]>,
    /// Pairs whose bounds contain a radius.
    unsure: Mutex<Vec<(u32, u32)>>,
}

impl<'a, const R: usize> Counter<'a, R> {
    fn new(squared: [f64; R], bounds: &'a Bounds, row: &'a [f64], col: &'a [f64]) -> Self {
        let (eta, unit, norm) = match bounds {
            Bounds::Exact { unit } => (0.0, *unit, row),
            Bounds::Rounded { eta, unit, norm, .. } => (*eta, *unit, &norm[..]),
            // Nothing is known about these values: their error bounds are infinite.
            Bounds::Quantised { error, .. } => (1.0, 1.0, &error[..]),
        };
        let counts = row.iter().map(|_| [const { AtomicU64::new(0) }; R]).collect();
        Counter { squared, row, col, eta, unit, norm, counts, unsure: Mutex::default() }
    }

    /// Adds to a sample's counts. Integer sums do not depend on the order.
    fn add(&self, i: usize, within: impl Fn(usize) -> u64) {
        for (which, count) in self.counts[i].iter().enumerate() {
            count.fetch_add(within(which), Ordering::Relaxed);
        }
    }

    /// Recomputes the pairs that bounds leave undecided.
    fn settle(&mut self, samples: &Rows<'_>) {
        let mut pairs = std::mem::take(self.unsure.get_mut().unwrap_or_else(PoisonError::into_inner));
        pairs.sort_unstable();
        for ((i, j), found) in pairs.iter().zip(squared_distances(samples, &pairs)) {
            let within = |which: usize| u64::from(found < self.squared[which]);
            self.add(*i as usize, within);
            self.add(*j as usize, within);
        }
    }

    fn finish(self) -> Vec<[u64; R]> {
        self.counts.into_iter().map(|counts| counts.map(AtomicU64::into_inner)).collect()
    }
}

impl<const R: usize> Reader for Counter<'_, R> {
    fn read<S: Sum>(&self, tile: &Tile, block: &Block<'_, S>) {
        let first = tile.cols.start + block.cols.start;
        let there = first..first + block.cols.len();
        // Padding of a group of lanes: NaN, which is within no radius.
        let (mut terms, mut norms) = ([f64::NAN; BLOCK], [f64::NAN; BLOCK]);
        terms[..there.len()].copy_from_slice(&self.col[there.clone()]);
        norms[..there.len()].copy_from_slice(&self.norm[there.clone()]);
        let groups = there.len().next_multiple_of(LANES);
        let mut columns = [[0u32; BLOCK]; R];
        let (mut open, mut unsure) = (Vec::new(), Vec::new());
        for r in 0..block.rows.len() {
            let i = tile.rows.start + block.rows.start + r;
            // On the diagonal, columns before this group are not computed.
            let own = (i + 1).saturating_sub(first);
            let from = if tile.diagonal { own / LANES * LANES } else { 0 };
            if from >= groups {
                break;
            }
            let row = RowValues {
                term: self.row[i],
                norm: self.norm[i],
                terms: &terms[from..groups],
                norms: &norms[from..groups],
                skipped: if tile.diagonal { own - from } else { 0 },
                eta: self.eta,
                unit: self.unit,
            };
            let mut columns = columns.each_mut().map(|columns| &mut columns[from..groups]);
            let counted = row_counts(&row, &self.squared, &block.row(r)[from..], &mut columns, &mut open);
            self.add(i, |which| counted[which]);
            unsure.extend(open.drain(..).map(|c| (i as u32, (first + from + c) as u32)));
        }
        for (c, j) in there.enumerate() {
            self.add(j, |which| u64::from(columns[which][c]));
        }
        if !unsure.is_empty() {
            self.unsure.lock().unwrap_or_else(PoisonError::into_inner).extend(unsure);
        }
    }
}

/// One row against whole groups of columns.
struct RowValues<'a> {
    term: f64,
    norm: f64,
    terms: &'a [f64],
    norms: &'a [f64],
    /// Columns at the start that this row does not count.
    skipped: usize,
    eta: f64,
    unit: f64,
}

/// Counts the columns certainly nearer than each radius, and adds 1 to these columns' counts. Pairs whose bounds contain a
/// radius are not counted; their columns are appended to `open`.
#[apply(vectorized)]
fn row_counts<S: Sum, const R: usize>(
    row: &RowValues<'_>,
    squared: &[f64; R],
    sums: &[S],
    columns: &mut [&mut [u32]; R],
    open: &mut Vec<usize>,
) -> [u64; R] {
    let mut counted = [[0u32; LANES]; R];
    let groups = row.terms.as_chunks::<LANES>().0.iter().zip(row.norms.as_chunks::<LANES>().0);
    for (at, ((terms, norms), sums)) in groups.zip(sums.as_chunks::<LANES>().0).enumerate() {
        let (mut low, mut high, mut unsure) = ([0.0; LANES], [0.0; LANES], [0u32; LANES]);
        for l in 0..LANES {
            let value = row.term + terms[l] - 2.0 * sums[l].f64();
            let norm = row.norm + norms[l];
            let slack = row.eta * norm * norm;
            let counts = at * LANES + l >= row.skipped;
            low[l] = if counts { (value - slack) * row.unit } else { f64::NAN };
            high[l] = if counts { (value + slack) * row.unit } else { f64::NAN };
        }
        for squared in squared {
            for l in 0..LANES {
                unsure[l] |= u32::from(low[l] < *squared) & u32::from(high[l] >= *squared);
            }
        }
        for which in 0..R {
            let columns = &mut columns[which][at * LANES..(at + 1) * LANES];
            for l in 0..LANES {
                let within = u32::from(high[l] < squared[which]) & (1 - unsure[l]);
                counted[which][l] += within;
                columns[l] += within;
            }
        }
        if unsure.iter().sum::<u32>() > 0 {
            open.extend((0..LANES).filter(|l| unsure[*l] > 0).map(|l| at * LANES + l));
        }
    }
    counted.map(|lanes| u64::from(lanes.iter().sum::<u32>()))
}
