//! NumPy arrays: `images` (N, H, W) or (N, H, W, C) of 8-bit, 16-bit or float values, `labels` (N,) of integers.
//! In one `.npz`, or in two `.npy` files side by side.

use super::read::{Stream, is_content, open_file as open_plain_file};
use super::source::{Packed, Pixels, Source, images_len};
use super::{Found, Split, numbered};
use crate::{Error, Result};
use npyz::npz::NpzArchive;
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar};
use std::io::BufReader;
use std::path::Path;

/// A longer header than this is no plain array's: those have about 118 bytes.
const LONGEST_HEADER: usize = 4096;

/// Opens a `.npy` file of images, and the labels beside it (`images` in its name becomes `labels`).
pub(super) fn open_file(images: &Path) -> Result<Found> {
    let name = images.file_name().unwrap_or_default().to_string_lossy();
    let beside = name.replace("images", "labels");
    if beside == name {
        return Err(Error::format(
            images,
            "its labels file cannot be told from its name: name them as images.npy and labels.npy",
        ));
    }
    let labels = images.with_file_name(&beside);
    if !labels.exists() {
        return Err(Error::format(images, format!("its labels are not beside it: expected {beside}")));
    }
    let packed = read_images(Array::open(Stream::open(images)?)?)?;
    let values = read_labels(Array::open(Stream::open(&labels)?)?)?;
    found("NPY", packed, &values, &labels)
}

/// Opens a `.npz` archive with the arrays `images` and `labels`, or `train_images` and so on.
pub(super) fn open_archive(path: &Path, split: Split) -> Result<Found> {
    let mut archive =
        NpzArchive::new(BufReader::new(open_plain_file(path)?)).map_err(|e| match is_content(&e) {
            true => Error::format(path, format!("is not a readable .npz (zip) archive: {e}")),
            false => Error::io(path, e),
        })?;
    let mut names: Vec<String> = archive.array_names().map(String::from).collect();
    names.sort();
    let images = array_name(path, &names, "images", split)?;
    let labels = array_name(path, &names, "labels", split)?;
    let packed = read_images(Array::open(member(path, &mut archive, &images)?)?)?;
    let values = read_labels(Array::open(member(path, &mut archive, &labels)?)?)?;
    found("NPZ", packed, &values, path)
}

fn array_name(path: &Path, names: &[String], what: &str, split: Split) -> Result<String> {
    let of_part = format!("{split}_{what}");
    let mut wanted = vec![of_part.as_str()];
    if split == Split::Train {
        wanted.insert(0, what);
    }
    let name = wanted.iter().find(|name| names.iter().any(|n| n == *name));
    name.map(|name| name.to_string()).ok_or_else(|| {
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Error::format(path, format!("has no array {}; the arrays in it: {there}", wanted.join(" or ")))
    })
}

fn member<'a>(
    path: &Path,
    archive: &'a mut NpzArchive<BufReader<std::fs::File>>,
    name: &str,
) -> Result<Stream<'a>> {
    let name = format!("{name}.npy");
    match archive.zip_archive().by_name(&name) {
        Ok(file) => Ok(Stream::member(path, format!("{name} in it: "), Box::new(file))),
        Err(e) => Err(Error::format(path, format!("{name} in it cannot be read: {e}"))),
    }
}

fn found(format: &'static str, packed: Packed, values: &[i64], labels_at: &Path) -> Result<Found> {
    let count = packed.parts[0].1;
    if values.len() != count {
        return Err(Error::format(
            labels_at,
            format!("holds {} labels, but there are {count} images", values.len()),
        ));
    }
    let (labels, class_names) = numbered(values);
    Ok(Found { format, source: Source::Packed(packed), labels, class_names, notes: Vec::new() })
}

fn read_images(mut array: Array<'_>) -> Result<Packed> {
    let (count, height, width, channels) = match array.shape[..] {
        [count, height, width] => (count, height, width, 1),
        [count, height, width, channels @ (1 | 3)] => (count, height, width, channels),
        _ => {
            return Err(array.file.wrong(format!(
                "its shape is {}: images are (N, H, W), or (N, H, W, C) with C 1 or 3 \
                 (from (N, C, H, W), as PyTorch has them: array.transpose(0, 2, 3, 1))",
                array.shape()
            )));
        }
    };
    if array.order == Order::Fortran {
        return Err(array.file.wrong("is in Fortran order: save it as numpy.ascontiguousarray(images)"));
    }
    let (kind, bytes) = (array.kind, array.bytes);
    if !matches!((kind, bytes), (TypeChar::Uint, 1 | 2) | (TypeChar::Float, 4)) {
        return Err(array
            .file
            .wrong(format!("its values are {}: images are uint8, uint16 or float32", array.dtype)));
    }
    let len = images_len(array.file.path(), count, [height, width, channels], bytes)?;
    let raw = array.values(len)?;
    let pixels = match (kind, array.big_endian) {
        (TypeChar::Float, false) => Pixels::F32(each(&raw, f32::from_le_bytes)),
        (TypeChar::Float, true) => Pixels::F32(each(&raw, f32::from_be_bytes)),
        _ if bytes == 1 => Pixels::U8(raw),
        (_, false) => Pixels::U16(each(&raw, u16::from_le_bytes)),
        (_, true) => Pixels::U16(each(&raw, u16::from_be_bytes)),
    };
    Ok(Packed { pixels, height, width, channels, parts: vec![(array.file.path().to_owned(), count)] })
}

