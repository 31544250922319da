//! Training: against steps taken by hand, on every device, resumed anywhere, and what it refuses.

use super::same::{tiny_plain, tiny_residual};
use crate::support::devices;
use approx::{abs_diff_eq, abs_diff_ne, assert_abs_diff_eq};
use sharpdim::data::{Color, Dataset, Images, Preprocess};
use sharpdim::nn::{
    Epoch, Mode, Model, Network, NetworkPlan, Normalise, Optimiser, Purpose, Recipe, Settings, State,
    Topology, Trained, Trainer,
};
use sharpdim::ops::adam::Adam;
use sharpdim::ops::sgd::Sgd;
use sharpdim::simd::Simd;
use sharpdim::{Device, Error, Precision};
use std::path::Path;

/// Generated images, half of each class, of `size` pixels; RGB where `channels` is 3.
fn generated(count: usize, size: usize, channels: usize, seed: u64) -> Images {
    let color = if channels == 3 { Color::Rgb } else { Color::AsIs };
    let how = Preprocess { size: Some((size, size)), color, ..Preprocess::default() };
    Images::new(Dataset::generated(count / 2, size, seed).unwrap().load_pixels(&how, &|_| {}).unwrap())
        .unwrap()
}

fn recipe() -> Recipe {
    Recipe { epochs: 3, batch: 4, seed: 5, ..Recipe::paper(Model::ResNet18, &Device::cpu()) }
}

fn trainer(device: &Device, topology: &Topology, recipe: Recipe) -> Trainer {
    let (train, test) = (generated(10, 33, 3, 0), generated(6, 33, 3, 1));
    Trainer::with_topology(device, topology, &train, &test, recipe).unwrap()
}

fn run(trainer: &mut Trainer) {
    while !trainer.is_finished() {
        trainer.step().unwrap();
    }
}

/// What epochs came to, without how long they took.
fn results(trainer: &Trainer) -> Vec<[f64; 4]> {
    let four = |e: &Epoch| [e.train_loss, e.train_accuracy, e.test_loss, e.test_accuracy];
    trainer.history().iter().map(four).collect()
}

/// All tensors of a checkpoint: weights, the optimiser's memory, the table.
fn tensors(path: &Path) -> State {
    let mut state = State::read(path).unwrap();
    state.tensors.sort_by(|a, b| a.name.cmp(&b.name));
    state
}

fn says<T>(result: sharpdim::Result<T>, words: &[&str]) {
    let message = result.err().expect("refused").to_string();
    for word in words {
        assert!(message.contains(word), "{word:?} in {message:?}");
    }
}

/// The softmax's cross-entropy and whether the first greatest logit is the label's, in f64.
fn told(logits: &[f32], label: u32) -> (f64, bool) {
    let sum: f64 = logits.iter().map(|z| f64::from(*z).exp()).sum();
    let greatest = logits.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    let first = logits.iter().position(|z| *z == greatest).unwrap();
    (sum.ln() - f64::from(logits[label as usize]), first == label as usize)
}

