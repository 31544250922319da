//! What `represent` says when something is wrong, and of images that are not those of the training.

use crate::ran::{assert_fails, assert_refuses_bad_checkpoints, checkpoint, json, train};
use std::fs;
use std::path::Path;

#[test]
fn command_lines_and_checkpoints() {
    assert_refuses_bad_checkpoints();
    let with = |more: &[&'static str]| [&[checkpoint()], more].concat();
    assert_fails(&with(&["--layers", "layer9"]), 2, &["--layers", "\"layer9\"", "avgpool, fc, last_hidden"]);
    assert_fails(&with(&["--layers", "all,fc"]), 2, &["all stands alone"]);
    assert_fails(&with(&["--estimator", "pca"]), 2, &["pca", "twonn"]);
    assert_fails(&with(&["--out", "curve.gif"]), 2, &["curve.gif", ".png or .svg"]);
    assert_fails(&with(&["--device", "gpu"]), 2, &["cuda:0"]);
    assert_fails(&with(&["--count", "8"]), 2, &["DATA"]);
    assert_fails(&with(&["--k", "24"]), 1, &["24 images are too few", "25 or more"]);
    assert_fails(&with(&["--batch", "0"]), 1, &["batch is 0"]);
    assert_fails(&with(&["/nowhere"]), 1, &["/nowhere"]);
}

/// A PNG with a gradient of its own.
fn png(path: &Path, seed: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pixel =
        |x: u32, y: u32| image::Luma([((x * (3 + seed) + y * (7 + seed * seed) + seed * 13) % 251) as u8]);
    image::GrayImage::from_fn(32, 32, pixel).save(path).unwrap();
}

#[test]
fn images_that_changed_and_others() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    for (at, class) in ["a", "b"].into_iter().enumerate() {
        (0..8).for_each(|i| png(&data.join(format!("{class}/{i}.png")), 2 * i + at as u32));
    }
    let path = data.to_str().unwrap();
    let settings = ["--size", "32", "--train", "12", "--test", "4", "--batch", "6", "--epochs", "1"];
    train(&[&[path], &settings[..]].concat(), &out);
    let checkpoint = out.join("checkpoint.safetensors");
    let checkpoint = checkpoint.to_str().unwrap();
    let few = ["--layers", "input,last_hidden", "--k", "5"];
    let object = json(&[&[checkpoint], &few[..]].concat());
    assert_eq!((&object["trained_on"], &object["n"]), (&true.into(), &12.into()));
    // The same folder, by name: all of its images.
    let object = json(&[&[checkpoint, path], &few[..]].concat());
    assert_eq!((&object["trained_on"], &object["n"]), (&false.into(), &16.into()));
    let object = json(&[&[checkpoint, path, "--count", "8"], &few[..]].concat());
    assert_eq!(object["n"], 8);

    for i in 0..8 {
        png(&data.join(format!("a/{i}.png")), 100 + i);
    }
    let object = json(&[&[checkpoint], &few[..]].concat());
    assert_eq!((&object["trained_on"], &object["n"]), (&false.into(), &12.into()));
    let note = object["notes"][0].as_str().unwrap();
    assert!(note.contains("not the images that it was trained on") && note.contains(path), "{note}");
    fs::remove_dir_all(&data).unwrap();
    assert_fails(&[checkpoint], 1, &["the images of the training", path, "name a dataset"]);
}
