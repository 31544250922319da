//! Histograms: counts in bins of equal width, and dashed lines at marked values. The dimension at
//! each point, distances of pairs.

use super::axis::{Axis, Extent};
use super::frame::{ChartLayout, Entry, Side};
use super::scene::{Color, Fill, Stroke, line, rectangle};
use super::style::{Key, Style, reference};
use super::{Figure, Size, data_error};
use crate::{Error, Result};

/// A histogram.
///
/// ```
/// use sharpdim::figure::{Axis, Histogram, Size};
///
/// let values = [5.1, 5.8, 6.0, 6.2, 6.9, 7.5];
/// let figure = Histogram::new("Dimension at each image", Axis::linear("dimension"), "images", &values)
///     .bins(3)
///     .mark("estimate", 6.25)
///     .draw(Size::default())?;
/// # assert!(figure.svg().contains("estimate"));
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Histogram {
    title: String,
    x: Axis,
    counted: String,
    values: Vec<f64>,
    bins: Option<usize>,
    marks: Vec<(String, f64)>,
}

impl Histogram {
    /// A histogram of values along `x`; `counted` says what they are of, as `images`.
    pub fn new(title: impl Into<String>, x: Axis, counted: impl Into<String>, values: &[f64]) -> Self {
        let (title, counted) = (title.into(), counted.into());
        Histogram { title, x, counted, values: values.to_vec(), bins: None, marks: Vec::new() }
    }

    /// The number of bins, 1 to 1000; else the root of the number of values, 5 to 50.
    pub fn bins(mut self, bins: usize) -> Self {
        self.bins = Some(bins);
        self
    }

    /// A dashed line at a value, as the mean; it is shown even where no values are.
    pub fn mark(mut self, name: impl Into<String>, value: f64) -> Self {
        self.marks.push((name.into(), value));
        self
    }

    /// Draws the chart.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] where there is no value, or one is not finite or, on a logarithmic axis, not more than 0;
    /// [`Error::Argument`] where `bins` is out of range or the size has no room for it.
    pub fn draw(&self, size: Size) -> Result<Figure> {
        let (edges, counts) = self.count()?;
        let mut extent = Extent::covering([edges[0], edges[counts.len()]]);
        for (name, value) in &self.marks {
            extent.add(self.x.check(*value, &|| format!("mark {name:?}"))?);
        }
        let marks = self.marks.iter().enumerate();
        let layout = ChartLayout {
            size,
            title: &self.title,
            x: Side::Values { axis: &self.x, extent },
            y: Side::Counts { title: &self.counted, most: counts.iter().copied().max().unwrap_or(1) as f64 },
            legend: marks.map(|(i, (name, _))| Entry { name, key: Key::Reference(i) }).collect(),
            right: 0.0,
        };
        let mut frame = layout.frame()?;
        let (color, edge) = (Style(5).color(), Stroke::solid(Color::INK, 0.6));
        let bar = |i: usize| {
            let from = [frame.x.at(edges[i]), frame.y.at(0.0)];
            let to = [frame.x.at(edges[i + 1]), frame.y.at(counts[i] as f64)];
            rectangle(from, to, Some(Fill::solid(color)), Some(edge.clone()))
        };
        let bars = (0..counts.len()).filter(|&i| counts[i] > 0).map(bar).collect();
        frame.group("series", &self.counted, bars);
        for (i, (name, value)) in self.marks.iter().enumerate() {
            let ([_, top, _, bottom], x) = (frame.bounds(), frame.x.at(*value));
            frame.group("reference", name, vec![line([x, top], [x, bottom], reference(i))]);
        }
        Ok(Figure::new(&layout, frame))
    }

    /// The edges of the bins, and the values in each; the last bin has its upper edge too.
    fn count(&self) -> Result<(Vec<f64>, Vec<usize>)> {
        let mut extent = Extent::EMPTY;
        for (i, &value) in self.values.iter().enumerate() {
            extent.add(self.x.check(value, &|| format!("value {i} of {:?}", self.title))?);
        }
        if self.values.is_empty() {
            return Err(data_error(&self.title, "it has no values: a histogram needs one at least"));
        }
        let root = (self.values.len() as f64).sqrt().ceil() as usize;
        let bins = self.bins.unwrap_or(root.clamp(5, 50));
        if !(1..=1000).contains(&bins) {
            return Err(Error::Argument(format!(
                "figure {:?}: {bins} bins; it must be 1 to 1000",
                self.title
            )));
        }
        let along = |value: f64| if self.x.log { value.log10() } else { value };
        let back = |value: f64| if self.x.log { 10f64.powf(value) } else { value };
        let (low, high) = around(along(extent.low), along(extent.high));
        let mut counts = vec![0; bins];
        for &value in &self.values {
            let bin = (along(value) - low) / (high - low) * bins as f64;
            counts[(bin as usize).min(bins - 1)] += 1;
        }
        let edge = |i: usize| back(low + (high - low) * (i as f64 / bins as f64));
        Ok(((0..=bins).map(edge).collect(), counts))
    }
}

/// The ends, or, where all values are one, something around it.
fn around(low: f64, high: f64) -> (f64, f64) {
    let largest = low.abs().max(high.abs());
    if high - low > 1e-9 * largest && high - low > 1e-300 {
        return (low, high);
    }
    let half = if largest > 1e-300 { largest * 0.05 } else { 0.05 };
    (low - half, high + half)
}
