//! Products of f32 matrices: by the `gemm` crates' kernels for the instruction set in use, or by own kernels where those would
//! spend more time on packing than on multiplying.

#[cfg(target_arch = "x86_64")]
mod rows;

use crate::simd::Simd;
use gemm_common::Parallelism;
use gemm_common::gemm::gemm_basic_generic;
use gemm_common::simd::{MixedSimd, Scalar};
#[cfg(target_arch = "x86_64")]
use gemm_common::simd::{V3, V4};

/// An operand: its first value, and the strides of rows and columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand {
    pub first: *const f32,
    pub row: usize,
    pub column: usize,
}

/// The product `left` `right`, m x k by k x n, written to `target` with row stride `row`, or accumulated into it where
/// `accumulate`. On the calling thread.
///
/// # Safety
/// All entries of both operands must be readable, those of the target writable, and nobody else may use the target
/// meanwhile. Where not `accumulate`, the target may be uninitialised.
pub(crate) unsafe fn gemm(
    [m, k, n]: [usize; 3],
    left: Operand,
    right: Operand,
    (target, row): (*mut f32, usize),
    accumulate: bool,
) {
    #[cfg(target_arch = "x86_64")]
    if rows::pays([m, k, n], left, right) {
        // SAFETY: as this function's own promise.
        return unsafe { rows::multiply([m, k, n], left, right, (target, row), accumulate) };
    }
    // The kernels expect a target with contiguous columns; its rows are contiguous, so the transposed product is computed.
    macro_rules! multiply {
        ($simd:ty, $kernels:path, $lanes:literal) => {{
            use $kernels::{H_M, H_N, H_UKR, MR_DIV_N, NR, UKR};
            let simd = <$simd as MixedSimd<f32, f32, f32, f32>>::try_new();
            // SAFETY: as this function's own promise.
            unsafe {
                gemm_basic_generic::<_, f32, $lanes, { MR_DIV_N * $lanes }, NR, MR_DIV_N, H_M, H_N>(
                    simd.expect("the processor has the instruction set that is in use"),
                    n,
                    m,
                    k,
                    target,
                    row as isize,
                    1,
                    accumulate,
                    right.first,
                    right.row as isize,
                    right.column as isize,
                    left.first,
                    left.row as isize,
                    left.column as isize,
                    1.0,
                    1.0,
                    false,
                    false,
                    false,
                    |a, b, c| a * b + c,
                    &UKR,
                    &H_UKR,
                    false,
                    Parallelism::None,
                )
            }
        }};
    }
    match Simd::current() {
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 | Simd::AvxVnni => multiply!(V3, gemm_f32::microkernel::fma::f32, 8),
        #[cfg(target_arch = "x86_64")]
        Simd::Avx512 | Simd::Avx512Vnni | Simd::Amx => multiply!(V4, gemm_f32::microkernel::avx512f::f32, 16),
        _ => multiply!(Scalar, gemm_f32::microkernel::scalar::f32, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::abs_diff_eq;

    /// Against sums in f64, in all layouts of operands, with and without accumulation; values around the target stay.
    #[test]
    fn products_equal_sums_in_f64() {
        let value = |at: usize| ((at * 7919 + 13) % 257) as f32 / 64.0 - 2.0;
        for [m, k, n] in
            [[1, 16, 5], [2, 64, 8], [7, 1040, 9], [64, 512, 64], [128, 528, 3], [129, 48, 17], [5, 50, 11]]
        {
            let (gap, row) = (3, n + 2);
            for (left_turned, right_turned) in [(false, false), (false, true), (true, false), (true, true)] {
                let left = if left_turned { (1, m + gap) } else { (k + gap, 1) };
                let right = if right_turned { (1, k + gap) } else { (n + gap, 1) };
                let values: Vec<f32> = (0..(m + n + 2 * gap) * (k + gap) + k * gap).map(value).collect();
                let operand = |(row, column)| Operand { first: values.as_ptr(), row, column };
                for accumulate in [false, true] {
                    let mut target = vec![0.5; m * row];
                    // SAFETY: the operands' last values are (m - 1) and (k - 1), or (k - 1) and (n - 1), steps from the
                    // first, fewer than there are values; the target has m rows.
                    unsafe {
                        let to = (target.as_mut_ptr(), row);
                        gemm([m, k, n], operand(left), operand(right), to, accumulate);
                    }
                    for (at, found) in target.iter().enumerate() {
                        let (i, j) = (at / row, at % row);
                        let before = if j >= n || accumulate { 0.5 } else { 0.0 };
                        let terms = (0..if j < n { k } else { 0 }).map(|l| {
                            let entry =
                                |(row, column): (usize, usize), r, c| f64::from(values[r * row + c * column]);
                            entry(left, i, l) * entry(right, l, j)
                        });
                        let (sum, size) = terms.fold((before, 1.0), |(s, size), t| (s + t, size + t.abs()));
                        assert!(
                            abs_diff_eq!(f64::from(*found), sum, epsilon = 1e-6 * size),
                            "{m} x {k} x {n}, {left_turned} {right_turned}: {found} for {sum} at {i}, {j}"
                        );
                    }
                }
            }
        }
    }
}
