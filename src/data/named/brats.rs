//! BraTS 2018: axial slices of FLAIR volumes, with tumour where the segmentation has any voxel of it.

use super::collect::{Collected, Item, class_folders};
use super::dataset::{Asked, FINDING, Facts, NamedDataset, NotOpened, Task};
use crate::data::cache::Cache;
use crate::data::codecs::nifti::Volume;
use crate::data::folder::files_under;
use crate::data::found::Found;
use crate::data::source::Origin;
use crate::data::stream::prefer_plain;
use crate::{Error, Result};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// A slice counts where this many slices from it on have the same label.
const AHEAD: usize = 10;
/// The fewest pixels of a brain.
const LEAST: usize = 7000;
/// The radius of the disk that erodes masks.
const RADIUS: isize = 2;

pub(super) struct Brats;

impl NamedDataset for Brats {
    fn facts(&self) -> Facts {
        Facts {
            name: "brats",
            about: "brain MRI, FLAIR slices, of 285 patients",
            source: "https://www.med.upenn.edu/sbia/brats2018: the training data, unpacked",
            tree: "ROOT/
  HGG/Brats18_2013_10_1/        any folders between; LGG likewise
    Brats18_2013_10_1_flair.nii.gz
    Brats18_2013_10_1_seg.nii.gz
or slices taken from it:
ROOT/
  flair/0/*.jpg                 without tumour
  flair/1/*.jpg                 with tumour",
            tasks: &[Task { name: "tumour", about: "any tumour in the slice" }],
            has_test: false,
        }
    }

    fn missing(&self, root: &Path) -> Option<String> {
        find(root).err()
    }

    fn open(&self, root: &Path, asked: &Asked<'_>) -> Result<Found, NotOpened> {
        Ok(match find(root).map_err(NotOpened::Missing)? {
            Form::Slices => class_folders(root, "BraTS", &[("0", 0), ("1", 1)], "flair", slice_origin)?,
            Form::Archive(volumes) => archive(root, volumes, asked.cache)?,
            Form::Unread => archive(root, files_under(root, Path::new(""), &is_flair)?, asked.cache)?,
        })
    }
}

enum Form {
    Slices,
    /// The FLAIR volumes under the root.
    Archive(Vec<PathBuf>),
    /// A folder in it cannot be listed.
    Unread,
}

fn find(root: &Path) -> Result<Form, String> {
    if root.join("flair/0").is_dir() && root.join("flair/1").is_dir() {
        return Ok(Form::Slices);
    }
    // A folder that cannot be listed gives its error when the dataset is opened.
    let Ok(mut volumes) = files_under(root, Path::new(""), &is_flair) else {
        return Ok(Form::Unread);
    };
    prefer_plain(&mut volumes);
    volumes.sort();
    match volumes.iter().find(|path| segmentation(root, path).is_none()) {
        Some(path) => Err(path.to_string_lossy().replace("_flair.", "_seg.")),
        None if volumes.is_empty() => Err("*_flair.nii.gz".to_owned()),
        None => Ok(Form::Archive(volumes)),
    }
}

fn is_flair(name: &str) -> bool {
    name.ends_with("_flair.nii.gz") || name.ends_with("_flair.nii")
}

/// The segmentation beside a volume.
fn segmentation(root: &Path, flair: &Path) -> Option<PathBuf> {
    let path = flair.to_string_lossy();
    let (start, _) = path.rsplit_once("_flair.")?;
    let both = ["nii.gz", "nii"].map(|ending| root.join(format!("{start}_seg.{ending}")));
    both.into_iter().find(|path| path.exists())
}

/// The patient of a slice that was taken from a volume.
fn slice_origin(name: &str) -> Option<Origin> {
    let from = name.find("Brats18_")?;
    let patient = name[from..].split(['.', ' ']).next()?;
    // The slice's number is last.
    let patient = patient.rsplit_once('_').map_or(patient, |(patient, _)| patient);
    Some(Origin::new(patient))
}

fn archive(root: &Path, volumes: Vec<PathBuf>, cache: Option<&Cache>) -> Result<Found> {
    let told: Vec<LabelledSlices> =
        volumes.par_iter().map(|flair| cached_or_read(root, flair, cache)).collect::<Result<_>>()?;
    let mut all = Collected::new(root);
    let (mut little, mut ambiguous) = (0, 0);
    for (path, told) in volumes.into_iter().zip(told) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let patient = name.split("_flair.").next().unwrap_or(&name).to_owned();
        (little, ambiguous) = (little + told.little, ambiguous + told.ambiguous);
        for (slice, label) in told.slices {
            let origin =
                Origin { patient: patient.clone(), study: Some(patient.clone()), slice: Some(slice) };
            all.push(Item { path: path.clone(), frame: slice, label, origin: Some(origin) });
        }
    }
    all.note(format!(
        "of the volumes' slices {ambiguous} are too near to a change of label and {little} show too little brain: they are left out \
         of both classes, as in the paper"
    ));
    all.found("BraTS", &FINDING, true)
}

/// The labelled slices of a volume, and how many were left out and why.
struct LabelledSlices {
    slices: Vec<(u32, u32)>,
    ambiguous: usize,
    little: usize,
}

impl LabelledSlices {
    /// For the cache: the two counts of slices left out, then each slice and its label.
    fn bytes(&self) -> Vec<u8> {
        let numbers = [self.ambiguous as u32, self.little as u32];
        let slices = self.slices.iter().flat_map(|(slice, label)| [*slice, *label]);
        numbers.into_iter().chain(slices).flat_map(u32::to_le_bytes).collect()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let numbers: Vec<u32> = bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        let (&[ambiguous, little], slices) = numbers.split_first_chunk()?;
        let slices = slices.as_chunks().0.iter().map(|[slice, label]| (*slice, *label)).collect();
        Some(LabelledSlices { slices, ambiguous: ambiguous as usize, little: little as usize })
    }
}

/// [`label_slices`], cached: volumes take a second each to read.
fn cached_or_read(root: &Path, path: &Path, cache: Option<&Cache>) -> Result<LabelledSlices> {
    let (Some(cache), Some(seg)) = (cache, segmentation(root, path)) else { return label_slices(root, path) };
    let found =
        cache.finding("BraTS slices", &[&root.join(path), &seg], || Ok(label_slices(root, path)?.bytes()))?;
    LabelledSlices::parse(&found).map_or_else(|| label_slices(root, path), Ok)
}

fn label_slices(root: &Path, path: &Path) -> Result<LabelledSlices> {
    let flair = Volume::open(&root.join(path))?;
    let seg_path = segmentation(root, path)
        .ok_or_else(|| Error::format(root.join(path), "has no segmentation beside it"))?;
    let seg = Volume::open(&seg_path)?;
    let [rows, columns, slices] = flair.dims;
    if seg.dims != flair.dims {
        let [x, y, z] = seg.dims;
        return Err(Error::format(
            seg_path,
            format!(
                "has {x} x {y} x {z} voxels, and its volume {rows} x {columns} x {slices}: they must have the same size"
            ),
        ));
    }
    let plane = rows * columns;
    let tumour: Vec<bool> =
        seg.values().chunks_exact(plane).map(|plane| plane.iter().any(|v| *v > 0.0)).collect();
    let (low, _) = flair.percentiles();
    let mut told = LabelledSlices { slices: Vec::new(), ambiguous: 0, little: 0 };
    for (at, values) in flair.values().chunks_exact(plane).enumerate() {
        let ahead = &tumour[at..slices.min(at + AHEAD)];
        if ahead.contains(&true) && ahead.contains(&false) {
            told.ambiguous += 1;
            continue;
        }
        let mask = values.iter().map(|v| f64::from(*v) > low).collect();
        // x is fastest.
        let mask = Mask { rows: columns, columns: rows, pixels: mask };
        if !mask.shows_brain() {
            told.little += 1;
            continue;
        }
        told.slices.push((at as u32, u32::from(tumour[at])));
    }
    Ok(told)
}

/// Pixels of a slice that are foreground.
struct Mask {
    rows: usize,
    columns: usize,
    pixels: Vec<bool>,
}

impl Mask {
    /// Whether it is one area of enough pixels, after erosion and closing by the disk and filling of holes.
    fn shows_brain(self) -> bool {
        // Filling makes no foreground where there is none.
        if !self.pixels.contains(&true) {
            return false;
        }
        // Closing by the disk that eroded it would change nothing: a dilation between two erosions by one disk is none.
        let mut filled = self.eroded();
        let (background, ..) = filled.areas(false);
        // Background that does not reach the border is a hole.
        for (pixel, outside) in filled.pixels.iter_mut().zip(background) {
            *pixel |= !outside;
        }
        let count = filled.pixels.iter().filter(|pixel| **pixel).count();
        let (_, areas) = filled.areas(true);
        count >= LEAST && areas == 1
    }

    /// Erosion: a pixel stays where all pixels under the disk are set, outside ones ignored.
    fn eroded(&self) -> Mask {
        let mut pixels = vec![true; self.pixels.len()];
        for (row, out) in pixels.chunks_exact_mut(self.columns).enumerate() {
            for by in -RADIUS..=RADIUS {
                let Some(from) = row.checked_add_signed(by).filter(|from| *from < self.rows) else {
                    continue;
                };
                let from = &self.pixels[from * self.columns..(from + 1) * self.columns];
                let half = (RADIUS * RADIUS - by * by).isqrt() as usize;
                // The disk's row, a shift at a time to both sides.
                for shift in 0..=half.min(self.columns - 1) {
                    let rest = self.columns - shift;
                    let (right, left) = (out[..rest].iter_mut().zip(&from[shift..]), &from[..rest]);
                    right.for_each(|(out, pixel)| *out &= pixel);
                    let left = out[shift..].iter_mut().zip(left);
                    left.for_each(|(out, pixel)| *out &= pixel);
                }
            }
        }
        Mask { pixels, ..*self }
    }

    /// Of foreground, touching at sides and corners: each pixel in any area, and how many areas there are. Of background, touching
    /// at sides: each pixel in an area that reaches the border.
    fn areas(&self, foreground: bool) -> (Vec<bool>, usize) {
        let mut seen = vec![false; self.pixels.len()];
        let mut areas = 0;
        let mut open: Vec<usize> = Vec::new();
        for start in 0..self.pixels.len() {
            let (row, column) = (start / self.columns, start % self.columns);
            let border = row == 0 || column == 0 || row + 1 == self.rows || column + 1 == self.columns;
            if seen[start] || self.pixels[start] != foreground || (!foreground && !border) {
                continue;
            }
            areas += 1;
            seen[start] = true;
            open.push(start);
            while let Some(place) = open.pop() {
                let (row, column) = ((place / self.columns) as isize, (place % self.columns) as isize);
                for (r, c) in (-1..=1).flat_map(|r: isize| (-1..=1).map(move |c: isize| (r, c))) {
                    if !foreground && r != 0 && c != 0 {
                        continue;
                    }
                    let (row, column) = (row + r, column + c);
                    if row < 0 || column < 0 || row >= self.rows as isize || column >= self.columns as isize {
                        continue;
                    }
                    let next = row as usize * self.columns + column as usize;
                    if !seen[next] && self.pixels[next] == foreground {
                        seen[next] = true;
                        open.push(next);
                    }
                }
            }
        }
        (seen, areas)
    }
}
