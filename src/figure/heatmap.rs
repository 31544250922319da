//! A matrix as shades with the values written in: label sharpness of each pair of classes, confusion, counts.
//! The shades go from white to dark blue, and stay in order in gray.

use super::axis::{Axis, Extent, Scale, short_label};
use super::frame::{ChartLayout, Frame, LABEL, Side};
use super::scene::{Anchor, Color, Fill, Shape, Stroke, Text, line, rectangle};
use super::text::width;
use super::{Figure, Size, data_error};
use crate::Result;

/// The shades from low to high, at equal steps.
const SHADES: [[f64; 3]; 5] = [
    [247.0, 251.0, 255.0],
    [198.0, 219.0, 239.0],
    [107.0, 174.0, 214.0],
    [33.0, 113.0, 181.0],
    [8.0, 48.0, 107.0],
];

/// The font below which values are not written in.
const LEAST_FONT: f64 = 6.0;

/// A matrix with named rows and columns.
///
/// ```
/// use sharpdim::figure::{Axis, Heatmap, Size};
///
/// let classes = ["3", "5", "8"];
/// let pairs = [None, Some(2.1e-3), Some(1.8e-3), Some(2.1e-3), None, Some(2.4e-3), Some(1.8e-3), Some(2.4e-3), None];
/// let figure = Heatmap::new("K_F of each pair", Axis::linear("1 / gray levels"), &classes, &classes, &pairs)
///     .draw(Size { width: 480, height: 400 })?;
/// # assert!(figure.svg().contains("0.0024"));
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Heatmap {
    title: String,
    shade: Axis,
    rows: Vec<String>,
    columns: Vec<String>,
    values: Vec<Option<f64>>,
}

impl Heatmap {
    /// A matrix in which `values` are row by row, (rows, columns); `None` where there is none, as on a diagonal.
    /// `shade` names the values with their unit, and is linear or logarithmic.
    pub fn new<S: AsRef<str>>(
        title: impl Into<String>,
        shade: Axis,
        rows: &[S],
        columns: &[S],
        values: &[Option<f64>],
    ) -> Self {
        let [rows, columns] =
            [rows, columns].map(|names| names.iter().map(|n| n.as_ref().to_string()).collect());
        Heatmap { title: title.into(), shade, rows, columns, values: values.to_vec() }
    }

    /// Draws the chart. Values are written in where cells have room for letters that can be read.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Data`] where there is no value at all, not one for each cell, or one is not finite or, on
    /// a logarithmic scale, not more than 0; [`crate::Error::Argument`] where the size has no room for it.
    pub fn draw(&self, size: Size) -> Result<Figure> {
        let mut scale = self.scale()?;
        let layout = ChartLayout {
            size,
            title: &self.title,
            x: Side::Names(&self.columns),
            y: Side::Names(&self.rows),
            legend: Vec::new(),
            right: 9.5 * LABEL,
        };
        let mut frame = layout.frame()?;
        let cells = self.cells(&frame, &scale);
        frame.group("series", &self.title, cells);
        let key = self.key(&frame, &mut scale);
        frame.group("key", &self.shade.title, key);
        Ok(Figure::new(&layout, frame))
    }

    fn scale(&self) -> Result<Scale> {
        let (rows, columns) = (self.rows.len(), self.columns.len());
        if rows.checked_mul(columns) != Some(self.values.len()) {
            let reason =
                format!("{} values for {rows} x {columns} cells: it must be one for each", self.values.len());
            return Err(data_error(&self.title, reason));
        }
        let mut extent = Extent::EMPTY;
        for (i, value) in self.values.iter().enumerate() {
            let what = || {
                format!(
                    "the value of row {:?}, column {:?}",
                    self.rows[i / columns],
                    self.columns[i % columns]
                )
            };
            if let Some(value) = value {
                extent.add(self.shade.check(*value, &what)?);
            }
        }
        if extent.low > extent.high {
            return Err(data_error(&self.title, "it has no values: a heatmap needs one at least"));
        }
        Ok(Scale::new(extent, self.shade.log, 0.0))
    }

