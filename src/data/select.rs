//! Selecting from a dataset: some of its classes, and the same number of images of each.
//! The draw depends on the seed, the class and its size alone, so that it can be had again anywhere.

use super::dataset::Dataset;
use crate::random::Random;
use crate::{Error, Result};
use std::collections::HashMap;

/// Which images of a dataset to keep. The default keeps all.
///
/// ```
/// use sharpdim::data::Selection;
/// // 500 each of MNIST's 3 and 8, which become labels 0 and 1.
/// let selection = Selection { classes: Some(vec!["3".into(), "8".into()]), per_class: Some(500), seed: 0 };
/// # let _ = selection;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The classes to keep, by name, in the order that gives them the labels 0, 1, ...; all where `None`.
    pub classes: Option<Vec<String>>,
    /// How many images of each class to draw, without replacement; all where `None`.
    pub per_class: Option<usize>,
    /// What the draw follows from: the same seed draws the same images.
    pub seed: u64,
}

impl Dataset {
    /// The dataset of the chosen classes, in the order given, and of as many images of each as asked.
    /// Images keep their order.
    ///
    /// # Errors
    /// [`Error::Argument`] where a class is unknown, named twice, or nothing is kept; [`Error::Data`]
    /// where a class has fewer images than asked for.
    ///
    /// ```
    /// use sharpdim::data::{Dataset, Selection};
    /// let dataset = Dataset::generated(10, 16, 0)?;
    /// let lesions = Selection { classes: Some(vec!["lesion".into()]), per_class: Some(4), seed: 1 };
    /// assert_eq!(dataset.select(&lesions)?.class_counts(), [4]);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn select(&self, selection: &Selection) -> Result<Self> {
        select(self, selection)
    }

    /// Two datasets of as many images of each class, to train on and to test on, without a patient in common where it is
    /// known whose images they are ([`origin`](Self::origin)), else without an image in common. Where a number is no multiple of the
    /// number of classes, the first classes have one image more. Images keep their order.
    ///
    /// # Errors
    /// [`Error::Argument`] for a part without images; [`Error::Data`] where a class has fewer images than both parts
    /// take of it; as [`origin`](Self::origin).
    ///
    /// ```
    /// use sharpdim::data::Dataset;
    /// let (train, test) = Dataset::generated(50, 16, 0)?.split(60, 31, 7)?;
    /// assert_eq!((train.class_counts(), test.class_counts()), (vec![30, 30], vec![16, 15]));
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn split(&self, train: usize, test: usize, seed: u64) -> Result<(Self, Self)> {
        if self.has_origins() {
            split_patients(self, train, test, seed)
        } else {
            split(self, train, test, seed)
        }
    }

    /// As [`split`](Self::split), without an image in common, whosever they are: slices of one patient may be in both parts, as
    /// in the experiments that Konz & Mazurowski published, and a network is then tested on patients that it knows.
    ///
    /// # Errors
    /// As [`split`](Self::split).
    pub fn split_images(&self, train: usize, test: usize, seed: u64) -> Result<(Self, Self)> {
        split(self, train, test, seed)
    }

    /// As many images of each class, `count` in all: one part of [`split`](Self::split).
    ///
    /// # Errors
    /// As [`split`](Self::split).
    ///
    /// ```
    /// use sharpdim::data::Dataset;
    /// assert_eq!(Dataset::generated(50, 16, 0)?.balanced(31, 7)?.class_counts(), [16, 15]);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn balanced(&self, count: usize, seed: u64) -> Result<Self> {
        balanced(self, count, seed)
    }
}

fn select(dataset: &Dataset, selection: &Selection) -> Result<Dataset> {
    let chosen = match &selection.classes {
        Some(names) => chosen(dataset, names)?,
        None => (0..dataset.class_names.len()).collect(),
    };
    let mut kept: Vec<(usize, u32)> = Vec::new();
    for (label, class) in chosen.iter().copied().enumerate() {
        let members: Vec<usize> =
            (0..dataset.len()).filter(|at| dataset.labels[*at] as usize == class).collect();
        let members = match selection.per_class {
            Some(count) => draw(members, count, selection.seed, class as u64).map_err(|have| {
                Error::Data(format!(
                    "class {:?} has {have} images, fewer than the {count} asked for",
                    dataset.class_names[class]
                ))
            })?,
            None => members,
        };
        kept.extend(members.into_iter().map(|at| (at, label as u32)));
    }
    if kept.is_empty() {
        return Err(Error::Argument("the selection keeps no images".into()));
    }
    let class_names = chosen.iter().map(|class| dataset.class_names[*class].clone()).collect();
    Ok(keep(dataset, kept, class_names))
}

