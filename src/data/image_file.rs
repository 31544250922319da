//! One image file: its shape from the header, and its pixels. The format is told by content, but for the
//! oldest DICOM files.
//! Alpha is dropped, a palette expanded, an EXIF orientation left alone: as `Pillow.convert("RGB")` does.

use super::jpeg::{self, Colours};
use super::native::dicom::{Dicom, is_dicom};
use super::raster::{Decoder, Format, Wrong};
use super::read::open_file;
use super::source::{Depth, Image, Shape, Values};
use crate::{Error, Result};
use std::borrow::Cow;
use std::cell::Cell;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// No single image is larger than this, as a file or decoded.
pub(super) const LARGEST: u64 = 1 << 30;
/// Deflate packs at most 1032 to 1, times 8 for one-bit pixels; JPEG less. A header that claims more lies.
const DENSEST: u64 = 10_000;
/// A WebP image of one colour takes no bits for its pixels, and some of TIFF's packings next to none: theirs
/// may claim so much whatever their length.
const PLAIN: u64 = 1 << 26;

/// Floats have no place in an image file that all agree on.
const EIGHT_OR_SIXTEEN: &str =
    "images of 8 or 16 bits, gray or RGB, are read; put others, as floats, into images.npy";

/// The shape of an image, from its header.
pub(super) fn shape(path: &Path) -> Result<Shape> {
    let begun = Begun::open(path)?;
    if begun.is_dicom() {
        return Dicom::of(path, begun.whole()?).map(|dicom| dicom.shape());
    }
    if let Some([height, width, channels]) = jpeg::extents(begun.start()) {
        check_claim(path, height, width, (height * width * channels) as u64, begun.len()?, 0)?;
        return Ok(plain_shape(height, width, channels));
    }
    let bytes = begun.whole()?;
    guarded(path, || Ok(begin(path, &bytes)?.1))
}

/// An image's pixels.
pub(super) fn decode(path: &Path) -> Result<Image<'static>> {
    let begun = Begun::open(path)?;
    if begun.is_dicom() {
        return Dicom::of(path, begun.whole()?)?.frame(0);
    }
    if !begun.start().starts_with(&[0xff, 0xd8]) {
        let bytes = begun.whole()?;
        return guarded(path, || decode_by_crate(path, &bytes));
    }
    let mut kept = BUFFER.take();
    let decoded = begun.fill(&mut kept).and_then(|len| guarded(path, || decode_jpeg(path, &kept[..len])));
    if kept.len() <= KEPT {
        BUFFER.set(kept);
    }
    decoded
}

thread_local! {
    /// The bytes of the JPEG file that was read last, which the next one's are written over.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

fn decode_jpeg(path: &Path, bytes: &[u8]) -> Result<Image<'static>> {
    match jpeg::decode(bytes, Colours::Marked).map_err(|reason| Error::format(path, reason))? {
        Some(jpeg::Pixels { height, width, channels, values }) => {
            Ok(Image { shape: plain_shape(height, width, channels), values: Values::U8(Cow::Owned(values)) })
        }
        None if !jpeg::ends(bytes, 2) => Err(Error::format(path, jpeg::CUT)),
        None => decode_by_crate(path, bytes),
    }
}

fn decode_by_crate(path: &Path, bytes: &[u8]) -> Result<Image<'static>> {
    let (decoder, shape) = begin(path, bytes)?;
    if bytes.starts_with(b"RIFF") && !riff_is_whole(bytes) {
        return Err(Error::format(path, "is cut short: it ends before its WebP header says"));
    }
    let stored = decoder.header.channels;
    let values = match decoder.pixels().map_err(|wrong| unreadable(path, wrong))? {
        Values::U8(values) => Values::U8(first_channels(values, stored, shape.channels)),
        Values::U16(values) => Values::U16(first_channels(values, stored, shape.channels)),
        Values::F32(values) => Values::F32(first_channels(values, stored, shape.channels)),
    };
    Ok(Image { shape, values })
}

