//! Exact dot products between rows of 8-bit values, tile by tile, on the CPU's integer units.
//! Three kernels (AVX-512 VNNI, AVX2, portable) are chosen from at run time; all give the same integers.
//!
//! Rows travel in *panels* of 16: the values of 16 rows interleaved in 4-byte units, so that one
//! vector load brings the same few columns of all 16 rows. One panel layout serves both sides of the
//! product. A micro-kernel multiplies two panels over a chunk of columns into a 16 x 16 block of i32.

use super::scan::Sum;
use super::{BLOCK, Block, LANES, Quantised, Reader, TILE, Tile, blocks};
use crate::simd::{Simd, vectorized};
use macro_rules_attribute::apply;
use rayon::prelude::*;
use std::ops::Range;
use std::slice::{from_raw_parts, from_raw_parts_mut};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Columns that a micro-kernel works through before it adds its block to the tile: two panels of
/// this depth (16 KiB each as bytes) stay in the first-level cache.
const DEPTH: usize = 1024;

/// Columns that are packed at a time where not all are kept: a whole number of chunks, and a divisor of
/// what i32 sums can take. More columns at a time read and write the tile's sums less often.
const STAGE: usize = 4 * DEPTH;

/// Columns after which i32 sums move to i64: 32 768 * 255 * 255 < 2^31. Two products that share their
/// sums share this too.
fn flush(rows: &Quantised<'_>) -> usize {
    if rows.passes().len() > 1 { 16 * DEPTH } else { 32 * DEPTH }
}

/// How an instruction set multiplies bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    /// `vpdpbusd` on 512-bit vectors: 64 products an instruction, unsigned by signed bytes.
    #[cfg(target_arch = "x86_64")]
    Vnni,
    /// `vpmaddwd` on 256-bit vectors: 16 products an instruction, on 16-bit values.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Plain Rust, on 16-bit values.
    Portable,
}

impl Kernel {
    fn of(simd: Simd) -> Kernel {
        match simd {
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512Vnni => Kernel::Vnni,
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 | Simd::AvxVnni | Simd::Avx512 => Kernel::Avx2,
            _ => Kernel::Portable,
        }
    }

    /// Bytes that a value takes in a panel.
    fn width(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernel::Vnni => 1,
            _ => 2,
        }
    }

    /// Column panels that the micro-kernel takes at a time.
    fn panels(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernel::Vnni => 2,
            _ => 1,
        }
    }

    /// What the kernel subtracts from the row side's values, so that they fit signed bytes.
    fn shift(self) -> i64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernel::Vnni => 128,
            _ => 0,
        }
    }
}

/// One product of bytes that a pair's inner product is made of: planes of the row and of the column
/// side (see [`Quantised`]), and the product's weight in the sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    pub left: usize,
    pub right: usize,
    /// Which of [`Quantised::weights`] it has.
    pub weight: usize,
}

/// A row's part in the squared distance |x - y|^2 = |x|^2 + |y|^2 - 2 x.y . Integers below 2^53, or
/// such over 256, so f64 holds them exactly.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowTerms {
    /// Added once for the row side of a tile: |x|^2.
    pub row: Vec<f64>,
    /// Added once for the column side: |y|^2, less what the kernel's shift leaves out of x.y.
    pub col: Vec<f64>,
}

/// The terms of every row.
pub(crate) fn row_terms(rows: &Quantised<'_>, n: usize, simd: Simd) -> RowTerms {
    let (row, col) = (0..n)
        .into_par_iter()
        .map_init(
            || [[0u8; DEPTH]; 2],
            |planes, i| {
                let mut total = Totals::default();
                for columns in blocks(0..rows.dim(), DEPTH) {
                    for (p, plane) in planes[..rows.planes()].iter_mut().enumerate() {
                        rows.read(p, i, columns.start, &mut plane[..columns.len()]);
                    }
                    total.add(&planes[0][..columns.len()], &planes[1][..columns.len()]);
                }
                let term = rows.term(&total);
                let weights = rows.weights();
                let weighed = |pass: &Pass| weights[pass.weight] * total.sums[pass.right] as i64;
                let shifted = Kernel::of(simd).shift() * rows.passes().iter().map(weighed).sum::<i64>();
                (term, term - 2.0 * shifted as f64)
            },
        )
        .unzip();
    RowTerms { row, col }
}

