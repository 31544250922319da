//! From images to samples: scaling, colour, resizing, 8 bits where exact; compared with naive f64.

use super::make::*;
use approx::abs_diff_eq;
use proptest::prelude::*;
use sharpdim::data::{Color, Dataset, Images, OnBad, Preprocess, Scale};
use std::sync::atomic::{AtomicUsize, Ordering};

/// An NPY dataset of one image.
fn single(dtype: &str, shape: [usize; 3], bytes: &[u8]) -> Folder {
    let folder = Folder::new();
    let [height, width, channels] = shape;
    folder.file("images.npy", npy(dtype, &[1, height, width, channels], bytes));
    folder.file("labels.npy", npy("|u1", &[1], &[0]));
    folder
}

fn kept_size() -> Preprocess {
    Preprocess { size: None, ..Preprocess::default() }
}

/// `floor(v * 255 / max)`, in f64.
fn scaled(values: &[f64]) -> Vec<f32> {
    let max = values.iter().copied().fold(0.0, f64::max);
    values.iter().map(|v| if max == 0.0 { 0.0 } else { (v * 255.0 / max).floor() as f32 }).collect()
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn scaling_is_that_of_the_paper(bytes in prop::collection::vec(0u8..=90, 12), wide: [u16; 12], shift in 0u32..16) {
        let oracle: Vec<f64> = bytes.iter().map(|v| f64::from(*v)).collect();
        let loaded = load(single("|u1", [2, 2, 3], &bytes).path(), &kept_size()).unwrap();
        prop_assert!(is_u8(&loaded));
        prop_assert_eq!(values(&loaded), scaled(&oracle));

        let wide = wide.map(|v| v >> shift);
        let loaded = load(single("<u2", [2, 2, 3], &wide.map(u16::to_le_bytes).concat()).path(), &kept_size()).unwrap();
        prop_assert!(is_u8(&loaded));
        prop_assert_eq!(values(&loaded), scaled(&wide.map(f64::from)));

        let floats = wide.map(|v| f32::from(v) * 0.37);
        let loaded = load(single("<f4", [2, 2, 3], &floats.map(f32::to_le_bytes).concat()).path(), &kept_size()).unwrap();
        prop_assert!(is_u8(&loaded));
        prop_assert_eq!(values(&loaded), scaled(&floats.map(f64::from)));
    }
}

#[test]
fn zeros_stay_zeros() {
    for (dtype, bytes) in [("|u1", 1), ("<u2", 2), ("<f4", 4)] {
        let loaded = load(single(dtype, [2, 2, 1], &vec![0; 4 * bytes]).path(), &kept_size()).unwrap();
        assert_eq!(values(&loaded), [0.0; 4]);
    }
}

#[test]
fn colour_as_pillow_makes_it_gray() {
    // From Pillow: Image.fromarray(rgb).convert("L").
    let rgb = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 200, 77], [255, 255, 255], [1, 2, 3]];
    let gray = [76.0, 150.0, 29.0, 129.0, 255.0, 2.0];
    let how = Preprocess { color: Color::Grayscale, ..raw() };
    let loaded = load(single("|u1", [2, 3, 3], rgb.as_flattened()).path(), &how).unwrap();
    assert_eq!((loaded.channels, values(&loaded)), (1, gray.to_vec()));
    assert!(is_u8(&loaded));

    let wide: Vec<u8> = rgb.as_flattened().iter().flat_map(|v| (u16::from(*v) * 257).to_le_bytes()).collect();
    let loaded = load(single("<u2", [2, 3, 3], &wide).path(), &how).unwrap();
    assert!(values(&loaded).iter().zip(gray).all(|(wide, gray)| abs_diff_eq!(
        wide / 257.0,
        gray,
        epsilon = 0.5
    )));

    let floats: Vec<u8> = rgb.as_flattened().iter().flat_map(|v| f32::from(*v).to_le_bytes()).collect();
    let loaded = load(single("<f4", [2, 3, 3], &floats).path(), &how).unwrap();
    assert!(values(&loaded).iter().zip(gray).all(|(float, gray)| abs_diff_eq!(*float, gray, epsilon = 0.5)));
}

#[test]
fn gray_becomes_rgb_by_repeating() {
    let how = Preprocess { color: Color::Rgb, ..raw() };
    let loaded = load(single("|u1", [1, 2, 1], &[5, 6]).path(), &how).unwrap();
    assert_eq!((loaded.channels, values(&loaded)), (3, vec![5.0, 5.0, 5.0, 6.0, 6.0, 6.0]));
}

#[test]
fn a_mix_of_channels_follows_the_majority() {
    let folder = Folder::new();
    folder.file("a/1.png", png(2, 2, 1));
    folder.file("a/2.png", rgb_png(2, 2, 2));
    folder.file("b/3.png", rgb_png(2, 2, 3));
    let loaded = load(folder.path(), &raw()).unwrap();
    assert_eq!(loaded.channels, 3);
    assert_eq!(
        loaded.notes,
        ["1 of 3 images are gray and were expanded to RGB, as the others are (the first: a/1.png)"]
    );

    folder.file("b/4.png", png(2, 2, 4));
    folder.file("b/5.png", png(2, 2, 5));
    let loaded = load(folder.path(), &raw()).unwrap();
    assert_eq!(loaded.channels, 1);
    assert!(loaded.notes[0].contains("2 of 5 images are RGB and were made gray"), "{:?}", loaded.notes);
    assert!(load(folder.path(), &Preprocess { color: Color::Rgb, ..raw() }).unwrap().notes.is_empty());
}

