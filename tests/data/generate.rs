//! Generated image domains: known latents, each of which moves the image; as many dimensions as latents, as sharp labels
//! as the contrast says, and either without the other.

use super::make::*;
use approx::abs_diff_eq;
use nalgebra::DMatrix;
use sharpdim::Device;
use sharpdim::data::{Color, Dataset, Domain, Family, Preprocess};
use sharpdim::measure::{Estimator, Mle, Protocol, intrinsic_dim, label_sharpness};

fn domain(family: Family, latents: usize, contrast: f64) -> Domain {
    Domain { family, latents, contrast, size: 32, seed: 3 }
}

/// The images' values as they are.
fn pixels(domain: &Domain, per_class: usize) -> Vec<f32> {
    values(&Dataset::generate(domain, per_class).unwrap().load(&raw(), &|_| {}).unwrap())
}

/// Root mean square.
fn rms(values: impl ExactSizeIterator<Item = f32>) -> f64 {
    let len = values.len() as f64;
    (values.map(|v| f64::from(v).powi(2)).sum::<f64>() / len).sqrt()
}

fn difference(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| b - a).collect()
}

/// The labelled change at the latents of an image.
fn change(domain: &Domain, image: usize) -> Vec<f32> {
    let latents = domain.latents_of(image);
    difference(&domain.draw(&latents, 0).unwrap(), &domain.draw(&latents, 1).unwrap())
}

#[test]
fn two_classes_in_turns() {
    for family in Family::ALL {
        assert_eq!(family.to_string().parse::<Family>().unwrap(), family);
        let dataset = Dataset::generate(&domain(family, 5, 0.3), 7).unwrap();
        assert_eq!((dataset.len(), dataset.format(), dataset.is_labelled()), (14, "generated", true));
        assert_eq!(dataset.class_names(), family.class_names());
        assert_eq!(dataset.class_counts(), [7, 7]);
        assert_eq!(dataset.labels()[..4], [0, 1, 0, 1]);
        assert_eq!(dataset.name(4), "generated#4");
        let loaded = dataset.load(&raw(), &|_| {}).unwrap();
        assert_eq!((loaded.height, loaded.width, loaded.channels), (32, 32, family.channels()));
    }
    assert_says("photographs".parse::<Family>(), &["\"photographs\"", "objects, radiology"]);
}

#[test]
fn images_are_what_their_latents_say() {
    for family in Family::ALL {
        let domain = domain(family, 9, 0.6);
        let all = pixels(&domain, 6);
        for (image, values) in all.chunks_exact(all.len() / 12).enumerate() {
            let latents = domain.latents_of(image);
            let drawn = domain.draw(&latents, image % 2).unwrap();
            assert!(drawn.iter().zip(values).all(|(drawn, value)| abs_diff_eq!(drawn, value, epsilon = 0.5)));
            let other = domain.draw(&latents, 1 - image % 2).unwrap();
            assert!(rms(difference(&other, values).into_iter()) > 2.0);
        }
    }
}

#[test]
fn latents_are_uniform_and_of_a_stream_each() {
    let few = domain(Family::Objects, 4, 0.3);
    let many = domain(Family::Radiology, 64, 0.9);
    let mut mean = [0.0; 64];
    for image in 0..500 {
        let latents = many.latents_of(image);
        assert_eq!(few.latents_of(image), latents[..4]);
        assert!(latents.iter().all(|latent| (0.0..1.0).contains(latent)));
        mean.iter_mut().zip(&latents).for_each(|(mean, latent)| *mean += latent / 500.0);
    }
    // Five standard errors.
    assert!(mean.iter().all(|mean| abs_diff_eq!(*mean, 0.5, epsilon = 5.0 * (1.0f64 / 12.0 / 500.0).sqrt())));
    assert_ne!(few.latents_of(0), few.latents_of(1));
    assert_ne!(few.latents_of(0), Domain { seed: 4, ..few.clone() }.latents_of(0));
}

#[test]
fn the_same_for_a_seed() {
    for family in Family::ALL {
        let domain = domain(family, 8, 0.3);
        let first = pixels(&domain, 3);
        assert_eq!(first, pixels(&domain, 3));
        assert_ne!(first, pixels(&Domain { seed: 4, ..domain.clone() }, 3));
        // More images are more, not others.
        assert_eq!(first, pixels(&domain, 9)[..first.len()]);
    }
}

