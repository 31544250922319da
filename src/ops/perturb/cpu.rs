//! `perturb` on the CPU: images in parallel. Every operation is rounded separately, and sums have the order, of
//! kernels/perturb.cu, for the same bits.

use super::operands::Work;
use super::{Control, Noise, Norm, Perturb, Square};
use crate::ops::philox::{key, philox};
use rayon::prelude::*;
use std::f64::consts::PI;

/// The operands that an operation reads: empty where it has none.
#[derive(Clone, Copy)]
pub(super) struct Tensors<'a> {
    pub origin: &'a [f32],
    pub from: &'a [f32],
    pub g: &'a [f32],
    pub norms: &'a [f32],
    pub controls: &'a [f32],
    pub scale: &'a [f32],
}

/// One image's part of all operands, and its parameters.
struct Image<'a> {
    p: &'a Perturb,
    told: Control,
    origin: &'a [f32],
    from: &'a [f32],
    g: &'a [f32],
    norms: &'a [f32],
    scale: &'a [f32],
    x: &'a mut [f32],
    other: &'a mut [f32],
}

/// A tensor's part of each image; empty ones of an empty tensor.
fn parts(tensor: &mut [f32], images: usize) -> Vec<&mut [f32]> {
    let each = tensor.len() / images;
    let mut rest = tensor;
    let part = |_| rest.split_off_mut(..each).unwrap_or_default();
    (0..images).map(part).collect()
}

/// The operands that an operation writes: images, the other output, and the network's input.
pub(super) fn run(p: &Perturb, work: Work, tensors: Tensors<'_>, [x, other, y]: [&mut [f32]; 3]) {
    let [x, other, y] = [x, other, y].map(|tensor| parts(tensor, p.batch));
    let images = x.into_par_iter().zip(other).zip(y).enumerate();
    images.for_each(|(number, ((x, other), y))| {
        let part = |tensor: &[f32]| {
            let each = tensor.len() / p.batch;
            number * each..(number + 1) * each
        };
        let told = match tensors.controls {
            [] => Control::default(),
            controls => Control::from_floats(&controls[part(controls)]),
        };
        let mut image = Image {
            p,
            told,
            origin: &tensors.origin[part(tensors.origin)],
            from: &tensors.from[part(tensors.from)],
            g: &tensors.g[part(tensors.g)],
            norms: &tensors.norms[part(tensors.norms)],
            scale: tensors.scale,
            x,
            other,
        };
        image.run(work);
        let moved: &[f32] = match work {
            Work::Normalise => image.from,
            Work::Square(..) => image.other,
            Work::Step(_) | Work::StepApgd(_) | Work::Noise(..) => image.x,
            // They do not write the network's input.
            Work::GradientNorms | Work::Accumulate | Work::Keep => image.x,
        };
        normalise(p, tensors.scale, moved, y);
    });
}

fn normalise(p: &Perturb, scale: &[f32], x: &[f32], y: &mut [f32]) {
    let pixels = y.chunks_exact_mut(p.channels).zip(x.chunks_exact(p.channels));
    for (y, x) in pixels {
        for (c, (y, x)) in y.iter_mut().zip(x).enumerate() {
            *y = x * scale[c] + scale[p.channels + c];
        }
    }
}

/// a + b, rounded down.
fn add_down(a: f32, b: f32) -> f32 {
    let (a, b) = (f64::from(a), f64::from(b));
    let sum = a + b;
    if sum == 0.0 {
        // As in IEEE 754: -0, except for two +0.
        return if a.is_sign_negative() || b.is_sign_negative() { -0.0 } else { 0.0 };
    }
    // The rounding error of the sum (Knuth's two-sum).
    let of_b = sum - a;
    let lost = (a - (sum - of_b)) + (b - of_b);
    let near = sum as f32;
    if f64::from(near) > sum || (f64::from(near) == sum && lost < 0.0) { near.next_down() } else { near }
}

/// a + b, rounded up.
fn add_up(a: f32, b: f32) -> f32 {
    -add_down(-a, -b)
}

/// To f32, rounded down.
fn to_float_down(v: f64) -> f32 {
    let near = v as f32;
    if f64::from(near) > v { near.next_down() } else { near }
}

impl Perturb {
    fn in_range(&self, v: f32) -> f32 {
        if v < self.low {
            self.low
        } else if v > self.high {
            self.high
        } else {
            v
        }
    }

