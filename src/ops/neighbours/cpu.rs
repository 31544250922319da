//! `neighbours` on the CPU: screen all pairs with 8-bit products, certify the few that may count.
//!
//! 1. Every tile of pairs is filled by the integer engine, exactly for 8-bit data. Each sample keeps
//!    the pairs whose least possible distance does not exceed the k-th smallest greatest one.
//! 2. Floats: those pairs are recomputed as sums of squared differences; the k smallest win.
//! 3. Where 256 steps are too coarse for many samples, these are screened again on 65 536 steps, and
//!    where those are too coarse (heavy tails) by GEMM.
//! 4. Samples that even that leaves open are compared with all others directly.

use super::{Neighbours, Progress, collect, compare_with_all, recompute};
use crate::ops::pairs::direct::squared_distances;
use crate::ops::pairs::float::{Centred, FloatTile};
use crate::ops::pairs::int::{IntTiles, Isa, Sums, row_terms};
use crate::ops::pairs::keeper::{Keeper, capacity};
use crate::ops::pairs::scan::{Sum, col_hits, padded, row_hits};
use crate::ops::pairs::{Bounds, Quantised, Tile, tiles};
use crate::{Points, Values};
use rayon::prelude::*;

/// Columns (or rows) that are scanned before a sample's limit is looked at anew.
const RUN: usize = 128;

/// Columns whose keepers one task looks after: whole cache lines of a tile's rows.
const BAND: usize = 64;

pub(super) fn neighbours(points: &Points<'_>, k: usize, progress: Progress<'_>) -> Neighbours {
    neighbours_on(points, k, Isa::best(), progress)
}

fn neighbours_on(points: &Points<'_>, k: usize, isa: Isa, progress: Progress<'_>) -> Neighbours {
    let n = points.n();
    let (coarse, bounds) = Quantised::new(points);
    if bounds.exact() {
        let keepers = screen(&coarse, &bounds, vec![Keeper::default(); n], k, isa, progress);
        return collect(n, k, keepers.into_iter().map(|keeper| keeper.found));
    }
    let mut keepers = vec![Keeper { loose: true, ..Keeper::default() }; n];
    if !hopeless(points, &coarse, k, isa) {
        keepers = screen(&coarse, &bounds, vec![Keeper::default(); n], k, isa, progress);
    }
    // Screening all pairs again costs about as much as an eighth of them compared directly.
    let many = |keepers: &[Keeper]| keepers.iter().filter(|keeper| keeper.loose).count() > n / 8;
    if many(&keepers) {
        let (fine, bounds) = coarse.refined(n);
        let again = screen(&fine, &bounds, only_loose(&keepers), k, isa, progress);
        replace_loose(&mut keepers, again);
    }
    if many(&keepers) {
        let rows = Centred::new(points);
        let screen = Screen { bounds: &rows.bounds, row: &rows.squares, col: &rows.squares, k };
        let mut again = only_loose(&keepers);
        let mut products = FloatTile::default();
        let tiles = tiles(n);
        for (at, tile) in tiles.iter().enumerate() {
            screen.offer(tile, products.multiply(&rows, tile), &mut again);
            progress((at + 1) as f64 / tiles.len() as f64);
        }
        replace_loose(&mut keepers, again);
    }
    certify(points, k, keepers)
}

/// Offers every pair to both its samples' keepers, as the integer engine sees it.
fn screen(
    rows: &Quantised<'_>,
    bounds: &Bounds,
    mut keepers: Vec<Keeper>,
    k: usize,
    isa: Isa,
    progress: Progress<'_>,
) -> Vec<Keeper> {
    let n = keepers.len();
    let terms = row_terms(rows, n, isa);
    let screen = Screen { bounds, row: &terms.row, col: &terms.col, k };
    let mut products = IntTiles::new(rows, n, isa);
    let tiles = tiles(n);
    for (at, tile) in tiles.iter().enumerate() {
        match products.multiply(tile) {
            Sums::Narrow(sums) => screen.offer(tile, sums, &mut keepers),
            Sums::Wide(sums) => screen.offer(tile, sums, &mut keepers),
        }
        progress((at + 1) as f64 / tiles.len() as f64);
    }
    keepers
}

