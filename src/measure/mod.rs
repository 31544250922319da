//! Intrinsic dimension and label sharpness of a set of samples, with the field's conventions as types.

mod dimension;
mod sharpness;

pub use dimension::{Duplicates, Estimate, Estimator, Mle, MleNorm, Pooling, TwoNn, estimate, intrinsic_dim};
pub use sharpness::{LabelSharpness, PaperProtocol, Protocol, label_sharpness};
