//! A borrowed view of N samples of D values each: what every operation and measure reads.
//! Checked once, when it is made, so that the code behind it can trust its extents.

use crate::geometry::Geometry;
use crate::{Error, Result};
use half::{bf16, f16};
use rayon::prelude::*;
use std::fmt;

/// The values of a [`Points`] view, row-major.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// 8-bit values: distances between them are exact integers.
    U8(&'a [u8]),
    /// 32-bit floats, all finite.
    F32(&'a [f32]),
    /// 64-bit floats, each 0 or of a magnitude that [`Points::f64`] takes: distances are sums of squared 64-bit
    /// differences.
    F64(&'a [f64]),
    /// 16-bit floats (IEEE 754 binary16), all finite: answers are those of the same values as 32-bit floats.
    F16(&'a [f16]),
    /// 16-bit floats with the range of 32-bit ones (bfloat16), all finite: answers likewise.
    BF16(&'a [bf16]),
}

/// The type of a set's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    U8,
    F32,
    F64,
    F16,
    BF16,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::U8 => "u8",
            Kind::F32 => "f32",
            Kind::F64 => "f64",
            Kind::F16 => "f16",
            Kind::BF16 => "bf16",
        }
    }
}

/// `n` samples of `dim` values each, row-major: row `i` is `values[i * dim .. (i + 1) * dim]`.
///
/// ```
/// use sharpdim::Points;
/// let points = Points::u8(&[0, 0, 3, 4], 2)?;
/// assert_eq!((points.n(), points.dim()), (2, 2));
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Points<'a> {
    values: Values<'a>,
    n: usize,
    dim: usize,
    /// The resizing that these embeddings stand for; `None` where samples are no embeddings.
    geometry: Option<Geometry>,
}

/// Magnitudes of 64-bit values: the square of a difference of two such is a normal number, and no sum of such overflows.
const LEAST: f64 = 1e-130;
const GREATEST: f64 = 1e130;

impl<'a> Points<'a> {
    /// A view of 8-bit samples of `dim` values each.
    ///
    /// # Errors
    /// [`Error::Argument`] where `dim` is 0 or does not divide the number of values.
    pub fn u8(values: &'a [u8], dim: usize) -> Result<Self> {
        let n = rows(values.len(), dim)?;
        Ok(Points { values: Values::U8(values), n, dim, geometry: None })
    }

    /// A view of 32-bit float samples of `dim` values each.
    ///
    /// # Errors
    /// [`Error::Argument`] where `dim` is 0 or does not divide the number of values;
    /// [`Error::Data`] where a value is NaN or infinite, naming the first row and column.
    pub fn f32(values: &'a [f32], dim: usize) -> Result<Self> {
        let n = rows(values.len(), dim)?;
        refuse(values, dim, |v| v.is_finite(), "every value must be finite")?;
        Ok(Points { values: Values::F32(values), n, dim, geometry: None })
    }

    /// A view of 64-bit float samples of `dim` values each. Squared distances between them are sums of squared
    /// differences in 64 bits, with a relative error below 1e-12, however large an offset they share.
    ///
    /// ```
    /// use sharpdim::{Device, Points, ops::neighbours};
    /// let nearest = neighbours(&Device::cpu(), &Points::f64(&[1e9, 1e9 + 0.5, 1e9 + 2.0], 1)?, 1)?;
    /// assert_eq!((nearest.indices(2), nearest.squared_distances(2)), (&[1][..], &[2.25][..]));
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`f32`](Self::f32), and [`Error::Data`] for a value that is neither 0 nor between 1e-130 and 1e130 in
    /// magnitude, as squares of such may overflow or vanish.
    pub fn f64(values: &'a [f64], dim: usize) -> Result<Self> {
        let n = rows(values.len(), dim)?;
        refuse(
            values,
            dim,
            |v| v == 0.0 || (LEAST..=GREATEST).contains(&v.abs()),
            "64-bit values are 0, or between 1e-130 and 1e130 in magnitude: scale all of them by one factor",
        )?;
        Ok(Points { values: Values::F64(values), n, dim, geometry: None })
    }

    /// The same samples, as embeddings of images resized by `geometry`.
    #[cfg(feature = "datasets")]
    pub(crate) fn embedded(self, geometry: Geometry) -> Self {
        Points { geometry: Some(geometry), ..self }
    }

    /// A view of 16-bit float samples (IEEE 754 binary16) of `dim` values each. They are widened, without error,
    /// where they are read, never as a whole.
    ///
    /// ```
    /// use sharpdim::{Device, Points, f16, ops::neighbours};
    /// let values = [0.0, 0.5, 2.0].map(f16::from_f32);
    /// let nearest = neighbours(&Device::cpu(), &Points::f16(&values, 1)?, 1)?;
    /// assert_eq!((nearest.indices(2), nearest.squared_distances(2)), (&[1][..], &[2.25][..]));
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`f32`](Self::f32).
    pub fn f16(values: &'a [f16], dim: usize) -> Result<Self> {
        let n = rows(values.len(), dim)?;
        refuse(values, dim, |v| v.is_finite(), "every value must be finite")?;
        Ok(Points { values: Values::F16(values), n, dim, geometry: None })
    }

    /// A view of bfloat16 samples of `dim` values each. They are widened, without error, where they are read,
    /// never as a whole.
    ///
    /// ```
    /// use sharpdim::{Points, bf16};
    /// let infinite = Points::bf16(&[bf16::ONE, bf16::INFINITY], 2).unwrap_err();
    /// assert!(infinite.to_string().starts_with("sample 0 has the value inf at position 1"));
    /// ```
    ///
    /// # Errors
    /// As [`f32`](Self::f32).
    pub fn bf16(values: &'a [bf16], dim: usize) -> Result<Self> {
        let n = rows(values.len(), dim)?;
        refuse(values, dim, |v| v.is_finite(), "every value must be finite")?;
        Ok(Points { values: Values::BF16(values), n, dim, geometry: None })
    }

    /// The number of samples.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The number of values in a sample.
    pub fn dim(&self) -> usize {
        self.dim
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.values {
            Values::U8(_) => Kind::U8,
            Values::F32(_) => Kind::F32,
            Values::F64(_) => Kind::F64,
            Values::F16(_) => Kind::F16,
            Values::BF16(_) => Kind::BF16,
        }
    }

    /// The kind of samples, in words: only sets of the same kind have distances between them.
    pub(crate) fn each(&self) -> String {
        let own = format!("{} values of type {}", self.dim, self.kind().name());
        match self.geometry {
            Some(geometry) => format!("{own}, embedded as {geometry}"),
            None => own,
        }
    }

    /// All values, row-major.
    pub fn values(&self) -> Values<'a> {
        self.values
    }
}

