//! From a DICOM data set to the values of one frame: unpacking, bits, palettes and colours.

use super::elements::{DataSet, Pixels};
#[cfg(feature = "jpeg2000")]
use super::jpeg2000;
use super::layout::{Color, PixelLayout, Raw};
use super::syntax::{Packing, unread};
use super::{jpeg, lossless, rle};
use crate::data::image::Values;
use std::borrow::Cow;
use std::ops::Range;

#[cfg(not(feature = "jpeg2000"))]
const NO_JPEG_2000: &str = "its pixels are compressed as JPEG 2000, which this build does not read: build with `--features jpeg2000`";

/// The values of frame `at`.
pub(super) fn frame(set: &DataSet, layout: &PixelLayout, at: usize) -> Result<Values<'static>, String> {
    if at >= layout.frames {
        return Err(format!("has no frame {at}: its {} frames are counted from 0", layout.frames));
    }
    let mut color = layout.color.clone();
    let raw = match &set.pixels {
        Some(Pixels::Plain { range, words }) => {
            let frame = at * layout.bytes()..(at + 1) * layout.bytes();
            plain(&set.bytes[range.clone()], frame, layout, set.syntax.big_endian, *words)
        }
        Some(Pixels::Packed { .. }) => {
            let packed = packed_frame(set, layout, at)?;
            let raw = match set.syntax.packing {
                Packing::Rle => rle::decode(&packed, layout)?,
                Packing::JpegLossless => lossless::decode(&packed, layout)?,
                #[cfg(feature = "jpeg2000")]
                Packing::Jpeg2000 => jpeg2000::decode(&packed, layout)?,
                #[cfg(not(feature = "jpeg2000"))]
                Packing::Jpeg2000 => return Err(NO_JPEG_2000.into()),
                Packing::JpegDct => {
                    let (raw, ybr) = jpeg::decode(&packed, layout, matches!(color, Color::Ybr { .. }))?;
                    if layout.samples == 3 {
                        color = if ybr { Color::Ybr { shared: false } } else { Color::Rgb };
                    }
                    raw
                }
                _ => return Err(unread(set.syntax.uid)),
            };
            if layout.allocated == 16 { widened(raw) } else { raw }
        }
        None => return Err("has no pixels".into()),
    };
    let unused = layout.high + 1 - layout.stored;
    let mask = ((1u32 << layout.stored) - 1) as u16;
    let unsigned = |value: u16| (value >> unused) & mask;
    // Moved to the top and back, the highest bit becomes the sign.
    let sign = 16 - layout.stored;
    let signed = |value: u16| i32::from((unsigned(value) << sign) as i16 >> sign);
    let each: &mut dyn Iterator<Item = u16> = match &raw {
        Raw::Bytes(values) => &mut values.iter().map(|value| u16::from(*value)),
        Raw::Words(values) => &mut values.iter().copied(),
    };
    match color {
        Color::Palette(palette) => {
            let painted = if layout.signed {
                palette.paint(each.map(signed))
            } else {
                palette.paint(each.map(|value| unsigned(value).into()))
            };
            return Ok(if palette.wide {
                Values::U16(Cow::Owned(painted))
            } else {
                Values::U8(painted.into_iter().map(|value| value as u8).collect())
            });
        }
        _ if layout.signed => return Ok(Values::F32(each.map(|value| signed(value) as f32).collect())),
        _ => {}
    }
    Ok(match raw {
        Raw::Bytes(mut values) => {
            if layout.stored < 8 {
                values.iter_mut().for_each(|value| *value = unsigned((*value).into()) as u8);
            }
            if matches!(color, Color::Ybr { .. }) {
                values.as_chunks_mut().0.iter_mut().for_each(rgb);
            }
            Values::U8(Cow::Owned(values))
        }
        Raw::Words(mut values) => {
            if layout.stored < 16 {
                values.iter_mut().for_each(|value| *value = unsigned(*value));
            }
            Values::U16(Cow::Owned(values))
        }
    })
}

