//! torchvision's activations in float64, measured by scikit-dimension: tests/vectors/representations.py.

use super::fixture::{SEED, SIZE, pixels, some, trained};
use approx::abs_diff_eq;
use serde_json::Value;
use sharpdim::Device;
use sharpdim::measure::{Estimator, Mle, MleNorm, Pooling, TwoNn};
use sharpdim::represent::{RepresentationOptions, representations};

/// Of a dimension. Activations are in f32 here.
const TOLERANCE: f64 = 1e-3;

#[test]
fn dimensions_of_torchvisions_activations() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/representations.json");
    let said: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let number = |name: &str| said[name].as_u64().unwrap() as usize;
    let count = number("count");
    assert_eq!((number("seed") as u64, number("size")), (SEED, SIZE));
    let sum: usize = pixels(count).into_iter().map(usize::from).sum();
    assert_eq!(sum, number("pixels_sum"), "other images than the script's");

    let (k, discard) = (number("k"), said["discard_fraction"].as_f64().unwrap());
    let mle = |pooling| Estimator::Mle(Mle { k, pooling, norm: MleNorm::KMinus1, ..Mle::default() });
    let names = ["mle_harmonic", "mle_mean", "twonn_fit"];
    let fit = TwoNn::Fit { discard, seed: 0, duplicates: Default::default() };
    let layers = said["layers"].as_object().unwrap();
    let options = RepresentationOptions {
        layers: layers.keys().cloned().collect(),
        estimators: vec![mle(Pooling::Harmonic), mle(Pooling::Mean), Estimator::TwoNn(fit)],
        batch: 16,
        ..RepresentationOptions::default()
    };
    let found = representations(&Device::cpu(), &trained(), &some(count), &options, &|_| ()).unwrap();
    assert_eq!(found.len(), 7);
    for layer in found {
        let said = &layers[&layer.layer];
        assert_eq!(layer.values as u64, said["values"].as_u64().unwrap());
        for (name, found) in names.iter().zip(layer.dims) {
            let (got, want) = (found.unwrap().value, said[*name].as_f64().unwrap());
            let alike = abs_diff_eq!(got / want, 1.0, epsilon = TOLERANCE);
            assert!(alike, "{}, {name}: {got}, scikit-dimension's {want}", layer.layer);
        }
    }
}
