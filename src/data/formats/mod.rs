//! Formats of datasets, in a table, and the detection of a path's format: a file or a folder of one of them, or class folders
//! of images. Ambiguous folders are refused.

mod array;
mod cifar10;
mod format;
mod idx;
pub(super) mod image_folder;
mod numpy;
mod safetensors;
mod svhn;

pub(super) use cifar10::Cifar10;
pub(super) use format::Format;
pub(super) use idx::Idx;
pub(super) use svhn::Svhn;

use super::folder::Listing;
use super::found::{Found, Split};
use super::image_file;
use super::stream::Stream;
use crate::{Error, Result};
use numpy::Numpy;
use safetensors::Safetensors;
use std::path::Path;

/// All formats, in the order in which messages name them. A file is of the first that it is called after, else of the
/// first that it begins as.
static FORMATS: [&dyn Format; 5] = [&Idx, &Cifar10, &Svhn, &Numpy, &Safetensors];

/// Opens one part of the dataset that a path leads to.
pub(super) fn open(path: &Path, split: Split) -> Result<Found> {
    let kind = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if kind.is_dir() { open_folder(path, split) } else { open_file(path, split) }
}

fn open_folder(folder: &Path, split: Split) -> Result<Found> {
    let listing = Listing::read(folder)?;
    if let Some(format) = format_of(folder, &listing)? {
        return format.open_folder(folder, &listing, split);
    }
    // Its folders are parts of a dataset, a dataset, or classes.
    if let Some(part) = part_of(folder, &listing, split)? {
        return open_folder(&folder.join(part), Split::Train);
    }
    match listing.folders.as_slice() {
        [] if listing.files.is_empty() => Err(Error::format(folder, "is an empty folder")),
        [] => Err(nothing_known(folder, &listing)),
        [only] if holds_dataset(&folder.join(only))? => open_folder(&folder.join(only), split),
        _ => {
            format::only_train(folder, split)?;
            image_folder::open(folder, &listing)
        }
    }
}

/// The format whose mark a folder has; marks of two formats are an error.
fn format_of(folder: &Path, listing: &Listing) -> Result<Option<&'static dyn Format>> {
    let mut marked = FORMATS.iter().filter_map(|format| Some((*format, format.mark(listing)?)));
    match (marked.next(), marked.next()) {
        (None, _) => Ok(None),
        (Some((format, _)), None) => Ok(Some(format)),
        (Some((one, mark)), Some((other, other_mark))) => Err(Error::format(
            folder,
            format!(
                "holds datasets of two formats, {} ({mark}) and {} ({other_mark}): keep each in a folder of its own, or \
                 open one of these files",
                one.in_folder(),
                other.in_folder()
            ),
        )),
    }
}

/// The subfolder that is the part asked for, where a folder's subfolders are parts rather than classes:
/// all have the names of parts, and `train` holds folders.
fn part_of<'a>(folder: &Path, listing: &'a Listing, split: Split) -> Result<Option<&'a str>> {
    let parts = ["train", "test", "val", "valid", "validation"];
    let all_parts = listing.folders.iter().all(|name| parts.contains(&name.as_str()));
    let holds_folders = |name: &str| -> Result<bool> {
        let there = listing.folders.iter().any(|folder| folder == name);
        Ok(there && !Listing::read(&folder.join(name))?.folders.is_empty())
    };
    if !all_parts || !holds_folders("train")? {
        return Ok(None);
    }
    let wanted = match split {
        Split::Train => &parts[..1],
        Split::Test => &parts[1..],
    };
    for part in wanted {
        if holds_folders(part)? {
            return Ok(Some(part));
        }
    }
    Err(Error::format(folder, "has no test part: no folder test or val with class folders in it"))
}

/// Whether a folder is a dataset itself, rather than a class of images.
fn holds_dataset(folder: &Path) -> Result<bool> {
    let listing = Listing::read(folder)?;
    let marked = FORMATS.iter().any(|format| format.mark(&listing).is_some());
    let images = listing.files.iter().any(|name| image_file::is_image_name(name));
    Ok(marked || (!images && !listing.folders.is_empty()))
}

fn nothing_known(folder: &Path, listing: &Listing) -> Error {
    let images = listing.files.iter().filter(|name| image_file::is_image_name(name)).count();
    let reason = match images {
        0 => format!(
            "holds no dataset of a known format (the first of its {} files: {}): expected {}, or a folder of images for each class",
            listing.files.len(),
            listing.files[0],
            FORMATS.map(|format| format.in_folder()).join(", ")
        ),
        _ => format!("holds {images} images, but no class folders: put those of each class in a folder"),
    };
    Error::format(folder, reason)
}

fn open_file(path: &Path, split: Split) -> Result<Found> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if let Some(format) = FORMATS.iter().find(|format| format.is_called(&name)) {
        return format.open_file(path, split);
    }
    // As many bytes as recognising a DICOM file takes.
    let start = Stream::open(path)?.up_to(132)?;
    if start.is_empty() {
        return Err(Error::format(path, "is empty"));
    }
    if image_file::is_image(&start) {
        return Err(Error::format(path, "is a single image: open the folder that holds the class folders"));
    }
    match FORMATS.iter().find(|format| format.begins(&start)) {
        Some(format) => format.open_file(path, split),
        None => {
            let [others @ .., last] = FORMATS.map(|format| format.as_file());
            let others = others.join(", ");
            Err(Error::format(path, format!("is no dataset of a known format: expected {others} or {last}")))
        }
    }
}
