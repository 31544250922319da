//! `neighbours` on the CPU: all pairs are screened by 8-bit products, and the few candidates recomputed.
//!
//! 1. Every tile of pairs is filled by the integer engine, exactly for 8-bit data. Each sample keeps
//!    the pairs whose lower bound does not exceed the k-th smallest upper bound.
//! 2. Floats: those pairs are recomputed as sums of squared differences; the k smallest win.
//! 3. Where 256 steps are too coarse for many samples, these are screened on 65 536 steps, if that costs less than
//!    products of floats, else (or where those are too coarse too: heavy tails) by products of floats. A probe of a few
//!    samples predicts which screens would not help.
//! 4. Samples that remain undecided are compared with all others directly.

use super::exact::Exact;
use super::limits::look_ahead;
use super::{Neighbours, Progress, collect, compare_with_all, recompute};
use crate::Points;
use crate::ops::pairs::direct::squared_distances;
use crate::ops::pairs::float::Centred;
use crate::ops::pairs::int::{IntProducts, row_terms};
use crate::ops::pairs::keeper::{Keeper, capacity};
use crate::ops::pairs::pass;
use crate::ops::pairs::scan::{Hits, Sum, hits};
use crate::ops::pairs::{BLOCK, Block, Bounds, LANES, Quantised, Reader, Rows, Tile};
use crate::points::Gathered;
use crate::simd::Simd;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub(super) fn neighbours(rows: &Rows<'_>, k: usize, progress: Progress<'_>) -> Neighbours {
    neighbours_on(rows, k, Simd::current(), progress)
}

fn neighbours_on(points: &Rows<'_>, k: usize, simd: Simd, progress: Progress<'_>) -> Neighbours {
    let (coarse, bounds) = Quantised::new(points);
    if bounds.exact() {
        let products = IntProducts::new(coarse.clone(), simd);
        if products.narrow() {
            let terms = row_terms(&coarse, points.n(), simd);
            let mut exact = Exact::new(points, (&terms.row, &terms.col), k);
            pass::blocks(points, &products, &mut exact, |_, _, done| progress(done));
            return exact.finish(points, bounds.unit());
        }
        let keepers = screen(points, &coarse, &bounds, keepers(points), k, simd, progress);
        return chosen(points, &bounds, k, keepers);
    }
    let rungs = match Probe::new(points, &coarse, k) {
        Some(probe) => probe.rungs(points, simd),
        None => vec![(Rung::Floats, 1.0)],
    };
    climb(points, (&coarse, &bounds), k, &rungs, simd, progress)
}

/// Screens all pairs of floats by increasingly precise screens, until few samples are undecided.
fn climb(
    points: &Rows<'_>,
    (coarse, bounds): (&Quantised<'_>, &Bounds),
    k: usize,
    rungs: &[(Rung, f64)],
    simd: Simd,
    progress: Progress<'_>,
) -> Neighbours {
    let mut keepers = keepers(points);
    keepers.iter_mut().for_each(|keeper| keeper.loose = !keeper.closed);
    for &(rung, rate) in rungs {
        // Undecided samples can be compared with all others directly: for few that costs less than a screen.
        let open = keepers.iter().filter(|keeper| keeper.loose).count() as f64;
        if DIRECT * open * points.partners().len() as f64
            <= rate * products(points) * points.asked().len() as f64
        {
            break;
        }
        let mut again = only_loose(&keepers);
        match rung {
            Rung::Coarse => again = screen(points, coarse, bounds, again, k, simd, progress),
            Rung::Fine => {
                let (fine, bounds) = coarse.refined(points.n());
                again = screen(points, &fine, &bounds, again, k, simd, progress);
            }
            Rung::Floats => {
                let rows = Centred::new(points, simd);
                let mut screen = Screen::new(&rows.bounds, &rows.squares, &rows.squares, k, &mut again);
                pass::blocks(points, &rows, &mut screen, |_, _, done| progress(done));
            }
        }
        replace_loose(&mut keepers, again);
    }
    certify(points, k, keepers)
}

/// A keeper for each row. Those of reference samples keep nothing.
pub(in crate::ops) fn keepers(rows: &Rows<'_>) -> Vec<Keeper> {
    let mut keepers = vec![Keeper { closed: true, ..Keeper::default() }; rows.n()];
    keepers[rows.asked()].fill(Keeper::default());
    keepers
}

/// Offers every pair to the keepers of both its samples.
fn screen(
    points: &Rows<'_>,
    rows: &Quantised<'_>,
    bounds: &Bounds,
    mut keepers: Vec<Keeper>,
    k: usize,
    simd: Simd,
    progress: Progress<'_>,
) -> Vec<Keeper> {
    let n = keepers.len();
    let terms = row_terms(rows, n, simd);
    let mut screen = Screen::new(bounds, &terms.row, &terms.col, k, &mut keepers);
    let products = IntProducts::new(rows.clone(), simd);
    pass::blocks(points, &products, &mut screen, |_, _, done| progress(done));
    keepers
}

/// A screen of pairs of floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rung {
    /// On 256 steps: one product of bytes.
    Coarse,
    /// On 65 536 steps: three products of bytes.
    Fine,
    /// By products of floats, the most precise screen.
    Floats,
}

