//! State dicts: a network's weights under torchvision's names and in its shapes, in memory and in safetensors files.

use super::graph::{Entry, Role};
use crate::data::tensors;
use crate::{Error, Result, whole_file};
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::{Dtype, View};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// Most names that a message lists.
const LISTED: usize = 4;

/// The weights of a network, named and in order.
///
/// ```
/// use sharpdim::Device;
/// use sharpdim::nn::{Model, Network, NetworkPlan, Settings, State};
/// let settings = Settings { size: [32, 32], channels: 1, ..Settings::default() };
/// let network = Network::new(NetworkPlan::new(&Device::cpu(), Model::ResNet18, &settings)?, 0)?;
/// let state = network.state()?;
/// assert_eq!(state.tensors[0].name, "conv1.weight");
/// assert_eq!(state.tensors[0].shape, [64, 1, 7, 7]);
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("resnet18.safetensors");
/// state.save(&path)?;
/// assert_eq!(State::read(&path)?.tensors.len(), 122);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Each tensor.
    pub tensors: Vec<StateTensor>,
}

/// A tensor of a [`State`].
#[derive(Clone, Debug, PartialEq)]
pub struct StateTensor {
    /// Its name: `layer1.0.conv1.weight`.
    pub name: String,
    /// Its extents, as in PyTorch: filters (k, c, r, s), matrices (outputs, inputs).
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub numbers: Numbers,
}

/// The values of a tensor of a [`State`].
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Weights and statistics.
    F32(Vec<f32>),
    /// Counts of batches: `num_batches_tracked`.
    I64(Vec<i64>),
}

impl Numbers {
    fn len(&self) -> usize {
        match self {
            Numbers::F32(values) => values.len(),
            Numbers::I64(values) => values.len(),
        }
    }
}

impl View for &StateTensor {
    fn dtype(&self) -> Dtype {
        match self.numbers {
            Numbers::F32(_) => Dtype::F32,
            Numbers::I64(_) => Dtype::I64,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.numbers {
            Numbers::F32(values) => Cow::Owned(bytes(values, f32::to_le_bytes)),
            Numbers::I64(values) => Cow::Owned(bytes(values, i64::to_le_bytes)),
        }
    }

    fn data_len(&self) -> usize {
        self.numbers.len() * self.dtype().bitsize() / 8
    }
}

impl State {
    /// The tensor with a name.
    pub fn get(&self, name: &str) -> Option<&StateTensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// Writes a safetensors file that PyTorch's `load_state_dict` accepts. An earlier file at the path is replaced only once
    /// the new one is complete.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written; [`Error::Argument`] for a path that is not the name of a file, and for a tensor
    /// whose shape does not match its values.
    pub fn save(&self, path: &Path) -> Result<()> {
        for StateTensor { name, shape, numbers } in &self.tensors {
            if shape.iter().product::<usize>() != numbers.len() {
                let len = numbers.len();
                return Err(Error::Argument(format!("{name} has the shape {shape:?}, and {len} values")));
            }
        }
        let tensors = || self.tensors.iter().map(|tensor| (&tensor.name, tensor));
        whole_file::replace_from_folder(path, |beside| {
            safetensors::serialize_to_file(tensors(), None, beside).map_err(|error| match error {
                safetensors::SafeTensorError::IoError(error) => error,
                error => std::io::Error::other(error),
            })
        })
    }

    /// Reads any safetensors file: floats of 64, 32 and 16 bits of either kind become f32, integers i64.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::Format`] for a file that is truncated or whose header does not
    /// describe it, and for a tensor of another type, or of values that are not finite in f32.
    pub fn read(path: &Path) -> Result<Self> {
        let mut state = State::default();
        tensors::visit(path, |name, info, bytes| {
            let floats = |values: Vec<f32>| match values.iter().position(|value| !value.is_finite()) {
                None => Ok(Numbers::F32(values)),
                Some(at) => Err(format!("has the value {} at position {at}: weights are finite", values[at])),
            };
            let numbers = match info.dtype {
                Dtype::F32 => floats(each(bytes, f32::from_le_bytes)),
                Dtype::F16 => floats(each(bytes, |v| f16::from_le_bytes(v).to_f32())),
                Dtype::BF16 => floats(each(bytes, |v| bf16::from_le_bytes(v).to_f32())),
                Dtype::F64 => floats(each(bytes, |v| f64::from_le_bytes(v) as f32)),
                Dtype::I64 => Ok(Numbers::I64(each(bytes, i64::from_le_bytes))),
                Dtype::I32 => Ok(Numbers::I64(each(bytes, |v| i32::from_le_bytes(v).into()))),
                other => {
                    Err(format!("is of {other:?}: weights are F32, F16, BF16 or F64, counts I64 or I32"))
                }
            };
            let shape = info.shape.clone();
            state.tensors.push(StateTensor { name: name.into(), shape, numbers: numbers? });
            Ok(())
        })?;
        Ok(state)
    }

