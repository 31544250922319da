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

// From below, each knowing only those before it:
// - `image` is a decoded image, `buffer` typed values in memory or in a mapped file, `stream` reads files, `folder` lists them;
// - `codecs` decode the bytes of a file, `image_file` any kind of image, `multi_frame` files of many images;
// - `source` is where a dataset's images are, `found` a source with labels, `formats` what a path is found to be;
// - `preprocess` makes a sample of an image, `cache` keeps such samples;
// - `dataset` is what users open; `named` opens it by name, `generate` draws one; `select` chooses from it;
// - `load` decodes it into `samples`, of which `images` are made for networks.
#[cfg(feature = "datasets")]
mod buffer;
#[cfg(feature = "datasets")]
mod cache;
#[cfg(feature = "datasets")]
mod codecs;
#[cfg(feature = "datasets")]
mod dataset;
#[cfg(feature = "download")]
pub mod download;
#[cfg(feature = "datasets")]
mod folder;
#[cfg(feature = "datasets")]
mod formats;
#[cfg(feature = "datasets")]
mod found;
#[cfg(feature = "datasets")]
mod generate;
#[cfg(feature = "datasets")]
mod image;
#[cfg(feature = "datasets")]
mod image_file;
#[cfg(feature = "datasets")]
mod images;
#[cfg(feature = "datasets")]
mod load;
pub mod manifolds;
#[cfg(feature = "datasets")]
mod multi_frame;
#[cfg(feature = "datasets")]
mod named;
#[cfg(feature = "datasets")]
mod preprocess;
#[cfg(feature = "datasets")]
mod samples;
#[cfg(feature = "datasets")]
mod select;
#[cfg(feature = "datasets")]
mod source;
#[cfg(feature = "datasets")]
mod stream;

#[cfg(feature = "datasets")]
pub use cache::{Cache, CacheSize};
#[cfg(feature = "networks")]
pub(crate) use codecs::tensors;
#[cfg(feature = "datasets")]
pub use dataset::{Dataset, OpenOptions};
#[cfg(feature = "datasets")]
pub use found::Split;
#[cfg(feature = "datasets")]
pub use generate::{Domain, Family, GENERATED_LATENTS};
#[cfg(feature = "datasets")]
pub use images::Images;
#[cfg(feature = "datasets")]
pub use named::{Named, NamedOptions, Task};
#[cfg(feature = "datasets")]
pub use preprocess::{Color, OnBad, Preprocess, Scale};
#[cfg(feature = "datasets")]
pub use samples::{Loaded, Samples};
#[cfg(feature = "datasets")]
pub use select::Selection;
#[cfg(feature = "datasets")]
pub use source::Origin;
