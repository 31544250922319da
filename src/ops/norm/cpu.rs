//! `norm` on the CPU: sums of blocks in f64, added in order.

use rayon::prelude::*;

/// Values in a task.
const PIECE: usize = 1 << 16;

pub(super) fn norm(x: &[f32]) -> f32 {
    let sums: Vec<f64> =
        x.par_chunks(PIECE).map(|x| x.iter().map(|v| f64::from(*v) * f64::from(*v)).sum()).collect();
    sums.iter().sum::<f64>().sqrt() as f32
}
