//! Exact dot products between rows of 8-bit values, tile by tile, on the CPU's integer units: a micro-kernel for each
//! instruction set, all of which give the same integers.
//!
//! Rows are packed in *panels* of 16: the values of 16 rows interleaved in 4-byte units, so that one
//! vector load reads the same few columns of all 16 rows. Both sides of the product have the same panel
//! layout. A micro-kernel multiplies two panels over a chunk of columns into a 16 x 16 block of i32. AMX has its
//! own panel layout, and takes a whole block of panels at a time: see [`amx`]. The kernel for [`neon`] is compiled
//! only with a feature.

mod amx;
mod neon;

use super::panels::Panels;
use super::tiles::{Operands, Products, STAGE};
use super::{Block, LANES, Quantised, Reader, Tile, blocks};
use crate::simd::{Simd, vectorized};
use macro_rules_attribute::apply;
use rayon::prelude::*;
use std::ops::Range;
use std::slice::{from_raw_parts, from_raw_parts_mut};

/// Columns of the longest chunk.
const DEPTH: usize = 1024;

/// Most columns that a micro-kernel processes before it adds its block to the sums: two panels of them stay in the
/// L1 cache.
fn depth(simd: Simd) -> usize {
    match simd {
        Simd::Avx2 => 400,
        _ => DEPTH / width(simd),
    }
}

/// Equal chunks of columns, so that none is too short to amortise reading and writing the sums.
fn chunks(columns: Range<usize>, simd: Simd) -> impl Iterator<Item = Range<usize>> {
    blocks(columns, STAGE).flat_map(move |stage| {
        let count = stage.len().div_ceil(depth(simd));
        let each = stage.len().div_ceil(count).next_multiple_of(granule(simd));
        blocks(stage, each)
    })
}

/// Columns that an instruction processes at a time: panels are padded to a multiple of them.
fn granule(simd: Simd) -> usize {
    match simd {
        Simd::Amx => amx::COLUMNS,
        _ if width(simd) == 1 || crossed(simd) => 4,
        _ => 2,
    }
}

/// Columns after which i32 sums are added to i64 ones: 32 768 * 255 * 255 < 2^31, and so is 16 384 / 2 * 510 * 510. Two
/// products with the same sums share this limit.
fn flush(rows: &Quantised<'_>, simd: Simd) -> usize {
    let columns = if crossed(simd) { 16 * DEPTH } else { 32 * DEPTH };
    if rows.passes().len() > 1 { columns / 2 } else { columns }
}

/// Bytes per value in a panel: one where instructions multiply bytes (`vpdpbusd` and `udot`, four products per lane);
/// two for AMX, whose panels hold one form for each side of a product; two also for 16-bit products (`vpmaddwd`, two
/// per lane, or plain Rust).
fn width(simd: Simd) -> usize {
    match simd {
        Simd::AvxVnni | Simd::Avx512Vnni | Simd::Neon => 1,
        _ => 2,
    }
}

/// Whether two columns take one product (Winograd 1968): (x0 + y1) (x1 + y0) = x0 y0 + x1 y1 + x0 x1 + y0 y1, whose
/// last two terms each depend on one row only. `vpmaddwd` runs on fewer units than additions, so this saves time.
fn crossed(simd: Simd) -> bool {
    simd == Simd::Avx2
}

/// Column panels that the micro-kernel processes at a time.
fn panels(simd: Simd) -> usize {
    if simd.wide() { 2 } else { 1 }
}

/// The value that the kernel subtracts from the row side, so that it fits signed bytes: `vpdpbusd` multiplies unsigned
/// by signed bytes. `udot` and AMX multiply unsigned ones.
fn shift(simd: Simd) -> i64 {
    match simd {
        Simd::AvxVnni | Simd::Avx512Vnni => 128,
        _ => 0,
    }
}

/// One of the products of bytes that make up a pair's inner product: planes of the row and of the column
/// side (see [`Quantised`]), and the product's weight in the sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    pub left: usize,
    pub right: usize,
    /// Index into [`Quantised::weights`].
    pub weight: usize,
}

