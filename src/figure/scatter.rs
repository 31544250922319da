//! Labelled points with intervals: datasets by dimension and sharpness. Labels keep clear of each other and of
//! the points.

use super::axis::{Axis, Extent};
use super::frame::{Entry, Frame, Plan, Side};
use super::scene::{Anchor, Color, Shape, Stroke, Text, line};
use super::style::{Key, Style};
use super::text::{shortened, width};
use super::{Figure, Size, check_interval, data_error};
use crate::Result;

/// The radius of a point.
const RADIUS: f64 = 5.0;
/// The font of points' labels.
const FONT: f64 = 11.0;

/// A chart of points.
///
/// ```
/// use sharpdim::figure::{Axis, Marked, Scatter, Size};
///
/// let figure = Scatter::new("Two datasets", Axis::linear("intrinsic dimension"), Axis::log("K_F"))
///     .group("natural images", &[Marked::new("CIFAR-10", 24.1, 4.3e-4).x_interval(23.7, 24.5)])
///     .group("digits", &[Marked::new("MNIST", 12.4, 9.1e-4).y_interval(8.6e-4, 9.7e-4)])
///     .draw(Size::default())?;
/// # assert!(figure.svg().contains("MNIST"));
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Scatter {
    title: String,
    x: Axis,
    y: Axis,
    groups: Vec<(String, Vec<Marked>)>,
}

/// A point of [`Scatter`].
#[derive(Debug, Clone, PartialEq)]
pub struct Marked {
    /// What is written beside it; nothing where it is empty.
    pub label: String,
    /// Its place, in the units of the axes.
    pub at: [f64; 2],
    /// Lower and upper end of the interval of each coordinate.
    pub intervals: [Option<(f64, f64)>; 2],
}

impl Marked {
    /// A point without intervals.
    pub fn new(label: impl Into<String>, x: f64, y: f64) -> Self {
        Marked { label: label.into(), at: [x, y], intervals: [None; 2] }
    }

    /// The ends of the interval of x.
    pub fn x_interval(mut self, low: f64, high: f64) -> Self {
        self.intervals[0] = Some((low, high));
        self
    }

    /// The ends of the interval of y.
    pub fn y_interval(mut self, low: f64, high: f64) -> Self {
        self.intervals[1] = Some((low, high));
        self
    }
}

impl Scatter {
    /// A chart without points yet.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Scatter { title: title.into(), x, y, groups: Vec::new() }
    }

    /// Points that share a mark, and their name in the legend.
    pub fn group(mut self, name: impl Into<String>, points: &[Marked]) -> Self {
        self.groups.push((name.into(), points.to_vec()));
        self
    }

    /// Draws the chart.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Data`] where there is no point, or a value is not finite or, on a logarithmic axis, not
    /// more than 0; [`crate::Error::Argument`] where the size has no room for it.
    pub fn draw(&self, size: Size) -> Result<Figure> {
        let mut extents = [Extent::EMPTY; 2];
        for (name, points) in &self.groups {
            for (i, point) in points.iter().enumerate() {
                self.check(
                    &|| format!("point {i}, {:?}, of group {name:?}", point.label),
                    point,
                    &mut extents,
                )?;
            }
        }
        let [x, y] = extents;
        if x.low > x.high {
            return Err(data_error(&self.title, "it has no points: it needs one at least"));
        }
        let groups = self.groups.iter().enumerate();
        let legend = groups.map(|(i, (name, _))| Entry { name, key: Key::Mark(Style(i)) });
        let plan = Plan {
            size,
            title: &self.title,
            x: Side::Values { axis: &self.x, extent: x },
            y: Side::Values { axis: &self.y, extent: y },
            legend: if self.groups.len() > 1 { legend.collect() } else { Vec::new() },
            right: 0.0,
        };
        let mut frame = plan.frame()?;
        for (i, (name, points)) in self.groups.iter().enumerate() {
            let shapes = points.iter().flat_map(|point| point_shapes(&frame, point, Style(i))).collect();
            frame.group("series", name, shapes);
        }
        let labels = self.labels(&frame);
        frame.group("labels", "", labels);
        Ok(Figure::new(&plan, frame))
    }

    fn check(&self, what: &dyn Fn() -> String, point: &Marked, extents: &mut [Extent; 2]) -> Result<()> {
        for (i, (name, axis)) in [("x", &self.x), ("y", &self.y)].into_iter().enumerate() {
            extents[i].add(axis.check(point.at[i], &|| format!("{name} of {}", what()))?);
            if let Some((low, high)) = point.intervals[i] {
                for end in [low, high] {
                    extents[i]
                        .add(axis.check(end, &|| format!("an end of the interval of {name} of {}", what()))?);
                }
                check_interval(&self.title, &|| format!("{name} of {}", what()), low, high)?;
            }
        }
        Ok(())
    }

    /// Each label at the place near its point where it covers the least.
    fn labels(&self, frame: &Frame) -> Vec<Shape> {
        let points: Vec<&Marked> = self.groups.iter().flat_map(|(_, points)| points).collect();
        let place = |point: &Marked| [frame.x.at(point.at[0]), frame.y.at(point.at[1])];
        let mut taken: Vec<Area> = points.iter().flat_map(|point| covered(frame, point)).collect();
        let [left, _, right, _] = frame.bounds();
        let mut shapes = Vec::new();
        for point in points.into_iter().filter(|point| !point.label.is_empty()) {
            let text = shortened(&point.label, FONT, 0.4 * (right - left));
            let (at, wide) = (place(point), width(&text, FONT));
            let (area, far) = best(at, wide, &taken, frame.bounds());
            let middle = [area[0], (area[1] + area[3]) / 2.0];
            if far {
                let towards = [at[0].clamp(area[0], area[2]), at[1].clamp(area[1], area[3])];
                shapes.push(line(at, towards, Stroke::solid(Color::FAINT, 0.8)));
            }
            shapes.push(Shape::Text(Text::centred(text, middle, FONT, Anchor::Start)));
            taken.push(area);
        }
        shapes
    }
}

