//! Products of panels of bytes by AMX, in Intel's processors from Sapphire Rapids on: one instruction multiplies a tile
//! of 16 rows x 64 columns by one of 64 columns x 16 rows, both unsigned, and accumulates into 16 x 16 32-bit sums.
//!
//! NOT YET RUN on a processor that has it: only its twin in plain Rust has run, which follows the manual's description
//! of each instruction. AMX is therefore never chosen automatically, only by `SHARPDIM_SIMD=amx`.
//!
//! A panel of 16 rows, zero-padded to a multiple of 64 columns, is packed twice, in tiles of 1024 bytes, since the two
//! sides of a product have different layouts: first the row side, 64 columns of each row in turn; then the column side,
//! laid out as for other instruction sets: unit u, row r holds columns 4u .. 4u + 4.

use super::LANES;

/// Bytes of a tile's row.
pub(super) const COLUMNS: usize = 64;

/// 4-byte units of a packed tile.
const TILE: usize = LANES * COLUMNS / 4;

/// Tile registers.
const REGISTERS: usize = 8;

/// The operand of `ldtilecfg`: palette 1, and for each register 64 bytes per row (16 bits from byte 16 on)
/// and 16 rows (8 bits from byte 48 on).
static CONFIGURATION: [u8; 64] = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut register = 0;
    while register < REGISTERS {
        bytes[16 + 2 * register] = COLUMNS as u8;
        bytes[48 + register] = LANES as u8;
        register += 1;
    }
    bytes
};

/// Tile registers and their operations. They are released on drop.
///
/// # Safety
/// The processor must have the instructions, and the process the system's permission. Register numbers are below
/// [`REGISTERS`]. Loads read, and stores write, 16 rows of 64 bytes, `stride` bytes apart, from the pointer on.
pub(super) trait Registers {
    /// With [`CONFIGURATION`].
    unsafe fn new() -> Self;

    unsafe fn zero<const T: usize>(&mut self);

    unsafe fn load<const T: usize>(&mut self, from: *const u8, stride: usize);

    /// Accumulates the products of A, the row side, and B, the column side, into C's 32-bit sums.
    unsafe fn dot<const C: usize, const A: usize, const B: usize>(&mut self);

    unsafe fn store<const T: usize>(&self, to: *mut u8, stride: usize);
}

/// The processor's registers.
#[cfg(target_arch = "x86_64")]
pub(super) struct Hardware(());

/// One instruction on tiles. It is declared to clobber all of them, so that the compiler keeps nothing there. The
/// compiler never uses them itself: they keep their content from one such instruction to the next.
#[cfg(target_arch = "x86_64")]
macro_rules! tiles {
    ($instruction:literal $(, $($operand:tt)*)?) => {
        std::arch::asm!(
            $instruction,
            $($($operand)*,)?
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, preserves_flags),
        )
    };
}

#[cfg(target_arch = "x86_64")]
impl Registers for Hardware {
    #[inline(always)]
    unsafe fn new() -> Self {
        // SAFETY: as of the trait; the configuration is 64 bytes, and valid.
        unsafe { tiles!("ldtilecfg [{at}]", at = in(reg) &raw const CONFIGURATION) };
        Hardware(())
    }

    #[inline(always)]
    unsafe fn zero<const T: usize>(&mut self) {
        // SAFETY: as of the trait.
        unsafe { tiles!("tilezero tmm{t}", t = const T) };
    }

    #[inline(always)]
    unsafe fn load<const T: usize>(&mut self, from: *const u8, stride: usize) {
        // SAFETY: as of the trait.
        unsafe {
            tiles!("tileloadd tmm{t}, [{from} + {stride}*1]", t = const T, from = in(reg) from, stride = in(reg) stride);
        }
    }

    #[inline(always)]
    unsafe fn dot<const C: usize, const A: usize, const B: usize>(&mut self) {
        // SAFETY: as of the trait.
        unsafe { tiles!("tdpbuud tmm{c}, tmm{a}, tmm{b}", c = const C, a = const A, b = const B) };
    }