/// A row's term in the squared distance |x - y|^2 = |x|^2 + |y|^2 - 2 x.y . Integers below 2^53, or
/// such divided by 256, so f64 holds them exactly.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowTerms {
    /// Row side of a tile: |x|^2, plus twice the terms of the sums that depend on x alone.
    pub row: Vec<f64>,
    /// Column side: |y|^2, plus twice the terms of the sums that depend on y alone, less what the kernel's shift omits
    /// from x.y.
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
                    let low = if rows.planes() > 1 { columns.len() } else { 0 };
                    total.add(&planes[0][..columns.len()], &planes[1][..low], crossed(simd));
                }
                let term = rows.term(&total);
                let weights = rows.weights();
                let sum = |product: &dyn Fn(&Pass) -> i64| -> f64 {
                    rows.passes().iter().map(|pass| weights[pass.weight] * product(pass)).sum::<i64>() as f64
                };
                let crossed = |plane: usize| total.crossed[plane] as i64;
                let shifted = |plane: usize| shift(simd) * total.sums[plane] as i64;
                let row = sum(&|pass| crossed(pass.left));
                let col = sum(&|pass| crossed(pass.right) - shifted(pass.right));
                (term + 2.0 * row, term + 2.0 * col)
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
    /// Of each plane's products of a value at an even index and the next, where the instruction set needs them.
    pub crossed: [u64; 2],
}

impl Totals {
    /// Accumulates some columns' bytes; `low` is empty for rows of one plane.
    fn add(&mut self, high: &[u8], low: &[u8], crossed: bool) {
        self.sums[0] += sum(high);
        self.sums[1] += sum(low);
        self.products[0] += product(high, high);
        self.products[1] += product(high, low);
        self.products[2] += product(low, low);
        if crossed {
            self.crossed[0] += crossed_sum(high);
            self.crossed[1] += crossed_sum(low);
        }
    }
}

// u32 holds the sum of DEPTH squares of bytes, and needs fewer vectors than u64.

#[apply(vectorized)]
fn sum(plane: &[u8]) -> u64 {
    u64::from(plane.iter().map(|&v| u32::from(v)).sum::<u32>())
}

#[apply(vectorized)]
fn product(a: &[u8], b: &[u8]) -> u64 {
    u64::from(a.iter().zip(b).map(|(&a, &b)| u32::from(a) * u32::from(b)).sum::<u32>())
}

#[apply(vectorized)]
fn crossed_sum(plane: &[u8]) -> u64 {
    u64::from(plane.as_chunks().0.iter().map(|&[a, b]| u32::from(a) * u32::from(b)).sum::<u32>())
}

/// Products of 8-bit rows, or of both planes of 16-bit ones.
pub(crate) struct IntProducts<'a> {
    rows: Quantised<'a>,
    simd: Simd,
    /// Whether the plain Rust twin of `simd` multiplies, if it has one: AMX or NEON.
    twin: bool,
}

impl<'a> IntProducts<'a> {
    pub(crate) fn new(rows: Quantised<'a>, simd: Simd) -> Self {
        let neon = simd == Simd::Neon && cfg!(all(target_arch = "aarch64", feature = "neon"));
        let amx = simd == Simd::Amx && cfg!(target_arch = "x86_64");
        IntProducts { rows, simd, twin: !neon && !amx }
    }

    /// With the plain Rust twin of an instruction set that has one, on any processor.
    #[cfg(test)]
    pub(crate) fn twin(rows: Quantised<'a>, simd: Simd) -> Self {
        IntProducts { rows, simd, twin: true }
    }

    /// Whether sums need more than 32 bits.
    fn wide(&self) -> bool {
        !self.narrow()
    }

    /// Whether 32-bit sums suffice: squared distances are then below 2^31.
    pub(crate) fn narrow(&self) -> bool {
        self.rows.dim() <= flush(&self.rows, self.simd) && self.rows.passes().len() == 1
    }
}

/// Sums of each weight, and their weighted total where 32 bits do not suffice.
#[derive(Default)]
pub(crate) struct IntSums {
    narrow: [Vec<i32>; 2],
    wide: Vec<i64>,
}

#[derive(Clone, Copy)]
pub(crate) struct IntPlace {
    narrow: [*mut i32; 2],
    wide: *mut i64,
}

// SAFETY: tasks access disjoint blocks, and end before anything else reads them.
unsafe impl Send for IntPlace {}
// SAFETY: as above.
unsafe impl Sync for IntPlace {}

