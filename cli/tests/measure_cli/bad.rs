//! Runs that fail: every one says on stderr what is wrong and what would be right, and returns 1, or 2 where
//! the command line makes no sense.

use super::ran::assert_fails;
use crate::make::{Folder, cifar, idx_images, idx_labels, noise, npy, npz, png};
use std::path::Path;

/// Asserts that a dataset cannot be measured, with these further arguments.
#[track_caller]
fn assert_bad(path: &Path, args: &[&str], words: &[&str]) {
    assert_fails(&[&[path.to_str().unwrap(), "--device", "cpu"], args].concat(), 1, words);
}

fn npy_folder(images: &[u8], labels: &[u8]) -> Folder {
    let folder = Folder::new();
    folder.file("images.npy", images);
    folder.file("labels.npy", labels);
    folder
}

/// Two classes of gray images of noise, `count` each.
fn image_folder(count: u32) -> Folder {
    let folder = Folder::new();
    for i in 0..count {
        folder.file(&format!("a/{i}.png"), png(8, 8, i));
        folder.file(&format!("b/{i}.png"), png(8, 8, 100 + i));
    }
    folder
}

#[test]
fn headers_that_are_cut_short_or_lie() {
    let folder = Folder::new();
    let file = "train-images-idx3-ubyte";
    folder.file("train-labels-idx1-ubyte", idx_labels(&[0, 1]));
    folder.file(file, &idx_images(2, 4, 4, &[1; 32])[..40]);
    assert_bad(folder.path(), &[], &[file, "claims 2 images of 4 x 4", "32 bytes, but 24 follow"]);
    folder.file(file, &idx_images(2, 4, 4, &[])[..11]);
    assert_bad(folder.path(), &[], &[file, "ends after 3 of the 4 bytes of an IDX header"]);
    folder.file(file, idx_images(u32::MAX, u32::MAX, u32::MAX, &[1; 32]));
    assert_bad(folder.path(), &[], &[file, "more than memory can address"]);

    let folder = Folder::new();
    folder.file("data_batch_1.bin", &cifar(&[0, 1, 2])[..7000]);
    assert_bad(folder.path(), &[], &["data_batch_1.bin", "not whole CIFAR-10 records"]);
    folder.file("data_batch_1.bin", cifar(&[0, 77]));
    assert_bad(folder.path(), &[], &["data_batch_1.bin", "record 1 has the label 77"]);

    let labels = npy("|u1", &[2], &[0, 1]);
    let folder = npy_folder(&npy("|u1", &[2, 4, 4], &[1; 20]), &labels);
    assert_bad(folder.path(), &[], &["images.npy", "(2, 4, 4)", "32 bytes, but 20 follow"]);
    let folder = npy_folder(&npy("<f4", &[1 << 31, 28, 28], &[1; 20]), &labels);
    assert_bad(folder.path(), &[], &["images.npy", "(2147483648, 28, 28)", "but 20 follow"]);
    let folder = npy_folder(b"\x93NUMPY\x01", &labels);
    assert_bad(folder.path(), &[], &["images.npy", "NPY header"]);
    let archive = Folder::new();
    let archive = archive.file("x.npz", &npz(&[("images", &npy("|u1", &[1, 2, 2], &[1; 4]))])[..60]);
    assert_fails(&[archive.as_os_str()], 1, &["x.npz"]);
}

#[test]
fn labels_of_another_length() {
    let images = npy("|u1", &[3, 2, 2], &noise(12, 0));
    let folder = npy_folder(&images, &npy("<i8", &[2], &[0; 16]));
    assert_bad(folder.path(), &[], &["labels.npy", "2 labels", "3 images"]);
}

#[test]
fn a_corrupt_image_among_good_ones() {
    let folder = image_folder(6);
    let whole = png(8, 8, 7);
    folder.file("b/torn.png", &whole[..whole.len() / 2]);
    folder.file("b/zz.png", "no image");
    assert_bad(folder.path(), &["--k", "4", "--size", "8"], &["b/", ".png: ", "--skip-bad"]);
    std::fs::remove_file(folder.path().join("b/zz.png")).unwrap();
    assert_bad(folder.path(), &["--k", "4", "--size", "8"], &["b/torn.png: ", "--skip-bad"]);

    let folder = Folder::new();
    folder.file("a/0.png", "no image");
    folder.file("b/0.png", "no image");
    assert_bad(folder.path(), &["--skip-bad"], &["none of the 2 images can be read"]);
}

#[test]
fn nan_in_images() {
    let mut values: Vec<u8> = (0..24 * 4).flat_map(|i| (i as f32).to_le_bytes()).collect();
    values[4 * 21..4 * 22].copy_from_slice(&f32::NAN.to_le_bytes());
    let labels: Vec<u8> = (0..24).map(|i| i % 2).collect();
    let folder = npy_folder(&npy("<f4", &[24, 2, 2], &values), &npy("|u1", &[24], &labels));
    for scale in ["max", "none"] {
        let words = ["images.npy", "NaN", "row 0, column 1", "must be finite", "--skip-bad"];
        assert_bad(folder.path(), &["--scale", scale], &words);
    }
}

#[test]
fn images_of_different_sizes() {
    let folder = image_folder(6);
    folder.file("b/other.png", png(9, 8, 7));
    assert_bad(
        folder.path(),
        &["--size", "none"],
        &["a/0.png", "8 x 8", "b/other.png", "9 x 8", "--size 224"],
    );
}

