//! DICOM files: the header's patient and series, and the pixels of one frame at a time.
//!
//! Values are those that are stored, as pydicom's `pixel_array` gives them, since the published protocol scales
//! each slice of them by its own maximum. Two things are left to the caller, in the shape's
//! `Modality`: the rescale slope and intercept (to Hounsfield units, say), which unscaled values need;
//! and whether the image is MONOCHROME1, light where values are low, which is inverted after scaling. Stored
//! values below 0, as signed CT has for air and for what is outside its circle, count as 0 when scaled by the
//! maximum: cast to unsigned bytes, as the authors' script does, -1 would become the brightest value there is.
//! There is no windowing. Rescaling that differs from frame to frame (functional groups) or goes by a table is
//! not applied.
//!
//! Read are uncompressed, deflated and RLE data, JPEG of 8 bits, lossless JPEG and JPEG 2000. Data sets are walked here
//! rather than by a crate, since the one there is recurses into sequences: two megabytes of them end the
//! process. JPEG-LS is refused by name: its decoders are in C++.

mod elements;
mod jpeg;
#[cfg(feature = "jpeg2000")]
mod jpeg2000;
mod layout;
mod lossless;
mod pixels;
mod rle;
mod syntax;

pub(in crate::data) use elements::is_dicom;

use crate::data::codecs::image_bytes::{self, guarded};
use crate::data::image::{Image, Shape};
use crate::data::stream::open_file;
use crate::{Error, Result};
use elements::DataSet;
use layout::PixelLayout;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The header of a DICOM file, without its pixels. Missing text is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::data) struct Header {
    pub patient_id: String,
    pub study_uid: String,
    pub series_uid: String,
    pub series_description: String,
    pub sop_instance_uid: String,
    /// Its instance number in the series.
    pub instance_number: Option<i64>,
    /// 1 where not given.
    pub frames: usize,
    /// 0 where it holds no image.
    pub rows: usize,
    pub columns: usize,
    /// The UID of its transfer syntax.
    pub transfer_syntax: String,
}

impl Header {
    /// Reads the elements before the pixels, and no more of the file than that takes.
    pub fn read(path: &Path) -> Result<Self> {
        let len = open_file(path)?.metadata().map_err(|e| Error::io(path, e))?.len();
        for most in [1 << 14, 1 << 18] {
            if most < len {
                let mut start = Vec::new();
                open_file(path)?.take(most).read_to_end(&mut start).map_err(|e| Error::io(path, e))?;
                // A part of a file may fail only because it is cut: the whole file decides.
                if let Ok(set) = DataSet::read(start, false)
                    && set.reached
                {
                    return header(&set).map_err(|reason| Error::format(path, reason));
                }
            }
        }
        let whole = image_bytes::read(path)?;
        DataSet::read(whole, false).and_then(|set| header(&set)).map_err(|reason| Error::format(path, reason))
    }
}

fn header(set: &DataSet) -> Result<Header, String> {
    let text = |tag| set.text(tag).unwrap_or_default();
    Ok(Header {
        patient_id: text(elements::PATIENT_ID),
        study_uid: text(elements::STUDY_UID),
        series_uid: text(elements::SERIES_UID),
        series_description: text(elements::SERIES_DESCRIPTION),
        sop_instance_uid: text(elements::SOP_INSTANCE_UID),
        instance_number: set.text(elements::INSTANCE_NUMBER).and_then(|number| number.parse().ok()),
        frames: layout::frames(set)?,
        rows: set.number(elements::ROWS).unwrap_or(0),
        columns: set.number(elements::COLUMNS).unwrap_or(0),
        transfer_syntax: set.syntax.uid.to_owned(),
    })
}

/// A DICOM image: the file's bytes, of which a frame is decoded when it is asked for.
#[derive(Debug)]
pub(in crate::data) struct Dicom {
    path: PathBuf,
    set: DataSet,
    layout: PixelLayout,
}

impl Dicom {
    pub fn open(path: &Path) -> Result<Self> {
        Self::from_bytes(path, image_bytes::read(path)?)
    }

    /// The image in a file's bytes.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        let read = || {
            let set = DataSet::read(bytes, true)?;
            let layout = PixelLayout::from_data_set(&set)?;
            Ok((set, layout))
        };
        let (set, layout) = read().map_err(|reason: String| Error::format(path, reason))?;
        Ok(Dicom { path: path.to_owned(), set, layout })
    }

    /// The shape of each frame.
    pub fn shape(&self) -> Shape {
        self.layout.shape()
    }

    /// Frame `at`, counted from 0; no other is decoded.
    pub fn frame(&self, at: usize) -> Result<Image<'static>> {
        guarded(&self.path, || {
            let values = pixels::frame(&self.set, &self.layout, at);
            let values = values.map_err(|reason| Error::format(&self.path, reason))?;
            Ok(Image { shape: self.shape(), values })
        })
    }
}
