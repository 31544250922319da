//! From a dataset's images to one matrix of samples: decode, recolour, scale, resize or embed, each image straight
//! into its row, or from a cache of such rows. Memory is the matrix and one image a thread.

use super::Dataset;
use super::cache::{Rows, Value};
use super::source::{Depth, Image, Origin, Shape, Values};
use crate::ops::resize::{
    Embedding, Geometry, resize_bilinear, scale_by_max_f32, scale_by_max_u16, scale_in_place,
};
use crate::{Error, Points, Result};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How images become samples. The default is the paper's: each image scaled by its own maximum to 8 bits,
/// then resized to 224 x 224, bilinear, without antialiasing; gray stays gray, RGB stays RGB.
///
/// Features are no images: they are taken as they are, and of all this only `on_bad` is heeded.
///
/// ```
/// use sharpdim::data::{Color, OnBad, Preprocess, Scale};
/// // The paper's, but at the images' own size and in RGB, and going on past files that cannot be read.
/// let how = Preprocess { size: None, color: Color::Rgb, on_bad: OnBad::Skip, ..Preprocess::default() };
/// assert_eq!((how.scale, how.antialias), (Scale::Max, false));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preprocess {
    /// How values are scaled.
    pub scale: Scale,
    /// Height and width to resize to; `None` keeps the images' own, which must then be one size.
    pub size: Option<(usize, usize)>,
    /// Which channels samples have.
    pub color: Color,
    /// Whether shrinking averages over all the pixels it drops (torchvision's `antialias=True`).
    pub antialias: bool,
    /// What to do about an image that cannot be read.
    pub on_bad: OnBad,
}

impl Default for Preprocess {
    fn default() -> Self {
        Preprocess {
            scale: Scale::Max,
            size: Some((224, 224)),
            color: Color::AsIs,
            antialias: false,
            on_bad: OnBad::Fail,
        }
    }
}

/// How values are scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Each image by its own maximum, over all its channels: `floor(v * 255 / max)`, as 8 bits. An image of
    /// zeros stays so; a negative value is an error. Of a DICOM image stored values are scaled, those below 0
    /// as 0, and MONOCHROME1 is inverted then, to `255 - v`.
    #[default]
    Max,
    /// Values are used as they are: 8-bit ones stay 8-bit, 16-bit ones become floats. Those of a DICOM image
    /// are what stored ones stand for by its rescale slope and intercept, MONOCHROME1 as what is left to the
    /// largest there can be.
    None,
}

/// Which channels samples have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// Those of the images. Where a few are gray among RGB ones they are expanded to RGB, and where a few
    /// are RGB among gray ones they are made gray (RGB where both are as many): [`Loaded::notes`] says so.
    #[default]
    AsIs,
    /// One channel: `(19595 R + 38470 G + 7471 B + 2^15) / 2^16`, the ITU-R 601 luma as Pillow rounds it.
    Grayscale,
    /// Three channels: gray is repeated.
    Rgb,
}

/// What to do about an image that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBad {
    /// Stop, and name the first such image.
    #[default]
    Fail,
    /// Leave it out, and list it in [`Loaded::skipped`].
    Skip,
}

