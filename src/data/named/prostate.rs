//! Prostate-MRI-US-Biopsy: frames of ultrasound series, with the score of the target that was biopsied.

use super::collect::{Collected, Item, class_folders};
use super::dataset::{Asked, FINDING, Facts, NamedDataset, NotOpened, Task};
use super::paths::{holder, inside, need};
use crate::Result;
use crate::data::codecs::dicom::Header;
use crate::data::codecs::table::Table;
use crate::data::folder::Listing;
use crate::data::found::Found;
use crate::data::source::Origin;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

const IMAGES: &str = "Prostate-MRI-US-Biopsy";
const SCORE: &str = "UCLA Score (Similar to PIRADS v2)";

pub(super) struct Prostate;

impl NamedDataset for Prostate {
    fn facts(&self) -> Facts {
        Facts {
            name: "prostate",
            about: "prostate ultrasound slices with a risk score",
            source: "https://www.cancerimagingarchive.net/collection/prostate-mri-us-biopsy: images, target data",
            tree: "ROOT/
  Target-Data_2019-12-05.xlsx   any name with Target in it
  Prostate-MRI-US-Biopsy/Prostate-MRI-US-Biopsy-0001/<study>/<series>/1-1.dcm
or slices taken from it:
ROOT/
  0/*.png .. 5/*.png            by UCLA score",
            tasks: &[
                Task { name: "risk", about: "a score of 2 to 5 against 0 and 1" },
                Task { name: "severe", about: "a score above 2 against 2" },
            ],
            has_test: false,
        }
    }

    fn missing(&self, root: &Path) -> Option<String> {
        find(root).err()
    }

    fn open(&self, root: &Path, asked: &Asked<'_>) -> Result<Found, NotOpened> {
        Ok(match find(root).map_err(NotOpened::Missing)? {
            Form::Slices => slices(root, asked.task)?,
            Form::Archive(table, base) => archive(&table, &base, asked.task)?,
        })
    }
}

enum Form {
    Slices,
    /// The table, and the folder that the archive's own is in.
    Archive(PathBuf, PathBuf),
}

fn find(root: &Path) -> Result<Form, String> {
    if (0..=5).any(|score| root.join(score.to_string()).is_dir()) {
        return (0..=5)
            .try_for_each(|score| need(root, &[&score.to_string()]).map(|_| ()))
            .map(|()| Form::Slices);
    }
    let files = Listing::read(root).map(|listing| listing.files).unwrap_or_default();
    let table = files
        .iter()
        .find(|name| name.contains("Target") && (name.ends_with(".xlsx") || name.ends_with(".csv")));
    let table = table.ok_or_else(|| "a table *Target*.xlsx".to_owned())?;
    let base = holder(root, IMAGES).ok_or_else(|| IMAGES.to_owned())?;
    Ok(Form::Archive(root.join(table), base))
}

/// The class of a score in a task; `None` where it is in neither.
fn class(task: &Task, score: u32) -> Option<u32> {
    match (task.name, score) {
        ("severe", 0 | 1) => None,
        ("severe", score) => Some(u32::from(score > 2)),
        (_, score) => Some(u32::from(score >= 2)),
    }
}

/// Slices that were taken from the archive, in a folder for each score.
fn slices(root: &Path, task: &Task) -> Result<Found> {
    let names: Vec<String> = (0..=5).map(|score: u32| score.to_string()).collect();
    let labels: Vec<(&str, u32)> = names
        .iter()
        .enumerate()
        .filter_map(|(score, name)| Some((name.as_str(), class(task, score as u32)?)))
        .collect();
    class_folders(root, "Prostate-MRI-US-Biopsy", &labels, "", |name| patient(name).map(Origin::new))
}

/// `Prostate-MRI-US-Biopsy-0001` in a name.
fn patient(name: &str) -> Option<String> {
    let from = name.find(IMAGES)?;
    let rest = name[from + IMAGES.len()..].strip_prefix('-')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then(|| format!("{IMAGES}-{}", &rest[..digits]))
}

/// A series that a target was found in.
struct Series {
    patient: String,
    /// The highest of its targets' scores.
    score: u32,
    /// Whether its targets have several.
    several: bool,
    row: usize,
}

fn archive(file: &Path, base: &Path, task: &Task) -> Result<Found> {
    let table = Table::open(file, b',')?;
    let [patient, series, score] =
        [table.column("Patient ID")?, table.column("seriesInstanceUID_US")?, table.column(SCORE)?];
    let mut all = Collected::new(base);
    let mut wanted: BTreeMap<String, Series> = BTreeMap::new();
    for row in table.rows() {
        let uid = row.cell(series).trim();
        if uid.is_empty() {
            all.leave_out("a target without an ultrasound series", format!("row {}", row.number()));
            continue;
        }
        let written = row.cell(score).trim();
        if written.is_empty() {
            all.leave_out("a target without a score", format!("row {}", row.number()));
            continue;
        }
        // Some programs write 3 as 3.0.
        let whole = written.strip_suffix(".0").unwrap_or(written).parse().ok();
        let score: u32 = whole.filter(|score| *score <= 5).ok_or_else(|| {
            table.wrong(row, format!("{SCORE:?} is {written:?}; 0 to 5, or an empty cell, is expected"))
        })?;
        let name = row.cell(patient).trim();
        if inside(name).is_none_or(|path| path.components().count() != 1) {
            return Err(table.wrong(row, format!("{name:?} is no patient's name")));
        }
        let known = wanted.entry(uid.to_owned()).or_insert_with(|| Series {
            patient: name.to_owned(),
            score,
            several: false,
            row: row.number(),
        });
        known.several |= known.score != score;
        known.score = known.score.max(score);
    }
    let several = wanted.values().filter(|series| series.several).count();
    if several > 0 {
        all.note(format!("{several} series have targets of several scores: the highest counts"));
    }
    let mut patients: Vec<&str> = wanted.values().map(|series| series.patient.as_str()).collect();
    patients.sort_unstable();
    patients.dedup();
    let found: Vec<HashMap<String, (PathBuf, usize)>> = patients
        .par_iter()
        .map(|patient| series_of(base, &Path::new(IMAGES).join(patient)))
        .collect::<Result<_>>()?;
    let found: HashMap<String, (PathBuf, usize)> = found.into_iter().flatten().collect();
    for (uid, Series { patient, score, row, .. }) in wanted {
        let Some((path, frames)) = found.get(&uid) else {
            all.leave_out("a label without an image", format!("row {row}: series {uid} of {patient}"));
            continue;
        };
        let Some(label) = class(task, score) else { continue };
        // The central half.
        for frame in frames / 4..3 * frames / 4 {
            let frame = frame as u32;
            let origin =
                Origin { study: Some(uid.clone()), slice: Some(frame), ..Origin::new(patient.clone()) };
            all.push(Item { path: path.clone(), frame, label, origin: Some(origin) });
        }
    }
    all.found("Prostate-MRI-US-Biopsy", &FINDING, true)
}

/// The series of several frames in a patient's folder, by UID: its file, and how many frames it has.
fn series_of(base: &Path, folder: &Path) -> Result<HashMap<String, (PathBuf, usize)>> {
    let mut all = HashMap::new();
    let list = |folder: &Path| Listing::read(&base.join(folder));
    if !base.join(folder).is_dir() {
        return Ok(all);
    }
    for study in list(folder)?.folders {
        let study = folder.join(study);
        for series in list(&study)?.folders {
            let series = study.join(series);
            // One of several frames is one file.
            if let [file] = list(&series)?.files.as_slice() {
                let path = series.join(file);
                let header = Header::read(&base.join(&path))?;
                if header.frames > 1 {
                    all.insert(header.series_uid, (path, header.frames));
                }
            }
        }
    }
    Ok(all)
}
