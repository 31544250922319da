//! What `train` prints and writes.

use super::ran::{SMALL, json, metrics, run, tensors};
use serde_json::Value;
use std::fs;

#[test]
fn one_object_and_four_files() {
    let folder = tempfile::tempdir().unwrap();
    // It is made, with the folders above it.
    let out = folder.path().join("runs/first");
    let object = json(&SMALL, &out);
    for name in ["test_accuracy", "train_accuracy"] {
        assert!((0.0..=1.0).contains(&object[name].as_f64().unwrap()), "{object}");
    }
    for name in ["test_loss", "train_loss", "images_per_second"] {
        assert!(object[name].as_f64().unwrap() > 0.0, "{object}");
    }
    assert_eq!(
        (&object["epochs"], &object["device"], &object["stopped"]),
        (&3.into(), &"cpu".into(), &false.into())
    );
    assert_eq!(object["checkpoint"], out.join("checkpoint.safetensors").display().to_string());

    let lines = metrics(&out);
    assert_eq!(lines.len(), 3);
    for (at, line) in lines.iter().enumerate() {
        assert_eq!(line["epoch"], at + 1);
    }
    for name in ["test_accuracy", "test_loss", "train_accuracy", "train_loss"] {
        assert_eq!(lines[2][name], object[name]);
    }
    let picture = image::open(out.join("curves.png")).unwrap();
    assert!(picture.width() > 1000 && picture.height() > 500);

    // The weights are the checkpoint's, under torchvision's names.
    let (weights, checkpoint) =
        (tensors(out.join("weights.safetensors")), tensors(out.join("checkpoint.safetensors")));
    assert_eq!(weights.len(), 122);
    for (name, bytes) in &weights {
        assert!(checkpoint[&format!("model.{name}")] == *bytes, "{name}");
    }
    let left: Vec<String> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_table_and_a_line_for_each_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(&SMALL, folder.path());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for words in [
        "resnet18 from random weights, seed 4",
        "clear and lesion",
        "24 to train on, 8 to test on, 32 x 32 x 1",
        "curves.png",
    ] {
        assert!(ran.stdout.contains(words), "{words:?} in {}", ran.stdout);
    }
    for words in ["11.2 million weights", "of memory", "epoch   1/3", "epoch   3/3", "images/s"] {
        assert!(ran.stderr.contains(words), "{words:?} in {}", ran.stderr);
    }
    let quiet = run(&[&SMALL[..], &["--quiet", "--restart"]].concat(), folder.path());
    assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""));
}

/// Each setting is heard: it changes what comes of the training.
#[test]
fn every_setting_counts() {
    let folder = tempfile::tempdir().unwrap();
    let few: Vec<&str> =
        ["--size", "32", "--train", "16", "--test", "8", "--batch", "8", "--epochs", "2", "--quiet"].to_vec();
    let loss = |more: &[&str]| -> Value {
        let out = tempfile::tempdir_in(folder.path()).unwrap();
        json(&[&few[..], more].concat(), out.path())["train_loss"].clone()
    };
    let plain = loss(&[]);
    assert_eq!(loss(&["--rate", "0.001", "--weight-decay", "1e-4", "--normalise", "unit"]), plain);
    let settings: [&[&str]; 11] = [
        &["--seed", "1"],
        &["--rate", "0.01"],
        &["--optimiser", "sgd"],
        &["--optimiser", "adamw", "--weight-decay", "0.5"],
        &["--normalise", "standard"],
        &["--normalise", "none"],
        &["--flip"],
        &["--crop", "0.2,0.9"],
        &["--clip", "0.001"],
        &["--outputs", "1000"],
        &["--rgb"],
    ];
    for setting in settings {
        assert_ne!(loss(setting), plain, "{setting:?}");
    }
}

#[test]
fn help_teaches() {
    let folder = tempfile::tempdir().unwrap();
    let help = run(&["--help"], folder.path()).stdout;
    for words in
        ["Konz & Mazurowski", "checkpoint.safetensors", "--resume", "metrics.jsonl", "curves.png", "vgg16"]
    {
        assert!(help.contains(words), "{words:?}");
    }
}

/// Eight patients with slices of both classes: by patient none is in both parts, by image some are; and the note says how.
#[test]
fn datasets_by_name_are_split_by_patient() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = String::new();
    for patient in 0..8 {
        for (at, class) in ["negative", "positive"].into_iter().enumerate() {
            for number in 0..3 {
                let name = format!("train/XR_HAND/patient{patient:05}/study{at}_{class}/image{number}.png");
                let path = folder.path().join(&name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let pixel =
                    |x, y| image::Luma([(x * 7 + y * 3 * (1 + patient) + 40 * at as u32 + number) as u8]);
                image::GrayImage::from_fn(32, 32, pixel).save(path).unwrap();
                table += &format!("MURA-v1.1/{name}\n");
            }
        }
    }
    fs::write(folder.path().join("train_image_paths.csv"), table).unwrap();
    let root = folder.path().to_str().unwrap();
    let few = ["--train", "16", "--test", "6", "--size", "32", "--batch", "8", "--epochs", "1", "--quiet"];
    for split in ["patient", "image"] {
        let out = folder.path().join(split);
        let ran = run(&[&["--dataset", "mura", "--root", root, "--split", split], &few[..]].concat(), &out);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let trained = sharpdim::nn::Trained::read(&out.join("checkpoint.safetensors")).unwrap();
        let note: Value = serde_json::from_str(&trained.note).unwrap();
        assert_eq!((&note["dataset"], &note["by_image"]), (&"mura".into(), &(split == "image").into()));
        assert_eq!(trained.class_names, ["negative", "positive"]);
    }
    // Twenty of other patients than the thirteen are not there.
    let many = ["--train", "26", "--test", "20", "--size", "32", "--batch", "8", "--epochs", "1", "--quiet"];
    let out = folder.path().join("many");
    let ran = run(&[&["--dataset", "mura", "--root", root], &many[..]].concat(), &out);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("8 patients") && ran.stderr.contains("patients of the other part"),
        "{}",
        ran.stderr
    );
    let ran = run(&[&["--dataset", "mura", "--root", root, "--split", "image"], &many[..]].concat(), &out);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran = run(&["--dataset", "mura", "--root", root, root], &out);
    assert!(ran.code == 2 && ran.stderr.contains("name one dataset"), "{}", ran.stderr);
}
