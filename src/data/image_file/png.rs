//! PNG files, by the crate `png`.

use super::raster::{Decoder, Header, Raster, Wrong};
use crate::data::image::{Depth, Values};
use ::png::{BitDepth, DecodingError, Limits, Reader, Transformations};
use std::borrow::Cow;
use std::io::Cursor;

pub(super) struct Png;

impl Raster for Png {
    fn name(&self) -> &'static str {
        "PNG"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["png"]
    }

    fn begins(&self, start: &[u8]) -> bool {
        start.starts_with(b"\x89PNG\r\n\x1a\n")
    }

    fn open<'a>(&self, file: &'a [u8], most: usize) -> Result<Box<dyn Decoder + 'a>, Wrong> {
        let mut decoder = ::png::Decoder::new_with_limits(Cursor::new(file), Limits { bytes: most });
        decoder.set_ignore_text_chunk(true);
        // Palettes to colours, fewer bits to 8, a transparent colour to alpha.
        decoder.set_transformations(Transformations::EXPAND);
        let reader = decoder.read_info()?;
        let (color, bits) = reader.output_color_type();
        let depth = match bits {
            BitDepth::Eight => Depth::U8,
            BitDepth::Sixteen => Depth::U16,
            other => return Err(Wrong::unsupported(format!("{other:?} bits a value"))),
        };
        let (width, height) = reader.info().size();
        let header = Header::new([height as usize, width as usize], color.samples(), depth);
        Ok(Box::new(Opened { header, reader }))
    }
}

struct Opened<'a> {
    header: Header,
    reader: Reader<Cursor<&'a [u8]>>,
}

impl Decoder for Opened<'_> {
    fn header(&self) -> Header {
        self.header
    }

    fn pixels(mut self: Box<Self>) -> Result<Values<'static>, Wrong> {
        let mut bytes = self.header.buffer();
        self.reader.next_frame(&mut bytes)?;
        if self.header.depth == Depth::U16 {
            let values = bytes.as_chunks().0.iter().map(|value| u16::from_be_bytes(*value));
            return Ok(Values::U16(Cow::Owned(values.collect())));
        }
        Ok(Values::U8(Cow::Owned(bytes)))
    }
}

impl From<DecodingError> for Wrong {
    fn from(error: DecodingError) -> Self {
        Wrong::damaged(error)
    }
}
