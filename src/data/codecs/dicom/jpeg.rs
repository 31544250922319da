//! JPEG of 8 bits in DICOM files: baseline, extended and progressive, by the decoder that reads JPEG files.
//! The colour space is that of the JPEG's own markers, or else DICOM's.

use super::layout::{PixelLayout, Raw};
use crate::data::codecs::jpeg::{self, Colours, Head};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The values of a frame, and whether they are luma and differences of colour still.
pub(super) fn decode(packed: &[u8], layout: &PixelLayout, ybr: bool) -> Result<(Raw, bool), String> {
    let head = Head::parse(packed)?;
    check(&head, layout)?;
    if head.process > 2 || head.precision != 8 {
        return Err(format!(
            "is JPEG of {} bits, process SOF{}: those of 8 bits, SOF0 to SOF2, and lossless ones are read",
            head.precision, head.process
        ));
    }
    let ybr = head.ybr.unwrap_or(ybr);
    if let Some(pixels) = jpeg::decode(packed, if ybr { Colours::Ybr } else { Colours::Rgb })? {
        return Ok((Raw::Bytes(pixels.values), false));
    }
    // Other kinds are rare. That decoder fills missing data with gray.
    if !jpeg::ends(packed, 2) {
        return Err(jpeg::CUT.into());
    }
    let unreadable = |error| format!("cannot be decoded: {error}");
    let options = DecoderOptions::default().set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(packed), options);
    decoder.decode_headers().map_err(unreadable)?;
    let coded = decoder.input_colorspace().ok_or("cannot be decoded: its JPEG data has no colours")?;
    decoder.set_options(options.jpeg_set_out_colorspace(coded));
    let values = decoder.decode().map_err(unreadable)?;
    if values.len() == layout.values() {
        Ok((Raw::Bytes(values), ybr))
    } else {
        Err(format!("has JPEG data of {} values, where {} are expected", values.len(), layout.values()))
    }
}

/// Checks that JPEG data have the size, channels and depth of the DICOM header.
pub(super) fn check(head: &Head, layout: &PixelLayout) -> Result<(), String> {
    let Head { rows, columns, components, precision, .. } = *head;
    if (rows, columns, components) != (layout.rows, layout.columns, layout.samples) {
        return Err(format!(
            "says {} x {} pixels of {} values, but its JPEG data {rows} x {columns} of {components}",
            layout.rows, layout.columns, layout.samples
        ));
    }
    if usize::from(precision) > layout.allocated {
        Err(format!("says values of {} bits, but its JPEG data {precision}", layout.allocated))
    } else {
        Ok(())
    }
}
