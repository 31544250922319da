//! Products of f32 matrices, by the `gemm` crates' kernels for the instruction set in use.

use crate::simd::Simd;
use gemm_common::Parallelism;
use gemm_common::gemm::gemm_basic_generic;
use gemm_common::simd::{MixedSimd, Scalar};
#[cfg(target_arch = "x86_64")]
use gemm_common::simd::{V3, V4};

/// An operand: its first value, and how far the next row and the next column lie from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand {
    pub first: *const f32,
    pub row: usize,
    pub column: usize,
}

/// `left` `right`, of m x k by k x n, to m x n values whose first is at `target` and whose rows are `row` apart;
/// accumulates into them where `accumulate`. On the calling thread.
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
    // The kernels want columns of the target; its rows are contiguous, so that the transposed product is made.
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
        Simd::Avx512 | Simd::Avx512Vnni => multiply!(V4, gemm_f32::microkernel::avx512f::f32, 16),
        _ => multiply!(Scalar, gemm_f32::microkernel::scalar::f32, 1),
    }
}
