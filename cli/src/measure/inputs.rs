//! The datasets that are asked for, opened and named: all of them before anything is measured, so that a wrong
//! path costs no work.

use crate::cached::{cache, cached};
use crate::failure::Failure;
use crate::measure::args::{Args, Named};
use crate::measure::progress::Clock;
use crate::named;
use sharpdim::data::{Dataset, OpenOptions, Selection, Split};
use std::io::Write;
use std::path::{Path, PathBuf};

pub struct Input {
    /// Its name in tables and charts.
    pub name: String,
    /// `None` for generated images.
    pub path: Option<PathBuf>,
    pub dataset: Dataset,
    /// Seconds that opening and choosing took.
    pub took: f64,
}

/// The name of the generated images.
const GENERATED: &str = "generated images";

/// The datasets asked for, without a path generated images; and the query set, where one is asked for.
pub fn open(args: &Args) -> Result<(Vec<Input>, Option<Input>), Failure> {
    if args.generated() {
        return Ok((vec![generated(args)?], None));
    }
    if args.by_name.dataset.is_some() {
        return Ok((vec![by_name(args)?], None));
    }
    let mut names = names(&args.paths)?;
    let several = names.len() > 1;
    names.extend(args.query.as_ref().map(|query| {
        let name = name_of(query);
        if names.contains(&name) { "query".to_owned() } else { name }
    }));
    let mut inputs = Vec::new();
    for (named, name) in args.paths.iter().zip(&names) {
        let input = open_part(args, &named.path, name, &names, args.split.into()).and_then(|input| {
            two_classes(&input.dataset)?;
            Ok(input)
        });
        inputs.push(input.map_err(|failure| if several { failure.in_dataset(name) } else { failure })?);
    }
    let mut query = None;
    if let (Some(named), Some(name)) = (&args.query, names.last()) {
        let split = args.query_split.unwrap_or(args.split);
        let input = open_part(args, &named.path, name, &names, split.into());
        // It may be of one class.
        query = Some(input.map_err(|failure| failure.in_dataset(&format!("--query {name}")))?);
    }
    Ok((inputs, query))
}

/// One of the paper's datasets.
fn by_name(args: &Args) -> Result<Input, Failure> {
    let mut clock = Clock::start();
    let Some((known, root)) = args.by_name.asked() else {
        return Err(Failure::usage("--dataset needs --root DIR, the folder that it is in"));
    };
    let all =
        named::open(known, root, args.by_name.task.as_deref(), args.split.into(), cache(args.no_cache))?;
    if args.verbose {
        // Not eprintln!, which panics where stderr is closed.
        let mut stderr = std::io::stderr().lock();
        all.left_out().iter().for_each(|line| _ = writeln!(stderr, "{line}"));
    }
    let dataset = all.select(&selection(args, known.name(), &[]))?;
    two_classes(&dataset)?;
    Ok(Input { name: known.name().into(), path: Some(root.to_owned()), dataset, took: clock.lap() })
}

fn generated(args: &Args) -> Result<Input, Failure> {
    let mut clock = Clock::start();
    let all = Dataset::generated(args.per_class.unwrap_or(500), 64, args.seed)?;
    let dataset = all.select(&selection(args, GENERATED, &[]))?;
    two_classes(&dataset)?;
    Ok(Input { name: GENERATED.into(), path: None, dataset, took: clock.lap() })
}

/// `names` are those of all sets, by which options can mean one of them.
fn open_part(args: &Args, path: &Path, name: &str, names: &[String], split: Split) -> Result<Input, Failure> {
    let mut clock = Clock::start();
    let all = cached(Dataset::open_with(path, &OpenOptions { split })?, args.no_cache);
    let dataset = all.select(&selection(args, name, names))?;
    Ok(Input { name: name.to_owned(), path: Some(path.to_owned()), dataset, took: clock.lap() })
}

/// The name given, or the last part of the path.
fn name_of(named: &Named) -> String {
    let last = || named.path.file_name().map(|name| name.to_string_lossy().into_owned());
    named.name.clone().or_else(last).unwrap_or_else(|| named.path.display().to_string())
}

/// The names given, and those of the folders and files that have none; all must differ.
fn names(paths: &[Named]) -> Result<Vec<String>, Failure> {
    let taken: Vec<String> = paths.iter().map(name_of).collect();
    let mut names: Vec<String> = Vec::new();
    for (named, name) in paths.iter().zip(&taken) {
        let alike = taken.iter().filter(|other| *other == name).count() > 1;
        let name =
            if alike && named.name.is_none() { named.path.display().to_string() } else { name.clone() };
        if names.contains(&name) {
            return Err(Failure::usage(format!(
                "two datasets are called {name:?}: name them apart, as ONE=PATH OTHER=PATH"
            )));
        }
        names.push(name);
    }
    Ok(names)
}

/// The selection from the dataset of this name.
fn selection(args: &Args, name: &str, names: &[String]) -> Selection {
    let (mut own, mut of_all) = (Vec::new(), Vec::new());
    for text in &args.classes {
        let prefixed = text.split_once(':').filter(|(prefix, _)| names.iter().any(|name| name == prefix));
        let (list, classes) = match prefixed {
            Some((prefix, classes)) if prefix == name => (&mut own, classes),
            Some(_) => continue,
            None => (&mut of_all, text.as_str()),
        };
        list.extend(classes.split(',').map(str::to_owned));
    }
    let classes = if own.is_empty() { of_all } else { own };
    let classes = (!classes.is_empty()).then_some(classes);
    Selection { classes, per_class: args.per_class, seed: args.seed }
}

/// Label sharpness needs two classes; better said now than after the images are loaded and compared. Where
/// there are no labels at all it is not asked for.
fn two_classes(dataset: &Dataset) -> Result<(), Failure> {
    if !dataset.is_labelled() {
        return Ok(());
    }
    let counts = dataset.class_counts();
    let mut present = dataset.class_names().iter().zip(counts).filter(|(_, count)| *count > 0);
    match (present.next(), present.next()) {
        (Some((only, count)), None) => Err(Failure::new(format!(
            "all {count} images are of one class, {only:?}: label sharpness compares at least two; \
             measure a dataset that has two, or name two of its classes with --classes A,B"
        ))),
        _ => Ok(()),
    }
}
