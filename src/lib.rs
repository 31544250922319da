//! `sharpdim` measures a labelled image dataset's *intrinsic dimension* and *label sharpness*
//! (Konz & Mazurowski, ICLR 2024) with hand-written CUDA kernels and their CPU twins.

#![warn(missing_docs)]

pub mod data;
pub mod device;
mod error;
pub mod measure;
pub mod ops;
mod points;

pub use device::Device;
pub use error::{Error, Result};
pub use points::{Points, Values};
