//! The families of generated images: what is common to all images of one, whatever their latents.

use super::{objects, radiology};
use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// What the images of a [`Domain`](super::Domain) look like.
///
/// ```
/// use sharpdim::data::Family;
/// assert_eq!("radiology".parse::<Family>()?, Family::Radiology);
/// assert_eq!(Family::Objects.to_string(), "objects");
/// assert_eq!((Family::Objects.channels(), Family::Radiology.channels()), (3, 1));
/// assert_eq!(Family::Radiology.class_names(), ["clear", "lesion"]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// `objects`: RGB; one shaded, coloured thing before a backdrop, within a white margin. A `pebble` is round, a
    /// `pyramid`, from above, has corners and four faces: classes differ in the whole of the thing.
    Objects,
    /// `radiology`: gray; a slice of a head: skull, tissue, an inner organ with two dark ventricles. An image of class
    /// `lesion` has a small bright spot with a dark rim in the organ, one of class `clear` has none.
    Radiology,
}

impl Family {
    /// All of them.
    pub const ALL: [Family; 2] = [Family::Objects, Family::Radiology];

    /// Its name, as it is printed and read.
    pub fn name(self) -> &'static str {
        match self {
            Family::Objects => "objects",
            Family::Radiology => "radiology",
        }
    }

    /// Values in a pixel.
    pub fn channels(self) -> usize {
        match self {
            Family::Objects => 3,
            Family::Radiology => 1,
        }
    }

    /// The names of classes 0 and 1.
    pub fn class_names(self) -> [&'static str; 2] {
        match self {
            Family::Objects => ["pebble", "pyramid"],
            Family::Radiology => ["clear", "lesion"],
        }
    }

    /// How far apart two images of one class are: the root mean square, over values and about over pairs, of their
    /// difference, in gray levels (of 255). It is the same for any number of latents, as each moves an image by less
    /// where there are more of them.
    ///
    /// ```
    /// use sharpdim::data::Family;
    /// // Slices of heads are more alike than photographs of objects.
    /// assert!(2.0 * Family::Radiology.spread() < Family::Objects.spread());
    /// ```
    pub fn spread(self) -> f64 {
        match self {
            Family::Objects => objects::SPREAD,
            Family::Radiology => radiology::SPREAD,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Family {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Family::ALL.into_iter().find(|family| family.name() == name).ok_or_else(|| {
            let names = Family::ALL.map(Family::name).join(", ");
            Error::Argument(format!("no family of images is called {name:?}: there are {names}"))
        })
    }
}
