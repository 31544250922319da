//! WebP files, by the crate `image-webp`: of an animation the first frame is taken.

use super::raster::{Decoder, FREE_CLAIM, Header, Raster, Wrong};
use crate::data::image::{Depth, Values};
use image_webp::{DecodingError, WebPDecoder};
use std::borrow::Cow;
use std::io::Cursor;

pub(super) struct WebP;

impl Raster for WebP {
    fn name(&self) -> &'static str {
        "WebP"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["webp"]
    }

    fn begins(&self, start: &[u8]) -> bool {
        matches!(start, [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..])
    }

    /// An image of one colour takes no bits for its pixels.
    fn free_claim(&self) -> u64 {
        FREE_CLAIM
    }

    fn open<'a>(&self, file: &'a [u8], most: usize) -> Result<Box<dyn Decoder + 'a>, Wrong> {
        let mut decoder = WebPDecoder::new(Cursor::new(file))?;
        decoder.set_memory_limit(most);
        let (width, height) = decoder.dimensions();
        let channels = if decoder.has_alpha() { 4 } else { 3 };
        let header = Header::new([height as usize, width as usize], channels, Depth::U8);
        let header = Header { more: is_animated(file), ..header };
        Ok(Box::new(Opened { header, decoder, file }))
    }
}

struct Opened<'a> {
    header: Header,
    decoder: WebPDecoder<Cursor<&'a [u8]>>,
    file: &'a [u8],
}

impl Decoder for Opened<'_> {
    fn header(&self) -> Header {
        self.header
    }

    fn pixels(mut self: Box<Self>) -> Result<Values<'static>, Wrong> {
        if !riff_is_whole(self.file) {
            return Err(Wrong::Cut("is cut short: it ends before its WebP header says"));
        }
        let mut bytes = self.header.buffer();
        self.decoder.read_image(&mut bytes)?;
        Ok(Values::U8(Cow::Owned(bytes)))
    }
}

impl From<DecodingError> for Wrong {
    fn from(error: DecodingError) -> Self {
        Wrong::damaged(error)
    }
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
