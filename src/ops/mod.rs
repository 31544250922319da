//! Operations: each has its shape checks and dispatch in `mod.rs`, its CPU code in `cpu.rs` and its
//! CUDA launch in `cuda.rs`.

#[cfg(feature = "networks")]
mod activation;
#[cfg(feature = "networks")]
pub mod adam;
mod all_pairs;
#[cfg(feature = "networks")]
pub mod avg_pool;
#[cfg(feature = "networks")]
pub mod batch_norm;
mod class_pairs;
#[cfg(feature = "networks")]
pub mod conv2d;
#[cfg(feature = "networks")]
pub mod convert;
mod counts;
#[cfg(feature = "networks")]
pub mod cross_entropy;
#[cfg(feature = "networks")]
pub mod dropout;
mod duplicates;
#[cfg(feature = "networks")]
pub mod elementwise;
#[cfg(feature = "networks")]
mod gemm;
#[cfg(feature = "networks")]
pub mod guard;
#[cfg(feature = "networks")]
pub mod max_pool;
mod neighbours;
#[cfg(feature = "networks")]
pub mod norm;
#[cfg(feature = "networks")]
mod operand;
mod pairs;
mod pairs_within;
#[cfg(feature = "networks")]
pub mod perturb;
#[cfg(feature = "networks")]
pub(crate) mod philox;
mod ratio_quantiles;
pub mod resize;
#[cfg(feature = "networks")]
pub mod sgd;
mod sharpness;
#[cfg(feature = "networks")]
pub mod take_images;
#[cfg(feature = "networks")]
pub mod tally;
#[cfg(all(gpu, feature = "networks"))]
mod vectors;

#[cfg(feature = "networks")]
pub use activation::Activation;
pub use all_pairs::{AllPairs, Wanted, Within, all_pairs};
pub(crate) use class_pairs::MOST_CLASSES;
pub use class_pairs::{ClassPair, class_pairs, class_pairs_with};
pub(crate) use counts::distances_among;
pub use counts::{counts_within, pair_distances};
pub use duplicates::duplicates;
pub use neighbours::{Neighbours, neighbours, neighbours_between, neighbours_with};
pub use pairs_within::{pairs_within, pairs_within_with};
pub(crate) use ratio_quantiles::check as check_quantiles;
pub use ratio_quantiles::{ratio_quantiles, ratio_quantiles_with};
pub(crate) use sharpness::one_label_each;
pub use sharpness::{SharpPair, Sharpness, sharpness, sharpness_between, sharpness_with};

/// A progress callback of long operations: called with the fraction done, 0 to 1.
///
/// ```
/// use sharpdim::ops::{Progress, neighbours_with};
/// use sharpdim::{Device, Points};
/// use std::sync::Mutex;
/// let points = Points::u8(&[0, 0, 3, 4, 0, 1], 2)?;
/// let seen = Mutex::new(Vec::new());
/// let progress: Progress = &|done| seen.lock().unwrap().push(done);
/// neighbours_with(&Device::cpu(), &points, 1, progress)?;
/// assert!(seen.into_inner().unwrap().iter().all(|done| (0.0..=1.0).contains(done)));
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub type Progress<'a> = &'a (dyn Fn(f64) + Sync);