/// What [`Dataset::load`] gives: `n` samples, images of `height * width * channels` values, and what they are.
///
/// ```
/// use sharpdim::data::{Dataset, Preprocess};
/// let loaded = Dataset::generated(2, 16, 0)?.load(&Preprocess::default(), &|_finished| {})?;
/// assert_eq!(loaded.class_names[loaded.labels[3] as usize], "lesion");
/// assert_eq!(loaded.names[3], "generated#3");
/// assert!(loaded.skipped.is_empty() && !loaded.features);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Loaded {
    /// One row a sample: its values (pixels row-major, channels last), or its [embedding](Samples::embedding), whose
    /// distances are those of such values.
    pub samples: Samples,
    /// The class of each sample, as a position in `class_names`.
    pub labels: Vec<u32>,
    /// The names of the classes, those of which every image was skipped included.
    pub class_names: Vec<String>,
    /// The name of each sample.
    pub names: Vec<String>,
    /// The position of each sample in the dataset that it was loaded from, rising.
    pub index: Vec<usize>,
    /// The images that were left out: name and reason.
    pub skipped: Vec<(String, String)>,
    /// What else should be known of how the samples came about.
    pub notes: Vec<String>,
    /// For each sample a number that all of its patient's have, where it is known whose they are: see [`Origin`](super::Origin).
    pub patients: Option<Vec<u32>>,
    /// How many samples were not decoded, as they were in the [cache](super::Cache).
    pub from_cache: usize,
    /// Rows of pixels in a sample, as resized: 1 for features.
    pub height: usize,
    /// Pixels in a row, as resized: the number of values for features.
    pub width: usize,
    /// Values in a pixel: 1 or 3, and 1 for features.
    pub channels: usize,
    /// Whether samples are rows of a feature matrix, taken as they are, rather than images.
    pub features: bool,
}

impl Loaded {
    /// The number of values in a sample: `height * width * channels`. [`Samples::dim`] may be less.
    pub fn dim(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// A sample's values, as they are or as resized: pixels row-major, channels last.
    ///
    /// ```
    /// use sharpdim::data::{Dataset, Preprocess};
    /// let loaded = Dataset::generated(2, 16, 0)?.load(&Preprocess::default(), &|_finished| {})?;
    /// assert_eq!(loaded.image(3).len(), 224 * 224);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    ///
    /// # Panics
    /// Where there is no such sample.
    pub fn image(&self, sample: usize) -> Vec<f32> {
        let samples = &self.samples;
        let own = sample * samples.dim..(sample + 1) * samples.dim;
        match &samples.values {
            SampleValues::U8(values) => values[own].iter().map(|value| f32::from(*value)).collect(),
            SampleValues::F32(values) => values[own].to_vec(),
            SampleValues::Embedded(values, embedding) => embedding.image(&values[own]),
        }
    }
}

/// What loaded samples are held as: 8-bit values where these are exact, else floats, or embeddings; row-major.
///
/// ```
/// use sharpdim::{Values, data::{Dataset, Preprocess}};
/// let as_they_are = Preprocess { size: None, ..Preprocess::default() };
/// let samples = Dataset::generated(2, 16, 0)?.load(&as_they_are, &|_finished| {})?.samples;
/// assert_eq!((samples.n(), samples.dim()), (4, 16 * 16));
/// assert!(matches!(samples.points()?.values(), Values::U8(_))); // not resized: exact distances
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    values: SampleValues,
    dim: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum SampleValues {
    U8(Vec<u8>),
    F32(Vec<f32>),
    Embedded(Vec<f64>, Embedding),
}

impl Samples {
    /// The number of samples.
    pub fn n(&self) -> usize {
        let len = match &self.values {
            SampleValues::U8(values) => values.len(),
            SampleValues::F32(values) => values.len(),
            SampleValues::Embedded(values, _) => values.len(),
        };
        len / self.dim
    }

    /// The numbers that a sample is held as: its values, [`Loaded::dim`] of them, or the fewer of its embedding.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How images that are enlarged are held, where they are: as the numbers of this embedding, which are no pixels but
    /// have the distances of the resized images, to 64-bit rounding. [`Loaded::image`] gives these.
    ///
    /// ```
    /// use sharpdim::data::{Dataset, Preprocess};
    /// let loaded = Dataset::generated(2, 16, 0)?.load(&Preprocess::default(), &|_finished| {})?;
    /// assert_eq!((loaded.height, loaded.width, loaded.dim()), (224, 224, 224 * 224));
    /// let geometry = loaded.samples.embedding().expect("of one size, and enlarged").geometry();
    /// assert_eq!((geometry.from, geometry.to, loaded.samples.dim()), ([16, 16], [224, 224], 16 * 16));
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn embedding(&self) -> Option<&Embedding> {
        match &self.values {
            SampleValues::Embedded(_, embedding) => Some(embedding),
            _ => None,
        }
    }

