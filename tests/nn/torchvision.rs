//! Every network against torchvision in float64 (tests/vectors/networks.py): logits, losses, gradients of images and of
//! every weight, running statistics, and three steps of Adam.

use super::made::{images, large, nchw, parameters, products, state};
use safetensors::SafeTensors;
use sharpdim::Device;
use sharpdim::nn::{Mode, Model, Network, NetworkPlan, Numbers, Optimiser, Purpose, Settings};
use sharpdim::ops::adam::Adam;

/// How far a tensor may be from torchvision's, of its norm.
const TOLERANCE: f64 = 1e-4;
/// How often a case is tried, on images that differ from the first try's by roundings of theirs.
const TRIES: u64 = 8;

/// What the script kept.
struct Vectors(Vec<u8>);

impl Vectors {
    fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/networks.safetensors");
        Vectors(std::fs::read(path).expect("it is part of the repository"))
    }

    fn floats(&self, name: &str) -> Vec<f64> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = tensors.tensor(name).unwrap_or_else(|_| panic!("{name} is among the vectors"));
        tensor.data().chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect()
    }

    /// Height, width, batch and seed of a model's cases.
    fn case(&self, model: Model) -> [usize; 4] {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let data = tensors.tensor("shapes").unwrap().data().to_vec();
        let at = Model::ALL.iter().position(|other| *other == model).unwrap();
        std::array::from_fn(|i| i64::from_le_bytes(data[32 * at + 8 * i..][..8].try_into().unwrap()) as usize)
    }
}

/// The worst deviation of some tensors, and whose it is.
struct Worst(f64, String);

impl Worst {
    fn new() -> Self {
        Worst(0.0, String::new())
    }

    /// Compares a tensor with its row of products.
    fn add(&mut self, name: &str, seed: u64, row: usize, values: &[f32], rows: &[f64]) {
        let (got, want) = (products(seed, row, values), &rows[9 * row..][..9]);
        let square: f64 = got[1..].iter().zip(&want[1..]).map(|(g, w)| (g - w).powi(2)).sum::<f64>() / 8.0;
        let of_norms = (got[0] - want[0]).abs();
        let error = square.sqrt().max(of_norms) / want[0];
        if error.is_nan() || error > self.0 {
            *self = Worst(error, name.to_owned());
        }
    }

    /// What is wrong, if anything is.
    fn check(&self, what: &str, tolerance: f64) -> Result<(), String> {
        println!("{what}: {:.1e} ({})", self.0, self.1);
        // NaN is no number that is small enough.
        if self.0 <= tolerance {
            Ok(())
        } else {
            Err(format!("{what}: {} is off by {:.1e} of its norm", self.1, self.0))
        }
    }
}

/// Where rounding puts an input of a ReLU on the other side of 0, or another value of a max pool's window first, gradients
/// change by a hundredth, in any implementation: a deep network of some million such inputs has one now and then, and which
/// depends on the instructions that a processor has. Roundings of the images move such edges and nothing else: what is
/// wrong stays wrong at every try.
#[track_caller]
fn case(model: Model, channels: usize, mode: Mode) {
    let mut reasons = Vec::new();
    for attempt in 0..TRIES {
        match tried(model, channels, mode, attempt) {
            Ok(()) => return,
            Err(reason) => reasons.push(reason),
        }
        println!("try {attempt}: {}", reasons[attempt as usize]);
    }
    panic!("{}", reasons.join("; "));
}

/// The images' values, each moved up or down at random by a unit in the last place; the first try has them as they are.
fn rounded(images: &mut [f32], attempt: u64) {
    let mut random = crate::support::Random::new(attempt);
    for value in images.iter_mut().filter(|_| attempt > 0) {
        *value = if random.uniform() < 0.5 { value.next_up() } else { value.next_down() };
    }
}

