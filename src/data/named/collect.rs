//! Collects an archive's tables and folders into images with labels and patients, and what was left out.

use super::dataset::FINDING;
use crate::data::folder::files_under;
use crate::data::found::Found;
use crate::data::image_file::is_image_name;
use crate::data::multi_frame::MultiFrame;
use crate::data::source::{Files, Origin, Origins, Source};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The reason for an image that no table names.
pub(super) const NO_LABEL: &str = "an image without a label";

/// An image of a class.
pub(super) struct Item {
    /// Its file, under the root.
    pub path: PathBuf,
    /// Which of the file's images, where it has many.
    pub frame: u32,
    pub label: u32,
    pub origin: Option<Origin>,
}

/// Images and what was left out.
pub(super) struct Collected {
    root: PathBuf,
    items: Vec<Item>,
    left_out: Vec<String>,
    /// Each reason, its count and its first case.
    reasons: Vec<(&'static str, usize, String)>,
    notes: Vec<String>,
}

impl Collected {
    pub fn new(root: &Path) -> Self {
        Collected {
            root: root.to_owned(),
            items: Vec::new(),
            left_out: Vec::new(),
            reasons: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub fn push(&mut self, item: Item) {
        self.items.push(item);
    }

    /// A note for the user.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Leaves something out: `what` is the reason, by which they are counted.
    pub fn leave_out(&mut self, what: &'static str, which: String) {
        match self.reasons.iter_mut().find(|(known, ..)| *known == what) {
            Some((_, count, _)) => *count += 1,
            None => self.reasons.push((what, 1, which.clone())),
        }
        self.left_out.push(format!("{which}: {what}"));
    }

    /// The dataset. With `frames`, each image is one frame of its file.
    pub fn found(self, format: &'static str, classes: &[&str], frames: bool) -> Result<Found> {
        let Collected { root, items, left_out, reasons, mut notes } = self;
        if items.is_empty() {
            let why =
                reasons.first().map_or(String::new(), |(what, count, which): &(&str, usize, String)| {
                    format!(" ({count} left out: {what}, the first {which})")
                });
            return Err(Error::format(root, format!("holds no image with a label{why}")));
        }
        let counted = |(what, count, first)| format!("{count} left out: {what} (the first: {first})");
        notes.extend(reasons.into_iter().map(counted));
        let labels = items.iter().map(|item| item.label).collect();
        let nameless = items.iter().filter(|item| item.origin.is_none()).count();
        let known = nameless == 0;
        if !known && nameless < items.len() {
            notes.push(format!(
                "{nameless} of {} images have no known patient: patients are ignored",
                items.len()
            ));
        }
        let numbers = if frames { items.iter().map(|item| item.frame).collect() } else { Vec::new() };
        let (mut relative, mut origins) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            relative.push(item.path);
            origins.extend(item.origin.filter(|_| known));
        }
        let origins = if known { Origins::Known(origins) } else { Origins::Unknown };
        let source = Source::Files(Files {
            root,
            relative,
            frames: numbers,
            origins,
            multi_frame: MultiFrame::default(),
        });
        let class_names = classes.iter().map(|name| (*name).to_owned()).collect();
        Ok(Found { format, source, labels, class_names, labelled: true, notes, left_out })
    }
}

/// The image files under some folders of a root, as paths under it, and whether they have labels.
pub(super) struct Present(HashMap<PathBuf, bool>);

impl Present {
    pub fn under(root: &Path, folders: &[&str]) -> Result<Self> {
        let mut all = HashMap::new();
        for name in folders.iter().filter(|name| root.join(name).is_dir()) {
            let files = files_under(root, Path::new(name), &is_image_name)?;
            all.extend(files.into_iter().map(|path| (path, false)));
        }
        Ok(Present(all))
    }

    /// Takes the first of these paths that exists; otherwise the reason to leave the label out.
    pub fn take(&mut self, spellings: impl IntoIterator<Item = PathBuf>) -> Result<PathBuf, &'static str> {
        for path in spellings {
            match self.0.get_mut(&path) {
                Some(true) => return Err("a repeated label of one image"),
                Some(taken) => {
                    *taken = true;
                    return Ok(path);
                }
                None => {}
            }
        }
        Err("a label without an image")
    }

    /// The files that were not taken, sorted by name.
    pub fn left(self) -> Vec<PathBuf> {
        let mut left: Vec<PathBuf> =
            self.0.into_iter().filter(|(_, taken)| !taken).map(|(path, _)| path).collect();
        left.sort();
        left
    }
}

/// Slices extracted from an archive into class folders under `within`, each with its label. `origin` reads the patient from a file's name,
/// where it can.
pub(super) fn class_folders(
    root: &Path,
    format: &'static str,
    labels: &[(&str, u32)],
    within: &str,
    origin: impl Fn(&str) -> Option<Origin>,
) -> Result<Found> {
    let mut all = Collected::new(root);
    for (name, label) in labels {
        let folder = Path::new(within).join(name);
        for path in Present::under(root, &[&folder.to_string_lossy()])?.left() {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let origin = origin(&file);
            all.push(Item { path, frame: 0, label: *label, origin });
        }
    }
    all.found(format, &FINDING, false)
}