#[test]
fn settings_that_make_no_sense() {
    let good = domain(Family::Objects, 8, 0.3);
    let refused = |domain: &Domain, words: &[&str]| {
        assert_says(Dataset::generate(domain, 2), words);
        assert_says(domain.draw(&[0.5; 8], 0), words);
    };
    for latents in [0, 1, 65, usize::MAX] {
        refused(&Domain { latents, ..good.clone() }, &["latents", "2 to 64"]);
    }
    for contrast in [0.0, -0.1, 1.01, f64::NAN, f64::INFINITY] {
        refused(&Domain { contrast, ..good.clone() }, &["contrast", "above 0 and at most 1"]);
    }
    for size in [0, 15] {
        refused(&Domain { size, ..good.clone() }, &["pixels", "16 x 16"]);
    }
    refused(&Domain { size: usize::MAX, ..good.clone() }, &["more than memory can address"]);
    assert_says(Dataset::generate(&good, 0), &["at least 1"]);
    assert_says(Dataset::generate(&good, usize::MAX), &["more than memory can address"]);
    assert_says(Dataset::generate(&good, 1 << 40), &["no memory", "GiB"]);
    assert_says(good.draw(&[0.5; 7], 0), &["7 numbers", "8 are needed"]);
    assert_says(good.draw(&[0.5, 0.5, 0.5, f64::NAN, 0.5, 0.5, 0.5, 0.5], 0), &["NaN", "from 0 to 1"]);
    assert_says(good.draw(&[1.5; 8], 0), &["1.5", "from 0 to 1"]);
    assert_says(good.draw(&[0.5; 8], 2), &["class 2", "0 and 1"]);
}

#[test]
fn scaling_by_the_maximum_changes_nothing() {
    for family in Family::ALL {
        for size in [16, 17, 32, 75, 224] {
            for latents in [2, 64] {
                let domain = Domain { size, ..domain(family, latents, 1.0) };
                let all = pixels(&domain, 10);
                for image in all.chunks_exact(all.len() / 20) {
                    assert_eq!(image.iter().copied().fold(0.0, f32::max), 255.0, "{domain:?}");
                }
            }
        }
    }
}

#[test]
fn sizes_show_the_same_image() {
    for family in Family::ALL {
        let large = domain(family, 16, 0.5);
        let small = pixels(&large, 15);
        let large = Dataset::generate(&Domain { size: 128, ..large }, 15).unwrap();
        let shrunk = Preprocess { size: Some((32, 32)), antialias: true, ..Preprocess::default() };
        let large = values(&large.load(&shrunk, &|_| {}).unwrap());
        let len = small.len() / 30;
        for (at, image) in small.chunks_exact(len).enumerate() {
            let far = |other: &usize| rms(difference(image, &large[other * len..][..len]).into_iter());
            let nearest = (0..30).min_by(|a, b| far(a).total_cmp(&far(b)));
            assert_eq!(nearest, Some(at), "{family}");
        }
    }
}

#[test]
fn the_contrast_is_the_size_of_the_change() {
    for family in Family::ALL {
        for latents in [2, 16, 64] {
            for contrast in [0.01, 0.3, 1.0] {
                for image in 0..5 {
                    let domain = Domain { size: 48, ..domain(family, latents, contrast) };
                    let found = rms(change(&domain, image).into_iter()) / family.spread();
                    // A little is lost where values would leave 0 to 255.
                    assert!(abs_diff_eq!(found / contrast, 1.0, epsilon = 0.02), "{domain:?}: {found}");
                }
            }
        }
    }
}

