//! Counts of each sample's others within the median distance to the k-th neighbour, made by the pass that finds the
//! neighbours.
//!
//! The median is known only after the pass. A pilot search of a few samples brackets it: pairs certainly below the
//! bracket are counted at once, pairs inside it are kept until the median is known, and all others never count. Where the
//! median misses its bracket, or too many pairs fall into it, there is no result, and `counts_within` needs another pass.

use super::{Wanted, Within};
use crate::ops::neighbours::{Neighbours, neighbours_between};
use crate::ops::pairs::direct::squared_distances;
use crate::ops::pairs::pass::Pass;
use crate::ops::pairs::scan::{Hits, IntHits, Sum, hits, int_hits, wrapped};
use crate::ops::pairs::{BLOCK, Block, Bounds, LANES, Reader, Rows, Tile};
use crate::random::Random;
use crate::{Device, Points, Result};
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// The fewest samples for a pilot search: below, it costs more than a quarter of the pass that it saves.
pub(super) const LEAST: usize = 2000;

/// The pilot takes one in so many samples, at 1/32 of the cost of a pass over all pairs ...
const ONE_IN: usize = 64;
/// ... but at least so many, for usable quantiles, and at most so many, to stay cheap.
const PILOT: std::ops::RangeInclusive<usize> = 256..=4096;

/// Half the bracket's width, in standard errors of the rank of a median: one bracket in 16 000 misses.
const ERRORS: f64 = 4.0;

/// The most pairs kept: 16 bytes each, 128 MiB.
pub(super) const MOST_KEPT: usize = 8 << 20;

/// The closed interval in which the median squared distance to the `k`-th neighbour is expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bracket {
    pub k: usize,
    pub low: f64,
    pub high: f64,
}

/// The samples of the pilot search, of `n`: always the same.
pub(super) fn pilot(n: usize) -> Vec<usize> {
    let count = (n / ONE_IN).clamp(*PILOT.start(), *PILOT.end()).min(n);
    Random::stream(0, 0).subset(n, count)
}

/// Brackets of the wanted medians; none where that does not pay.
pub(super) fn brackets(device: &Device, points: &Points<'_>, wanted: &Wanted<'_>) -> Result<Vec<Bracket>> {
    let Some(&most) = wanted.within.iter().max() else {
        return Ok(Vec::new());
    };
    if points.n() < LEAST {
        return Ok(Vec::new());
    }
    let few = points.gather(&pilot(points.n()));
    // The nearest to a sample is itself: its k-th neighbour has index k.
    let nearest = neighbours_between(device, &few.points()?, points, most + 1, &|_| ())?;
    // The rank of a sample quantile is binomial, whatever the distribution of distances: a bracket between two quantiles
    // holds with ties and gaps too.
    let (m, middle) = (nearest.n(), (nearest.n() - 1) as f64 / 2.0);
    let half = ERRORS * (m as f64).sqrt() / 2.0;
    let (low, high) = ((middle - half).floor().max(0.0) as usize, (middle + half).ceil() as usize);
    let bracket = |&k: &usize| {
        let mut squared: Vec<f64> = (0..m).map(|i| nearest.squared_distances(i)[k]).collect();
        squared.sort_unstable_by(f64::total_cmp);
        Bracket { k, low: squared[low], high: squared[high.min(m - 1)] }
    };
    Ok(wanted.within.iter().map(bracket).collect())
}

/// The squared medians of brackets.
pub(super) fn radii(brackets: &[Bracket], neighbours: &Neighbours) -> Vec<f64> {
    brackets.iter().map(|bracket| neighbours.squared_median(bracket.k)).collect()
}

/// The counts, from `counts` with all samples for each radius in turn, without brackets that missed.
pub(super) fn held(brackets: &[Bracket], radii: &[f64], counts: &[u64]) -> Vec<Within> {
    let held = brackets.iter().zip(radii).enumerate();
    held.filter(|(_, (bracket, radius))| (bracket.low..=bracket.high).contains(*radius))
        .map(|(which, (bracket, radius))| Within {
            k: bracket.k,
            squared: *radius,
            counts: counts.iter().skip(which).step_by(brackets.len()).copied().collect(),
        })
        .collect()
}

/// Counts pairs below brackets, and keeps those inside.
pub(super) struct Counter<'a> {
    brackets: &'a [Bracket],
    bounds: &'a Bounds,
    row: &'a [f64],
    col: &'a [f64],
    /// The terms as 32-bit integers, where all values are such.
    integers: Option<[Vec<i32>; 2]>,
    /// The upper end of the widest bracket: pairs beyond it never count.
    top: f64,
    /// For each sample and bracket, the pairs certainly below it.
    counts: Vec<AtomicU32>,
    /// Pairs inside a bracket, not yet counted, and their values.
    kept: Mutex<Vec<(u32, u32, f64)>>,
    most: usize,
    given_up: AtomicBool,
}

impl<'a> Counter<'a> {
    /// To keep `most` pairs.
    pub(super) fn new(brackets: &'a [Bracket], pass: &'a Pass<'_>, most: usize) -> Self {
        let (row, col) = pass.terms();
        Counter {
            brackets,
            bounds: pass.bounds(),
            row,
            col,
            integers: pass.integers().then(|| [wrapped(row), wrapped(col)]),
            top: brackets.iter().map(|bracket| bracket.high).fold(0.0, f64::max),
            counts: (0..row.len() * brackets.len()).map(|_| AtomicU32::new(0)).collect(),
            kept: Mutex::default(),
            most,
            given_up: AtomicBool::new(false),
        }
    }

