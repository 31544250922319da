//! `neighbours` on the CPU where squared distances are 32-bit integers: bytes, and floats on a grid of 256 steps, with
//! up to 32 768 values each. One screen decides, and a pair is one number to compare: its distance, then the other sample.

use super::Neighbours;
use super::limits::look_ahead;
use crate::ops::pairs::scan::{IntHits, Sum, int_hits, int_value, wrapped};
use crate::ops::pairs::{BLOCK, Block, LANES, Reader, Rows, Tile};
use crate::simd::vectorized;
use macro_rules_attribute::apply;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

/// The initial limit of a sample: no distance is above it.
const UNKNOWN: i32 = i32::MAX;
/// The limit of a row that is no query: all distances are above it.
const CLOSED: i32 = -1;

/// A first limit may let through so many pairs more than neighbours.
const MORE: usize = 2;

/// The nearest pairs so far of a run of samples.
struct Shelf {
    /// Space for pairs (squared distance and other sample), per sample, of which the first `len` are used.
    keys: Vec<i64>,
    len: [u32; BLOCK],
    /// Distances above this are not among the k nearest.
    reach: [i32; BLOCK],
}

/// Keeps each sample's k nearest, as blocks of exact sums come in.
pub(in crate::ops) struct Exact {
    row: Vec<i32>,
    col: Vec<i32>,
    k: usize,
    /// Capacity of pairs per sample: an occasional selection costs less than a sorted list.
    most: usize,
    /// The order of blocks changes how many pairs a sample sees, never which are the nearest.
    shelves: Vec<Mutex<Shelf>>,
    /// Each sample's limit, read without a lock. A stale one lets a few more pairs through.
    limits: Vec<AtomicI32>,
}

impl Exact {
    /// A pair's squared distance is an entry of `row` plus one of `col` minus twice the pair's sum.
    pub(in crate::ops) fn new(rows: &Rows<'_>, (row, col): (&[f64], &[f64]), k: usize) -> Self {
        let (most, asked) = (2 * k + 16, rows.asked());
        let limit = |i: usize| if asked.contains(&i) { UNKNOWN } else { CLOSED };
        let shelf = |first: usize| {
            let room = if asked.contains(&first) { BLOCK * most } else { 0 };
            let reach = std::array::from_fn(|i| limit(first + i));
            Mutex::new(Shelf { keys: vec![0; room], len: [0; BLOCK], reach })
        };
        Exact {
            row: wrapped(row),
            col: wrapped(col),
            k,
            most,
            shelves: (0..rows.n()).step_by(BLOCK).map(shelf).collect(),
            limits: (0..rows.n()).map(limit).map(AtomicI32::new).collect(),
        }
    }

    /// The k nearest of each sample; a distance's square is `unit` times the integer.
    pub(in crate::ops) fn finish(self, rows: &Rows<'_>, unit: f64) -> Neighbours {
        let (n, k) = (rows.asked().len(), self.k);
        let (mut indices, mut squared) = (vec![0; n * k], vec![0.0; n * k]);
        let places = indices.par_chunks_mut(BLOCK * k).zip(squared.par_chunks_mut(BLOCK * k));
        places.zip(self.shelves).for_each(|((indices, squared), shelf)| {
            let Shelf { mut keys, len, .. } = shelf.into_inner().unwrap_or_else(PoisonError::into_inner);
            let lists = keys.chunks_mut(self.most).zip(len);
            let places = indices.chunks_mut(k).zip(squared.chunks_mut(k));
            for ((indices, squared), (keys, len)) in places.zip(lists) {
                let (len, _) = keep_about_nearest(&mut keys[..len as usize], k);
                let keys = &mut keys[..len];
                keys.sort_unstable();
                for ((index, squared), key) in indices.iter_mut().zip(squared).zip(keys) {
                    (*index, *squared) = (*key as u32, (*key >> 32) as f64 * unit);
                }
            }
        });
        Neighbours::of_rows(rows, k, indices, squared)
    }

    fn limits(&self, range: Range<usize>) -> [i32; BLOCK] {
        let mut limits = [CLOSED; BLOCK];
        for (limit, known) in limits.iter_mut().zip(&self.limits[range]) {
            *limit = known.load(Ordering::Relaxed);
        }
        limits
    }

