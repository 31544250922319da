//! `sgd`: every device against the formula in f64 and PyTorch, and all devices to the same bits.

use crate::support::arenas::{Held, LENGTHS, hold, near, pytorch, pytorch_f32, same};
use crate::support::tensors::{precisions, stored};
use crate::support::{Random, devices};
use approx::abs_diff_eq;
use sharpdim::ops::guard::Guard;
use sharpdim::ops::sgd::{self, Sgd};
use sharpdim::{Device, Precision, Slot};

const PLAIN: Sgd = Sgd { momentum: 0.0, weight_decay: 0.0, nesterov: false };
const MOMENTUM: Sgd = Sgd { momentum: 0.9, ..PLAIN };
const DECAY: Sgd = Sgd { weight_decay: 0.05, ..MOMENTUM };
const NESTEROV: Sgd = Sgd { nesterov: true, ..DECAY };

/// Weights, gradient, buffer (0), rate and copy.
fn start(device: &Device, offset: usize, weights: &[f32], copy: (usize, Precision)) -> Held<5> {
    let (f32, zeros, copied) = (Precision::F32, vec![0.0; weights.len()], vec![5.0; copy.0]);
    hold(device, offset, [(weights, f32), (&zeros, f32), (&zeros, f32), (&[0.1], f32), (&copied, copy.1)])
}

fn step(held: &mut Held<5>, sgd: &Sgd, gradient: &[f32]) {
    let [weights, g, buffer, rate, copy] = held.slots;
    held.arena.write(g, gradient).unwrap();
    sgd::update(&mut held.arena, sgd, weights, g, buffer, rate, copy, Guard::NONE).unwrap();
}

/// One weight and its buffer after these gradients, in f64.
fn naive(sgd: &Sgd, mut w: f64, gradients: &[f32]) -> [f64; 2] {
    let [momentum, decay, rate] = [sgd.momentum, sgd.weight_decay, 0.1].map(f64::from);
    let mut b = 0.0;
    for g in gradients {
        let g = f64::from(*g) + decay * w;
        b = momentum * b + g;
        w -= rate * if sgd.nesterov { g + momentum * b } else { b };
    }
    [w, b]
}

#[test]
fn steps_are_those_of_the_formula_and_of_all_devices_to_the_bit() {
    let steps = 4;
    for (at, len) in LENGTHS.into_iter().enumerate() {
        let mut random = Random::new(at as u64);
        let weights = random.floats(len, |r| 1.0 + r.uniform());
        let gradients: Vec<Vec<f32>> = (0..steps).map(|_| random.floats(len, Random::normal)).collect();
        for sgd in [PLAIN, MOMENTUM, DECAY, NESTEROV] {
            let mut first: Option<[Vec<f32>; 2]> = None;
            for device in devices() {
                for offset in [0, 1, 4] {
                    for copy in precisions(&device) {
                        let what = format!("{device}: {sgd:?}, {len} values, offset {offset}");
                        let mut held = start(&device, offset, &weights, (len, copy));
                        gradients.iter().for_each(|gradient| step(&mut held, &sgd, gradient));
                        let got = [0, 2].map(|which| held.values(which));
                        same(&held.values(4), &stored(&got[0], copy), &what);
                        same(&held.values(1), &gradients[steps - 1], &what);
                        let Some(first) = &first else {
                            for i in 0..len {
                                let of_one: Vec<f32> = gradients.iter().map(|g| g[i]).collect();
                                let want = naive(&sgd, f64::from(weights[i]), &of_one);
                                for (got, want) in got.iter().zip(want) {
                                    // Of numbers that sum to no more than some 10: four steps of gradients.
                                    let got = f64::from(got[i]);
                                    assert!(
                                        abs_diff_eq!(got, want, epsilon = 2e-6),
                                        "{what}, {i}: {got} for {want}"
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
    let cases =
        [("sgd", PLAIN), ("sgd_momentum", MOMENTUM), ("sgd_decay", DECAY), ("sgd_nesterov", NESTEROV)];
    for (name, sgd) in cases {
        let after = pytorch(&format!("{name}.weights"));
        for device in devices() {
            let what = format!("{device}: {name}");
            let mut held = start(&device, 0, &weights, (0, Precision::F32));
            for (gradient, want) in gradients.chunks(weights.len()).zip(after.chunks(weights.len())) {
                step(&mut held, &sgd, gradient);
                near(&held.values(0), want, 1e-6, &what);
            }
            if sgd != PLAIN {
                near(&held.values(2), &pytorch(&format!("{name}.momentum_buffer")), 1e-6, &what);
            }
        }
    }
}

#[test]
fn nan_stays_in_its_weight() {
    for device in devices() {
        let mut held = start(&device, 0, &[1.5; 1000], (0, Precision::F32));
        let mut gradient = vec![0.0; 1000];
        gradient[501] = f32::NAN;
        gradient[998] = f32::INFINITY;
        step(&mut held, &NESTEROV, &gradient);
        let got = held.values(0);
        assert!(got[501].is_nan() && got[998] == f32::NEG_INFINITY, "{device}");
        assert_eq!(got.iter().filter(|v| v.is_finite()).count(), 998, "{device}");
    }
}

#[test]
fn operands_that_do_not_fit_are_named() {
    for device in devices() {
        let mut held = start(&device, 0, &[1.0; 8], (0, Precision::F32));
        let [weights, g, buffer, rate, _] = held.slots;
        let arena = &mut held.arena;
        let short = sgd::update(arena, &PLAIN, weights, g, buffer.part(1, 7), rate, Slot::NONE, Guard::NONE)
            .unwrap_err();
        assert_eq!(short.to_string(), "sgd: the buffer has 7 values, its shape 8 needs 8");
        let shared = sgd::update(arena, &PLAIN, weights, g, buffer, rate, buffer, Guard::NONE).unwrap_err();
        assert_eq!(shared.to_string(), "sgd: the buffer is written, and shares memory with the copy");
    }
}
