//! JPEG of 8 bits in DICOM files: baseline, extended and progressive, by the decoder that reads JPEG files.
//! Colours are left as they are coded: which they are is told by the JPEG's own marks first, then by DICOM's.

use super::pixels::{Layout, Raw};
use crate::data::image_file::jpeg_is_whole;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The values of a frame, and whether they are luma and differences of colour.
pub(super) fn decode(packed: &[u8], layout: &Layout, ybr: bool) -> Result<(Raw, bool), String> {
    let head = Head::of(packed)?;
    head.check(layout)?;
    if head.process > 2 || head.precision != 8 {
        return Err(format!(
            "is JPEG of {} bits, process SOF{}: those of 8 bits, SOF0 to SOF2, and lossless ones are read",
            head.precision, head.process
        ));
    }
    // The decoder fills what is not there with gray.
    if !jpeg_is_whole(packed) {
        return Err("is cut short: the JPEG data has no end-of-image marker".into());
    }
    let unreadable = |error| format!("cannot be decoded: {error}");
    let options = DecoderOptions::default().set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(packed), options);
    decoder.decode_headers().map_err(unreadable)?;
    let coded = decoder.input_colorspace().ok_or("cannot be decoded: its JPEG data has no colours")?;
    decoder.set_options(options.jpeg_set_out_colorspace(coded));
    let values = decoder.decode().map_err(unreadable)?;
    match values.len() == layout.values() {
        true => Ok((Raw::Bytes(values), head.ybr.unwrap_or(ybr))),
        false => {
            Err(format!("has JPEG data of {} values, where {} are expected", values.len(), layout.values()))
        }
    }
}

/// What JPEG data say of themselves.
pub(super) struct Head {
    /// The number of the frame's marker, SOF0 .. SOF15.
    pub process: u8,
    pub precision: u8,
    rows: usize,
    columns: usize,
    components: usize,
    /// Whether colours are luma and differences, where a mark of Adobe's or JFIF's says so.
    ybr: Option<bool>,
}

impl Head {
    pub fn of(packed: &[u8]) -> Result<Self, String> {
        let mut ybr = None;
        for segment in Segments::of(packed)? {
            let (marker, body) = segment?;
            match (marker, body) {
                (0xe0, [b'J', b'F', b'I', b'F', 0, ..]) => ybr = ybr.or(Some(true)),
                (0xee, [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..]) => {
                    ybr = Some(*transform != 0);
                }
                (0xc0..=0xcf, [precision, y1, y0, x1, x0, components, ..])
                    if ![0xc4, 0xc8, 0xcc].contains(&marker) =>
                {
                    return Ok(Head {
                        process: marker - 0xc0,
                        precision: *precision,
                        rows: u16::from_be_bytes([*y1, *y0]).into(),
                        columns: u16::from_be_bytes([*x1, *x0]).into(),
                        components: usize::from(*components),
                        ybr,
                    });
                }
                (0xda, _) => break,
                _ => {}
            }
        }
        Err("has JPEG data without a frame".into())
    }

    /// Whether the JPEG data are of the image that the file says they are.
    pub fn check(&self, layout: &Layout) -> Result<(), String> {
        let Head { rows, columns, components, precision, .. } = *self;
        if (rows, columns, components) != (layout.rows, layout.columns, layout.samples) {
            return Err(format!(
                "says {} x {} pixels of {} values, but its JPEG data {rows} x {columns} of {components}",
                layout.rows, layout.columns, layout.samples
            ));
        }
        match usize::from(precision) > layout.allocated {
            true => Err(format!("says values of {} bits, but its JPEG data {precision}", layout.allocated)),
            false => Ok(()),
        }
    }
}

/// The marker segments of JPEG data, to the first scan: marker and content.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Segments<'a> {
    pub fn of(bytes: &'a [u8]) -> Result<Self, String> {
        match bytes {
            [0xff, 0xd8, ..] => Ok(Segments { bytes, at: 2 }),
            _ => Err("has JPEG data that do not begin as JPEG does, with ff d8".into()),
        }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Result<(u8, &'a [u8]), String>;

    /// What follows `at`; after it, `at` is behind the segment.
    fn next(&mut self) -> Option<Self::Item> {
        let cut = || Some(Err("is cut short: its JPEG data end before a scan does".into()));
        // Any number of fill bytes may stand before a marker.
        while self.bytes.get(self.at..self.at + 2) == Some(&[0xff, 0xff]) {
            self.at += 1;
        }
        let Some([0xff, marker, rest @ ..]) = self.bytes.get(self.at..) else {
            return match self.bytes.len() > self.at + 1 {
                true => Some(Err(format!("has damaged JPEG data: no marker at byte {}", self.at))),
                false => cut(),
            };
        };
        // Markers alone: the end, and restarts.
        if let 0xd0..=0xd9 = marker {
            self.at += 2;
            return Some(Ok((*marker, &[])));
        }
        let len = rest.first_chunk().map(|len| usize::from(u16::from_be_bytes(*len)));
        match len.and_then(|len| rest.get(2..len)) {
            Some(body) => {
                self.at += 4 + body.len();
                Some(Ok((*marker, body)))
            }
            None => cut(),
        }
    }
}
