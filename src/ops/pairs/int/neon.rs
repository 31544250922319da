//! Products of panels of bytes by NEON's dot product, which many aarch64 processors have: in each 32-bit lane, one
//! instruction multiplies four bytes by those of another vector, all unsigned, and accumulates into a 32-bit sum.
//!
//! NOT TRIED: this code has been neither compiled nor run for aarch64. Only its twin in plain Rust has run, on other
//! processors; it follows the manual's description of each instruction. The aarch64 code therefore needs the feature
//! `neon` to be compiled, and `SHARPDIM_SIMD=neon` to be used.
//!
//! Panels are laid out as for other instructions on bytes: unit u, row r holds columns 4u .. 4u + 4. Four vectors hold
//! a unit of all 16 rows of the column side; a unit of one row of the row side is broadcast to all lanes. Bytes are not
//! shifted, since both sides are unsigned.

use super::LANES;
#[cfg(all(target_arch = "aarch64", feature = "neon"))]
use std::arch::aarch64::{uint32x4_t, vaddq_u32, vdupq_n_u32, vld1q_u32, vst1q_u32};

/// Lanes of a vector.
const WIDTH: usize = 4;

/// Vectors that hold a unit of the column side's 16 rows.
const VECTORS: usize = LANES / WIDTH;

/// Rows multiplied at a time: 4 x 4 sums, four vectors of columns and a broadcast row fit the 32 registers.
const ROWS: usize = 4;

/// Vectors of four 32-bit lanes, and their operations.
///
/// # Safety
/// The processor must have the instructions. Loads read, and stores write, four entries, aligned to their own size.
pub(super) trait Vectors {
    type Vector: Copy;

    unsafe fn load(from: *const u32) -> Self::Vector;

    /// All lanes alike.
    unsafe fn broadcast(unit: u32) -> Self::Vector;

    /// Adds to each lane of `sums` the dot product of the lane's four unsigned bytes in `a` and `b`. Sums wrap around.
    unsafe fn dot(sums: Self::Vector, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// Lane by lane. Sums wrap around.
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;

    unsafe fn store(to: *mut u32, vector: Self::Vector);
}

/// The processor's vectors.
#[cfg(all(target_arch = "aarch64", feature = "neon"))]
pub(super) struct Hardware;

#[cfg(all(target_arch = "aarch64", feature = "neon"))]
impl Vectors for Hardware {
    type Vector = uint32x4_t;

    #[inline(always)]
    unsafe fn load(from: *const u32) -> uint32x4_t {
        // SAFETY: as of the trait.
        unsafe { vld1q_u32(from) }
    }

    #[inline(always)]
    unsafe fn broadcast(unit: u32) -> uint32x4_t {
        #[allow(unused_unsafe, reason = "safe where the target has NEON")]
        // SAFETY: as of the trait.
        unsafe {
            vdupq_n_u32(unit)
        }
    }

    #[inline(always)]
    unsafe fn dot(sums: uint32x4_t, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        // SAFETY: as of the trait.
        unsafe { udot(sums, a, b) }
    }

    #[inline(always)]
    unsafe fn add(a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        #[allow(unused_unsafe, reason = "safe where the target has NEON")]
        // SAFETY: as of the trait.
        unsafe {
            vaddq_u32(a, b)
        }
    }

