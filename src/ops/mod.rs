//! Operations: each has its shape checks and dispatch in `mod.rs`, its CPU code in `cpu.rs` and its
//! CUDA launch in `cuda.rs`.

mod activation;
pub mod adam;
mod all_pairs;
pub mod avg_pool;
pub mod batch_norm;
mod class_pairs;
pub mod conv2d;
pub mod convert;
mod counts;
pub mod cross_entropy;
pub mod dropout;
mod duplicates;
mod gemm;
pub mod guard;
pub mod max_pool;
mod neighbours;
pub mod norm;
mod operand;
mod pairs;
mod pairs_within;
pub mod perturb;
pub(crate) mod philox;
mod ratio_quantiles;
pub mod relu;
pub mod resize;
pub mod sgd;
mod sharpness;
pub mod take_images;
pub mod tally;
#[cfg(gpu)]
mod vectors;

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

/// What long work reports to: called with the fraction done, 0 to 1.
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
