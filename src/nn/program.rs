//! The passes over batches of one size: their steps, and the slots of their tensors.

use super::compile::{Compiled, Context};
use super::graph::Graph;
use super::memory::Data;
use super::settings::Mode;
use super::step::{Pass, Step};
use crate::ops::take_images::{self, Choice, TakeImages};
use crate::ops::tally::{self, Tally};
use crate::{Arena, Layout, Result, Slot};

/// The passes over batches of one size.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub batch: usize,
    forward: Vec<Step>,
    loss: Step,
    backward: Vec<Step>,
    slots: Vec<Slot>,
    pub images: Slot,
    pub labels: Slot,
    pub logits: Slot,
    pub losses: Slot,
    /// The images' gradient, or [`Slot::NONE`].
    pub gradient: Slot,
    /// The logits' gradient, with which the backward pass begins, or [`Slot::NONE`]. It shares memory with other tensors: it
    /// is valid only between the forward and the backward pass.
    pub logits_gradient: Slot,
    pub workspace: Slot,
    /// Names, shapes per image, and slots of kept activations.
    pub taps: Vec<(String, [usize; 3], Slot)>,
    /// For images that stay on the device: how batches are taken, the images chosen, and how results are recorded.
    data: Option<(TakeImages, Slot, Tally)>,
    /// The layer of each step of the forward pass.
    layers: Vec<String>,
}

impl Program {
    /// Compiles a graph, and places its tensors in `layout`, after those that all programs share.
    pub fn new(graph: &Graph, context: &Context<'_>, layout: &mut Layout) -> Result<Self> {
        let compiled = Compiled::new(graph, context)?;
        let logits = graph.values.len() - 1;
        let [batch, _, _, classes] = graph.values[logits];
        let labels = layout.f32(batch);
        let losses = layout.f32(batch);
        let data = match context.data {
            0 => None,
            images => {
                let [_, height, width, channels] = graph.values[0];
                let take = TakeImages::new(images, batch, [height, width, channels])?;
                Some((take, layout.f32(take.choices_len()), Tally::new(batch, classes, images)?))
            }
        };
        let workspace = compiled.workspace(context.device, layout.precision());
        let workspace = layout.f32(workspace.max(context.workspace));
        let slots = compiled.place(layout);
        let Compiled { forward, layers, loss, backward, gradient, .. } = compiled;
        let logits_gradient = match backward.first() {
            Some(Step::LossGradient { into, .. }) => slots[*into],
            _ => Slot::NONE,
        };
        let taps = graph.names.iter().filter(|(name, _)| context.taps.contains(&name.as_str()));
        let taps = taps.map(|(name, value)| {
            let [_, height, width, channels] = graph.values[*value];
            (name.clone(), [height, width, channels], slots[*value])
        });
        Ok(Program {
            batch,
            taps: taps.collect(),
            images: slots[0],
            logits: slots[logits],
            gradient: gradient.map_or(Slot::NONE, |gradient| slots[gradient]),
            logits_gradient,
            labels,
            losses,
            workspace,
            forward,
            loss,
            backward,
            slots,
            data,
            layers,
        })
    }

    /// Computes the logits of the images.
    pub fn forward(&self, arena: &mut Arena, mode: Mode, step: Slot) -> Result<()> {
        let pass = self.pass(mode, step, 0.0);
        arena.in_pool(|arena| self.forward.iter().try_for_each(|one| one.run(arena, &pass)))
    }

    /// Writes which images the next batch takes, and their crops and flips.
    pub fn choose(&self, arena: &mut Arena, choices: &[Choice]) -> Result<()> {
        let (take, slot, _) = self.resident();
        take.write_choices(arena, *slot, choices)
    }

    /// Takes the chosen images from those on the device.
    pub fn take(&self, arena: &mut Arena, data: &Data) -> Result<()> {
        let (take, choices, _) = self.resident();
        take_images::take(arena, take, data.images, *choices, data.scale, self.images)
    }

    /// Writes losses and correct predictions into the table.
    pub fn tally(&self, arena: &mut Arena, data: &Data) -> Result<()> {
        let (.., tally) = self.resident();
        let (logits, labels, losses) = (self.logits, self.labels, self.losses);
        tally::record(arena, tally, logits, labels, losses, data.place, data.table, data.halt)
    }

    fn resident(&self) -> &(TakeImages, Slot, Tally) {
        self.data.as_ref().expect("planned with images that stay on the device")
    }

    /// The first layer, in a forward pass on the current images, whose output has a value that is not finite; `None`
    /// where all are finite.
    pub fn first_not_finite(&self, arena: &mut Arena, mode: Mode, count: Slot) -> Result<Option<String>> {
        for (step, layer) in self.forward.iter().zip(&self.layers) {
            step.run(arena, &self.pass(mode, count, 0.0))?;
            let Some(written) = step.written() else { continue };
            if arena.to_vec(self.slots[written])?.iter().any(|value| !value.is_finite()) {
                return Ok(Some(layer.clone()));
            }
        }
        Ok(None)
    }

    /// Computes each image's loss.
    pub fn loss(&self, arena: &mut Arena) -> Result<()> {
        self.loss.run(arena, &self.pass(Mode::Evaluation, Slot::NONE, 0.0))
    }

    /// Computes gradients of the mean loss of the first `rows` images, after a forward pass in the same mode.
    pub fn backward(&self, arena: &mut Arena, mode: Mode, step: Slot, rows: usize) -> Result<()> {
        let pass = self.pass(mode, step, 1.0 / rows as f32);
        arena.in_pool(|arena| self.backward.iter().try_for_each(|one| one.run(arena, &pass)))
    }

    /// The same for another loss, whose gradient with respect to the logits is in `logits_gradient`.
    pub fn backward_from_logits(&self, arena: &mut Arena, mode: Mode, step: Slot) -> Result<()> {
        let pass = self.pass(mode, step, 1.0);
        let mut steps = self.backward.iter().skip(1);
        arena.in_pool(|arena| steps.try_for_each(|one| one.run(arena, &pass)))
    }

    fn pass(&self, mode: Mode, count: Slot, scale: f32) -> Pass<'_> {
        let &Program { labels, losses, workspace, .. } = self;
        Pass { slots: &self.slots, labels, losses, workspace, mode, count, scale }
    }
}
