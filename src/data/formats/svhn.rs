//! SVHN as published: MATLAB 5 files `train_32x32.mat` and `test_32x32.mat` with the array `X` of uint8,
//! (32, 32, 3, N) column-major, and the labels `y`, of which 10 means the digit 0.
//! This reads those two arrays, and checks every claimed size against the bytes.

use super::format::Format;
use crate::data::buffer::Buffer;
use crate::data::codecs::each;
use crate::data::folder::Listing;
use crate::data::found::{Found, Split};
use crate::data::source::{Packed, Source};
use crate::data::stream::{is_content, open_file};
use crate::{Error, Result};
use flate2::read::ZlibDecoder;
use rayon::prelude::*;
use std::io::{self, BufReader, Read};
use std::path::Path;

const SIDE: usize = 32;
const IMAGE: usize = SIDE * SIDE * 3;
/// Deflate's greatest compression ratio.
const DENSEST: u64 = 1032;

/// Types of elements.
const UINT8: u32 = 2;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// The class of arrays of uint8.
const CLASS_UINT8: u8 = 9;

/// The file of a part.
fn file_of(split: Split) -> String {
    format!("{split}_32x32.mat")
}

pub(in crate::data) struct Svhn;

impl Format for Svhn {
    fn in_folder(&self) -> &'static str {
        "train_32x32.mat"
    }

    fn as_file(&self) -> &'static str {
        "SVHN's .mat"
    }

    fn mark<'a>(&self, listing: &'a Listing) -> Option<&'a str> {
        listing.names().find(|name| [Split::Train, Split::Test].iter().any(|split| file_of(*split) == *name))
    }

    fn open_folder(&self, folder: &Path, listing: &Listing, split: Split) -> Result<Found> {
        let file = file_of(split);
        if listing.names().any(|name| name == file) {
            open(&folder.join(file))
        } else {
            Err(Error::format(folder, format!("holds SVHN, but not its {split} part: {file}")))
        }
    }

    /// Any MATLAB file: the reader gives the error where it is not SVHN's.
    fn is_called(&self, name: &str) -> bool {
        name.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("mat"))
    }

    fn open_file(&self, path: &Path, _split: Split) -> Result<Found> {
        open(path)
    }
}

/// Opens one file.
pub(in crate::data) fn open(path: &Path) -> Result<Found> {
    let (pixels, labels) = arrays(path)?;
    let count = pixels.len() / IMAGE;
    if labels.len() != count {
        return Err(Error::format(path, format!("holds {} labels, but {count} images", labels.len())));
    }
    let digit = |(at, label): (usize, &f64)| match *label {
        10.0 => Ok(0),
        label if label.fract() == 0.0 && (0.0..10.0).contains(&label) => Ok(label as u32),
        label => Err(Error::format(
            path,
            format!("has the label {label} for image {at}: 1 to 9 are expected, and 10 for the digit 0"),
        )),
    };
    let labels = labels.iter().enumerate().map(digit).collect::<Result<_>>()?;
    let parts = vec![(path.to_owned(), count)];
    let packed =
        Packed { pixels: Buffer::u8(pixels), height: SIDE, width: SIDE, channels: 3, features: false, parts };
    Ok(Found {
        format: "SVHN",
        source: Source::Packed(packed),
        labels,
        class_names: (0..10).map(|digit: u32| digit.to_string()).collect(),
        labelled: true,
        notes: Vec::new(),
        left_out: Vec::new(),
    })
}

