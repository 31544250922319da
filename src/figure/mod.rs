//! Charts of results, as SVG and as PNG: plain data in, readable in print, on a machine without fonts, and by
//! colour-blind people.
//!
//! - [`Lines`]: values against a number, with bands: an estimate against k, against the sample's size.
//! - [`Histogram`]: how values are spread, with lines at marked ones: the dimension at each point.
//! - [`Scatter`]: labelled points with intervals: datasets by dimension and sharpness.
//! - [`Bars`]: values with intervals side by side: estimators, datasets.
//! - [`Heatmap`]: a matrix with its values written in: pairs of classes.
//! - [`Pictures`]: images in rows and columns: attacked images, sharpest pairs.
//!
//! Each is built up, then drawn at a [`Size`] into a [`Figure`]. Colours are those of Okabe and Ito; marks and
//! dashes say the same again. Titles and names may be any text: what is too long is shortened, and stays whole
//! in SVG as a group's `<title>`. PNG has letters for Latin and Greek only, SVG for all that its viewer has.
//!
//! ```
//! use sharpdim::figure::{Axis, Lines, Series, Size};
//!
//! let k = [5.0, 10.0, 20.0, 40.0];
//! let figure = Lines::new("Dimension against k", Axis::log("k (neighbours)"), Axis::linear("dimension"))
//!     .series(Series::new("MLE", &k, &[7.1, 6.6, 6.3, 6.0]).band(&[6.8, 6.4, 6.1, 5.9], &[7.4, 6.8, 6.5, 6.1]))
//!     .series(Series::new("TwoNN", &k, &[6.9, 6.7, 6.5, 6.4]))
//!     .draw(Size::default())?;
//! assert!(figure.svg().starts_with("<svg"));
//! let png = figure.png(2)?; // two pixels for each of the figure's: for print
//! # assert_eq!(&png[1..4], b"PNG");
//! # Ok::<(), sharpdim::Error>(())
//! ```

mod axis;
mod bars;
mod encode;
mod frame;
mod heatmap;
mod histogram;
mod lines;
mod pictures;
mod png;
mod scatter;
mod scene;
mod style;
mod svg;
mod text;

pub use axis::Axis;
pub use bars::{Bar, Bars};
pub use heatmap::Heatmap;
pub use histogram::Histogram;
pub use lines::{Lines, Series};
pub use pictures::{Cell, Pictures};
pub use scatter::{Marked, Scatter};

pub(crate) use scene::Bitmap;
pub(crate) use svg::escaped;

use crate::{Error, Result};
use std::path::Path;

/// Width and height of a figure, in pixels of 1/96 inch, as in CSS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// From left to right, 160 to 10000.
    pub width: u32,
    /// From top to bottom, 160 to 10000.
    pub height: u32,
}

impl Default for Size {
    /// 720 x 440: as wide as a page of text.
    fn default() -> Self {
        Size { width: 720, height: 440 }
    }
}

impl Size {
    const LEAST: u32 = 160;

    fn check(self) -> Result<()> {
        if [self.width, self.height].iter().all(|side| (Self::LEAST..=10_000).contains(side)) {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "a figure of {} x {}: each must be 160 to 10000",
            self.width, self.height
        )))
    }
}

/// A chart that is drawn.
///
/// ```
/// use sharpdim::figure::{Axis, Histogram, Size};
/// let size = Size { width: 400, height: 300 };
/// let axis = Axis::linear("dimension");
/// let figure = Histogram::new("Local dimension", axis, "images", &[2.0, 2.1, 2.4]).draw(size)?;
/// assert_eq!((figure.title(), figure.size()), ("Local dimension", size));
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("local.svg");
/// figure.write(&path)?; // as a path in .png would
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), figure.svg());
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Figure {
    size: Size,
    title: String,
    shapes: Vec<scene::Shape>,
}

impl Figure {
    fn new(layout: &frame::ChartLayout, frame: frame::Frame) -> Self {
        Figure { size: layout.size, title: layout.title.to_string(), shapes: frame.shapes }
    }

