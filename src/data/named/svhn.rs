//! SVHN, the cropped digits: a MATLAB file for each part.

use super::dataset::{Asked, CLASSES, Facts, NamedDataset, NotOpened};
use super::paths::need;
use crate::data::folder::Listing;
use crate::data::formats::{self, Format};
use crate::data::found::Found;
use std::path::{Path, PathBuf};

pub(super) struct Svhn;

fn find(root: &Path) -> Result<PathBuf, String> {
    need(root, &["train_32x32.mat"])
}

impl NamedDataset for Svhn {
    fn facts(&self) -> Facts {
        Facts {
            name: "svhn",
            about: "house numbers, 32 x 32 RGB",
            source: "http://ufldl.stanford.edu/housenumbers: format 2, cropped digits",
            tree: "ROOT/
  train_32x32.mat
  test_32x32.mat                for the test part",
            tasks: CLASSES,
            has_test: true,
        }
    }

    fn missing(&self, root: &Path) -> Option<String> {
        find(root).err()
    }

    fn open(&self, root: &Path, asked: &Asked<'_>) -> Result<Found, NotOpened> {
        find(root).map_err(NotOpened::Missing)?;
        Ok(formats::Svhn.open_folder(root, &Listing::read(root)?, asked.split)?)
    }
}
