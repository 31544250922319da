//! Tiles, bounds and engines against pairs taken one by one: whatever fills a tile, the true squared
//! distance lies in the interval that its value and its bounds give.

use super::float::{Centred, FloatTile};
use super::int::{IntTiles, Sums, row_terms};
use super::keeper::{Keeper, capacity};
use super::scan::{Hits, Sum, hits, hits_portable};
use super::*;
use crate::Points;
use crate::simd::Simd;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::PI;

#[test]
fn tiles_hold_each_pair_once() {
    for n in [0, 1, 2, 15, TILE - 1, TILE, TILE + 1, 2 * TILE + 5, 5 * TILE] {
        let tiles = tiles(n);
        let pairs: usize = tiles
            .iter()
            .map(|t| match t.diagonal {
                true => t.rows.len() * (t.rows.len().saturating_sub(1)) / 2,
                false => t.rows.len() * t.cols.len(),
            })
            .sum();
        assert_eq!(pairs, n * n.saturating_sub(1) / 2, "n = {n}");
        for (at, a) in tiles.iter().enumerate() {
            assert!(a.rows.start <= a.cols.start && a.cols.end <= n);
            assert_eq!(a.diagonal, a.rows == a.cols);
            for b in &tiles[..at] {
                let apart = |x: &Range<usize>, y: &Range<usize>| x.end <= y.start || y.end <= x.start;
                assert!(apart(&a.rows, &b.rows) || apart(&a.cols, &b.cols));
            }
        }
    }
}

#[test]
fn limits_never_reject_a_pair_within_reach() {
    let error = vec![0.5, 2.0, 0.0];
    let product = vec![0.0, 3.0, 1.0];
    let quantised = Bounds::Quantised { step: 0.25, error, worst: 2.0, product, worst_product: 3.0 };
    let norm = vec![3.0, 10.0, 0.1];
    let rounded = Bounds::Rounded { eta: 1e-4, unit: 4.0, norm, worst: 10.0 };
    let exact = Bounds::Exact { unit: 1.0 / 3.0 };
    for bounds in [quantised, rounded, exact] {
        for (i, j) in [(0, 1), (1, 0), (0, 2), (2, 1)] {
            for value in (0..2000).map(|v| f64::from(v) * 0.75) {
                let (low, high) = bounds.interval(i, j, value);
                assert!(0.0 <= low && low <= high);
                assert!(value <= bounds.limit(i, low), "{bounds:?} {i} {j} {value}");
            }
        }
    }
}

/// Tiles as [`tiles`] makes them, of another size.
fn tiles_of(n: usize, size: usize) -> Vec<Tile> {
    let ranges: Vec<_> = blocks(0..n, size).collect();
    let pairs = (0..ranges.len()).flat_map(|p| (p..ranges.len()).map(move |q| (p, q)));
    pairs.map(|(p, q)| Tile { rows: ranges[p].clone(), cols: ranges[q].clone(), diagonal: p == q }).collect()
}

/// Calls `see` with each pair of a tile and its value.
fn values<S: Sum>(
    tile: &Tile,
    row: &[f64],
    col: &[f64],
    sums: &[S],
    see: &mut impl FnMut(usize, usize, f64),
) {
    for (r, i) in tile.rows.clone().enumerate() {
        for (c, j) in tile.cols.clone().enumerate() {
            if !tile.diagonal || i < j {
                see(i, j, row[i] + col[j] - 2.0 * sums[r * tile.stride() + c].f64());
            }
        }
    }
}

fn int_values(
    rows: &Quantised<'_>,
    n: usize,
    simd: Simd,
    tiles: &[Tile],
    mut see: impl FnMut(usize, usize, f64),
) {
    let terms = row_terms(rows, n, simd);
    let mut products = IntTiles::new(rows, n, simd);
    for tile in tiles {
        match products.multiply(tile) {
            Sums::Narrow(sums) => values(tile, &terms.row, &terms.col, sums, &mut see),
            Sums::Wide(sums) => values(tile, &terms.row, &terms.col, sums, &mut see),
        }
    }
}

fn squared_u8(values: &[u8], dim: usize, i: usize, j: usize) -> f64 {
    let pairs = values[i * dim..][..dim].iter().zip(&values[j * dim..]);
    pairs.map(|(a, b)| (i64::from(*a) - i64::from(*b)).pow(2)).sum::<i64>() as f64
}

