//! ISIC 2020: photographs of skin lesions, and a table of their patients and labels.

use super::collect::{Collected, Item, NO_LABEL, Present};
use super::dataset::{Asked, FINDING, Facts, NamedDataset, NotOpened, Task};
use super::paths::{inside, need};
use crate::Result;
use crate::data::codecs::table::Table;
use crate::data::found::Found;
use crate::data::source::Origin;
use std::path::{Path, PathBuf};

/// The table, and the folder of images.
fn find(root: &Path) -> Result<(PathBuf, PathBuf), String> {
    let table = need(
        root,
        &["ISIC_2020_Training_GroundTruth.csv", "ISIC_2020_Training_GroundTruth_v2.csv", "train.csv"],
    )?;
    let images = need(root, &["train", "ISIC_2020_Training_JPEG/train", "jpeg/train"])?;
    Ok((table, images))
}

pub(super) struct Isic;

impl NamedDataset for Isic {
    fn facts(&self) -> Facts {
        Facts {
            name: "isic",
            about: "skin lesions, RGB photographs, of 2 056 patients",
            source: "https://challenge2020.isic-archive.com: training images (JPEG) and their ground truth",
            tree: "ROOT/
  ISIC_2020_Training_GroundTruth.csv    or train.csv
  train/ISIC_2637011.jpg",
            tasks: &[Task { name: "malignant", about: "a malignant lesion" }],
            has_test: false,
        }
    }

    fn missing(&self, root: &Path) -> Option<String> {
        find(root).err()
    }

    fn open(&self, root: &Path, _asked: &Asked<'_>) -> Result<Found, NotOpened> {
        let (table, images) = find(root).map_err(NotOpened::Missing)?;
        Ok(archive(root, &table, &images)?)
    }
}

fn archive(root: &Path, file: &Path, images: &Path) -> Result<Found> {
    let table = Table::open(file, b',')?;
    let (name, patient) = (table.column("image_name")?, table.column("patient_id")?);
    let label = table.column("target")?;
    let folder = images.strip_prefix(root).unwrap_or(images).to_owned();
    let mut present = Present::under(root, &[&folder.to_string_lossy()])?;
    let mut all = Collected::new(root);
    for row in table.rows() {
        let stem = inside(row.cell(name)).filter(|path| path.components().count() == 1);
        let stem =
            stem.ok_or_else(|| table.wrong(row, format!("{:?} is no image's name", row.cell(name))))?;
        let label = match row.cell(label).trim() {
            "0" => 0,
            "1" => 1,
            other => return Err(table.wrong(row, format!("\"target\" is {other:?}; 0 or 1 is expected"))),
        };
        let with = |ending: &str| folder.join(format!("{}.{ending}", stem.display()));
        let path = match present.take(["jpg", "jpeg", "png", "dcm"].map(with)) {
            Ok(path) => path,
            Err(why) => {
                all.leave_out(why, format!("row {}: {}", row.number(), stem.display()));
                continue;
            }
        };
        let patient = row.cell(patient).trim();
        let origin = (!patient.is_empty()).then(|| Origin::new(patient));
        all.push(Item { path, frame: 0, label, origin });
    }
    present.left().iter().for_each(|file| all.leave_out(NO_LABEL, file.display().to_string()));
    all.found("ISIC", &FINDING, false)
}