impl Products for IntProducts<'_> {
    /// Of each plane.
    type Panels = [Panels<u32>; 2];
    type Sums = IntSums;
    type Place = IntPlace;

    fn dim(&self) -> usize {
        self.rows.dim()
    }

    fn packed_bytes(&self) -> usize {
        self.rows.dim() * width(self.simd) * self.rows.planes()
    }

    fn pack(&self, panels: &mut Self::Panels, rows: Range<usize>, columns: Range<usize>) {
        for (plane, chunks) in panels.iter_mut().enumerate().take(self.rows.planes()) {
            pack(chunks, &self.rows, plane, rows.clone(), columns.clone(), self.simd);
        }
    }

    fn reserve(&self, sums: &mut IntSums, entries: usize) -> IntPlace {
        for narrow in &mut sums.narrow[..self.rows.weights().len()] {
            narrow.resize(entries, 0);
        }
        if self.wide() {
            // Products are accumulated here from the first columns on.
            sums.wide.clear();
            sums.wide.resize(entries, 0);
        }
        IntPlace {
            narrow: sums.narrow.each_mut().map(|sums| sums.as_mut_ptr()),
            wide: sums.wide.as_mut_ptr(),
        }
    }

    fn offset(place: IntPlace, entry: usize) -> IntPlace {
        // Unreserved sums are never read: their pointers may be out of bounds.
        IntPlace {
            narrow: place.narrow.map(|sums| sums.wrapping_add(entry)),
            wide: place.wide.wrapping_add(entry),
        }
    }

    unsafe fn add(&self, block: &Operands<'_, Self::Panels>, columns: Range<usize>, place: IntPlace) {
        let (rows, flush, stride) = (&self.rows, flush(&self.rows, self.simd), block.stride);
        // Passes of one weight share their sums: the first product after a flush overwrites them.
        let mut fresh = [columns.start.is_multiple_of(flush); 2];
        for (chunk, columns) in chunks(columns, self.simd).enumerate() {
            if columns.start.is_multiple_of(flush) {
                fresh = [true; 2];
            }
            let units = units(columns.len(), self.simd) * LANES;
            for pass in rows.passes() {
                let left =
                    &block.left.0[pass.left].chunk(chunk)[block.left.1 * units..][..block.tall * units];
                let right = block.right.0[pass.right].chunk(chunk);
                let right = &right[block.right.1 * units..][..block.broad * units];
                let fresh = std::mem::take(&mut fresh[pass.weight]);
                if self.simd == Simd::Amx {
                    let sums = amx::Sums { first: place.narrow[pass.weight], stride };
                    // SAFETY: all of these panels belong to this block; AMX is only chosen where the processor has it.
                    unsafe {
                        match self.twin {
                            #[cfg(target_arch = "x86_64")]
                            false => {
                                amx::multiply::<amx::Hardware>((left, right), units, block.upper, sums, fresh)
                            }
                            _ => amx::multiply::<amx::Twin>((left, right), units, block.upper, sums, fresh),
                        }
                    }
                    continue;
                }
                let panels = panels(self.simd);
                for q in (0..block.broad).step_by(panels) {
                    let next = block.broad.min(q + panels);
                    let right = &right[q * units..next * units];
                    for p in 0..if block.upper { next.min(block.tall) } else { block.tall } {
                        let left = &left[p * units..(p + 1) * units];
                        // SAFETY: panels p and q..next belong to this block.
                        unsafe {
                            let sums = place.narrow[pass.weight].add(p * LANES * stride + q * LANES);
                            micro((self.simd, self.twin), left, right, sums, stride, fresh);
                        }
                    }
                }
            }
            if self.wide() && (columns.end.is_multiple_of(flush) || columns.end == rows.dim()) {
                for (sums, weight) in place.narrow.iter().zip(rows.weights()) {
                    for r in 0..block.tall * LANES {
                        // SAFETY: row r of this block.
                        let (wide, sums) = unsafe {
                            let (at, len) = (r * stride, block.broad * LANES);
                            (from_raw_parts_mut(place.wide.add(at), len), from_raw_parts(sums.add(at), len))
                        };
                        for (wide, sum) in wide.iter_mut().zip(sums) {
                            *wide += weight * i64::from(*sum);
                        }
                    }
                }
            }
        }
    }

    unsafe fn show(
        &self,
        tile: &Tile,
        (rows, cols): (Range<usize>, Range<usize>),
        place: IntPlace,
        stride: usize,
        reader: &impl Reader,
    ) {
        // SAFETY: as this function's own promise.
        unsafe {
            if self.wide() {
                reader.read(tile, &Block::new(rows, cols, place.wide, stride));
            } else {
                reader.read(tile, &Block::new(rows, cols, place.narrow[0], stride));
            }
        }
    }
}

