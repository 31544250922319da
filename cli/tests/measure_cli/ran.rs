//! Runs `measure` and checks what holds of every run: no panic, an error on stderr alone, and JSON that is
//! one object with the promised fields and nothing else on stdout.

pub use crate::binary::Ran;

use crate::binary::{command, finish};
use approx::assert_abs_diff_eq;
use serde_json::Value;
use std::ffi::OsStr;

#[track_caller]
pub fn run(args: &[impl AsRef<OsStr>]) -> Ran {
    finish(command("measure").args(args))
}

/// Asserts that a run fails with this code, says all these words on stderr, and prints nothing on stdout.
#[track_caller]
pub fn assert_fails(args: &[impl AsRef<OsStr>], code: i32, words: &[&str]) {
    let ran = run(args);
    assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.starts_with("sharpdim: "), "{}", ran.stderr);
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?} is not in the message: {}", ran.stderr);
    }
}

/// What `--json` prints, checked against the fields that are promised.
#[track_caller]
pub fn json(args: &[&str]) -> Value {
    let ran = run(&[args, &["--json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stderr, "", "progress is for terminals");
    // Fails on anything before or after the object.
    let object: Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
    match object["datasets"].as_array() {
        Some(several) => several.iter().for_each(assert_schema),
        None => assert_schema(&object),
    }
    object
}

#[track_caller]
fn assert_schema(object: &Value) {
    let n = object["n"].as_u64().expect("n");
    assert!(object["dim"].as_u64().is_some());
    let classes = object["classes"].as_object().expect("classes");
    assert_eq!(classes.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), n);
    assert!(object["device"].is_string());

    let estimates = object["intrinsic_dim"].as_object().expect("intrinsic_dim");
    assert!(!estimates.is_empty());
    // An estimator for which there are too few samples is null.
    for estimate in estimates.values().filter(|estimate| !estimate.is_null()) {
        let [value, low] = ["value", "low"].map(|field| estimate[field].as_f64().expect(field));
        // The upper end may be infinite, which is null.
        let high = estimate["high"].as_f64().unwrap_or(f64::INFINITY);
        assert!(low <= value && value <= high, "{estimate}");
        assert!(estimate["excluded"].is_u64() && estimate["convention"].is_string());
        let why = estimate["excluded_why"].as_object().expect("excluded_why");
        let counts = why.values().map(|count| count.as_u64().unwrap());
        assert_eq!(counts.sum::<u64>(), estimate["excluded"]);
    }

    let sharpness = &object["label_sharpness"];
    let [max, mean, sd] = ["max", "mean", "sd"].map(|field| sharpness[field].as_f64().expect(field));
    assert!(max >= mean * (1.0 - 1e-12) && mean > 0.0 && sd >= 0.0);
    let pair: Vec<u64> = sharpness["pair"].as_array().unwrap().iter().map(|i| i.as_u64().unwrap()).collect();
    assert!(pair.len() == 2 && pair[0] < pair[1] && pair[1] < n, "{pair:?}");
    let distance = sharpness["distance"].as_f64().unwrap();
    assert_abs_diff_eq!(max * distance, 1.0, epsilon = 1e-12);
    // The released code takes pairs of equal labels.
    let equal = sharpness["pair_labels"][0] == sharpness["pair_labels"][1];
    assert_eq!(equal, sharpness["protocol"] == "released");
    assert!(sharpness["pair_names"][0].is_string() && sharpness["pair_names"][1].is_string());
    assert!(sharpness["protocol"].is_string());
    assert!(sharpness["pairs_compared"].is_u64() && sharpness["contradictions"].is_u64());

    let seconds = |field: &str| object["seconds"][field].as_f64().expect(field);
    let steps: f64 = ["load", "preprocess", "pairs", "estimates", "sharpness"].map(seconds).iter().sum();
    assert!(steps > 0.0 && seconds("total") >= steps * (1.0 - 1e-9));
    assert!(object["skipped"].is_array() && object["notes"].is_array());
}
