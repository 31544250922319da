//! Elementwise operations on the CPU.

use rayon::prelude::*;

/// Values in a task.
const PIECE: usize = 1 << 16;

pub(super) fn relu_forward(x: &[f32], y: &mut [f32]) {
    y.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)).for_each(|(y, x)| {
        // Not `max`, which would turn NaN into a number.
        y.iter_mut().zip(x).for_each(|(y, x)| *y = if *x < 0.0 { 0.0 } else { *x });
    });
}

pub(super) fn relu_backward(y: &[f32], gradient: &mut [f32]) {
    gradient.par_chunks_mut(PIECE).zip(y.par_chunks(PIECE)).for_each(|(gradient, y)| {
        gradient.iter_mut().zip(y).for_each(|(g, y)| *g = if *y > 0.0 { *g } else { 0.0 });
    });
}

pub(super) fn add(x: &[f32], y: &mut [f32]) {
    y.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)).for_each(|(y, x)| {
        y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
    });
}
