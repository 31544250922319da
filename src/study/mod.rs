//! The study: the paper's experiment grid, its laws and its figures.

pub mod fit;
mod observation;

pub use observation::{Observation, Penalty};
