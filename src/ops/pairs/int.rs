//! Exact dot products between rows of 8-bit values, tile by tile, on the CPU's integer units.
//! Three kernels (AVX-512 VNNI, AVX2, portable) are chosen from at run time; all give the same integers.
//!
//! Rows travel in *panels* of 16: the values of 16 rows interleaved in 4-byte units, so that one
//! vector load brings the same few columns of all 16 rows. One panel layout serves both sides of the
//! product. A micro-kernel multiplies two panels over a chunk of columns into a 16 x 16 block of i32.

use super::scan::Sum;
use super::{Block, LANES, Quantised, Reader, TILE, Tile, blocks};
use multiversion::multiversion;
use rayon::prelude::*;
use std::ops::Range;

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

/// Which instructions multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isa {
    /// `vpdpbusd` on 512-bit vectors: 64 products an instruction, unsigned by signed bytes.
    #[cfg(target_arch = "x86_64")]
    Vnni,
    /// `vpmaddwd` on 256-bit vectors: 16 products an instruction, on 16-bit values.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Plain Rust, on 16-bit values.
    Portable,
}

impl Isa {
    /// Every kind that this processor can run, the fastest first.
    pub(crate) fn available() -> Vec<Isa> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vnni")
            {
                all.push(Isa::Vnni);
            }
            if is_x86_feature_detected!("avx2") {
                all.push(Isa::Avx2);
            }
        }
        all.push(Isa::Portable);
        all
    }

    pub(crate) fn best() -> Isa {
        Self::available()[0]
    }

    /// Bytes that a value takes in a panel.
    fn width(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Vnni => 1,
            _ => 2,
        }
    }

    /// Column panels that the micro-kernel takes at a time.
    fn panels(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Vnni => 2,
            _ => 1,
        }
    }

    /// What the kernel subtracts from the row side's values, so that they fit signed bytes.
    fn shift(self) -> i64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Vnni => 128,
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
pub(crate) fn row_terms(rows: &Quantised<'_>, n: usize, isa: Isa) -> RowTerms {
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
                let shifted = isa.shift() * rows.passes().iter().map(weighed).sum::<i64>();
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

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn sum(plane: &[u8]) -> u64 {
    u64::from(plane.iter().map(|&v| u32::from(v)).sum::<u32>())
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn product(a: &[u8], b: &[u8]) -> u64 {
    u64::from(a.iter().zip(b).map(|(&a, &b)| u32::from(a) * u32::from(b)).sum::<u32>())
}

/// Packed rows that are kept from tile to tile at most; more are packed anew for each tile.
const KEPT_BYTES: usize = 96 << 20;

/// Makes tiles of dot products, in buffers that are kept from tile to tile.
pub(crate) struct IntTiles<'a> {
    rows: &'a Quantised<'a>,
    isa: Isa,
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
    pub(crate) fn new(rows: &'a Quantised<'a>, n: usize, isa: Isa) -> Self {
        let mut this = IntTiles {
            rows,
            isa,
            kept: Default::default(),
            left: Default::default(),
            right: Default::default(),
            sums: Default::default(),
            wide: Vec::new(),
        };
        if n > TILE && n * rows.dim() * isa.width() * rows.planes() <= KEPT_BYTES {
            for plane in 0..rows.planes() {
                pack(&mut this.kept[plane], rows, plane, 0..n, 0..rows.dim(), isa);
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
        self.multiply_for(tile, &Nobody);
        if self.wide() { Sums::Wide(&self.wide) } else { Sums::Narrow(&self.sums[0]) }
    }

    /// Whether sums outgrow 32 bits.
    fn wide(&self) -> bool {
        self.rows.dim() > flush(self.rows) || self.rows.passes().len() > 1
    }

    /// Makes the products of `tile` and shows each block of them to `reader` as soon as it is done, on
    /// the thread that made it, while it is still in that core's cache. The blocks are those of
    /// [`Tile::blocks`].
    pub(crate) fn multiply_for(&mut self, tile: &Tile, reader: &impl Reader) {
        let (rows, isa, wide) = (self.rows, self.isa, self.wide());
        let stride = tile.stride();
        let entries = tile.rows.len().next_multiple_of(LANES) * stride;
        // Old sums need no clearing: the first product of each weight overwrites them.
        for sums in &mut self.sums[..rows.weights().len()] {
            sums.resize(entries, 0);
        }
        if wide {
            self.wide.clear();
            self.wide.resize(entries, 0);
        }
        let tasks: Vec<_> = tile.blocks().collect();
        let flush = flush(rows);
        let kept = !self.kept[0].is_empty();
        for columns in blocks(0..rows.dim(), if kept { rows.dim() } else { STAGE }) {
            if !kept {
                for plane in 0..rows.planes() {
                    pack(&mut self.left[plane], rows, plane, tile.rows.clone(), columns.clone(), isa);
                    if !tile.diagonal {
                        pack(&mut self.right[plane], rows, plane, tile.cols.clone(), columns.clone(), isa);
                    }
                }
            }
            let (left, right, first_row, first_col) = match (kept, tile.diagonal) {
                (true, _) => (&self.kept, &self.kept, tile.rows.start / LANES, tile.cols.start / LANES),
                (false, true) => (&self.left, &self.left, 0, 0),
                (false, false) => (&self.left, &self.right, 0, 0),
            };
            let sums = self.sums.each_mut().map(|sums| Shared(sums.as_mut_ptr()));
            let wide_sums = Shared(self.wide.as_mut_ptr());
            // A task takes its block through all these columns before it begins another, so that the
            // block's sums stay in the second-level cache.
            tasks.par_iter().for_each(|(task_rows, task_cols)| {
                let first = task_rows.start * stride + task_cols.start;
                let panels = |range: &Range<usize>| range.start / LANES..range.end.div_ceil(LANES);
                // Sums of one weight are one set: its first product after a flush starts it anew.
                let mut fresh = [true; 2];
                for (chunk, chunk_columns) in blocks(columns.clone(), DEPTH).enumerate() {
                    let units = units(chunk_columns.len(), isa) * LANES;
                    if chunk_columns.start.is_multiple_of(flush) {
                        fresh = [true; 2];
                    } else if chunk == 0 {
                        fresh = [false; 2];
                    }
                    for pass in rows.passes() {
                        let left = &left[pass.left][chunk][first_row * units..];
                        let right = &right[pass.right][chunk][first_col * units..];
                        let fresh = std::mem::take(&mut fresh[pass.weight]);
                        let col_panels = panels(task_cols);
                        for q in col_panels.clone().step_by(isa.panels()) {
                            let next = col_panels.end.min(q + isa.panels());
                            let right = &right[q * units..next * units];
                            for p in panels(task_rows) {
                                if tile.diagonal && next <= p {
                                    continue;
                                }
                                let left = &left[p * units..(p + 1) * units];
                                // SAFETY: block (p, q..next) lies inside the sums, which have all rows of
                                // panel p and `stride` entries a row, enough for all panels of columns;
                                // no other task touches it.
                                unsafe {
                                    let block = sums[pass.weight].get().add(p * LANES * stride + q * LANES);
                                    micro(isa, left, right, block, stride, fresh);
                                }
                            }
                        }
                    }
                    if wide && (chunk_columns.end.is_multiple_of(flush) || chunk_columns.end == rows.dim()) {
                        for r in 0..task_rows.len() {
                            for (sums, weight) in sums.iter().zip(rows.weights()) {
                                // SAFETY: row r of this task's block, in buffers of one shape.
                                let (wide, sums) = unsafe {
                                    let at = first + r * stride;
                                    let len = task_cols.len();
                                    (
                                        std::slice::from_raw_parts_mut(wide_sums.get().add(at), len),
                                        std::slice::from_raw_parts(sums.get().add(at), len),
                                    )
                                };
                                for (wide, sum) in wide.iter_mut().zip(sums) {
                                    *wide += weight * i64::from(*sum);
                                }
                            }
                        }
                    }
                }
                if columns.end == rows.dim() {
                    let (rows, cols) = (task_rows.clone(), task_cols.clone());
                    // SAFETY: this task's block, which no other touches.
                    unsafe {
                        if wide {
                            let sums = wide_sums.get().add(first);
                            reader.read(tile, &Block::new(rows, cols, sums, stride));
                        } else {
                            let sums = sums[0].get().add(first);
                            reader.read(tile, &Block::new(rows, cols, sums, stride));
                        }
                    }
                }
            });
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
fn units(depth: usize, isa: Isa) -> usize {
    (depth * isa.width()).div_ceil(4)
}

/// Packs some columns of some rows, of one plane, into panels, chunk by chunk; rows and columns that
/// are not there become zeros, which add nothing.
fn pack(
    chunks: &mut Vec<Vec<u32>>,
    rows: &Quantised<'_>,
    plane: usize,
    range: Range<usize>,
    columns: Range<usize>,
    isa: Isa,
) {
    chunks.resize(columns.len().div_ceil(DEPTH), Vec::new());
    for (panels, columns) in chunks.iter_mut().zip(blocks(columns, DEPTH)) {
        let depth = columns.len();
        let units = units(depth, isa);
        panels.resize(range.len().div_ceil(LANES) * units * LANES, 0);
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
                match isa.width() {
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
    for (u, unit) in panel.chunks_exact_mut(LANES).enumerate() {
        for (r, out) in unit.iter_mut().enumerate() {
            let at = r * DEPTH + 4 * u;
            let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
            *out = u32::from_le_bytes(four) ^ 0x8080_8080;
        }
    }
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
/// entries apart, that no other thread touches meanwhile; the processor must have what `isa` names.
unsafe fn micro(isa: Isa, left: &[u32], right: &[u32], block: *mut i32, stride: usize, fresh: bool) {
    // SAFETY: as this function's own promise.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Vnni if right.len() > left.len() => {
                let (first, second) = right.split_at(left.len());
                for half in 0..2 {
                    let block = block.add(half * 8 * stride);
                    micro_vnni::<8, 2>(&left[half * 8..], [first, second], block, stride, fresh);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Vnni => micro_vnni::<16, 1>(left, [right], block, stride, fresh),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => micro_avx2(left, right, block, stride, fresh),
            Isa::Portable => micro_portable(left, right, block, stride, fresh),
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