/// 4-byte units that `depth` columns of one row take, rounded up.
fn units(depth: usize, simd: Simd) -> usize {
    depth.next_multiple_of(granule(simd)) * width(simd) / 4
}

/// Packs some columns of some rows of one plane into panels, chunk by chunk. Missing rows and columns
/// become zeros, which contribute nothing.
fn pack(
    packed: &mut Panels<u32>,
    rows: &Quantised<'_>,
    plane: usize,
    range: Range<usize>,
    columns: Range<usize>,
    simd: Simd,
) {
    let len = |columns: Range<usize>| range.len().div_ceil(LANES) * units(columns.len(), simd) * LANES;
    let packed = packed.lay_out(chunks(columns.clone(), simd).map(len));
    for (panels, columns) in packed.into_iter().zip(chunks(columns, simd)) {
        let depth = columns.len();
        let units = units(depth, simd);
        panels.par_chunks_mut(units * LANES).enumerate().for_each_init(
            || vec![0u8; LANES * DEPTH],
            |bytes, (p, panel)| {
                let first = range.start + p * LANES;
                for r in 0..LANES {
                    let row = &mut bytes[r * DEPTH..][..depth.next_multiple_of(granule(simd))];
                    let there = if first + r < range.end { depth } else { 0 };
                    let (row, padding) = row.split_at_mut(there);
                    if there > 0 {
                        rows.read(plane, first + r, columns.start, row);
                    }
                    padding.fill(0);
                }
                match simd {
                    Simd::AvxVnni | Simd::Avx512Vnni => interleave_bytes(panel, bytes, 0x8080_8080),
                    Simd::Neon => interleave_bytes(panel, bytes, 0),
                    Simd::Amx => {
                        let (rows, cols) = panel.split_at_mut(panel.len() / 2);
                        amx::lay_rows(rows, bytes, DEPTH);
                        interleave_bytes(cols, bytes, 0);
                    }
                    _ if crossed(simd) => interleave_crossed(panel, bytes),
                    _ => interleave_words(panel, bytes),
                }
            },
        );
    }
}

/// Panel of bytes: unit `u`, row `r` holds columns 4u .. 4u + 4, xored with `flip`, which subtracts 128 where it has
/// the highest bits. Padding is then the shifted form of 0 on both sides, too: 0 * -128 contributes nothing.
fn interleave_bytes(panel: &mut [u32], bytes: &[u8], flip: u32) {
    #[cfg(target_arch = "x86_64")]
    let done = if Simd::current().wide() {
        // SAFETY: the processor has the instructions.
        unsafe { interleave_squares(panel, bytes, flip) }
    } else {
        0
    };
    #[cfg(not(target_arch = "x86_64"))]
    let done = 0;
    for (u, unit) in panel.chunks_exact_mut(LANES).enumerate().skip(done) {
        for (r, out) in unit.iter_mut().enumerate() {
            let at = r * DEPTH + 4 * u;
            let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
            *out = u32::from_le_bytes(four) ^ flip;
        }
    }
}

/// Transposes the panel's whole squares of 16 units of 16 rows in registers; returns the number of units
/// done.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn interleave_squares(panel: &mut [u32], bytes: &[u8], flip: u32) -> usize {
    use std::arch::x86_64::*;
    let flip = _mm512_set1_epi32(flip as i32);
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
fn interleave_words(panel: &mut [u32], bytes: &[u8]) {
    for (u, unit) in panel.chunks_exact_mut(LANES).enumerate() {
        for (r, out) in unit.iter_mut().enumerate() {
            let at = r * DEPTH + 2 * u;
            *out = u32::from(bytes[at]) | u32::from(bytes[at + 1]) << 16;
        }
    }
}

/// Panel of 16-bit values with even and odd columns separate: unit `2u`, row `r` holds columns 4u and 4u + 2, the next
/// unit 4u + 1 and 4u + 3.
fn interleave_crossed(panel: &mut [u32], bytes: &[u8]) {
    for (u, units) in panel.chunks_exact_mut(2 * LANES).enumerate() {
        let (even, odd) = units.split_at_mut(LANES);
        for (r, (even, odd)) in even.iter_mut().zip(odd).enumerate() {
            let at = r * DEPTH + 4 * u;
            let four = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            (*even, *odd) = (four & 0x00ff_00ff, four >> 8 & 0x00ff_00ff);
        }
    }
}

