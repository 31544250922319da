//! Images of a report: pixels, encoded as PNG and held in the page itself.

use crate::figure::escaped;
use crate::{Error, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

/// An image with its caption.
#[derive(Debug, Clone)]
pub struct Picture {
    pub(super) caption: String,
    /// The encoded PNG in base 64.
    png: String,
    width: u32,
    height: u32,
}

impl Picture {
    /// An image from its pixels, (H, W, C) row by row, 1 byte each; C is 1 for gray or 3 for RGB. The caption is
    /// also what is read to those who cannot see it.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where a side is 0, `channels` is neither 1 nor 3, or `pixels` is not H x W x C long.
    pub fn new(
        pixels: &[u8],
        height: usize,
        width: usize,
        channels: usize,
        caption: impl Into<String>,
    ) -> Result<Self> {
        let caption = caption.into();
        let refuse = |reason: String| Error::Argument(format!("picture {caption:?}: {reason}"));
        let color = match channels {
            1 => ExtendedColorType::L8,
            3 => ExtendedColorType::Rgb8,
            _ => return Err(refuse(format!("{channels} channels; it must be 1, gray, or 3, RGB"))),
        };
        let sides =
            u32::try_from(width).ok().zip(u32::try_from(height).ok()).filter(|&(w, h)| w > 0 && h > 0);
        let (wide, high) =
            sides.ok_or_else(|| refuse(format!("{height} x {width} is not the size of an image")))?;
        let expected = height.checked_mul(width).and_then(|n| n.checked_mul(channels));
        if expected != Some(pixels.len()) {
            let reason = format!("{} bytes are not {height} x {width} x {channels}", pixels.len());
            return Err(refuse(reason));
        }
        let mut png = Vec::new();
        PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive)
            .write_image(pixels, wide, high, color)
            .map_err(|e| refuse(format!("it could not be encoded: {e}")))?;
        Ok(Picture { png: STANDARD.encode(png), width: wide, height: high, caption })
    }

    pub(super) fn html(&self) -> String {
        let Picture { caption, png, width, height } = self;
        let caption = escaped(caption);
        format!(
            r#"<img src="data:image/png;base64,{png}" alt="{caption}" width="{width}" height="{height}"/>"#
        )
    }
}
