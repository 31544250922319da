//! Inner products of centred f32 rows, and the forward error bound of their distances. Used where distances themselves
//! are needed, and where a grid of 256 steps is too coarse to separate neighbours.
//!
//! Rows are packed in panels of 16, as for bytes: the values of 16 rows side by side, column after column.

use super::panels::Panels;
use super::tiles::{Operands, Products};
use super::{Block, Bounds, Float, LANES, Reader, Rows, Run, Tile, WIDENED, blocks};
use crate::points::Kind;
use crate::simd::Simd;
use rayon::prelude::*;
use std::ops::Range;

/// Columns that a micro-kernel sums over; chunks are then added in f32. Two panels of this depth (16 KiB each) stay in
/// the L1 cache.
const DEPTH: usize = 256;

/// Samples shifted by their mean and scaled to [-1, 1]: distances shrink by one known factor, and
/// neither an offset nor the data's unit costs accuracy.
pub(crate) struct Centred<'a> {
    rows: Rows<'a>,
    /// Of each column; empty for 64-bit values, which are centred in 64 bits.
    mean: Vec<f32>,
    wide_mean: Vec<f64>,
    /// A 32-bit float for all but 64-bit values.
    scale: f64,
    simd: Simd,
    /// |x|^2 of each centred, scaled row, from f32 arithmetic.
    pub squares: Vec<f64>,
    /// Error bounds of a tile's values.
    pub bounds: Bounds,
}

impl<'a> Centred<'a> {
    pub(crate) fn new(rows: impl Into<Rows<'a>>, simd: Simd) -> Self {
        let rows = rows.into();
        let (n, dim) = (rows.n(), rows.dim());
        let (means, wide) = (column_means(&rows), rows.kind() == Kind::F64);
        let (mean, wide_mean) = if wide {
            (Vec::new(), means)
        } else {
            (means.into_iter().map(|mean| mean as f32).collect(), Vec::new())
        };
        let bounds = Bounds::Exact { unit: 1.0 };
        let mut this = Centred { rows, mean, wide_mean, scale: 1.0, simd, squares: Vec::new(), bounds };
        let widest = this.widest();
        this.scale = match widest > 0.0 {
            true if wide => 1.0 / widest,
            true => f64::from((1.0 / widest) as f32),
            false => 1.0,
        };
        // A subnormal range overflows the scale, an extreme one centring itself: the bound is then
        // infinite, every pair is a candidate, and recomputed differences decide.
        let sane = this.scale.is_finite() && this.scale > 0.0 && widest.is_finite();
        if !sane {
            this.scale = 0.0;
        }
        this.squares = this.reduce_rows(|row| {
            row.chunks(8).map(|v| v.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>()).sum::<f64>()
        });
        // The tiny term covers products that underflow in f32.
        let norm: Vec<f64> = this.squares.iter().map(|s| (s + 1e-24).sqrt()).collect();
        let worst = norm.iter().copied().fold(0.0, f64::max);
        // u = 2^-24. Each product passes at most DEPTH + chunks additions, and is rounded itself where they are
        // not fused: the error is within (DEPTH + chunks + 2) u |x||y|, twice that in |x|^2 + |y|^2 - 2 x.y, and
        // |x||y| <= (|x| + |y|)^2 / 4. Centring and scaling each move x by at most u |x|, which
        // moves the squared distance by at most 4 u (|x| + |y|)^2; the rest is room. Of 64-bit values both leave
        // 2^-52 |x|, and the rounding to 32 bits u |x|.
        let chunks = dim.div_ceil(DEPTH);
        let u = f64::from(f32::EPSILON) / 2.0;
        let eta = u * ((DEPTH + chunks) as f64 / 2.0 + 16.0);
        let unit = 1.0 / this.scale.powi(2);
        this.bounds = if sane {
            Bounds::Rounded { eta, unit, norm, worst }
        } else {
            let (error, product) = (vec![f64::INFINITY; n], vec![0.0; n]);
            Bounds::Quantised { step: 1.0, error, worst: f64::INFINITY, product, worst_product: 0.0 }
        };
        this
    }

