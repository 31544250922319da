//! Tiles, bounds and engines against single pairs: with every engine, the true squared
//! distance lies in the interval that a tile's value and bounds give.

use super::float::Centred;
use super::int::{IntProducts, row_terms};
use super::keeper::{Keeper, capacity};
use super::scan::{Hits, IntHits, Sum, hits, hits_portable, int_hits, int_hits_portable};
#[cfg(target_arch = "x86_64")]
use super::scan::{hits_256, int_hits_256};
use super::tiles::{Products, Tiles};
use super::*;
use crate::Points;
use crate::simd::Simd;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::PI;
use std::sync::Mutex;

#[test]
fn tiles_hold_each_pair_once() {
    for n in [0, 1, 2, 15, TILE - 1, TILE, TILE + 1, 2 * TILE + 5, 5 * TILE] {
        let tiles = tiles(n);
        let pairs: usize = tiles
            .iter()
            .map(|t| {
                if t.diagonal {
                    t.rows.len() * (t.rows.len().saturating_sub(1)) / 2
                } else {
                    t.rows.len() * t.cols.len()
                }
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

/// As [`tiles`], with another tile size.
fn tiles_of(n: usize, size: usize) -> Vec<Tile> {
    let ranges: Vec<_> = blocks(0..n, size).collect();
    let pairs = (0..ranges.len()).flat_map(|p| (p..ranges.len()).map(move |q| (p, q)));
    pairs.map(|(p, q)| Tile { rows: ranges[p].clone(), cols: ranges[q].clone(), diagonal: p == q }).collect()
}

/// Collects each pair's value.
struct Values<'a> {
    row: &'a [f64],
    col: &'a [f64],
    seen: Mutex<Vec<(usize, usize, f64)>>,
}

impl Reader for Values<'_> {
    fn read<S: Sum>(&self, tile: &Tile, block: &Block<'_, S>) {
        let mut seen = self.seen.lock().unwrap();
        for (r, i) in (tile.rows.start + block.rows.start..tile.rows.start + block.rows.end).enumerate() {
            for (c, j) in (tile.cols.start + block.cols.start..tile.cols.start + block.cols.end).enumerate() {
                if !tile.diagonal || i < j {
                    seen.push((i, j, self.row[i] + self.col[j] - 2.0 * block.row(r)[c].f64()));
                }
            }
        }
    }
}

/// Calls `see` with each pair of some tiles and its value.
fn values(
    products: &impl Products,
    n: usize,
    (row, col): (&[f64], &[f64]),
    tiles: &[Tile],
    mut see: impl FnMut(usize, usize, f64),
) {
    let mut made = Tiles::new(products, n);
    for tile in tiles {
        let values = Values { row, col, seen: Mutex::default() };
        made.multiply(tile, &values);
        values.seen.into_inner().unwrap().into_iter().for_each(|(i, j, value)| see(i, j, value));
    }
}

/// The integer engines of this processor: one for each of its instruction sets, and the twins of AMX and NEON.
fn int_engines<'a>(rows: &Quantised<'a>) -> Vec<(&'static str, Simd, IntProducts<'a>)> {
    let engine = |simd: Simd| (simd.title(), simd, IntProducts::new(rows.clone(), simd));
    let twins = [("AMX's twin", Simd::Amx), ("NEON's twin", Simd::Neon)]
        .map(|(title, simd)| (title, simd, IntProducts::twin(rows.clone(), simd)));
    Simd::available().into_iter().map(engine).chain(twins).collect()
}

fn int_values(
    rows: &Quantised<'_>,
    n: usize,
    (products, simd): (&IntProducts<'_>, Simd),
    tiles: &[Tile],
    see: impl FnMut(usize, usize, f64),
) {
    let terms = row_terms(rows, n, simd);
    values(products, n, (&terms.row, &terms.col), tiles, see);
}

fn float_values(rows: &Centred<'_>, n: usize, tiles: &[Tile], see: impl FnMut(usize, usize, f64)) {
    values(rows, n, (&rows.squares, &rows.squares), tiles, see);
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
    // Any bytes, extreme ones, and the greatest possible products.
    let kinds: [fn(u8) -> u8; 3] = [|v| v, |v| if v < 128 { 0 } else { 255 }, |_| 255];
    for ((n, dim), kind) in shapes.into_iter().flat_map(|shape| kinds.map(|kind| (shape, kind))) {
        let bytes: Vec<u8> = (0..n * dim).map(|_| kind(rng.random())).collect();
        let points = Points::u8(&bytes, dim).unwrap();
        let (rows, bounds) = Quantised::new(&points);
        assert!(bounds.exact());
        let tiles = if n > TILE { tiles(n) } else { tiles_of(n, 32) };
        for (name, simd, products) in int_engines(&rows) {
            let mut seen = 0;
            int_values(&rows, n, (&products, simd), &tiles, |i, j, value| {
                assert_eq!(value, squared_u8(&bytes, dim, i, j), "{name}, {n} x {dim}, {i} {j}");
                seen += 1;
            });
            assert_eq!(seen, n * (n - 1) / 2);
        }
    }
}

/// Difficult samples, of one of [`KINDS`] kinds.
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
                // Every second row is its predecessor, except for some last bits.
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

/// 64-bit samples of one of [`DOUBLES`] kinds, which f32 would round too coarsely, or could not represent.
fn doubles(kind: usize, n: usize, dim: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut values: Vec<f64> = (0..n * dim).map(|_| rng.random()).collect();
    let each = |values: &mut [f64], f: &dyn Fn(f64) -> f64| values.iter_mut().for_each(|v| *v = f(*v));
    match kind {
        0 => {}
        1 => each(&mut values, &|v| (PI * (v * 0.999 - 0.4995)).tan().powi(3)),
        2 => each(&mut values, &|v| v + 1e9),
        // Few f64 steps at this offset, so that rounding puts every value on a grid.
        3 => each(&mut values, &|v| 1e9 + (v * 9.0).floor() * 1.2e-7),
        4 => each(&mut values, &|v| 1e130 * (2.0 * v - 1.0)),
        5 => each(&mut values, &|v| 1e-129 * (0.1 + 0.9 * v)),
        6 => values[0] = -1e110,
        7 => each(&mut values, &|v| (v * 256.0).floor()),
        8 => values.fill(1e9 + 0.3),
        _ => {
            for at in dim..values.len() {
                if at / dim % 2 == 1 {
                    values[at] = if values[at] < 0.1 { values[at - dim].next_up() } else { values[at - dim] };
                }
            }
        }
    }
    values
}

const DOUBLES: usize = 10;

fn bounded(bounds: &Bounds, i: usize, j: usize, value: f64, truth: f64) -> Result<(), String> {
    let (low, high) = bounds.interval(i, j, value);
    // A margin for the roundings of `truth` and of the interval.
    let inside = low <= truth * (1.0 + 1e-12) && truth <= high * (1.0 + 1e-12);
    let reached = value <= bounds.limit(i, truth) && value <= bounds.limit(j, truth);
    let said = || format!("{i} {j}: value {value}, true {truth}, bounds {low} .. {high}, inside {inside}");
    if inside && reached { Ok(()) } else { Err(said()) }
}

fn check_engines(kind: usize, n: usize, dim: usize, seed: u64, tile: usize) -> Result<(), String> {
    if kind >= KINDS {
        let values = doubles(kind - KINDS, n, dim, seed);
        let squared = |i: usize, j: usize| -> f64 {
            let pairs = values[i * dim..][..dim].iter().zip(&values[j * dim..]);
            pairs.map(|(a, b)| (a - b).powi(2)).sum()
        };
        return check_points(kind, &Points::f64(&values, dim).unwrap(), &squared, tile);
    }
    let values = floats(kind, n, dim, seed);
    let squared = |i: usize, j: usize| squared_f32(&values, dim, i, j);
    check_points(kind, &Points::f32(&values, dim).unwrap(), &squared, tile)
}

fn check_points(
    kind: usize,
    points: &Points<'_>,
    squared: &dyn Fn(usize, usize) -> f64,
    tile: usize,
) -> Result<(), String> {
    let n = points.n();
    let tiles = tiles_of(n, tile);
    let mut wrong = None;
    let (coarse, coarse_bounds) = Quantised::new(points);
    let (fine, fine_bounds) = coarse.refined(n);
    for (name, rows, bounds) in [("coarse", &coarse, &coarse_bounds), ("fine", &fine, &fine_bounds)] {
        if name == "fine" && coarse_bounds.exact() {
            // Exact forms are never refined, as of identical samples.
            continue;
        }
        for (engine, simd, products) in int_engines(rows) {
            int_values(rows, n, (&products, simd), &tiles, |i, j, value| {
                if let Err(error) = bounded(bounds, i, j, value, squared(i, j)) {
                    wrong = Some(format!("{engine} {name}, kind {kind}: {error}"));
                }
            });
        }
    }
    for simd in Simd::available() {
        let rows = Centred::new(points, simd);
        float_values(&rows, n, &tiles, |i, j, value| {
            if let Err(error) = bounded(&rows.bounds, i, j, value, squared(i, j)) {
                wrong = Some(format!("{simd:?} floats, kind {kind}: {error}"));
            }
        });
    }
    wrong.map_or(Ok(()), Err)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_true_distance_lies_in_its_interval(
        kind in 0..KINDS + DOUBLES, n in 2..50usize, dim in prop_oneof![1..70usize, 1020..1030usize], seed: u64
    ) {
        let checked = check_engines(kind, n, dim, seed, 32);
        prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
    }
}

#[test]
fn true_distances_lie_in_their_intervals_at_the_edges() {
    for kind in 0..KINDS + DOUBLES {
        // Long rows flush 32-bit sums and chain chunks of floats; many rows need a second block of a diagonal tile.
        for (n, dim) in [(5, 33_000), (12, 4100), (550, 3)] {
            check_engines(kind, n, dim, kind as u64, TILE).unwrap();
        }
    }
}

/// One column, far from the origin: the only error is the rounding of an offset, and bounds are tight.
#[test]
fn bounds_hold_where_they_are_reached() {
    for seed in [15_662_905_242_513_169_339].into_iter().chain(0..300) {
        check_engines(2, 38, 1, seed, 32).unwrap();
    }
}

/// Trivially wide bounds would also pass: these are narrow.
#[test]
fn intervals_are_narrow() {
    let (n, dim) = (60, 300);
    let values_f32 = floats(0, n, dim, 2);
    narrow(&Points::f32(&values_f32, dim).unwrap());
    // With any offset of 64-bit values.
    narrow(&Points::f64(&doubles(2, n, dim, 2), dim).unwrap());
}

fn narrow(points: &Points<'_>) {
    let n = points.n();
    let (coarse, coarse_bounds) = Quantised::new(points);
    let (fine, fine_bounds) = coarse.refined(n);
    for (rows, bounds, width) in [(&coarse, &coarse_bounds, 0.03), (&fine, &fine_bounds, 2e-4)] {
        let products = IntProducts::new(rows.clone(), Simd::current());
        int_values(rows, n, (&products, Simd::current()), &tiles(n), |i, j, value| {
            let (low, high) = bounds.interval(i, j, value);
            assert!(high - low < width * high, "{low} .. {high}");
        });
    }
    for simd in Simd::available() {
        let rows = Centred::new(points, simd);
        float_values(&rows, n, &tiles(n), |i, j, value| {
            let (low, high) = rows.bounds.interval(i, j, value);
            assert!(high - low < 2e-4 * high, "{low} .. {high}");
        });
    }
}

/// With every instruction set, the same hits as one pair at a time.
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
        // Earlier hits stay: the second time, hits are appended.
        let expected = [of_row.repeat(2), of_col.repeat(2)];
        type Scan<S> = fn((f64, f64), &[f64], &[f64], &[S], usize, &mut Hits, &mut Hits);
        let mut scans: Vec<Scan<S>> = vec![hits, hits_portable];
        #[cfg(target_arch = "x86_64")]
        if Simd::available().contains(&Simd::Avx2) {
            // SAFETY: the processor has the instructions.
            scans.push(|row, terms, limits, sums, first, by_row, by_col| unsafe {
                hits_256(row, terms, limits, sums, first, by_row, by_col)
            });
        }
        for scan in scans {
            let mut found = [(); 2].map(|()| Hits::default());
            for _ in 0..2 {
                let [row, col] = &mut found;
                scan((3.5, row_limit), &terms, &limits, &sums, 1000, row, col);
            }
            assert_eq!(found.map(|hits| hits.iter().collect::<Vec<_>>()), expected);
        }
    }
}

