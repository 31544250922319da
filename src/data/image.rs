//! A decoded image and its header's facts: the types that decoders give and preprocessing takes.

use std::borrow::Cow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    U8,
    U16,
    F32,
}

/// An image's facts from its header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub height: usize,
    pub width: usize,
    /// 1 (gray) or 3 (RGB); an alpha channel is not counted.
    pub channels: usize,
    pub depth: Depth,
    /// Whether the file has an alpha channel, which is dropped.
    pub alpha: bool,
    /// Whether the file holds further images, which are ignored.
    pub more: bool,
    /// How stored values of a radiology image are rescaled.
    pub modality: Option<Modality>,
}

/// DICOM's modality rescale of a radiology image, and whether it is inverted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Modality {
    /// A stored value `v` stands for `slope * v + intercept`, both finite and in a float's range.
    pub slope: f64,
    pub intercept: f64,
    /// Whether low values are shown light (MONOCHROME1).
    pub inverted: bool,
    /// The largest value that can be stored.
    pub top: u16,
}

impl Modality {
    /// Rescaled values: slope * v + intercept, or slope * (top - v) of an inverted image.
    pub fn meant<'a>(&self, values: Values<'a>) -> Values<'a> {
        let Modality { slope, intercept, inverted, top } = *self;
        let rescaled = |value: f64| {
            let value = if inverted { slope * (f64::from(top) - value) } else { slope * value + intercept };
            value as f32
        };
        match values {
            values if (slope, intercept, inverted) == (1.0, 0.0, false) => values,
            Values::U8(values) if (slope, intercept) == (1.0, 0.0) => {
                Values::U8(values.iter().map(|value| (top as u8).saturating_sub(*value)).collect())
            }
            Values::U16(values) if (slope, intercept) == (1.0, 0.0) => {
                Values::U16(values.iter().map(|value| top.saturating_sub(*value)).collect())
            }
            Values::U8(values) => Values::F32(values.iter().map(|value| rescaled((*value).into())).collect()),
            Values::U16(values) => {
                Values::F32(values.iter().map(|value| rescaled((*value).into())).collect())
            }
            Values::F32(values) => {
                Values::F32(values.iter().map(|value| rescaled((*value).into())).collect())
            }
        }
    }
}

/// A decoded image: `height * width * channels` values, row-major, channels last.
#[derive(Debug)]
pub(super) struct Image<'a> {
    pub shape: Shape,
    pub values: Values<'a>,
}

#[derive(Debug)]
pub(super) enum Values<'a> {
    U8(Cow<'a, [u8]>),
    U16(Cow<'a, [u16]>),
    F32(Cow<'a, [f32]>),
}

impl Shape {
    /// The pixel that the value at a position is in: `row 1, column 2`.
    pub fn pixel(&self, position: usize) -> String {
        let pixel = position / self.channels;
        format!("row {}, column {}", pixel / self.width, pixel % self.width)
    }
}
