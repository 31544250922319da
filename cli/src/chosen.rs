//! The images of a training: how they were selected, as a note that the checkpoint keeps, so that attacks and
//! representations load the same ones again.

use crate::cached::{cache, cached};
use indicatif::{ProgressBar, ProgressFinish};
use serde_json::{Value, json};
use sharpdim::data::{
    Color, Dataset, Images, Named, NamedOptions, OpenOptions, Preprocess, Scale, Selection, Split,
};
use sharpdim::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Which images to train and to test on, and their preprocessing.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// `None` for generated images.
    pub data: Option<PathBuf>,
    /// The paper's dataset in that folder, if it is one, and its task if not the paper's.
    pub named: Option<Named>,
    pub task: Option<String>,
    /// Whether images of one patient may be both trained and tested on.
    pub by_image: bool,
    /// Selected classes; empty for all.
    pub classes: Vec<String>,
    pub train: usize,
    pub test: usize,
    /// Whether test images are of the dataset's own test part.
    pub test_part: bool,
    pub size: usize,
    /// Whether each image is scaled by its maximum.
    pub scaled: bool,
    pub color: Color,
    pub seed: u64,
}

/// Training and test images, and the dataset's name.
pub struct Parts {
    pub train: Images,
    pub test: Images,
    pub name: String,
}

impl Chosen {
    /// For a checkpoint's note.
    pub fn note(&self) -> String {
        // Absolute, so that it is found from any folder.
        let data = self.data.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        json!({
            "data": data, "dataset": self.named.map(Named::name), "task": self.task, "by_image": self.by_image, "classes": self.classes, "train": self.train, "test": self.test,
            "test_part": self.test_part, "size": self.size, "scaled": self.scaled, "color": self.color.name(), "seed": self.seed,
        })
        .to_string()
    }

    /// From a checkpoint's note; `None` where it is no such note.
    pub fn of_note(note: &str) -> Option<Self> {
        let note: Value = serde_json::from_str(note).ok()?;
        let number = |name: &str| note.get(name)?.as_u64();
        let flag = |name: &str| note.get(name)?.as_bool();
        let classes = note.get("classes")?.as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
        Some(Chosen {
            data: note.get("data")?.as_str().map(PathBuf::from),
            // Older notes lack these.
            named: match note.get("dataset").and_then(Value::as_str) {
                Some(name) => Some(name.parse().ok()?),
                None => None,
            },
            task: note.get("task").and_then(Value::as_str).map(str::to_owned),
            by_image: flag("by_image").unwrap_or(false),
            classes: classes.collect::<Option<_>>()?,
            train: number("train")? as usize,
            test: number("test")? as usize,
            test_part: flag("test_part")?,
            size: number("size")? as usize,
            scaled: flag("scaled")?,
            color: match note.get("color")?.as_str()? {
                "gray" => Color::Grayscale,
                "rgb" => Color::Rgb,
                _ => Color::AsIs,
            },
            seed: number("seed")?,
        })
    }

    /// Selects before any image is decoded, so that a selection that fails costs no work. Where `stop` is set meanwhile the
    /// process ends: nothing is written yet that could be lost.
    pub fn load(&self, no_cache: bool, stop: &AtomicBool) -> Result<Parts> {
        let (name, train, test) = self.choose(no_cache)?;
        let bar = ProgressBar::new((train.len() + test.len()) as u64).with_finish(ProgressFinish::AndClear);
        bar.set_style(crate::bar::style("{pos}/{len}"));
        bar.set_prefix("preprocess");
        let how = Preprocess {
            scale: if self.scaled { Scale::Max } else { Scale::None },
            size: Some((self.size, self.size)),
            color: self.color,
            ..Preprocess::default()
        };
        let decode = |part: &Dataset| {
            Images::new(part.load_pixels(&how, &|finished| {
                bar.inc(finished as u64);
                if stop.load(Ordering::Relaxed) {
                    std::process::exit(130);
                }
            })?)
        };
        Ok(Parts { train: decode(&train)?, test: decode(&test)?, name })
    }

    /// The dataset's name, the training and the test part.
    fn choose(&self, no_cache: bool) -> Result<(String, Dataset, Dataset)> {
        let Some(path) = &self.data else {
            let all = Dataset::generated((self.train + self.test).div_ceil(2), self.size, self.seed)?;
            let (train, test) = self.labelled(all)?.split(self.train, self.test, self.seed)?;
            return Ok(("generated images".into(), train, test));
        };
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
        let open = |split| {
            let all = match self.named {
                Some(named) => {
                    let options = NamedOptions { task: self.task.clone(), split, cache: cache(no_cache) };
                    Dataset::open_named(named, path, &options)?
                }
                None => cached(Dataset::open_with(path, &OpenOptions { split })?, no_cache),
            };
            self.labelled(all)
        };
        let name = self.named.map_or(name, |named| named.to_string());
        if !self.test_part {
            let all = open(Split::Train)?;
            let parts = if self.by_image {
                all.split_images(self.train, self.test, self.seed)
            } else {
                all.split(self.train, self.test, self.seed)
            };
            let (train, test) = parts.map_err(|e| with_path(path, e))?;
            return Ok((name, train, test));
        }
        let (train, test) = (open(Split::Train)?, open(Split::Test)?);
        if train.class_names() != test.class_names() {
            return Err(Error::Data(format!(
                "{}: its training and test parts differ in classes: {} and {}; name those of both with --classes",
                path.display(),
                train.class_names().join(", "),
                test.class_names().join(", ")
            )));
        }
        let part = |all: Dataset, count| all.balanced(count, self.seed).map_err(|e| with_path(path, e));
        Ok((name, part(train, self.train)?, part(test, self.test)?))
    }

    /// The images of the classes asked for, at least two.
    fn labelled(&self, all: Dataset) -> Result<Dataset> {
        let classes = (!self.classes.is_empty()).then(|| self.classes.clone());
        let chosen = all.select(&Selection { classes, ..Selection::default() })?;
        match chosen.class_names() {
            [] | [_] => Err(Error::Data(
                "these images are of one class: a classifier needs two or more; name two with --classes A,B"
                    .into(),
            )),
            _ => Ok(chosen),
        }
    }
}

/// An error of a dataset, with its path and the options that would help.
fn with_path(path: &Path, error: Error) -> Error {
    match error {
        Error::Data(reason) => Error::Data(format!("{}: {reason} with --train and --test", path.display())),
        other => other,
    }
}

impl Parts {
    /// In a line.
    pub fn described(&self) -> String {
        let [height, width, channels] = self.train.shape();
        let classes = self.train.class_names();
        let names =
            if classes.len() > 4 { format!("{} classes", classes.len()) } else { classes.join(" and ") };
        format!(
            "{}: {names}; {} to train on, {} to test on, {height} x {width} x {channels}",
            self.name,
            self.train.len(),
            self.test.len()
        )
    }
}
