//! Splitting archives whose patients are known: none is in both parts, whatever the seed; numbers are exact.

use super::make::*;
use super::named::{names, open};
use proptest::prelude::*;
use sharpdim::data::{Dataset, Named, Preprocess};
use std::collections::HashSet;
use std::sync::OnceLock;

/// A MURA of patients with so many negative and positive images. No image is decoded, so files are empty.
fn mura(patients: &[(usize, usize)]) -> (Folder, Dataset) {
    let folder = Folder::new();
    let mut rows = String::new();
    for (patient, (negative, positive)) in patients.iter().enumerate() {
        for (class, count) in [("negative", *negative), ("positive", *positive)] {
            for image in 0..count {
                let path = format!("train/XR_HAND/patient{patient:05}/study1_{class}/image{image}.png");
                folder.file(&format!("MURA-v1.1/{path}"), "");
                rows += &format!("MURA-v1.1/{path}\n");
            }
        }
    }
    folder.file("MURA-v1.1/train_image_paths.csv", rows);
    let dataset = open(Named::Mura, folder.path()).unwrap();
    (folder, dataset)
}

fn patients(dataset: &Dataset) -> HashSet<String> {
    (0..dataset.len()).map(|at| dataset.origin(at).unwrap().unwrap().patient).collect()
}

#[track_caller]
pub fn assert_apart(train: &Dataset, test: &Dataset) {
    let (of_train, of_test) = (patients(train), patients(test));
    assert!(of_train.is_disjoint(&of_test), "{:?} are in both", of_train.intersection(&of_test));
}

/// Eighty patients of 1 to 12 images, some of one class only.
fn many() -> &'static Dataset {
    static MANY: OnceLock<Dataset> = OnceLock::new();
    MANY.get_or_init(|| {
        let some = noise(160, 5);
        let patients: Vec<(usize, usize)> =
            some.as_chunks().0.iter().map(|[a, b]| (usize::from(a % 7), usize::from(b % 6))).collect();
        // Images are never read: their folder need not stay.
        mura(&patients).1
    })
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn no_patient_is_in_both_parts(seed: u64, train in 1usize..80, test in 1usize..60) {
        let (first, second) = many().split(train, test, seed).unwrap();
        assert_apart(&first, &second);
        for (part, size) in [(&first, train), (&second, test)] {
            prop_assert_eq!(part.class_counts(), vec![size.div_ceil(2), size / 2]);
            let all = names(part);
            prop_assert_eq!(all.iter().collect::<HashSet<_>>().len(), size);
            let labels: Vec<u32> = all.iter().map(|name| u32::from(name.contains("positive"))).collect();
            prop_assert_eq!(part.labels(), &labels[..]);
        }
        let (again, test_again) = many().split(train, test, seed).unwrap();
        prop_assert_eq!((names(&again), names(&test_again)), (names(&first), names(&second)));
    }
}

#[test]
fn another_seed_is_another_split() {
    let of_seed = |seed| names(&many().split(20, 20, seed).unwrap().1);
    let all: HashSet<Vec<String>> = (0..20).map(of_seed).collect();
    assert_eq!(all.len(), 20);
}

/// Both parts have patients in proportion to their images, and not few that fill them.
#[test]
fn parts_have_their_share_of_patients() {
    for seed in 0..20 {
        let (train, test) = many().split(60, 30, seed).unwrap();
        let (of_train, of_test) = (patients(&train).len(), patients(&test).len());
        assert!(of_train >= 10 && of_test >= 5, "{of_train} and {of_test} patients");
    }
}

#[test]
fn too_few_patients() {
    let (_folder, one) = mura(&[(9, 9)]);
    assert_says(
        one.split(4, 4, 0),
        &["without patients of the other part", "1 patients in all", "take fewer images"],
    );
    // Images enough, but those of each class are one patient's.
    let (_folder, two) = mura(&[(9, 0), (0, 9)]);
    for seed in 0..10 {
        assert_says(two.split(4, 4, seed), &["class \"", "are missing", "2 patients in all"]);
    }
    assert_says(two.split(0, 4, 0), &["0 images to train on"]);
    assert_says(two.split(4, 0, 0), &["0 images to test on"]);
    let (_folder, few) = mura(&[(1, 1), (1, 1), (1, 1), (1, 1)]);
    assert_says(few.split(8, 8, 0), &["are missing"]);
    for seed in 0..50 {
        let (train, test) = few.split(4, 4, seed).unwrap();
        assert_apart(&train, &test);
    }
}

/// By images, patients count for nothing: it is the split of a dataset that does not know them.
#[test]
fn by_images_it_is_the_split_of_unknown_patients() {
    let folder = Folder::new();
    for at in 0..40 {
        folder.file(&format!("{}/90000{:02}_{at}.png", at % 2, at % 5), "");
    }
    let named = open(Named::Oai, folder.path()).unwrap();
    let unknown = Dataset::open(folder.path()).unwrap();
    assert!(named.has_origins() && !unknown.has_origins());
    for seed in 0..5 {
        let (train, test) = named.split_images(11, 6, seed).unwrap();
        let (train_unknown, test_unknown) = unknown.split(11, 6, seed).unwrap();
        assert_eq!((names(&train), names(&test)), (names(&train_unknown), names(&test_unknown)));
        assert_eq!((train.class_counts(), test.class_counts()), (vec![6, 5], vec![3, 3]));
        let (train, _) = named.split(11, 6, seed).unwrap();
        assert_ne!(names(&train), names(&train_unknown));
    }
}

/// A selection keeps what it knows of patients.
#[test]
fn a_split_of_a_selection() {
    let selection = sharpdim::data::Selection { per_class: Some(60), ..Default::default() };
    let half = many().select(&selection).unwrap();
    let (train, test) = half.split(20, 20, 3).unwrap();
    assert_apart(&train, &test);
    assert!(train.left_out().is_empty());
}

/// A file of RSNA's whose patient's name is blank: nobody's, rather than of one patient with all that are.
#[test]
fn images_that_name_no_patient() {
    let (folder, from) = (tempfile::tempdir().unwrap(), super::named::path("rsna"));
    std::fs::create_dir(folder.path().join("stage_2_train")).unwrap();
    std::fs::copy(from.join("stage_2_train.csv"), folder.path().join("stage_2_train.csv")).unwrap();
    for entry in std::fs::read_dir(from.join("stage_2_train")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        // The element (0010,0020), LO, and its length.
        if let Some(at) = bytes.windows(6).position(|window| window == b"\x10\0\x20\0LO") {
            let len = usize::from(u16::from_le_bytes([bytes[at + 6], bytes[at + 7]]));
            bytes[at + 8..at + 8 + len].fill(b' ');
        }
        std::fs::write(folder.path().join("stage_2_train").join(path.file_name().unwrap()), bytes).unwrap();
    }
    let dataset = open(Named::Rsna, folder.path()).unwrap();
    assert_eq!(dataset.origin(0).unwrap(), None);
    let error = dataset.split(1, 1, 0).unwrap_err().to_string();
    assert!(error.contains("no known patient") && error.contains("stage_2_train/ID_"), "{error}");
    assert!(dataset.split_images(1, 1, 0).is_ok());
    let how = Preprocess { size: Some((8, 8)), ..Preprocess::default() };
    let mut patients = dataset.load(&how, &|_| {}).unwrap().patients.unwrap();
    let all = patients.len();
    patients.sort_unstable();
    patients.dedup();
    assert_eq!(patients.len(), all);
}
