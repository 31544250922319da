//! `perturb`: the operations of attacks against their formulas in f64, on every device to the same bits; no ball and no
//! range is ever left.

use crate::support::arenas::{Held, hold, same};
use crate::support::tensors::{precisions, stored};
use crate::support::{Random, devices};
use approx::abs_diff_eq;
use proptest::prelude::*;
use sharpdim::ops::perturb::{self, Control, Noise, Norm, Perturb, Square};
use sharpdim::ops::take_images::{self, Choice, TakeImages};
use sharpdim::{Arena, Device, Error, Layout, Precision, Result, Slot};

/// What an operation is given. `other` is what it may write beside x: images before, sums, best images.
#[derive(Clone, Debug)]
struct Case {
    p: Perturb,
    origin: Vec<f32>,
    x: Vec<f32>,
    other: Vec<f32>,
    g: Vec<f32>,
    norms: Vec<f32>,
    scale: Vec<f32>,
    controls: Vec<Control>,
}

/// Originals, images, the other, gradient, norms, controls, scales and shifts, the network's input.
const TENSORS: usize = 8;
const ORIGIN: usize = 0;
const X: usize = 1;
const OTHER: usize = 2;
const G: usize = 3;
const NORMS: usize = 4;
const CONTROLS: usize = 5;
const SCALE: usize = 6;
const Y: usize = 7;

/// What an operation may have written.
#[derive(Clone, Debug)]
struct Written {
    x: Vec<f32>,
    other: Vec<f32>,
    y: Vec<f32>,
    norms: Vec<f32>,
}

type Op<'a> = &'a dyn Fn(&mut Arena, &Perturb, [Slot; TENSORS]) -> Result<()>;

impl Case {
    /// Images of this shape with originals, steps and gradients of all kinds.
    fn new(batch: usize, shape: [usize; 3], seed: u64) -> Self {
        let p = Perturb::new(batch, shape, [0.0, 255.0]).unwrap();
        let values = shape.iter().product::<usize>();
        let mut random = Random::new(seed);
        let origin = random.floats(batch * values, |r| match r.below(6) {
            0 => [0.0, -0.0, 255.0][r.below(3)],
            1 => r.uniform() * 255.0,
            2 => r.uniform() * 1e-6,
            _ => r.below(256) as f64,
        });
        let near = |random: &mut Random, values: &[f32]| -> Vec<f32> {
            values.iter().map(|v| (v + (random.normal() * 4.0) as f32).clamp(0.0, 255.0)).collect()
        };
        let (x, other) = (near(&mut random, &origin), near(&mut random, &origin));
        let g = random.floats(batch * values, |r| if r.below(5) == 0 { 0.0 } else { r.normal() * 1e-3 });
        let controls = (0..batch).map(|n| Control {
            epsilon: [8.0, 0.1, 1000.0, 0.0, 30.0][(n + seed as usize) % 5],
            step: [2.0, -0.7, 1e-3, 500.0][(n + seed as usize) % 4],
            momentum: [1.0, 0.5, 0.0][n % 3],
            alpha: [0.75, 1.0, 0.3][(n + seed as usize / 2) % 3],
            keep: n % 2 == 1,
            image: [3, 900, (1 << 24) - 1][n % 3] - n as u32 / 3,
            draw: [0, 7, (1 << 24) - 1][(n + 1) % 3],
            row: (p.height / 3) as u32,
            column: (p.width / 2) as u32,
            side: (p.height - p.height / 3).min(p.width - p.width / 2) as u32,
        });
        let scale: Vec<f32> = random.floats(2 * p.channels, |r| (0.5 + r.uniform()) / 64.0);
        let norms = vec![5.0; 3 * batch];
        let g = stored(&g, Precision::Bf16);
        Case { p, origin, x, other, g, norms, scale, controls: controls.collect() }
    }

    fn values(&self) -> usize {
        self.origin.len() / self.p.batch
    }

    /// Image by image: its number, and its values' places.
    fn images(&self) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> + use<> {
        let values = self.values();
        (0..self.p.batch).map(move |n| (n, n * values..(n + 1) * values))
    }

    /// The gradient by pixels.
    fn by_pixel(&self, i: usize) -> f64 {
        f64::from(self.g[i]) * f64::from(self.scale[i % self.p.channels])
    }

    fn hold(&self, device: &Device, offset: usize, g: Precision, y: Precision) -> Held<TENSORS> {
        let f32 = Precision::F32;
        let (controls, input) = (vec![5.0; self.p.controls_len()], vec![5.0; self.origin.len()]);
        let mut held = hold(
            device,
            offset,
            [
                (&self.origin, f32),
                (&self.x, f32),
                (&self.other, f32),
                (&self.g, g),
                (&self.norms, f32),
                (&controls, f32),
                (&self.scale, f32),
                (&input, y),
            ],
        );
        self.p.write_controls(&mut held.arena, held.slots[CONTROLS], &self.controls).unwrap();
        held
    }

    fn run(&self, device: &Device, offset: usize, [g, y]: [Precision; 2], op: Op<'_>) -> Written {
        let mut held = self.hold(device, offset, g, y);
        let told = held.values(CONTROLS);
        op(&mut held.arena, &self.p, held.slots).unwrap();
        let what = format!("{device}: {:?}, offset {offset}", self.p);
        for (which, want) in [(ORIGIN, &self.origin), (G, &self.g), (CONTROLS, &told), (SCALE, &self.scale)] {
            same(&held.values(which), want, &what);
        }
        Written { x: held.values(X), other: held.values(OTHER), y: held.values(Y), norms: held.values(NORMS) }
    }

