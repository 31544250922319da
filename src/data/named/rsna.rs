//! RSNA's intracranial haemorrhage CT: six rows of a table for each slice, and a file for each.

use super::collect::{Collected, Item, NO_LABEL, Present};
use super::dataset::{Asked, FINDING, Facts, NamedDataset, NotOpened, Task};
use super::paths::{inside, need};
use crate::data::found::Found;
use crate::data::source::{Origins, Source};
use crate::data::stream::Stream;
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const ANY: &str = "any haemorrhage";
const TYPE: &str = "one type of haemorrhage, against all slices without it";

/// The types as the table names them, but for the spelling of the first.
const TASKS: [Task; 6] = [
    Task { name: "any", about: ANY },
    Task { name: "epidural", about: TYPE },
    Task { name: "intraparenchymal", about: TYPE },
    Task { name: "intraventricular", about: TYPE },
    Task { name: "subarachnoid", about: TYPE },
    Task { name: "subdural", about: TYPE },
];

const TABLE: &str = "stage_2_train.csv";
const FOLDER: &str = "stage_2_train";
/// No table of labels is larger: that of the competition has 120 MB.
const LARGEST: usize = 1 << 30;

pub(super) struct Rsna;

impl NamedDataset for Rsna {
    fn facts(&self) -> Facts {
        Facts {
            name: "rsna",
            about: "brain CT slices with types of haemorrhage",
            source: "https://www.kaggle.com/c/rsna-intracranial-hemorrhage-detection",
            tree: "ROOT/
  stage_2_train.csv
  stage_2_train/ID_12cadc6af.dcm    or .png",
            tasks: &TASKS,
            has_test: false,
        }
    }

    fn missing(&self, root: &Path) -> Option<String> {
        find(root).err()
    }

    fn open(&self, root: &Path, asked: &Asked<'_>) -> Result<Found, NotOpened> {
        find(root).map_err(NotOpened::Missing)?;
        Ok(archive(root, asked.task)?)
    }
}

fn find(root: &Path) -> Result<(), String> {
    need(root, &[TABLE])?;
    need(root, &[FOLDER]).map(|_| ())
}

/// What the rows of a slice say: a bit for each type that has one, and for each that is there.
#[derive(Clone, Copy, Default)]
struct Rows {
    told: u8,
    present: u8,
}

/// The table has millions of rows, of which a bit each counts: it is not kept.
fn labels(file: &Path) -> Result<HashMap<String, Rows>> {
    let bytes = Stream::open(file)?.up_to(LARGEST + 1)?;
    if bytes.len() > LARGEST {
        return Err(Error::format(file, "holds more than 1 GiB: no table to read here"));
    }
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let unreadable = |error: csv::Error| Error::format(file, format!("cannot be read: {error}"));
    let header: Vec<String> =
        reader.headers().map_err(unreadable)?.iter().map(|name| name.trim().to_owned()).collect();
    if header != ["ID", "Label"] {
        return Err(Error::format(
            file,
            format!("has the columns {}; ID and Label are expected", header.join(", ")),
        ));
    }
    let mut all: HashMap<String, Rows> = HashMap::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(unreadable)? {
        let row = record.position().map_or(0, csv::Position::line);
        let wrong = |reason: String| Error::format(file, format!("row {row}: {reason}"));
        let (id, label) = (&record[0], record[1].trim());
        let (slice, kind) =
            id.rsplit_once('_').ok_or_else(|| wrong(format!("{id:?} is no ID_<image>_<type>")))?;
        let kind = TASKS.iter().position(|task| task.name == kind).ok_or_else(|| {
            let known: Vec<&str> = TASKS.iter().map(|task| task.name).collect();
            wrong(format!("{id:?} is of the type {kind:?}; {} are expected", known.join(", ")))
        })?;
        let present = match label {
            "0" => 0,
            "1" => 1,
            other => return Err(wrong(format!("the label of {id} is {other:?}; 0 or 1 is expected"))),
        };
        let rows = match all.get_mut(slice) {
            Some(rows) => rows,
            None if slice.contains(['/', '\\']) || inside(slice).is_none() => {
                return Err(wrong(format!("{id:?} is no image's name")));
            }
            None => all.entry(slice.to_owned()).or_default(),
        };
        // The competition's table repeats a few rows.
        if rows.told >> kind & 1 == 1 && rows.present >> kind & 1 != present {
            return Err(wrong(format!("{id} has another label in an earlier row")));
        }
        rows.told |= 1 << kind;
        rows.present |= present << kind;
    }
    Ok(all)
}

fn archive(root: &Path, task: &Task) -> Result<Found> {
    let kind = TASKS.iter().position(|known| known.name == task.name).unwrap_or(0);
    let mut all = Collected::new(root);
    let mut present = Present::under(root, &[FOLDER])?;
    let mut slices: Vec<(String, Rows)> = labels(&root.join(TABLE))?.into_iter().collect();
    slices.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut all_dicom = true;
    for (slice, rows) in slices {
        let with = |ending: &str| PathBuf::from(FOLDER).join(format!("{slice}.{ending}"));
        let path = match present.take(["dcm", "png"].map(with)) {
            Ok(path) => path,
            Err(why) => {
                all.leave_out(why, slice);
                continue;
            }
        };
        if rows.told >> kind & 1 == 0 {
            all.leave_out("an image without a row of this type", slice);
            continue;
        }
        all_dicom &= path.extension().is_some_and(|ending| ending == "dcm");
        all.push(Item { path, frame: 0, label: u32::from(rows.present >> kind & 1), origin: None });
    }
    present.left().iter().for_each(|file| all.leave_out(NO_LABEL, file.display().to_string()));
    let mut found = all.found("RSNA-IH-CT", &FINDING, false)?;
    if let (true, Source::Files(files)) = (all_dicom, &mut found.source) {
        // Hundreds of thousands of headers: read of those alone that are asked for.
        files.origins = Origins::InFiles;
    }
    Ok(found)
}
