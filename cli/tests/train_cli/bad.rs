//! What `train` says when something is wrong: at once, and of the thing itself.

use super::ran::{SMALL, assert_fails, json};
use std::fs;
use std::path::Path;

/// A PNG of one gray.
fn png(path: &Path, value: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::GrayImage::from_pixel(40, 40, image::Luma([value])).save(path).unwrap();
}

#[test]
fn command_lines() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    assert_fails(&["--model", "resnet101"], out, 2, &["resnet101", "resnet18, resnet34, resnet50, vgg13"]);
    assert_fails(&["--crop", "1"], out, 2, &["--crop", "0.08,1"]);
    assert_fails(&["--save-every=-1"], out, 2, &["save-every"]);
    assert_fails(&["--device", "gpu"], out, 2, &["cuda:0"]);
    assert_fails(&["--resume", "--restart"], out, 2, &["cannot be used with"]);
    assert_fails(&["--grayscale", "--rgb"], out, 2, &["cannot be used with"]);
    assert_fails(&["--precision", "f64"], out, 2, &["f32 or bf16"]);
    assert_fails(&["--device", "cpu", "--precision", "bf16"], out, 1, &["bf16 needs a GPU"]);
    let small = |more: &[&'static str]| [&["--train", "8", "--test", "4", "--size", "32"], more].concat();
    assert_fails(&small(&["--rate", "0"]), out, 1, &["learning rate of 0"]);
    assert_fails(&small(&["--epochs", "0"]), out, 1, &["0 epochs"]);
    assert_fails(&small(&["--batch", "0"]), out, 1, &["batch is 0"]);
    assert_fails(&small(&["--clip", "nan"]), out, 1, &["clipped to NaN"]);
    assert_fails(&small(&["--outputs", "1"]), out, 1, &["class 1", "1 classes"]);
    assert_fails(&["--train", "0"], out, 1, &["0 images to train on"]);
    assert_fails(
        &["--model", "vgg13", "--size", "16", "--train", "8", "--test", "4"],
        out,
        1,
        &["vgg13 takes images of 32 x 32 or more, not of 16 x 16"],
    );
}

#[test]
fn images() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    let path = data.to_str().unwrap();
    assert_fails(&[path], &out, 1, &[path]);
    for at in 0..6 {
        png(&data.join(format!("benign/{at}.png")), 10 * at + 1);
    }
    assert_fails(&[path], &out, 1, &["one class"]);
    for at in 0..9 {
        png(&data.join(format!("malignant/{at}.png")), 10 * at + 100);
    }
    assert_fails(
        &[path, "--train", "10", "--test", "6"],
        &out,
        1,
        &["class \"benign\" has 6 images", "5 to train on and 3 to test on", "--train and --test"],
    );
    assert_fails(&[path, "--classes", "benign,cancer"], &out, 1, &["\"cancer\"", "benign, malignant"]);
    assert_fails(&[path, "--test-part"], &out, 1, &["no test part"]);
    fs::write(data.join("benign/0.png"), b"no picture").unwrap();
    assert_fails(&[path, "--train", "6", "--test", "6", "--size", "32"], &out, 1, &["benign/0.png"]);
}

#[test]
fn folders() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    assert_fails(&SMALL, &file, 1, &["--out", "file"]);
    assert_fails(&SMALL, &file.join("below"), 1, &["--out", "below"]);
    // No place on a disk: nothing can be made there by anyone.
    #[cfg(target_os = "linux")]
    assert_fails(&SMALL, Path::new("/proc/none"), 1, &["--out", "/proc/none"]);
}

#[test]
fn checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let checkpoint = out.join("checkpoint.safetensors");
    json(&SMALL, out);
    let bytes = fs::read(&checkpoint).unwrap();
    assert_fails(&SMALL, out, 2, &["has a checkpoint already", "--resume", "--restart"]);
    let resumed = |more: &[&'static str]| [&SMALL[..10], &["--resume"], more].concat();
    assert_fails(&resumed(&["--seed", "4", "--rgb"]), out, 1, &["32 x 32 x 1", "there", "32 x 32 x 3"]);
    // The seed chooses the images too.
    assert_fails(&resumed(&["--seed", "5"]), out, 1, &["other settings", "seed: 4 there, 5 here"]);
    assert_fails(
        &resumed(&["--seed", "4", "--rate", "0.1"]),
        out,
        1,
        &["learning rate: 0.001", "there, 0.1"],
    );
    assert_fails(
        &resumed(&["--seed", "4", "--model", "resnet34"]),
        out,
        1,
        &["model: resnet18 there, resnet34 here"],
    );
    assert!(fs::read(&checkpoint).unwrap() == bytes, "it is not touched");
    fs::write(&checkpoint, &bytes[..bytes.len() - 9]).unwrap();
    assert_fails(&resumed(&["--seed", "4"]), out, 1, &["checkpoint.safetensors"]);
    fs::copy(out.join("weights.safetensors"), &checkpoint).unwrap();
    assert_fails(
        &resumed(&["--seed", "4"]),
        out,
        1,
        &["checkpoint.safetensors", "is no checkpoint of a training"],
    );
}

#[test]
fn losses_that_are_not_finite() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let args = [&SMALL[..], &["--optimiser", "sgd", "--rate", "1e38"]].concat();
    assert_fails(&args, out, 1, &["epoch 1", "the loss is", "not finite", "learning rate below"]);
    assert!(!out.join("checkpoint.safetensors").exists());
}
