//! What loading gives: a matrix of samples, and each row's name and label.

use crate::ops::resize::Embedding;
use crate::{Points, Result};

/// What [`Dataset::load`](super::Dataset::load) gives: `n` samples, images of `height * width * channels` values, with their
/// labels and names.
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
#[non_exhaustive]
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
    /// Notes on how the samples were loaded.
    pub notes: Vec<String>,
    /// The patient id of each sample, where patients are known: see [`Origin`](super::Origin).
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
    pub(super) values: SampleValues,
    pub(super) dim: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum SampleValues {
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
    /// [`Geometry`](crate::ops::resize::Geometry).
    ///
    /// # Errors
    /// None for samples that [`Dataset::load`](super::Dataset::load) made, unless there are more than 2^31 - 1.
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
