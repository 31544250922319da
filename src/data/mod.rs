//! Labelled datasets, of images or of features: the formats they come in, choosing from them, and making
//! samples of them.
//!
//! [`Dataset::open`] finds images and their classes without decoding any; [`Dataset::select`] chooses
//! classes and draws as many images of each; [`Dataset::load`] decodes the chosen ones into one matrix, or takes
//! them from a [`Cache`] of those that it decoded before.
//! [`manifolds`] has samples of known dimension instead of images.
//!
//! ```
//! use sharpdim::data::{Dataset, Preprocess, Selection};
//!
//! // Dataset::open("mnist".as_ref())? reads a folder; this one is generated.
//! let dataset = Dataset::generated(20, 32, 0)?;
//! let few = dataset.select(&Selection { per_class: Some(5), ..Selection::default() })?;
//! let loaded = few.load(&Preprocess::default(), &|_finished| {})?;
//!
//! assert_eq!(loaded.labels.len(), 10);
//! assert_eq!((loaded.height, loaded.width), (224, 224));
//! # Ok::<(), sharpdim::Error>(())
//! ```

mod array;
mod bmp;
mod cache;
mod cifar;
#[cfg(feature = "download")]
pub mod download;
mod folder;
mod generate;
mod idx;
mod image_file;
mod images;
mod jpeg;
mod load;
pub mod manifolds;
mod named;
mod native;
mod npy;
mod npy_header;
mod opened;
mod raster;
mod read;
mod select;
mod source;
mod stored;
pub(crate) mod tensors;

pub use cache::{Cache, CacheSize};
pub use generate::{Domain, Family, GENERATED_LATENTS};
pub use images::Images;
pub use load::{Color, Loaded, OnBad, Preprocess, Samples, Scale};
pub use named::{Named, NamedOptions, Task};
pub use select::Selection;

use crate::ops::resize::Geometry;
use crate::{Error, Result};
use folder::Listing;
use native::mat;
pub use source::Origin;
use source::Source;
use std::fmt;
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
    source: Arc<Source>,
    /// The position in the source of each image.
    index: Vec<usize>,
    labels: Vec<u32>,
    class_names: Vec<String>,
    labelled: bool,
    notes: Vec<String>,
    /// What was found beside the images, and why it is none of them.
    left_out: Arc<[String]>,
    format: &'static str,
    cache: Option<Cache>,
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

/// A part of a dataset that comes in parts. What comes in one part is its training part; an IDX file or a
/// CIFAR-10 batch that is opened by its own path is taken whatever part it is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// What models are trained on.
    #[default]
    Train,
    /// What they are tested on.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Test => "test",
        })
    }
}

