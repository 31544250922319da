//! Like slices of heads: what all have in common, moved a little; and in some a small lesion.

use super::canvas::Canvas;
use super::params::{BEHIND, FRONT, Move, Params, WAVES, along_row, bent, cosines, step, sum};

/// See [`Family::spread`](super::Family::spread).
pub const SPREAD: f64 = 11.0;

const X: usize = 0;
const Y: usize = 1;
const SIZE: usize = 2;
const ANGLE: usize = 3;
const ASPECT: usize = 4;
/// The ventricles' size, distance, and how much larger the left is.
const OPEN: usize = 5;
const APART: usize = 6;
const LEFT: usize = 7;

/// The bright core's standard deviation, in half image sides.
const CORE: f32 = 0.13;
/// How far a lesion is from the organ's centre.
const AWAY: f32 = 0.42;
/// From where to where around it, in radians from the right.
const LEAST_TURN: f32 = 0.1;
const MOST_TURN: f32 = 1.1;

/// What the latents move, the first first.
pub fn moves() -> Vec<Move> {
    let wave = |layer, kx, ky| Move::Wave { layer, colour: 0, kx, ky };
    let mut moves = vec![
        Move::Pose(X),
        Move::Pose(Y),
        wave(BEHIND, 0, 0),
        Move::Pose(OPEN),
        Move::Pose(ANGLE),
        wave(BEHIND, 1, 0),
        Move::Pose(SIZE),
        wave(BEHIND, 0, 1),
        Move::Pose(APART),
        wave(FRONT, 0, 0),
        Move::Pose(LEFT),
        Move::Pose(ASPECT),
    ];
    let first = moves.clone();
    // The longest waves first.
    let mut waves: Vec<[usize; 2]> = (0..WAVES * WAVES).map(|at| [at % WAVES, at / WAVES]).collect();
    waves.sort_by_key(|[kx, ky]| kx * kx + ky * ky);
    moves.extend(waves.into_iter().map(|[kx, ky]| wave(BEHIND, kx, ky)).filter(|next| !first.contains(next)));
    moves
}

/// A slice, and the lesion: a bright core in a dark rim, both of the same mass, so that the mean brightness tells nothing.
pub fn paint(params: &Params, latents: &[f64], canvas: &mut Canvas) {
    let size = canvas.size;
    let pose = &params.pose;
    let (sin, cos) = pose[ANGLE].sin_cos();
    let scale = pose[SIZE].exp();
    let ratio = pose[ASPECT].exp();
    let organ = [0.56 * scale * ratio, 0.66 * scale / ratio];
    let open = pose[OPEN].exp();
    let widths = [0.11 * open * pose[LEFT].exp(), 0.11 * open * (-pose[LEFT]).exp()];
    let apart = 0.17 * pose[APART].exp();
    // Where the lesion is follows from latents too: it goes along with the organ, and around its centre, the same way up
    // or down, with the second. One latent alone and not by much: where a plain lesion moves, that latent moves the image
    // most, and the others count for less among near neighbours.
    let (up, aside) = (MOST_TURN + (LEAST_TURN - MOST_TURN) * latents[1] as f32).sin_cos();
    let lesion = [pose[X] + AWAY * aside, pose[Y] - AWAY * up];
    let place = |i: usize| (2 * i + 1) as f32 / size as f32 - 1.0;
    // Shorter than the head, so that they differ from one another within it.
    let on_tissue = |x: f32| cosines(x / 0.75);
    let on_organ = |x: f32, from: f32| cosines((x - from) / 0.75);
    let columns: Vec<_> = (0..size).map(|i| (on_tissue(place(i)), on_organ(place(i), pose[X]))).collect();
    let rows = canvas.common.chunks_exact_mut(size).zip(canvas.change.chunks_exact_mut(size));
    for (i, (common, change)) in rows.enumerate() {
        let y = place(i);
        let (cos_behind, cos_front) = (on_tissue(y), on_organ(y, pose[Y]));
        let behind = along_row(&params.waves[BEHIND][0], &cos_behind);
        let front = along_row(&params.waves[FRONT][0], &cos_front);
        let pixels = common.iter_mut().zip(change.iter_mut());
        for (j, ((common, change), (cos_behind, cos_front))) in pixels.zip(&columns).enumerate() {
            let x = place(j);
            let from_middle = (x * x * 1.16 + y * y).sqrt();
            let inside = step((from_middle - 0.82) / 0.04);
            // The skull is as bright as can be, so that every image has the same brightest value.
            let skull = (1.5 * bell((from_middle - 0.9) / 0.045)).min(1.0);
            let (dx, dy) = (x - pose[X], y - pose[Y]);
            let (u, v) = (cos * dx + sin * dy, cos * dy - sin * dx);
            let (p, q) = (u / organ[0], v / organ[1]);
            let in_organ = step(((p * p + q * q).sqrt() - 1.0) / 0.11);
            let ventricle = |side: f32, width: f32| {
                let (p, q) = ((u - side * (apart + 0.25 * v * v)) / width, (v + 0.02) / 0.33);
                step(((p * p + q * q).sqrt() - 1.0) / 0.3)
            };
            let ventricles = ventricle(-1.0, widths[0]) + ventricle(1.0, widths[1]);
            let tissue = 0.34 + sum(&behind, cos_behind);
            let whole = tissue + in_organ * (0.14 + sum(&front, cos_front)) - 0.2 * ventricles;
            let value = 0.04 + inside * bent(whole, 0.38, 0.28);
            *common = value + skull * (1.0 - value);
            let away = ((dx - lesion[0]).powi(2) + (dy - lesion[1]).powi(2)) / (CORE * CORE);
            *change = (-0.5 * away).exp() - 0.25 * (-0.125 * away).exp();
        }
    }
}

fn bell(t: f32) -> f32 {
    (-0.5 * t * t).exp()
}