    /// The view that operations and measures read. One of embeddings is only compared with another of the same
    /// [`Geometry`].
    ///
    /// # Errors
    /// None for samples that [`Dataset::load`] made, unless there are more than 2^31 - 1.
    pub fn points(&self) -> Result<Points<'_>> {
        match &self.values {
            SampleValues::U8(values) => Points::u8(values, self.dim),
            SampleValues::F32(values) => Points::f32(values, self.dim),
            SampleValues::Embedded(values, embedding) => {
                Ok(Points::f64(values, self.dim)?.embedded(embedding.geometry()))
            }
        }
    }
}

/// How features become samples, whatever is asked for images: as they are.
const FEATURES: Preprocess =
    Preprocess { scale: Scale::None, size: None, color: Color::AsIs, antialias: false, on_bad: OnBad::Fail };

/// What all samples have in common.
#[derive(Clone, Copy)]
struct Plan<'a> {
    how: &'a Preprocess,
    height: usize,
    width: usize,
    channels: usize,
}

/// What enlarged images are held as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Embeddings, where all images are of one size.
    Embeddings,
    Pixels,
}

/// How features are loaded, and how images.
fn asked(dataset: &Dataset, how: &Preprocess) -> Result<Preprocess> {
    if dataset.source.features() {
        return Ok(Preprocess { on_bad: how.on_bad, ..FEATURES });
    }
    match how.size {
        Some((height, width)) if height == 0 || width == 0 => {
            Err(Error::Argument(format!("cannot resize images to {height} x {width} pixels")))
        }
        _ => Ok(how.clone()),
    }
}

/// How images of these shapes can be embedded.
fn embedding(plan: &Plan<'_>, shapes: &Shapes) -> Option<Embedding> {
    let (_, Shape { height, width, .. }) = shapes.first()?;
    let from = [*height, *width];
    let alike = shapes.iter().all(|(_, shape)| [shape.height, shape.width] == from);
    let (to, antialias) = ([plan.height, plan.width], plan.how.antialias);
    alike.then(|| Embedding::new(Geometry { from, to, channels: plan.channels, antialias }))?
}

pub(super) fn geometry(dataset: &Dataset, how: &Preprocess) -> Result<Option<Geometry>> {
    let how = asked(dataset, how)?;
    let (shapes, bad) = shapes(dataset, how.on_bad)?;
    let plan = plan(dataset, &how, &shapes, &bad, &mut Vec::new())?;
    Ok(embedding(&plan, &shapes).map(|embedding| embedding.geometry()))
}

