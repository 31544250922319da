//! MNIST: four IDX files.

use super::dataset::{Asked, CLASSES, Facts, NamedDataset, NotOpened};
use super::paths::need;
use crate::data::folder::Listing;
use crate::data::formats::{Format, Idx};
use crate::data::found::Found;
use std::path::Path;

pub(super) struct Mnist;

fn find(root: &Path) -> Result<(), String> {
    need(root, &["train-images-idx3-ubyte.gz", "train-images-idx3-ubyte"])?;
    need(root, &["train-labels-idx1-ubyte.gz", "train-labels-idx1-ubyte"]).map(|_| ())
}

impl NamedDataset for Mnist {
    fn facts(&self) -> Facts {
        Facts {
            name: "mnist",
            about: "handwritten digits, 28 x 28 gray",
            source: "http://yann.lecun.com/exdb/mnist, or its mirrors: four files",
            tree: "ROOT/
  train-images-idx3-ubyte.gz    or without .gz
  train-labels-idx1-ubyte.gz
  t10k-images-idx3-ubyte.gz     for the test part
  t10k-labels-idx1-ubyte.gz",
            tasks: CLASSES,
            has_test: true,
        }
    }

    fn missing(&self, root: &Path) -> Option<String> {
        find(root).err()
    }

    fn open(&self, root: &Path, asked: &Asked<'_>) -> Result<Found, NotOpened> {
        find(root).map_err(NotOpened::Missing)?;
        Ok(Idx.open_folder(root, &Listing::read(root)?, asked.split)?)
    }
}
