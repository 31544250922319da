//! Checkpoints: all that a training needs to resume to the same bits, in one safetensors file, written atomically.

use super::graph::Role;
use super::network::Network;
use super::settings::Optimiser;
use super::state::{Numbers, State, StateTensor, bytes, turned};
use crate::data::tensors;
use crate::{Error, Result, Slot, whole_file};
use safetensors::{Dtype, View};
use serde_json::Value;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

/// The key of the checkpoint's description, a JSON object, in the file's metadata.
const METADATA: &str = "sharpdim.training";
/// Prefix of torchvision's name of a weight or statistic.
const WEIGHTS: &str = "model.";
/// Prefixes of the optimiser's moments of a weight: Adam's m and v, SGD's buffer.
const MOMENTS: [&str; 2] = ["optimiser.first.", "optimiser.second."];
/// How pixels are normalised: each channel's factor, then each channel's offset.
pub(super) const SCALE: &str = "images.scale";
/// Results of the current epoch so far: each image's loss, then 1 where it was classified correctly.
const TABLE: &str = "epoch.table";

/// Reads a tensor's bytes.
type Read<'a> = Box<dyn Fn() -> Result<Vec<u8>> + 'a>;

/// A tensor that is read from the device when it is written: only one is in host memory at a time.
struct Lazy<'a> {
    shape: Vec<usize>,
    dtype: Dtype,
    read: Read<'a>,
    /// Holds the first error, as `View` cannot return one.
    failed: &'a RefCell<Option<Error>>,
}

impl View for Lazy<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let bytes = (self.read)().unwrap_or_else(|error| {
            self.failed.borrow_mut().get_or_insert(error);
            vec![0; self.data_len()]
        });
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

/// Writes a network, its optimiser's state, the table of the epoch, and the description `about`.
pub(super) fn save<'a>(network: &'a Network, about: &Value, path: &Path) -> Result<()> {
    let (plan, arena) = (&network.plan, &network.arena);
    let failed = RefCell::new(None);
    let mut tensors: Vec<(String, Lazy<'_>)> = Vec::new();
    let mut add = |name: String, shape: Vec<usize>, dtype, read: Read<'a>| {
        tensors.push((name, Lazy { shape, dtype, read, failed: &failed }));
    };
    let mut batches = network.batches.iter();
    for (entry, place) in plan.entries.iter().zip(&plan.places) {
        if entry.role == Role::Batches {
            let count = batches.next().copied().unwrap_or(0);
            let read = Box::new(move || Ok(count.to_le_bytes().to_vec()));
            add(format!("{WEIGHTS}{}", entry.name), Vec::new(), Dtype::I64, read);
            continue;
        }
        let slots = [(WEIGHTS, place.value), (MOMENTS[0], place.moments[0]), (MOMENTS[1], place.moments[1])];
        for (prefix, slot) in slots.into_iter().filter(|(_, slot)| !slot.is_empty()) {
            let read = Box::new(move || Ok(bytes(&network.theirs(entry, slot)?, f32::to_le_bytes)));
            add(format!("{prefix}{}", entry.name), entry.shape.clone(), Dtype::F32, read);
        }
    }
    let scale = plan.data.scale;
    let read = Box::new(move || Ok(bytes(&arena.to_vec(scale)?, f32::to_le_bytes)));
    add(SCALE.into(), vec![2, scale.len() / 2], Dtype::F32, read);
    let table = plan.data.table;
    let read = Box::new(move || Ok(bytes(&arena.to_vec(table)?, f32::to_le_bytes)));
    add(TABLE.into(), vec![2, table.len() / 2], Dtype::F32, read);

    let metadata = HashMap::from([(METADATA.to_owned(), about.to_string())]);
    whole_file::replace_from_folder(path, |beside| {
        safetensors::serialize_to_file(tensors, Some(metadata), beside).map_err(|error| match error {
            safetensors::SafeTensorError::IoError(error) => error,
            error => std::io::Error::other(error),
        })?;
        match failed.borrow_mut().take() {
            // The incomplete file must not replace the old one.
            Some(error) => Err(std::io::Error::other(error.to_string())),
            None => Ok(()),
        }
    })
}