/// One batch holds all training images, so that their order cannot matter but for rounding; the test has three, the last
/// one shorter.
#[test]
fn an_epoch_is_a_step_and_a_test() {
    let (train, test) = (generated(8, 33, 3, 0), generated(242, 33, 3, 1));
    let mut losses = Vec::new();
    for (topology, normalise) in [
        (tiny_residual(false), Normalise::Unit),
        (tiny_residual(false), Normalise::Standard),
        (tiny_residual(false), Normalise::None),
        (tiny_plain(), Normalise::Unit),
    ] {
        let recipe = Recipe { batch: 8, epochs: 2, dropout: 0.0, normalise, ..recipe() };
        let mut trainer =
            Trainer::with_topology(&Device::cpu(), &topology, &train, &test, recipe.clone()).unwrap();
        assert_eq!(trainer.batches(), 1 + 3);
        run(&mut trainer);

        let settings = Settings {
            batch: 8,
            size: [33, 33],
            dropout: 0.0,
            purpose: Purpose::Training(recipe.optimiser),
            ..Settings::default()
        };
        let plan = NetworkPlan::with_topology(&Device::cpu(), &topology, &settings).unwrap();
        let mut network = Network::new(plan, recipe.seed).unwrap();
        let floats = |images: &Images| -> Vec<f32> {
            let all = train.pixels();
            let values = |channel: usize| all.iter().skip(channel).step_by(3).map(|v| f64::from(*v));
            let moments: Vec<(f64, f64)> = (0..3)
                .map(|channel| {
                    let mean = values(channel).sum::<f64>() / (all.len() / 3) as f64;
                    let variance =
                        values(channel).map(|v| (v - mean).powi(2)).sum::<f64>() / (all.len() / 3) as f64;
                    match normalise {
                        Normalise::None => (0.0, 1.0),
                        Normalise::Unit => (0.0, 255.0),
                        Normalise::Standard => (mean, variance.sqrt()),
                        other => panic!("{other:?}"),
                    }
                })
                .collect();
            let value = |(at, v): (usize, &u8)| (f64::from(*v) - moments[at % 3].0) / moments[at % 3].1;
            images.pixels().iter().enumerate().map(|pixel| value(pixel) as f32).collect()
        };
        let table = |logits: &[f32], labels: &[u32]| {
            let told: Vec<(f64, bool)> = logits.chunks(2).zip(labels).map(|(z, l)| told(z, *l)).collect();
            let count = told.len() as f64;
            let loss = told.iter().map(|(loss, _)| loss).sum::<f64>() / count;
            (loss, told.iter().filter(|(_, right)| *right).count() as f64 / count)
        };
        for epoch in trainer.history() {
            network.train(&floats(&train), train.labels(), recipe.rate).unwrap();
            let (train_loss, train_accuracy) = table(&network.logits().unwrap(), train.labels());
            let mut logits = Vec::new();
            // In other batches than the trainer's.
            for images in floats(&test).chunks(5 * 33 * 33 * 3) {
                network.set_images(images).unwrap();
                network.forward(Mode::Evaluation).unwrap();
                logits.extend(network.logits().unwrap());
            }
            let (test_loss, test_accuracy) = table(&logits, test.labels());
            let near = |got: f64, want: f64| {
                assert!(
                    abs_diff_eq!(got, want, epsilon = 1e-4 * want.abs().max(1.0)),
                    "{normalise:?}: {got} for {want}"
                );
            };
            near(epoch.train_loss, train_loss);
            near(epoch.test_loss, test_loss);
            assert_eq!((epoch.train_accuracy, epoch.test_accuracy), (train_accuracy, test_accuracy));
            assert!(
                epoch.seconds > 0.0
                    && abs_diff_eq!(epoch.images_per_second, 8.0 / epoch.seconds, epsilon = 1e-6)
            );
        }
        losses.push(trainer.history()[1].test_loss);
    }
    // What is made of pixels matters to this network: else the above would not tell.
    assert!(losses.windows(2).all(|pair| abs_diff_ne!(pair[0], pair[1], epsilon = 1e-2)), "{losses:?}");
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_does_not() {
    let folder = tempfile::tempdir().unwrap();
    for topology in [tiny_residual(true), tiny_plain()] {
        let ran = |seed: u64, name: &str| {
            let recipe = Recipe { seed, flip: true, crop: Some([0.4, 1.0]), clip: Some(0.5), ..recipe() };
            let mut trainer = trainer(&Device::cpu(), &topology, recipe);
            run(&mut trainer);
            let path = folder.path().join(name);
            trainer.save(&path).unwrap();
            (results(&trainer), tensors(&path))
        };
        let one = ran(5, "one");
        assert!(one == ran(5, "two"));
        assert!(one.0 != ran(6, "three").0);
    }
}

/// On every device, and at every batch of an epoch and a half.
#[test]
fn going_on_from_a_checkpoint_gives_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let sgd = Optimiser::Sgd(Sgd { momentum: 0.9, weight_decay: 1e-4, nesterov: false });
    for device in devices() {
        let optimisers = [(tiny_plain(), recipe().optimiser), (tiny_residual(false), sgd)];
        for (topology, optimiser) in optimisers {
            let settings = Recipe { optimiser, epochs: 2, flip: true, precision: Precision::F32, ..recipe() };
            // 3 batches of training; on the CPU 2 of the test, elsewhere one, as these take long.
            let (cpu, train) = (device.is_cpu(), generated(10, 33, 3, 0));
            let test = generated(if cpu { 122 } else { 6 }, 33, 3, 1);
            let new = || Trainer::with_topology(&device, &topology, &train, &test, settings.clone()).unwrap();
            let mut whole = new();
            run(&mut whole);
            whole.save(&path).unwrap();
            let want = (results(&whole), tensors(&path));
            assert_eq!(whole.batches(), if cpu { 5 } else { 4 });
            for stop in if cpu { vec![0, 1, 2, 3, 4, 5, 7] } else { vec![2, 4] } {
                let mut first = new();
                (0..stop).for_each(|_| _ = first.step().unwrap());
                first.save(&path).unwrap();
                // Saving changes nothing.
                first.step().unwrap();
                let mut second = new();
                second.load(&path).unwrap();
                run(&mut second);
                assert_eq!(results(&second), want.0, "{}: stopped after {stop}", device.name());
                second.save(&path).unwrap();
                assert!(tensors(&path) == want.1, "{}: stopped after {stop}", device.name());
            }
        }
    }
}

