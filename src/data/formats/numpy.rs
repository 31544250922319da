//! NumPy arrays: images or features, and their labels, as [`array`](super::array) has them.
//! In one `.npz`, or in two `.npy` files side by side.

use super::array::{self, Array, IMAGES_OR_FEATURES, Kind, Labels};
use super::format::{Format, only_train};
use crate::data::codecs::npy_header::{self, Header};
use crate::data::folder::Listing;
use crate::data::found::{Found, Split};
use crate::data::stream::{Stream, is_content, open_file as open_plain_file};
use crate::{Error, Result};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use zip::ZipArchive;
use zip::result::ZipError;

/// The files that a folder of arrays has one of.
const FILES: [&str; 2] = ["images.npy", "features.npy"];

pub(super) struct Numpy;

impl Format for Numpy {
    fn in_folder(&self) -> &'static str {
        "images.npy or features.npy and labels.npy"
    }

    fn as_file(&self) -> &'static str {
        "a .npy or .npz file"
    }

    fn mark<'a>(&self, listing: &'a Listing) -> Option<&'a str> {
        listing.names().find(|name| FILES.contains(name))
    }

    fn open_folder(&self, folder: &Path, listing: &Listing, split: Split) -> Result<Found> {
        let mut there = FILES.iter().filter(|file| listing.names().any(|name| name == **file));
        match (there.next(), there.next()) {
            (Some(file), None) => {
                only_train(folder, split)?;
                open_npy(&folder.join(file))
            }
            _ => Err(Error::format(folder, "holds images.npy and features.npy: open one of these files")),
        }
    }

    fn begins(&self, start: &[u8]) -> bool {
        start.starts_with(b"\x93NUMPY") || start.starts_with(ZIP)
    }

    fn open_file(&self, path: &Path, split: Split) -> Result<Found> {
        if Stream::open(path)?.up_to(ZIP.len())? == ZIP { open_npz(path, split) } else { open_npy(path) }
    }
}

/// What a zip archive begins with, and so a `.npz`.
const ZIP: &[u8] = b"PK";

type Archive = ZipArchive<BufReader<File>>;

/// Opens a `.npy` file of images or features, and the labels beside it.
fn open_npy(path: &Path) -> Result<Found> {
    let mut samples = Npy::open(Stream::open(path)?)?;
    let layout = samples.layout()?;
    let labels = match labels_beside(path, layout.features)? {
        Some(labels) => {
            let values = Npy::open(Stream::open(&labels)?)?.labels()?;
            Labels::Numbers(values, labels)
        }
        None => Labels::None,
    };
    let bytes = samples.file.rest_mapped(layout.bytes(), &samples.claim())?;
    array::found("NPY", samples.array.packed(&layout, bytes), labels)
}

/// The file of labels: `images` or `features` in the name becomes `labels`; features of another name have
/// theirs in `labels.npy`, or none.
fn labels_beside(path: &Path, features: bool) -> Result<Option<PathBuf>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut beside = name.replace("images", "labels");
    if features && beside == name {
        beside = name.replace("features", "labels");
    }
    if beside == name && (!features || name == "labels.npy") {
        return Err(Error::format(
            path,
            "its labels file cannot be found by its name: name them as images.npy and labels.npy",
        ));
    }
    if beside == name {
        beside = "labels.npy".to_owned();
    }
    let labels = path.with_file_name(&beside);
    match (labels.exists(), features) {
        (true, _) => Ok(Some(labels)),
        (false, true) => Ok(None),
        (false, false) => {
            Err(Error::format(path, format!("its labels are not beside it: expected {beside}")))
        }
    }
}

