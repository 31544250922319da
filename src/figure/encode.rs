//! Pixels as PNG files.

use crate::{Error, Result};
use png::{BitDepth, ColorType, Compression, Encoder};

/// A PNG file of 8-bit pixels.
pub(super) fn encoded(
    pixels: &[u8],
    [height, width]: [u32; 2],
    color: ColorType,
    compression: Compression,
) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width, height);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(compression);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(pixels))
        .map_err(|e| Error::Argument(format!("a PNG of {width} x {height} could not be encoded: {e}")))?;
    Ok(file)
}
