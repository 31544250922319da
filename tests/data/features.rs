//! Feature matrices: where their labels are, what images' preprocessing does not do to them, and values that
//! cannot be measured.

use super::make::*;
use sharpdim::data::{Color, Dataset, OnBad, OpenOptions, Preprocess, Selection, Split};

const TEST: OpenOptions = OpenOptions { split: Split::Test };

fn matrix(values: &[f32], dim: usize) -> Vec<u8> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    npy("<f4", &[values.len() / dim, dim], &bytes)
}

#[test]
fn labels_are_beside_or_all_is_one_class() {
    let rows = matrix(&[1.0, -2.0, 0.5, 1e30, 5.0, 6.0], 2);
    let folder = Folder::new();
    let features = folder.file("features.npy", &rows);
    let other = folder.file("embedding.npy", &rows);
    for path in [folder.path(), &features, &other] {
        let dataset = Dataset::open(path).unwrap();
        assert_eq!((dataset.format(), dataset.len(), dataset.is_labelled()), ("NPY", 3, false));
        assert_eq!((dataset.class_names(), dataset.labels()), (&["all".to_owned()][..], &[0, 0, 0][..]));
        assert!(
            dataset.notes()[0].contains("has no labels: all its 3 rows of features are of one class, all")
        );
    }
    assert_says(Dataset::open_with(folder.path(), &TEST), &["one part only"]);

    folder.file("labels.npy", npy("|u1", &[3], &[4, 1, 4]));
    for path in [folder.path(), &features, &other] {
        let dataset = Dataset::open(path).unwrap();
        assert_eq!(
            (dataset.class_names(), dataset.labels()),
            (&["1".into(), "4".into()][..], &[1, 0, 1][..])
        );
        assert!(dataset.is_labelled() && dataset.notes().is_empty());
        let few = dataset.select(&Selection { classes: Some(vec!["1".into()]), ..Selection::default() });
        let loaded = few.unwrap().load(&raw(), &|_| {}).unwrap();
        assert_eq!((values(&loaded), loaded.names), (vec![0.5, 1e30], vec![dataset.name(1)]));
    }
    folder.file("test_features.npy", &rows);
    folder.file("test_labels.npy", npy("|u1", &[3], &[7; 3]));
    assert_eq!(Dataset::open(&folder.path().join("test_features.npy")).unwrap().class_names(), ["7"]);

    folder.file("labels.npy", npy("|u1", &[2], &[4, 1]));
    assert_says(Dataset::open(&features), &["labels.npy: ", "2 labels", "3 rows of features"]);
    assert_says(Dataset::open(&folder.file("labels.npy", &rows)), &["labels.npy: ", "name"]);
    folder.file("images.npy", &rows);
    assert_says(Dataset::open(folder.path()), &["images.npy and features.npy", "open one"]);
}

#[test]
fn two_dimensions_are_features_whatever_the_name() {
    let folder = Folder::new();
    folder.file("images.npy", npy("|u1", &[2, 3], &[1, 2, 3, 4, 5, 200]));
    let loaded = load(folder.path(), &Preprocess::default()).unwrap();
    assert!(loaded.features && is_u8(&loaded));
    assert_eq!(values(&loaded), [1.0, 2.0, 3.0, 4.0, 5.0, 200.0]);
}

#[test]
fn archives_of_features() {
    let (rows, labels) = (matrix(&[1.0, 2.0, 3.0, 4.0], 2), npy("|u1", &[2], &[8, 9]));
    let folder = Folder::new();
    let open = |arrays: &[(&str, &[u8])]| Dataset::open(&folder.file("a.npz", npz(arrays)));
    assert_eq!(open(&[("features", &rows), ("labels", &labels)]).unwrap().class_names(), ["8", "9"]);
    assert_eq!(open(&[("arr_0", &rows)]).unwrap().class_names(), ["all"]);
    assert_eq!(open(&[("x", &rows), ("labels", &labels)]).unwrap().class_names(), ["8", "9"]);
    assert_says(open(&[("x", &rows), ("y", &labels)]), &["no array images or features", "x, y"]);
    let parts = npz(&[("train_features", &rows), ("test_features", &rows), ("test_labels", &labels)]);
    let path = folder.file("a.npz", parts);
    assert!(!Dataset::open(&path).unwrap().is_labelled());
    assert_eq!(Dataset::open_with(&path, &TEST).unwrap().class_names(), ["8", "9"]);
}