    /// As [`look_ahead`] says.
    fn look_ahead(&self, sums: &[&[i32]], rows: Range<usize>, cols: Range<usize>) {
        let unknown = |range: &Range<usize>| {
            self.limits[range.clone()].iter().any(|limit| limit.load(Ordering::Relaxed) == UNKNOWN)
        };
        let values = || {
            let mut values = Vec::with_capacity(rows.len() * cols.len());
            for (sums, i) in sums.iter().zip(rows.clone()) {
                let pairs = self.col[cols.clone()].iter().zip(*sums);
                values.extend(pairs.map(|(term, sum)| int_value(self.row[i], *term, *sum)));
            }
            values
        };
        look_ahead(self.k, (&rows, &cols), unknown, values, |i, distances| self.lower(i, distances));
    }

    /// Sets the first limit of sample `i`, about the k-th of these distances to others.
    fn lower(&self, i: usize, distances: &[i32]) {
        if self.limits[i].load(Ordering::Relaxed) == UNKNOWN {
            self.limits[i].store(about_kth(distances, self.k), Ordering::Relaxed);
        }
    }

    /// Offers (sample, other sample, squared distance) to samples of one shelf.
    fn offer(&self, shelf: usize, pairs: impl Iterator<Item = (usize, usize, i32)>) {
        let mut pairs = pairs.peekable();
        if pairs.peek().is_none() {
            return;
        }
        // A panic under the lock ends the search, so a poisoned state is never read.
        let mut own = self.shelves[shelf].lock().unwrap_or_else(PoisonError::into_inner);
        let Shelf { keys, len, reach } = &mut *own;
        for (i, j, squared) in pairs {
            let at = i % BLOCK;
            if squared > reach[at] {
                continue;
            }
            let keys = &mut keys[at * self.most..(at + 1) * self.most];
            keys[len[at] as usize] = i64::from(squared) << 32 | j as i64;
            len[at] += 1;
            if len[at] as usize == self.most {
                let (left, last) = keep_about_nearest(keys, self.k);
                (len[at], reach[at]) = (left as u32, (last >> 32) as i32);
                // A first limit may be lower than what the sample found so far.
                let limit = &self.limits[i];
                if reach[at] < limit.load(Ordering::Relaxed) {
                    limit.store(reach[at], Ordering::Relaxed);
                }
            }
        }
    }
}

/// Moves the `k` smallest of these keys, and at most [`MORE`] others, to the front, in any order. Returns how many they are,
/// and a key that is no less than any of them.
fn keep_about_nearest(keys: &mut [i64], k: usize) -> (usize, i64) {
    let (last, mut kept) = (about_kth(keys, k), 0);
    for at in 0..keys.len() {
        // Branch-free: which are kept is unpredictable.
        let key = keys[at];
        keys[kept] = key;
        kept += usize::from(key <= last);
    }
    (kept, last)
}

/// A value such that at least `k` of these are at most it, and at most [`MORE`] more, unless there are ties. Bisection takes
/// a few passes of comparisons, less work than finding the k-th.
#[apply(vectorized)]
fn about_kth<T: Whole>(values: &[T], k: usize) -> T {
    let (mut low, mut high) = (values[0], values[0]);
    for value in values {
        (low, high) = (low.min(*value), high.max(*value));
    }
    // At most `high` there are k or more; at most `low` there are fewer, or it is the minimum.
    loop {
        let middle = T::halfway(low, high);
        let count = values.iter().map(|value| i32::from(*value <= middle)).sum::<i32>() as usize;
        if count >= k {
            high = middle;
            if count <= k + MORE || low == high {
                return high;
            }
        } else if low == middle {
            return high;
        } else {
            low = middle;
        }
    }
}

/// An integer type.
trait Whole: Copy + Ord {
    /// The midpoint, rounded down.
    fn halfway(low: Self, high: Self) -> Self;
}

impl Whole for i32 {
    fn halfway(low: i32, high: i32) -> i32 {
        ((i64::from(low) + i64::from(high)) >> 1) as i32
    }
}

