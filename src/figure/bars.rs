//! Values side by side, each a bar from 0 with its interval: estimators on one dataset, datasets by one
//! estimator. Bars lie, so that long names can be read.

use super::axis::{Axis, Extent, short_label};
use super::frame::{ChartLayout, Entry, Frame, LABEL, Side};
use super::scene::{Anchor, Color, Shape, Stroke, Text, line, rectangle};
use super::style::{Key, Style, pale};
use super::{Figure, Size, check_interval, data_error};
use crate::{Error, Result};

/// The least height of a bar, in pixels.
const LEAST_BAR: f64 = 6.0;

/// A chart of bars: groups from the top to the bottom, in each a bar of every series.
///
/// ```
/// use sharpdim::figure::{Bar, Bars, Size};
///
/// let figure = Bars::new("Dimension of two datasets", "intrinsic dimension", &["MNIST", "CIFAR-10"])
///     .series("MLE", &[Bar::with_interval(12.4, 12.2, 12.6), Bar::with_interval(24.1, 23.7, 24.5)])
///     .series("TwoNN", &[Bar::new(13.1), Bar::new(28.9)])
///     .draw(Size::default())?;
/// # assert!(figure.svg().contains("CIFAR-10"));
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bars {
    title: String,
    values: Axis,
    groups: Vec<String>,
    series: Vec<(String, Vec<Bar>)>,
}

/// The length of one bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// Its length, in the axis's unit.
    pub value: f64,
    /// Lower and upper end of its interval.
    pub interval: Option<(f64, f64)>,
}

impl Bar {
    /// A value without an interval.
    pub fn new(value: f64) -> Self {
        Bar { value, interval: None }
    }

    /// A value and the ends of its interval.
    pub fn with_interval(value: f64, low: f64, high: f64) -> Self {
        Bar { value, interval: Some((low, high)) }
    }
}

impl Bars {
    /// A chart whose values are named with their unit by `values`, with a group for each name.
    pub fn new<S: AsRef<str>>(title: impl Into<String>, values: impl Into<String>, groups: &[S]) -> Self {
        let groups = groups.iter().map(|name| name.as_ref().to_string()).collect();
        Bars { title: title.into(), values: Axis::linear(values), groups, series: Vec::new() }
    }

    /// One bar more in each group, in the order of the groups.
    pub fn series(mut self, name: impl Into<String>, bars: &[Bar]) -> Self {
        self.series.push((name.into(), bars.to_vec()));
        self
    }

    /// Draws the chart.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] where there is no bar, a value is not finite, or a series has not one bar for each group;
    /// [`Error::Argument`] where the size has no room for it.
    pub fn draw(&self, size: Size) -> Result<Figure> {
        let mut extent = Extent::covering([0.0]);
        for (name, bars) in &self.series {
            self.check(name, bars, &mut extent)?;
        }
        if self.series.is_empty() || self.groups.is_empty() {
            return Err(data_error(&self.title, "it has no bars: it needs a group and a series at least"));
        }
        let series = self.series.iter().enumerate();
        let legend = series.map(|(i, (name, _))| Entry { name, key: Key::Bar(Style(i)) });
        let layout = ChartLayout {
            size,
            title: &self.title,
            x: Side::Values { axis: &self.values, extent },
            y: Side::Names(&self.groups),
            // One series is named by the axis.
            legend: if self.series.len() > 1 { legend.collect() } else { Vec::new() },
            // For the value beside the longest bar.
            right: 4.0 * LABEL,
        };
        let mut frame = layout.frame()?;
        self.draw_data(&mut frame, size)?;
        Ok(Figure::new(&layout, frame))
    }

    fn check(&self, name: &str, bars: &[Bar], extent: &mut Extent) -> Result<()> {
        if bars.len() != self.groups.len() {
            let reason = format!("series {name:?} has {} bars for {} groups", bars.len(), self.groups.len());
            return Err(data_error(&self.title, reason + ": it must be one for each"));
        }
        for (bar, group) in bars.iter().zip(&self.groups) {
            let what = || format!("series {name:?} of group {group:?}");
            extent.add(self.values.check(bar.value, &what)?);
            if let Some((low, high)) = bar.interval {
                for end in [low, high] {
                    extent.add(self.values.check(end, &|| format!("an end of the interval of {}", what()))?);
                }
                check_interval(&self.title, &what, low, high)?;
            }
        }
        Ok(())
    }

    fn draw_data(&self, frame: &mut Frame, size: Size) -> Result<()> {
        // Four fifths of a group's height are bars, the rest keeps groups apart.
        let height = 0.8 * (frame.y.at(1.0) - frame.y.at(0.0)) / self.series.len() as f64;
        if height < LEAST_BAR {
            return Err(Error::Argument(format!(
                "figure {:?}: {} bars are too many for a height of {}; make it higher",
                self.title,
                self.series.len() * self.groups.len(),
                size.height
            )));
        }
        for (i, (name, bars)) in self.series.iter().enumerate() {
            let shapes = bars.iter().enumerate().flat_map(|(group, bar)| {
                let middle = frame.y.at(group as f64 + 0.1) + (i as f64 + 0.5) * height;
                bar_shapes(frame, bar, Style(i), middle, height)
            });
            let shapes = shapes.collect();
            frame.group("series", name, shapes);
        }
        let ([_, top, _, bottom], zero) = (frame.bounds(), frame.x.at(0.0));
        frame.shapes.push(line([zero, top], [zero, bottom], Stroke::solid(Color::INK, 1.0)));
        Ok(())
    }
}

/// The bar, its interval as a line with ends, its mark, and its value in digits.
fn bar_shapes(frame: &Frame, bar: &Bar, style: Style, middle: f64, height: f64) -> Vec<Shape> {
    let (end, half) = (frame.x.at(bar.value), 0.42 * height);
    let edge = Stroke::solid(style.color(), 1.0);
    let corners = ([frame.x.at(0.0), middle - half], [end, middle + half]);
    let mut shapes = vec![rectangle(corners.0, corners.1, Some(pale(style)), Some(edge))];
    let mut right = end + 5.0;
    if let Some((low, high)) = bar.interval {
        let [low, high] = [low, high].map(|value| frame.x.at(value));
        let cap = half.min(5.0);
        let ink = || Stroke::solid(Color::INK, 1.3);
        shapes.push(line([low, middle], [high, middle], ink()));
        shapes.extend([low, high].map(|x| line([x, middle - cap], [x, middle + cap], ink())));
        right = right.max(high);
    }
    shapes.push(style.mark([end, middle], half.min(4.5)));
    let size = LABEL.min(2.2 * half);
    let at = [right.max(frame.x.at(0.0)) + 5.0, middle];
    shapes.push(Shape::Text(Text::centred(short_label(bar.value), at, size, Anchor::Start)));
    shapes
}
