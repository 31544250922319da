//! Values against a number, one line for each series, with a band where they are uncertain: an estimate
//! against k or the sample's size, a scale curve.

use super::axis::{Axis, Extent};
use super::frame::{ChartLayout, Entry, Frame, Side};
use super::scene::{Shape, Stroke, line, polyline};
use super::style::{Key, Style, pale, reference};
use super::{Figure, Size, check_interval, data_error};
use crate::Result;

/// More marks than this on a line hide it: then some points have none.
const MOST_MARKS: usize = 30;

/// A chart of lines.
///
/// ```
/// use sharpdim::figure::{Axis, Lines, Series, Size};
///
/// let chart = Lines::new("Dimension against sample size", Axis::log("images"), Axis::linear("dimension"))
///     .series(Series::new("MNIST", &[250.0, 1000.0, 4000.0], &[9.6, 11.2, 12.4]))
///     .reference("as published", 13.0);
/// let svg = chart.draw(Size { width: 600, height: 360 })?.svg();
/// assert!(svg.contains("MNIST"));
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Lines {
    title: String,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
    references: Vec<(String, f64)>,
}

/// A line of [`Lines`]: its name, and its points in the order in which they are joined.
#[derive(Debug, Clone)]
pub struct Series {
    name: String,
    x: Vec<f64>,
    y: Vec<f64>,
    band: Option<(Vec<f64>, Vec<f64>)>,
}

impl Series {
    /// Points at `x`, `y`, as many of one as of the other.
    pub fn new(name: impl Into<String>, x: &[f64], y: &[f64]) -> Self {
        Series { name: name.into(), x: x.to_vec(), y: y.to_vec(), band: None }
    }

    /// The lower and the upper end of each point's interval.
    pub fn band(mut self, low: &[f64], high: &[f64]) -> Self {
        self.band = Some((low.to_vec(), high.to_vec()));
        self
    }

    fn check(&self, chart: &Lines, x: &mut Extent, y: &mut Extent) -> Result<()> {
        let count = self.x.len();
        let band = self.band.iter().flat_map(|(low, high)| [("low", low), ("high", high)]);
        for (what, values) in band.chain([("y", &self.y)]) {
            if values.len() != count {
                let reason =
                    format!("series {:?} has {count} of x and {} of {what}", self.name, values.len());
                return Err(data_error(&chart.title, reason + ": it must be as many"));
            }
            for (i, &value) in values.iter().enumerate() {
                y.add(chart.y.check(value, &|| format!("{what} of point {i} of series {:?}", self.name))?);
            }
        }
        for (i, &value) in self.x.iter().enumerate() {
            x.add(chart.x.check(value, &|| format!("x of point {i} of series {:?}", self.name))?);
        }
        if let Some((low, high)) = &self.band {
            for (i, (&low, &high)) in low.iter().zip(high).enumerate() {
                let what = || format!("point {i} of series {:?}", self.name);
                check_interval(&chart.title, &what, low, high)?;
            }
        }
        Ok(())
    }

    fn places<'a>(
        &'a self,
        frame: &'a Frame,
        y: &'a [f64],
    ) -> impl DoubleEndedIterator<Item = [f64; 2]> + 'a {
        let at = |i: usize| [frame.x.at(self.x[i]), frame.y.at(y[i])];
        (0..self.x.len()).map(at)
    }

    /// The band; a single point's is a line.
    fn band_shape(&self, frame: &Frame, style: Style) -> Option<Shape> {
        let (low, high) = self.band.as_ref()?;
        let mut points: Vec<[f64; 2]> = self.places(frame, low).collect();
        if let [low] = points[..] {
            let high = [low[0], frame.y.at(high[0])];
            return Some(line(low, high, Stroke::solid(style.color(), 1.5)));
        }
        points.extend(self.places(frame, high).rev());
        Some(Shape::Path { points, closed: true, fill: Some(pale(style)), stroke: None })
    }

    fn line_shapes(&self, frame: &Frame, style: Style) -> Vec<Shape> {
        let points: Vec<[f64; 2]> = self.places(frame, &self.y).collect();
        let every = points.len().div_ceil(MOST_MARKS).max(1);
        let marks: Vec<Shape> = points.iter().step_by(every).map(|&at| style.mark(at, 4.0)).collect();
        let mut shapes = vec![polyline(points, style.line())];
        shapes.extend(marks);
        shapes
    }
}

impl Lines {
    /// A chart without lines yet.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Lines { title: title.into(), x, y, series: Vec::new(), references: Vec::new() }
    }

    /// One line more.
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// A dashed line across the plot at the height `y`, as a value that is known.
    pub fn reference(mut self, name: impl Into<String>, y: f64) -> Self {
        self.references.push((name.into(), y));
        self
    }

    /// Draws the chart.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Data`] where there is no point, a value is not finite or, on a logarithmic axis, not more
    /// than 0, or lengths differ; [`crate::Error::Argument`] where the size has no room for it.
    pub fn draw(&self, size: Size) -> Result<Figure> {
        let (mut x, mut y) = (Extent::EMPTY, Extent::EMPTY);
        for series in &self.series {
            if series.x.is_empty() {
                return Err(data_error(&self.title, format!("series {:?} has no points", series.name)));
            }
            series.check(self, &mut x, &mut y)?;
        }
        if self.series.is_empty() {
            return Err(data_error(&self.title, "it has no series: add one at least"));
        }
        for (name, value) in &self.references {
            y.add(self.y.check(*value, &|| format!("reference {name:?}"))?);
        }
        let layout = ChartLayout {
            size,
            title: &self.title,
            x: Side::Values { axis: &self.x, extent: x },
            y: Side::Values { axis: &self.y, extent: y },
            legend: self.legend(),
            right: 0.0,
        };
        let mut frame = layout.frame()?;
        self.draw_data(&mut frame);
        Ok(Figure::new(&layout, frame))
    }

    fn legend(&self) -> Vec<Entry<'_>> {
        let series = self.series.iter().enumerate();
        let lines = series.map(|(i, series)| Entry { name: &series.name, key: Key::Line(Style(i)) });
        let references = self.references.iter().enumerate();
        lines.chain(references.map(|(i, (name, _))| Entry { name, key: Key::Reference(i) })).collect()
    }

    /// Bands below all lines.
    fn draw_data(&self, frame: &mut Frame) {
        for (i, series) in self.series.iter().enumerate() {
            if let Some(band) = series.band_shape(frame, Style(i)) {
                frame.group("band", &series.name, vec![band]);
            }
        }
        for (i, (name, value)) in self.references.iter().enumerate() {
            let ([left, _, right, _], y) = (frame.bounds(), frame.y.at(*value));
            frame.group("reference", name, vec![line([left, y], [right, y], reference(i))]);
        }
        for (i, series) in self.series.iter().enumerate() {
            let shapes = series.line_shapes(frame, Style(i));
            frame.group("series", &series.name, shapes);
        }
    }
}
