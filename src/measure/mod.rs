//! Intrinsic dimension and label sharpness of a set of samples, with the field's conventions as types.

mod between_groups;
mod calibration;
mod cross;
mod curation;
mod curves;
mod dimension;
mod properties;
mod protocol;
mod released_protocol;
mod sharpness;

pub use crate::ops::ClassPair;
pub use between_groups::{BetweenGroups, sharpness_between_groups};
pub use calibration::{Calibration, Population, Truth};
pub use cross::{cross_dim, cross_sharpness};
pub use curation::{Curation, CurationOptions, Group, Near, Spread, curate, curate_from, few_classes};
pub use curves::{Against, Curve, CurveOptions, CurvePoint, dimension_curves};
pub use dimension::*;
pub use properties::{Properties, intrinsic_properties};
pub use protocol::{LabelSharpness, PaperProtocol, Protocol, Released, ReleasedProtocol};
pub use sharpness::label_sharpness;
