//! `guard`: Adam and SGD under it, on every device: gradients shortened as PyTorch's `clip_grad_norm_` does it, to the same
//! bits everywhere, and steps that are held back.

use crate::support::arenas::{Held, LENGTHS, hold, near, pytorch, pytorch_f32, same};
use crate::support::tensors::precisions;
use crate::support::{Random, devices};
use approx::{abs_diff_eq, abs_diff_ne};
use sharpdim::ops::adam::{self, Adam};
use sharpdim::ops::guard::Guard;
use sharpdim::ops::norm;
use sharpdim::ops::sgd::{self, Sgd};
use sharpdim::{Arena, Device, Layout, Precision, Result, Slot};

const ADAM: Adam = Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decoupled: false };
const SGD: Sgd = Sgd { momentum: 0.9, weight_decay: 0.0, nesterov: false };

#[derive(Clone, Copy, Debug)]
enum Optimiser {
    Adam,
    Sgd,
}

/// Weights, gradient, two tensors of state, what the optimiser is told, copy, halt and norm.
fn start(
    device: &Device,
    offset: usize,
    weights: &[f32],
    gradient: &[f32],
    copy: Precision,
    [halt, norm]: [f32; 2],
) -> Held<8> {
    let (f32, zeros, copied) = (Precision::F32, vec![0.25; weights.len()], vec![5.0; weights.len()]);
    let tensors = [
        (weights, f32),
        (gradient, f32),
        (&zeros, f32),
        (&zeros, f32),
        (&[0.0; 3], f32),
        (&copied, copy),
        (&[halt], f32),
        (&[norm], f32),
    ];
    hold(device, offset, tensors)
}

/// One step with the gradient that is there.
fn update(held: &mut Held<8>, optimiser: Optimiser, t: u32, guard: Guard) -> Result<()> {
    let [weights, gradient, m, v, told, copy, ..] = held.slots;
    let arena = &mut held.arena;
    match optimiser {
        Optimiser::Adam => {
            arena.write(told, &ADAM.step(0.01, t)).unwrap();
            adam::update(arena, &ADAM, weights, gradient, m, v, told, copy, guard)
        }
        Optimiser::Sgd => {
            let rate = told.part(0, 1);
            arena.write(rate, &[0.1]).unwrap();
            sgd::update(arena, &SGD, weights, gradient, m, rate, copy, guard)
        }
    }
}

/// Weights, state and copy.
fn state(held: &Held<8>) -> [Vec<f32>; 4] {
    [0, 2, 3, 5].map(|which| held.values(which))
}

#[test]
fn steps_are_pytorchs_under_clip_grad_norm() {
    let (weights, gradients) = (pytorch_f32("weights"), pytorch_f32("gradients"));
    for (name, optimiser) in [("adam", Optimiser::Adam), ("sgd_momentum", Optimiser::Sgd)] {
        let after = pytorch(&format!("{name}.clipped"));
        let unclipped = pytorch(&format!("{name}.weights"));
        assert!(
            after.iter().zip(&unclipped).any(|(a, b)| abs_diff_ne!(a, b, epsilon = 1e-4)),
            "{name}: nothing was clipped"
        );
        for device in devices() {
            let what = format!("{device}: {name}");
            let len = weights.len();
            let mut held = start(&device, 0, &weights, &vec![0.0; len], Precision::F32, [0.0; 2]);
            let [_, gradient, m, v, .., halt, norm] = held.slots;
            for state in [m, v] {
                held.arena.clear(state).unwrap();
            }
            // The norm as that operation gives it.
            let mut layout = Layout::new(Precision::F32);
            let [x, out, work] = [len, 1, norm::workspace_len(&device, len)].map(|len| layout.f32(len));
            let mut beside = layout.build(&device).unwrap();
            for (t, (values, want)) in gradients.chunks(len).zip(after.chunks(len)).enumerate() {
                beside.write(x, values).unwrap();
                norm::norm(&mut beside, x, out, work).unwrap();
                held.arena.write(norm, &beside.to_vec(out).unwrap()).unwrap();
                held.arena.write(gradient, values).unwrap();
                update(&mut held, optimiser, t as u32 + 1, Guard { halt, norm, most: 3.5 }).unwrap();
                near(&held.values(0), want, 1e-6, &what);
                same(&held.values(1), values, &what);
            }
        }
    }
}

