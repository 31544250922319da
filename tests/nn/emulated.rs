//! Networks of few channels on every device, against the CPU: steps of training, gradients of images, and both in bf16.

use super::made::{images, parameters, state};
use super::same::{adam, tiny_plain, tiny_residual};
use crate::support::devices;
use sharpdim::Device;
use sharpdim::Precision;
use sharpdim::nn::{Family, Mode, Network, NetworkPlan, Purpose, Settings, Topology};

fn loaded(device: &Device, topology: &Topology, settings: &Settings) -> Network {
    let mut network =
        Network::new(NetworkPlan::with_topology(device, topology, settings).unwrap(), 0).unwrap();
    network.load_state(&state(network.plan(), 5)).unwrap();
    network
}

/// That two tensors differ by less than 1e-4 of their norm.
#[track_caller]
fn near(got: &[f32], want: &[f32], what: &str) {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let size = norm(&mut want.iter().map(|v| f64::from(*v)));
    let difference = norm(&mut got.iter().zip(want).map(|(g, w)| f64::from(*g) - f64::from(*w)));
    assert_eq!(got.len(), want.len(), "{what}");
    assert!(difference <= 1e-4 * size, "{what}: off by {difference:.1e}, its norm is {size:.1e}");
}

fn topologies() -> [(Topology, [usize; 2]); 3] {
    [(tiny_plain(), [12, 10]), (tiny_residual(false), [33, 33]), (tiny_residual(true), [33, 33])]
}

#[test]
fn steps_of_training_on_every_device() {
    for (topology, size) in topologies() {
        let settings = Settings { batch: 3, size, purpose: adam(), ..Settings::default() };
        let (images, labels) = images(3, [3, size[0], size[1], 3], 2);
        let run = |device: &Device| {
            let mut network = loaded(device, &topology, &settings);
            // On a GPU the first step is recorded, the second runs the recording again, at another rate.
            network.train(&images, &labels, 1e-3).unwrap();
            let loss = network.train(&images, &labels, 3e-3).unwrap();
            (network, loss)
        };
        let (cpu, loss) = run(&Device::cpu());
        for device in devices() {
            let name = device.name();
            let (network, got) = run(&device);
            near(&[got], &[loss], &format!("{name}: loss"));
            near(&network.logits().unwrap(), &cpu.logits().unwrap(), &format!("{name}: logits"));
            for weight in parameters(&cpu) {
                let (got, want) = [&network, &cpu].map(|n| n.parameter_gradient(&weight).unwrap()).into();
                near(&got, &want, &format!("{name}: gradient of {weight}"));
                let (got, want) = [&network, &cpu].map(|n| n.parameter(&weight).unwrap()).into();
                near(&got, &want, &format!("{name}: {weight}"));
            }
            if matches!(topology.family, Family::ResNet(_)) {
                for weight in ["bn1.running_mean", "layer2.0.downsample.1.running_var"] {
                    let (got, want) = [&network, &cpu].map(|n| n.parameter(weight).unwrap()).into();
                    near(&got, &want, &format!("{name}: {weight}"));
                }
            }
        }
    }
}

#[test]
fn gradients_of_images_on_every_device() {
    for (topology, size) in topologies() {
        let purpose = Purpose::InputGradient;
        let settings = Settings { batch: 4, size, purpose, ..Settings::default() };
        // Fewer images than a batch.
        let (images, labels) = images(3, [3, size[0], size[1], 3], 2);
        let run = |device: &Device| {
            let mut network = loaded(device, &topology, &settings);
            network.set_images(&images).unwrap();
            network.set_labels(&labels).unwrap();
            network.forward(Mode::Evaluation).unwrap();
            network.backward().unwrap();
            (network.losses().unwrap(), network.input_gradient().unwrap())
        };
        let (losses, gradient) = run(&Device::cpu());
        for device in devices() {
            let (got_losses, got) = run(&device);
            near(&got_losses, &losses, &format!("{}: losses", device.name()));
            near(&got, &gradient, &format!("{}: the images' gradient", device.name()));
        }
    }
}

/// Each layer rounds what it stores once, by 2^-8 of it at most, which later layers pass on; roundings of many values
/// are of both signs, so that twice the square root of the number of layers is generous for their norm. Gradients pass
/// all layers twice, and where a value near 0 was rounded to the other side of it ReLU lets another one by: of them the
/// direction is looked at.
#[test]
fn bf16_is_as_near_as_its_roundings() {
    for (topology, size) in topologies() {
        let of_precision = |device: &Device, precision| {
            let settings = Settings { batch: 3, size, precision, purpose: adam(), ..Settings::default() };
            let (images, labels) = images(3, [3, size[0], size[1], 3], 2);
            let mut network = loaded(device, &topology, &settings);
            let loss = network.train(&images, &labels, 1e-3).unwrap();
            (network, loss)
        };
        let (cpu, loss) = of_precision(&Device::cpu(), Precision::F32);
        let weights = parameters(&cpu);
        let layers = weights.iter().filter(|name| name.ends_with("weight")).count() as f64;
        for device in devices().iter().filter(|device| !device.is_cpu()) {
            let (network, got) = of_precision(device, Precision::Bf16);
            let bound = 2.0 * layers.sqrt() / 256.0;
            let (logits, want) = (network.logits().unwrap(), cpu.logits().unwrap());
            let dot = |a: &[f32], b: &[f32]| {
                a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
            };
            let difference: Vec<f32> = logits.iter().zip(&want).map(|(g, w)| g - w).collect();
            let off = (dot(&difference, &difference) / dot(&want, &want)).sqrt();
            println!("{device}: logits are off by {off:.1e}, {bound:.1e} are allowed; loss {got} for {loss}");
            assert!(off > 0.0 && off <= bound, "{device}: logits are off by {off:.1e}");
            let all = |network: &Network| -> Vec<f32> {
                weights.iter().flat_map(|name| network.parameter_gradient(name).unwrap()).collect()
            };
            let (gradient, want) = (all(&network), all(&cpu));
            let cosine = dot(&gradient, &want) / (dot(&gradient, &gradient) * dot(&want, &want)).sqrt();
            assert!(cosine > 0.95, "{device}: gradients are turned, cosine {cosine:.4}");
        }
    }
}
