//! State dicts and their files: the same bits again, PyTorch's other types, and files of other networks or of none.

use super::made::{images, state};
use super::same::{adam, network, tiny_plain, tiny_residual};
use approx::abs_diff_eq;
use safetensors::tensor::{Dtype, TensorView};
use sharpdim::nn::{Mode, Model, Network, NetworkPlan, Numbers, Settings, State, StateTensor};
use sharpdim::{Device, bf16, f16};
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    (folder, path)
}

fn small() -> Settings {
    Settings { batch: 2, size: [33, 33], ..Settings::default() }
}

#[track_caller]
fn says<T>(result: sharpdim::Result<T>, parts: &[&str]) {
    let error = result.err().expect("refused").to_string();
    for part in parts {
        assert!(error.contains(part), "{part:?} in {error:?}");
    }
}

#[test]
fn saved_and_loaded_to_the_bit() {
    let (folder, path) = folder();
    for topology in [tiny_plain(), tiny_residual(false), tiny_residual(true)] {
        let mut trained = network(&topology, &Settings { purpose: adam(), ..small() });
        let (images, labels) = images(3, [2, 33, 33, 3], 2);
        trained.train(&images, &labels, 1e-2).unwrap();
        trained.save(&path).unwrap();
        let state = trained.state().unwrap();

        let mut loaded =
            Network::new(NetworkPlan::with_topology(&Device::cpu(), &topology, &small()).unwrap(), 77)
                .unwrap();
        loaded.load(&path).unwrap();
        assert!(loaded.state().unwrap() == state);
        let logits = [&mut trained, &mut loaded].map(|network| {
            network.set_images(&images).unwrap();
            network.forward(Mode::Evaluation).unwrap();
            network.logits().unwrap()
        });
        assert_eq!(logits[0], logits[1]);
        // Nothing else is left in the folder.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

/// A tensor as PyTorch would write it.
fn write(path: &Path, state: &State, dtype: Dtype) {
    let bytes: Vec<Vec<u8>> = state
        .tensors
        .iter()
        .map(|tensor| match &tensor.numbers {
            Numbers::I64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Numbers::F32(values) => match dtype {
                Dtype::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
                Dtype::BF16 => values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect(),
                Dtype::F64 => values.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect(),
                Dtype::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
                _ => values.iter().map(|v| *v as u8).collect(),
            },
        })
        .collect();
    let views = state.tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
        let dtype = if matches!(tensor.numbers, Numbers::I64(_)) { Dtype::I64 } else { dtype };
        (&tensor.name, TensorView::new(dtype, tensor.shape.clone(), bytes).unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn files_in_torchvisions_layout() {
    let (_folder, path) = folder();
    let settings = Settings { channels: 1, size: [32, 32], ..Settings::default() };
    let mut network =
        Network::new(NetworkPlan::new(&Device::cpu(), Model::ResNet18, &settings).unwrap(), 0).unwrap();
    let made = state(network.plan(), 3);
    write(&path, &made, Dtype::F32);
    network.load(&path).unwrap();
    assert!(network.state().unwrap() == made);
    network.save(&path).unwrap();
    // Read by the format's own crate, each tensor is as it was made.
    let bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), 122);
    for tensor in &made.tensors {
        let view = file.tensor(&tensor.name).unwrap();
        assert_eq!(view.shape(), tensor.shape, "{}", tensor.name);
        match &tensor.numbers {
            Numbers::F32(values) => {
                assert_eq!(view.dtype(), Dtype::F32);
                assert!(
                    view.data().chunks(4).zip(values).all(|(b, v)| b == v.to_le_bytes()),
                    "{}",
                    tensor.name
                );
            }
            Numbers::I64(values) => {
                assert_eq!(view.dtype(), Dtype::I64);
                assert_eq!(view.data(), values[0].to_le_bytes());
            }
        }
    }
}

#[test]
fn other_types_are_converted() {
    let (_folder, path) = folder();
    let mut network = network(&tiny_plain(), &small());
    let first = network.state().unwrap();
    for (dtype, error) in [(Dtype::F64, 0.0), (Dtype::F32, 0.0), (Dtype::F16, 5e-4), (Dtype::BF16, 4e-3)] {
        write(&path, &first, dtype);
        network.load(&path).unwrap();
        for (got, want) in network.state().unwrap().tensors.iter().zip(&first.tensors) {
            let (Numbers::F32(got), Numbers::F32(want)) = (&got.numbers, &want.numbers) else { continue };
            assert!(got.iter().zip(want).all(|(g, w)| abs_diff_eq!(
                g,
                w,
                epsilon = error * w.abs().max(1e-4)
            )));
        }
    }
    write(&path, &first, Dtype::U8);
    says(network.load(&path), &["weights.safetensors", "is of U8: weights are F32, F16, BF16 or F64"]);
}

#[test]
fn weights_of_other_networks() {
    let mut network = network(&tiny_residual(false), &small());
    let first = network.state().unwrap();
    let weights = |topology, settings: Settings| {
        state(&NetworkPlan::with_topology(&Device::cpu(), &topology, &settings).unwrap(), 0)
    };

    let classes = weights(tiny_residual(false), Settings { classes: 7, ..small() });
    says(
        network.load_state(&classes),
        &["for 7 classes, this tiny resnet is for 2", "fc.weight is [7, 8], not [2, 8]"],
    );
    let channels = weights(tiny_residual(false), Settings { channels: 1, ..small() });
    says(
        network.load_state(&channels),
        &[
            "images of 1 channels, this tiny resnet is for 3",
            "conv1.weight is [4, 1, 7, 7], not [4, 3, 7, 7]",
        ],
    );
    let other = weights(tiny_residual(true), small());
    says(
        network.load_state(&other),
        &["these are not the weights of this tiny resnet", "it has layer1.0.conv3.weight", "more"],
    );
    says(
        network.load_state(&weights(tiny_plain(), small())),
        &["it lacks conv1.weight", "it has features.0.weight"],
    );

    let changed = |change: &dyn Fn(&mut Vec<StateTensor>)| {
        let mut state = first.clone();
        change(&mut state.tensors);
        state
    };
    let gone = changed(&|tensors| tensors.retain(|tensor| tensor.name != "fc.bias"));
    says(network.load_state(&gone), &["it lacks fc.bias"]);
    let more = changed(&|tensors| {
        let numbers = Numbers::F32(vec![1.0]);
        tensors.push(StateTensor { name: "fc.scale".into(), shape: vec![1], numbers });
    });
    says(network.load_state(&more), &["it has fc.scale, which tiny resnet lacks"]);
    let twice = changed(&|tensors| tensors.push(tensors[0].clone()));
    says(network.load_state(&twice), &["twice"]);
    let shape = changed(&|tensors| tensors[6].shape.reverse());
    says(network.load_state(&shape), &["layer1.0.conv1.weight is [3, 3, 4, 4], not [4, 4, 3, 3]"]);
    let infinite = changed(&|tensors| {
        let Numbers::F32(values) = &mut tensors[6].numbers else { unreachable!() };
        values[5] = f32::NAN;
    });
    says(network.load_state(&infinite), &["layer1.0.conv1.weight has the value NaN at position 5"]);
    let short = changed(&|tensors| tensors[6].numbers = Numbers::F32(vec![0.0]));
    says(network.load_state(&short), &["layer1.0.conv1.weight: the number of values does not match"]);
    let (_folder, path) = folder();
    says(short.save(&path), &["layer1.0.conv1.weight has the shape [4, 4, 3, 3], and 1 values"]);
    says(first.save(Path::new("/")), &["not the name of a file"]);
    // Files older than these counts are taken.
    network
        .load_state(&changed(&|tensors| tensors.retain(|t| !t.name.ends_with("num_batches_tracked"))))
        .unwrap();
    assert!(network.state().unwrap() == first, "nothing that was refused changed a weight");
}

#[test]
fn damaged_files() {
    let (_folder, path) = folder();
    let mut network = network(&tiny_plain(), &small());
    says(network.load(&path), &["weights.safetensors"]);
    network.save(&path).unwrap();
    let first = network.state().unwrap();
    let whole = fs::read(&path).unwrap();
    let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for len in [0, 7, 8, 100, 8 + header, whole.len() - 1] {
        fs::write(&path, &whole[..len]).unwrap();
        says(network.load(&path), &["weights.safetensors"]);
    }
    fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    says(network.load(&path), &["1 bytes at its end belong to no tensor"]);
    let mut lying = whole.clone();
    lying[..8].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
    fs::write(&path, &lying).unwrap();
    says(network.load(&path), &["claims a header of"]);
    let mut infinite = whole.clone();
    let at = infinite.len() - 4;
    infinite[at..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    fs::write(&path, &infinite).unwrap();
    says(network.load(&path), &["has the value inf at position"]);
    // Any byte of the header changed: refused, or read as what it says; nothing panics.
    for at in 0..(8 + header).min(700) {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 7);
        fs::write(&path, &changed).unwrap();
        _ = network.load(&path);
    }
    fs::write(&path, &whole).unwrap();
    network.load(&path).unwrap();
    assert!(network.state().unwrap() == first);
}
