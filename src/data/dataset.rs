//! A dataset: where its samples are, their classes and their patients. Selecting from it and loading it are elsewhere.

use super::cache::Cache;
use super::formats;
use super::found::{Found, Split};
use super::source::{Origin, Source};
use crate::Result;
use std::path::Path;
use std::sync::Arc;

/// A labelled dataset: where its images or features are, and which class each is of.
///
/// Images in class folders are decoded by [`load`](Dataset::load) alone. A `.npy` or a safetensors file is
/// mapped: it may be larger than memory, and only the rows that are loaded are read; it must not be written
/// to meanwhile. What IDX, CIFAR-10 and `.npz` files hold is kept in memory as it is stored. A clone or a
/// selection shares all this.
///
/// ```
/// use sharpdim::data::Dataset;
/// let dataset = Dataset::generated(3, 32, 0)?;
/// assert_eq!((dataset.len(), dataset.format(), dataset.is_labelled()), (6, "generated", true));
/// assert_eq!(dataset.class_names(), ["clear", "lesion"]);
/// assert_eq!(dataset.labels(), [0, 1, 0, 1, 0, 1]);
/// assert_eq!(dataset.class_counts(), [3, 3]);
/// assert_eq!(dataset.name(5), "generated#5");
/// assert!(dataset.notes().is_empty());
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dataset {
    pub(super) source: Arc<Source>,
    /// The position in the source of each image.
    pub(super) index: Vec<usize>,
    pub(super) labels: Vec<u32>,
    pub(super) class_names: Vec<String>,
    pub(super) labelled: bool,
    pub(super) notes: Vec<String>,
    /// Files and labels that were left out, and why.
    pub(super) left_out: Arc<[String]>,
    pub(super) format: &'static str,
    pub(super) cache: Option<Cache>,
}

/// How to open a dataset.
///
/// ```
/// use sharpdim::data::{Dataset, OpenOptions, Split};
/// let folder = tempfile::tempdir().unwrap();
/// let of_test = OpenOptions { split: Split::Test };
/// let refused = Dataset::open_with(folder.path(), &of_test).unwrap_err();
/// assert!(refused.to_string().ends_with("is an empty folder"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Which part of it.
    pub split: Split,
}

impl From<Found> for Dataset {
    fn from(found: Found) -> Self {
        Dataset {
            source: Arc::new(found.source),
            index: (0..found.labels.len()).collect(),
            labels: found.labels,
            class_names: found.class_names,
            labelled: found.labelled,
            notes: found.notes,
            left_out: found.left_out.into(),
            format: found.format,
            cache: None,
        }
    }
}

