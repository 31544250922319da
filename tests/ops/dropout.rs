//! `dropout`: every device drops what an independent Philox says, of values and of gradients alike.

use crate::support::arenas::{LENGTHS, hold, same};
use crate::support::tensors::{precisions, stored, stored_one};
use crate::support::{Random, devices};
use approx::abs_diff_eq;
use sharpdim::ops::dropout::{self, Dropout};
use sharpdim::{Device, Error, Precision};

/// Word number `place` of Philox 4x32-10, from the paper's definition: a round multiplies two words of the counter to
/// 64 bits each, and round r's key is the key plus r times the Weyl constants.
fn word(seed: u64, layer: u32, step: u32, place: u64) -> u32 {
    let mut c = [(place / 4) as u32, layer, step, 0];
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

/// What `x` becomes: dropped with the probability, else divided by that of staying, rounded as it is stored.
fn naive(dropout: &Dropout, step: u32, x: &[f32], precision: Precision) -> Vec<f32> {
    let below = f64::from(dropout.probability) * 2f64.powi(32);
    let factor = 1.0 / (1.0 - dropout.probability);
    let kept = |place: usize, v: f32| {
        let falls = f64::from(word(dropout.seed, dropout.layer, step, place as u64)) < below;
        if falls { 0.0 } else { stored_one(stored_one(v, precision) * factor, precision) }
    };
    x.iter().enumerate().map(|(place, v)| kept(place, *v)).collect()
}

/// Dropout of f32 values, in a tensor of its own.
fn dropped(device: &Device, dropout: &Dropout, step: u32, x: &[f32]) -> Vec<f32> {
    let f32 = Precision::F32;
    let mut held = hold(device, 0, [(x, f32), (&[step as f32], f32), (&vec![5.0; x.len()], f32)]);
    let [x, step, y] = held.slots;
    dropout::apply(&mut held.arena, dropout, x, step, y).unwrap();
    held.values(2)
}

#[test]
fn every_device_drops_what_philox_says() {
    let seed = 0x0123_4567_89AB_CDEF;
    for device in devices() {
        for precision in precisions(&device) {
            for (at, len) in LENGTHS.into_iter().enumerate() {
                for offset in [0, 1] {
                    let step = [0, 1, 77, (1 << 24) - 1][at % 4];
                    let mut x = Random::new(at as u64).floats(len, Random::normal);
                    x[len / 2] = f32::NAN;
                    let dropout = Dropout::new([0.5, 0.1, 0.9][at % 3], seed, 3 + at as u32).unwrap();
                    let want = naive(&dropout, step, &x, precision);
                    let what = format!("{device}: {precision:?}, {len} values, offset {offset}");
                    let operands =
                        [(&x[..], precision), (&[step as f32], Precision::F32), (&vec![5.0; len], precision)];
                    let mut held = hold(&device, offset, operands);
                    let [from, step, to] = held.slots;
                    dropout::apply(&mut held.arena, &dropout, from, step, to).unwrap();
                    same(&held.values(2), &want, &what);
                    same(&held.values(0), &stored(&x, precision), &what);
                    // In place.
                    dropout::apply(&mut held.arena, &dropout, from, step, from).unwrap();
                    same(&held.values(0), &want, &what);
                }
            }
        }
    }
}

#[test]
fn the_fraction_kept_and_the_mean_are_right() {
    for device in devices() {
        for probability in [0.1f32, 0.5, 0.75] {
            let len = 30_000;
            let y = dropped(&device, &Dropout::new(probability, 9, 2).unwrap(), 4, &vec![1.0; len]);
            let (stays, n) = (1.0 - f64::from(probability), len as f64);
            let kept = y.iter().filter(|v| **v != 0.0).count() as f64;
            // Five standard deviations of a binomial count.
            assert!(
                abs_diff_eq!(kept, stays * n, epsilon = 5.0 * (n * stays * (1.0 - stays)).sqrt()),
                "{device}: {kept}"
            );
            assert!(y.iter().all(|v| *v == 0.0 || *v == 1.0 / (1.0 - probability)), "{device}");
        }
    }
}

#[test]
fn layers_steps_and_seeds_drop_different_values_and_gradients_the_same() {
    for device in devices() {
        let ones = vec![1.0; 1000];
        let base = Dropout::new(0.5, 1, 1).unwrap();
        let first = dropped(&device, &base, 1, &ones);
        assert_eq!(dropped(&device, &base, 1, &ones), first);
        let others = [
            dropped(&device, &base, 2, &ones),
            dropped(&device, &Dropout { layer: 2, ..base }, 1, &ones),
            dropped(&device, &Dropout { seed: 2, ..base }, 1, &ones),
            dropped(&device, &Dropout { seed: 1 + (1 << 32), ..base }, 1, &ones),
        ];
        for (at, other) in others.iter().enumerate() {
            let apart = first.iter().zip(other).filter(|(a, b)| a != b).count();
            assert!((400..600).contains(&apart), "{device}: {at}: {apart} of 1000 differ");
        }
        // y is linear in x: what finite differences give is what the same values of a gradient become.
        let (x, gradient) =
            (Random::new(5).floats(1000, Random::normal), Random::new(6).floats(1000, |r| 1.0 + r.uniform()));
        let back = dropped(&device, &base, 1, &gradient);
        let step = 1.0 / 64.0;
        let moved: Vec<f32> = x.iter().map(|v| v + step).collect();
        let (low, high) = (dropped(&device, &base, 1, &x), dropped(&device, &base, 1, &moved));
        for i in 0..1000 {
            let slope = (f64::from(high[i]) - f64::from(low[i])) / f64::from(step);
            let want = slope * f64::from(gradient[i]);
            // Rounding of x of size 5 over a step of 1/64.
            assert!(
                abs_diff_eq!(f64::from(back[i]), want, epsilon = 2e-4),
                "{device}: {} for {want} at {i}",
                back[i]
            );
        }
    }
}

#[test]
fn probability_0_changes_nothing_and_others_are_checked() {
    for device in devices() {
        let x = Random::new(8).floats(1001, Random::normal);
        same(&dropped(&device, &Dropout::new(0.0, 1, 1).unwrap(), 1, &x), &x, "probability 0");
        let most = Dropout::new(1f32.next_down(), 1, 1).unwrap();
        assert!(dropped(&device, &most, 1, &x).iter().filter(|v| **v != 0.0).count() <= 1);
        for bad in [1.0, -0.1, f32::NAN, 2.0] {
            let error = Dropout::new(bad, 1, 1).unwrap_err();
            assert!(matches!(&error, Error::Argument(text) if text.contains("from 0 to below 1")), "{error}");
        }
        let f32 = Precision::F32;
        let mut held = hold(&device, 0, [(&x, f32), (&[1.0, 2.0], f32)]);
        let [x, step] = held.slots;
        assert!(dropout::apply(&mut held.arena, &most, x, step, x).is_err(), "two steps");
        let (low, high) = (x.part(0, 1000), x.part(1, 1000));
        let error = dropout::apply(&mut held.arena, &most, low, step.part(0, 1), high).unwrap_err();
        assert!(error.to_string().contains("shares memory"), "{error}");
    }
}