/// Sums over a row's two planes of bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Of each plane's bytes.
    pub sums: [u64; 2],
    /// Of the first plane's squares, of both planes' products, of the second plane's squares.
    pub products: [u64; 3],
}

impl Totals {
    fn add(&mut self, high: &[u8], low: &[u8]) {
        self.sums[0] += sum(high);
        self.sums[1] += sum(low);
        self.products[0] += product(high, high);
        self.products[1] += product(high, low);
        self.products[2] += product(low, low);
    }
}

// u32 holds DEPTH squares of bytes, and keeps these loops in narrow vectors.

#[apply(vectorized)]
fn sum(plane: &[u8]) -> u64 {
    u64::from(plane.iter().map(|&v| u32::from(v)).sum::<u32>())
}

#[apply(vectorized)]
fn product(a: &[u8], b: &[u8]) -> u64 {
    u64::from(a.iter().zip(b).map(|(&a, &b)| u32::from(a) * u32::from(b)).sum::<u32>())
}

/// Packed rows that are kept from tile to tile at most; more are packed anew for each tile.
const KEPT_BYTES: usize = 96 << 20;

/// Makes tiles of dot products, in buffers that are kept from tile to tile.
pub(crate) struct IntTiles<'a> {
    rows: &'a Quantised<'a>,
    kernel: Kernel,
    /// Every row's panels, a chunk of columns after another, plane by plane, where they are few enough.
    kept: [Vec<Vec<u32>>; 2],
    /// A stage of the tile's rows and columns, in the same form, where they are not kept.
    left: [Vec<Vec<u32>>; 2],
    right: [Vec<Vec<u32>>; 2],
    /// Sums of each weight.
    sums: [Vec<i32>; 2],
    wide: Vec<i64>,
}

