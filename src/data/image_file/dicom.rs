//! DICOM files: of several frames the first is taken.

use super::kind::ImageKind;
use crate::Result;
use crate::data::codecs::dicom::{Dicom, is_dicom};
use crate::data::codecs::image_bytes::ImageBytes;
use crate::data::image::{Image, Shape};

pub(super) struct DicomFile;

impl ImageKind for DicomFile {
    fn name(&self) -> &'static str {
        "DICOM"
    }

    fn endings(&self) -> &'static [&'static str] {
        &["dcm"]
    }

    fn begins(&self, start: &[u8]) -> bool {
        is_dicom(start)
    }

    /// The oldest of them have no mark by which to tell them.
    fn is(&self, file: &ImageBytes<'_>) -> bool {
        let ending = file.path().extension();
        self.begins(file.start()) || ending.is_some_and(|ending| ending.eq_ignore_ascii_case("dcm"))
    }

    fn shape(&self, file: ImageBytes<'_>) -> Result<Shape> {
        Dicom::from_bytes(file.path(), file.whole()?).map(|dicom| dicom.shape())
    }

    fn decode(&self, file: ImageBytes<'_>) -> Result<Image<'static>> {
        Dicom::from_bytes(file.path(), file.whole()?)?.frame(0)
    }
}