/// Values that are stored as they are, colours of a pixel brought side by side.
fn plain(pixels: &[u8], frame: Range<usize>, layout: &PixelLayout, big_endian: bool, words: bool) -> Raw {
    let bytes = &pixels[frame.clone()];
    if layout.allocated == 16 {
        let word = |bytes: &[u8; 2]| {
            if big_endian { u16::from_be_bytes(*bytes) } else { u16::from_le_bytes(*bytes) }
        };
        let words: Vec<u16> = bytes.as_chunks().0.iter().map(word).collect();
        return Raw::Words(if layout.planar { interleaved(&words) } else { words });
    }
    let bytes = if big_endian && words {
        // Of two values in a word the first is in its lower half, which here comes last.
        frame.map(|at| pixels.get(at ^ 1).copied().unwrap_or(0)).collect()
    } else {
        bytes.to_vec()
    };
    if layout.color == (Color::Ybr { shared: true }) {
        let pixels = |[y0, y1, b, r]: &[u8; 4]| [*y0, *b, *r, *y1, *b, *r];
        return Raw::Bytes(bytes.as_chunks().0.iter().flat_map(pixels).collect());
    }
    Raw::Bytes(if layout.planar { interleaved(&bytes) } else { bytes })
}

/// Three planes to pixels.
fn interleaved<T: Copy>(planes: &[T]) -> Vec<T> {
    let plane = planes.len() / 3;
    (0..plane).flat_map(|at| [planes[at], planes[plane + at], planes[2 * plane + at]]).collect()
}

fn widened(raw: Raw) -> Raw {
    match raw {
        Raw::Bytes(values) => Raw::Words(values.into_iter().map(u16::from).collect()),
        words => words,
    }
}

/// From YCbCr to RGB: ITU-R 601, as pydicom rounds it.
fn rgb(pixel: &mut [u8; 3]) {
    let [y, b, r] = pixel.map(f64::from);
    let (b, r) = (b - 128.0, r - 128.0);
    let rounded = |value: f64| (value + 0.5).floor().clamp(0.0, 255.0) as u8;
    let green = y - 0.114 * 1.772 / 0.587 * b - 0.299 * 1.402 / 0.587 * r;
    *pixel = [rounded(y + 1.402 * r), rounded(green), rounded(y + 1.772 * b)];
}

/// The bytes of one compressed frame: a fragment, or several, by the offset table or because there is one frame.
fn packed_frame<'a>(set: &'a DataSet, layout: &PixelLayout, at: usize) -> Result<Cow<'a, [u8]>, String> {
    let Some(Pixels::Packed { table, fragments }) = &set.pixels else {
        return Err("has no fragments of pixels".into());
    };
    if fragments.len() == layout.frames {
        return Ok(Cow::Borrowed(&set.bytes[fragments[at].clone()]));
    }
    let joined = |range: Range<usize>| {
        let parts = fragments.iter().filter(|fragment| range.contains(&fragment.start));
        parts.flat_map(|part| &set.bytes[part.clone()]).copied().collect::<Vec<u8>>()
    };
    if layout.frames == 1 {
        return Ok(Cow::Owned(joined(0..usize::MAX)));
    }
    // Offsets are of fragments' heads, from the first one on.
    let offsets: Vec<u32> =
        set.bytes[table.clone()].as_chunks().0.iter().map(|v| u32::from_le_bytes(*v)).collect();
    if offsets.len() != layout.frames || fragments.len() < layout.frames {
        return Err(format!(
            "claims {} frames, but has {} fragments of pixels and a table of {} frames",
            layout.frames,
            fragments.len(),
            offsets.len()
        ));
    }
    let first = fragments[0].start;
    let end = offsets.get(at + 1).map_or(usize::MAX, |next| first + *next as usize);
    Ok(Cow::Owned(joined(first + offsets[at] as usize..end)))
}