    fn cells(&self, frame: &Frame, scale: &Scale) -> Vec<Shape> {
        let (wide, high) = (frame.x.at(1.0) - frame.x.at(0.0), frame.y.at(1.0) - frame.y.at(0.0));
        let labels: Vec<String> =
            self.values.iter().map(|v| v.map_or("–".to_string(), short_label)).collect();
        // One font for all: the largest with which the longest value fits.
        let longest = labels.iter().map(|label| width(label, 1.0)).fold(0.1, f64::max);
        let font = LABEL.min(0.9 * wide / longest).min(0.7 * high);
        let mut shapes = Vec::new();
        for (i, (value, label)) in self.values.iter().zip(labels).enumerate() {
            let (row, column) = ((i / self.columns.len()) as f64, (i % self.columns.len()) as f64);
            let shade = value.map_or(Color([0xee; 3]), |value| shade(scale.at(value)));
            let from = [frame.x.at(column), frame.y.at(row)];
            let edge = Stroke::solid(Color::WHITE, 1.0_f64.min(0.1 * wide));
            shapes.push(rectangle(
                from,
                [from[0] + wide, from[1] + high],
                Some(Fill::solid(shade)),
                Some(edge),
            ));
            if font >= LEAST_FONT {
                let middle = [from[0] + wide / 2.0, from[1] + high / 2.0];
                let color = if value.is_none() { Color::INK } else { legible_on(shade) };
                shapes
                    .push(Shape::Text(Text { color, ..Text::centred(label, middle, font, Anchor::Middle) }));
            }
        }
        shapes
    }

    /// The bar of shades beside the matrix, with its title and ticks.
    fn key(&self, frame: &Frame, scale: &mut Scale) -> Vec<Shape> {
        const STEPS: usize = 64;
        let [_, top, right, bottom] = frame.bounds();
        let (left, right) = (right + 1.5 * LABEL, right + 2.7 * LABEL);
        let at = |step: usize| bottom + (top - bottom) * step as f64 / STEPS as f64;
        let mut shapes: Vec<Shape> = (0..STEPS)
            .map(|step| {
                let fill = Fill::solid(shade((step as f64 + 0.5) / STEPS as f64));
                // Half a pixel more hides the seams.
                rectangle([left, at(step) + 0.5], [right, at(step + 1)], Some(fill), None)
            })
            .collect();
        shapes.push(rectangle([left, top], [right, bottom], None, Some(Stroke::solid(Color::FAINT, 0.8))));
        (scale.from, scale.to) = (bottom, top);
        let count = ((bottom - top) / 40.0).clamp(1.0, 8.0) as usize;
        let mut widest: f64 = 0.0;
        for tick in scale.ticks(count) {
            let y = scale.at(tick.value);
            widest = widest.max(width(&tick.label, LABEL));
            shapes.push(line([right, y], [right + 3.0, y], Stroke::solid(Color::INK, 1.0)));
            shapes.push(Shape::Text(Text::centred(tick.label, [right + 5.0, y], LABEL, Anchor::Start)));
        }
        let title = super::text::shortened(&self.shade.title, LABEL, bottom - top);
        let at = [(right + 5.0 + widest + LABEL).min(right + 6.4 * LABEL), (top + bottom) / 2.0];
        shapes.push(Shape::Text(Text::upright(title, at, LABEL, Anchor::Middle)));
        shapes
    }
}

/// The shade of a part of the scale, 0 to 1.
fn shade(part: f64) -> Color {
    let at = part.clamp(0.0, 1.0) * (SHADES.len() - 1) as f64;
    let below = (at as usize).min(SHADES.len() - 2);
    let (from, to, rest) = (SHADES[below], SHADES[below + 1], at - below as f64);
    Color([0, 1, 2].map(|i| (from[i] + (to[i] - from[i]) * rest).round() as u8))
}

/// Black or white, whichever is read better.
fn legible_on(Color([r, g, b]): Color) -> Color {
    let light = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    if light > 140.0 { Color::INK } else { Color::WHITE }
}
