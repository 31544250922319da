//! The pixel layout of a DICOM data set, with its elements checked against each other and against the existing bytes.

use super::elements::{self, DataSet, Pixels};
use super::syntax::{Packing, unread};
use crate::data::image::{Depth, Modality, Shape};

/// No frame is larger than this, in bytes.
const LARGEST: usize = 1 << 30;

/// The layout of the pixels.
#[derive(Clone, Debug)]
pub(super) struct PixelLayout {
    pub rows: usize,
    pub columns: usize,
    /// Values in a pixel: 1 or 3.
    pub samples: usize,
    /// Bits allocated: 8 or 16.
    pub allocated: usize,
    /// Bits stored, with the high bit `high`.
    pub stored: usize,
    pub high: usize,
    pub signed: bool,
    /// Planar configuration: whether all values of one colour come before those of the next.
    pub planar: bool,
    pub frames: usize,
    pub color: Color,
    modality: Option<Modality>,
}

/// The photometric interpretation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Color {
    Gray,
    Rgb,
    /// Luma and two chroma values, which each two pixels may share.
    Ybr {
        shared: bool,
    },
    Palette(Box<Palette>),
}

/// The colours that values are indices of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Palette {
    first: i32,
    pub wide: bool,
    colors: [Vec<u16>; 3],
}

/// The stored values of a frame, a pixel's colours side by side.
#[derive(Debug, PartialEq)]
pub(super) enum Raw {
    Bytes(Vec<u8>),
    Words(Vec<u16>),
}

/// The number of frames, by default 1.
pub(super) fn frames(set: &DataSet) -> Result<usize, String> {
    let Some(text) = set.text(elements::FRAMES) else { return Ok(1) };
    match text.parse() {
        Ok(count @ 1..=0x7fff_ffff) => Ok(count),
        _ => Err(format!("claims {text:?} frames: a whole number from 1 on is expected")),
    }
}

impl PixelLayout {
    pub fn from_data_set(set: &DataSet) -> Result<Self, String> {
        let number =
            |tag, name: &str| set.number(tag).ok_or_else(|| format!("holds no image: it has no {name}"));
        if [elements::FLOAT_PIXELS, elements::DOUBLE_PIXELS].iter().any(|tag| set.value(*tag).is_some()) {
            return Err("has pixels that are floats: those of 8 and 16 bits are read".into());
        }
        let (rows, columns) = (number(elements::ROWS, "Rows")?, number(elements::COLUMNS, "Columns")?);
        let samples = set.number(elements::SAMPLES).unwrap_or(1);
        let allocated = number(elements::BITS_ALLOCATED, "Bits Allocated")?;
        let stored = set.number(elements::BITS_STORED).unwrap_or(allocated);
        let high = set.number(elements::HIGH_BIT).unwrap_or(stored.saturating_sub(1));
        let signed = set.number(elements::SIGNED).unwrap_or(0) == 1;
        if rows == 0 || columns == 0 {
            return Err(format!("claims an image of {rows} x {columns} pixels: both must be at least 1"));
        }
        if allocated != 8 && allocated != 16 {
            return Err(format!("has values of {allocated} bits: those in 8 and in 16 bits are read"));
        }
        if stored == 0 || high >= allocated || stored > high + 1 {
            return Err(format!(
                "claims values of {stored} bits, with high bit {high}, in {allocated}: that is impossible"
            ));
        }
        let name = set.text(elements::PHOTOMETRIC).unwrap_or_default();
        let (color, inverted) = match (name.as_str(), samples) {
            ("MONOCHROME1", 1) => (Color::Gray, true),
            ("MONOCHROME2", 1) => (Color::Gray, false),
            ("PALETTE COLOR", 1) => (Color::Palette(Box::new(Palette::from_data_set(set)?)), false),
            ("RGB", 3) => (Color::Rgb, false),
            // JPEG 2000's own transforms, which its decoder undoes.
            ("YBR_RCT" | "YBR_ICT", 3) if set.syntax.packing == Packing::Jpeg2000 => (Color::Rgb, false),
            ("YBR_FULL", 3) => (Color::Ybr { shared: false }, false),
            // Once unpacked, each pixel has its own.
            ("YBR_FULL_422", 3) => (Color::Ybr { shared: set.syntax.packing == Packing::None }, false),
            _ => {
                return Err(format!(
                    "is {name:?} with {samples} values a pixel: MONOCHROME1, MONOCHROME2 and PALETTE COLOR of 1, RGB, YBR_FULL and YBR_FULL_422 of 3 are read"
                ));
            }
        };
        if samples == 3 && signed || matches!(color, Color::Ybr { .. }) && (allocated, stored) != (8, 8) {
            return Err(format!(
                "has {name} values of {stored} bits{}: those of 8, unsigned, are read",
                if signed { ", signed" } else { "" }
            ));
        }
        if matches!(color, Color::Ybr { shared: true }) && columns % 2 != 0 {
            return Err(format!("is YBR_FULL_422 of {columns} columns: pairs of pixels share colours in it"));
        }
        let modality = match color {
            Color::Gray => Some(modality(set, inverted, stored, signed)?),
            _ => None,
        };
        let planar = samples == 3 && set.number(elements::PLANAR) == Some(1);
        let frames = frames(set)?;
        let layout = PixelLayout {
            rows,
            columns,
            samples,
            allocated,
            stored,
            high,
            signed,
            planar,
            frames,
            color,
            modality,
        };
        layout.check(set)?;
        Ok(layout)
    }

    /// Values in a frame.
    pub fn values(&self) -> usize {
        self.rows * self.columns * self.samples
    }

