//! Image folders, `<class>/<file>`: each subfolder is a class, every image file in it a sample.
//! Classes and files are in the order of their names, so that a folder means the same on every machine.

use crate::data::codecs::dicom;
use crate::data::folder::{Listing, refuse_loop};
use crate::data::found::Found;
use crate::data::image_file;
use crate::data::multi_frame::MultiFrame;
use crate::data::source::{Files, Origins, Source};
use crate::data::stream::open_file;
use crate::{Error, Result};
use rayon::prelude::*;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Whether a file is DICOM without the extension: archives name such files by numbers, or by UIDs, which are
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
pub(in crate::data) fn open(root: &Path, listing: &Listing) -> Result<Found> {
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
            image_file::endings().collect::<Vec<_>>().join(", ."),
            root.join(first).display()
        ));
    }
    let source = Source::Files(Files {
        root: root.to_owned(),
        relative,
        frames: Vec::new(),
        origins: Origins::Unknown,
        multi_frame: MultiFrame::default(),
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
        let listing = Listing::read(&here)?;
        for name in listing.files {
            if image_file::is_image_name(&name) || is_unnamed_dicom(&here, &name) {
                self.images.push(folder.join(name))
            } else {
                self.others.push(folder.join(name))
            }
        }
        for name in listing.folders {
            self.enter(root, &folder.join(name))?;
        }
        Ok(())
    }
}
