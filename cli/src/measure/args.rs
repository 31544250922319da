//! The command line of `sharpdim measure`: what can be asked for, what it teaches with --help, and what it means
//! to the library.

use crate::estimators;
use crate::failure::Failure;
use crate::named::ByName;
use clap::ValueEnum;
use clap::builder::{OsStringValueParser, TypedValueParser};
use sharpdim::data::{Color, OnBad, Preprocess, Scale, Split};
use sharpdim::measure::{CurationOptions, Estimator, Near, PaperProtocol, Protocol, ReleasedProtocol};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const ABOUT: &str = "\
Measures two properties of a labelled image dataset (Konz & Mazurowski, ICLR 2024).

Its intrinsic dimension is the number of ways in which its images vary: estimated
from the distances of each image to its nearest neighbours. Its label sharpness K_F
is how fast the label can change with the image: the greatest 1 / distance between
two images of different classes. Both depend on the preprocessing: compare only
datasets that were preprocessed alike, as those named in one command are.";

const MORE: &str = "\
Formats, told apart by what is in PATH:
  image folder  PATH/<class>/*.png, .jpg, .jpeg, .tif, .tiff, .bmp, .webp or .dcm, 8 or
                16 bits; with train/ and test/ (or val/) above, these are its parts
  IDX           train-images-idx3-ubyte[.gz] and its labels, as MNIST's
  CIFAR-10      data_batch_*.bin[.gz], test_batch.bin[.gz]
  SVHN          train_32x32.mat, test_32x32.mat
  NPY, NPZ      images.npy (N, H, W[, C]) or features.npy (N, D), and labels.npy (N,)
                of integers, or one .npz with such arrays; of bytes, uint16 or floats
  safetensors   one file with the tensors images or features, and labels

Features are taken as they are: size, scale and color are for images. They may come
without labels: the intrinsic dimension is measured then, and no label sharpness.

The paper's datasets are opened by name, as their owners hand them out, with their
labels for a task: --list-datasets shows all. Where patients are known, K_F is given
between patients too.

Examples:
  sharpdim measure                                       generated images, a few seconds
  sharpdim measure mnist --classes 3,8 --per-class 500   two classes, 500 drawn of each
  sharpdim measure scans --estimator all --top 10        all estimators, ten sharpest pairs
  sharpdim measure scans --report scans.html             a page to read, with pictures
  sharpdim measure scans --calibrate                     the dimension with its bias accounted for
  sharpdim measure a=scans/a b=scans/b --per-class 200   two datasets, compared at equal N
  sharpdim measure scans --protocol paper --repeats 5    1000 images a draw, as the paper did
  sharpdim measure --dataset brats --root brats2018      one of the paper's datasets, unpacked
  sharpdim measure scans --device cuda:0 --json          on the first GPU; JSON for programs

Measured samples are numbered in the order in which the format lists the images. Of the
times, `load` is opening and selecting, `preprocess` is decoding, scaling and resizing,
`pairs` is one pass over all pairs of samples (neighbours and label sharpness). Decoded
images and the draws of --calibrate are cached in SHARPDIM_CACHE or
~/.cache/sharpdim/images: --no-cache does without. Files are written whole or not at all.
Exit codes: 0, 1 for an error, 2 for a command line that makes no sense.";

/// Measures the intrinsic dimension and label sharpness of labelled image datasets
#[derive(clap::Args)]
#[command(long_about = ABOUT, after_long_help = MORE)]
pub struct Args {
    /// Folders or files of datasets; without any, generated images: 64 px, 500 of each class
    #[arg(value_name = "[NAME=]PATH", value_parser = OsStringValueParser::new().map(Named::parse))]
    pub paths: Vec<Named>,

    /// Measure these classes only, by name; with NAME: in front, those of one of several datasets
    #[arg(long, value_name = "[NAME:]A,B")]
    pub classes: Vec<String>,

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

    /// Antialias when shrinking: average over the pixels that would be skipped
    #[arg(long)]
    pub antialias: bool,

    /// The part of the dataset
    #[arg(long, value_enum, default_value_t = Part::Train)]
    pub split: Part,

    /// Neighbours of each image that the MLE uses
    #[arg(long, default_value_t = 20, value_parser = at_least::<3>)]
    pub k: usize,

    /// How the intrinsic dimension is estimated: one or several [default: mle; all for a report]
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = estimators::names())]
    pub estimator: Vec<String>,

    /// Which pairs label sharpness compares
    #[arg(long, value_enum, default_value_t = ProtocolName::AllPairs)]
    pub protocol: ProtocolName,

    /// Images in a draw of --protocol paper or released [default: 1000]
    #[arg(long, value_name = "N", value_parser = at_least::<1>)]
    pub samples: Option<usize>,

    /// Draws of --protocol paper or released [default: 10]
    #[arg(long, value_name = "R", value_parser = at_least::<1>)]
    pub repeats: Option<usize>,

    /// Seed of all that is drawn: images, the paper's draws, bootstraps
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,

    /// How many of the sharpest pairs to list [default: 3; 6 for a report]
    #[arg(long, value_name = "N", value_parser = at_least::<1>)]
    pub top: Option<usize>,

    /// Estimate the dimension against k and against the number of samples too: has it settled?
    #[arg(long)]
    pub curves: bool,

    /// Give an interval for the true dimension, bias included, from manifolds of known dimension
    #[arg(long)]
    pub calibrate: bool,

    /// Find contradictions and near-duplicates across classes, and what K_F is without them
    #[arg(long)]
    pub curate: bool,

    /// Radius of near-duplicates: a distance, or a part of the median nearest one [default: 30%]
    #[arg(long, value_name = "R|P%", value_parser = near)]
    pub near_duplicates: Option<Near>,

    /// Also measure this set's samples against PATH: their neighbours in it, their pairs with it
    #[arg(long, value_name = "[NAME=]PATH", requires = "paths", value_parser = OsStringValueParser::new().map(Named::parse))]
    pub query: Option<Named>,

    /// The part of the query set [default: that of the dataset]
    #[arg(long, value_enum, value_name = "PART", requires = "query")]
    pub query_split: Option<Part>,

    #[command(flatten)]
    pub by_name: ByName,

    /// List the paper's datasets: where to get each, its folder, what is missing under --root
    #[arg(long)]
    pub list_datasets: bool,

    /// List what has a label and no image, or an image and no label
    #[arg(long)]
    pub verbose: bool,

    /// Leave out images that cannot be read, and list them, rather than stop
    #[arg(long)]
    pub skip_bad: bool,

    /// Decode all images, without reading or writing the cache
    #[arg(long)]
    pub no_cache: bool,

    /// auto (a GPU if there is one), cpu or cuda:I
    #[arg(long, default_value = "auto")]
    pub device: String,

    /// Print one JSON object instead of the table
    #[arg(long)]
    pub json: bool,

    /// Write a page to read: all estimators, charts, the images that decide the numbers
    #[arg(long, value_name = "FILE.html", value_parser = OsStringValueParser::new().try_map(html))]
    pub report: Option<PathBuf>,

    /// Write the report's charts into this folder, each as SVG and PNG
    #[arg(long, value_name = "DIR")]
    pub figures: Option<PathBuf>,

    /// Write each sample's values: local dimensions, nearest distances
    #[arg(long, value_name = "FILE.csv|.npy", value_parser = OsStringValueParser::new().try_map(csv_or_npy))]
    pub points: Option<PathBuf>,
}

/// A dataset on the command line: `NAME=PATH`, or `PATH` alone.
#[derive(Clone)]
pub struct Named {
    pub name: Option<String>,
    pub path: PathBuf,
}

impl Named {
    fn parse(text: OsString) -> Self {
        let whole = Path::new(&text);
        let split = text.to_str().and_then(|text| text.split_once('='));
        match split {
            // A path that is there may have a = in it, and so may a folder above the dataset.
            Some((name, path))
                if !name.is_empty() && !path.is_empty() && !name.contains(['/', '\\']) && !whole.exists() =>
            {
                Named { name: Some(name.to_owned()), path: path.into() }
            }
            _ => Named { name: None, path: text.into() },
        }
    }
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
pub enum ProtocolName {
    /// All pairs there are
    AllPairs,
    /// All pairs within each of several class-balanced draws
    Paper,
    /// What the authors' released code computes, with the right number beside it
    Released,
}

impl Args {
    /// Refuses options that make no sense together.
    pub fn check(self) -> Result<Self, Failure> {
        if self.query.is_some() && self.paths.len() > 1 {
            return Err(Failure::usage(format!(
                "--query measures one dataset against another: of the {} named here, name one",
                self.paths.len()
            )));
        }
        if self.by_name.dataset.is_some() && !(self.paths.is_empty() && self.query.is_none()) {
            return Err(Failure::usage(
                "--dataset names one dataset, and PATH and --query others: leave one of them out",
            ));
        }
        if self.by_name.root.is_some() && self.by_name.dataset.is_none() && !self.list_datasets {
            return Err(Failure::usage(
                "--root is the folder of a --dataset, or what --list-datasets looks into: name one",
            ));
        }
        if self.generated() && matches!(self.split, Part::Test) {
            return Err(Failure::usage(
                "--split test: generated images have no parts: name a dataset by PATH or --dataset",
            ));
        }
        Ok(self)
    }

    /// Whether images are generated, as no dataset is named.
    pub fn generated(&self) -> bool {
        self.paths.is_empty() && self.by_name.dataset.is_none()
    }

    pub fn preprocess(&self) -> Preprocess {
        // Generated images are made in the size that is wanted.
        let Size(side) = self.size.unwrap_or(Size((!self.generated()).then_some(224)));
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

    /// Whether there is a page, or its charts, to fill: then all is measured that they show.
    pub fn thorough(&self) -> bool {
        self.report.is_some() || self.figures.is_some()
    }

    pub fn estimators(&self) -> Vec<Estimator> {
        let default = if self.thorough() { estimators::ALL } else { "mle" };
        let default = [default.to_owned()];
        let asked = if self.estimator.is_empty() { &default[..] } else { &self.estimator };
        estimators::named(asked, self.k, self.seed)
    }

    pub fn curves(&self) -> bool {
        self.curves || self.thorough()
    }

    pub fn asks_for_curation(&self) -> bool {
        self.curate || self.near_duplicates.is_some()
    }

    /// How to curate, where that is needed.
    pub fn curation(&self) -> Option<CurationOptions> {
        let asked = self.asks_for_curation() || self.thorough();
        let default = CurationOptions { top: self.top(), ..CurationOptions::default() };
        asked.then(|| CurationOptions { near: self.near_duplicates.unwrap_or(default.near), ..default })
    }

    pub fn top(&self) -> usize {
        self.top.unwrap_or(if self.thorough() { 6 } else { 3 })
    }

    pub fn protocol(&self) -> Protocol {
        let (paper, released) = (PaperProtocol::default(), ReleasedProtocol::default());
        match self.protocol {
            ProtocolName::AllPairs => Protocol::AllPairs,
            ProtocolName::Paper => Protocol::Paper(PaperProtocol {
                samples: self.samples.unwrap_or(paper.samples),
                repeats: self.repeats.unwrap_or(paper.repeats),
                seed: self.seed,
            }),
            ProtocolName::Released => Protocol::Released(ReleasedProtocol {
                samples: self.samples.unwrap_or(released.samples),
                repeats: self.repeats.unwrap_or(released.repeats),
                seed: self.seed,
                ..released
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

/// A distance, or a percentage of the median distance to the nearest other sample.
fn near(text: &str) -> Result<Near, String> {
    let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    let near = match text.strip_suffix('%') {
        Some(percent) => number(percent).map(|percent| Near::Fraction(percent / 100.0)),
        None => number(text).map(Near::Distance),
    };
    near.ok_or_else(|| "expected a distance above 0, as 1500, or a percentage, as 50%".into())
}

fn html(text: OsString) -> Result<PathBuf, String> {
    ending(text, &["html", "htm"], "expected the name of a file that ends in .html")
}

fn csv_or_npy(text: OsString) -> Result<PathBuf, String> {
    ending(text, &["csv", "npy"], "expected the name of a file that ends in .csv or .npy")
}

fn ending(text: OsString, endings: &[&str], expected: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let known =
        path.extension().is_some_and(|own| endings.iter().any(|known| own.eq_ignore_ascii_case(known)));
    if known { Ok(path) } else { Err(expected.into()) }
}