#[test]
fn a_trained_network_is_what_its_checkpoint_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let images = generated(8, 32, 3, 0);
    let mut trainer = Trainer::new(&Device::cpu(), &images, &images, recipe()).unwrap();
    trainer.set_note("of a test");
    while trainer.history().is_empty() {
        trainer.step().unwrap();
    }
    let mut trained = trainer.trained().unwrap();
    trainer.save(&path).unwrap();
    let mut read = Trained::read(&path).unwrap();
    assert!(trained.was_trained_on(&images) && trained.state.tensors.len() == 122);
    for state in [&mut trained.state, &mut read.state] {
        state.tensors.sort_by(|a, b| a.name.cmp(&b.name));
    }
    assert!(trained == read);
}

/// Whole batches and a smaller one, augmentation and clipping, three epochs. Adam's eps is large: where a gradient is
/// rounding alone, the usual one makes whole steps of it.
#[test]
fn every_device_trains_as_the_cpu_does() {
    for topology in [tiny_residual(false), tiny_plain()] {
        let optimiser = Optimiser::Adam(Adam { eps: 1e-3, weight_decay: 1e-4, ..Adam::default() });
        let settings = Recipe {
            optimiser,
            epochs: 2,
            flip: true,
            crop: Some([0.3, 1.0]),
            clip: Some(1.0),
            normalise: Normalise::Standard,
            precision: Precision::F32,
            ..recipe()
        };
        let ran = |device: &Device| {
            let mut trainer = trainer(device, &topology, settings.clone());
            run(&mut trainer);
            trainer
        };
        let cpu = ran(&Device::cpu());
        for device in devices() {
            let other = ran(&device);
            for (got, want) in results(&other).into_iter().flatten().zip(results(&cpu).into_iter().flatten())
            {
                assert!(
                    abs_diff_eq!(got, want, epsilon = 2e-3 * want.abs().max(0.1)),
                    "{}: {got} for {want}",
                    device.name()
                );
            }
            let names = cpu.network().plan().entries().map(|(name, _)| name.to_owned());
            for name in names.filter(|name| !name.contains("num_batches")) {
                let [got, want] = [&other, &cpu].map(|t| t.network().parameter(&name).unwrap());
                let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
                let size = norm(&mut want.iter().map(|v| f64::from(*v)));
                let off = norm(&mut got.iter().zip(&want).map(|(g, w)| f64::from(g - w)));
                assert!(
                    off <= 1e-3 * size.max(1e-2),
                    "{}: {name} is off by {off:.1e} of {size:.1e}",
                    device.name()
                );
            }
        }
    }
}

