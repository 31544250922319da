//! A pass over all pairs on the CPU, for readers that want values as good as the data allows: exact products
//! where samples lie on a grid of 256 steps, a GEMM of floats elsewhere.

use super::float::{Centred, FloatTile};
use super::int::{IntTiles, RowTerms, Sums, row_terms};
use super::scan::Sum;
use super::{Bounds, Quantised, Reader, Rows, Tile, show};
use crate::simd::Simd;

/// What fills the tiles of a pass, chosen once for a set of samples, or for two sets.
pub(crate) struct Pass<'a> {
    rows: Rows<'a>,
    engine: Engine<'a>,
}

enum Engine<'a> {
    Grid { rows: Quantised<'a>, bounds: Bounds, terms: RowTerms },
    Floats(Centred<'a>),
}

/// Who looks at whole tiles, one after another.
pub(crate) trait TileReader {
    /// Entries are row-major, with [`Tile::stride`] of them a row.
    fn read<S: Sum>(&mut self, tile: &Tile, sums: &[S]);
}

impl<'a> Pass<'a> {
    pub(crate) fn new(samples: impl Into<Rows<'a>>) -> Self {
        let samples = samples.into();
        let (rows, bounds) = Quantised::new(samples);
        let engine = if bounds.exact() {
            let terms = row_terms(&rows, samples.n(), Simd::current());
            Engine::Grid { rows, bounds, terms }
        } else {
            Engine::Floats(Centred::new(samples))
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

    /// A pair's value is the first sample's term of the first kind, and the second's of the second, less
    /// twice the tile's entry.
    pub(crate) fn terms(&self) -> (&[f64], &[f64]) {
        match &self.engine {
            Engine::Grid { terms, .. } => (&terms.row, &terms.col),
            Engine::Floats(rows) => (&rows.squares, &rows.squares),
        }
    }

    /// Shows every pair once, block by block, several threads at once; after each tile calls `settle` with
    /// the reader and the fraction of tiles behind.
    pub(crate) fn blocks<R: Reader>(&self, reader: &mut R, mut settle: impl FnMut(&mut R, f64)) {
        let tiles = self.rows.tiles();
        let behind = |at: usize| (at + 1) as f64 / tiles.len() as f64;
        match &self.engine {
            Engine::Grid { rows, .. } => {
                let mut products = IntTiles::new(rows, self.rows.n(), Simd::current());
                for (at, tile) in tiles.iter().enumerate() {
                    products.multiply_for(tile, reader);
                    settle(reader, behind(at));
                }
            }
            Engine::Floats(rows) => {
                let mut products = FloatTile::default();
                for (at, tile) in tiles.iter().enumerate() {
                    show(tile, products.multiply(rows, tile), reader);
                    settle(reader, behind(at));
                }
            }
        }
    }

    /// Shows every pair once, tile by tile; calls `done` with the fraction of tiles behind.
    pub(crate) fn whole_tiles(&self, reader: &mut impl TileReader, done: impl Fn(f64)) {
        let tiles = self.rows.tiles();
        let behind = |at: usize| (at + 1) as f64 / tiles.len() as f64;
        match &self.engine {
            Engine::Grid { rows, .. } => {
                let mut products = IntTiles::new(rows, self.rows.n(), Simd::current());
                for (at, tile) in tiles.iter().enumerate() {
                    match products.multiply(tile) {
                        Sums::Narrow(sums) => reader.read(tile, sums),
                        Sums::Wide(sums) => reader.read(tile, sums),
                    }
                    done(behind(at));
                }
            }
            Engine::Floats(rows) => {
                let mut products = FloatTile::default();
                for (at, tile) in tiles.iter().enumerate() {
                    reader.read(tile, products.multiply(rows, tile));
                    done(behind(at));
                }
            }
        }
    }
}
