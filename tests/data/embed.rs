//! Embeddings of enlarged images: their distances against those of images resized here, in f64, by loops over what
//! `Taps` says each output is made of; what is made of distances; and that no two kinds of embedding are mixed.

use super::make::*;
use approx::abs_diff_eq;
use rayon::prelude::*;
use sharpdim::data::{Cache, Color, Dataset, Loaded, Preprocess, Scale, Selection};
use sharpdim::measure::{
    CurationOptions, CurveOptions, Estimator, Protocol, cross_dim, cross_sharpness, curate, dimension_curves,
    intrinsic_dims, label_sharpness,
};
use sharpdim::ops::resize::{Embedding, Geometry, Taps, resize_bilinear};
use sharpdim::ops::{Neighbours, neighbours, neighbours_between};
use sharpdim::{Device, Error, Points, Values};
use std::path::PathBuf;

/// A resized image, in f64: each output by its taps in both directions.
fn resized(image: &[f64], geometry: &Geometry) -> Vec<f64> {
    let Geometry { from: [height, width], to: [tall, wide], channels, antialias } = *geometry;
    let (rows, columns) = (Taps::new(height, tall, antialias), Taps::new(width, wide, antialias));
    let mut out = Vec::with_capacity(tall * wide * channels);
    for y in 0..tall {
        for x in 0..wide {
            for channel in 0..channels {
                let mut sum = 0.0;
                for i in 0..rows.count[y] as usize {
                    for j in 0..columns.count[x] as usize {
                        let (row, column) = (rows.first[y] as usize + i, columns.first[x] as usize + j);
                        let [a, b] =
                            [rows.weights[y * rows.stride + i], columns.weights[x * columns.stride + j]];
                        let value = image[(row * width + column) * channels + channel];
                        sum += f64::from(a) * f64::from(b) * value;
                    }
                }
                out.push(sum);
            }
        }
    }
    out
}

fn squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

fn geometry(from: [usize; 2], to: [usize; 2], channels: usize, antialias: bool) -> Geometry {
    Geometry { from, to, channels, antialias }
}

/// Enlarged on both axes, on one, on one while the other shrinks or keeps its size; by much and by little.
fn geometries() -> Vec<Geometry> {
    let mut all = Vec::new();
    for antialias in [false, true] {
        all.extend([
            geometry([28, 28], [224, 224], 1, antialias),
            geometry([32, 32], [224, 224], 3, antialias),
            geometry([64, 64], [224, 224], 3, antialias),
            geometry([30, 20], [224, 224], 1, antialias),
            geometry([50, 9], [31, 40], 1, antialias),
            geometry([7, 60], [80, 33], 3, antialias),
            geometry([12, 20], [12, 21], 1, antialias),
            geometry([1, 5], [6, 5], 1, antialias),
            geometry([43, 47], [48, 48], 2, antialias),
            geometry([1, 1], [9, 7], 3, antialias),
        ]);
    }
    all
}

/// Noise; then of each its twin, and what differs from it in one pixel by one gray level.
fn images(len: usize) -> Vec<Vec<u8>> {
    let noise: Vec<Vec<u8>> = (0..4).map(|seed| noise(len, seed)).collect();
    let mut near = noise.clone();
    for (at, image) in near.iter_mut().enumerate() {
        let place = at * 37 % len;
        image[place] = if image[place] == 255 { 254 } else { image[place] + 1 };
    }
    [noise.clone(), noise, near, vec![vec![0; len], vec![255; len]]].concat()
}

#[test]
fn distances_are_those_of_resized_images() {
    for geometry in geometries() {
        let embedding = Embedding::new(geometry).unwrap();
        let [height, width] = geometry.from;
        let images = images(height * width * geometry.channels);
        let embed = |image: &Vec<u8>| {
            let mut out = vec![f64::NAN; embedding.dim()];
            embedding.embed(image, &mut out);
            out
        };
        let embedded: Vec<Vec<f64>> = images.iter().map(embed).collect();
        let pairs: Vec<(usize, usize)> =
            (0..images.len()).flat_map(|i| (0..i).map(move |j| (i, j))).collect();
        let mut identical = 0;
        for (got, want) in pairs
            .par_iter()
            .map(|&(i, j)| {
                // Resizing is linear: the difference, of whole numbers, is resized without a rounding before it.
                let difference: Vec<f64> =
                    images[i].iter().zip(&images[j]).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
                let resized = resized(&difference, &geometry);
                (squared(&embedded[i], &embedded[j]), squared(&resized, &vec![0.0; resized.len()]))
            })
            .collect::<Vec<_>>()
        {
            assert!(abs_diff_eq!(got, want, epsilon = 1e-9 * want), "{geometry}: {got} for {want}");
            identical += u32::from(want == 0.0);
        }
        assert!(identical >= 4, "{geometry}");
    }
}