/// The dataset of some images, in their order, with their new labels.
fn keep(dataset: &Dataset, mut kept: Vec<(usize, u32)>, class_names: Vec<String>) -> Dataset {
    kept.sort_unstable();
    Dataset {
        source: dataset.source.clone(),
        index: kept.iter().map(|(at, _)| dataset.index[*at]).collect(),
        labels: kept.iter().map(|(_, label)| *label).collect(),
        class_names,
        labelled: dataset.labelled,
        notes: dataset.notes.clone(),
        left_out: dataset.left_out.clone(),
        format: dataset.format,
        cache: dataset.cache.clone(),
    }
}

fn split(dataset: &Dataset, train: usize, test: usize, seed: u64) -> Result<(Dataset, Dataset)> {
    let [train, test] = parts(dataset, [("train on", train), ("test on", test)], seed)?;
    Ok((train, test))
}

/// A part, and how many images of each class it still needs.
struct Wanting {
    what: &'static str,
    left: Vec<usize>,
    kept: Vec<(usize, u32)>,
    patients: usize,
}

/// Patient after patient goes to one of the parts, in an order that the seed draws, so that both have patients in
/// proportion to their images. Origins are read only for images that may be taken.
fn split_patients(dataset: &Dataset, train: usize, test: usize, seed: u64) -> Result<(Dataset, Dataset)> {
    let classes = dataset.class_names.len();
    let wanting = |what, size: usize| {
        let left = (0..classes).map(|class| quota(size, classes, class)).collect();
        Wanting { what, left, kept: Vec::new(), patients: 0 }
    };
    let mut parts = [wanting("train on", train), wanting("test on", test)];
    none_empty(&[("train on", train), ("test on", test)])?;
    let all: Vec<usize> = (0..dataset.len()).collect();
    // Its own stream: those of classes have their numbers.
    let order = shuffled(all, dataset.len(), seed, u64::MAX).unwrap_or_default();
    let mut sides: HashMap<String, usize> = HashMap::new();
    for at in order {
        let label = dataset.labels[at];
        let wants = |part: &Wanting| part.left[label as usize] > 0;
        let [of_train, of_test] = [wants(&parts[0]), wants(&parts[1])];
        if !of_train && !of_test {
            continue;
        }
        let Some(origin) = dataset.origin(at)? else {
            return Err(Error::Data(format!(
                "{} has no known patient: split images rather than patients",
                dataset.name(at)
            )));
        };
        let side = *sides.entry(origin.patient).or_insert_with(|| {
            // The part with fewer patients for its size.
            let behind = parts[1].patients * train <= parts[0].patients * test;
            let side = usize::from(of_test && (behind || !of_train));
            parts[side].patients += 1;
            side
        });
        if parts[side].left[label as usize] > 0 {
            parts[side].left[label as usize] -= 1;
            parts[side].kept.push((at, label));
        }
    }
    for part in &parts {
        if let Some((class, left)) = part.left.iter().enumerate().find(|(_, left)| **left > 0) {
            return Err(Error::Data(format!(
                "class {:?} has too few images to {} without patients of the other part: {left} are missing, and there \
                 are {} patients in all; take fewer images, or split images rather than patients",
                dataset.class_names[class],
                part.what,
                sides.len()
            )));
        }
    }
    let [train, test] = parts.map(|part| keep(dataset, part.kept, dataset.class_names.clone()));
    Ok((train, test))
}

/// How many of `size` images belong to a class: the first classes get the remainder.
fn quota(size: usize, classes: usize, class: usize) -> usize {
    size / classes + usize::from(class < size % classes)
}

