//! The letters of figures: outlines of DejaVu Sans, so that a PNG has text, and every figure knows the width
//! of its labels, on a machine without fonts.
//!
//! The outlines are a table made by `scripts/make-glyphs`; LICENSE-DEJAVU allows that. A table needs no font
//! parser: that of plotters and ab_glyph, `ttf-parser`, is unmaintained, and `skrifa` takes a minute to build.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What stands for a character that the table does not have.
const MISSING: char = '\u{fffd}';

struct Font {
    units: f64,
    glyphs: HashMap<char, Glyph>,
}

struct Glyph {
    /// How far the next letter is, in units.
    advance: f64,
    /// `M x y`, `L x y`, `Q x y x y` and `Z`, in units, upwards.
    outline: &'static str,
}

static FONT: LazyLock<Font> = LazyLock::new(|| {
    let mut lines = include_str!("glyphs.txt").lines();
    let units = lines.next().and_then(|line| line.strip_prefix("units ")?.parse().ok()).unwrap_or(2048.0);
    Font { units, glyphs: lines.filter_map(glyph).collect() }
});

/// A line of the table: the character in hexadecimal, its advance, its outline.
fn glyph(line: &'static str) -> Option<(char, Glyph)> {
    let mut fields = line.splitn(3, ' ');
    let character = char::from_u32(u32::from_str_radix(fields.next()?, 16).ok()?)?;
    let advance = fields.next()?.parse().ok()?;
    Some((character, Glyph { advance, outline: fields.next().unwrap_or("") }))
}

fn glyph_of(character: char) -> Option<&'static Glyph> {
    FONT.glyphs.get(&character).or_else(|| FONT.glyphs.get(&MISSING))
}

/// The width of a text in a font of the height `size`.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().filter_map(glyph_of).map(|glyph| glyph.advance).sum::<f64>() * size / FONT.units
}

/// A text on one line that is no wider than `room`: what is too long ends in an ellipsis.
pub(super) fn shortened(text: &str, size: f64, room: f64) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if width(&text, size) <= room {
        return text;
    }
    let mut used = width("…", size);
    let mut kept = String::new();
    for character in text.chars() {
        used += width(character.encode_utf8(&mut [0; 4]), size);
        if used > room {
            break;
        }
        kept.push(character);
    }
    kept.truncate(kept.trim_end().len());
    kept + "…"
}

/// A step of an outline, right and up of the text's start, as parts of the font's height.
pub(super) enum Step {
    Move([f64; 2]),
    Line([f64; 2]),
    Curve([f64; 2], [f64; 2]),
    Close,
}

/// The outline of a text that starts at 0, its baseline at 0.
pub(super) fn outline(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut start = 0.0;
    for glyph in text.chars().filter_map(glyph_of) {
        steps_of(glyph.outline, start, &mut steps);
        start += glyph.advance;
    }
    steps
}

fn steps_of(outline: &str, start: f64, steps: &mut Vec<Step>) {
    let mut words = outline.split_ascii_whitespace();
    while let Some(letter) = words.next() {
        let mut point = || -> Option<[f64; 2]> {
            let x: f64 = words.next()?.parse().ok()?;
            let y: f64 = words.next()?.parse().ok()?;
            Some([(start + x) / FONT.units, y / FONT.units])
        };
        let step = match letter {
            "M" => point().map(Step::Move),
            "L" => point().map(Step::Line),
            "Q" => point().and_then(|bend| Some(Step::Curve(bend, point()?))),
            _ => Some(Step::Close),
        };
        steps.extend(step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_glyph_with_whole_steps() {
        assert_eq!(FONT.units, 2048.0);
        assert_eq!(FONT.glyphs.len(), include_str!("glyphs.txt").lines().count() - 1);
        for (&character, glyph) in &FONT.glyphs {
            let letters = glyph.outline.matches(['M', 'L', 'Q', 'Z']).count();
            assert_eq!(outline(&character.to_string()).len(), letters, "{character:?}");
        }
        assert!(FONT.glyphs.contains_key(&MISSING) && FONT.glyphs.contains_key(&'…'));
    }

    #[test]
    fn a_long_text_is_cut_to_its_room_and_a_short_one_is_not() {
        assert_eq!(shortened("carcinoma", 12.0, 200.0), "carcinoma");
        let cut = shortened("a name that\nis too long for its room", 12.0, 90.0);
        assert!(cut.starts_with("a name that") && cut.ends_with('…') && width(&cut, 12.0) <= 90.0, "{cut}");
        assert_eq!(shortened("wide", 12.0, 1.0), "…");
        assert!(width("漢字", 12.0) > 0.0);
    }
}