pub(super) fn load(
    dataset: &Dataset,
    how: &Preprocess,
    hold: Hold,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Loaded> {
    let how = &asked(dataset, how)?;
    let (shapes, mut bad) = shapes(dataset, how.on_bad)?;
    progress(bad.len());
    let mut notes = dataset.notes.clone();
    let plan = plan(dataset, how, &shapes, &bad, &mut notes)?;
    let embedding = match hold {
        Hold::Embeddings => embedding(&plan, &shapes),
        Hold::Pixels => None,
    };
    // What is kept of an image, in the cache too: as it is embedded it has its own size.
    let kept = match &embedding {
        Some(embedding) => {
            let [height, width] = embedding.geometry().from;
            Plan { height, width, ..plan }
        }
        None => plan,
    };
    let exact = shapes.iter().all(|(_, shape)| {
        let kept_size = (shape.height, shape.width) == (kept.height, kept.width);
        kept_size && (how.scale == Scale::Max || shape.depth == Depth::U8)
    });
    let kept_dim = kept.height.saturating_mul(kept.width).saturating_mul(kept.channels);
    let cached = dataset.cache.as_ref().map(|cache| {
        let images = shapes.iter().map(|(at, _)| dataset.index[*at]);
        Rows::new(cache, &dataset.source, images, how, [kept.height, kept.width, kept.channels])
    });
    let rows = cached.as_ref();
    let exact_row = |source, shape: &Shape, out: &mut [u8]| {
        kept_row(dataset, rows, source, shape, out, |image, row| kept.exact_row(image, row))
    };
    let float_row = |source, shape: &Shape, out: &mut [f32]| {
        kept_row(dataset, rows, source, shape, out, |image, row| kept.float_row(image, row))
    };
    let dim = embedding.as_ref().map_or(kept_dim, Embedding::dim);
    let fill = Fill { dataset, on_bad: how.on_bad, shapes: &shapes, dim, progress };
    let (values, at, failed) = match (embedding, exact) {
        (None, true) => fill.run(exact_row)?.map(SampleValues::U8),
        (None, false) => fill.run(float_row)?.map(SampleValues::F32),
        (Some(embedding), true) => embedded(&fill, embedding, kept_dim, exact_row)?,
        (Some(embedding), false) => embedded(&fill, embedding, kept_dim, float_row)?,
    };
    notes.extend(rows.iter().flat_map(|rows| rows.notes()));
    bad.extend(failed);
    bad.sort_by_key(|(at, _)| *at);
    if at.is_empty() {
        return Err(none_left(dataset, &bad));
    }
    let (height, width) = how.size.unwrap_or((kept.height, kept.width));
    Ok(Loaded {
        samples: Samples { values, dim },
        labels: at.iter().map(|at| dataset.labels[*at]).collect(),
        patients: patients(dataset, &at)?,
        class_names: dataset.class_names.clone(),
        names: at.iter().map(|at| dataset.name(*at)).collect(),
        skipped: bad.iter().map(|(at, error)| (dataset.name(*at), reason(error))).collect(),
        index: at,
        notes,
        from_cache: rows.map_or(0, Rows::found),
        height,
        width,
        channels: kept.channels,
        features: dataset.source.features(),
    })
}

/// The embeddings of images of `dim` values, which `row` reads.
fn embedded<T: Value + Into<f64>>(
    fill: &Fill<'_>,
    embedding: Embedding,
    dim: usize,
    row: impl Fn(usize, &Shape, &mut [T]) -> Result<()> + Sync,
) -> Result<(SampleValues, Vec<usize>, Bad)> {
    let all = fill.run(|source, shape, out: &mut [f64]| {
        let mut image = vec![T::default(); dim];
        row(source, shape, &mut image)?;
        embedding.embed(&image, out);
        Ok(())
    })?;
    Ok(all.map(|values| SampleValues::Embedded(values, embedding)))
}

/// A number for each patient, as they come.
fn patients(dataset: &Dataset, kept: &[usize]) -> Result<Option<Vec<u32>>> {
    if !dataset.has_origins() {
        return Ok(None);
    }
    let origins: Vec<Option<Origin>> =
        kept.par_iter().map(|at| dataset.origin(*at)).collect::<Result<_>>()?;
    let mut known: HashMap<String, u32> = HashMap::new();
    let mut next = 0..;
    let number = |origin: Option<Origin>| match origin {
        Some(origin) => *known.entry(origin.patient).or_insert_with(|| next.next().unwrap_or(u32::MAX)),
        // Nobody's that is known: of no patient with another.
        None => next.next().unwrap_or(u32::MAX),
    };
    Ok(Some(origins.into_iter().map(number).collect()))
}

type Shapes = Vec<(usize, Shape)>;
type Bad = Vec<(usize, Error)>;

/// The shape of each image, by its header: what all have in common is settled before any is decoded.
fn shapes(dataset: &Dataset, on_bad: OnBad) -> Result<(Shapes, Bad)> {
    let found: Vec<Result<Shape>> =
        dataset.index.par_iter().map(|source| dataset.source.shape(*source)).collect();
    let (mut shapes, mut bad) = (Vec::with_capacity(found.len()), Vec::new());
    for (at, shape) in found.into_iter().enumerate() {
        match shape {
            Ok(shape) => shapes.push((at, shape)),
            Err(error) if on_bad == OnBad::Fail => return Err(error),
            Err(error) => bad.push((at, error)),
        }
    }
    Ok((shapes, bad))
}

fn plan<'a>(
    dataset: &Dataset,
    how: &'a Preprocess,
    shapes: &Shapes,
    bad: &Bad,
    notes: &mut Vec<String>,
) -> Result<Plan<'a>> {
    let Some((first, shape)) = shapes.first() else { return Err(none_left(dataset, bad)) };
    let place = |at: usize| dataset.source.place(dataset.index[at]).display().to_string();

    let (height, width) = (shape.height, shape.width);
    if how.size.is_none()
        && let Some((at, other)) = shapes.iter().find(|(_, s)| (s.height, s.width) != (height, width))
    {
        return Err(Error::Data(format!(
            "the images differ in size: {} has {height} x {width} pixels, {} has {} x {}; give a size that all are resized to, as in --size 224",
            place(*first),
            place(*at),
            other.height,
            other.width
        )));
    }
    if how.scale == Scale::None
        && let Some((at, other)) = shapes.iter().find(|(_, s)| s.depth != shape.depth)
    {
        return Err(Error::Data(format!(
            "the images differ in depth: {} has {:?} values, {} has {:?}; unscaled they cannot be compared: scale each by its maximum",
            place(*first),
            shape.depth,
            place(*at),
            other.depth
        )));
    }

    let of = |channels| shapes.iter().filter(move |(_, s)| s.channels == channels);
    let (gray, rgb) = (of(1).count(), of(3).count());
    let channels = match how.color {
        Color::Grayscale => 1,
        Color::Rgb => 3,
        Color::AsIs if rgb >= gray => 3,
        Color::AsIs => 1,
    };
    if how.color == Color::AsIs && gray.min(rgb) > 0 {
        let (few, was, became) =
            if channels == 3 { (1, "gray", "expanded to RGB") } else { (3, "RGB", "made gray") };
        let example = of(few).next().map_or(String::new(), |(at, _)| dataset.name(*at));
        notes.push(format!(
            "{} of {} images are {was} and were {became} as the others are (the first: {example})",
            gray.min(rgb),
            shapes.len()
        ));
    }
    let alpha: Vec<usize> = shapes.iter().filter(|(_, s)| s.alpha).map(|(at, _)| *at).collect();
    if let Some(example) = alpha.first() {
        notes.push(format!(
            "{} images have an alpha channel, which was dropped (the first: {})",
            alpha.len(),
            dataset.name(*example)
        ));
    }
    let more: Vec<usize> = shapes.iter().filter(|(_, s)| s.more).map(|(at, _)| *at).collect();
    if let Some(example) = more.first() {
        notes.push(format!(
            "{} files hold more than one image, of which the first was taken (the first: {})",
            more.len(),
            dataset.name(*example)
        ));
    }
    let (height, width) = how.size.unwrap_or((height, width));
    Ok(Plan { how, height, width, channels })
}

