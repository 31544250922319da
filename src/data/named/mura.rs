//! MURA: images, and a list of their paths for each part, which say what they are labelled.

use super::collect::{Collected, Item, NO_LABEL, Present};
use super::dataset::{Asked, FINDING, Facts, NamedDataset, NotOpened, Task};
use super::paths::{below_archive, origin_by_folders, part_called, table_folder};
use crate::data::found::{Found, Split};
use crate::data::stream::Stream;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 2] = ["MURA-v1.1", "."];
/// No list of paths is larger.
const LARGEST: usize = 1 << 28;

fn find(root: &Path) -> Result<PathBuf, String> {
    table_folder(root, &FOLDERS, "train_image_paths.csv")
}

pub(super) struct Mura;

impl NamedDataset for Mura {
    fn facts(&self) -> Facts {
        Facts {
            name: "mura",
            about: "limb X-rays, normal and abnormal studies",
            source: "https://stanfordmlgroup.github.io/competitions/mura",
            tree: "ROOT/
  MURA-v1.1/                    or what is in it
    train_image_paths.csv
    train/XR_SHOULDER/patient00001/study1_positive/image1.png
    valid_image_paths.csv       for the test part
    valid/XR_WRIST/patient11185/study1_positive/image1.png",
            tasks: &[Task { name: "abnormal", about: "an abnormal study" }],
            has_test: true,
        }
    }

    fn missing(&self, root: &Path) -> Option<String> {
        find(root).err()
    }

    fn open(&self, root: &Path, asked: &Asked<'_>) -> Result<Found, NotOpened> {
        let train = find(root).map_err(NotOpened::Missing)?;
        Ok(match asked.split {
            Split::Train => archive(&train, "train_image_paths.csv", "train")?,
            Split::Test => {
                let list = "valid_image_paths.csv";
                let valid = table_folder(root, &FOLDERS, list).map_err(NotOpened::Missing)?;
                archive(&valid, list, "valid")?
            }
        })
    }
}

fn archive(base: &Path, name: &str, part: &str) -> Result<Found> {
    let file = base.join(name);
    // It has no header: a path in each line.
    let text = Stream::open(&file)?.up_to(LARGEST + 1)?;
    if text.len() > LARGEST {
        return Err(Error::format(&file, "holds more than 256 MiB: no table to read here"));
    }
    let text = String::from_utf8(text).map_err(|_| Error::format(&file, "is not UTF-8 text"))?;
    let mut present = Present::under(base, &[part])?;
    let mut all = Collected::new(base);
    for (row, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |reason: String| Error::format(&file, format!("row {}: {reason}", row + 1));
        let path = below_archive(line)
            .ok_or_else(|| wrong(format!("{line:?} is no path under the archive's folder")))?;
        let study = part_called(&path, "study").unwrap_or_default();
        let label = match study.rsplit_once('_').map(|(_, label)| label) {
            Some("positive") => 1,
            Some("negative") => 0,
            _ => return Err(wrong(format!("{line:?} has no folder study<N>_positive or study<N>_negative"))),
        };
        if let Err(why) = present.take([path.clone()]) {
            all.leave_out(why, format!("{name}, row {}: {}", row + 1, path.display()));
            continue;
        }
        let origin = origin_by_folders(&path);
        all.push(Item { path, frame: 0, label, origin });
    }
    present.left().iter().for_each(|file| all.leave_out(NO_LABEL, file.display().to_string()));
    all.found("MURA", &FINDING, false)
}