/// What a tile's entries are stored as: 64 bits only where long rows need them.
pub(crate) enum Sums<'a> {
    Narrow(&'a [i32]),
    Wide(&'a [i64]),
}

impl<'a> IntTiles<'a> {
    /// For the first `n` of `rows`.
    pub(crate) fn new(rows: &'a Quantised<'a>, n: usize, simd: Simd) -> Self {
        let kernel = Kernel::of(simd);
        let mut this = IntTiles {
            rows,
            kernel,
            kept: Default::default(),
            left: Default::default(),
            right: Default::default(),
            sums: Default::default(),
            wide: Vec::new(),
        };
        if n > TILE && n * rows.dim() * kernel.width() * rows.planes() <= KEPT_BYTES {
            for plane in 0..rows.planes() {
                pack(&mut this.kept[plane], rows, plane, 0..n, 0..rows.dim(), kernel);
            }
        }
        this
    }

    /// The products of `tile`'s rows and columns, row-major with `tile.stride()` entries a row.
    /// On a diagonal tile only blocks on and above the diagonal are made.
    pub(crate) fn multiply(&mut self, tile: &Tile) -> Sums<'_> {
        struct Nobody;
        impl Reader for Nobody {
            fn read<S: Sum>(&self, _: &Tile, _: &Block<'_, S>) {}
        }
        self.make(tile, &Nobody, true);
        if self.wide() { Sums::Wide(&self.wide) } else { Sums::Narrow(&self.sums[0]) }
    }

    /// Makes the products of `tile` and shows each block of them to `reader` as soon as it is done, on
    /// the thread that made it, while it is still in that core's cache. The blocks are those of
    /// [`Tile::blocks`].
    pub(crate) fn multiply_for(&mut self, tile: &Tile, reader: &impl Reader) {
        // Where all columns are packed at once, a block is done with before the next is begun.
        self.make(tile, reader, self.kept[0].is_empty() && self.rows.dim() > STAGE);
    }

    /// Whether sums outgrow 32 bits.
    fn wide(&self) -> bool {
        self.rows.dim() > flush(self.rows) || self.rows.passes().len() > 1
    }

    /// Where `whole`, all sums of the tile are kept in `self`, else those of one block for each thread.
    fn make(&mut self, tile: &Tile, reader: &impl Reader, whole: bool) {
        let (rows, kernel, wide) = (self.rows, self.kernel, self.wide());
        let stride = if whole { tile.stride() } else { BLOCK + LANES };
        if whole {
            reserve(
                &mut self.sums,
                &mut self.wide,
                rows,
                wide,
                tile.rows.len().next_multiple_of(LANES) * stride,
            );
        }
        let mut tasks: Vec<_> = tile.blocks().collect();
        // Those of samples among themselves first: what they tell of each sample spares work in all others.
        tasks.sort_by_key(|(rows, cols)| !(tile.diagonal && rows == cols));
        let kept = !self.kept[0].is_empty();
        for columns in blocks(0..rows.dim(), if kept { rows.dim() } else { STAGE }) {
            if !kept {
                for plane in 0..rows.planes() {
                    pack(&mut self.left[plane], rows, plane, tile.rows.clone(), columns.clone(), kernel);
                    if !tile.diagonal {
                        pack(&mut self.right[plane], rows, plane, tile.cols.clone(), columns.clone(), kernel);
                    }
                }
            }
            let (left, right, first_row, first_col) = match (kept, tile.diagonal) {
                (true, _) => (&self.kept, &self.kept, tile.rows.start, tile.cols.start),
                (false, true) => (&self.left, &self.left, 0, 0),
                (false, false) => (&self.left, &self.right, 0, 0),
            };
            let all_sums = self.sums.each_mut().map(|sums| Shared(sums.as_mut_ptr()));
            let all_wide = Shared(self.wide.as_mut_ptr());
            // A task takes its block through all these columns before it begins another, so that the
            // block's sums stay in the second-level cache.
            // Threads take blocks in their order, so that they end together.
            let next = AtomicUsize::new(0);
            (0..rayon::current_num_threads().min(tasks.len())).into_par_iter().with_max_len(1).for_each(
                |_| {
                    let (mut own_sums, mut own_wide) = <([Vec<i32>; 2], Vec<i64>)>::default();
                    while let Some((block_rows, block_cols)) = tasks.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let first = block_rows.start * stride + block_cols.start;
                        let (sums, wide_sums) = if whole {
                            // SAFETY: `first` is inside the tile's sums.
                            unsafe { (all_sums.map(|sums| sums.get().add(first)), all_wide.get().add(first)) }
                        } else {
                            reserve(&mut own_sums, &mut own_wide, rows, wide, BLOCK * stride);
                            (own_sums.each_mut().map(|sums| sums.as_mut_ptr()), own_wide.as_mut_ptr())
                        };
                        let product = Product {
                            rows,
                            kernel,
                            // On the diagonal, columns up to a row's own panel are not wanted.
                            upper: tile.diagonal && block_rows.start == block_cols.start,
                            tall: block_rows.len().div_ceil(LANES),
                            broad: block_cols.len().div_ceil(LANES),
                            left: (left, (first_row + block_rows.start) / LANES),
                            right: (right, (first_col + block_cols.start) / LANES),
                            stride,
                        };
                        // SAFETY: the block starts at these pointers, and no other task touches it: where they
                        // point into the tile's sums, these have whole panels of rows of `stride` entries, enough
                        // for all panels of columns; else they point to BLOCK rows of more than BLOCK entries.
                        unsafe {
                            product.add(&columns, sums, wide.then_some(wide_sums));
                            if columns.end == rows.dim() {
                                let (rows, cols) = (block_rows.clone(), block_cols.clone());
                                if wide {
                                    reader.read(tile, &Block::new(rows, cols, wide_sums, stride));
                                } else {
                                    reader.read(tile, &Block::new(rows, cols, sums[0], stride));
                                }
                            }
                        }
                    }
                },
            );
        }
    }
}

