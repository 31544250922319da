//! What the tests of operations and measures share: devices to run on, sets of samples, and naive
//! oracles in integers and f64 that share no code with the crate.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub mod arenas;
pub mod coverage;
pub mod tensors;

use approx::abs_diff_eq;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sharpdim::{Device, Points};
use std::f64::consts::{PI, TAU};
use std::fmt::Display;

/// A number below `count`, as the crate promises to draw it: the high word of a random word's product with `count`.
pub fn drawn_below(random: &mut ChaCha8Rng, count: usize) -> usize {
    ((u128::from(random.next_u64()) * count as u128) >> 64) as usize
}

/// `count` of the numbers below `n` in ascending order, as the crate promises to draw them: each is taken out of what is
/// left, and the first of what is left is put in its place.
pub fn drawn_subset(random: &mut ChaCha8Rng, n: usize, count: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..n).collect();
    let mut drawn: Vec<usize> = Vec::new();
    while drawn.len() < count {
        let at = drawn_below(random, left.len());
        left.swap(0, at);
        drawn.push(left.remove(0));
    }
    drawn.sort_unstable();
    drawn
}

/// Every device that this build can open here.
pub fn devices() -> Vec<Device> {
    let mut all = vec![Device::cpu()];
    if cfg!(feature = "emulator") {
        all.extend((0..2).map(|order| Device::emulated(order).expect("built with the emulator")));
    }
    if cfg!(feature = "cuda") {
        match Device::cuda(0) {
            Ok(device) => all.push(device),
            Err(error) => println!("not run on a GPU: {error}"),
        }
    }
    all
}

/// Whether a device does this many samples of this many values in a test's time. The emulated GPU is
/// some thousand times slower than a real one, which gets every shape; orders of threads other than
/// the first get small shapes only.
pub fn in_reach(device: &Device, n: usize, dim: usize) -> bool {
    match device.name().as_str() {
        "emulated:0" => n * n * dim <= 300 * 300 * 15 || (n, dim) == LONG_ROWS,
        name if name.starts_with("emulated") => n * n * dim <= 100 * 100 * 7,
        _ => true,
    }
}

/// The one shape of long rows that the emulated GPU gets too: enough to split a pair's columns.
pub const LONG_ROWS: (usize, usize) = (40, 40_000);

/// Samples of one kind.
#[derive(Clone, Debug)]
pub struct Set {
    pub name: String,
    pub values: Values,
    pub dim: usize,
}