    /// Columns `from .. from + out.len()` of row `row`, centred and scaled.
    fn read(&self, row: usize, from: usize, out: &mut [f32]) {
        if self.scale == 0.0 {
            // Centring may overflow, and infinity times 0 would be NaN, which every screen rejects.
            return out.fill(0.0);
        }
        for columns in blocks(0..out.len(), WIDENED) {
            let of_row = from + columns.start..from + columns.end;
            let out = &mut out[columns];
            match self.rows.row(row, of_row.clone()) {
                Run::F64(values) => {
                    for ((out, x), mean) in out.iter_mut().zip(values).zip(&self.wide_mean[of_row]) {
                        *out = ((x - mean) * self.scale) as f32;
                    }
                }
                run => run.with_floats(|values| {
                    for ((out, x), mean) in out.iter_mut().zip(values).zip(&self.mean[of_row]) {
                        *out = (x - mean) * self.scale as f32;
                    }
                }),
            }
        }
    }

    /// The largest distance of a value from its column's mean.
    fn widest(&self) -> f64 {
        match self.rows.kind() {
            Kind::F64 => {
                let widest_in_row = |i: usize| match self.rows.row(i, 0..self.rows.dim()) {
                    Run::F64(values) => {
                        let off = values.iter().zip(&self.wide_mean).map(|(x, mean)| (x - mean).abs());
                        off.fold(0.0, f64::max)
                    }
                    _ => 0.0,
                };
                (0..self.rows.n()).into_par_iter().map(widest_in_row).reduce(|| 0.0, f64::max)
            }
            _ => {
                let widest = self.reduce_rows(|row| row.iter().fold(0.0f32, |m, v| m.max(v.abs())));
                f64::from(widest.into_iter().fold(0.0f32, f32::max))
            }
        }
    }

    fn reduce_rows<T: Send>(&self, reduce: impl Fn(&[f32]) -> T + Sync) -> Vec<T> {
        (0..self.rows.n())
            .into_par_iter()
            .map_init(
                || vec![0.0; self.rows.dim()],
                |row, i| {
                    self.read(i, 0, row);
                    reduce(row)
                },
            )
            .collect()
    }
}

fn column_means(rows: &Rows<'_>) -> Vec<f64> {
    // A task takes a band of columns: sums run down the rows in order, whatever the number of threads.
    const BAND: usize = 1024;
    let mut mean = vec![0.0f64; rows.dim()];
    mean.par_chunks_mut(BAND).enumerate().for_each(|(band, mean)| {
        let columns = band * BAND..band * BAND + mean.len();
        for i in rows.sets().flatten() {
            match rows.row(i, columns.clone()) {
                Run::F64(values) => add(mean, values),
                run => run.with_floats(|values| add(mean, values)),
            }
        }
        mean.iter_mut().for_each(|mean| *mean /= rows.samples() as f64);
    });
    mean
}

fn add<T: Float>(sums: &mut [f64], values: &[T]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value.f64();
    }
}

/// The start of a block's sums.
#[derive(Clone, Copy)]
pub(crate) struct FloatPlace(*mut f32);

// SAFETY: tasks access disjoint blocks, and end before anything else reads them.
unsafe impl Send for FloatPlace {}
// SAFETY: as above.
unsafe impl Sync for FloatPlace {}

