//! `batch_norm` on the CPU. Sums are f64 over blocks of rows, added in order: block sizes, and so results, do not depend on
//! the number of threads.

use super::{BatchNorm, Statistics};
use crate::ops::Activation;
use crate::simd::vectorized;
use macro_rules_attribute::apply;
use rayon::prelude::*;

/// Approximate values in a block of rows.
const BLOCK: usize = 1 << 16;

fn rows_in_block(channels: usize) -> usize {
    (BLOCK / channels).max(1)
}

/// Two sums per channel over all rows; `add` accumulates a range of values into them.
fn two_sums(
    norm: &BatchNorm,
    add: impl Fn(std::ops::Range<usize>, &mut [f64], &mut [f64]) + Sync,
) -> Vec<f64> {
    let (c, block) = (norm.channels, rows_in_block(norm.channels));
    let blocks: Vec<Vec<f64>> = (0..norm.rows.div_ceil(block))
        .into_par_iter()
        .map(|at| {
            let mut sums = vec![0.0; 2 * c];
            let (first, second) = sums.split_at_mut(c);
            add(at * block * c..((at + 1) * block).min(norm.rows) * c, first, second);
            sums
        })
        .collect();
    let mut all = vec![0.0; 2 * c];
    for sums in blocks {
        all.iter_mut().zip(&sums).for_each(|(all, sum)| *all += sum);
    }
    all
}

/// Computes the batch's mean and 1 / sqrt(variance + eps), and updates the running statistics. Returns the rounding errors
/// of the means in f32.
pub(super) fn statistics(
    norm: &BatchNorm,
    x: &[f32],
    mean: &mut [f32],
    variance: &mut [f32],
    saved: &mut [f32],
) -> Vec<f32> {
    let c = norm.channels;
    // The first row is subtracted, so that constant channels have a variance of exactly 0, and large offsets cancel.
    let pivot = &x[..c];
    let sums = two_sums(norm, |at, sum, squares| add_moments(&x[at], pivot, sum, squares));
    let (rows, momentum) = (norm.rows as f64, f64::from(norm.momentum));
    let mut low = vec![0.0; c];
    for channel in 0..c {
        let (from_pivot, squares) = (sums[channel] / rows, sums[c + channel] / rows);
        let batch_mean = f64::from(pivot[channel]) + from_pivot;
        // f64 represents the squares of f32 values precisely enough for this difference; NaN stays NaN.
        let mut batch = squares - from_pivot * from_pivot;
        if batch < 0.0 {
            batch = 0.0;
        }
        saved[channel] = batch_mean as f32;
        low[channel] = (batch_mean - f64::from(saved[channel])) as f32;
        saved[c + channel] = (1.0 / (batch + f64::from(norm.eps)).sqrt()) as f32;
        let unbiased = batch * rows / (rows - 1.0);
        mean[channel] = ((1.0 - momentum) * f64::from(mean[channel]) + momentum * batch_mean) as f32;
        variance[channel] = ((1.0 - momentum) * f64::from(variance[channel]) + momentum * unbiased) as f32;
    }
    low
}

#[apply(vectorized)]
fn add_moments(x: &[f32], pivot: &[f32], sum: &mut [f64], squares: &mut [f64]) {
    for x in x.chunks_exact(pivot.len()) {
        for (((x, pivot), sum), square) in x.iter().zip(pivot).zip(&mut *sum).zip(&mut *squares) {
            let x = f64::from(*x) - f64::from(*pivot);
            *sum += x;
            *square += x * x;
        }
    }
}

/// Saves the running statistics, as `statistics` does a batch's.
pub(super) fn running(norm: &BatchNorm, mean: &[f32], variance: &[f32], saved: &mut [f32]) {
    let (saved_mean, scale) = saved.split_at_mut(norm.channels);
    saved_mean.copy_from_slice(mean);
    for (scale, variance) in scale.iter_mut().zip(variance) {
        *scale = (1.0 / (f64::from(*variance) + f64::from(norm.eps)).sqrt()) as f32;
    }
}

/// y from the saved statistics and `low`, the rounding errors of the means: empty for 0.
#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub(super) fn normalise(
    norm: &BatchNorm,
    x: &[f32],
    saved: &[f32],
    low: &[f32],
    gamma: &[f32],
    beta: &[f32],
    shortcut: &[f32],
    activation: Activation,
    y: &mut [f32],
) {
    let (mean, scale) = saved.split_at(norm.channels);
    let factor: Vec<f32> = scale.iter().zip(gamma).map(|(s, g)| s * g).collect();
    let none = vec![0.0; norm.channels];
    let line = Line { mean, low: if low.is_empty() { &none } else { low }, factor: &factor, beta };
    let block = rows_in_block(norm.channels) * norm.channels;
    y.par_chunks_mut(block).enumerate().for_each(|(at, y)| {
        let at = at * block..at * block + y.len();
        let shortcut = if shortcut.is_empty() { shortcut } else { &shortcut[at.clone()] };
        normalise_rows(line, &x[at], shortcut, activation, y);
    });
}

/// (x - mean - low) factor + beta.
#[derive(Clone, Copy)]
struct Line<'a> {
    mean: &'a [f32],
    low: &'a [f32],
    factor: &'a [f32],
    beta: &'a [f32],
}

