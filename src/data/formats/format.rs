//! What every format of a dataset has: a name, how it is recognised, and how to open it.

use crate::data::folder::Listing;
use crate::data::found::{Found, Split};
use crate::{Error, Result};
use std::path::Path;

/// A format in which the samples of a dataset come in one file or a few. [`FORMATS`](super::FORMATS) has one of each.
pub(in crate::data) trait Format: Sync {
    /// What a folder of it holds, as messages have it: `IDX files`.
    fn in_folder(&self) -> &'static str;

    /// What a file of it is, as messages have it: `an IDX file`.
    fn as_file(&self) -> &'static str;

    /// The name of a file by which a folder is recognised as this format, if there is one.
    fn mark<'a>(&self, listing: &'a Listing) -> Option<&'a str>;

    /// Opens one part of a folder that has a mark.
    fn open_folder(&self, folder: &Path, listing: &Listing, split: Split) -> Result<Found>;

    /// Whether a file of this name is of this format, whatever is in it.
    fn is_called(&self, _name: &str) -> bool {
        false
    }

    /// Whether a file that begins so, unpacked where it is gzipped, is of this format.
    fn begins(&self, _start: &[u8]) -> bool {
        false
    }

    /// Opens a file: one part of it, where it holds parts.
    fn open_file(&self, path: &Path, split: Split) -> Result<Found>;
}

/// Refuses the test part of what comes in one part.
pub(super) fn only_train(folder: &Path, split: Split) -> Result<()> {
    match split {
        Split::Train => Ok(()),
        Split::Test => Err(Error::format(folder, "has one part only: there is no test part in it")),
    }
}