    /// Bytes of an uncompressed frame.
    pub fn bytes(&self) -> usize {
        match self.color {
            Color::Ybr { shared: true } => self.rows * self.columns * 2,
            _ => self.values() * self.allocated / 8,
        }
    }

    /// Refuses sizes that the existing bytes cannot hold, before anything is allocated for them.
    fn check(&self, set: &DataSet) -> Result<(), String> {
        let PixelLayout { rows, columns, frames, .. } = self;
        if set.syntax.packing == Packing::Unread {
            return Err(unread(set.syntax.uid));
        }
        if self.values() * 2 > LARGEST {
            return Err(format!("claims an image of {rows} x {columns} pixels: more than 1 GiB"));
        }
        let (held, densest) = match &set.pixels {
            None => return Err("has no pixels: there is no pixel data (7fe0,0010) in it".into()),
            Some(Pixels::Plain { .. }) if set.syntax.packing != Packing::None => {
                return Err("has uncompressed pixels, where its transfer syntax says compressed".into());
            }
            Some(Pixels::Packed { .. }) if set.syntax.packing == Packing::None => {
                return Err("has compressed pixels, where its transfer syntax says uncompressed".into());
            }
            Some(Pixels::Plain { range, .. }) => {
                let expected = self.bytes().checked_mul(*frames).filter(|expected| *expected <= range.len());
                return match expected {
                    Some(_) => Ok(()),
                    None => Err(format!(
                        "claims {frames} frames of {rows} x {columns} pixels, {} bytes each: its pixel data has {}",
                        self.bytes(),
                        range.len()
                    )),
                };
            }
            Some(Pixels::Packed { fragments, .. }) => {
                let densest = match set.syntax.packing {
                    // Of a run, two bytes make 128.
                    Packing::Rle => 64,
                    // A bit at least for each value.
                    Packing::JpegLossless => 8,
                    // A bit for the blocks of 64, of which two colours may be four times as large.
                    _ => 1024,
                };
                (fragments.iter().map(|fragment| fragment.len()).sum::<usize>(), densest)
            }
        };
        if self.values().checked_mul(*frames).is_none_or(|values| values / densest > held) {
            Err(format!(
                "claims {frames} frames of {rows} x {columns} pixels: more than its {held} compressed bytes can hold"
            ))
        } else {
            Ok(())
        }
    }

    pub fn shape(&self) -> Shape {
        let identity =
            self.modality.is_none_or(|modality| (modality.slope, modality.intercept) == (1.0, 0.0));
        let depth = match &self.color {
            Color::Palette(palette) if palette.wide => Depth::U16,
            Color::Palette(_) => Depth::U8,
            _ if self.signed || !identity => Depth::F32,
            _ if self.allocated == 8 => Depth::U8,
            _ => Depth::U16,
        };
        let channels = if self.color == Color::Gray { 1 } else { 3 };
        Shape {
            height: self.rows,
            width: self.columns,
            channels,
            depth,
            alpha: false,
            more: self.frames > 1,
            modality: self.modality,
        }
    }
}

fn modality(set: &DataSet, inverted: bool, stored: usize, signed: bool) -> Result<Modality, String> {
    let number = |tag, name: &str, default: f64| match set.text(tag) {
        None => Ok(default),
        Some(text) => match text.parse::<f64>() {
            Ok(value) if (value as f32).abs() <= 1e30 => Ok(value),
            _ => Err(format!("has the rescale {name} {text:?}: a finite number is expected")),
        },
    };
    let slope = number(elements::SLOPE, "slope", 1.0)?;
    if slope == 0.0 {
        return Err("has the rescale slope 0, which makes all values equal".into());
    }
    let intercept = number(elements::INTERCEPT, "intercept", 0.0)?;
    let top = (1u32 << (stored - usize::from(signed))) - 1;
    Ok(Modality { slope, intercept, inverted, top: top as u16 })
}

impl Palette {
    fn from_data_set(set: &DataSet) -> Result<Self, String> {
        let (mut first, mut wide) = (0, false);
        let mut colors = [const { Vec::new() }; 3];
        for (at, name) in ["red", "green", "blue"].into_iter().enumerate() {
            let shape = set.words(elements::PALETTE_SHAPES[at]).unwrap_or_default();
            let (Some([count, begin, bits]), Some(bytes)) =
                (shape.first_chunk().copied(), set.value(elements::PALETTES[at]))
            else {
                return Err(format!(
                    "is PALETTE COLOR without a table of {name}: those in segments are not read"
                ));
            };
            let count = if count == 0 { 1 << 16 } else { usize::from(count) };
            colors[at] = match bytes.len() {
                len if len >= 2 * count => set.words(elements::PALETTES[at]).unwrap_or_default(),
                len if len >= count && bits == 8 => bytes.iter().map(|byte| u16::from(*byte)).collect(),
                len => {
                    return Err(format!(
                        "claims {count} colours of {bits} bits in its table of {name}, which has {len} bytes"
                    ));
                }
            };
            colors[at].truncate(count);
            first = if set.number(elements::SIGNED) == Some(1) {
                i32::from(begin as i16)
            } else {
                i32::from(begin)
            };
            wide |= bits > 8;
        }
        Ok(Palette { first, wide, colors })
    }

    /// The colours of values: those below the table have its first, those above it its last.
    pub fn paint(&self, values: impl Iterator<Item = i32>) -> Vec<u16> {
        let color = |value: i32, table: &[u16]| {
            let at = (value - self.first).clamp(0, table.len() as i32 - 1);
            table[at as usize]
        };
        values.flat_map(|value| self.colors.each_ref().map(|table| color(value, table))).collect()
    }
}