#[test]
fn every_scan_finds_the_same_hits() {
    check_hits(|v| v);
    check_hits(|v| i64::from(v) << 40 | 1);
    check_hits(|v| v as f32 / 7.0);
}

/// The same with integers, and terms that wrap around.
#[test]
fn every_scan_of_integers_finds_the_same_hits() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for (row_term, row_limit, col_limit) in
        [(70, 90, 40), (i32::MAX, 5, 80), (-3, i32::MAX, -1), (0, -1, i32::MAX), (1 << 30, -1, -1)]
    {
        let cols = 5 * LANES;
        // A pair's value is small, whatever the terms are.
        let (mut terms, mut sums, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..cols {
            let (value, sum) = (rng.random_range(0..120), rng.random_range(i32::MIN / 2..i32::MAX / 2));
            terms.push(i32::wrapping_add(value, sum * 2).wrapping_sub(row_term));
            sums.push(sum);
            values.push(value);
        }
        let limits: Vec<i32> = (0..cols).map(|c| if c % 7 == 0 { col_limit } else { -1 }).collect();
        let all = values.iter().enumerate().map(|(c, value)| (1000 + c, *value));
        let of_row: Vec<_> = all.clone().filter(|(_, value)| *value <= row_limit).collect();
        let of_col: Vec<_> = all.filter(|(c, value)| *value <= limits[c - 1000]).collect();
        let expected = [of_row.repeat(2), of_col.repeat(2)];
        type Scan = fn((i32, i32), (&[i32], &[i32]), &[i32], usize, &mut [IntHits; 2]);
        let mut scans: Vec<Scan> = vec![int_hits, int_hits_portable];
        #[cfg(target_arch = "x86_64")]
        if Simd::available().contains(&Simd::Avx2) {
            // SAFETY: the processor has the instructions.
            scans
                .push(|row, cols, sums, first, lists| unsafe { int_hits_256(row, cols, sums, first, lists) });
        }
        for scan in scans {
            let mut found = [(); 2].map(|()| IntHits::default());
            for _ in 0..2 {
                scan((row_term, row_limit), (&terms, &limits), &sums, 1000, &mut found);
            }
            assert_eq!(found.map(|hits| hits.iter().collect::<Vec<_>>()), expected);
        }
    }
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

    // Very many ties: with exact values the lowest indices stay, else the keeper is marked loose.
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