    /// Clips to x0 - epsilon .. x0 + epsilon, with bounds rounded towards x0, then to the range.
    fn in_box(&self, origin: f32, epsilon: f32, v: f32) -> f32 {
        let (least, most) = (add_up(origin, -epsilon), add_down(origin, epsilon));
        self.in_range(if v <= least {
            least
        } else if v >= most {
            most
        } else {
            v
        })
    }

    /// x0 + delta, rounded towards x0, in the range.
    fn beside(&self, origin: f32, delta: f64) -> f32 {
        if delta == 0.0 {
            return self.in_range(origin);
        }
        let sum = f64::from(origin) + delta;
        self.in_range(if delta > 0.0 { to_float_down(sum) } else { -to_float_down(-sum) })
    }
}

/// `step` sign(g): 0 for 0 and NaN.
fn along_sign(x: f32, step: f32, g: f32) -> f32 {
    if g > 0.0 {
        x + step
    } else if g < 0.0 {
        x - step
    } else {
        x
    }
}

/// Threads per block of kernels/perturb.cu, which define the order of sums.
const LANES: usize = 512;

/// Sums in the order of a kernel's block.
struct Lanes([f64; LANES]);

impl Lanes {
    fn new() -> Self {
        Lanes([0.0; LANES])
    }

    /// The sum of `values` values, each from its index.
    fn total(values: usize, value: impl Fn(usize) -> f64) -> f64 {
        let mut lanes = Lanes::new();
        for first in (0..values).step_by(LANES) {
            let here = LANES.min(values - first);
            for (lane, sum) in lanes.0[..here].iter_mut().enumerate() {
                *sum += value(first + lane);
            }
        }
        lanes.sum()
    }

    fn sum(mut self) -> f64 {
        let warps = self.0.chunks_exact_mut(32).map(|warp| {
            for step in [16, 8, 4, 2, 1] {
                for lane in 0..step {
                    warp[lane] += warp[lane + step];
                }
            }
            warp[0]
        });
        warps.reduce(|all, warp| all + warp).unwrap_or(0.0)
    }
}

fn norm(values: usize, value: impl Fn(usize) -> f64) -> f64 {
    let squared = |i| {
        let v = value(i);
        v * v
    };
    Lanes::total(values, squared).sqrt()
}

/// The factor that projects vectors of this norm into the ball.
fn factor(norm: f64, epsilon: f32) -> f64 {
    if norm > f64::from(epsilon) { f64::from(epsilon) / norm } else { 1.0 }
}

/// One of the midpoints of 2^23 equal parts of -1 .. 1.
fn from_minus_one(word: u32) -> f32 {
    ((2 * (word >> 9) + 1) as i32 - (1 << 23)) as f32 * (1.0 / (1 << 23) as f32)
}

/// One of the midpoints of 2^32 equal parts of 0 .. 1.
fn from_zero(word: u32) -> f64 {
    (f64::from(word) + 0.5) * (1.0 / 4_294_967_296.0)
}

/// `epsilon` or -`epsilon`.
fn either(epsilon: f32, word: u32) -> f32 {
    if word >> 31 == 1 { epsilon } else { -epsilon }
}

/// Four normal numbers from two pairs of words (Box & Muller 1958).
fn normals(words: [u32; 4]) -> [f64; 4] {
    let pair = |a: u32, b: u32| {
        let radius = (-2.0 * from_zero(a).ln()).sqrt();
        let (sine, cosine) = (PI * (2.0 * from_zero(b))).sin_cos();
        [radius * cosine, radius * sine]
    };
    let ([a, b], [c, d]) = (pair(words[0], words[1]), pair(words[2], words[3]));
    [a, b, c, d]
}