/// The screens worth considering, cheapest first, and the cost of a product relative to one of floats. Where instructions
/// multiply bytes, a product costs a quarter of one of floats, else half: three of them are then no gain. NEON has not been
/// timed, and counts as portable code.
fn rungs(simd: Simd) -> &'static [(Rung, f64)] {
    match simd {
        Simd::AvxVnni | Simd::Avx512Vnni | Simd::Amx => {
            &[(Rung::Coarse, 0.25), (Rung::Fine, 0.75), (Rung::Floats, 1.0)]
        }
        Simd::Portable | Simd::Neon | Simd::Avx2 | Simd::Avx512 => {
            &[(Rung::Coarse, 0.5), (Rung::Floats, 1.0)]
        }
    }
}

/// The cost of a squared distance recomputed in f64 relative to a product of floats, which reuses registers.
const DIRECT: f64 = 12.0;

/// Samples of a probe, per set.
const PROBES: usize = 64;

/// A few samples, which show whether a screen is too coarse: at their scale the k nearest of n are the k' nearest.
struct Probe<'a> {
    /// Their values, per set.
    sets: Vec<Gathered>,
    coarse: &'a Quantised<'a>,
    k: usize,
    few: usize,
}

impl<'a> Probe<'a> {
    /// `None` for so few samples that any screen is cheap.
    fn new(points: &Rows<'_>, coarse: &'a Quantised<'a>, k: usize) -> Option<Self> {
        if points.sets().any(|set| set.len() < 4 * PROBES) {
            return None;
        }
        let few = (k * PROBES).div_ceil(points.partners().len()).min(PROBES / 4);
        Some(Probe { sets: points.some(PROBES), coarse, k, few })
    }

    /// The screens to run, in order: the cheapest, and those that help where it leaves samples undecided.
    fn rungs(&self, points: &Rows<'_>, simd: Simd) -> Vec<(Rung, f64)> {
        let recomputed = |rung: Rung| match rung {
            Rung::Floats => self.k as f64,
            _ => self.recomputed(rung, points.partners().len(), simd),
        };
        let all = rungs(simd);
        let costs: Vec<f64> =
            all.iter().map(|(rung, rate)| rate * products(points) + DIRECT * recomputed(*rung)).collect();
        let least = (0..all.len()).min_by(|a, b| costs[*a].total_cmp(&costs[*b])).unwrap_or(0);
        all[least..].to_vec()
    }

    /// The average number of pairs per sample to recompute, with so many partners each: the candidates, or all pairs where
    /// these are more than can be kept.
    fn recomputed(&self, rung: Rung, partners: usize, simd: Simd) -> f64 {
        let points = |set| Gathered::points(set).expect("samples of points that were checked");
        let sets: Vec<Points<'_>> = self.sets.iter().map(points).collect();
        let rows = match &sets[..] {
            [queries, reference] => Rows::between(queries, reference).expect("both of one kind"),
            _ => Rows::from(&sets[0]),
        };
        let (mut form, mut bounds) = self.coarse.on_same_grid(rows);
        if rung == Rung::Fine {
            (form, bounds) = form.refined(rows.n());
        }
        let keepers = screen(&rows, &form, &bounds, keepers(&rows), self.few, simd, &|_| ());
        let found = |keeper: &Keeper| {
            let reach = keeper.reach(self.few);
            let found = keeper.found.iter().filter(|(low, _)| *low <= reach).count() * self.k / self.few;
            let kept = !keeper.loose && found <= capacity(self.k) / 2;
            if kept { found } else { partners }
        };
        let found: Vec<usize> = keepers[rows.asked()].iter().map(found).collect();
        found.iter().sum::<usize>() as f64 / found.len() as f64
    }
}

