//! `resize` and scaling: every device against a naive f64 version, and all devices to the same bits.
//! (Against PyTorch's numbers: tests/data/resize.rs.)

use crate::support::{Random, devices};
use approx::abs_diff_eq;
use sharpdim::ops::resize::{Pixels, resize, scale_by_max};
use sharpdim::{Device, Error};

/// One output value by the definition: half-pixel centres; `antialias` widens the triangle where the
/// image shrinks.
fn weights(input: usize, output: usize, at: usize, antialias: bool) -> Vec<f64> {
    let scale = input as f64 / output as f64;
    let width = if antialias { scale.max(1.0) } else { 1.0 };
    let centre = scale * (at as f64 + 0.5) - 0.5;
    let centre = if antialias { centre } else { centre.clamp(0.0, input as f64 - 1.0) };
    let all: Vec<f64> = (0..input).map(|i| (1.0 - (i as f64 - centre).abs() / width).max(0.0)).collect();
    let sum: f64 = all.iter().sum();
    all.iter().map(|w| w / sum).collect()
}

fn naive(image: &[f64], [h, w, c]: [usize; 3], [out_h, out_w]: [usize; 2], antialias: bool) -> Vec<f64> {
    let mut out = Vec::new();
    for y in 0..out_h {
        let rows = weights(h, out_h, y, antialias);
        for x in 0..out_w {
            let cols = weights(w, out_w, x, antialias);
            for channel in 0..c {
                let mut sum = 0.0;
                for (i, row) in rows.iter().enumerate() {
                    for (j, col) in cols.iter().enumerate() {
                        sum += row * col * image[(i * w + j) * c + channel];
                    }
                }
                out.push(sum);
            }
        }
    }
    out
}

const CASES: [([usize; 3], [usize; 2]); 6] = [
    ([1, 1, 1], [3, 2]),
    ([5, 7, 1], [5, 7]),
    ([4, 6, 3], [9, 11]),
    ([17, 13, 3], [4, 5]),
    ([28, 28, 1], [40, 16]),
    ([2, 31, 2], [33, 3]),
];

#[test]
fn every_device_resizes_as_defined_and_to_the_same_bits() {
    let mut random = Random::new(7);
    for (image, size) in CASES {
        let values: usize = image.iter().product();
        let bytes: Vec<u8> = (0..3 * values).map(|_| random.below(256) as u8).collect();
        let words: Vec<u16> = bytes.iter().map(|v| u16::from(*v) * 257).collect();
        let floats: Vec<f32> = bytes.iter().map(|v| f32::from(*v) * 0.37).collect();
        for antialias in [false, true] {
            let want: Vec<f64> = bytes
                .chunks(values)
                .flat_map(|one| {
                    naive(&one.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(), image, size, antialias)
                })
                .collect();
            let all = [Pixels::U8(&bytes), Pixels::U16(&words), Pixels::F32(&floats)];
            let on_cpu = all.map(|pixels| resize(&Device::cpu(), pixels, image, size, antialias).unwrap());
            for (got, factor) in on_cpu.iter().zip([1.0, 257.0, 0.37]) {
                for (at, (got, want)) in got.iter().zip(&want).enumerate() {
                    // 2e-6 of the range: PyTorch, whose numbers these are, places the taps in f32.
                    assert!(
                        abs_diff_eq!(f64::from(*got), want * factor, epsilon = 5e-4 * factor),
                        "{image:?} to {size:?} at {at}: {got} for {}",
                        want * factor
                    );
                }
                assert_eq!(got.len(), want.len());
            }
            for device in devices() {
                for (pixels, want) in all.into_iter().zip(&on_cpu) {
                    let got = resize(&device, pixels, image, size, antialias).unwrap();
                    let same = got.iter().zip(want).all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(same && got.len() == want.len(), "{device}: {image:?} to {size:?}, {antialias}");
                }
            }
        }
    }
}

#[test]
fn every_device_scales_each_image_by_its_own_maximum() {
    let image = [3, 5, 1];
    let bytes: Vec<u8> = (0..60).map(|i| [0, (i * 7 % 100) as u8, 255 - i as u8, i as u8][i / 15]).collect();
    let words: Vec<u16> = (0..60).map(|i| (i * i * 17) as u16).collect();
    let floats: Vec<f32> = (0..60).map(|i| (i as f32 * 1.37).sin().abs() * 1e-3).collect();
    let scaled = |image: Vec<f64>| -> Vec<u8> {
        let max = image.iter().copied().fold(0.0, f64::max);
        image.iter().map(|v| if max > 0.0 { (v * 255.0 / max).floor() as u8 } else { 0 }).collect()
    };
    let each_scaled =
        |values: Vec<f64>| values.chunks(15).flat_map(|one| scaled(one.to_vec())).collect::<Vec<u8>>();
    for device in devices() {
        let got = scale_by_max(&device, Pixels::U8(&bytes), image).unwrap();
        assert_eq!(got, each_scaled(bytes.iter().map(|v| f64::from(*v)).collect()), "{device}");
        let got = scale_by_max(&device, Pixels::U16(&words), image).unwrap();
        assert_eq!(got, each_scaled(words.iter().map(|v| f64::from(*v)).collect()), "{device}");
        let got = scale_by_max(&device, Pixels::F32(&floats), image).unwrap();
        assert_eq!(got, each_scaled(floats.iter().map(|v| f64::from(*v)).collect()), "{device}");
    }
}

#[test]
fn what_cannot_be_scaled_or_resized_is_named() {
    for device in devices() {
        for (at, bad) in [(20, -1.0), (31, f32::NAN), (7, f32::INFINITY)] {
            let mut floats = vec![1.0f32; 40];
            floats[at] = bad;
            let error = scale_by_max(&device, Pixels::F32(&floats), [2, 5, 1]).unwrap_err();
            let place = format!("image {} has a value at position {}", at / 10, at % 10);
            assert!(matches!(&error, Error::Data(text) if text.contains(&place)), "{device}: {error}");
        }
        let error = resize(&device, Pixels::U8(&[1, 2, 3]), [2, 2, 1], [4, 4], false).unwrap_err();
        assert!(error.to_string().contains("3 values do not make whole images of 2 x 2 x 1"), "{error}");
        assert!(resize(&device, Pixels::U8(&[1, 2]), [1, 2, 1], [0, 4], false).is_err());
    }
}
