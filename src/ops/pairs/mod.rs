//! All pairs of N samples, a square tile of them at a time: what `neighbours` and `sharpness` share
//! on the CPU. A tile holds inner products; with each sample's own term they give squared distances.
//!
//! Two engines fill tiles. [`int`] multiplies 8-bit values exactly: the data itself where it is 8-bit,
//! else floats quantised to 8 bits, whose rounding is a known vector, so that the triangle inequality
//! bounds every true distance from both sides. [`float`] multiplies centred f32 rows, with the forward error bound
//! of its sums. [`tiles`] distributes the work of both. Readers of a tile see a value and its [`Bounds`].

#[cfg(gpu)]
pub(crate) mod cuda;
pub(crate) mod direct;
pub(crate) mod float;
pub(crate) mod int;
pub(crate) mod keeper;
mod panels;
pub(crate) mod pass;
mod quantise;
mod rows;
pub(crate) mod scan;
#[cfg(test)]
mod tests;
pub(crate) mod tiles;

pub(crate) use quantise::Quantised;
pub(crate) use rows::{Float, Rows, Run, WIDENED};
use scan::Sum;
use std::marker::PhantomData;
use std::ops::Range;

/// Samples processed together: a panel's rows, a vector's lanes.
pub(crate) const LANES: usize = 16;

/// Rows and columns of a tile at most. Its sums take 16 MiB (48 where rows are long); larger tiles
/// would spare packing, smaller ones would fit a cache.
pub(crate) const TILE: usize = 2048;

/// Rows and columns of a block at most. As bytes, a chunk of columns of both sides and the block's sums
/// stay in the second-level cache.
pub(crate) const BLOCK: usize = 8 * LANES;

/// A screened value this many times its error bound is precise enough for the mean; closer pairs are
/// recomputed. The bound adds worst cases of thousands of roundings; actual errors are far smaller.
pub(crate) const NEAR: f64 = 1000.0;

/// On the CPU a value must also be above this many times (|x| + |y|)^2: shorter chunks of a product improve the worst case,
/// but hardly the rounding errors of the samples themselves.
const NEAR_FLOATS: f64 = 1.0 / 32.0;

/// Rows and columns of a tile; on the diagonal both are the same samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub rows: Range<usize>,
    pub cols: Range<usize>,
    pub diagonal: bool,
}

impl Tile {
    /// Stride of a tile's rows. The odd panel keeps rows that are processed together from mapping to the same set of the
    /// L1 cache.
    pub(crate) fn stride(&self) -> usize {
        self.cols.len().next_multiple_of(LANES) + LANES
    }

    /// The blocks of at most [`BLOCK`] rows and columns (within the tile) that a thread takes at a time;
    /// on the diagonal those on and above it.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        blocks(0..self.rows.len(), BLOCK).flat_map(|rows| {
            let first = if self.diagonal { rows.start } else { 0 };
            blocks(first..self.cols.len(), BLOCK).map(move |cols| (rows.clone(), cols))
        })
    }
}

/// One block of a tile's sums.
pub(crate) struct Block<'a, S> {
    /// Within the tile.
    pub rows: Range<usize>,
    pub cols: Range<usize>,
    first: *const S,
    stride: usize,
    sums: PhantomData<&'a [S]>,
}

impl<S> Block<'_, S> {
    /// # Safety
    /// From `first` on there must be `rows.len()` rows, `stride` entries apart, of as many entries as
    /// `cols` has, rounded up to whole groups of lanes; nobody may write them while this lives. `first` is a pointer into
    /// all of them, not made from a reference to one entry or row: through such a one the others may not be read.
    pub(crate) unsafe fn new(rows: Range<usize>, cols: Range<usize>, first: *const S, stride: usize) -> Self {
        Block { rows, cols, first, stride, sums: PhantomData }
    }

    /// The sums of the block's row `r`, rounded up to whole groups of lanes.
    pub(crate) fn row(&self, r: usize) -> &[S] {
        assert!(r < self.rows.len());
        // SAFETY: as `new` was promised.
        unsafe {
            let entries = self.cols.len().next_multiple_of(LANES);
            std::slice::from_raw_parts(self.first.add(r * self.stride), entries)
        }
    }
}

