//! The study: the paper's experiment grid, its laws and its figures.
//!
//! A [`Plan`] names datasets, networks, training sizes, seeds and attacks; [`run`] does each of its tasks and writes its result to a
//! [`Store`], one SQLite file; interrupted tasks resume. [`Store::observations`] gives results to [`fit`].

mod draw;
pub mod fit;
mod jobs;
mod laws;
mod observation;
mod page;
mod plan;
mod published;
mod run;
mod source;
mod status;
mod store;
mod task;

pub use draw::{Drawn, FIGURES, FigureName, Results, draw};
pub use laws::{
    AgainstOne, BetweenDomains, Bound, Dependence, Excluded, Exponent, Exponents, Law, LawOptions, Laws,
    Over, PenaltyOf, Point, Regression, Robustness, Scope, Statement, laws,
};
pub use observation::{Observation, Penalty};
pub use page::{Written, write_report};
pub use plan::{Classes, DatasetPlan, Generated, Plan, Variant};
pub use published::{PUBLISHED, PUBLISHED_ERROR, Published};
pub use run::{Event, RunOptions, Summary, run, store_path};
pub use status::Status;
pub use store::{
    AttackResult, Dimension, Entry, EpochResult, LayerCurve, MeasuredSharpness, Measurement, State, Store,
    VariantResult,
};
pub use task::{Kind, Task};