/// A checkpoint's description.
pub(super) fn about(path: &Path) -> Result<Value> {
    let text = tensors::metadata(path, METADATA)?.ok_or_else(|| {
        Error::format(path, format!("is no checkpoint of a training: its metadata lack {METADATA:?}"))
    })?;
    serde_json::from_str(&text).map_err(|error| {
        Error::format(path, format!("its metadata {METADATA:?} are not valid JSON: {error}"))
    })
}

/// The weights of a checkpoint, and the factors and offsets of its images' channels.
pub(super) fn weights(path: &Path) -> Result<(State, Vec<f32>)> {
    let (mut weights, mut scale) = (State::default(), None);
    for tensor in State::read(path)?.tensors {
        if let Some(name) = tensor.name.strip_prefix(WEIGHTS) {
            weights.tensors.push(StateTensor { name: name.to_owned(), ..tensor });
        } else if tensor.name == SCALE {
            scale = Some(tensor.numbers);
        }
    }
    match scale {
        Some(Numbers::F32(scale)) => Ok((weights, scale)),
        _ => Err(Error::format(path, format!("lacks the tensor {SCALE} of floats"))),
    }
}

/// Reads a network, its optimiser's state and the epoch's table. Nothing is changed where something does not fit.
pub(super) fn load(network: &mut Network, path: &Path) -> Result<()> {
    let (mut weights, mut moments) = (State::default(), [State::default(), State::default()]);
    let mut table = None;
    for tensor in State::read(path)?.tensors {
        let after = |prefix: &str| tensor.name.strip_prefix(prefix).map(str::to_owned);
        if let Some(name) = after(WEIGHTS) {
            weights.tensors.push(StateTensor { name, ..tensor });
        } else if let Some(name) = after(MOMENTS[0]) {
            moments[0].tensors.push(StateTensor { name, ..tensor });
        } else if let Some(name) = after(MOMENTS[1]) {
            moments[1].tensors.push(StateTensor { name, ..tensor });
        } else if tensor.name == TABLE {
            table = Some(tensor);
        }
    }
    let plan = &network.plan;
    if let Some(reason) = weights.mismatch(plan.name(), &plan.entries) {
        return Err(Error::format(path, reason));
    }
    let wrong = |name: &str| Error::format(path, format!("lacks the tensor {name}, or its shape is wrong"));
    let floats = |tensor: Option<&StateTensor>, shape: &[usize]| match tensor {
        Some(StateTensor { shape: given, numbers: Numbers::F32(values), .. }) if given == shape => {
            Some(values.clone())
        }
        _ => None,
    };
    let moment_count = match plan.optimiser()? {
        Optimiser::Adam(_) => 2,
        Optimiser::Sgd(_) => 1,
    };
    let mut writes: Vec<(Slot, Vec<f32>)> = Vec::new();
    for (entry, place) in plan.entries.iter().zip(&plan.places).filter(|(entry, _)| entry.role.is_parameter())
    {
        for moment in 0..moment_count {
            let values = floats(moments[moment].get(&entry.name), &entry.shape)
                .ok_or_else(|| wrong(&format!("{}{}", MOMENTS[moment], entry.name)))?;
            let ours = match entry.role {
                Role::Filters(shape) => turned(&values, shape, false),
                _ => values,
            };
            writes.push((place.moments[moment], ours));
        }
    }
    let len = plan.data.table.len();
    writes.push((plan.data.table, floats(table.as_ref(), &[2, len / 2]).ok_or_else(|| wrong(TABLE))?));
    network.load_state(&weights)?;
    writes.iter().try_for_each(|(slot, values)| network.arena.write(*slot, values))
}
