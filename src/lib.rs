//! `sharpdim` measures two intrinsic properties of a labelled image dataset, on a GPU or, with the same
//! answers, on a CPU: its *intrinsic dimension*, and its *label sharpness*, the Lipschitz constant of
//! its label function (Konz & Mazurowski, *The Effect of Intrinsic Dataset Properties on
//! Generalization*, ICLR 2024).
//!
//! - [`data`]: datasets on disk (IDX, CIFAR-10, image folders, NPY, NPZ, safetensors) and generated, and
//!   the paper's preprocessing.
//! - [`measure`]: the measures, with the field's conventions as types.
//! - [`ops`]: the operations behind them, each for the CPU and in CUDA: exact neighbours, label
//!   sharpness over all pairs, resizing.
//! - [`nn`]: ResNets and VGGs and their training, which the measures are set against.
//! - [`represent`]: both measures of a trained network's representations, layer by layer.
//! - [`attack`]: adversarial attacks on networks, and how much loss and accuracy they cost.
//! - [`Device`]: where they run.
//! - `study`: the paper's grid of experiments, resumable, with fits, statistics and its figures (feature `study`, a default).
//! - `figure` and `report`: charts as SVG and PNG, and pages of HTML (feature `figures`, a default).
//!
//! ```
//! use sharpdim::Device;
//! use sharpdim::data::{Dataset, Preprocess};
//! use sharpdim::measure::{Estimator, Mle, Protocol, intrinsic_dim, label_sharpness};
//!
//! let device = Device::best();
//! let images = Dataset::generated(100, 32, 0)?.load(&Preprocess { size: None, ..Preprocess::default() }, &|_| ())?;
//! let points = images.samples.points()?;
//! let dim = intrinsic_dim(&device, &points, &Estimator::Mle(Mle::default()))?;
//! let sharpness = label_sharpness(&device, &points, &images.labels, Protocol::AllPairs, 1, &|_| ())?;
//! println!("dimension {:.1}, K_F {:.2e}", dim.value, sharpness.max);
//! # Ok::<(), sharpdim::Error>(())
//! ```

#![warn(missing_docs)]

#[cfg(feature = "networks")]
pub mod attack;
mod bootstrap;
pub mod data;
mod device;
mod error;
#[cfg(feature = "figures")]
pub mod figure;
mod geometry;
pub mod measure;
#[cfg(feature = "networks")]
pub mod nn;
pub mod ops;
mod points;
mod random;
#[cfg(feature = "figures")]
pub mod report;
#[cfg(feature = "networks")]
pub mod represent;
pub mod simd;
#[cfg(feature = "study")]
pub mod study;
mod whole_file;

pub use device::Device;
#[cfg(feature = "networks")]
pub use device::{Arena, Layout, Precision, Recording, Slot};
pub use error::{Error, Result};
pub use half::{bf16, f16};
pub use points::{Points, Values};

/// The examples of README.md, run with the documentation's.
#[cfg(all(doctest, feature = "datasets"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// Those of docs/networks.md.
#[cfg(all(doctest, feature = "networks"))]
#[doc = include_str!("../docs/networks.md")]
struct Networks;

/// That of docs/training.md.
#[cfg(all(doctest, feature = "networks"))]
#[doc = include_str!("../docs/training.md")]
struct Training;

/// That of docs/representations.md.
#[cfg(all(doctest, feature = "networks"))]
#[doc = include_str!("../docs/representations.md")]
struct Representations;

/// That of docs/datasets.md.
#[cfg(all(doctest, feature = "datasets"))]
#[doc = include_str!("../docs/datasets.md")]
struct Datasets;

/// That of docs/generated.md.
#[cfg(all(doctest, feature = "datasets"))]
#[doc = include_str!("../docs/generated.md")]
struct Generated;

/// That of docs/study.md.
#[cfg(all(doctest, feature = "study"))]
#[doc = include_str!("../docs/study.md")]
struct Study;

/// That of docs/attacks.md.
#[cfg(all(doctest, feature = "networks"))]
#[doc = include_str!("../docs/attacks.md")]
struct Attacks;
