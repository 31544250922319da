//! What measuring adds to failures: the dataset that they are of, and advice.

#[path = "../support/failure.rs"]
mod common;

pub use common::{Failure, ended, print};
use sharpdim::Error;

impl Failure {
    /// The same, with the dataset it is about.
    pub fn of(self, dataset: &str) -> Self {
        Failure { message: format!("{dataset}: {}", self.message), ..self }
    }
}

/// The library's error, and what on the command line may help.
pub fn advise(error: Error, advice: &str) -> Failure {
    Failure::new(format!("{error}; {advice}"))
}