/// The loss of the twelfth epoch, in parts of that of the first: bf16 on GPUs, f32 on the CPU.
fn fallen(device: &Device, seed: u64) -> f64 {
    let precision = if device.is_cpu() { Precision::F32 } else { Precision::Bf16 };
    let settings = Recipe { epochs: 12, precision, seed, ..recipe() };
    let mut trainer = trainer(device, &tiny_residual(false), settings);
    run(&mut trainer);
    trainer.history()[11].train_loss / trainer.history()[0].train_loss
}

#[test]
fn mixed_precision_trains() {
    for device in devices() {
        let fallen = fallen(&device, 5);
        assert!(fallen < 1.0, "{}: {fallen}", device.name());
    }
}

#[test]
fn gradients_are_shortened() {
    let sgd = Optimiser::Sgd(Sgd { momentum: 0.0, weight_decay: 0.0, nesterov: false });
    let moved = |clip: Option<f32>| {
        let settings = Recipe { optimiser: sgd, rate: 10.0, clip, batch: 10, ..recipe() };
        let mut trainer = trainer(&Device::cpu(), &tiny_plain(), settings);
        let before = trainer.network().state().unwrap();
        trainer.step().unwrap();
        let after = trainer.network().state().unwrap();
        let mut sum = 0.0;
        for (a, b) in before.tensors.iter().zip(&after.tensors) {
            let [a, b] = [a, b].map(|tensor| match &tensor.numbers {
                sharpdim::nn::Numbers::F32(values) => values.clone(),
                other => panic!("{other:?}"),
            });
            sum += a.iter().zip(&b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
        }
        sum.sqrt()
    };
    let free = moved(None);
    assert!(free > 10.0 * 0.002, "{free}");
    // A step is the rate times the gradient.
    let clipped = moved(Some(0.002));
    assert!(abs_diff_eq!(clipped, 10.0 * 0.002, epsilon = 1e-5), "{clipped}");
    assert_abs_diff_eq!(moved(Some(1e6)), free, epsilon = 1e-9);
}

#[test]
fn a_loss_that_is_not_finite_names_step_and_layer() {
    for device in devices() {
        let sgd = Optimiser::Sgd(Sgd { momentum: 0.0, weight_decay: 0.0, nesterov: false });
        // The first step leaves weights whose products overflow.
        let settings = Recipe { optimiser: sgd, rate: 1e30, precision: Precision::F32, ..recipe() };
        let mut trainer = trainer(&device, &tiny_plain(), settings);
        let error = loop {
            match trainer.step() {
                Ok(progress) => assert!(!progress.testing, "{}: found before the test", device.name()),
                Err(error) => break error,
            }
        };
        match &error {
            Error::Diverged { step, epoch, loss, layer, advice } => {
                assert_eq!((*step, *epoch), (2, 1), "{}: {error}", device.name());
                assert!(!loss.is_finite() && advice.contains("1000000000000000000000000000000"));
                assert!(layer.starts_with("features.") || layer.starts_with("classifier."), "{error}");
            }
            other => panic!("{other}"),
        }
        // The weights are those of the first step, and such a state is not saved.
        for tensor in trainer.network().state().unwrap().tensors {
            if let sharpdim::nn::Numbers::F32(values) = tensor.numbers {
                assert!(values.iter().all(|v| v.is_finite()), "{}", tensor.name);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        assert!(matches!(trainer.save(&path), Err(Error::Diverged { .. })));
        assert!(!path.exists());
    }
}

/// A test's batches are larger than the training's, and have no passes back.
#[test]
fn a_tests_batch_takes_part_in_no_training() {
    let mut trainer = trainer(&Device::cpu(), &tiny_residual(false), recipe());
    run(&mut trainer);
    let mut network = trainer.into_network();
    says(network.forward(Mode::Training), &["whole batch, of 4 or 2 images, not 6"]);
    says(network.set_images(&[0.5; 6 * 33 * 33 * 3]), &["6 images", "4 or fewer"]);
    network.set_images(&[0.5; 4 * 33 * 33 * 3]).unwrap();
    network.set_labels(&[0, 1, 0, 1]).unwrap();
    network.forward(Mode::Training).unwrap();
    network.backward().unwrap();
}

#[test]
fn patience_ends_a_training() {
    // A rate so small that the test loss stays: no epoch is better than the first by more than nothing.
    let settings = Recipe { rate: 1e-30, epochs: 50, patience: Some(2), ..recipe() };
    let mut trainer = trainer(&Device::cpu(), &tiny_plain(), settings);
    run(&mut trainer);
    assert_eq!(trainer.history().len(), 3);
    says(trainer.step(), &["finished", "3 epochs"]);
}

/// At most so many epochs are given.
const EPOCHS: u32 = 200;

/// The epoch after which a network tells all of 32 images right; `None` where it never does.
fn memorised(model: Model, seed: u64) -> Option<u32> {
    let images = generated(32, 32, 1, 0);
    let _alone = super::made::large();
    let paper = Recipe::paper(model, &Device::cpu());
    // The learning rates are the paper's; dropout works against memorising.
    let settings =
        Recipe { epochs: EPOCHS, batch: 16, dropout: 0.0, normalise: Normalise::Standard, seed, ..paper };
    let mut trainer = Trainer::new(&Device::cpu(), &images, &images, settings).unwrap();
    while !trainer.is_finished() {
        if let Some(epoch) = trainer.step().unwrap().finished
            && epoch.test_accuracy == 1.0
        {
            return Some(epoch.epoch);
        }
    }
    None
}

#[test]
fn each_network_memorises_32_images() {
    for model in Model::ALL {
        let epoch = memorised(model, 1);
        println!("{model}: after {epoch:?}");
        assert!(epoch.is_some(), "{model}");
    }
}

/// Another processor's roundings, like another seed, train another network: of ten seeds, how far the two tests above are
/// from failing. `cargo test --release --test nn -- --ignored --nocapture margins` prints it: minutes for each, and up to
/// an hour for a VGG without AVX-512.
mod margins {
    use super::*;

    #[test]
    #[ignore = "minutes: it is run where what is trained changes"]
    fn loss() {
        for device in devices() {
            let worst = (0..10).map(|seed| fallen(&device, seed)).fold(0.0, f64::max);
            let (simd, name) = (Simd::current().title(), device.name());
            println!(
                "{simd}, {name}: after twelve epochs the loss is {worst:.3} of what it was, below 1 is asked"
            );
            assert!(worst < 1.0);
        }
    }

    macro_rules! memorised {
        ($($name:ident: $model:ident),*) => {$(
            #[test]
            #[ignore = "minutes: it is run where what is trained changes"]
            fn $name() {
                let epochs: Vec<Option<u32>> = (0..10).map(|seed| memorised(Model::$model, seed)).collect();
                let (simd, model) = (Simd::current().title(), Model::$model);
                println!("{simd}, {model}: memorised by {epochs:?}, {EPOCHS} epochs are given");
                assert!(epochs.iter().all(Option::is_some), "{model}");
            }
        )*};
    }
    memorised! {
        resnet18: ResNet18, resnet34: ResNet34, resnet50: ResNet50, vgg13: Vgg13, vgg16: Vgg16, vgg19: Vgg19
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (train, test) = (generated(10, 33, 3, 0), generated(6, 33, 3, 1));
    let new = |train: &Images, test: &Images, recipe: Recipe| {
        Trainer::with_topology(&Device::cpu(), &tiny_plain(), train, test, recipe)
    };
    let with = |recipe: Recipe| new(&train, &test, recipe);
    says(new(&train, &generated(6, 33, 1, 1), recipe()), &["33 x 33 x 3", "33 x 33 x 1", "gray or RGB"]);
    says(new(&train, &generated(6, 20, 3, 1), recipe()), &["33 x 33 x 3", "20 x 20 x 3"]);
    says(with(Recipe { classes: 1, ..recipe() }), &["training image 1 is of class 1", "1 classes"]);
    says(with(Recipe { epochs: 0, ..recipe() }), &["0 epochs"]);
    says(with(Recipe { batch: 0, ..recipe() }), &["batch is 0"]);
    says(with(Recipe { rate: f32::NAN, ..recipe() }), &["learning rate of NaN"]);
    says(with(Recipe { rate: 0.0, ..recipe() }), &["learning rate of 0"]);
    says(with(Recipe { clip: Some(-1.0), ..recipe() }), &["clipped to -1"]);
    says(with(Recipe { crop: Some([0.5, 0.2]), ..recipe() }), &["crops of 0.5 to 0.2"]);
    says(with(Recipe { patience: Some(0), ..recipe() }), &["patience of 0"]);
    says(with(Recipe { dropout: 1.0, ..recipe() }), &["dropout", "probability of 1"]);
    says(with(Recipe { precision: Precision::Bf16, ..recipe() }), &["bf16 needs a GPU"]);
}

#[test]
fn checkpoints_of_other_trainings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut first = trainer(&Device::cpu(), &tiny_plain(), recipe());
    first.step().unwrap();
    first.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let load = |recipe: Recipe| {
        let mut other = trainer(&Device::cpu(), &tiny_plain(), recipe);
        let before = other.network().state().unwrap();
        let loaded = other.load(&path);
        assert!(loaded.is_ok() || other.network().state().unwrap() == before, "nothing is half loaded");
        loaded
    };
    load(Recipe { epochs: 9, patience: Some(1), ..recipe() }).unwrap();
    says(load(Recipe { batch: 5, ..recipe() }), &["checkpoint.safetensors", "batch: 4 there, 5 here"]);
    says(
        load(Recipe { seed: 1, rate: 0.5, ..recipe() }),
        &["learning rate: 0.001", "there, 0.5 here", "seed: 5 there, 1 here"],
    );
    says(
        load(Recipe { clip: Some(2.0), flip: true, ..recipe() }),
        &["clip: none there, 2", "flip: false there"],
    );
    let mut of_others = trainer(&Device::cpu(), &tiny_residual(false), recipe());
    says(of_others.load(&path), &["model: tiny vgg there, tiny resnet here"]);
    let (train, test) = (generated(10, 33, 1, 0), generated(6, 33, 1, 1));
    let mut gray = Trainer::with_topology(&Device::cpu(), &tiny_plain(), &train, &test, recipe()).unwrap();
    says(gray.load(&path), &["training images: 10 of 33 x 33 x 3", "there, 10 of 33 x 33 x 1"]);
    let train = generated(10, 33, 3, 7);
    let test = generated(6, 33, 3, 1);
    let mut others = Trainer::with_topology(&Device::cpu(), &tiny_plain(), &train, &test, recipe()).unwrap();
    says(others.load(&path), &["training images", "checksum"]);

    // Cut short anywhere, it is an error and nothing else.
    for len in [0, 5, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..len]).unwrap();
        says(load(recipe()), &["checkpoint.safetensors"]);
    }
    first.network().save(&path).unwrap();
    says(load(recipe()), &["is no checkpoint of a training"]);
    std::fs::write(&path, b"neither one").unwrap();
    says(load(recipe()), &["checkpoint.safetensors"]);
    std::fs::remove_file(&path).unwrap();
    says(load(recipe()), &["checkpoint.safetensors", "No such file"]);
    // Nor can anything be written where there is no folder.
    says(first.save(&folder.path().join("none/checkpoint")), &["none"]);
}
