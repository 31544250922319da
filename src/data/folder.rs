//! What is in a folder, and in all folders below it, in the order of names.

use crate::{Error, Result};
use rayon::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

/// What is in a folder, hidden files left out, in the order of names.
pub(super) struct Listing {
    pub folders: Vec<String>,
    pub files: Vec<String>,
}

impl Listing {
    pub fn read(folder: &Path) -> Result<Self> {
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
            if entry.path().is_dir() { folders.push(name) } else { files.push(name) }
        }
        folders.sort();
        files.sort();
        Ok(Listing { folders, files })
    }

    /// All names, of files and of folders.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().chain(&self.folders).map(String::as_str)
    }
}

/// The files of some kind in a folder under a root and in the folders below it, as paths under the root. Folders are walked
/// at the same time: archives have thousands.
pub(super) fn files_under(
    root: &Path,
    folder: &Path,
    kind: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Vec<PathBuf>> {
    let here = root.join(folder);
    refuse_loop(&here)?;
    let listing = Listing::read(&here)?;
    let below: Vec<Vec<PathBuf>> = listing
        .folders
        .par_iter()
        .map(|name| files_under(root, &folder.join(name), kind))
        .collect::<Result<_>>()?;
    let files = listing.files.iter().filter(|name| kind(name)).map(|name| folder.join(name));
    Ok(files.chain(below.into_iter().flatten()).collect())
}

/// A link to a folder that holds the link would be walked for ever.
pub(super) fn refuse_loop(folder: &Path) -> Result<()> {
    if !folder.is_symlink() {
        return Ok(());
    }
    let real = |path: &Path| fs::canonicalize(path).map_err(|e| Error::io(path, e));
    let holder = real(folder.parent().unwrap_or(Path::new(".")))?;
    if holder.starts_with(real(folder)?) {
        Err(Error::format(folder, "is a link to a folder that holds it"))
    } else {
        Ok(())
    }
}
