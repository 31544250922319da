//! Everything around the data: title, legend, axes, grid and labels, laid out so that none of them overlap and
//! the data gets the rest.

use super::Size;
use super::axis::{Axis, Extent, Scale, Tick};
use super::scene::{Anchor, Color, Shape, Stroke, Text, line};
use super::style::{KEY_WIDTH, Key};
use super::text::{shortened, width};
use crate::{Error, Result};

/// The heights of the fonts.
const TITLE: f64 = 15.0;
pub(super) const LABEL: f64 = 12.0;

/// Around everything.
const MARGIN: f64 = 12.0;
/// Between a label and what it labels.
const GAP: f64 = 6.0;
/// The least width and height of the plot.
const LEAST_PLOT: f64 = 60.0;

/// What one side of the plot shows.
pub(super) enum Side<'a> {
    Values {
        axis: &'a Axis,
        extent: Extent,
    },
    /// Counts from 0 on.
    Counts {
        title: &'a str,
        most: f64,
    },
    /// One after the other, from the left, or from the top.
    Names(&'a [String]),
}

impl Side<'_> {
    fn title(&self) -> &str {
        match self {
            Side::Values { axis, .. } => &axis.title,
            Side::Counts { title, .. } => title,
            Side::Names(_) => "",
        }
    }

    fn scale(&self) -> Scale {
        match self {
            Side::Values { axis, extent } => Scale::new(*extent, axis.log, 0.05),
            Side::Counts { most, .. } => Scale::new(Extent { low: 0.0, high: *most }, false, 0.05),
            Side::Names(names) => Scale::of_names(names.len()),
        }
    }

    /// Names that are longer than `room` are shortened.
    fn ticks(&self, scale: &Scale, count: usize, room: f64) -> Vec<Tick> {
        match self {
            Side::Values { .. } => scale.ticks(count),
            Side::Counts { .. } => scale.whole_ticks(count),
            Side::Names(names) => {
                let tick = |(i, name): (usize, &String)| Tick {
                    value: i as f64 + 0.5,
                    label: shortened(name, LABEL, room),
                };
                names.iter().enumerate().map(tick).collect()
            }
        }
    }

    fn is_names(&self) -> bool {
        matches!(self, Side::Names(_))
    }
}

/// An entry of the legend.
pub(super) struct Entry<'a> {
    pub name: &'a str,
    pub key: Key,
}

/// The layout of a chart around its data: size, title, axes and legend.
pub(super) struct ChartLayout<'a> {
    pub size: Size,
    pub title: &'a str,
    pub x: Side<'a>,
    pub y: Side<'a>,
    pub legend: Vec<Entry<'a>>,
    /// Kept free on the right.
    pub right: f64,
}

/// The plot's place and scales, and the shapes drawn so far.
pub(super) struct Frame {
    pub x: Scale,
    pub y: Scale,
    pub shapes: Vec<Shape>,
}

