//! Small networks to attack: of hashed weights, and trained ones.

use crate::made;
use sharpdim::Device;
use sharpdim::attack::{
    Apgd, Attack, Bim, Fgsm, Goal, Loss, MiFgsm, Norm, Pgd, SignNoise, Square, Target, UniformNoise,
};
use sharpdim::data::{Dataset, Images, Preprocess};
use sharpdim::nn::{Family, Model, NetworkPlan, Recipe, ResNet, Settings, State, Topology, Trainer, Vgg};
use std::sync::OnceLock;

pub fn plain() -> Topology {
    let vgg = Vgg { stages: &[(4, 1), (8, 2)], pooled: 3, hidden: 32 };
    Topology { name: "tiny vgg", family: Family::Vgg(vgg) }
}

pub fn residual() -> Topology {
    let stages = [(4, 1), (4, 2), (8, 1), (8, 1)];
    let family = Family::ResNet(ResNet { bottleneck: false, stem: 4, stages });
    Topology { name: "tiny resnet", family }
}

/// What is trained.
fn learner() -> Topology {
    let stages = [(8, 1), (8, 1), (16, 1), (16, 1)];
    let family = Family::ResNet(ResNet { bottleneck: false, stem: 8, stages });
    Topology { name: "small resnet", family }
}

/// RGB images of so many rows and columns.
pub fn settings(batch: usize, size: [usize; 2], classes: usize) -> Settings {
    Settings { batch, size, classes, ..Settings::default() }
}

/// The weights of the hash.
pub fn state(topology: &Topology, settings: &Settings) -> State {
    made::state(&NetworkPlan::with_topology(&Device::cpu(), topology, settings).unwrap(), 5)
}

/// What a plain network reads of pixels: from -1 to 1.
pub fn scale() -> [f32; 6] {
    let factor = 1.0 / 127.5;
    [factor, factor, factor, -1.0, -1.0, -1.0]
}

/// What the residual network reads, whose statistics make it flat.
const STEEP: [f32; 6] = [0.125, 0.125, 0.125, -16.0, -16.0, -16.0];

/// A network of hashed weights.
pub fn target(device: &Device, topology: &Topology, settings: &Settings) -> Target {
    let scale = if *topology == plain() { scale() } else { STEEP };
    Target::with_topology(device, topology, settings, &state(topology, settings), &scale).unwrap()
}

/// Images of whole pixel values, and labels by turns.
pub fn pixels(count: usize, [height, width]: [usize; 2], classes: usize) -> (Vec<f32>, Vec<u32>) {
    let (images, labels) = made::images(3, [count, height, width, 3], classes);
    let pixel = |u: &f32| (128.0 * (f64::from(*u) + 1.0)).floor() as f32;
    (images.iter().map(pixel).collect(), labels)
}

/// One of each, of few steps.
pub fn attacks() -> Vec<Box<dyn Attack>> {
    let (steps, goal) = (4, Goal::Next);
    vec![
        Box::new(Fgsm::default()),
        Box::new(Fgsm { norm: Norm::L2, ..Fgsm::default() }),
        Box::new(Fgsm { goal, ..Fgsm::default() }),
        Box::new(Bim { steps, ..Bim::default() }),
        Box::new(Bim { steps, norm: Norm::L2, goal, ..Bim::default() }),
        Box::new(Pgd { steps, restarts: 2, ..Pgd::default() }),
        Box::new(Pgd { steps, norm: Norm::L2, goal, ..Pgd::default() }),
        Box::new(MiFgsm { steps, ..MiFgsm::default() }),
        Box::new(MiFgsm { steps, goal, norm: Norm::L2, ..MiFgsm::default() }),
        Box::new(Apgd { steps, restarts: 2, ..Apgd::default() }),
        Box::new(Apgd { steps, norm: Norm::L2, goal, ..Apgd::default() }),
        Box::new(Apgd { steps, loss: Loss::Dlr, ..Apgd::default() }),
        Box::new(Square { queries: 12, ..Square::default() }),
        Box::new(Square { queries: 12, goal, ..Square::default() }),
        Box::new(UniformNoise::default()),
        Box::new(UniformNoise { norm: Norm::L2, ..UniformNoise::default() }),
        Box::new(SignNoise::default()),
    ]
}

/// The part of the images that a trained network tells right.
pub const LEARNED: f64 = 0.85;
/// The epochs in which it must.
pub const EPOCHS: u32 = 100;

/// A network that was trained on generated images, and images that it was not.
pub struct Learned {
    pub state: State,
    pub settings: Settings,
    pub images: Vec<f32>,
    pub labels: Vec<u32>,
    /// How many epochs it took.
    pub epochs: u32,
}

impl Learned {
    pub fn get() -> &'static Learned {
        static NET: OnceLock<Learned> = OnceLock::new();
        NET.get_or_init(|| Learned::with_seed(1))
    }

    /// The training of a seed, up to the first epoch after which so many of the images are told right.
    pub fn with_seed(seed: u64) -> Learned {
        let size = 24;
        let load = |per_class: usize, seed: u64| {
            let how = Preprocess { size: Some((size, size)), ..Preprocess::default() };
            let generated = Dataset::generated(per_class, size, seed).unwrap();
            Images::new(generated.load_pixels(&how, &|_| {}).unwrap()).unwrap()
        };
        let (train, test) = (load(1000, 0), load(24, 1));
        let device = Device::cpu();
        let recipe = Recipe {
            epochs: EPOCHS,
            batch: 40,
            rate: 1e-3,
            dropout: 0.0,
            seed,
            ..Recipe::paper(Model::ResNet18, &device)
        };
        let mut trainer = Trainer::with_topology(&device, &learner(), &train, &test, recipe).unwrap();
        // Until it has learned: the accuracy swings from epoch to epoch with batch normalisation's statistics.
        while trainer.history().last().is_none_or(|epoch| epoch.test_accuracy < LEARNED) {
            trainer.step().expect("it has learned before the last epoch");
        }
        println!("trained: {:?}", trainer.history().last());
        Learned {
            state: trainer.network().state().unwrap(),
            settings: Settings { channels: 1, ..settings(16, [size, size], 2) },
            images: test.pixels().iter().map(|v| f32::from(*v)).collect(),
            labels: test.labels().to_vec(),
            epochs: trainer.history().len() as u32,
        }
    }

    pub fn target(&self, batch: usize) -> Target {
        let settings = Settings { batch, ..self.settings.clone() };
        Target::with_topology(&Device::cpu(), &learner(), &settings, &self.state, &[1.0 / 255.0, 0.0])
            .unwrap()
    }
}