/// Whether 256 steps are so coarse that most samples would find too many pairs that may count, as a
/// few samples among themselves show: at their scale the k nearest of n are the k' nearest.
fn hopeless(points: &Points<'_>, coarse: &Quantised<'_>, k: usize, isa: Isa) -> bool {
    const PROBES: usize = 64;
    let (n, dim) = (points.n(), points.dim());
    let Values::F32(values) = points.values() else {
        return false;
    };
    if n < 4 * PROBES {
        return false;
    }
    let rows = (0..PROBES).map(|p| p * n / PROBES);
    let some: Vec<f32> = rows.flat_map(|i| &values[i * dim..(i + 1) * dim]).copied().collect();
    let some = Points::f32(&some, dim).expect("rows of points that were checked");
    let (rows, bounds) = coarse.of(&some);
    let few = (k * PROBES).div_ceil(n).min(PROBES / 4);
    let keepers = screen(&rows, &bounds, vec![Keeper::default(); PROBES], few, isa, &|_| ());
    let crowded = |keeper: &&Keeper| {
        let reach = keeper.reach(few);
        let found = keeper.found.iter().filter(|(low, _)| *low <= reach).count();
        keeper.loose || found * k / few > capacity(k) / 2
    };
    keepers.iter().filter(crowded).count() > PROBES / 2
}

/// Keepers that start anew where a screen was too coarse, and want nothing elsewhere.
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

/// One way of screening: what turns a tile's sums into bounded squared distances.
struct Screen<'a> {
    bounds: &'a Bounds,
    row: &'a [f64],
    col: &'a [f64],
    k: usize,
}

impl Screen<'_> {
    /// Offers every pair of a tile to both its samples. First each row to its own keeper, then each
    /// column: every keeper is one task's alone, and sees its pairs in an order no thread count changes.
    fn offer<S: Sum>(&self, tile: &Tile, sums: &[S], keepers: &mut [Keeper]) {
        let stride = tile.stride();
        let col_terms = padded(&self.col[tile.cols.clone()]);
        keepers[tile.rows.clone()].par_iter_mut().enumerate().for_each_init(Vec::new, |hits, (r, keeper)| {
            let i = tile.rows.start + r;
            for from in (tile.first_col(r)..col_terms.len()).step_by(RUN) {
                let run = from..col_terms.len().min(from + RUN);
                let limit = self.bounds.limit(i, keeper.reach(self.k));
                row_hits(self.row[i], &col_terms[run], &sums[r * stride + from..], limit, hits);
                for (c, value) in hits.drain(..) {
                    let j = tile.cols.start + from + c;
                    if j > i {
                        self.offer_to(keeper, i, j, value);
                    }
                }
            }
        });
        keepers[tile.cols.clone()]
            .par_chunks_mut(BAND)
            .zip(col_terms.par_chunks(BAND))
            .enumerate()
            .for_each_init(Vec::new, |hits, (band, (keepers, terms))| {
                let first = band * BAND;
                let end = if tile.diagonal { tile.rows.len().min(first + BAND) } else { tile.rows.len() };
                for from in (0..end).step_by(RUN) {
                    let mut limits = [f64::NEG_INFINITY; BAND];
                    for (l, keeper) in keepers.iter().enumerate() {
                        limits[l] = self.bounds.limit(tile.cols.start + first + l, keeper.reach(self.k));
                    }
                    let rows = &self.row[tile.rows.start..][from..end.min(from + RUN)];
                    col_hits(rows, terms, &sums[from * stride + first..], stride, &limits, hits);
                    for (at, value) in hits.drain(..) {
                        let (r, c) = (at / terms.len(), at % terms.len());
                        let i = tile.rows.start + from + r;
                        let j = tile.cols.start + first + c;
                        if i < j {
                            self.offer_to(&mut keepers[c], j, i, value);
                        }
                    }
                }
            });
    }

    fn offer_to(&self, keeper: &mut Keeper, i: usize, j: usize, value: f64) {
        keeper.offer(self.k, self.bounds.exact(), self.bounds.interval(i, j, value), j);
    }
}

