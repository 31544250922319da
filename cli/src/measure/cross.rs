//! One set against another: the dimension of the dataset as its `--query` samples see it, and the label sharpness
//! between the two.

use crate::failure::Failure;
use crate::measure::args::Args;
use crate::measure::inputs::Input;
use crate::measure::measured::{Hold, load};
use crate::measure::progress::{fraction_bar, show};
use sharpdim::data::Loaded;
use sharpdim::measure::{Estimate, Estimator, LabelSharpness, cross_dim, cross_sharpness};
use sharpdim::{Device, Error};
use std::path::PathBuf;

/// What was found between a dataset and the query set.
pub struct Cross {
    pub name: String,
    pub path: Option<PathBuf>,
    /// The query set.
    pub loaded: Loaded,
    /// What each estimator says, or why it says nothing.
    pub estimates: Vec<(Estimator, Result<Estimate, String>)>,
    /// A pair is a sample of the dataset, then one of the query set. `None` where one of the two has no labels, or
    /// all their labels are the same.
    pub sharpness: Option<LabelSharpness>,
    pub notes: Vec<String>,
}

impl Cross {
    /// A query sample by name and class.
    pub fn named(&self, sample: usize) -> String {
        let class = &self.loaded.class_names[self.loaded.labels[sample] as usize];
        format!("{} ({class})", self.loaded.names[sample])
    }
}

pub fn measure(
    args: &Args,
    device: &Device,
    reference: &Loaded,
    labelled: bool,
    query: &Input,
) -> Result<Cross, Failure> {
    // As those that they are compared with are.
    let hold = Hold::current(reference);
    let loaded = load(args, &query.dataset, hold).map_err(|failure| failure.in_dataset(&query.name))?;
    let mut notes = loaded.notes.clone();
    let (own, others) = (loaded.samples.points()?, reference.samples.points()?);
    if own.dim() != others.dim() {
        return Err(Failure::new(format!(
            "--query {}: its samples have {} values, those of the dataset {}: distances need as many; --size, \
             --grayscale or --rgb make images alike",
            query.name,
            own.dim(),
            others.dim()
        )));
    }
    let asked = args.estimators();
    let mut estimates = Vec::new();
    for estimator in &asked {
        let found = match cross_dim(device, &own, &others, estimator) {
            // Among several one may be of a kind that cannot, or have too few samples.
            Err(error @ (Error::Argument(_) | Error::Data(_))) if asked.len() > 1 => {
                notes.push(format!("no {}: {error}", estimator.name()));
                Err(error.to_string())
            }
            found => Ok(found?),
        };
        estimates.push((*estimator, found));
    }
    let sharpness = if labelled && query.dataset.is_labelled() {
        sharpness(args, device, reference, &loaded, &mut notes)?
    } else {
        notes.push("label sharpness compares classes: without labels it is left out".into());
        None
    };
    let (name, path) = (query.name.clone(), query.path.clone());
    Ok(Cross { name, path, loaded, estimates, sharpness, notes })
}

fn sharpness(
    args: &Args,
    device: &Device,
    reference: &Loaded,
    query: &Loaded,
    notes: &mut Vec<String>,
) -> Result<Option<LabelSharpness>, Failure> {
    // Classes of one name are one class, whatever their numbers.
    let known = &reference.class_names;
    let number = |(at, name): (usize, &String)| {
        let own = known.iter().position(|other| other == name);
        own.unwrap_or(known.len() + at) as u32
    };
    let numbers: Vec<u32> = query.class_names.iter().enumerate().map(number).collect();
    if numbers.iter().all(|&number| number as usize >= known.len()) {
        notes.push(format!(
            "no class has the same name in both sets ({} there): every pair counts as of different classes",
            query.class_names.join(", ")
        ));
    }
    let labels: Vec<u32> = query.labels.iter().map(|&label| numbers[label as usize]).collect();
    let one = labels[0];
    if labels.iter().chain(&reference.labels).all(|&label| label == one) {
        notes.push("all samples of both sets are of one class: no label sharpness".into());
        return Ok(None);
    }
    let bar = fraction_bar("cross sharpness");
    let (a, b) = (reference.samples.points()?, query.samples.points()?);
    let show = |done| show(&bar, done);
    let found = cross_sharpness(device, &a, &reference.labels, &b, &labels, args.top(), &show);
    Ok(Some(found?))
}
