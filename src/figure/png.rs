//! A scene as PNG: `tiny-skia` fills and strokes with smooth edges, letters are filled outlines, so that no
//! font is looked for.

use super::encode::encoded;
use super::scene::{Anchor, Bitmap, Fill, Shape, Stroke, Text};
use super::text::{self, Step};
use crate::{Error, Result};
use png::{ColorType, Compression};
use tiny_skia::{
    FillRule, FilterQuality, Paint, Path, PathBuilder, Pixmap, PixmapPaint, StrokeDash, Transform,
};

/// More pixels than this are no figure.
const MOST_PIXELS: u64 = 1 << 27;

/// The encoded image, `scale` pixels for each of the scene's.
pub(super) fn png(width: u32, height: u32, shapes: &[Shape], scale: u32) -> Result<Vec<u8>> {
    let too_large =
        || Error::Argument(format!("a PNG of {width} x {height}, {scale} times, has too many pixels"));
    let (width, height) = width.checked_mul(scale).zip(height.checked_mul(scale)).ok_or_else(too_large)?;
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(too_large());
    }
    let mut pixels = Pixmap::new(width, height).ok_or_else(|| {
        Error::Argument(format!("a PNG of {width} x {height} pixels is empty; scale is 1 or more"))
    })?;
    pixels.fill(tiny_skia::Color::WHITE);
    let transform = Transform::from_scale(scale as f32, scale as f32);
    shapes.iter().for_each(|shape| draw(&mut pixels, shape, transform));

    // All is opaque on white: three channels say it.
    let rgb: Vec<u8> =
        pixels.data().chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    encoded(&rgb, [height, width], ColorType::Rgb, Compression::Balanced)
}

fn draw(pixels: &mut Pixmap, shape: &Shape, transform: Transform) {
    match shape {
        Shape::Path { points, closed, fill, stroke } => {
            let mut path = PathBuilder::new();
            for (i, &[x, y]) in points.iter().enumerate() {
                let (x, y) = (x as f32, y as f32);
                if i == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
            }
            if *closed {
                path.close();
            }
            paint(pixels, path.finish(), fill, stroke, transform);
        }
        Shape::Circle { centre: [x, y], radius, fill, stroke } => {
            let path = PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32);
            paint(pixels, path, fill, stroke, transform);
        }
        Shape::Text(text) => {
            paint(pixels, letters(text), &Some(Fill::solid(text.color)), &None, transform);
        }
        Shape::Bitmap { bitmap, from, size } => draw_bitmap(pixels, bitmap, *from, *size, transform),
        Shape::Group { shapes, .. } => shapes.iter().for_each(|shape| draw(pixels, shape, transform)),
    }
}

fn draw_bitmap(pixels: &mut Pixmap, bitmap: &Bitmap, from: [f64; 2], size: [f64; 2], transform: Transform) {
    // Sides of a figure's images are pixels in memory already.
    let Some(mut image) = Pixmap::new(bitmap.width(), bitmap.height()) else { return };
    for (pixel, [r, g, b]) in image.data_mut().chunks_exact_mut(4).zip(bitmap.rgb()) {
        pixel.copy_from_slice(&[r, g, b, 255]);
    }
    let [x, y] = [size[0] / f64::from(bitmap.width()), size[1] / f64::from(bitmap.height())];
    let enlarged = x as f32 * transform.sx >= 1.0;
    let quality = if enlarged { FilterQuality::Nearest } else { FilterQuality::Bilinear };
    let place = transform.pre_translate(from[0] as f32, from[1] as f32).pre_scale(x as f32, y as f32);
    pixels.draw_pixmap(0, 0, image.as_ref(), &PixmapPaint { quality, ..PixmapPaint::default() }, place, None);
}

/// Fills and strokes; a path of nothing is left out.
fn paint(
    pixels: &mut Pixmap,
    path: Option<Path>,
    fill: &Option<Fill>,
    stroke: &Option<Stroke>,
    at: Transform,
) {
    let Some(path) = path else { return };
    if let Some(Fill { color, opacity }) = fill {
        pixels.fill_path(&path, &ink(color.0, *opacity), FillRule::Winding, at, None);
    }
    if let Some(Stroke { color, width, dash }) = stroke {
        let dash = dash.iter().map(|&length| length as f32).collect();
        let stroke = tiny_skia::Stroke {
            width: *width as f32,
            line_join: tiny_skia::LineJoin::Round,
            dash: StrokeDash::new(dash, 0.0),
            ..Default::default()
        };
        pixels.stroke_path(&path, &ink(color.0, 1.0), &stroke, at, None);
    }
}

fn ink([r, g, b]: [u8; 3], opacity: f64) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(r, g, b, (opacity * 255.0).round() as u8);
    paint
}

fn letters(text: &Text) -> Option<Path> {
    let before = match text.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => 0.5,
        Anchor::End => 1.0,
    } * text::width(&text.text, text.size);
    let place = |[right, up]: [f64; 2]| {
        let (right, up) = (right * text.size - before, up * text.size);
        let [x, y] = text.at;
        let [x, y] = if text.upright { [x - up, y - right] } else { [x + right, y - up] };
        (x as f32, y as f32)
    };
    let mut path = PathBuilder::new();
    for step in text::outline(&text.text) {
        match step {
            Step::Move(to) => {
                let (x, y) = place(to);
                path.move_to(x, y);
            }
            Step::Line(to) => {
                let (x, y) = place(to);
                path.line_to(x, y);
            }
            Step::Curve(bend, to) => {
                let ((bend_x, bend_y), (x, y)) = (place(bend), place(to));
                path.quad_to(bend_x, bend_y, x, y);
            }
            Step::Close => path.close(),
        }
    }
    path.finish()
}
