//! The command line of `sharpdim represent`: what can be asked for, what it teaches with --help, and what it means to the library.

use crate::estimators;
use crate::failure::Failure;
use crate::inputs::{Part, Wanted};
use crate::outputs;
use sharpdim::measure::Protocol;
use sharpdim::represent::RepresentationOptions;
use std::path::PathBuf;

const ABOUT: &str = "\
Measures the intrinsic dimension of a trained network's representations, layer by
layer (Ansuini et al. 2019; Konz & Mazurowski, ICLR 2024).

A layer's output for an image is a vector, its representation. The representations have an
intrinsic dimension, as the images have. The curve over the layers shows where the network
reduces it: d_data is that of the images, d_repr that of the last hidden layer. Both come
from the same images, by the same estimator.

CHECKPOINT is checkpoint.safetensors of a run of `sharpdim train`. Without DATA, the run's
training images are loaded again.";

const MORE: &str = "\
Layers, of ResNets: input, maxpool, layer1 .. layer4, avgpool, fc; of VGGs: input,
features.4 .. (each max pool), avgpool, classifier.0, .3 and .6; of all: last_hidden,
which is layer4 or classifier.3. Depth is 0 for the images and 1 for the logits, with
equal steps in between.

Examples:
  sharpdim train && sharpdim represent trained/checkpoint.safetensors           the curve, of generated images
  sharpdim represent runs/scans/checkpoint.safetensors --out curve.png as a chart too
  sharpdim represent CHECKPOINT --layers input,last_hidden             d_data and d_repr only
  sharpdim represent CHECKPOINT --part test --estimator mle,twonn      of its test images
  sharpdim represent CHECKPOINT mnist --classes 3,8 --count 500        of other images
  sharpdim represent CHECKPOINT --sharpness --json                     K_F too; JSON for programs

With --json, standard output has one object: layers (layer, depth, shape, values, dims,
label_sharpness), d_data, d_repr, trained_on, n and more. Exit codes: 0, 1 for an
error, 2 for a command line that makes no sense.";

/// Measures the intrinsic dimension of a network's representations
#[derive(clap::Args)]
#[command(long_about = ABOUT, after_long_help = MORE)]
pub struct Args {
    /// Checkpoint of a training, as `sharpdim train` writes it
    pub checkpoint: PathBuf,

    #[command(flatten)]
    pub wanted: Wanted,

    /// train or test images: of the training, or the parts of DATA
    #[arg(long, value_enum, default_value_t = Part::Train)]
    pub part: Part,

    /// Layers by name, or all
    #[arg(long, value_name = "A,B", value_delimiter = ',', default_value = "all")]
    pub layers: Vec<String>,

    /// How dimensions are estimated: one or several
    #[arg(long, value_name = "A,B", value_delimiter = ',', default_value = "mle", value_parser = estimators::names())]
    pub estimator: Vec<String>,

    /// Neighbours of each image that the MLE uses
    #[arg(long, value_name = "K", default_value_t = 20)]
    pub k: usize,

    /// Measure the label sharpness K_F of each layer too, over all pairs
    #[arg(long)]
    pub sharpness: bool,

    /// Batch size
    #[arg(long, value_name = "B", default_value_t = 40)]
    pub batch: usize,

    /// Memory for activations, in MiB; wider layers go to temporary files
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    pub memory: u64,

    /// Seed of drawn images and of estimators that draw
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,

    /// auto, cpu or cuda:I
    #[arg(long, default_value = "auto")]
    pub device: String,

    /// Draw dimension against depth, as PNG or SVG
    #[arg(long, value_name = "FILE.png")]
    pub out: Option<PathBuf>,

    /// Show no progress
    #[arg(long)]
    pub quiet: bool,

    /// One JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// Refuses options that make no sense together, and files that could not be written: before the work, not after it.
    pub fn check(self) -> Result<Self, Failure> {
        if let Some(path) = &self.out {
            outputs::figure("--out", path)?;
        }
        if self.layers.iter().any(|layer| layer == "all") && self.layers.len() > 1 {
            return Err(Failure::usage("--layers: all stands alone, or layers by name"));
        }
        Ok(self)
    }

    pub fn options(&self) -> RepresentationOptions {
        RepresentationOptions {
            layers: if self.layers == ["all"] { Vec::new() } else { self.layers.clone() },
            estimators: estimators::named(&self.estimator, self.k, self.seed),
            sharpness: self.sharpness.then_some(Protocol::AllPairs),
            batch: self.batch,
            memory: self.memory.saturating_mul(1 << 20),
        }
    }
}
