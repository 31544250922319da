//! OAI: knees that were cropped from bilateral films, in a folder for each class.

use super::super::Found;
use super::super::source::Origin;
use super::collect::{Collected, Item, Present};
use super::{FINDING, need};
use crate::Result;
use std::path::Path;

pub(super) fn find(root: &Path) -> Result<(), String> {
    need(root, &["0"])?;
    need(root, &["1"]).map(|_| ())
}

pub(super) fn open(root: &Path) -> Result<Found> {
    folders(root, "OAI", &[("0", 0), ("1", 1)], "", participant)
}

/// Participants of the OAI have numbers of seven digits, with which files of theirs begin.
fn participant(name: &str) -> Option<Origin> {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    (digits == 7).then(|| Origin { patient: name[..7].to_owned(), ..Origin::default() })
}

/// Slices that were taken from an archive, in folders of classes: each with its label, under the folder `within`. Whose they are, their files'
/// names say, or not.
pub(super) fn folders(
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