/// An image's row: from the cache, or decoded and handed to `row`.
fn kept_row<T: Value>(
    dataset: &Dataset,
    cached: Option<&Rows<'_>>,
    source: usize,
    shape: &Shape,
    out: &mut [T],
    row: impl Fn(Image<'_>, &mut [T]) -> Result<(), String>,
) -> Result<()> {
    let wrong = |reason| Error::format(dataset.source.place(source), reason);
    let decode = |out: &mut [T]| match dataset.source.image(source)? {
        image if image.shape == *shape => row(image, out).map_err(wrong),
        _ => Err(wrong("changed while it was being read".to_owned())),
    };
    match cached {
        Some(cached) => cached.row(source, out, decode),
        None => decode(out),
    }
}

/// Makes a matrix of all images that can be read.
struct Fill<'a> {
    dataset: &'a Dataset,
    on_bad: OnBad,
    shapes: &'a Shapes,
    /// Values in a row.
    dim: usize,
    progress: &'a (dyn Fn(usize) + Sync),
}

/// A matrix, which images its rows are, and why the others are not there.
struct Filled<T>(T, Vec<usize>, Bad);

impl<T> Filled<T> {
    fn map<U>(self, of: impl FnOnce(T) -> U) -> (U, Vec<usize>, Bad) {
        (of(self.0), self.1, self.2)
    }
}