/// The pixels, row-major with colours last, and the labels as they are written.
fn arrays(path: &Path) -> Result<(Vec<u8>, Vec<f64>)> {
    let wrong = |reason: String| Error::format(path, reason);
    let file = open_file(path)?;
    let mut left = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let mut file = BufReader::with_capacity(1 << 16, file);
    let mut head = [0; 128];
    let read = Elements { reader: &mut file, big_endian: false }.exactly(&mut head);
    if head.starts_with(b"MATLAB 7.3") || head.starts_with(b"\x89HDF") {
        return Err(wrong(
            "is a MATLAB 7.3 file, which is HDF5 inside: save it again with '-v7', as SVHN's own files are"
                .into(),
        ));
    }
    read.map_err(|e| e.at(path))?;
    let big_endian = match &head[124..] {
        [0, 1, b'I', b'M'] => false,
        [1, 0, b'M', b'I'] => true,
        _ => {
            return Err(wrong("is no MATLAB 5 file: its header does not end in version 1 and MI".into()));
        }
    };
    left -= 128;
    let (mut pixels, mut labels) = (None, None);
    while left > 0 && (pixels.is_none() || labels.is_none()) {
        let (kind, len) = Elements { reader: &mut file, big_endian }.head().map_err(|e| e.at(path))?;
        left -= 8.min(left);
        if len > left {
            return Err(wrong(format!("is cut short: an element claims {len} bytes, but {left} follow")));
        }
        left -= len;
        let mut element = (&mut file).take(len);
        let found = match kind {
            COMPRESSED => {
                let mut unpacked = Elements { reader: &mut ZlibDecoder::new(&mut element), big_endian };
                match unpacked.head() {
                    // It cannot unpack to more, whatever its header claims.
                    Ok((MATRIX, claimed)) => unpacked.array(claimed.min(len.saturating_mul(DENSEST))),
                    Ok(_) => Ok(Array::Other),
                    Err(e) => Err(e),
                }
            }
            MATRIX => Elements { reader: &mut element, big_endian }.array(len),
            _ => Ok(Array::Other),
        };
        match found.map_err(|e| e.at(path))? {
            Array::Pixels(found) => pixels = Some(found),
            Array::Labels(found) => labels = Some(found),
            Array::Other => {}
        }
        // What was not read of it; packed elements are not padded, the others are, to 8 bytes.
        let padding = if kind == COMPRESSED { 0 } else { (8 - len % 8) % 8 };
        io::copy(&mut element, &mut io::sink()).map_err(|e| Error::io(path, e))?;
        io::copy(&mut (&mut file).take(padding), &mut io::sink()).map_err(|e| Error::io(path, e))?;
        left -= padding.min(left);
    }
    match (pixels, labels) {
        (Some(pixels), Some(labels)) => Ok((pixels, labels)),
        (None, _) => Err(wrong("has no array X: images are expected in it, (32, 32, 3, N) of uint8".into())),
        (_, None) => Err(wrong("has no array y: labels are expected in it, (N, 1)".into())),
    }
}

enum Array {
    Pixels(Vec<u8>),
    Labels(Vec<f64>),
    Other,
}

/// Why an element cannot be read.
enum Bad {
    Content(String),
    Io(io::Error),
}

impl Bad {
    fn at(self, path: &Path) -> Error {
        match self {
            Bad::Content(reason) => Error::format(path, reason),
            Bad::Io(e) if is_content(&e) => {
                Error::format(path, format!("its compressed data is damaged or cut short ({e})"))
            }
            Bad::Io(e) => Error::io(path, e),
        }
    }
}

impl From<String> for Bad {
    fn from(reason: String) -> Self {
        Bad::Content(reason)
    }
}

/// Elements, one after the other.
struct Elements<'a, R> {
    reader: &'a mut R,
    big_endian: bool,
}

