//! Paths in archives: what is there, where tables say that files are, and whose image a path is of.

use crate::data::source::Origin;
use std::path::{Component, Path, PathBuf};

/// The first of these that is there, or the first that is missed.
pub(super) fn need(root: &Path, any: &[&str]) -> Result<PathBuf, String> {
    let there = any.iter().map(|name| root.join(name)).find(|path| path.exists());
    there.ok_or_else(|| any[0].to_owned())
}

/// The folder, of several that it may be in, that has a table.
pub(super) fn table_folder(root: &Path, folders: &[&str], table: &str) -> Result<PathBuf, String> {
    let any: Vec<String> = folders.iter().map(|folder| format!("{folder}/{table}")).collect();
    let found = need(root, &any.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(found.parent().unwrap_or(root).to_owned())
}

/// The folder that has one of this name in it: the root, or one in it, as the archive's downloader makes it.
pub(super) fn holder(root: &Path, name: &str) -> Option<PathBuf> {
    if root.join(name).is_dir() {
        return Some(root.to_owned());
    }
    let mut inner: Vec<PathBuf> =
        std::fs::read_dir(root).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    inner.sort();
    inner.into_iter().find(|folder| folder.join(name).is_dir())
}

/// A path of a table as one under the folder; `None` where it would leave that.
pub(super) fn inside(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(path.trim().replace('\\', "/"));
    let stays = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    // Without `./` before it, so that it is the path that walking the folder gives.
    let plain: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    (stays && plain.components().next().is_some()).then_some(plain)
}

/// A path of a table without the archive's folder before it, which may be called otherwise here; `None` where it would leave
/// that.
pub(super) fn below_archive(path: &str) -> Option<PathBuf> {
    Some(inside(path)?.components().skip(1).collect())
}

/// The part of a path that begins so.
pub(super) fn part_called(path: &Path, start: &str) -> Option<String> {
    let parts = path.iter().map(|part| part.to_string_lossy());
    parts.into_iter().find(|part| part.starts_with(start)).map(|part| part.into_owned())
}

/// Patient and study by the folders of a path.
pub(super) fn origin_by_folders(path: &Path) -> Option<Origin> {
    let patient = part_called(path, "patient")?;
    let region = path.iter().map(|part| part.to_string_lossy()).find(|part| part.starts_with("XR_"));
    let study = part_called(path, "study")?;
    let study = region.map_or(study.clone(), |region| format!("{region}/{study}"));
    Some(Origin { patient, study: Some(study), slice: None })
}