    /// What an operation writes, the same on all devices, in all precisions and at all alignments: to the bit, or, of
    /// images, to `ulps` units in the last place.
    fn everywhere(&self, ulps: u32, op: Op<'_>) -> Written {
        let f32 = Precision::F32;
        let first = self.run(&Device::cpu(), 0, [f32; 2], op);
        for device in devices() {
            for g in precisions(&device) {
                for y in precisions(&device) {
                    for offset in [0, 1, 4] {
                        let got = self.run(&device, offset, [g, y], op);
                        let what = format!("{device}: {:?}, {g:?}, {y:?}, offset {offset}", self.p);
                        if ulps == 0 {
                            same(&got.x, &first.x, &what);
                            same(&got.other, &first.other, &what);
                            same(&got.norms, &first.norms, &what);
                            same(&got.y, &stored(&first.y, y), &what);
                            continue;
                        }
                        for (got, want) in got.x.iter().zip(&first.x) {
                            let apart = got.to_bits().abs_diff(want.to_bits());
                            assert!(apart <= ulps, "{what}: {got} for {want}");
                        }
                    }
                }
            }
        }
        first
    }

    /// What the network reads of these images, in f64.
    fn check_input(&self, x: &[f32], y: &[f32]) {
        for (i, (x, y)) in x.iter().zip(y).enumerate() {
            let c = i % self.p.channels;
            let want = x * self.scale[c] + self.scale[self.p.channels + c];
            assert_eq!(y.to_bits(), want.to_bits(), "at {i}: {y} for {want}");
        }
    }

    /// That values are those of f64 but for roundings of some numbers of this size.
    #[track_caller]
    fn near(&self, got: &[f32], want: &[f64], sizes: impl Fn(usize) -> f64, what: &str) {
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            let allowed = 2.0 * f64::from(f32::EPSILON) * (sizes(i) + want.abs());
            assert!(
                abs_diff_eq!(f64::from(*got), *want, epsilon = allowed),
                "{what}, at {i}: {got} for {want}, allowed {allowed:e}"
            );
        }
    }

    /// x0 + delta, cut off at the L∞ ball and the range.
    fn boxed(&self, n: usize, i: usize, v: f64) -> f64 {
        let (origin, epsilon) = (f64::from(self.origin[i]), f64::from(self.controls[n].epsilon));
        v.max(origin - epsilon).min(origin + epsilon).clamp(f64::from(self.p.low), f64::from(self.p.high))
    }

    /// An image, projected onto the L2 ball and cut off at the range.
    fn projected(&self, n: usize, image: &[f64]) -> Vec<f64> {
        let (from, epsilon) = (n * self.values(), f64::from(self.controls[n].epsilon));
        let delta: Vec<f64> =
            image.iter().enumerate().map(|(i, v)| v - f64::from(self.origin[from + i])).collect();
        let norm = norm(&delta);
        let by = if norm > epsilon { epsilon / norm } else { 1.0 };
        delta
            .iter()
            .enumerate()
            .map(|(i, d)| {
                let v = f64::from(self.origin[from + i]) + d * by;
                v.clamp(f64::from(self.p.low), f64::from(self.p.high))
            })
            .collect()
    }

    /// One step of a kind from x, projected.
    fn stepped(&self, ball: Norm, n: usize) -> Vec<f64> {
        let at = n * self.values()..(n + 1) * self.values();
        let step = f64::from(self.controls[n].step);
        let g: Vec<f64> = at.clone().map(|i| self.by_pixel(i)).collect();
        let norm = norm(&g);
        match ball {
            Norm::Linf => at
                .map(|i| {
                    let sign = if self.g[i] > 0.0 {
                        1.0
                    } else if self.g[i] < 0.0 {
                        -1.0
                    } else {
                        0.0
                    };
                    self.boxed(n, i, f64::from(self.x[i]) + step * sign)
                })
                .collect(),
            Norm::L2 => {
                let by = if norm > 0.0 && norm.is_finite() { step / norm } else { 0.0 };
                let moved: Vec<f64> = at
                    .zip(&g)
                    .map(|(i, g)| f64::from(self.x[i]) + if by == 0.0 { 0.0 } else { by * g })
                    .collect();
                self.projected(n, &moved)
            }
        }
    }

    /// That images lie in the ball, as real numbers or to 1e-6 of its radius, and in the range.
    #[track_caller]
    fn inside(&self, ball: Norm, x: &[f32], what: &str) {
        for (n, at) in self.images() {
            let epsilon = f64::from(self.controls[n].epsilon);
            let mut deltas = Vec::new();
            for i in at {
                assert!((self.p.low..=self.p.high).contains(&x[i]), "{what}: {} at {i}", x[i]);
                let (d, lost) = difference(x[i], self.origin[i]);
                deltas.push(d);
                if ball == Norm::Linf {
                    let past = d > epsilon || (d == epsilon && lost > 0.0);
                    let before = d < -epsilon || (d == -epsilon && lost < 0.0);
                    assert!(!past && !before, "{what}: {} about {} by {epsilon}", x[i], self.origin[i]);
                }
            }
            if ball == Norm::L2 {
                let norm = norm(&deltas);
                assert!(norm <= epsilon * (1.0 + 1e-6), "{what}: {norm} for {epsilon}");
            }
        }
    }
}

