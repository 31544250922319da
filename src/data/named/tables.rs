//! Archives of image files with a table of labels: CheXpert, MURA and ISIC.

use super::super::native::table::Table;
use super::super::read::Stream;
use super::super::source::Origin;
use super::super::{Found, Split};
use super::collect::{Collected, Item, Present, inside};
use super::{FINDING, Named, Task, lacking, need};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

pub(super) const CHEXPERT_FOLDERS: [&str; 3] = ["CheXpert-v1.0", "CheXpert-v1.0-small", "."];
pub(super) const MURA_FOLDERS: [&str; 2] = ["MURA-v1.1", "."];

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
pub(super) const CHEXPERT_TASKS: [Task; 14] = [
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

/// The folder, of several that it may be in, that has a table.
pub(super) fn find(root: &Path, folders: &[&str], table: &str) -> Result<PathBuf, String> {
    let any: Vec<String> = folders.iter().map(|folder| format!("{folder}/{table}")).collect();
    let found = need(root, &any.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(found.parent().unwrap_or(root).to_owned())
}

/// The same of a part whose table may be missing though the other's is there.
fn find_part(root: &Path, folders: &[&str], table: &str) -> Result<PathBuf> {
    find(root, folders, table).map_err(|missing| Error::format(root, format!("{missing} is missing")))
}

/// No list of paths is larger.
const LARGEST: usize = 1 << 28;
const NO_LABEL: &str = "an image without a label";

/// A path of a table, without the archive's folder before it, which may be called otherwise here.
fn under_archive(table: &Table, row: super::super::native::table::Row<'_>, path: &str) -> Result<PathBuf> {
    let whole = inside(path)
        .ok_or_else(|| table.wrong(row, format!("{path:?} is no path under the archive's folder")))?;
    Ok(whole.components().skip(1).collect())
}

/// The part of a path that begins so.
fn part_called(path: &Path, start: &str) -> Option<String> {
    let parts = path.iter().map(|part| part.to_string_lossy());
    parts.into_iter().find(|part| part.starts_with(start)).map(|part| part.into_owned())
}

/// Patient and study by the folders of a path.
fn by_folders(path: &Path) -> Option<Origin> {
    let patient = part_called(path, "patient")?;
    let region = path.iter().map(|part| part.to_string_lossy()).find(|part| part.starts_with("XR_"));
    let study = part_called(path, "study")?;
    let study = region.map_or(study.clone(), |region| format!("{region}/{study}"));
    Some(Origin { patient, study: Some(study), slice: None })
}

pub(super) fn open_chexpert(root: &Path, task: &Task, split: Split) -> Result<Found> {
    let (name, part) = match split {
        Split::Train => ("train.csv", "train"),
        Split::Test => ("valid.csv", "valid"),
    };
    let base = find_part(root, &CHEXPERT_FOLDERS, name)?;
    let table = Table::open(&base.join(name), b',')?;
    let at = CHEXPERT_TASKS.iter().position(|known| known.name == task.name).unwrap_or(0);
    let (path, label) = (table.column("Path")?, table.column(FINDINGS[at])?);
    let mut present = Present::under(&base, &[part])?;
    let mut all = Collected::new(&base);
    for row in table.rows() {
        let file = under_archive(&table, row, row.cell(path))?;
        let positive = match row.cell(label).trim() {
            "1" | "1.0" => true,
            "" | "0" | "0.0" | "-1" | "-1.0" => false,
            other => {
                let reason = format!("{:?} is {other:?}; 1, 0, -1 or nothing is expected", FINDINGS[at]);
                return Err(table.wrong(row, reason));
            }
        };
        if let Err(why) = present.take([file.clone()]) {
            all.leave_out(why, format!("{name}, row {}: {}", row.number(), file.display()));
            continue;
        }
        let origin = by_folders(&file);
        all.push(Item { path: file, frame: 0, label: u32::from(positive), origin });
    }
    present.left().iter().for_each(|file| all.leave_out(NO_LABEL, file.display().to_string()));
    all.found("CheXpert", &FINDING, false)
}

pub(super) fn open_mura(root: &Path, split: Split) -> Result<Found> {
    let (name, part) = match split {
        Split::Train => ("train_image_paths.csv", "train"),
        Split::Test => ("valid_image_paths.csv", "valid"),
    };
    let base = find_part(root, &MURA_FOLDERS, name)?;
    let file = base.join(name);
    // It has no header: a path in each line.
    let text = Stream::open(&file)?.up_to(LARGEST + 1)?;
    if text.len() > LARGEST {
        return Err(Error::format(&file, "holds more than 256 MiB: no table to read here"));
    }
    let text = String::from_utf8(text).map_err(|_| Error::format(&file, "is not UTF-8 text"))?;
    let mut present = Present::under(&base, &[part])?;
    let mut all = Collected::new(&base);
    for (row, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |reason: String| Error::format(&file, format!("row {}: {reason}", row + 1));
        let path =
            inside(line).ok_or_else(|| wrong(format!("{line:?} is no path under the archive's folder")))?;
        let path: PathBuf = path.components().skip(1).collect();
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
        let origin = by_folders(&path);
        all.push(Item { path, frame: 0, label, origin });
    }
    present.left().iter().for_each(|file| all.leave_out(NO_LABEL, file.display().to_string()));
    all.found("MURA", &FINDING, false)
}

pub(super) fn find_isic(root: &Path) -> Result<(PathBuf, PathBuf), String> {
    let table = need(
        root,
        &["ISIC_2020_Training_GroundTruth.csv", "ISIC_2020_Training_GroundTruth_v2.csv", "train.csv"],
    )?;
    let images = need(root, &["train", "ISIC_2020_Training_JPEG/train", "jpeg/train"])?;
    Ok((table, images))
}

pub(super) fn open_isic(root: &Path) -> Result<Found> {
    let (file, images) = find_isic(root).map_err(|missing| lacking(Named::Isic, root, &missing))?;
    let table = Table::open(&file, b',')?;
    let (name, patient) = (table.column("image_name")?, table.column("patient_id")?);
    let label = table.column("target")?;
    let folder = images.strip_prefix(root).unwrap_or(&images).to_owned();
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
        let origin = Origin { patient: patient.to_owned(), ..Origin::default() };
        all.push(Item { path, frame: 0, label, origin: (!patient.is_empty()).then_some(origin) });
    }
    present.left().iter().for_each(|file| all.leave_out(NO_LABEL, file.display().to_string()));
    all.found("ISIC", &FINDING, false)
}
