//! `max_pool` on the CPU: a task to a row of pixels, of the output forward, of the images backward.

use super::MaxPool;
use rayon::prelude::*;
use std::ops::Range;

/// Rows (or columns) of the image inside window `at`.
fn window(pool: &MaxPool, at: usize, extent: usize) -> Range<usize> {
    let first = at * pool.stride;
    first.saturating_sub(pool.padding)..(first + pool.kernel - pool.padding).min(extent)
}

/// Windows that hold row (or column) `at` of the image.
fn windows(pool: &MaxPool, at: usize, count: usize) -> Range<usize> {
    let at = at + pool.padding;
    let first = (at + 1).saturating_sub(pool.kernel).div_ceil(pool.stride);
    first..(at / pool.stride + 1).min(count).max(first)
}

pub(super) fn forward(pool: &MaxPool, x: &[f32], y: &mut [f32]) {
    let (c, row) = (pool.channels, pool.width * pool.channels);
    y.par_chunks_exact_mut(pool.out_width() * c).enumerate().for_each(|(at, y)| {
        let image = &x[at / pool.out_height() * pool.height * row..][..pool.height * row];
        for (q, y) in y.chunks_exact_mut(c).enumerate() {
            y.fill(f32::NEG_INFINITY);
            for h in window(pool, at % pool.out_height(), pool.height) {
                for w in window(pool, q, pool.width) {
                    let x = &image[h * row + w * c..][..c];
                    y.iter_mut().zip(x).for_each(|(y, x)| {
                        if *x > *y || x.is_nan() {
                            *y = *x;
                        }
                    });
                }
            }
        }
    });
}

pub(super) fn backward(pool: &MaxPool, x: &[f32], y: &[f32], dy: &[f32], dx: &mut [f32]) {
    let (c, row) = (pool.channels, pool.width * pool.channels);
    let (out_row, [_, p, q, _]) = (pool.out_width() * c, pool.output_shape());
    dx.par_chunks_exact_mut(row).enumerate().for_each(|(at, dx)| {
        let (n, h) = (at / pool.height, at % pool.height);
        let image = &x[n * pool.height * row..][..pool.height * row];
        dx.fill(0.0);
        for (w, dx) in dx.chunks_exact_mut(c).enumerate() {
            for top in windows(pool, h, p) {
                for left in windows(pool, w, q) {
                    let out = (n * p + top) * out_row + left * c;
                    let (y, dy) = (&y[out..][..c], &dy[out..][..c]);
                    let x = &image[h * row + w * c..][..c];
                    for channel in 0..c {
                        let most = y[channel];
                        if x[channel] == most && first(pool, image, [top, left], [h, w], channel, most) {
                            dx[channel] += dy[channel];
                        }
                    }
                }
            }
        }
    });
}

/// Whether no pixel of a window before (h, w) is its maximum too.
fn first(
    pool: &MaxPool,
    image: &[f32],
    [top, left]: [usize; 2],
    [h, w]: [usize; 2],
    channel: usize,
    most: f32,
) -> bool {
    for row in window(pool, top, pool.height) {
        for column in window(pool, left, pool.width) {
            if (row, column) == (h, w) {
                return true;
            }
            if image[(row * pool.width + column) * pool.channels + channel] == most {
                return false;
            }
        }
    }
    true
}
