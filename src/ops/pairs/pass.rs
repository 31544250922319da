//! A pass over all pairs on the CPU, with the most precise values that the data allows: exact products where samples lie on
//! a grid of 256 steps, products of floats elsewhere.

use super::float::Centred;
use super::int::{IntProducts, RowTerms, row_terms};
use super::tiles::{Products, Tiles};
use super::{Bounds, Quantised, Reader, Rows, Tile};
use crate::simd::Simd;

/// The products of a pass, chosen once for one or two sets of samples.
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

    /// Error bounds of values.
    pub(crate) fn bounds(&self) -> &Bounds {
        match &self.engine {
            Engine::Grid { bounds, .. } => bounds,
            Engine::Floats(rows) => &rows.bounds,
        }
    }

    /// Whether tiles and values are 32-bit integers.
    pub(crate) fn integers(&self) -> bool {
        matches!(&self.engine, Engine::Grid { products, .. } if products.narrow())
    }

    /// Row and column terms: a pair's value is the first sample's row term plus the second's column term minus
    /// twice the tile's entry.
    pub(crate) fn terms(&self) -> (&[f64], &[f64]) {
        match &self.engine {
            Engine::Grid { terms, .. } => (&terms.row, &terms.col),
            Engine::Floats(rows) => (&rows.squares, &rows.squares),
        }
    }

    /// Shows every pair once, block by block, several threads at once; after each tile calls `settle` with
    /// the reader, the tile, and the fraction of finished tiles.
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
