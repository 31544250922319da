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
mod buffer;
mod cache;
mod codecs;
mod dataset;
#[cfg(feature = "download")]
pub mod download;
mod folder;
mod formats;
mod found;
mod generate;
mod image;
mod image_file;
mod images;
mod load;
pub mod manifolds;
mod multi_frame;
mod named;
mod preprocess;
mod samples;
mod select;
mod source;
mod stream;

pub use cache::{Cache, CacheSize};
pub(crate) use codecs::tensors;
pub use dataset::{Dataset, OpenOptions};
pub use found::Split;
pub use generate::{Domain, Family, GENERATED_LATENTS};
pub use images::Images;
pub use named::{Named, NamedOptions, Task};
pub use preprocess::{Color, OnBad, Preprocess, Scale};
pub use samples::{Loaded, Samples};
pub use select::Selection;
pub use source::Origin;