/// So many bytes are read at first: most JPEG files say within them what image they are.
const START: usize = 4096;
/// A buffer that is kept for the next file is no longer.
const KEPT: usize = 1 << 24;

/// A file that is begun to be read.
struct Begun<'a> {
    path: &'a Path,
    file: File,
    bytes: [u8; START],
    read: usize,
}

impl<'a> Begun<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let mut begun = Begun { path, file: open_file(path)?, bytes: [0; START], read: 0 };
        while begun.read < START {
            match begun.file.read(&mut begun.bytes[begun.read..]) {
                Ok(0) => break,
                Ok(more) => begun.read += more,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io(path, e)),
            }
        }
        match begun.read {
            0 => Err(Error::format(path, "is empty")),
            _ => Ok(begun),
        }
    }

    /// The bytes that are read already.
    fn start(&self) -> &[u8] {
        &self.bytes[..self.read]
    }

    fn is_dicom(&self) -> bool {
        is_dicom(self.start()) || has_dicom_ending(self.path)
    }

    fn len(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(|e| Error::io(self.path, e))?.len())
    }

    /// All bytes, if they are not too many to be an image.
    fn whole(self) -> Result<Vec<u8>> {
        let mut bytes = self.start().to_vec();
        if self.read == START {
            self.file
                .take(LARGEST + 1 - START as u64)
                .read_to_end(&mut bytes)
                .map_err(|e| Error::io(self.path, e))?;
        }
        match bytes.len() as u64 > LARGEST {
            true => Err(too_large(self.path)),
            false => Ok(bytes),
        }
    }

    /// Writes all bytes to the start of a buffer, which may become longer; how many they are.
    fn fill(mut self, buffer: &mut Vec<u8>) -> Result<usize> {
        let mut filled = self.read;
        buffer.resize(buffer.len().max(1 << 16), 0);
        buffer[..filled].copy_from_slice(&self.bytes[..filled]);
        loop {
            if filled == buffer.len() {
                buffer.resize(2 * filled, 0);
            }
            match self.file.read(&mut buffer[filled..]) {
                Ok(0) => return Ok(filled),
                Ok(more) => filled += more,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io(self.path, e)),
            }
            if filled as u64 > LARGEST {
                return Err(too_large(self.path));
            }
        }
    }
}

fn too_large(path: &Path) -> Error {
    Error::format(path, "is larger than 1 GiB: no image file to read here")
}

/// The shape of an image of bytes without anything more to say of it.
fn plain_shape(height: usize, width: usize, channels: usize) -> Shape {
    Shape { height, width, channels, depth: Depth::U8, alpha: false, more: false, modality: None }
}

/// Whether a file is called as DICOM files are: the oldest of them have no mark by which to tell them.
fn has_dicom_ending(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("dcm"))
}

/// A file's bytes, if it is not too large to be an image.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    Begun::open(path)?.whole()
}

/// Runs a decoder so that a flaw in it fails one image, not the whole run.
pub(super) fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::format(path, "cannot be decoded: the image decoder panicked on it")))
}

/// Whether a file that begins so is an image.
pub(super) fn is_image(start: &[u8]) -> bool {
    is_dicom(start) || Format::of(start).is_some()
}

