//! A scene as SVG text, for the web and for print: text stays text, groups keep their names, and nothing
//! outside the file is needed.

use super::scene::{Anchor, Fill, Shape, Stroke, Text};
use std::fmt::Write;

/// DejaVu Sans is what labels were measured with; the others are no wider.
const FONTS: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";

/// The whole `<svg>` element. In HTML it must not, in a file it must carry the namespace.
pub(super) fn svg(width: u32, height: u32, title: &str, shapes: &[Shape], in_html: bool) -> String {
    let namespace = if in_html { "" } else { r#" xmlns="http://www.w3.org/2000/svg""# };
    let mut out = String::new();
    _ = writeln!(
        out,
        r#"<svg{namespace} width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="{}" font-family="{FONTS}">"#,
        escaped(title)
    );
    _ = writeln!(out, r##"<rect width="{width}" height="{height}" fill="#ffffff"/>"##);
    shapes.iter().for_each(|shape| write_shape(&mut out, shape));
    out + "</svg>\n"
}

fn write_shape(out: &mut String, shape: &Shape) {
    _ = match shape {
        Shape::Path { points, closed, fill, stroke } => {
            let mut path = String::new();
            for (i, &[x, y]) in points.iter().enumerate() {
                _ = write!(path, "{}{} {}", if i == 0 { "M" } else { "L" }, number(x), number(y));
            }
            let close = if *closed { "Z" } else { "" };
            writeln!(out, r#"<path d="{path}{close}"{}/>"#, paint(fill, stroke))
        }
        Shape::Circle { centre: [x, y], radius, fill, stroke } => {
            let [x, y, radius] = [x, y, radius].map(|v| number(*v));
            writeln!(out, r#"<circle cx="{x}" cy="{y}" r="{radius}"{}/>"#, paint(fill, stroke))
        }
        Shape::Text(text) => write_text(out, text),
        Shape::Bitmap { bitmap, from, size } => {
            let ([x, y], [width, height]) = (from.map(number), size.map(number));
            // Encoding into memory does not fail; an image without its pixels is still in its place.
            let address = bitmap.address().unwrap_or_default();
            writeln!(
                out,
                r#"<image x="{x}" y="{y}" width="{width}" height="{height}" style="image-rendering:pixelated" href="{address}"/>"#
            )
        }
        Shape::Group { class, name, shapes } => {
            _ = writeln!(out, r#"<g class="{class}">"#);
            if !name.is_empty() {
                _ = writeln!(out, "<title>{}</title>", escaped(name));
            }
            shapes.iter().for_each(|shape| write_shape(out, shape));
            writeln!(out, "</g>")
        }
    };
}

fn write_text(out: &mut String, text: &Text) -> std::fmt::Result {
    let [x, y] = text.at.map(number);
    let anchor = match text.anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let turn = if text.upright { format!(r#" transform="rotate(-90 {x} {y})""#) } else { String::new() };
    let (size, color, content) = (number(text.size), hex(text.color.0), escaped(&text.text));
    writeln!(
        out,
        r#"<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" fill="{color}"{turn}>{content}</text>"#
    )
}

fn paint(fill: &Option<Fill>, stroke: &Option<Stroke>) -> String {
    let mut out = match fill {
        Some(fill) if fill.opacity < 1.0 => {
            format!(r#" fill="{}" fill-opacity="{}""#, hex(fill.color.0), number(fill.opacity))
        }
        Some(fill) => format!(r#" fill="{}""#, hex(fill.color.0)),
        None => r#" fill="none""#.to_string(),
    };
    if let Some(Stroke { color, width, dash }) = stroke {
        _ = write!(
            out,
            r#" stroke="{}" stroke-width="{}" stroke-linejoin="round""#,
            hex(color.0),
            number(*width)
        );
        if !dash.is_empty() {
            let dash: Vec<String> = dash.iter().map(|&length| number(length)).collect();
            _ = write!(out, r#" stroke-dasharray="{}""#, dash.join(" "));
        }
    }
    out
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A hundredth of a pixel is enough.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_string() } else { text.to_string() }
}

/// Text for XML and HTML, between tags and in quoted attributes. What XML cannot hold, control characters and
/// the last two code points of the first plane, becomes the replacement character.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\n' | '\t' => out.push(character),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
