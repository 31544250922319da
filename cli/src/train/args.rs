//! The command line of `sharpdim train`: every setting with the paper's value as default, and what it means to the library.

use crate::chosen::Chosen;
use crate::failure::Failure;
use crate::named::ByName;
use crate::seconds::seconds;
use clap::ValueEnum;
use sharpdim::data::Color;
use sharpdim::nn::{Model, Normalise, Optimiser, Recipe};
use sharpdim::ops::adam::Adam;
use sharpdim::ops::sgd::Sgd;
use sharpdim::{Device, Error, Precision};
use std::path::PathBuf;
use std::time::Duration;

const ABOUT: &str = "\
Trains a ResNet or VGG from random weights on a labelled image dataset, with the
settings of Konz & Mazurowski, ICLR 2024, as defaults.

Training and test images are drawn, the same number of each class, none in both. Without
DATA it trains on generated images: 64 px, twenty epochs, a minute on two cores.

Checkpoints are written every half minute, after the last epoch, and on Ctrl-C: the same
command with --resume continues from there, bit for bit as if never stopped.";

const MORE: &str = "\
Files in the folder --out:
  checkpoint.safetensors  weights, optimiser state, place in the epoch, history: for --resume
  weights.safetensors     the weights when all epochs are done, under torchvision's names
  metrics.jsonl           a line of JSON for each epoch
  curves.png              loss and accuracy of training and test images by epoch

Examples:
  sharpdim train                                          generated images, a minute
  sharpdim train mnist --classes 3,8 --size 32            MNIST's 3 against 8
  sharpdim train scans --model vgg16 --out runs/scans     any folder of class folders
  sharpdim train scans --model vgg16 --out runs/scans --resume
  sharpdim train cifar10 --classes airplane,automobile --test-part --rgb --size 32
  sharpdim train --dataset brats --root brats2018         one of the paper's datasets, unpacked
  sharpdim train scans --device cuda:0 --json             on the first GPU; JSON for programs

With --json, standard output has one object: test_accuracy, test_loss, train_accuracy,
train_loss, epochs, images_per_second, device, checkpoint, stopped. Exit codes: 0, 1 for
an error, 2 for a command line that makes no sense, 130 after Ctrl-C.";

/// Trains ResNets and VGGs from scratch on labelled image datasets
#[derive(clap::Args)]
#[command(long_about = ABOUT, after_long_help = MORE)]
pub struct Args {
    /// Folder or file of a dataset, as `sharpdim measure` takes it; without it, generated images
    pub data: Option<PathBuf>,

    #[command(flatten)]
    pub by_name: ByName,

    /// patient: no patient has both training and test images, where known; image: as published
    #[arg(long, value_enum, default_value_t = SplitBy::Patient)]
    pub split: SplitBy,

    /// Train on these classes only, by name
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub classes: Vec<String>,

    #[arg(long, default_value = "resnet18", help = models())]
    pub model: Model,

    /// Training images, the same number of each class
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub train: usize,

    /// Test images, the same number of each class, none of them trained on
    #[arg(long, value_name = "N", default_value_t = 750)]
    pub test: usize,

    /// Take test images from the dataset's own test part
    #[arg(long)]
    pub test_part: bool,

    /// Epochs: passes over the training images [default: 100; 20 for generated images]
    #[arg(long, value_name = "E")]
    pub epochs: Option<u32>,

    #[arg(long, value_name = "B", help = format!("Batch size [default: {}]", papers(|paper| paper.batch.to_string())))]
    pub batch: Option<usize>,

    /// Resize images to PX x PX [default: 224; 64 for generated images]
    #[arg(long, value_name = "PX")]
    pub size: Option<usize>,

    /// max: scale each image by its maximum to 8 bits; none: take values as they are
    #[arg(long, value_enum, default_value_t = ScaleBy::Max)]
    pub scale: ScaleBy,

    /// Make all images gray
    #[arg(long, conflicts_with = "rgb")]
    pub grayscale: bool,

    /// Make all images RGB
    #[arg(long)]
    pub rgb: bool,

    #[arg(long, value_name = "R", help = format!("Learning rate [default: {}]", papers(|paper| format!("{:e}", paper.rate))))]
    pub rate: Option<f32>,

    /// Optimiser
    #[arg(long, value_enum, default_value_t = OptimiserName::Adam)]
    pub optimiser: OptimiserName,

    /// Weight decay: added to the gradient by adam and sgd, to the step by adamw
    #[arg(long, value_name = "D", default_value_t = 1e-4)]
    pub weight_decay: f32,

    /// Momentum of --optimiser sgd
    #[arg(long, value_name = "M", default_value_t = 0.9)]
    pub momentum: f32,

    /// Dropout probability in VGG's classifier
    #[arg(long, value_name = "P", default_value_t = 0.5)]
    pub dropout: f32,

    /// f32, or bf16: mixed precision [default: bf16 on GPUs, f32 on the CPU]
    #[arg(long)]
    pub precision: Option<Precision>,

    /// Input normalisation: unit, v / 255; standard, mean 0 and deviation 1; none, v
    #[arg(long, value_enum, default_value_t = NormaliseName::Unit)]
    pub normalise: NormaliseName,

    /// Augment: mirror each training image with probability 1/2
    #[arg(long)]
    pub flip: bool,

    /// Augment: crop each training image to a random LOW to HIGH of its area, and resize it
    #[arg(long, value_name = "LOW,HIGH", value_parser = areas)]
    pub crop: Option<Areas>,

    /// Clip gradients to this norm
    #[arg(long, value_name = "NORM")]
    pub clip: Option<f32>,

