//! Writing a file whole or not at all: what was at the path stays until all of the new content is on disk.

use crate::{Error, Result};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes `content` to `path`.
#[cfg(feature = "figures")]
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<()> {
    replace(path, |beside| fs::write(beside, content))
}

/// Has a new file written beside `path`, at the path that `write` is given, and renames it.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    let beside = beside(path)?;
    let open = |options: &mut OpenOptions| options.write(true).open(&beside);
    let written = open(OpenOptions::new().create_new(true))
        .and_then(|_| write(&beside))
        .and_then(|()| open(&mut OpenOptions::new())?.sync_all());
    written.and_then(|()| fs::rename(&beside, path)).map_err(|source| {
        // The first error is the one to report.
        _ = fs::remove_file(&beside);
        Error::io(path, source)
    })
}

/// A name in the same folder that no other write uses: a rename across file systems is no rename.
fn beside(path: &Path) -> Result<PathBuf> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let name = path
        .file_name()
        .ok_or_else(|| Error::Argument(format!("{}: not the name of a file to write", path.display())))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}-{}.part", std::process::id(), WRITES.fetch_add(1, Ordering::Relaxed)));
    Ok(path.with_file_name(hidden))
}