#[test]
fn images_come_back() {
    for geometry in geometries() {
        let embedding = Embedding::new(geometry).unwrap();
        let Geometry { from: [height, width], to: [tall, wide], channels, antialias } = geometry;
        assert_eq!(embedding.size(), [height.min(tall), width.min(wide)]);
        for image in images(height * width * channels) {
            let mut embedded = vec![f64::NAN; embedding.dim()];
            embedding.embed(&image, &mut embedded);
            let restored = embedding.restore(&embedded);
            if embedding.size() == geometry.from {
                let mut pairs = restored.iter().zip(&image);
                // Far above the roundings of f64, far below a step of 8 bits.
                assert!(pairs.all(|(a, b)| abs_diff_eq!(*a, f64::from(*b), epsilon = 1e-9)), "{geometry}");
            }
            let mut want = vec![f32::NAN; tall * wide * channels];
            resize_bilinear(&image, height, width, channels, &mut want, tall, wide, antialias);
            let image = embedding.image(&embedded);
            let mut pairs = image.iter().zip(&want);
            assert!(pairs.all(|(a, b)| abs_diff_eq!(a, b, epsilon = 1e-3)), "{geometry}");
        }
    }
}

#[test]
fn what_would_be_no_smaller_is_not_embedded() {
    for (from, to) in [([9, 9], [9, 9]), ([9, 9], [3, 8]), ([5, 8192], [6, 8193]), ([8193, 1], [5, 9])] {
        assert_eq!(Embedding::new(geometry(from, to, 1, false)), None, "{from:?} {to:?}");
    }
}

/// Every sample's pixels before they are resized, as a naive reader takes them.
fn pixels(dataset: &Dataset, how: &Preprocess) -> Vec<Vec<f64>> {
    let loaded = dataset.load(&Preprocess { size: None, ..how.clone() }, &|_| {}).unwrap();
    (0..loaded.samples.n()).map(|i| loaded.image(i).into_iter().map(f64::from).collect()).collect()
}

/// What `load` embeds, and the same images resized in f64, one after the other.
fn both(dataset: &Dataset, how: &Preprocess) -> (Loaded, Vec<f64>) {
    let loaded = dataset.load(how, &|_| {}).unwrap();
    let geometry = loaded.samples.embedding().expect("enlarged").geometry();
    let images = pixels(dataset, how);
    let resized: Vec<Vec<f64>> = images.par_iter().map(|image| resized(image, &geometry)).collect();
    (loaded, resized.concat())
}

#[test]
fn load_embeds_what_is_enlarged_of_one_size() {
    let folder = Folder::new();
    for at in 0..6 {
        folder.file(&format!("{}/{at}.png", ["a", "b"][at as usize % 2]), rgb_png(12, 9, at));
    }
    let dataset = Dataset::open(folder.path()).unwrap();
    let size = |height, width| Preprocess { size: Some((height, width)), ..Preprocess::default() };
    let embedded = |how: &Preprocess| {
        let loaded = dataset.load(how, &|_| {}).unwrap();
        let found = loaded.samples.embedding().map(Embedding::geometry);
        assert_eq!(found, dataset.embedding(how).unwrap());
        assert!(dataset.load_pixels(how, &|_| {}).unwrap().samples.embedding().is_none());
        (loaded.height, loaded.width, loaded.channels, loaded.samples.dim(), found)
    };
    let found = embedded(&Preprocess::default());
    assert_eq!(found, (224, 224, 3, 12 * 9 * 3, Some(geometry([12, 9], [224, 224], 3, false))));
    let gray = Preprocess { color: Color::Grayscale, scale: Scale::None, antialias: true, ..size(20, 5) };
    assert_eq!(embedded(&gray), (20, 5, 1, 12 * 5, Some(geometry([12, 9], [20, 5], 1, true))));
    assert_eq!(embedded(&Preprocess { size: None, ..gray }), (12, 9, 1, 108, None));
    assert_eq!(embedded(&size(12, 9)), (12, 9, 3, 324, None));
    assert_eq!(embedded(&size(6, 8)), (6, 8, 3, 144, None));
    // One of another size, and none is embedded.
    folder.file("a/other.png", rgb_png(9, 12, 7));
    let mixed = Dataset::open(folder.path()).unwrap();
    assert_eq!(mixed.embedding(&Preprocess::default()).unwrap(), None);
    let loaded = mixed.load(&Preprocess::default(), &|_| {}).unwrap();
    assert_eq!((loaded.samples.embedding(), loaded.samples.dim()), (None, 224 * 224 * 3));
}

