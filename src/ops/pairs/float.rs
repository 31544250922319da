//! Inner products of centred f32 rows with a GEMM, and the forward error bound of the distances they give.
//! Takes over where 256 steps are too coarse a grid: heavy tails, a few large columns.

use super::{Bounds, Float, LANES, Rows, Run, Tile, WIDENED, blocks};
use crate::points::Kind;
use rayon::prelude::*;

/// Columns that one GEMM sums over; chunks are then added in f32.
const DEPTH: usize = 1024;

/// Rows and columns of the blocks that a diagonal tile's upper half is cut into.
const BLOCK: usize = 512;

/// Samples shifted by their mean and scaled to [-1, 1]: distances shrink by one known factor, and
/// neither an offset nor the data's unit costs accuracy.
pub(crate) struct Centred<'a> {
    rows: Rows<'a>,
    /// Of each column; empty for 64-bit values, which are centred in 64 bits.
    mean: Vec<f32>,
    wide_mean: Vec<f64>,
    /// A 32-bit float for all but 64-bit values.
    scale: f64,
    /// |x|^2 of each centred, scaled row as f32 arithmetic made it.
    pub squares: Vec<f64>,
    /// How far a tile's values can be from the squared distance.
    pub bounds: Bounds,
}

impl<'a> Centred<'a> {
    pub(crate) fn new(rows: impl Into<Rows<'a>>) -> Self {
        let rows = rows.into();
        let (n, dim) = (rows.n(), rows.dim());
        let (means, wide) = (column_means(&rows), rows.kind() == Kind::F64);
        let (mean, wide_mean) = match wide {
            true => (Vec::new(), means),
            false => (means.into_iter().map(|mean| mean as f32).collect(), Vec::new()),
        };
        let bounds = Bounds::Exact { unit: 1.0 };
        let mut this = Centred { rows, mean, wide_mean, scale: 1.0, squares: Vec::new(), bounds };
        let widest = this.widest();
        this.scale = match widest > 0.0 {
            true if wide => 1.0 / widest,
            true => f64::from((1.0 / widest) as f32),
            false => 1.0,
        };
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
            // Centring may overflow, and infinity times 0 would be NaN, which no screen lets through.
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

    /// The greatest distance of a value from its column's mean.
    fn widest(&self) -> f64 {
        match self.rows.kind() {
            Kind::F64 => {
                let of = |i: usize| match self.rows.row(i, 0..self.rows.dim()) {
                    Run::F64(values) => {
                        let off = values.iter().zip(&self.wide_mean).map(|(x, mean)| (x - mean).abs());
                        off.fold(0.0, f64::max)
                    }
                    _ => 0.0,
                };
                (0..self.rows.n()).into_par_iter().map(of).reduce(|| 0.0, f64::max)
            }
            _ => {
                let widest = self.reduce_rows(|row| row.iter().fold(0.0f32, |m, v| m.max(v.abs())));
                f64::from(widest.into_iter().fold(0.0f32, f32::max))
            }
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

fn column_means(rows: &Rows<'_>) -> Vec<f64> {
    // A band of columns to each task: sums run down the rows in order, whatever the thread count.
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
                    gemm::gemm(
                        p.len(),
                        broad,
                        depth,
                        sums.as_mut_ptr(),
                        1,
                        stride as isize,
                        true,
                        left.as_ptr(),
                        1,
                        depth as isize,
                        right.as_ptr(),
                        depth as isize,
                        1,
                        1.0,
                        1.0,
                        false,
                        false,
                        false,
                        gemm::Parallelism::Rayon(0),
                    );
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
