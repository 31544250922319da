//! A borrowed view of N samples of D values each: what every operation and measure reads.
//! Checked once, when it is made, so that the code behind it can trust its extents.

use crate::{Error, Result};
use rayon::prelude::*;

/// The values of a [`Points`] view, row-major.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// 8-bit values: distances between them are exact integers.
    U8(&'a [u8]),
    /// 32-bit floats, all finite.
    F32(&'a [f32]),
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
}

impl<'a> Points<'a> {
    /// A view of 8-bit samples of `dim` values each.
    ///
    /// # Errors
    /// [`Error::Argument`] where `dim` is 0 or does not divide the number of values.
    pub fn u8(values: &'a [u8], dim: usize) -> Result<Self> {
        let n = rows(values.len(), dim)?;
        let values = Values::U8(values);
        Ok(Points { values, n, dim })
    }

    /// A view of 32-bit float samples of `dim` values each.
    ///
    /// # Errors
    /// [`Error::Argument`] where `dim` is 0 or does not divide the number of values;
    /// [`Error::Data`] where a value is NaN or infinite, naming the first row and column.
    pub fn f32(values: &'a [f32], dim: usize) -> Result<Self> {
        let n = rows(values.len(), dim)?;
        let bad = values.par_chunks(1 << 16).enumerate().find_map_first(|(chunk, values)| {
            let at = values.iter().position(|v| !v.is_finite())?;
            Some((chunk * (1 << 16) + at, values[at]))
        });
        if let Some((at, value)) = bad {
            return Err(Error::Data(format!(
                "sample {} has the value {value} at position {}: every value must be finite",
                at / dim,
                at % dim
            )));
        }
        let values = Values::F32(values);
        Ok(Points { values, n, dim })
    }

    /// The number of samples.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The number of values in a sample.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All values, row-major.
    pub fn values(&self) -> Values<'a> {
        self.values
    }
}

/// What a set's values are, in a word.
pub(crate) fn kind(points: &Points<'_>) -> &'static str {
    match points.values {
        Values::U8(_) => "u8",
        Values::F32(_) => "f32",
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