fn squared_f32(values: &[f32], dim: usize, i: usize, j: usize) -> f64 {
    let pairs = values[i * dim..][..dim].iter().zip(&values[j * dim..]);
    pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

#[test]
fn bytes_are_multiplied_exactly() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut shapes =
        vec![(2, 1), (17, 3), (50, 64), (40, 1023), (40, 1025), (33, 2050), (9, 32_768), (9, 66_000)];
    // More than a tile: panels are kept from tile to tile.
    shapes.push((TILE + 40, 5));
    // Any bytes, the least and the greatest, and the greatest products there are.
    let kinds: [fn(u8) -> u8; 3] = [|v| v, |v| if v < 128 { 0 } else { 255 }, |_| 255];
    for ((n, dim), kind) in shapes.into_iter().flat_map(|shape| kinds.map(|kind| (shape, kind))) {
        let bytes: Vec<u8> = (0..n * dim).map(|_| kind(rng.random())).collect();
        let points = Points::u8(&bytes, dim).unwrap();
        let (rows, bounds) = Quantised::new(&points);
        assert!(bounds.exact());
        let tiles = if n > TILE { tiles(n) } else { tiles_of(n, 32) };
        for simd in Simd::available() {
            let mut seen = 0;
            int_values(&rows, n, simd, &tiles, |i, j, value| {
                assert_eq!(value, squared_u8(&bytes, dim, i, j), "{simd:?}, {n} x {dim}, {i} {j}");
                seen += 1;
            });
            assert_eq!(seen, n * (n - 1) / 2);
        }
    }
}

/// Samples that make trouble, of one of [`KINDS`] kinds.
fn floats(kind: usize, n: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random()).collect() };
    let mut values = uniform(n * dim);
    let columns = uniform(dim);
    let each = |values: &mut [f32], f: &dyn Fn(f64) -> f64| {
        values.iter_mut().for_each(|v| *v = f(f64::from(*v)) as f32)
    };
    match kind {
        0 => {}
        1 => each(&mut values, &|v| (PI * (v * 0.999 - 0.4995)).tan().powi(3)),
        2 => each(&mut values, &|v| v + 1e4),
        3 => each(&mut values, &|v| v * 1e-40),
        4 => each(&mut values, &|v| (v - 0.5) * 6e38),
        5 => each(&mut values, &|v| v * 1e30),
        6 => values[0] = 1e20,
        7 => values[0] = -1e20,
        8 => {
            each(&mut values, &|v| (v * 9.0).floor());
            values[..dim].fill(-1e25);
        }
        9 => each(&mut values, &|v| (v * 256.0).floor()),
        10 => values.fill(0.3),
        11 => {
            for (at, v) in values.iter_mut().enumerate() {
                *v *= 10f32.powf(60.0 * columns[at % dim] - 30.0);
            }
        }
        12 => each(&mut values, &|v| if v < 0.5 { -3.4e38 } else { 6e38 * v - 3e38 }),
        _ => {
            for at in dim..values.len() {
                // Every second row is its elder's twin but for a last bit here and there.
                if at / dim % 2 == 1 {
                    values[at] = if values[at] < 0.1 { values[at - dim].next_up() } else { values[at - dim] };
                }
            }
        }
    }
    values.iter_mut().for_each(|v| *v = v.clamp(f32::MIN, f32::MAX));
    values
}

const KINDS: usize = 14;

fn bounded(bounds: &Bounds, i: usize, j: usize, value: f64, truth: f64) -> Result<(), String> {
    let (low, high) = bounds.interval(i, j, value);
    // Room for the roundings of `truth` and of the interval itself.
    let inside = low <= truth * (1.0 + 1e-9) && truth <= high * (1.0 + 1e-9);
    let reached = value <= bounds.limit(i, truth) && value <= bounds.limit(j, truth);
    let said = || format!("{i} {j}: value {value}, true {truth}, bounds {low} .. {high}, inside {inside}");
    if inside && reached { Ok(()) } else { Err(said()) }
}

fn check_engines(kind: usize, n: usize, dim: usize, seed: u64, tile: usize) -> Result<(), String> {
    let values_f32 = floats(kind, n, dim, seed);
    let points = Points::f32(&values_f32, dim).unwrap();
    let tiles = tiles_of(n, tile);
    let mut wrong = None;
    let (coarse, coarse_bounds) = Quantised::new(&points);
    let (fine, fine_bounds) = coarse.refined(n);
    for simd in Simd::available() {
        for (name, rows, bounds) in [("coarse", &coarse, &coarse_bounds), ("fine", &fine, &fine_bounds)] {
            if name == "fine" && coarse_bounds.exact() {
                // Nobody refines what is exact, all samples being one for example.
                continue;
            }
            int_values(rows, n, simd, &tiles, |i, j, value| {
                if let Err(error) = bounded(bounds, i, j, value, squared_f32(&values_f32, dim, i, j)) {
                    wrong = Some(format!("{simd:?} {name}, kind {kind}: {error}"));
                }
            });
        }
    }
    let rows = Centred::new(&points);
    let mut products = FloatTile::default();
    for tile in &tiles {
        let sums = products.multiply(&rows, tile);
        values(tile, &rows.squares, &rows.squares, sums, &mut |i, j, value| {
            if let Err(error) = bounded(&rows.bounds, i, j, value, squared_f32(&values_f32, dim, i, j)) {
                wrong = Some(format!("GEMM, kind {kind}: {error}"));
            }
        });
    }
    wrong.map_or(Ok(()), Err)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_true_distance_lies_in_its_interval(
        kind in 0..KINDS, n in 2..50usize, dim in prop_oneof![1..70usize, 1020..1030usize], seed: u64
    ) {
        let checked = check_engines(kind, n, dim, seed, 32);
        prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
    }
}