impl ChartLayout<'_> {
    /// Lays out and draws all but the data.
    pub(super) fn frame(&self) -> Result<Frame> {
        self.size.check()?;
        let (full_width, full_height) = (f64::from(self.size.width), f64::from(self.size.height));
        let mut shapes = Vec::new();
        let below_title = self.heading(&mut shapes);
        let top = self.legend(&mut shapes, below_title);

        let (mut x, mut y) = (self.x.scale(), self.y.scale());
        let longest = 0.28 * full_width;
        // A guess at the height: that of labels in one row. Labels on end need more, which changes no width.
        let x_title = if self.x.title().is_empty() { 0.0 } else { LABEL + GAP };
        let guessed = full_height - MARGIN - x_title - LABEL - GAP;
        (y.from, y.to) = self.vertical(top, guessed);
        let y_ticks =
            fitting(|count| self.y.ticks(&y, count, longest), self.count(guessed - top, 40.0), |_| true);
        let widest = widest(&y_ticks);
        let y_title = if self.y.title().is_empty() { 0.0 } else { LABEL + GAP };
        let left = MARGIN + y_title + widest + GAP;
        // A value's label may stand out by half of its width.
        let right = full_width - MARGIN - self.right - if self.x.is_names() { 0.0 } else { 2.0 * GAP };

        (x.from, x.to) = (left, right);
        let (x_ticks, on_end) = self.x_ticks(&x, 0.28 * full_height);
        let below = if on_end { self::widest(&x_ticks) } else { LABEL };
        let bottom = full_height - MARGIN - x_title - below - GAP;
        if right - left < LEAST_PLOT || bottom - top < LEAST_PLOT {
            return Err(Error::Argument(format!(
                "figure {:?}: {} x {} has no room for the plot beside its labels and legend; make it larger",
                self.title, self.size.width, self.size.height
            )));
        }
        (y.from, y.to) = self.vertical(top, bottom);
        let y_ticks = fitting(
            |count| self.y.ticks(&y, count, longest),
            self.count(bottom - top, 40.0),
            |ticks| self::widest(ticks) <= widest,
        );

        let mut frame = Frame { x, y, shapes };
        frame.grid(&self.x, &x_ticks, &self.y, &y_ticks, [left, top, right, bottom]);
        frame.x_labels(&x_ticks, bottom, on_end);
        frame.y_labels(&y_ticks, left);
        frame.titles(self.x.title(), self.y.title(), [left, top, right, bottom], full_height);
        Ok(frame)
    }

    /// The title; where the next row begins.
    fn heading(&self, shapes: &mut Vec<Shape>) -> f64 {
        if self.title.is_empty() {
            return MARGIN;
        }
        let title = shortened(self.title, TITLE, f64::from(self.size.width) - 2.0 * MARGIN);
        let at = [MARGIN, MARGIN + TITLE / 2.0];
        shapes.push(Shape::Text(Text::centred(title, at, TITLE, Anchor::Start)));
        MARGIN + TITLE + 2.0 * GAP
    }

    /// The legend in rows from `top` on; where the plot begins.
    fn legend(&self, shapes: &mut Vec<Shape>, top: f64) -> f64 {
        const ROW: f64 = LABEL + GAP;
        let right = f64::from(self.size.width) - MARGIN;
        let (mut x, mut y) = (MARGIN, top + LABEL / 2.0);
        for entry in &self.legend {
            let name = shortened(entry.name, LABEL, right - MARGIN - KEY_WIDTH - GAP);
            let wide = KEY_WIDTH + GAP + width(&name, LABEL);
            if x > MARGIN && x + wide > right {
                (x, y) = (MARGIN, y + ROW);
            }
            let mut parts = entry.key.shapes(x, y);
            parts.push(Shape::Text(Text::centred(name, [x + KEY_WIDTH + GAP, y], LABEL, Anchor::Start)));
            shapes.push(Shape::Group { class: "key", name: entry.name.to_string(), shapes: parts });
            x += wide + 3.0 * GAP;
        }
        if self.legend.is_empty() { top } else { y + LABEL / 2.0 + 2.0 * GAP }
    }

    /// Values grow upwards, names are read downwards.
    fn vertical(&self, top: f64, bottom: f64) -> (f64, f64) {
        if self.y.is_names() { (top, bottom) } else { (bottom, top) }
    }

    /// How many ticks a length can take; of three, one at least is a round value.
    fn count(&self, length: f64, each: f64) -> usize {
        ((length / each) as usize).clamp(3, 10)
    }

    /// The ticks of the horizontal side, and whether their labels stand on end.
    fn x_ticks(&self, x: &Scale, longest: f64) -> (Vec<Tick>, bool) {
        let apart = |ticks: &[Tick]| ticks.windows(2).all(|pair| room(x, &pair[0], &pair[1]) >= 1.5 * GAP);
        if !self.x.is_names() {
            return (
                fitting(|count| self.x.ticks(x, count, longest), self.count(x.to - x.from, 50.0), apart),
                false,
            );
        }
        let whole = self.x.ticks(x, 0, f64::INFINITY);
        let share = (x.to - x.from) / whole.len().max(1) as f64;
        if widest(&whole) + GAP <= share { (whole, false) } else { (self.x.ticks(x, 0, longest), true) }
    }
}

