//! Images as networks take them: 8 bits a value, all of one size, each with its class.

use super::samples::Loaded;
use crate::{Error, Result, Values};
use rayon::prelude::*;

/// Images (n, h, w, c) of 8-bit values, and the class of each.
///
/// ```
/// use sharpdim::data::{Dataset, Images, Preprocess};
/// let how = Preprocess { size: Some((20, 24)), ..Preprocess::default() };
/// let images = Images::new(Dataset::generated(3, 16, 0)?.load_pixels(&how, &|_finished| {})?)?;
/// assert_eq!((images.len(), images.shape()), (6, [20, 24, 1]));
/// assert_eq!(images.pixels().len(), 6 * 20 * 24);
/// assert_eq!(images.class_names(), ["clear", "lesion"]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    pixels: Vec<u8>,
    labels: Vec<u32>,
    class_names: Vec<String>,
    shape: [usize; 3],
}

impl Images {
    /// Loaded images, values that are no integers rounded to the nearest: resizing leaves such.
    ///
    /// # Errors
    /// [`Error::Data`] for features, which are no images, for embeddings, which are no pixels
    /// ([`Dataset::load_pixels`](super::Dataset::load_pixels) gives such), and for a value that does not round to 0..=255,
    /// by image.
    pub fn new(loaded: Loaded) -> Result<Self> {
        let Loaded { samples, labels, class_names, names, height, width, channels, features, .. } = loaded;
        if features {
            return Err(Error::Data(
                "these samples are features: networks take images (N, H, W) or (N, H, W, C)".into(),
            ));
        }
        if let Some(embedding) = samples.embedding() {
            return Err(Error::Data(format!(
                "these samples are embeddings of {}: networks take pixels, which Dataset::load_pixels gives",
                embedding.geometry()
            )));
        }
        let pixels = match samples.points()?.values() {
            Values::U8(values) => values.to_vec(),
            Values::F32(values) => {
                // NaN fails both.
                let fits = |value: &f32| (-0.5..255.5).contains(value);
                if let Some(at) = values.par_iter().position_first(|value| !fits(value)) {
                    let name = &names[at / samples.dim()];
                    return Err(Error::Data(format!(
                        "{name} has the value {}: images for networks have values from 0 to 255; scale each by \
                         its maximum",
                        values[at]
                    )));
                }
                values.par_iter().map(|value| value.round_ties_even() as u8).collect()
            }
            _ => return Err(Error::Data("samples of 16- or 64-bit floats are no images".into())),
        };
        Ok(Images { pixels, labels, class_names, shape: [height, width, channels] })
    }

    /// How many there are.
    #[allow(clippy::len_without_is_empty, reason = "a dataset without images cannot be loaded")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Height, width and channels of an image.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// All values (n, h, w, c).
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The class of each image.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The names of the classes.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }
}