fn tried(model: Model, channels: usize, mode: Mode, attempt: u64) -> Result<(), String> {
    let vectors = Vectors::read();
    let [h, w, batch, seed] = vectors.case(model);
    let seed = seed as u64;
    let (classes, mode_name) = match (channels, mode) {
        (3, Mode::Training) => (3, "train"),
        (3, Mode::Evaluation) => (3, "eval"),
        (_, Mode::Training) => (2, "train"),
        (_, Mode::Evaluation) => (2, "eval"),
    };
    let case = format!("{model}.{channels}.{mode_name}");
    let kept = |what: &str| vectors.floats(&format!("{case}.{what}"));
    let settings = Settings { batch, channels, classes, size: [h, w], ..Settings::default() };
    let shape = [batch, h, w, channels];
    let (mut images, labels) = images(seed, shape, classes);
    rounded(&mut images, attempt);

    let purpose = Purpose::Gradients;
    let plan = NetworkPlan::new(&Device::cpu(), model, &Settings { purpose, ..settings.clone() }).unwrap();
    let mut network = Network::new(plan, 0).unwrap();
    network.load_state(&state(network.plan(), seed)).unwrap();
    network.set_images(&images).unwrap();
    network.set_labels(&labels).unwrap();
    network.forward(mode).unwrap();
    network.backward().unwrap();

    let (logits, wanted) = (network.logits().unwrap(), kept("logits"));
    let size = wanted.iter().map(|v| v * v).sum::<f64>().sqrt();
    let error = logits.iter().zip(&wanted).map(|(g, w)| (f64::from(*g) - w).powi(2)).sum::<f64>().sqrt();
    println!("{case}: logits: {:.1e}", error / size);
    assert!(error <= TOLERANCE * size, "{case}: logits {logits:?}, torchvision's {wanted:?}");
    let losses = network.losses().unwrap();
    let loss = losses.iter().map(|v| f64::from(*v)).sum::<f64>() / batch as f64;
    crate::support::close(loss, kept("loss")[0], TOLERANCE, || format!("{case}: loss"));

    let mut worst = Worst::new();
    let gradients = kept("gradients");
    let names = parameters(&network);
    assert_eq!(9 * (1 + names.len()), gradients.len());
    worst.add("the images", seed, 0, &nchw(&network.input_gradient().unwrap(), shape), &gradients);
    for (at, name) in names.iter().enumerate() {
        worst.add(name, seed, at + 1, &network.parameter_gradient(name).unwrap(), &gradients);
    }
    worst.check(&format!("{case}: gradients"), TOLERANCE)?;
    let norm = names
        .iter()
        .map(|name| network.parameter_gradient(name).unwrap())
        .fold(0.0, |sum, g| sum + g.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>());
    let got = network.gradient_norm().unwrap();
    crate::support::close(f64::from(got), norm.sqrt(), 1e-5, || format!("{case}: norm of gradients"));

    if mode == Mode::Evaluation {
        return Ok(());
    }
    let running: Vec<String> =
        network.plan().entries().map(|(name, _)| name.to_owned()).filter(|n| n.contains("running")).collect();
    if !running.is_empty() {
        let (mut worst, rows) = (Worst::new(), kept("statistics"));
        for (at, name) in running.iter().enumerate() {
            worst.add(name, seed, at, &network.parameter(name).unwrap(), &rows);
        }
        worst.check(&format!("{case}: running statistics"), 1e-5)?;
        let state = network.state().unwrap();
        assert_eq!(state.get("bn1.num_batches_tracked").unwrap().numbers, Numbers::I64(vec![1]));
    }
    drop(network);

    // A large eps: with the usual one a gradient of 0 but for rounding moves a weight a whole step.
    let adam = Adam { weight_decay: 1e-4, eps: 1e-3, ..Adam::default() };
    let purpose = Purpose::Training(Optimiser::Adam(adam));
    let plan = NetworkPlan::new(&Device::cpu(), model, &Settings { purpose, ..settings }).unwrap();
    let first = state(&plan, seed);
    let mut network = Network::new(plan, 0).unwrap();
    network.load_state(&first).unwrap();
    let rate = if case.starts_with("resnet") { 1e-3 } else { 1e-4 };
    for step in 0..3 {
        let trained = network.train(&images, &labels, rate).unwrap();
        if step == 0 {
            crate::support::close(f64::from(trained), loss, 1e-6, || format!("{case}: loss in training"));
        }
    }
    let (mut worst, rows) = (Worst::new(), kept("steps"));
    for (at, name) in names.iter().enumerate() {
        let mut moved = network.parameter(name).unwrap();
        let Numbers::F32(first) = &first.get(name).unwrap().numbers else { unreachable!() };
        moved.iter_mut().zip(first).for_each(|(w, first)| *w -= first);
        worst.add(name, seed, at, &moved, &rows);
    }
    worst.check(&format!("{case}: three steps of Adam"), 1e-3)
}

fn all_cases(model: Model) {
    for channels in [3, 1] {
        for mode in [Mode::Training, Mode::Evaluation] {
            case(model, channels, mode);
        }
    }
}

#[test]
fn resnet18() {
    all_cases(Model::ResNet18);
}

#[test]
fn resnet34() {
    all_cases(Model::ResNet34);
}

#[test]
fn resnet50() {
    all_cases(Model::ResNet50);
}

#[test]
fn vgg13() {
    let _large = large();
    all_cases(Model::Vgg13);
}

#[test]
fn vgg16() {
    let _large = large();
    all_cases(Model::Vgg16);
}

#[test]
fn vgg19() {
    let _large = large();
    all_cases(Model::Vgg19);
}

/// torchvision's own counts, for 1000 classes and three channels, and the names at both ends.
#[test]
fn names_shapes_and_counts() {
    let counts: [usize; Model::ALL.len()] =
        [11_689_512, 21_797_672, 25_557_032, 133_047_848, 138_357_544, 143_667_240];
    let tensors: [usize; Model::ALL.len()] = [122, 218, 320, 26, 32, 38];
    for (model, (count, tensors)) in Model::ALL.into_iter().zip(counts.into_iter().zip(tensors)) {
        let settings = Settings { classes: 1000, ..Settings::default() };
        let plan = NetworkPlan::new(&Device::cpu(), model, &settings).unwrap();
        assert_eq!(plan.parameters(), count, "{model}");
        let entries: Vec<(&str, &[usize])> = plan.entries().collect();
        assert_eq!(entries.len(), tensors, "{model}");
        let shape = |name: &str| entries.iter().find(|(n, _)| *n == name).expect(name).1;
        if model.name().starts_with("resnet") {
            assert_eq!(entries[0], ("conv1.weight", &[64, 3, 7, 7][..]));
            let names = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"];
            for (at, name) in names.iter().enumerate() {
                assert_eq!(entries[1 + at].0, format!("bn1.{name}"));
            }
            assert_eq!(shape("bn1.num_batches_tracked"), &[] as &[usize]);
            assert_eq!(shape("layer2.0.downsample.0.weight")[2..], [1, 1]);
            assert_eq!(shape("fc.bias"), [1000]);
        } else {
            assert_eq!(entries[0], ("features.0.weight", &[64, 3, 3, 3][..]));
            assert_eq!(shape("classifier.0.weight"), [4096, 25088]);
            assert_eq!(shape("classifier.6.weight"), [1000, 4096]);
        }
    }
}
