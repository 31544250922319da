//! One image file: its shape from the header, and its pixels, by a table of kinds. The kind is found by content, but for
//! the oldest DICOM files.
//! Alpha is dropped, a palette expanded, an EXIF orientation left alone: as `Pillow.convert("RGB")` does.
//!
//! A kind that a crate decodes implements [`raster::Raster`] in a file of its own; one that reads files in its own way
//! implements [`ImageKind`].

mod bmp;
mod dicom;
mod jpeg;
mod kind;
mod png;
mod raster;
mod tiff;
mod webp;

use super::codecs::image_bytes::ImageBytes;
use super::image::{Image, Shape};
use crate::{Error, Result};
use kind::ImageKind;
use std::path::Path;

/// All kinds that are read, in the order in which messages name them.
static KINDS: [&dyn ImageKind; 6] =
    [&png::Png, &jpeg::Jpeg, &tiff::Tiff, &bmp::Bmp, &webp::WebP, &dicom::DicomFile];

/// The shape of an image, from its header.
pub(super) fn shape(path: &Path) -> Result<Shape> {
    let file = ImageBytes::open(path)?;
    kind_of(&file)?.shape(file)
}

/// An image's pixels.
pub(super) fn decode(path: &Path) -> Result<Image<'static>> {
    let file = ImageBytes::open(path)?;
    kind_of(&file)?.decode(file)
}

/// Whether a file that begins so is an image.
pub(super) fn is_image(start: &[u8]) -> bool {
    KINDS.iter().any(|kind| kind.begins(start))
}

/// Whether a file name is that of an image.
pub(super) fn is_image_name(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    endings().any(|known| ending.eq_ignore_ascii_case(known))
}

/// What the names of image files end in.
pub(super) fn endings() -> impl Iterator<Item = &'static str> {
    KINDS.iter().flat_map(|kind| kind.endings()).copied()
}

fn kind_of(file: &ImageBytes<'_>) -> Result<&'static dyn ImageKind> {
    // The last first: what stands before a DICOM file's mark may look like the start of another kind.
    KINDS.iter().rev().find(|kind| kind.is(file)).copied().ok_or_else(|| {
        let start: Vec<String> = file.start().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let (last, others) = KINDS.split_last().expect("there are kinds");
        let others: Vec<&str> = others.iter().map(|kind| kind.name()).collect();
        Error::format(
            file.path(),
            format!(
                "is no {} or {} image: it begins with {}",
                others.join(", "),
                last.name(),
                start.join(" ")
            ),
        )
    })
}
