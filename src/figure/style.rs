//! Colours and marks that keep series distinguishable, in print and for colour-blind readers: the colours of Okabe and Ito, and with
//! each a mark and a dash of its own.

use super::scene::{Color, Fill, Shape, Stroke, line, rectangle};

/// Okabe & Ito's colours, those that are strong on white first; their yellow is too pale for lines.
const COLORS: [[u8; 3]; 7] = [
    [0x00, 0x72, 0xb2],
    [0xd5, 0x5e, 0x00],
    [0x00, 0x9e, 0x73],
    [0xcc, 0x79, 0xa7],
    [0xe6, 0x9f, 0x00],
    [0x56, 0xb4, 0xe9],
    [0x00, 0x00, 0x00],
];

const DASHES: [&[f64]; 4] = [&[], &[7.0, 3.0], &[2.0, 2.5], &[9.0, 3.0, 2.0, 3.0]];

/// Corners of marks in a circle of radius 1; the first is the circle itself.
const MARKS: [&[[f64; 2]]; 6] = [
    &[],
    &[[-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]],
    &[[0.0, -1.15], [1.1, 0.8], [-1.1, 0.8]],
    &[[0.0, -1.25], [1.1, 0.0], [0.0, 1.25], [-1.1, 0.0]],
    &[[0.0, 1.15], [1.1, -0.8], [-1.1, -0.8]],
    &[
        [-0.4, -1.1],
        [0.4, -1.1],
        [0.4, -0.4],
        [1.1, -0.4],
        [1.1, 0.4],
        [0.4, 0.4],
        [0.4, 1.1],
        [-0.4, 1.1],
        [-0.4, 0.4],
        [-1.1, 0.4],
        [-1.1, -0.4],
        [-0.4, -0.4],
    ],
];

/// How the series of a number looks. Numbers, taken together, repeat after 84.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style(pub usize);

impl Style {
    pub(super) fn color(self) -> Color {
        Color(COLORS[self.0 % COLORS.len()])
    }

    pub(super) fn line(self) -> Stroke {
        Stroke { color: self.color(), width: 1.8, dash: DASHES[self.0 % DASHES.len()] }
    }

    pub(super) fn mark(self, centre: [f64; 2], radius: f64) -> Shape {
        // A white edge keeps marks apart that overlap.
        self.mark_of(centre, radius, Fill::solid(self.color()), Stroke::solid(Color::WHITE, 0.8))
    }

    /// The outline of the mark.
    pub(super) fn open_mark(self, centre: [f64; 2], radius: f64) -> Shape {
        self.mark_of(centre, radius, Fill::solid(Color::WHITE), Stroke::solid(self.color(), 1.4))
    }

    fn mark_of(self, centre: [f64; 2], radius: f64, fill: Fill, stroke: Stroke) -> Shape {
        let (fill, stroke) = (Some(fill), Some(stroke));
        let corners = MARKS[self.0 % MARKS.len()];
        if corners.is_empty() {
            return Shape::Circle { centre, radius, fill, stroke };
        }
        let points = corners.iter().map(|[x, y]| [centre[0] + radius * x, centre[1] + radius * y]).collect();
        Shape::Path { points, closed: true, fill, stroke }
    }
}

/// What stands beside a name in the legend.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key {
    /// A line with marks.
    Line(Style),
    /// A mark alone.
    Mark(Style),
    /// Its outline.
    Open(Style),
    /// A filled bar with its mark.
    Bar(Style),
    /// A line across the plot.
    Reference(usize),
}

/// The width of a key.
pub(super) const KEY_WIDTH: f64 = 28.0;

impl Key {
    /// The key from `left` on, its middle at the height `y`.
    pub(super) fn shapes(self, left: f64, y: f64) -> Vec<Shape> {
        let middle = [left + KEY_WIDTH / 2.0, y];
        let across = |stroke| line([left, y], [left + KEY_WIDTH, y], stroke);
        match self {
            Key::Line(style) => vec![across(style.line()), style.mark(middle, 4.0)],
            Key::Mark(style) => vec![style.mark(middle, 4.5)],
            Key::Open(style) => vec![style.open_mark(middle, 4.5)],
            Key::Bar(style) => {
                let corners = ([left, y - 5.0], [left + KEY_WIDTH, y + 5.0]);
                vec![rectangle(corners.0, corners.1, Some(pale(style)), None), style.mark(middle, 4.0)]
            }
            Key::Reference(number) => vec![across(reference(number))],
        }
    }
}

/// The fill of bars and bands.
pub(super) fn pale(style: Style) -> Fill {
    Fill { color: style.color(), opacity: 0.3 }
}

/// Lines across the plot: never solid, as those of data may be.
pub(super) fn reference(number: usize) -> Stroke {
    let (color, dash) = ([Color::INK, Color([0xd5, 0x5e, 0x00]), Color([0x00, 0x9e, 0x73])], &DASHES[1..]);
    Stroke { color: color[number % 3], width: 1.6, dash: dash[number % dash.len()] }
}
