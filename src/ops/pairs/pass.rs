//! A pass over all pairs on the CPU, for readers that want values as good as the data allows: exact products
//! where samples lie on a grid of 256 steps, products of floats elsewhere.

use super::float::Centred;
use super::int::{IntProducts, RowTerms, row_terms};
use super::tiles::{Products, Tiles};
use super::{Bounds, Quantised, Reader, Rows, Tile};
use crate::simd::Simd;

/// What fills the tiles of a pass, chosen once for a set of samples, or for two sets.
pub(crate) struct Pass<'a> {
    rows: Rows<'a>,
    engine: Engine<'a>,
}

enum Engine<'a> {
    Grid { products: IntProducts<'a>, bounds: Bounds, terms: RowTerms },
    Floats(Centred<'a>),
}

impl<'a> Pass<'a> {
    pub(crate) fn new(samples: impl Into<Rows<'a>>) -> Self {
        let (samples, simd) = (samples.into(), Simd::current());
        // Bytes, and floats that lie on a grid of 256 steps.
        let (rows, bounds) = Quantised::new(samples);
        let engine = if bounds.exact() {
            let terms = row_terms(&rows, samples.n(), simd);
            Engine::Grid { products: IntProducts::new(rows, simd), bounds, terms }
        } else {
            Engine::Floats(Centred::new(samples, simd))
        };
        Pass { rows: samples, engine }
    }

    /// How far values can be from squared distances.
    pub(crate) fn bounds(&self) -> &Bounds {
        match &self.engine {
            Engine::Grid { bounds, .. } => bounds,
            Engine::Floats(rows) => &rows.bounds,
        }
    }

    /// Whether tiles hold 32-bit integers, and values are such too.
    pub(crate) fn integers(&self) -> bool {
        matches!(&self.engine, Engine::Grid { products, .. } if products.narrow())
    }

    /// A pair's value is the first sample's term of the first kind, and the second's of the second, less
    /// twice the tile's entry.
    pub(crate) fn terms(&self) -> (&[f64], &[f64]) {
        match &self.engine {
            Engine::Grid { terms, .. } => (&terms.row, &terms.col),
            Engine::Floats(rows) => (&rows.squares, &rows.squares),
        }
    }

    /// Shows every pair once, block by block, several threads at once; after each tile calls `settle` with
    /// the reader, the tile, and the fraction of tiles behind.
    pub(crate) fn blocks<R: Reader>(&self, reader: &mut R, settle: impl FnMut(&mut R, &Tile, f64)) {
        match &self.engine {
            Engine::Grid { products, .. } => blocks(&self.rows, products, reader, settle),
            Engine::Floats(rows) => blocks(&self.rows, rows, reader, settle),
        }
    }
}

/// Shows every pair of `rows` once, as [`Pass::blocks`] does.
pub(crate) fn blocks<R: Reader>(
    rows: &Rows<'_>,
    products: &impl Products,
    reader: &mut R,
    mut settle: impl FnMut(&mut R, &Tile, f64),
) {
    let mut made = Tiles::new(products, rows.n());
    let tiles = rows.tiles();
    for (at, tile) in tiles.iter().enumerate() {
        made.multiply(tile, reader);
        settle(reader, tile, (at + 1) as f64 / tiles.len() as f64);
    }
}
