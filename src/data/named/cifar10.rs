//! CIFAR-10, the binary version.

use super::dataset::{Asked, CLASSES, Facts, NamedDataset, NotOpened};
use super::paths::need;
use crate::data::folder::Listing;
use crate::data::formats::{self, Format};
use crate::data::found::Found;
use std::path::{Path, PathBuf};

pub(super) struct Cifar10;

/// A batch, where it was unpacked to.
const BATCHES: [&str; 4] = [
    "data_batch_1.bin",
    "data_batch_1.bin.gz",
    "cifar-10-batches-bin/data_batch_1.bin",
    "cifar-10-batches-bin/data_batch_1.bin.gz",
];

fn find(root: &Path) -> Result<PathBuf, String> {
    need(root, &BATCHES)
}

impl NamedDataset for Cifar10 {
    fn facts(&self) -> Facts {
        Facts {
            name: "cifar10",
            about: "objects, 32 x 32 RGB",
            source: "https://www.cs.toronto.edu/~kriz/cifar.html: the binary version, unpacked",
            tree: "ROOT/
  cifar-10-batches-bin/         or what is in it
    data_batch_1.bin .. data_batch_5.bin
    test_batch.bin              for the test part
    batches.meta.txt            names of the classes",
            tasks: CLASSES,
            has_test: true,
        }
    }

    fn missing(&self, root: &Path) -> Option<String> {
        find(root).err()
    }

    fn open(&self, root: &Path, asked: &Asked<'_>) -> Result<Found, NotOpened> {
        let batch = find(root).map_err(NotOpened::Missing)?;
        let folder = batch.parent().unwrap_or(root);
        Ok(formats::Cifar10.open_folder(folder, &Listing::read(folder)?, asked.split)?)
    }
}
