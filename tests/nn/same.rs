//! The same bits again: twice, on other numbers of threads, in batches of other sizes, in training and apart; dropout,
//! and activations by name.

use super::made::{images, state};
use crate::support::on_threads;
use approx::{abs_diff_eq, assert_abs_diff_eq};
use sharpdim::Device;
use sharpdim::nn::{
    Family, Mode, Model, Network, NetworkPlan, Numbers, Optimiser, Purpose, ResNet, Settings, State,
    Topology, Vgg,
};
use sharpdim::ops::adam::Adam;
use sharpdim::ops::sgd::Sgd;

/// A VGG of few channels: two stages, and a classifier with dropout.
pub fn tiny_plain() -> Topology {
    let vgg = Vgg { stages: &[(4, 1), (8, 2)], pooled: 3, hidden: 32 };
    Topology { name: "tiny vgg", family: Family::Vgg(vgg) }
}

/// A ResNet of few channels.
pub fn tiny_residual(bottleneck: bool) -> Topology {
    let stages = [(4, 1), (4, 2), (8, 1), (8, 1)];
    let family = Family::ResNet(ResNet { bottleneck, stem: 4, stages });
    Topology { name: "tiny resnet", family }
}

pub fn network(topology: &Topology, settings: &Settings) -> Network {
    let mut network =
        Network::new(NetworkPlan::with_topology(&Device::cpu(), topology, settings).unwrap(), 0).unwrap();
    network.load_state(&state(network.plan(), 5)).unwrap();
    network
}