    #[inline(always)]
    unsafe fn store(to: *mut u32, vector: uint32x4_t) {
        // SAFETY: as of the trait.
        unsafe { vst1q_u32(to, vector) }
    }
}

/// The instruction. Its function in `std::arch` is not stable yet.
#[cfg(all(target_arch = "aarch64", feature = "neon"))]
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn udot(mut sums: uint32x4_t, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
    // SAFETY: the processor has the instruction; it changes only the register of `sums`.
    unsafe {
        std::arch::asm!(
            "udot {sums:v}.4s, {a:v}.16b, {b:v}.16b",
            sums = inout(vreg) sums,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// The twin: the same in plain Rust, for any processor.
pub(super) struct Twin;

impl Vectors for Twin {
    type Vector = [u32; WIDTH];

    unsafe fn load(from: *const u32) -> [u32; WIDTH] {
        // SAFETY: as of the trait.
        unsafe { from.cast::<[u32; WIDTH]>().read() }
    }

    unsafe fn broadcast(unit: u32) -> [u32; WIDTH] {
        [unit; WIDTH]
    }

    unsafe fn dot(mut sums: [u32; WIDTH], a: [u32; WIDTH], b: [u32; WIDTH]) -> [u32; WIDTH] {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            for (a, b) in a.to_le_bytes().into_iter().zip(b.to_le_bytes()) {
                *sum = sum.wrapping_add(u32::from(a) * u32::from(b));
            }
        }
        sums
    }

    unsafe fn add(a: [u32; WIDTH], b: [u32; WIDTH]) -> [u32; WIDTH] {
        std::array::from_fn(|lane| a[lane].wrapping_add(b[lane]))
    }

    unsafe fn store(to: *mut u32, vector: [u32; WIDTH]) {
        // SAFETY: as of the trait.
        unsafe { to.cast::<[u32; WIDTH]>().write(vector) }
    }
}

/// [`multiply`] on the processor's vectors, compiled with their instructions enabled.
///
/// # Safety
/// As there.
#[cfg(all(target_arch = "aarch64", feature = "neon"))]
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn by_hardware(left: &[u32], right: &[u32], block: *mut i32, stride: usize, fresh: bool) {
    // SAFETY: as this function's own promise.
    unsafe { multiply::<Hardware>(left, right, block, stride, fresh) }
}

/// Accumulates the products of a panel of rows and one of columns into a block of sums; with `fresh`, overwrites it.
///
/// # Safety
/// As [`Vectors`] says; panels must be equally long, and whole groups of 16 units; `block` must be the start of 16 rows
/// of 16 writable entries, `stride` entries apart, that no other thread accesses meanwhile.
#[inline(always)]
pub(super) unsafe fn multiply<V: Vectors>(
    left: &[u32],
    right: &[u32],
    block: *mut i32,
    stride: usize,
    fresh: bool,
) {
    for top in (0..LANES).step_by(ROWS) {
        // SAFETY: as this function's own promise; ROWS divides a panel's 16 rows.
        unsafe {
            let left = left.as_ptr().add(top);
            rows::<V>(left, right, block.add(top * stride).cast(), stride, fresh);
        }
    }
}

/// [`multiply`] for ROWS rows, whose first unit is at `left`.
///
/// # Safety
/// As [`multiply`], for ROWS rows.
#[inline(always)]
unsafe fn rows<V: Vectors>(left: *const u32, right: &[u32], block: *mut u32, stride: usize, fresh: bool) {
    // SAFETY: as this function's own promise: both panels have, of each unit, 16 rows.
    unsafe {
        let mut sums = [[V::broadcast(0); VECTORS]; ROWS];
        for at in (0..right.len()).step_by(LANES) {
            let mut columns = [V::broadcast(0); VECTORS];
            for (v, columns) in columns.iter_mut().enumerate() {
                *columns = V::load(right.as_ptr().add(at + v * WIDTH));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let row = V::broadcast(*left.add(at + r));
                for (sums, columns) in sums.iter_mut().zip(columns) {
                    *sums = V::dot(*sums, columns, row);
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (v, mut sums) in sums.into_iter().enumerate() {
                let out = block.add(r * stride + v * WIDTH);
                if !fresh {
                    sums = V::add(sums, V::load(out));
                }
                V::store(out, sums);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Each operation, on four entries between others.
    fn check_instructions<V: Vectors>() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for case in 0..100 {
            let [mut sums, mut a, b]: [[u32; 4]; 3] = rng.random();
            if case == 0 {
                // The largest products, and sums that wrap around.
                (sums, a) = ([u32::MAX; 4], [u32::MAX; 4]);
            }
            let unit: u32 = rng.random();
            let stored = |vector: V::Vector| {
                let mut out = [7; 6];
                // SAFETY: four entries from the second on; the caller has checked for the instructions.
                unsafe { V::store(out.as_mut_ptr().add(1), vector) };
                assert!(out[0] == 7 && out[5] == 7, "entries beside these stay");
                [1, 2, 3, 4].map(|lane| out[lane])
            };
            let from = [sums, a, b].concat();
            // SAFETY: as above.
            unsafe {
                let [c, x, y] = [0, 4, 8].map(|at| V::load(from.as_ptr().add(at)));
                assert_eq!(stored(V::load(from.as_ptr().add(3))), [3, 4, 5, 6].map(|at| from[at]));
                assert_eq!(stored(V::broadcast(unit)), [unit; 4]);
                assert_eq!(stored(V::add(c, x)), [0, 1, 2, 3].map(|lane| sums[lane].wrapping_add(a[lane])));
                let expected = [0, 1, 2, 3].map(|lane| {
                    let byte = |words: &[u32; 4], i: u32| u64::from(words[lane] >> (8 * i) & 0xff);
                    let products: u64 = (0..4).map(|i| byte(&a, i) * byte(&b, i)).sum();
                    (u64::from(sums[lane]) + products) as u32
                });
                assert_eq!(stored(V::dot(c, x, y)), expected, "{case}");
                assert_eq!(stored(V::dot(c, y, x)), expected, "{case}");
            }
        }
    }

    type Multiply = unsafe fn(&[u32], &[u32], *mut i32, usize, bool);

    fn check_products(multiply: Multiply) {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for (depth, stride) in [(4, 16), (8, 21), (12, 48), (400, 17), (1024, 160)] {
            for (least, fresh) in [(0, false), (0, true), (255, true)] {
                let mut side =
                    || -> Vec<u8> { (0..LANES * depth).map(|_| rng.random_range(least..=255)).collect() };
                let (a, b) = (side(), side());
                let panel = |bytes: &[u8]| -> Vec<u32> {
                    let units = (0..depth / 4).flat_map(|u| (0..LANES).map(move |r| r * depth + 4 * u));
                    units.map(|at| u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[at + i]))).collect()
                };
                let before: Vec<i32> = (0..LANES * stride).map(|_| rng.random_range(-1000..1000)).collect();
                let mut found = before.clone();
                // SAFETY: there are 16 rows of that many entries; the caller has checked for the instructions.
                unsafe { multiply(&panel(&a), &panel(&b), found.as_mut_ptr(), stride, fresh) };
                for (at, (found, before)) in found.into_iter().zip(before).enumerate() {
                    let (r, c) = (at / stride, at % stride);
                    let expected = if c < LANES {
                        let (a, b) = (&a[r * depth..][..depth], &b[c * depth..][..depth]);
                        let product: i32 = a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
                        if fresh { product } else { before + product }
                    } else {
                        before
                    };
                    assert_eq!(found, expected, "{depth} {stride} {least} {fresh}: {r} {c}");
                }
            }
        }
    }

    #[test]
    fn the_twin_does_what_the_manual_says() {
        check_instructions::<Twin>();
    }

    #[test]
    fn panels_are_multiplied() {
        check_products(multiply::<Twin>);
    }

    /// On processors with it, it must agree with its twin.
    #[cfg(all(target_arch = "aarch64", feature = "neon"))]
    #[test]
    fn neon_does_as_its_twin() {
        if crate::simd::Simd::available().contains(&crate::simd::Simd::Neon) {
            check_instructions::<Hardware>();
            check_products(by_hardware);
        }
    }
}
