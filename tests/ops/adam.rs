//! `adam`: every device against the formula in f64 and PyTorch, and all devices to the same bits.

use crate::support::arenas::{Held, LENGTHS, hold, near, pytorch, pytorch_f32, same};
use crate::support::tensors::{precisions, stored};
use crate::support::{Random, devices};
use approx::abs_diff_eq;
use sharpdim::ops::adam::{self, Adam};
use sharpdim::ops::guard::Guard;
use sharpdim::{Device, Precision, Slot};

const PLAIN: Adam = Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decoupled: false };
const DECAY: Adam = Adam { weight_decay: 0.1, ..PLAIN };
const ADAMW: Adam = Adam { decoupled: true, ..DECAY };

/// Weights, gradient, m, v, step and copy, m and v 0.
fn start(device: &Device, offset: usize, weights: &[f32], copy: (usize, Precision)) -> Held<6> {
    let (f32, zeros) = (Precision::F32, vec![0.0; weights.len()]);
    let (step, copied) = ([0.0; 3], vec![5.0; copy.0]);
    let tensors =
        [(weights, f32), (&zeros, f32), (&zeros, f32), (&zeros, f32), (&step, f32), (&copied, copy.1)];
    hold(device, offset, tensors)
}

fn step(held: &mut Held<6>, adam: &Adam, rate: f32, t: u32, gradient: &[f32]) {
    let [weights, g, m, v, step, copy] = held.slots;
    held.arena.write(g, gradient).unwrap();
    held.arena.write(step, &adam.step(rate, t)).unwrap();
    adam::update(&mut held.arena, adam, weights, g, m, v, step, copy, Guard::NONE).unwrap();
}

/// One weight after these gradients, with its m and v: Kingma & Ba's algorithm 1, decay as Loshchilov & Hutter's
/// algorithm 2 has it, in f64.
fn naive(adam: &Adam, rate: f32, mut w: f64, gradients: &[f32]) -> [f64; 3] {
    let [beta1, beta2, eps, decay, rate] =
        [adam.beta1, adam.beta2, adam.eps, adam.weight_decay, rate].map(f64::from);
    let (mut m, mut v) = (0.0, 0.0);
    for (t, g) in gradients.iter().enumerate() {
        let g = f64::from(*g) + if adam.decoupled { 0.0 } else { decay * w };
        m = beta1 * m + (1.0 - beta1) * g;
        v = beta2 * v + (1.0 - beta2) * g.powi(2);
        let (first, second) = (m / (1.0 - beta1.powi(t as i32 + 1)), v / (1.0 - beta2.powi(t as i32 + 1)));
        let decayed = if adam.decoupled { rate * decay * w } else { 0.0 };
        w -= rate * first / (second.sqrt() + eps) + decayed;
    }
    [w, m, v]
}

