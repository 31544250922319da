//! From a dataset's images to one matrix of samples: decode, recolour, scale, resize or embed, each image straight
//! into its row, or from a cache of such rows. Memory is the matrix and one image a thread.

use super::buffer::zeros;
use super::cache::{Rows, Value};
use super::dataset::Dataset;
use super::image::{Depth, Image, Shape};
use super::preprocess::{Color, Conversion, FEATURES, OnBad, Preprocess, Scale};
use super::samples::{Loaded, SampleValues, Samples};
use super::source::Origin;
use crate::ops::resize::{Embedding, Geometry};
use crate::{Error, Result};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

impl Dataset {
    /// Decodes and preprocesses all images, in parallel. `progress` is called from any thread with the
    /// number of images finished since it was last called: all in all, [`len`](Dataset::len).
    ///
    /// Samples are 8-bit where that is exact: where no image is resized, and values are 8-bit or scaled to
    /// 8 bits. Otherwise they are floats. Features are taken as they are: `how` is for images.
    ///
    /// Where all images are of one size and resizing would give them more pixels, samples are
    /// [embeddings](Samples::embedding): fewer numbers, with the distances of the resized images. What reads distances
    /// needs nothing else; [`load_pixels`](Self::load_pixels) is for what reads pixels.
    ///
    /// # Errors
    /// [`Error::Format`] or [`Error::Io`] for the first image that cannot be read, with [`OnBad::Fail`];
    /// [`Error::Data`] where none can be read, where sizes or depths that must be alike are not, or where
    /// there is no memory; [`Error::Argument`] for a size of 0.
    ///
    /// ```
    /// use sharpdim::data::{Dataset, Preprocess};
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// let finished = AtomicUsize::new(0);
    /// let count = |images| {
    ///     finished.fetch_add(images, Ordering::Relaxed);
    /// };
    /// let loaded = Dataset::generated(2, 16, 0)?.load(&Preprocess { size: Some((24, 20)), ..Preprocess::default() }, &count)?;
    /// assert_eq!((loaded.height, loaded.width, loaded.channels), (24, 20, 1));
    /// assert_eq!(finished.into_inner(), 4);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn load(&self, how: &Preprocess, progress: &(dyn Fn(usize) + Sync)) -> Result<Loaded> {
        load(self, how, Hold::Embeddings, progress)
    }

    /// As [`load`](Self::load), but samples are always pixels: as networks take them, and for distances to images of
    /// another size.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    ///
    /// ```
    /// use sharpdim::data::{Dataset, Preprocess};
    /// let loaded = Dataset::generated(2, 16, 0)?.load_pixels(&Preprocess::default(), &|_finished| {})?;
    /// assert_eq!((loaded.samples.dim(), loaded.dim()), (224 * 224, 224 * 224));
    /// assert!(loaded.samples.embedding().is_none());
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn load_pixels(&self, how: &Preprocess, progress: &(dyn Fn(usize) + Sync)) -> Result<Loaded> {
        load(self, how, Hold::Pixels, progress)
    }

    /// How [`load`](Self::load) would embed these images, if it would. No image is decoded. Two datasets have distances
    /// between them where this is the same; otherwise both are to be loaded with [`load_pixels`](Self::load_pixels).
    ///
    /// # Errors
    /// As [`load`](Self::load), as far as headers show them.
    ///
    /// ```
    /// use sharpdim::data::{Dataset, Preprocess};
    /// let [small, large] = [16, 20].map(|size| Dataset::generated(2, size, 0));
    /// let how = Preprocess::default();
    /// assert!(small?.embedding(&how)? != large?.embedding(&how)?);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn embedding(&self, how: &Preprocess) -> Result<Option<Geometry>> {
        geometry(self, how)
    }
}

/// How enlarged images are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
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
fn embedding(conversion: &Conversion<'_>, shapes: &Shapes) -> Option<Embedding> {
    let (_, Shape { height, width, .. }) = shapes.first()?;
    let from = [*height, *width];
    let alike = shapes.iter().all(|(_, shape)| [shape.height, shape.width] == from);
    let (to, antialias) = ([conversion.height, conversion.width], conversion.how.antialias);
    alike.then(|| Embedding::new(Geometry { from, to, channels: conversion.channels, antialias }))?
}

fn geometry(dataset: &Dataset, how: &Preprocess) -> Result<Option<Geometry>> {
    let how = asked(dataset, how)?;
    let (shapes, bad) = shapes(dataset, how.on_bad)?;
    let conversion = conversion(dataset, &how, &shapes, &bad, &mut Vec::new())?;
    Ok(embedding(&conversion, &shapes).map(|embedding| embedding.geometry()))
}

fn load(
    dataset: &Dataset,
    how: &Preprocess,
    hold: Hold,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Loaded> {
    let how = &asked(dataset, how)?;
    let (shapes, mut bad) = shapes(dataset, how.on_bad)?;
    progress(bad.len());
    let mut notes = dataset.notes.clone();
    let conversion = conversion(dataset, how, &shapes, &bad, &mut notes)?;
    let embedding = match hold {
        Hold::Embeddings => embedding(&conversion, &shapes),
        Hold::Pixels => None,
    };
    // What is kept of an image, in the cache too: as it is embedded it has its own size.
    let kept = match &embedding {
        Some(embedding) => {
            let [height, width] = embedding.geometry().from;
            Conversion { height, width, ..conversion }
        }
        None => conversion,
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

/// A number for each patient, in order of first appearance.
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
        // An unknown patient gets an id of its own.
        None => next.next().unwrap_or(u32::MAX),
    };
    Ok(Some(origins.into_iter().map(number).collect()))
}

type Shapes = Vec<(usize, Shape)>;
type Bad = Vec<(usize, Error)>;

/// The shape of each image, from its header: the common shape is settled before any image is decoded.
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

fn conversion<'a>(
    dataset: &Dataset,
    how: &'a Preprocess,
    shapes: &Shapes,
    bad: &Bad,
    notes: &mut Vec<String>,
) -> Result<Conversion<'a>> {
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

    let with_channels = |channels| shapes.iter().filter(move |(_, s)| s.channels == channels);
    let (gray, rgb) = (with_channels(1).count(), with_channels(3).count());
    let channels = match how.color {
        Color::Grayscale => 1,
        Color::Rgb => 3,
        Color::AsIs if rgb >= gray => 3,
        Color::AsIs => 1,
    };
    if how.color == Color::AsIs && gray.min(rgb) > 0 {
        let (few, was, became) =
            if channels == 3 { (1, "gray", "expanded to RGB") } else { (3, "RGB", "made gray") };
        let example = with_channels(few).next().map_or(String::new(), |(at, _)| dataset.name(*at));
        notes.push(format!(
            "{} of {} images are {was} and were {became}, as the others are (the first: {example})",
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
    Ok(Conversion { how, height, width, channels })
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

/// A matrix, which image each row is, and why the others failed.
struct Filled<T>(T, Vec<usize>, Bad);

impl<T> Filled<T> {
    fn map<U>(self, convert: impl FnOnce(T) -> U) -> (U, Vec<usize>, Bad) {
        (convert(self.0), self.1, self.2)
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

/// The reason without the file's path.
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