/// What a format's reader finds.
struct Found {
    format: &'static str,
    source: Source,
    labels: Vec<u32>,
    class_names: Vec<String>,
    /// Whether there are labels: without them, all is of one class.
    labelled: bool,
    notes: Vec<String>,
    left_out: Vec<String>,
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
    /// Opens the training part of a dataset; its format is told from what is there:
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
    /// [`Error::Io`] where something cannot be read; [`Error::Format`] where a file is cut short, claims
    /// what it does not hold or disagrees with another, or where nothing known is there. A header that
    /// lies costs no memory.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, &OpenOptions::default())
    }

    /// Opens a dataset as [`open`](Dataset::open) does, with options.
    ///
    /// # Errors
    /// As [`open`](Dataset::open); [`Error::Format`] where there is no such part.
    pub fn open_with(path: &Path, options: &OpenOptions) -> Result<Self> {
        let kind = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        let found = match kind.is_dir() {
            true => open_folder(path, options.split)?,
            false => open_file(path, options.split)?,
        };
        Ok(found.into())
    }

    /// A small generated dataset: gray images of `size` x `size` pixels, `per_class` of each of two
    /// classes, in turns. `500, 64, 0` is a good default.
    ///
    /// Each shows a striped ellipse in a fixed ring, drawn from [`GENERATED_LATENTS`] uniform numbers:
    /// its place (two), size, aspect, angle, brightness and the stripes' phase. Class `lesion` has a
    /// bright spot at a fixed place in the ellipse, class `clear` has none.
    ///
    /// # Errors
    /// [`Error::Argument`] where `per_class` is 0 or `size` below 8; [`Error::Data`] where there is no
    /// memory for the images.
    ///
    /// ```
    /// use sharpdim::data::Dataset;
    /// // Eight images of 16 x 16 pixels; the same seed gives the same images.
    /// let dataset = Dataset::generated(4, 16, 7)?;
    /// assert_eq!(dataset.len(), 8);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn generated(per_class: usize, size: usize, seed: u64) -> Result<Self> {
        Ok(generate::plain::generate(per_class, size, seed)?.into())
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

    /// What should be known of how it was opened, as that files were left out.
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
    /// without; where it cannot be written, [`Loaded::notes`] says so. Arrays need no decoding: they get no cache.
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
        select::select(self, selection)
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
        match self.has_origins() {
            true => select::split_patients(self, train, test, seed),
            false => select::split(self, train, test, seed),
        }
    }

    /// As [`split`](Self::split), without an image in common, whosever they are: slices of one patient may be in both parts, as
    /// in the experiments that Konz & Mazurowski published, and a network is then tested on patients that it knows.
    ///
    /// # Errors
    /// As [`split`](Self::split).
    pub fn split_images(&self, train: usize, test: usize, seed: u64) -> Result<(Self, Self)> {
        select::split(self, train, test, seed)
    }

    /// Whether it is known whose images they are.
    pub fn has_origins(&self) -> bool {
        self.source.has_origins()
    }

    /// Whose image it is, where that is known.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Format`] where that is in the image's file, which cannot be read.
    ///
    /// # Panics
    /// Where `at` is not below [`len`](Dataset::len).
    pub fn origin(&self, at: usize) -> Result<Option<Origin>> {
        self.source.origin(self.index[at])
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
        select::balanced(self, count, seed)
    }

    /// Decodes and preprocesses all images, in parallel. `progress` is called from any thread with the
    /// number of images finished since it was last called: all in all, [`len`](Dataset::len).
    ///
    /// Samples are 8-bit where that is exact: where no image is resized, and values are 8-bit or scaled to
    /// 8 bits. Otherwise they are floats. Features are taken as they are, whatever `how` says of images.
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
        load::load(self, how, load::Hold::Embeddings, progress)
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
        load::load(self, how, load::Hold::Pixels, progress)
    }

    /// How [`load`](Self::load) would embed these images, if it would. No image is decoded. Two datasets have distances
    /// between them where this is the same; otherwise both are to be loaded with [`load_pixels`](Self::load_pixels).
    ///
    /// # Errors
    /// As [`load`](Self::load), for what is seen without decoding.
    ///
    /// ```
    /// use sharpdim::data::{Dataset, Preprocess};
    /// let [small, large] = [16, 20].map(|size| Dataset::generated(2, size, 0));
    /// let how = Preprocess::default();
    /// assert!(small?.embedding(&how)? != large?.embedding(&how)?);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn embedding(&self, how: &Preprocess) -> Result<Option<Geometry>> {
        load::geometry(self, how)
    }
}

fn open_folder(folder: &Path, split: Split) -> Result<Found> {
    let listing = Listing::of(folder)?;
    let names: Vec<&str> = listing.files.iter().chain(&listing.folders).map(String::as_str).collect();
    let has = |kind: fn(&str) -> bool| names.iter().any(|name| kind(name));
    if has(idx::is_images) {
        return idx::open_folder(folder, &names, split);
    }
    if has(cifar::is_batch) {
        return cifar::open_folder(folder, &names, split);
    }
    if has(mat::is_part) {
        return mat::open_folder(folder, &names, split);
    }
    let only_part = || match split {
        Split::Train => Ok(()),
        Split::Test => Err(Error::format(folder, "has one part only: there is no test part in it")),
    };
    if let Some(file) = npy::only_file(folder, &names)? {
        only_part()?;
        return npy::open_file(&file);
    }
    if let Some(part) = part_of(folder, &listing, split)? {
        return open_folder(&folder.join(part), Split::Train);
    }
    match listing.folders.as_slice() {
        [] if listing.files.is_empty() => Err(Error::format(folder, "is an empty folder")),
        [] => match tensors::only_file(folder, &listing.files)? {
            Some(file) => tensors::open_file(&file, split),
            None => Err(nothing_known(folder, &listing)),
        },
        [only] if holds_dataset(&folder.join(only))? => open_folder(&folder.join(only), split),
        _ => {
            only_part()?;
            folder::open(folder, &listing)
        }
    }
}

