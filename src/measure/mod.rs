//! Intrinsic dimension and label sharpness of a set of samples, with the field's conventions as types.

mod cross;
mod dimension;
mod sharpness;

pub use cross::{cross_dim, cross_sharpness};
pub use dimension::{
    Correlation, Duplicates, Ess, Estimate, Estimator, Excluded, GeoMle, Gride, LocalPca, MindMl, Mle,
    MleNorm, MleRange, Moments, PcaRule, Pooling, Tle, TwoNn, estimate, intrinsic_dim, intrinsic_dims,
};
pub use sharpness::{LabelSharpness, PaperProtocol, Protocol, label_sharpness};
