//! OAI: knees that were cropped from bilateral films, in a folder for each class.

use super::collect::class_folders;
use super::dataset::{Asked, Facts, NamedDataset, NotOpened, Task};
use super::paths::need;
use crate::data::found::Found;
use crate::data::source::Origin;
use std::path::Path;

pub(super) struct Oai;

impl NamedDataset for Oai {
    fn facts(&self) -> Facts {
        Facts {
            name: "oai",
            about: "knee X-rays, cropped to one knee",
            source: "https://nda.nih.gov/oai: bilateral films; knees are to be cropped from them",
            tree: "ROOT/
  0/*.png                       Kellgren-Lawrence grades 0 and 1
  1/*.png                       grades 2 to 4",
            tasks: &[Task { name: "osteoarthritis", about: "grades 2 to 4 against 0 and 1" }],
            has_test: false,
        }
    }

    fn missing(&self, root: &Path) -> Option<String> {
        find(root).err()
    }

    fn open(&self, root: &Path, _asked: &Asked<'_>) -> Result<Found, NotOpened> {
        find(root).map_err(NotOpened::Missing)?;
        Ok(class_folders(root, "OAI", &[("0", 0), ("1", 1)], "", participant)?)
    }
}

fn find(root: &Path) -> Result<(), String> {
    need(root, &["0"])?;
    need(root, &["1"]).map(|_| ())
}

/// Participants of the OAI have numbers of seven digits, with which files of theirs begin.
fn participant(name: &str) -> Option<Origin> {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    (digits == 7).then(|| Origin::new(&name[..7]))
}