    /// Finishes with the medians of the neighbours found: a bracket that missed has no result.
    pub(super) fn finish(self, rows: &Rows<'_>, neighbours: &Neighbours) -> Vec<Within> {
        if self.given_up.into_inner() {
            return Vec::new();
        }
        let across = self.brackets.len();
        let mut counts: Vec<u64> =
            self.counts.into_iter().map(|count| u64::from(count.into_inner())).collect();
        let radii = radii(self.brackets, neighbours);
        let mut add = |(i, j): (u32, u32), below: &dyn Fn(f64) -> bool| {
            for (which, radius) in radii.iter().enumerate() {
                let within = u64::from(below(*radius));
                counts[i as usize * across + which] += within;
                counts[j as usize * across + which] += within;
            }
        };
        let mut open = Vec::new();
        for (i, j, value) in self.kept.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let (low, high) = self.bounds.interval(i as usize, j as usize, value);
            if radii.iter().any(|radius| low < *radius && high >= *radius) {
                open.push((i, j))
            } else {
                add((i, j), &|radius| high < radius)
            }
        }
        // Sorted pairs are recomputed faster.
        open.par_sort_unstable();
        for (pair, found) in open.iter().zip(squared_distances(rows, &open)) {
            add(*pair, &|radius| found < radius);
        }
        held(self.brackets, &radii, &counts)
    }

    /// The block's pairs that may lie within the widest bracket, and a few more: row and column within the block, and value.
    fn near<S: Sum>(&self, tile: &Tile, block: &Block<'_, S>) -> Vec<(usize, usize, f64)> {
        let cols = tile.cols.start + block.cols.start..tile.cols.start + block.cols.end;
        let first = tile.rows.start + block.rows.start;
        let (across, groups) = (cols.len(), cols.len().next_multiple_of(LANES));
        // Each pair once, right of the diagonal; columns before a row's own group are not computed.
        let run = |i: usize| (i.saturating_sub(cols.start) / LANES * LANES).min(groups)..groups;
        let wanted = |r: usize, c: usize| c < across && first + r < cols.start + c;
        if let Some([row, col]) = &self.integers {
            let mut terms = [0; BLOCK];
            terms[..across].copy_from_slice(&col[cols.clone()]);
            // An extra pair does no harm.
            let limit = (self.top / self.bounds.unit() + 1.0) as i32;
            let mut lists = [(); 2].map(|()| IntHits::default());
            for r in 0..block.rows.len() {
                let run = run(first + r);
                let columns = (&terms[run.clone()], &[i32::MIN; BLOCK][run.clone()]);
                let sums = &S::integers(block.row(r))[run.clone()];
                int_hits((row[first + r], limit), columns, sums, r * BLOCK + run.start, &mut lists);
            }
            let pair = |(at, value)| (at / BLOCK, at % BLOCK, f64::from(value));
            return lists[0].iter().map(pair).filter(|(r, c, _)| wanted(*r, *c)).collect();
        }
        let mut terms = [f64::NAN; BLOCK];
        terms[..across].copy_from_slice(&self.col[cols.clone()]);
        let (mut found, mut none) = (Hits::default(), Hits::default());
        for r in 0..block.rows.len() {
            let (i, run) = (first + r, run(first + r));
            let row = (self.row[i], self.bounds.limit(i, self.top));
            let (terms, limits) = (&terms[run.clone()], &[f64::NEG_INFINITY; BLOCK][run.clone()]);
            let (sums, at) = (&block.row(r)[run.clone()], r * BLOCK + run.start);
            hits(row, terms, limits, sums, at, &mut found, &mut none);
        }
        let pair = |(at, value)| (at / BLOCK, at % BLOCK, value);
        found.iter().map(pair).filter(|(r, c, _)| wanted(*r, *c)).collect()
    }
}

impl Reader for Counter<'_> {
    fn read<S: Sum>(&self, tile: &Tile, block: &Block<'_, S>) {
        if self.given_up.load(Ordering::Relaxed) {
            return;
        }
        let (first_row, first_col) = (tile.rows.start + block.rows.start, tile.cols.start + block.cols.start);
        let across = self.brackets.len();
        let (mut of_rows, mut of_cols) = (vec![0; BLOCK * across], vec![0; BLOCK * across]);
        let mut kept = Vec::new();
        for (r, c, value) in self.near(tile, block) {
            let (i, j) = (first_row + r, first_col + c);
            let (low, high) = self.bounds.interval(i, j, value);
            if self.brackets.iter().any(|bracket| high >= bracket.low && low < bracket.high) {
                kept.push((i as u32, j as u32, value));
                continue;
            }
            for (which, bracket) in self.brackets.iter().enumerate() {
                let below = u32::from(high < bracket.low);
                of_rows[r * across + which] += below;
                of_cols[c * across + which] += below;
            }
        }
        for (first, own) in [(first_row, of_rows), (first_col, of_cols)] {
            for (at, count) in own.into_iter().enumerate().filter(|(_, count)| *count > 0) {
                self.counts[first * across + at].fetch_add(count, Ordering::Relaxed);
            }
        }
        if !kept.is_empty() {
            let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() + kept.len() > self.most {
                self.given_up.store(true, Ordering::Relaxed);
                *all = Vec::new();
            } else {
                all.append(&mut kept);
            }
        }
    }
}
