//! `adam` on the CPU.

use super::Adam;
use rayon::prelude::*;

/// Values in a task.
const PIECE: usize = 1 << 14;

pub(super) fn update(
    adam: &Adam,
    weights: &mut [f32],
    gradient: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    step: &[f32],
    factor: f32,
) {
    let &Adam { beta1, beta2, eps, weight_decay, decoupled } = adam;
    let (rate, size, root) = (step[0], step[0] / step[1], step[2].sqrt());
    let (coupled, shrunk) = if decoupled { (0.0, 1.0 - rate * weight_decay) } else { (weight_decay, 1.0) };
    let pieces = weights.par_chunks_mut(PIECE).zip(gradient.par_chunks(PIECE));
    pieces.zip(m.par_chunks_mut(PIECE).zip(v.par_chunks_mut(PIECE))).for_each(|((w, g), (m, v))| {
        for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            let g = g * factor + coupled * *w;
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            *w = *w * shrunk - size * *m / (v.sqrt() / root + eps);
        }
    });
}