impl<R: Read> Elements<'_, R> {
    fn exactly(&mut self, bytes: &mut [u8]) -> Result<(), Bad> {
        self.reader.read_exact(bytes).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => Bad::Content("is cut short: it ends within an element".into()),
            _ => Bad::Io(e),
        })
    }

    fn word(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    /// The type and length of the next element, which is not a short one.
    fn head(&mut self) -> Result<(u32, u64), Bad> {
        let mut head = [0; 8];
        self.exactly(&mut head)?;
        let [a, b, c, d, rest @ ..] = head;
        Ok((self.word([a, b, c, d]), self.word(rest).into()))
    }

    /// The next element within an array: its type and at most `most` bytes.
    fn part(&mut self, most: u64, what: &str) -> Result<(u32, Vec<u8>), Bad> {
        let mut head = [0; 8];
        self.exactly(&mut head)?;
        let [a, b, c, d, rest @ ..] = head;
        let first = self.word([a, b, c, d]);
        // A short element has its length beside its type, and its value after them.
        if first >> 16 != 0 {
            let len = (first >> 16) as usize;
            return match rest.get(..len) {
                Some(value) if len as u64 <= most => Ok((first & 0xffff, value.to_vec())),
                _ => Err(format!("is damaged: {what} claims {len} bytes").into()),
            };
        }
        let len = u64::from(self.word(rest));
        if len > most {
            return Err(
                format!("is damaged: {what} claims {len} bytes, where {most} are expected at most").into()
            );
        }
        let mut value = Vec::new();
        let read = self.reader.by_ref().take(len).read_to_end(&mut value);
        read.map_err(Bad::Io)?;
        if (value.len() as u64) < len {
            return Err(format!("is cut short: {what} claims {len} bytes, but {} follow", value.len()).into());
        }
        let padding = (8 - len % 8) % 8;
        io::copy(&mut self.reader.by_ref().take(padding), &mut io::sink()).map_err(Bad::Io)?;
        Ok((first, value))
    }

    /// An array of at most `most` bytes: taken if it is one that is wanted.
    fn array(&mut self, most: u64) -> Result<Array, Bad> {
        let (kind, flags) = self.part(8, "the flags of an array")?;
        // Objects have none.
        let (UINT32, Some(flags)) = (kind, flags.first_chunk()) else { return Ok(Array::Other) };
        let class = self.word(*flags) as u8;
        let (kind, extents) = self.part(256, "the dimensions of an array")?;
        let extents: Vec<i32> = extents.as_chunks().0.iter().map(|bytes| self.word(*bytes) as i32).collect();
        let name = self.part(64, "the name of an array")?.1;
        if kind != INT32 || name != b"X" && name != b"y" {
            return Ok(Array::Other);
        }
        match name[0] {
            b'X' => self.pixels(class, &extents, most).map(Array::Pixels),
            _ => self.labels(&extents, most).map(Array::Labels),
        }
    }

    fn pixels(&mut self, class: u8, extents: &[i32], most: u64) -> Result<Vec<u8>, Bad> {
        let count = match extents {
            // One image has no fourth dimension.
            [32, 32, 3] => 1,
            [32, 32, 3, count] if *count > 0 => *count as u64,
            _ => {
                return Err(format!(
                    "has an array X of the dimensions {extents:?}: [32, 32, 3, N] are expected"
                )
                .into());
            }
        };
        let expected = count * IMAGE as u64;
        if class != CLASS_UINT8 {
            return Err(format!("has an array X of class {class}: uint8, class 9, is expected").into());
        }
        if expected > most {
            return Err(format!("claims {count} images: more than its array X can hold, {most} bytes").into());
        }
        let (kind, columns) = self.part(expected, "the array X")?;
        if kind != UINT8 || columns.len() as u64 != expected {
            return Err(format!(
                "has an array X of {} values of type {kind}: {expected} of type 2, bytes, are expected",
                columns.len()
            )
            .into());
        }
        let mut pixels = vec![0; columns.len()];
        pixels.par_chunks_exact_mut(IMAGE).zip(columns.par_chunks_exact(IMAGE)).for_each(
            |(image, columns)| {
                for (at, pixel) in image.iter_mut().enumerate() {
                    let (row, column, color) = (at / 3 / SIDE, at / 3 % SIDE, at % 3);
                    *pixel = columns[row + SIDE * (column + SIDE * color)];
                }
            },
        );
        Ok(pixels)
    }

    fn labels(&mut self, extents: &[i32], most: u64) -> Result<Vec<f64>, Bad> {
        let count = match extents {
            [count, 1] | [1, count] if *count > 0 => *count as u64,
            _ => {
                return Err(
                    format!("has an array y of the dimensions {extents:?}: [N, 1] are expected").into()
                );
            }
        };
        // Whole numbers are stored in the fewest bytes, whatever the array's class.
        let (kind, values) = self.part(most.min(8 * count), "the array y")?;
        let big = self.big_endian;
        let labels = match kind {
            1 => each(&values, big, |v| i8::from_le_bytes(v).into()),
            2 => each(&values, big, |v| u8::from_le_bytes(v).into()),
            3 => each(&values, big, |v| i16::from_le_bytes(v).into()),
            4 => each(&values, big, |v| u16::from_le_bytes(v).into()),
            5 => each(&values, big, |v| i32::from_le_bytes(v).into()),
            6 => each(&values, big, |v| u32::from_le_bytes(v).into()),
            7 => each(&values, big, |v| f32::from_le_bytes(v).into()),
            9 => each(&values, big, f64::from_le_bytes),
            _ => return Err(format!("has an array y of values of type {kind}: numbers are expected").into()),
        };
        if labels.len() as u64 == count {
            Ok(labels)
        } else {
            Err(format!("claims {count} labels in its array y, which has {}", labels.len()).into())
        }
    }
}
