//! Label sharpness for curation: the samples that decide it, likely label errors among them (identical or nearly
//! identical samples with different labels), and label sharpness without those.

use crate::ops::{
    AllPairs, ClassPair, MOST_CLASSES, Neighbours, Progress, SharpPair, Wanted, all_pairs, check_quantiles,
    duplicates, one_label_each, pairs_within_with, ratio_quantiles_with, sharpness_with,
};
use crate::{Device, Error, Points, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// The most pairs of near duplicates: more mean that the radius is too large.
const MOST_NEAR_PAIRS: usize = 1 << 22;

/// Neighbours searched for near duplicates: samples usually have fewer near duplicates.
const NEIGHBOURS: usize = 20;

/// How near two samples are near duplicates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Near {
    /// No further apart than this, in the data's units.
    Distance(f64),
    /// No further apart than this fraction of the median distance from a sample to the nearest that is not
    /// identical to it.
    Fraction(f64),
}

impl Default for Near {
    /// 0.3 of the median nearest-neighbour distance; docs/measures.md has the evidence.
    fn default() -> Self {
        Near::Fraction(0.3)
    }
}

/// Options of [`curate`].
///
/// ```
/// use sharpdim::measure::{CurationOptions, Near};
/// // Groups of samples no further apart than 100 units of the data, each from the next.
/// let options = CurationOptions { near: Near::Distance(100.0), ..CurationOptions::default() };
/// assert_eq!(options.quantiles, [0.5, 0.9, 0.99, 0.999]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CurationOptions {
    /// How many of the sharpest pairs are listed.
    pub top: usize,
    /// How near two samples are near duplicates.
    pub near: Near,
    /// Which quantiles of 1 / distance are given, each from 0 to 1.
    pub quantiles: Vec<f64>,
}

impl Default for CurationOptions {
    /// 20 pairs, the default of [`Near`], and the quantiles 0.5, 0.9, 0.99 and 0.999.
    fn default() -> Self {
        CurationOptions { top: 20, near: Near::default(), quantiles: vec![0.5, 0.9, 0.99, 0.999] }
    }
}

/// 1 / distance over the pairs of samples that have different labels and are not identical.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Spread {
    /// The greatest: the label sharpness K_F.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub sd: f64,
    /// The requested quantiles, each with its value: a label sharpness that does not depend on a single pair. Of P pairs,
    /// the quantile q is the `ceil(q P)`-th smallest.
    pub quantiles: Vec<(f64, f64)>,
    /// How many pairs these are.
    pub pairs: u64,
    /// Samples whose pairs they are.
    pub samples: usize,
}

/// A group of duplicates: each sample is identical or near to another of the group.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Group {
    /// The samples, ascending.
    pub samples: Vec<usize>,
    /// How many distinct labels they have.
    pub classes: usize,
    /// The least distance between two of them.
    pub closest: f64,
    /// The least radius at which the group is connected: the longest edge of its minimum spanning tree.
    pub farthest_link: f64,
}

/// What [`curate`] found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Curation {
    /// The sharpest pairs of different labels, the closest first. Contradictions are not among them.
    pub sharpest: Vec<SharpPair>,
    /// Identical samples under several labels, by their lowest samples: of infinite sharpness.
    pub contradictions: Vec<Group>,
    /// Samples no further apart than this are near duplicates, in the data's units.
    pub near_radius: f64,
    /// All groups of near duplicates, identical samples among them: those of several classes first, and among
    /// each kind the closest first.
    pub near_duplicates: Vec<Group>,
    /// Over all samples.
    pub all: Spread,
    /// Without every sample that is in a contradiction; `None` where no pair with different labels is left.
    pub without_contradictions: Option<Spread>,
    /// Without every sample of a group of near duplicates that holds several classes, contradictions among them;
    /// `None` as above.
    pub without_near_duplicates: Option<Spread>,
    /// The samples that `without_near_duplicates` leaves out, ascending.
    pub left_out: Vec<usize>,
    /// Each two classes that have a pair of samples apart, sorted by their labels; empty where there are more than
    /// 2048 classes.
    pub class_pairs: Vec<ClassPair>,
    /// The same within each class, for comparison.
    pub within_classes: Vec<ClassPair>,
}

