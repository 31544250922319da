//! `batch_norm` on the CPU. Sums run in 64 bits over blocks of rows, whose sums are added in order: their size does not
//! depend on the number of threads, and so neither do the results.

use super::{BatchNorm, Statistics};
use rayon::prelude::*;

/// Values in a block of rows, about.
const BLOCK: usize = 1 << 16;

fn rows_in_block(channels: usize) -> usize {
    (BLOCK / channels).max(1)
}

/// Two sums for each channel over all rows: `add` puts what row `row` has to give to them.
fn two_sums(norm: &BatchNorm, add: impl Fn(usize, &mut [f64], &mut [f64]) + Sync) -> Vec<f64> {
    let (c, block) = (norm.channels, rows_in_block(norm.channels));
    let blocks: Vec<Vec<f64>> = (0..norm.rows.div_ceil(block))
        .into_par_iter()
        .map(|at| {
            let mut sums = vec![0.0; 2 * c];
            let (first, second) = sums.split_at_mut(c);
            for row in at * block..((at + 1) * block).min(norm.rows) {
                add(row, first, second);
            }
            sums
        })
        .collect();
    let mut all = vec![0.0; 2 * c];
    for sums in blocks {
        all.iter_mut().zip(&sums).for_each(|(all, sum)| *all += sum);
    }
    all
}

/// The batch's mean and 1 / sqrt(variance + eps), and the running statistics moved towards it.
pub(super) fn statistics(
    norm: &BatchNorm,
    x: &[f32],
    mean: &mut [f32],
    variance: &mut [f32],
    saved: &mut [f32],
) {
    let c = norm.channels;
    let sums = two_sums(norm, |row, sum, squares| {
        for ((x, sum), square) in x[row * c..][..c].iter().zip(sum).zip(squares) {
            let x = f64::from(*x);
            *sum += x;
            *square += x * x;
        }
    });
    let (rows, momentum) = (norm.rows as f64, f64::from(norm.momentum));
    for channel in 0..c {
        let (batch_mean, squares) = (sums[channel] / rows, sums[c + channel] / rows);
        // 64 bits hold the squares of 32-bit values with what is lost in the difference to spare; NaN stays NaN.
        let mut batch = squares - batch_mean * batch_mean;
        if batch < 0.0 {
            batch = 0.0;
        }
        saved[channel] = batch_mean as f32;
        saved[c + channel] = (1.0 / (batch + f64::from(norm.eps)).sqrt()) as f32;
        let unbiased = batch * rows / (rows - 1.0);
        mean[channel] = ((1.0 - momentum) * f64::from(mean[channel]) + momentum * batch_mean) as f32;
        variance[channel] = ((1.0 - momentum) * f64::from(variance[channel]) + momentum * unbiased) as f32;
    }
}

/// The running statistics, as `statistics` saves a batch's.
pub(super) fn running(norm: &BatchNorm, mean: &[f32], variance: &[f32], saved: &mut [f32]) {
    let (saved_mean, scale) = saved.split_at_mut(norm.channels);
    saved_mean.copy_from_slice(mean);
    for (scale, variance) in scale.iter_mut().zip(variance) {
        *scale = (1.0 / (f64::from(*variance) + f64::from(norm.eps)).sqrt()) as f32;
    }
}

#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub(super) fn normalise(
    norm: &BatchNorm,
    x: &[f32],
    saved: &[f32],
    gamma: &[f32],
    beta: &[f32],
    shortcut: &[f32],
    relu: bool,
    y: &mut [f32],
) {
    let c = norm.channels;
    let (mean, scale) = saved.split_at(c);
    let factor: Vec<f32> = scale.iter().zip(gamma).map(|(s, g)| s * g).collect();
    let block = rows_in_block(c) * c;
    y.par_chunks_mut(block).enumerate().for_each(|(at, y)| {
        let x = &x[at * block..][..y.len()];
        for (row, (y, x)) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)).enumerate() {
            for i in 0..c {
                y[i] = (x[i] - mean[i]) * factor[i] + beta[i];
            }
            if !shortcut.is_empty() {
                let shortcut = &shortcut[at * block + row * c..][..c];
                y.iter_mut().zip(shortcut).for_each(|(y, s)| *y += s);
            }
            if relu {
                // Not `max`, which would make a number of NaN.
                y.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y });
            }
        }
    });
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
    let sums = two_sums(norm, |row, gamma, beta| {
        let (x, dy) = (&x[row * c..][..c], &dy[row * c..][..c]);
        let y = if y.is_empty() { y } else { &y[row * c..][..c] };
        for i in 0..c {
            let passed = y.is_empty() || y[i] > 0.0;
            let dy = if passed { f64::from(dy[i]) } else { 0.0 };
            gamma[i] += dy * f64::from((x[i] - mean[i]) * scale[i]);
            beta[i] += dy;
        }
    });
    for channel in 0..c {
        dgamma[channel] = sums[channel] as f32;
        dbeta[channel] = sums[c + channel] as f32;
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
    let c = norm.channels;
    let (mean, scale) = saved.split_at(c);
    let rows = norm.rows as f32;
    let block = rows_in_block(c) * c;
    let row = |at: usize, dx: &mut [f32], shortcut: &mut [f32]| {
        let (x, dy) = (&x[at..][..c], &dy[at..][..c]);
        let y = if y.is_empty() { y } else { &y[at..][..c] };
        for i in 0..c {
            let passed = y.is_empty() || y[i] > 0.0;
            let dy = if passed { dy[i] } else { 0.0 };
            if !shortcut.is_empty() {
                shortcut[i] = dy;
            }
            let from_statistics = match statistics {
                Statistics::Batch => (dbeta[i] + (x[i] - mean[i]) * scale[i] * dgamma[i]) / rows,
                Statistics::Running => 0.0,
            };
            dx[i] = gamma[i] * scale[i] * (dy - from_statistics);
        }
    };
    if shortcut.is_empty() {
        dx.par_chunks_mut(block).enumerate().for_each(|(at, dx)| {
            for (r, dx) in dx.chunks_exact_mut(c).enumerate() {
                row(at * block + r * c, dx, &mut []);
            }
        });
    } else {
        dx.par_chunks_mut(block).zip(shortcut.par_chunks_mut(block)).enumerate().for_each(
            |(at, (dx, shortcut))| {
                for (r, (dx, shortcut)) in
                    dx.chunks_exact_mut(c).zip(shortcut.chunks_exact_mut(c)).enumerate()
                {
                    row(at * block + r * c, dx, shortcut);
                }
            },
        );
    }
}
