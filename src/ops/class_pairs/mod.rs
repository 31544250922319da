//! `class_pairs`: distances between and within classes: for every two classes, the closest pair and the mean of 1 / distance
//! over all pairs.

pub(super) mod cpu;
#[cfg(gpu)]
pub(super) mod cuda;

use super::sharpness::one_label_each;
use super::{Progress, SharpPair, duplicates};
use crate::{Device, Error, Points, Result};
use std::collections::HashMap;

/// The most classes: a table of their pairs is kept in memory.
pub(crate) const MOST_CLASSES: usize = 2048;

/// The pairs of samples between two classes, or within one.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassPair {
    /// The two classes' labels, the lower first; the same twice for the pairs within a class.
    pub classes: [u32; 2],
    /// The closest pair at a positive distance; ties go to the lowest indices.
    pub sharpest: SharpPair,
    /// The mean of 1 / distance over pairs at a positive distance.
    pub mean: f64,
    /// The number of pairs at a positive distance.
    pub pairs: u64,
    /// Pairs of identical samples: contradictions between classes, duplicates within one.
    pub identical: u64,
}

/// Compares every two classes, and each class with itself: one entry where there is a pair at a positive distance, sorted by
/// labels.
///
/// `labels` holds one class index for each sample. Distances of closest pairs are exact for 8-bit data, and
/// within 1e-12 relative of the truth for floats; means are exact for 8-bit data, and right to about 1e-5
/// relative for floats (on a GPU to 5e-4 where two classes have few pairs). One pass over all pairs.
///
/// # Errors
/// [`Error::Argument`] where `labels` has another length than the samples; [`Error::Data`] where there are more
/// than 2048 classes; [`Error::Device`] where the device fails.
///
/// ```
/// use sharpdim::{Device, Points, ops::class_pairs};
/// let points = Points::u8(&[0, 2, 5, 9], 1)?;
/// let found = class_pairs(&Device::cpu(), &points, &[0, 0, 1, 1])?;
/// let between = &found[1];
/// assert_eq!((between.classes, between.sharpest.pair, between.pairs), ([0, 1], [1, 2], 4));
/// assert_eq!(between.sharpest.distance, 3.0);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn class_pairs(device: &Device, points: &Points<'_>, labels: &[u32]) -> Result<Vec<ClassPair>> {
    class_pairs_with(device, points, labels, &|_| ())
}

/// As [`class_pairs`], with a progress callback.
///
/// ```
/// use sharpdim::{Device, Points, ops::{ClassPair, class_pairs_with}};
/// let points = Points::u8(&[0, 2, 5, 9], 1)?;
/// let found: Vec<ClassPair> = class_pairs_with(&Device::cpu(), &points, &[0, 0, 1, 1], &|done| println!("{done}"))?;
/// assert!(found.iter().any(|pair| pair.classes == [1, 1] && pair.sharpest.distance == 4.0));
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn class_pairs_with(
    device: &Device,
    points: &Points<'_>,
    labels: &[u32],
    progress: Progress<'_>,
) -> Result<Vec<ClassPair>> {
    let classes = Classes::new(points, labels)?;
    #[cfg(gpu)]
    if let Some(gpu) = device.gpu() {
        return Ok(classes.named(cuda::class_pairs(gpu, &classes, progress)?));
    }
    #[cfg(not(gpu))]
    let _ = device;
    Ok(classes.named(cpu::class_pairs(&classes, progress)))
}

/// The index of classes `a` and `b` in a list of every two.
fn place(a: u32, b: u32) -> usize {
    let (a, b) = (a.min(b) as usize, a.max(b) as usize);
    b * (b + 1) / 2 + a
}

/// The number of identical pairs of every two classes that have any.
fn identical(groups: &[u32], classes: &[u32]) -> HashMap<[u32; 2], u64> {
    let mut members: HashMap<u32, HashMap<u32, u64>> = HashMap::new();
    for (group, class) in groups.iter().zip(classes) {
        *members.entry(*group).or_default().entry(*class).or_default() += 1;
    }
    let mut pairs: HashMap<[u32; 2], u64> = HashMap::new();
    for members in members.values() {
        for (a, of_a) in members {
            *pairs.entry([*a, *a]).or_default() += of_a * (of_a - 1) / 2;
            for (b, of_b) in members.iter().filter(|(b, _)| a < *b) {
                *pairs.entry([*a, *b]).or_default() += of_a * of_b;
            }
        }
    }
    pairs
}

/// Checked input of all devices.
pub(super) struct Classes<'a> {
    points: &'a Points<'a>,
    /// Each sample's class, counted from 0.
    classes: Vec<u32>,
    /// The labels, ascending: class `c` has label `names[c]`.
    names: Vec<u32>,
    /// Identical samples share a group.
    groups: Vec<u32>,
}

impl<'a> Classes<'a> {
    /// # Errors
    /// As [`class_pairs`].
    pub(super) fn new(points: &'a Points<'a>, labels: &[u32]) -> Result<Self> {
        one_label_each(points, labels)?;
        let mut names = labels.to_vec();
        names.sort_unstable();
        names.dedup();
        if names.len() > MOST_CLASSES {
            return Err(Error::Data(format!(
                "{} classes are too many to compare one by one: at most {MOST_CLASSES}",
                names.len()
            )));
        }
        let class = |label: &u32| names.partition_point(|name| name < label) as u32;
        let classes = labels.iter().map(class).collect();
        Ok(Classes { points, classes, names, groups: duplicates(points) })
    }

    /// The results, by the classes' labels.
    pub(super) fn named(&self, found: Vec<Found>) -> Vec<ClassPair> {
        let identical = identical(&self.groups, &self.classes);
        let named = found.into_iter().map(|found| ClassPair {
            classes: found.classes.map(|class| self.names[class as usize]),
            sharpest: found.sharpest,
            mean: found.sum / found.pairs as f64,
            pairs: found.pairs,
            identical: identical.get(&found.classes).copied().unwrap_or(0),
        });
        named.collect()
    }
}

/// The result for two classes.
pub(super) struct Found {
    classes: [u32; 2],
    sharpest: SharpPair,
    sum: f64,
    pairs: u64,
}