    /// Why this state does not fit a network with these entries, if it does not: the first reason.
    pub(super) fn mismatch(&self, network: &str, entries: &[Entry]) -> Option<String> {
        let given: BTreeMap<&str, &StateTensor> =
            self.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let wanted: BTreeMap<&str, &Entry> =
            entries.iter().map(|entry| (entry.name.as_str(), entry)).collect();
        // Files from before PyTorch 0.4.1 have no counts of batches.
        let missing: Vec<&str> = entries
            .iter()
            .filter(|entry| entry.role != Role::Batches && !given.contains_key(entry.name.as_str()))
            .map(|entry| entry.name.as_str())
            .collect();
        let names = self.tensors.iter().map(|tensor| tensor.name.as_str());
        let unexpected: Vec<&str> = names.filter(|name| !wanted.contains_key(name)).collect();
        let shapes: Vec<(&StateTensor, &Entry)> = self
            .tensors
            .iter()
            .filter_map(|tensor| wanted.get(tensor.name.as_str()).map(|entry| (tensor, *entry)))
            .filter(|(tensor, entry)| tensor.shape != entry.shape)
            .collect();
        if missing.is_empty()
            && unexpected.is_empty()
            && let Some(reason) = other_ends(network, entries, &shapes)
        {
            return Some(reason);
        }
        let mut reasons = Vec::new();
        if !missing.is_empty() {
            reasons.push(format!("it lacks {}", listed(&missing)));
        }
        if !unexpected.is_empty() {
            reasons.push(format!("it has {}, which {network} lacks", listed(&unexpected)));
        }
        if !shapes.is_empty() {
            let shapes: Vec<String> = shapes
                .iter()
                .map(|(tensor, entry)| {
                    format!("{} is {:?}, not {:?}", tensor.name, tensor.shape, entry.shape)
                })
                .collect();
            reasons.push(listed(&shapes.iter().map(String::as_str).collect::<Vec<_>>()));
        }
        if !reasons.is_empty() {
            return Some(format!("these are not the weights of this {network}: {}", reasons.join("; ")));
        }
        if given.len() < self.tensors.len() {
            return Some("a tensor is listed twice".into());
        }
        self.tensors.iter().find_map(|tensor| {
            let counts = wanted[tensor.name.as_str()].role == Role::Batches;
            match &tensor.numbers {
                _ if tensor.numbers.len() != tensor.shape.iter().product::<usize>() => Some(format!(
                    "{}: the number of values does not match its shape {:?}",
                    tensor.name, tensor.shape
                )),
                Numbers::I64(_) if !counts => {
                    Some(format!("{} is of integers: weights are floats", tensor.name))
                }
                Numbers::F32(_) if counts => {
                    Some(format!("{} is of floats: counts are integers", tensor.name))
                }
                Numbers::F32(values) => {
                    let at = values.iter().position(|value| !value.is_finite())?;
                    Some(format!(
                        "{} has the value {} at position {at}: weights are finite",
                        tensor.name, values[at]
                    ))
                }
                Numbers::I64(_) => None,
            }
        })
    }
}

/// The reason where only the first or the last layer differs: another number of channels or classes.
fn other_ends(network: &str, entries: &[Entry], shapes: &[(&StateTensor, &Entry)]) -> Option<String> {
    let first = entries.first()?;
    let (weight, bias) = match entries {
        [.., weight, bias] => (weight, bias),
        _ => return None,
    };
    if shapes.is_empty()
        || shapes.iter().any(|(_, entry)| ![first, weight, bias].contains(entry))
        || shapes.iter().any(|(tensor, entry)| tensor.shape.len() != entry.shape.len())
    {
        return None;
    }
    let mut reasons = Vec::new();
    for (tensor, entry) in shapes {
        let (other, own) = (&tensor.shape, &entry.shape);
        if *entry == first && other[0] == own[0] && other[2..] == own[2..] {
            reasons.push(format!(
                "they are for images of {} channels, this {network} is for {} ({} is {other:?}, not {own:?})",
                other[1], own[1], tensor.name
            ));
        } else if *entry == weight && other[1..] == own[1..] {
            reasons.push(format!(
                "they are for {} classes, this {network} is for {} ({} is {other:?}, not {own:?})",
                other[0], own[0], tensor.name
            ));
        } else if *entry != bias {
            return None;
        }
    }
    if reasons.is_empty() { None } else { Some(format!("other weights: {}", reasons.join("; "))) }
}

/// Some names, and how many more.
fn listed(names: &[&str]) -> String {
    let first = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn each<T: Send, const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> T + Sync + Send) -> Vec<T> {
    bytes.as_chunks().0.par_iter().map(|bytes| value(*bytes)).collect()
}

pub(super) fn bytes<T: Copy + Sync, const N: usize>(
    values: &[T],
    bytes: impl Fn(T) -> [u8; N] + Sync,
) -> Vec<u8> {
    let mut all = vec![0; N * values.len()];
    all.as_chunks_mut().0.par_iter_mut().zip(values).for_each(|(out, value)| *out = bytes(*value));
    all
}

/// Filters (k, c, r, s) as (k, r, s, c); or back.
pub(super) fn turned(values: &[f32], [_, c, r, s]: [usize; 4], back: bool) -> Vec<f32> {
    let (pixels, one) = (r * s, c * r * s);
    let mut out = vec![0.0; values.len()];
    out.par_chunks_mut(one).zip(values.par_chunks(one)).for_each(|(out, values)| {
        for channel in 0..c {
            for pixel in 0..pixels {
                let (theirs, ours) = (channel * pixels + pixel, pixel * c + channel);
                if back {
                    out[theirs] = values[ours];
                } else {
                    out[ours] = values[theirs];
                }
            }
        }
    });
    out
}
