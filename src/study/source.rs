//! The images of a study's tasks: datasets opened once, classes drawn, images decoded task by task.

use super::plan::Classes;
use super::plan::{Plan, Variant, color};
use super::task::Task;
use crate::data::{
    Cache, Dataset, Images, Loaded, Named, NamedOptions, OpenOptions, Preprocess, Scale, Selection, Split,
};
use crate::random::Random;
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where images come from.
pub(super) struct Sources<'a> {
    plan: &'a Plan,
    data: PathBuf,
    cache: Option<Cache>,
    /// By position in the plan and part: the dataset, or why it cannot be opened.
    opened: HashMap<(usize, bool), Result<Dataset, String>>,
    /// The last task's images: the next task often has the same.
    last: Option<(String, Prepared)>,
}

/// The images of a task.
pub(super) struct Prepared {
    /// As they are measured.
    pub loaded: Loaded,
    /// As networks take them.
    pub train: Images,
    pub test: Images,
    /// The classes, in words.
    pub classes: String,
    /// Of all pixels and labels.
    pub checksum: String,
}

impl<'a> Sources<'a> {
    pub fn new(plan: &'a Plan, data: &Path, cache: Option<Cache>) -> Self {
        Sources { plan, data: data.to_owned(), cache, opened: HashMap::new(), last: None }
    }

    /// The same datasets for another thread, without decoded images.
    pub fn for_another_thread(&self) -> Self {
        Sources {
            plan: self.plan,
            data: self.data.clone(),
            cache: self.cache.clone(),
            opened: self.opened.clone(),
            last: None,
        }
    }

    /// Why a task's images are unavailable, if they are. Nothing is decoded.
    pub fn unavailable(&mut self, task: &Task) -> Option<String> {
        self.choose(task).err().map(|error| error.to_string())
    }

    /// A task's images.
    pub fn prepare(&mut self, task: &Task) -> Result<&Prepared> {
        if self.last.as_ref().is_none_or(|(id, _)| *id != task.images) {
            // Freed first: two sets of images may not fit into memory.
            self.last = None;
            let (train, test) = self.choose(task)?;
            let how = self.how(task, &Variant::default())?;
            let classes = train.class_names().join(" and ");
            let loaded = train.load(&how, &|_| ())?;
            let test = Images::new(test.load_pixels(&how, &|_| ())?)?;
            let train = match loaded.samples.embedding() {
                Some(_) => Images::new(train.load_pixels(&how, &|_| ())?)?,
                None => Images::new(loaded.clone())?,
            };
            let checksum = checksum(&train, &test);
            self.last = Some((task.images.clone(), Prepared { loaded, train, test, classes, checksum }));
        }
        match &self.last {
            Some((_, prepared)) => Ok(prepared),
            None => unreachable!("it was just prepared"),
        }
    }

    /// A task's training images under another preprocessing.
    pub fn variant(&mut self, task: &Task, variant: &Variant) -> Result<Loaded> {
        let how = self.how(task, variant)?;
        self.choose(task)?.0.load(&how, &|_| ())
    }

    fn how(&self, task: &Task, variant: &Variant) -> Result<Preprocess> {
        let dataset = &self.plan.datasets[task.dataset];
        let size = variant.size.unwrap_or(self.plan.size);
        Ok(Preprocess {
            size: Some((size, size)),
            color: color(variant.color.as_deref().or(dataset.color.as_deref()))?,
            scale: if variant.scale.as_deref() == Some("none") { Scale::None } else { Scale::Max },
            ..Preprocess::default()
        })
    }

