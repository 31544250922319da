//! Like photographs of objects: one thing, of some place, size, turn, colour and light, before a backdrop.

use super::canvas::Canvas;
use super::params::{BEHIND, FRONT, Move, Params, along_row, bent, cosines, step, sum};

/// See [`Family::spread`](super::Family::spread).
pub const SPREAD: f64 = 26.0;

const X: usize = 0;
const Y: usize = 1;
const SIZE: usize = 2;
const ANGLE: usize = 3;
const ASPECT: usize = 4;
/// Where light falls from, in the thing's own axes.
const LIGHT_X: usize = 5;
const LIGHT_Y: usize = 6;

/// What the latents move, the first first.
pub fn moves() -> Vec<Move> {
    let wave = |layer, colour, kx, ky| Move::Wave { layer, colour, kx, ky };
    let mut moves = vec![
        Move::Pose(X),
        Move::Pose(Y),
        wave(FRONT, 1, 0, 0),
        Move::Pose(ANGLE),
        wave(BEHIND, 2, 0, 0),
        Move::Pose(SIZE),
        wave(BEHIND, 0, 1, 0),
        Move::Pose(LIGHT_X),
        wave(BEHIND, 0, 0, 1),
        wave(FRONT, 2, 0, 0),
        wave(BEHIND, 1, 0, 0),
        Move::Pose(LIGHT_Y),
        Move::Pose(ASPECT),
    ];
    for degree in 0..=3 {
        for kx in (0..=degree).rev() {
            for colour in 0..3 {
                for layer in [BEHIND, FRONT] {
                    let next = wave(layer, colour, kx, degree - kx);
                    // A slope of brightness on the thing is what light does too.
                    let is_light = layer == FRONT && colour == 0 && degree == 1;
                    if !is_light && !moves.contains(&next) {
                        moves.push(next);
                    }
                }
            }
        }
    }
    moves
}

/// An ellipse that is brightest towards the light, and a pyramid from above, of the same area and axes: the mean of
/// both, and from the first to the second.
pub fn paint(params: &Params, canvas: &mut Canvas) {
    const BACKDROP: [f32; 3] = [0.40, 0.42, 0.46];
    const THING: [f32; 3] = [0.70, 0.62, 0.52];
    /// What makes the area of |u|^8 + |v|^8 < 1 that of a circle.
    const AS_LARGE: f32 = 1.116_2;
    const SOFT: f32 = 0.13;
    let size = canvas.size;
    let margin = (size / 32).max(1);
    let pose = &params.pose;
    let (sin, cos) = (0.35 + pose[ANGLE]).sin_cos();
    let radius = 0.5 * pose[SIZE].exp();
    let ratio = 1.18 * pose[ASPECT].exp();
    let (a, b) = (radius * ratio, radius / ratio);
    let light = [0.10 + pose[LIGHT_X], -0.14 + pose[LIGHT_Y]];
    let place = |i: usize| (2 * i + 1) as f32 / size as f32 - 1.0;
    // On the thing, cosines go along with its place.
    let on_thing = |x: f32, from: f32| cosines((x - from) / 0.65);
    let columns: Vec<_> = (0..size).map(|i| (cosines(place(i)), on_thing(place(i), pose[X]))).collect();
    let pixels = canvas.common.chunks_exact_mut(3 * size).zip(canvas.change.chunks_exact_mut(3 * size));
    for (i, (common, change)) in pixels.enumerate() {
        let y = place(i);
        let (cos_behind, cos_front) = (cosines(y), on_thing(y, pose[Y]));
        let behind = params.waves[BEHIND].each_ref().map(|waves| along_row(waves, &cos_behind));
        let front = params.waves[FRONT].each_ref().map(|waves| along_row(waves, &cos_front));
        let pixels = common.chunks_exact_mut(3).zip(change.chunks_exact_mut(3));
        for (j, ((common, change), (cos_behind, cos_front))) in pixels.zip(&columns).enumerate() {
            if [i, j].iter().any(|at| *at < margin || at + margin >= size) {
                // White, so that the brightest value of every image is the same.
                common.fill(1.0);
                change.fill(0.0);
                continue;
            }
            let (dx, dy) = (place(j) - pose[X], y - pose[Y]);
            let u = (cos * dx + sin * dy) / a;
            let v = (cos * dy - sin * dx) / b;
            let (u2, v2) = (u * u, v * v);
            let round = step(((u2 + v2).sqrt() - 1.0) / SOFT);
            let (u8, v8) = (u2 * u2 * u2 * u2, v2 * v2 * v2 * v2);
            let boxy = step(((u8 + v8).sqrt().sqrt().sqrt() * AS_LARGE - 1.0) / SOFT);
            let towards = light[0] * u + light[1] * v;
            // Two of the four faces are lit, those across from each other.
            let across = u2 - v2;
            let faces = 0.22 * across / (across * across + 0.01).sqrt();
            let dome = 0.16 - 0.32 * (u2 + v2).min(2.0);
            for channel in 0..3 {
                let backdrop = BACKDROP[channel] + sum(&behind[channel], cos_behind) + 0.06 * y;
                let thing = THING[channel] + sum(&front[channel], cos_front) + towards;
                let pebble = bent(backdrop + round * (thing + dome - backdrop), 0.5, 0.36);
                let pyramid = bent(backdrop + boxy * (thing + faces - backdrop), 0.5, 0.36);
                common[channel] = 0.5 * (pebble + pyramid);
                change[channel] = pyramid - pebble;
            }
        }
    }
}
