//! The images that `attack` and `represent` give a trained network: those of its training, loaded again, or others.

use crate::cached::cached;
use crate::chosen::Chosen;
use crate::failure::Failure;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressFinish};
use sharpdim::Error;
use sharpdim::data::{Color, Dataset, Images, OpenOptions, Preprocess, Scale, Selection, Split};
use sharpdim::nn::Trained;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Which images, on a command line.
#[derive(Args)]
pub struct Wanted {
    /// Folder or file of a dataset, as `sharpdim measure` takes it; without it, the images of the training
    pub data: Option<PathBuf>,

    /// Of DATA, these classes only, by name
    #[arg(long, value_name = "A,B", value_delimiter = ',', requires = "data")]
    pub classes: Vec<String>,

    /// Of DATA, draw N images, the same number of each class [default: all]
    #[arg(long, value_name = "N", requires = "data")]
    pub count: Option<usize>,

    /// Decode all images, without reading or writing the cache
    #[arg(long)]
    pub no_cache: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    Train,
    Test,
}

impl Part {
    fn split(self) -> Split {
        match self {
            Part::Train => Split::Train,
            Part::Test => Split::Test,
        }
    }
}

pub struct Input {
    pub images: Images,
    /// In words.
    pub what: String,
    /// Whether they are exactly the network's training images.
    pub trained_on: bool,
    /// Notes for the user.
    pub notes: Vec<String>,
}

impl Input {
    /// Loads them; `checkpoint` is the network's file, `seed` that of drawing.
    pub fn load(
        wanted: &Wanted,
        part: Part,
        trained: &Trained,
        checkpoint: &Path,
        seed: u64,
        quiet: bool,
    ) -> Result<Self, Failure> {
        let chosen = Chosen::of_note(&trained.note);
        match &wanted.data {
            Some(path) => others(wanted, path, part, trained, chosen.as_ref(), seed, quiet),
            None => of_training(wanted, part, trained, checkpoint, chosen),
        }
    }
}

impl Input {
    /// The network and the images, as tables begin.
    pub fn lines(&self, trained: &Trained) -> Vec<String> {
        let mut lines = vec![match trained.history.last() {
            Some(epoch) => format!(
                "Network     {}, {} {}, test accuracy {:.1} %",
                trained.model,
                epoch.epoch,
                if epoch.epoch == 1 { "epoch" } else { "epochs" },
                100.0 * epoch.test_accuracy
            ),
            None => format!("Network     {}, no whole epoch", trained.model),
        }];
        lines.push(format!("Images      {}", self.what));
        lines.extend(self.notes.iter().map(|note| format!("  note      {note}")));
        lines
    }

    /// The images' labels, in the network's class numbers.
    pub fn labels(&self, trained: &Trained) -> Result<Vec<u32>, Failure> {
        let known = &trained.class_names;
        let number = |name: &String| known.iter().position(|known| known == name).map(|class| class as u32);
        let numbers: Option<Vec<u32>> = self.images.class_names().iter().map(number).collect();
        let numbers = numbers.ok_or_else(|| {
            Failure::new(format!(
                "the images' classes are {}, the network's {}: name some of the network's with --classes",
                self.images.class_names().join(", "),
                known.join(", ")
            ))
        })?;
        Ok(self.images.labels().iter().map(|label| numbers[*label as usize]).collect())
    }
}

fn of_training(
    wanted: &Wanted,
    part: Part,
    trained: &Trained,
    checkpoint: &Path,
    chosen: Option<Chosen>,
) -> Result<Input, Failure> {
    let Some(chosen) = chosen else {
        return Err(Failure::new(format!(
            "{}: it does not record its training images: name a dataset after it",
            checkpoint.display()
        )));
    };
    // Ctrl-C ends this process wherever it is: nothing of it would be lost.
    let parts = chosen.load(wanted.no_cache, &AtomicBool::new(false)).map_err(|error| {
        Failure::new(format!("the images of the training: {error}; name a dataset to take others"))
    })?;
    let mut notes = Vec::new();
    let same = trained.was_trained_on(&parts.train);
    if !same {
        notes.push(format!(
            "these are not the images that it was trained on: {} has changed since",
            chosen.data.as_ref().map_or_else(|| parts.name.clone(), |path| path.display().to_string())
        ));
    }
    let (images, were) = match part {
        Part::Train => (parts.train, "trained on"),
        Part::Test => (parts.test, "tested on"),
    };
    Ok(Input {
        what: format!("{}, those it was {were}", described(&parts.name, &images)),
        images,
        trained_on: same && part == Part::Train,
        notes,
    })
}

fn others(
    wanted: &Wanted,
    path: &Path,
    part: Part,
    trained: &Trained,
    chosen: Option<&Chosen>,
    seed: u64,
    quiet: bool,
) -> Result<Input, Failure> {
    let all = cached(Dataset::open_with(path, &OpenOptions { split: part.split() })?, wanted.no_cache);
    let classes = (!wanted.classes.is_empty()).then(|| wanted.classes.clone());
    let mut set = all.select(&Selection { classes, ..Selection::default() })?;
    if let Some(count) = wanted.count {
        set = set
            .balanced(count, seed)
            .map_err(|error| Failure::new(format!("{}: {error} with --count", path.display())))?;
    }
    let [height, width, channels] = trained.shape;
    // As the training's images were, where that is known.
    let how = Preprocess {
        scale: if chosen.is_none_or(|chosen| chosen.scaled) { Scale::Max } else { Scale::None },
        size: Some((height, width)),
        color: if channels == 1 { Color::Grayscale } else { Color::Rgb },
        ..Preprocess::default()
    };
    let bar =
        ProgressBar::new(set.len() as u64).with_prefix("preprocess").with_finish(ProgressFinish::AndClear);
    let bar = if quiet { ProgressBar::hidden() } else { bar.with_style(crate::bar::style("{pos}/{len}")) };
    let loaded = set.load_pixels(&how, &|finished| bar.inc(finished as u64))?;
    let images = Images::new(loaded).map_err(|error| match error {
        Error::Data(reason) => Failure::new(format!("{}: {reason}", path.display())),
        other => other.into(),
    })?;
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
    let trained_on = trained.was_trained_on(&images);
    Ok(Input { what: described(&name, &images), trained_on, images, notes: Vec::new() })
}

fn described(name: &str, images: &Images) -> String {
    let [height, width, channels] = images.shape();
    let classes = images.class_names();
    let names = if classes.len() > 4 { format!("{} classes", classes.len()) } else { classes.join(" and ") };
    format!("{name}: {names}; {} of {height} x {width} x {channels}", images.len())
}
