//! Bilinear resizing: against a naive f64 version here, and against what PyTorch gave.
//! `tests/vectors/resize.py` makes the vectors.

use super::make::*;
use crate::npz::{Npz, Value};
use approx::abs_diff_eq;
use proptest::prelude::*;
use sharpdim::data::{Color, Preprocess};
use sharpdim::ops::resize::{resize_bilinear, scale_by_max_f32, scale_by_max_u8, scale_by_max_u16};

/// Every output pixel by the definition: the weighted mean of all inputs, with triangle weights.
pub fn bilinear(src: &[f32], [h, w, c]: [usize; 3], [out_h, out_w]: [usize; 2], antialias: bool) -> Vec<f64> {
    let weight = |out: usize, input: usize, outputs: usize, inputs: usize| {
        let scale = inputs as f64 / outputs as f64;
        let width = if antialias { scale.max(1.0) } else { 1.0 };
        let mut centre = (out as f64 + 0.5) * scale - 0.5;
        if !antialias {
            centre = centre.clamp(0.0, (inputs - 1) as f64);
        }
        (1.0 - ((input as f64 - centre) / width).abs()).max(0.0)
    };
    let mut out = Vec::new();
    for y in 0..out_h {
        for x in 0..out_w {
            for channel in 0..c {
                let (mut sum, mut weights) = (0.0, 0.0);
                for row in 0..h {
                    for column in 0..w {
                        let weight = weight(y, row, out_h, h) * weight(x, column, out_w, w);
                        sum += weight * f64::from(src[(row * w + column) * c + channel]);
                        weights += weight;
                    }
                }
                out.push(sum / weights);
            }
        }
    }
    out
}

fn check(src: &[f32], [h, w, c]: [usize; 3], [out_h, out_w]: [usize; 2], antialias: bool) {
    let mut got = vec![f32::NAN; out_h * out_w * c];
    resize_bilinear(src, h, w, c, &mut got, out_h, out_w, antialias);
    let expected = bilinear(src, [h, w, c], [out_h, out_w], antialias);
    for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
        // Positions are f32, as in PyTorch: near 100 they are off by 4e-6, times steps of up to 255.
        assert!(
            abs_diff_eq!(f64::from(*got), expected, epsilon = 2e-3),
            "at {at}: {got}, expected {expected}"
        );
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn equals_the_naive_version(
        h in 1usize..24, w in 1usize..24, c in 1usize..5,
        out_h in 1usize..40, out_w in 1usize..40, antialias: bool, seed: u32,
    ) {
        let src: Vec<f32> = noise(h * w * c, seed).into_iter().map(f32::from).collect();
        check(&src, [h, w, c], [out_h, out_w], antialias);
    }
}

#[test]
fn the_sizes_of_real_use() {
    for (shape, out) in [([28, 28, 1], [64, 64]), ([32, 32, 3], [48, 48]), ([70, 90, 1], [32, 32])] {
        let src: Vec<f32> = noise(shape.iter().product(), 1).into_iter().map(f32::from).collect();
        for antialias in [false, true] {
            check(&src, shape, out, antialias);
        }
    }
}

#[test]
fn its_own_size_is_itself_exactly() {
    let src: Vec<f32> = noise(9 * 11 * 3, 1).into_iter().map(f32::from).collect();
    for antialias in [false, true] {
        let mut out = vec![0.0; src.len()];
        resize_bilinear(&src, 9, 11, 3, &mut out, 9, 11, antialias);
        assert_eq!(out, src);
    }
}

#[test]
fn scaling_handles_every_8_bit_maximum() {
    for max in 0..=255u8 {
        let src: Vec<u8> = (0..=max).collect();
        let mut out = vec![0; src.len()];
        scale_by_max_u8(&src, &mut out);
        let expected: Vec<u8> =
            src.iter().map(|v| (usize::from(*v) * 255 / usize::from(max).max(1)) as u8).collect();
        assert_eq!(out, expected);
    }
    let mut out = [0; 3];
    scale_by_max_u16(&[0, 32_768, 65_535], &mut out);
    assert_eq!(out, [0, 127, 255]);
    assert_eq!(scale_by_max_f32(&[0.0, 0.5, 1.0], &mut out), Ok(()));
    assert_eq!(out, [0, 127, 255]);
    assert_eq!(scale_by_max_f32(&[0.0, f32::MAX, f32::MIN_POSITIVE], &mut out), Ok(()));
    assert_eq!(out, [0, 255, 0]);
    assert_eq!(scale_by_max_f32(&[0.0, 1.0, -1e-9], &mut out), Err(2));
    assert_eq!(scale_by_max_f32(&[0.0, f32::NAN, 1.0], &mut out), Err(1));
}

/// An array of `tests/vectors/resize.npz`, and its extents.
fn vector<T: Value>(name: &str) -> Option<(Vec<T>, Vec<usize>)> {
    let array = Npz::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/resize.npz")).array(name)?;
    Some((array.values(), array.shape))
}

#[test]
fn equals_pytorch() {
    let mut cases = 0;
    while let Some((src, shape)) = vector::<f32>(&format!("src{cases}")) {
        for (name, antialias) in [("plain", false), ("antialias", true)] {
            let (expected, out) = vector::<f32>(&format!("{name}{cases}")).unwrap();
            let mut got = vec![f32::NAN; expected.len()];
            resize_bilinear(&src, shape[0], shape[1], shape[2], &mut got, out[0], out[1], antialias);
            // Eight times f32's epsilon, of values up to 255.
            let epsilon = 255.0 * 1e-6;
            for (got, want) in got.iter().zip(&expected) {
                assert!(
                    abs_diff_eq!(got, want, epsilon = epsilon),
                    "{name} {shape:?} to {out:?}: {got} for {want}"
                );
            }
        }
        cases += 1;
    }
    assert_eq!(cases, 11);
}

#[test]
fn gray_equals_pillow() {
    let (rgb, _) = vector::<u8>("rgb").unwrap();
    let (gray, _) = vector::<u8>("gray").unwrap();
    let folder = Folder::new();
    folder.file("images.npy", npy("|u1", &[1, 16, 16, 3], &rgb));
    folder.file("labels.npy", npy("|u1", &[1], &[0]));
    let loaded = load(folder.path(), &Preprocess { color: Color::Grayscale, ..raw() }).unwrap();
    assert_eq!(values(&loaded), gray.into_iter().map(f32::from).collect::<Vec<f32>>());
}
