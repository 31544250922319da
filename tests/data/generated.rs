//! The generated dataset: the same for a seed, two classes, and of about as many dimensions as it says.

use super::make::*;
use approx::abs_diff_eq;
use sharpdim::data::{Dataset, GENERATED_LATENTS, Preprocess};

#[test]
fn the_same_for_a_seed() {
    let pixels = |per_class, seed| {
        let dataset = Dataset::generated(per_class, 16, seed).unwrap();
        values(&dataset.load(&raw(), &|_| {}).unwrap())
    };
    let first = pixels(3, 1);
    assert_eq!(first.len(), 6 * 256);
    assert_eq!(first, pixels(3, 1));
    assert_ne!(first, pixels(3, 2));
    // More images are more, not others.
    assert_eq!(first, pixels(5, 1)[..first.len()]);
}

#[test]
fn two_classes_of_gray_images() {
    let dataset = Dataset::generated(10, 32, 0).unwrap();
    assert_eq!((dataset.len(), dataset.format()), (20, "generated"));
    assert_eq!(dataset.class_names(), ["clear", "lesion"]);
    assert_eq!(dataset.class_counts(), [10, 10]);
    assert_eq!(dataset.name(4), "generated#4");
    let loaded = dataset.load(&Preprocess::default(), &|_| {}).unwrap();
    assert_eq!((loaded.height, loaded.width, loaded.channels), (224, 224, 1));
    let values = values(&loaded);
    assert!(values.iter().all(|value| (0.0..=255.0).contains(value)));
}

#[test]
fn its_dimension_is_about_that_of_its_latents() {
    let dataset = Dataset::generated(500, 32, 0).unwrap();
    let loaded = dataset.load(&Preprocess { size: None, ..Preprocess::default() }, &|_| {}).unwrap();
    let (values, dim) = (values(&loaded), loaded.samples.dim());
    let rows: Vec<&[f32]> = values.chunks_exact(dim).collect();
    // The maximum-likelihood estimate, k = 20, of every tenth image.
    let mut sum = 0.0;
    for (at, row) in rows.iter().enumerate().step_by(10) {
        let mut near: Vec<f64> = (0..rows.len())
            .filter(|other| *other != at)
            .map(|other| {
                row.iter().zip(rows[other]).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
            })
            .collect();
        near.sort_by(f64::total_cmp);
        sum += near[..19].iter().map(|near_j| (near[19] / near_j).ln()).sum::<f64>() / 18.0;
    }
    let dimension = 100.0 / sum;
    println!("dimension of the generated dataset: {dimension:.2}");
    assert!(abs_diff_eq!(dimension, GENERATED_LATENTS as f64, epsilon = 1.5), "{dimension}");
}

#[test]
fn sizes_that_make_no_sense() {
    assert_says(Dataset::generated(0, 64, 0), &["at least 1"]);
    assert_says(Dataset::generated(5, 7, 0), &["7 x 7", "at least"]);
    assert_says(Dataset::generated(usize::MAX, 64, 0), &["more than memory can address"]);
    assert_says(Dataset::generated(1 << 40, 64, 0), &["no memory", "GiB"]);
}