    #[inline(always)]
    unsafe fn store<const T: usize>(&self, to: *mut u8, stride: usize) {
        // SAFETY: as of the trait.
        unsafe {
            tiles!("tilestored [{to} + {stride}*1], tmm{t}", t = const T, to = in(reg) to, stride = in(reg) stride);
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Drop for Hardware {
    fn drop(&mut self) {
        // SAFETY: the caller of `new` promised that the processor has the instruction.
        unsafe { tiles!("tilerelease") };
    }
}

/// The twin: the same in plain Rust, for processors without these registers. It panics where the processor would fault.
pub(super) struct Twin {
    tiles: [[[u8; COLUMNS]; LANES]; REGISTERS],
    /// Rows of each register, and bytes of its rows.
    shapes: [(usize, usize); REGISTERS],
}

impl Twin {
    fn configured(bytes: &[u8; 64]) -> Self {
        assert!(bytes[0] == 1 && bytes[1] == 0, "palette 1, to start from row 0");
        let unused = [&bytes[2..16], &bytes[16 + 2 * REGISTERS..48], &bytes[48 + REGISTERS..]];
        assert!(unused.concat().iter().all(|byte| *byte == 0), "the rest is reserved");
        let shapes = std::array::from_fn(|t| {
            let columns = u16::from_le_bytes([bytes[16 + 2 * t], bytes[17 + 2 * t]]);
            (usize::from(bytes[48 + t]), usize::from(columns))
        });
        assert!(shapes.iter().all(|&(rows, columns)| rows <= LANES && columns <= COLUMNS));
        Twin { tiles: [[[0; COLUMNS]; LANES]; REGISTERS], shapes }
    }
}

impl Registers for Twin {
    unsafe fn new() -> Self {
        Twin::configured(&CONFIGURATION)
    }

    unsafe fn zero<const T: usize>(&mut self) {
        self.tiles[T] = [[0; COLUMNS]; LANES];
    }

    unsafe fn load<const T: usize>(&mut self, from: *const u8, stride: usize) {
        let (rows, columns) = self.shapes[T];
        self.tiles[T] = [[0; COLUMNS]; LANES];
        for (r, row) in self.tiles[T][..rows].iter_mut().enumerate() {
            // SAFETY: as of the trait.
            unsafe { row.as_mut_ptr().copy_from(from.add(r * stride), columns) };
        }
    }

    unsafe fn dot<const C: usize, const A: usize, const B: usize>(&mut self) {
        assert!(C != A && C != B && A != B, "three registers");
        let (of_c, of_a, of_b) = (self.shapes[C], self.shapes[A], self.shapes[B]);
        assert!(of_c.0 == of_a.0 && of_a.1 == 4 * of_b.0 && of_c.1 == of_b.1, "shapes that fit");
        let [c, a, b] = self.tiles.get_disjoint_mut([C, A, B]).unwrap_or_else(|_| unreachable!());
        for (c, a) in c[..of_c.0].iter_mut().zip(a) {
            for (b, a) in b[..of_b.0].iter().zip(a.as_chunks::<4>().0) {
                for (sum, b) in c[..of_c.1].as_chunks_mut::<4>().0.iter_mut().zip(b.as_chunks::<4>().0) {
                    let products = a.iter().zip(b).map(|(a, b)| u32::from(*a) * u32::from(*b));
                    *sum = u32::from_le_bytes(*sum).wrapping_add(products.sum()).to_le_bytes();
                }
            }
        }
    }

    unsafe fn store<const T: usize>(&self, to: *mut u8, stride: usize) {
        let (rows, columns) = self.shapes[T];
        for (r, row) in self.tiles[T][..rows].iter().enumerate() {
            // SAFETY: as of the trait.
            unsafe { to.add(r * stride).copy_from(row.as_ptr(), columns) };
        }
    }
}

/// The row side of a panel: 64 columns of each row, then the next 64. `bytes` has rows of stride `apart`, zero-padded.
pub(super) fn lay_rows(panel: &mut [u32], bytes: &[u8], apart: usize) {
    for (t, tile) in panel.as_chunks_mut::<TILE>().0.iter_mut().enumerate() {
        for (r, row) in tile.as_chunks_mut::<{ COLUMNS / 4 }>().0.iter_mut().enumerate() {
            let columns = &bytes[r * apart + t * COLUMNS..][..COLUMNS];
            for (unit, four) in row.iter_mut().zip(columns.as_chunks().0) {
                *unit = u32::from_le_bytes(*four);
            }
        }
    }
}

/// The start of a product's sums, and their row stride in entries.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    pub first: *mut i32,
    pub stride: usize,
}

/// Accumulates the products of panels of rows and panels of columns, `units` long each, into a block of sums; with
/// `fresh`, overwrites it. With `upper`, only panels on and above the diagonal are computed. The registers are
/// configured at each call, so that a thread has none to save between calls.
///
/// # Safety
/// As [`Registers`] says; from `sums` on there must be 16 rows of 16 writable entries for each panel of rows and of
/// columns, that no other thread accesses meanwhile.
pub(super) unsafe fn multiply<R: Registers>(
    (left, right): (&[u32], &[u32]),
    units: usize,
    upper: bool,
    sums: Sums,
    fresh: bool,
) {
    let (tall, broad) = (left.len() / units, right.len() / units);
    // SAFETY: as this function's own promise: panels p and q and their followers are this block's.
    unsafe {
        let mut registers = R::new();
        for q in (0..broad).step_by(2) {
            let next = broad.min(q + 2);
            let wanted = if upper { next.min(tall) } else { tall };
            for p in (0..wanted).step_by(2) {
                let end = wanted.min(p + 2);
                let left = &left[p * units..end * units];
                let right = &right[q * units..next * units];
                let sums = Sums { first: sums.first.add((p * sums.stride + q) * LANES), ..sums };
                match (end - p, next - q) {
                    (2, 2) => block::<R, 2, 2>(&mut registers, left, right, sums, fresh),
                    (2, _) => block::<R, 2, 1>(&mut registers, left, right, sums, fresh),
                    (_, 2) => block::<R, 1, 2>(&mut registers, left, right, sums, fresh),
                    _ => block::<R, 1, 1>(&mut registers, left, right, sums, fresh),
                }
            }
        }
    }
}

/// ROWS x COLS tiles of sums, one for each pair of panels, in registers 0 to 3; registers 4 and 5 hold the row side's
/// tiles, 6 and 7 the column side's. With two of each, a loaded tile serves two products.
///
/// # Safety
/// As [`multiply`], for ROWS and COLS panels.
#[inline(always)]
unsafe fn block<R: Registers, const ROWS: usize, const COLS: usize>(
    registers: &mut R,
    left: &[u32],
    right: &[u32],
    sums: Sums,
    fresh: bool,
) {
    let (left_len, right_len) = (left.len() / ROWS, right.len() / COLS);
    // The form of each panel for its side.
    let rows = |p: usize| left[p * left_len..][..left_len / 2].as_chunks::<TILE>().0;
    let cols = |q: usize| right[q * right_len..][right_len / 2..right_len].as_chunks::<TILE>().0;
    let (rows, cols) = ([rows(0), rows(ROWS - 1)], [cols(0), cols(COLS - 1)]);
    // SAFETY: as this function's own promise; packed tiles are 16 rows of 64 bytes, one after another.
    unsafe {
        let at = |p: usize, q: usize| sums.first.add((p * sums.stride + q) * LANES);
        start::<R, 0>(registers, at(0, 0), sums.stride, fresh);
        if COLS == 2 {
            start::<R, 1>(registers, at(0, 1), sums.stride, fresh);
        }
        if ROWS == 2 {
            start::<R, 2>(registers, at(1, 0), sums.stride, fresh);
        }
        if ROWS == 2 && COLS == 2 {
            start::<R, 3>(registers, at(1, 1), sums.stride, fresh);
        }
        for t in 0..rows[0].len() {
            registers.load::<4>((&raw const rows[0][t]).cast(), COLUMNS);
            registers.load::<6>((&raw const cols[0][t]).cast(), COLUMNS);
            registers.dot::<0, 4, 6>();
            if COLS == 2 {
                registers.load::<7>((&raw const cols[1][t]).cast(), COLUMNS);
                registers.dot::<1, 4, 7>();
            }
            if ROWS == 2 {
                registers.load::<5>((&raw const rows[1][t]).cast(), COLUMNS);
                registers.dot::<2, 5, 6>();
            }
            if ROWS == 2 && COLS == 2 {
                registers.dot::<3, 5, 7>();
            }
        }
        registers.store::<0>(at(0, 0).cast(), 4 * sums.stride);
        if COLS == 2 {
            registers.store::<1>(at(0, 1).cast(), 4 * sums.stride);
        }
        if ROWS == 2 {
            registers.store::<2>(at(1, 0).cast(), 4 * sums.stride);
        }
        if ROWS == 2 && COLS == 2 {
            registers.store::<3>(at(1, 1).cast(), 4 * sums.stride);
        }
    }
}

/// A tile of sums: zeros where `fresh`, else the sums so far.
///
/// # Safety
/// As [`multiply`], for one panel of rows and one of columns.
#[inline(always)]
unsafe fn start<R: Registers, const T: usize>(
    registers: &mut R,
    sums: *const i32,
    stride: usize,
    fresh: bool,
) {
    // SAFETY: as this function's own promise: 16 entries are 64 bytes.
    unsafe {
        if fresh {
            registers.zero::<T>();
        } else {
            registers.load::<T>(sums.cast(), 4 * stride);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Simd;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    type Tile = [[u8; COLUMNS]; LANES];

    fn tile(rng: &mut ChaCha8Rng) -> Tile {
        std::array::from_fn(|_| std::array::from_fn(|_| rng.random()))
    }

    /// C + A B, as the manual defines it, with rows `stride` apart.
    fn dot<R: Registers>(c: &Tile, a: &Tile, b: &Tile, stride: usize) -> Vec<u8> {
        let spread = |tile: &Tile| {
            let mut bytes = vec![7; LANES * stride];
            for (r, row) in tile.iter().enumerate() {
                bytes[r * stride..][..COLUMNS].copy_from_slice(row);
            }
            bytes
        };
        let (mut c, a, b) = (spread(c), spread(a), spread(b));
        // SAFETY: each has 16 rows; the caller has checked that the processor has the registers.
        unsafe {
            let mut registers = R::new();
            registers.load::<2>(c.as_ptr(), stride);
            registers.load::<7>(a.as_ptr(), stride);
            registers.load::<5>(b.as_ptr(), stride);
            registers.dot::<2, 7, 5>();
            registers.store::<2>(c.as_mut_ptr(), stride);
        }
        c
    }

    fn check_instructions<R: Registers>() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for stride in [64, 68, 576] {
            let (c, a, b) = (tile(&mut rng), tile(&mut rng), tile(&mut rng));
            let found = dot::<R>(&c, &a, &b, stride);
            for (r, row) in found.chunks(stride).enumerate() {
                for n in 0..16 {
                    let word = |row: &[u8]| u32::from_le_bytes([0, 1, 2, 3].map(|i| row[4 * n + i]));
                    let products = (0..64).map(|k| u32::from(a[r][k]) * u32::from(b[k / 4][4 * n + k % 4]));
                    assert_eq!(word(row), word(&c[r]).wrapping_add(products.sum()), "{stride}: {r} {n}");
                }
                assert!(row[64..].iter().all(|byte| *byte == 7), "bytes between rows stay");
            }
        }
    }

    fn check_products<R: Registers>() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for (tall, broad, depth) in (1..5).flat_map(|tall| (1..5).map(move |broad| (tall, broad, 64 * tall)))
        {
            let (rows, cols, units) = (tall * LANES, broad * LANES, 2 * depth / 4 * LANES);
            let mut bytes = |rows: usize| -> Vec<u8> { (0..rows * depth).map(|_| rng.random()).collect() };
            let (a, b) = (bytes(rows), bytes(cols));
            // The unused form of each side is poison.
            let mut left = vec![u32::MAX; tall * units];
            for (panel, rows) in left.chunks_mut(units).zip(a.chunks(LANES * depth)) {
                lay_rows(&mut panel[..units / 2], rows, depth);
            }
            let mut right = vec![u32::MAX; broad * units];
            for (panel, rows) in right.chunks_mut(units).zip(b.chunks(LANES * depth)) {
                for (u, unit) in panel[units / 2..].chunks_mut(LANES).enumerate() {
                    for (r, out) in unit.iter_mut().enumerate() {
                        *out = u32::from_le_bytes([0, 1, 2, 3].map(|i| rows[r * depth + 4 * u + i]));
                    }
                }
            }
            for (upper, fresh) in [(false, false), (false, true), (true, false), (true, true)] {
                let stride = cols + 5;
                let before: Vec<i32> = (0..rows * stride).map(|_| rng.random_range(-1000..1000)).collect();
                let mut found = before.clone();
                let sums = Sums { first: found.as_mut_ptr(), stride };
                // SAFETY: the sums have that many rows and entries; as above.
                unsafe { multiply::<R>((&left, &right), units, upper, sums, fresh) };
                for (at, (found, before)) in found.into_iter().zip(before).enumerate() {
                    let (r, c) = (at / stride, at % stride);
                    if upper && r / LANES > c / LANES {
                        // Not computed: any value will do.
                        continue;
                    }
                    let product = |a: &[u8], b: &[u8]| -> i32 {
                        a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
                    };
                    let expected = if c < cols {
                        product(&a[r * depth..][..depth], &b[c * depth..][..depth])
                    } else {
                        0
                    };
                    let kept = if fresh && c < cols { 0 } else { before };
                    assert_eq!(found, kept + expected, "{tall} {broad} {upper} {fresh}: {r} {c}");
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
        check_products::<Twin>();
    }

    /// On processors with AMX, it must agree with its twin.
    #[test]
    fn amx_does_as_its_twin() {
        if !Simd::available().contains(&Simd::Amx) {
            return;
        }
        #[cfg(target_arch = "x86_64")]
        {
            check_instructions::<Hardware>();
            check_products::<Hardware>();
        }
    }

    #[test]
    fn the_twin_refuses_what_the_processor_would() {
        for (at, value) in [(0, 0), (1, 1), (5, 1), (16, 65), (17, 1), (32, 1), (48, 17), (56, 1), (63, 1)] {
            let mut bytes = CONFIGURATION;
            bytes[at] = value;
            assert!(std::panic::catch_unwind(|| Twin::configured(&bytes)).is_err(), "{at}");
        }
    }
}