impl Dataset {
    /// Opens the training part of a dataset; its format is recognised by its files:
    ///
    /// - a folder with IDX files, as MNIST's: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`
    ///   (`t10k-...` for the test part), gzipped or not; the classes are the label numbers;
    /// - a folder with CIFAR-10 batches: `data_batch_1.bin` .. `data_batch_5.bin`, `test_batch.bin`,
    ///   gzipped or not; classes are named by `batches.meta.txt`, or as CIFAR-10's are;
    /// - a folder with SVHN's `train_32x32.mat` (`test_32x32.mat` for the test part), MATLAB 5 files; the classes
    ///   are the digits, 0 being labelled 10 in them;
    /// - a folder with `images.npy`, (N, H, W) or (N, H, W, C), C being 1 or 3, and `labels.npy`, (N,) of
    ///   integers, which are the classes;
    /// - a folder with `features.npy`, (N, D), and `labels.npy`; without labels, all is one class, `all`;
    /// - a folder with a folder for each class, PNG, JPEG, TIFF, BMP, WebP or DICOM files of 8 or 16 bits
    ///   anywhere in it; with such a folder in `train` and one in `test` (or `val`), it has these parts.
    ///   Alpha channels are dropped, palettes expanded, of a file of several images the first is taken;
    /// - a folder with one safetensors file, or that file: the tensors `images` or `features` (or any name,
    ///   where there is just one tensor of two dimensions), and `labels`, as above; or `train_images`,
    ///   `test_labels` and so on for its parts;
    /// - one `.npz` file of such arrays, one `.npy` file of images or features, one IDX file of images,
    ///   one CIFAR-10 batch, one of SVHN's files. Features that are not called so have their labels in `labels.npy`.
    ///
    /// An array of two dimensions is features, whatever it is called, and none of images' preprocessing is
    /// done to it. Values of arrays are uint8, uint16, float16, float32 or float64, and bfloat16 in
    /// safetensors; 8-bit ones stay so, all others become 32-bit floats when they are loaded.
    ///
    /// A folder that holds nothing but one folder of one of these kinds is that folder.
    ///
    /// ```
    /// use sharpdim::data::{Dataset, Preprocess};
    ///
    /// // Two rows of two float32 features, as numpy.save writes them; no labels.
    /// let folder = tempfile::tempdir()?;
    /// let header = format!("{:<117}\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}");
    /// let values = [1.0f32, 2.0, 3.0, 4.0].map(f32::to_le_bytes).concat();
    /// let file = [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), &values].concat();
    /// std::fs::write(folder.path().join("features.npy"), file)?;
    ///
    /// let dataset = Dataset::open(folder.path())?;
    /// assert_eq!((dataset.len(), dataset.class_names()), (2, &["all".to_owned()][..]));
    /// assert!(!dataset.is_labelled());
    /// let loaded = dataset.load(&Preprocess::default(), &|_finished| {})?;
    /// assert!(loaded.features && loaded.samples.dim() == 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where something cannot be read; [`Error::Format`](crate::Error::Format) where a
    /// file is cut short, claims what it does not hold or disagrees with another, where no format is recognised, or
    /// two are. A wrong header costs no memory.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, &OpenOptions::default())
    }

    /// Opens a dataset as [`open`](Dataset::open) does, with options.
    ///
    /// # Errors
    /// As [`open`](Dataset::open); [`Error::Format`](crate::Error::Format) where there is no such part.
    pub fn open_with(path: &Path, options: &OpenOptions) -> Result<Self> {
        Ok(formats::open(path, options.split)?.into())
    }

    /// The number of images: at least 1.
    #[allow(clippy::len_without_is_empty, reason = "a dataset without images cannot be made")]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// What it is stored as: `IDX`, `CIFAR-10`, `SVHN`, `NPY`, `NPZ`, `safetensors`, `image folder` or `generated`.
    pub fn format(&self) -> &'static str {
        self.format
    }

    /// Whether it came with labels. Without them, which only features may be, all samples are of one class
    /// called `all`, and label sharpness has nothing to compare.
    pub fn is_labelled(&self) -> bool {
        self.labelled
    }

    /// The names of the classes: label `l` is of class `class_names()[l]`.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// The class of each image.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The number of images of each class.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.class_names.len()];
        self.labels.iter().for_each(|label| counts[*label as usize] += 1);
        counts
    }

    /// The name of an image: its path in the folder, or its file's name and its number in it, as
    /// `train-images-idx3-ubyte.gz#17`.
    ///
    /// # Panics
    /// Where `at` is not below [`len`](Dataset::len).
    pub fn name(&self, at: usize) -> String {
        self.source.name(self.index[at])
    }

    /// Notes on how it was opened, such as files that were left out.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What has a label and no image, or an image and no label, in the dataset's folder: a line for each. [`notes`](Self::notes) count
    /// them.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The same dataset, whose [`load`](Dataset::load) takes images from a cache where they are in it, and puts
    /// those there that it decodes. Selections of it do so too. Samples are the same to the bit, with a cache or
    /// without; where it cannot be written, [`Loaded::notes`](super::Loaded::notes) says so. Arrays need no decoding: they
    /// get no cache.
    ///
    /// ```
    /// use sharpdim::data::{Cache, Dataset};
    /// let generated = Dataset::generated(3, 16, 0)?.with_cache(Cache::at("some/folder"));
    /// assert_eq!(generated.cache(), None);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn with_cache(self, cache: Cache) -> Self {
        let cache = matches!(*self.source, Source::Files(_)).then_some(cache);
        Dataset { cache, ..self }
    }

    /// The cache that its images are taken from, where it has one.
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// Whether the images' patients are known.
    pub fn has_origins(&self) -> bool {
        self.source.has_origins()
    }

    /// The patient, study and slice of an image, where known.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) and [`Error::Format`](crate::Error::Format) where that is in the image's file,
    /// which cannot be read.
    ///
    /// # Panics
    /// Where `at` is not below [`len`](Dataset::len).
    pub fn origin(&self, at: usize) -> Result<Option<Origin>> {
        self.source.origin(self.index[at])
    }
}