fn read_labels(mut array: Array<'_>) -> Result<Vec<i64>> {
    let ([count] | [count, 1]) = array.shape[..] else {
        return Err(array
            .file
            .wrong(format!("its shape is {}: labels are (N,), one integer an image", array.shape())));
    };
    let (kind, bytes) = (array.kind, array.bytes);
    let signed = match (kind, bytes) {
        (TypeChar::Int, 1 | 2 | 4 | 8) => true,
        (TypeChar::Uint | TypeChar::Bool, 1 | 2 | 4 | 8) => false,
        _ => {
            return Err(array.file.wrong(format!("its values are {}: labels are integers", array.dtype)));
        }
    };
    let len = count.checked_mul(bytes).ok_or_else(|| {
        array.file.wrong(format!("its header claims {count} labels: more than memory can address"))
    })?;
    let raw = array.values(len)?;
    raw.chunks_exact(bytes)
        .map(|value| {
            let mut wide = [0; 8];
            wide[..bytes].copy_from_slice(value);
            if array.big_endian {
                wide[..bytes].reverse();
            }
            let unused = 64 - 8 * bytes as u32;
            match signed {
                // Shifted up and down again, the value's own sign bit fills the bytes above it.
                true => Ok((i64::from_le_bytes(wide) << unused) >> unused),
                false => i64::try_from(u64::from_le_bytes(wide))
                    .map_err(|_| array.file.wrong("holds a label above 2^63 - 1")),
            }
        })
        .collect()
}

fn each<T, const N: usize>(raw: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
    raw.as_chunks().0.iter().map(|bytes| value(*bytes)).collect()
}

/// A plain array whose header has been read, and whose values have not.
struct Array<'a> {
    file: Stream<'a>,
    kind: TypeChar,
    /// Bytes in a value.
    bytes: usize,
    big_endian: bool,
    dtype: String,
    shape: Vec<usize>,
    order: Order,
}

impl<'a> Array<'a> {
    fn open(mut file: Stream<'a>) -> Result<Self> {
        let header = read_header(&mut file)?;
        let dtype = header.dtype();
        let DType::Plain(plain) = &dtype else {
            return Err(file.wrong("is an array of records: expected plain numbers"));
        };
        let shape = header.shape().iter().map(|n| usize::try_from(*n).unwrap_or(usize::MAX)).collect();
        Ok(Array {
            kind: plain.type_char(),
            bytes: plain.num_bytes().unwrap_or(0),
            big_endian: plain.endianness() == Endianness::Big,
            dtype: dtype.descr(),
            shape,
            order: header.order(),
            file,
        })
    }

    fn values(&mut self, len: usize) -> Result<Vec<u8>> {
        let claim = format!("its header claims an array {} of {}", self.shape(), self.dtype);
        self.file.rest(len, &claim)
    }

    /// The shape as NumPy writes it.
    fn shape(&self) -> String {
        let extents: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        format!("({}{})", extents.join(", "), if extents.len() == 1 { "," } else { "" })
    }
}

/// Reads a header, and hands it to `npyz` only when its parser cannot overflow on it.
fn read_header(file: &mut Stream<'_>) -> Result<NpyHeader> {
    let start: [u8; 8] = file.header("an NPY header")?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err(file.wrong("is not an NPY array: it does not begin with \\x93NUMPY"));
    }
    let (size, size_bytes) = match start[6] {
        1 => {
            let bytes: [u8; 2] = file.header("an NPY header")?;
            (usize::from(u16::from_le_bytes(bytes)), bytes.to_vec())
        }
        _ => {
            let bytes: [u8; 4] = file.header("an NPY header")?;
            (u32::from_le_bytes(bytes) as usize, bytes.to_vec())
        }
    };
    if size > LONGEST_HEADER {
        return Err(file.wrong(format!("claims a header of {size} bytes: a plain array's has about 118")));
    }
    let text = file.up_to(size)?;
    if text.len() < size {
        return Err(file.wrong(format!("ends after {} of the {size} bytes of its header", text.len())));
    }
    // `npyz` multiplies the extents unchecked and descends into brackets without limit. Numbers of
    // at most 19 digits in all have a product below 2^64, and no plain array needs more.
    if text.iter().filter(|c| c.is_ascii_digit()).count() > 19 {
        return Err(file.wrong("its header claims more values than memory can address"));
    }
    if text.iter().filter(|c| b"([{".contains(c)).count() > 8 {
        return Err(file.wrong("its header is not that of a plain array"));
    }
    let whole = [&start[..], &size_bytes, &text].concat();
    NpyHeader::from_reader(&whole[..]).map_err(|e| file.wrong(format!("its NPY header cannot be read: {e}")))
}
