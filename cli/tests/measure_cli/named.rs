//! The paper's datasets by name: what is listed, measured, left out and refused.

use super::ran::{assert_fails, json, run};
use std::fs;
use std::path::Path;

/// MURA's layout: of each of these patients a study of each class, with two images.
fn mura(root: &Path, patients: u8) {
    let mut table = String::new();
    for patient in 0..patients {
        for (at, class) in ["negative", "positive"].into_iter().enumerate() {
            for image in 0..2u8 {
                let name =
                    format!("train/XR_HAND/patient{patient:05}/study{}_{class}/image{image}.png", at + 1);
                let path = root.join("MURA-v1.1").join(&name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                // Images of one patient are near to each other.
                let pixel = |x: u32, y: u32| {
                    let base = (u32::from(patient) * 53 + x * (7 + u32::from(patient)) + y * 13) % 200;
                    image::Luma([base as u8 + 10 * at as u8 + image])
                };
                image::GrayImage::from_fn(12, 12, pixel).save(&path).unwrap();
                table += &format!("MURA-v1.1/{name}\n");
            }
        }
    }
    fs::write(root.join("MURA-v1.1/train_image_paths.csv"), table).unwrap();
}

#[test]
fn measured_between_patients_too() {
    let folder = tempfile::tempdir().unwrap();
    mura(folder.path(), 12);
    let root = folder.path().to_str().unwrap();
    let args = ["--dataset", "mura", "--root", root, "--size", "none", "--scale", "none", "--k", "5"];
    let object = json(&args);
    assert_eq!(
        (&object["n"], &object["name"], &object["format"]),
        (&48.into(), &"mura".into(), &"MURA".into())
    );
    assert_eq!(object["classes"], serde_json::json!({ "negative": 24, "positive": 24 }));
    let (all, apart) = (&object["label_sharpness"], &object["between_patients"]);
    assert_eq!(apart["within"]["sharpness"], all["max"]);
    assert!(apart["max"].as_f64().unwrap() < all["max"].as_f64().unwrap());
    let patient = |name: &str| name.split('/').find(|part| part.starts_with("patient")).unwrap().to_owned();
    let patients = |pair: &serde_json::Value| [0, 1].map(|at| patient(pair["names"][at].as_str().unwrap()));
    let [a, b] = patients(&apart["sharpest"][0]);
    assert_ne!(a, b);
    let [a, b] = patients(&apart["within"]);
    assert_eq!(a, b);
    let table = run(&args).stdout;
    for words in ["between patients", "within a patient", "MURA", "negative: 24"] {
        assert!(table.contains(words), "{words:?} in {table}");
    }
    assert_eq!(json(&[&args[..], &["--per-class", "10", "--task", "abnormal"]].concat())["n"], 20);
    // Generated images are nobody's.
    assert_eq!(json(&["--per-class", "30"])["between_patients"], serde_json::Value::Null);
}

#[test]
fn what_is_left_out_is_counted_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    mura(folder.path(), 12);
    let base = folder.path().join("MURA-v1.1");
    let gone = "train/XR_HAND/patient00003/study1_negative/image1.png";
    fs::remove_file(base.join(gone)).unwrap();
    let extra = "train/XR_HAND/patient00004/study2_positive/image7.png";
    image::GrayImage::new(12, 12).save(base.join(extra)).unwrap();
    let root = folder.path().to_str().unwrap();
    let args = ["--dataset", "mura", "--root", root, "--size", "none", "--k", "5"];
    let table = run(&args);
    assert_eq!((table.code, table.stderr.as_str()), (0, ""));
    assert!(table.stdout.contains("1 left out: a label without an image"), "{}", table.stdout);
    assert!(table.stdout.contains("1 left out: an image without a label"), "{}", table.stdout);
    let verbose = run(&[&args[..], &["--verbose"]].concat());
    assert!(verbose.stderr.contains(gone) && verbose.stderr.contains(extra), "{}", verbose.stderr);
    assert_eq!(verbose.stderr.lines().count(), 2);
}

#[test]
fn all_are_listed_with_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    mura(&folder.path().join("mura"), 1);
    let list = run(&["--list-datasets"]).stdout;
    let names = [
        "mnist", "cifar10", "svhn", "imagenet", "brats", "dbc", "prostate", "rsna", "chexpert", "mura",
        "oai", "isic",
    ];
    for name in names {
        assert!(list.lines().any(|line| line.starts_with(&format!("{name}: "))), "{name} in {list}");
    }
    assert!(
        list.contains("train_32x32.mat") && list.contains("pleural_effusion") && !list.contains("is missing")
    );
    let list = run(&["--list-datasets", "--root", folder.path().to_str().unwrap()]).stdout;
    assert_eq!(list.matches("complete").count(), 1, "{list}");
    assert_eq!(list.matches("is missing").count(), 11, "{list}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    assert_fails(&["--dataset", "mura"], 2, &["--root"]);
    assert_fails(&["--dataset", "lung", "--root", root], 2, &["lung", "chexpert"]);
    assert_fails(&["--root", root], 2, &["--dataset"]);
    assert_fails(&["--dataset", "mura", "--root", root, "elsewhere"], 2, &["PATH"]);
    assert_fails(&["--dataset", "mura", "--root", root, "--task", "fracture"], 2, &["fracture", "abnormal"]);
    assert_fails(&["--task", "abnormal"], 2, &["--dataset"]);
    assert_fails(&["--split", "test"], 2, &["generated images have no parts"]);
    assert_fails(
        &["--dataset", "mura", "--root", root],
        1,
        &["train_image_paths.csv is missing", "ROOT/", "MURA-v1.1/"],
    );
}

/// The small archives that tests/data/named.rs looks into image by image: as many images come to be measured.
#[test]
fn each_is_measured() {
    let trees = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/named");
    let root_of = |name: &str| trees.join(name).to_str().unwrap().to_owned();
    let numbers = [
        ("mnist", 12),
        ("cifar10", 5),
        ("svhn", 5),
        ("brats", 39),
        ("dbc", 11),
        ("prostate", 22),
        ("rsna", 5),
        ("chexpert", 5),
        ("mura", 4),
        ("oai", 4),
    ];
    for (name, n) in numbers {
        let root = root_of(name);
        let object = json(&["--dataset", name, "--root", &root, "--size", "16", "--k", "3"]);
        assert_eq!((&object["n"], &object["name"]), (&n.into(), &name.into()));
        let known = ["brats", "dbc", "prostate", "rsna", "chexpert", "mura", "oai"].contains(&name);
        assert_eq!(object["between_patients"].is_object(), known, "{name}: {}", object["notes"]);
    }
    // Three images have too few neighbours.
    for name in ["imagenet", "isic"] {
        let root = root_of(name);
        assert_fails(&["--dataset", name, "--root", &root, "--size", "16", "--k", "3"], 1, &["3 samples"]);
    }
}