impl Whole for i64 {
    fn halfway(low: i64, high: i64) -> i64 {
        ((i128::from(low) + i128::from(high)) >> 1) as i64
    }
}

impl Reader for Exact {
    /// Offers each of the block's pairs to both its samples.
    fn read<S: Sum>(&self, tile: &Tile, block: &Block<'_, S>) {
        let cols = tile.cols.start + block.cols.start..tile.cols.start + block.cols.end;
        let rows = tile.rows.start + block.rows.start..tile.rows.start + block.rows.end;
        let sums: Vec<&[i32]> = (0..rows.len()).map(|r| S::integers(block.row(r))).collect();
        self.look_ahead(&sums, rows.clone(), cols.clone());
        let same = rows == cols;
        let groups = cols.len().next_multiple_of(LANES);
        // Padding columns are removed from the hits, as are a sample itself and those before it.
        let mut terms = [0; BLOCK];
        terms[..cols.len()].copy_from_slice(&self.col[cols.clone()]);
        let (mut lists, mut start) = ([(); 2].map(|()| IntHits::default()), 0);
        while start < rows.len() {
            let col_limits = self.limits(cols.clone());
            // While columns have no limits, all pairs of a row count: limits are refreshed often.
            let strip = if col_limits.contains(&UNKNOWN) { 2 * LANES } else { BLOCK };
            let end = rows.len().min(start + strip);
            let first = rows.start + start;
            let row_limits = self.limits(first..first + end - start);
            for (r, i) in (start..end).zip(first..) {
                // On the diagonal, columns before this group are not computed.
                let run = (i.saturating_sub(cols.start) / LANES * LANES).min(groups)..groups;
                let row = (self.row[i], row_limits[i - first]);
                let at = (i - first) * BLOCK + run.start;
                let columns = (&terms[run.clone()], &col_limits[run.clone()]);
                int_hits(row, columns, &sums[r][run], at, &mut lists);
            }
            let [by_row, by_col] = lists.each_ref().map(|list| {
                let pair = |(at, squared)| (first + at / BLOCK, cols.start + at % BLOCK, squared);
                list.iter().map(pair).filter(|(i, j, _)| *j < cols.end && !(same && j <= i))
            });
            self.offer(first / BLOCK, by_row);
            self.offer(cols.start / BLOCK, by_col.map(|(i, j, squared)| (j, i, squared)));
            lists.iter_mut().for_each(IntHits::clear);
            start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const CASES: [(usize, i32); 7] =
        [(1, 9), (2, 1), (7, 3), (128, 5), (128, 1000), (129, i32::MAX), (500, 1 << 20)];

    /// Against a sorted list: from the k-th on, and beyond it no further than a few more, or ties.
    #[test]
    fn a_limit_is_at_the_kth_value_or_just_after_it() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for (len, range) in CASES {
            let values: Vec<i32> = (0..len).map(|_| rng.random_range(0..range)).collect();
            let mut sorted = values.clone();
            sorted.sort_unstable();
            for k in 1..=len {
                let limit = about_kth(&values, k);
                assert!(limit >= sorted[k - 1], "{k} of {len} below {range}");
                let last = sorted[(k - 1 + MORE).min(len - 1)];
                // Bisection ends between two values.
                let next = sorted.iter().find(|value| **value > last).copied().unwrap_or(i32::MAX);
                assert!(limit < next || limit == last, "{k} of {len} below {range}: {limit}");
            }
        }
    }

    /// Keys differ, though distances may not: few more than k are left.
    #[test]
    fn the_nearest_are_kept_and_few_others() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for (len, range) in CASES {
            let keys: Vec<i64> =
                (0..len).map(|j| i64::from(rng.random_range(0..range)) << 32 | j as i64).collect();
            let mut sorted = keys.clone();
            sorted.sort_unstable();
            for k in 1..=len {
                let mut own = keys.clone();
                let (left, last) = keep_about_nearest(&mut own, k);
                assert!((k..=k + MORE).contains(&left), "{k} of {len} below {range}: {left}");
                own.truncate(left);
                own.sort_unstable();
                assert_eq!(own, sorted[..left]);
                assert!(last >= own[left - 1] && sorted.get(left).is_none_or(|next| last < *next));
            }
        }
    }
}