    /// Figures side by side, from left to right, as one whose title is `title`.
    ///
    /// ```
    /// use sharpdim::figure::{Axis, Figure, Histogram, Size};
    /// let size = Size { width: 300, height: 300 };
    /// let one = Histogram::new("One", Axis::linear("x"), "images", &[1.0, 2.0]).draw(size)?;
    /// let both = Figure::beside("Twice the same", &[one.clone(), one])?;
    /// assert_eq!(both.size(), Size { width: 600, height: 300 });
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] where they are together wider than a figure may be, or where there are none.
    pub fn beside(title: impl Into<String>, figures: &[Figure]) -> Result<Self> {
        let height = figures.iter().map(|figure| figure.size.height).max().unwrap_or(0);
        let width = figures.iter().fold(0u32, |width, figure| width.saturating_add(figure.size.width));
        let size = Size { width, height };
        size.check()?;
        let (mut shapes, mut left) = (Vec::new(), 0.0);
        for figure in figures {
            shapes.extend(figure.shapes.iter().map(|shape| shape.moved([left, 0.0])));
            left += f64::from(figure.size.width);
        }
        Ok(Figure { size, title: title.into(), shapes })
    }

    /// Figures one below the other, from the top to the bottom, as one whose title is `title`.
    ///
    /// ```
    /// use sharpdim::figure::{Axis, Figure, Histogram, Size};
    /// let size = Size { width: 300, height: 300 };
    /// let one = Histogram::new("One", Axis::linear("x"), "images", &[1.0, 2.0]).draw(size)?;
    /// let both = Figure::below("Twice the same", &[one.clone(), one])?;
    /// assert_eq!(both.size(), Size { width: 300, height: 600 });
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] where they are together higher than a figure may be, or where there are none.
    pub fn below(title: impl Into<String>, figures: &[Figure]) -> Result<Self> {
        let width = figures.iter().map(|figure| figure.size.width).max().unwrap_or(0);
        let height = figures.iter().fold(0u32, |height, figure| height.saturating_add(figure.size.height));
        let size = Size { width, height };
        size.check()?;
        let (mut shapes, mut top) = (Vec::new(), 0.0);
        for figure in figures {
            shapes.extend(figure.shapes.iter().map(|shape| shape.moved([0.0, top])));
            top += f64::from(figure.size.height);
        }
        Ok(Figure { size, title: title.into(), shapes })
    }

    /// The figure's title, for those who cannot see it.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The figure as an SVG file: XML with all text as text.
    pub fn svg(&self) -> String {
        svg::svg(self.size.width, self.size.height, &self.title, &self.shapes, false)
    }

    /// The figure as an `<svg>` element inside HTML, which needs no namespace.
    pub(crate) fn svg_in_html(&self) -> String {
        svg::svg(self.size.width, self.size.height, &self.title, &self.shapes, true)
    }

    /// The figure as an encoded PNG of `scale` pixels for each of the figure's: 1 for screens, 2 or 3 for print.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where `scale` is 0 or the image would have more than 2^27 pixels.
    pub fn png(&self, scale: u32) -> Result<Vec<u8>> {
        png::png(self.size.width, self.size.height, &self.shapes, scale)
    }

    /// Writes a file, whole or not at all: SVG or, with two pixels for each of the figure's, PNG.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where the path ends in neither `.svg` nor `.png`, [`Error::Io`] where it cannot be
    /// written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        let content = match ending.to_str() {
            Some("svg") => self.svg().into_bytes(),
            Some("png") => self.png(2)?,
            _ => {
                let reason = "figures are written as .svg or .png";
                return Err(Error::Argument(format!("{}: {reason}", path.display())));
            }
        };
        crate::whole_file::write(path, &content)
    }
}

/// An error of a figure's data.
fn data_error(title: &str, reason: impl std::fmt::Display) -> Error {
    Error::Data(format!("figure {title:?}: {reason}"))
}

/// Refuses an interval whose ends are the wrong way round.
fn check_interval(title: &str, what: &dyn Fn() -> String, low: f64, high: f64) -> Result<()> {
    if low <= high {
        return Ok(());
    }
    Err(data_error(
        title,
        format!("the interval of {} is {low} .. {high}: the lower end comes first", what()),
    ))
}