#[test]
fn one_class_only() {
    let labels = npy("|u1", &[30], &[4; 30]);
    let folder = npy_folder(&npy("|u1", &[30, 4, 4], &noise(480, 0)), &labels);
    assert_bad(folder.path(), &[], &["all 30 images are of one class, \"4\"", "--classes"]);
    assert_fails(&["--classes", "clear"], 1, &["of one class, \"clear\"", "--classes"]);
}

#[test]
fn fewer_samples_than_neighbours() {
    let folder = image_folder(8);
    let words = ["16 samples have no 20 neighbours", "k + 1 = 21", "--k"];
    assert_bad(folder.path(), &["--size", "8"], &words);
    assert_fails(&["--per-class", "1", "--estimator", "twonn"], 1, &["2 samples have no 2 neighbours"]);
}

#[test]
fn more_images_than_there_are() {
    let folder = image_folder(8);
    assert_bad(folder.path(), &["--per-class", "9"], &["class \"a\" has 8 images", "9 asked for"]);
    assert_fails(&["--per-class", "0"], 1, &["at least 1"]);
}

#[test]
fn images_all_identical() {
    let labels: Vec<u8> = (0..30).map(|i| i % 2).collect();
    let folder = npy_folder(&npy("|u1", &[30, 4, 4], &[9; 480]), &npy("|u1", &[30], &labels));
    for estimator in ["mle", "twonn", "all"] {
        let words = ["30 samples have an identical twin", "are all images the same?"];
        assert_bad(folder.path(), &["--estimator", estimator], &words);
    }
}

#[test]
fn nothing_to_read() {
    let folder = Folder::new();
    assert_bad(folder.path(), &[], &["is an empty folder"]);
    assert_bad(Path::new("/no/such/place"), &[], &["/no/such/place", "No such file"]);
    let text = folder.file("notes.txt", "hello");
    assert_bad(&text, &[], &["notes.txt", "no dataset of a known format", "expected"]);
    assert_bad(folder.path(), &[], &["no dataset of a known format", "a folder of images for each class"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_read() {
    use std::fs::{File, Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    // A link that leads nowhere cannot be read by anyone, root included.
    let folder = image_folder(6);
    symlink("/no/such/image.png", folder.path().join("b/gone.png")).unwrap();
    assert_bad(folder.path(), &["--k", "4"], &["b/gone.png", "No such file", "--skip-bad"]);

    let folder = image_folder(6);
    let locked = folder.file("b/locked.png", png(8, 8, 0));
    set_permissions(&locked, Permissions::from_mode(0o000)).unwrap();
    match File::open(&locked) {
        Ok(_) => println!("this user may read everything: no file is locked to it"),
        Err(_) => assert_bad(folder.path(), &["--k", "4"], &["b/locked.png", "Permission denied"]),
    }
}

#[test]
fn classes_that_are_unknown() {
    assert_fails(
        &["--classes", "clear,lesions"],
        1,
        &["no class \"lesions\"", "clear", "did you mean \"lesion\""],
    );
    assert_fails(&["--classes", "clear,clear"], 1, &["asked for twice"]);
}

#[test]
fn devices_that_are_absent() {
    // No machine has so many, and a build without CUDA has none.
    let why = if cfg!(feature = "cuda") { "cuda:9999 is unavailable" } else { "--features cuda" };
    assert_fails(&["--device", "cuda:9999"], 1, &["cuda:9999 is unavailable", why]);
    if !cfg!(feature = "cuda") {
        assert_fails(&["--device", "cuda:0"], 1, &["cuda:0 is unavailable", "--features cuda"]);
    }
    if !cfg!(feature = "emulator") {
        assert_fails(&["--device", "emulated:0"], 1, &["emulated:0 is unavailable", "--features emulator"]);
    }
}

#[test]
fn command_lines_that_make_no_sense() {
    let wrong: [(&[&str], &[&str]); 17] = [
        (&["--frobnicate"], &["--frobnicate", "--help"]),
        (&["--size", "0"], &["--size", "expected a number of pixels", "none"]),
        (&["--size", "big"], &["--size", "expected a number of pixels", "none"]),
        (&["--size", "-1"], &["-1"]),
        (&["--k", "2"], &["--k", "at least 3"]),
        (&["--k", "many"], &["--k", "whole number"]),
        (&["--top", "0"], &["--top", "at least 1"]),
        (&["--protocol", "paper", "--repeats", "0"], &["--repeats", "at least 1"]),
        (&["--scale", "half"], &["--scale", "max", "none"]),
        (&["--estimator", "mle,pca"], &["--estimator", "pca", "mle", "twonn", "geomle", "lpca", "all"]),
        (&["--grayscale", "--rgb"], &["--grayscale", "--rgb", "cannot be used with"]),
        (&["--split", "test"], &["PATH"]),
        (&["--device", "gpu"], &["'gpu' is no device", "cuda:0"]),
        (&["--report", "page.txt"], &["--report", "ends in .html"]),
        (&["--points", "points.json"], &["--points", "ends in .csv or .npy"]),
        (&["x=a", "x=b"], &["two datasets are called \"x\"", "ONE=PATH OTHER=PATH"]),
        (&["a", "a"], &["two datasets are called \"a\""]),
    ];
    for (args, words) in wrong {
        assert_fails(args, 2, words);
        assert_fails(&[args, &["--json"]].concat(), 2, words);
    }
}
