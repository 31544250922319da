//! Computes tiles of inner products block by block, on all threads, and passes each block to a reader while it is still in
//! that core's cache. A [`Products`] defines the operands and instructions.

use super::{BLOCK, LANES, Reader, TILE, Tile, blocks};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most packed rows kept between tiles; more are packed again for each tile.
const KEPT_BYTES: usize = 96 << 20;

/// Columns packed at a time where not all are kept: a multiple of every engine's chunks. More columns at a time mean fewer
/// reads and writes of the tile's sums.
pub(crate) const STAGE: usize = 4096;

/// Rows of samples whose inner products are wanted, packed into panels of [`LANES`] rows for some kernel.
pub(crate) trait Products: Sync {
    /// Panels of some rows, for a stage of their columns.
    type Panels: Default + Send + Sync;
    /// Sums of a block, or of a whole tile.
    type Sums: Default + Send;
    /// The position of a block's sums.
    type Place: Copy + Send + Sync;

    /// Columns of a row.
    fn dim(&self) -> usize;

    /// Bytes per packed row.
    fn packed_bytes(&self) -> usize;

    /// Packs some columns of some rows; missing rows become zeros.
    fn pack(&self, panels: &mut Self::Panels, rows: Range<usize>, columns: Range<usize>);

    /// Reserves space for sums, and returns their start. It need not be cleared: a block's first columns overwrite it.
    fn reserve(&self, sums: &mut Self::Sums, entries: usize) -> Self::Place;

    /// The position of another entry within the reserved space.
    fn offset(place: Self::Place, entry: usize) -> Self::Place;

    /// Accumulates the products over `columns` into the sums of a block.
    ///
    /// # Safety
    /// From `place` on there must be `tall` panels of rows, `stride` entries apart, of entries for `broad` panels, that
    /// nobody else touches meanwhile. Both sides' panels hold `columns`, and as many panels as that.
    unsafe fn add(&self, block: &Operands<'_, Self::Panels>, columns: Range<usize>, place: Self::Place);

    /// Passes a finished block to `reader`.
    ///
    /// # Safety
    /// As [`add`](Self::add), for the block's rows and columns, all of whose columns were accumulated.
    unsafe fn show(
        &self,
        tile: &Tile,
        block: (Range<usize>, Range<usize>),
        place: Self::Place,
        stride: usize,
        reader: &impl Reader,
    );
}

/// Both sides of a block's products.
pub(crate) struct Operands<'a, P> {
    /// Panels, and the first of them that is the block's.
    pub left: (&'a P, usize),
    pub right: (&'a P, usize),
    /// Panels of rows and of columns.
    pub tall: usize,
    pub broad: usize,
    /// Only panels on and above the block's diagonal are wanted.
    pub upper: bool,
    /// Entries between one row of sums and the next.
    pub stride: usize,
}

/// Computes tiles of products, in buffers that are reused between tiles.
pub(crate) struct Tiles<'a, P: Products> {
    products: &'a P,
    /// Every row's panels, where they are few enough.
    kept: Option<P::Panels>,
    /// A stage of the tile's rows and columns, where they are not kept.
    left: P::Panels,
    right: P::Panels,
    /// Of the whole tile, where a block is not finished before the next begins.
    sums: P::Sums,
}

impl<'a, P: Products> Tiles<'a, P> {
    /// For the first `n` rows.
    pub(crate) fn new(products: &'a P, n: usize) -> Self {
        let mut kept = None;
        if n > TILE && n * products.packed_bytes() <= KEPT_BYTES {
            products.pack(kept.insert(P::Panels::default()), 0..n, 0..products.dim());
        }
        let (left, right, sums) = Default::default();
        Tiles { products, kept, left, right, sums }
    }

    /// Computes the products of `tile`, and passes each block of [`Tile::blocks`] to `reader` as soon as it is done,
    /// on the same thread.
    pub(crate) fn multiply(&mut self, tile: &Tile, reader: &impl Reader) {
        let Tiles { products, kept, left, right, sums } = self;
        let (products, dim) = (*products, products.dim());
        // Where all columns are packed at once, a block is finished before the next begins.
        let whole = kept.is_none() && dim > STAGE;
        let stride = if whole { tile.stride() } else { BLOCK + LANES };
        let all = whole.then(|| products.reserve(sums, tile.rows.len().next_multiple_of(LANES) * stride));
        let mut tasks: Vec<_> = tile.blocks().collect();
        // Diagonal tiles first: the limits that they give each sample save work in all others.
        tasks.sort_by_key(|(rows, cols)| !(tile.diagonal && rows == cols));
        for columns in blocks(0..dim, if kept.is_some() { dim } else { STAGE }) {
            if kept.is_none() {
                products.pack(left, tile.rows.clone(), columns.clone());
                if !tile.diagonal {
                    products.pack(right, tile.cols.clone(), columns.clone());
                }
            }
            let (left, right, first_row, first_col) = match (&*kept, tile.diagonal) {
                (Some(kept), _) => (kept, kept, tile.rows.start, tile.cols.start),
                (None, true) => (&*left, &*left, 0, 0),
                (None, false) => (&*left, &*right, 0, 0),
            };
            // A task takes its block through all these columns before the next, so that the block's
            // sums stay in the L2 cache.
            // Threads take blocks in order, to finish together.
            let next = AtomicUsize::new(0);
            let threads = rayon::current_num_threads().min(tasks.len());
            (0..threads).into_par_iter().with_max_len(1).for_each(|_| {
                let mut own = P::Sums::default();
                while let Some((rows, cols)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let place = match all {
                        Some(all) => P::offset(all, rows.start * stride + cols.start),
                        None => products.reserve(&mut own, BLOCK * stride),
                    };
                    let block = Operands {
                        left: (left, (first_row + rows.start) / LANES),
                        right: (right, (first_col + cols.start) / LANES),
                        tall: rows.len().div_ceil(LANES),
                        broad: cols.len().div_ceil(LANES),
                        // On the diagonal, columns up to a row's own panel are not wanted.
                        upper: tile.diagonal && rows.start == cols.start,
                        stride,
                    };
                    // SAFETY: no other task touches this block: in the tile's sums rows have whole panels of entries
                    // and one more, enough for all panels of columns; a separate block has BLOCK rows of more
                    // than BLOCK entries.
                    unsafe {
                        products.add(&block, columns.clone(), place);
                        if columns.end == dim {
                            products.show(tile, (rows.clone(), cols.clone()), place, stride, reader);
                        }
                    }
                }
            });
        }
    }
}
