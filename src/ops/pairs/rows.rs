//! The rows of pair operations, numbered in one sequence: the samples of one set, or queries followed by reference samples.
//! Engines see rows, not sets: a grid, a centre or a bound of the sequence holds for both.

use super::{BLOCK, TILE, Tile, blocks};
use crate::points::{Gathered, Kind};
use crate::{Error, Points, Result, Values};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use std::ops::Range;

/// One set of samples, each paired with every other, or two sets, each query paired with every reference
/// sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    first: Points<'a>,
    /// The reference samples, and the number of their first row: a whole number of blocks, so that no
    /// panel and no block holds rows of both sets. Padding rows between the sets are in no pair; they read as
    /// the last query.
    reference: Option<(Points<'a>, usize)>,
}

impl<'a> From<&Points<'a>> for Rows<'a> {
    fn from(points: &Points<'a>) -> Self {
        Rows { first: *points, reference: None }
    }
}

impl<'a> From<&Rows<'a>> for Rows<'a> {
    fn from(rows: &Rows<'a>) -> Self {
        *rows
    }
}

/// Consecutive values of one set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run<'a> {
    U8(&'a [u8]),
    F32(&'a [f32]),
    F64(&'a [f64]),
    F16(&'a [f16]),
    BF16(&'a [bf16]),
}

/// The types in which engines compute: f64 for 64-bit values, f32 for all others.
pub(crate) trait Float: Copy + Send + Sync {
    const INFINITY: Self;
    const NEG_INFINITY: Self;
    fn f64(self) -> f64;
    fn least(self, other: Self) -> Self;
    fn greatest(self, other: Self) -> Self;
    /// The number of steps from `low`, with any rounding. It is not below 0 where the value is not below `low`.
    fn steps(self, low: Self, scale: f64) -> f32;
    /// The distance from the grid point `along` above `low`: up to the rounding of the value in f32, or of both distances from
    /// `low` in f64.
    fn off(self, low: Self, along: f64) -> f64;
    /// Passes up to [`WIDENED`] values of a run of this kind to `see`.
    fn see<T>(run: Run<'_>, see: impl FnOnce(&[Self]) -> T) -> T;
}

impl Float for f32 {
    const INFINITY: Self = f32::INFINITY;
    const NEG_INFINITY: Self = f32::NEG_INFINITY;

    #[inline(always)]
    fn f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn least(self, other: Self) -> Self {
        self.min(other)
    }

    #[inline(always)]
    fn greatest(self, other: Self) -> Self {
        self.max(other)
    }

    #[inline(always)]
    fn steps(self, low: Self, scale: f64) -> f32 {
        (self - low) * scale as f32
    }

    /// The grid point is computed first: subtracting a far larger start would lose the value, and a sample could seem to lie
    /// on the grid.
    #[inline(always)]
    fn off(self, low: Self, along: f64) -> f64 {
        f64::from(self) - (f64::from(low) + along)
    }

    #[inline(always)]
    fn see<T>(run: Run<'_>, see: impl FnOnce(&[Self]) -> T) -> T {
        run.with_floats(see)
    }
}

impl Float for f64 {
    const INFINITY: Self = f64::INFINITY;
    const NEG_INFINITY: Self = f64::NEG_INFINITY;

    #[inline(always)]
    fn f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn least(self, other: Self) -> Self {
        self.min(other)
    }

    #[inline(always)]
    fn greatest(self, other: Self) -> Self {
        self.max(other)
    }

    #[inline(always)]
    fn steps(self, low: Self, scale: f64) -> f32 {
        ((self - low) * scale) as f32
    }

    #[inline(always)]
    fn off(self, low: Self, along: f64) -> f64 {
        (self - low) - along
    }

    fn see<T>(run: Run<'_>, see: impl FnOnce(&[Self]) -> T) -> T {
        match run {
            Run::F64(values) => see(values),
            _ => unreachable!("only 64-bit values are read as such"),
        }
    }
}

/// The longest run converted to floats, so that 16-bit values are widened within the L1 cache.
pub(crate) const WIDENED: usize = 4096;

impl<'a> Rows<'a> {
    /// Pairs every one of `queries` with every one of `reference`.
    pub(crate) fn between(queries: &Points<'a>, reference: &Points<'a>) -> Result<Self> {
        let what = Points::each;
        if what(queries) != what(reference) {
            return Err(Error::Argument(format!(
                "queries have {} each and reference samples {}: both must be alike",
                what(queries),
                what(reference)
            )));
        }
        if queries.n() == 0 || reference.n() == 0 {
            let which = if queries.n() == 0 { "queries" } else { "reference samples" };
            return Err(Error::Data(format!("there are no {which}: at least one is needed")));
        }
        let start = queries.n().next_multiple_of(BLOCK);
        if start + reference.n() > u32::MAX as usize / 2 {
            return Err(Error::Argument(format!(
                "{} queries and {} reference samples are more than the 2^31 - 1 that indices can name",
                queries.n(),
                reference.n()
            )));
        }
        Ok(Rows { first: *queries, reference: Some((*reference, start)) })
    }

    /// One more than the last row's number.
    pub(crate) fn n(&self) -> usize {
        self.reference.map_or(self.first.n(), |(reference, start)| start + reference.n())
    }

    pub(crate) fn dim(&self) -> usize {
        self.first.dim()
    }

    /// Whether there are two sets.
    pub(crate) fn two(&self) -> bool {
        self.reference.is_some()
    }

    /// Whether values are bytes.
    pub(crate) fn bytes(&self) -> bool {
        self.kind() == Kind::U8
    }

    /// The type of the values.
    pub(crate) fn kind(&self) -> Kind {
        self.first.kind()
    }

    /// Bytes of a value.
    #[cfg(gpu)]
    pub(crate) fn value_bytes(&self) -> usize {
        match self.kind() {
            Kind::U8 => 1,
            Kind::F16 | Kind::BF16 => 2,
            Kind::F32 => 4,
            Kind::F64 => 8,
        }
    }

    /// The query rows: all, or the queries.
    pub(crate) fn asked(&self) -> Range<usize> {
        0..self.first.n()
    }

    /// Their partners: all, or the reference samples.
    pub(crate) fn partners(&self) -> Range<usize> {
        self.reference.map_or(0, |(_, start)| start)..self.n()
    }

    /// The rows of each set.
    pub(crate) fn sets(&self) -> impl Iterator<Item = Range<usize>> + Clone {
        std::iter::once(self.asked()).chain(self.two().then(|| self.partners()))
    }

    /// Total number of samples.
    pub(crate) fn samples(&self) -> usize {
        self.sets().map(|set| set.len()).sum()
    }

    /// The partners of row `i`, without itself.
    pub(crate) fn others(&self, i: usize) -> impl Iterator<Item = usize> + Clone {
        let partners = self.partners();
        (partners.start..partners.end).filter(move |&j| j != i)
    }

    /// `count` evenly spaced samples of each set.
    pub(crate) fn some(&self, count: usize) -> Vec<Gathered> {
        let sets = std::iter::once(&self.first).chain(self.reference.as_ref().map(|(set, _)| set));
        sets.map(|set| set.gather(&(0..count).map(|p| p * set.n() / count).collect::<Vec<_>>())).collect()
    }

    /// Columns `columns` of row `i`.
    pub(crate) fn row(&self, i: usize, columns: Range<usize>) -> Run<'a> {
        let (set, i) = match self.reference {
            Some((reference, start)) if i >= start => (reference, i - start),
            Some(_) => (self.first, i.min(self.first.n() - 1)),
            None => (self.first, i),
        };
        let at = i * set.dim();
        Run::new(&set, at + columns.start..at + columns.end)
    }

    /// All values of some rows of one set.
    #[cfg(gpu)]
    pub(crate) fn block(&self, rows: Range<usize>) -> Run<'a> {
        let (set, start) = match self.reference {
            Some((reference, start)) if rows.start >= start => (reference, start),
            _ => (self.first, 0),
        };
        Run::new(&set, (rows.start - start) * set.dim()..(rows.end - start) * set.dim())
    }

    /// Tiles that together cover every pair once.
    pub(crate) fn tiles(&self) -> Vec<Tile> {
        if !self.two() {
            return super::tiles(self.n());
        }
        let across = |rows: Range<usize>| {
            blocks(self.partners(), TILE).map(move |cols| Tile { rows: rows.clone(), cols, diagonal: false })
        };
        blocks(self.asked(), TILE).flat_map(across).collect()
    }
}

impl<'a> Run<'a> {
    fn new(set: &Points<'a>, at: Range<usize>) -> Self {
        match set.values() {
            Values::U8(values) => Run::U8(&values[at]),
            Values::F32(values) => Run::F32(&values[at]),
            Values::F64(values) => Run::F64(&values[at]),
            Values::F16(values) => Run::F16(&values[at]),
            Values::BF16(values) => Run::BF16(&values[at]),
        }
    }

    /// Passes up to [`WIDENED`] values as f32, which holds all kinds except 64-bit values: for those see [`Float::see`].
    #[inline(always)]
    pub(crate) fn with_floats<T>(self, see: impl FnOnce(&[f32]) -> T) -> T {
        match self {
            Run::F32(values) => see(values),
            narrow => narrow.widened(see),
        }
    }

    // Not inlined, so that f32 values take no stack for the buffer.
    #[inline(never)]
    fn widened<T>(self, see: impl FnOnce(&[f32]) -> T) -> T {
        let mut buffer = [0.0f32; WIDENED];
        let len = match self {
            Run::U8(values) => {
                buffer.iter_mut().zip(values).for_each(|(wide, value)| *wide = f32::from(*value));
                values.len()
            }
            Run::F16(values) => {
                values.convert_to_f32_slice(&mut buffer[..values.len()]);
                values.len()
            }
            Run::BF16(values) => {
                values.convert_to_f32_slice(&mut buffer[..values.len()]);
                values.len()
            }
            Run::F32(values) => return see(values),
            Run::F64(_) => unreachable!("64-bit values are not rounded on the way"),
        };
        see(&buffer[..len])
    }

    /// The values as stored in memory.
    #[cfg(gpu)]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        match self {
            Run::U8(values) => values,
            Run::F32(values) => bytemuck::cast_slice(values),
            Run::F64(values) => bytemuck::cast_slice(values),
            Run::F16(values) => bytemuck::cast_slice(values),
            Run::BF16(values) => bytemuck::cast_slice(values),
        }
    }
}
