//! Reads a tile's sums as pair values and picks out the few that matter, 16 at a time.
//! Each function is compiled for the vectors at hand and chosen at run time.

use super::LANES;

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

/// One row against a run of whole groups of columns: appends the columns whose value is at most `limit`.
pub(crate) fn row_hits<S: Sum>(row_term: f64, col_terms: &[f64], sums: &[S], limit: f64, hits: &mut Vec<Hit>) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
        // SAFETY: the processor has these features.
        return unsafe { row_hits_avx512(row_term, col_terms, sums, limit, hits) };
    }
    row_hits_plain(row_term, col_terms, sums, limit, hits);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn row_hits_avx512<S: Sum>(row_term: f64, col_terms: &[f64], sums: &[S], limit: f64, hits: &mut Vec<Hit>) {
    row_hits_plain(row_term, col_terms, sums, limit, hits);
}

#[inline(always)]
fn row_hits_plain<S: Sum>(row_term: f64, col_terms: &[f64], sums: &[S], limit: f64, hits: &mut Vec<Hit>) {
    let groups = col_terms.as_chunks::<LANES>().0.iter().zip(sums.as_chunks::<LANES>().0);
    for (at, (terms, sums)) in groups.enumerate() {
        let mut values = [0.0; LANES];
        for l in 0..LANES {
            values[l] = row_term + terms[l] - 2.0 * sums[l].f64();
        }
        if values.iter().map(|v| u32::from(*v <= limit)).sum::<u32>() > 0 {
            let passed = values.iter().enumerate().filter(|(_, v)| **v <= limit);
            hits.extend(passed.map(|(l, v)| (at * LANES + l, *v)));
        }
    }
}

/// A run of rows against a run of whole groups of columns, each with a limit of its own: appends
/// (row * columns + column, value). `sums` starts at the first row's first column, rows `stride` apart.
pub(crate) fn col_hits<S: Sum>(
    row_terms: &[f64],
    col_terms: &[f64],
    sums: &[S],
    stride: usize,
    limits: &[f64],
    hits: &mut Vec<Hit>,
) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
        // SAFETY: the processor has these features.
        return unsafe { col_hits_avx512(row_terms, col_terms, sums, stride, limits, hits) };
    }
    col_hits_plain(row_terms, col_terms, sums, stride, limits, hits);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn col_hits_avx512<S: Sum>(
    row_terms: &[f64],
    col_terms: &[f64],
    sums: &[S],
    stride: usize,
    limits: &[f64],
    hits: &mut Vec<Hit>,
) {
    col_hits_plain(row_terms, col_terms, sums, stride, limits, hits);
}

#[inline(always)]
fn col_hits_plain<S: Sum>(
    row_terms: &[f64],
    col_terms: &[f64],
    sums: &[S],
    stride: usize,
    limits: &[f64],
    hits: &mut Vec<Hit>,
) {
    let width = col_terms.len();
    for (r, row_term) in row_terms.iter().enumerate() {
        let sums = sums[r * stride..].as_chunks::<LANES>().0;
        let groups = col_terms.as_chunks::<LANES>().0.iter().zip(limits.as_chunks::<LANES>().0);
        for (at, ((terms, limits), sums)) in groups.zip(sums).enumerate() {
            let mut values = [0.0; LANES];
            let mut count = 0;
            for l in 0..LANES {
                values[l] = row_term + terms[l] - 2.0 * sums[l].f64();
                count += u32::from(values[l] <= limits[l]);
            }
            if count > 0 {
                let passed = values.iter().zip(limits).enumerate().filter(|(_, (v, limit))| v <= limit);
                hits.extend(passed.map(|(l, (v, _))| (r * width + at * LANES + l, *v)));
            }
        }
    }
}