    /// Early stopping: stop when the test loss has not fallen for E epochs
    #[arg(long, value_name = "E")]
    pub patience: Option<u32>,

    /// Number of logits; the paper's released runs kept 1000 [default: the number of classes]
    #[arg(long, value_name = "N")]
    pub outputs: Option<usize>,

    /// Seed of all that is drawn: images, first weights, order, dropout, augmentation
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,

    /// Decode all images, without reading or writing the cache
    #[arg(long)]
    pub no_cache: bool,

    /// auto, cpu or cuda:I
    #[arg(long, default_value = "auto")]
    pub device: String,

    /// Output folder; made if missing
    #[arg(long, value_name = "DIR", default_value = "trained")]
    pub out: PathBuf,

    /// Resume from the checkpoint in --out, if there is one
    #[arg(long, conflicts_with = "restart")]
    pub resume: bool,

    /// Start over, replacing what is in --out
    #[arg(long)]
    pub restart: bool,

    /// Seconds between checkpoints; 0: after every batch
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub save_every: Duration,

    /// Show no progress
    #[arg(long)]
    pub quiet: bool,

    /// One JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SplitBy {
    Patient,
    Image,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum ScaleBy {
    Max,
    None,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum OptimiserName {
    Adam,
    Adamw,
    Sgd,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum NormaliseName {
    Unit,
    Standard,
    None,
}

/// Smallest and largest fraction of an image's area that a crop keeps.
#[derive(Clone, Copy)]
pub struct Areas([f32; 2]);

fn areas(text: &str) -> Result<Areas, String> {
    let parts: Option<Vec<f32>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    match parts.as_deref() {
        Some(&[low, high]) => Ok(Areas([low, high])),
        _ => Err("two numbers with a comma, as 0.08,1".into()),
    }
}

/// The networks' names.
fn models() -> String {
    let [others @ .., last] = &Model::ALL.map(Model::name);
    format!("{} or {last}", others.join(", "))
}

/// A setting of the paper for each network, or for a family whose networks have the same.
fn papers(setting: impl Fn(&Recipe) -> String) -> String {
    let all = Model::ALL.map(|model| (model, setting(&Recipe::paper(model, &Device::cpu()))));
    let families = all.chunk_by(|(one, _), (other, _)| one.family() == other.family());
    let words = families.flat_map(|family| match family {
        [(first, value), others @ ..] if others.iter().all(|(_, other)| other == value) => {
            vec![format!("{value} for {}s", first.family())]
        }
        _ => family.iter().map(|(model, value)| format!("{value} for {model}")).collect(),
    });
    words.collect::<Vec<_>>().join(", ")
}

impl Args {
    /// Refuses options that make no sense together.
    pub fn check(self) -> Result<Self, Failure> {
        let both = self.by_name.dataset.is_some() && self.data.is_some();
        if both || (self.by_name.root.is_some() && self.by_name.dataset.is_none()) {
            return Err(Failure::usage("name one dataset: as DATA, or as --dataset NAME --root DIR"));
        }
        if self.generated() && self.test_part {
            return Err(Failure::usage("--test-part: generated images have no parts; name a dataset"));
        }
        Ok(self)
    }

    fn generated(&self) -> bool {
        self.data.is_none() && self.by_name.dataset.is_none()
    }

    pub fn chosen(&self) -> Chosen {
        Chosen {
            data: self.data.clone().or_else(|| self.by_name.root.clone()),
            named: self.by_name.dataset,
            task: self.by_name.task.clone(),
            by_image: self.split == SplitBy::Image,
            classes: self.classes.clone(),
            train: self.train,
            test: self.test,
            test_part: self.test_part,
            size: self.size.unwrap_or(if self.generated() { 64 } else { 224 }),
            scaled: matches!(self.scale, ScaleBy::Max),
            color: match (self.grayscale, self.rgb) {
                (true, _) => Color::Grayscale,
                (_, true) => Color::Rgb,
                _ => Color::AsIs,
            },
            seed: self.seed,
        }
    }

    pub fn recipe(&self, device: &Device, classes: usize) -> Result<Recipe, Failure> {
        let paper = Recipe::paper(self.model, device);
        let weight_decay = self.weight_decay;
        let adam = |decoupled| Optimiser::Adam(Adam { weight_decay, decoupled, ..Adam::default() });
        let precision = self.precision.unwrap_or(paper.precision);
        if precision == Precision::Bf16 && device.is_cpu() {
            return Err(Error::Argument(
                "--precision bf16: the CPU computes in f32; bf16 needs a GPU".into(),
            )
            .into());
        }
        Ok(Recipe {
            classes: self.outputs.unwrap_or(classes),
            epochs: self.epochs.unwrap_or(if self.generated() { 20 } else { paper.epochs }),
            batch: self.batch.unwrap_or(paper.batch),
            optimiser: match self.optimiser {
                OptimiserName::Adam => adam(false),
                OptimiserName::Adamw => adam(true),
                OptimiserName::Sgd => {
                    Optimiser::Sgd(Sgd { momentum: self.momentum, weight_decay, nesterov: false })
                }
            },
            rate: self.rate.unwrap_or(paper.rate),
            dropout: self.dropout,
            precision,
            normalise: match self.normalise {
                NormaliseName::Unit => Normalise::Unit,
                NormaliseName::Standard => Normalise::Standard,
                NormaliseName::None => Normalise::None,
            },
            flip: self.flip,
            crop: self.crop.map(|areas| areas.0),
            clip: self.clip,
            patience: self.patience,
            seed: self.seed,
            ..paper
        })
    }
}
