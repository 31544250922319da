//! What networks refuse, and what they say then.

use super::made::images;
use super::same::{adam, network, tiny_plain, tiny_residual};
use sharpdim::nn::{Mode, Model, Network, NetworkPlan, Purpose, Settings};
use sharpdim::{Device, Precision};

#[track_caller]
fn says<T>(result: sharpdim::Result<T>, parts: &[&str]) {
    let error = result.err().expect("refused").to_string();
    for part in parts {
        assert!(error.contains(part), "{part:?} in {error:?}");
    }
}

#[test]
fn names() {
    says(
        "resnet101".parse::<Model>(),
        &["\"resnet101\"", "resnet18, resnet34, resnet50, vgg13, vgg16, vgg19"],
    );
    for model in Model::ALL {
        assert_eq!(model.name().parse::<Model>().unwrap(), model);
    }
}

#[test]
fn plans() {
    let plan = |settings: Settings| NetworkPlan::new(&Device::cpu(), Model::ResNet34, &settings);
    let or = Settings::default;
    says(plan(Settings { channels: 0, ..or() }), &["resnet34: channels is 0"]);
    says(plan(Settings { classes: 0, ..or() }), &["resnet34: classes is 0"]);
    says(plan(Settings { batch: 0, ..or() }), &["resnet34: batch is 0"]);
    says(plan(Settings { last_batch: Some(0), ..or() }), &["resnet34: last_batch is 0"]);
    says(plan(Settings { size: [0, 9], ..or() }), &["1 x 1 or more, not of 0 x 9"]);
    says(plan(Settings { batch: 1 << 20, ..or() }), &["2^31"]);
    says(plan(Settings { batch: usize::MAX, size: [usize::MAX >> 1, 3], ..or() }), &["2^31"]);
    says(
        plan(Settings { taps: vec!["layer5".into()], ..or() }),
        &["resnet34 has no activation \"layer5\"", "input, maxpool, layer1", "last_hidden"],
    );
    says(
        plan(Settings { purpose: adam(), size: [32, 32], ..or() }),
        &["batches of 1 image of 32 x 32", "variance"],
    );
    let vgg = Settings { dropout: 1.0, ..or() };
    says(NetworkPlan::new(&Device::cpu(), Model::Vgg13, &vgg), &["dropout: a probability of 1"]);
    let halves = plan(Settings { precision: Precision::Bf16, size: [32, 32], ..or() }).unwrap();
    says(Network::new(halves, 0), &["bf16 needs a GPU"]);
}

#[test]
fn batches() {
    let settings = Settings { batch: 3, size: [8, 6], purpose: adam(), ..Settings::default() };
    let mut network = network(&tiny_plain(), &settings);
    let (images, labels) = images(1, [4, 8, 6, 3], 2);
    let image = 8 * 6 * 3;
    says(network.forward(Mode::Evaluation), &["no images are set"]);
    says(network.logits(), &["no forward pass"]);
    says(network.set_images(&images[..image + 1]), &["145 values", "8 x 6 x 3, of 144 values"]);
    says(network.set_images(&[]), &["0 values"]);
    says(network.set_images(&images), &["4 images", "3 or fewer"]);
    network.set_images(&images[..2 * image]).unwrap();
    says(network.set_labels(&labels[..3]), &["3 labels for a batch of 2 images"]);
    says(network.set_labels(&[1, 2]), &["image 1 has the label 2", "2 classes"]);
    says(network.forward(Mode::Training), &["whole batch, of 3 images, not 2", "last_batch"]);
    network.forward(Mode::Evaluation).unwrap();
    says(network.losses(), &["no labels"]);
    says(network.backward(), &["no labels"]);
    network.set_labels(&[1, 0]).unwrap();
    assert_eq!(network.losses().unwrap().len(), 2);
    says(network.backward(), &["whole batch, of 3 images, not 2"]);
    says(network.step(0.1), &["no backward pass"]);
    says(network.gradient_norm(), &["no backward pass"]);
    says(network.train(&images[..image], &[0], 0.1), &["whole batch"]);
    network.train(&images[..3 * image], &labels[..3], 0.1).unwrap();
    says(network.backward(), &["weights moved"]);
    says(network.input_gradient(), &["planned for training with Adam, not for gradients of images"]);
    says(network.parameter_gradient("fc.weight"), &["no weight \"fc.weight\""]);
    says(network.activation("input"), &["\"input\" is not kept"]);
    says(network.activations([&images[..image]], |_, _, _| Ok(())), &["no activation is kept"]);
}

#[test]
fn what_was_not_planned() {
    let settings = Settings { batch: 2, size: [32, 32], ..Settings::default() };
    let (images, labels) = images(1, [2, 32, 32, 3], 2);
    let mut inference = network(&tiny_residual(false), &settings);
    inference.set_images(&images).unwrap();
    inference.set_labels(&labels).unwrap();
    says(inference.forward(Mode::Training), &["planned for inference, not for passes in training mode"]);
    inference.forward(Mode::Evaluation).unwrap();
    says(inference.backward(), &["not for gradients"]);
    says(inference.train(&images, &labels, 0.1), &["not for an optimiser"]);
    says(inference.parameter_gradient("conv1.weight"), &["not for gradients of weights"]);
    let purpose = Purpose::Gradients;
    let mut gradients = network(&tiny_residual(false), &Settings { purpose, ..settings.clone() });
    says(gradients.step(0.1), &["not for an optimiser"]);
    says(gradients.parameter_gradient("bn1.running_mean"), &["bn1.running_mean is no weight"]);
    let taps = vec!["layer1".to_owned()];
    let mut kept = network(&tiny_residual(false), &Settings { taps, ..settings });
    let short = [&images[..10]];
    says(kept.activations(short, |_, _, _| Ok(())), &["image 0 has 10 values", "takes 3072"]);
}