/// The part of the pixels that holds nine tenths of the squared change, the largest first; and the change's centre, in
/// pixels.
fn extent(domain: &Domain, image: usize) -> (f64, [f64; 2]) {
    let change = change(domain, image);
    let channels = domain.family.channels();
    let squares: Vec<f64> =
        change.chunks_exact(channels).map(|p| p.iter().map(|v| f64::from(*v).powi(2)).sum()).collect();
    let whole: f64 = squares.iter().sum();
    let centre = [domain.size, 1].map(|by| {
        let place = |at: usize| (at / by % domain.size) as f64;
        squares.iter().enumerate().map(|(at, square)| place(at) * square).sum::<f64>() / whole
    });
    let mut sorted = squares;
    sorted.sort_by(|a, b| b.total_cmp(a));
    let mut sum = 0.0;
    let held = sorted.iter().take_while(|square| {
        sum += **square;
        sum < 0.9 * whole
    });
    (held.count() as f64 / sorted.len() as f64, centre)
}

#[test]
fn a_lesion_is_small_and_anywhere_in_the_organ() {
    let domain = Domain { size: 64, ..domain(Family::Radiology, 8, 0.5) };
    let found: Vec<(f64, [f64; 2])> = (0..60).map(|image| extent(&domain, image)).collect();
    let most = found.iter().map(|(part, _)| *part).fold(0.0, f64::max);
    assert!(most < 0.07, "{most}");
    for axis in 0..2 {
        let places = found.iter().map(|(_, centre)| centre[axis]);
        let (least, most) = places.fold((f64::MAX, f64::MIN), |(a, b), at| (a.min(at), b.max(at)));
        // Within the organ, and by more than a core's width.
        assert!(least > 12.0 && most < 52.0 && most - least > 6.0, "{least} {most}");
    }
}

#[test]
fn things_differ_in_the_large() {
    let domain = Domain { size: 64, ..domain(Family::Objects, 8, 0.5) };
    let least = (0..60).map(|image| extent(&domain, image).0).fold(f64::MAX, f64::min);
    assert!(least > 0.08, "{least}");
}

#[test]
fn the_mean_tells_no_class() {
    for family in Family::ALL {
        let domain = domain(family, 16, 1.0);
        let all = pixels(&domain, 300);
        let mut means: Vec<(f64, usize)> = all
            .chunks_exact(all.len() / 600)
            .enumerate()
            .map(|(at, image)| (image.iter().map(|v| f64::from(*v)).sum(), at % 2))
            .collect();
        means.sort_by(|a, b| a.0.total_cmp(&b.0));
        // The best threshold: those of class 1 below it, or above it.
        let mut lead = 0i64;
        let leads = means.iter().map(|(_, class)| {
            lead += if *class == 1 { 1 } else { -1 };
            lead.abs()
        });
        let best = 0.5 + leads.max().unwrap() as f64 / 600.0;
        println!("{family}: {:.1} % by the mean", 100.0 * best);
        assert!(best < 0.62, "{family}: {best}");
    }
}

/// How an image changes with each latent, from 0.1 below to 0.1 above a place, in gray levels for the latent's whole range.
fn jacobian(domain: &Domain, at: &[f64], class: usize) -> Vec<Vec<f32>> {
    let moved = |latent: usize, by: f64| {
        let mut at = at.to_vec();
        at[latent] += by;
        domain.draw(&at, class).unwrap()
    };
    let column =
        |latent| difference(&moved(latent, -0.1), &moved(latent, 0.1)).into_iter().map(|v| v / 0.2).collect();
    (0..at.len()).map(column).collect()
}

#[test]
fn every_latent_moves_the_image_about_as_far() {
    for family in Family::ALL {
        for latents in [2, 8, 64] {
            let domain = domain(family, latents, 0.05);
            let wanted = family.spread() * (6.0 / latents as f64).sqrt();
            let mut squares = vec![0.0; latents];
            for image in 0..6 {
                // Away from the ends.
                let at: Vec<f64> = domain.latents_of(image).iter().map(|u| 0.1 + 0.8 * u).collect();
                for (square, column) in squares.iter_mut().zip(jacobian(&domain, &at, image % 2)) {
                    *square += rms(column.into_iter()).powi(2) / 6.0;
                }
            }
            for (latent, square) in squares.iter().enumerate() {
                let found = square.sqrt() / wanted;
                assert!((0.6..1.6).contains(&found), "{family}, latent {latent} of {latents}: {found}");
            }
        }
    }
}

