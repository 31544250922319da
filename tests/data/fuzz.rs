//! Random and damaged files: whatever is in them, opening and loading answer; they never panic.

use super::make::*;
use image::ImageFormat;
use proptest::collection::vec;
use proptest::prelude::*;
use sharpdim::data::{Dataset, OnBad, Preprocess};

/// Opens what is there and loads it, small, if it can be opened.
fn survives(path: &std::path::Path) {
    if let Ok(dataset) = Dataset::open(path) {
        assert_eq!(dataset.labels().len(), dataset.len());
        let how = Preprocess { size: Some((4, 4)), on_bad: OnBad::Skip, ..Preprocess::default() };
        if let Ok(loaded) = dataset.load(&how, &|_| {}) {
            assert_eq!(loaded.labels.len(), loaded.samples.n());
            loaded.samples.points().unwrap();
        }
    }
}

/// A file with some of its first `head` bytes changed, and cut or lengthened.
fn damage(
    mut file: Vec<u8>,
    head: usize,
    changes: &[(prop::sample::Index, u8)],
    cut: &Option<prop::sample::Index>,
) -> Vec<u8> {
    for (at, value) in changes {
        let at = at.index(head.min(file.len()));
        file[at] = *value;
    }
    match cut {
        Some(cut) => file.truncate(cut.index(file.len())),
        None => file.extend_from_slice(&[0; 3]),
    }
    file
}

fn whole_files() -> [(&'static str, Vec<u8>); 17] {
    let rgb = image::RgbImage::from_raw(12, 12, noise(432, 1)).unwrap();
    let images = npy("<f4", &[2, 2, 2], &noise(32, 2));
    let labels = npy("<i4", &[2], &noise(8, 3));
    [
        ("train-images-idx3-ubyte", idx_images(2, 2, 2, &noise(8, 4))),
        ("train-images-idx3-ubyte.gz", gz(&idx_images(2, 2, 2, &noise(8, 4)))),
        ("train-labels-idx1-ubyte", idx_labels(&[1, 2])),
        ("data_batch_1.bin", cifar(&[1, 2])),
        ("test_batch.bin.gz", gz(&cifar(&[1]))),
        ("images.npy", images.clone()),
        ("labels.npy", labels.clone()),
        ("set.npz", npz(&[("images", &images), ("labels", &labels)])),
        ("a/1.png", rgb_png(12, 12, 5)),
        ("a/1.jpg", encoded(rgb.clone(), ImageFormat::Jpeg)),
        ("a/1.tif", encoded(rgb.clone(), ImageFormat::Tiff)),
        ("a/1.bmp", encoded(rgb.clone(), ImageFormat::Bmp)),
        ("a/2.bmp", encoded(image::GrayImage::from_pixel(3, 2, image::Luma([7])), ImageFormat::Bmp)),
        ("a/1.webp", encoded(rgb, ImageFormat::WebP)),
        ("features.npy", npy("<f2", &[2, 3], &noise(12, 6))),
        (
            "gray.safetensors",
            tensors(&[("images", "U8", &[2, 2, 2], &[1; 8]), ("labels", "I16", &[2], &[0; 4])]),
        ),
        ("x.safetensors", tensors(&[("x", "BF16", &[2, 3], &noise(12, 7)), ("ids", "U8", &[2], &[1; 2])])),
    ]
}

fn partner(folder: &Folder, name: &str) {
    match name {
        name if name.starts_with("train-images") => {
            folder.file("train-labels-idx1-ubyte", idx_labels(&[1, 2]));
        }
        "train-labels-idx1-ubyte" => {
            folder.file("train-images-idx3-ubyte", idx_images(2, 2, 2, &noise(8, 4)));
        }
        "images.npy" => {
            folder.file("labels.npy", npy("<i4", &[2], &noise(8, 3)));
        }
        "labels.npy" => {
            folder.file("images.npy", npy("<f4", &[2, 2, 2], &noise(32, 2)));
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn damaged_files_do_not_panic(
        which in 0usize..17,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<Option<prop::sample::Index>>(),
        head in prop::sample::select(vec![16usize, 80, 100_000]),
    ) {
        let (name, file) = whole_files()[which].clone();
        let damaged = damage(file, head, &changes, &cut);
        let folder = Folder::new();
        partner(&folder, name);
        let path = folder.file(name, damaged);
        survives(folder.path());
        survives(&path);
    }

    #[test]
    fn random_bytes_do_not_panic(which in 0usize..17, start in 0usize..60, random in vec(any::<u8>(), 0..400)) {
        let (name, file) = whole_files()[which].clone();
        let folder = Folder::new();
        partner(&folder, name);
        let start = start.min(file.len());
        let path = folder.file(name, [&file[..start], &random].concat());
        survives(folder.path());
        survives(&path);
    }

    #[test]
    fn any_tensors_do_not_panic(
        entries in vec((
            prop::sample::select(vec!["images", "features", "labels", "x", "__metadata__"]),
            prop::sample::select(vec!["U8", "BOOL", "F4", "BF16", "F16", "F32", "F64", "I64", "U64", "Q7"]),
            vec(prop::sample::select(vec![0u64, 1, 2, 3, 1 << 32, u64::MAX]), 0..5),
            prop::sample::select(vec![0u64, 2, 4, 8, 16, u64::MAX]),
            prop::sample::select(vec![0u64, 2, 4, 8, 16, u64::MAX]),
        ), 0..4),
        values in vec(any::<u8>(), 0..40),
    ) {
        let entry = |(name, dtype, shape, start, end): &(&str, &str, Vec<u64>, u64, u64)| {
            format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#)
        };
        let entries: Vec<String> = entries.iter().map(entry).collect();
        let folder = Folder::new();
        folder.file("x.safetensors", tensors_with(&format!("{{{}}}", entries.join(",")), &values));
        survives(folder.path());
    }

    /// What is written comes back, with the class of each row.
    #[test]
    fn any_matrix_round_trips(rows in 1usize..6, dim in 1usize..6, seed: u32, first: bool) {
        let bytes = noise(rows * dim * 2, seed);
        let labels = noise(rows, seed ^ 1);
        let matrix = ("features", "U16", &[rows, dim][..], &bytes[..]);
        let classes = ("labels", "U8", &[rows][..], &labels[..]);
        let folder = Folder::new();
        let order = if first { [matrix, classes] } else { [classes, matrix] };
        folder.file("x.safetensors", tensors(&order));
        let loaded = load(folder.path(), &Preprocess::default()).unwrap();
        let expected: Vec<f32> =
            bytes.as_chunks().0.iter().map(|v| f32::from(u16::from_le_bytes(*v))).collect();
        prop_assert_eq!(values(&loaded), expected);
        for (label, written) in loaded.labels.iter().zip(&labels) {
            prop_assert_eq!(&loaded.class_names[*label as usize], &written.to_string());
        }
    }

    #[test]
    fn any_npy_header_does_not_panic(text in r"[{}()\[\]'a-z<>|,: 0-9_TrueFals.+-]{0,120}", known: bool, values in vec(any::<u8>(), 0..64)) {
        let folder = Folder::new();
        let text = if known { format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {text}}}") } else { text };
        folder.file("images.npy", npy_with(&text, &values));
        folder.file("labels.npy", npy("|u1", &[1], &[0]));
        survives(folder.path());
    }
}