#[derive(Clone, Debug)]
pub enum Values {
    U8(Vec<u8>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Set {
    pub fn u8(name: &str, dim: usize, values: Vec<u8>) -> Self {
        Set { name: name.into(), dim, values: Values::U8(values) }
    }

    pub fn f32(name: &str, dim: usize, values: Vec<f32>) -> Self {
        Set { name: name.into(), dim, values: Values::F32(values) }
    }

    pub fn f64(name: &str, dim: usize, values: Vec<f64>) -> Self {
        Set { name: name.into(), dim, values: Values::F64(values) }
    }

    pub fn points(&self) -> Points<'_> {
        match &self.values {
            Values::U8(values) => Points::u8(values, self.dim).unwrap(),
            Values::F32(values) => Points::f32(values, self.dim).unwrap(),
            Values::F64(values) => Points::f64(values, self.dim).unwrap(),
        }
    }

    pub fn n(&self) -> usize {
        self.points().n()
    }

    /// Some of its samples as a set of their own, of the same name.
    pub fn rows(&self, rows: std::ops::Range<usize>) -> Set {
        let at = rows.start * self.dim..rows.end * self.dim;
        match &self.values {
            Values::U8(values) => Set::u8(&self.name, self.dim, values[at].to_vec()),
            Values::F32(values) => Set::f32(&self.name, self.dim, values[at].to_vec()),
            Values::F64(values) => Set::f64(&self.name, self.dim, values[at].to_vec()),
        }
    }

    /// Whether squared distances between these samples are promised to be exact: bytes, as bytes or as
    /// floats that reach from 0 to 255.
    pub fn exact(&self) -> bool {
        match &self.values {
            Values::U8(_) => true,
            Values::F32(_) => self.name == "bytes as floats",
            Values::F64(_) => false,
        }
    }

    /// The squared distances from sample `i` to every sample, one by one: integers for bytes, else f64.
    pub fn squared_from(&self, i: usize) -> Vec<f64> {
        let dim = self.dim;
        match &self.values {
            Values::U8(values) => {
                let square = |a: &u8, b: &u8| (i64::from(*a) - i64::from(*b)).pow(2);
                let from =
                    |row: &[u8]| row.iter().zip(&values[i * dim..]).map(|(a, b)| square(a, b)).sum::<i64>();
                values.chunks(dim).map(|row| from(row) as f64).collect()
            }
            Values::F32(values) => {
                let square = |a: &f32, b: &f32| (f64::from(*a) - f64::from(*b)).powi(2);
                let from = |row: &[f32]| row.iter().zip(&values[i * dim..]).map(|(a, b)| square(a, b)).sum();
                values.chunks(dim).map(from).collect()
            }
            Values::F64(values) => {
                let from =
                    |row: &[f64]| row.iter().zip(&values[i * dim..]).map(|(a, b)| (a - b).powi(2)).sum();
                values.chunks(dim).map(from).collect()
            }
        }
    }

    /// Row `i` in f64.
    pub fn row(&self, i: usize) -> Vec<f64> {
        let own = i * self.dim..(i + 1) * self.dim;
        match &self.values {
            Values::U8(values) => values[own].iter().map(|v| f64::from(*v)).collect(),
            Values::F32(values) => values[own].iter().map(|v| f64::from(*v)).collect(),
            Values::F64(values) => values[own].to_vec(),
        }
    }

    /// The k nearest others of sample `i`: (squared distance, index), ties to the lower index.
    pub fn nearest(&self, i: usize, k: usize) -> Vec<(f64, u32)> {
        nearest(&self.squared_from(i), i, k)
    }
}

/// The k nearest others of sample `i`, of its squared distances to every sample.
pub fn nearest(squared: &[f64], i: usize, k: usize) -> Vec<(f64, u32)> {
    let mut all: Vec<(f64, u32)> = squared.iter().copied().zip(0..).collect();
    all.remove(i);
    least(all, k)
}

/// The `count` least of `all`, ascending.
pub fn least<T: PartialOrd>(mut all: Vec<T>, count: usize) -> Vec<T> {
    let order = |a: &T, b: &T| a.partial_cmp(b).expect("no NaN");
    if count < all.len() {
        all.select_nth_unstable_by(count, order);
        all.truncate(count);
    }
    all.sort_unstable_by(order);
    all
}

/// Random numbers from a seed.
pub struct Random(ChaCha8Rng);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    pub fn floats(&mut self, count: usize, mut draw: impl FnMut(&mut Self) -> f64) -> Vec<f32> {
        (0..count).map(|_| draw(self) as f32).collect()
    }
}

/// Random bytes.
pub fn noise_u8(n: usize, dim: usize, seed: u64) -> Set {
    Set::u8("noise", dim, Random::new(seed).bytes(n * dim))
}

/// Uniform on [0, 1).
pub fn uniform_f32(n: usize, dim: usize, seed: u64) -> Set {
    Set::f32("uniform", dim, Random::new(seed).floats(n * dim, Random::uniform))
}

/// Bytes that make trouble: ties, twins, extremes.
pub fn nasty_u8(n: usize, dim: usize, seed: u64) -> Vec<Set> {
    let mut random = Random::new(seed);
    let noise = random.bytes(n * dim);
    let bits: Vec<u8> = noise.iter().map(|v| v & 1).collect();
    let ends: Vec<u8> = noise.iter().map(|v| if v & 1 == 1 { 255 } else { 0 }).collect();
    let mut twins = noise.clone();
    for i in (1..n).step_by(2) {
        let from = random.below(i);
        twins.copy_within(from * dim..(from + 1) * dim, i * dim);
    }
    let mut opposites = vec![0; n * dim];
    opposites[n / 2 * dim..].fill(255);
    vec![
        Set::u8("noise", dim, noise),
        Set::u8("many ties", dim, bits),
        Set::u8("0 and 255", dim, ends),
        Set::u8("twins", dim, twins),
        Set::u8("all identical", dim, vec![77; n * dim]),
        Set::u8("all 0 or all 255", dim, opposites),
    ]
}

