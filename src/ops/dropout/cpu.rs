//! `dropout` on the CPU.

use super::Dropout;
use crate::ops::philox::{key, philox};
use rayon::prelude::*;

/// Values in a task: a multiple of the four words per counter.
const PIECE: usize = 1 << 14;

pub(super) fn apply(dropout: &Dropout, step: f32, values: &mut [f32]) {
    let key = key(dropout.seed);
    let (threshold, factor, step) = (dropout.threshold(), dropout.factor(), step as u32);
    values.par_chunks_mut(PIECE).enumerate().for_each(|(at, values)| {
        for (four, values) in values.chunks_mut(4).enumerate() {
            let place = (at * PIECE / 4 + four) as u32;
            let words = philox([place, dropout.layer, step, 0], key);
            for (value, word) in values.iter_mut().zip(words) {
                *value = if word < threshold { 0.0 } else { *value * factor };
            }
        }
    });
}
