//! `sgd` on the CPU.

use super::Sgd;
use rayon::prelude::*;

/// Values in a task.
const PIECE: usize = 1 << 14;

pub(super) fn update(
    sgd: &Sgd,
    weights: &mut [f32],
    gradient: &[f32],
    buffer: &mut [f32],
    rate: f32,
    factor: f32,
) {
    let &Sgd { momentum, weight_decay, nesterov } = sgd;
    let pieces = weights.par_chunks_mut(PIECE).zip(gradient.par_chunks(PIECE));
    pieces.zip(buffer.par_chunks_mut(PIECE)).for_each(|((w, g), b)| {
        for ((w, g), b) in w.iter_mut().zip(g).zip(b) {
            let g = g * factor + weight_decay * *w;
            *b = momentum * *b + g;
            *w -= rate * if nesterov { g + momentum * *b } else { *b };
        }
    });
}