/// Of every depth, scaled or not: the distances of the pixels resized in f64, however near.
#[test]
fn loaded_distances_are_those_of_resized_pixels() {
    let (count, pixels) = (8, 11 * 13);
    let bytes = [noise(count * pixels, 1), noise(pixels, 1), noise(pixels, 1)].concat();
    let depths: [(&str, Vec<u8>); 3] = [
        ("|u1", bytes.clone()),
        ("<u2", bytes.iter().flat_map(|v| (u16::from(*v) * 255 + 3).to_le_bytes()).collect()),
        ("<f4", bytes.iter().flat_map(|v| (f32::from(*v) * 0.37).to_le_bytes()).collect()),
    ];
    for (dtype, mut values) in depths {
        // The last but one is the first's twin, and the last differs from it in its last value, by little.
        let last = values.len() - if dtype == "<f4" { 3 } else { 1 };
        values[last] ^= 1;
        let folder = Folder::new();
        folder.file("images.npy", npy(dtype, &[count + 2, 11, 13], &values));
        folder.file("labels.npy", npy("|u1", &[count + 2], &[0, 1, 0, 1, 0, 1, 0, 1, 1, 1]));
        let dataset = Dataset::open(folder.path()).unwrap();
        for scale in [Scale::Max, Scale::None] {
            let how = Preprocess { scale, size: Some((40, 33)), ..Preprocess::default() };
            let (loaded, resized) = both(&dataset, &how);
            let Values::F64(embedded) = loaded.samples.points().unwrap().values() else { panic!("{dtype}") };
            let (dim, resized_dim) = (loaded.samples.dim(), loaded.dim());
            assert_eq!((dim, resized_dim), (pixels, 40 * 33));
            for i in 0..count + 2 {
                for j in 0..i {
                    let squared_between =
                        |all: &[f64], dim| squared(&all[i * dim..][..dim], &all[j * dim..][..dim]);
                    let (got, want) =
                        (squared_between(embedded, dim), squared_between(&resized, resized_dim));
                    assert!(
                        abs_diff_eq!(got, want, epsilon = 1e-8 * want),
                        "{dtype} {scale:?} {i} {j}: {got} {want}"
                    );
                }
            }
            // The pixels come back as they are resized without an embedding.
            let pixels = dataset.load_pixels(&how, &|_| {}).unwrap();
            for i in 0..count {
                let largest = loaded.image(i).into_iter().fold(0.0, f32::max);
                let mut pairs = loaded.image(i).into_iter().zip(pixels.image(i));
                let alike = pairs.all(|(a, b)| abs_diff_eq!(a, b, epsilon = 1e-5 * largest));
                assert!(alike, "{dtype} {scale:?}");
            }
        }
    }
}

fn assert_near(got: f64, want: f64, what: &str) {
    let alike = got == want || (got.is_nan() && want.is_nan());
    assert!(alike || abs_diff_eq!(got, want, epsilon = 1e-6 * want.abs()), "{what}: {got} for {want}");
}

fn assert_same_neighbours(got: &Neighbours, want: &Neighbours, what: &str) {
    for i in 0..want.n() {
        assert_eq!(got.indices(i), want.indices(i), "{what}, sample {i}");
        for (got, want) in got.squared_distances(i).iter().zip(want.squared_distances(i)) {
            assert_near(*got, *want, what);
        }
    }
}

