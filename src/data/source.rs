//! Where a dataset's samples come from: arrays (IDX, CIFAR-10, NPY, safetensors, generated) or image files.
//! Both answer the same two questions: what shape image `i` has, and what its pixels are.

use super::image_file;
use super::stored::{Bad, Stored};
use crate::{Error, Result};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The images behind a dataset, in the order in which they were found.
#[derive(Debug)]
pub(super) enum Source {
    Packed(Packed),
    Files(Files),
}

/// Images of one shape in one array, row-major, channels last; or features, as images of one row.
#[derive(Debug)]
pub(super) struct Packed {
    pub pixels: Stored,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    /// Whether samples are rows of a matrix, and no images.
    pub features: bool,
    /// The files that the images came from, in order, and how many each gave.
    pub parts: Vec<(PathBuf, usize)>,
}

/// One image file each, as `<class>/<file>` under a root.
#[derive(Debug)]
pub(super) struct Files {
    pub root: PathBuf,
    pub relative: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    U8,
    U16,
    F32,
}

/// What can be known of an image from its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub height: usize,
    pub width: usize,
    /// 1 (gray) or 3 (RGB); an alpha channel is not counted.
    pub channels: usize,
    pub depth: Depth,
    /// Whether the file has an alpha channel, which is dropped.
    pub alpha: bool,
    /// Whether the file holds further images, which are left.
    pub more: bool,
}

/// A decoded image: `height * width * channels` values, row-major, channels last.
#[derive(Debug)]
pub(super) struct Image<'a> {
    pub shape: Shape,
    pub values: Values<'a>,
}

#[derive(Debug)]
pub(super) enum Values<'a> {
    U8(Cow<'a, [u8]>),
    U16(Cow<'a, [u16]>),
    F32(Cow<'a, [f32]>),
}

impl Source {
    /// Whether samples are rows of features, which no image preprocessing is for.
    pub fn features(&self) -> bool {
        matches!(self, Source::Packed(packed) if packed.features)
    }

    /// A short name for image `at`: `cat/001.png`, or `train-images-idx3-ubyte.gz#17`.
    pub fn name(&self, at: usize) -> String {
        match self {
            Source::Files(files) => files.relative[at].display().to_string(),
            Source::Packed(packed) => {
                let (path, within) = packed.part(at);
                let file = path.file_name().unwrap_or(path.as_os_str());
                format!("{}#{within}", file.display())
            }
        }
    }

    /// Where image `at` is, for an error: its file, with `#17` after it in a file of many images.
    pub fn place(&self, at: usize) -> PathBuf {
        match self {
            Source::Files(files) => files.root.join(&files.relative[at]),
            Source::Packed(packed) => {
                let (path, within) = packed.part(at);
                let mut place = path.as_os_str().to_owned();
                place.push(format!("#{within}"));
                place.into()
            }
        }
    }

    /// The file that image `at` is decoded from, and its number in there; `None` where no file need be decoded.
    pub fn decoded_from(&self, at: usize) -> Option<(PathBuf, u64)> {
        match self {
            Source::Files(_) => Some((self.place(at), 0)),
            Source::Packed(_) => None,
        }
    }

    pub fn shape(&self, at: usize) -> Result<Shape> {
        match self {
            Source::Files(_) => image_file::shape(&self.place(at)),
            Source::Packed(packed) => Ok(packed.shape()),
        }
    }

    pub fn image(&self, at: usize) -> Result<Image<'_>> {
        match self {
            Source::Files(_) => image_file::decode(&self.place(at)),
            Source::Packed(packed) => packed.image(at).map_err(|bad| self.unusable(at, bad)),
        }
    }

    /// Why sample `at` of arrays cannot be taken, in the words of its file.
    fn unusable(&self, at: usize, bad: Bad) -> Error {
        let place = self.place(at);
        let (position, value) = match bad {
            Bad::Io(error) => return Error::io(place, error),
            Bad::Shrunk => {
                return Error::format(place, "is gone: its file was cut short after it was opened");
            }
            Bad::Value(position, value) => (position, value),
        };
        let at_what = match self {
            Source::Packed(packed) if packed.features => {
                format!("row {}, column {position}", packed.part(at).1)
            }
            Source::Packed(packed) => packed.shape().pixel(position),
            Source::Files(_) => format!("position {position}"),
        };
        let rule = match value.is_finite() {
            true => "more than a 32-bit float can hold",
            false => "every value must be finite",
        };
        Error::format(place, format!("has the value {value:?} at {at_what}: {rule}"))
    }
}

impl Shape {
    /// The pixel that the value at a position is in: `row 1, column 2`.
    pub fn pixel(&self, position: usize) -> String {
        let pixel = position / self.channels;
        format!("row {}, column {}", pixel / self.width, pixel % self.width)
    }
}

impl Packed {
    fn shape(&self) -> Shape {
        let Packed { height, width, channels, .. } = *self;
        Shape { height, width, channels, depth: self.pixels.number.depth(), alpha: false, more: false }
    }

    fn image(&self, at: usize) -> Result<Image<'_>, Bad> {
        let len = self.height * self.width * self.channels;
        Ok(Image { shape: self.shape(), values: self.pixels.values(at * len..(at + 1) * len)? })
    }

    /// The file that image `at` is in, and its number there.
    fn part(&self, at: usize) -> (&Path, usize) {
        let mut within = at;
        for (path, count) in &self.parts {
            if within < *count {
                return (path, within);
            }
            within -= count;
        }
        (Path::new("images"), at)
    }
}

/// Bytes in `count` images of `height x width x channels` values of `bytes` each.
///
/// # Errors
/// Where an extent is 0, or the product is more than an address can be.
pub(super) fn images_len(
    path: &Path,
    count: usize,
    [height, width, channels]: [usize; 3],
    bytes: usize,
) -> Result<usize> {
    if count == 0 {
        return Err(Error::format(path, "holds no images"));
    }
    if height == 0 || width == 0 {
        return Err(Error::format(
            path,
            format!("claims images of {height} x {width} pixels: both must be at least 1"),
        ));
    }
    [height, width, channels, bytes]
        .iter()
        .try_fold(count, |len, extent| len.checked_mul(*extent))
        .filter(|len| isize::try_from(*len).is_ok())
        .ok_or_else(|| {
            Error::format(
                path,
                format!(
                    "claims {count} images of {height} x {width} x {channels}: more than memory can address"
                ),
            )
        })
}