/// Makes room for sums. Old ones need no clearing, since the first product of each weight overwrites
/// them; those that products are added up in do.
fn reserve(sums: &mut [Vec<i32>; 2], all: &mut Vec<i64>, rows: &Quantised<'_>, wide: bool, entries: usize) {
    for sums in &mut sums[..rows.weights().len()] {
        sums.resize(entries, 0);
    }
    if wide {
        all.clear();
        all.resize(entries, 0);
    }
}

/// The panels of one block.
struct Product<'a> {
    rows: &'a Quantised<'a>,
    kernel: Kernel,
    /// Only blocks of panels on and above the diagonal.
    upper: bool,
    /// Panels of rows and of columns.
    tall: usize,
    broad: usize,
    /// Packed planes, chunk by chunk, and the first panel in a chunk that is the block's.
    left: (&'a [Vec<Vec<u32>>; 2], usize),
    right: (&'a [Vec<Vec<u32>>; 2], usize),
    stride: usize,
}

impl Product<'_> {
    /// Adds the products over `columns` to the sums of each weight, and where these fill up, or at the
    /// end, to the wide ones.
    ///
    /// # Safety
    /// At each pointer there must be `tall` panels of rows of `stride` entries, enough for `broad` panels
    /// of columns, which nobody else touches meanwhile.
    unsafe fn add(&self, columns: &Range<usize>, sums: [*mut i32; 2], wide: Option<*mut i64>) {
        let (rows, flush) = (self.rows, flush(self.rows));
        // Sums of one weight are one set: its first product after a flush starts it anew.
        let mut fresh = [columns.start.is_multiple_of(flush); 2];
        for (chunk, columns) in blocks(columns.clone(), DEPTH).enumerate() {
            if columns.start.is_multiple_of(flush) {
                fresh = [true; 2];
            }
            let units = units(columns.len(), self.kernel) * LANES;
            for pass in rows.passes() {
                let left = &self.left.0[pass.left][chunk][self.left.1 * units..];
                let right = &self.right.0[pass.right][chunk][self.right.1 * units..];
                let fresh = std::mem::take(&mut fresh[pass.weight]);
                for q in (0..self.broad).step_by(self.kernel.panels()) {
                    let next = self.broad.min(q + self.kernel.panels());
                    let right = &right[q * units..next * units];
                    for p in 0..if self.upper { next.min(self.tall) } else { self.tall } {
                        let left = &left[p * units..(p + 1) * units];
                        // SAFETY: panels p and q..next are this block's.
                        unsafe {
                            let block = sums[pass.weight].add(p * LANES * self.stride + q * LANES);
                            micro(self.kernel, left, right, block, self.stride, fresh);
                        }
                    }
                }
            }
            let Some(wide) = wide else { continue };
            if columns.end.is_multiple_of(flush) || columns.end == rows.dim() {
                for (sums, weight) in sums.iter().zip(rows.weights()) {
                    for r in 0..self.tall * LANES {
                        // SAFETY: row r of this block.
                        let (wide, sums) = unsafe {
                            let (at, len) = (r * self.stride, self.broad * LANES);
                            (from_raw_parts_mut(wide.add(at), len), from_raw_parts(sums.add(at), len))
                        };
                        for (wide, sum) in wide.iter_mut().zip(sums) {
                            *wide += weight * i64::from(*sum);
                        }
                    }
                }
            }
        }
    }
}

/// Lets tasks that own disjoint blocks write one buffer.
#[derive(Clone, Copy)]
struct Shared<S>(*mut S);
// SAFETY: tasks touch disjoint blocks, and end before anyone else looks.
unsafe impl<S> Sync for Shared<S> {}
impl<S> Shared<S> {
    fn get(&self) -> *mut S {
        self.0
    }
}