/// Products per query row: within one set, each serves two rows.
fn products(points: &Rows<'_>) -> f64 {
    points.partners().len() as f64 / if points.two() { 1.0 } else { 2.0 }
}

/// Keepers for the next screen: fresh where the last was too coarse, closed elsewhere.
fn only_loose(keepers: &[Keeper]) -> Vec<Keeper> {
    keepers.iter().map(|keeper| Keeper { closed: !keeper.loose, ..Keeper::default() }).collect()
}

fn replace_loose(keepers: &mut [Keeper], again: Vec<Keeper>) {
    for (keeper, again) in keepers.iter_mut().zip(again) {
        if keeper.loose {
            *keeper = again;
        }
    }
}

/// A screen: the terms that turn a tile's sums into bounded squared distances, and the keepers.
pub(in crate::ops) struct Screen<'a> {
    bounds: &'a Bounds,
    row: &'a [f64],
    col: &'a [f64],
    k: usize,
    /// Keepers, in shelves with a lock each. The order of blocks changes how many pairs a keeper sees, never which are the
    /// nearest.
    shelves: Vec<Mutex<&'a mut [Keeper]>>,
    /// Each sample's limit, read without a lock. A stale one lets a few more pairs through.
    limits: Vec<AtomicU64>,
}

impl<'a> Screen<'a> {
    pub(in crate::ops) fn new(
        bounds: &'a Bounds,
        row: &'a [f64],
        col: &'a [f64],
        k: usize,
        keepers: &'a mut [Keeper],
    ) -> Self {
        let limit = |(i, keeper): (usize, &Keeper)| bounds.limit(i, keeper.reach(k)).to_bits();
        let limits = keepers.iter().enumerate().map(limit).map(AtomicU64::new).collect();
        Screen { bounds, row, col, k, limits, shelves: keepers.chunks_mut(BLOCK).map(Mutex::new).collect() }
    }

    /// For each sample in `range`, the value above which a pair cannot count; below all values for padding.
    fn limits(&self, range: Range<usize>) -> [f64; BLOCK] {
        let mut limits = [f64::NEG_INFINITY; BLOCK];
        for (limit, bits) in limits.iter_mut().zip(&self.limits[range]) {
            *limit = f64::from_bits(bits.load(Ordering::Relaxed));
        }
        limits
    }

    /// As [`look_ahead`] says.
    fn look_ahead<S: Sum>(&self, block: &Block<'_, S>, rows: Range<usize>, cols: Range<usize>) {
        let unknown = |range: &Range<usize>| {
            let limits = &self.limits[range.clone()];
            limits.iter().any(|limit| limit.load(Ordering::Relaxed) == f64::INFINITY.to_bits())
        };
        let values = || {
            let mut values = Vec::with_capacity(rows.len() * cols.len());
            for (r, i) in rows.clone().enumerate() {
                let (row, pairs) = (self.row[i], self.col[cols.clone()].iter().zip(block.row(r)));
                values.extend(pairs.map(|(col, sum)| row + col - 2.0 * sum.f64()));
            }
            values
        };
        look_ahead(self.k, (&rows, &cols), unknown, values, |i, values| self.lower(i, values));
    }

    /// Sets the first limit of sample `i` from some pairs of these values.
    fn lower(&self, i: usize, values: &mut Vec<f64>) {
        if self.limits[i].load(Ordering::Relaxed) != f64::INFINITY.to_bits() {
            return;
        }
        // NaN: no bound on the pair is known.
        values.retain(|value| !value.is_nan());
        if values.len() >= self.k {
            let (_, &mut value, _) = values.select_nth_unstable_by(self.k - 1, f64::total_cmp);
            let limit = self.bounds.limit(i, self.bounds.greatest(i, value));
            self.limits[i].store(limit.to_bits(), Ordering::Relaxed);
        }
    }

    /// Offers (sample, other sample, value) to samples of one shelf.
    fn offer(&self, shelf: usize, pairs: impl ExactSizeIterator<Item = (usize, usize, f64)>) {
        if pairs.len() == 0 {
            return;
        }
        // A panic under the lock ends the search, so a poisoned state is never read.
        let mut keepers = self.shelves[shelf].lock().unwrap_or_else(PoisonError::into_inner);
        for (i, j, value) in pairs {
            keepers[i % BLOCK].offer(self.k, self.bounds.exact(), self.bounds.interval(i, j, value), j);
        }
        for (i, keeper) in (shelf * BLOCK..).zip(keepers.iter()) {
            let limit = self.bounds.limit(i, keeper.reach(self.k));
            // A first limit may be lower than what the keeper found so far.
            if limit < f64::from_bits(self.limits[i].load(Ordering::Relaxed)) {
                self.limits[i].store(limit.to_bits(), Ordering::Relaxed);
            }
        }
    }
}