#[test]
fn a_guarded_step_is_one_with_shorter_gradients_to_the_bit() {
    let most = 2.5;
    for (at, len) in LENGTHS.into_iter().enumerate() {
        let mut random = Random::new(at as u64);
        let weights = random.floats(len, Random::normal);
        let gradient = random.floats(len, Random::normal);
        for norm in [0.0, 1.0, 2.5, 2.500_001, 2.6, 3e4, 3e38, f32::INFINITY, f32::NAN] {
            let factor = if norm <= most - 1e-5 { 1.0 } else { most / (norm + 1e-6) };
            if norm.is_finite() {
                let exact = (f64::from(most) / (f64::from(norm) + 1e-6)).min(1.0);
                assert!(
                    abs_diff_eq!(f64::from(factor), exact, epsilon = 3e-7 * exact),
                    "{norm}: {factor} for {exact}"
                );
            }
            let shorter: Vec<f32> = gradient.iter().map(|g| g * factor).collect();
            for optimiser in [Optimiser::Adam, Optimiser::Sgd] {
                for device in devices() {
                    for (offset, copy) in [0, 1].into_iter().zip(precisions(&device).into_iter().cycle()) {
                        let what =
                            format!("{device}: {optimiser:?}, norm {norm}, {len} values, offset {offset}");
                        let mut plain = start(&device, offset, &weights, &shorter, copy, [0.0; 2]);
                        update(&mut plain, optimiser, 3, Guard::NONE).unwrap();
                        let mut guarded = start(&device, offset, &weights, &gradient, copy, [-0.0, norm]);
                        let [.., halt, norm] = guarded.slots;
                        update(&mut guarded, optimiser, 3, Guard { halt, norm, most }).unwrap();
                        for (got, want) in state(&guarded).iter().zip(state(&plain)) {
                            same(got, &want, &what);
                        }
                        assert_eq!(guarded.values(0)[0].is_nan(), factor.is_nan(), "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_halt_changes_nothing() {
    for device in devices() {
        for copy in precisions(&device) {
            for len in [1, 257, 1000] {
                let (weights, gradient) = (vec![1.5; len], vec![0.5; len]);
                for optimiser in [Optimiser::Adam, Optimiser::Sgd] {
                    for value in [1.0, -1.0, 1e-45, f32::NAN, f32::INFINITY] {
                        let what = format!("{device}: {optimiser:?}, {len} values, halt {value}");
                        // Nor does a norm that is NaN, which has other guards halt.
                        let mut held = start(&device, 1, &weights, &gradient, copy, [value, f32::NAN]);
                        let before = state(&held);
                        let [.., halt, norm] = held.slots;
                        for guard in [Guard { halt, ..Guard::NONE }, Guard { halt, norm, most: 1.0 }] {
                            update(&mut held, optimiser, 1, guard).unwrap();
                            for (got, want) in state(&held).iter().zip(&before) {
                                same(got, want, &what);
                            }
                        }
                        update(&mut held, optimiser, 1, Guard::NONE).unwrap();
                        assert!(held.values(0).iter().all(|w| *w < 1.5), "{what}");
                        same(
                            &held.values(5),
                            &held.values(0).iter().map(|w| copied(*w, copy)).collect::<Vec<_>>(),
                            &what,
                        );
                    }
                }
            }
        }
    }
}

fn copied(value: f32, precision: Precision) -> f32 {
    crate::support::tensors::stored_one(value, precision)
}

#[test]
fn guards_that_do_not_fit_are_named() {
    for device in devices() {
        let mut held = start(&device, 0, &[1.0; 8], &[1.0; 8], Precision::F32, [0.0; 2]);
        let [weights, gradient, m, .., halt, norm] = held.slots;
        let before = state(&held);
        let refused =
            |held: &mut Held<8>, optimiser, guard| update(held, optimiser, 1, guard).unwrap_err().to_string();
        for (optimiser, name) in [(Optimiser::Adam, "adam"), (Optimiser::Sgd, "sgd")] {
            for most in [0.0, -1.0, f32::NAN, f32::INFINITY] {
                let error = refused(&mut held, optimiser, Guard { halt, norm, most });
                let want =
                    format!("{name}: gradients clipped to a norm of {most}: it must be positive and finite");
                assert_eq!(error, want);
            }
            let error = refused(&mut held, optimiser, Guard { halt: gradient, ..Guard::NONE });
            assert_eq!(error, format!("{name}: the halt flag has 8 values, its shape 1 needs 1"));
            let error = refused(&mut held, optimiser, Guard { norm: gradient, most: 1.0, ..Guard::NONE });
            assert_eq!(error, format!("{name}: the norm has 8 values, its shape 1 needs 1"));
            let error = refused(&mut held, optimiser, Guard { norm: weights.part(3, 1), most: 1.0, halt });
            assert_eq!(error, format!("{name}: the weights is written, and shares memory with the norm"));
            let error = refused(&mut held, optimiser, Guard { halt: m.part(0, 1), ..Guard::NONE });
            assert!(error.ends_with("is written, and shares memory with the halt flag"), "{error}");
        }
        for (got, want) in state(&held).iter().zip(&before) {
            same(got, want, &device.to_string());
        }
        if precisions(&device).contains(&Precision::Bf16) {
            let mut layout = Layout::new(Precision::Bf16);
            let [w, g, b, rate] = [4, 4, 4, 1].map(|len| layout.f32(len));
            let half = layout.values(1);
            let mut arena: Arena = layout.build(&device).unwrap();
            let guard = Guard { halt: half, ..Guard::NONE };
            let error = sgd::update(&mut arena, &SGD, w, g, b, rate, Slot::NONE, guard).unwrap_err();
            assert_eq!(error.to_string(), "sgd: the halt flag is bf16, it must be f32");
        }
    }
}
