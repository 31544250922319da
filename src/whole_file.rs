//! Writing a file whole or not at all: what was at the path stays until all of the new content is on disk.

use crate::{Error, Result};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Writes `content` to `path`.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<()> {
    replace(path, |beside| fs::write(beside, content))
}

/// Has a new file written beside `path`, at the path that `write` is given, and renames it.
fn replace(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    let beside = beside(path)?;
    let open = |options: &mut OpenOptions| options.write(true).open(&beside);
    let written = open(OpenOptions::new().create_new(true))
        .and_then(|_| write(&beside))
        .and_then(|()| open(&mut OpenOptions::new())?.sync_all());
    written.and_then(|()| fs::rename(&beside, path)).map_err(|source| {
        // The first error is the one to report.
        _ = fs::remove_file(&beside);
        Error::io(path, source)
    })?;
    sync_folder(path);
    Ok(())
}

/// As [`replace`], for writers that put files of their own beside the one they are given: that one is in a folder
/// beside `path`, of one name for each path, so that the next write removes what a killed process left.
#[cfg(feature = "networks")]
pub(crate) fn replace_from_folder(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    let folder = hidden(path, ".part")?;
    let beside = folder.join("new");
    let cleared = || match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    };
    let written = cleared()
        .and_then(|()| fs::create_dir(&folder))
        .and_then(|()| write(&beside))
        .and_then(|()| OpenOptions::new().write(true).open(&beside)?.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    // The first error is the one to report.
    let cleared = cleared();
    written.and(cleared).map_err(|source| Error::io(path, source))?;
    sync_folder(path);
    Ok(())
}

/// Makes a rename survive a power loss, where the system can: not all file systems let folders be synced.
fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
    }
}

/// A name in the same folder that no other write uses: a rename across file systems is no rename.
fn beside(path: &Path) -> Result<PathBuf> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static WRITES: AtomicU64 = AtomicU64::new(0);
    hidden(path, &format!(".{}-{}.part", std::process::id(), WRITES.fetch_add(1, Ordering::Relaxed)))
}

/// A hidden name in the same folder.
fn hidden(path: &Path, ending: &str) -> Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| Error::Argument(format!("{}: not the name of a file to write", path.display())))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(ending);
    Ok(path.with_file_name(hidden))
}
