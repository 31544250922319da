//! Duke's breast cancer MRI: slices of the fat-saturated series before contrast, with cancer where the annotation boxes say.

use super::collect::{Collected, Item, Present, class_folders};
use super::dataset::{Asked, FINDING, Facts, NamedDataset, NotOpened, Task};
use super::paths::{holder, inside, need};
use crate::Result;
use crate::data::codecs::table::Table;
use crate::data::found::Found;
use crate::data::source::Origin;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const BOXES: &str = "Annotation_Boxes.xlsx";
const PATHS: &str = "Breast-Cancer-MRI-filepath_filename-mapping.xlsx";
const IMAGES: &str = "Duke-Breast-Cancer-MRI";
/// Slices outside a box and this near to it are left out of both classes.
const MARGIN: i64 = 5;

pub(super) struct Dbc;

impl NamedDataset for Dbc {
    fn facts(&self) -> Facts {
        Facts {
            name: "dbc",
            about: "breast MRI, fat-saturated pre-contrast slices, of 922 patients",
            source: "https://www.cancerimagingarchive.net/collection/duke-breast-cancer-mri: images, annotation boxes, file paths",
            tree: "ROOT/
  Annotation_Boxes.xlsx
  Breast-Cancer-MRI-filepath_filename-mapping.xlsx
  Duke-Breast-Cancer-MRI/Breast_MRI_001/<study>/<series>/1-052.dcm
or slices taken from it:
ROOT/
  neg/*.png
  pos/*.png",
            tasks: &[Task { name: "cancer", about: "cancer in the slice" }],
            has_test: false,
        }
    }

    fn missing(&self, root: &Path) -> Option<String> {
        find(root).err()
    }

    fn open(&self, root: &Path, _asked: &Asked<'_>) -> Result<Found, NotOpened> {
        Ok(match find(root).map_err(NotOpened::Missing)? {
            Form::Slices => class_folders(root, "DBC", &[("neg", 0), ("pos", 1)], "", |name| {
                patient(name).map(Origin::new)
            })?,
            Form::Archive(base) => archive(root, &base)?,
        })
    }
}

enum Form {
    Slices,
    /// The folder that the archive's own is in.
    Archive(PathBuf),
}

fn find(root: &Path) -> Result<Form, String> {
    if root.join("neg").is_dir() && root.join("pos").is_dir() {
        return Ok(Form::Slices);
    }
    need(root, &[BOXES])?;
    need(root, &[PATHS])?;
    holder(root, IMAGES).map(Form::Archive).ok_or_else(|| IMAGES.to_owned())
}

/// `Breast_MRI_001` in a name.
fn patient(name: &str) -> Option<String> {
    const START: &str = "Breast_MRI_";
    let from = name.find(START)?;
    let digits = name[from + START.len()..].bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then(|| name[from..from + START.len() + digits].to_owned())
}

fn archive(root: &Path, base: &Path) -> Result<Found> {
    let boxes = boxes(&root.join(BOXES))?;
    let paths = Table::open(&root.join(PATHS), b',')?;
    let [original, classic] = [paths.column("original_path_and_filename")?, paths.column("classic_path")?];
    let mut all = Collected::new(base);
    let mut present = Present::under(base, &[IMAGES])?;
    let mut near = 0;
    for row in paths.rows() {
        let name = row.cell(original);
        if !name.contains("pre") {
            continue;
        }
        let patient = patient(name)
            .ok_or_else(|| paths.wrong(row, format!("{name:?} names no patient Breast_MRI_<number>")))?;
        let slice = slice(name)
            .ok_or_else(|| paths.wrong(row, format!("{name:?} does not end in a slice's number")))?;
        let path = inside(row.cell(classic)).ok_or_else(|| {
            paths.wrong(row, format!("{:?} is no path under the archive's folder", row.cell(classic)))
        })?;
        let Some(&(start, end)) = boxes.get(&patient) else {
            all.leave_out(
                "a slice of a patient without an annotation box",
                format!("row {}: {name}", row.number()),
            );
            continue;
        };
        let positive = start <= slice && slice < end;
        if !positive && slice.saturating_add(MARGIN) > start && slice - MARGIN <= end {
            near += 1;
            continue;
        }
        let path = match present.take(spellings(&path)) {
            Ok(path) => path,
            Err(why) => {
                all.leave_out(why, format!("row {}: {}", row.number(), path.display()));
                continue;
            }
        };
        let origin = Origin { slice: u32::try_from(slice).ok(), ..Origin::new(patient) };
        all.push(Item { path, frame: 0, label: u32::from(positive), origin: Some(origin) });
    }
    if near > 0 {
        all.note(format!(
            "{near} slices within {MARGIN} of a box's ends are left out of both classes, as in the paper"
        ));
    }
    all.found("DBC", &FINDING, false)
}

/// The first slice with cancer of each patient, and the one after the last.
fn boxes(file: &Path) -> Result<HashMap<String, (i64, i64)>> {
    let table = Table::open(file, b',')?;
    let patient = table.column("Patient ID")?;
    let [start, end] = [table.column("Start Slice")?, table.column("End Slice")?];
    let mut all = HashMap::new();
    for row in table.rows() {
        let number = |column, name: &str| {
            row.cell(column).trim().parse::<i64>().map_err(|_| {
                table.wrong(row, format!("{name:?} is {:?}; a whole number is expected", row.cell(column)))
            })
        };
        let bounds = (number(start, "Start Slice")?, number(end, "End Slice")?);
        let patient = row.cell(patient).trim();
        // With two boxes, slices in one of them would count as without cancer.
        if all.insert(patient.to_owned(), bounds).is_some() {
            return Err(table.wrong(row, format!("{patient:?} has a second box: one is expected")));
        }
    }
    Ok(all)
}

/// The number at the end of a file's name.
fn slice(name: &str) -> Option<i64> {
    let name = name.rsplit(['/', '\\']).next()?;
    let stem = name.strip_suffix(".dcm").unwrap_or(name);
    let digits = stem.bytes().rev().take_while(u8::is_ascii_digit).count();
    stem[stem.len() - digits..].parse().ok()
}

/// A path as the table has it, and with fewer zeros in its number: the archive was numbered anew (1-052 is 1-52 there).
fn spellings(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    if let Some((before, mut number)) = stem.rsplit_once('-') {
        while let Some(fewer) = number.strip_prefix('0').filter(|fewer| !fewer.is_empty()) {
            number = fewer;
            all.push(path.with_file_name(format!("{before}-{number}.{ending}")));
        }
    }
    all
}
