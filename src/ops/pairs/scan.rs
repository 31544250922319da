//! Reads a tile's sums as pair values and picks out the few that matter, 16 at a time.
//! Each function is compiled for the vectors at hand and chosen at run time.

use super::LANES;
use multiversion::multiversion;

/// What engines store a tile in: a type whose values f64 holds exactly.
pub(crate) trait Sum: Copy + Send + Sync {
    fn f64(self) -> f64;
}

impl Sum for i32 {
    #[inline(always)]
    fn f64(self) -> f64 {
        f64::from(self)
    }
}

impl Sum for i64 {
    #[inline(always)]
    fn f64(self) -> f64 {
        self as f64
    }
}

impl Sum for f32 {
    #[inline(always)]
    fn f64(self) -> f64 {
        f64::from(self)
    }
}

/// A pair that passed: its place and its value.
pub(crate) type Hit = (usize, f64);

/// The column terms of a tile, with NaN up to a whole group of lanes: what is not there never passes.
pub(crate) fn padded(terms: &[f64]) -> Vec<f64> {
    let mut padded = terms.to_vec();
    padded.resize(terms.len().next_multiple_of(LANES), f64::NAN);
    padded
}

/// One row against whole groups of columns: appends the columns, counted from `first`, whose value is at
/// most the row's limit or the column's own.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
pub(crate) fn hits<S: Sum>(
    (row_term, row_limit): (f64, f64),
    col_terms: &[f64],
    col_limits: &[f64],
    sums: &[S],
    first: usize,
    hits: &mut Vec<Hit>,
) {
    let groups = col_terms.as_chunks::<LANES>().0.iter().zip(col_limits.as_chunks::<LANES>().0);
    for (at, ((terms, limits), sums)) in groups.zip(sums.as_chunks::<LANES>().0).enumerate() {
        let mut values = [0.0; LANES];
        let mut count = 0;
        for l in 0..LANES {
            values[l] = row_term + terms[l] - 2.0 * sums[l].f64();
            count += u32::from(values[l] <= row_limit.max(limits[l]));
        }
        if count > 0 {
            let mut passed = 0u32;
            for l in 0..LANES {
                passed |= u32::from(values[l] <= row_limit.max(limits[l])) << l;
            }
            while passed != 0 {
                let l = passed.trailing_zeros() as usize;
                hits.push((first + at * LANES + l, values[l]));
                passed &= passed - 1;
            }
        }
    }
}

/// One row against a run of columns, for [`row_ratios`].
pub(crate) struct Ratios<'a> {
    pub row_term: f64,
    pub col_terms: &'a [f64],
    /// What a column's pair counts in the sums: 0 or 1.
    pub weights: &'a [f64],
    pub row_norm: f64,
    pub col_norms: &'a [f64],
    /// Pairs of value `near` (row_norm + col_norm)^2 or less are near.
    pub near: f64,
    pub limit: f64,
}

/// Sums over one row's pairs of 1 / distance and of 1 / distance^2, in the values' units. Near pairs are
/// left out of the sums; they and those of value `limit` or less are appended to `hits` if their
/// weight is not 0.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
pub(crate) fn row_ratios<S: Sum>(run: &Ratios<'_>, sums: &[S], hits: &mut Vec<Hit>) -> (f64, f64) {
    let (mut first, mut second) = ([0.0; LANES], [0.0; LANES]);
    let columns = run.col_terms.as_chunks::<LANES>().0.iter().zip(run.col_norms.as_chunks::<LANES>().0);
    let groups = columns.zip(run.weights.as_chunks::<LANES>().0).zip(sums.as_chunks::<LANES>().0);
    for (at, (((terms, norms), weights), sums)) in groups.enumerate() {
        let (mut values, mut limits) = ([0.0; LANES], [0.0; LANES]);
        let mut count = 0;
        for l in 0..LANES {
            let value = run.row_term + terms[l] - 2.0 * sums[l].f64();
            let norm = run.row_norm + norms[l];
            let near = run.near * norm * norm;
            let (far, weight) = if value > near { (value, weights[l]) } else { (1.0, 0.0) };
            let inverse = weight / far;
            second[l] += inverse;
            first[l] += inverse * far.sqrt();
            (values[l], limits[l]) = (value, run.limit.max(near));
            count += u32::from(value <= limits[l] && weights[l] != 0.0);
        }
        if count > 0 {
            let passed = (0..LANES).filter(|&l| values[l] <= limits[l] && weights[l] != 0.0);
            hits.extend(passed.map(|l| (at * LANES + l, values[l])));
        }
    }
    (first.iter().sum(), second.iter().sum())
}
