//! Products of the rows of two f32 matrices, for few rows of one of them: a linear layer's weights and a few images. Neither is
//! packed: packing such weights into panels, as general products do, would take longer than the product.

use super::Operand;
use crate::simd::Simd;
use std::arch::x86_64::*;

/// Columns that a micro-kernel sums over; sums are then added in f32.
const DEPTH: usize = 512;
/// Rows of the right matrix that stay in the L1 cache (16 KiB) while all rows of the left are processed.
const BLOCK: usize = 8;
/// Rows of the right matrix (columns of the target) in a micro-kernel.
const COLS: usize = 4;
/// Rows of the left matrix up to which this is faster than packing the right.
const MOST: usize = 128;

/// Whether these kernels are faster for such a product.
pub(super) fn pays([m, k, _]: [usize; 3], left: Operand, right: Operand) -> bool {
    left.column == 1
        && right.row == 1
        && k.is_multiple_of(16)
        && m > 1
        && m <= MOST
        && Simd::current() >= Simd::Avx2
}

/// As [`gemm`](super::gemm), where it [`pays`].
///
/// # Safety
/// As there.
pub(super) unsafe fn multiply(
    [m, k, n]: [usize; 3],
    left: Operand,
    right: Operand,
    (target, row): (*mut f32, usize),
    accumulate: bool,
) {
    let wide = Simd::current().wide();
    let height = if wide { 6 } else { 3 };
    for from in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - from);
        let add = accumulate || from > 0;
        for block in (0..n).step_by(BLOCK) {
            for top in (0..m).step_by(height) {
                for first in (block..n.min(block + BLOCK)).step_by(COLS) {
                    // SAFETY: all rows are inside the operands, and all columns of the target inside its rows.
                    unsafe {
                        let tile = Tile {
                            left: (left.first.add(top * left.row + from), left.row),
                            right: (right.first.add(first * right.column + from), right.column),
                            cols: COLS.min(n - first),
                            depth,
                            target: target.add(top * row + first),
                            stride: row,
                            add,
                        };
                        match (wide, height.min(m - top)) {
                            (true, 6) => tile.sums_512::<6>(),
                            (true, 5) => tile.sums_512::<5>(),
                            (true, 4) => tile.sums_512::<4>(),
                            (true, 3) => tile.sums_512::<3>(),
                            (true, 2) => tile.sums_512::<2>(),
                            (true, _) => tile.sums_512::<1>(),
                            (false, 3) => tile.sums_256::<3>(),
                            (false, 2) => tile.sums_256::<2>(),
                            (false, _) => tile.sums_256::<1>(),
                        }
                    }
                }
            }
        }
    }
}

/// The operands of a micro-kernel: some rows of either matrix, given by first value and stride, and the target.
struct Tile {
    left: (*const f32, usize),
    right: (*const f32, usize),
    cols: usize,
    depth: usize,
    target: *mut f32,
    stride: usize,
    add: bool,
}

impl Tile {
    /// The rows of the right matrix, the last one repeated where there are fewer.
    fn columns(&self) -> [*const f32; COLS] {
        std::array::from_fn(|c| self.right.0.wrapping_add(c.min(self.cols - 1) * self.right.1))
    }

    fn rows<const ROWS: usize>(&self) -> [*const f32; ROWS] {
        std::array::from_fn(|r| self.left.0.wrapping_add(r * self.left.1))
    }

    /// Writes or adds a row's sums.
    ///
    /// # Safety
    /// The row is inside the target.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn put(&self, row: usize, sums: __m128) {
        // SAFETY: as this function's own promise.
        unsafe {
            let out = self.target.add(row * self.stride);
            if self.cols == COLS {
                let sums = if self.add { _mm_add_ps(sums, _mm_loadu_ps(out)) } else { sums };
                return _mm_storeu_ps(out, sums);
            }
            let mut values = [0.0; COLS];
            _mm_storeu_ps(values.as_mut_ptr(), sums);
            for (c, value) in values.into_iter().take(self.cols).enumerate() {
                let before = if self.add { *out.add(c) } else { 0.0 };
                *out.add(c) = before + value;
            }
        }
    }

    /// # Safety
    /// The tile's rows and target are inside their matrices; `depth` is a multiple of 8.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn sums_256<const ROWS: usize>(&self) {
        let (left, right) = (self.rows::<ROWS>(), self.columns());
        let mut acc = [[_mm256_setzero_ps(); COLS]; ROWS];
        for at in (0..self.depth).step_by(8) {
            // SAFETY: inside the rows.
            let rows: [__m256; ROWS] = std::array::from_fn(|r| unsafe { _mm256_loadu_ps(left[r].add(at)) });
            for c in 0..COLS {
                // SAFETY: as above.
                let col = unsafe { _mm256_loadu_ps(right[c].add(at)) };
                for r in 0..ROWS {
                    acc[r][c] = _mm256_fmadd_ps(rows[r], col, acc[r][c]);
                }
            }
        }
        for (r, acc) in acc.into_iter().enumerate() {
            // SAFETY: as this function's own promise.
            unsafe { self.put(r, lane_sums(acc)) }
        }
    }

    /// # Safety
    /// The tile's rows and target are inside their matrices; `depth` is a multiple of 16.
    #[target_feature(enable = "avx512f,avx512dq,avx2,fma")]
    unsafe fn sums_512<const ROWS: usize>(&self) {
        let (left, right) = (self.rows::<ROWS>(), self.columns());
        let mut acc = [[_mm512_setzero_ps(); COLS]; ROWS];
        for at in (0..self.depth).step_by(16) {
            // SAFETY: inside the rows.
            let rows: [__m512; ROWS] = std::array::from_fn(|r| unsafe { _mm512_loadu_ps(left[r].add(at)) });
            for c in 0..COLS {
                // SAFETY: as above.
                let col = unsafe { _mm512_loadu_ps(right[c].add(at)) };
                for r in 0..ROWS {
                    acc[r][c] = _mm512_fmadd_ps(rows[r], col, acc[r][c]);
                }
            }
        }
        for (r, acc) in acc.into_iter().enumerate() {
            let halves =
                acc.map(|sum| _mm256_add_ps(_mm512_castps512_ps256(sum), _mm512_extractf32x8_ps::<1>(sum)));
            // SAFETY: as this function's own promise.
            unsafe { self.put(r, lane_sums(halves)) }
        }
    }
}

/// The sums of four vectors' lanes.
#[target_feature(enable = "avx2,fma")]
fn lane_sums([a, b, c, d]: [__m256; COLS]) -> __m128 {
    let sums = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums))
}
