//! BMP files, by the decoder of [`codecs::bmp`](crate::data::codecs::bmp).

use super::raster::{Decoder, Header, Raster, Wrong};
use crate::data::codecs::bmp;
use crate::data::image::{Depth, Values};
use std::borrow::Cow;

pub(super) struct Bmp;

impl Raster for Bmp {
    fn name(&self) -> &'static str {
        "BMP"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["bmp"]
    }

    fn begins(&self, start: &[u8]) -> bool {
        start.starts_with(b"BM")
    }

    fn open<'a>(&self, file: &'a [u8], _most: usize) -> Result<Box<dyn Decoder + 'a>, Wrong> {
        let decoder = bmp::Bmp::new(file).map_err(Wrong::damaged)?;
        let header = Header::new([decoder.height, decoder.width], 3, Depth::U8);
        let header = Header { alpha: decoder.alpha, gray: palette_is_gray(file), ..header };
        Ok(Box::new(Opened { header, decoder }))
    }
}

struct Opened<'a> {
    header: Header,
    decoder: bmp::Bmp<'a>,
}

impl Decoder for Opened<'_> {
    fn header(&self) -> Header {
        self.header
    }

    fn pixels(self: Box<Self>) -> Result<Values<'static>, Wrong> {
        Ok(Values::U8(Cow::Owned(self.decoder.rgb().map_err(Wrong::damaged)?)))
    }
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
