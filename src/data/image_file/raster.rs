//! Kinds whose whole files are decoded from memory, each by a decoder that first says what it will give.

use super::kind::ImageKind;
use crate::data::codecs::image_bytes::{ImageBytes, LARGEST, guarded};
use crate::data::image::{Depth, Image, Shape, Values};
use crate::{Error, Result};
use std::borrow::Cow;
use std::path::Path;

/// Deflate packs at most 1032 to 1, times 8 for one-bit pixels; JPEG less. A header that claims more lies.
const DENSEST: u64 = 10_000;
/// So many bytes of pixels a file may claim whatever its length, where its kind can pack them into next to none.
pub(super) const FREE_CLAIM: u64 = 1 << 26;

/// Floats have no place in an image file that all agree on.
const EIGHT_OR_SIXTEEN: &str =
    "images of 8 or 16 bits, gray or RGB, are read; put others, as floats, into images.npy";

/// A kind of image file whose decoder takes the whole file. The first three are those of [`ImageKind`].
pub(super) trait Raster: Sync {
    fn name(&self) -> &'static str;

    fn endings(&self) -> &'static [&'static str];

    fn begins(&self, start: &[u8]) -> bool;

    /// Bytes of pixels that a file may claim however short it is.
    fn free_claim(&self) -> u64 {
        0
    }

    /// Reads the header of a file. No more than `most` bytes are taken for what lies between file and pixels.
    fn open<'a>(&self, file: &'a [u8], most: usize) -> Result<Box<dyn Decoder + 'a>, Wrong>;
}

/// A file whose header has been read.
pub(super) trait Decoder {
    fn header(&self) -> Header;

    /// All pixels, row by row, each with all its channels.
    fn pixels(self: Box<Self>) -> Result<Values<'static>, Wrong>;
}

/// What a header says of the pixels that [`Decoder::pixels`] gives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub height: usize,
    pub width: usize,
    /// Channels, alpha included.
    pub channels: usize,
    pub alpha: bool,
    pub depth: Depth,
    /// Whether all channels but alpha are alike.
    pub gray: bool,
    /// Whether the file holds further images.
    pub more: bool,
}

impl Header {
    /// Of one image, gray or RGB, with alpha where there are 2 or 4 channels.
    pub fn new([height, width]: [usize; 2], channels: usize, depth: Depth) -> Self {
        let (alpha, gray) = (matches!(channels, 2 | 4), channels < 3);
        Header { height, width, channels, alpha, depth, gray, more: false }
    }

    /// Bytes of all pixels, as far as can be counted.
    fn bytes(&self) -> u64 {
        let values = [self.height, self.width, self.channels].map(|extent| extent as u64);
        let bytes = if self.depth == Depth::U16 { 2 } else { 1 };
        values.into_iter().fold(bytes, u64::saturating_mul)
    }

    /// Room for all pixels, whose claim was checked.
    pub fn buffer(&self) -> Vec<u8> {
        vec![0; self.bytes() as usize]
    }
}

/// Why an image is not decoded.
pub(super) enum Wrong {
    /// It is damaged, in these words.
    Damaged(String),
    /// Its kind is not decoded.
    Unsupported(String),
    /// It ends too early.
    Cut(&'static str),
}

impl Wrong {
    pub fn damaged(error: impl std::fmt::Display) -> Self {
        Wrong::Damaged(error.to_string())
    }

    pub fn unsupported(what: impl std::fmt::Display) -> Self {
        Wrong::Unsupported(what.to_string())
    }

    fn at(self, path: &Path) -> Error {
        let reason = match self {
            Wrong::Damaged(reason) => format!("cannot be decoded: {reason}"),
            Wrong::Unsupported(what) => format!("cannot be decoded: {what}: {EIGHT_OR_SIXTEEN}"),
            Wrong::Cut(reason) => reason.to_owned(),
        };
        Error::format(path, reason)
    }
}

impl<R: Raster> ImageKind for R {
    fn name(&self) -> &'static str {
        Raster::name(self)
    }

    fn endings(&self) -> &'static [&'static str] {
        Raster::endings(self)
    }

    fn begins(&self, start: &[u8]) -> bool {
        Raster::begins(self, start)
    }

    fn shape(&self, file: ImageBytes<'_>) -> Result<Shape> {
        let path = file.path();
        let bytes = file.whole()?;
        guarded(path, || Ok(open(self, path, &bytes)?.1))
    }

    fn decode(&self, file: ImageBytes<'_>) -> Result<Image<'static>> {
        let path = file.path();
        let bytes = file.whole()?;
        guarded(path, || decode(self, path, &bytes))
    }
}

/// The pixels in a file's bytes.
pub(super) fn decode(kind: &impl Raster, path: &Path, bytes: &[u8]) -> Result<Image<'static>> {
    let (decoder, shape) = open(kind, path, bytes)?;
    let stored = decoder.header().channels;
    let values = match decoder.pixels().map_err(|wrong| wrong.at(path))? {
        Values::U8(values) => Values::U8(first_channels(values, stored, shape.channels)),
        Values::U16(values) => Values::U16(first_channels(values, stored, shape.channels)),
        Values::F32(values) => Values::F32(first_channels(values, stored, shape.channels)),
    };
    Ok(Image { shape, values })
}

/// A decoder that has read a file's header, whose claims were checked, and the image's shape.
fn open<'a>(kind: &impl Raster, path: &Path, bytes: &'a [u8]) -> Result<(Box<dyn Decoder + 'a>, Shape)> {
    let decoder = kind.open(bytes, LARGEST as usize).map_err(|wrong| wrong.at(path))?;
    let header = decoder.header();
    let Header { height, width, depth, alpha, gray, more, .. } = header;
    if width == 0 || height == 0 {
        return Err(Error::format(path, format!("is an image of {height} x {width} pixels")));
    }
    check_claim(path, [height, width], header.bytes(), bytes.len() as u64, kind.free_claim())?;
    let channels = if gray { 1 } else { 3 };
    Ok((decoder, Shape { height, width, channels, depth, alpha, more, modality: None }))
}

/// Refuses an image that claims more bytes of pixels than a file of its length can hold; `free` it may claim in any case.
pub(super) fn check_claim(
    path: &Path,
    [height, width]: [usize; 2],
    bytes: u64,
    len: u64,
    free: u64,
) -> Result<()> {
    if bytes > LARGEST || bytes > len.saturating_mul(DENSEST).max(free) {
        Err(Error::format(
            path,
            format!("claims {height} x {width} pixels: more than its {len} bytes can hold"),
        ))
    } else {
        Ok(())
    }
}

fn first_channels<T: Copy>(values: Cow<'static, [T]>, stored: usize, kept: usize) -> Cow<'static, [T]> {
    if stored == kept {
        values
    } else {
        values.chunks_exact(stored).flat_map(|pixel| &pixel[..kept]).copied().collect()
    }
}
