//! Weights and images from a hash of (seed, tensor, element): the same here and in tests/vectors/networks.py, whose head
//! has the formulas.

use rayon::prelude::*;
use sharpdim::nn::{Network, NetworkPlan, Numbers, State, StateTensor};
use std::sync::{Mutex, MutexGuard};

const IMAGES: u64 = 10_000;
const PRODUCTS: u64 = 20_000;
/// Values of a task, whose sums are added in order.
const PIECE: usize = 1 << 16;

/// Held by a test that builds networks of gigabytes: one at a time.
pub fn large() -> MutexGuard<'static, ()> {
    static LARGE: Mutex<()> = Mutex::new(());
    LARGE.lock().unwrap_or_else(|e| e.into_inner())
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

fn key(seed: u64, tensor: u64) -> u64 {
    mix((seed << 32).wrapping_add(tensor))
}

fn word(key: u64, element: usize) -> u64 {
    mix(key.wrapping_add((element as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

fn uniform(seed: u64, tensor: u64, count: usize, value: impl Fn(f64) -> f64 + Sync) -> Vec<f32> {
    let key = key(seed, tensor);
    let u = |at: usize| (word(key, at) >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    (0..count).into_par_iter().map(|at| value(u(at)) as f32).collect()
}

/// A state dict for a plan's names and shapes.
pub fn state(plan: &NetworkPlan, seed: u64) -> State {
    let entries: Vec<(&str, &[usize])> = plan.entries().collect();
    let is_norm = |layer: &str| entries.iter().any(|(name, _)| *name == format!("{layer}.running_mean"));
    let tensors = entries.iter().zip(0..).map(|((name, shape), tensor)| {
        let (layer, kind) = name.rsplit_once('.').unwrap();
        let draw = |value: &(dyn Fn(f64) -> f64 + Sync)| {
            Numbers::F32(uniform(seed, tensor, shape.iter().product(), value))
        };
        let numbers = match kind {
            "num_batches_tracked" => Numbers::I64(vec![0]),
            "weight" if shape.len() > 1 => {
                let scale = (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
                draw(&move |u| u * scale)
            }
            "weight" => draw(&|u| 0.5 + 0.1 * u),
            "running_mean" => draw(&|u| 0.1 * u),
            "running_var" => draw(&|u| 4.0 + 2.0 * u),
            _ if is_norm(layer) => draw(&|u| if u < 0.0 { -1.125 } else { 1.125 }),
            _ => draw(&|u| 0.1 * u),
        };
        StateTensor { name: name.to_string(), shape: shape.to_vec(), numbers }
    });
    State { tensors: tensors.collect() }
}

/// Images (n, h, w, c), and labels.
pub fn images(seed: u64, [n, h, w, c]: [usize; 4], classes: usize) -> (Vec<f32>, Vec<u32>) {
    let images = nhwc(&uniform(seed, IMAGES, n * h * w * c, |u| u), [n, h, w, c]);
    (images, (0..n).map(|i| (i % classes) as u32).collect())
}

/// Images (n, c, h, w) as (n, h, w, c).
pub fn nhwc(values: &[f32], [n, h, w, c]: [usize; 4]) -> Vec<f32> {
    let at = |i: usize| {
        let (n, pixel, c_at) = (i / (h * w * c), i / c % (h * w), i % c);
        values[(n * c + c_at) * h * w + pixel]
    };
    (0..n * h * w * c).map(at).collect()
}

/// Images (n, h, w, c) as (n, c, h, w).
pub fn nchw(values: &[f32], [n, h, w, c]: [usize; 4]) -> Vec<f32> {
    let at = |i: usize| {
        let (n, c_at, pixel) = (i / (h * w * c), i / (h * w) % c, i % (h * w));
        values[(n * h * w + pixel) * c + c_at]
    };
    (0..n * h * w * c).map(at).collect()
}

/// The norm of a tensor, and its inner products with eight vectors of +-1.
pub fn products(seed: u64, row: usize, values: &[f32]) -> [f64; 9] {
    let key = key(seed, PRODUCTS + row as u64);
    let pieces: Vec<[f64; 9]> = values
        .par_chunks(PIECE)
        .enumerate()
        .map(|(piece, values)| {
            let mut sums = [0.0; 9];
            for (at, value) in values.iter().enumerate() {
                let (word, value) = (word(key, piece * PIECE + at), f64::from(*value));
                sums[0] += value * value;
                for (j, sum) in sums[1..].iter_mut().enumerate() {
                    // Subtracting the value where the bit is not set: its sign bit is turned.
                    *sum += f64::from_bits(value.to_bits() ^ (!word << j & 1 << 63));
                }
            }
            sums
        })
        .collect();
    let mut sums = [0.0; 9];
    for piece in pieces {
        sums.iter_mut().zip(piece).for_each(|(sum, part)| *sum += part);
    }
    sums[0] = sums[0].sqrt();
    sums
}

/// Names of a network's parameters, in the state dict's order.
pub fn parameters(network: &Network) -> Vec<String> {
    let names = network.plan().entries().map(|(name, _)| name.to_owned());
    names.filter(|name| !name.contains(".running_") && !name.contains(".num_batches")).collect()
}