/// Accumulates the products of a panel of rows and one or two panels of columns into a block of sums, 16
/// rows high; with `fresh`, overwrites the block.
///
/// # Safety
/// `block` must be the start of 16 rows of 16 writable entries for each panel of columns, `stride`
/// entries apart, that no other thread touches meanwhile; the processor must have `simd`, unless its `twin` multiplies.
unsafe fn micro(
    (simd, twin): (Simd, bool),
    left: &[u32],
    right: &[u32],
    block: *mut i32,
    stride: usize,
    fresh: bool,
) {
    let (first, second) = right.split_at(left.len());
    // SAFETY: as this function's own promise.
    unsafe {
        match simd {
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512Vnni | Simd::Avx512 if !second.is_empty() => {
                for half in 0..2 {
                    let (left, block) = (&left[half * 8..], block.add(half * 8 * stride));
                    match simd {
                        Simd::Avx512 => words_512::<8, 2>(left, [first, second], block, stride, fresh),
                        _ => bytes_512::<8, 2>(left, [first, second], block, stride, fresh),
                    }
                }
            }
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512Vnni => bytes_512::<16, 1>(left, [first], block, stride, fresh),
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => words_512::<16, 1>(left, [first], block, stride, fresh),
            #[cfg(target_arch = "x86_64")]
            Simd::AvxVnni => {
                // Twelve accumulators, two vectors of columns and a broadcast row fill the registers.
                bytes_256::<6>(left, first, block, stride, fresh);
                bytes_256::<5>(&left[6..], first, block.add(6 * stride), stride, fresh);
                bytes_256::<5>(&left[11..], first, block.add(11 * stride), stride, fresh);
            }
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => {
                for row in (0..LANES).step_by(CROSSED) {
                    crossed_256(&left[row..], first, block.add(row * stride), stride, fresh);
                }
            }
            #[cfg(all(target_arch = "aarch64", feature = "neon"))]
            Simd::Neon if !twin => neon::by_hardware(left, first, block, stride, fresh),
            Simd::Neon => {
                debug_assert!(twin);
                neon::multiply::<neon::Twin>(left, first, block, stride, fresh);
            }
            _ => words_portable(left, first, block, stride, fresh),
        }
    }
}

