//! Convolutions of images with few pixels, as in the last layers of networks: for each pair of an output pixel and an image
//! pixel in its receptive field, a matrix product over all images. There are no patches, and padding costs nothing.

use super::{Conv2d, Matrix, Shared, TASKS, pieces};
use crate::ops::Activation;
use rayon::prelude::*;
use std::ops::Range;

/// Pairs of pixels up to which this pays.
const PAIRS: usize = 16;
/// Channels in a panel of weights: the rows of the matrix kernel for AVX-512.
const PANEL: usize = 64;
/// Images in a task: few enough that `gemm` does not copy the weights.
const IMAGES: usize = 48;
/// Images from which copying the weights pays.
const LEAST: usize = 8;

pub(super) fn pays(conv: &Conv2d) -> bool {
    let pixels = conv.height * conv.width * conv.out_height() * conv.out_width();
    pixels <= PAIRS
        && !conv.is_product()
        && conv.batch >= LEAST
        && conv.in_channels.is_multiple_of(PANEL)
        && conv.out_channels.is_multiple_of(PANEL)
}

/// An output pixel, an image pixel in its receptive field, and the filter tap that connects them.
#[derive(Clone, Copy)]
struct Pair {
    output: usize,
    image: usize,
    tap: usize,
}

fn pairs(conv: &Conv2d) -> Vec<Pair> {
    let (outputs, images) = (conv.out_height() * conv.out_width(), conv.height * conv.width);
    let all = (0..outputs).flat_map(|output| (0..images).map(move |image| (output, image)));
    let through = |(output, image)| {
        let at = |output: usize, image: usize| {
            let tap = (image + conv.padding).checked_sub(output * conv.stride)?;
            (tap < conv.kernel).then_some(tap)
        };
        let row = at(output / conv.out_width(), image / conv.width)?;
        let column = at(output % conv.out_width(), image % conv.width)?;
        Some(Pair { output, image, tap: row * conv.kernel + column })
    };
    all.filter_map(through).collect()
}

/// Images and panels per task: as many images as possible, in equal shares.
fn tasks(batch: usize, panels: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let blocks = batch.div_ceil(IMAGES);
    let most = panels.div_ceil(TASKS.div_ceil(blocks));
    pieces(batch, batch.div_ceil(blocks))
        .flat_map(|images| pieces(panels, most).map(move |part| (images.clone(), part)))
        .collect()
}

/// Source or target of products: images of so many pixels with so many channels.
struct Side {
    pixels: usize,
    channels: usize,
}

/// Writes to each pixel the sum, over its pairs, of the other pixel times the pair's weights; then calls `finish` on each of
/// the pixel's panels. `ends` gives a pair's written and its read pixel; `weights` is the matrix of a filter tap and a panel
/// of channels.
fn products<'a>(
    conv: &Conv2d,
    (from, to): (Side, Side),
    ends: impl Fn(&Pair) -> (usize, usize) + Sync,
    weights: impl Fn(usize, usize) -> Matrix<'a> + Sync,
    (x, y): (&[f32], &mut [f32]),
    add: bool,
    finish: impl Fn(usize, &mut [f32]) + Sync,
) {
    let (row, step) = (from.pixels * from.channels, to.pixels * to.channels);
    let (pairs, y) = (pairs(conv), Shared::new(y));
    tasks(conv.batch, to.channels / PANEL).into_par_iter().for_each(|(images, part)| {
        for panel in part {
            for pixel in 0..to.pixels {
                let place = |image: usize| image * step + pixel * to.channels + panel * PANEL;
                let mut add = add;
                for pair in pairs.iter().filter(|pair| ends(pair).0 == pixel) {
                    let left = &x[images.start * row + ends(pair).1 * from.channels..];
                    // SAFETY: this task's images and panels are its alone.
                    unsafe {
                        y.multiply(
                            [images.len(), from.channels, PANEL],
                            Matrix { values: left, row, column: 1 },
                            weights(pair.tap, panel),
                            (place(images.start), step),
                            add,
                        );
                    }
                    add = true;
                }
                for image in images.clone() {
                    // SAFETY: as above.
                    let out = unsafe { y.part(place(image), PANEL) };
                    if !add {
                        // A pixel without pairs.
                        out.fill(0.0);
                    }
                    finish(panel * PANEL, out);
                }
            }
        }
    });
}

pub(super) fn forward(
    conv: &Conv2d,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    activation: Activation,
    y: &mut [f32],
) {
    let (images, outputs) = sides(conv);
    // Channels by filters.
    let weights = |tap: usize, panel: usize| {
        let values = &w[panel * PANEL * conv.patch() + tap * conv.in_channels..];
        Matrix { values, row: 1, column: conv.patch() }
    };
    let ends = |pair: &Pair| (pair.output, pair.image);
    let finish = |first: usize, out: &mut [f32]| super::finish(out, bias, first, activation);
    products(conv, (images, outputs), ends, weights, (x, y), false, finish);
}

pub(super) fn backward_input(conv: &Conv2d, dy: &[f32], w: &[f32], add: bool, dx: &mut [f32]) {
    let (images, outputs) = sides(conv);
    // Filters by channels.
    let weights = |tap: usize, panel: usize| {
        let values = &w[tap * conv.in_channels + panel * PANEL..];
        Matrix { values, row: conv.patch(), column: 1 }
    };
    let ends = |pair: &Pair| (pair.image, pair.output);
    products(conv, (outputs, images), ends, weights, (dy, dx), add, |_, _| ());
}

pub(super) fn backward_weight(conv: &Conv2d, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let pairs = pairs(conv);
    let (c, k) = (conv.in_channels, conv.out_channels);
    let (images, outputs) = sides(conv);
    let (row, column) = (images.pixels * c, outputs.pixels * k);
    let tasks: Vec<(usize, Range<usize>)> = (0..conv.kernel * conv.kernel)
        .flat_map(|tap| pieces(k, PANEL).map(move |filters| (tap, filters)))
        .collect();
    let dw = Shared::new(dw);
    tasks.into_par_iter().for_each(|(tap, filters)| {
        let place = |filter: usize| filter * conv.patch() + tap * c;
        let mut add = false;
        for pair in pairs.iter().filter(|pair| pair.tap == tap) {
            let left = Matrix { values: &dy[pair.output * k + filters.start..], row: 1, column };
            let right = Matrix { values: &x[pair.image * c..], row, column: 1 };
            // SAFETY: this task's place and filters are its alone.
            unsafe {
                let to = (place(filters.start), conv.patch());
                dw.multiply([filters.len(), conv.batch, c], left, right, to, add);
            }
            add = true;
        }
        if !add {
            // SAFETY: as above.
            filters.for_each(|filter| unsafe { dw.part(place(filter), c) }.fill(0.0));
        }
    });
}

fn sides(conv: &Conv2d) -> (Side, Side) {
    let outputs = conv.out_height() * conv.out_width();
    let images = Side { pixels: conv.height * conv.width, channels: conv.in_channels };
    (images, Side { pixels: outputs, channels: conv.out_channels })
}