#[test]
fn images_preprocessing_is_not_for_features() {
    let folder = Folder::new();
    folder.file("features.npy", matrix(&[-1.0, 2.0, 3.0, 4.0, 5.0, 1e9], 3));
    let how = Preprocess { size: Some((0, 5)), color: Color::Rgb, antialias: true, ..Preprocess::default() };
    let loaded = load(folder.path(), &how).unwrap();
    assert_eq!(values(&loaded), [-1.0, 2.0, 3.0, 4.0, 5.0, 1e9]);
    assert_eq!((loaded.height, loaded.width, loaded.channels), (1, 3, 1));
}

#[test]
fn values_that_are_not_finite_are_named() {
    let folder = Folder::new();
    let says = |dtype: &str, bytes: &[u8], size: usize, words: &[&str]| {
        let mut rows = vec![0; 6 * size];
        rows[5 * size..].copy_from_slice(bytes);
        folder.file("features.npy", npy(dtype, &[2, 3], &rows));
        assert_says(load(folder.path(), &raw()), &[&["features.npy", "row 1, column 2"], words].concat());
        let skipping = Preprocess { on_bad: OnBad::Skip, ..raw() };
        let loaded = load(folder.path(), &skipping).unwrap();
        assert_eq!((loaded.index, &loaded.skipped[0].0[..]), (vec![0], "features.npy#1"));
    };
    says("<f4", &f32::NAN.to_le_bytes(), 4, &["value NaN", "must be finite"]);
    says(">f4", &f32::NEG_INFINITY.to_be_bytes(), 4, &["value -inf", "must be finite"]);
    says("<f2", &[0, 0x7c], 2, &["value inf", "must be finite"]);
    says("<f8", &f64::NAN.to_le_bytes(), 8, &["value NaN", "must be finite"]);
    says("<f8", &1e39f64.to_le_bytes(), 8, &["value 1e39", "more than a 32-bit float can hold"]);
    says(">f8", &(-1e300f64).to_be_bytes(), 8, &["value -1e300", "more than a 32-bit float can hold"]);
}

#[test]
fn float64_images_that_float32_cannot_hold() {
    let folder = Folder::new();
    let mut pixels = [1.0f64; 12];
    pixels[11] = 1e200;
    folder.file("images.npy", npy("<f8", &[2, 2, 3], &pixels.map(f64::to_le_bytes).concat()));
    folder.file("labels.npy", npy("|u1", &[2], &[0, 1]));
    let words = ["images.npy#1", "value 1e200 at row 1, column 2", "more than a 32-bit float can hold"];
    assert_says(load(folder.path(), &Preprocess::default()), &words);
}

#[test]
fn matrices_that_are_wrong() {
    let folder = Folder::new();
    let says = |file: &[u8], words: &[&str]| {
        folder.file("features.npy", file);
        assert_says(Dataset::open(folder.path()), &[&["features.npy: "], words].concat());
    };
    says(&npy("<f4", &[0, 3], &[]), &["holds no features", "(0, 3)"]);
    says(&npy("<f4", &[3, 0], &[]), &["holds no features", "(3, 0)"]);
    says(&npy("<i4", &[1, 2], &[0; 8]), &["values are '<i4'", "features are uint8"]);
    says(&npy("<c8", &[1, 2], &[0; 16]), &["values are '<c8'"]);
    says(&npy("<f4", &[3, 2], &[0; 23]), &["(3, 2)", "24 bytes, but 23 follow"]);
    let fortran = "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2)}";
    says(&npy_with(fortran, &[0; 8]), &["Fortran order", "ascontiguousarray(features)"]);
}
