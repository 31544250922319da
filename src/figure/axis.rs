//! Axes: their titles and scales, where values lie in pixels, and ticks at round values whose labels do not
//! overlap.

use crate::{Error, Result};

/// What an axis shows: a title, which should name the unit, and a linear or logarithmic scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// As `distance (gray levels)`.
    pub title: String,
    /// Whether equal lengths are equal factors. All values must then be more than 0.
    pub log: bool,
}

impl Axis {
    /// Equal lengths are equal differences.
    pub fn linear(title: impl Into<String>) -> Self {
        Axis { title: title.into(), log: false }
    }

    /// Equal lengths are equal factors.
    pub fn log(title: impl Into<String>) -> Self {
        Axis { title: title.into(), log: true }
    }

    /// A value that can be drawn, or the error that names it.
    pub(super) fn check(&self, value: f64, what: &dyn Fn() -> String) -> Result<f64> {
        let reason = if !value.is_finite() {
            "it must be finite; leave it out, and say so"
        } else if self.log && value <= 0.0 {
            "on a logarithmic axis it must be more than 0"
        } else if value.abs() > LARGEST || self.log && value < 1.0 / LARGEST {
            "it is beyond what a figure can show, 1e300"
        } else {
            return Ok(value);
        };
        Err(Error::Data(format!("figure: {} is {value}: {reason}", what())))
    }
}

/// Beyond it differences of values are not finite any more.
const LARGEST: f64 = 1e300;

/// The values that an axis must show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub low: f64,
    pub high: f64,
}

impl Extent {
    pub(super) const EMPTY: Extent = Extent { low: f64::INFINITY, high: f64::NEG_INFINITY };

    pub(super) fn add(&mut self, value: f64) {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    pub(super) fn covering(values: impl IntoIterator<Item = f64>) -> Self {
        let mut extent = Extent::EMPTY;
        values.into_iter().for_each(|value| extent.add(value));
        extent
    }
}

/// From values to pixels.
#[derive(Debug, Clone)]
pub(super) struct Scale {
    log: bool,
    /// In powers of ten where `log`.
    low: f64,
    high: f64,
    pub from: f64,
    pub to: f64,
}

impl Scale {
    /// The scale that shows `extent`, with `margin` of its length more on each side; at 0 a linear scale has
    /// no margin, as bars and counts stand on it.
    pub(super) fn new(extent: Extent, log: bool, margin: f64) -> Self {
        let (low, high) =
            if log { (extent.low.log10(), extent.high.log10()) } else { (extent.low, extent.high) };
        let largest = low.abs().max(high.abs());
        // One value, or values that differ by no more than rounding: something around them.
        let (low, high) = if high - low > 1e-9 * largest && high - low > 1.0 / LARGEST {
            let margin = margin * (high - low);
            let keep = |end: f64| !log && end == 0.0;
            (if keep(low) { low } else { low - margin }, if keep(high) { high } else { high + margin })
        } else if log {
            (low - 0.5, high + 0.5)
        } else {
            let around = if largest > 1.0 / LARGEST { largest / 2.0 } else { 1.0 };
            (low - around, high + around)
        };
        Scale { log, low, high, from: 0.0, to: 1.0 }
    }

    /// The scale of `count` names, one beside the other; name i has its middle at i + 0.5.
    pub(super) fn of_names(count: usize) -> Self {
        Scale { log: false, low: 0.0, high: count as f64, from: 0.0, to: 1.0 }
    }

    /// Where a value lies.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = if self.log { value.log10() } else { value };
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// The least and the greatest value that is shown.
    pub(super) fn ends(&self) -> [f64; 2] {
        [self.low, self.high].map(|end| if self.log { 10f64.powf(end) } else { end })
    }

    /// Ticks at round values, about `count` or fewer; the values between that get no label.
    pub(super) fn ticks(&self, count: usize) -> Vec<Tick> {
        if self.log && self.high - self.low > 1.2 {
            self.decade_ticks(count)
        } else if self.log {
            let (low, high) = (10f64.powf(self.low), 10f64.powf(self.high));
            linear_ticks(low, high, count)
        } else {
            linear_ticks(self.low, self.high, count)
        }
    }

    /// Ticks at powers of ten, or at each nth of them; where few of them are shown, at twice and five times too.
    fn decade_ticks(&self, count: usize) -> Vec<Tick> {
        let decades = self.high - self.low;
        let (first, last) = (self.low.floor() as i32, self.high.ceil() as i32);
        let step = (last - first + 1).div_euclid(count.max(1) as i32).max(1) as usize;
        let several: &[f64] =
            if step == 1 && decades * 3.0 <= count as f64 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        // From a multiple of the step, so that 1 has a label.
        let first = first.div_euclid(step as i32) * step as i32;
        (first..=last)
            .step_by(step)
            .flat_map(|power| several.iter().map(move |factor| factor * 10f64.powi(power)))
            .filter(|value| (self.low..=self.high).contains(&value.log10()))
            .map(|value| Tick { value, label: short_label(value) })
            .collect()
    }

