//! The real packs, where `SHARPDIM_DATA` says they are: each opens, with the classes and counts that its
//! README states, and every image of it loads.

use super::make::*;
use sharpdim::data::{Dataset, OpenOptions, Preprocess, Selection, Split};
use std::path::PathBuf;

/// The folder with the packs, or a line that says what the test lacked.
fn packs() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("SHARPDIM_DATA") else {
        println!("SHARPDIM_DATA is not set: the real packs are not read");
        return None;
    };
    Some(folder.into())
}

/// Classes and their counts, as the README has them.
const FOLDERS: [(&str, &[(&str, usize)]); 8] = [
    ("brain_mri", &[("glioma_tumor", 210), ("no_tumor", 210)]),
    ("breast_ultrasound", &[("benign", 160), ("malignant", 160)]),
    ("head_ct", &[("hemorrhage", 100), ("normal", 99)]),
    ("chest_xray_adult", &[("No_findings", 250), ("Pneumonia", 250)]),
    ("chest_xray_pediatric", &[("NORMAL", 300), ("PNEUMONIA", 300)]),
    ("knee_oa", &[("negative_KL01", 200), ("positive_KL234", 200)]),
    (
        "medical_mnist",
        &[("AbdomenCT", 60), ("BreastMRI", 60), ("CXR", 60), ("ChestCT", 60), ("Hand", 60), ("HeadCT", 60)],
    ),
    (
        "tiny_imagenet",
        &[
            ("n01443537_goldfish", 100),
            ("n02099601_golden_retriever", 100),
            ("n02123394_Persian_cat", 100),
            ("n02509815_lesser_panda", 100),
            ("n02814533_beach_wagon", 100),
            ("n04146614_school_bus", 100),
            ("n07749582_lemon", 100),
            ("n07873807_pizza", 100),
            ("n09193705_alp", 100),
            ("n09428293_seashore", 100),
        ],
    ),
];

#[test]
fn every_image_folder() {
    let Some(packs) = packs() else { return };
    for (name, classes) in FOLDERS {
        let dataset = Dataset::open(&packs.join(name)).unwrap();
        let found: Vec<(&str, usize)> =
            dataset.class_names().iter().map(String::as_str).zip(dataset.class_counts()).collect();
        assert_eq!(found, classes, "{name}");
        assert!(dataset.notes().is_empty(), "{name}: {:?}", dataset.notes());
        let how = Preprocess { size: Some((32, 32)), ..Preprocess::default() };
        let loaded = dataset.load(&how, &|_| {}).unwrap();
        assert_eq!(loaded.samples.n(), dataset.len(), "{name}");
        let is_tiny = name == "tiny_imagenet";
        assert_eq!(loaded.channels, if is_tiny { 3 } else { 1 }, "{name}");
        if is_tiny {
            assert!(loaded.notes[0].starts_with("10 of 1000 images are gray"), "{:?}", loaded.notes)
        } else {
            assert!(loaded.notes.is_empty(), "{name}: {:?}", loaded.notes)
        }
    }
}

#[test]
fn mnist() {
    let Some(packs) = packs() else { return };
    let train = Dataset::open(&packs.join("mnist")).unwrap();
    let digits: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    assert_eq!((train.len(), train.class_names()), (60_000, &digits[..]));
    // The counts of the official training set.
    assert_eq!(train.class_counts(), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    let test = Dataset::open_with(&packs.join("mnist"), &OpenOptions { split: Split::Test }).unwrap();
    assert_eq!(test.class_counts(), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);

    let classes = Some(vec!["3".into(), "8".into()]);
    let drawn = train.select(&Selection { classes, per_class: Some(50), seed: 0 }).unwrap();
    let loaded = drawn.load(&Preprocess { size: None, ..Preprocess::default() }, &|_| {}).unwrap();
    assert_eq!((loaded.samples.n(), loaded.samples.dim()), (100, 784));
    assert!(is_u8(&loaded));
    assert!(values(&loaded).chunks_exact(784).all(|image| image.contains(&255.0)));
}

#[test]
fn cifar10() {
    let Some(packs) = packs() else { return };
    for (path, split) in [
        ("cifar10", Split::Train),
        ("cifar10", Split::Test),
        ("cifar10/cifar-10-batches-bin", Split::Train),
        ("cifar10/cifar-10-batches-bin/test_batch.bin.gz", Split::Train),
    ] {
        let dataset = Dataset::open_with(&packs.join(path), &OpenOptions { split }).unwrap();
        assert_eq!(dataset.class_counts(), [1000; 10], "{path}");
        assert_eq!(dataset.class_names()[3], "cat");
    }
}
