//! Several datasets at once: each as it is alone, and a comparison.

use super::ran::{assert_fails, json, run};
use crate::make::{Folder, noise, npy};
use serde_json::Value;

/// `count` gray images of noise in classes 0 and 1 by turns, 4 x 4 pixels.
fn noisy(count: usize, seed: u32) -> Folder {
    let folder = Folder::new();
    folder.file("images.npy", npy("|u1", &[count, 4, 4], &noise(16 * count, seed)));
    let labels: Vec<u8> = (0..count).map(|i| (i % 2) as u8).collect();
    folder.file("labels.npy", npy("|u1", &[count], &labels));
    folder
}

fn path(folder: &Folder) -> &str {
    folder.path().to_str().unwrap()
}

#[test]
fn each_is_measured_as_it_is_alone() {
    let (one, other) = (noisy(60, 1), noisy(80, 2));
    let named = format!("other={}", path(&other));
    let common = ["--size", "none", "--estimator", "mle,twonn"];
    let object = json(&[&[path(&one), &named], &common[..]].concat());
    let datasets = object["datasets"].as_array().unwrap();
    assert_eq!(datasets.len(), 2);
    for (folder, both) in [&one, &other].into_iter().zip(datasets) {
        let alone = json(&[&[path(folder)], &common[..]].concat());
        for field in ["n", "dim", "classes", "intrinsic_dim", "label_sharpness", "path"] {
            assert_eq!(alone[field], both[field], "{field}");
        }
    }
    assert_eq!(datasets[1]["name"], "other");
    assert_eq!(datasets[0]["name"], one.path().file_name().unwrap().to_str().unwrap());
    // Unequal sizes do not compare well.
    assert!(object["notes"][0].as_str().unwrap().contains("--per-class"), "{}", object["notes"]);
    let equal = json(&[&[path(&one), &named, "--per-class", "20"], &common[..]].concat());
    assert_eq!(equal["notes"], serde_json::json!([]));
}

#[test]
fn the_comparison_is_the_tables_last_part() {
    let (one, other) = (noisy(60, 1), noisy(80, 2));
    let named = [format!("one={}", path(&one)), format!("other={}", path(&other))];
    let args = [&named[0], &named[1], "--size", "none"];
    let table = run(&args).stdout;
    let (_, comparison) = table.split_once("\nCompared ").expect("a comparison");
    let object = json(&args);
    let cell = |at: usize, text: &dyn Fn(&Value) -> String| text(&object["datasets"][at]);
    for at in [0, 1] {
        let mle = cell(at, &|set| format!("{:.2}", set["intrinsic_dim"]["mle"]["value"].as_f64().unwrap()));
        let k_f = cell(at, &|set| format!("{:.3e}", set["label_sharpness"]["max"].as_f64().unwrap()));
        for word in [mle, k_f] {
            assert!(comparison.contains(&word), "{word} is not in {comparison}");
        }
    }
    assert!(comparison.lines().next().unwrap().ends_with("one  other") || comparison.contains("other\n"));
}

#[test]
fn classes_may_be_of_one_dataset() {
    let (one, other) = (noisy(60, 1), noisy(80, 2));
    other.file("labels.npy", npy("|u1", &[80], &(0..80).map(|i| i % 4).collect::<Vec<u8>>()));
    let named = [format!("one={}", path(&one)), format!("other={}", path(&other))];
    let object = json(&[&named[0], &named[1], "--size", "none", "--k", "5", "--classes", "other:3,2"]);
    assert_eq!(object["datasets"][0]["classes"].to_string(), r#"{"0":30,"1":30}"#);
    assert_eq!(object["datasets"][1]["classes"].to_string(), r#"{"3":20,"2":20}"#);
    assert_fails(&[&named[0], &named[1], "--classes", "2,3"], 1, &["one: ", "no class \"2\""]);
}

/// A dataset that cannot be opened is named, before any is measured.
#[test]
fn one_that_fails_is_named() {
    let one = noisy(60, 1);
    assert_fails(&[&format!("good={}", path(&one)), "gone=/no/such/place"], 1, &["gone: /no/such/place"]);
    let few = noisy(8, 2);
    let args = [format!("good={}", path(&one)), format!("few={}", path(&few))];
    assert_fails(&[&args[0], &args[1], "--size", "none"], 1, &["few: 8 samples have no 20 neighbours"]);
}

/// A = in a path that is there is no name.
#[test]
fn a_path_may_have_an_equals_sign() {
    let folder = Folder::new();
    let images = npy("|u1", &[40, 4, 4], &noise(640, 1));
    folder.file("k=1/images.npy", images);
    folder.file("k=1/labels.npy", npy("|u1", &[40], &(0..40).map(|i| i % 2).collect::<Vec<u8>>()));
    let inside = folder.path().join("k=1");
    let object = json(&[inside.to_str().unwrap(), "--size", "none"]);
    assert_eq!(object["name"], "k=1");
}