/// Recomputes every pair that may count from the samples themselves, and picks each sample's k nearest.
fn certify(points: &Points<'_>, k: usize, keepers: Vec<Keeper>) -> Neighbours {
    let n = points.n();
    let candidates = keepers.into_par_iter().map(|keeper| {
        let reach = keeper.reach(k);
        keeper.found.into_iter().filter(|(low, _)| *low <= reach).map(|(_, j)| j).collect()
    });
    let direct = |pairs: &[(u32, u32)]| Ok(squared_distances(points, pairs));
    let candidates: Vec<Vec<u32>> = candidates.collect();
    let mut found = recompute(&candidates, direct).expect("the CPU does not fail");
    // A keeper that closed has at least k pairs.
    let open: Vec<usize> = (0..n).filter(|&i| found[i].len() < k).collect();
    compare_with_all(n, &open, &mut found, direct).expect("the CPU does not fail");
    collect(n, k, found.into_iter())
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

    /// Tails so heavy that no grid tells the many samples in the middle apart.
    fn heavy(n: usize, dim: usize) -> Vec<f32> {
        uniform(n, dim).into_iter().map(|v| (PI as f32 * (v * 0.999 - 0.4995)).tan().powi(3)).collect()
    }

    /// How often all pairs were screened; fails unless the answer is right.
    fn screens(points: &Points<'_>, k: usize, isa: Isa) -> usize {
        let (n, ends) = (points.n(), AtomicUsize::new(0));
        // A single tile, so that each screen ends once.
        assert!(n <= TILE);
        let found = neighbours_on(points, k, isa, &|done| {
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
                "{isa:?} {i}"
            );
        }
        ends.into_inner()
    }

    fn probed_hopeless(points: &Points<'_>, k: usize, isa: Isa) -> bool {
        hopeless(points, &Quantised::new(points).0, k, isa)
    }

    #[test]
    fn every_step_of_the_ladder_is_taken_where_it_should_be() {
        for isa in Isa::available() {
            // Bytes, and bytes as floats: one exact screen.
            let bytes: Vec<u8> = uniform(300, 30).iter().map(|v| (v * 256.0) as u8).collect();
            assert_eq!(screens(&Points::u8(&bytes, 30).unwrap(), 5, isa), 1);
            let floats: Vec<f32> = bytes.iter().map(|v| f32::from(*v)).collect();
            let points = Points::f32(&floats, 30).unwrap();
            assert!(Quantised::new(&points).1.exact());
            assert_eq!(screens(&points, 5, isa), 1);

            // A few columns: 256 steps do.
            let few = uniform(600, 8);
            let points = Points::f32(&few, 8).unwrap();
            assert!(!Quantised::new(&points).1.exact() && !probed_hopeless(&points, 5, isa));
            assert_eq!(screens(&points, 5, isa), 1);

            // One value beside all others: the probe sees that 256 steps tell little, 65 536 do.
            let mut beside = uniform(600, 40);
            beside[0] = 30.0;
            let points = Points::f32(&beside, 40).unwrap();
            assert!(probed_hopeless(&points, 5, isa));
            assert_eq!(screens(&points, 5, isa), 1);
            // Too few samples to probe: both screens run.
            assert_eq!(screens(&Points::f32(&beside[..240 * 40], 40).unwrap(), 1, isa), 2);

            // Heavy tails: both grids fail, with and without the probe, and GEMM screens.
            let tails = heavy(600, 6);
            let points = Points::f32(&tails, 6).unwrap();
            assert!(probed_hopeless(&points, 5, isa));
            assert_eq!(screens(&points, 5, isa), 2);
            assert_eq!(screens(&Points::f32(&tails[..240 * 6], 6).unwrap(), 1, isa), 3);

            // A range that no f32 scale fits: GEMM knows nothing, differences decide.
            let tiny: Vec<f32> = uniform(600, 6).into_iter().map(|v| v * 1e-40).collect();
            let points = Points::f32(&tiny, 6).unwrap();
            assert_eq!(Centred::new(&points).bounds.interval(0, 1, 0.0), (0.0, f64::INFINITY));
            assert_eq!(screens(&points, 5, isa), 2);
        }
    }
}
