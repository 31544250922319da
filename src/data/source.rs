//! Where a dataset's samples come from: arrays (IDX, CIFAR-10, NPY, safetensors, generated) or image files.
//! Both answer the same two questions: what shape image `i` has, and what its pixels are.

use super::buffer::{Buffer, Unreadable};
use super::codecs::dicom::Header;
use super::image::{Image, Shape};
use super::image_file;
use super::multi_frame::MultiFrame;
use crate::{Error, Result};
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
    pub pixels: Buffer,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    /// Whether samples are rows of a matrix, and no images.
    pub features: bool,
    /// The files that the images came from, in order, and how many each gave.
    pub parts: Vec<(PathBuf, usize)>,
}

/// Image files under a root: one for each image, or for many.
#[derive(Debug)]
pub(super) struct Files {
    pub root: PathBuf,
    pub relative: Vec<PathBuf>,
    /// For each image, its frame in its file; empty where each is its file's first.
    pub frames: Vec<u32>,
    pub origins: Origins,
    /// The files of many images that were read last.
    pub multi_frame: MultiFrame,
}

/// The patients of the images.
#[derive(Debug)]
pub(super) enum Origins {
    /// Unknown patient: unique id.
    Unknown,
    Known(Vec<Origin>),
    /// In the DICOM header of each file.
    InFiles,
}

/// The origin of an image, as the archive has it: images of one patient are alike whatever their labels.
///
/// ```
/// use sharpdim::data::Origin;
/// let mut slice = Origin::new("Breast_MRI_001");
/// slice.slice = Some(52);
/// assert_eq!((slice.patient.as_str(), slice.study), ("Breast_MRI_001", None));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The patient's name in the archive.
    pub patient: String,
    /// The study or volume that the image is of.
    pub study: Option<String>,
    /// The slice or frame of the volume.
    pub slice: Option<u32>,
}

impl Origin {
    /// Of a patient, with study and slice unknown.
    pub fn new(patient: impl Into<String>) -> Self {
        Origin { patient: patient.into(), ..Origin::default() }
    }
}

impl Source {
    /// Whether samples are rows of features, which no image preprocessing is for.
    pub fn features(&self) -> bool {
        matches!(self, Source::Packed(packed) if packed.features)
    }

    /// A short name for image `at`: `cat/001.png`, or `train-images-idx3-ubyte.gz#17`.
    pub fn name(&self, at: usize) -> String {
        match self {
            Source::Files(files) => files.named(files.relative[at].display().to_string(), at),
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
            Source::Files(files) => files.named(files.path(at).display().to_string(), at).into(),
            Source::Packed(packed) => {
                let (path, within) = packed.part(at);
                let mut place = path.as_os_str().to_owned();
                place.push(format!("#{within}"));
                place.into()
            }
        }
    }

    /// Whether patients are known.
    pub fn has_origins(&self) -> bool {
        matches!(self, Source::Files(Files { origins: Origins::Known(_) | Origins::InFiles, .. }))
    }

    /// The origin of image `at`, where known.
    pub fn origin(&self, at: usize) -> Result<Option<Origin>> {
        let Source::Files(files) = self else { return Ok(None) };
        Ok(match &files.origins {
            Origins::Unknown => None,
            Origins::Known(all) => Some(all[at].clone()),
            Origins::InFiles => {
                let header = Header::read(&files.path(at))?;
                let number = header.instance_number.and_then(|number| u32::try_from(number).ok());
                let named = !header.patient_id.is_empty();
                named.then_some(Origin {
                    patient: header.patient_id,
                    study: Some(header.study_uid),
                    slice: number,
                })
            }
        })
    }

    /// The file that image `at` is decoded from, and its number in there; `None` where no file need be decoded.
    pub fn decoded_from(&self, at: usize) -> Option<(PathBuf, u64)> {
        match self {
            Source::Files(files) => {
                Some((files.path(at), files.frames.get(at).map_or(0, |frame| u64::from(*frame))))
            }
            Source::Packed(_) => None,
        }
    }

    pub fn shape(&self, at: usize) -> Result<Shape> {
        match self {
            Source::Files(files) => {
                if files.frames.is_empty() {
                    image_file::shape(&files.path(at))
                } else {
                    files.multi_frame.shape(&files.path(at))
                }
            }
            Source::Packed(packed) => Ok(packed.shape()),
        }
    }

    pub fn image(&self, at: usize) -> Result<Image<'_>> {
        match self {
            Source::Files(files) => match files.frames.get(at) {
                None => image_file::decode(&files.path(at)),
                Some(frame) => files.multi_frame.image(&files.path(at), *frame as usize),
            },
            Source::Packed(packed) => packed.image(at).map_err(|bad| self.unusable(at, bad)),
        }
    }

    /// The error for sample `at` of an array, naming its file.
    fn unusable(&self, at: usize, bad: Unreadable) -> Error {
        let place = self.place(at);
        let (position, value) = match bad {
            Unreadable::Io(error) => return Error::io(place, error),
            Unreadable::Shrunk => {
                return Error::format(place, "is gone: its file was cut short after it was opened");
            }
            Unreadable::Value(position, value) => (position, value),
        };
        let at_what = match self {
            Source::Packed(packed) if packed.features => {
                format!("row {}, column {position}", packed.part(at).1)
            }
            Source::Packed(packed) => packed.shape().pixel(position),
            Source::Files(_) => format!("position {position}"),
        };
        let rule = if value.is_finite() {
            "more than a 32-bit float can hold"
        } else {
            "every value must be finite"
        };
        Error::format(place, format!("has the value {value:?} at {at_what}: {rule}"))
    }
}

impl Files {
    fn path(&self, at: usize) -> PathBuf {
        self.root.join(&self.relative[at])
    }

    /// A file's name, with `#17` after it where it has many images.
    fn named(&self, file: String, at: usize) -> String {
        match self.frames.get(at) {
            Some(frame) => format!("{file}#{frame}"),
            None => file,
        }
    }
}

impl Packed {
    fn shape(&self) -> Shape {
        let Packed { height, width, channels, .. } = *self;
        let depth = self.pixels.dtype.depth();
        Shape { height, width, channels, depth, alpha: false, more: false, modality: None }
    }

    fn image(&self, at: usize) -> Result<Image<'_>, Unreadable> {
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