impl Products for Centred<'_> {
    type Panels = Panels<f32>;
    type Sums = Vec<f32>;
    type Place = FloatPlace;

    fn dim(&self) -> usize {
        self.rows.dim()
    }

    fn packed_bytes(&self) -> usize {
        self.rows.dim() * size_of::<f32>()
    }

    fn pack(&self, packed: &mut Self::Panels, rows: Range<usize>, columns: Range<usize>) {
        let len = |columns: Range<usize>| rows.len().next_multiple_of(LANES) * columns.len();
        let chunks = packed.lay_out(blocks(columns.clone(), DEPTH).map(len));
        for (panels, columns) in chunks.into_iter().zip(blocks(columns, DEPTH)) {
            let depth = columns.len();
            panels.par_chunks_mut(LANES * depth).enumerate().for_each(|(p, panel)| {
                let mut values = [0.0; DEPTH];
                for r in 0..LANES {
                    let row = rows.start + p * LANES + r;
                    let values = &mut values[..depth];
                    if row < rows.end {
                        self.read(row, columns.start, values);
                    } else {
                        values.fill(0.0);
                    }
                    for (column, value) in panel.as_chunks_mut::<LANES>().0.iter_mut().zip(values) {
                        column[r] = *value;
                    }
                }
            });
        }
    }

    fn reserve(&self, sums: &mut Vec<f32>, entries: usize) -> FloatPlace {
        sums.resize(entries, 0.0);
        FloatPlace(sums.as_mut_ptr())
    }

    fn offset(place: FloatPlace, entry: usize) -> FloatPlace {
        FloatPlace(place.0.wrapping_add(entry))
    }

    unsafe fn add(&self, block: &Operands<'_, Self::Panels>, columns: Range<usize>, place: FloatPlace) {
        for (chunk, columns) in blocks(columns, DEPTH).enumerate() {
            let panel = columns.len() * LANES;
            let left = &block.left.0.chunk(chunk)[block.left.1 * panel..];
            let right = &block.right.0.chunk(chunk)[block.right.1 * panel..];
            let panels = if self.simd.wide() { 2 } else { 1 };
            for q in (0..block.broad).step_by(panels) {
                let next = block.broad.min(q + panels);
                let right = &right[q * panel..next * panel];
                for p in 0..if block.upper { next.min(block.tall) } else { block.tall } {
                    let left = &left[p * panel..(p + 1) * panel];
                    // SAFETY: panels p and q..next belong to this block.
                    unsafe {
                        let sums = place.0.add(p * LANES * block.stride + q * LANES);
                        micro(self.simd, left, right, sums, block.stride, columns.start == 0);
                    }
                }
            }
        }
    }

    unsafe fn show(
        &self,
        tile: &Tile,
        (rows, cols): (Range<usize>, Range<usize>),
        place: FloatPlace,
        stride: usize,
        reader: &impl Reader,
    ) {
        // SAFETY: as this function's own promise.
        unsafe { reader.read(tile, &Block::new(rows, cols, place.0, stride)) }
    }
}

/// Accumulates the products of a panel of rows and one or two panels of columns into a block of sums, 16 rows high;
/// with `fresh`, overwrites the block.
///
/// # Safety
/// `block` must be the start of 16 rows of 16 writable entries for each panel of columns, `stride` entries apart, that no
/// other thread touches meanwhile; the processor must have `simd`.
unsafe fn micro(simd: Simd, left: &[f32], right: &[f32], block: *mut f32, stride: usize, fresh: bool) {
    let (first, second) = right.split_at(left.len());
    // SAFETY: as this function's own promise.
    unsafe {
        match simd {
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 | Simd::Avx512Vnni | Simd::Amx if !second.is_empty() => {
                floats_512::<8, 2>(left, [first, second], block, stride, fresh);
                floats_512::<8, 2>(&left[8..], [first, second], block.add(8 * stride), stride, fresh);
            }
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 | Simd::Avx512Vnni | Simd::Amx => {
                floats_512::<16, 1>(left, [first], block, stride, fresh)
            }
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 | Simd::AvxVnni => {
                // Twelve accumulators, two vectors of columns and a broadcast row fill the registers.
                floats_256::<6>(left, first, block, stride, fresh);
                floats_256::<5>(&left[6..], first, block.add(6 * stride), stride, fresh);
                floats_256::<5>(&left[11..], first, block.add(11 * stride), stride, fresh);
            }
            _ => floats_portable(left, first, block, stride, fresh),
        }
    }
}