pub fn adam() -> Purpose {
    Purpose::Training(Optimiser::Adam(Adam { weight_decay: 1e-4, ..Adam::default() }))
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Every value of a state, as bits.
fn all_bits(state: &State) -> Vec<u32> {
    let values = state.tensors.iter().filter_map(|tensor| match &tensor.numbers {
        Numbers::F32(values) => Some(bits(values)),
        Numbers::I64(_) => None,
    });
    values.flatten().collect()
}

#[test]
fn training_gives_the_same_bits_on_any_number_of_threads() {
    let settings = Settings { batch: 4, size: [33, 40], purpose: adam(), ..Settings::default() };
    let (images, labels) = images(2, [4, 33, 40, 3], 2);
    let train = || {
        let plan = NetworkPlan::new(&Device::cpu(), Model::ResNet18, &settings).unwrap();
        let mut network = Network::new(plan, 9).unwrap();
        for _ in 0..2 {
            network.train(&images, &labels, 1e-3).unwrap();
        }
        all_bits(&network.state().unwrap())
    };
    let one = on_threads(1, train);
    assert!(one == on_threads(1, train), "twice the same");
    assert!(one == on_threads(3, train), "on three threads");
    assert!(one.iter().all(|bits| f32::from_bits(*bits).is_finite()));
}

#[test]
fn seeds_set_the_first_weights() {
    let settings = Settings { size: [16, 16], ..Settings::default() };
    let first = |seed| {
        let plan = NetworkPlan::with_topology(&Device::cpu(), &tiny_residual(true), &settings).unwrap();
        all_bits(&Network::new(plan, seed).unwrap().state().unwrap())
    };
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
}

/// The passes one by one do what `train` does at once, with either optimiser, and with dropout.
#[test]
fn a_step_of_training_is_its_passes() {
    for (topology, size) in
        [(tiny_plain(), [12, 10]), (tiny_residual(false), [33, 33]), (tiny_residual(true), [33, 33])]
    {
        let sgd = Sgd { momentum: 0.9, ..Sgd::default() };
        for purpose in [adam(), Purpose::Training(Optimiser::Sgd(sgd))] {
            let settings = Settings { batch: 3, size, purpose, seed: 4, ..Settings::default() };
            let [mut whole, mut parts] = [0, 1].map(|_| network(&topology, &settings));
            let (images, labels) = images(3, [3, size[0], size[1], 3], 2);
            for _ in 0..3 {
                let loss = whole.train(&images, &labels, 1e-2).unwrap();
                parts.set_images(&images).unwrap();
                parts.set_labels(&labels).unwrap();
                parts.forward(Mode::Training).unwrap();
                let losses = parts.losses().unwrap();
                assert_abs_diff_eq!(losses.iter().sum::<f32>() / 3.0, loss, epsilon = 1e-5);
                parts.backward().unwrap();
                assert_eq!(parts.gradient_norm().unwrap(), whole.gradient_norm().unwrap());
                parts.step(1e-2).unwrap();
            }
            assert_eq!(whole.steps(), 3);
            assert_eq!(all_bits(&whole.state().unwrap()), all_bits(&parts.state().unwrap()));
        }
    }
}

/// Weights that lie side by side with padding between them: training leaves the norm of all that of each together.
#[test]
fn the_norm_of_gradients_is_of_weights_alone() {
    let settings = Settings { batch: 4, size: [33, 33], purpose: adam(), ..Settings::default() };
    let mut network = network(&tiny_residual(true), &settings);
    let (images, labels) = images(3, [4, 33, 33, 3], 2);
    for _ in 0..3 {
        network.train(&images, &labels, 1e-2).unwrap();
    }
    let each = super::made::parameters(&network);
    let squares = each.iter().flat_map(|name| network.parameter_gradient(name).unwrap());
    let norm = squares.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    crate::support::close(f64::from(network.gradient_norm().unwrap()), norm, 1e-6, || "norm");
}

#[test]
fn images_do_not_depend_on_their_batch() {
    for (topology, size) in [(tiny_plain(), [12, 10]), (tiny_residual(true), [33, 20])] {
        let (images, _) = images(3, [5, size[0], size[1], 3], 2);
        let image = size[0] * size[1] * 3;
        let logits = |batch: usize, last_batch| {
            let mut network =
                network(&topology, &Settings { batch, last_batch, size, ..Settings::default() });
            let mut all = Vec::new();
            for images in images.chunks(batch * image) {
                network.set_images(images).unwrap();
                network.forward(Mode::Evaluation).unwrap();
                all.extend(network.logits().unwrap());
            }
            all
        };
        let whole = logits(5, None);
        assert_eq!(whole.len(), 10);
        for (batch, last) in [(1, None), (2, None), (2, Some(1)), (4, Some(2)), (8, None)] {
            let parts = logits(batch, last);
            for (got, want) in parts.iter().zip(&whole) {
                assert!(
                    abs_diff_eq!(got, want, epsilon = 1e-5 * want.abs().max(1.0)),
                    "batches of {batch}: {got} for {want}"
                );
            }
        }
    }
}

/// The gradient of a batch that is not full is that of the mean over its images.
#[test]
fn images_gradients_of_a_part_of_a_batch() {
    let purpose = Purpose::InputGradient;
    let (images, labels) = images(3, [3, 20, 20, 3], 2);
    let gradient = |batch| {
        let settings = Settings { batch, size: [20, 20], purpose, ..Settings::default() };
        let mut network = network(&tiny_residual(false), &settings);
        network.set_images(&images).unwrap();
        network.set_labels(&labels).unwrap();
        network.forward(Mode::Evaluation).unwrap();
        network.backward().unwrap();
        network.input_gradient().unwrap()
    };
    let (whole, part) = (gradient(3), gradient(7));
    let norm =
        |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let difference = norm(&mut whole.iter().zip(&part).map(|(a, b)| a - b));
    let size = norm(&mut whole.iter().copied());
    assert!(size > 0.0 && difference <= 1e-5 * size, "{difference} of {size}");
}

/// A last batch of its own size trains the same weights as a network planned for that size alone.
#[test]
fn a_last_batch_of_another_size() {
    let settings =
        Settings { batch: 5, last_batch: Some(3), size: [33, 33], purpose: adam(), ..Settings::default() };
    let mut network = network(&tiny_residual(false), &settings);
    let (large, small) = (images(3, [5, 33, 33, 3], 2), images(4, [3, 33, 33, 3], 2));
    network.train(&large.0, &large.1, 1e-2).unwrap();
    let between = network.state().unwrap();
    network.set_images(&small.0).unwrap();
    network.set_labels(&small.1).unwrap();
    network.forward(Mode::Training).unwrap();
    let logits = network.logits().unwrap();

    let settings = Settings { batch: 3, last_batch: None, ..settings };
    let mut alone = self::network(&tiny_residual(false), &settings);
    alone.load_state(&between).unwrap();
    alone.set_images(&small.0).unwrap();
    alone.forward(Mode::Training).unwrap();
    assert_eq!(bits(&alone.logits().unwrap()), bits(&logits));
    network.train(&large.0, &large.1, 1e-2).unwrap();
    assert_eq!(network.steps(), 2);
}

/// Dropout acts in training only, on half the values, others at each step and for each seed.
#[test]
fn dropout_in_training_only() {
    let (images, labels) = images(3, [3, 12, 10, 3], 2);
    let logits = |dropout, seed, mode, steps| {
        let purpose = Purpose::Training(Optimiser::Sgd(Sgd::default()));
        let settings = Settings { batch: 3, size: [12, 10], purpose, dropout, seed, ..Settings::default() };
        let mut network = network(&tiny_plain(), &settings);
        for _ in 0..steps {
            network.train(&images, &labels, 0.0).unwrap();
        }
        network.set_images(&images).unwrap();
        network.forward(mode).unwrap();
        network.logits().unwrap()
    };
    let evaluated = logits(0.5, 0, Mode::Evaluation, 0);
    assert_eq!(bits(&evaluated), bits(&logits(0.5, 1, Mode::Evaluation, 1)), "a rate of 0 moves no weight");
    assert_eq!(bits(&evaluated), bits(&logits(0.0, 0, Mode::Training, 0)));
    let trained = logits(0.5, 0, Mode::Training, 0);
    assert_eq!(bits(&trained), bits(&logits(0.5, 0, Mode::Training, 0)));
    for other in [evaluated, logits(0.5, 1, Mode::Training, 0), logits(0.5, 0, Mode::Training, 1)] {
        assert_ne!(bits(&trained), bits(&other));
    }
}

/// Each activation is the module's own output; keeping some changes no result.
#[test]
fn activations_by_name() {
    let (images, _) = images(3, [5, 16, 24, 3], 2);
    let each: Vec<&[f32]> = images.chunks(16 * 24 * 3).collect();
    for (topology, model, shapes) in [
        (tiny_residual(false), Model::ResNet18, vec![[4, 6, 4], [4, 6, 4], [2, 3, 4], [1, 2, 8], [1, 1, 8]]),
        (tiny_plain(), Model::Vgg13, vec![[8, 12, 4], [4, 6, 8], [3, 3, 8]]),
    ] {
        let mut names = model.activations();
        if model == Model::Vgg13 {
            let tiny = ["input", "features.2", "features.7", "avgpool", "classifier.0", "classifier.3"];
            names = tiny.map(String::from).to_vec();
            names.extend(["classifier.6".into(), "last_hidden".into()]);
        }
        let settings = Settings { batch: 2, size: [16, 24], ..Settings::default() };
        let mut plain = network(&topology, &settings);
        let mut kept = network(&topology, &Settings { taps: names.clone(), ..settings.clone() });
        assert_eq!(kept.plan().activation_shape("input").unwrap(), [16, 24, 3]);
        for (name, shape) in names[1..].iter().zip(&shapes) {
            assert_eq!(kept.plan().activation_shape(name).unwrap(), *shape, "{name}");
        }
        let mut all = std::collections::BTreeMap::<String, Vec<f32>>::new();
        let mut next = 0;
        kept.activations(&each, |rows, name, values| {
            if name == "input" {
                assert_eq!(rows.start, next);
                next = rows.end;
            }
            assert_eq!(values.len() % rows.len(), 0);
            all.entry(name.to_owned()).or_default().extend_from_slice(values);
            Ok(())
        })
        .unwrap();
        assert_eq!(next, 5);
        assert_eq!(all["input"], images);
        let mut logits = Vec::new();
        for images in images.chunks(2 * 16 * 24 * 3) {
            plain.set_images(images).unwrap();
            plain.forward(Mode::Evaluation).unwrap();
            logits.extend(plain.logits().unwrap());
        }
        if model == Model::ResNet18 {
            assert_eq!(all["fc"], logits);
            assert_eq!(all["last_hidden"], all["layer4"]);
            assert_eq!(all["layer4"].len(), 5 * 8);
            assert!(all["layer4"].iter().all(|v| *v >= 0.0), "after its ReLU");
        } else {
            assert_eq!(all["classifier.6"], logits);
            assert_eq!(all["last_hidden"], all["classifier.3"]);
            assert!(all["classifier.3"].iter().any(|v| *v < 0.0), "before its ReLU");
            // The last layer by hand, from the activation before its ReLU.
            let weight = kept.parameter("classifier.6.weight").unwrap();
            let bias = kept.parameter("classifier.6.bias").unwrap();
            for (hidden, logits) in all["classifier.3"].chunks(32).zip(logits.chunks(2)) {
                for (class, logit) in logits.iter().enumerate() {
                    let products = hidden.iter().zip(&weight[class * 32..]).map(|(h, w)| h.max(0.0) * w);
                    assert_abs_diff_eq!(products.sum::<f32>() + bias[class], logit, epsilon = 1e-4);
                }
            }
        }
    }
}
