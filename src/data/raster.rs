//! PNG, TIFF, BMP, WebP, and the JPEG files that `jpeg` leaves to others: each by the crate that decodes it, seen alike.

use super::bmp::Bmp;
use super::source::{Depth, Values};
use std::borrow::Cow;
use std::io::Cursor;
use tiff::tags::{SampleFormat, Tag};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The formats, told by how a file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Jpeg,
    Tiff,
    Bmp,
    WebP,
}

impl Format {
    pub fn of(file: &[u8]) -> Option<Self> {
        match file {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Format::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Format::Jpeg),
            [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => Some(Format::Tiff),
            [b'B', b'M', ..] => Some(Format::Bmp),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Format::WebP),
            _ => None,
        }
    }
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
}

impl Header {
    fn new([height, width]: [usize; 2], channels: usize, depth: Depth) -> Self {
        Header { height, width, channels, alpha: matches!(channels, 2 | 4), depth }
    }

    /// Bytes of all pixels, as far as can be counted.
    pub fn bytes(&self) -> u64 {
        let values = [self.height, self.width, self.channels].map(|extent| extent as u64);
        let bytes = if self.depth == Depth::U16 { 2 } else { 1 };
        values.into_iter().fold(bytes, u64::saturating_mul)
    }
}

/// Why an image is not decoded.
pub(super) enum Wrong {
    /// It is damaged, in these words.
    Damaged(String),
    /// Its kind is not decoded.
    Unsupported(String),
}

impl Wrong {
    fn damaged(error: impl std::fmt::Display) -> Self {
        Wrong::Damaged(error.to_string())
    }

    fn unsupported(what: impl std::fmt::Display) -> Self {
        Wrong::Unsupported(what.to_string())
    }
}

impl From<png::DecodingError> for Wrong {
    fn from(error: png::DecodingError) -> Self {
        Wrong::damaged(error)
    }
}

impl From<image_webp::DecodingError> for Wrong {
    fn from(error: image_webp::DecodingError) -> Self {
        Wrong::damaged(error)
    }
}

impl From<tiff::TiffError> for Wrong {
    fn from(error: tiff::TiffError) -> Self {
        match error {
            tiff::TiffError::UnsupportedError(error) => Wrong::unsupported(error),
            error => Wrong::damaged(error),
        }
    }
}

impl From<zune_jpeg::errors::DecodeErrors> for Wrong {
    fn from(error: zune_jpeg::errors::DecodeErrors) -> Self {
        match error {
            zune_jpeg::errors::DecodeErrors::Unsupported(scheme) => Wrong::unsupported(format!("{scheme:?}")),
            error => Wrong::damaged(format!("{error:?}")),
        }
    }
}

/// A file whose header has been read.
pub(super) struct Decoder<'a> {
    pub header: Header,
    inner: Inner<'a>,
}

