//! Reads a tile's sums as pair values and selects the few below a limit, 16 at a time.
//! Each function is compiled for each instruction set and chosen at run time.

use super::LANES;
use crate::simd::{Simd, vectorized};
use macro_rules_attribute::apply;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// The type of a tile's sums, whose values f64 represents exactly.
pub(crate) trait Sum: Copy + Send + Sync {
    fn f64(self) -> f64;

    /// As 32-bit integers, for readers of such sums alone.
    fn integers(_sums: &[Self]) -> &[i32] {
        unreachable!("only 32-bit sums are read as integers")
    }

    /// Eight sums as f64.
    ///
    /// # Safety
    /// The processor must have AVX-512 F and DQ; for callers compiled for them.
    #[cfg(target_arch = "x86_64")]
    unsafe fn eight(sums: &[Self; 8]) -> __m512d;

    /// Four sums as f64.
    ///
    /// # Safety
    /// The processor must have AVX2; for callers compiled for it.
    #[cfg(target_arch = "x86_64")]
    unsafe fn four(sums: &[Self; 4]) -> __m256d;
}

impl Sum for i32 {
    #[inline(always)]
    fn f64(self) -> f64 {
        f64::from(self)
    }

    fn integers(sums: &[i32]) -> &[i32] {
        sums
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn eight(sums: &[Self; 8]) -> __m512d {
        // SAFETY: eight sums are 32 bytes; the caller promises that the processor has the instructions.
        unsafe { _mm512_cvtepi32_pd(_mm256_loadu_si256(sums.as_ptr().cast())) }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn four(sums: &[Self; 4]) -> __m256d {
        // SAFETY: four sums are 16 bytes; the caller promises that the processor has the instructions.
        unsafe { _mm256_cvtepi32_pd(_mm_loadu_si128(sums.as_ptr().cast())) }
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

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn four(sums: &[Self; 4]) -> __m256d {
        // AVX2 has no conversion of 64-bit integers.
        let [a, b, c, d] = sums.map(|sum| sum as f64);
        // SAFETY: the caller promises that the processor has the instructions.
        unsafe { _mm256_setr_pd(a, b, c, d) }
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

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn four(sums: &[Self; 4]) -> __m256d {
        // SAFETY: as above, with 16 bytes.
        unsafe { _mm256_cvtps_pd(_mm_loadu_ps(sums.as_ptr())) }
    }
}

/// Hits: the indices of pairs, and their values in the same order.
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

/// One row against whole groups of columns: appends to `by_row` the pairs whose value is at most the row's limit, and
/// to `by_col` those whose value is at most the column's own. Indices are counted from `first`.
pub(crate) fn hits<S: Sum>(
    row: (f64, f64),
    col_terms: &[f64],
    col_limits: &[f64],
    sums: &[S],
    first: usize,
    by_row: &mut Hits,
    by_col: &mut Hits,
) {
    match Simd::current() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has the instructions.
        simd if simd.wide() => unsafe { hits_512(row, col_terms, col_limits, sums, first, by_row, by_col) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Simd::Avx2 | Simd::AvxVnni => unsafe {
            hits_256(row, col_terms, col_limits, sums, first, by_row, by_col)
        },
        _ => hits_portable(row, col_terms, col_limits, sums, first, by_row, by_col),
    }
}

/// Written with intrinsics, since compilers split comparisons of many lanes into single bits. Hits are compressed to the
/// front of eight lanes and written; the next write overwrites the rest: the only branch is on whether there are any.
/// Plain arithmetic in the same order gives the portable form's values.
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

/// Written with intrinsics too: hits are found in the bits of both comparisons.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
pub(super) fn hits_256<S: Sum>(
    (row_term, row_limit): (f64, f64),
    col_terms: &[f64],
    col_limits: &[f64],
    sums: &[S],
    first: usize,
    by_row: &mut Hits,
    by_col: &mut Hits,
) {
    const FOUR: usize = 4;
    let (row_term, row_limit) = (_mm256_set1_pd(row_term), _mm256_set1_pd(row_limit));
    let groups = col_terms.as_chunks::<LANES>().0.iter().zip(col_limits.as_chunks::<LANES>().0);
    for (at, ((terms, limits), sums)) in groups.zip(sums.as_chunks::<LANES>().0).enumerate() {
        let mut values = [_mm256_setzero_pd(); LANES / FOUR];
        let mut passed = [0u32; 2];
        let fours = terms.as_chunks::<FOUR>().0.iter().zip(limits.as_chunks::<FOUR>().0);
        for (q, ((terms, limits), sums)) in fours.zip(sums.as_chunks::<FOUR>().0).enumerate() {
            // SAFETY: four values each, for which this function has the instructions.
            let (terms, limits, sums) =
                unsafe { (_mm256_loadu_pd(terms.as_ptr()), _mm256_loadu_pd(limits.as_ptr()), S::four(sums)) };
            values[q] = _mm256_sub_pd(_mm256_add_pd(row_term, terms), _mm256_add_pd(sums, sums));
            let of_row = _mm256_movemask_pd(_mm256_cmp_pd::<_CMP_LE_OQ>(values[q], row_limit));
            let of_col = _mm256_movemask_pd(_mm256_cmp_pd::<_CMP_LE_OQ>(values[q], limits));
            passed[0] |= (of_row as u32) << (FOUR * q);
            passed[1] |= (of_col as u32) << (FOUR * q);
        }
        if passed[0] | passed[1] == 0 {
            continue;
        }
        let mut stored = [0.0; LANES];
        for (stored, values) in stored.as_chunks_mut::<FOUR>().0.iter_mut().zip(values) {
            // SAFETY: room for four values.
            unsafe { _mm256_storeu_pd(stored.as_mut_ptr(), values) };
        }
        for (list, mut passed) in [(&mut *by_row, passed[0]), (&mut *by_col, passed[1])] {
            while passed != 0 {
                let l = passed.trailing_zeros() as usize;
                list.push(first + at * LANES + l, stored[l]);
                passed &= passed - 1;
            }
        }
    }
}

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

/// Hits in integers: the indices of pairs, and their values in the same order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct IntHits {
    places: Vec<u32>,
    values: Vec<i32>,
}

impl IntHits {
    pub(crate) fn clear(&mut self) {
        self.places.clear();
        self.values.clear();
    }

    /// Places and values.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (usize, i32)> + Clone {
        self.places.iter().zip(&self.values).map(|(place, value)| (*place as usize, *value))
    }

    /// Reserves space for so many more.
    fn reserve(&mut self, more: usize) {
        self.places.reserve(more);
        self.values.reserve(more);
    }

    /// Pointers to the next index and value.
    fn ends(&mut self) -> (*mut u32, *mut i32) {
        (
            self.places.spare_capacity_mut().as_mut_ptr().cast(),
            self.values.spare_capacity_mut().as_mut_ptr().cast(),
        )
    }

    /// # Safety
    /// So many more were written, and there is room for them.
    unsafe fn grow(&mut self, by: usize) {
        // SAFETY: as this function's own promise.
        unsafe {
            self.places.set_len(self.places.len() + by);
            self.values.set_len(self.values.len() + by);
        }
    }
}

/// Terms of rows or columns in 32 bits: intermediate sums wrap around, and results are below 2^31.
pub(crate) fn wrapped(terms: &[f64]) -> Vec<i32> {
    terms.iter().map(|term| *term as i64 as i32).collect()
}

/// A pair's value in integers: intermediate overflows cancel.
pub(crate) fn int_value(row: i32, col: i32, sum: i32) -> i32 {
    row.wrapping_add(col).wrapping_sub(sum.wrapping_mul(2))
}

/// One row against whole groups of columns, in integers, as [`int_value`] has it. Appends to the first of `lists` the
/// pairs whose value is at most the row's limit, and to the second those whose value is at most the column's own. Places
/// are counted from `first`.
pub(crate) fn int_hits(
    row: (i32, i32),
    cols: (&[i32], &[i32]),
    sums: &[i32],
    first: usize,
    lists: &mut [IntHits; 2],
) {
    match Simd::current() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has the instructions.
        simd if simd.wide() => unsafe { int_hits_512(row, cols, sums, first, lists) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Simd::Avx2 | Simd::AvxVnni => unsafe { int_hits_256(row, cols, sums, first, lists) },
        _ => int_hits_portable(row, cols, sums, first, lists),
    }
}

/// As [`hits_512`], 16 pairs at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn int_hits_512(
    (row_term, row_limit): (i32, i32),
    (terms, limits): (&[i32], &[i32]),
    sums: &[i32],
    first: usize,
    lists: &mut [IntHits; 2],
) {
    let (row_term, row_limit) = (_mm512_set1_epi32(row_term), _mm512_set1_epi32(row_limit));
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    lists.iter_mut().for_each(|list| list.reserve(sums.len() + LANES));
    let groups = terms.as_chunks::<LANES>().0.iter().zip(limits.as_chunks::<LANES>().0);
    for (at, ((terms, limits), sums)) in groups.zip(sums.as_chunks::<LANES>().0).enumerate() {
        // SAFETY: 16 values each.
        let [terms, limits, sums] =
            [terms, limits, sums].map(|values| unsafe { _mm512_loadu_si512(values.as_ptr().cast()) });
        let values = _mm512_sub_epi32(_mm512_add_epi32(row_term, terms), _mm512_add_epi32(sums, sums));
        let passed = [_mm512_cmple_epi32_mask(values, row_limit), _mm512_cmple_epi32_mask(values, limits)];
        if passed[0] | passed[1] == 0 {
            continue;
        }
        let places = _mm512_add_epi32(_mm512_set1_epi32((first + at * LANES) as i32), lanes);
        for (list, passed) in lists.iter_mut().zip(passed) {
            let (place, value) = list.ends();
            // SAFETY: there is room for as many as there are sums, and for a vector more.
            unsafe {
                _mm512_storeu_si512(place.cast(), _mm512_maskz_compress_epi32(passed, places));
                _mm512_storeu_si512(value.cast(), _mm512_maskz_compress_epi32(passed, values));
                list.grow(passed.count_ones() as usize);
            }
        }
    }
}

/// For each eight bits, the indices of the set bits, in front.
#[cfg(target_arch = "x86_64")]
static IN_FRONT: [[u8; 8]; 256] = {
    let mut all = [[0; 8]; 256];
    let mut bits = 0;
    while bits < 256 {
        let (mut bit, mut next) = (0, 0);
        while bit < 8 {
            if bits >> bit & 1 == 1 {
                all[bits][next] = bit as u8;
                next += 1;
            }
            bit += 1;
        }
        bits += 1;
    }
    all
};

/// The same, eight pairs at a time and branch-free: with a few thousand samples hits are too frequent to predict.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
pub(super) fn int_hits_256(
    (row_term, row_limit): (i32, i32),
    (terms, limits): (&[i32], &[i32]),
    sums: &[i32],
    first: usize,
    lists: &mut [IntHits; 2],
) {
    const EIGHT: usize = 8;
    let (row_term, row_limit) = (_mm256_set1_epi32(row_term), _mm256_set1_epi32(row_limit));
    lists.iter_mut().for_each(|list| list.reserve(sums.len() + EIGHT));
    let eights = terms.as_chunks::<EIGHT>().0.iter().zip(limits.as_chunks::<EIGHT>().0);
    for (at, ((terms, limits), sums)) in eights.zip(sums.as_chunks::<EIGHT>().0).enumerate() {
        // SAFETY: eight values each.
        let [terms, limits, sums] =
            [terms, limits, sums].map(|values| unsafe { _mm256_loadu_si256(values.as_ptr().cast()) });
        let values = _mm256_sub_epi32(_mm256_add_epi32(row_term, terms), _mm256_add_epi32(sums, sums));
        let start = _mm256_set1_epi32((first + at * EIGHT) as i32);
        let above = [_mm256_cmpgt_epi32(values, row_limit), _mm256_cmpgt_epi32(values, limits)];
        for (list, above) in lists.iter_mut().zip(above) {
            let passed = _mm256_movemask_ps(_mm256_castsi256_ps(above)) as u8 ^ 0xff;
            // SAFETY: eight bytes; there is room for as many as there are sums, and for a vector more.
            unsafe {
                let front =
                    _mm256_cvtepu8_epi32(_mm_loadl_epi64(IN_FRONT[usize::from(passed)].as_ptr().cast()));
                let (place, value) = list.ends();
                _mm256_storeu_si256(place.cast(), _mm256_add_epi32(start, front));
                _mm256_storeu_si256(value.cast(), _mm256_permutevar8x32_epi32(values, front));
                list.grow(passed.count_ones() as usize);
            }
        }
    }
}

pub(super) fn int_hits_portable(
    (row_term, row_limit): (i32, i32),
    (terms, limits): (&[i32], &[i32]),
    sums: &[i32],
    first: usize,
    lists: &mut [IntHits; 2],
) {
    for (at, ((term, limit), sum)) in terms.iter().zip(limits).zip(sums).enumerate() {
        let value = int_value(row_term, *term, *sum);
        for (list, limit) in lists.iter_mut().zip([row_limit, *limit]) {
            if value <= limit {
                list.places.push((first + at) as u32);
                list.values.push(value);
            }
        }
    }
}

/// One row against a block of columns, for [`row_ratios`].
pub(crate) struct Ratios<'a> {
    pub row_term: f64,
    /// NaN where there is no pair.
    pub col_terms: &'a [f64],
    pub row_label: u32,
    /// Pairs with equal labels do not count.
    pub col_labels: &'a [u32],
    pub row_norm: f64,
    pub col_norms: &'a [f64],
    /// Pairs of value `near` (row_norm + col_norm)^2 or less are near.
    pub near: f64,
    pub limit: f64,
}

/// Sums over one row's pairs of different labels of 1 / distance and of 1 / distance^2, in the values' units. Near pairs
/// are left out of the sums; they and those of value `limit` or less are appended to `hits`.
#[apply(vectorized)]
pub(crate) fn row_ratios<S: Sum>(run: &Ratios<'_>, sums: &[S], hits: &mut Vec<(usize, f64)>) -> (f64, f64) {
    let (mut first, mut second) = ([0.0; LANES], [0.0; LANES]);
    let columns = run.col_terms.as_chunks::<LANES>().0.iter().zip(run.col_norms.as_chunks::<LANES>().0);
    let groups = columns.zip(run.col_labels.as_chunks::<LANES>().0).zip(sums.as_chunks::<LANES>().0);
    for (at, (((terms, norms), labels), sums)) in groups.enumerate() {
        let (mut values, mut limits, mut weights) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        let mut count = 0;
        for l in 0..LANES {
            let value = run.row_term + terms[l] - 2.0 * sums[l].f64();
            let norm = run.row_norm + norms[l];
            let near = run.near * norm * norm;
            weights[l] = if labels[l] == run.row_label { 0.0 } else { 1.0 };
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