impl Image<'_> {
    fn run(&mut self, work: Work) {
        let Control { image, draw, .. } = self.told;
        let words = |seed: u64, four: u32| philox([four, image, draw, work.purpose()], key(seed));
        match work {
            Work::GradientNorms => self.gradient_norms(),
            // Only the network's input is written.
            Work::Normalise => {}
            Work::Step(Norm::Linf) => self.step_linf(),
            Work::Step(Norm::L2) => self.step_l2(),
            Work::StepApgd(Norm::Linf) => self.step_apgd_linf(),
            Work::StepApgd(Norm::L2) => self.step_apgd_l2(),
            Work::Accumulate => self.accumulate(),
            Work::Noise(Noise::Ball, seed) => self.noise_l2(|four| words(seed, four)),
            Work::Noise(kind, seed) => self.noise_linf(kind, |four| words(seed, four)),
            Work::Keep if self.told.keep => self.other.copy_from_slice(self.from),
            Work::Keep => {}
            Work::Square(kind, seed) => self.square(kind, |four| words(seed, four)),
        }
    }

    /// The gradient with respect to a pixel's value.
    fn gradient(&self, i: usize) -> f64 {
        f64::from(self.g[i]) * f64::from(self.scale[i % self.p.channels])
    }

    fn gradient_norms(&mut self) {
        let values = self.g.len();
        let sum = Lanes::total(values, |i| self.gradient(i).abs());
        let zeros = Lanes::total(values, |i| f64::from(u8::from(self.gradient(i) == 0.0)));
        let norm = norm(values, |i| self.gradient(i));
        self.other.copy_from_slice(&[sum as f32, norm as f32, zeros as f32]);
    }

    fn step_linf(&mut self) {
        let Control { epsilon, step, .. } = self.told;
        for ((x, origin), g) in self.x.iter_mut().zip(self.origin).zip(self.g) {
            *x = self.p.in_box(*origin, epsilon, along_sign(*x, step, *g));
        }
    }

    fn step_apgd_linf(&mut self) {
        let Control { epsilon, step, alpha, .. } = self.told;
        let rest = 1.0 - alpha;
        let moving = self.x.iter_mut().zip(self.other.iter_mut());
        for (((x, before), origin), g) in moving.zip(self.origin).zip(self.g) {
            let mut z = self.p.in_box(*origin, epsilon, along_sign(*x, step, *g));
            if alpha != 1.0 {
                let onwards = *x + alpha * (z - *x);
                z = self.p.in_box(*origin, epsilon, onwards + rest * (*x - *before));
            }
            (*before, *x) = (*x, z);
        }
    }

    fn accumulate(&mut self) {
        let norm = f64::from(self.norms[0]);
        let any = norm > 0.0 && norm < f64::INFINITY;
        for (sum, g) in self.other.iter_mut().zip(self.g) {
            let part = if any { (f64::from(*g) / norm) as f32 } else { 0.0 };
            *sum = self.told.momentum * *sum + part;
        }
    }

    /// The factor of the gradient in a step: 0 where it has no direction.
    fn rate(&self) -> f64 {
        let norm = norm(self.g.len(), |i| self.gradient(i));
        if norm > 0.0 && norm < f64::INFINITY { f64::from(self.told.step) / norm } else { 0.0 }
    }

    /// x - x0 after a step.
    fn moved(&self, i: usize, rate: f64) -> f64 {
        let from = f64::from(self.x[i]) - f64::from(self.origin[i]);
        if rate == 0.0 { from } else { from + rate * self.gradient(i) }
    }

    fn step_l2(&mut self) {
        let (values, rate) = (self.x.len(), self.rate());
        let into = factor(norm(values, |i| self.moved(i, rate)), self.told.epsilon);
        for i in 0..values {
            self.x[i] = self.p.beside(self.origin[i], self.moved(i, rate) * into);
        }
    }

    fn step_apgd_l2(&mut self) {
        let (values, rate) = (self.x.len(), self.rate());
        let Control { epsilon, alpha, .. } = self.told;
        let (both, alpha) = (alpha != 1.0, f64::from(alpha));
        let rest = 1.0 - alpha;
        let first = factor(norm(values, |i| self.moved(i, rate)), epsilon);
        let z = |image: &Self, i: usize| image.p.beside(image.origin[i], image.moved(i, rate) * first);
        // The second move, from x0.
        let onwards = |image: &Self, i: usize| {
            let [x, origin, before] = [image.x[i], image.origin[i], image.other[i]].map(f64::from);
            let there = (x - origin) + alpha * (f64::from(z(image, i)) - x);
            there + rest * (x - before)
        };
        let second = if both { factor(norm(values, |i| onwards(self, i)), epsilon) } else { 1.0 };
        for i in 0..values {
            let next =
                if both { self.p.beside(self.origin[i], onwards(self, i) * second) } else { z(self, i) };
            (self.other[i], self.x[i]) = (self.x[i], next);
        }
    }

    fn noise_linf(&mut self, kind: Noise, words: impl Fn(u32) -> [u32; 4]) {
        let epsilon = self.told.epsilon;
        let fours = self.x.chunks_mut(4).zip(self.origin.chunks(4));
        for (four, (x, origin)) in fours.enumerate() {
            for ((x, origin), word) in x.iter_mut().zip(origin).zip(words(four as u32)) {
                let by = if kind == Noise::Uniform {
                    epsilon * from_minus_one(word)
                } else {
                    either(epsilon, word)
                };
                *x = self.p.in_box(*origin, epsilon, origin + by);
            }
        }
    }

    fn noise_l2(&mut self, words: impl Fn(u32) -> [u32; 4]) {
        let values = self.x.len();
        let mut lanes = Lanes::new();
        for four in 0..values.div_ceil(4) {
            for normal in normals(words(four as u32)).iter().take(values - 4 * four) {
                lanes.0[four % LANES] += normal * normal;
            }
        }
        let norm = lanes.sum().sqrt();
        // Uniform in the ball: volume grows as the radius to the power of the dimension.
        let part = (from_zero(words(u32::MAX)[0]).ln() / values as f64).exp();
        let by = f64::from(self.told.epsilon) * part / norm;
        let fours = self.x.chunks_mut(4).zip(self.origin.chunks(4));
        for (four, (x, origin)) in fours.enumerate() {
            for ((x, origin), normal) in x.iter_mut().zip(origin).zip(normals(words(four as u32))) {
                *x = self.p.beside(*origin, normal * by);
            }
        }
    }

    fn square(&mut self, kind: Square, words: impl Fn(u32) -> [u32; 4]) {
        let &Perturb { width, channels, .. } = self.p;
        let Control { epsilon, row, column, side, .. } = self.told;
        self.other.copy_from_slice(self.from);
        // Each has one sign for all rows.
        let drawn = if kind == Square::Stripes { width * channels } else { channels };
        let signs = (0..drawn).map(|place| either(epsilon, words(place as u32 / 4)[place % 4]));
        let signs: Vec<f32> = signs.collect();
        let within = |at: usize, from: u32| at >= from as usize && at - (from as usize) < side as usize;
        for (i, (to, origin)) in self.other.iter_mut().zip(self.origin).enumerate() {
            let (at_row, at_column, c) = (i / channels / width, i / channels % width, i % channels);
            let by = match kind {
                Square::Stripes => signs[at_column * channels + c],
                Square::Window if within(at_row, row) && within(at_column, column) => signs[c],
                Square::Window => continue,
            };
            *to = self.p.in_box(*origin, epsilon, origin + by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_rounded_to_the_side_that_is_asked_for() {
        let tiny = f32::from_bits(1);
        for (a, b) in [
            (1.0, tiny),
            (1.0, -tiny),
            (255.0, 1e-30),
            (0.1, 0.2),
            (16_777_216.0, 1.0),
            (f32::MAX, f32::MAX),
            (-f32::MAX, -f32::MAX),
            (-0.1, 0.1),
            (1e30, -1e-30),
            (3.0, 5.0),
            (tiny, -2.0 * tiny),
        ] {
            for (a, b) in [(a, b), (b, a), (-a, -b), (-b, -a)] {
                let (down, up) = (add_down(a, b), add_up(a, b));
                let nearest = a + b;
                assert!(down <= nearest && nearest <= up, "{a} + {b}: {down}, {nearest}, {up}");
                // Of the two, one is the nearest.
                assert!(down == up || down.next_up() == up, "{a} + {b}: {down}, {up}");
            }
        }
        assert_eq!((add_down(1.0, tiny), add_up(1.0, tiny)), (1.0, 1.0f32.next_up()));
        assert_eq!((add_down(1.0, -tiny), add_up(1.0, -tiny)), (1.0f32.next_down(), 1.0));
        assert_eq!((add_down(f32::MAX, 1.0), add_up(f32::MAX, 1.0)), (f32::MAX, f32::INFINITY));
        assert_eq!(add_down(f32::MAX, f32::MAX), f32::MAX);
        for zero in [0.0f32, -0.0] {
            // This keeps an original's bits in a ball of radius 0.
            assert_eq!(add_down(zero, 0.0).to_bits(), zero.to_bits());
            assert_eq!(add_up(zero, -0.0).to_bits(), zero.to_bits());
        }
    }

    #[test]
    fn words_cover_their_intervals_evenly() {
        let step = 1.0 / (1 << 23) as f32;
        assert_eq!(from_minus_one(0), -1.0 + step);
        assert_eq!(from_minus_one(u32::MAX), 1.0 - step);
        assert_eq!(from_minus_one(1 << 31), step);
        assert!(from_zero(0) > 0.0 && from_zero(u32::MAX) < 1.0);
        assert!(normals([0, 0, u32::MAX, u32::MAX]).iter().all(|v| v.is_finite()));
    }
}