impl Reader for Screen<'_> {
    /// Offers each of the block's pairs to both its samples.
    fn read<S: Sum>(&self, tile: &Tile, block: &Block<'_, S>) {
        let cols = tile.cols.start + block.cols.start..tile.cols.start + block.cols.end;
        let rows = tile.rows.start + block.rows.start..tile.rows.start + block.rows.end;
        self.look_ahead(block, rows.clone(), cols.clone());
        let same = rows == cols;
        let mut terms = [f64::NAN; BLOCK];
        terms[..cols.len()].copy_from_slice(&self.col[cols.clone()]);
        let groups = cols.len().next_multiple_of(LANES);
        let (mut by_row, mut by_col, mut start) = (Hits::default(), Hits::default(), 0);
        while start < block.rows.len() {
            let col_limits = self.limits(cols.clone());
            // While columns have no limits, all pairs of a row count: limits are refreshed often.
            let strip = if col_limits.contains(&f64::INFINITY) { 2 * LANES } else { BLOCK };
            let end = block.rows.len().min(start + strip);
            let first = tile.rows.start + block.rows.start + start;
            let row_limits = self.limits(first..first + end - start);
            for (r, i) in (start..end).zip(first..) {
                // A sample is no pair with itself, and pairs before it belong to earlier rows.
                if same {
                    terms[r] = f64::NAN;
                }
                // On the diagonal, columns before this group are not computed.
                let run = (i.saturating_sub(cols.start) / LANES * LANES).min(groups)..groups;
                let row = (self.row[i], row_limits[i - first]);
                let sums = &block.row(r)[run.clone()];
                let at = (i - first) * BLOCK + run.start;
                hits(row, &terms[run.clone()], &col_limits[run], sums, at, &mut by_row, &mut by_col);
            }
            let place = |at: usize| (first + at / BLOCK, cols.start + at % BLOCK);
            let for_rows = by_row.iter().map(|(at, value)| (place(at).0, place(at).1, value));
            let for_cols = by_col.iter().map(|(at, value)| (place(at).1, place(at).0, value));
            self.offer(first / BLOCK, for_rows);
            self.offer(cols.start / BLOCK, for_cols);
            by_row.clear();
            by_col.clear();
            start = end;
        }
    }
}

/// Each sample's k nearest of the pairs that a screen with such bounds let through.
pub(in crate::ops) fn chosen(
    points: &Rows<'_>,
    bounds: &Bounds,
    k: usize,
    keepers: Vec<Keeper>,
) -> Neighbours {
    if bounds.exact() {
        collect(points, k, keepers.into_iter().map(|keeper| keeper.found).collect())
    } else {
        certify(points, k, keepers)
    }
}

