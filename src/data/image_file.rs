//! One image file: its shape from the header, and its pixels. The format is told by content, but for the
//! oldest DICOM files.
//! Alpha is dropped, a palette expanded, an EXIF orientation left alone: as `Pillow.convert("RGB")` does.

use super::native::dicom::{Dicom, is_dicom};
use super::read::open_file;
use super::source::{Depth, Image, Shape, Values};
use crate::{Error, Result};
use image::{ColorType, ImageDecoder, ImageFormat, ImageReader};
use std::borrow::Cow;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// No single image is larger than this, as a file or decoded.
const LARGEST: u64 = 1 << 30;
/// Deflate packs at most 1032 to 1, times 8 for one-bit pixels; JPEG less. A header that claims more lies.
const DENSEST: u64 = 10_000;
/// A WebP image of one colour takes no bits for its pixels, and some of TIFF's packings next to none: theirs
/// may claim so much whatever their length.
const PLAIN: u64 = 1 << 26;
const FORMATS: [ImageFormat; 5] =
    [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff, ImageFormat::Bmp, ImageFormat::WebP];

/// Floats have no place in an image file that all agree on.
const EIGHT_OR_SIXTEEN: &str =
    "images of 8 or 16 bits, gray or RGB, are read; put others, as floats, into images.npy";

/// The shape of an image, from its header.
pub(super) fn shape(path: &Path) -> Result<Shape> {
    let bytes = read(path)?;
    if is_dicom(&bytes) || has_dicom_ending(path) {
        return Dicom::of(path, bytes).map(|dicom| dicom.shape());
    }
    guarded(path, || shape_of(path, &decoder(path, &bytes)?, &bytes))
}

/// An image's pixels.
pub(super) fn decode(path: &Path) -> Result<Image<'static>> {
    let bytes = read(path)?;
    if is_dicom(&bytes) || has_dicom_ending(path) {
        return Dicom::of(path, bytes)?.frame(0);
    }
    guarded(path, || {
        let decoder = decoder(path, &bytes)?;
        let shape = shape_of(path, &decoder, &bytes)?;
        if bytes.starts_with(&[0xff, 0xd8]) && !jpeg_is_whole(&bytes) {
            return Err(Error::format(path, "is cut short: the JPEG data has no end-of-image marker"));
        }
        if bytes.starts_with(b"RIFF") && !riff_is_whole(&bytes) {
            return Err(Error::format(path, "is cut short: it ends before its WebP header says"));
        }
        let stored = usize::from(decoder.color_type().channel_count());
        let mut raw = vec![0; decoder.total_bytes() as usize];
        decoder.read_image(&mut raw).map_err(|e| unreadable(path, e))?;
        let values = match shape.depth {
            Depth::U16 => {
                let wide = raw.as_chunks().0.iter().map(|v| u16::from_ne_bytes(*v)).collect();
                Values::U16(Cow::Owned(first_channels(wide, stored, shape.channels)))
            }
            _ => Values::U8(Cow::Owned(first_channels(raw, stored, shape.channels))),
        };
        Ok(Image { shape, values })
    })
}

/// Whether a file is called as DICOM files are: the oldest of them have no mark by which to tell them.
fn has_dicom_ending(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("dcm"))
}

/// A file's bytes, if it is not too large to be an image.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let file = open_file(path)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|e| Error::io(path, e))?;
    match bytes.len() as u64 {
        0 => Err(Error::format(path, "is empty")),
        len if len > LARGEST => Err(Error::format(path, "is larger than 1 GiB: no image file to read here")),
        _ => Ok(bytes),
    }
}

/// Runs a decoder so that a flaw in it fails one image, not the whole run.
pub(super) fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::format(path, "cannot be decoded: the image decoder panicked on it")))
}

/// Whether a file that begins so is an image.
pub(super) fn is_image(start: &[u8]) -> bool {
    is_dicom(start) || format_of(start).is_some()
}

fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    image::guess_format(bytes).ok().filter(|format| FORMATS.contains(format))
}

fn decoder<'a>(path: &Path, bytes: &'a [u8]) -> Result<impl ImageDecoder + 'a> {
    let Some(format) = format_of(bytes) else {
        let start: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        return Err(Error::format(
            path,
            format!("is no PNG, JPEG, TIFF, BMP, WebP or DICOM image: it begins with {}", start.join(" ")),
        ));
    };
    ImageReader::with_format(Cursor::new(bytes), format).into_decoder().map_err(|e| unreadable(path, e))
}

fn shape_of(path: &Path, decoder: &impl ImageDecoder, file: &[u8]) -> Result<Shape> {
    let format = format_of(file);
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(Error::format(path, format!("is an image of {height} x {width} pixels")));
    }
    let bytes = decoder.total_bytes();
    let plain = if matches!(format, Some(ImageFormat::WebP | ImageFormat::Tiff)) { PLAIN } else { 0 };
    if bytes > LARGEST || bytes > (file.len() as u64).saturating_mul(DENSEST).max(plain) {
        return Err(Error::format(
            path,
            format!("claims {height} x {width} pixels: more than its {} bytes can hold", file.len()),
        ));
    }
    let (channels, depth, alpha) = match decoder.color_type() {
        ColorType::L8 => (1, Depth::U8, false),
        ColorType::La8 => (1, Depth::U8, true),
        ColorType::Rgb8 if format == Some(ImageFormat::Bmp) && palette_is_gray(file) => (1, Depth::U8, false),
        ColorType::Rgb8 => (3, Depth::U8, false),
        ColorType::Rgba8 => (3, Depth::U8, true),
        ColorType::L16 => (1, Depth::U16, false),
        ColorType::La16 => (1, Depth::U16, true),
        ColorType::Rgb16 => (3, Depth::U16, false),
        ColorType::Rgba16 => (3, Depth::U16, true),
        other => {
            return Err(Error::format(path, format!("has pixels of the kind {other:?}: {EIGHT_OR_SIXTEEN}")));
        }
    };
    let more = match format {
        Some(ImageFormat::Tiff) => has_more_pages(file).unwrap_or(false),
        Some(ImageFormat::WebP) => is_animated(file),
        _ => false,
    };
    Ok(Shape { height: height as usize, width: width as usize, channels, depth, alpha, more, modality: None })
}

fn first_channels<T: Copy>(values: Vec<T>, stored: usize, kept: usize) -> Vec<T> {
    match stored == kept {
        true => values,
        false => values.chunks_exact(stored).flat_map(|pixel| &pixel[..kept]).copied().collect(),
    }
}

fn unreadable(path: &Path, error: image::ImageError) -> Error {
    let read = match error {
        image::ImageError::Unsupported(_) => format!(": {EIGHT_OR_SIXTEEN}"),
        _ => String::new(),
    };
    Error::format(path, format!("cannot be decoded: {error}{read}"))
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

/// Whether the end-of-image marker is reached. The decoder fills a file that is cut short with gray
/// and says nothing, which would be measured as if it were the image.
pub(super) fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0xff)) {
        at += found;
        match bytes.get(at + 1) {
            Some(0xd9) => return true,
            // Fill bytes, stuffed zeros within a scan, and markers that have no length.
            Some(0xff) => at += 1,
            Some(0x00 | 0x01 | 0xd0..=0xd8) => at += 2,
            // A segment: what is in it (a thumbnail, say) is stepped over.
            Some(_) => match bytes.get(at + 2..at + 4) {
                Some(length) => at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => return false,
            },
            None => return false,
        }
    }
    false
}