/// Defines a micro-kernel on 512-bit vectors, of ROWS x COLS accumulators of 16 lanes: 8 x 2 if possible, since a
/// broadcast row then serves two products, else 16 x 1; both keep 16 products in flight.
#[cfg(target_arch = "x86_64")]
macro_rules! kernel_512 {
    ($(#[$about:meta])* $name:ident, $features:literal, |$col:ident| $prepare:expr, |$acc:ident, $a:ident, $b:ident| $multiply:expr) => {
        $(#[$about])*
        #[target_feature(enable = $features)]
        unsafe fn $name<const ROWS: usize, const COLS: usize>(
            left: &[u32],
            right: [&[u32]; COLS],
            block: *mut i32,
            stride: usize,
            fresh: bool,
        ) {
            use std::arch::x86_64::*;
            let mut acc = [[_mm512_setzero_si512(); COLS]; ROWS];
            for at in (0..right[0].len()).step_by(LANES) {
                let mut col = [_mm512_setzero_si512(); COLS];
                for c in 0..COLS {
                    // SAFETY: every panel is whole groups of 16 units, all panels are equally long.
                    let $col = unsafe { _mm512_loadu_si512(right[c].as_ptr().add(at).cast()) };
                    col[c] = $prepare;
                }
                for (r, acc) in acc.iter_mut().enumerate() {
                    // SAFETY: as above; `left` starts at one of the panel's 16 rows, ROWS before its end.
                    let $b = _mm512_set1_epi32(unsafe { *left.as_ptr().add(at + r) } as i32);
                    for c in 0..COLS {
                        let ($acc, $a) = (acc[c], col[c]);
                        acc[c] = $multiply;
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
    };
}

#[cfg(target_arch = "x86_64")]
kernel_512!(
    /// The instruction takes one unsigned and one signed side, so the column side's shift is undone, by one xor for
    /// ROWS products.
    bytes_512,
    "avx512f,avx512bw,avx512vnni",
    |col| _mm512_xor_si512(col, _mm512_set1_epi32(0x8080_8080_u32 as i32)),
    |acc, col, row| _mm512_dpbusd_epi32(acc, col, row)
);

#[cfg(target_arch = "x86_64")]
kernel_512!(words_512, "avx512f,avx512bw", |col| col, |acc, col, row| _mm512_add_epi32(
    acc,
    _mm512_madd_epi16(col, row)
));

/// ROWS x 2 accumulators of 8 lanes.
///
/// # Safety
/// As [`micro`], for ROWS rows.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn bytes_256<const ROWS: usize>(
    left: &[u32],
    right: &[u32],
    block: *mut i32,
    stride: usize,
    fresh: bool,
) {
    use std::arch::x86_64::*;
    let mut acc = [[_mm256_setzero_si256(); 2]; ROWS];
    for at in (0..right.len()).step_by(LANES) {
        // SAFETY: the panel is whole groups of 16 units.
        let col = [0, 8].map(|half| unsafe { _mm256_loadu_si256(right.as_ptr().add(at + half).cast()) });
        // The instruction takes one unsigned and one signed side, so the column side's shift is undone.
        let col = col.map(|col| _mm256_xor_si256(col, _mm256_set1_epi32(0x8080_8080_u32 as i32)));
        for (r, acc) in acc.iter_mut().enumerate() {
            // SAFETY: as above; `left` starts at one of the panel's 16 rows, ROWS before its end.
            let row = _mm256_set1_epi32(unsafe { *left.as_ptr().add(at + r) } as i32);
            for h in 0..2 {
                acc[h] = _mm256_dpbusd_avx_epi32(acc[h], col[h], row);
            }
        }
    }
    // SAFETY: as this function's own promise.
    unsafe { put_256(acc, block, stride, fresh) }
}

/// Rows that [`crossed_256`] processes at a time.
#[cfg(target_arch = "x86_64")]
const CROSSED: usize = 4;

/// CROSSED x 2 accumulators of 8 lanes; four vectors of columns, two broadcast rows and two sums fill the registers.
///
/// # Safety
/// As [`micro`], for CROSSED rows.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn crossed_256(left: &[u32], right: &[u32], block: *mut i32, stride: usize, fresh: bool) {
    use std::arch::x86_64::*;
    let mut acc = [[_mm256_setzero_si256(); 2]; CROSSED];
    for at in (0..right.len()).step_by(2 * LANES) {
        // SAFETY: the panel is whole pairs of groups of 16 units.
        let load = |unit: usize| unsafe { _mm256_loadu_si256(right.as_ptr().add(at + unit).cast()) };
        let (even, odd) = ([load(0), load(8)], [load(LANES), load(LANES + 8)]);
        for (r, acc) in acc.iter_mut().enumerate() {
            // SAFETY: as above; `left` starts at one of the panel's 16 rows, CROSSED before its end.
            let row = |unit: usize| _mm256_set1_epi32(unsafe { *left.as_ptr().add(at + unit + r) } as i32);
            let (row_even, row_odd) = (row(0), row(LANES));
            for h in 0..2 {
                let (a, b) = (_mm256_add_epi16(row_even, odd[h]), _mm256_add_epi16(row_odd, even[h]));
                acc[h] = _mm256_add_epi32(acc[h], _mm256_madd_epi16(a, b));
            }
        }
    }
    // SAFETY: as this function's own promise.
    unsafe { put_256(acc, block, stride, fresh) }
}

/// Accumulates registers into a block of sums; with `fresh`, overwrites it.
///
/// # Safety
/// As [`micro`], for ROWS rows.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn put_256<const ROWS: usize>(
    acc: [[std::arch::x86_64::__m256i; 2]; ROWS],
    block: *mut i32,
    stride: usize,
    fresh: bool,
) {
    use std::arch::x86_64::*;
    for (r, acc) in acc.into_iter().enumerate() {
        for (h, mut sum) in acc.into_iter().enumerate() {
            // SAFETY: row r of the block has 16 entries.
            unsafe {
                let out = block.add(r * stride + 8 * h).cast::<__m256i>();
                if !fresh {
                    sum = _mm256_add_epi32(sum, _mm256_loadu_si256(out));
                }
                _mm256_storeu_si256(out, sum);
            }
        }
    }
}

unsafe fn words_portable(left: &[u32], right: &[u32], block: *mut i32, stride: usize, fresh: bool) {
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
