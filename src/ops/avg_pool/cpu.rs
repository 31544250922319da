//! `avg_pool` on the CPU: a task is a row of pixels, of the output in the forward pass, of the images in the backward pass.

use super::{AvgPool, window, windows};
use crate::simd::vectorized;
use macro_rules_attribute::apply;
use rayon::prelude::*;

pub(super) fn forward(pool: &AvgPool, x: &[f32], y: &mut [f32]) {
    let image = pool.height * pool.width * pool.channels;
    y.par_chunks_exact_mut(pool.out_width * pool.channels).enumerate().for_each_init(
        || vec![0.0; pool.channels],
        |along, (at, y)| {
            means(pool, at % pool.out_height, &x[at / pool.out_height * image..][..image], along, y);
        },
    );
}

/// Row `p` of an image's output. Pixels of one row are summed first, in `along`, to reduce rounding errors.
#[apply(vectorized)]
fn means(pool: &AvgPool, p: usize, image: &[f32], along: &mut [f32], y: &mut [f32]) {
    let c = pool.channels;
    let rows = window(p, pool.out_height, pool.height);
    for (q, y) in y.chunks_exact_mut(c).enumerate() {
        let columns = window(q, pool.out_width, pool.width);
        y.fill(0.0);
        for h in rows.clone() {
            along.fill(0.0);
            for w in columns.clone() {
                let x = &image[(h * pool.width + w) * c..][..c];
                along.iter_mut().zip(x).for_each(|(along, x)| *along += x);
            }
            y.iter_mut().zip(&*along).for_each(|(y, along)| *y += along);
        }
        let count = (rows.len() * columns.len()) as f32;
        y.iter_mut().for_each(|y| *y /= count);
    }
}

pub(super) fn backward(pool: &AvgPool, dy: &[f32], dx: &mut [f32]) {
    let of_image = pool.out_height * pool.out_width * pool.channels;
    dx.par_chunks_exact_mut(pool.width * pool.channels).enumerate().for_each(|(at, dx)| {
        gather(pool, at % pool.height, &dy[at / pool.height * of_image..][..of_image], dx);
    });
}

/// Row `h` of an image's gradient from its windows'.
#[apply(vectorized)]
fn gather(pool: &AvgPool, h: usize, dy: &[f32], dx: &mut [f32]) {
    let (c, [_, p, q, _]) = (pool.channels, pool.output_shape());
    for (w, dx) in dx.chunks_exact_mut(c).enumerate() {
        dx.fill(0.0);
        for top in windows(h, p, pool.height) {
            for left in windows(w, q, pool.width) {
                let count = (window(top, p, pool.height).len() * window(left, q, pool.width).len()) as f32;
                let dy = &dy[(top * q + left) * c..][..c];
                dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy / count);
            }
        }
    }
}
