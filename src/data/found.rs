//! What the reader of a format or of a named dataset finds: samples, their labels, and notes.

use super::source::Source;
use std::fmt;

/// A part of a dataset that comes in parts. What comes in one part is its training part; an IDX file or a
/// CIFAR-10 batch that is opened by its own path is taken whatever part it is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Split {
    /// The training part.
    #[default]
    Train,
    /// The test part.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Test => "test",
        })
    }
}

/// What a format's reader finds.
pub(super) struct Found {
    pub format: &'static str,
    pub source: Source,
    pub labels: Vec<u32>,
    pub class_names: Vec<String>,
    /// Whether there are labels: without them, all is of one class.
    pub labelled: bool,
    pub notes: Vec<String>,
    pub left_out: Vec<String>,
}

/// Labels that are numbers: each distinct one is a class, in their order, named as it is written.
pub(super) fn numbered(values: &[i64]) -> (Vec<u32>, Vec<String>) {
    let mut distinct = values.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let labels = values.iter().map(|value| distinct.partition_point(|known| known < value) as u32).collect();
    (labels, distinct.iter().map(i64::to_string).collect())
}
