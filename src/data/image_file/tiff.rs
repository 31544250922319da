//! TIFF files, by the crate `tiff`: of several pages the first is taken.

use super::raster::{Decoder, FREE_CLAIM, Header, Raster, Wrong};
use crate::data::image::{Depth, Values};
use ::tiff::decoder::{DecodingResult, Limits};
use ::tiff::tags::{SampleFormat, Tag};
use ::tiff::{ColorType, TiffError};
use std::borrow::Cow;
use std::io::Cursor;

pub(super) struct Tiff;

impl Raster for Tiff {
    fn name(&self) -> &'static str {
        "TIFF"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["tif", "tiff"]
    }

    fn begins(&self, start: &[u8]) -> bool {
        start.starts_with(b"II*\0") || start.starts_with(b"MM\0*")
    }

    /// Some of its packings take next to nothing for pixels.
    fn free_claim(&self) -> u64 {
        FREE_CLAIM
    }

    fn open<'a>(&self, file: &'a [u8], most: usize) -> Result<Box<dyn Decoder + 'a>, Wrong> {
        let mut limits = Limits::default();
        limits.decoding_buffer_size = most;
        limits.intermediate_buffer_size = most;
        let mut decoder = ::tiff::decoder::Decoder::new(Cursor::new(file))?.with_limits(limits);
        let (width, height) = decoder.dimensions()?;
        let color = decoder.colortype()?;
        let (channels, bits) = match color {
            ColorType::Gray(bits @ (1 | 8 | 16)) => (1, bits),
            ColorType::GrayA(bits @ (8 | 16)) => (2, bits),
            ColorType::RGB(bits @ (8 | 16)) | ColorType::CMYK(bits @ (8 | 16)) => (3, bits),
            ColorType::RGBA(bits @ (8 | 16)) => (4, bits),
            other => return Err(Wrong::unsupported(format!("its values are {other:?}"))),
        };
        let formats = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat)?.unwrap_or_default();
        if formats.iter().any(|format| SampleFormat::from_u16(*format) != Some(SampleFormat::Uint)) {
            return Err(Wrong::unsupported("its values are not unsigned integers"));
        }
        let depth = if bits == 16 { Depth::U16 } else { Depth::U8 };
        let header = Header::new([height as usize, width as usize], channels, depth);
        let header = Header { more: has_more_pages(file).unwrap_or(false), ..header };
        Ok(Box::new(Opened { header, decoder, color }))
    }
}

struct Opened<'a> {
    header: Header,
    decoder: ::tiff::decoder::Decoder<Cursor<&'a [u8]>>,
    color: ColorType,
}

impl Decoder for Opened<'_> {
    fn header(&self) -> Header {
        self.header
    }

    fn pixels(mut self: Box<Self>) -> Result<Values<'static>, Wrong> {
        pixels(&mut self.decoder, self.color, &self.header)
    }
}

impl From<TiffError> for Wrong {
    fn from(error: TiffError) -> Self {
        match error {
            TiffError::UnsupportedError(error) => Wrong::unsupported(error),
            error => Wrong::damaged(error),
        }
    }
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

fn pixels(
    decoder: &mut ::tiff::decoder::Decoder<Cursor<&[u8]>>,
    color: ColorType,
    header: &Header,
) -> Result<Values<'static>, Wrong> {
    let mut read = DecodingResult::U8(Vec::new());
    let layout = decoder.read_image_to_buffer(&mut read)?;
    if read.as_buffer(0).byte_len() < layout.complete_len {
        return Err(Wrong::damaged("it claims more pixels than memory is given for"));
    }
    let planes = layout.planes.max(1);
    let cmyk = matches!(color, ColorType::CMYK(_));
    if planes > 1 && (cmyk || planes < header.channels) {
        return Err(Wrong::unsupported(format!("{planes} planes of {color:?}")));
    }
    Ok(match read {
        DecodingResult::U8(bits) if color == ColorType::Gray(1) => {
            let rows = bits.chunks_exact(header.width.div_ceil(8));
            let pixel = |row: &[u8], x: usize| if row[x / 8] >> (7 - x % 8) & 1 == 1 { 255 } else { 0 };
            let pixels = rows.flat_map(|row| (0..header.width).map(move |x| pixel(row, x)));
            Values::U8(Cow::Owned(pixels.collect()))
        }
        DecodingResult::U8(values) if cmyk => {
            Values::U8(Cow::Owned(rgb_of_cmyk(&values, 255.0, |v| v as u8)))
        }
        DecodingResult::U16(values) if cmyk => {
            Values::U16(Cow::Owned(rgb_of_cmyk(&values, 65535.0, |v| v as u16)))
        }
        DecodingResult::U8(values) => Values::U8(Cow::Owned(interleaved(values, planes, header.channels))),
        DecodingResult::U16(values) => Values::U16(Cow::Owned(interleaved(values, planes, header.channels))),
        _ => return Err(Wrong::unsupported(format!("its values are {color:?}"))),
    })
}

/// Red, green and blue of cyan, magenta, yellow and black.
fn rgb_of_cmyk<T: Copy + Into<f32>>(values: &[T], most: f32, rounded: fn(f32) -> T) -> Vec<T> {
    let pixel = |[c, m, y, k]: &[T; 4]| {
        let light = 1.0 - (*k).into() / most;
        [c, m, y].map(|ink| rounded((most - (*ink).into()) * light))
    };
    values.as_chunks::<4>().0.iter().flat_map(pixel).collect()
}

/// Pixels of planes one after the other.
fn interleaved<T: Copy>(values: Vec<T>, planes: usize, channels: usize) -> Vec<T> {
    if planes == 1 {
        return values;
    }
    let plane = values.len() / planes;
    (0..plane)
        .flat_map(|at| (0..channels).map(move |channel| channel * plane + at))
        .map(|at| values[at])
        .collect()
}
