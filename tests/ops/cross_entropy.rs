//! `cross_entropy`: every device against the definition in f64, finite differences of it, and PyTorch.

use crate::support::arenas::{hold, pytorch, pytorch_f32, same};
use crate::support::tensors::{precisions, stored};
use crate::support::{Random, devices};
use approx::abs_diff_eq;
use sharpdim::ops::cross_entropy::{self, CrossEntropy};
use sharpdim::{Arena, Device, Error, Precision, bf16};

/// One image's loss, by the definition, with the largest exponent taken out.
fn naive(logits: &[f64], label: usize) -> f64 {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (most - logits[label]) + logits.iter().map(|z| (z - most).exp()).sum::<f64>().ln()
}

/// The slope of `naive` along one logit, by central differences: off by h^2 / 6 at most, 2e-9.
fn slope(logits: &[f64], label: usize, along: usize) -> f64 {
    let moved = |by: f64| {
        let mut moved = logits.to_vec();
        moved[along] += by;
        naive(&moved, label)
    };
    (moved(1e-4) - moved(-1e-4)) / 2e-4
}

/// A batch on a device: losses, and the gradient for a scale.
fn run(
    device: &Device,
    [batch, classes]: [usize; 2],
    (logits, precision): (&[f32], Precision),
    labels: &[f32],
    (scale, offset): (f32, usize),
) -> (Vec<f32>, Vec<f32>) {
    let loss = CrossEntropy::new(batch, classes).unwrap();
    let f32 = Precision::F32;
    let (losses, gradient) = (vec![5.0; batch], vec![5.0; logits.len()]);
    let operands = [(logits, precision), (labels, f32), (&losses, f32), (&gradient, precision)];
    let mut held = hold(device, offset, operands);
    let [z, classes, losses, gradient] = held.slots;
    cross_entropy::forward(&mut held.arena, &loss, z, classes, losses).unwrap();
    cross_entropy::backward(&mut held.arena, &loss, z, classes, scale, gradient).unwrap();
    same(&held.values(0), &stored(logits, precision), "the logits");
    (held.values(2), held.values(3))
}

/// What a gradient of this size may be off by: 1e-6 of the scale for 32-bit arithmetic. In bf16 half a unit of the last
/// of its 8 bits as well, which is 2^-8 of a power of two and less of any other number: of the value that is rounded,
/// not of the exact one.
fn bound(want: f64, scale: f64, precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 1e-6 * scale,
        Precision::Bf16 => 1e-6 * scale + (want.abs() + 1e-6 * scale) * 2f64.powi(-8),
    }
}

