//! Plans: memory known before it is taken, and taken by what is asked for only.

use super::same::{adam, tiny_plain};
use sharpdim::Device;
use sharpdim::nn::{Model, NetworkPlan, Optimiser, Purpose, Settings};
use sharpdim::ops::sgd::Sgd;

fn plan(model: Model, settings: Settings) -> NetworkPlan {
    NetworkPlan::new(&Device::cpu(), model, &settings).unwrap()
}

#[test]
fn memory_by_purpose() {
    let bytes = |purpose| {
        plan(Model::ResNet18, Settings { batch: 8, size: [64, 64], purpose, ..Settings::default() }).bytes()
    };
    let [inference, attack, both, training, sgd] = [
        Purpose::Inference,
        Purpose::InputGradient,
        Purpose::Gradients,
        adam(),
        Purpose::Training(Optimiser::Sgd(Sgd::default())),
    ]
    .map(bytes);
    let weights = 11_177_538 * 4;
    for bytes in [inference, attack, both, training, sgd] {
        assert!((weights..weights + 100_000).contains(&bytes.weights), "{bytes:?}");
    }
    assert_eq!((inference.gradients, attack.gradients), (0, 0));
    assert!(training.gradients >= weights && both.gradients == training.gradients);
    assert_eq!(
        (training.optimiser, sgd.optimiser, both.optimiser),
        (2 * training.gradients, training.gradients, 0)
    );
    assert!(inference.activations * 3 < attack.activations, "{inference:?}, {attack:?}");
    // Inference holds three of the largest activations at most, and the images.
    let largest = 8 * 32 * 32 * 64 * 4;
    assert!(inference.activations < 3 * largest + 8 * 64 * 64 * 3 * 4, "{inference:?}");
    // A second size of batches takes no more than the first.
    let settings = Settings { batch: 8, size: [64, 64], purpose: adam(), ..Settings::default() };
    let two = plan(Model::ResNet18, Settings { last_batch: Some(5), ..settings });
    assert_eq!(two.bytes(), training);
}

#[test]
fn a_plan_says_what_it_takes() {
    let settings = Settings { batch: 40, channels: 1, purpose: adam(), ..Settings::default() };
    let words = plan(Model::ResNet18, settings).to_string();
    for part in
        ["resnet18", "11.2 million", "2 classes", "training with Adam in f32 on cpu", "of 40 images", "GB"]
    {
        assert!(words.contains(part), "{part:?} in {words:?}");
    }
}

#[test]
fn images_of_the_least_size() {
    for model in Model::ALL {
        let least = model.least_size();
        assert_eq!(least, if model.name().starts_with("vgg") { 32 } else { 1 });
        let size = |h, w| Settings { size: [h, w], ..Settings::default() };
        assert!(NetworkPlan::new(&Device::cpu(), model, &size(least, least)).is_ok());
        for [h, w] in [[least - 1, least], [least, least - 1]] {
            let error = NetworkPlan::new(&Device::cpu(), model, &size(h, w)).unwrap_err().to_string();
            let wanted = format!("{model} takes images of {least} x {least} or more, not of {h} x {w}");
            assert_eq!(error, wanted);
        }
    }
}

/// Whatever may be asked is planned, or refused: nothing panics.
#[test]
fn every_small_plan() {
    for purpose in [Purpose::Inference, Purpose::InputGradient, Purpose::Gradients, adam()] {
        for batch in 0..4 {
            for size in [[0, 3], [1, 1], [3, 4], [5, 31]] {
                for channels in [0, 1, 5] {
                    let settings = Settings { batch, size, channels, purpose, ..Settings::default() };
                    let planned = NetworkPlan::with_topology(&Device::cpu(), &tiny_plain(), &settings);
                    let right = batch > 0 && channels > 0 && size.iter().all(|extent| *extent >= 4);
                    assert_eq!(planned.is_ok(), right, "{settings:?}");
                    _ = NetworkPlan::with_topology(
                        &Device::cpu(),
                        &super::same::tiny_residual(true),
                        &settings,
                    );
                }
            }
        }
    }
}
