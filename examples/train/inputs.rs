//! The images to train on and to test on: chosen before any is decoded, so that what cannot be had costs no work.

use crate::args::Args;
use crate::failure::Failure;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use sharpdim::data::{Dataset, Images, OpenOptions, Selection, Split};
use std::sync::atomic::{AtomicBool, Ordering};

pub struct Inputs {
    pub train: Images,
    pub test: Images,
    name: String,
}

impl Inputs {
    pub fn load(args: &Args, stop: &AtomicBool) -> Result<Self, Failure> {
        let (name, train, test) = choose(args)?;
        let bar = ProgressBar::new((train.len() + test.len()) as u64).with_finish(ProgressFinish::AndClear);
        let style = ProgressStyle::with_template("{prefix:15} [{bar:40}] {pos}/{len} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        bar.set_prefix("preprocess");
        let decode = |part: &Dataset| {
            let loaded = part.load(&args.preprocess(), &|finished| {
                bar.inc(finished as u64);
                if stop.load(Ordering::Relaxed) {
                    // Nothing is made yet that could be lost.
                    std::process::exit(130);
                }
            })?;
            Images::new(loaded).map_err(Failure::from)
        };
        Ok(Inputs { train: decode(&train)?, test: decode(&test)?, name })
    }

    pub fn classes(&self) -> usize {
        self.train.class_names().len()
    }

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

/// What they are called, those to train on, and those to test on.
fn choose(args: &Args) -> Result<(String, Dataset, Dataset), Failure> {
    let Some(path) = &args.data else {
        let size = args.size.unwrap_or(64);
        let all = Dataset::generated((args.train + args.test).div_ceil(2), size, args.seed)?;
        let (train, test) = labelled(all, args)?.split(args.train, args.test, args.seed)?;
        return Ok(("generated images".into(), train, test));
    };
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
    let open = |split| labelled(Dataset::open_with(path, &OpenOptions { split })?, args);
    let (train, test) = if args.test_part {
        let (train, test) = (open(Split::Train)?, open(Split::Test)?);
        if train.class_names() != test.class_names() {
            return Err(Failure::new(format!(
                "{}: its parts have other classes: {} to train on, {} to test on; name those of both with --classes",
                path.display(),
                train.class_names().join(", "),
                test.class_names().join(", ")
            )));
        }
        (train.balanced(args.train, args.seed)?, test.balanced(args.test, args.seed)?)
    } else {
        open(Split::Train)?.split(args.train, args.test, args.seed).map_err(|error| {
            let parts = if args.train + args.test > 0 { " with --train and --test" } else { "" };
            Failure::new(format!("{}: {error}{parts}", path.display()))
        })?
    };
    Ok((name, train, test))
}

/// Those of the classes asked for; there must be two.
fn labelled(all: Dataset, args: &Args) -> Result<Dataset, Failure> {
    let classes = (!args.classes.is_empty()).then(|| args.classes.clone());
    let chosen = all.select(&Selection { classes, ..Selection::default() })?;
    match chosen.class_names() {
        [] | [_] => Err(Failure::new(
            "these images are of one class: a network learns to tell two or more apart; name two with --classes A,B",
        )),
        _ => Ok(chosen),
    }
}