    /// Whole numbers only.
    pub(super) fn whole_ticks(&self, count: usize) -> Vec<Tick> {
        self.ticks(count).into_iter().filter(|tick| tick.value.fract() == 0.0).collect()
    }
}

/// A labelled value of an axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub value: f64,
    pub label: String,
}

/// Multiples of 1, 2 or 5 times a power of ten, at most `count` of them.
fn linear_ticks(low: f64, high: f64, count: usize) -> Vec<Tick> {
    let least = (high - low) / count.max(1) as f64;
    let power = 10f64.powf(least.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|f| f * power).into_iter().find(|&s| s >= 0.999 * least).unwrap_or(least);
    // An end that is a multiple but for rounding is one.
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    let tick = |i: usize| {
        // Adding 0 turns a negative zero into 0.
        let value = (first + i as f64) * step + 0.0;
        Tick { value, label: label(value, step) }
    };
    (0..(last - first + 1.0).clamp(0.0, 1000.0) as usize).map(tick).collect()
}

/// A value as text, to the precision of `step`; by powers of ten where digits would be many.
pub(super) fn label(value: f64, step: f64) -> String {
    if value == 0.0 {
        return "0".to_string();
    }
    let (power, last) = (value.abs().log10().floor(), (step * 1.0001).log10().floor());
    if (-4.0..6.0).contains(&power) && last > -7.0 {
        return signed(format!("{value:.*}", (-last).max(0.0) as usize));
    }
    let digits = (power - last).clamp(0.0, 12.0) as usize;
    let text = format!("{value:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa =
        if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    let power = superscript(exponent);
    match mantissa {
        "1" => format!("10{power}"),
        "-1" => format!("−10{power}"),
        _ => signed(format!("{mantissa}×10{power}")),
    }
}

/// A value in three digits, for a cell or beside a bar.
pub(super) fn short_label(value: f64) -> String {
    if value == 0.0 {
        return "0".to_string();
    }
    let power = value.abs().log10().floor();
    let text = label(value, 10f64.powf((power - 2.0).min(0.0)));
    if text.contains('.') && !text.contains('×') {
        return text.trim_end_matches('0').trim_end_matches('.').to_string();
    }
    text
}

/// With the true minus sign, as wide as a plus.
fn signed(text: String) -> String {
    text.replace('-', "−")
}

fn superscript(digits: &str) -> String {
    let raised = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        c => c.to_digit(10).and_then(|digit| char::from_u32('⁰' as u32 + digit)).unwrap_or(c),
    };
    digits.chars().map(raised).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale, count: usize) -> Vec<String> {
        scale.ticks(count).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round_and_say_so_without_needless_digits() {
        let linear = |low, high| Scale::new(Extent { low, high }, false, 0.0);
        assert_eq!(labels(&linear(0.0, 10.0), 5), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(&linear(-0.31, 0.29), 6), ["−0.3", "−0.2", "−0.1", "0", "0.1", "0.2"]);
        assert_eq!(labels(&linear(0.0, 3e-5), 3), ["0", "10⁻⁵", "2×10⁻⁵", "3×10⁻⁵"]);
        assert_eq!(labels(&linear(0.0, 2e7), 2), ["0", "10⁷", "2×10⁷"]);
        assert_eq!(labels(&linear(1e5, 1.0002e5), 2), ["100000", "100010", "100020"]);
    }

    #[test]
    fn logarithmic_ticks_are_powers_of_ten_however_long_the_axis() {
        let log = |low, high| Scale::new(Extent { low, high }, true, 0.0);
        assert_eq!(labels(&log(1.0, 1e4), 6), ["1", "10", "100", "1000", "10000"]);
        assert_eq!(labels(&log(0.9, 110.0), 9), ["1", "2", "5", "10", "20", "50", "100"]);
        assert_eq!(labels(&log(10.0, 30.0), 4), ["10", "15", "20", "25", "30"]);
        let long = labels(&log(1e-300, 1e300), 8);
        assert!((3..=9).contains(&long.len()), "{long:?}");
    }

    #[test]
    fn any_extent_has_a_scale_with_ticks_in_it() {
        for (low, high) in
            [(3.0, 3.0), (0.0, 0.0), (-1e300, 1e300), (1.0, 1.0 + 1e-15), (5e-324, 1e-323), (-2.0, -1.0)]
        {
            for count in 1..9 {
                let scale = Scale::new(Extent { low, high }, false, 0.04);
                assert!(scale.at(low).is_finite() && scale.at(high).is_finite(), "{low} {high}");
                for tick in scale.ticks(count) {
                    assert!((-1e-9..=1.0 + 1e-9).contains(&scale.at(tick.value)), "{low} {high} {tick:?}");
                }
            }
        }
    }

    #[test]
    fn short_labels_have_three_digits() {
        let cases = [
            (0.0, "0"),
            (1234.0, "1234"),
            (12.34, "12.3"),
            (2.0, "2"),
            (0.0029331, "0.00293"),
            (-0.5, "−0.5"),
        ];
        for (value, text) in cases {
            assert_eq!(short_label(value), text);
        }
        assert_eq!(short_label(2.93312e-7), "2.93×10⁻⁷");
    }
}