/// A reader of a tile's blocks as they are computed, by several threads at once.
pub(crate) trait Reader: Sync {
    fn read<S: Sum>(&self, tile: &Tile, block: &Block<'_, S>);
}

/// Two readers of the same blocks.
impl<A: Reader, B: Reader> Reader for (A, B) {
    fn read<S: Sum>(&self, tile: &Tile, block: &Block<'_, S>) {
        self.0.read(tile, block);
        self.1.read(tile, block);
    }
}

/// An optional reader.
impl<A: Reader> Reader for Option<A> {
    fn read<S: Sum>(&self, tile: &Tile, block: &Block<'_, S>) {
        if let Some(reader) = self {
            reader.read(tile, block);
        }
    }
}

/// Tiles that together cover every unordered pair of `n` samples once.
pub(crate) fn tiles(n: usize) -> Vec<Tile> {
    let ranges: Vec<_> = blocks(0..n, TILE).collect();
    let mut all = Vec::new();
    for (p, rows) in ranges.iter().enumerate() {
        for (q, cols) in ranges.iter().enumerate().skip(p) {
            let (rows, cols) = (rows.clone(), cols.clone());
            let diagonal = p == q;
            all.push(Tile { rows, cols, diagonal });
        }
    }
    all
}

/// `range` divided into pieces of `size`, the last one shorter.
pub(crate) fn blocks(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(size).map(move |from| from..end.min(from + size))
}

/// Error bounds of a tile's values as squared distances.
#[derive(Clone, Debug)]
pub(crate) enum Bounds {
    /// The value times `unit` is the squared distance.
    Exact {
        /// Square of one step of the grid that the data lies on.
        unit: f64,
    },
    /// The value is the squared distance, in steps, of two quantised samples.
    Quantised {
        /// One step of the grid.
        step: f64,
        /// |x - its quantised form| of each sample.
        error: Vec<f64>,
        /// The largest of them.
        worst: f64,
        /// The error of the value is at most twice the product of both samples' entries.
        product: Vec<f64>,
        /// The largest of them.
        worst_product: f64,
    },
    /// The value has a rounding error of at most `eta` times both samples' norms.
    Rounded {
        /// Relative forward error of a pair's squared distance.
        eta: f64,
        /// Squared length of one unit of the scaled data.
        unit: f64,
        /// sqrt(|x|^2 + something tiny) of each scaled, centred sample.
        norm: Vec<f64>,
        /// The largest of them.
        worst: f64,
    },
}

impl Bounds {
    /// Whether a value is the squared distance itself.
    pub(crate) fn exact(&self) -> bool {
        matches!(self, Bounds::Exact { .. })
    }

    /// Whether values have finite error bounds.
    pub(crate) fn bounded(&self) -> bool {
        match self {
            Bounds::Quantised { worst, .. } => worst.is_finite(),
            Bounds::Exact { .. } | Bounds::Rounded { .. } => true,
        }
    }

    /// Square of one unit that values are in, in the data's units.
    pub(crate) fn unit(&self) -> f64 {
        match self {
            Bounds::Exact { unit } | Bounds::Rounded { unit, .. } => *unit,
            Bounds::Quantised { step, .. } => step * step,
        }
    }

    /// `near` and the norms: pairs of value `near` (norm_i + norm_j)^2 or less must be recomputed for precise means and counts.
    /// Exact values need no norms: any `entries`, one per sample, will do.
    pub(crate) fn near<'a>(&'a self, entries: &'a [f64]) -> (f64, &'a [f64]) {
        match self {
            Bounds::Exact { .. } => (0.0, entries),
            // These values have no finite error bounds: all pairs are recomputed.
            Bounds::Quantised { error, .. } => (f64::INFINITY, error),
            Bounds::Rounded { eta, norm, .. } => ((NEAR * eta).max(NEAR_FLOATS), norm),
        }
    }

    /// Lower and upper bound of the squared distance of samples `i` and `j`, given a value.
    pub(crate) fn interval(&self, i: usize, j: usize, value: f64) -> (f64, f64) {
        match self {
            Bounds::Exact { unit } => (value * unit, value * unit),
            Bounds::Quantised { step, error, product, .. } => {
                let slack = error[i] + error[j];
                let left_out = 2.0 * product[i] * product[j];
                let low = (value - left_out).max(0.0).sqrt() * step;
                let high = (value + left_out).max(0.0).sqrt() * step;
                ((low - slack).max(0.0).powi(2), (high + slack).powi(2))
            }
            Bounds::Rounded { eta, unit, norm, .. } => {
                // Norms combine as (|x| + |y|)^2: the terms |x|^2 and |y|^2 are rounded too.
                let slack = eta * (norm[i] + norm[j]).powi(2);
                ((value - slack).max(0.0) * unit, (value + slack) * unit)
            }
        }
    }

    /// Upper bound of the squared distance of a pair of sample `i` with this value and any other sample.
    pub(crate) fn greatest(&self, i: usize, value: f64) -> f64 {
        match self {
            Bounds::Exact { unit } => value * unit,
            Bounds::Quantised { step, error, worst, product, worst_product } => {
                let left_out = 2.0 * product[i] * worst_product;
                ((value + left_out).max(0.0).sqrt() * step + error[i] + worst).powi(2)
            }
            Bounds::Rounded { eta, unit, norm, worst } => (value + eta * (norm[i] + worst).powi(2)) * unit,
        }
    }

    /// A value above which the lower bound of any pair of sample `i` exceeds `squared`.
    pub(crate) fn limit(&self, i: usize, squared: f64) -> f64 {
        if squared.is_infinite() {
            return squared;
        }
        let limit = match self {
            Bounds::Exact { unit } => return squared / unit * (1.0 + 1e-15),
            Bounds::Quantised { step, error, worst, product, worst_product } => {
                let reach = (squared.sqrt() + error[i] + worst) / step;
                reach.powi(2) + 2.0 * product[i] * worst_product
            }
            Bounds::Rounded { eta, unit, norm, worst } => squared / unit + eta * (norm[i] + worst).powi(2),
        };
        // A margin for the roundings of these few operations: an extra pair costs nothing.
        limit * (1.0 + 1e-9)
    }
}
