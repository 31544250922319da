//! ImageNet, as ILSVRC's archive for object localisation has it: a folder for each synset.

use super::dataset::{Asked, CLASSES, Facts, NamedDataset, NotOpened};
use super::paths::need;
use crate::data::folder::Listing;
use crate::data::formats::image_folder;
use crate::data::found::{Found, Split};
use std::path::{Path, PathBuf};

pub(super) struct ImageNet;

/// Where the folder of synsets is, in the archive and in what is in it.
const TRAIN: [&str; 4] = ["ILSVRC/Data/CLS-LOC/train", "Data/CLS-LOC/train", "CLS-LOC/train", "train"];

fn find(root: &Path) -> Result<PathBuf, String> {
    need(root, &TRAIN)
}

impl NamedDataset for ImageNet {
    fn facts(&self) -> Facts {
        Facts {
            name: "imagenet",
            about: "photographs, RGB, of 1000 synsets",
            source: "https://image-net.org/challenges/LSVRC: the ILSVRC object localisation archive, unpacked",
            tree: "ROOT/
  ILSVRC/Data/CLS-LOC/
    train/n01440764/n01440764_10026.JPEG
    val/n01440764/ILSVRC2012_val_00000293.JPEG    for the test part, sorted into synsets",
            tasks: CLASSES,
            has_test: true,
        }
    }

    fn missing(&self, root: &Path) -> Option<String> {
        find(root).err()
    }

    fn open(&self, root: &Path, asked: &Asked<'_>) -> Result<Found, NotOpened> {
        let train = find(root).map_err(NotOpened::Missing)?;
        let folder = match asked.split {
            Split::Train => train,
            Split::Test => train.with_file_name("val"),
        };
        if !folder.is_dir() {
            let folder = folder.strip_prefix(root).unwrap_or(&folder);
            return Err(NotOpened::Missing(format!("the folder {}", folder.display())));
        }
        Ok(image_folder::open(&folder, &Listing::read(&folder)?)?)
    }
}
