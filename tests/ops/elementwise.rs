//! ReLU, its gradient and the sum of two tensors: every device to the bits of the definition.

use crate::support::arenas::{LENGTHS, hold, same};
use crate::support::tensors::{precisions, stored, stored_one};
use crate::support::{Random, devices};
use sharpdim::ops::elementwise;
use sharpdim::{Device, Error, Layout, Precision};

/// Numbers of all kinds, those that make trouble among them.
fn values(len: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let special = [f32::NAN, 0.0, -0.0, f32::INFINITY, -f32::INFINITY, 1e-40, -1e-40, f32::MAX, f32::MIN];
    let draw = |_| if random.below(4) == 0 { special[random.below(9)] } else { random.normal() as f32 };
    (0..len).map(draw).collect()
}

/// Runs `check` for each device, precision, length and alignment.
fn everywhere(check: impl Fn(&Device, Precision, usize, usize, &str)) {
    for device in devices() {
        for precision in precisions(&device) {
            for len in LENGTHS {
                for offset in [0, 1] {
                    let what = format!("{device}: {precision:?}, {len} values, offset {offset}");
                    check(&device, precision, len, offset, &what);
                }
            }
        }
    }
}

#[test]
fn relu_is_the_larger_of_a_value_and_0_and_keeps_nan() {
    everywhere(|device, precision, len, offset, what| {
        let x = values(len, len as u64);
        let mut held = hold(device, offset, [(&x, precision), (&vec![5.0; len], precision)]);
        let [from, to] = held.slots;
        elementwise::relu_forward(&mut held.arena, from, to).unwrap();
        let x = stored(&x, precision);
        let want: Vec<f32> = x.iter().map(|v| if v.is_nan() || *v >= 0.0 { *v } else { 0.0 }).collect();
        same(&held.values(1), &want, what);
        same(&held.values(0), &x, what);
    });
}

#[test]
fn the_gradient_of_relu_is_that_of_finite_differences() {
    let relu = |x: f64| if x > 0.0 { x } else { 0.0 };
    everywhere(|device, precision, len, offset, what| {
        let mut random = Random::new(len as u64);
        // Not so near 0 that a step goes past it.
        let x = random
            .floats(len, |r| r.normal() + if r.below(2) == 0 { 0.1f64.copysign(r.normal()) } else { 0.0 });
        let x: Vec<f32> = x.into_iter().map(|v| if v.abs() < 1e-3 { 0.5 } else { v }).collect();
        let gradient = random.floats(len, Random::normal);
        let y: Vec<f32> = x.iter().map(|v| v.max(0.0)).collect();
        let mut held = hold(device, offset, [(&y, precision), (&gradient, precision)]);
        let [out, slope] = held.slots;
        elementwise::relu_backward(&mut held.arena, out, slope).unwrap();
        let derivative = |x: f64| ((relu(x + 1e-4) - relu(x - 1e-4)) / 2e-4).round();
        let want = x.iter().zip(&gradient);
        let want: Vec<f32> = want
            .map(|(x, g)| if derivative(f64::from(*x)) == 1.0 { stored_one(*g, precision) } else { 0.0 })
            .collect();
        same(&held.values(1), &want, what);
        same(&held.values(0), &stored(&y, precision), what);
    });
}

#[test]
fn no_gradient_passes_where_the_output_is_not_above_0() {
    everywhere(|device, precision, len, offset, what| {
        let (y, gradient) = (values(len, 1), values(len, 2));
        let mut held = hold(device, offset, [(&y, precision), (&gradient, precision)]);
        let [out, slope] = held.slots;
        elementwise::relu_backward(&mut held.arena, out, slope).unwrap();
        let y = stored(&y, precision);
        let want =
            y.iter().zip(&gradient).map(|(y, g)| if *y > 0.0 { stored_one(*g, precision) } else { 0.0 });
        same(&held.values(1), &want.collect::<Vec<f32>>(), what);
    });
}

#[test]
fn sums_are_rounded_once() {
    everywhere(|device, precision, len, offset, what| {
        let (x, y) = (values(len, 3), values(len, 4));
        let mut held = hold(device, offset, [(&x, precision), (&y, precision)]);
        let [from, to] = held.slots;
        elementwise::add(&mut held.arena, from, to).unwrap();
        let (x, y) = (stored(&x, precision), stored(&y, precision));
        let want = x.iter().zip(&y).map(|(x, y)| stored_one(x + y, precision));
        same(&held.values(1), &want.collect::<Vec<f32>>(), what);
        same(&held.values(0), &x, what);
    });
}

#[test]
fn operands_that_do_not_fit_are_named() {
    for device in devices() {
        let mut held = hold(&device, 0, [(&[1.0; 8], Precision::F32), (&[1.0; 9], Precision::F32)]);
        let [x, y] = held.slots;
        let message = |result: sharpdim::Result<()>| match result.unwrap_err() {
            Error::Argument(text) => text,
            other => panic!("{other}"),
        };
        let short = message(elementwise::relu_forward(&mut held.arena, x, y));
        assert_eq!(short, "relu: the output has 9 values, its shape 8 needs 8");
        let shared = message(elementwise::add(&mut held.arena, y.part(0, 8), y.part(1, 8)));
        assert_eq!(shared, "add: the sum is written, and shares memory with the term");
        if !device.is_cpu() {
            let mut layout = Layout::new(Precision::Bf16);
            let (x, y) = (layout.f32(3), layout.values(3));
            let mixed = message(elementwise::relu_backward(&mut layout.build(&device).unwrap(), x, y));
            assert!(mixed.contains("the output is f32 and the gradient bf16"), "{mixed}");
        }
    }
}
