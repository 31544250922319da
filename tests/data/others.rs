//! Files that other people's writers made: NumPy, safetensors with ml_dtypes, Pillow. Every value comes back.
//! `tests/vectors/inputs.py` makes them, and writes down in `expected.npz` what is in them.

use super::make::*;
use crate::npz::Npz;
use sharpdim::data::{Dataset, Loaded, Preprocess};
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/vectors/inputs", name].iter().collect()
}

/// The names of the files, and the float32 values in them.
fn expected() -> Vec<(String, Vec<f32>)> {
    let mut archive = Npz::open(path("expected.npz"));
    let names = archive.names();
    assert_eq!(names.len(), 43);
    let mut array = |name: &str| archive.array(name).unwrap().values();
    names.iter().map(|name| (name.clone(), array(name))).collect()
}

/// Equal to the bit: -0 and the least floats too.
#[track_caller]
fn assert_same(name: &str, loaded: &Loaded, expected: &[f32]) {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&values(loaded)), bits(expected), "{name}");
}

fn is_array(name: &str) -> bool {
    ["safetensors", "npy", "npz"].iter().any(|ending| name.ends_with(ending))
}

#[test]
fn arrays_of_every_type() {
    for (name, expected) in expected().into_iter().filter(|(name, _)| is_array(name)) {
        let dataset = Dataset::open(&path(&name)).unwrap();
        let loaded = dataset.load(&raw(), &|_| {}).unwrap();
        assert_same(&name, &loaded, &expected);
        assert_eq!(is_u8(&loaded), name.contains("_u8"), "{name}");
        if name.starts_with("matrix") || name.starts_with("embedding") {
            assert_eq!((dataset.class_names().join(" "), dataset.is_labelled()), ("all".into(), false))
        } else {
            assert_eq!((dataset.class_names().join(" "), dataset.is_labelled()), ("0 1 2".into(), true))
        }
        let shape = (loaded.features, loaded.height, loaded.width, loaded.channels);
        match &name[..3] {
            "gra" => assert_eq!(shape, (false, 3, 2, 1)),
            "rgb" => assert_eq!(shape, (false, 3, 2, 3)),
            "emb" => assert_eq!(shape, (true, 1, 5, 1)),
            _ => assert_eq!(shape, (true, 1, 7, 1)),
        }
    }
}

#[test]
fn features_are_taken_as_they_are() {
    for (name, expected) in expected().into_iter().filter(|(name, _)| name.starts_with("features")) {
        let loaded = load(&path(&name), &Preprocess::default()).unwrap();
        assert_same(&name, &loaded, &expected);
    }
}

#[test]
fn image_files_of_every_kind() {
    for (name, expected) in expected().into_iter().filter(|(name, _)| !is_array(name)) {
        let folder = Folder::new();
        folder.file(&format!("class/{name}"), std::fs::read(path(&name)).unwrap());
        let loaded = load(folder.path(), &raw()).unwrap();
        assert_same(&name, &loaded, &expected);
        assert_eq!((loaded.height, loaded.width), (5, 6), "{name}");
        let noted = |words: &str| loaded.notes.iter().any(|note| note.contains(words));
        assert_eq!(
            noted("hold more than one image"),
            ["pages.tif", "moving.webp"].contains(&&name[..]),
            "{name}"
        );
        assert_eq!(noted("alpha channel"), name == "rgba.tif", "{name}: {:?}", loaded.notes);
    }
}

#[test]
fn float_images_are_refused() {
    let folder = Folder::new();
    folder.file("class/float.tif", std::fs::read(path("float.tif")).unwrap());
    assert_says(load(folder.path(), &raw()), &["class/float.tif", "8 or 16 bits", "images.npy"]);
}

#[test]
fn image_files_that_are_cut_short() {
    for (name, expected) in expected().into_iter().filter(|(name, _)| !is_array(name)) {
        let whole = std::fs::read(path(&name)).unwrap();
        let folder = Folder::new();
        for len in 1..whole.len() {
            folder.file(&format!("class/{name}"), &whole[..len]);
            match load(folder.path(), &raw()) {
                Err(error) => assert!(error.to_string().contains(&name), "{error}"),
                // What is gone was no part of the pixels, or is told as such.
                Ok(loaded) => assert_same(&format!("{name}, {len} bytes of it"), &loaded, &expected),
            }
        }
    }
}

#[test]
fn a_lossy_webp_that_is_cut_short() {
    let whole = std::fs::read(path("lossy.webp")).unwrap();
    let folder = Folder::new();
    folder.file("class/1.webp", &whole);
    assert_eq!(load(folder.path(), &raw()).unwrap().samples.dim(), 40 * 30 * 3);
    for len in 1..whole.len() {
        folder.file("class/1.webp", &whole[..len]);
        assert_says(load(folder.path(), &raw()), &["class/1.webp"]);
    }
}

/// Whose pixels take no room: it is far shorter than its header's claim would let one suspect.
#[test]
fn a_webp_of_one_color() {
    let folder = Folder::new();
    folder.file("class/1.webp", std::fs::read(path("one_color.webp")).unwrap());
    let loaded = load(folder.path(), &raw()).unwrap();
    assert!(values(&loaded).as_chunks().0.iter().all(|pixel| *pixel == [1.0, 2.0, 3.0]));
}

#[test]
fn image_headers_that_claim_too_much() {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    // Width and height; in a TIFF they are the first two entries of the directory at 8.
    for (name, at, value) in [("rgb.bmp", [18, 22], 20_000u32), ("rgb.tif", [18, 30], 30_000)] {
        let mut file = std::fs::read(path(name)).unwrap();
        at.iter().for_each(|at| file[*at..at + 4].copy_from_slice(&value.to_le_bytes()));
        let folder = Folder::new();
        folder.file(&format!("class/{name}"), file);
        let dataset = Dataset::open(folder.path()).unwrap();
        let (loaded, most) = threads.install(|| largest_request(|| dataset.load(&raw(), &|_| {})));
        assert_says(loaded, &[name]);
        assert!(most < 1 << 20, "{name}: {most} bytes were asked for at once");
    }
}
