//! Numbers as files hold them: in memory, or in a mapped file of which only the rows that are asked for are
//! read. They become 8-bit, 16-bit or float values when a sample is taken.

use super::image::{Depth, Values};
use crate::{Error, Result};
use bytemuck::Pod;
use half::{bf16, f16};
use memmap2::{Mmap, MmapOptions};
use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::ops::Range;

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dtype {
    U8,
    U16,
    F16,
    Bf16,
    F32,
    F64,
}

/// Equally many values for each sample, row-major.
#[derive(Debug)]
pub(super) struct Buffer {
    pub bytes: Bytes,
    pub dtype: Dtype,
    pub big_endian: bool,
}

#[derive(Debug)]
pub(super) enum Bytes {
    Held(Vec<u8>),
    Mapped(Mapped),
}

/// A range of a file, mapped.
#[derive(Debug)]
pub(super) struct Mapped {
    map: Mmap,
    /// The file itself, and where in it the range ends: asked before each read whether it is still there.
    file: File,
    end: u64,
}

/// Why a sample's values cannot be read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// The value at a position, as it is stored: NaN, infinite, or beyond what a 32-bit float can hold.
    Value(usize, f64),
    /// The file became shorter after it was opened.
    Shrunk,
    Io(io::Error),
}

impl Dtype {
    /// Bytes in a value.
    pub fn bytes(self) -> usize {
        match self {
            Dtype::U8 => 1,
            Dtype::U16 | Dtype::F16 | Dtype::Bf16 => 2,
            Dtype::F32 => 4,
            Dtype::F64 => 8,
        }
    }

    pub fn depth(self) -> Depth {
        match self {
            Dtype::U8 => Depth::U8,
            Dtype::U16 => Depth::U16,
            _ => Depth::F32,
        }
    }
}

impl Buffer {
    /// Bytes held in memory, each a value.
    pub fn u8(values: Vec<u8>) -> Self {
        Buffer { bytes: Bytes::Held(values), dtype: Dtype::U8, big_endian: false }
    }

    /// The values at these positions: floats are finite.
    pub fn values(&self, range: Range<usize>) -> Result<Values<'_>, Unreadable> {
        let size = self.dtype.bytes();
        let raw = self.bytes.get(range.start * size..range.end * size)?;
        let big = self.big_endian;
        let floats = match (self.dtype, big) {
            (Dtype::U8, _) => return Ok(Values::U8(Cow::Borrowed(raw))),
            (Dtype::U16, false) => return Ok(Values::U16(as_they_lie(raw, u16::from_le_bytes))),
            (Dtype::U16, true) => return Ok(Values::U16(each(raw, u16::from_be_bytes))),
            (Dtype::F16, false) => each(raw, |v| f16::from_le_bytes(v).to_f32()),
            (Dtype::F16, true) => each(raw, |v| f16::from_be_bytes(v).to_f32()),
            (Dtype::Bf16, false) => each(raw, |v| bf16::from_le_bytes(v).to_f32()),
            (Dtype::Bf16, true) => each(raw, |v| bf16::from_be_bytes(v).to_f32()),
            (Dtype::F32, false) => as_they_lie(raw, f32::from_le_bytes),
            (Dtype::F32, true) => each(raw, f32::from_be_bytes),
            (Dtype::F64, _) => each(raw, |v| wide(v, big) as f32),
        };
        match floats.iter().position(|value| !value.is_finite()) {
            None => Ok(Values::F32(floats)),
            Some(at) => {
                let stored = match self.dtype {
                    Dtype::F64 => raw.as_chunks().0.get(at).map_or(f64::NAN, |v| wide(*v, big)),
                    _ => floats[at].into(),
                };
                Err(Unreadable::Value(at, stored))
            }
        }
    }
}

fn wide(bytes: [u8; 8], big_endian: bool) -> f64 {
    if big_endian { f64::from_be_bytes(bytes) } else { f64::from_le_bytes(bytes) }
}

/// Little-endian values: not copied where they are aligned and the processor is little-endian too.
fn as_they_lie<T: Pod, const N: usize>(raw: &[u8], value: impl Fn([u8; N]) -> T) -> Cow<'_, [T]> {
    match bytemuck::try_cast_slice(raw) {
        Ok(values) if cfg!(target_endian = "little") => Cow::Borrowed(values),
        _ => each(raw, value),
    }
}

fn each<T: Clone, const N: usize>(raw: &[u8], value: impl Fn([u8; N]) -> T) -> Cow<'static, [T]> {
    raw.as_chunks().0.iter().map(|bytes| value(*bytes)).collect()
}

impl Bytes {
    /// Maps a range of a file that is there, and is not empty.
    pub fn map(file: &File, range: Range<u64>) -> io::Result<Self> {
        let len = usize::try_from(range.end - range.start).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let file = file.try_clone()?;
        // SAFETY: the map is only read, as bytes, any of which is a value. That the file is not changed
        // meanwhile is asked of the caller of `Dataset::open`; one that was cut short is not read.
        let map = unsafe { MmapOptions::new().offset(range.start).len(len).map(&file)? };
        Ok(Bytes::Mapped(Mapped { map, file, end: range.end }))
    }

    pub fn get(&self, range: Range<usize>) -> Result<&[u8], Unreadable> {
        match self {
            Bytes::Held(bytes) => Ok(&bytes[range]),
            Bytes::Mapped(Mapped { map, file, end }) => {
                // To read beyond a file's end by a map ends the process, not the read.
                let len = file.metadata().map_err(Unreadable::Io)?.len();
                if len < *end { Err(Unreadable::Shrunk) } else { Ok(&map[range]) }
            }
        }
    }
}

/// Zeros, or an error where there is no memory for them.
pub(super) fn zeros<T: Copy + Default>(len: usize, what: &str) -> Result<Vec<T>> {
    let mut room: Vec<T> = Vec::new();
    room.try_reserve_exact(len).map_err(|_| {
        let gib = len as f64 * size_of::<T>() as f64 / f64::from(1 << 30);
        Error::Data(format!(
            "there is no memory for {what}, {gib:.1} GiB: take fewer images of each class, or a smaller size"
        ))
    })?;
    // There is room. Zeros that the system has at hand come without being written one by one, by one thread.
    drop(std::hint::black_box(room));
    Ok(vec![T::default(); len])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wherever in memory they begin: at four neighbouring places, one of which is aligned.
    #[test]
    fn values_are_the_same_at_every_place() {
        let wanted = [1.5f32, -2.0, 1e30, 0.0];
        for shift in 0..4 {
            let bytes = [vec![0; shift], wanted.iter().flat_map(|v| v.to_le_bytes()).collect()].concat();
            assert_eq!(as_they_lie(&bytes[shift..], f32::from_le_bytes)[..], wanted, "{shift}");
        }
    }
}
