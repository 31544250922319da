//! Squared distances as sums of squared differences in f64, for precise results on floats.

use super::{Float, Rows, Run, WIDENED, blocks};
use crate::points::Kind;
use crate::simd::vectorized;
use macro_rules_attribute::apply;
use rayon::prelude::*;
use std::ops::{AddAssign, Mul, Range, Sub};

/// The squared distances of `pairs`, relative error below 1e-12 each.
///
/// Rows are long and each is in many pairs, so the columns are divided into chunks such that a chunk of
/// every row stays in the last-level cache while all pairs are processed.
pub(crate) fn squared_distances<'a>(rows: impl Into<Rows<'a>>, pairs: &[(u32, u32)]) -> Vec<f64> {
    let rows = rows.into();
    // A quarter of a usual 32 MiB cache, and rows of no fewer than 4 KiB.
    let chunk = ((8 << 20) / (4 * rows.n().max(1))).clamp(1024, WIDENED);
    // Adjacent pairs share their first row, and pairs of one piece share a worker's passes.
    let piece = pairs.len().div_ceil(rayon::current_num_threads()).max(64);
    let mut out = vec![0.0; pairs.len()];
    out.par_chunks_mut(piece).zip(pairs.par_chunks(piece)).for_each(|(out, pairs)| {
        for columns in blocks(0..rows.dim(), chunk) {
            for (out, &(i, j)) in out.iter_mut().zip(pairs) {
                *out += part(&rows, i as usize, j as usize, columns.clone());
            }
        }
    });
    out
}

/// Rows of a set that are processed together, and the number of other rows at a time.
const TOGETHER: usize = 64;
/// Bytes of such rows kept widened: part of the L2 cache.
const HELD: usize = 128 << 10;
/// Most columns at a time: a lane then sums 128 squared differences of bytes, less than 2^24.
const COLUMNS: usize = 128 * GROUP;

/// The squared distances within each set: `sets` holds `size` rows of each, one set after the other. They are those of
/// rows (1, 0), (2, 0), (2, 1), (3, 0), ..., as exact as [`squared_distances`]. A value is read and widened once for
/// many pairs.
pub(crate) fn among<'a>(rows: impl Into<Rows<'a>>, sets: &[u32], size: usize) -> Vec<f64> {
    let rows = rows.into();
    let each = size * size.saturating_sub(1) / 2;
    let mut out = vec![0.0; sets.len().checked_div(size).unwrap_or(0) * each];
    // A task compares some rows of a set with those before them.
    let mut tasks = Vec::new();
    if each > 0 {
        for (set, mut rest) in sets.chunks_exact(size).zip(out.chunks_exact_mut(each)) {
            for block in blocks(0..size, TOGETHER) {
                let (mine, others) = rest.split_at_mut(before(block.end) - before(block.start));
                tasks.push((set, block, mine));
                rest = others;
            }
        }
    }
    tasks.into_par_iter().for_each(|(set, block, out)| match rows.kind() {
        // Differences of bytes, and sums of a few of their squares, are exact in f32.
        Kind::U8 => of_block::<f32>(&rows, set, block, out),
        _ => of_block::<f64>(&rows, set, block, out),
    });
    out
}

/// The number of pairs among the first `i` rows of a set.
fn before(i: usize) -> usize {
    i * i.saturating_sub(1) / 2
}

/// Accumulates the squared distances from some rows of a set to all rows before them.
fn of_block<S: Scratch>(rows: &Rows<'_>, set: &[u32], block: Range<usize>, out: &mut [f64]) {
    let held = set.len().min(TOGETHER) * if block.start > 0 { 2 } else { 1 };
    let chunk = (HELD / size_of::<S>() / held / GROUP * GROUP).clamp(GROUP, COLUMNS);
    let (mut own, mut others) = (Vec::new(), Vec::new());
    let read = |these: &[u32], columns: &Range<usize>, out: &mut Vec<S>| {
        let width = columns.len().next_multiple_of(GROUP);
        out.resize(these.len() * width, S::default());
        for (row, out) in these.iter().zip(out.chunks_exact_mut(width)) {
            let (values, rest) = out.split_at_mut(columns.len());
            S::widen(rows.row(*row as usize, columns.clone()), values);
            rest.fill(S::default());
        }
        width
    };
    for columns in blocks(0..rows.dim(), chunk) {
        let width = read(&set[block.clone()], &columns, &mut own);
        for part in blocks(0..block.start, TOGETHER) {
            read(&set[part.clone()], &columns, &mut others);
            add_squares(&own, &others, width, block.start, part.start, out);
        }
        add_squares(&own, &own, width, block.start, block.start, out);
    }
}