/// 4-byte units that `depth` columns of one row take, rounded up.
fn units(depth: usize, kernel: Kernel) -> usize {
    (depth * kernel.width()).div_ceil(4)
}

/// Packs some columns of some rows, of one plane, into panels, chunk by chunk; rows and columns that
/// are not there become zeros, which add nothing.
fn pack(
    chunks: &mut Vec<Vec<u32>>,
    rows: &Quantised<'_>,
    plane: usize,
    range: Range<usize>,
    columns: Range<usize>,
    kernel: Kernel,
) {
    chunks.resize(columns.len().div_ceil(DEPTH), Vec::new());
    for (panels, columns) in chunks.iter_mut().zip(blocks(columns, DEPTH)) {
        let depth = columns.len();
        let units = units(depth, kernel);
        let len = range.len().div_ceil(LANES) * units * LANES;
        if panels.capacity() < len {
            // Fresh pages, which are zeros as they come: they are touched first by the threads that fill them.
            *panels = vec![0; len];
        }
        panels.resize(len, 0);
        panels.par_chunks_mut(units * LANES).enumerate().for_each_init(
            || vec![0u8; LANES * DEPTH],
            |bytes, (p, panel)| {
                let first = range.start + p * LANES;
                for r in 0..LANES {
                    let row = &mut bytes[r * DEPTH..][..depth];
                    if first + r < range.end {
                        rows.read(plane, first + r, columns.start, row);
                    } else {
                        row.fill(0);
                    }
                }
                match kernel.width() {
                    1 => interleave_bytes(panel, bytes, depth),
                    _ => interleave_words(panel, bytes, depth),
                }
            },
        );
    }
}

/// Panel of bytes less 128 (as signed bytes): unit `u`, row `r` holds columns 4u .. 4u + 4.
/// Columns beyond `depth` are stored as the shifted form of 0 on both sides: 0 * -128 adds nothing.
fn interleave_bytes(panel: &mut [u32], bytes: &mut [u8], depth: usize) {
    let padded = depth.next_multiple_of(4);
    for r in 0..LANES {
        bytes[r * DEPTH + depth..r * DEPTH + padded].fill(0);
    }
    #[cfg(target_arch = "x86_64")]
    let done = if Simd::current().wide() {
        // SAFETY: the instructions are there.
        unsafe { interleave_squares(panel, bytes) }
    } else {
        0
    };
    #[cfg(not(target_arch = "x86_64"))]
    let done = 0;
    for (u, unit) in panel.chunks_exact_mut(LANES).enumerate().skip(done) {
        for (r, out) in unit.iter_mut().enumerate() {
            let at = r * DEPTH + 4 * u;
            let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
            *out = u32::from_le_bytes(four) ^ 0x8080_8080;
        }
    }
}

