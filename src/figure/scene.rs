//! What every chart is made of before it is SVG or PNG: lines, areas, circles and text, in pixels from the
//! top left corner.

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
