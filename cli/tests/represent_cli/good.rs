//! What `represent` prints and writes.

use crate::ran::{checkpoint, json, run};

#[test]
fn a_curve_as_json_and_as_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("curve.png");
    let options = ["--estimator", "mle,twonn", "--k", "10", "--sharpness", "--memory", "0", "--out"];
    let object = json(&[&[checkpoint()], &options[..], &[picture.to_str().unwrap()]].concat());
    assert_eq!(object["n"], 24);
    assert_eq!((&object["trained_on"], &object["notes"]), (&true.into(), &serde_json::json!([])));
    assert_eq!((&object["model"], &object["last_hidden"]), (&"resnet18".into(), &"layer4".into()));
    let layers = object["layers"].as_array().unwrap();
    let names: Vec<&str> = layers.iter().map(|layer| layer["layer"].as_str().unwrap()).collect();
    assert_eq!(names, ["input", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc"]);
    for layer in layers {
        assert_eq!(layer["dims"].as_array().unwrap().len(), 2);
        for (dim, name) in layer["dims"].as_array().unwrap().iter().zip(["mle", "twonn"]) {
            assert_eq!(dim["estimator"], name);
            let number = |name: &str| dim[name].as_f64().unwrap_or_else(|| panic!("{name}: {dim}"));
            assert!(0.0 < number("dim") && number("low") < number("high"), "{dim}");
        }
        assert!(layer["label_sharpness"]["max"].as_f64().unwrap() > 0.0);
    }
    assert_eq!((&layers[0]["depth"], &layers[7]["depth"]), (&0.0.into(), &1.0.into()));
    assert_eq!((&layers[0]["values"], &layers[0]["shape"]), (&1024.into(), &serde_json::json!([32, 32, 1])));
    assert_eq!(object["d_data"], layers[0]["dims"][0]["dim"]);
    assert_eq!(object["d_repr"], layers[5]["dims"][0]["dim"]);
    let picture = image::open(picture).unwrap();
    assert!(picture.width() > 600 && picture.height() > 400);
}

#[test]
fn a_table() {
    let ran = run(&[checkpoint(), "--layers", "input,last_hidden", "--part", "test"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for words in [
        "resnet18, 1 epoch,",
        "clear and lesion; 24 of 32 x 32 x 1, those it was tested on",
        "MLE, k = 20",
        "last_hidden",
        "95 % interval",
        "d_data",
        "d_repr",
    ] {
        assert!(ran.stdout.contains(words), "{words:?} in {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("layer1") && !ran.stdout.contains("K_F"), "{}", ran.stdout);
    let help = run(&["--help"]);
    assert!(help.code == 0 && help.stdout.contains("Examples:") && help.stdout.contains("last_hidden"));
}