/// Floats that make trouble: for one screen or another, no grid or no product is fine enough.
pub fn nasty_f32(n: usize, dim: usize, seed: u64) -> Vec<Set> {
    let mut random = Random::new(seed);
    let count = n * dim;
    let uniform = random.floats(count, Random::uniform);
    let scaled = |by: f32| -> Vec<f32> { uniform.iter().map(|v| v * by).collect() };
    let row = |i: usize| i * dim..(i + 1) * dim;

    let mut few_huge = random.floats(count, Random::normal);
    for i in (0..n).step_by(9) {
        few_huge[i * dim + i % dim] *= 1e7;
    }
    let mut ulp_apart = uniform.clone();
    let mut twins = uniform.clone();
    for i in (1..n).step_by(2) {
        ulp_apart.copy_within(row(i - 1), i * dim);
        let at = i * dim + random.below(dim);
        ulp_apart[at] = ulp_apart[at].next_up();
        let from = random.below(i);
        twins.copy_within(row(from), i * dim);
    }
    let mut constant_columns = uniform.clone();
    constant_columns.chunks_mut(dim).for_each(|row| row.iter_mut().step_by(2).for_each(|v| *v = 12345.678));
    let with_outlier = |value: f32| {
        let mut values = uniform.clone();
        values[0] = value;
        values
    };
    let mut one_side = vec![-3.3e38; count];
    for i in 0..n {
        // Some samples lie further than the greatest f32 from the mean, and some just within.
        let along = i as f32 / n as f32;
        let at = if i % 6 == 0 { 0.9e38 - along * 0.7e38 } else { -3.3e38 + along * 1e36 };
        one_side[i * dim] = at;
    }
    let centres = random.floats(5 * dim, Random::normal);
    let clustered = (0..count)
        .map(|at| (f64::from(centres[(at / dim % 5) * dim + at % dim]) + 1e-4 * random.normal()) as f32)
        .collect();
    let signed_zeros = (0..count).map(|_| [0.0, -0.0, 1.0][random.below(3)]).collect();
    let mut bytes: Vec<f32> = random.bytes(count).into_iter().map(f32::from).collect();
    bytes[0] = 0.0;
    bytes[dim * (n - 1)] = 255.0;
    let small_integers = (0..count).map(|_| random.below(4) as f32).collect();
    // Distances lost beside the one outlier in f64 differences too.
    let beside = (0..count).map(|at| if at < dim { -1e25 } else { (at / dim) as f32 }).collect();

    vec![
        Set::f32("gaussian", dim, random.floats(count, Random::normal)),
        Set::f32("cauchy", dim, random.floats(count, |r| (PI * (r.uniform() - 0.5)).tan())),
        Set::f32("cauchy cubed", dim, random.floats(count, |r| (PI * (r.uniform() - 0.5)).tan().powi(3))),
        Set::f32("few huge", dim, few_huge),
        Set::f32("offset 1e4", dim, uniform.iter().map(|v| v + 1e4).collect()),
        Set::f32("an ulp apart", dim, ulp_apart),
        Set::f32("twins", dim, twins),
        Set::f32("all identical", dim, vec![0.3; count]),
        Set::f32("constant columns", dim, constant_columns),
        Set::f32("scale 1e-40", dim, scaled(1e-40)),
        Set::f32("scale 1e-44", dim, scaled(1e-44)),
        Set::f32("scale 1e30", dim, scaled(1e30)),
        Set::f32("scale 3e38", dim, uniform.iter().map(|v| (v * 2.0 - 1.0) * 3e38).collect()),
        Set::f32("one side 3e38", dim, one_side),
        Set::f32("outlier 30", dim, with_outlier(30.0)),
        Set::f32("outlier 1e20", dim, with_outlier(1e20)),
        Set::f32("outlier -1e20", dim, with_outlier(-1e20)),
        Set::f32("beside an outlier", dim, beside),
        Set::f32("clustered", dim, clustered),
        Set::f32("signed zeros", dim, signed_zeros),
        Set::f32("bytes as floats", dim, bytes),
        Set::f32("small integers", dim, small_integers),
        Set::f32("uniform", dim, uniform.clone()),
    ]
}

