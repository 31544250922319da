//! What every figure is made of before it is SVG or PNG: lines, areas, circles, text and images, in pixels from the
//! top left corner.

use crate::{Error, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use png::{ColorType, Compression};
use std::sync::Arc;

/// Red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Color(pub [u8; 3]);

impl Color {
    pub(super) const WHITE: Color = Color([255, 255, 255]);
    /// Text and axes.
    pub(super) const INK: Color = Color([0x22, 0x22, 0x22]);
    /// The grid behind the data.
    pub(super) const GRID: Color = Color([0xe3, 0xe3, 0xe3]);
    /// What only separates: minor lines, cells without a value.
    pub(super) const FAINT: Color = Color([0x9a, 0x9a, 0x9a]);
    /// What is to be looked at: Okabe and Ito's vermilion.
    pub(super) const ALERT: Color = Color([0xd5, 0x5e, 0x00]);
}

/// How a line is drawn.
#[derive(Debug, Clone)]
pub(super) struct Stroke {
    pub color: Color,
    pub width: f64,
    /// Lengths of dashes and gaps by turns; empty where the line is solid.
    pub dash: &'static [f64],
}

impl Stroke {
    pub(super) fn solid(color: Color, width: f64) -> Self {
        Stroke { color, width, dash: &[] }
    }
}

/// What an area is filled with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fill {
    pub color: Color,
    /// 0 is clear, 1 hides what is behind.
    pub opacity: f64,
}

impl Fill {
    pub(super) fn solid(color: Color) -> Self {
        Fill { color, opacity: 1.0 }
    }
}

/// Which part of a text lies at its position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// One line of text.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub text: String,
    /// Where the anchor lies on the baseline.
    pub at: [f64; 2],
    /// The font's height.
    pub size: f64,
    pub anchor: Anchor,
    /// Whether it is read from the bottom to the top.
    pub upright: bool,
    pub color: Color,
}

impl Text {
    /// Black text whose vertical middle is at `at`.
    pub(super) fn centred(text: impl Into<String>, at: [f64; 2], size: f64, anchor: Anchor) -> Self {
        // Half the height of digits and capitals.
        let baseline = at[1] + 0.36 * size;
        Text { text: text.into(), at: [at[0], baseline], size, anchor, upright: false, color: Color::INK }
    }

    /// Black text from the bottom to the top, its horizontal middle at `at`.
    pub(super) fn upright(text: impl Into<String>, at: [f64; 2], size: f64, anchor: Anchor) -> Self {
        let baseline = at[0] + 0.36 * size;
        Text { text: text.into(), at: [baseline, at[1]], size, anchor, upright: true, color: Color::INK }
    }
}

/// An image of its own pixels, gray or RGB.
#[derive(Clone)]
pub(crate) struct Bitmap {
    pixels: Arc<[u8]>,
    shape: [usize; 3],
}

impl std::fmt::Debug for Bitmap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bitmap({:?})", self.shape)
    }
}

impl Bitmap {
    /// An image from its pixels, (H, W, C) row by row, 1 byte each; C is 1 for gray or 3 for RGB.
    pub(crate) fn new(pixels: &[u8], shape: [usize; 3]) -> Result<Self> {
        let [height, width, channels] = shape;
        let sides = u32::try_from(width).is_ok() && u32::try_from(height).is_ok();
        if !matches!(channels, 1 | 3) {
            return Err(Error::Argument(format!("{channels} channels; it must be 1, gray, or 3, RGB")));
        }
        if height == 0 || width == 0 || !sides {
            return Err(Error::Argument(format!("{height} x {width} is not the size of an image")));
        }
        if height.checked_mul(width).and_then(|n| n.checked_mul(channels)) != Some(pixels.len()) {
            let reason = format!("{} bytes are not {height} x {width} x {channels}", pixels.len());
            return Err(Error::Argument(reason));
        }
        Ok(Bitmap { pixels: pixels.into(), shape })
    }

    pub(crate) fn height(&self) -> u32 {
        self.shape[0] as u32
    }

    pub(crate) fn width(&self) -> u32 {
        self.shape[1] as u32
    }

    /// Red, green and blue of each pixel, row by row.
    pub(super) fn rgb(&self) -> impl Iterator<Item = [u8; 3]> {
        let channels = self.shape[2];
        self.pixels.chunks_exact(channels).map(move |pixel| [0, 1, 2].map(|at| pixel[at % channels]))
    }

    /// As the address of an `<img>` or `<image>`, which is the image itself.
    pub(crate) fn address(&self) -> Result<String> {
        let color = if self.shape[2] == 1 { ColorType::Grayscale } else { ColorType::Rgb };
        let png =
            super::encode::encoded(&self.pixels, [self.height(), self.width()], color, Compression::High)?;
        Ok(format!("data:image/png;base64,{}", STANDARD.encode(png)))
    }
}

/// What can be drawn.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Path {
        points: Vec<[f64; 2]>,
        closed: bool,
        fill: Option<Fill>,
        stroke: Option<Stroke>,
    },
    Circle {
        centre: [f64; 2],
        radius: f64,
        fill: Option<Fill>,
        stroke: Option<Stroke>,
    },
    Text(Text),
    /// An image, over the rectangle at `from`.
    Bitmap {
        bitmap: Bitmap,
        from: [f64; 2],
        size: [f64; 2],
    },
    /// Shapes that belong together: `class` says what they are, `name` whose they are.
    Group {
        class: &'static str,
        name: String,
        shapes: Vec<Shape>,
    },
}

impl Shape {
    /// The same, so many pixels further right and further down.
    pub(super) fn moved(&self, by: [f64; 2]) -> Self {
        let to = |[x, y]: [f64; 2]| [x + by[0], y + by[1]];
        let mut shape = self.clone();
        match &mut shape {
            Shape::Path { points, .. } => points.iter_mut().for_each(|point| *point = to(*point)),
            Shape::Circle { centre, .. } => *centre = to(*centre),
            Shape::Text(text) => text.at = to(text.at),
            Shape::Bitmap { from, .. } => *from = to(*from),
            Shape::Group { shapes, .. } => shapes.iter_mut().for_each(|shape| *shape = shape.moved(by)),
        }
        shape
    }
}

/// A line from `from` to `to`.
pub(super) fn line(from: [f64; 2], to: [f64; 2], stroke: Stroke) -> Shape {
    Shape::Path { points: vec![from, to], closed: false, fill: None, stroke: Some(stroke) }
}

/// A line through `points`.
pub(super) fn polyline(points: Vec<[f64; 2]>, stroke: Stroke) -> Shape {
    Shape::Path { points, closed: false, fill: None, stroke: Some(stroke) }
}

/// The rectangle between two corners.
pub(super) fn rectangle(from: [f64; 2], to: [f64; 2], fill: Option<Fill>, stroke: Option<Stroke>) -> Shape {
    let points = vec![from, [to[0], from[1]], to, [from[0], to[1]]];
    Shape::Path { points, closed: true, fill, stroke }
}