/// A decoder that has read the header of a file that is no DICOM, and the image's shape.
fn begin<'a>(path: &Path, bytes: &'a [u8]) -> Result<(Decoder<'a>, Shape)> {
    let Some(format) = Format::of(bytes) else {
        let start: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        return Err(Error::format(
            path,
            format!("is no PNG, JPEG, TIFF, BMP, WebP or DICOM image: it begins with {}", start.join(" ")),
        ));
    };
    let decoder = Decoder::new(format, bytes, LARGEST as usize).map_err(|wrong| unreadable(path, wrong))?;
    let header = decoder.header;
    let (height, width) = (header.height, header.width);
    if width == 0 || height == 0 {
        return Err(Error::format(path, format!("is an image of {height} x {width} pixels")));
    }
    let plain = if matches!(format, Format::WebP | Format::Tiff) { PLAIN } else { 0 };
    check_claim(path, height, width, header.bytes(), bytes.len() as u64, plain)?;
    let gray = header.channels < 3 || (format == Format::Bmp && palette_is_gray(bytes));
    let more = match format {
        Format::Tiff => has_more_pages(bytes).unwrap_or(false),
        Format::WebP => is_animated(bytes),
        Format::Png | Format::Jpeg | Format::Bmp => false,
    };
    let (channels, depth, alpha) = (if gray { 1 } else { 3 }, header.depth, header.alpha);
    Ok((decoder, Shape { height, width, channels, depth, alpha, more, modality: None }))
}

/// Refuses an image that claims more bytes of pixels than a file of its length can hold; `plain` it may claim in any case.
fn check_claim(path: &Path, height: usize, width: usize, bytes: u64, len: u64, plain: u64) -> Result<()> {
    match bytes > LARGEST || bytes > len.saturating_mul(DENSEST).max(plain) {
        true => Err(Error::format(
            path,
            format!("claims {height} x {width} pixels: more than its {len} bytes can hold"),
        )),
        false => Ok(()),
    }
}

fn first_channels<T: Copy>(values: Cow<'static, [T]>, stored: usize, kept: usize) -> Cow<'static, [T]> {
    match stored == kept {
        true => values,
        false => values.chunks_exact(stored).flat_map(|pixel| &pixel[..kept]).copied().collect(),
    }
}

fn unreadable(path: &Path, wrong: Wrong) -> Error {
    let reason = match wrong {
        Wrong::Damaged(reason) => reason,
        Wrong::Unsupported(what) => format!("{what}: {EIGHT_OR_SIXTEEN}"),
    };
    Error::format(path, format!("cannot be decoded: {reason}"))
}

/// Whether a BMP has a palette of grays alone, which is how gray images are stored in it.
fn palette_is_gray(file: &[u8]) -> bool {
    let number = |at: usize| Some(u32::from_le_bytes(*file.get(at..)?.first_chunk()?) as usize);
    let (Some(header), Some(bits), Some(used)) = (number(14), number(28), number(46)) else { return false };
    // The lower half; above it stands how the pixels are packed.
    let bits = bits & 0xffff;
    if header < 40 || !(1..=8).contains(&bits) {
        return false;
    }
    let count = if used == 0 { 1 << bits } else { used.min(1 << bits) };
    let palette = file.get(14 + header..).and_then(|rest| rest.get(..4 * count));
    palette.is_some_and(|colors| colors.as_chunks::<4>().0.iter().all(|[b, g, r, _]| b == g && g == r))
}

/// Whether a TIFF's first page is followed by another: its directory ends with the place of the next.
fn has_more_pages(file: &[u8]) -> Option<bool> {
    let little = file.starts_with(b"II");
    let wide = |at: usize| {
        let bytes = *file.get(at..)?.first_chunk()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) } as usize)
    };
    let first = wide(4)?;
    let count = *file.get(first..)?.first_chunk()?;
    let entries = if little { u16::from_le_bytes(count) } else { u16::from_be_bytes(count) };
    Some(wide(first + 2 + 12 * usize::from(entries))? != 0)
}

/// Whether a WebP file is an animation: a flag in its extended header.
fn is_animated(file: &[u8]) -> bool {
    file.get(12..16) == Some(b"VP8X") && file.get(20).is_some_and(|flags| flags & 2 != 0)
}

/// Whether a WebP file is as long as it says it is: what is lacking is not always missed by the decoder.
fn riff_is_whole(bytes: &[u8]) -> bool {
    let size = bytes.get(4..).and_then(|rest| rest.first_chunk());
    size.is_some_and(|size| u32::from_le_bytes(*size) as usize <= bytes.len() - 8)
}
