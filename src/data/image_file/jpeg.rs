//! JPEG files: most by the decoder of [`codecs::jpeg`](crate::data::codecs::jpeg), the others by `zune-jpeg`.

use super::kind::ImageKind;
use super::raster::{self, Decoder, Header, Raster, Wrong};
use crate::data::codecs::image_bytes::{ImageBytes, guarded};
use crate::data::codecs::jpeg::{self, Colours, Pixels};
use crate::data::image::{Depth, Image, Shape, Values};
use crate::{Error, Result};
use std::borrow::Cow;
use std::cell::Cell;
use std::path::Path;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// A buffer that is kept for the next file is no longer.
const KEPT: usize = 1 << 24;

thread_local! {
    /// The bytes of the file that was read last, which the next one's are written over.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

pub(super) struct Jpeg;

impl ImageKind for Jpeg {
    fn name(&self) -> &'static str {
        "JPEG"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["jpg", "jpeg"]
    }

    fn begins(&self, start: &[u8]) -> bool {
        start.starts_with(&[0xff, 0xd8])
    }

    fn shape(&self, file: ImageBytes<'_>) -> Result<Shape> {
        let Some([height, width, channels]) = jpeg::extents(file.start()) else {
            return Other.shape(file);
        };
        let bytes = (height * width * channels) as u64;
        raster::check_claim(file.path(), [height, width], bytes, file.len()?, 0)?;
        Ok(plain_shape(height, width, channels))
    }

    fn decode(&self, file: ImageBytes<'_>) -> Result<Image<'static>> {
        let path = file.path();
        let mut kept = BUFFER.take();
        let decoded = file.fill(&mut kept).and_then(|len| guarded(path, || decode(path, &kept[..len])));
        if kept.len() <= KEPT {
            BUFFER.set(kept);
        }
        decoded
    }
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Image<'static>> {
    match jpeg::decode(bytes, Colours::Marked).map_err(|reason| Error::format(path, reason))? {
        Some(Pixels { height, width, channels, values }) => {
            Ok(Image { shape: plain_shape(height, width, channels), values: Values::U8(Cow::Owned(values)) })
        }
        None if !jpeg::ends(bytes, 2) => Err(Error::format(path, jpeg::CUT)),
        None => raster::decode(&Other, path, bytes),
    }
}

/// The shape of an 8-bit image without alpha or further frames.
fn plain_shape(height: usize, width: usize, channels: usize) -> Shape {
    Shape { height, width, channels, depth: Depth::U8, alpha: false, more: false, modality: None }
}

/// What `codecs::jpeg` does not read: CMYK, arithmetic coding and the like.
struct Other;

impl Raster for Other {
    fn name(&self) -> &'static str {
        Jpeg.name()
    }

    fn endings(&self) -> &'static [&'static str] {
        Jpeg.endings()
    }

    fn begins(&self, start: &[u8]) -> bool {
        Jpeg.begins(start)
    }

    fn open<'a>(&self, file: &'a [u8], _most: usize) -> Result<Box<dyn Decoder + 'a>, Wrong> {
        let options = DecoderOptions::default()
            .set_strict_mode(false)
            .set_max_width(usize::MAX)
            .set_max_height(usize::MAX);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
        decoder.decode_headers()?;
        let unread = || Wrong::damaged("its header has no size");
        let (width, height) = decoder.dimensions().ok_or_else(unread)?;
        let gray = decoder.input_colorspace().ok_or_else(unread)? == ColorSpace::Luma;
        let color = if gray { ColorSpace::Luma } else { ColorSpace::RGB };
        decoder.set_options(options.jpeg_set_out_colorspace(color));
        let header = Header::new([height, width], if gray { 1 } else { 3 }, Depth::U8);
        Ok(Box::new(Zune { header, decoder }))
    }
}

struct Zune<'a> {
    header: Header,
    decoder: JpegDecoder<ZCursor<&'a [u8]>>,
}

impl Decoder for Zune<'_> {
    fn header(&self) -> Header {
        self.header
    }

    fn pixels(mut self: Box<Self>) -> Result<Values<'static>, Wrong> {
        let mut bytes = self.header.buffer();
        self.decoder.decode_into(&mut bytes)?;
        Ok(Values::U8(Cow::Owned(bytes)))
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
