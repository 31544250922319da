//! Where a dataset's images come from: arrays in memory (IDX, CIFAR-10, NPY, generated) or image files.
//! Both answer the same two questions: what shape image `i` has, and what its pixels are.

use super::image_file;
use crate::{Error, Result};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The images behind a dataset, in the order in which they were found.
#[derive(Debug)]
pub(super) enum Source {
    Packed(Packed),
    Files(Files),
}

/// Images of one shape in one array, row-major, channels last.
#[derive(Debug)]
pub(super) struct Packed {
    pub pixels: Pixels,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    /// The files that the images came from, in order, and how many each gave.
    pub parts: Vec<(PathBuf, usize)>,
}

/// One image file each, as `<class>/<file>` under a root.
#[derive(Debug)]
pub(super) struct Files {
    pub root: PathBuf,
    pub relative: Vec<PathBuf>,
}

#[derive(Debug)]
pub(super) enum Pixels {
    U8(Vec<u8>),
    U16(Vec<u16>),
    F32(Vec<f32>),
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

    pub fn shape(&self, at: usize) -> Result<Shape> {
        match self {
            Source::Files(_) => image_file::shape(&self.place(at)),
            Source::Packed(packed) => Ok(packed.shape()),
        }
    }

    pub fn image(&self, at: usize) -> Result<Image<'_>> {
        match self {
            Source::Files(_) => image_file::decode(&self.place(at)),
            Source::Packed(packed) => Ok(packed.image(at)),
        }
    }
}

impl Packed {
    fn shape(&self) -> Shape {
        let depth = match self.pixels {
            Pixels::U8(_) => Depth::U8,
            Pixels::U16(_) => Depth::U16,
            Pixels::F32(_) => Depth::F32,
        };
        let Packed { height, width, channels, .. } = *self;
        Shape { height, width, channels, depth, alpha: false }
    }

    fn image(&self, at: usize) -> Image<'_> {
        let len = self.height * self.width * self.channels;
        let range = at * len..(at + 1) * len;
        let values = match &self.pixels {
            Pixels::U8(pixels) => Values::U8(Cow::Borrowed(&pixels[range])),
            Pixels::U16(pixels) => Values::U16(Cow::Borrowed(&pixels[range])),
            Pixels::F32(pixels) => Values::F32(Cow::Borrowed(&pixels[range])),
        };
        Image { shape: self.shape(), values }
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
