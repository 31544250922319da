//! What every kind of image file has: a name, how it is recognised, and how to read it.

use crate::Result;
use crate::data::codecs::image_bytes::ImageBytes;
use crate::data::image::{Image, Shape};

/// A kind of image file. [`KINDS`](super::KINDS) has one of each.
pub(super) trait ImageKind: Sync {
    /// Its name, as messages have it.
    fn name(&self) -> &'static str;

    /// What the names of its files end in, in lower case.
    fn endings(&self) -> &'static [&'static str];

    /// Whether a file that begins so is one.
    fn begins(&self, start: &[u8]) -> bool;

    /// Whether a file is of this kind: by its content, not its name, unless the kind has no signature.
    fn is(&self, file: &ImageBytes<'_>) -> bool {
        self.begins(file.start())
    }

    /// The shape of an image, from its header.
    fn shape(&self, file: ImageBytes<'_>) -> Result<Shape>;

    /// An image's pixels.
    fn decode(&self, file: ImageBytes<'_>) -> Result<Image<'static>>;
}
