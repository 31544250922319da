//! Safetensors files: a header of JSON that names tensors and where their bytes are, then those bytes.
//! The header is checked in full before any tensor is looked at; the bytes are mapped, not read.

use crate::data::buffer::Bytes;
use crate::data::stream::Stream;
use crate::{Error, Result};
use safetensors::tensor::TensorInfo;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::Path;

/// The format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

pub(in crate::data) type Tensors = BTreeMap<String, TensorInfo>;

/// Gives every tensor of a file, in the order of their bytes, to `visit`, which says what is wrong with one.
#[cfg(feature = "networks")]
pub(crate) fn visit(
    path: &Path,
    mut visit: impl FnMut(&str, &TensorInfo, &[u8]) -> Result<(), String>,
) -> Result<()> {
    let (file, tensors) = open(path)?;
    let mut ordered: Vec<(&String, &TensorInfo)> = tensors.iter().collect();
    ordered.sort_by_key(|(_, info)| info.data_offsets);
    for (name, info) in ordered {
        let bytes = map(&file, info)?;
        let (start, end) = info.data_offsets;
        let bytes =
            bytes.get(0..end - start).map_err(|_| file.wrong("was cut short while it was being read"))?;
        visit(name, info, bytes).map_err(|reason| file.wrong(format!("tensor {name} {reason}")))?;
    }
    Ok(())
}

/// A metadata entry of a file.
#[cfg(feature = "networks")]
pub(crate) fn metadata(path: &Path, name: &str) -> Result<Option<String>> {
    let mut file = Stream::open(path)?;
    let header = read_header(&mut file)?;
    let entries: BTreeMap<String, &RawValue> = serde_json::from_slice(&header)
        .map_err(|e| file.wrong(format!("its header is not that of a safetensors file: {e}")))?;
    let Some(all) = entries.get("__metadata__") else { return Ok(None) };
    let mut all: BTreeMap<String, String> = serde_json::from_str(all.get())
        .map_err(|e| file.wrong(format!("its metadata are not texts by name: {e}")))?;
    Ok(all.remove(name))
}

/// A file, and the tensors that its header names, each of which is where it claims to be.
pub(in crate::data) fn open(path: &Path) -> Result<(Stream<'static>, Tensors)> {
    let mut file = Stream::open(path)?;
    let header = read_header(&mut file)?;
    let tensors = parse(&file, &header)?;
    let len = file.unread().map_or(0, |(_, range)| range.end - range.start);
    check(&file, &tensors, len)?;
    Ok((file, tensors))
}

/// The header's text; what follows it is left unread.
fn read_header(file: &mut Stream<'_>) -> Result<Vec<u8>> {
    let size = u64::from_le_bytes(file.header("a safetensors header")?);
    let Some((_, rest)) = file.unread() else {
        return Err(file.wrong("is compressed: safetensors files are read as they are, unpack it"));
    };
    let left = rest.end - rest.start;
    if size > left || size > LONGEST_HEADER {
        return Err(file.wrong(format!(
            "claims a header of {size} bytes, but {left} follow (and at most {LONGEST_HEADER} are allowed)"
        )));
    }
    file.up_to(size as usize)
}

/// The tensors that a header names.
fn parse(file: &Stream<'_>, header: &[u8]) -> Result<Tensors> {
    let entries: BTreeMap<String, &RawValue> = serde_json::from_slice(header)
        .map_err(|e| file.wrong(format!("its header is not that of a safetensors file: {e}")))?;
    let tensors = entries.into_iter().filter(|(name, _)| name != "__metadata__");
    tensors
        .map(|(name, entry)| match serde_json::from_str(entry.get()) {
            Ok(info) => Ok((name, info)),
            Err(e) => Err(file.wrong(format!("tensor {name}: its entry in the header cannot be read: {e}"))),
        })
        .collect()
}

/// Refuses tensors that are not where they claim to be: beyond the file, in one another, or of another length
/// than their shape has. As the format asks, they must cover the `len` bytes after the header.
fn check(file: &Stream<'_>, tensors: &Tensors, len: u64) -> Result<()> {
    let mut ordered: Vec<(&String, &TensorInfo)> = tensors.iter().collect();
    ordered.sort_by_key(|(_, info)| info.data_offsets);
    let mut covered = 0;
    for (name, info) in ordered {
        let (start, end) = info.data_offsets;
        let wrong = |reason: String| Err(file.wrong(format!("tensor {name}: {reason}")));
        if end < start || end as u64 > len {
            return wrong(format!("its bytes are {start} to {end}, but {len} follow the header"));
        }
        if start < covered {
            return wrong(format!("its bytes, from {start}, overlap those of another, to {covered}"));
        }
        if start > covered {
            return wrong(format!("its bytes begin at {start}: those from {covered} belong to no tensor"));
        }
        let bits = info.shape.iter().try_fold(info.dtype.bitsize(), |bits, n| bits.checked_mul(*n));
        if bits != (end - start).checked_mul(8) {
            let (shape, dtype) = (&info.shape, info.dtype);
            return wrong(format!(
                "its shape {shape:?} of {dtype:?} is not that of its {} bytes",
                end - start
            ));
        }
        covered = end;
    }
    match len - covered as u64 {
        0 => Ok(()),
        more => Err(file.wrong(format!("{more} bytes at its end belong to no tensor"))),
    }
}

/// The bytes of a tensor that was checked.
pub(in crate::data) fn map(file: &Stream<'_>, info: &TensorInfo) -> Result<Bytes> {
    let (start, end) = info.data_offsets;
    match file.unread() {
        Some((plain, rest)) if start < end => {
            let range = rest.start + start as u64..rest.start + end as u64;
            Bytes::map(plain, range).map_err(|e| Error::io(file.path(), e))
        }
        _ => Ok(Bytes::Held(Vec::new())),
    }
}