/// a - b to the nearest, and what that lost.
fn difference(a: f32, b: f32) -> (f64, f64) {
    let (a, b) = (f64::from(a), -f64::from(b));
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

const SHAPES: [(usize, [usize; 3]); 8] = [
    (1, [1, 1, 1]),
    (2, [1, 1, 3]),
    (5, [5, 7, 3]),
    (3, [4, 4, 1]),
    (4, [8, 8, 3]),
    (2, [23, 31, 1]),
    (3, [9, 16, 4]),
    (1, [20, 36, 3]),
];

fn cases() -> impl Iterator<Item = Case> {
    SHAPES.into_iter().enumerate().map(|(seed, (batch, shape))| Case::new(batch, shape, seed as u64))
}

// ---- each operation ------------------------------------------------------------------------------------------------

#[test]
fn norms_are_those_of_f64() {
    for mut case in cases() {
        let values = case.values();
        // Values that 32 bits could not square.
        let last = case.p.batch - 1;
        case.g[last * values..].iter_mut().for_each(|g| *g *= f32::from_bits(0x7000_0000));
        case.g = stored(&case.g, Precision::Bf16);
        let op: Op<'_> = &|arena, p, s| perturb::gradient_norms(arena, p, s[G], s[SCALE], s[NORMS]);
        let got = case.everywhere(0, op).norms;
        for (n, at) in case.images() {
            let g: Vec<f64> = at.clone().map(|i| case.by_pixel(i)).collect();
            let zeros = g.iter().filter(|v| **v == 0.0).count() as f32;
            let want = [g.iter().map(|v| v.abs()).sum(), norm(&g)];
            for (got, want) in got[3 * n..].iter().zip(want) {
                assert!(abs_diff_eq!(f64::from(*got), want, epsilon = 1e-7 * want), "{got} for {want}");
            }
            assert_eq!(got[3 * n + 2], zeros);
        }
        // What is not a number stays visible, and is no zero.
        case.g[0] = f32::NAN;
        let got = case.everywhere(0, op).norms;
        assert!(got[0].is_nan() && got[1].is_nan(), "{got:?}");
        assert_eq!(got[2], case.g[..values].iter().filter(|v| **v == 0.0).count() as f32);
        case.g[0] = f32::NEG_INFINITY;
        assert_eq!(case.everywhere(0, op).norms[..2], [f32::INFINITY; 2]);
        case.g.fill(-0.0);
        assert_eq!(case.everywhere(0, op).norms[..3], [0.0, 0.0, values as f32]);
    }
}

#[test]
fn inputs_are_those_that_take_images_makes() {
    for mut case in cases() {
        let bytes = Random::new(case.p.batch as u64).bytes(case.x.len());
        case.x = bytes.iter().map(|b| f32::from(*b)).collect();
        let got = case.everywhere(0, &|arena, p, s| perturb::normalise(arena, p, s[X], s[SCALE], s[Y]));
        case.check_input(&case.x, &got.y);
        same(&got.x, &case.x, "read only");
        let (p, mut layout) = (case.p, Layout::new(Precision::F32));
        let op = TakeImages::new(p.batch, p.batch, [p.height, p.width, p.channels]).unwrap();
        let set = layout.bytes_of(bytes.len());
        let [choices, scale, y] =
            [op.choices_len(), case.scale.len(), bytes.len()].map(|len| layout.f32(len));
        let mut arena = layout.build(&Device::cpu()).unwrap();
        arena.write_bytes(set, 0, &bytes).unwrap();
        arena.write(scale, &case.scale).unwrap();
        let all: Vec<Choice> = (0..p.batch as u32).map(|n| Choice::whole(n, p.height, p.width)).collect();
        op.write_choices(&mut arena, choices, &all).unwrap();
        take_images::take(&mut arena, &op, set, choices, scale, y).unwrap();
        same(&got.y, &arena.to_vec(y).unwrap(), "take_images");
    }
}

fn step(ball: Norm) -> impl Fn(&mut Arena, &Perturb, [Slot; TENSORS]) -> Result<()> {
    move |arena, p, s| perturb::step(arena, p, ball, s[ORIGIN], s[X], s[G], s[CONTROLS], s[SCALE], s[Y])
}

fn step_apgd(ball: Norm) -> impl Fn(&mut Arena, &Perturb, [Slot; TENSORS]) -> Result<()> {
    move |arena, p, s| {
        let [origin, x, other, g, _, controls, scale, y] = s;
        perturb::step_apgd(arena, p, ball, origin, x, other, g, controls, scale, y)
    }
}

fn noise(kind: Noise, seed: u64) -> impl Fn(&mut Arena, &Perturb, [Slot; TENSORS]) -> Result<()> {
    move |arena, p, s| perturb::noise(arena, p, s[ORIGIN], s[X], s[CONTROLS], s[SCALE], s[Y], kind, seed)
}

fn square(kind: Square, seed: u64) -> impl Fn(&mut Arena, &Perturb, [Slot; TENSORS]) -> Result<()> {
    move |arena, p, s| {
        let [origin, x, other, _, _, controls, scale, y] = s;
        perturb::square(arena, p, origin, x, other, controls, scale, y, kind, seed)
    }
}

#[test]
fn steps_are_those_of_f64() {
    for mut case in cases() {
        for ball in [Norm::Linf, Norm::L2] {
            let got = case.everywhere(0, &step(ball));
            case.inside(ball, &got.x, "a step");
            case.check_input(&got.x, &got.y);
            same(&got.other, &case.other, "not an operand");
            for (n, at) in case.images() {
                let want = case.stepped(ball, n);
                let size = f64::from(case.controls[n].step.abs());
                let sizes =
                    |i: usize| f64::from(case.x[at.start + i].abs() + case.origin[at.start + i].abs()) + size;
                case.near(&got.x[at.clone()], &want, sizes, &format!("{ball:?} {:?}", case.p));
            }
        }
        // Gradients without a direction: NaN at one place stands still there (L∞), or the image does (L2).
        case.controls.iter_mut().for_each(|told| (told.epsilon, told.step) = (1000.0, 3.0));
        for bad in [f32::NAN, f32::INFINITY] {
            case.g[0] = bad;
            let linf = case.everywhere(0, &step(Norm::Linf)).x;
            let moved = if bad.is_nan() { 0.0 } else { 3.0 };
            assert_eq!(linf[0], (case.x[0] + moved).min(255.0));
            let l2 = case.everywhere(0, &step(Norm::L2)).x;
            let first = 0..case.values();
            assert_eq!(l2[first.clone()], case.x[first]);
        }
        case.g.fill(0.0);
        for ball in [Norm::Linf, Norm::L2] {
            assert_eq!(case.everywhere(0, &step(ball)).x, case.x, "{ball:?}");
        }
    }
}

#[test]
fn gradients_that_nearly_vanish_have_a_direction() {
    for scale in [1e-35f32, 1e38] {
        let mut case = Case::new(2, [3, 5, 3], 1);
        case.g.iter_mut().for_each(|g| *g *= scale);
        case.g = stored(&case.g, Precision::Bf16);
        case.controls.iter_mut().for_each(|told| (told.epsilon, told.step) = (10.0, 4.0));
        case.x = case.origin.clone();
        let got = case.everywhere(0, &step(Norm::L2)).x;
        for (n, at) in case.images() {
            case.near(&got[at], &case.stepped(Norm::L2, n), |_| 512.0, "tiny and huge");
        }
        assert!(got != case.x);
    }
}

#[test]
fn sums_of_gradients_are_those_of_f64_and_steps_take_them() {
    for mut case in cases() {
        case.norms = case
            .images()
            .flat_map(|(_, at)| [at.map(|i| case.by_pixel(i).abs()).sum::<f64>() as f32, 0.0, 0.0])
            .collect();
        let add: Op<'_> = &|arena, p, s| perturb::accumulate(arena, p, s[G], s[NORMS], s[CONTROLS], s[OTHER]);
        let got = case.everywhere(0, add).other;
        for (n, at) in case.images() {
            let (momentum, norm) = (f64::from(case.controls[n].momentum), f64::from(case.norms[3 * n]));
            let part = |i: usize| if norm > 0.0 { f64::from(case.g[i]) / norm } else { 0.0 };
            let want: Vec<f64> = at.clone().map(|i| momentum * f64::from(case.other[i]) + part(i)).collect();
            let sizes = |i: usize| f64::from(case.other[at.start + i].abs()) + part(at.start + i).abs();
            case.near(&got[at.clone()], &want, sizes, "a sum");
        }
        // Two iterations of the iterative method with momentum: the sum, of floats, is the step's gradient.
        let both = |arena: &mut Arena, p: &Perturb, s: [Slot; TENSORS]| {
            perturb::gradient_norms(arena, p, s[G], s[SCALE], s[NORMS])?;
            perturb::accumulate(arena, p, s[G], s[NORMS], s[CONTROLS], s[OTHER])?;
            let [origin, x, sum, ..] = s;
            perturb::step(arena, p, Norm::Linf, origin, x, sum, s[CONTROLS], s[SCALE], s[Y])
        };
        let moved = case.everywhere(0, &both);
        case.g = moved.other.clone();
        let (want, got) = (case.run(&Device::cpu(), 0, [Precision::F32; 2], &step(Norm::Linf)), moved);
        same(&got.x, &want.x, "a step along the sum");
        for norm in [0.0, f32::NAN, f32::INFINITY] {
            case.norms.fill(norm);
            case.controls.iter_mut().for_each(|told| told.momentum = 1.0);
            case.g = stored(&case.g, Precision::Bf16);
            assert_eq!(case.everywhere(0, add).other, case.other, "a norm of {norm}");
        }
    }
}

#[test]
fn steps_of_auto_pgd_are_those_of_f64() {
    for mut case in cases() {
        for ball in [Norm::Linf, Norm::L2] {
            let got = case.everywhere(0, &step_apgd(ball));
            case.inside(ball, &got.x, "a step");
            case.check_input(&got.x, &got.y);
            same(&got.other, &case.x, "the images before");
            for (n, at) in case.images() {
                let (z, alpha) = (case.stepped(ball, n), f64::from(case.controls[n].alpha));
                let onwards = |(i, z): (usize, &f64)| {
                    let [x, before] = [case.x[i], case.other[i]].map(f64::from);
                    x + alpha * (z - x) + (1.0 - alpha) * (x - before)
                };
                let second: Vec<f64> = at.clone().zip(&z).map(onwards).collect();
                let want = match ball {
                    Norm::Linf => at.clone().zip(&second).map(|(i, v)| case.boxed(n, i, *v)).collect(),
                    Norm::L2 => case.projected(n, &second),
                };
                let size = f64::from(case.controls[n].step.abs());
                case.near(&got.x[at], &want, |_| 1024.0 + size, &format!("{ball:?} {:?}", case.p));
            }
        }
        // The first step, of an alpha of 1, is a plain one, whatever was before.
        case.other.fill(f32::NAN);
        case.controls.iter_mut().for_each(|told| told.alpha = 1.0);
        for ball in [Norm::Linf, Norm::L2] {
            let (first, plain) = (case.everywhere(0, &step_apgd(ball)), case.everywhere(0, &step(ball)));
            same(&first.x, &plain.x, "the first step");
            same(&first.y, &plain.y, "the first step");
        }
    }
}

/// A word of Philox 4x32-10, from the paper's definition, as in tests/ops/dropout.rs.
fn word(seed: u64, told: &Control, purpose: u32, place: u64) -> u32 {
    let mut c = [(place / 4) as u32, told.image, told.draw, purpose];
    for round in 0..10u32 {
        let left = 0xD251_1F53u64 * u64::from(c[0]);
        let right = 0xCD9E_8D57u64 * u64::from(c[2]);
        let k0 = (seed as u32).wrapping_add(round.wrapping_mul(0x9E37_79B9));
        let k1 = ((seed >> 32) as u32).wrapping_add(round.wrapping_mul(0xBB67_AE85));
        c = [
            (right >> 32) as u32 ^ c[1] ^ k0,
            (right & 0xFFFF_FFFF) as u32,
            (left >> 32) as u32 ^ c[3] ^ k1,
            (left & 0xFFFF_FFFF) as u32,
        ];
    }
    c[(place % 4) as usize]
}

const SEED: u64 = 0x0123_4567_89AB_CDEF;

#[test]
fn noise_in_each_value_is_what_philox_says() {
    for case in cases() {
        for (kind, purpose) in [(Noise::Uniform, 1), (Noise::Signs, 2)] {
            let got = case.everywhere(0, &noise(kind, SEED));
            case.inside(Norm::Linf, &got.x, "noise");
            case.check_input(&got.x, &got.y);
            for (n, at) in case.images() {
                let told = &case.controls[n];
                let drawn = |i: usize| {
                    let word = word(SEED, told, purpose, (i - at.start) as u64);
                    match kind {
                        // The middle of one of 2^23 parts of -1 .. 1.
                        Noise::Uniform => (f64::from(word >> 9) + 0.5) / 2f64.powi(22) - 1.0,
                        _ => {
                            if word >= 1 << 31 {
                                1.0
                            } else {
                                -1.0
                            }
                        }
                    }
                };
                let want: Vec<f64> = at
                    .clone()
                    .map(|i| case.boxed(n, i, f64::from(case.origin[i]) + f64::from(told.epsilon) * drawn(i)))
                    .collect();
                let size = f64::from(told.epsilon);
                case.near(&got.x[at], &want, |_| 255.0 + size, &format!("{kind:?} {:?}", case.p));
            }
        }
    }
}

#[test]
fn noise_in_the_euclidean_ball_is_what_philox_says() {
    for case in cases() {
        // Logarithms and sines are each device's own.
        let got = case.everywhere(1, &noise(Noise::Ball, SEED));
        case.inside(Norm::L2, &got.x, "noise");
        case.check_input(&got.x, &got.y);
        for (n, at) in case.images() {
            let told = &case.controls[n];
            let unit = |place: u64| (f64::from(word(SEED, told, 3, place)) + 0.5) / 2f64.powi(32);
            let normal = |i: u64| {
                let radius = (-2.0 * unit(i / 2 * 2).ln()).sqrt();
                let angle = std::f64::consts::TAU * unit(i / 2 * 2 + 1);
                radius * if i.is_multiple_of(2) { angle.cos() } else { angle.sin() }
            };
            let direction: Vec<f64> = (0..case.values() as u64).map(normal).collect();
            let radius =
                f64::from(told.epsilon) * unit(4 * u64::from(u32::MAX)).powf(1.0 / case.values() as f64);
            let by = radius / norm(&direction);
            let want: Vec<f64> = at
                .clone()
                .zip(&direction)
                .map(|(i, d)| (f64::from(case.origin[i]) + d * by).clamp(0.0, 255.0))
                .collect();
            case.near(&got.x[at], &want, |_| 255.0, &format!("{:?}", case.p));
        }
    }
}

#[test]
fn noise_is_spread_as_it_should_be() {
    let batch = 4000;
    let p = Perturb::new(batch, [1, 2, 1], [-10.0, 10.0]).unwrap();
    let mut case = Case { p, ..Case::new(1, [1, 2, 1], 0) };
    case.origin = vec![0.0; 2 * batch];
    (case.x, case.other, case.g) = (case.origin.clone(), case.origin.clone(), case.origin.clone());
    case.norms = vec![0.0; 3 * batch];
    let told = |n: usize| Control { epsilon: 2.0, image: n as u32, ..Control::default() };
    case.controls = (0..batch).map(told).collect();
    let n = 2.0 * batch as f64;
    for (kind, variance) in [(Noise::Uniform, 4.0 / 3.0), (Noise::Signs, 4.0), (Noise::Ball, 1.0)] {
        let x = case.run(&Device::cpu(), 0, [Precision::F32; 2], &noise(kind, 5)).x;
        let x: Vec<f64> = x.into_iter().map(f64::from).collect();
        let (mean, square) = (x.iter().sum::<f64>() / n, x.iter().map(|v| v * v).sum::<f64>() / n);
        assert!(mean.abs() < 5.0 * (variance / n).sqrt(), "{kind:?}: a mean of {mean}");
        assert!(abs_diff_eq!(square, variance, epsilon = 0.1), "{kind:?}: a variance of {square}");
        let radii: Vec<f64> = x.chunks(2).map(|v| v[0].hypot(v[1])).collect();
        if kind == Noise::Ball {
            // A disk's half of the radius is a quarter of it.
            let near = radii.iter().filter(|r| **r < 1.0).count() as f64 / batch as f64;
            assert!(abs_diff_eq!(near, 0.25, epsilon = 0.035), "{near}");
        }
    }
}

#[test]
fn random_numbers_are_an_images_own() {
    for device in devices() {
        let mut case = Case::new(3, [5, 7, 3], 3);
        let told = |image, draw| Control { epsilon: 20.0, image, draw, side: 5, ..Control::default() };
        let first = case.origin[..105].to_vec();
        case.origin = first.repeat(3);
        case.x = case.origin.clone();
        for (what, _, candidate, op) in movers() {
            if ["step L∞", "step L2", "APGD L∞", "APGD L2"].contains(&what) {
                continue;
            }
            let mut run = |controls: [Control; 3]| {
                case.controls = controls.to_vec();
                let got = case.run(&device, 0, [Precision::F32; 2], &op);
                let images = if candidate { got.other } else { got.x };
                images.chunks(105).map(<[f32]>::to_vec).collect::<Vec<_>>()
            };
            let a = run([told(1, 0), told(2, 0), told(1, 0)]);
            assert_eq!(a[0], a[2], "{device}: {what}");
            let b = run([told(2, 0), told(1, 1), told(1, 2)]);
            assert_eq!(a[1], b[0], "{device}: {what}");
            // Three channels have eight signs: some of many draws differ.
            let many: Vec<_> =
                (0..9).flat_map(|d| run([told(1, 3 * d), told(1, 3 * d + 1), told(1, 3 * d + 2)])).collect();
            assert!(many.iter().any(|image| *image != a[0]), "{device}: {what}: draws");
            if what != "window" {
                assert!(a[0] != a[1] && b[1] != b[2] && b[1] != a[0], "{device}: {what}: images and draws");
            }
        }
    }
}

#[test]
fn images_are_kept_where_their_controls_say_so() {
    for case in cases() {
        let got = case.everywhere(0, &|arena, p, s| perturb::keep(arena, p, s[X], s[OTHER], s[CONTROLS]));
        same(&got.x, &case.x, "read only");
        for (n, at) in case.images() {
            let want = if n % 2 == 1 { &case.x } else { &case.other };
            same(&got.other[at.clone()], &want[at], "kept or not");
        }
    }
}

#[test]
fn squares_are_what_philox_says() {
    for case in cases() {
        let p = case.p;
        for (kind, purpose) in [(Square::Stripes, 4), (Square::Window, 5)] {
            let got = case.everywhere(0, &square(kind, SEED));
            same(&got.x, &case.x, "read only");
            case.check_input(&got.other, &got.y);
            for (n, at) in case.images() {
                let told = &case.controls[n];
                for (i, place) in at.enumerate() {
                    let (row, column, c) =
                        (i / p.channels / p.width, i / p.channels % p.width, i % p.channels);
                    let [top, left, side] = [told.row, told.column, told.side].map(|v| v as usize);
                    let within = (top..top + side).contains(&row) && (left..left + side).contains(&column);
                    let drawn = match kind {
                        Square::Stripes => column * p.channels + c,
                        Square::Window if within => c,
                        Square::Window => {
                            assert_eq!(got.other[place].to_bits(), case.x[place].to_bits(), "outside");
                            continue;
                        }
                    };
                    let sign = if word(SEED, told, purpose, drawn as u64) >= 1 << 31 { 1.0 } else { -1.0 };
                    let origin = f64::from(case.origin[place]);
                    let want = case.boxed(n, place, origin + sign * f64::from(told.epsilon));
                    assert!(
                        abs_diff_eq!(
                            f64::from(got.other[place]),
                            want,
                            epsilon = 255.0 * f64::from(f32::EPSILON)
                        ),
                        "{kind:?}: {} for {want}",
                        got.other[place]
                    );
                }
            }
        }
    }
}

// ---- balls and ranges ----------------------------------------------------------------------------------------------

/// All that moves images, by the ball that they stay in, and whether they are x or the other.
type Mover = (&'static str, Norm, bool, Box<dyn Fn(&mut Arena, &Perturb, [Slot; TENSORS]) -> Result<()>>);

fn movers() -> Vec<Mover> {
    vec![
        ("step L∞", Norm::Linf, false, Box::new(step(Norm::Linf))),
        ("step L2", Norm::L2, false, Box::new(step(Norm::L2))),
        ("APGD L∞", Norm::Linf, false, Box::new(step_apgd(Norm::Linf))),
        ("APGD L2", Norm::L2, false, Box::new(step_apgd(Norm::L2))),
        ("uniform", Norm::Linf, false, Box::new(noise(Noise::Uniform, 3))),
        ("signs", Norm::Linf, false, Box::new(noise(Noise::Signs, 3))),
        ("ball", Norm::L2, false, Box::new(noise(Noise::Ball, 3))),
        ("stripes", Norm::Linf, true, Box::new(square(Square::Stripes, 3))),
        ("window", Norm::Linf, true, Box::new(square(Square::Window, 3))),
    ]
}

#[test]
fn a_ball_of_radius_zero_is_its_original_to_the_bit() {
    for device in devices() {
        for (what, _, candidate, op) in movers() {
            for mut case in [Case::new(2, [5, 7, 3], 1), Case::new(3, [4, 4, 1], 2)] {
                for (told, epsilon) in case.controls.iter_mut().zip([0.0, -0.0, 0.0]) {
                    (told.epsilon, told.side) = (epsilon, told.side.min(3));
                }
                if candidate {
                    // Outside the window it is x.
                    case.x = case.origin.clone();
                }
                let got = case.run(&device, 0, [Precision::F32; 2], &op);
                same(if candidate { &got.other } else { &got.x }, &case.origin, &format!("{device}: {what}"));
            }
        }
    }
}

#[test]
fn balls_hold_far_from_zero_and_beyond_the_range() {
    for (low, high) in [(-1e9, 1e9), (1e7, 1.001e7), (-1e-3, 1e-3)] {
        for (what, ball, candidate, op) in movers() {
            let mut case = Case::new(4, [8, 8, 3], 7);
            (case.p.low, case.p.high) = (low, high);
            let mut random = Random::new(5);
            let mut fill = |to: &mut Vec<f32>| {
                for v in to {
                    *v = (f64::from(low) + random.uniform() * f64::from(high - low)) as f32;
                    *v = v.clamp(low, high);
                }
            };
            fill(&mut case.origin);
            fill(&mut case.x);
            if candidate {
                case.x = case.origin.clone();
            }
            let epsilons = [1.0, (high - low) * 4.0, 3e-5, 0.7];
            for (told, epsilon) in case.controls.iter_mut().zip(epsilons) {
                (told.epsilon, told.step) = (epsilon, epsilon * 0.4);
            }
            let ulps = if what == "ball" { 1 } else { 0 };
            let got = case.everywhere(ulps, &op);
            case.inside(ball, if candidate { &got.other } else { &got.x }, what);
        }
    }
}

#[test]
fn the_range_wins_over_the_ball_of_an_original_outside_it() {
    for (what, _, candidate, op) in movers() {
        let mut case = Case::new(1, [2, 2, 1], 0);
        case.origin = vec![-20.0, 300.0, 256.0, 10.0];
        case.x = vec![0.0, 255.0, 255.0, 10.0];
        case.controls[0] = Control { epsilon: 4.0, step: 1.0, side: 2, ..Control::default() };
        let got = case.everywhere(u32::from(what == "ball"), &op);
        let got = if candidate { got.other } else { got.x };
        assert_eq!(got[..2], [0.0, 255.0], "{what}");
        assert!((0.0..=255.0).contains(&got[2]) && (6.0..=14.0).contains(&got[3]), "{what}: {got:?}");
    }
}

fn any_finite() -> impl Strategy<Value = f32> {
    prop_oneof![
        any::<f32>().prop_filter("finite", |v| v.is_finite()),
        -300.0f32..300.0,
        -1e-3f32..1e-3,
        Just(0.0)
    ]
}

fn any_case() -> impl Strategy<Value = Case> {
    let shape = (1usize..4, 1usize..4, 1usize..4, 1usize..3);
    shape.prop_flat_map(|(height, width, channels, batch)| {
        let len = batch * height * width * channels;
        let finite = || prop::collection::vec(any_finite(), len);
        let pixels =
            prop::collection::vec(prop_oneof![0.0f32..=255.0, Just(0.0), Just(255.0), 0.0f32..1e-5], len);
        let told = (any_finite(), any_finite(), 0.0f32..=1.0, 0u32..1 << 24, 0u32..1 << 24);
        let controls = prop::collection::vec(told, batch);
        let gradient = prop::collection::vec(any::<f32>(), len);
        let scale = prop::collection::vec(1e-4f32..10.0, 2 * channels);
        (pixels, finite(), finite(), gradient, controls, scale).prop_map(
            move |(origin, x, other, g, told, scale)| {
                let p = Perturb::new(batch, [height, width, channels], [0.0, 255.0]).unwrap();
                let controls = told.into_iter().map(|(epsilon, step, alpha, image, draw)| {
                    let (epsilon, side) = (epsilon.abs(), height.min(width) as u32);
                    Control { epsilon, step, alpha, image, draw, side, ..Control::default() }
                });
                let norms = vec![0.0; 3 * batch];
                Case { p, origin, x, other, g, norms, scale, controls: controls.collect() }
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn no_ball_and_no_range_is_ever_left(case in any_case()) {
        for (what, ball, candidate, op) in movers() {
            let mut case = case.clone();
            if candidate {
                // Outside the window it is x, and x is in the ball.
                case.x = case.origin.clone();
            }
            let mut first: Option<Vec<f32>> = None;
            for device in devices() {
                let got = case.run(&device, 0, [Precision::F32; 2], &op);
                let got = if candidate { got.other } else { got.x };
                case.inside(ball, &got, &format!("{device}: {what}"));
                let first = first.get_or_insert_with(|| got.clone());
                if what != "ball" {
                    same(&got, first, &format!("{device}: {what}"));
                }
            }
        }
    }
}

// ---- recordings and refusals ---------------------------------------------------------------------------------------

#[test]
fn a_recorded_iteration_does_what_its_controls_say() {
    let start = Case::new(3, [5, 7, 3], 4);
    let work = |arena: &mut Arena, p: &Perturb, s: [Slot; TENSORS]| -> Result<()> {
        let [origin, x, other, g, norms, controls, scale, y] = s;
        perturb::gradient_norms(arena, p, g, scale, norms)?;
        perturb::step(arena, p, Norm::Linf, origin, x, g, controls, scale, y)?;
        perturb::step_apgd(arena, p, Norm::L2, origin, x, other, g, controls, scale, y)?;
        perturb::step(arena, p, Norm::L2, origin, x, g, controls, scale, y)?;
        perturb::step_apgd(arena, p, Norm::Linf, origin, x, other, g, controls, scale, y)?;
        perturb::accumulate(arena, p, g, norms, controls, other)?;
        perturb::keep(arena, p, x, other, controls)?;
        perturb::square(arena, p, origin, other, x, controls, scale, Slot::NONE, Square::Window, 2)?;
        perturb::normalise(arena, p, x, scale, y)
    };
    for device in devices().into_iter().filter(|device| !device.is_cpu()) {
        let f32 = Precision::F32;
        let mut direct = start.hold(&Device::cpu(), 0, f32, f32);
        let mut recorded = start.hold(&device, 0, f32, f32);
        let slots = recorded.slots;
        let recording = recorded.arena.record(|arena| work(arena, &start.p, slots)).unwrap();
        let mut before = start.x.clone();
        for t in 0..4u32 {
            let mut random = Random::new(u64::from(t));
            let g = random.floats(start.g.len(), Random::normal);
            let controls: Vec<Control> = start
                .controls
                .iter()
                .map(|told| Control {
                    step: told.step * (t + 1) as f32,
                    epsilon: 5.0 + t as f32,
                    keep: told.keep != (t % 2 == 0),
                    draw: t,
                    alpha: 0.5,
                    ..*told
                })
                .collect();
            for held in [&mut direct, &mut recorded] {
                held.arena.write(held.slots[G], &g).unwrap();
                start.p.write_controls(&mut held.arena, held.slots[CONTROLS], &controls).unwrap();
            }
            let slots = direct.slots;
            work(&mut direct.arena, &start.p, slots).unwrap();
            recording.run(&mut recorded.arena).unwrap();
            for which in 0..TENSORS {
                same(&recorded.values(which), &direct.values(which), &format!("{device}: run {t}, {which}"));
            }
            let now = recorded.values(X);
            assert_ne!(now, before, "{device}: run {t}");
            before = now;
        }
    }
}

#[test]
fn nothing_is_written_where_no_input_is_wanted() {
    for case in cases() {
        for ball in [Norm::Linf, Norm::L2] {
            let got = case.everywhere(0, &|arena, p, s| {
                perturb::step(arena, p, ball, s[ORIGIN], s[X], s[G], s[CONTROLS], s[SCALE], Slot::NONE)
            });
            same(&got.x, &case.everywhere(0, &step(ball)).x, "the images are the same");
            assert!(got.y.iter().all(|v| *v == 5.0));
        }
    }
}

#[test]
fn missing_controls_are_the_last_ones() {
    for device in devices() {
        let mut case = Case::new(4, [2, 3, 1], 0);
        let (one, two) =
            (Control { keep: false, ..Control::default() }, Control { keep: true, ..Control::default() });
        case.controls = vec![one, two];
        let got = case.run(&device, 0, [Precision::F32; 2], &|arena, p, s| {
            perturb::keep(arena, p, s[X], s[OTHER], s[CONTROLS])
        });
        same(&got.other[..6], &case.other[..6], "not kept");
        same(&got.other[6..], &case.x[6..], "kept");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let range = [0.0, 255.0];
    for (batch, shape) in
        [(0, [1, 1, 1]), (1, [0, 1, 1]), (1, [1, 1, 0]), (1, [1 << 24, 1, 1]), (1, [1 << 16, 1 << 15, 1])]
    {
        let error = Perturb::new(batch, shape, range).unwrap_err();
        assert!(matches!(&error, Error::Argument(text) if text.contains("none may be 0")), "{error}");
    }
    for range in [[1.0, 1.0], [2.0, 1.0], [f32::NAN, 1.0], [0.0, f32::INFINITY]] {
        let error = Perturb::new(1, [1, 1, 1], range).unwrap_err();
        assert!(error.to_string().contains("the range must be finite and not empty"), "{error}");
    }
    let case = Case::new(2, [3, 4, 1], 0);
    let p = case.p;
    assert_eq!(p.controls_len(), 20);
    for device in devices() {
        let mut held = case.hold(&device, 0, Precision::F32, Precision::F32);
        let [origin, x, other, g, norms, controls, scale, y] = held.slots;
        let arena = &mut held.arena;
        let told = Control { epsilon: 1.0, ..Control::default() };
        for (controls_given, want) in [
            (
                vec![],
                "perturb: 0 controls for a batch of 2: at least 1 is needed, and no more than the batch has",
            ),
            (
                vec![told; 3],
                "perturb: 3 controls for a batch of 2: at least 1 is needed, and no more than the batch has",
            ),
            (
                vec![told, Control { epsilon: -1.0, ..told }],
                "perturb: control 1 has an epsilon of -1: it must be finite, and 0 or more",
            ),
            (
                vec![Control { epsilon: f32::INFINITY, ..told }],
                "perturb: control 0 has an epsilon of inf: it must be finite, and 0 or more",
            ),
            (
                vec![Control { step: f32::NAN, ..told }],
                "perturb: control 0 has a step of NaN: it must be finite",
            ),
            (
                vec![Control { momentum: f32::INFINITY, ..told }],
                "perturb: control 0 has a momentum of inf: it must be finite",
            ),
            (
                vec![Control { alpha: 1.5, ..told }],
                "perturb: control 0 has an alpha of 1.5: it must be from 0 to 1",
            ),
            (
                vec![Control { image: 1 << 24, ..told }],
                "perturb: control 0 has image 16777216: it must be below 2^24",
            ),
            (
                vec![Control { draw: 1 << 24, ..told }],
                "perturb: control 0 has draw 16777216: it must be below 2^24",
            ),
            (
                vec![Control { row: 1, column: 2, side: 3, ..told }],
                "perturb: control 0 has a window of 3 x 3 pixels at (1, 2): it must lie inside 3 x 4",
            ),
        ] {
            let error = p.write_controls(arena, controls, &controls_given).unwrap_err();
            assert_eq!(error.to_string(), want);
        }
        assert!(p.write_controls(arena, controls.part(0, 10), &[told]).is_err());

        let mut step = |ball, origin, x, g, controls, scale, y| {
            perturb::step(arena, &p, ball, origin, x, g, controls, scale, y).unwrap_err().to_string()
        };
        for ball in [Norm::Linf, Norm::L2] {
            for (got, want) in [
                (
                    step(ball, origin.part(0, 12), x, g, controls, scale, y),
                    "the originals has 12 values, its shape 2 x 3 x 4 x 1 needs 24",
                ),
                (
                    step(ball, origin, Slot::NONE, g, controls, scale, y),
                    "the images has 0 values, its shape 2 x 3 x 4 x 1 needs 24",
                ),
                (
                    step(ball, origin, x, g.part(0, 1), controls, scale, y),
                    "the gradient has 1 values, its shape 2 x 3 x 4 x 1 needs 24",
                ),
                (
                    step(ball, origin, x, g, controls.part(0, 10), scale, y),
                    "the controls has 10 values, its shape 2 x 10 needs 20",
                ),
                (
                    step(ball, origin, x, g, controls, scale.part(0, 1), y),
                    "the scales and shifts has 1 values, its shape 2 x 1 needs 2",
                ),
                (
                    step(ball, origin, x, g, controls, scale, y.part(0, 23)),
                    "the network's input has 23 values, its shape 2 x 3 x 4 x 1 needs 24",
                ),
                (
                    step(ball, x, x, g, controls, scale, y),
                    "the images is written, and shares memory with the originals",
                ),
                (
                    step(ball, origin, x, g, controls, scale, g),
                    "the network's input is written, and shares memory with the gradient",
                ),
            ] {
                assert_eq!(got, format!("perturb: {want}"), "{device}");
            }
        }
        let refused = [
            perturb::normalise(arena, &p, x, scale, Slot::NONE),
            perturb::gradient_norms(arena, &p, g, scale, norms.part(0, 3)),
            perturb::accumulate(arena, &p, g, norms, controls, g),
            perturb::keep(arena, &p, x, x, controls),
            perturb::step_apgd(arena, &p, Norm::L2, origin, x, x, g, controls, scale, y),
            perturb::noise(arena, &p, origin, origin, controls, scale, y, Noise::Ball, 1),
            perturb::square(arena, &p, origin, x, x, controls, scale, y, Square::Window, 1),
            perturb::square(arena, &p, origin, x, other.part(0, 3), controls, scale, y, Square::Stripes, 1),
        ];
        assert!(
            refused.iter().all(|result| matches!(result, Err(Error::Argument(_)))),
            "{device}: {refused:?}"
        );
        if !device.is_cpu() {
            let held = case.hold(&device, 0, Precision::Bf16, Precision::Bf16);
            let (mut arena, [origin, x, .., y]) = (held.arena, held.slots);
            let error = perturb::noise(&mut arena, &p, y, x, controls, scale, Slot::NONE, Noise::Signs, 1)
                .unwrap_err();
            assert_eq!(error.to_string(), "perturb: the originals is bf16, it must be f32");
            let _ = origin;
        }
    }
}
