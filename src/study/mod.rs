//! The study: the paper's experiment grid, its laws and its figures.

pub mod fit;
mod laws;
mod observation;

pub use laws::{
    AgainstOne, BetweenDomains, Bound, Dependence, Excluded, Exponent, Exponents, Law, LawOptions, Laws,
    Over, PenaltyOf, Point, Regression, Robustness, Scope, Statement, laws,
};
pub use observation::{Observation, Penalty};