/// Finds samples to check before trusting the labels of `points`; `labels` holds one class
/// index for each sample.
///
/// Samples are near duplicates where a chain of pairs within [`CurationOptions::near`] joins them, whatever their
/// labels. Groups of several classes are mostly label errors, or cuts of one source:
/// `without_near_duplicates` is label sharpness without any of their samples, since the right label is unknown.
///
/// # Errors
/// [`Error::Argument`] where `labels` has another length than the samples, `top` is 0, the radius or fraction is
/// negative, NaN or infinite, or a quantile is not from 0 to 1; [`Error::Data`] where all labels are the same,
/// every pair with different labels is identical, or more than 4 194 304 pairs are within the radius (the
/// message names a radius that would do); [`Error::Device`] where the device fails.
///
/// ```
/// use sharpdim::{Device, Points, measure::{CurationOptions, Near, curate}};
/// // Sample 3 is nearly sample 0, and has another label.
/// let points = Points::u8(&[10, 10, 90, 90, 200, 10, 10, 11], 2)?;
/// let options = CurationOptions { near: Near::Distance(2.0), ..CurationOptions::default() };
/// let found = curate(&Device::cpu(), &points, &[0, 0, 1, 1], &options, &|_| ())?;
/// let group = &found.near_duplicates[0]; // a `Group`
/// assert_eq!((&group.samples[..], group.classes, group.farthest_link), (&[0, 3][..], 2, 1.0));
/// assert_eq!(found.left_out, [0, 3]);
/// assert_eq!((found.all.max, found.all.pairs, found.all.samples), (1.0, 4, 4)); // a `Spread`
/// assert_eq!((found.near_radius, found.sharpest[0].ratio()), (2.0, 1.0));
/// assert!(found.contradictions.is_empty() && found.class_pairs[0].classes == [0, 1]);
/// assert!(found.without_near_duplicates.is_some_and(|rest| rest.max < 0.01));
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn curate(
    device: &Device,
    points: &Points<'_>,
    labels: &[u32],
    options: &CurationOptions,
    progress: Progress<'_>,
) -> Result<Curation> {
    check(points, labels, options)?;
    let steps = Steps::new(progress);
    if points.n() < 2 {
        return Err(Error::Data(format!("{} samples make no pair: at least 2 are needed", points.n())));
    }
    let wanted = Wanted {
        k: NEIGHBOURS.min(points.n() - 1),
        labels: Some(labels),
        top: options.top,
        class_pairs: few_classes(labels),
        within: &[],
    };
    let pairs = all_pairs(device, points, &wanted, &|done| steps.at(0.0..0.4, done))?;
    curate_from(device, points, labels, options, &pairs, &|done| steps.at(0.4..1.0, done))
}

/// As [`curate`], from the result of one pass over all pairs: at least [`CurationOptions::top`] of the sharpest, and
/// the class pairs unless there are more than 2048 classes. The more neighbours it lists, the rarer another pass.
///
/// # Errors
/// As [`curate`]; [`Error::Argument`] where `pairs` are those of another number of samples.
///
/// ```
/// use sharpdim::{Device, Points, measure::{CurationOptions, curate, curate_from}, ops::{Wanted, all_pairs}};
/// let (device, labels) = (Device::cpu(), [0, 0, 1, 1]);
/// let points = Points::u8(&[10, 10, 90, 90, 200, 10, 10, 11], 2)?;
/// let wanted = Wanted { k: 2, labels: Some(&labels), top: 20, class_pairs: true, within: &[] };
/// let pairs = all_pairs(&device, &points, &wanted, &|_| ())?;
/// let options = CurationOptions::default();
/// let found = curate_from(&device, &points, &labels, &options, &pairs, &|_| ())?;
/// assert_eq!(found, curate(&device, &points, &labels, &options, &|_| ())?);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn curate_from(
    device: &Device,
    points: &Points<'_>,
    labels: &[u32],
    options: &CurationOptions,
    pairs: &AllPairs,
    progress: Progress<'_>,
) -> Result<Curation> {
    check(points, labels, options)?;
    if pairs.neighbours.n() != points.n() {
        return Err(Error::Argument(format!(
            "pairs of {} samples for {} samples: they must be pairs of these samples",
            pairs.neighbours.n(),
            points.n()
        )));
    }
    let steps = Steps::new(progress);
    let sharpness = match &pairs.sharpness {
        Some(Ok(sharpness)) => sharpness.clone(),
        // Repeats the error, or measures it if it was not requested.
        _ => sharpness_with(device, points, labels, options.top, &|done| steps.at(0.0..0.1, done))?,
    };
    let mut sharpest = sharpness.sharpest;
    sharpest.truncate(options.top);
    let ratios = ratio_quantiles_with(device, points, labels, &options.quantiles, &|done| {
        steps.at(0.1..0.4, done);
    })?;
    let all = Spread {
        max: sharpest[0].ratio(),
        mean: sharpness.mean,
        sd: sharpness.sd,
        quantiles: quantiles(options, ratios, sharpest[0].ratio()),
        pairs: sharpness.pairs_differing - sharpness.contradictions,
        samples: points.n(),
    };
    let near_radius = match options.near {
        Near::Distance(distance) => distance,
        Near::Fraction(fraction) => fraction * median_nearest(&pairs.neighbours),
    };
    // A pair at exactly the radius is within it: room for the rounding of root and square.
    let squared = near_radius * near_radius * (1.0 + 4.0 * f64::EPSILON);
    let near = match near_from_lists(&pairs.neighbours, squared) {
        Some(near) => near,
        None => pairs_within_with(device, points, squared, MOST_NEAR_PAIRS, &|done| {
            steps.at(0.4..0.6, done);
        })?,
    };
    let mut near_duplicates = near_groups(near, labels);
    near_duplicates.sort_by(|a, b| {
        let several = |group: &Group| group.classes > 1;
        several(b).cmp(&several(a)).then(a.closest.total_cmp(&b.closest)).then(a.samples.cmp(&b.samples))
    });
    let contradictions = contradictions(points, labels);

    let (within_classes, class_pairs) =
        pairs.class_pairs.iter().cloned().partition(|pair| pair.classes[0] == pair.classes[1]);

    let several = near_duplicates.iter().filter(|group| group.classes > 1);
    let left_out = members(several);
    let contradicted = members(contradictions.iter());
    let rest = |left_out: &[usize], range: std::ops::Range<f64>| {
        if left_out.is_empty() {
            Ok(Some(all.clone()))
        } else {
            spread_without(device, points, labels, options, left_out, &|done| {
                steps.at(range.clone(), done);
            })
        }
    };
    let without_contradictions = rest(&contradicted, 0.6..0.8)?;
    let without_near_duplicates =
        if left_out == contradicted { without_contradictions.clone() } else { rest(&left_out, 0.8..1.0)? };
    steps.at(1.0..1.0, 1.0);
    Ok(Curation {
        sharpest,
        contradictions,
        near_radius,
        near_duplicates,
        all,
        without_contradictions,
        without_near_duplicates,
        left_out,
        class_pairs,
        within_classes,
    })
}