#[test]
fn losses_and_gradients_are_those_of_the_definition() {
    for classes in [1, 2, 3, 10, 31, 32, 33, 257, 1000, 1031] {
        for (batch, spread, offset) in [(1, 3.0, 0), (7, 0.1, 1), (8, 3.0, 0), (9, 30.0, 1)] {
            let mut random = Random::new((classes * batch) as u64);
            let logits = random.floats(batch * classes, |r| spread * r.normal());
            let labels: Vec<f32> = (0..batch).map(|_| random.below(classes) as f32).collect();
            let scale = 1.0 / batch as f32;
            for device in devices() {
                for precision in precisions(&device) {
                    let (losses, gradient) =
                        run(&device, [batch, classes], (&logits, precision), &labels, (scale, offset));
                    let z: Vec<f64> = stored(&logits, precision).into_iter().map(f64::from).collect();
                    for (image, z) in z.chunks(classes).enumerate() {
                        let what = format!("{device}: {precision:?}, {batch} x {classes}, image {image}");
                        let label = labels[image] as usize;
                        let want = naive(z, label);
                        let got = f64::from(losses[image]);
                        assert!(
                            abs_diff_eq!(got, want, epsilon = 1e-6 * want.max(1.0)),
                            "{what}: {got} for {want}"
                        );
                        let got = &gradient[image * classes..][..classes];
                        let most = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                        let sum: f64 = z.iter().map(|z| (z - most).exp()).sum();
                        for class in 0..classes {
                            let exact = (z[class] - most).exp() / sum - f64::from(u8::from(class == label));
                            let want = f64::from(scale) * exact;
                            let (got, allowed) =
                                (f64::from(got[class]), bound(want, f64::from(scale), precision));
                            assert!(
                                abs_diff_eq!(got, want, epsilon = allowed),
                                "{what}, class {class}: {got} for {want}"
                            );
                            // The formula itself, where there are few classes to go through.
                            if classes <= 10 {
                                let by_differences = f64::from(scale) * slope(z, label, class);
                                assert!(
                                    abs_diff_eq!(want, by_differences, epsilon = 1e-7 * f64::from(scale)),
                                    "{what}: {want} for {by_differences}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn huge_logits_are_no_trouble() {
    for device in devices() {
        let one = |logits: &[f32], label: f32| {
            let shape = [1, logits.len()];
            let (losses, gradient) = run(&device, shape, (logits, Precision::F32), &[label], (1.0, 0));
            (losses[0], gradient)
        };
        for size in [1e4f32, 1e30, 3e38, -1e4, -1e30, -3e38] {
            let (loss, gradient) = one(&[size; 4], 2.0);
            assert!(
                abs_diff_eq!(f64::from(loss), 4f64.ln(), epsilon = 1e-6 * 4f64.ln()),
                "{device}: {size}: {loss}"
            );
            same(&gradient, &[0.25, 0.25, -0.75, 0.25], &format!("{device}: {size}"));
        }
        for size in [1e4f32, 1e30] {
            let what = format!("{device}: {size}");
            // Right, and wrong by as much as there is.
            let (loss, gradient) = one(&[-size, size, 0.0], 1.0);
            same(&[loss], &[0.0], &what);
            same(&gradient, &[0.0; 3], &what);
            let (loss, gradient) = one(&[-size, size, 0.0], 0.0);
            same(&[loss], &[2.0 * size], &what);
            same(&gradient, &[-1.0, 1.0, 0.0], &what);
        }
    }
}

#[test]
fn nan_stays_in_its_image() {
    for device in devices() {
        let mut logits = vec![0.5; 3 * 40];
        logits[40 + 37] = f32::NAN;
        let (losses, gradient) = run(&device, [3, 40], (&logits, Precision::F32), &[0.0, 1.0, 2.0], (1.0, 0));
        assert!(
            losses[1].is_nan() && losses[0] == losses[2] && losses[0].is_finite(),
            "{device}: {losses:?}"
        );
        assert!(gradient[40..80].iter().all(|v| v.is_nan()), "{device}");
        assert!(gradient[..40].iter().chain(&gradient[80..]).all(|v| v.is_finite()), "{device}");
    }
}

#[test]
fn labels_are_checked_and_one_that_is_no_class_gives_nan() {
    let loss = CrossEntropy::new(3, 10).unwrap();
    for device in devices() {
        let mut held = hold(&device, 0, [(&[0.0; 3], Precision::F32)]);
        let [slot] = held.slots;
        let write = |labels: &[u32], arena: &mut Arena| loss.write_labels(arena, slot, labels);
        let error = write(&[9, 0, 10], &mut held.arena).unwrap_err();
        let named = "image 2 has the label 10: the network has 10 classes, 0 to 9";
        assert!(matches!(&error, Error::Data(text) if text.starts_with(named)), "{device}: {error}");
        assert!(matches!(write(&[1, 2], &mut held.arena), Err(Error::Argument(_))));
        write(&[9, 0, 5], &mut held.arena).unwrap();
        same(&held.values(0), &[9.0, 0.0, 5.0], "labels");

        // Written around that check.
        let labels = [2.0, 10.0, -1.0, 0.5, f32::NAN, 1e30, f32::NEG_INFINITY, 9.0];
        let logits = vec![1.0; 80];
        let (losses, gradient) = run(&device, [8, 10], (&logits, Precision::F32), &labels, (1.0, 0));
        for image in 0..8 {
            let good = [0, 7].contains(&image);
            assert_eq!(losses[image].is_finite(), good, "{device}: {image}: {}", losses[image]);
            let all = &gradient[image * 10..][..10];
            assert!(all.iter().all(|v| v.is_nan() != good), "{device}: {image}: {all:?}");
        }
    }
    for (batch, classes) in [(0, 10), (1, 0), (1, 1 << 24)] {
        assert!(matches!(CrossEntropy::new(batch, classes), Err(Error::Argument(_))));
    }
}

#[test]
fn they_are_pytorchs() {
    for classes in [1, 2, 10, 257] {
        let named = |what: &str| format!("cross_entropy{classes}.{what}");
        let (logits, labels) = (pytorch_f32(&named("logits")), pytorch_f32(&named("labels")));
        let (losses, gradient) = (pytorch(&named("losses")), pytorch(&named("gradient")));
        for device in devices() {
            let (got, got_gradient) =
                run(&device, [6, classes], (&logits, Precision::F32), &labels, (1.0 / 6.0, 0));
            for (got, want) in got.iter().zip(&losses) {
                assert!(
                    abs_diff_eq!(f64::from(*got), *want, epsilon = 1e-6 * want.max(1.0)),
                    "{device}, {classes}: {got} for {want}"
                );
            }
            for (got, want) in got_gradient.iter().zip(&gradient) {
                assert!(
                    abs_diff_eq!(f64::from(*got), *want, epsilon = 1e-6 / 6.0),
                    "{device}, {classes}: {got} for {want}"
                );
            }
        }
    }
}

#[test]
fn bf16_logits_are_rounded_before_and_not_again() {
    // The loss of bf16 logits is a float of full precision: of those that were rounded.
    let logits: Vec<f32> = (0..10).map(|i| 1.0 + i as f32 / 1000.0).collect();
    let rounded: Vec<f64> = logits.iter().map(|z| bf16::from_f32(*z).to_f64()).collect();
    for device in devices().into_iter().filter(|device| !device.is_cpu()) {
        let (losses, _) = run(&device, [1, 10], (&logits, Precision::Bf16), &[3.0], (1.0, 0));
        let want = naive(&rounded, 3);
        assert!(
            abs_diff_eq!(f64::from(losses[0]), want, epsilon = 1e-6 * want),
            "{device}: {} for {want}",
            losses[0]
        );
    }
}