#[test]
fn true_distances_lie_in_their_intervals_at_the_edges() {
    for kind in 0..KINDS {
        // Long rows flush 32-bit sums and chain GEMMs; many rows need a second block of a diagonal tile.
        for (n, dim) in [(5, 33_000), (12, 4100), (550, 3)] {
            check_engines(kind, n, dim, kind as u64, TILE).unwrap();
        }
    }
}

/// Bounds that say nothing are right too: these say something.
#[test]
fn intervals_are_narrow() {
    let (n, dim) = (60, 300);
    let values_f32 = floats(0, n, dim, 2);
    let points = Points::f32(&values_f32, dim).unwrap();
    let (coarse, coarse_bounds) = Quantised::new(&points);
    let (fine, fine_bounds) = coarse.refined(n);
    for (rows, bounds, width) in [(&coarse, &coarse_bounds, 0.03), (&fine, &fine_bounds, 2e-4)] {
        int_values(rows, n, Simd::current(), &tiles(n), |i, j, value| {
            let (low, high) = bounds.interval(i, j, value);
            assert!(high - low < width * high, "{low} .. {high}");
        });
    }
    let rows = Centred::new(&points);
    let tile = &tiles(n)[0];
    values(
        tile,
        &rows.squares,
        &rows.squares,
        FloatTile::default().multiply(&rows, tile),
        &mut |i, j, value| {
            let (low, high) = rows.bounds.interval(i, j, value);
            assert!(high - low < 5e-4 * high, "{low} .. {high}");
        },
    );
}

/// Whatever vectors there are: the same hits as one pair at a time.
fn check_hits<S: Sum>(sum: impl Fn(i32) -> S) {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for (row_limit, reach) in [(0.0, 90.0), (-50.0, f64::INFINITY), (f64::INFINITY, 1.0), (-1e9, -1e9)] {
        let cols = 5 * LANES;
        let mut terms: Vec<f64> = (0..cols).map(|_| f64::from(rng.random_range(-300..300)) / 256.0).collect();
        terms[cols - 3..].fill(f64::NAN);
        let limits: Vec<f64> = (0..cols).map(|c| if c % 7 == 0 { reach } else { -100.0 }).collect();
        let sums: Vec<S> = (0..cols).map(|_| sum(rng.random_range(-200..200))).collect();
        let all = (0..cols).map(|c| (1000 + c, 3.5 + terms[c] - 2.0 * sums[c].f64()));
        let of_row: Vec<_> = all.clone().filter(|(_, value)| *value <= row_limit).collect();
        let of_col: Vec<_> = all.filter(|(c, value)| *value <= limits[c - 1000]).collect();
        // What is there stays: the second time, hits are appended.
        let expected = [of_row.repeat(2), of_col.repeat(2)];
        let (mut any, mut portable) = ([(); 2].map(|()| Hits::default()), [(); 2].map(|()| Hits::default()));
        for _ in 0..2 {
            let ([row, col], [portable_row, portable_col]) = (&mut any, &mut portable);
            hits((3.5, row_limit), &terms, &limits, &sums, 1000, row, col);
            hits_portable((3.5, row_limit), &terms, &limits, &sums, 1000, portable_row, portable_col);
        }
        assert_eq!(any.map(|hits| hits.iter().collect::<Vec<_>>()), expected);
        assert_eq!(portable.map(|hits| hits.iter().collect::<Vec<_>>()), expected);
    }
}

#[test]
fn every_scan_finds_the_same_hits() {
    check_hits(|v| v);
    check_hits(|v| i64::from(v) << 40 | 1);
    check_hits(|v| v as f32 / 7.0);
}

#[test]
fn a_keeper_keeps_the_nearest() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (k, n) = (3, 5000);
    let squared: Vec<f64> = (0..n).map(|_| f64::from(rng.random_range(0..400u32))).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| squared[*a].total_cmp(&squared[*b]).then(a.cmp(b)));

    let mut exact = Keeper::default();
    let mut vague = Keeper::default();
    for (j, d) in squared.iter().enumerate() {
        exact.offer(k, true, (*d, *d), j);
        vague.offer(k, false, (d * 0.9, d * 1.1 + 1.0), j);
    }
    assert!(!exact.loose && !vague.loose);
    for keeper in [&exact, &vague] {
        let reach = keeper.reach(k);
        let kept = |j: &usize| keeper.found.iter().any(|(low, at)| *at as usize == *j && *low <= reach);
        assert!(order[..k].iter().all(kept));
    }

    // Ties beyond number: exactly known, the lowest indices stay; else the keeper says that it is lost.
    let (mut exact, mut vague, mut closed) = (Keeper::default(), Keeper::default(), Keeper::default());
    closed.closed = true;
    for j in (0..capacity(k) + 5).rev() {
        exact.offer(k, true, (7.0, 7.0), j);
        vague.offer(k, false, (6.0, 8.0), j);
        closed.offer(k, true, (7.0, 7.0), j);
    }
    exact.found.sort_by_key(|(_, j)| *j);
    assert_eq!(exact.found.iter().take(k).map(|(_, j)| *j).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(vague.loose && vague.found.is_empty() && vague.reach(k) == f64::NEG_INFINITY);
    assert!(closed.found.is_empty());
}
