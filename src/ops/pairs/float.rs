//! Inner products of centred f32 rows with a GEMM, and the forward error bound of the distances they give.
//! Takes over where 256 steps are too coarse a grid: heavy tails, a few large columns.

use super::{Bounds, LANES, Rows, Tile, WIDENED, blocks};
use crate::ops::gemm::{Operand, gemm};
use rayon::prelude::*;

/// Columns that one GEMM sums over; chunks are then added in f32.
const DEPTH: usize = 1024;

/// Rows and columns of the blocks that a diagonal tile's upper half is cut into.
const BLOCK: usize = 512;

/// Samples shifted by their mean and scaled to [-1, 1]: distances shrink by one known factor, and
/// neither an offset nor the data's unit costs accuracy.
pub(crate) struct Centred<'a> {
    rows: Rows<'a>,
    mean: Vec<f32>,
    scale: f32,
    /// |x|^2 of each centred, scaled row as f32 arithmetic made it.
    pub squares: Vec<f64>,
    /// How far a tile's values can be from the squared distance.
    pub bounds: Bounds,
}

impl<'a> Centred<'a> {
    pub(crate) fn new(rows: impl Into<Rows<'a>>) -> Self {
        let rows = rows.into();
        let (n, dim) = (rows.n(), rows.dim());
        let mean = column_means(&rows);
        let mut this =
            Centred { rows, mean, scale: 1.0, squares: Vec::new(), bounds: Bounds::Exact { unit: 1.0 } };
        let widest = this.reduce_rows(|row| row.iter().fold(0.0f32, |m, v| m.max(v.abs())));
        let widest = widest.into_iter().fold(0.0f32, f32::max);
        this.scale = if widest > 0.0 { (1.0 / f64::from(widest)) as f32 } else { 1.0 };
        // A subnormal range overflows the scale, an extreme one centring itself: the bound is then
        // infinite, every pair is a candidate, and differences decide.
        let sane = this.scale.is_finite() && this.scale > 0.0 && widest.is_finite();
        if !sane {
            this.scale = 0.0;
        }
        this.squares = this.reduce_rows(|row| {
            row.chunks(8).map(|v| v.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>()).sum::<f64>()
        });
        // The tiny term covers products that vanish below the least f32.
        let norm: Vec<f64> = this.squares.iter().map(|s| (s + 1e-24).sqrt()).collect();
        let worst = norm.iter().copied().fold(0.0, f64::max);
        // u = 2^-24. Each product of the GEMM passes at most DEPTH + chunks additions: their error
        // is within (DEPTH + chunks + 2) u |x||y|, twice that in |x|^2 + |y|^2 - 2 x.y, and
        // |x||y| <= (|x| + |y|)^2 / 4. Centring and scaling each move x by at most u |x|, which
        // moves the squared distance by at most 4 u (|x| + |y|)^2; the rest is room.
        let chunks = dim.div_ceil(DEPTH);
        let u = f64::from(f32::EPSILON) / 2.0;
        let eta = u * ((DEPTH + chunks) as f64 / 2.0 + 16.0);
        let unit = 1.0 / f64::from(this.scale).powi(2);
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
        let mean = &self.mean[from..];
        if self.scale == 0.0 {
            // Centring may overflow, and infinity times 0 would be NaN, which no screen lets through.
            return out.fill(0.0);
        }
        for columns in blocks(0..out.len(), WIDENED) {
            let (out, mean) = (&mut out[columns.clone()], &mean[columns.clone()]);
            self.rows.row(row, from + columns.start..from + columns.end).with_floats(|values| {
                for ((out, x), mean) in out.iter_mut().zip(values).zip(mean) {
                    *out = (x - mean) * self.scale;
                }
            });
        }
    }

    fn reduce_rows<T: Send>(&self, of: impl Fn(&[f32]) -> T + Sync) -> Vec<T> {
        (0..self.rows.n())
            .into_par_iter()
            .map_init(
                || vec![0.0; self.rows.dim()],
                |row, i| {
                    self.read(i, 0, row);
                    of(row)
                },
            )
            .collect()
    }
}

fn column_means(rows: &Rows<'_>) -> Vec<f32> {
    // A band of columns to each task: sums run down the rows in order, whatever the thread count.
    const BAND: usize = 1024;
    let mut mean = vec![0.0f32; rows.dim()];
    mean.par_chunks_mut(BAND).enumerate().for_each(|(band, mean)| {
        let mut sums = vec![0.0f64; mean.len()];
        let columns = band * BAND..band * BAND + sums.len();
        for i in rows.sets().flatten() {
            rows.row(i, columns.clone()).with_floats(|values| add(&mut sums, values));
        }
        for (mean, sum) in mean.iter_mut().zip(sums) {
            *mean = (sum / rows.samples() as f64) as f32;
        }
    });
    mean
}

fn add(sums: &mut [f64], values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += f64::from(*value);
    }
}

/// Buffers for one tile of inner products, kept from tile to tile.
#[derive(Default)]
pub(crate) struct FloatTile {
    left: Vec<f32>,
    right: Vec<f32>,
    sums: Vec<f32>,
}

impl FloatTile {
    /// The inner products of `tile`'s rows and columns, row-major with `tile.stride()` entries a row.
    pub(crate) fn multiply(&mut self, rows: &Centred<'_>, tile: &Tile) -> &[f32] {
        let stride = tile.stride();
        let tall = tile.rows.len().next_multiple_of(LANES);
        self.sums.clear();
        self.sums.resize(tall * stride, 0.0);
        for columns in blocks(0..rows.rows.dim(), DEPTH) {
            let depth = columns.len();
            pack(&mut self.left, rows, tile.rows.clone(), columns.start, depth);
            if !tile.diagonal {
                pack(&mut self.right, rows, tile.cols.clone(), columns.start, depth);
            }
            let right = if tile.diagonal { &self.left } else { &self.right };
            for p in blocks(0..tile.rows.len(), BLOCK) {
                // On the diagonal, what lies left of the block of rows is never read.
                let from = if tile.diagonal { p.start } else { 0 };
                let broad = tile.cols.len() - from;
                let left = &self.left[p.start * depth..p.end * depth];
                let right = &right[from * depth..][..broad * depth];
                let sums = &mut self.sums[p.start * stride + from..];
                assert!(sums.len() >= (p.len() - 1) * stride + broad);
                // SAFETY: the extents are those of the slices above: `left` has p.len() rows and
                // `right` broad rows of `depth` values, `sums` p.len() rows `stride` apart.
                unsafe {
                    let operand = |values: &[f32]| Operand { first: values.as_ptr(), row: depth, column: 1 };
                    let right = Operand { row: 1, column: depth, ..operand(right) };
                    gemm([p.len(), depth, broad], operand(left), right, (sums.as_mut_ptr(), stride), true);
                }
            }
        }
        &self.sums
    }
}

fn pack(out: &mut Vec<f32>, rows: &Centred<'_>, range: std::ops::Range<usize>, from: usize, depth: usize) {
    out.resize(range.len() * depth, 0.0);
    out.par_chunks_mut(depth).zip(range).for_each(|(out, row)| rows.read(row, from, out));
}
