//! Reads a tile's sums as pair values and picks out the few that matter, 16 at a time.
//! Each function is compiled for the vectors at hand and chosen at run time.

use super::LANES;
use crate::simd::{Simd, vectorized};
use macro_rules_attribute::apply;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// What engines store a tile in: a type whose values f64 holds exactly.
pub(crate) trait Sum: Copy + Send + Sync {
    fn f64(self) -> f64;

    /// Eight sums as f64.
    ///
    /// # Safety
    /// The processor must have AVX-512 F and DQ; for callers compiled for them.
    #[cfg(target_arch = "x86_64")]
    unsafe fn eight(sums: &[Self; 8]) -> __m512d;
}

impl Sum for i32 {
    #[inline(always)]
    fn f64(self) -> f64 {
        f64::from(self)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn eight(sums: &[Self; 8]) -> __m512d {
        // SAFETY: eight sums are 32 bytes; the instructions are there, as this function was promised.
        unsafe { _mm512_cvtepi32_pd(_mm256_loadu_si256(sums.as_ptr().cast())) }
    }
}

impl Sum for i64 {
    #[inline(always)]
    fn f64(self) -> f64 {
        self as f64
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn eight(sums: &[Self; 8]) -> __m512d {
        // SAFETY: as above, with 64 bytes.
        unsafe { _mm512_cvtepi64_pd(_mm512_loadu_si512(sums.as_ptr().cast())) }
    }
}

impl Sum for f32 {
    #[inline(always)]
    fn f64(self) -> f64 {
        f64::from(self)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn eight(sums: &[Self; 8]) -> __m512d {
        // SAFETY: as above, with 32 bytes.
        unsafe { _mm512_cvtps_pd(_mm256_loadu_ps(sums.as_ptr())) }
    }
}

/// Pairs that passed: their places, and their values in the same order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Hits {
    places: Vec<u64>,
    values: Vec<f64>,
}

impl Hits {
    pub(crate) fn clear(&mut self) {
        self.places.clear();
        self.values.clear();
    }

    #[inline(always)]
    fn push(&mut self, place: usize, value: f64) {
        self.places.push(place as u64);
        self.values.push(value);
    }

    /// Places and values.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (usize, f64)> + Clone {
        self.places.iter().zip(&self.values).map(|(place, value)| (*place as usize, *value))
    }
}

/// The column terms of a tile, with NaN up to a whole group of lanes: what is not there never passes.
pub(crate) fn padded(terms: &[f64]) -> Vec<f64> {
    let mut padded = terms.to_vec();
    padded.resize(terms.len().next_multiple_of(LANES), f64::NAN);
    padded
}

/// One row against whole groups of columns: appends to `by_row` the pairs whose value is at most the row's limit, and
/// to `by_col` those whose value is at most the column's own. Places are counted from `first`.
pub(crate) fn hits<S: Sum>(
    row: (f64, f64),
    col_terms: &[f64],
    col_limits: &[f64],
    sums: &[S],
    first: usize,
    by_row: &mut Hits,
    by_col: &mut Hits,
) {
    #[cfg(target_arch = "x86_64")]
    if Simd::current().wide() {
        // SAFETY: the instructions are there.
        return unsafe { hits_512(row, col_terms, col_limits, sums, first, by_row, by_col) };
    }
    hits_portable(row, col_terms, col_limits, sums, first, by_row, by_col);
}

/// By hand, since compilers take comparisons of many lanes apart into single bits. What passed is written eight lanes at
/// a time, those that passed in front, and the next write goes over the others: no branch depends on which they are,
/// or on how many, but on whether there are any. Plain arithmetic in the same order gives the portable form's values.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq")]
fn hits_512<S: Sum>(
    (row_term, row_limit): (f64, f64),
    col_terms: &[f64],
    col_limits: &[f64],
    sums: &[S],
    first: usize,
    by_row: &mut Hits,
    by_col: &mut Hits,
) {
    const EIGHT: usize = 8;
    let (row_term, row_limit) = (_mm512_set1_pd(row_term), _mm512_set1_pd(row_limit));
    let lanes = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    let mut lists = [by_row, by_col];
    let mut ends = [0; 2];
    for (list, end) in lists.iter_mut().zip(&mut ends) {
        list.places.reserve(sums.len() + EIGHT);
        list.values.reserve(sums.len() + EIGHT);
        *end = list.places.len();
    }
    let eights = col_terms.as_chunks::<EIGHT>().0.iter().zip(col_limits.as_chunks::<EIGHT>().0);
    for (at, ((terms, limits), sums)) in eights.zip(sums.as_chunks::<EIGHT>().0).enumerate() {
        // SAFETY: eight values each, for which this function has the instructions.
        let (terms, limits, sums) =
            unsafe { (_mm512_loadu_pd(terms.as_ptr()), _mm512_loadu_pd(limits.as_ptr()), S::eight(sums)) };
        let values = _mm512_sub_pd(_mm512_add_pd(row_term, terms), _mm512_add_pd(sums, sums));
        let passed = [
            _mm512_cmp_pd_mask::<_CMP_LE_OQ>(values, row_limit),
            _mm512_cmp_pd_mask::<_CMP_LE_OQ>(values, limits),
        ];
        if passed[0] | passed[1] == 0 {
            continue;
        }
        let places = _mm512_add_epi64(_mm512_set1_epi64((first + at * EIGHT) as i64), lanes);
        for ((list, end), passed) in lists.iter_mut().zip(&mut ends).zip(passed) {
            // SAFETY: there is room for as many as there are sums, and for eight more.
            unsafe {
                let place = list.places.as_mut_ptr().add(*end);
                _mm512_storeu_si512(place.cast(), _mm512_maskz_compress_epi64(passed, places));
                let value = list.values.as_mut_ptr().add(*end);
                _mm512_storeu_pd(value, _mm512_maskz_compress_pd(passed, values));
            }
            *end += passed.count_ones() as usize;
        }
    }
    for (list, end) in lists.into_iter().zip(ends) {
        // SAFETY: so many were written.
        unsafe {
            list.places.set_len(end);
            list.values.set_len(end);
        }
    }
}

#[apply(vectorized)]
pub(super) fn hits_portable<S: Sum>(
    row: (f64, f64),
    col_terms: &[f64],
    col_limits: &[f64],
    sums: &[S],
    first: usize,
    by_row: &mut Hits,
    by_col: &mut Hits,
) {
    let (row_term, row_limit) = row;
    let groups = col_terms.as_chunks::<LANES>().0.iter().zip(col_limits.as_chunks::<LANES>().0);
    for (at, ((terms, limits), sums)) in groups.zip(sums.as_chunks::<LANES>().0).enumerate() {
        let mut values = [0.0; LANES];
        let mut count = 0;
        for l in 0..LANES {
            values[l] = row_term + terms[l] - 2.0 * sums[l].f64();
            count += u32::from(values[l] <= row_limit.max(limits[l]));
        }
        if count > 0 {
            for l in 0..LANES {
                let place = first + at * LANES + l;
                if values[l] <= row_limit {
                    by_row.push(place, values[l]);
                }
                if values[l] <= limits[l] {
                    by_col.push(place, values[l]);
                }
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
#[apply(vectorized)]
pub(crate) fn row_ratios<S: Sum>(run: &Ratios<'_>, sums: &[S], hits: &mut Vec<(usize, f64)>) -> (f64, f64) {
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
