//! Labelled points with intervals: datasets by dimension and sharpness, with lines through them. Labels keep clear of each
//! other and of the points.

use super::axis::{Axis, Extent};
use super::frame::{ChartLayout, Entry, Frame, Side};
use super::scene::{Anchor, Color, Shape, Stroke, Text, line, polyline};
use super::style::{Key, Style, pale, reference};
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
    /// What stands on the left instead of the axis y: the point at the height i is of name i.
    names: Option<Vec<String>>,
    groups: Vec<Group>,
    diagonal: Option<String>,
}

#[derive(Debug, Clone)]
struct Group {
    name: String,
    points: Vec<Marked>,
    style: Style,
    /// Whether marks are open: figures that others found.
    open: bool,
    fit: Vec<[f64; 2]>,
    band: Vec<(f64, f64)>,
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
        Scatter { title: title.into(), x, y, names: None, groups: Vec::new(), diagonal: None }
    }

    /// A chart whose points lie in rows, one for each name, from the top to the bottom: that of row i has the height i.
    ///
    /// ```
    /// use sharpdim::figure::{Axis, Marked, Scatter, Size};
    /// let figure = Scatter::in_rows("Dimension", Axis::linear("d_data"), &["MNIST", "CIFAR-10"])
    ///     .group("measured", &[Marked::new("", 12.4, 0.0), Marked::new("", 24.1, 1.0)])
    ///     .open_group("published", &[Marked::new("", 9.4, 0.0), Marked::new("", 16.5, 1.0)])
    ///     .draw(Size::default())?;
    /// # assert!(figure.svg().contains("CIFAR-10"));
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn in_rows<S: AsRef<str>>(title: impl Into<String>, x: Axis, names: &[S]) -> Self {
        let names = names.iter().map(|name| name.as_ref().to_owned()).collect();
        Scatter { names: Some(names), ..Scatter::new(title, x, Axis::linear("")) }
    }

    /// Points that share a mark, and their name in the legend.
    pub fn group(self, name: impl Into<String>, points: &[Marked]) -> Self {
        let style = Style(self.groups.iter().filter(|group| !group.open).count());
        self.with_group(name, points, style, false)
    }

    /// Points in the mark of the group before, open: figures that others found, say.
    pub fn open_group(self, name: impl Into<String>, points: &[Marked]) -> Self {
        let style = self.groups.last().map_or(Style(0), |group| group.style);
        self.with_group(name, points, style, true)
    }

    fn with_group(mut self, name: impl Into<String>, points: &[Marked], style: Style, open: bool) -> Self {
        let (points, fit, band) = (points.to_vec(), Vec::new(), Vec::new());
        self.groups.push(Group { name: name.into(), points, style, open, fit, band });
        self
    }

    /// A line through the group that came last, as one that was fitted to it: its places from left to right, and, where there is
    /// a band around it, the ends of that at each of them. What of the band is outside of the plot is cut off.
    ///
    /// ```
    /// use sharpdim::figure::{Axis, Marked, Scatter, Size};
    /// let points = [Marked::new("", 1.0, 2.1), Marked::new("", 2.0, 2.9), Marked::new("", 3.0, 4.0)];
    /// let figure = Scatter::new("A fit", Axis::linear("x"), Axis::linear("y"))
    ///     .group("measured", &points)
    ///     .fit(&[[1.0, 2.05], [3.0, 3.95]], &[(1.8, 2.3), (3.7, 4.2)])
    ///     .draw(Size::default())?;
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn fit(mut self, line: &[[f64; 2]], band: &[(f64, f64)]) -> Self {
        if let Some(group) = self.groups.last_mut() {
            (group.fit, group.band) = (line.to_vec(), band.to_vec());
        }
        self
    }

    /// The line of equal x and y, with this name in the legend. Both axes then show the same range.
    pub fn diagonal(mut self, name: impl Into<String>) -> Self {
        self.diagonal = Some(name.into());
        self
    }

    /// Draws the chart.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Data`] where there is no point, a value is not finite or, on a logarithmic axis, not
    /// more than 0, a point is in no row, or a band has not two ends for each place of its line;
    /// [`crate::Error::Argument`] where the size has no room for it.
    pub fn draw(&self, size: Size) -> Result<Figure> {
        let mut extents = [Extent::EMPTY; 2];
        for group in &self.groups {
            self.check_group(group, &mut extents)?;
        }
        let [mut x, mut y] = extents;
        if self.diagonal.is_some() {
            // One range for both, so that what is above the line and what below is seen.
            let both = Extent { low: x.low.min(y.low), high: x.high.max(y.high) };
            (x, y) = (both, both);
        }
        if x.low > x.high {
            return Err(data_error(&self.title, "it has no points: it needs one at least"));
        }
        let key = |group: &Group| if group.open { Key::Open(group.style) } else { Key::Mark(group.style) };
        let mut legend: Vec<Entry> =
            self.groups.iter().map(|group| Entry { name: &group.name, key: key(group) }).collect();
        legend.extend(self.diagonal.iter().map(|name| Entry { name, key: Key::Reference(0) }));
        let layout = ChartLayout {
            size,
            title: &self.title,
            x: Side::Values { axis: &self.x, extent: x },
            y: match &self.names {
                Some(names) => Side::Names(names),
                None => Side::Values { axis: &self.y, extent: y },
            },
            legend: if legend.len() > 1 { legend } else { Vec::new() },
            right: 0.0,
        };
        let mut frame = layout.frame()?;
        if let Some(name) = &self.diagonal {
            let shapes = diagonal(&frame).into_iter().collect();
            frame.group("reference", name, shapes);
        }
        for group in &self.groups {
            let band = band_shape(&frame, group).into_iter().collect();
            frame.group("band", &group.name, band);
        }
        for group in &self.groups {
            let mut shapes = Vec::new();
            if !group.fit.is_empty() {
                let places = group.fit.iter().map(|[x, y]| [frame.x.at(*x), frame.y.at(*y)]);
                shapes.push(polyline(places.collect(), group.style.line()));
            }
            shapes.extend(group.points.iter().flat_map(|point| {
                point_shapes(&frame, point, self.place(&frame, point), group.style, group.open)
            }));
            frame.group("series", &group.name, shapes);
        }
        let labels = self.labels(&frame);
        frame.group("labels", "", labels);
        Ok(Figure::new(&layout, frame))
    }

    fn check_group(&self, group: &Group, extents: &mut [Extent; 2]) -> Result<()> {
        let name = &group.name;
        for (i, point) in group.points.iter().enumerate() {
            self.check(&|| format!("point {i}, {:?}, of group {name:?}", point.label), point, extents)?;
        }
        if !group.band.is_empty() && group.band.len() != group.fit.len() {
            let reason = format!(
                "the fit of group {name:?} has {} places, and a band for {}",
                group.fit.len(),
                group.band.len()
            );
            return Err(data_error(&self.title, reason + ": it must be as many"));
        }
        for (i, place) in group.fit.iter().enumerate() {
            for (value, (axis, extent)) in place.iter().zip([&self.x, &self.y].into_iter().zip(&mut *extents))
            {
                extent.add(axis.check(*value, &|| format!("place {i} of the fit of group {name:?}"))?);
            }
        }
        for (i, (low, high)) in group.band.iter().enumerate() {
            let what = || format!("place {i} of the fit of group {name:?}");
            for end in [low, high] {
                self.y.check(*end, &|| format!("an end of the band at {}", what()))?;
            }
            check_interval(&self.title, &what, *low, *high)?;
        }
        Ok(())
    }

    fn check(&self, what: &dyn Fn() -> String, point: &Marked, extents: &mut [Extent; 2]) -> Result<()> {
        if let Some(names) = &self.names {
            let row = point.at[1];
            if !(row >= 0.0 && row < names.len() as f64 && row.fract() == 0.0) {
                let reason = format!("{} is of row {row}, and there are {}", what(), names.len());
                return Err(data_error(&self.title, reason));
            }
        }
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

    /// Where a point is; a row's points are at its middle.
    fn place(&self, frame: &Frame, point: &Marked) -> [f64; 2] {
        let row = if self.names.is_some() { 0.5 } else { 0.0 };
        [frame.x.at(point.at[0]), frame.y.at(point.at[1] + row)]
    }

    /// Each label at the place near its point where it covers the least.
    fn labels(&self, frame: &Frame) -> Vec<Shape> {
        let points: Vec<&Marked> = self.groups.iter().flat_map(|group| &group.points).collect();
        let mut taken: Vec<Area> =
            points.iter().flat_map(|point| covered(frame, point, self.place(frame, point))).collect();
        let [left, _, right, _] = frame.bounds();
        let mut shapes = Vec::new();
        for point in points.into_iter().filter(|point| !point.label.is_empty()) {
            let text = shortened(&point.label, FONT, 0.4 * (right - left));
            let (at, wide) = (self.place(frame, point), width(&text, FONT));
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
fn covered(frame: &Frame, point: &Marked, [x, y]: [f64; 2]) -> Vec<Area> {
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

/// The line of equal x and y, as far as it is in the plot.
fn diagonal(frame: &Frame) -> Option<Shape> {
    let ([x_low, x_high], [y_low, y_high]) = (frame.x.ends(), frame.y.ends());
    let (low, high) = (x_low.max(y_low), x_high.min(y_high));
    let at = |value| [frame.x.at(value), frame.y.at(value)];
    (low < high).then(|| line(at(low), at(high), reference(0)))
}

/// The band around a group's fit.
fn band_shape(frame: &Frame, group: &Group) -> Option<Shape> {
    if group.band.is_empty() {
        return None;
    }
    let [_, top, _, bottom] = frame.bounds();
    let places = group.fit.iter().zip(&group.band);
    let at = |x: f64, y: f64| [frame.x.at(x), frame.y.at(y).clamp(top, bottom)];
    let mut points: Vec<[f64; 2]> = places.clone().map(|([x, _], (low, _))| at(*x, *low)).collect();
    points.extend(places.rev().map(|([x, _], (_, high))| at(*x, *high)));
    Some(Shape::Path { points, closed: true, fill: Some(pale(group.style)), stroke: None })
}

/// A point's intervals, and its mark above them.
fn point_shapes(frame: &Frame, point: &Marked, [x, y]: [f64; 2], style: Style, open: bool) -> Vec<Shape> {
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
    shapes.push(if open { style.open_mark([x, y], RADIUS) } else { style.mark([x, y], RADIUS) });
    shapes
}