#[test]
fn steps_are_those_of_the_formula_and_of_all_devices_to_the_bit() {
    let steps = 5;
    for (at, len) in LENGTHS.into_iter().enumerate() {
        let mut random = Random::new(at as u64);
        let weights = random.floats(len, |r| 1.0 + r.uniform());
        // Gradients of one weight keep their size, which is from 1e-12 to 1e6.
        let sizes: Vec<f64> = (0..len).map(|_| 10f64.powf(18.0 * random.uniform() - 12.0)).collect();
        let gradients: Vec<Vec<f32>> =
            (0..steps).map(|_| sizes.iter().map(|size| (size * random.normal()) as f32).collect()).collect();
        for adam in [PLAIN, DECAY, ADAMW] {
            let rate = 0.01;
            let mut first: Option<[Vec<f32>; 3]> = None;
            for device in devices() {
                for offset in [0, 1, 4] {
                    for copy in precisions(&device) {
                        let what = format!("{device}: {adam:?}, {len} values, offset {offset}");
                        let mut held = start(&device, offset, &weights, (len, copy));
                        for (t, gradient) in gradients.iter().enumerate() {
                            step(&mut held, &adam, rate, t as u32 + 1, gradient);
                        }
                        let got = [0, 2, 3].map(|which| held.values(which));
                        same(&held.values(5), &stored(&got[0], copy), &what);
                        same(&held.values(1), &gradients[steps - 1], &what);
                        let Some(first) = &first else {
                            for i in 0..len {
                                let of_one: Vec<f32> = gradients.iter().map(|g| g[i]).collect();
                                let want = naive(&adam, rate, f64::from(weights[i]), &of_one);
                                // m may cancel: against the largest gradient that it is a mean of.
                                let largest = of_one.iter().fold(0.0f32, |most, g| most.max(g.abs()));
                                let scale = f64::from(largest + adam.weight_decay * 2.0);
                                // Squares below f32's range lose digits, and matter to nothing beside eps.
                                for (got, want, scale) in [
                                    (got[0][i], want[0], 1.0),
                                    (got[1][i], want[1], scale),
                                    (got[2][i], want[2], want[2] + 1e-38),
                                ] {
                                    assert!(
                                        abs_diff_eq!(f64::from(got), want, epsilon = 1e-6 * scale),
                                        "{what}, {i}: {got:e} for {want:e}"
                                    );
                                }
                            }
                            first = Some(got);
                            continue;
                        };
                        for (got, want) in got.iter().zip(first) {
                            same(got, want, &what);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn steps_are_pytorchs() {
    let (weights, gradients) = (pytorch_f32("weights"), pytorch_f32("gradients"));
    for (name, adam) in [("adam", PLAIN), ("adam_decay", DECAY), ("adamw", ADAMW)] {
        let after = pytorch(&format!("{name}.weights"));
        for device in devices() {
            let what = format!("{device}: {name}");
            let mut held = start(&device, 0, &weights, (0, Precision::F32));
            let each = gradients.chunks(weights.len()).zip(after.chunks(weights.len()));
            for (t, (gradient, want)) in each.enumerate() {
                step(&mut held, &adam, 0.01, t as u32 + 1, gradient);
                near(&held.values(0), want, 1e-6, &what);
            }
            near(&held.values(2), &pytorch(&format!("{name}.exp_avg")), 1e-6, &what);
            near(&held.values(3), &pytorch(&format!("{name}.exp_avg_sq")), 1e-6, &what);
        }
    }
}

#[test]
fn nan_stays_in_its_weight_and_a_gradient_of_0_moves_nothing() {
    for device in devices() {
        let weights = vec![1.5; 1000];
        let mut held = start(&device, 0, &weights, (0, Precision::F32));
        let mut gradient = vec![0.0; 1000];
        gradient[501] = f32::NAN;
        gradient[999] = f32::INFINITY;
        step(&mut held, &PLAIN, 0.1, 1, &gradient);
        let mut want = weights;
        want[501] = f32::NAN;
        want[999] = f32::NAN;
        same(&held.values(0), &want, &device.to_string());
    }
}

#[test]
fn operands_that_do_not_fit_are_named() {
    for device in devices() {
        let mut held = start(&device, 0, &[1.0; 8], (0, Precision::F32));
        let [weights, g, m, v, step, _] = held.slots;
        let arena = &mut held.arena;
        let error = adam::update(arena, &PLAIN, weights, g, m.part(0, 7), v, step, Slot::NONE, Guard::NONE)
            .unwrap_err();
        assert_eq!(error.to_string(), "adam: m has 7 values, its shape 8 needs 8");
        let error = adam::update(arena, &PLAIN, weights, g, v, v, step, Slot::NONE, Guard::NONE).unwrap_err();
        assert_eq!(error.to_string(), "adam: m is written, and shares memory with v");
        let error = adam::update(arena, &PLAIN, weights, g, m, v, step.part(0, 2), Slot::NONE, Guard::NONE)
            .unwrap_err();
        assert!(error.to_string().contains("the step has 2 values"), "{error}");
    }
}