enum Inner<'a> {
    Png(Box<png::Reader<Cursor<&'a [u8]>>>),
    Jpeg(Box<JpegDecoder<ZCursor<&'a [u8]>>>),
    Tiff(Box<tiff::decoder::Decoder<Cursor<&'a [u8]>>>, tiff::ColorType),
    Bmp(Bmp<'a>),
    WebP(Box<image_webp::WebPDecoder<Cursor<&'a [u8]>>>),
}

impl<'a> Decoder<'a> {
    /// Reads the header of a file. No more than `most` bytes are taken for what lies between file and pixels.
    pub fn new(format: Format, file: &'a [u8], most: usize) -> Result<Self, Wrong> {
        let (header, inner) = match format {
            Format::Png => png(file, most)?,
            Format::Jpeg => jpeg(file)?,
            Format::Tiff => tiff(file, most)?,
            Format::Bmp => bmp(file)?,
            Format::WebP => webp(file, most)?,
        };
        Ok(Decoder { header, inner })
    }

    /// All pixels, row by row, each with all its channels.
    pub fn pixels(self) -> Result<Values<'static>, Wrong> {
        let mut bytes = match &self.inner {
            Inner::Bmp(_) | Inner::Tiff(..) => Vec::new(),
            _ => vec![0; self.header.bytes() as usize],
        };
        match self.inner {
            Inner::Png(mut reader) => {
                reader.next_frame(&mut bytes)?;
                if self.header.depth == Depth::U16 {
                    let values = bytes.as_chunks().0.iter().map(|value| u16::from_be_bytes(*value));
                    return Ok(Values::U16(Cow::Owned(values.collect())));
                }
            }
            Inner::Jpeg(mut decoder) => decoder.decode_into(&mut bytes)?,
            Inner::Tiff(mut decoder, color) => return tiff_pixels(&mut decoder, color, &self.header),
            Inner::Bmp(bmp) => return Ok(Values::U8(Cow::Owned(bmp.rgb().map_err(Wrong::damaged)?))),
            Inner::WebP(mut decoder) => decoder.read_image(&mut bytes)?,
        }
        Ok(Values::U8(Cow::Owned(bytes)))
    }
}

fn png(file: &[u8], most: usize) -> Result<(Header, Inner<'_>), Wrong> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(file), png::Limits { bytes: most });
    decoder.set_ignore_text_chunk(true);
    // Palettes to colours, fewer bits to 8, a transparent colour to alpha.
    decoder.set_transformations(png::Transformations::EXPAND);
    let reader = decoder.read_info()?;
    let (color, bits) = reader.output_color_type();
    let depth = match bits {
        png::BitDepth::Eight => Depth::U8,
        png::BitDepth::Sixteen => Depth::U16,
        other => return Err(Wrong::unsupported(format!("{other:?} bits a value"))),
    };
    let (width, height) = reader.info().size();
    let header = Header::new([height as usize, width as usize], color.samples(), depth);
    Ok((header, Inner::Png(Box::new(reader))))
}

fn jpeg(file: &[u8]) -> Result<(Header, Inner<'_>), Wrong> {
    let options =
        DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers()?;
    let unread = || Wrong::damaged("its header has no size");
    let (width, height) = decoder.dimensions().ok_or_else(unread)?;
    let gray = decoder.input_colorspace().ok_or_else(unread)? == ColorSpace::Luma;
    let color = if gray { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(color));
    let header = Header::new([height, width], if gray { 1 } else { 3 }, Depth::U8);
    Ok((header, Inner::Jpeg(Box::new(decoder))))
}

fn bmp(file: &[u8]) -> Result<(Header, Inner<'_>), Wrong> {
    let bmp = Bmp::new(file).map_err(Wrong::damaged)?;
    let header = Header { alpha: bmp.alpha, ..Header::new([bmp.height, bmp.width], 3, Depth::U8) };
    Ok((header, Inner::Bmp(bmp)))
}

fn webp(file: &[u8], most: usize) -> Result<(Header, Inner<'_>), Wrong> {
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(file))?;
    decoder.set_memory_limit(most);
    let (width, height) = decoder.dimensions();
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let header = Header::new([height as usize, width as usize], channels, Depth::U8);
    Ok((header, Inner::WebP(Box::new(decoder))))
}

fn tiff(file: &[u8], most: usize) -> Result<(Header, Inner<'_>), Wrong> {
    let mut limits = tiff::decoder::Limits::default();
    limits.decoding_buffer_size = most;
    limits.intermediate_buffer_size = most;
    let mut decoder = tiff::decoder::Decoder::new(Cursor::new(file))?.with_limits(limits);
    let (width, height) = decoder.dimensions()?;
    let color = decoder.colortype()?;
    let (channels, bits) = match color {
        tiff::ColorType::Gray(bits @ (1 | 8 | 16)) => (1, bits),
        tiff::ColorType::GrayA(bits @ (8 | 16)) => (2, bits),
        tiff::ColorType::RGB(bits @ (8 | 16)) | tiff::ColorType::CMYK(bits @ (8 | 16)) => (3, bits),
        tiff::ColorType::RGBA(bits @ (8 | 16)) => (4, bits),
        other => return Err(Wrong::unsupported(format!("its values are {other:?}"))),
    };
    let formats = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat)?.unwrap_or_default();
    if formats.iter().any(|format| SampleFormat::from_u16(*format) != Some(SampleFormat::Uint)) {
        return Err(Wrong::unsupported("its values are not unsigned integers"));
    }
    let depth = if bits == 16 { Depth::U16 } else { Depth::U8 };
    let header = Header::new([height as usize, width as usize], channels, depth);
    Ok((header, Inner::Tiff(Box::new(decoder), color)))
}

fn tiff_pixels(
    decoder: &mut tiff::decoder::Decoder<Cursor<&[u8]>>,
    color: tiff::ColorType,
    header: &Header,
) -> Result<Values<'static>, Wrong> {
    use tiff::decoder::DecodingResult;
    let mut read = DecodingResult::U8(Vec::new());
    let layout = decoder.read_image_to_buffer(&mut read)?;
    if read.as_buffer(0).byte_len() < layout.complete_len {
        return Err(Wrong::damaged("it claims more pixels than memory is given for"));
    }
    let planes = layout.planes.max(1);
    let cmyk = matches!(color, tiff::ColorType::CMYK(_));
    if planes > 1 && (cmyk || planes < header.channels) {
        return Err(Wrong::unsupported(format!("{planes} planes of {color:?}")));
    }
    Ok(match read {
        DecodingResult::U8(bits) if color == tiff::ColorType::Gray(1) => {
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
