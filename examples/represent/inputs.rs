//! The images whose representations are measured: those of the training, found again, or others of their kind.

use crate::args::Args;
use crate::cached::cached;
use crate::chosen::Chosen;
use crate::failure::Failure;
use indicatif::{ProgressBar, ProgressFinish};
use sharpdim::Error;
use sharpdim::data::{Color, Dataset, Images, OpenOptions, Preprocess, Scale, Selection};
use sharpdim::nn::Trained;
use std::path::Path;
use std::sync::atomic::AtomicBool;

pub struct Input {
    pub images: Images,
    /// In words.
    pub what: String,
    /// Whether they are, to the bit, those that the network was trained on.
    pub trained_on: bool,
    /// What should be known of them.
    pub notes: Vec<String>,
}

impl Input {
    pub fn load(args: &Args, trained: &Trained) -> Result<Self, Failure> {
        let chosen = Chosen::of_note(&trained.note);
        match &args.data {
            Some(path) => others(args, path, trained, chosen.as_ref()),
            None => of_training(args, trained, chosen),
        }
    }
}

fn of_training(args: &Args, trained: &Trained, chosen: Option<Chosen>) -> Result<Input, Failure> {
    let Some(chosen) = chosen else {
        return Err(Failure::new(format!(
            "{}: it does not say which images it was trained on: name a dataset after it",
            args.checkpoint.display()
        )));
    };
    // Ctrl-C ends this process wherever it is: nothing of it would be lost.
    let parts = chosen.load(args.no_cache, &AtomicBool::new(false)).map_err(|error| {
        Failure::new(format!("the images of the training: {error}; name a dataset to measure others"))
    })?;
    let mut notes = Vec::new();
    let same = trained.was_trained_on(&parts.train);
    if !same {
        notes.push(format!(
            "these are not the images that it was trained on: {} has changed since",
            chosen.data.as_ref().map_or_else(|| parts.name.clone(), |path| path.display().to_string())
        ));
    }
    let train = args.part.split() == sharpdim::data::Split::Train;
    let what = described(&parts.name, if train { &parts.train } else { &parts.test });
    Ok(Input {
        what: format!("{what}, those it was {}", args.part.of_training()),
        images: if train { parts.train } else { parts.test },
        trained_on: same && train,
        notes,
    })
}

fn others(args: &Args, path: &Path, trained: &Trained, chosen: Option<&Chosen>) -> Result<Input, Failure> {
    let all = cached(Dataset::open_with(path, &OpenOptions { split: args.part.split() })?, args.no_cache);
    let classes = (!args.classes.is_empty()).then(|| args.classes.clone());
    let mut set = all.select(&Selection { classes, ..Selection::default() })?;
    if let Some(count) = args.count {
        set = set
            .balanced(count, args.seed)
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
    let bar = if args.quiet {
        ProgressBar::hidden()
    } else {
        bar.with_style(crate::progress::style("{pos}/{len}"))
    };
    let loaded = set.load(&how, &|finished| bar.inc(finished as u64))?;
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
