//! The files that are asked for: refused before any work where they cannot be written, and written whole or not
//! at all when the work is done.

use crate::failure::Failure;
use crate::measure::args::Args;
use sharpdim::figure::Figure;
use sharpdim::report::{Page, write_whole};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Fails where an output could not be written: its folder is not there, is no folder, or lets nothing be made.
pub fn check(args: &Args) -> Result<(), Failure> {
    for (option, path) in [("--report", &args.report), ("--points", &args.points)] {
        let Some(path) = path else { continue };
        if path.is_dir() {
            return Err(Failure::new(format!("{option} {}: is a folder; name a file in it", path.display())));
        }
        writable(folder_of(path)).map_err(|error| refuse(option, path, folder_of(path), error))?;
    }
    if let Some(folder) = &args.figures {
        // One folder is made, but not a row of them: that would hide a typing error.
        let there = if folder.exists() { folder.as_path() } else { folder_of(folder) };
        writable(there).map_err(|error| refuse("--figures", folder, there, error))?;
    }
    Ok(())
}

fn refuse(option: &str, path: &Path, folder: &Path, error: io::Error) -> Failure {
    let (there, path, folder) = (folder.exists(), path.display(), folder.display());
    Failure::new(match error.kind() {
        io::ErrorKind::NotADirectory => format!("{option} {path}: {folder} is no folder"),
        // Folders that are no place on a disk say so of the file.
        io::ErrorKind::NotFound if !there => {
            format!("{option} {path}: there is no folder {folder}: make it first")
        }
        _ => format!("{option} {path}: nothing can be written into {folder}: {error}"),
    })
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether files can be made in a folder: by making one, since permissions alone do not tell.
fn writable(folder: &Path) -> io::Result<()> {
    if !fs::metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let probe = folder.join(format!(".measure-{}.probe", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&probe)?;
    fs::remove_file(probe)
}

/// What was written, in the order in which it was asked for.
#[derive(Default)]
pub struct Written {
    pub files: Vec<PathBuf>,
}

impl Written {
    pub fn page(&mut self, path: &Path, page: &Page) -> Result<(), Failure> {
        page.write(path)?;
        self.files.push(path.to_owned());
        Ok(())
    }

    /// Each chart as SVG and PNG, named by what it shows.
    pub fn figures(&mut self, folder: &Path, figures: &[(String, Figure)]) -> Result<(), Failure> {
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Failure::new(format!("--figures {}: {error}", folder.display())));
            }
            _ => (),
        }
        for (name, figure) in figures {
            for ending in ["svg", "png"] {
                let path = folder.join(format!("{name}.{ending}"));
                figure.write(&path)?;
                self.files.push(path);
            }
        }
        Ok(())
    }

    pub fn bytes(&mut self, path: &Path, content: &[u8]) -> Result<(), Failure> {
        write_whole(path, content)?;
        self.files.push(path.to_owned());
        Ok(())
    }
}