/// Values processed in parallel lanes.
const GROUP: usize = 8;

/// The type in which differences and their squares are computed.
trait Scratch: Copy + Default + Send + Sync + Sub<Output = Self> + Mul<Output = Self> + AddAssign {
    fn widen(run: Run<'_>, out: &mut [Self]);
    fn f64(self) -> f64;
}

impl Scratch for f32 {
    fn widen(run: Run<'_>, out: &mut [f32]) {
        run.with_floats(|values| out.copy_from_slice(values));
    }

    #[inline(always)]
    fn f64(self) -> f64 {
        self.into()
    }
}

impl Scratch for f64 {
    fn widen(run: Run<'_>, out: &mut [f64]) {
        match run {
            Run::F64(values) => out.copy_from_slice(values),
            run => {
                run.with_floats(|values| out.iter_mut().zip(values).for_each(|(out, v)| *out = (*v).into()))
            }
        }
    }

    #[inline(always)]
    fn f64(self) -> f64 {
        self
    }
}

/// Accumulates the squared distances from rows `own`, which begin at row `first` of a set, to `others`, which begin at
/// row `start`; if these are the same rows, from each to those before it.
#[apply(vectorized)]
fn add_squares<S: Scratch>(
    own: &[S],
    others: &[S],
    width: usize,
    first: usize,
    start: usize,
    out: &mut [f64],
) {
    const ROWS: usize = 4;
    let (own, others, width) = (own.as_chunks::<GROUP>().0, others.as_chunks::<GROUP>().0, width / GROUP);
    let other = |c: usize| &others[c * width..(c + 1) * width];
    for c in (0..others.len() / width).step_by(ROWS) {
        let end = (c + ROWS).min(others.len() / width);
        for (at, row) in own.chunks_exact(width).enumerate() {
            let out = &mut out[before(first + at) - before(first) + start..];
            let end = if first == start { end.min(at) } else { end };
            if end == c + ROWS {
                let sums = squares([other(c), other(c + 1), other(c + 2), other(c + 3)], row);
                out[c..end].iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
            } else {
                let rest = out.iter_mut().enumerate().take(end).skip(c);
                rest.for_each(|(c, out)| *out += squares([other(c)], row)[0]);
            }
        }
    }
}

/// The squared distances from a row to a few others of the same length.
#[inline(always)]
fn squares<S: Scratch, const ROWS: usize>(others: [&[[S; GROUP]]; ROWS], row: &[[S; GROUP]]) -> [f64; ROWS] {
    let mut partial = [[S::default(); GROUP]; ROWS];
    for column in 0..row.len() {
        for r in 0..ROWS {
            for l in 0..GROUP {
                let difference = row[column][l] - others[r][column][l];
                partial[r][l] += difference * difference;
            }
        }
    }
    std::array::from_fn(|r| total(&partial[r]))
}

/// Not inlined: the compiler would vectorise over several rows' sums, and shuffle the values in the loop above.
#[inline(never)]
fn total<S: Scratch>(partial: &[S; GROUP]) -> f64 {
    partial.iter().map(|v| v.f64()).sum()
}

/// The contribution of some columns to a pair's squared distance.
fn part(rows: &Rows<'_>, i: usize, j: usize, columns: Range<usize>) -> f64 {
    match (rows.row(i, columns.clone()), rows.row(j, columns)) {
        (Run::U8(a), Run::U8(b)) => part_u8(a, b) as f64,
        (Run::F64(a), Run::F64(b)) => part_floats(a, b),
        (a, b) => a.with_floats(|a| b.with_floats(|b| part_floats(a, b))),
    }
}

/// Exact: the sum over a run of columns is below 2^31, so 32-bit lanes hold it. Loops rather than closures,
/// which would be compiled without the wider vector instructions.
#[apply(vectorized)]
fn part_u8(a: &[u8], b: &[u8]) -> u64 {
    const RUN: usize = 1 << 14;
    const WIDTH: usize = 64;
    let mut total = 0;
    for (a, b) in a.chunks(RUN).zip(b.chunks(RUN)) {
        let mut partial = [0i32; WIDTH];
        let (whole_a, rest_a) = a.as_chunks::<WIDTH>();
        let (whole_b, rest_b) = b.as_chunks::<WIDTH>();
        for (a, b) in whole_a.iter().zip(whole_b) {
            for l in 0..WIDTH {
                let difference = i32::from(i16::from(a[l]) - i16::from(b[l]));
                partial[l] += difference * difference;
            }
        }
        for (l, (a, b)) in rest_a.iter().zip(rest_b).enumerate() {
            partial[l] += (i32::from(*a) - i32::from(*b)).pow(2);
        }
        total += partial.iter().sum::<i32>() as u64;
    }
    total
}

/// Differences are computed in f64. Of two f32 they are exact unless the exponents differ by 29, and their squares
/// neither overflow nor underflow; of two f64 they have a relative error of 2^-53, and `Points` ensures that their
/// squares are in range. 32 partial sums keep four vector additions in flight.
#[apply(vectorized)]
fn part_floats<T: Float>(a: &[T], b: &[T]) -> f64 {
    const WIDTH: usize = 32;
    let mut partial = [0.0f64; WIDTH];
    let (whole_a, rest_a) = a.as_chunks::<WIDTH>();
    let (whole_b, rest_b) = b.as_chunks::<WIDTH>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for l in 0..WIDTH {
            let difference = a[l].f64() - b[l].f64();
            partial[l] += difference * difference;
        }
    }
    for (l, (a, b)) in rest_a.iter().zip(rest_b).enumerate() {
        partial[l] += (a.f64() - b.f64()).powi(2);
    }
    // Pairwise: summing one by one would take as long as all columns of a short row.
    let mut left = WIDTH / 2;
    while left > 2 {
        for l in 0..left {
            partial[l] += partial[left + l];
        }
        left /= 2;
    }
    (partial[0] + partial[1]) + (partial[2] + partial[3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Points;
    use approx::abs_diff_eq;
    use half::bf16;

    /// Set sizes that are divided differently, all kinds of values, against sums of squared differences in f64.
    #[test]
    fn distances_among_sets_are_sums_of_squared_differences() {
        let numbers = |dim: usize| (0..150 * dim).map(|at| (at * 7919 + at / 7 * 31) % 256);
        for (dim, size) in [(1, 2), (7, 5), (40, 50), (300, 64), (130, 65), (33, 150), (9000, 3)] {
            let bytes: Vec<u8> = numbers(dim).map(|v| v as u8).collect();
            let wide: Vec<f64> = numbers(dim).map(|v| v as f64 / 7.0).collect();
            let floats: Vec<f32> = wide.iter().map(|v| *v as f32).collect();
            let halves: Vec<bf16> = wide.iter().map(|v| bf16::from_f64(*v)).collect();
            let sets: Vec<u32> = (0..3 * size as u32).map(|at| at * 67 % 150).collect();
            let check = |points: Points<'_>, value: &dyn Fn(usize) -> f64| {
                let mut found = among(&points, &sets, size).into_iter();
                for set in sets.chunks(size) {
                    for (i, j) in (0..size).flat_map(|i| (0..i).map(move |j| (i, j))) {
                        let (a, b) = (set[i] as usize * dim, set[j] as usize * dim);
                        let right: f64 = (0..dim).map(|c| (value(a + c) - value(b + c)).powi(2)).sum();
                        let found = found.next().unwrap();
                        assert!(
                            abs_diff_eq!(found, right, epsilon = 1e-12 * right),
                            "{dim}, {size}: {i}, {j}: {found} for {right}"
                        );
                    }
                }
                assert_eq!(found.next(), None);
            };
            check(Points::u8(&bytes, dim).unwrap(), &|at| bytes[at].into());
            check(Points::f32(&floats, dim).unwrap(), &|at| floats[at].into());
            check(Points::f64(&wide, dim).unwrap(), &|at| wide[at]);
            check(Points::bf16(&halves, dim).unwrap(), &|at| halves[at].into());
        }
    }
}