fn none_empty(sizes: &[(&str, usize)]) -> Result<()> {
    match sizes.iter().find(|(_, size)| *size == 0) {
        Some((what, _)) => Err(Error::Argument(format!("0 images to {what}: at least 1 is needed"))),
        None => Ok(()),
    }
}

fn balanced(dataset: &Dataset, count: usize, seed: u64) -> Result<Dataset> {
    let [part] = parts(dataset, [("take", count)], seed)?;
    Ok(part)
}

/// Disjoint parts, each class-balanced; `sizes` has each part's purpose and size.
fn parts<const P: usize>(dataset: &Dataset, sizes: [(&str, usize); P], seed: u64) -> Result<[Dataset; P]> {
    let classes = dataset.class_names.len();
    none_empty(&sizes)?;
    let mut kept: [Vec<(usize, u32)>; P] = std::array::from_fn(|_| Vec::new());
    for class in 0..classes {
        let members: Vec<usize> =
            (0..dataset.len()).filter(|at| dataset.labels[*at] as usize == class).collect();
        let each = sizes.map(|(_, size)| quota(size, classes, class));
        let wanted = each.iter().sum();
        let drawn = shuffled(members, wanted, seed, class as u64).map_err(|have| {
            let words: Vec<String> =
                sizes.iter().zip(each).map(|((what, _), each)| format!("{each} to {what}")).collect();
            Error::Data(format!(
                "class {:?} has {have} images, too few for {}: take fewer images",
                dataset.class_names[class],
                words.join(" and ")
            ))
        })?;
        let mut drawn = drawn.into_iter().map(|at| (at, class as u32));
        for (kept, each) in kept.iter_mut().zip(each) {
            kept.extend(drawn.by_ref().take(each));
        }
    }
    Ok(kept.map(|kept| keep(dataset, kept, dataset.class_names.clone())))
}

fn chosen(dataset: &Dataset, names: &[String]) -> Result<Vec<usize>> {
    let mut chosen = Vec::with_capacity(names.len());
    for name in names {
        let class = dataset
            .class_names
            .iter()
            .position(|known| known == name)
            .ok_or_else(|| Error::Argument(unknown(name, &dataset.class_names)))?;
        if chosen.contains(&class) {
            return Err(Error::Argument(format!("class {name:?} is asked for twice")));
        }
        chosen.push(class);
    }
    Ok(chosen)
}

/// `count` of the members, in their order; the number of members where they are too few.
fn draw(members: Vec<usize>, count: usize, seed: u64, stream: u64) -> Result<Vec<usize>, usize> {
    let mut drawn = shuffled(members, count, seed, stream)?;
    drawn.sort_unstable();
    Ok(drawn)
}

/// `count` of the members, in random order; the number of members where they are too few.
fn shuffled(mut members: Vec<usize>, count: usize, seed: u64, stream: u64) -> Result<Vec<usize>, usize> {
    if count > members.len() {
        return Err(members.len());
    }
    let mut rng = Random::stream(seed, stream);
    rng.shuffle(&mut members, count);
    members.truncate(count);
    Ok(members)
}

/// The message for an unknown class: the known ones, and the one that may have been meant.
fn unknown(name: &str, known: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<&str> = known.iter().take(SHOWN).map(String::as_str).collect();
    let more = match known.len() {
        len if len > SHOWN => format!(" and {} more", len - SHOWN),
        _ => String::new(),
    };
    let meant = nearest(name, known).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
    format!("there is no class {name:?}; the classes are {}{more}{meant}", shown.join(", "))
}

fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a String> {
    let wanted = name.to_lowercase();
    let holds = known.iter().find(|known| wanted.len() > 2 && known.to_lowercase().contains(&wanted));
    holds.or_else(|| {
        let distance = |known: &String| edits(&wanted, &known.to_lowercase());
        let near = known.iter().min_by_key(|known| distance(known))?;
        (distance(near) <= 1 + wanted.chars().count() / 3).then_some(near)
    })
}

/// The Levenshtein distance: the fewest letters to insert, drop or replace.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let replaced = corner + usize::from(letter != *other);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