    /// A task's images to train and to test on, none of them decoded.
    fn choose(&mut self, task: &Task) -> Result<(Dataset, Dataset)> {
        let dataset = &self.plan.datasets[task.dataset];
        let path = self.data.join(dataset.path.clone().unwrap_or_else(|| dataset.name.clone().into()));
        let in_dataset = |error: Error| match error {
            // Errors of data and arguments do not name the dataset.
            Error::Data(reason) | Error::Argument(reason) => {
                Error::Data(format!("{}: {reason}", dataset.name))
            }
            other => other,
        };
        let by_image = self.plan.split == "image";
        let all = self.open(task.dataset, Split::Train, &path)?;
        let chosen = all.select(&selection(&all, &task.classes)?).map_err(in_dataset)?;
        if chosen.class_names().len() < 2 {
            return Err(Error::Data(format!(
                "{}: all its images are of one class: classification needs two or more",
                dataset.name
            )));
        }
        if dataset.test_part {
            let test = self.open(task.dataset, Split::Test, &path)?;
            let classes = Some(chosen.class_names().to_vec());
            let test = test.select(&Selection { classes, ..Selection::default() }).map_err(in_dataset)?;
            let train = chosen.balanced(task.train, task.seed).map_err(in_dataset)?;
            return Ok((train, test.balanced(task.test, task.seed).map_err(in_dataset)?));
        }
        if by_image {
            chosen.split_images(task.train, task.test, task.seed)
        } else {
            chosen.split(task.train, task.test, task.seed)
        }
        .map_err(in_dataset)
    }

    fn open(&mut self, at: usize, split: Split, path: &Path) -> Result<Dataset> {
        let (plan, cache) = (self.plan, self.cache.clone());
        let opened = self.opened.entry((at, split == Split::Test)).or_insert_with(|| {
            let dataset = &plan.datasets[at];
            let found = match (&dataset.generated, &dataset.dataset) {
                (Some(generated), _) => {
                    let (train, test) = (dataset.sizes(plan), dataset.test(plan));
                    let most = train.iter().copied().max().unwrap_or(0) + test;
                    // As many again, so that other seeds draw other images.
                    generated.domain(plan.size).and_then(|domain| Dataset::generate(&domain, most))
                }
                (None, Some(name)) => name.parse::<Named>().and_then(|named| {
                    let options = NamedOptions { task: dataset.task.clone(), split, cache };
                    Dataset::open_named(named, path, &options)
                }),
                (None, None) => Dataset::open_with(path, &OpenOptions { split }).map(|opened| match cache {
                    Some(cache) => opened.with_cache(cache),
                    None => opened,
                }),
            };
            found.map_err(|error| error.to_string())
        });
        opened.clone().map_err(Error::Data)
    }
}

/// The classes of a task: those named, or a pair of all that there are, drawn by its number alone.
fn selection(dataset: &Dataset, classes: &Classes) -> Result<Selection> {
    let names = dataset.class_names();
    let classes = match classes {
        Classes::All => None,
        Classes::Named(names) => Some(names.clone()),
        Classes::Draw(draw) => {
            let pair = drawn(names.len(), *draw).ok_or_else(|| {
                Error::Data(format!("{} classes have no pair number {}", names.len(), draw + 1))
            })?;
            Some(pair.map(|class| names[class].clone()).to_vec())
        }
    };
    Ok(Selection { classes, ..Selection::default() })
}

/// The pair of classes of a draw: no two draws have the same pair.
fn drawn(classes: usize, draw: usize) -> Option<[usize; 2]> {
    let mut random = Random::stream(0, 0);
    let pairs = classes * classes.saturating_sub(1) / 2;
    if draw >= pairs {
        return None;
    }
    let mut seen: Vec<[usize; 2]> = Vec::new();
    loop {
        let (a, b) = (random.below(classes), random.below(classes));
        let pair = [a.min(b), a.max(b)];
        if a != b && !seen.contains(&pair) {
            if seen.len() == draw {
                return Some(pair);
            }
            seen.push(pair);
        }
    }
}

fn checksum(train: &Images, test: &Images) -> String {
    let mut hash = blake3::Hasher::new();
    for images in [train, test] {
        images.shape().iter().for_each(|extent| _ = hash.update(&(*extent as u64).to_le_bytes()));
        hash.update(images.pixels());
        images.labels().iter().for_each(|label| _ = hash.update(&label.to_le_bytes()));
    }
    hash.finalize().to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_of_different_pairs_until_there_are_none_left() {
        let pairs: Vec<_> = (0..10).map(|draw| drawn(5, draw).unwrap()).collect();
        for (at, pair) in pairs.iter().enumerate() {
            assert!(pair[0] < pair[1] && pair[1] < 5 && !pairs[..at].contains(pair), "{pairs:?}");
        }
        assert_eq!((drawn(5, 10), drawn(1, 0), drawn(0, 0)), (None, None, None));
        assert_eq!(drawn(2, 0), Some([0, 1]));
    }
}