#[test]
fn images_have_as_many_directions_as_latents() {
    for family in Family::ALL {
        for latents in [2, 4, 16, 64] {
            for class in 0..2 {
                let domain = domain(family, latents, 0.3);
                let columns = jacobian(&domain, &vec![0.45; latents], class);
                let values: Vec<f64> = columns.concat().into_iter().map(f64::from).collect();
                let matrix = DMatrix::from_column_slice(values.len() / latents, latents, &values);
                let singular = matrix.singular_values();
                let (most, least) = (singular.max(), singular.min());
                println!("{family}, {latents} latents, class {class}: {:.4}", least / most);
                assert_eq!(singular.len(), latents);
                assert!(least > 0.01 * most, "{family}, {latents} latents: {least} of {most}");
            }
        }
    }
}

#[test]
fn images_of_a_class_are_apart_by_the_spread() {
    for family in Family::ALL {
        for latents in [4, 16, 64] {
            let all = pixels(&domain(family, latents, 0.1), 60);
            let images: Vec<&[f32]> = all.chunks_exact(all.len() / 120).step_by(2).collect();
            let mut sum = 0.0;
            for (a, b) in images.iter().zip(&images[1..]) {
                sum += rms(difference(a, b).into_iter()).powi(2) / (images.len() - 1) as f64;
            }
            let found = sum.sqrt() / family.spread();
            println!("{family}, {latents} latents: {found:.2} of the spread");
            assert!((0.7..1.3).contains(&found), "{family}, {latents} latents: {found}");
        }
    }
}

/// Intrinsic dimension and label sharpness, in RGB.
fn measured(domain: &Domain, per_class: usize) -> (f64, f64) {
    let how = Preprocess { size: None, color: Color::Rgb, ..Preprocess::default() };
    let loaded = Dataset::generate(domain, per_class).unwrap().load(&how, &|_| {}).unwrap();
    let (device, points) = (Device::cpu(), loaded.samples.points().unwrap());
    let dimension = intrinsic_dim(&device, &points, &Estimator::Mle(Mle::default())).unwrap();
    let sharpness =
        label_sharpness(&device, &points, &loaded.labels, Protocol::AllPairs, 1, &|_| {}).unwrap();
    (dimension.value, sharpness.max)
}

#[test]
fn the_dimension_rises_with_the_latents() {
    for family in Family::ALL {
        for contrast in [0.2, 0.8] {
            let dims = |latents| measured(&domain(family, latents, contrast), 300).0;
            let found = [2, 4, 8, 16, 32, 64].map(dims);
            println!("{family}, contrast {contrast}: {found:.1?}");
            assert!(found.windows(2).all(|pair| pair[1] > 1.2 * pair[0]), "{found:.1?}");
            assert!(
                abs_diff_eq!(found[0], 2.0, epsilon = 0.5) && abs_diff_eq!(found[1], 4.0, epsilon = 1.0),
                "{found:.1?}"
            );
        }
    }
}

#[test]
fn the_sharpness_rises_as_the_contrast_falls_and_the_dimension_stays() {
    for family in Family::ALL {
        for latents in [4, 8, 16] {
            let measured_at = |contrast| measured(&domain(family, latents, contrast), 500);
            let found = [0.1, 0.2, 0.4, 0.7, 1.0].map(measured_at);
            println!("{family}, {latents} latents: {found:.4?}");
            assert!(found.windows(2).all(|pair| pair[1].1 < pair[0].1), "{found:?}");
            assert!(found[0].1 > 2.0 * found[4].1, "{found:?}");
            let mean = found.iter().map(|(dimension, _)| dimension / 5.0).sum::<f64>();
            assert!(
                found.iter().all(|(dimension, _)| abs_diff_eq!(dimension / mean, 1.0, epsilon = 0.15)),
                "{found:?}"
            );
        }
    }
}

#[test]
fn labels_of_radiology_are_sharper() {
    for contrast in [0.1, 0.4, 1.0] {
        for latents in [4, 16] {
            let [objects, radiology] =
                Family::ALL.map(|family| measured(&domain(family, latents, contrast), 300).1);
            assert!(
                radiology > 1.7 * objects,
                "contrast {contrast}, {latents} latents: {radiology} {objects}"
            );
        }
    }
}
