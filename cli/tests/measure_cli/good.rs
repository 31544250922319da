//! Runs that succeed: the numbers agree with the library's, and table and JSON with each other.

use super::ran::{json, run};
use crate::binary::command;
use crate::make::{Folder, idx_images, idx_labels, noise, npy, png, rgb_png};
use approx::abs_diff_eq;
use sharpdim::Device;
use sharpdim::data::{Dataset, Preprocess};
use sharpdim::measure::{Estimator, Mle, Protocol, ReleasedProtocol, TwoNn, intrinsic_dim, label_sharpness};
use std::process::Stdio;

/// `count` gray images of noise in two classes, 4 x 4 pixels.
fn noisy(count: usize) -> Folder {
    let folder = Folder::new();
    folder.file("images.npy", npy("|u1", &[count, 4, 4], &noise(16 * count, 1)));
    let labels: Vec<u8> = (0..count).map(|i| (i % 2) as u8).collect();
    folder.file("labels.npy", npy("|u1", &[count], &labels));
    folder
}

#[test]
fn without_a_path_it_measures_generated_images() {
    let object = json(&["--estimator", "all", "--device", "cpu", "--per-class", "200"]);
    assert_eq!((&object["n"], &object["dim"]), (&400.into(), &4096.into()));
    assert_eq!(object["classes"].to_string(), r#"{"clear":200,"lesion":200}"#);
    assert_eq!(object["device"], "cpu");
    assert_eq!(object["device_fallback"], serde_json::Value::Null);

    let loaded = Dataset::generated(200, 64, 0).unwrap();
    let loaded = loaded.load(&Preprocess { size: None, ..Preprocess::default() }, &|_| {}).unwrap();
    let (points, cpu) = (loaded.samples.points().unwrap(), Device::cpu());
    for estimator in [Estimator::Mle(Mle::default()), Estimator::TwoNn(TwoNn::default())] {
        let estimate = intrinsic_dim(&cpu, &points, &estimator).unwrap();
        let printed = &object["intrinsic_dim"][estimator.name()];
        assert_eq!(printed["value"], estimate.value);
        assert_eq!((&printed["low"], &printed["high"]), (&estimate.low.into(), &estimate.high.into()));
        assert_eq!(printed["convention"], estimator.to_string());
    }
    assert!(object["intrinsic_dim"]["twonn_mle"].is_object());
    let sharpness = label_sharpness(&cpu, &points, &loaded.labels, Protocol::AllPairs, 1, &|_| ()).unwrap();
    assert_eq!(object["label_sharpness"]["max"], sharpness.max);
    assert_eq!(object["label_sharpness"]["mean"], sharpness.mean);
    assert_eq!(object["label_sharpness"]["pairs_compared"], 400 * 399 / 2);
}

#[test]
fn the_table_has_what_the_json_has() {
    let object = json(&["--device", "cpu"]);
    let ran = run(&["--device", "cpu"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let mle = &object["intrinsic_dim"]["mle"];
    let sharpness = &object["label_sharpness"];
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    for word in [
        "generated images (no path given)".to_owned(),
        "clear: 500, lesion: 500".into(),
        "64 x 64 gray: 4096 values (u8)".into(),
        format!("{:.2} .. {:.2}", number(&mle["low"]), number(&mle["high"])),
        format!("{:.2}", number(&mle["value"])),
        mle["convention"].as_str().unwrap().into(),
        format!("{:.3e}", number(&sharpness["max"])),
        format!("{:.1}", number(&sharpness["distance"])),
        format!("{} (", sharpness["pair_names"][0].as_str().unwrap()),
        "cpu (".into(),
    ] {
        assert!(ran.stdout.contains(&word), "{word:?} is not in\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("no GPU"), "the CPU was asked for");
}

#[test]
fn pairs_are_of_the_measured_samples_and_named() {
    let folder = Folder::new();
    let mut pixels = noise(12 * 16, 5);
    // Image 9 (class 7) is image 4 (class 2) but for one pixel.
    pixels.copy_within(4 * 16..5 * 16, 9 * 16);
    pixels[9 * 16] ^= 3;
    folder.file("t10k-images-idx3-ubyte", idx_images(12, 4, 4, &pixels));
    folder.file("t10k-labels-idx1-ubyte", idx_labels(&[5, 5, 2, 2, 2, 2, 7, 7, 7, 7, 7, 2]));
    let path = folder.path().to_str().unwrap();
    let args = [path, "--split", "test", "--classes", "2,7", "--k", "3", "--size", "none", "--scale", "none"];
    let object = json(&args);
    assert_eq!(object["classes"].to_string(), r#"{"2":5,"7":5}"#);
    let sharpness = &object["label_sharpness"];
    // Images 0 and 1 are of neither class.
    assert_eq!(sharpness["pair"].to_string(), "[2,7]");
    assert_eq!(sharpness["pair_labels"].to_string(), r#"["2","7"]"#);
    assert_eq!(
        sharpness["pair_names"].to_string(),
        r#"["t10k-images-idx3-ubyte#4","t10k-images-idx3-ubyte#9"]"#
    );
    assert_eq!(sharpness["sharpest"].as_array().unwrap().len(), 3);
    assert_eq!(json(&[&args[..], &["--top", "5"]].concat())["label_sharpness"]["sharpest"][4]["pair"][1], 9);
}

#[test]
fn preprocessing_is_as_asked() {
    let folder = Folder::new();
    for i in 0..6 {
        folder.file(&format!("a/{i}.png"), rgb_png(8, 10, i));
        folder.file(&format!("b/{i}.png"), rgb_png(8, 10, 100 + i));
    }
    let path = folder.path().to_str().unwrap();
    for (args, dim, values) in [
        (&[][..], 3 * 224 * 224, "f64"),
        (&["--size", "5", "--antialias"], 75, "f32"),
        (&["--size", "none"], 240, "u8"),
        (&["--size", "none", "--grayscale", "--scale", "none"], 80, "u8"),
    ] {
        let object = json(&[&[path, "--k", "4"], args].concat());
        assert_eq!((&object["dim"], &object["values"]), (&dim.into(), &values.into()), "{args:?}");
        let own = serde_json::json!({ "height": 8, "width": 10, "dim": 240 });
        assert_eq!(
            object["embedding"],
            if values == "f64" { own } else { serde_json::Value::Null },
            "{args:?}"
        );
    }
    // What is reported is the resized image, and how its distances were computed.
    let table = run(&[path, "--k", "4"]).stdout;
    for words in [
        "224 x 224 RGB: 150528 values, embedded as 240 (f64)\n",
        "resized to 224 x 224 (bilinear); distances computed from the native 8 x 10 pixels, as an exact linear map\n",
    ] {
        assert!(table.contains(words), "{words:?} is not in\n{table}");
    }
}

#[test]
fn the_papers_protocol_draws() {
    let folder = noisy(60);
    let path = folder.path().to_str().unwrap();
    let paper = ["--protocol", "paper", "--samples", "20", "--repeats", "4", "--size", "none"];
    let draw = |seed| json(&[&[path, "--seed", seed], &paper[..]].concat())["label_sharpness"].clone();
    let (first, again, other) = (draw("1"), draw("1"), draw("2"));
    assert_eq!(first, again);
    assert_ne!(first["draws"], other["draws"]);
    assert_eq!((&first["protocol"], &first["samples"]), (&"paper".into(), &20.into()));
    assert_eq!(first["pairs_compared"], 4 * 20 * 19 / 2);
    assert_eq!(first["draws"].as_array().unwrap().len(), 4);

    let all = json(&[path, "--size", "none", "--samples", "20"]);
    assert!(all["notes"][0].as_str().unwrap().contains("--protocol paper"));
}

/// What the released code computes, and the right number of the same draws beside it.
#[test]
fn the_released_codes_protocol() {
    let folder = noisy(60);
    let path = folder.path().to_str().unwrap();
    let args = [path, "--size", "none", "--protocol", "released", "--samples", "40", "--repeats", "3"];
    let object = json(&args);
    let found = &object["label_sharpness"];
    assert_eq!(
        (&found["protocol"], &found["samples"], &found["repeats"]),
        (&"released".into(), &40.into(), &3.into())
    );
    let loaded = Dataset::open(folder.path()).unwrap();
    let loaded = loaded.load(&Preprocess { size: None, ..Preprocess::default() }, &|_| {}).unwrap();
    let protocol = ReleasedProtocol { samples: 40, repeats: 3, ..ReleasedProtocol::default() };
    let points = loaded.samples.points().unwrap();
    let library =
        label_sharpness(&Device::cpu(), &points, &loaded.labels, Protocol::Released(protocol), 3, &|_| ());
    let library = library.unwrap();
    assert_eq!(found["max"], library.max);
    let released = library.released.unwrap();
    assert_eq!(found["definition_max"], released.definition_max());
    assert_eq!(found["infinite_draws"], released.infinite_draws);
    let table = run(&args).stdout;
    assert!(table.contains("NOT the paper's") && table.contains("by the definition"), "{table}");
}

#[test]
fn a_bad_image_is_skipped_where_that_is_asked_for() {
    let folder = Folder::new();
    for i in 0..6 {
        folder.file(&format!("a/{i}.png"), png(8, 8, i));
        folder.file(&format!("b/{i}.png"), png(8, 8, 100 + i));
    }
    let whole = png(8, 8, 7);
    folder.file("b/torn.png", &whole[..whole.len() / 2]);
    let path = folder.path().to_str().unwrap();
    let args = [path, "--k", "4", "--size", "16", "--skip-bad"];
    let object = json(&args);
    assert_eq!(object["classes"].to_string(), r#"{"a":6,"b":6}"#);
    assert_eq!(object["skipped"][0]["name"], "b/torn.png");
    assert!(!object["skipped"][0]["reason"].as_str().unwrap().is_empty());
    assert!(run(&args).stdout.contains("b/torn.png"));
}

/// Features are measured as they are; what was asked for images is said to be left.
#[test]
fn features_are_measured_as_they_are() {
    let folder = Folder::new();
    folder.file("features.npy", npy("|u1", &[40, 6], &noise(240, 2)));
    folder.file("labels.npy", npy("|u1", &[40], &(0..40).map(|i| i % 2).collect::<Vec<u8>>()));
    let path = folder.path().to_str().unwrap();
    let object = json(&[path]);
    assert_eq!(
        (&object["dim"], &object["values"], &object["scale"]),
        (&6.into(), &"u8".into(), &"none".into())
    );
    assert_eq!((&object["features"], &object["notes"]), (&true.into(), &serde_json::json!([])));
    let asked = json(&[path, "--size", "32", "--grayscale", "--antialias"]);
    assert_eq!(asked["intrinsic_dim"], object["intrinsic_dim"]);
    assert_eq!(asked["label_sharpness"], object["label_sharpness"]);
    let note = "--size, --grayscale, --antialias are for images: features are taken as they are";
    assert_eq!(asked["notes"], serde_json::json!([note]));
    let table = run(&[path]).stdout;
    for word in
        ["samples            40\n", "6 features (u8)", "features as they are", "per unit of feature value"]
    {
        assert!(table.contains(word), "{word:?} is not in\n{table}");
    }
}

/// Without labels the intrinsic dimension is measured, and label sharpness left out.
#[test]
fn features_without_labels_have_a_dimension() {
    let folder = Folder::new();
    let path = folder.file("embedding.npy", npy("|u1", &[40, 6], &noise(240, 2)));
    let ran = run(&[path.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    for word in ["all: 40", "has no labels", "without labels it is left out", "mle "] {
        assert!(ran.stdout.contains(word), "{word:?} is not in\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("K_F"), "{}", ran.stdout);
    let ran = run(&[path.to_str().unwrap(), "--json"]);
    let object: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(object["label_sharpness"], serde_json::Value::Null);
    assert!(object["intrinsic_dim"]["mle"]["value"].as_f64().unwrap() > 1.0);
}

/// Identical images count as duplicates, and as contradictions across classes; nothing becomes NaN.
#[test]
fn duplicates_are_counted() {
    let folder = Folder::new();
    let mut pixels = noise(30 * 16, 5);
    pixels.copy_within(0..16, 16); // Image 1 (class 1) is image 0 (class 0).
    folder.file("images.npy", npy("|u1", &[30, 4, 4], &pixels));
    let labels: Vec<u8> = (0..30).map(|i| i % 2).collect();
    folder.file("labels.npy", npy("|u1", &[30], &labels));
    let path = folder.path().to_str().unwrap();
    let object = json(&[path, "--size", "none", "--estimator", "all"]);
    for name in ["mle", "twonn", "twonn_mle", "mom"] {
        let estimate = &object["intrinsic_dim"][name];
        assert_eq!(estimate["excluded"], 2, "{name}");
        assert_eq!(estimate["excluded_why"]["an identical twin"], 2, "{name}");
    }
    assert_eq!(object["label_sharpness"]["contradictions"], 1);
    assert!(run(&[path, "--size", "none"]).stdout.contains("1 (pairs of identical images"));
}

#[test]
fn the_same_run_gives_the_same_numbers() {
    let args = ["--estimator", "all", "--per-class", "60", "--size", "32", "--seed", "3"];
    let (first, again) = (json(&args), json(&args));
    for field in ["intrinsic_dim", "label_sharpness"] {
        assert_eq!(first[field], again[field]);
    }
}

#[test]
fn help_teaches_and_ends_well() {
    let ran = run(&["--help"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let names: Vec<String> =
        Estimator::all().iter().map(|estimator| format!("- {}:", estimator.name())).collect();
    let words =
        ["intrinsic dimension", "label sharpness", "Formats", "Examples", "--per-class", "Exit codes"];
    for word in words.into_iter().chain(names.iter().map(String::as_str)) {
        assert!(ran.stdout.contains(word), "{word:?} is not in\n{}", ran.stdout);
    }
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ran.stdout);
}

/// As `measure | head -0`: whoever reads is gone before anything is printed.
#[test]
fn a_closed_pipe_is_no_error() {
    for args in [&["--per-class", "30"][..], &["--help"]] {
        let mut child = command("measure")
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("measure runs");
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert!(output.status.success());
    }
}

/// On the emulated GPU the numbers are those of the CPU.
#[test]
fn devices_agree() {
    // Enough samples for every estimator: of 40 a class GeoMLE gives no value.
    let args = ["--per-class", "60", "--size", "16", "--estimator", "all"];
    let Ok(emulated) = Device::emulated(0) else {
        return println!("this build has no emulated device: only the CPU is measured on");
    };
    let on = |device: &str| json(&[&args[..], &["--device", device]].concat());
    let (cpu, gpu) = (on("cpu"), on("emulated:0"));
    assert_eq!(gpu["device"], emulated.name());
    assert_eq!(cpu["label_sharpness"]["pair"], gpu["label_sharpness"]["pair"]);
    for (name, estimate) in cpu["intrinsic_dim"].as_object().unwrap() {
        let (a, b) = (&estimate["value"], &gpu["intrinsic_dim"][name]["value"]);
        let (Some(x), Some(y)) = (a.as_f64(), b.as_f64()) else { panic!("{name}: {a} {b}") };
        assert!(abs_diff_eq!(x / y, 1.0, epsilon = 1e-9), "{name}: {x} {y}");
    }
}