/// ROWS x COLS accumulators of 16 lanes: 8 x 2 if possible, so that a broadcast row serves two products, else 16 x 1.
///
/// # Safety
/// As [`micro`], for ROWS rows.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn floats_512<const ROWS: usize, const COLS: usize>(
    left: &[f32],
    right: [&[f32]; COLS],
    block: *mut f32,
    stride: usize,
    fresh: bool,
) {
    use std::arch::x86_64::*;
    let mut acc = [[_mm512_setzero_ps(); COLS]; ROWS];
    for at in (0..right[0].len()).step_by(LANES) {
        // SAFETY: every panel is whole groups of 16 values, all panels are equally long.
        let col: [__m512; COLS] =
            std::array::from_fn(|c| unsafe { _mm512_loadu_ps(right[c].as_ptr().add(at)) });
        for (r, acc) in acc.iter_mut().enumerate() {
            // SAFETY: as above; `left` starts at one of the panel's 16 rows, ROWS before its end.
            let row = _mm512_set1_ps(unsafe { *left.as_ptr().add(at + r) });
            for c in 0..COLS {
                acc[c] = _mm512_fmadd_ps(row, col[c], acc[c]);
            }
        }
    }
    for (r, acc) in acc.into_iter().enumerate() {
        for (c, mut sum) in acc.into_iter().enumerate() {
            // SAFETY: row r of the block has 16 entries for each panel of columns.
            unsafe {
                let out = block.add(r * stride + c * LANES);
                if !fresh {
                    sum = _mm512_add_ps(sum, _mm512_loadu_ps(out));
                }
                _mm512_storeu_ps(out, sum);
            }
        }
    }
}

/// ROWS x 2 accumulators of 8 lanes.
///
/// # Safety
/// As [`micro`], for ROWS rows.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn floats_256<const ROWS: usize>(
    left: &[f32],
    right: &[f32],
    block: *mut f32,
    stride: usize,
    fresh: bool,
) {
    use std::arch::x86_64::*;
    let mut acc = [[_mm256_setzero_ps(); 2]; ROWS];
    for at in (0..right.len()).step_by(LANES) {
        // SAFETY: the panel is whole groups of 16 values.
        let col = unsafe {
            let first = right.as_ptr().add(at);
            [_mm256_loadu_ps(first), _mm256_loadu_ps(first.add(8))]
        };
        for (r, acc) in acc.iter_mut().enumerate() {
            // SAFETY: as above; `left` starts at one of the panel's 16 rows, ROWS before its end.
            let row = _mm256_set1_ps(unsafe { *left.as_ptr().add(at + r) });
            for h in 0..2 {
                acc[h] = _mm256_fmadd_ps(row, col[h], acc[h]);
            }
        }
    }
    for (r, acc) in acc.into_iter().enumerate() {
        for (h, mut sum) in acc.into_iter().enumerate() {
            // SAFETY: row r of the block has 16 entries.
            unsafe {
                let out = block.add(r * stride + 8 * h);
                if !fresh {
                    sum = _mm256_add_ps(sum, _mm256_loadu_ps(out));
                }
                _mm256_storeu_ps(out, sum);
            }
        }
    }
}

/// # Safety
/// As [`micro`].
unsafe fn floats_portable(left: &[f32], right: &[f32], block: *mut f32, stride: usize, fresh: bool) {
    const ROWS: usize = 2;
    for first in (0..LANES).step_by(ROWS) {
        let mut acc = [[0.0f32; LANES]; ROWS];
        for (row, col) in left.as_chunks::<LANES>().0.iter().zip(right.as_chunks::<LANES>().0) {
            for (r, acc) in acc.iter_mut().enumerate() {
                for (acc, col) in acc.iter_mut().zip(col) {
                    *acc += row[first + r] * col;
                }
            }
        }
        for (r, acc) in acc.into_iter().enumerate() {
            for (c, acc) in acc.into_iter().enumerate() {
                // SAFETY: row first + r of the block has 16 entries.
                unsafe {
                    let out = block.add((first + r) * stride + c);
                    *out = if fresh { acc } else { *out + acc };
                }
            }
        }
    }
}
