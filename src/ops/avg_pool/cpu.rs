//! `avg_pool` on the CPU: a task to a row of pixels, of the output forward, of the images backward.

use super::{AvgPool, window, windows};
use rayon::prelude::*;

pub(super) fn forward(pool: &AvgPool, x: &[f32], y: &mut [f32]) {
    let (c, row) = (pool.channels, pool.width * pool.channels);
    y.par_chunks_exact_mut(pool.out_width * c).enumerate().for_each(|(at, y)| {
        let image = &x[at / pool.out_height * pool.height * row..][..pool.height * row];
        let rows = window(at % pool.out_height, pool.out_height, pool.height);
        for (q, y) in y.chunks_exact_mut(c).enumerate() {
            let columns = window(q, pool.out_width, pool.width);
            y.fill(0.0);
            for h in rows.clone() {
                for w in columns.clone() {
                    y.iter_mut().zip(&image[h * row + w * c..]).for_each(|(y, x)| *y += x);
                }
            }
            let count = (rows.len() * columns.len()) as f32;
            y.iter_mut().for_each(|y| *y /= count);
        }
    });
}

pub(super) fn backward(pool: &AvgPool, dy: &[f32], dx: &mut [f32]) {
    let (c, [_, p, q, _]) = (pool.channels, pool.output_shape());
    dx.par_chunks_exact_mut(pool.width * c).enumerate().for_each(|(at, dx)| {
        let (n, h) = (at / pool.height, at % pool.height);
        dx.fill(0.0);
        for (w, dx) in dx.chunks_exact_mut(c).enumerate() {
            for top in windows(h, p, pool.height) {
                for left in windows(w, q, pool.width) {
                    let rows = window(top, p, pool.height).len();
                    let count = (rows * window(left, q, pool.width).len()) as f32;
                    let dy = &dy[((n * p + top) * q + left) * c..];
                    dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy / count);
                }
            }
        }
    });
}