/// Several passes as one progress, which never goes back: a GPU may hand its work to the CPU half way.
struct Steps<'a> {
    progress: Progress<'a>,
    furthest: Mutex<f64>,
}

impl<'a> Steps<'a> {
    fn new(progress: Progress<'a>) -> Self {
        Steps { progress, furthest: Mutex::new(0.0) }
    }

    fn at(&self, range: std::ops::Range<f64>, done: f64) {
        let at = range.start + (range.end - range.start) * done;
        let mut furthest = self.furthest.lock().unwrap_or_else(PoisonError::into_inner);
        *furthest = furthest.max(at);
        (self.progress)(*furthest);
    }
}

/// The requested quantiles with their values; rounding puts none above the maximum.
fn quantiles(options: &CurationOptions, ratios: Vec<f64>, max: f64) -> Vec<(f64, f64)> {
    let value = |(q, ratio): (&f64, f64)| (*q, if *q == 1.0 { max } else { ratio.min(max) });
    options.quantiles.iter().zip(ratios).map(value).collect()
}

/// Refuses what cannot be curated.
fn check(points: &Points<'_>, labels: &[u32], options: &CurationOptions) -> Result<()> {
    one_label_each(points, labels)?;
    check_quantiles(&options.quantiles)?;
    let (Near::Distance(near) | Near::Fraction(near)) = options.near;
    if !(near >= 0.0 && near.is_finite()) {
        return Err(Error::Argument(format!(
            "near duplicates within {near}: the distance or fraction must be finite and at least 0"
        )));
    }
    Ok(())
}

/// Whether classes are few enough to compare every two.
pub fn few_classes(labels: &[u32]) -> bool {
    labels.iter().collect::<BTreeSet<_>>().len() <= MOST_CLASSES
}

