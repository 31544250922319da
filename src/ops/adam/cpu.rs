//! `adam` on the CPU.

use super::Adam;
use crate::simd::vectorized;
use macro_rules_attribute::apply;
use rayon::prelude::*;

/// Values in a task.
const PIECE: usize = 1 << 14;

/// Coefficients of a step.
#[derive(Clone, Copy)]
struct Step {
    betas: [f32; 2],
    eps: f32,
    /// Clipping factor of the gradients.
    factor: f32,
    /// Weight decay added to the gradient.
    coupled: f32,
    /// Factor of a weight after decoupled weight decay.
    shrunk: f32,
    /// The learning rate over the bias correction of m.
    size: f32,
    /// The root of the bias correction of v.
    root: f32,
}

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
    let rate = step[0];
    let (coupled, shrunk) = if decoupled { (0.0, 1.0 - rate * weight_decay) } else { (weight_decay, 1.0) };
    let (size, root) = (rate / step[1], step[2].sqrt());
    let step = Step { betas: [beta1, beta2], eps, factor, coupled, shrunk, size, root };
    let pieces = weights.par_chunks_mut(PIECE).zip(gradient.par_chunks(PIECE));
    pieces
        .zip(m.par_chunks_mut(PIECE).zip(v.par_chunks_mut(PIECE)))
        .for_each(|((w, g), (m, v))| piece(step, w, g, m, v));
}

#[apply(vectorized)]
fn piece(step: Step, w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    let Step { betas: [beta1, beta2], eps, factor, coupled, shrunk, size, root } = step;
    for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
        let g = g * factor + coupled * *w;
        *m = beta1 * *m + (1.0 - beta1) * g;
        *v = beta2 * *v + (1.0 - beta2) * g * g;
        *w = *w * shrunk - size * *m / (v.sqrt() / root + eps);
    }
}