/// Every estimator, its curves, label sharpness, curation, and one set against another.
#[test]
fn whatever_is_made_of_distances_is_the_same() {
    let (cpu, quiet) = (Device::cpu(), &|_| ());
    let dataset = Dataset::generated(100, 16, 3).unwrap();
    let how = Preprocess { size: Some((40, 56)), ..Preprocess::default() };
    let (loaded, resized) = both(&dataset, &how);
    let (points, pixels) = (loaded.samples.points().unwrap(), Points::f64(&resized, loaded.dim()).unwrap());
    let want = neighbours(&cpu, &pixels, 20).unwrap();
    assert_same_neighbours(&neighbours(&cpu, &points, 20).unwrap(), &want, "neighbours");

    let all = Estimator::all();
    let [got, want] = [&points, &pixels].map(|points| intrinsic_dims(&cpu, points, &all, quiet).unwrap());
    for ((got, want), estimator) in got.into_iter().zip(want).zip(&all) {
        let (name, got, want) = (estimator.name(), got.unwrap(), want.unwrap());
        for (got, want) in [(got.value, want.value), (got.low, want.low), (got.high, want.high)] {
            assert_near(got, want, name);
        }
        for (got, want) in got.local.iter().zip(&want.local) {
            assert_near(*got, *want, name);
        }
    }
    let options = CurveOptions::for_samples(200);
    let [got, want] =
        [&points, &pixels].map(|points| dimension_curves(&cpu, points, &all, &options, quiet).unwrap());
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(&want) {
        for (got, want) in got.points.iter().zip(&want.points) {
            assert_near(got.value, want.value, "curve");
        }
    }
    let [got, want] = [&points, &pixels]
        .map(|points| label_sharpness(&cpu, points, &loaded.labels, Protocol::AllPairs, 9, quiet).unwrap());
    assert_near(got.max, want.max, "K_F");
    assert_near(got.mean, want.mean, "mean");
    let pairs = |found: &sharpdim::measure::LabelSharpness| -> Vec<[usize; 2]> {
        found.sharpest.iter().map(|sharp| sharp.pair).collect()
    };
    assert_eq!(pairs(&got), pairs(&want));
    let [got, want] = [&points, &pixels]
        .map(|points| curate(&cpu, points, &loaded.labels, &CurationOptions::default(), quiet).unwrap());
    assert_near(got.near_radius, want.near_radius, "near radius");
    assert_eq!(got.left_out, want.left_out);

    let other = Dataset::generated(40, 16, 4).unwrap();
    let (others, other_pixels) = both(&other, &how);
    let (others, other_pixels) =
        (others.samples.points().unwrap(), Points::f64(&other_pixels, loaded.dim()).unwrap());
    let want = neighbours_between(&cpu, &other_pixels, &pixels, 5, quiet).unwrap();
    assert_same_neighbours(&neighbours_between(&cpu, &others, &points, 5, quiet).unwrap(), &want, "between");
    let mle = Estimator::all()[0];
    let [got, want] = [(&others, &points), (&other_pixels, &pixels)]
        .map(|(queries, reference)| cross_dim(&cpu, queries, reference, &mle).unwrap());
    assert_near(got.value, want.value, "cross dimension");
    let labels: Vec<u32> = (0..80).map(|i| i % 2).collect();
    let [got, want] = [(&points, &others), (&pixels, &other_pixels)]
        .map(|(a, b)| cross_sharpness(&cpu, a, &loaded.labels, b, &labels, 4, quiet).unwrap());
    assert_near(got.max, want.max, "cross sharpness");
}

/// Real images, as in the paper, against all pairs of images resized in f64.
fn check_real(name: &str, classes: [&str; 2], per_class: usize) {
    let Some(packs) = std::env::var_os("SHARPDIM_DATA").map(PathBuf::from) else {
        println!("SHARPDIM_DATA is not set: {name} is not read");
        return;
    };
    let chosen = Some(classes.map(str::to_owned).to_vec());
    let selection = Selection { classes: chosen, per_class: Some(per_class), seed: 0 };
    let dataset = Dataset::open(&packs.join(name)).unwrap().select(&selection).unwrap();
    let (loaded, resized) = both(&dataset, &Preprocess::default());
    let (n, dim) = (2 * per_class, loaded.dim());
    let row = |i: usize| &resized[i * dim..][..dim];
    let all: Vec<Vec<f64>> =
        (0..n).into_par_iter().map(|i| (0..n).map(|j| squared(row(i), row(j))).collect()).collect();
    let points = loaded.samples.points().unwrap();
    let found = neighbours(&Device::cpu(), &points, 20).unwrap();
    for (i, from) in all.iter().enumerate() {
        let mut order: Vec<usize> = (0..n).filter(|j| *j != i).collect();
        order.sort_by(|a, b| from[*a].total_cmp(&from[*b]));
        for (at, want) in order[..20].iter().enumerate() {
            assert_eq!(found.indices(i)[at] as usize, *want, "{name}, sample {i}");
            assert_near(found.squared_distances(i)[at], from[*want], name);
        }
    }
    let sharp =
        label_sharpness(&Device::cpu(), &points, &loaded.labels, Protocol::AllPairs, 1, &|_| ()).unwrap();
    let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
    let differing = pairs.filter(|(i, j)| loaded.labels[*i] != loaded.labels[*j]).map(|(i, j)| all[i][j]);
    assert_near(sharp.max, 1.0 / differing.fold(f64::INFINITY, f64::min).sqrt(), name);
}

