//! The files that datasets' owners hand out, as other people's writers made them: every value comes back.
//! `tests/vectors/native.py` makes them, and writes down in `expected.npz` what their own readers give.

use super::make::*;
use crate::npz::Npz;
use sharpdim::data::{Dataset, Loaded, OnBad, OpenOptions, Preprocess, Scale, Split};
use std::fs;
use std::path::PathBuf;

const TEST: OpenOptions = OpenOptions { split: Split::Test };

pub fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/vectors/native", name].iter().collect()
}

pub fn file(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

/// What the owners' readers give of a file, and its shape.
fn expected(name: &str) -> (Vec<f32>, Vec<usize>) {
    let array = Npz::open(path("expected.npz")).array(name);
    let array = array.unwrap_or_else(|| panic!("{name} is not expected"));
    let shape = array.shape.clone();
    let values = match array.dtype.as_str() {
        "|u1" => array.values::<u8>().into_iter().map(f32::from).collect(),
        "<u2" => array.values::<u16>().into_iter().map(f32::from).collect(),
        "<i2" => array.values::<i16>().into_iter().map(f32::from).collect(),
        other => panic!("{name} is of {other}"),
    };
    (values, shape)
}

/// A folder of one class with one file in it.
fn folder_of(name: &str) -> Folder {
    let folder = Folder::new();
    folder.file(&format!("class/{name}"), file(name));
    folder
}

fn load_one(name: &str, how: &Preprocess) -> Loaded {
    load(folder_of(name).path(), how).unwrap_or_else(|error| panic!("{error}"))
}

fn names(kind: impl Fn(&str) -> bool) -> Vec<String> {
    let names =
        fs::read_dir(path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| kind(name)).collect();
    names.sort();
    names
}

fn scaled() -> Preprocess {
    Preprocess { size: None, ..Preprocess::default() }
}

/// Those that hold exactly what was put in, and are not rescaled or inverted.
fn plain_dicoms() -> Vec<String> {
    let others = ["jpeg_", "mono1", "ct.", "half."];
    names(|name| name.ends_with(".dcm") && !others.iter().any(|other| name.starts_with(other)))
}

#[test]
fn dicom_values_are_pydicoms() {
    let files = plain_dicoms();
    assert_eq!(files.len(), 44);
    for name in files {
        let (expected, shape) = expected(&name);
        let loaded = load_one(&name, &raw());
        // Of several frames the first.
        let frames = if name.contains("frames") { shape[0] } else { 1 };
        assert_eq!(values(&loaded), expected[..expected.len() / frames], "{name}");
        let [.., height, width] = *shape.strip_suffix(&[3]).unwrap_or(&shape) else { panic!("{shape:?}") };
        let channels = if shape.ends_with(&[3]) { 3 } else { 1 };
        assert_eq!((loaded.height, loaded.width, loaded.channels), (height, width, channels), "{name}");
        assert_eq!(
            loaded.notes.iter().any(|note| note.contains("more than one image")),
            frames > 1,
            "{name}"
        );
        let eight = ["u8", "rgb", "rct", "planes", "ybr", "palette_8", "frames", "jpeg2000.dcm"]
            .iter()
            .any(|kind| name.contains(kind));
        assert_eq!(is_u8(&loaded), eight, "{name}");
    }
}

/// pydicom has Pillow decode these, colours included.
#[test]
fn dicom_jpeg_is_libjpegs() {
    let files = names(|name| name.starts_with("jpeg_"));
    assert_eq!(files.len(), 6);
    for name in files {
        let loaded = load_one(&name, &raw());
        let len = loaded.height * loaded.width * loaded.channels;
        // Of several frames the first.
        assert_eq!(values(&loaded), expected(&name).0[..len], "{name}");
    }
}

/// `slice * 255 / max(slice)`, truncated, as the published protocol does; negative ones count as 0.
fn by_max(values: &[f32]) -> Vec<f32> {
    let most = values.iter().fold(0.0f64, |most, value| most.max((*value).into()));
    values.iter().map(|value| (f64::from(value.max(0.0)) * 255.0 / most).floor() as f32).collect()
}

#[test]
fn dicom_scaled_by_the_maximum_is_of_stored_values() {
    for name in ["u16.dcm", "i16.dcm", "i12.dcm", "ct.dcm", "half.dcm", "lossless_i16.dcm", "rgb.dcm"] {
        let loaded = load_one(name, &scaled());
        assert_eq!(values(&loaded), by_max(&expected(name).0), "{name}");
        assert!(is_u8(&loaded));
    }
    for name in ["mono1_u8.dcm", "mono1_u12.dcm"] {
        let inverted: Vec<f32> = by_max(&expected(name).0).iter().map(|value| 255.0 - value).collect();
        assert_eq!(values(&load_one(name, &scaled())), inverted, "{name}");
    }
}

#[test]
fn dicom_not_scaled_is_what_stored_values_stand_for() {
    let check = |name: &str, means: fn(f32) -> f32| {
        let meant: Vec<f32> = expected(name).0.into_iter().map(means).collect();
        assert_eq!(values(&load_one(name, &raw())), meant, "{name}");
    };
    check("ct.dcm", |stored| stored - 1024.0);
    check("half.dcm", |stored| 0.5 * stored + 3.25);
    check("mono1_u8.dcm", |stored| 255.0 - stored);
    check("mono1_u12.dcm", |stored| 4095.0 - stored);
    assert!(is_u8(&load_one("mono1_u8.dcm", &raw())));
}

#[test]
fn dicom_files_are_found_by_ending_or_mark() {
    let folder = Folder::new();
    for name in ["a/1.DCM", "a/deep/2.dcm", "b/IM0001", "b/1.2.840.7", "c/3.png"] {
        folder.file(name, file("u16.dcm"));
    }
    folder.file("a/DICOMDIR", file("u16.dcm"));
    folder.file("a/LICENSE", "words");
    folder.file("b/notes.txt", file("u16.dcm"));
    let dataset = Dataset::open(folder.path()).unwrap();
    assert_eq!(dataset.class_counts(), [2, 2, 1]);
    assert!(dataset.notes()[0].starts_with("3 files that end in none of"), "{:?}", dataset.notes());
    let loaded = dataset.load(&raw(), &|_| {}).unwrap();
    let values = values(&loaded);
    values.chunks_exact(20 * 17).for_each(|image| assert_eq!(image, expected("u16.dcm").0));
    assert_says(Dataset::open(&path("u16.dcm")), &["u16.dcm", "is a single image"]);
}

#[test]
fn dicom_beside_other_images() {
    let folder = Folder::new();
    folder.file("a/1.dcm", file("u8.dcm"));
    folder.file("a/2.png", png(20, 17, 3));
    let loaded = load(folder.path(), &raw()).unwrap();
    assert!(is_u8(&loaded));
    assert_eq!(values(&loaded)[..340], expected("u8.dcm").0);
}

#[test]
fn svhn_as_scipy_reads_it() {
    let folder = Folder::new();
    let train = folder.file("train_32x32.mat", file("train_32x32.mat"));
    folder.file("test_32x32.mat", file("test_32x32.mat"));
    for path in [folder.path(), &train] {
        let dataset = Dataset::open(path).unwrap();
        assert_eq!((dataset.format(), dataset.labels()), ("SVHN", &[1, 0, 9, 1][..]));
        assert_eq!(dataset.class_names().join(""), "0123456789");
        assert_eq!(dataset.name(3), "train_32x32.mat#3");
        let loaded = dataset.load(&raw(), &|_| {}).unwrap();
        assert_eq!((loaded.height, loaded.width, loaded.channels), (32, 32, 3));
        assert!(is_u8(&loaded));
        assert_eq!(values(&loaded), expected("train_32x32.mat").0);
    }
    let test = Dataset::open_with(folder.path(), &TEST).unwrap();
    assert_eq!(test.labels(), [1, 0]);
    let plain = Dataset::open(&path("test_plain.mat")).unwrap();
    for dataset in [test, plain] {
        let loaded = dataset.load(&raw(), &|_| {}).unwrap();
        assert_eq!(values(&loaded), expected("test_32x32.mat").0);
    }
    // In a folder in a folder.
    let outer = Folder::new();
    outer.file("svhn/train_32x32.mat", file("train_32x32.mat"));
    assert_eq!(Dataset::open(outer.path()).unwrap().len(), 4);
    assert_says(Dataset::open_with(outer.path(), &TEST), &["svhn", "not its test part", "test_32x32.mat"]);
}

/// The bytes with the first of these in place of others.
fn changed(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("it is there");
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn one_that_cannot_be_read_is_left_out() {
    let folder = folder_of("u8.dcm");
    // Its transfer syntax is JPEG-LS then.
    folder.file("class/z.dcm", changed(file("jpeg2000.dcm"), b".4.90", b".4.80"));
    let how = Preprocess { on_bad: OnBad::Skip, scale: Scale::None, ..scaled() };
    let loaded = load(folder.path(), &how).unwrap();
    assert_eq!((loaded.samples.n(), loaded.skipped.len()), (1, 1));
    assert!(loaded.skipped[0].1.contains("JPEG-LS Lossless"), "{:?}", loaded.skipped);
}
