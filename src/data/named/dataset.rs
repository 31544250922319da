//! What every named dataset has: facts, a check for missing files, and how to open it.

use crate::Error;
use crate::data::cache::Cache;
use crate::data::found::{Found, Split};
use std::path::Path;

/// A dataset as published. The table of [`Named`](super::Named) has one of each.
pub(super) trait NamedDataset: Sync {
    /// Facts that need no files.
    fn facts(&self) -> Facts;

    /// The first thing that is missing from its folder; `None` where it is complete. Files are looked for, not read.
    fn missing(&self, root: &Path) -> Option<String>;

    /// Opens it, with its labels for a task.
    fn open(&self, root: &Path, asked: &Asked<'_>) -> Result<Found, NotOpened>;
}

/// Facts about a dataset that need no files.
pub(super) struct Facts {
    /// Its name on command lines: lower case, no space or hyphen.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Where to get it.
    pub source: &'static str,
    /// What its folder looks like, from `ROOT/` on.
    pub tree: &'static str,
    /// Its classification tasks; the first is the paper's.
    pub tasks: &'static [Task],
    /// Whether it has a test part of its own. What has none is opened for [`Split::Train`] alone.
    pub has_test: bool,
}

/// A classification task of a dataset. Of two classes the first is without the finding, the second with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Task {
    /// As command lines have it.
    pub name: &'static str,
    /// In a line.
    pub about: &'static str,
}

/// The task of a natural dataset, over all its classes: select two with [`Selection`](crate::data::Selection).
pub(super) const CLASSES: &[Task] = &[Task { name: "classes", about: "all classes; choose two" }];

/// The classes of tasks that ask for a finding.
pub(super) const FINDING: [&str; 2] = ["negative", "positive"];

/// How a dataset is to be opened.
pub(super) struct Asked<'a> {
    /// One of its tasks.
    pub task: &'static Task,
    /// Which part.
    pub split: Split,
    /// The cache for results from files that are slow to read.
    pub cache: Option<&'a Cache>,
}

/// Why a dataset is not opened.
pub(super) enum NotOpened {
    /// Its folder lacks this: the message will have the dataset's tree.
    Missing(String),
    Failed(Error),
}

impl From<Error> for NotOpened {
    fn from(error: Error) -> Self {
        NotOpened::Failed(error)
    }
}
