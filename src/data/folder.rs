//! Image folders, `<class>/<file>`: each subfolder is a class, every image file in it a sample.
//! Classes and files are in the order of their names, so that a folder means the same on every machine.

use super::Found;
use super::native::dicom;
use super::opened::Opened;
use super::read::open_file;
use super::source::{Files, Origins, Source};
use crate::{Error, Result};
use rayon::prelude::*;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What is in a folder, hidden files left out, in the order of names.
pub(super) struct Listing {
    pub folders: Vec<String>,
    pub files: Vec<String>,
}

impl Listing {
    pub fn of(folder: &Path) -> Result<Self> {
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
            let entry = entry.map_err(|e| Error::io(folder, e))?;
            let Ok(name) = entry.file_name().into_string() else {
                return Err(Error::format(entry.path(), "its name is not UTF-8: rename it"));
            };
            // Archives unpacked on a Mac bring a folder of such files along.
            if name.starts_with('.') || name == "__MACOSX" {
                continue;
            }
            // A link counts as what it leads to; one that leads nowhere is a file that cannot be read.
            match entry.path().is_dir() {
                true => folders.push(name),
                false => files.push(name),
            }
        }
        folders.sort();
        files.sort();
        Ok(Listing { folders, files })
    }
}

/// What the names of image files end in.
const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "tif", "tiff", "bmp", "webp", "dcm"];

/// Whether a file name is that of an image.
pub(super) fn is_image(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// Whether a file is DICOM's though it is not called so: archives name such files by numbers, or by UIDs, which are
/// numbers with dots between.
fn is_unnamed_dicom(folder: &Path, name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    // An index of other files.
    if !ending.bytes().all(|byte| byte.is_ascii_digit()) || name == "DICOMDIR" {
        return false;
    }
    let mut start = Vec::new();
    let read = open_file(&folder.join(name)).map(|file| file.take(132).read_to_end(&mut start));
    matches!(read, Ok(Ok(_))) && dicom::is_dicom(&start)
}

/// Opens a folder of class folders.
pub(super) fn open(root: &Path, listing: &Listing) -> Result<Found> {
    let walks: Vec<Result<Walk>> = listing
        .folders
        .par_iter()
        .map(|class| {
            let mut walk = Walk::default();
            walk.enter(root, Path::new(class))?;
            Ok(walk)
        })
        .collect();
    let (mut relative, mut labels, mut class_names) = (Vec::new(), Vec::new(), Vec::new());
    let (mut notes, mut others) = (Vec::new(), Vec::new());
    for (class, walk) in listing.folders.iter().zip(walks) {
        let walk = walk?;
        others.extend(walk.others);
        if walk.images.is_empty() {
            notes.push(format!("{} holds no image file: it is not a class", root.join(class).display()));
            continue;
        }
        labels.extend(std::iter::repeat_n(class_names.len() as u32, walk.images.len()));
        class_names.push(class.clone());
        relative.extend(walk.images);
    }
    if relative.is_empty() {
        return Err(Error::format(
            root,
            "holds no images: expected a folder for each class, with image files in it",
        ));
    }
    if let Some(first) = others.first() {
        notes.push(format!(
            "{} files that end in none of .{} were left out (the first: {})",
            others.len(),
            ENDINGS.join(", ."),
            root.join(first).display()
        ));
    }
    let source = Source::Files(Files {
        root: root.to_owned(),
        relative,
        frames: Vec::new(),
        origins: Origins::Unknown,
        opened: Opened::default(),
    });
    Ok(Found {
        format: "image folder",
        source,
        labels,
        class_names,
        labelled: true,
        notes,
        left_out: Vec::new(),
    })
}

/// The image files in a folder under a root and in the folders below it, as paths under the root.
pub(super) fn images_under(root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    files_under(root, folder, &is_image)
}

/// The same of files whose names are of some kind. Folders are walked at the same time: archives have thousands.
pub(super) fn files_under(
    root: &Path,
    folder: &Path,
    kind: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Vec<PathBuf>> {
    let here = root.join(folder);
    refuse_loop(&here)?;
    let listing = Listing::of(&here)?;
    let below: Vec<Vec<PathBuf>> = listing
        .folders
        .par_iter()
        .map(|name| files_under(root, &folder.join(name), kind))
        .collect::<Result<_>>()?;
    let files = listing.files.iter().filter(|name| kind(name)).map(|name| folder.join(name));
    Ok(files.chain(below.into_iter().flatten()).collect())
}

/// The files in a class folder and the folders below it, relative to the root.
#[derive(Default)]
struct Walk {
    images: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

impl Walk {
    fn enter(&mut self, root: &Path, folder: &Path) -> Result<()> {
        let here = root.join(folder);
        refuse_loop(&here)?;
        let listing = Listing::of(&here)?;
        for name in listing.files {
            match is_image(&name) || is_unnamed_dicom(&here, &name) {
                true => self.images.push(folder.join(name)),
                false => self.others.push(folder.join(name)),
            }
        }
        for name in listing.folders {
            self.enter(root, &folder.join(name))?;
        }
        Ok(())
    }
}

/// A link to a folder that holds the link would be walked for ever.
fn refuse_loop(folder: &Path) -> Result<()> {
    if !folder.is_symlink() {
        return Ok(());
    }
    let real = |path: &Path| fs::canonicalize(path).map_err(|e| Error::io(path, e));
    let holder = real(folder.parent().unwrap_or(Path::new(".")))?;
    match holder.starts_with(real(folder)?) {
        true => Err(Error::format(folder, "is a link to a folder that holds it")),
        false => Ok(()),
    }
}
