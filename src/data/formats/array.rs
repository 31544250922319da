//! How an array of numbers is interpreted, whichever format it is in: images (N, H, W) or (N, H, W, C), features (N, D),
//! or labels (N,). The formats' readers say where the bytes are; their meaning is decided here.

use crate::data::buffer::{self, Buffer, Bytes, Dtype};
use crate::data::found::{Found, Split, numbered};
use crate::data::source::{Packed, Source, images_len};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// The names that an array of samples has in a file of several arrays.
pub(super) const IMAGES_OR_FEATURES: [&str; 2] = ["images", "features"];

/// An array as its header describes it.
pub(super) struct Array {
    pub path: PathBuf,
    /// Put before every reason: which array of the file this is.
    pub member: String,
    pub shape: Vec<usize>,
    pub kind: Kind,
    /// Bytes in a value.
    pub bytes: usize,
    pub big_endian: bool,
    /// The type of the values, as the format writes it.
    pub dtype: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Uint,
    Int,
    Float,
    /// The upper half of a 32-bit float.
    Bfloat,
    Other,
}

/// How an array is cut into samples.
pub(super) struct SampleLayout {
    pub count: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub features: bool,
    pub dtype: Dtype,
}

/// The labels of an array of samples, and the file that they are in.
pub(super) enum Labels {
    Numbers(Vec<i64>, PathBuf),
    None,
}

impl SampleLayout {
    /// The bytes of all samples: [`Array::layout`] saw that they can be counted.
    pub fn bytes(&self) -> usize {
        self.count * self.height * self.width * self.channels * self.dtype.bytes()
    }
}

impl Array {
    /// An error about this array.
    pub fn wrong(&self, reason: impl std::fmt::Display) -> Error {
        Error::format(&self.path, format!("{}{reason}", self.member))
    }

    /// The shape as NumPy writes it.
    pub fn shape(&self) -> String {
        let extents: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        format!("({}{})", extents.join(", "), if extents.len() == 1 { "," } else { "" })
    }

    /// How this array of images or features is cut into samples.
    pub fn layout(&self) -> Result<SampleLayout> {
        let (count, height, width, channels) = match self.shape[..] {
            [count, dim] => (count, 1, dim, 1),
            [count, height, width] => (count, height, width, 1),
            [count, height, width, channels @ (1 | 3)] => (count, height, width, channels),
            _ => {
                return Err(self.wrong(format!(
                    "its shape is {}: images are (N, H, W), or (N, H, W, C) with C 1 or 3 (from (N, C, H, W), \
                     as PyTorch has them: array.transpose(0, 2, 3, 1)); features are (N, D)",
                    self.shape()
                )));
            }
        };
        let features = self.shape.len() == 2;
        let what = if features { "features" } else { "images" };
        let dtype = self.sample_dtype().ok_or_else(|| {
            self.wrong(format!(
                "its values are {}: {what} are uint8, uint16, float16, bfloat16 (in safetensors), float32 or \
                 float64",
                self.dtype
            ))
        })?;
        if features && (count == 0 || width == 0) {
            return Err(self.wrong(format!("holds no features: its shape is {}", self.shape())));
        }
        images_len(&self.path, count, [height, width, channels], dtype.bytes())?;
        Ok(SampleLayout { count, height, width, channels, features, dtype })
    }

    fn sample_dtype(&self) -> Option<Dtype> {
        Some(match (self.kind, self.bytes) {
            (Kind::Uint, 1) => Dtype::U8,
            (Kind::Uint, 2) => Dtype::U16,
            (Kind::Float, 2) => Dtype::F16,
            (Kind::Bfloat, 2) => Dtype::Bf16,
            (Kind::Float, 4) => Dtype::F32,
            (Kind::Float, 8) => Dtype::F64,
            _ => return None,
        })
    }

    /// The samples, given the bytes that the layout asks for.
    pub fn packed(&self, layout: &SampleLayout, bytes: Bytes) -> Packed {
        let &SampleLayout { count, height, width, channels, features, dtype } = layout;
        let pixels = Buffer { bytes, dtype, big_endian: self.big_endian };
        Packed { pixels, height, width, channels, features, parts: vec![(self.path.clone(), count)] }
    }

    /// The bytes of this array of labels.
    pub fn labels_len(&self) -> Result<usize> {
        let ([count] | [count, 1]) = self.shape[..] else {
            return Err(
                self.wrong(format!("its shape is {}: labels are (N,), one integer a sample", self.shape()))
            );
        };
        if !matches!((self.kind, self.bytes), (Kind::Bool | Kind::Int | Kind::Uint, 1 | 2 | 4 | 8)) {
            return Err(self.wrong(format!("its values are {}: labels are integers", self.dtype)));
        }
        count.checked_mul(self.bytes).ok_or_else(|| {
            self.wrong(format!("its header claims {count} labels: more than memory can address"))
        })
    }

    /// The labels, given as many bytes as [`labels_len`](Array::labels_len) says.
    pub fn labels(&self, raw: &[u8]) -> Result<Vec<i64>> {
        let bytes = self.bytes;
        raw.chunks_exact(bytes)
            .map(|value| {
                let mut wide = [0; 8];
                wide[..bytes].copy_from_slice(value);
                if self.big_endian {
                    wide[..bytes].reverse();
                }
                let unused = 64 - 8 * bytes as u32;
                match self.kind {
                    // Shifted up and down again, the value's own sign bit fills the bytes above it.
                    Kind::Int => Ok((i64::from_le_bytes(wide) << unused) >> unused),
                    _ => i64::try_from(u64::from_le_bytes(wide))
                        .map_err(|_| self.wrong("holds a label above 2^63 - 1")),
                }
            })
            .collect()
    }
}

/// The first of these arrays that exists: the training part's names may lack `train_`.
pub(super) fn named(there: &[String], wanted: &[&str], split: Split) -> Option<String> {
    names(wanted, split).into_iter().find(|name| there.contains(name))
}

/// The error where none exists.
pub(super) fn lacking(path: &Path, what: &str, wanted: &[&str], split: Split, there: &[String]) -> Error {
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    let wanted = names(wanted, split).join(" or ");
    Error::format(path, format!("has no {what} {wanted}; the {what}s in it: {there}"))
}

fn names(wanted: &[&str], split: Split) -> Vec<String> {
    let of_part = |name: &&str| format!("{split}_{name}");
    let plain = wanted.iter().filter(|_| split == Split::Train).map(|name| name.to_string());
    plain.chain(wanted.iter().map(of_part)).collect()
}

/// The dataset of these samples and labels; without labels, all are of one class.
pub(super) fn found(format: &'static str, packed: Packed, labels: Labels) -> Result<Found> {
    let count = packed.parts[0].1;
    let what = if packed.features { "rows of features" } else { "images" };
    let (labels, class_names, labelled, notes) = match labels {
        Labels::Numbers(values, at) if values.len() != count => {
            return Err(Error::format(
                at,
                format!("holds {} labels, but there are {count} {what}", values.len()),
            ));
        }
        Labels::Numbers(values, _) => {
            let (labels, class_names) = numbered(&values);
            (labels, class_names, true, Vec::new())
        }
        Labels::None => {
            let path = packed.parts[0].0.display();
            let note = format!("{path} has no labels: all its {count} {what} are of one class, all");
            (buffer::zeros(count, "the labels")?, vec!["all".to_owned()], false, vec![note])
        }
    };
    Ok(Found {
        format,
        source: Source::Packed(packed),
        labels,
        class_names,
        labelled,
        notes,
        left_out: Vec::new(),
    })
}
