//! Reading, loading and saving a network's weights.

use super::graph::{Entry, Role};
use super::memory::Place;
use super::network::Network;
use super::state::{Numbers, State, StateTensor, turned};
use crate::{Error, Result, Slot};
use std::path::Path;

impl Network {
    /// The gradient of a weight, in the shape of the state dict.
    ///
    /// # Errors
    /// [`Error::Argument`] where it is not planned, no weight has this name, or there was no backward pass;
    /// [`Error::Device`] where the device failed.
    pub fn parameter_gradient(&self, name: &str) -> Result<Vec<f32>> {
        let (entry, slot) = self.entry(name, |place| place.gradient)?;
        if self.plan.gradient.is_empty() {
            return Err(self.plan.not_planned("gradients of weights"));
        }
        if slot.is_empty() {
            return Err(Error::Argument(format!("{name} is no weight: it has no gradient")));
        }
        self.gradients()?;
        self.theirs(entry, slot)
    }

    /// A weight or running statistic, in the shape of the state dict.
    ///
    /// # Errors
    /// [`Error::Argument`] where none has this name; [`Error::Device`] where the device failed.
    pub fn parameter(&self, name: &str) -> Result<Vec<f32>> {
        let (entry, slot) = self.entry(name, |place| place.value)?;
        self.theirs(entry, slot)
    }

    /// Its weights and running statistics, under torchvision's names.
    ///
    /// # Errors
    /// [`Error::Device`] where the device failed.
    pub fn state(&self) -> Result<State> {
        let mut batches = self.batches.iter();
        let tensors = self.plan.entries.iter().zip(&self.plan.places).map(|(entry, place)| {
            let numbers = match entry.role {
                Role::Batches => Numbers::I64(batches.next().copied().into_iter().collect()),
                _ => Numbers::F32(self.theirs(entry, place.value)?),
            };
            Ok(StateTensor { name: entry.name.clone(), shape: entry.shape.clone(), numbers })
        });
        Ok(State { tensors: tensors.collect::<Result<_>>()? })
    }

    /// Loads weights and running statistics. Nothing is changed where they do not fit. The optimiser's state stays as it
    /// is.
    ///
    /// # Errors
    /// [`Error::Argument`] for tensors that are missing, not expected, of another shape, or not finite;
    /// [`Error::Device`] where the device fails.
    pub fn load_state(&mut self, state: &State) -> Result<()> {
        if let Some(reason) = state.mismatch(self.plan.name(), &self.plan.entries) {
            return Err(Error::Argument(reason));
        }
        let mut norms = 0;
        for (entry, place) in self.plan.entries.iter().zip(&self.plan.places) {
            let numbers = state.get(&entry.name).map(|tensor| &tensor.numbers);
            match (entry.role, numbers) {
                (Role::Batches, numbers) => {
                    self.batches[norms] = match numbers {
                        Some(Numbers::I64(count)) => count[0],
                        _ => 0,
                    };
                    norms += 1;
                }
                (Role::Filters(shape), Some(Numbers::F32(values))) => {
                    self.arena.write(place.value, &turned(values, shape, false))?;
                }
                (_, Some(Numbers::F32(values))) => self.arena.write(place.value, values)?,
                _ => unreachable!("the state was found to match"),
            }
        }
        self.ran = None;
        self.plan.round(&mut self.arena)
    }

    /// Writes its weights and running statistics to a safetensors file that PyTorch loads as it is: see
    /// [`State::save`].
    ///
    /// # Errors
    /// As [`State::save`].
    pub fn save(&self, path: &Path) -> Result<()> {
        self.state()?.save(path)
    }

    /// Reads weights and running statistics from a safetensors file: see [`State::read`] and
    /// [`load_state`](Self::load_state).
    ///
    /// # Errors
    /// As [`State::read`]; [`Error::Format`] for the weights of another network.
    pub fn load(&mut self, path: &Path) -> Result<()> {
        let state = State::read(path)?;
        match state.mismatch(self.plan.name(), &self.plan.entries) {
            Some(reason) => Err(Error::format(path, reason)),
            None => self.load_state(&state),
        }
    }

    fn entry(&self, name: &str, slot: impl Fn(&Place) -> Slot) -> Result<(&Entry, Slot)> {
        let found = self.plan.entries.iter().zip(&self.plan.places).find(|(entry, _)| entry.name == name);
        match found.filter(|(entry, _)| entry.role != Role::Batches) {
            Some((entry, place)) => Ok((entry, slot(place))),
            None => Err(Error::Argument(format!("{} has no weight {name:?}", self.plan.name()))),
        }
    }

    /// A tensor in the state dict's order.
    pub(super) fn theirs(&self, entry: &Entry, slot: Slot) -> Result<Vec<f32>> {
        let values = self.arena.to_vec(slot)?;
        match entry.role {
            Role::Filters(shape) if shape[2] * shape[3] > 1 => Ok(turned(&values, shape, true)),
            _ => Ok(values),
        }
    }
}
