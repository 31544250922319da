//! Images of a report: pixels, encoded as PNG and held in the page itself.

use crate::figure::{Bitmap, escaped};
use crate::{Error, Result};

/// An image with its caption.
#[derive(Debug, Clone)]
pub struct Picture {
    pub(super) caption: String,
    /// The encoded PNG in base 64, as an address.
    address: String,
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
        let encoded = |bitmap: Bitmap| Ok((bitmap.address()?, bitmap.width(), bitmap.height()));
        match Bitmap::new(pixels, [height, width, channels]).and_then(encoded) {
            Ok((address, width, height)) => Ok(Picture { address, width, height, caption }),
            Err(Error::Argument(reason)) => Err(Error::Argument(format!("picture {caption:?}: {reason}"))),
            Err(other) => Err(other),
        }
    }

    pub(super) fn html(&self) -> String {
        let Picture { caption, address, width, height } = self;
        let caption = escaped(caption);
        format!(r#"<img src="{address}" alt="{caption}" width="{width}" height="{height}"/>"#)
    }
}
