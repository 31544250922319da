//! What `attack` prints and draws, against the library.

use crate::ran::{checkpoint, json, run};
use approx::assert_abs_diff_eq;
use serde_json::Value;
use sharpdim::Device;
use sharpdim::attack::{Fgsm, Norm, Target, UniformNoise, robustness, smallest_epsilon};
use sharpdim::data::{Dataset, Images, Preprocess};
use sharpdim::nn::Trained;
use std::fs;

/// The network's test images, as `train` chose them.
fn tested() -> (Trained, Vec<f32>, Vec<u32>) {
    let (_, test) = Dataset::generated(24, 32, 0).unwrap().split(24, 24, 0).unwrap();
    let how = Preprocess { size: Some((32, 32)), ..Preprocess::default() };
    let images = Images::new(test.load_pixels(&how, &|_| {}).unwrap()).unwrap();
    let pixels = images.pixels().iter().map(|v| f32::from(*v)).collect();
    (Trained::read(checkpoint().as_ref()).unwrap(), pixels, images.labels().to_vec())
}

fn value(estimate: &Value) -> f64 {
    let [value, low, high] = ["value", "low", "high"].map(|name| estimate[name].as_f64().expect("a number"));
    assert!(low <= value && value <= high, "{estimate}");
    value
}

#[test]
fn numbers_are_the_librarys() {
    let (trained, images, labels) = tested();
    let args =
        ["--attack", "fgsm,noise", "--epsilon", "0,2,16", "--least", "32", "--seed", "3", "--batch", "10"];
    let object = json(&[&[checkpoint()], &args[..]].concat());
    assert_eq!(
        (&object["n"], &object["model"], &object["stopped"]),
        (&24.into(), &"resnet18".into(), &false.into())
    );
    assert_eq!((&object["trained_on"], &object["notes"]), (&false.into(), &serde_json::json!([])));

    let mut target = Target::new(&trained, &Device::cpu(), 10).unwrap();
    let fgsm = Fgsm::default();
    let want = robustness(&fgsm, &mut target, &images, &labels, &[0.0, 2.0, 16.0], 1000, 3).unwrap();
    assert_eq!(value(&object["loss"]), want.clean_loss.value);
    assert_eq!(value(&object["accuracy"]), want.clean_accuracy.value);
    let attack = &object["attacks"][0];
    assert_eq!((&attack["attack"], &attack["norm"]), (&"FGSM (L∞)".into(), &"linf".into()));
    for (level, want) in attack["levels"].as_array().unwrap().iter().zip(&want.levels) {
        assert_eq!(level["epsilon"].as_f64(), Some(f64::from(want.epsilon)));
        for (name, want) in [
            ("loss", want.loss),
            ("accuracy", want.accuracy),
            ("loss_penalty", want.loss_penalty),
            ("accuracy_penalty", want.accuracy_penalty),
        ] {
            assert_eq!(value(&level[name]), want.value, "{name}");
            assert_eq!(level[name]["low"].as_f64(), Some(want.interval[0]), "{name}");
        }
        assert!(level["images_per_second"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(value(&attack["levels"][0]["loss_penalty"]), 0.0);
    assert!(value(&attack["levels"][2]["loss_penalty"]) > value(&attack["levels"][1]["loss_penalty"]));

    let noise = UniformNoise { norm: Norm::Linf, seed: 3 };
    let want = robustness(&noise, &mut target, &images, &labels, &[16.0], 1000, 3).unwrap();
    assert_eq!(value(&object["attacks"][1]["levels"][2]["loss"]), want.levels[0].loss.value);
    let want = smallest_epsilon(&fgsm, &mut target, &images, &labels, 32.0, 0.5).unwrap();
    let want: Vec<Option<f64>> = want.into_iter().map(|least| least.map(f64::from)).collect();
    let got: Vec<Option<f64>> =
        attack["least_epsilon"].as_array().unwrap().iter().map(Value::as_f64).collect();
    assert_eq!(got, want);
}

#[test]
fn pictures_and_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let [grid, curves] = ["grid.png", "curves.svg"].map(|name| folder.path().join(name));
    let ran = run(&[
        checkpoint(),
        "--attack",
        "fgsm,bim,noise",
        "--epsilon",
        "1,4",
        "--steps",
        "3",
        "--show",
        "4",
        "--least",
        "8",
        "--out",
        grid.to_str().unwrap(),
        "--curves",
        curves.to_str().unwrap(),
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for words in [
        "resnet18, 1 epoch,",
        "clear and lesion; 24 of 32 x 32 x 1, those it was tested on",
        "Unattacked  loss",
        "FGSM (L∞)",
        "BIM (L∞, 3 steps of epsilon / steps)",
        "accuracy penalty, %",
        "least epsilon that flips an image:",
        "Device      cpu",
        "grid.png",
    ] {
        assert!(ran.stdout.contains(words), "{words:?} in {}", ran.stdout);
    }
    // Seven columns of 112 px and four rows with captions, twice as large.
    let picture = image::open(&grid).unwrap();
    assert!(picture.width() > 2 * 7 * 112 && picture.height() > 2 * 4 * 112, "{}", picture.height());
    let curves = fs::read_to_string(&curves).unwrap();
    assert!(curves.contains("BIM (L∞, 3 steps") && curves.contains("epsilon (L∞, pixel units)"));
    let help = run(&["--help"]);
    assert!(help.code == 0 && help.stdout.contains("Examples:") && help.stdout.contains("apgd-dlr"));
}

/// The same images as files, in folders of which the classes' order is another: the same numbers.
#[test]
fn other_images_and_targets() {
    let (_, images, labels) = tested();
    let folder = tempfile::tempdir().unwrap();
    for (at, (pixels, label)) in images.chunks(32 * 32).zip(&labels).enumerate() {
        let class = folder.path().join(["clear", "lesion"][*label as usize]);
        fs::create_dir_all(&class).unwrap();
        let pixels = pixels.iter().map(|v| *v as u8).collect();
        image::GrayImage::from_raw(32, 32, pixels).unwrap().save(class.join(format!("{at:02}.png"))).unwrap();
    }
    let data = folder.path().to_str().unwrap();
    let towards = ["--attack", "bim", "--epsilon", "16", "--towards", "lesion"];
    let own = json(&[&[checkpoint()], &towards[..]].concat());
    let files = json(&[&[checkpoint(), data], &towards[..]].concat());
    let turned = json(&[&[checkpoint(), data, "--classes", "lesion,clear"], &towards[..]].concat());
    for other in [&files, &turned] {
        assert_eq!(other["n"], 24);
        assert_abs_diff_eq!(value(&other["loss"]), value(&own["loss"]), epsilon = 1e-6);
        let loss = |object: &Value| value(&object["attacks"][0]["levels"][0]["loss"]);
        assert_abs_diff_eq!(loss(other), loss(&own), epsilon = 1e-3 * loss(&own));
    }
    assert_eq!(own["attacks"][0]["attack"], "BIM (L∞, 10 steps of epsilon / steps, towards class 1)");
    // Half of the images are where they are led to.
    assert_eq!(json(&[checkpoint(), data, "--count", "10", "--epsilon", "1"])["n"], 10);
}

#[test]
fn all_attacks_of_a_norm() {
    let names = |args: &[&str]| -> Vec<String> {
        let all = ["--attack", "all", "--epsilon", "1", "--steps", "2", "--queries", "3"];
        let object = json(&[&[checkpoint()], &all[..], args].concat());
        let attacks = object["attacks"].as_array().unwrap();
        let first =
            |attack: &Value| attack["attack"].as_str().unwrap().split(" (").next().unwrap().to_owned();
        attacks.iter().map(first).collect()
    };
    let linf =
        ["uniform noise", "noise of random signs", "FGSM", "BIM", "MI-FGSM", "PGD", "APGD-CE", "Square"];
    assert_eq!(names(&[]), linf);
    assert_eq!(names(&["--norm", "l2"]), ["uniform noise", "FGSM", "BIM", "MI-FGSM", "PGD", "APGD-CE"]);
}