#[test]
fn samples_are_8_bit_exactly_where_that_is_exact() {
    let folder = Folder::new();
    folder.file("a/1.png", png(4, 6, 1));
    folder.file("a/2.png", png(4, 6, 2));
    let size = |size| Preprocess { size, ..Preprocess::default() };
    assert!(is_u8(&load(folder.path(), &size(None)).unwrap()));
    assert!(is_u8(&load(folder.path(), &size(Some((4, 6)))).unwrap()));
    assert!(!is_u8(&load(folder.path(), &size(Some((6, 4)))).unwrap()));
    // One image of another size makes all floats; those of the right size keep their values.
    let before = values(&load(folder.path(), &size(None)).unwrap());
    folder.file("a/3.png", png(2, 2, 3));
    let loaded = load(folder.path(), &size(Some((4, 6)))).unwrap();
    assert!(!is_u8(&loaded));
    assert_eq!(values(&loaded)[..48], before);
}

#[test]
fn unscaled_floats_stay_as_they_are() {
    let floats = [-1.5f32, 0.0, 1e30, 0.25];
    let folder = single("<f4", [2, 2, 1], &floats.map(f32::to_le_bytes).concat());
    assert_eq!(values(&load(folder.path(), &raw()).unwrap()), floats);
}

#[test]
fn default_is_scaled_then_resized() {
    let bytes = noise(12, 3).iter().map(|v| v / 2).collect::<Vec<u8>>();
    let loaded = load(single("|u1", [3, 4, 1], &bytes).path(), &Preprocess::default()).unwrap();
    let source = scaled(&bytes.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>());
    let expected = super::resize::bilinear(&source, [3, 4, 1], [224, 224], false);
    for (got, expected) in values(&loaded).iter().zip(expected) {
        assert!(abs_diff_eq!(f64::from(*got), expected, epsilon = 1e-3), "{got} {expected}");
    }
}

#[test]
fn progress_counts_every_image_once() {
    let folder = Folder::new();
    for at in 0..20 {
        folder.file(&format!("a/{at}.png"), png(2, 2, at));
    }
    folder.file("a/bad1.png", "no image");
    let mut torn = png(20, 20, 0);
    torn.truncate(200);
    folder.file("a/bad2.png", torn);
    let finished = AtomicUsize::new(0);
    let dataset = Dataset::open(folder.path()).unwrap();
    let how = Preprocess { on_bad: OnBad::Skip, ..Preprocess::default() };
    let count = |images| {
        finished.fetch_add(images, Ordering::Relaxed);
    };
    let loaded = dataset.load(&how, &count).unwrap();
    assert_eq!(finished.into_inner(), dataset.len());
    assert_eq!((loaded.names.len(), loaded.skipped.len()), (20, 2));
}

#[test]
fn scale_none_keeps_8_bits() {
    let loaded = load(single("|u1", [1, 2, 1], &[5, 6]).path(), &raw()).unwrap();
    assert!(is_u8(&loaded));
    assert_eq!(values(&loaded), [5.0, 6.0]);
    let how = Preprocess { scale: Scale::None, ..Preprocess::default() };
    let loaded = load(single("|u1", [1, 2, 1], &[5, 6]).path(), &how).unwrap();
    let values = values(&loaded);
    assert!(values.iter().all(|v| (5.0..=6.0).contains(v)) && values.contains(&5.0) && values.contains(&6.0));
}

#[test]
fn images_for_networks_are_rounded_to_bytes() {
    // Halves go to the even neighbour.
    let shape = [2, 4, 1];
    let bytes_of = |pixels: [f32; 8]| {
        let folder = single("<f4", shape, &pixels.map(f32::to_le_bytes).concat());
        let as_they_are = Preprocess { scale: Scale::None, size: None, ..Preprocess::default() };
        Images::new(load(folder.path(), &as_they_are).unwrap())
    };
    let images = bytes_of([0.0, 0.49, 0.5, 1.5, 2.51, 254.5, 255.0, 255.49]).unwrap();
    assert_eq!(images.pixels(), [0, 0, 0, 2, 3, 254, 255, 255]);
    assert_eq!((images.len(), images.shape(), images.labels()), (1, shape, &[0][..]));
    for (at, bad) in [-0.51, 255.5, 1e9].into_iter().enumerate() {
        let mut pixels = [7.0; 8];
        pixels[at] = bad;
        let error = bytes_of(pixels).unwrap_err().to_string();
        assert!(error.contains("images.npy#0") && error.contains("from 0 to 255"), "{error}");
    }
    // Of resized ones it is the nearest byte.
    let dataset = Dataset::generated(3, 16, 0).unwrap();
    let how = Preprocess { size: Some((21, 9)), ..Preprocess::default() };
    let embedded = Images::new(dataset.load(&how, &|_| {}).unwrap()).unwrap_err().to_string();
    assert!(embedded.contains("embeddings of 16 x 16 gray pixels resized to 21 x 9"), "{embedded}");
    let loaded = dataset.load_pixels(&how, &|_| {}).unwrap();
    let floats = values(&loaded);
    let images = Images::new(loaded).unwrap();
    assert!(images.pixels().iter().zip(&floats).all(|(byte, v)| abs_diff_eq!(
        f32::from(*byte),
        v,
        epsilon = 0.5
    )));
    // Features are no images.
    let folder = Folder::new();
    folder.file("features.npy", npy("<f4", &[2, 1], &[1.0f32, 2.0].map(f32::to_le_bytes).concat()));
    let features = Dataset::open(folder.path()).unwrap().load(&Preprocess::default(), &|_| {}).unwrap();
    assert!(Images::new(features).unwrap_err().to_string().contains("are features"));
}
