//! What cannot be measured is said, with what would be right.

use super::fixture::{SIZE, images, pixels, some, trained};
use sharpdim::data::Images;
use sharpdim::measure::{Estimator, Mle, Protocol};
use sharpdim::nn::{Numbers, Trained};
use sharpdim::represent::{RepresentationOptions, representations};
use sharpdim::{Device, Error};

fn options(layers: &[&str]) -> RepresentationOptions {
    RepresentationOptions {
        layers: layers.iter().map(|layer| (*layer).to_owned()).collect(),
        estimators: vec![Estimator::Mle(Mle { k: 5, ..Mle::default() })],
        ..RepresentationOptions::default()
    }
}

#[track_caller]
fn refused(trained: &Trained, images: &Images, options: &RepresentationOptions, words: &[&str]) -> Error {
    let error = representations(&Device::cpu(), trained, images, options, &|_| ()).unwrap_err();
    for word in words {
        assert!(error.to_string().contains(word), "{word:?} is not in {error}");
    }
    error
}

#[test]
fn before_any_work() {
    let (trained, all, base) = (trained(), some(12), options(&["input"]));
    let words = ["resnet18 has no activation \"layer5\"", "layer4, avgpool, fc, last_hidden"];
    refused(&trained, &all, &options(&["input", "layer5"]), &words);
    let half = images(&pixels(6), SIZE / 2, &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
    refused(&trained, &half, &base, &["20 x 40 x 1", "40 x 40 x 1"]);
    let error = refused(&trained, &some(5), &base, &["5 images are too few for MLE, k = 5", "6 or more"]);
    assert!(matches!(error, Error::Data(_)));
    refused(&trained, &all, &RepresentationOptions { batch: 0, ..base.clone() }, &["batch is 0"]);
    let nothing = RepresentationOptions { estimators: Vec::new(), ..base.clone() };
    refused(&trained, &all, &nothing, &["nothing to measure"]);
    let senseless = vec![Estimator::Mle(Mle { k: 1, ..Mle::default() })];
    refused(
        &trained,
        &all,
        &RepresentationOptions { estimators: senseless, ..base.clone() },
        &["k must be at least"],
    );
    let one_class = images(&pixels(12), SIZE, &[0; 12]);
    let sharp = RepresentationOptions { sharpness: Some(Protocol::AllPairs), ..base };
    refused(&trained, &one_class, &sharp, &["one class"]);
}

/// A ReLU that lets nothing by: from there on all images are one.
#[test]
fn dead_layers() {
    let mut trained = trained();
    for tensor in &mut trained.state.tensors {
        let value = match tensor.name.as_str() {
            "bn1.weight" => 0.0,
            "bn1.bias" => -1.0,
            _ => continue,
        };
        if let Numbers::F32(values) = &mut tensor.numbers {
            values.fill(value);
        }
    }
    let sharpness = Some(Protocol::AllPairs);
    let options = RepresentationOptions { sharpness, ..options(&["input", "maxpool", "last_hidden"]) };
    let found = representations(&Device::cpu(), &trained, &some(12), &options, &|_| ()).unwrap();
    assert!(found[0].dims[0].is_ok() && found[0].sharpness.as_ref().unwrap().is_ok());
    for layer in &found[1..] {
        let errors = [layer.dims[0].as_ref().err(), layer.sharpness.as_ref().unwrap().as_ref().err()];
        for error in errors {
            let message = error.expect("no number").to_string();
            let said = format!("{}: all 12 images have the same activation", layer.layer);
            assert!(message.starts_with(&said), "{message}");
        }
    }
}

/// Images in pairs of twins: each sample is left out.
#[test]
fn nothing_but_twins() {
    let mut pixels = pixels(12);
    pixels.copy_within(..6 * SIZE * SIZE, 6 * SIZE * SIZE);
    let twins = images(&pixels, SIZE, &[0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    let options = options(&["input", "last_hidden"]);
    let found = representations(&Device::cpu(), &trained(), &twins, &options, &|_| ()).unwrap();
    for (layer, start) in found.iter().zip(["the images: ", "last_hidden: "]) {
        let message = layer.dims[0].as_ref().unwrap_err().to_string();
        assert!(
            message.starts_with(start) && message.contains("12 samples have an identical twin"),
            "{message}"
        );
    }
}

#[test]
fn values_that_are_not_finite() {
    let mut trained = trained();
    trained.scale = vec![f32::INFINITY, 0.0];
    refused(&trained, &some(12), &options(&["input"]), &["the images: sample 0 has the value"]);
}
