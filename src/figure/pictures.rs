//! Images in rows and columns with captions: attacked images, the sharpest pairs.
//! Pixels stay pixels: what is enlarged is not smoothed.

use super::scene::{Anchor, Bitmap, Color, Shape, Stroke, Text, rectangle};
use super::text::shortened;
use super::{Figure, Size, data_error};
use crate::Result;

const MARGIN: f64 = 12.0;
const TITLE: f64 = 15.0;
const HEAD: f64 = 12.0;
const CAPTION: f64 = 10.0;
const GAP: f64 = 8.0;
/// From one line of a caption to the next.
const LINE: f64 = 13.0;

/// Rows of images, in columns with heads.
///
/// ```
/// use sharpdim::figure::{Cell, Pictures};
///
/// let shades: Vec<u8> = (0..16 * 16).map(|i| i as u8).collect();
/// let figure = Pictures::new("Shades", 96, &["as they are", "turned over"])
///     .row(vec![
///         Cell::new(&shades, [16, 16, 1])?.caption("dark to light"),
///         Cell::new(&shades.iter().rev().copied().collect::<Vec<_>>(), [16, 16, 1])?.caption("light to dark").marked(),
///     ])
///     .draw()?;
/// # assert!(figure.svg().contains("light to dark"));
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pictures {
    title: String,
    side: u32,
    heads: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// An image of [`Pictures`].
#[derive(Debug, Clone)]
pub struct Cell {
    bitmap: Bitmap,
    captions: Vec<String>,
    marked: bool,
}

impl Cell {
    /// An image from its pixels (H, W, C), 1 byte each; C is 1 for gray or 3 for RGB.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Argument`] where a side is 0, there are other channels than 1 or 3, or the pixels are not as many.
    pub fn new(pixels: &[u8], shape: [usize; 3]) -> Result<Self> {
        Ok(Cell { bitmap: Bitmap::new(pixels, shape)?, captions: Vec::new(), marked: false })
    }

    /// A line under the image, below those that it has.
    pub fn caption(mut self, line: impl Into<String>) -> Self {
        self.captions.push(line.into());
        self
    }

    /// Framed, and its caption in the frame's colour: to be looked at.
    pub fn marked(mut self) -> Self {
        self.marked = true;
        self
    }
}

impl Pictures {
    /// No images yet, in columns with these heads. An image's longer side will be `side` pixels of the figure.
    pub fn new<S: AsRef<str>>(title: impl Into<String>, side: u32, heads: &[S]) -> Self {
        let heads = heads.iter().map(|head| head.as_ref().to_string()).collect();
        Pictures { title: title.into(), side, heads, rows: Vec::new() }
    }

    /// One more row, with an image for each column.
    pub fn row(mut self, cells: Vec<Cell>) -> Self {
        self.rows.push(cells);
        self
    }

    /// Draws them all; the figure is as large as they need.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Data`] where there is no row, or a row has not an image for each column;
    /// [`crate::Error::Argument`] where the figure would be larger than one may be.
    pub fn draw(&self) -> Result<Figure> {
        if self.rows.is_empty() {
            return Err(data_error(&self.title, "it has no rows: pictures need one at least"));
        }
        let columns = self.heads.len();
        if let Some(at) = self.rows.iter().position(|row| row.len() != columns) {
            let reason = format!("row {at} has {} images for {columns} columns", self.rows[at].len());
            return Err(data_error(&self.title, reason));
        }
        let side = f64::from(self.side);
        let extents = |cell: &Cell| {
            let (height, width) = (cell.bitmap.height() as f64, cell.bitmap.width() as f64);
            let scale = side / height.max(width);
            [width * scale, height * scale]
        };
        let cells = || self.rows.iter().flatten();
        let wide = cells().map(|cell| extents(cell)[0]).fold(1.0, f64::max);
        let top = if self.title.is_empty() { MARGIN } else { MARGIN + TITLE + GAP };
        let first = top + HEAD + GAP;
        let heights: Vec<f64> = self
            .rows
            .iter()
            .map(|row| {
                let lines = row.iter().map(|cell| cell.captions.len()).max().unwrap_or(0);
                row.iter().map(|cell| extents(cell)[1]).fold(1.0, f64::max) + LINE * lines as f64
            })
            .collect();
        let width = 2.0 * MARGIN + columns as f64 * (wide + GAP) - GAP;
        let height = first + heights.iter().map(|height| height + GAP).sum::<f64>() - GAP + MARGIN;
        let [width, height] = [width, height].map(|side| (side.ceil() as u32).max(Size::LEAST));
        let size = Size { width, height };
        size.check()?;

        let mut shapes = Vec::new();
        let title = shortened(&self.title, TITLE, f64::from(width) - 2.0 * MARGIN);
        shapes.push(Shape::Text(Text::centred(title, [MARGIN, MARGIN + TITLE / 2.0], TITLE, Anchor::Start)));
        let left = |column: usize| MARGIN + column as f64 * (wide + GAP);
        for (column, head) in self.heads.iter().enumerate() {
            let at = [left(column) + wide / 2.0, top + HEAD / 2.0];
            let head = shortened(head, HEAD, wide);
            shapes.push(Shape::Text(Text::centred(head, at, HEAD, Anchor::Middle)));
        }
        let mut y = first;
        for (row, height) in self.rows.iter().zip(heights) {
            for (column, cell) in row.iter().enumerate() {
                let extent = extents(cell);
                let from = [left(column) + (wide - extent[0]) / 2.0, y];
                let group = cell.shapes(from, extent, wide);
                shapes.push(Shape::Group { class: "picture", name: cell.captions.join("; "), shapes: group });
            }
            y += height + GAP;
        }
        Ok(Figure { size, title: self.title.clone(), shapes })
    }
}

impl Cell {
    fn shapes(&self, from: [f64; 2], [width, height]: [f64; 2], room: f64) -> Vec<Shape> {
        let color = if self.marked { Color::ALERT } else { Color::INK };
        let to = [from[0] + width, from[1] + height];
        let mut shapes = vec![Shape::Bitmap { bitmap: self.bitmap.clone(), from, size: [width, height] }];
        if self.marked {
            shapes.push(rectangle(from, to, None, Some(Stroke::solid(color, 2.0))));
        }
        for (line, caption) in self.captions.iter().enumerate() {
            let at = [(from[0] + to[0]) / 2.0, to[1] + LINE * (line as f64 + 0.5) + 1.0];
            let caption = shortened(caption, CAPTION, room);
            let text = Text::centred(caption, at, CAPTION, Anchor::Middle);
            shapes.push(Shape::Text(Text { color, ..text }));
        }
        shapes
    }
}
