//! What is found is what the activations say that a network gives.

use super::fixture::{SIZE, images, pixels, some, trained};
use approx::abs_diff_eq;
use sharpdim::measure::{Estimator, Mle, Protocol, TwoNn, intrinsic_dims, label_sharpness};
use sharpdim::nn::{Model, Purpose};
use sharpdim::represent::{Representation, RepresentationOptions, Stage, relative_depth, representations};
use sharpdim::{Device, Points};
use std::sync::Mutex;

const LAYERS: [&str; 5] = ["last_hidden", "input", "layer2", "layer4", "fc"];

fn options() -> RepresentationOptions {
    RepresentationOptions {
        layers: LAYERS.map(String::from).to_vec(),
        estimators: vec![Estimator::Mle(Mle { k: 5, ..Mle::default() }), Estimator::TwoNn(TwoNn::default())],
        sharpness: Some(Protocol::AllPairs),
        batch: 7,
        ..RepresentationOptions::default()
    }
}

fn find(options: &RepresentationOptions) -> Vec<Representation> {
    representations(&Device::cpu(), &trained(), &some(24), options, &|_| ()).unwrap()
}

/// All of it, errors too; floats are written so that no bit is lost.
fn bits(found: &[Representation]) -> String {
    format!("{found:?}")
}

#[test]
fn activations_measured_by_hand() {
    let (device, trained, images, options) = (Device::cpu(), trained(), some(24), options());
    let mut network = trained.network(&device, 7, Purpose::Inference, &LAYERS).unwrap();
    let mut gathered = vec![Vec::new(); LAYERS.len()];
    let inputs: Vec<Vec<f32>> = images.pixels().chunks(SIZE * SIZE).map(|p| trained.normalised(p)).collect();
    network
        .activations(&inputs, |_, name, values| {
            gathered[LAYERS.iter().position(|layer| *layer == name).unwrap()].extend_from_slice(values);
            Ok(())
        })
        .unwrap();
    assert!(gathered[1] == inputs.concat(), "the input is the normalised images");
    assert!(gathered[0] == gathered[3], "the last hidden layer is layer4");

    let found = find(&options);
    assert_eq!(found.len(), LAYERS.len());
    let shapes = [[2, 2, 512], [SIZE, SIZE, 1], [5, 5, 128], [2, 2, 512], [1, 1, 2]];
    let depths = [5.0 / 7.0, 0.0, 3.0 / 7.0, 5.0 / 7.0, 1.0];
    for (at, layer) in found.iter().enumerate() {
        assert_eq!((layer.layer.as_str(), layer.shape, layer.depth), (LAYERS[at], shapes[at], depths[at]));
        assert_eq!(layer.values, shapes[at].iter().product::<usize>());
        let points = Points::f32(&gathered[at], layer.values).unwrap();
        let dims = intrinsic_dims(&device, &points, &options.estimators, &|_| ()).unwrap();
        assert_eq!(format!("{:?}", layer.dims), format!("{dims:?}"), "{}", layer.layer);
        let sharp = label_sharpness(&device, &points, images.labels(), Protocol::AllPairs, 1, &|_| ());
        assert_eq!(layer.sharpness.as_ref().unwrap().as_ref().unwrap(), &sharp.unwrap());
    }
}

#[test]
fn files_have_the_same_bits_as_memory() {
    let in_memory = bits(&find(&options()));
    // All in files; the two or three narrowest in memory; nearly all.
    for memory in [0, 24 * 4 * 2100, 24 * 4 * 6000] {
        assert_eq!(bits(&find(&RepresentationOptions { memory, ..options() })), in_memory, "{memory}");
    }
}

#[test]
fn the_batch_does_not_matter() {
    let (a, b) = (find(&options()), find(&RepresentationOptions { batch: 100, ..options() }));
    for (a, b) in a.iter().zip(&b) {
        for (a, b) in a.dims.iter().zip(&b.dims) {
            let (a, b) = (a.as_ref().unwrap().value, b.as_ref().unwrap().value);
            assert!(abs_diff_eq!(a / b, 1.0, epsilon = 1e-3), "{a}, {b}");
        }
    }
}

#[test]
fn all_layers_in_order_with_progress() {
    let options = RepresentationOptions { sharpness: None, layers: Vec::new(), ..options() };
    let stages = Mutex::new(Vec::new());
    let note = |stage: Stage<'_>| {
        let stage = match stage {
            Stage::Activations { done, total } => (0, done as f64 / total as f64),
            Stage::Measuring { done, total, fraction, .. } => (1, (done as f64 + fraction) / total as f64),
            other => panic!("{other:?}"),
        };
        stages.lock().unwrap().push(stage);
    };
    let found = representations(&Device::cpu(), &trained(), &some(24), &options, &note).unwrap();
    let names: Vec<&str> = found.iter().map(|layer| layer.layer.as_str()).collect();
    assert_eq!(names, ["input", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc"]);
    assert!(found.iter().all(|layer| layer.sharpness.is_none() && layer.dims.len() == 2));
    let stages = stages.into_inner().unwrap();
    assert!(stages.is_sorted() && stages.contains(&(0, 1.0)), "{stages:?}");
    for model in Model::ALL {
        let depths =
            model.activations().iter().map(|name| relative_depth(model, name).unwrap()).collect::<Vec<_>>();
        let (hidden, along) = depths.split_last().unwrap();
        assert!(along.is_sorted() && along[0] == 0.0 && along[along.len() - 1] == 1.0);
        assert_eq!(*hidden, relative_depth(model, model.last_hidden()).unwrap());
    }
}

#[test]
fn twins_are_left_out() {
    let mut pixels = pixels(24);
    pixels.copy_within(..SIZE * SIZE, SIZE * SIZE);
    let labels: Vec<u8> = (0..24).map(|at| at / 12).collect();
    let images = images(&pixels, SIZE, &labels);
    let found = representations(&Device::cpu(), &trained(), &images, &options(), &|_| ()).unwrap();
    for layer in found {
        for found in layer.dims {
            let found = found.unwrap();
            assert_eq!(found.excluded.count(), 2, "{}", layer.layer);
            assert!(found.value.is_finite() && found.value > 0.0);
        }
    }
}