/// The subfolder that is the part asked for, where a folder's subfolders are parts rather than classes:
/// all have the names of parts, and `train` holds folders.
fn part_of<'a>(folder: &Path, listing: &'a Listing, split: Split) -> Result<Option<&'a str>> {
    let parts = ["train", "test", "val", "valid", "validation"];
    let all_parts = listing.folders.iter().all(|name| parts.contains(&name.as_str()));
    let holds_folders = |name: &str| -> Result<bool> {
        let there = listing.folders.iter().any(|folder| folder == name);
        Ok(there && !Listing::of(&folder.join(name))?.folders.is_empty())
    };
    if !all_parts || !holds_folders("train")? {
        return Ok(None);
    }
    let wanted = match split {
        Split::Train => &parts[..1],
        Split::Test => &parts[1..],
    };
    for part in wanted {
        if holds_folders(part)? {
            return Ok(Some(part));
        }
    }
    Err(Error::format(folder, "has no test part: no folder test or val with class folders in it"))
}

/// Whether a folder is a dataset itself, rather than a class of images.
fn holds_dataset(folder: &Path) -> Result<bool> {
    let listing = Listing::of(folder)?;
    let packed = |name: &String| {
        let array = npy::FILES.contains(&name.as_str()) || tensors::is_tensors(name);
        idx::is_images(name) || cifar::is_batch(name) || mat::is_part(name) || array
    };
    let images = listing.files.iter().any(|name| folder::is_image(name));
    Ok(listing.files.iter().any(packed) || (!images && !listing.folders.is_empty()))
}

fn nothing_known(folder: &Path, listing: &Listing) -> Error {
    let images = listing.files.iter().filter(|name| folder::is_image(name)).count();
    let reason = match images {
        0 => format!(
            "holds no dataset that is known here (the first of its {} files: {}): expected IDX files, CIFAR-10 batches, train_32x32.mat, images.npy or features.npy and labels.npy, a safetensors file, or a folder of images for each class",
            listing.files.len(),
            listing.files[0]
        ),
        _ => format!("holds {images} images, but no class folders: put those of each class in a folder"),
    };
    Error::format(folder, reason)
}

fn open_file(path: &Path, split: Split) -> Result<Found> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if cifar::is_binary(&name) {
        return cifar::open_file(path);
    }
    if tensors::is_tensors(&name) {
        return tensors::open_file(path, split);
    }
    if mat::is_matlab(&name) {
        return mat::open_file_of(path);
    }
    let start = read::Stream::open(path)?.up_to(132)?;
    match start.as_slice() {
        start if image_file::is_image(start) => {
            Err(Error::format(path, "is a single image: open the folder that holds the class folders"))
        }
        [] => Err(Error::format(path, "is empty")),
        [0, 0, _, 1, ..] => Err(Error::format(path, "holds labels: open the file of images beside it")),
        [0, 0, ..] => idx::open_file(path),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => npy::open_file(path),
        [b'P', b'K', ..] => npy::open_archive(path, split),
        _ => Err(Error::format(
            path,
            "is no dataset that is known here: expected an IDX file, a CIFAR-10 batch (.bin), a .npy, .npz or .safetensors file, or SVHN's .mat",
        )),
    }
}

/// Labels that are numbers: each distinct one is a class, in their order, named as it is written.
fn numbered(values: &[i64]) -> (Vec<u32>, Vec<String>) {
    let mut distinct = values.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let labels = values.iter().map(|value| distinct.partition_point(|known| known < value) as u32).collect();
    (labels, distinct.iter().map(i64::to_string).collect())
}
