//! CheXpert: images, and a table of findings for each part.

use super::collect::{Collected, Item, NO_LABEL, Present};
use super::dataset::{Asked, FINDING, Facts, NamedDataset, NotOpened, Task};
use super::paths::{below_archive, origin_by_folders, table_folder};
use crate::Result;
use crate::data::codecs::table::Table;
use crate::data::found::{Found, Split};
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 3] = ["CheXpert-v1.0", "CheXpert-v1.0-small", "."];

/// Columns of CheXpert's tables by the names of their tasks.
const FINDINGS: [&str; 14] = [
    "Pleural Effusion",
    "Edema",
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Other",
    "Fracture",
    "Support Devices",
];

const fn finding(name: &'static str) -> Task {
    Task { name, about: "a finding; blank and uncertain count as without" }
}

/// In the order of [`FINDINGS`].
const TASKS: [Task; 14] = [
    finding("pleural_effusion"),
    finding("edema"),
    finding("no_finding"),
    finding("enlarged_cardiomediastinum"),
    finding("cardiomegaly"),
    finding("lung_opacity"),
    finding("lung_lesion"),
    finding("consolidation"),
    finding("pneumonia"),
    finding("atelectasis"),
    finding("pneumothorax"),
    finding("pleural_other"),
    finding("fracture"),
    finding("support_devices"),
];

fn find(root: &Path) -> Result<PathBuf, String> {
    table_folder(root, &FOLDERS, "train.csv")
}

pub(super) struct CheXpert;

impl NamedDataset for CheXpert {
    fn facts(&self) -> Facts {
        Facts {
            name: "chexpert",
            about: "chest X-rays with 14 findings",
            source: "https://stanfordmlgroup.github.io/competitions/chexpert",
            tree: "ROOT/
  CheXpert-v1.0/                or CheXpert-v1.0-small, or what is in it
    train.csv
    train/patient00001/study1/view1_frontal.jpg
    valid.csv                   for the test part
    valid/patient64541/study1/view1_frontal.jpg",
            tasks: &TASKS,
            has_test: true,
        }
    }

    fn missing(&self, root: &Path) -> Option<String> {
        find(root).err()
    }

    fn open(&self, root: &Path, asked: &Asked<'_>) -> Result<Found, NotOpened> {
        let train = find(root).map_err(NotOpened::Missing)?;
        Ok(match asked.split {
            Split::Train => archive(&train, "train.csv", "train", asked.task)?,
            Split::Test => {
                let valid = table_folder(root, &FOLDERS, "valid.csv").map_err(NotOpened::Missing)?;
                archive(&valid, "valid.csv", "valid", asked.task)?
            }
        })
    }
}

fn archive(base: &Path, name: &str, part: &str, task: &Task) -> Result<Found> {
    let table = Table::open(&base.join(name), b',')?;
    let at = TASKS.iter().position(|known| known.name == task.name).unwrap_or(0);
    let (path, label) = (table.column("Path")?, table.column(FINDINGS[at])?);
    let mut present = Present::under(base, &[part])?;
    let mut all = Collected::new(base);
    for row in table.rows() {
        let file = below_archive(row.cell(path)).ok_or_else(|| {
            table.wrong(row, format!("{:?} is no path under the archive's folder", row.cell(path)))
        })?;
        let positive = match row.cell(label).trim() {
            "1" | "1.0" => true,
            "" | "0" | "0.0" | "-1" | "-1.0" => false,
            other => {
                let reason =
                    format!("{:?} is {other:?}; 1, 0, -1 or an empty cell is expected", FINDINGS[at]);
                return Err(table.wrong(row, reason));
            }
        };
        if let Err(why) = present.take([file.clone()]) {
            all.leave_out(why, format!("{name}, row {}: {}", row.number(), file.display()));
            continue;
        }
        let origin = origin_by_folders(&file);
        all.push(Item { path: file, frame: 0, label: u32::from(positive), origin });
    }
    present.left().iter().for_each(|file| all.leave_out(NO_LABEL, file.display().to_string()));
    all.found("CheXpert", &FINDING, false)
}
