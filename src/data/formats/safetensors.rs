//! Safetensors files of samples and labels, as [`array`](super::array) has them.

use super::array::{self, Array, IMAGES_OR_FEATURES, Kind, Labels};
use super::format::Format;
use crate::data::codecs::tensors::{Tensors, map, open};
use crate::data::folder::Listing;
use crate::data::found::{Found, Split};
use crate::data::stream::Stream;
use crate::{Error, Result};
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use std::path::Path;

pub(super) struct Safetensors;

impl Format for Safetensors {
    fn in_folder(&self) -> &'static str {
        "a safetensors file"
    }

    fn as_file(&self) -> &'static str {
        "a .safetensors file"
    }

    /// Beside class folders such a file is ignored: it may be a network trained on their images.
    fn mark<'a>(&self, listing: &'a Listing) -> Option<&'a str> {
        listing
            .files
            .iter()
            .map(String::as_str)
            .find(|name| self.is_called(name) && listing.folders.is_empty())
    }

    fn open_folder(&self, folder: &Path, listing: &Listing, split: Split) -> Result<Found> {
        let found: Vec<&String> = listing.files.iter().filter(|name| self.is_called(name)).collect();
        match found[..] {
            [first, second, ..] => Err(Error::format(
                folder,
                format!(
                    "holds more than one safetensors file ({first} and {second}): open one of these files"
                ),
            )),
            [only] => self.open_file(&folder.join(only), split),
            [] => Err(Error::format(folder, "holds no safetensors file")),
        }
    }

    fn is_called(&self, name: &str) -> bool {
        name.ends_with(".safetensors")
    }

    /// Opens a file with the tensors `images` or `features`, and `labels`; or `train_images` and so on.
    fn open_file(&self, path: &Path, split: Split) -> Result<Found> {
        let (file, tensors) = open(path)?;
        let names: Vec<String> = tensors.keys().cloned().collect();
        let name = array::named(&names, &IMAGES_OR_FEATURES, split)
            .or_else(|| only_matrix(&tensors).filter(|_| split == Split::Train))
            .ok_or_else(|| array::lacking(path, "tensor", &IMAGES_OR_FEATURES, split, &names))?;
        let samples = described(path, &name, &tensors[&name]);
        let layout = samples.layout()?;
        let labels = match array::named(&names, &["labels"], split) {
            Some(name) => Labels::Numbers(read_labels(&file, &name, &tensors[&name])?, path.to_owned()),
            None if layout.features => Labels::None,
            None => return Err(array::lacking(path, "tensor", &["labels"], split, &names)),
        };
        let bytes = map(&file, &tensors[&name])?;
        array::found("safetensors", samples.packed(&layout, bytes), labels)
    }
}

/// The tensor of two dimensions, where there is just one that is not of labels.
fn only_matrix(tensors: &Tensors) -> Option<String> {
    let mut matrices =
        tensors.iter().filter(|(name, info)| info.shape.len() == 2 && !name.ends_with("labels"));
    match (matrices.next(), matrices.next()) {
        (Some((name, _)), None) => Some(name.clone()),
        _ => None,
    }
}

fn described(path: &Path, name: &str, info: &TensorInfo) -> Array {
    Array {
        path: path.to_owned(),
        member: format!("tensor {name}: "),
        shape: info.shape.clone(),
        kind: match info.dtype {
            Dtype::BOOL => Kind::Bool,
            Dtype::U8 | Dtype::U16 | Dtype::U32 | Dtype::U64 => Kind::Uint,
            Dtype::I8 | Dtype::I16 | Dtype::I32 | Dtype::I64 => Kind::Int,
            Dtype::F16 | Dtype::F32 | Dtype::F64 => Kind::Float,
            Dtype::BF16 => Kind::Bfloat,
            _ => Kind::Other,
        },
        bytes: info.dtype.bitsize() / 8,
        big_endian: false,
        dtype: format!("{:?}", info.dtype),
    }
}

fn read_labels(file: &Stream<'_>, name: &str, info: &TensorInfo) -> Result<Vec<i64>> {
    let labels = described(file.path(), name, info);
    let len = labels.labels_len()?;
    let bytes = map(file, info)?;
    let raw = bytes.get(0..len).map_err(|_| file.wrong("was cut short while it was being read"))?;
    labels.labels(raw)
}