/// Opens a `.npz` archive with the arrays `images` or `features`, and `labels`; or `train_images` and so on.
fn open_npz(path: &Path, split: Split) -> Result<Found> {
    let mut archive = ZipArchive::new(BufReader::new(open_plain_file(path)?)).map_err(|e| match e {
        ZipError::Io(e) if !is_content(&e) => Error::io(path, e),
        e => Error::format(path, format!("is not a readable .npz (zip) archive: {e}")),
    })?;
    let files: Result<Vec<_>, _> = archive.file_names().collect();
    let files =
        files.map_err(|e| Error::format(path, format!("has a name in it that cannot be read: {e}")))?;
    let mut names: Vec<String> =
        files.iter().filter_map(|name| name.strip_suffix(".npy")).map(String::from).collect();
    names.sort();
    let labels = array::named(&names, &["labels"], split);
    let others: Vec<&String> = names.iter().filter(|name| Some(*name) != labels.as_ref()).collect();
    let samples = match (array::named(&names, &IMAGES_OR_FEATURES, split), &others[..]) {
        (Some(name), _) => name,
        (None, [only]) if split == Split::Train => only.to_string(),
        _ => return Err(array::lacking(path, "array", &IMAGES_OR_FEATURES, split, &names)),
    };
    let mut samples = member(path, &mut archive, &samples)?;
    let layout = samples.layout()?;
    if labels.is_none() && !layout.features {
        return Err(array::lacking(path, "array", &["labels"], split, &names));
    }
    let bytes = samples.file.rest_mapped(layout.bytes(), &samples.claim())?;
    let packed = samples.array.packed(&layout, bytes);
    drop(samples);
    let labels = match labels {
        Some(name) => Labels::Numbers(member(path, &mut archive, &name)?.labels()?, path.to_owned()),
        None => Labels::None,
    };
    array::found("NPZ", packed, labels)
}

fn member<'a>(path: &Path, archive: &'a mut Archive, name: &str) -> Result<Npy<'a>> {
    let name = format!("{name}.npy");
    match archive.by_name(&name) {
        Ok(file) => Npy::open(Stream::member(path, format!("{name} in it: "), Box::new(file))),
        Err(e) => Err(Error::format(path, format!("{name} in it cannot be read: {e}"))),
    }
}

/// A plain array whose header has been read, and whose values have not.
struct Npy<'a> {
    file: Stream<'a>,
    array: Array,
    fortran: bool,
}

impl<'a> Npy<'a> {
    fn open(mut file: Stream<'a>) -> Result<Self> {
        let Header { descr, fortran, shape } = npy_header::read(&mut file)?;
        let Some(descr) = descr else {
            return Err(file.wrong("is an array of records: expected plain numbers"));
        };
        // An order of bytes, a kind, and how many bytes.
        let (kind, bytes) = match descr.trim_start_matches(['<', '>', '|', '=']).split_at_checked(1) {
            Some(("b", bytes)) => (Kind::Bool, bytes),
            Some(("u", bytes)) => (Kind::Uint, bytes),
            Some(("i", bytes)) => (Kind::Int, bytes),
            Some(("f", bytes)) => (Kind::Float, bytes),
            _ => (Kind::Other, ""),
        };
        let array = Array {
            path: file.path().to_owned(),
            member: file.member_name().to_owned(),
            shape,
            kind,
            bytes: bytes.parse().unwrap_or(0),
            big_endian: descr.starts_with('>'),
            dtype: format!("'{descr}'"),
        };
        Ok(Npy { array, fortran, file })
    }

    fn layout(&self) -> Result<array::SampleLayout> {
        let layout = self.array.layout()?;
        if self.fortran {
            let what = if layout.features { "features" } else { "images" };
            return Err(self
                .array
                .wrong(format!("is in Fortran order: save it as numpy.ascontiguousarray({what})")));
        }
        Ok(layout)
    }

    fn labels(&mut self) -> Result<Vec<i64>> {
        let raw = self.file.rest(self.array.labels_len()?, &self.claim())?;
        self.array.labels(&raw)
    }

    fn claim(&self) -> String {
        format!("its header claims an array {} of {}", self.array.shape(), self.array.dtype)
    }
}
