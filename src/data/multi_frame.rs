//! Files of many images, volumes and multi-frame DICOM: each is read once for all of its images that follow one another.

use super::codecs::dicom::Dicom;
use super::codecs::nifti::{Scaled, Volume};
use super::image::{Depth, Image, Shape, Values};
use crate::{Error, Result};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The files that images were last read from.
#[derive(Debug, Default)]
pub(super) struct MultiFrame(Mutex<Vec<(PathBuf, Arc<Several>)>>);

#[derive(Debug)]
enum Several {
    Volume(Scaled),
    Frames(Dicom),
}

impl MultiFrame {
    /// The file, from memory or read now.
    fn get(&self, path: &Path) -> Result<Arc<Several>> {
        let all = || self.0.lock().unwrap_or_else(|e| e.into_inner());
        let known = all().iter().find(|(known, _)| known == path).map(|(_, several)| several.clone());
        if let Some(several) = known {
            return Ok(several);
        }
        let several = Arc::new(if is_volume(path) {
            Several::Volume(Scaled::open(path)?)
        } else {
            Several::Frames(Dicom::open(path)?)
        });
        let mut all = all();
        // One for each thread: each goes through files in order.
        if all.len() > rayon::current_num_threads() {
            all.remove(0);
        }
        all.push((path.to_owned(), several.clone()));
        Ok(several)
    }

    /// The shape of each of a file's images.
    pub fn shape(&self, path: &Path) -> Result<Shape> {
        if is_volume(path) {
            let [height, width, _] = Volume::dims(path)?;
            return Ok(slice_shape([height, width]));
        }
        match &*self.get(path)? {
            Several::Volume(volume) => Ok(slice_shape(volume.extents())),
            Several::Frames(dicom) => Ok(Shape { more: false, ..dicom.shape() }),
        }
    }

    /// The image of a file that has this number.
    pub fn image(&self, path: &Path, at: usize) -> Result<Image<'static>> {
        match &*self.get(path)? {
            Several::Volume(volume) => {
                let slice =
                    volume.slice(at).ok_or_else(|| Error::format(path, format!("has no slice {at}")))?;
                Ok(Image { shape: slice_shape(volume.extents()), values: Values::F32(Cow::Owned(slice)) })
            }
            Several::Frames(dicom) => {
                let image = dicom.frame(at)?;
                Ok(Image { shape: Shape { more: false, ..image.shape }, ..image })
            }
        }
    }
}

/// Whether a file is called as NIfTI volumes are.
fn is_volume(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".nii") || name.ends_with(".nii.gz")
}

fn slice_shape([height, width]: [usize; 2]) -> Shape {
    Shape { height, width, channels: 1, depth: Depth::F32, alpha: false, more: false, modality: None }
}
