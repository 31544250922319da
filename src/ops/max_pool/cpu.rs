//! `max_pool` on the CPU: in the forward pass a task is a row of the output. In the backward pass the positions of the maxima
//! are found, again by rows of the output, and each row of the images gathers from the windows that contain it.

use super::MaxPool;
use crate::simd::vectorized;
use macro_rules_attribute::apply;
use rayon::prelude::*;
use std::ops::Range;

/// Rows (or columns) of the image inside window `at`.
fn window(pool: &MaxPool, at: usize, extent: usize) -> Range<usize> {
    let first = at * pool.stride;
    first.saturating_sub(pool.padding)..(first + pool.kernel - pool.padding).min(extent)
}

/// Windows that contain row (or column) `at` of the image.
fn windows(pool: &MaxPool, at: usize, count: usize) -> Range<usize> {
    let at = at + pool.padding;
    let first = (at + 1).saturating_sub(pool.kernel).div_ceil(pool.stride);
    first..(at / pool.stride + 1).min(count).max(first)
}

pub(super) fn forward(pool: &MaxPool, x: &[f32], y: &mut [f32]) {
    let image = pool.height * pool.width * pool.channels;
    y.par_chunks_exact_mut(pool.out_width() * pool.channels).enumerate().for_each(|(at, y)| {
        let rows = window(pool, at % pool.out_height(), pool.height);
        maxima(pool, &x[at / pool.out_height() * image..][..image], rows, y);
    });
}

/// A row of the output, from windows over these rows of an image.
#[apply(vectorized)]
fn maxima(pool: &MaxPool, image: &[f32], rows: Range<usize>, y: &mut [f32]) {
    let c = pool.channels;
    for (q, y) in y.chunks_exact_mut(c).enumerate() {
        y.fill(f32::NEG_INFINITY);
        for h in rows.clone() {
            for w in window(pool, q, pool.width) {
                for (y, x) in y.iter_mut().zip(&image[(h * pool.width + w) * c..][..c]) {
                    *y = if (*x > *y) | x.is_nan() { *x } else { *y };
                }
            }
        }
    }
}

/// The same, with the pixel index of each maximum: the first of equal ones, the last NaN.
#[apply(vectorized)]
fn places(pool: &MaxPool, image: &[f32], rows: Range<usize>, most: &mut [f32], places: &mut [u32]) {
    let c = pool.channels;
    for (q, places) in places.chunks_exact_mut(c).enumerate() {
        let columns = window(pool, q, pool.width);
        most.fill(f32::NEG_INFINITY);
        places.fill((rows.start * pool.width + columns.start) as u32);
        for h in rows.clone() {
            for w in columns.clone() {
                let place = h * pool.width + w;
                for ((x, most), at) in image[place * c..][..c].iter().zip(&mut *most).zip(&mut *places) {
                    let more = (*x > *most) | x.is_nan();
                    *most = if more { *x } else { *most };
                    *at = if more { place as u32 } else { *at };
                }
            }
        }
    }
}

pub(super) fn backward(pool: &MaxPool, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    let (c, [_, p, q, _]) = (pool.channels, pool.output_shape());
    let image = pool.height * pool.width * c;
    let mut at = vec![0; dy.len()];
    at.par_chunks_exact_mut(q * c).enumerate().for_each_init(
        || vec![0.0; c],
        |most, (row, at)| {
            let rows = window(pool, row % p, pool.height);
            places(pool, &x[row / p * image..][..image], rows, most, at);
        },
    );
    dx.par_chunks_exact_mut(pool.width * c).enumerate().for_each(|(row, dx)| {
        let (n, h) = (row / pool.height, row % pool.height);
        let of_image = n * p * q * c..(n + 1) * p * q * c;
        gather(pool, h, &at[of_image.clone()], &dy[of_image], dx);
    });
}

/// Row `h` of an image's gradient from its windows' gradients and the positions of their maxima.
#[apply(vectorized)]
fn gather(pool: &MaxPool, h: usize, places: &[u32], dy: &[f32], dx: &mut [f32]) {
    let (c, [_, p, q, _]) = (pool.channels, pool.output_shape());
    for (w, dx) in dx.chunks_exact_mut(c).enumerate() {
        let place = (h * pool.width + w) as u32;
        dx.fill(0.0);
        for top in windows(pool, h, p) {
            for left in windows(pool, w, q) {
                let out = (top * q + left) * c;
                let from = places[out..][..c].iter().zip(&dy[out..][..c]);
                for (dx, (at, dy)) in dx.iter_mut().zip(from) {
                    *dx += if *at == place { *dy } else { 0.0 };
                }
            }
        }
    }
}
