//! Estimators by name: what is asked for is measured, in that order, and what cannot be is said.

use super::ran::{assert_fails, json, run};
use sharpdim::Device;
use sharpdim::data::{Dataset, Preprocess};
use sharpdim::measure::{Estimator, GeoMle, Mle, intrinsic_dims};

fn names(object: &serde_json::Value) -> Vec<&str> {
    object["intrinsic_dim"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_estimator_gives_what_the_library_gives() {
    let object = json(&["--per-class", "100", "--estimator", "all", "--seed", "7", "--k", "15"]);
    let loaded = Dataset::generated(100, 64, 7).unwrap();
    let loaded = loaded.load(&Preprocess { size: None, ..Preprocess::default() }, &|_| {}).unwrap();
    let mut all = Estimator::all();
    for estimator in &mut all {
        match estimator {
            Estimator::Mle(Mle { k, .. }) => *k = 15,
            Estimator::GeoMle(GeoMle { seed, .. }) => *seed = 7,
            Estimator::TwoNn(sharpdim::measure::TwoNn::Fit { seed, .. }) => *seed = 7,
            _ => (),
        }
    }
    let found = intrinsic_dims(&Device::cpu(), &loaded.samples.points().unwrap(), &all, &|_| ()).unwrap();
    assert_eq!(names(&object), all.iter().map(Estimator::name).collect::<Vec<_>>());
    for (estimator, estimate) in all.iter().zip(found) {
        let (estimate, printed) = (estimate.unwrap(), &object["intrinsic_dim"][estimator.name()]);
        assert_eq!(printed["value"], estimate.value, "{estimator}");
        assert_eq!(printed["convention"], estimator.to_string());
    }
}

#[test]
fn a_list_is_measured_in_its_order_once_each() {
    let args = ["--per-class", "40", "--estimator", "tle,mle,tle", "--estimator", "corr"];
    assert_eq!(names(&json(&args)), ["tle", "mle", "corr"]);
    let table = run(&args).stdout;
    let at = |name: &str| table.find(&format!("\n  {name} ")).unwrap();
    assert!(at("tle") < at("mle") && at("mle") < at("corr"), "{table}");
}

/// Among several one that has too few samples is left out with a note; alone it is an error.
#[test]
fn too_few_samples_for_one() {
    let few = ["--per-class", "12", "--estimator", "twonn,geomle,mle"];
    let object = json(&few);
    assert_eq!(names(&object), ["twonn", "geomle", "mle"]);
    assert!(object["intrinsic_dim"]["geomle"].is_null() && object["intrinsic_dim"]["mle"].is_object());
    let note = object["notes"][0].as_str().unwrap();
    assert!(note.starts_with("no geomle: its ") && note.contains("and there are 24"), "{note}");
    assert!(run(&few).stdout.contains(note));
    let words = ["24 samples have no", "neighbours"];
    assert_fails(&["--per-class", "12", "--estimator", "geomle"], 1, &words);
    assert_fails(&["--per-class", "12", "--estimator", "geomle,lpca"], 1, &words);
}
