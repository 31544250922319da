//! `counts_within`: how many other samples are nearer to each sample than some distances; and `pair_distances`:
//! the distances of listed pairs. The CPU's work on every device.

use super::pairs::direct::squared_distances;
use super::pairs::float::{Centred, FloatTile};
use super::pairs::int::{IntTiles, Isa, row_terms};
use super::pairs::scan::Sum;
use super::pairs::{Block, Bounds, Quantised, Reader, Tile, show, tiles};
use crate::Points;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The squared Euclidean distances of `pairs` of samples, in the data's units squared: exact integers for
/// 8-bit data, within 1e-12 relative of the truth for floats. Pairs that are sorted are found faster.
///
/// # Panics
/// Where a pair names a sample that is not there.
///
/// ```
/// use sharpdim::{Points, ops::pair_distances};
/// let points = Points::u8(&[0, 0, 3, 4, 0, 1], 2)?;
/// assert_eq!(pair_distances(&points, &[(0, 1), (1, 2)]), [25.0, 18.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn pair_distances(points: &Points<'_>, pairs: &[(u32, u32)]) -> Vec<f64> {
    squared_distances(points, pairs)
}

/// For each sample, the number of other samples whose squared distance to it is below each of two `squared`
/// radii: exact, pairs too near a radius to tell being recomputed from the samples themselves.
///
/// ```
/// use sharpdim::{Points, ops::counts_within};
/// let points = Points::u8(&[0, 0, 3, 4, 0, 1], 2)?;
/// assert_eq!(counts_within(&points, [20.0, 26.0]), [[1, 2], [1, 2], [2, 2]]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn counts_within(points: &Points<'_>, squared: [f64; 2]) -> Vec<[u64; 2]> {
    let n = points.n();
    let counts = (0..2 * n).map(|_| AtomicU64::new(0)).collect();
    let unsure = Mutex::new(Vec::new());
    let (rows, bounds) = Quantised::new(points);
    if bounds.exact() {
        let terms = row_terms(&rows, n, Isa::best());
        let counter = Counter { squared, bounds: &bounds, row: &terms.row, col: &terms.col, counts, unsure };
        let mut products = IntTiles::new(&rows, n, Isa::best());
        for tile in &tiles(n) {
            products.multiply_for(tile, &counter);
        }
        return counter.finish(points);
    }
    let rows = Centred::new(points);
    let (row, col) = (&rows.squares[..], &rows.squares[..]);
    let mut counter = Counter { squared, bounds: &rows.bounds, row, col, counts, unsure };
    let mut products = FloatTile::default();
    for tile in &tiles(n) {
        show(tile, products.multiply(&rows, tile), &counter);
        counter.settle(points);
    }
    counter.finish(points)
}

struct Counter<'a> {
    squared: [f64; 2],
    bounds: &'a Bounds,
    row: &'a [f64],
    col: &'a [f64],
    /// Two of each sample.
    counts: Vec<AtomicU64>,
    /// Pairs whose bounds hold a radius.
    unsure: Mutex<Vec<(u32, u32)>>,
}

impl Counter<'_> {
    fn count(&self, i: usize, which: usize, pairs: u64) {
        // A sum of integers is the same in any order.
        self.counts[2 * i + which].fetch_add(pairs, Ordering::Relaxed);
    }

    /// Recomputes the pairs that bounds left open.
    fn settle(&mut self, points: &Points<'_>) {
        let mut pairs = std::mem::take(self.unsure.get_mut().unwrap_or_else(|e| e.into_inner()));
        pairs.sort_unstable();
        for ((i, j), found) in pairs.iter().zip(squared_distances(points, &pairs)) {
            for which in (0..2).filter(|w| found < self.squared[*w]) {
                self.count(*i as usize, which, 1);
                self.count(*j as usize, which, 1);
            }
        }
    }

    fn finish(mut self, points: &Points<'_>) -> Vec<[u64; 2]> {
        self.settle(points);
        self.counts.chunks(2).map(|two| [0, 1].map(|w| two[w].load(Ordering::Relaxed))).collect()
    }
}

impl Reader for Counter<'_> {
    fn read<S: Sum>(&self, tile: &Tile, block: &Block<'_, S>) {
        let first = tile.cols.start + block.cols.start;
        let mut columns = vec![[0u64; 2]; block.cols.len()];
        let mut unsure = Vec::new();
        for r in 0..block.rows.len() {
            let i = tile.rows.start + block.rows.start + r;
            let mut own = [0u64; 2];
            for (c, sum) in block.row(r)[..block.cols.len()].iter().enumerate() {
                let j = first + c;
                if j <= i {
                    continue;
                }
                let (low, high) = self.bounds.interval(i, j, self.row[i] + self.col[j] - 2.0 * sum.f64());
                if self.squared.iter().any(|radius| low < *radius && high >= *radius) {
                    unsure.push((i as u32, j as u32));
                    continue;
                }
                for which in 0..2 {
                    let within = u64::from(high < self.squared[which]);
                    own[which] += within;
                    columns[c][which] += within;
                }
            }
            (0..2).for_each(|which| self.count(i, which, own[which]));
        }
        for (c, counts) in columns.iter().enumerate() {
            (0..2).for_each(|which| self.count(first + c, which, counts[which]));
        }
        if !unsure.is_empty() {
            self.unsure.lock().unwrap_or_else(|e| e.into_inner()).extend(unsure);
        }
    }
}