#[test]
fn mnist_at_224_pixels() {
    check_real("mnist", ["3", "8"], 150);
}

#[test]
fn cifar_at_224_pixels() {
    check_real("cifar10", ["cat", "dog"], 80);
}

/// As many numbers of another meaning: no distances between them.
#[test]
fn embeddings_of_two_kinds_are_not_compared() {
    let load = |size: usize, to: (usize, usize), antialias: bool| {
        let how = Preprocess { size: Some(to), antialias, ..Preprocess::default() };
        Dataset::generated(4, size, 1).unwrap().load(&how, &|_| {}).unwrap()
    };
    let one = load(16, (32, 32), false);
    let (points, cpu) = (one.samples.points().unwrap(), Device::cpu());
    let refused = |other: &Points<'_>| {
        let labels = &one.labels;
        let errors = [
            neighbours_between(&cpu, &points, other, 1, &|_| ()).unwrap_err(),
            neighbours_between(&cpu, other, &points, 1, &|_| ()).unwrap_err(),
            cross_dim(&cpu, other, &points, &Estimator::all()[0]).unwrap_err(),
            cross_sharpness(&cpu, &points, labels, other, labels, 1, &|_| ()).unwrap_err(),
        ];
        for error in errors {
            let said = error.to_string();
            assert!(matches!(error, Error::Argument(_)), "{said}");
            assert!(said.contains("16 x 16 gray pixels resized to 32 x 32, bilinear"), "{said}");
        }
    };
    for other in [load(16, (40, 32), false), load(16, (32, 32), true), load(12, (32, 32), false)] {
        refused(&other.samples.points().unwrap());
    }
    // The numbers of an embedding, as samples of their own.
    let Values::F64(values) = points.values() else { panic!("no embedding") };
    refused(&Points::f64(values, 256).unwrap());
    let pixels = Dataset::generated(4, 16, 1).unwrap();
    let pixels =
        pixels.load_pixels(&Preprocess { size: Some((32, 32)), ..Preprocess::default() }, &|_| {}).unwrap();
    refused(&pixels.samples.points().unwrap());
    // Of one kind they are.
    let again = load(16, (32, 32), false);
    assert!(neighbours_between(&cpu, &points, &again.samples.points().unwrap(), 1, &|_| ()).is_ok());
}

/// The cache holds images that are embedded as it holds those that keep their size.
#[test]
fn the_cache_holds_the_images_own_pixels() {
    let (folder, cache) = (Folder::new(), Folder::new());
    for at in 0..6 {
        folder.file(&format!("{}/{at}.png", ["a", "b"][at as usize % 2]), png(12, 9, at));
    }
    let dataset = Dataset::open(folder.path()).unwrap();
    let plain = dataset.load(&Preprocess::default(), &|_| {}).unwrap();
    let cached = dataset.with_cache(Cache::at(cache.path()));
    cached.load(&Preprocess { size: None, ..Preprocess::default() }, &|_| {}).unwrap();
    let loaded = cached.load(&Preprocess::default(), &|_| {}).unwrap();
    assert_eq!((loaded.from_cache, Cache::at(cache.path()).size().unwrap().images), (6, 6));
    assert!(loaded.samples == plain.samples);
    // Of 108 pixels, and what an entry begins and ends with.
    assert_eq!(Cache::at(cache.path()).size().unwrap().bytes, 6 * (16 + 108 + 32));
    let pixels = cached.load_pixels(&Preprocess::default(), &|_| {}).unwrap();
    assert_eq!((pixels.from_cache, Cache::at(cache.path()).size().unwrap().images), (0, 12));
}