/// The median distance to the nearest other sample, of the samples that have no identical twin; 0 where all have.
fn median_nearest(nearest: &Neighbours) -> f64 {
    let distances = (0..nearest.n()).map(|i| nearest.squared_distances(i)[0].sqrt());
    let mut apart: Vec<f64> = distances.filter(|d| *d > 0.0).collect();
    if apart.is_empty() {
        return 0.0;
    }
    let middle = apart.len() / 2;
    *apart.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// All pairs within a radius, where every sample's list of neighbours reaches beyond it; `None` where one may have
/// further ones.
fn near_from_lists(nearest: &Neighbours, squared: f64) -> Option<Vec<(u32, u32, f64)>> {
    let complete = nearest.k() + 1 == nearest.n();
    let mut pairs = Vec::new();
    for i in 0..nearest.n() {
        let distances = nearest.squared_distances(i);
        if !complete && distances.last().is_some_and(|last| *last <= squared) {
            return None;
        }
        let near = nearest.indices(i).iter().zip(distances).filter(|(_, distance)| **distance <= squared);
        pairs.extend(near.map(|(j, distance)| (*j.min(&(i as u32)), *j.max(&(i as u32)), *distance)));
    }
    // Each is in both samples' lists.
    pairs.sort_unstable_by_key(|(i, j, _)| (*i, *j));
    pairs.dedup_by_key(|(i, j, _)| (*i, *j));
    Some(pairs)
}

/// The groups (connected components) that pairs of samples with squared distances make.
fn near_groups(mut pairs: Vec<(u32, u32, f64)>, labels: &[u32]) -> Vec<Group> {
    // The shortest first: a group's last link that joined two parts is then the longest it needs.
    pairs.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut parent: Vec<u32> = (0..labels.len() as u32).collect();
    fn root(parent: &mut [u32], mut i: u32) -> u32 {
        while parent[i as usize] != i {
            parent[i as usize] = parent[parent[i as usize] as usize];
            i = parent[i as usize];
        }
        i
    }
    let mut joined = Vec::new();
    for (i, j, squared) in pairs {
        let (a, b) = (root(&mut parent, i), root(&mut parent, j));
        if a != b {
            // The lower index stays on top: at the end it is the group's lowest sample.
            parent[a.max(b) as usize] = a.min(b);
            joined.push((i, squared.sqrt()));
        }
    }
    let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
    for (i, distance) in joined {
        let empty = Group { samples: Vec::new(), classes: 0, closest: distance, farthest_link: distance };
        let group = groups.entry(root(&mut parent, i)).or_insert(empty);
        group.farthest_link = distance;
    }
    for i in 0..labels.len() {
        if let Some(group) = groups.get_mut(&root(&mut parent, i as u32)) {
            group.samples.push(i);
        }
    }
    let classes = |group: Group| Group { classes: classes_of(&group.samples, labels), ..group };
    groups.into_values().map(classes).collect()
}

fn classes_of(samples: &[usize], labels: &[u32]) -> usize {
    let mut classes: Vec<u32> = samples.iter().map(|i| labels[*i]).collect();
    classes.sort_unstable();
    classes.dedup();
    classes.len()
}

/// Groups of identical samples with several labels.
fn contradictions(points: &Points<'_>, labels: &[u32]) -> Vec<Group> {
    let mut groups: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, first) in duplicates(points).into_iter().enumerate() {
        groups.entry(first).or_default().push(i);
    }
    let group = |samples: Vec<usize>| {
        let classes = classes_of(&samples, labels);
        Group { samples, classes, closest: 0.0, farthest_link: 0.0 }
    };
    groups.into_values().map(group).filter(|group| group.classes > 1).collect()
}

/// All samples of some groups, ascending.
fn members<'a>(groups: impl Iterator<Item = &'a Group>) -> Vec<usize> {
    let mut samples: Vec<usize> = groups.flat_map(|group| group.samples.iter().copied()).collect();
    samples.sort_unstable();
    samples
}

/// The spread over the samples that are left; `None` where none of their pairs counts.
fn spread_without(
    device: &Device,
    points: &Points<'_>,
    labels: &[u32],
    options: &CurationOptions,
    left_out: &[usize],
    progress: Progress<'_>,
) -> Result<Option<Spread>> {
    let kept: Vec<usize> = (0..points.n()).filter(|i| left_out.binary_search(i).is_err()).collect();
    let labels: Vec<u32> = kept.iter().map(|i| labels[*i]).collect();
    spread(device, &points.gather(&kept).points()?, &labels, options, progress)
}

fn spread(
    device: &Device,
    points: &Points<'_>,
    labels: &[u32],
    options: &CurationOptions,
    progress: Progress<'_>,
) -> Result<Option<Spread>> {
    let found = match sharpness_with(device, points, labels, 1, &|done| progress(0.3 * done)) {
        Ok(found) => found,
        // One class is left, or no pair with different labels that is not identical.
        Err(Error::Data(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let ratios = ratio_quantiles_with(device, points, labels, &options.quantiles, &|done| {
        progress(0.3 + 0.7 * done);
    })?;
    let max = found.sharpest[0].ratio();
    Ok(Some(Spread {
        max,
        mean: found.mean,
        sd: found.sd,
        quantiles: quantiles(options, ratios, max),
        pairs: found.pairs_differing - found.contradictions,
        samples: points.n(),
    }))
}