/// Refuses values that are not `good`, naming the first, and what `must` be.
fn refuse<T: Copy + Send + Sync + fmt::Display>(
    values: &[T],
    dim: usize,
    good: fn(T) -> bool,
    must: &str,
) -> Result<()> {
    const PIECE: usize = 1 << 16;
    let bad = values.par_chunks(PIECE).enumerate().find_map_first(|(piece, values)| {
        let at = values.iter().position(|v| !good(*v))?;
        Some((piece * PIECE + at, values[at]))
    });
    match bad {
        None => Ok(()),
        Some((at, value)) => Err(Error::Data(format!(
            "sample {} has the value {value} at position {}: {must}",
            at / dim,
            at % dim
        ))),
    }
}

/// Selected samples of a set, copied.
pub(crate) struct Gathered {
    values: GatheredValues,
    dim: usize,
    geometry: Option<Geometry>,
}

enum GatheredValues {
    U8(Vec<u8>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    F16(Vec<f16>),
    BF16(Vec<bf16>),
}

impl Gathered {
    pub(crate) fn points(&self) -> Result<Points<'_>> {
        let points = match &self.values {
            GatheredValues::U8(values) => Points::u8(values, self.dim),
            GatheredValues::F32(values) => Points::f32(values, self.dim),
            GatheredValues::F64(values) => Points::f64(values, self.dim),
            GatheredValues::F16(values) => Points::f16(values, self.dim),
            GatheredValues::BF16(values) => Points::bf16(values, self.dim),
        };
        Ok(Points { geometry: self.geometry, ..points? })
    }
}

impl Points<'_> {
    /// The samples that `rows` name, in that order.
    pub(crate) fn gather(&self, rows: &[usize]) -> Gathered {
        fn copied<T: Copy>(values: &[T], dim: usize, rows: &[usize]) -> Vec<T> {
            rows.iter().flat_map(|i| &values[i * dim..(i + 1) * dim]).copied().collect()
        }
        let values = match self.values {
            Values::U8(values) => GatheredValues::U8(copied(values, self.dim, rows)),
            Values::F32(values) => GatheredValues::F32(copied(values, self.dim, rows)),
            Values::F64(values) => GatheredValues::F64(copied(values, self.dim, rows)),
            Values::F16(values) => GatheredValues::F16(copied(values, self.dim, rows)),
            Values::BF16(values) => GatheredValues::BF16(copied(values, self.dim, rows)),
        };
        Gathered { values, dim: self.dim, geometry: self.geometry }
    }

    /// The same samples, all values divided by `divisor`: as floats of 64 bits where they have as many, else of 32.
    #[cfg(feature = "study")]
    pub(crate) fn divided(&self, divisor: u8) -> Gathered {
        let floats = |values: &mut dyn Iterator<Item = f32>| -> GatheredValues {
            GatheredValues::F32(values.map(|value| value / f32::from(divisor)).collect())
        };
        let values = match self.values {
            Values::U8(values) => floats(&mut values.iter().map(|value| f32::from(*value))),
            Values::F32(values) => floats(&mut values.iter().copied()),
            Values::F64(values) => {
                GatheredValues::F64(values.iter().map(|value| value / f64::from(divisor)).collect())
            }
            Values::F16(values) => floats(&mut values.iter().map(|value| value.to_f32())),
            Values::BF16(values) => floats(&mut values.iter().map(|value| value.to_f32())),
        };
        Gathered { values, dim: self.dim, geometry: self.geometry }
    }
}

fn rows(len: usize, dim: usize) -> Result<usize> {
    if dim == 0 || !len.is_multiple_of(dim) {
        return Err(Error::Argument(format!("{len} values do not make whole samples of {dim} values")));
    }
    let n = len / dim;
    if n > u32::MAX as usize / 2 {
        return Err(Error::Argument(format!("{n} samples are more than the 2^31 - 1 that indices can name")));
    }
    Ok(n)
}