/// Recomputes every candidate from the samples themselves, and picks each sample's k nearest.
fn certify(points: &Rows<'_>, k: usize, keepers: Vec<Keeper>) -> Neighbours {
    let candidates = keepers.into_par_iter().map(|keeper| {
        let reach = keeper.reach(k);
        keeper.found.into_iter().filter(|(low, _)| *low <= reach).map(|(_, j)| j).collect()
    });
    let direct = |pairs: &[(u32, u32)]| Ok(squared_distances(points, pairs));
    let candidates: Vec<Vec<u32>> = candidates.collect();
    let mut found = recompute(&candidates, direct).expect("the CPU does not fail");
    // A keeper that is decided has at least k pairs.
    let open: Vec<usize> = points.asked().filter(|&i| found[i].len() < k).collect();
    compare_with_all(points, &open, &mut found, direct).expect("the CPU does not fail");
    collect(points, k, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::pairs::TILE;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::f64::consts::PI;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Uniform on [0, 1).
    fn uniform(n: usize, dim: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        (0..n * dim).map(|_| rng.random()).collect()
    }

    /// Tails so heavy that no grid separates the many samples in the middle.
    fn heavy(n: usize, dim: usize) -> Vec<f32> {
        uniform(n, dim).into_iter().map(|v| (PI as f32 * (v * 0.999 - 0.4995)).tan().powi(3)).collect()
    }

    /// How often all pairs were screened; fails unless the answer is right.
    fn screens(points: &Points<'_>, k: usize, simd: Simd) -> usize {
        screens_of(points, k, simd, |rows, progress| neighbours_on(rows, k, simd, progress))
    }

    /// As `screens`, without a probe: every screen runs that leaves too many samples undecided.
    fn screens_on_all(points: &Points<'_>, k: usize, simd: Simd) -> usize {
        screens_of(points, k, simd, |rows, progress| {
            let (coarse, bounds) = Quantised::new(rows);
            climb(rows, (&coarse, &bounds), k, rungs(simd), simd, progress)
        })
    }

    fn screens_of(
        points: &Points<'_>,
        k: usize,
        simd: Simd,
        search: impl Fn(&Rows<'_>, Progress<'_>) -> Neighbours,
    ) -> usize {
        let (n, ends) = (points.n(), AtomicUsize::new(0));
        // A single tile, so that each screen ends once.
        assert!(n <= TILE);
        let found = search(&Rows::from(points), &|done| {
            ends.fetch_add(usize::from(done == 1.0), Ordering::Relaxed);
        });
        for i in 0..n {
            let pairs: Vec<_> = (0..n as u32).filter(|j| *j != i as u32).map(|j| (i as u32, j)).collect();
            let mut all: Vec<_> =
                squared_distances(points, &pairs).into_iter().zip(pairs.iter().map(|p| p.1)).collect();
            all.sort_by(|a, b| a.partial_cmp(b).unwrap());
            let (squared, indices): (Vec<_>, Vec<_>) = all.into_iter().take(k).unzip();
            assert_eq!(
                (found.squared_distances(i), found.indices(i)),
                (&squared[..], &indices[..]),
                "{simd:?} {i}"
            );
        }
        ends.into_inner()
    }

    /// The screen that a probe chooses.
    fn best(points: &Points<'_>, k: usize, simd: Simd) -> Rung {
        let (rows, (coarse, _)) = (Rows::from(points), Quantised::new(points));
        Probe::new(&rows, &coarse, k).unwrap().rungs(&rows, simd)[0].0
    }

    #[test]
    fn every_step_of_the_ladder_is_taken_where_it_should_be() {
        for simd in Simd::available() {
            // Bytes, and bytes as floats: one exact screen.
            let bytes: Vec<u8> = uniform(300, 30).iter().map(|v| (v * 256.0) as u8).collect();
            assert_eq!(screens(&Points::u8(&bytes, 30).unwrap(), 5, simd), 1);
            let floats: Vec<f32> = bytes.iter().map(|v| f32::from(*v)).collect();
            let points = Points::f32(&floats, 30).unwrap();
            assert!(Quantised::new(&points).1.exact());
            assert_eq!(screens(&points, 5, simd), 1);

            // A few columns: 256 steps do.
            let few = uniform(600, 8);
            let points = Points::f32(&few, 8).unwrap();
            assert!(!Quantised::new(&points).1.exact());
            assert_eq!(best(&points, 5, simd), Rung::Coarse);
            assert_eq!(screens(&points, 5, simd), 1);

            // One outlier: the probe sees that 256 steps are too coarse, and 65 536 are not.
            let ways = rungs(simd).len();
            let mut beside = uniform(600, 40);
            beside[0] = 30.0;
            let points = Points::f32(&beside, 40).unwrap();
            assert_eq!(best(&points, 5, simd), if ways == 3 { Rung::Fine } else { Rung::Floats });
            assert_eq!(screens(&points, 5, simd), 1);
            // Without it a second screen runs; for few samples only one, the most precise.
            assert_eq!(screens_on_all(&points, 5, simd), 2);
            assert_eq!(screens(&Points::f32(&beside[..240 * 40], 40).unwrap(), 1, simd), 1);

            // Heavy tails: both grids fail, with and without the probe, and products of floats screen.
            let tails = heavy(600, 6);
            let points = Points::f32(&tails, 6).unwrap();
            assert_eq!(best(&points, 5, simd), Rung::Floats);
            assert_eq!(screens(&points, 5, simd), 1);
            assert_eq!(screens_on_all(&points, 5, simd), ways);

            // A range beyond any f32 scale: products say nothing, differences decide.
            let tiny: Vec<f32> = uniform(600, 6).into_iter().map(|v| v * 1e-40).collect();
            let points = Points::f32(&tiny, 6).unwrap();
            assert_eq!(Centred::new(&points, simd).bounds.interval(0, 1, 0.0), (0.0, f64::INFINITY));
            assert_eq!(screens(&points, 5, simd), 1);
        }
    }
}