/// Left, top, right and bottom.
type Area = [f64; 4];

/// What a point and its intervals cover.
fn covered(frame: &Frame, point: &Marked) -> Vec<Area> {
    let [x, y] = [frame.x.at(point.at[0]), frame.y.at(point.at[1])];
    let mut areas = vec![[x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS]];
    if let Some((low, high)) = point.intervals[0] {
        areas.push([frame.x.at(low), y - 2.0, frame.x.at(high), y + 2.0]);
    }
    if let Some((low, high)) = point.intervals[1] {
        areas.push([x - 2.0, frame.y.at(high), x + 2.0, frame.y.at(low)]);
    }
    areas
}

/// The area for a label of a point that covers the least of what is taken, and whether it is so far from the
/// point that a line should lead to it.
fn best([x, y]: [f64; 2], wide: f64, taken: &[Area], bounds: Area) -> (Area, bool) {
    let half = 0.6 * FONT;
    let mut best = ([x, y, x, y], false);
    let mut least = f64::INFINITY;
    for far in [0.0, 16.0, 34.0] {
        let aside = RADIUS + 3.0 + far;
        for (across, down) in [(1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1)] {
            let left = match across {
                1 => x + aside,
                -1 => x - aside - wide,
                _ => x - wide / 2.0,
            };
            let middle = y + f64::from(down) * (aside + half);
            let area = [left, middle - half, left + wide, middle + half];
            let outside = wide * 2.0 * half - shared(&area, &bounds);
            let hidden = taken.iter().map(|other| shared(&area, other)).sum::<f64>() + 4.0 * outside;
            if hidden + 1e-6 < least {
                (best, least) = ((area, far > 0.0), hidden);
            }
        }
    }
    best
}

/// The area that two areas share.
fn shared(a: &Area, b: &Area) -> f64 {
    (a[2].min(b[2]) - a[0].max(b[0])).max(0.0) * (a[3].min(b[3]) - a[1].max(b[1])).max(0.0)
}

/// A point's intervals, and its mark above them.
fn point_shapes(frame: &Frame, point: &Marked, style: Style) -> Vec<Shape> {
    let [x, y] = [frame.x.at(point.at[0]), frame.y.at(point.at[1])];
    let (ink, cap) = (|| Stroke::solid(style.color(), 1.3), 3.5);
    let mut shapes = Vec::new();
    if let Some((low, high)) = point.intervals[0] {
        let [low, high] = [low, high].map(|value| frame.x.at(value));
        shapes.push(line([low, y], [high, y], ink()));
        shapes.extend([low, high].map(|x| line([x, y - cap], [x, y + cap], ink())));
    }
    if let Some((low, high)) = point.intervals[1] {
        let [low, high] = [low, high].map(|value| frame.y.at(value));
        shapes.push(line([x, low], [x, high], ink()));
        shapes.extend([low, high].map(|y| line([x - cap, y], [x + cap, y], ink())));
    }
    shapes.push(style.mark([x, y], RADIUS));
    shapes
}