impl Fill<'_> {
    /// `row` fills the row of a source's image, of this shape.
    fn run<T: Copy + Default + Send>(
        &self,
        row: impl Fn(usize, &Shape, &mut [T]) -> Result<()> + Sync,
    ) -> Result<Filled<Vec<T>>> {
        let Fill { dataset, on_bad, shapes, dim, progress } = *self;
        let mut matrix: Vec<T> = zeros(shapes.len().saturating_mul(dim), "the samples")?;
        // The first image known to be bad: those after it need not be read to fail with the same error.
        let first_bad = AtomicUsize::new(usize::MAX);
        let mut failed: Bad = matrix
            .par_chunks_exact_mut(dim)
            .zip(shapes)
            .filter_map(|(out, (at, shape))| {
                if on_bad == OnBad::Fail && *at > first_bad.load(Ordering::Relaxed) {
                    return None;
                }
                let done = row(dataset.index[*at], shape, out);
                progress(1);
                let error = done.err()?;
                first_bad.fetch_min(*at, Ordering::Relaxed);
                Some((*at, error))
            })
            .collect();
        failed.sort_by_key(|(at, _)| *at);
        if on_bad == OnBad::Fail && !failed.is_empty() {
            return Err(failed.swap_remove(0).1);
        }
        let mut kept = Vec::with_capacity(shapes.len() - failed.len());
        for (from, (at, _)) in shapes.iter().enumerate() {
            if failed.binary_search_by_key(at, |(bad, _)| *bad).is_ok() {
                continue;
            }
            let to = kept.len();
            if from != to {
                matrix.copy_within(from * dim..(from + 1) * dim, to * dim);
            }
            kept.push(*at);
        }
        matrix.truncate(kept.len() * dim);
        Ok(Filled(matrix, kept, failed))
    }
}

