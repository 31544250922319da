//! What `attack` says when something is wrong.

use crate::ran::{assert_fails, assert_refuses_bad_checkpoints, checkpoint};
use std::fs;

#[test]
fn command_lines_and_checkpoints() {
    assert_refuses_bad_checkpoints();
    let with = |more: &[&'static str]| [&[checkpoint()], more].concat();
    assert_fails(&with(&["--attack", "cw"]), 2, &["cw", "fgsm"]);
    assert_fails(&with(&["--attack", "all,fgsm"]), 2, &["all stands alone"]);
    assert_fails(&with(&["--attack", "square", "--norm", "l2"]), 2, &["square", "no L2 form"]);
    assert_fails(&with(&["--attack", "apgd-dlr"]), 2, &["apgd-dlr", "3 classes", "has 2", "take apgd"]);
    assert_fails(&with(&["--epsilon", "-1"]), 2, &["-1"]);
    assert_fails(&with(&["--epsilon", "1,nan"]), 2, &["nan", "from 0 on"]);
    assert_fails(&with(&["--epsilon", "256"]), 2, &["256", "0 to 255"]);
    assert_fails(&with(&["--least", "0"]), 2, &["above 0"]);
    assert_fails(&with(&["--attack", "bim", "--steps", "0"]), 2, &["0 steps"]);
    assert_fails(&with(&["--attack", "apgd", "--restarts", "0"]), 2, &["0 restarts"]);
    assert_fails(&with(&["--draws", "3"]), 2, &["3 bootstrap draws", "40"]);
    assert_fails(&with(&["--towards", "tumour"]), 2, &["tumour", "clear, lesion"]);
    assert_fails(&with(&["--out", "grid.gif"]), 2, &["--out", "grid.gif", ".png or .svg"]);
    assert_fails(&with(&["--curves", "curves"]), 2, &["--curves", ".png or .svg"]);
    assert_fails(&with(&["--out", "grid.png", "--show", "0"]), 2, &["--show 0", "1 to 64"]);
    assert_fails(&with(&["--device", "gpu"]), 2, &["cuda:0"]);
    assert_fails(&with(&["--count", "8"]), 2, &["DATA"]);
    assert_fails(&with(&["--batch", "0"]), 2, &["batch"]);
    assert_fails(&with(&["/nowhere"]), 1, &["/nowhere"]);
}

#[test]
fn other_images_are_of_its_classes() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["clear", "tumour"] {
        fs::create_dir(folder.path().join(class)).unwrap();
        image::GrayImage::new(8, 8).save(folder.path().join(class).join("0.png")).unwrap();
    }
    let data = folder.path().to_str().unwrap();
    assert_fails(
        &[checkpoint(), data, "--quiet"],
        1,
        &["clear, tumour", "the network's clear, lesion", "--classes"],
    );
}