/// 64-bit floats that make trouble: what 32 bits cannot tell apart, or cannot hold.
pub fn nasty_f64(n: usize, dim: usize, seed: u64) -> Vec<Set> {
    let mut random = Random::new(seed);
    let count = n * dim;
    let uniform: Vec<f64> = (0..count).map(|_| random.uniform()).collect();
    let each = |quantile: &dyn Fn(f64) -> f64| -> Vec<f64> { uniform.iter().map(|v| quantile(*v)).collect() };
    // Each a sample and its near-duplicate: one value differs, by `by` of it.
    let mut near_duplicates = |by: f64| {
        let mut values = each(&|v| 1e4 * v);
        for i in (1..n).step_by(2) {
            values.copy_within((i - 1) * dim..i * dim, i * dim);
            values[i * dim + random.below(dim)] *= 1.0 + by;
        }
        values
    };
    let (near, nearer) = (near_duplicates(1e-9), near_duplicates(3e-16));
    let twins = near_duplicates(0.0);
    let mut outlier = uniform.clone();
    outlier[count / 2] = -1e100;
    let columns: Vec<f64> = (0..dim).map(|_| 1e9 * (random.uniform() - 0.5)).collect();
    let shifted = (0..count).map(|at| columns[at % dim] + 1e-6 * uniform[at]).collect();
    let mut bytes: Vec<f64> = random.bytes(count).into_iter().map(f64::from).collect();
    (bytes[0], bytes[dim * (n - 1)]) = (0.0, 255.0);
    vec![
        Set::f64("f64 normal", dim, (0..count).map(|_| random.normal()).collect()),
        Set::f64("f64 offset 1e9", dim, each(&|v| 1e9 + v)),
        Set::f64("f64 offset 1e9, few steps", dim, each(&|v| 1e9 + (v * 9.0).floor() * 1.2e-7)),
        Set::f64("f64 offset of each column", dim, shifted),
        Set::f64("f64 near-duplicates", dim, near),
        Set::f64("f64 an ulp apart", dim, nearer),
        Set::f64("f64 twins", dim, twins),
        Set::f64("f64 all identical", dim, vec![1e9 + 0.1; count]),
        Set::f64("f64 scale 1e-120", dim, each(&|v| 1e-120 * (0.5 + v))),
        Set::f64("f64 scale 1e120", dim, each(&|v| 1e120 * (v - 0.5))),
        Set::f64("f64 cauchy cubed", dim, each(&|v| (PI * (v * 0.999 - 0.4995)).tan().powi(3))),
        Set::f64("f64 outlier -1e100", dim, outlier),
        Set::f64("f64 bytes", dim, bytes),
        Set::f64("f64 small integers", dim, each(&|v| (v * 4.0).floor())),
    ]
}

/// Fails unless two numbers agree to `tolerance`, relative.
#[track_caller]
pub fn close<T: Display>(got: f64, want: f64, tolerance: f64, what: impl FnOnce() -> T) {
    assert!(
        abs_diff_eq!(got, want, epsilon = tolerance * want.abs()),
        "{}: {got} for {want}, off by {:.1e} where {tolerance:.0e} is allowed",
        what(),
        (got - want).abs() / want.abs()
    );
}

/// Runs `job` on a pool of so many threads.
pub fn on_threads<T: Send>(threads: usize, job: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(job)
}
