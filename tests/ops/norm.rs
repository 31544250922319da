//! `norm`: every device against a sum in f64 with nothing lost, whatever the values' size.

use crate::support::arenas::{hold, pytorch, pytorch_f32};
use crate::support::{Random, close, devices};
use sharpdim::ops::norm;
use sharpdim::{Device, Error, Precision};

fn norm_of(device: &Device, offset: usize, x: &[f32]) -> f32 {
    let (f32, work) = (Precision::F32, vec![f32::NAN; norm::workspace_len(device, x.len())]);
    let mut held = hold(device, offset, [(x, f32), (&[5.0], f32), (&work, f32)]);
    let [x, out, work] = held.slots;
    norm::norm(&mut held.arena, x, out, work).unwrap();
    held.values(2);
    held.values(1)[0]
}

/// Sums of squares scaled by the largest, smallest first.
fn naive(x: &[f32]) -> f64 {
    let largest = x.iter().fold(0.0f64, |most, v| most.max(f64::from(*v).abs()));
    let mut squares: Vec<f64> = x.iter().map(|v| (f64::from(*v) / largest).powi(2)).collect();
    squares.sort_by(f64::total_cmp);
    largest * squares.iter().sum::<f64>().sqrt()
}

#[test]
fn norms_are_right_at_every_length_and_size() {
    // Pieces of 16384 values: one less, one, and into the third.
    for len in [1, 2, 3, 5, 255, 257, 1000, 1027, 16_383, 16_384, 16_385, 40_001] {
        let mut random = Random::new(len as u64);
        let x = random.floats(len, |r| r.normal() * 10f64.powf(3.0 * r.uniform()));
        for device in devices() {
            for offset in [0, 1] {
                for scale in [1.0f32, 1e-30, 1e30] {
                    let x: Vec<f32> = x.iter().map(|v| v * scale).collect();
                    let got = norm_of(&device, offset, &x);
                    close(f64::from(got), naive(&x), 1e-6, || format!("{device}: {len}, {offset}, {scale}"));
                }
            }
        }
    }
}

#[test]
fn the_order_of_threads_changes_no_bit() {
    let x = Random::new(3).floats(50_000, |r| r.normal().powi(5));
    let gpus = devices().into_iter().filter(|device| device.name().starts_with("emulated"));
    let bits: Vec<u32> = gpus.map(|device| norm_of(&device, 0, &x).to_bits()).collect();
    assert!(bits.windows(2).all(|pair| pair[0] == pair[1]), "{bits:?}");
}

#[test]
fn what_is_not_finite_shows_and_what_is_finite_does_not_overflow() {
    for device in devices() {
        for at in [0, 16_400] {
            let mut x = vec![1.0; 20_001];
            x[at] = f32::NAN;
            assert!(norm_of(&device, 0, &x).is_nan(), "{device}");
            x[at] = f32::NEG_INFINITY;
            assert_eq!(norm_of(&device, 0, &x), f32::INFINITY, "{device}");
        }
        assert_eq!(norm_of(&device, 0, &[3e30, 4e30]), 5e30, "{device}");
        assert_eq!(norm_of(&device, 0, &[-f32::MAX]), f32::MAX, "{device}");
        assert_eq!(norm_of(&device, 0, &[1e-45]), 1e-45, "{device}");
        assert_eq!(norm_of(&device, 0, &[0.0; 9]), 0.0, "{device}");
    }
}

#[test]
fn it_is_what_pytorch_clips_by() {
    let (gradients, want) = (pytorch_f32("gradients"), pytorch("norm")[0]);
    for device in devices() {
        close(f64::from(norm_of(&device, 0, &gradients)), want, 1e-6, || device.to_string());
    }
}

#[test]
fn a_workspace_too_small_is_refused() {
    for device in devices() {
        let f32 = Precision::F32;
        let mut held = hold(&device, 0, [(&[1.0; 20_000], f32), (&[5.0], f32), (&[0.0; 4], f32)]);
        let [x, out, work] = held.slots;
        let needed = norm::workspace_len(&device, 20_000);
        let result = norm::norm(&mut held.arena, x, out, work);
        if needed > 4 {
            let error = result.unwrap_err().to_string();
            assert_eq!(error, format!("norm: a workspace of 4 values, {needed} are needed"));
        } else {
            result.unwrap();
        }
        let empty = norm::norm(&mut held.arena, sharpdim::Slot::NONE, out, work).unwrap_err();
        assert!(matches!(&empty, Error::Argument(text) if text == "norm: an empty tensor"), "{empty}");
    }
}