impl Plan<'_> {
    /// An image whose size is kept and whose values are 8-bit.
    fn exact_row(&self, image: Image<'_>, row: &mut [u8]) -> Result<(), String> {
        match self.scaled(image)?.values {
            Values::U8(values) => row.copy_from_slice(&values),
            _ => return Err("its values are not 8-bit".into()),
        }
        Ok(())
    }

    /// Any other image.
    fn float_row(&self, image: Image<'_>, row: &mut [f32]) -> Result<(), String> {
        let Image { shape, values } = self.scaled(image)?;
        match values {
            Values::U8(values) => self.resized(&values, shape, row),
            Values::U16(values) => self.resized(&values, shape, row),
            Values::F32(values) => {
                self.resized(&values, shape, row);
                // Finite values near the largest float can overflow on the way.
                if !row.iter().all(|value| value.is_finite()) {
                    return Err("its values overflow when they are resized".into());
                }
            }
        }
        Ok(())
    }

    /// Values as floats, at the plan's size.
    fn resized<T: Copy + Into<f32>>(&self, values: &[T], shape: Shape, row: &mut [f32]) {
        let Plan { height, width, channels, how } = self;
        if (shape.height, shape.width) == (*height, *width) {
            row.iter_mut().zip(values).for_each(|(out, value)| *out = (*value).into());
            return;
        }
        resize_bilinear(values, shape.height, shape.width, *channels, row, *height, *width, how.antialias);
    }

    fn scaled<'a>(&self, image: Image<'a>) -> Result<Image<'a>, String> {
        let Image { shape, values } = self.recoloured(image);
        let values = match self.how.scale {
            Scale::None => match shape.modality {
                Some(modality) => modality.meant(values),
                None => values,
            },
            Scale::Max => {
                let values = match shape.modality {
                    Some(_) => at_least_zero(values),
                    None => values,
                };
                let mut scaled = match values {
                    Values::U8(mut values) => {
                        scale_in_place(values.to_mut());
                        values
                    }
                    Values::U16(values) => {
                        let mut scaled = vec![0; values.len()];
                        scale_by_max_u16(&values, &mut scaled);
                        Cow::Owned(scaled)
                    }
                    Values::F32(values) => {
                        let mut scaled = vec![0; values.len()];
                        scale_by_max_f32(&values, &mut scaled).map_err(|at| {
                            format!(
                                "has the value {} at {}: an image scaled by its maximum has none below 0",
                                values[at],
                                shape.pixel(at)
                            )
                        })?;
                        Cow::Owned(scaled)
                    }
                };
                if shape.modality.is_some_and(|modality| modality.inverted) {
                    scaled.to_mut().iter_mut().for_each(|value| *value = 255 - *value);
                }
                Values::U8(scaled)
            }
        };
        Ok(Image { shape, values })
    }

    /// The image with the plan's channels.
    fn recoloured<'a>(&self, image: Image<'a>) -> Image<'a> {
        let Image { shape, values } = image;
        let values = match (shape.channels, self.channels) {
            (1, 3) => match values {
                Values::U8(values) => Values::U8(Cow::Owned(repeat(&values))),
                Values::U16(values) => Values::U16(Cow::Owned(repeat(&values))),
                Values::F32(values) => Values::F32(Cow::Owned(repeat(&values))),
            },
            (3, 1) => match values {
                Values::U8(values) => {
                    Values::U8(luma(&values, |[r, g, b]| integer_luma([r.into(), g.into(), b.into()]) as u8))
                }
                Values::U16(values) => Values::U16(luma(&values, |[r, g, b]| {
                    integer_luma([r.into(), g.into(), b.into()]) as u16
                })),
                Values::F32(values) => Values::F32(luma(&values, |[r, g, b]| {
                    let [r, g, b] = [f64::from(r), f64::from(g), f64::from(b)];
                    ((19595.0 * r + 38470.0 * g + 7471.0 * b) / 65536.0) as f32
                })),
            },
            _ => values,
        };
        Image { shape: Shape { channels: self.channels, ..shape }, values }
    }
}

/// Stored values of a radiology image below 0 (air, what is outside a scanner's circle) count as 0.
fn at_least_zero(values: Values<'_>) -> Values<'_> {
    match values {
        Values::F32(values) => Values::F32(values.iter().map(|value| value.max(0.0)).collect()),
        unsigned => unsigned,
    }
}

fn repeat<T: Copy>(values: &[T]) -> Vec<T> {
    values.iter().flat_map(|value| [*value; 3]).collect()
}

fn luma<T: Copy>(values: &[T], of: impl Fn([T; 3]) -> T) -> Cow<'static, [T]> {
    values.as_chunks().0.iter().map(|pixel| of(*pixel)).collect()
}

/// Pillow's `L`. The three weights sum to 2^16, so that gray given as RGB comes back as it was.
fn integer_luma([r, g, b]: [u64; 3]) -> u64 {
    (19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16
}

/// The reason alone, without the file's path before it.
fn reason(error: &Error) -> String {
    match error {
        Error::Format { reason, .. } => reason.clone(),
        Error::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

fn none_left(dataset: &Dataset, bad: &Bad) -> Error {
    let first = bad.first().map_or(String::new(), |(_, error)| format!(": {error}"));
    Error::Data(format!("none of the {} images can be read{first}", dataset.len()))
}

/// Zeros, or an error where there is no memory for them.
pub(super) fn zeros<T: Copy + Default>(len: usize, what: &str) -> Result<Vec<T>> {
    let mut room: Vec<T> = Vec::new();
    room.try_reserve_exact(len).map_err(|_| {
        let gib = len as f64 * size_of::<T>() as f64 / f64::from(1 << 30);
        Error::Data(format!(
            "there is no memory for {what}, {gib:.1} GiB: take fewer images of each class, or a smaller size"
        ))
    })?;
    // There is room. Zeros that the system has at hand come without being written one by one, by one thread.
    drop(std::hint::black_box(room));
    Ok(vec![T::default(); len])
}
