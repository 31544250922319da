//! The command line of `measure`: what can be asked for, what it teaches with --help, and what it means
//! to the library.

use crate::Failure;
use clap::{Parser, ValueEnum};
use sharpdim::data::{Color, OnBad, Preprocess, Scale, Split};
use sharpdim::measure::{Duplicates, Estimator, Mle, PaperProtocol, Protocol, TwoNn};
use std::path::PathBuf;

const ABOUT: &str = "\
Measures two properties of a labelled image dataset (Konz & Mazurowski, ICLR 2024).

Its intrinsic dimension is the number of ways in which its images vary: estimated
from the distances of each image to its nearest neighbours. Its label sharpness K_F
is how fast the label can change with the image: the greatest 1 / distance between
two images of different classes. Both depend on the preprocessing, so compare
datasets only where it is the same.";

const MORE: &str = "\
Formats, told apart by what is in PATH:
  image folder  PATH/<class>/*.png, .jpg, .jpeg, .tif, .tiff, .bmp or .webp, 8 or 16
                bits; with train/ and test/ (or val/) above, these are its parts
  IDX           train-images-idx3-ubyte[.gz] and its labels, as MNIST's
  CIFAR-10      data_batch_*.bin[.gz], test_batch.bin[.gz]
  NPY, NPZ      images.npy (N, H, W[, C]) or features.npy (N, D), and labels.npy (N,)
                of integers, or one .npz with such arrays; of bytes, uint16 or floats
  safetensors   one file with the tensors images or features, and labels

Features are taken as they are: size, scale and color are for images. They may come
without labels: the intrinsic dimension is measured then, and no label sharpness.

Examples:
  measure                                       generated images, a few seconds
  measure mnist --classes 3,8 --per-class 500   two classes, 500 drawn of each
  measure scans --estimator all --top 10        all estimators, ten sharpest pairs
  measure scans --protocol paper --repeats 5    1000 images a draw, as the paper did
  measure scans --device cuda:0 --json          on the first GPU; JSON for programs

Samples are numbered in the order in which the format lists the images, of those that
were measured; pairs are named too. Of the times, `load` is opening and choosing,
`preprocess` is decoding, scaling and resizing (one pass), `neighbours` includes the
estimates. Exit codes: 0, 1 for an error, 2 for a command line that makes no sense.";

/// Measures the intrinsic dimension and label sharpness of a labelled image dataset
#[derive(Parser)]
#[command(name = "measure", version, long_about = ABOUT, after_long_help = MORE)]
pub struct Args {
    /// Folder or file of the dataset; without it, generated images: 64 px, 500 of each class
    pub path: Option<PathBuf>,

    /// Measure these classes only, by name
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub classes: Option<Vec<String>>,

    /// Draw this many images of each class (by --seed)
    #[arg(long, value_name = "N")]
    pub per_class: Option<usize>,

    /// Resize images to PX x PX; none keeps their size [default: 224; none for generated images]
    #[arg(long, value_name = "PX|none", value_parser = size)]
    pub size: Option<Size>,

    /// max: scale each image by its maximum to 8 bits; none: take values as they are
    #[arg(long, value_enum, default_value_t = ScaleBy::Max)]
    pub scale: ScaleBy,

    /// Make all images gray
    #[arg(long, conflicts_with = "rgb")]
    pub grayscale: bool,

    /// Make all images RGB
    #[arg(long)]
    pub rgb: bool,

    /// Average over dropped pixels when shrinking
    #[arg(long)]
    pub antialias: bool,

    /// The part of the dataset
    #[arg(long, value_enum, default_value_t = Part::Train, requires = "path")]
    pub split: Part,

    /// Neighbours of each image that the MLE uses
    #[arg(long, default_value_t = 20, value_parser = at_least::<3>)]
    pub k: usize,

    /// How the intrinsic dimension is estimated
    #[arg(long, value_enum, default_value_t = Method::Mle)]
    pub estimator: Method,

    /// Which pairs label sharpness compares: all, or those within class-balanced draws
    #[arg(long, value_enum, default_value_t = Pairs::AllPairs)]
    pub protocol: Pairs,

    /// Images in a draw of --protocol paper [default: 1000]
    #[arg(long, value_name = "N", value_parser = at_least::<1>)]
    pub samples: Option<usize>,

    /// Draws of --protocol paper [default: 10]
    #[arg(long, value_name = "R", value_parser = at_least::<1>)]
    pub repeats: Option<usize>,

    /// Seed of all that is drawn: images, the paper's draws, TwoNN's interval
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,

    /// How many of the sharpest pairs to list
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least::<1>)]
    pub top: usize,

    /// Leave out images that cannot be read, and list them, rather than stop
    #[arg(long)]
    pub skip_bad: bool,

    /// auto (a GPU if there is one), cpu or cuda:I
    #[arg(long, default_value = "auto")]
    pub device: String,

    /// Print one JSON object instead of the table
    #[arg(long)]
    pub json: bool,
}

/// Side of the square that images are resized to; `None` keeps their size.
#[derive(Clone, Copy)]
pub struct Size(Option<usize>);

#[derive(Clone, Copy, ValueEnum)]
pub enum ScaleBy {
    Max,
    None,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Part {
    Train,
    Test,
}

impl From<Part> for Split {
    fn from(part: Part) -> Self {
        match part {
            Part::Train => Split::Train,
            Part::Test => Split::Test,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Method {
    /// Maximum likelihood (Levina & Bickel; MacKay & Ghahramani's average)
    Mle,
    /// Ratio of the two nearest distances (Facco et al.), fitted
    Twonn,
    /// mle, twonn, and twonn_mle: TwoNN in closed form
    All,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Pairs {
    AllPairs,
    Paper,
}

impl Args {
    /// Reads the command line; prints the help or the version, and ends there, where that is asked for.
    pub fn read() -> Result<Self, Failure> {
        Args::try_parse().map_err(|error| {
            if !error.use_stderr() {
                error.exit();
            }
            let message = error.to_string();
            let message = message.strip_prefix("error: ").unwrap_or(&message).trim_end().to_owned();
            Failure { code: 2, message }
        })
    }

    pub fn preprocess(&self) -> Preprocess {
        // Generated images are made in the size that is wanted.
        let Size(side) = self.size.unwrap_or(Size(self.path.as_ref().map(|_| 224)));
        Preprocess {
            scale: match self.scale {
                ScaleBy::Max => Scale::Max,
                ScaleBy::None => Scale::None,
            },
            size: side.map(|side| (side, side)),
            color: match (self.grayscale, self.rgb) {
                (true, _) => Color::Grayscale,
                (_, true) => Color::Rgb,
                _ => Color::AsIs,
            },
            antialias: self.antialias,
            on_bad: if self.skip_bad { OnBad::Skip } else { OnBad::Fail },
        }
    }

    /// The options given that mean nothing for features.
    pub fn for_images(&self) -> Vec<&'static str> {
        let given = [
            ("--size", matches!(self.size, Some(Size(Some(_))))),
            ("--grayscale", self.grayscale),
            ("--rgb", self.rgb),
            ("--antialias", self.antialias),
        ];
        given.into_iter().filter_map(|(name, given)| given.then_some(name)).collect()
    }

    pub fn estimators(&self) -> Vec<Estimator> {
        let mle = Estimator::Mle(Mle { k: self.k, ..Mle::default() });
        let duplicates = Duplicates::default();
        let fit = Estimator::TwoNn(TwoNn::Fit { discard: 0.1, seed: self.seed, duplicates });
        match self.estimator {
            Method::Mle => vec![mle],
            Method::Twonn => vec![fit],
            Method::All => vec![mle, fit, Estimator::TwoNn(TwoNn::ClosedForm { duplicates })],
        }
    }

    pub fn protocol(&self) -> Protocol {
        let paper = PaperProtocol::default();
        match self.protocol {
            Pairs::AllPairs => Protocol::AllPairs,
            Pairs::Paper => Protocol::Paper(PaperProtocol {
                samples: self.samples.unwrap_or(paper.samples),
                repeats: self.repeats.unwrap_or(paper.repeats),
                seed: self.seed,
            }),
        }
    }
}

fn size(text: &str) -> Result<Size, String> {
    match (text, text.parse()) {
        ("none", _) => Ok(Size(None)),
        (_, Ok(side @ 1..)) => Ok(Size(Some(side))),
        _ => Err("expected a number of pixels, as 224, or none".into()),
    }
}

fn at_least<const LEAST: usize>(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number >= LEAST);
    number.ok_or_else(|| format!("expected a whole number, at least {LEAST}"))
}
