//! Networks under attack: their passes as separate pieces, from which attacks compose recordings.

use super::memory::AttackTensors;
use super::network::Network;
use super::plan::{Extra, NetworkPlan};
use super::program::Program;
use super::settings::{Mode, Settings};
use super::state::State;
use super::topology::Topology;
use crate::{Arena, Device, Result, Slot};

/// The passes over a batch of an attacked network, always in evaluation mode.
#[derive(Clone, Copy)]
pub(crate) struct Passes<'a> {
    program: &'a Program,
    count: Slot,
    pub tensors: AttackTensors,
}

impl Passes<'_> {
    /// What the network reads: (n, h, w, c), in its precision.
    pub fn input(&self) -> Slot {
        self.program.images
    }

    /// The gradient of the sum of losses with respect to the input.
    pub fn gradient(&self) -> Slot {
        self.program.gradient
    }

    /// Labels (n), f32.
    pub fn labels(&self) -> Slot {
        self.program.labels
    }

    /// Losses (n), f32.
    pub fn losses(&self) -> Slot {
        self.program.losses
    }

    /// Logits (n, classes), in the network's precision.
    pub fn logits(&self) -> Slot {
        self.program.logits
    }

    /// The gradient with respect to the logits, to be written between [`forward`](Self::forward) and
    /// [`backward_from_logits`](Self::backward_from_logits).
    pub fn logits_gradient(&self) -> Slot {
        self.program.logits_gradient
    }

    /// Input to logits.
    pub fn forward(&self, arena: &mut Arena) -> Result<()> {
        self.program.forward(arena, Mode::Evaluation, self.count)
    }

    /// Logits and labels to each image's cross-entropy.
    pub fn loss(&self, arena: &mut Arena) -> Result<()> {
        self.program.loss(arena)
    }

    /// The gradient of the sum of cross-entropies: each image's is independent of the others.
    pub fn backward(&self, arena: &mut Arena) -> Result<()> {
        self.program.backward(arena, Mode::Evaluation, self.count, 1)
    }

    /// The gradient of a loss whose gradient with respect to the logits was written.
    pub fn backward_from_logits(&self, arena: &mut Arena) -> Result<()> {
        self.program.backward_from_logits(arena, Mode::Evaluation, self.count)
    }
}

impl Network {
    /// A network with the tensors of an attack, with these weights.
    ///
    /// # Errors
    /// As [`NetworkPlan::new`], [`Network::new`] and [`Network::load_state`].
    pub(crate) fn attacked(
        device: &Device,
        topology: &Topology,
        settings: &Settings,
        state: &State,
    ) -> Result<Self> {
        let extra = Extra { attacked: true, ..Extra::default() };
        let mut network = Network::new(NetworkPlan::with_extra(device, topology, settings, &extra)?, 0)?;
        network.load_state(state)?;
        Ok(network)
    }

    /// Its memory and its passes, where it was made by [`attacked`](Self::attacked).
    pub(crate) fn parts(&mut self) -> (&mut Arena, Passes<'_>) {
        let passes =
            Passes { program: &self.plan.programs[0], count: self.plan.count, tensors: self.plan.attack };
        (&mut self.arena, passes)
    }
}