#[apply(vectorized)]
fn normalise_rows(line: Line<'_>, x: &[f32], shortcut: &[f32], activation: Activation, y: &mut [f32]) {
    let c = line.mean.len();
    let (mean, low) = (&line.mean[..c], &line.low[..c]);
    let (factor, beta) = (&line.factor[..c], &line.beta[..c]);
    for (row, (y, x)) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)).enumerate() {
        for i in 0..c {
            y[i] = (x[i] - mean[i] - low[i]) * factor[i] + beta[i];
        }
        if !shortcut.is_empty() {
            y.iter_mut().zip(&shortcut[row * c..][..c]).for_each(|(y, s)| *y += s);
        }
        activation.apply(y);
    }
}

/// The gradients of gamma and beta.
pub(super) fn sums(
    norm: &BatchNorm,
    x: &[f32],
    y: &[f32],
    saved: &[f32],
    dy: &[f32],
    dgamma: &mut [f32],
    dbeta: &mut [f32],
) {
    let c = norm.channels;
    let (mean, scale) = saved.split_at(c);
    // Without ReLU, y is not read: any values will do.
    let sums = two_sums(norm, |at, gamma, beta| {
        if y.is_empty() {
            add_sums::<false>(&x[at.clone()], &x[at.clone()], &dy[at], mean, gamma, beta)
        } else {
            add_sums::<true>(&x[at.clone()], &y[at.clone()], &dy[at], mean, gamma, beta)
        }
    });
    for channel in 0..c {
        dgamma[channel] = (sums[channel] * f64::from(scale[channel])) as f32;
        dbeta[channel] = sums[c + channel] as f32;
    }
}

#[apply(vectorized)]
fn add_sums<const RELU: bool>(
    x: &[f32],
    y: &[f32],
    dy: &[f32],
    mean: &[f32],
    gamma: &mut [f64],
    beta: &mut [f64],
) {
    let c = mean.len();
    let (gamma, beta) = (&mut gamma[..c], &mut beta[..c]);
    for ((x, y), dy) in x.chunks_exact(c).zip(y.chunks_exact(c)).zip(dy.chunks_exact(c)) {
        for i in 0..c {
            let dy = f64::from(if !RELU || y[i] > 0.0 { dy[i] } else { 0.0 });
            gamma[i] += dy * (f64::from(x[i]) - f64::from(mean[i]));
            beta[i] += dy;
        }
    }
}

/// The gradients of x and of the shortcut, from [x, y, gamma, saved, dy, dgamma, dbeta].
pub(super) fn backward(
    norm: &BatchNorm,
    statistics: Statistics,
    [x, y, gamma, saved, dy, dgamma, dbeta]: [&[f32]; 7],
    dx: &mut [f32],
    shortcut: &mut [f32],
) {
    let (mean, scale) = saved.split_at(norm.channels);
    let rows = norm.rows as f32;
    let of_batch = |values: Vec<f32>| match statistics {
        Statistics::Batch => values,
        Statistics::Running => vec![0.0; norm.channels],
    };
    let constant = of_batch(dbeta.iter().map(|b| b / rows).collect());
    let slope = of_batch(dgamma.iter().zip(scale).map(|(g, s)| s * g / rows).collect());
    let factor: Vec<f32> = gamma.iter().zip(scale).map(|(g, s)| g * s).collect();
    let block = rows_in_block(norm.channels) * norm.channels;
    let rows = |at: usize, dx: &mut [f32], shortcut: &mut [f32]| {
        let at = at * block..at * block + dx.len();
        let (x, dy) = (&x[at.clone()], &dy[at.clone()]);
        let coefficients = [mean, &constant, &slope, &factor];
        if y.is_empty() {
            gradient_rows::<false>(coefficients, [x, x, dy], dx, shortcut);
        } else {
            gradient_rows::<true>(coefficients, [x, &y[at], dy], dx, shortcut);
        }
    };
    if shortcut.is_empty() {
        dx.par_chunks_mut(block).enumerate().for_each(|(at, dx)| rows(at, dx, &mut []));
    } else {
        let both = dx.par_chunks_mut(block).zip(shortcut.par_chunks_mut(block));
        both.enumerate().for_each(|(at, (dx, shortcut))| rows(at, dx, shortcut));
    }
}

/// factor (dy - (constant + (x - mean) slope)), with the [mean, constant, slope, factor] of each channel; the shortcut gets
/// dy itself.
#[apply(vectorized)]
fn gradient_rows<const RELU: bool>(
    coefficients: [&[f32]; 4],
    operands: [&[f32]; 3],
    dx: &mut [f32],
    shortcut: &mut [f32],
) {
    let ([mean, constant, slope, factor], [x, y, dy]) = (coefficients, operands);
    let c = mean.len();
    let (constant, slope, factor) = (&constant[..c], &slope[..c], &factor[..c]);
    let images = x.chunks_exact(c).zip(y.chunks_exact(c)).zip(dy.chunks_exact(c));
    for (row, (((x, y), dy), dx)) in images.zip(dx.chunks_exact_mut(c)).enumerate() {
        for i in 0..c {
            let dy = if !RELU || y[i] > 0.0 { dy[i] } else { 0.0 };
            dx[i] = factor[i] * (dy - (constant[i] + (x[i] - mean[i]) * slope[i]));
        }
        if !shortcut.is_empty() {
            let shortcut = &mut shortcut[row * c..][..c];
            for i in 0..c {
                shortcut[i] = if !RELU || y[i] > 0.0 { dy[i] } else { 0.0 };
            }
        }
    }
}