/// As many whole squares of 16 units of 16 rows as the panel has, each turned about in registers; returns
/// how many units that are.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn interleave_squares(panel: &mut [u32], bytes: &[u8]) -> usize {
    use std::arch::x86_64::*;
    let flip = _mm512_set1_epi32(0x8080_8080_u32 as i32);
    let squares = panel.chunks_exact_mut(LANES * LANES);
    let done = squares.len() * LANES;
    for (s, square) in squares.enumerate() {
        let mut rows = [flip; LANES];
        for (r, row) in rows.iter_mut().enumerate() {
            let units: &[u8] = &bytes[r * DEPTH + s * 4 * LANES..][..4 * LANES];
            // SAFETY: 64 bytes.
            *row = _mm512_xor_si512(unsafe { _mm512_loadu_si512(units.as_ptr().cast()) }, flip);
        }
        // Each step pairs rows that lie further apart: units of rows 2r and 2r + 1 side by side, then of
        // four rows, both within quarters of a vector, then the quarters of eight and of sixteen rows.
        let mut twos = [flip; LANES];
        for r in 0..LANES / 2 {
            twos[2 * r] = _mm512_unpacklo_epi32(rows[2 * r], rows[2 * r + 1]);
            twos[2 * r + 1] = _mm512_unpackhi_epi32(rows[2 * r], rows[2 * r + 1]);
        }
        // fours[4 q + u]: of rows 4q .. 4q + 4, units u, u + 4, u + 8 and u + 12.
        let mut fours = [flip; LANES];
        for q in 0..LANES / 4 {
            for half in 0..2 {
                let (a, b) = (twos[4 * q + half], twos[4 * q + 2 + half]);
                fours[4 * q + 2 * half] = _mm512_unpacklo_epi64(a, b);
                fours[4 * q + 2 * half + 1] = _mm512_unpackhi_epi64(a, b);
            }
        }
        for u in 0..4 {
            let (a, b, c, d) = (fours[u], fours[4 + u], fours[8 + u], fours[12 + u]);
            // Of rows 0 .. 8 and of rows 8 .. 16: units u and u + 4; u + 8 and u + 12.
            let (low_ab, low_cd) = (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0x44>(c, d));
            let (high_ab, high_cd) = (_mm512_shuffle_i32x4::<0xee>(a, b), _mm512_shuffle_i32x4::<0xee>(c, d));
            let turned = [
                _mm512_shuffle_i32x4::<0x88>(low_ab, low_cd),
                _mm512_shuffle_i32x4::<0xdd>(low_ab, low_cd),
                _mm512_shuffle_i32x4::<0x88>(high_ab, high_cd),
                _mm512_shuffle_i32x4::<0xdd>(high_ab, high_cd),
            ];
            for (quarter, turned) in turned.into_iter().enumerate() {
                let unit = &mut square[(4 * quarter + u) * LANES..][..LANES];
                // SAFETY: 16 units of 4 bytes.
                unsafe { _mm512_storeu_si512(unit.as_mut_ptr().cast(), turned) };
            }
        }
    }
    done
}

/// Panel of 16-bit values: unit `u`, row `r` holds columns 2u and 2u + 1.
fn interleave_words(panel: &mut [u32], bytes: &mut [u8], depth: usize) {
    let padded = depth.next_multiple_of(2);
    for r in 0..LANES {
        bytes[r * DEPTH + depth..r * DEPTH + padded].fill(0);
    }
    for (u, unit) in panel.chunks_exact_mut(LANES).enumerate() {
        for (r, out) in unit.iter_mut().enumerate() {
            let at = r * DEPTH + 2 * u;
            *out = u32::from(bytes[at]) | u32::from(bytes[at + 1]) << 16;
        }
    }
}