/// The most ticks, `count` or fewer, that fit.
fn fitting(ticks: impl Fn(usize) -> Vec<Tick>, count: usize, fits: impl Fn(&[Tick]) -> bool) -> Vec<Tick> {
    (1..=count).rev().map(&ticks).find(|ticks| fits(ticks)).unwrap_or_else(|| ticks(1))
}

/// The room between the labels of two ticks beside each other.
fn room(x: &Scale, left: &Tick, right: &Tick) -> f64 {
    let half = |tick: &Tick| width(&tick.label, LABEL) / 2.0;
    x.at(right.value) - half(right) - x.at(left.value) - half(left)
}

fn widest(ticks: &[Tick]) -> f64 {
    ticks.iter().map(|tick| width(&tick.label, LABEL)).fold(0.0, f64::max)
}

impl Frame {
    fn grid(&mut self, x: &Side, x_ticks: &[Tick], y: &Side, y_ticks: &[Tick], at: [f64; 4]) {
        let [left, top, right, bottom] = at;
        let thin = || Stroke::solid(Color::GRID, 1.0);
        if !x.is_names() {
            let vertical = x_ticks.iter().map(|tick| self.x.at(tick.value));
            self.shapes.extend(vertical.map(|x| line([x, top], [x, bottom], thin())));
        }
        if !y.is_names() {
            let across = y_ticks.iter().map(|tick| self.y.at(tick.value));
            self.shapes.extend(across.map(|y| line([left, y], [right, y], thin())));
        }
        let axis = || Stroke::solid(Color::INK, 1.0);
        self.shapes.push(line([left, top], [left, bottom], axis()));
        self.shapes.push(line([left, bottom], [right, bottom], axis()));
    }

    fn x_labels(&mut self, ticks: &[Tick], bottom: f64, on_end: bool) {
        for tick in ticks {
            let x = self.x.at(tick.value);
            let text = if on_end {
                Text::upright(&tick.label, [x, bottom + GAP], LABEL, Anchor::End)
            } else {
                // The scale's ends may be ticks: their labels stay inside the figure by the margin.
                Text::centred(&tick.label, [x, bottom + GAP + LABEL / 2.0], LABEL, Anchor::Middle)
            };
            self.shapes.push(Shape::Text(text));
        }
    }

    fn y_labels(&mut self, ticks: &[Tick], left: f64) {
        for tick in ticks {
            let at = [left - GAP, self.y.at(tick.value)];
            self.shapes.push(Shape::Text(Text::centred(&tick.label, at, LABEL, Anchor::End)));
        }
    }

    fn titles(&mut self, x: &str, y: &str, [left, top, right, bottom]: [f64; 4], height: f64) {
        if !x.is_empty() {
            let at = [(left + right) / 2.0, height - MARGIN - LABEL / 2.0];
            let title = shortened(x, LABEL, right - left);
            self.shapes.push(Shape::Text(Text::centred(title, at, LABEL, Anchor::Middle)));
        }
        if !y.is_empty() {
            let at = [MARGIN + LABEL / 2.0, (top + bottom) / 2.0];
            let title = shortened(y, LABEL, bottom - top);
            self.shapes.push(Shape::Text(Text::upright(title, at, LABEL, Anchor::Middle)));
        }
    }

    /// Draws shapes that belong together.
    pub(super) fn group(&mut self, class: &'static str, name: impl Into<String>, shapes: Vec<Shape>) {
        self.shapes.push(Shape::Group { class, name: name.into(), shapes });
    }

    /// Left, top, right and bottom of the plot.
    pub(super) fn bounds(&self) -> [f64; 4] {
        [self.x.from, self.y.from.min(self.y.to), self.x.to, self.y.from.max(self.y.to)]
    }
}
