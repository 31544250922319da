//! What happens to samples that have an identical twin.

use super::Estimator;
use crate::ops::Neighbours;
use crate::{Error, Result};

/// What happens to samples that have an identical twin: their nearest distance is 0, and its
/// logarithm infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Duplicates {
    /// Such a sample gives no value of its own, and is counted as excluded (the default). It stays a
    /// neighbour of others.
    #[default]
    Exclude,
    /// The first such sample is an error, which names it and its twin.
    Refuse,
}

impl Duplicates {
    /// Its word in [`Method::key`](super::method::Method::key).
    pub(super) fn key(self) -> &'static str {
        match self {
            Duplicates::Exclude => "exclude",
            Duplicates::Refuse => "refuse",
        }
    }
}

/// The error that [`Duplicates::Refuse`] asks for, where a sample has a twin.
pub(super) fn refuse_twins(neighbours: &Neighbours, estimator: &Estimator) -> Result<()> {
    if estimator.duplicates() == Duplicates::Refuse {
        let twin = (0..neighbours.n()).find(|&i| neighbours.squared_distances(i)[0] == 0.0);
        if let Some(i) = twin {
            let twin = neighbours.indices(i)[0];
            let both = match neighbours.reference() {
                Some(_) => format!("query {i} and reference sample {twin}"),
                None => format!("samples {i} and {twin}"),
            };
            return Err(Error::Data(format!(
                "{both} are identical: remove one, or let duplicates be excluded"
            )));
        }
    }
    Ok(())
}