/// Adds the products of a panel of rows and one or two panels of columns to a block of sums, 16 rows
/// high; where `fresh`, replaces what the block holds.
///
/// # Safety
/// `block` must be the start of 16 rows of 16 writable entries for each panel of columns, `stride`
/// entries apart, that no other thread touches meanwhile; the processor must have what `kernel` names.
unsafe fn micro(kernel: Kernel, left: &[u32], right: &[u32], block: *mut i32, stride: usize, fresh: bool) {
    // SAFETY: as this function's own promise.
    unsafe {
        match kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Vnni if right.len() > left.len() => {
                let (first, second) = right.split_at(left.len());
                for half in 0..2 {
                    let block = block.add(half * 8 * stride);
                    micro_vnni::<8, 2>(&left[half * 8..], [first, second], block, stride, fresh);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Kernel::Vnni => micro_vnni::<16, 1>(left, [right], block, stride, fresh),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => micro_avx2(left, right, block, stride, fresh),
            Kernel::Portable => micro_portable(left, right, block, stride, fresh),
        }
    }
}

/// ROWS x COLS accumulators of 16 lanes: 8 x 2 where it can, since a broadcast row then serves two
/// products, else 16 x 1; either keeps 16 products in flight. The instruction wants one unsigned and
/// one signed side, so the column side loses its shift again, one xor for ROWS products.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn micro_vnni<const ROWS: usize, const COLS: usize>(
    left: &[u32],
    right: [&[u32]; COLS],
    block: *mut i32,
    stride: usize,
    fresh: bool,
) {
    use std::arch::x86_64::*;
    let mut acc = [[_mm512_setzero_si512(); COLS]; ROWS];
    let flip = _mm512_set1_epi32(0x8080_8080_u32 as i32);
    for at in (0..right[0].len()).step_by(LANES) {
        let mut col = [flip; COLS];
        for c in 0..COLS {
            // SAFETY: every panel is whole groups of 16 units, all panels are equally long.
            let units = unsafe { _mm512_loadu_si512(right[c].as_ptr().add(at).cast()) };
            col[c] = _mm512_xor_si512(units, flip);
        }
        for (r, acc) in acc.iter_mut().enumerate() {
            // SAFETY: as above; `left` starts at one of the panel's 16 rows, ROWS before its end.
            let row = _mm512_set1_epi32(unsafe { *left.as_ptr().add(at + r) } as i32);
            for c in 0..COLS {
                acc[c] = _mm512_dpbusd_epi32(acc[c], col[c], row);
            }
        }
    }
    for (r, acc) in acc.into_iter().enumerate() {
        for (c, mut sum) in acc.into_iter().enumerate() {
            // SAFETY: row r of the block has 16 entries for each panel of columns.
            unsafe {
                let out = block.add(r * stride + c * LANES);
                if !fresh {
                    sum = _mm512_add_epi32(sum, _mm512_loadu_si512(out.cast()));
                }
                _mm512_storeu_si512(out.cast(), sum);
            }
        }
    }
}

/// Four rows at a time: 8 accumulators of 8 lanes leave registers for the operands.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn micro_avx2(left: &[u32], right: &[u32], block: *mut i32, stride: usize, fresh: bool) {
    use std::arch::x86_64::*;
    for r0 in (0..LANES).step_by(4) {
        let mut acc = [[_mm256_setzero_si256(); 2]; 4];
        for (row, col) in left.chunks_exact(LANES).zip(right.chunks_exact(LANES)) {
            // SAFETY: `col` has 16 units of 4 bytes.
            let col = unsafe {
                let at = col.as_ptr().cast::<__m256i>();
                [_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))]
            };
            for r in 0..4 {
                let row = _mm256_set1_epi32(row[r0 + r] as i32);
                for h in 0..2 {
                    acc[r][h] = _mm256_add_epi32(acc[r][h], _mm256_madd_epi16(row, col[h]));
                }
            }
        }
        for (r, acc) in acc.into_iter().enumerate() {
            for (h, mut sum) in acc.into_iter().enumerate() {
                // SAFETY: row r0 + r of the block has 16 entries.
                unsafe {
                    let out = block.add((r0 + r) * stride + 8 * h).cast::<__m256i>();
                    if !fresh {
                        sum = _mm256_add_epi32(sum, _mm256_loadu_si256(out));
                    }
                    _mm256_storeu_si256(out, sum);
                }
            }
        }
    }
}

unsafe fn micro_portable(left: &[u32], right: &[u32], block: *mut i32, stride: usize, fresh: bool) {
    for r in 0..LANES {
        let mut acc = [0i32; LANES];
        for (row, col) in left.chunks_exact(LANES).zip(right.chunks_exact(LANES)) {
            let (a0, a1) = ((row[r] & 0xffff) as i32, (row[r] >> 16) as i32);
            for (acc, col) in acc.iter_mut().zip(col) {
                *acc += a0 * (col & 0xffff) as i32 + a1 * (col >> 16) as i32;
            }
        }
        for (c, acc) in acc.into_iter().enumerate() {
            // SAFETY: row r of the block has 16 entries.
            unsafe {
                let out = block.add(r * stride + c);
                *out = if fresh { acc } else { *out + acc };
            }
        }
    }
}
