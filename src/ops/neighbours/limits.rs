//! First limits on the distance of each sample's k-th nearest neighbour, from one block of pairs.

use crate::ops::pairs::BLOCK;
use std::ops::Range;

/// Sets first limits from one block: at least k of its pairs are as near as the k-th. Without them, nearly all pairs
/// of a sample's first block would be offered, most of them needlessly.
///
/// `values` computes the block's values row by row, and `lower` receives those of a sample's pairs. On the diagonal
/// pairs are computed once, right of it.
pub(super) fn look_ahead<T: Copy>(
    k: usize,
    (rows, cols): (&Range<usize>, &Range<usize>),
    unknown: impl Fn(&Range<usize>) -> bool,
    values: impl FnOnce() -> Vec<T>,
    lower: impl Fn(usize, &mut Vec<T>),
) {
    let same = rows == cols;
    let of_rows = k <= cols.len() - usize::from(same) && unknown(rows);
    let of_cols = !same && k <= rows.len() && unknown(cols);
    if !of_rows && !of_cols {
        return;
    }
    let (values, broad) = (values(), cols.len());
    let mut own = Vec::with_capacity(BLOCK);
    if of_rows {
        for (r, i) in rows.clone().enumerate() {
            own.clear();
            own.extend_from_slice(&values[r * broad + if same { r + 1 } else { 0 }..(r + 1) * broad]);
            own.extend((0..if same { r } else { 0 }).map(|above| values[above * broad + r]));
            lower(i, &mut own);
        }
    }
    if of_cols {
        for (c, j) in cols.clone().enumerate() {
            own.clear();
            own.extend((0..rows.len()).map(|r| values[r * broad + c]));
            lower(j, &mut own);
        }
    }
}
