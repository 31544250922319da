//! A network on a device: forward and backward passes, losses, gradients and optimiser steps.

use super::graph::Role;
use super::init;
use super::plan::NetworkPlan;
use super::program::Program;
use super::settings::{Mode, Optimiser, Purpose};
use crate::ops::cross_entropy::CrossEntropy;
use crate::ops::norm;
use crate::{Arena, Error, Recording, Result, Slot};
use std::ops::Range;

/// Steps with distinct dropout masks: the integers that f32 counts exactly.
pub(super) const MOST_STEPS: u32 = 1 << 24;

/// A network on a device.
///
/// ```
/// use sharpdim::Device;
/// use sharpdim::nn::{Mode, Model, Network, NetworkPlan, Purpose, Settings};
/// let purpose = Purpose::InputGradient;
/// let settings = Settings { batch: 2, size: [32, 32], purpose, ..Settings::default() };
/// let mut network = Network::new(NetworkPlan::new(&Device::cpu(), Model::ResNet18, &settings)?, 0)?;
/// // One image, of a batch of up to two.
/// network.set_images(&vec![0.5; 32 * 32 * 3])?;
/// network.set_labels(&[1])?;
/// network.forward(Mode::Evaluation)?;
/// assert_eq!(network.logits()?.len(), 2);
/// network.backward()?;
/// assert_eq!(network.input_gradient()?.len(), 32 * 32 * 3);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub struct Network {
    pub(super) plan: NetworkPlan,
    /// On GPUs, each program's training step, recorded at its first run.
    recorded: Vec<Option<Recording>>,
    /// The same for steps on images that stay on the device.
    pub(super) recorded_taken: Vec<Option<Recording>>,
    pub(super) arena: Arena,
    /// The current batch: its program, its number of images, and what was computed.
    pub(super) program: usize,
    rows: usize,
    labelled: bool,
    pub(super) ran: Option<Mode>,
    differentiated: bool,
    /// Weights were updated since the forward pass: its logits are valid, but gradients would mix old and new weights.
    moved: bool,
    /// Steps of the optimiser.
    pub(super) steps: u32,
    /// Batches in each normalisation's running statistics.
    pub(super) batches: Vec<i64>,
}

impl Network {
    /// Allocates memory, and draws weights as torchvision does: the same for the same seed, on any device.
    ///
    /// # Errors
    /// [`Error::Device`] where memory does not suffice, [`Error::Argument`] for bf16 on the CPU.
    pub fn new(plan: NetworkPlan, seed: u64) -> Result<Self> {
        let arena = plan.layout.build(&plan.device)?;
        let norms = plan.entries.iter().filter(|entry| entry.role == Role::Batches).count();
        let mut network = Network {
            recorded: plan.programs.iter().map(|_| None).collect(),
            recorded_taken: plan.programs.iter().map(|_| None).collect(),
            plan,
            arena,
            program: 0,
            rows: 0,
            labelled: false,
            ran: None,
            differentiated: false,
            moved: false,
            steps: 0,
            batches: vec![0; norms],
        };
        for (at, (entry, place)) in network.plan.entries.iter().zip(&network.plan.places).enumerate() {
            // Random values need no reordering from torchvision's layout.
            if entry.role != Role::Batches {
                network.arena.write(place.value, &init::values(entry.draw, entry.len(), at, seed))?;
            }
        }
        network.plan.round(&mut network.arena)?;
        Ok(network)
    }

    /// Its plan.
    pub fn plan(&self) -> &NetworkPlan {
        &self.plan
    }

    /// The optimiser's steps so far: Adam's t, and the counter of dropout's random numbers.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// Sets a batch: images (n, h, w, c), n being [`Settings::batch`](super::Settings::batch) or
    /// [`last_batch`](super::Settings::last_batch). Fewer suffice for passes in [`Mode::Evaluation`] and for gradients of
    /// images. Labels must be set again.
    ///
    /// # Errors
    /// [`Error::Argument`] for values that are not a whole number of images, and for no images or more than a batch.
    pub fn set_images(&mut self, images: &[f32]) -> Result<()> {
        let image = self.image_len();
        let settings = self.plan.settings();
        let (rows, [height, width], channels) = (images.len() / image, settings.size, settings.channels);
        if rows == 0 || !images.len().is_multiple_of(image) {
            let len = images.len();
            return Err(Error::Argument(format!(
                "{}: {len} values are not a whole number of images of {height} x {width} x {channels}, of {image} values",
                self.plan.name()
            )));
        }
        self.fit(rows)?;
        let (batch, slot) = (self.passes().batch, self.passes().images);
        if rows == batch {
            self.arena.write(slot, images)?;
        } else {
            let mut padded = images.to_vec();
            padded.resize(batch * image, 0.0);
            self.arena.write(slot, &padded)?;
        }
        Ok(())
    }

    /// Begins a batch of `rows` images, in the smallest program that fits them.
    pub(super) fn fit(&mut self, rows: usize) -> Result<()> {
        let fitting = self.plan.for_training().filter(|(_, program)| program.batch >= rows);
        let Some((program, _)) = fitting.min_by_key(|(_, program)| program.batch) else {
            let most = self.plan.for_training().map(|(_, program)| program.batch).max().unwrap_or(0);
            return Err(Error::Argument(format!(
                "{}: {rows} images: batches have {most} or fewer",
                self.plan.name()
            )));
        };
        self.begin(program, rows);
        Ok(())
    }

    /// Begins a batch of `rows` images in a program.
    pub(super) fn begin(&mut self, program: usize, rows: usize) {
        (self.program, self.rows) = (program, rows);
        (self.labelled, self.ran, self.differentiated) = (false, None, false);
    }

    /// Sets the labels of the batch's images.
    ///
    /// # Errors
    /// [`Error::Argument`] where the numbers of labels and images differ; [`Error::Data`] for a label that is no class.
    pub fn set_labels(&mut self, labels: &[u32]) -> Result<()> {
        if labels.len() != self.rows {
            let (given, rows) = (labels.len(), self.rows);
            return Err(Error::Argument(format!("{given} labels for a batch of {rows} images")));
        }
        let batch = self.passes().batch;
        let loss = CrossEntropy::new(batch, self.plan.settings().classes)?;
        let mut padded = labels.to_vec();
        padded.resize(batch, 0);
        loss.write_labels(&mut self.arena, self.plan.programs[self.program].labels, &padded)?;
        self.labelled = true;
        self.differentiated = false;
        Ok(())
    }

    /// Computes the logits of the batch's images. [`Mode::Training`] updates the running statistics.
    ///
    /// # Errors
    /// [`Error::Argument`] where no images are set; in [`Mode::Training`] where it is not planned, or where the batch
    /// has fewer images than planned, or a batch normalisation sees a single pixel; [`Error::Device`] where the device
    /// fails.
    pub fn forward(&mut self, mode: Mode) -> Result<()> {
        if self.rows == 0 {
            return Err(Error::Argument(format!("{}: no images are set", self.plan.name())));
        }
        if mode == Mode::Training {
            if matches!(self.plan.settings().purpose, Purpose::Inference | Purpose::InputGradient) {
                return Err(self.plan.not_planned("passes in training mode"));
            }
            self.whole("training mode")?;
            self.write_count()?;
        }
        (self.ran, self.differentiated) = (None, false);
        self.plan.programs[self.program].forward(&mut self.arena, mode, self.plan.count)?;
        (self.ran, self.moved) = (Some(mode), false);
        if mode == Mode::Training {
            self.batches.iter_mut().for_each(|batches| *batches += 1);
        }
        Ok(())
    }

    /// The logits (n, classes) of the last forward pass.
    ///
    /// # Errors
    /// [`Error::Argument`] where there was none; [`Error::Device`] where the device failed.
    pub fn logits(&self) -> Result<Vec<f32>> {
        self.mode()?;
        self.rows_of(self.passes().logits)
    }

    /// Each image's cross-entropy (n), of the last forward pass.
    ///
    /// # Errors
    /// [`Error::Argument`] where there was none, or no labels are set; [`Error::Device`] where the device failed.
    pub fn losses(&mut self) -> Result<Vec<f32>> {
        self.mode()?;
        self.labels()?;
        self.plan.programs[self.program].loss(&mut self.arena)?;
        self.rows_of(self.passes().losses)
    }

    /// An activation (n, h, w, c) of the last forward pass, of those in [`Settings::taps`](super::Settings::taps).
    ///
    /// # Errors
    /// [`Error::Argument`] where it is not kept, or there was no pass; [`Error::Device`] where the device failed.
    pub fn activation(&self, name: &str) -> Result<Vec<f32>> {
        let (_, slot) = self.plan.tap(self.program, name)?;
        self.mode()?;
        self.rows_of(slot)
    }

    /// Computes the gradients of the batch's mean loss, after a forward pass.
    ///
    /// # Errors
    /// [`Error::Argument`] where none are planned, there was no forward pass since weights were updated, no labels are set,
    /// or the batch has fewer images than planned and weights' gradients are wanted; [`Error::Device`] where the device
    /// fails.
    pub fn backward(&mut self) -> Result<()> {
        let mode = self.mode()?;
        self.labels()?;
        if self.moved {
            return Err(Error::Argument(format!(
                "{}: weights moved since this batch's forward pass: run it again",
                self.plan.name()
            )));
        }
        match self.plan.settings().purpose {
            Purpose::Inference => return Err(self.plan.not_planned("gradients")),
            Purpose::InputGradient => {}
            Purpose::Gradients | Purpose::Training(_) => self.whole("gradients of weights")?,
        }
        let passes = &self.plan.programs[self.program];
        passes.backward(&mut self.arena, mode, self.plan.count, self.rows)?;
        self.differentiated = true;
        Ok(())
    }

    /// The images' gradient (n, h, w, c).
    ///
    /// # Errors
    /// [`Error::Argument`] where it is not planned, or there was no backward pass; [`Error::Device`] where the device
    /// failed.
    pub fn input_gradient(&self) -> Result<Vec<f32>> {
        let slot = self.passes().gradient;
        if slot.is_empty() {
            return Err(self.plan.not_planned("gradients of images"));
        }
        self.gradients()?;
        self.rows_of(slot)
    }

    /// The Euclidean norm of all weights' gradients together.
    ///
    /// # Errors
    /// [`Error::Argument`] where they are not planned, or there was no backward pass; [`Error::Device`] where the
    /// device fails.
    pub fn gradient_norm(&mut self) -> Result<f32> {
        if self.plan.gradient.is_empty() {
            return Err(self.plan.not_planned("gradients of weights"));
        }
        self.gradients()?;
        let work = self.plan.programs[self.program].workspace;
        norm::norm(&mut self.arena, self.plan.gradient, self.plan.norm, work)?;
        Ok(self.arena.to_vec(self.plan.norm)?[0])
    }

    /// One step of the optimiser, with the gradients of the last backward pass and this learning rate.
    ///
    /// # Errors
    /// [`Error::Argument`] where no optimiser is planned, or there was no backward pass; [`Error::Device`] where the
    /// device fails.
    pub fn step(&mut self, rate: f32) -> Result<()> {
        self.plan.optimiser()?;
        self.gradients()?;
        self.write_rate(rate)?;
        self.plan.update(&mut self.arena, self.program)?;
        self.stepped();
        Ok(())
    }

    /// One training step: forward in training mode, losses, gradients, optimiser; on a GPU one CUDA graph. Returns
    /// the batch's mean loss before the step; logits and gradients can be read after it.
    ///
    /// # Errors
    /// As [`set_images`](Self::set_images), [`set_labels`](Self::set_labels), [`forward`](Self::forward) and
    /// [`step`](Self::step).
    pub fn train(&mut self, images: &[f32], labels: &[u32], rate: f32) -> Result<f32> {
        self.plan.optimiser()?;
        self.set_images(images)?;
        self.whole("training mode")?;
        self.set_labels(labels)?;
        self.write_rate(rate)?;
        self.write_count()?;
        run_recorded(&mut self.recorded[self.program], &mut self.arena, |arena| {
            self.plan.training_step(arena, self.program)
        })?;
        (self.ran, self.differentiated) = (Some(Mode::Training), true);
        self.batches.iter_mut().for_each(|batches| *batches += 1);
        self.stepped();
        let losses = self.rows_of(self.passes().losses)?;
        Ok((losses.iter().map(|loss| f64::from(*loss)).sum::<f64>() / losses.len() as f64) as f32)
    }

    /// Runs any number of images (h, w, c) through the network in evaluation mode, batch by batch, and passes each
    /// batch's kept activations to `visit`: the range of images, the activation's name in
    /// [`Settings::taps`](super::Settings::taps), and its values (n, h, w, c). Only one batch is in memory.
    ///
    /// ```
    /// use sharpdim::Device;
    /// use sharpdim::nn::{Model, Network, NetworkPlan, Settings};
    /// let taps = vec!["layer1".into(), "last_hidden".into()];
    /// let settings = Settings { batch: 2, size: [32, 32], channels: 1, taps, ..Settings::default() };
    /// let mut network = Network::new(NetworkPlan::new(&Device::cpu(), Model::ResNet18, &settings)?, 0)?;
    /// let images = vec![vec![1.0; 32 * 32]; 3];
    /// let mut last = Vec::new();
    /// network.activations(&images, |rows, name, values| {
    ///     if name == "last_hidden" {
    ///         assert_eq!(values.len(), rows.len() * 512);
    ///         last.extend_from_slice(values);
    ///     }
    ///     Ok(())
    /// })?;
    /// assert_eq!(last.len(), 3 * 512);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] where no activation is kept, or an image has another number of values; [`Error::Device`]
    /// where the device fails; and what `visit` returns.
    pub fn activations<I: AsRef<[f32]>>(
        &mut self,
        images: impl IntoIterator<Item = I>,
        mut visit: impl FnMut(Range<usize>, &str, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let taps = self.plan.settings().taps.clone();
        if taps.is_empty() {
            return Err(Error::Argument(format!(
                "{}: no activation is kept: name some in settings.taps",
                self.plan.name()
            )));
        }
        let (image, most) = (self.image_len(), self.plan.settings().batch);
        let mut images = images.into_iter();
        let (mut batch, mut done) = (Vec::with_capacity(most * image), 0);
        loop {
            batch.clear();
            let mut rows = 0;
            for values in images.by_ref().take(most) {
                let values = values.as_ref();
                if values.len() != image {
                    return Err(Error::Argument(format!(
                        "image {} has {} values: {} takes {image}",
                        done + rows,
                        values.len(),
                        self.plan.name()
                    )));
                }
                batch.extend_from_slice(values);
                rows += 1;
            }
            if rows == 0 {
                return Ok(());
            }
            self.set_images(&batch)?;
            self.forward(Mode::Evaluation)?;
            for tap in &taps {
                visit(done..done + rows, tap, &self.activation(tap)?)?;
            }
            done += rows;
        }
    }

    fn image_len(&self) -> usize {
        let settings = self.plan.settings();
        settings.size[0] * settings.size[1] * settings.channels
    }

    fn passes(&self) -> &Program {
        &self.plan.programs[self.program]
    }

    /// The values of the batch's images in a tensor, without padding.
    fn rows_of(&self, slot: Slot) -> Result<Vec<f32>> {
        let one = slot.len() / self.passes().batch;
        self.arena.to_vec(slot.part(0, one * self.rows))
    }

    /// Fails where the batch has fewer images than planned.
    pub(super) fn whole(&self, what: &str) -> Result<()> {
        let (rows, planned) = (self.rows, self.passes().batch);
        // Test batches have no backward pass.
        if rows == planned && Some(self.program) != self.plan.tests {
            return Ok(());
        }
        let sizes: Vec<String> =
            self.plan.for_training().map(|(_, program)| program.batch.to_string()).collect();
        Err(Error::Argument(format!(
            "{}: {what} needs a whole batch, of {} images, not {rows}: plan one with settings.last_batch",
            self.plan.name(),
            sizes.join(" or ")
        )))
    }

    fn mode(&self) -> Result<Mode> {
        self.ran.ok_or_else(|| {
            Error::Argument(format!("{}: no forward pass was run on this batch", self.plan.name()))
        })
    }

    fn labels(&self) -> Result<()> {
        if self.labelled {
            return Ok(());
        }
        Err(Error::Argument(format!("{}: this batch has no labels", self.plan.name())))
    }

    pub(super) fn gradients(&self) -> Result<()> {
        if self.differentiated {
            return Ok(());
        }
        Err(Error::Argument(format!("{}: no backward pass was run on this batch", self.plan.name())))
    }

    pub(super) fn write_rate(&mut self, rate: f32) -> Result<()> {
        match self.plan.optimiser()? {
            Optimiser::Adam(adam) => self.arena.write(self.plan.rate, &adam.step(rate, self.steps + 1)),
            Optimiser::Sgd(_) => self.arena.write(self.plan.rate, &[rate]),
        }
    }

    pub(super) fn write_count(&mut self) -> Result<()> {
        self.arena.write(self.plan.count, &[(self.steps % MOST_STEPS) as f32])
    }

    pub(super) fn stepped(&mut self) {
        self.steps += 1;
        self.moved = true;
    }
}

/// Runs work on the batch: on a GPU it is recorded at its first run, and replayed as one CUDA graph from then on.
pub(crate) fn run_recorded(
    recorded: &mut Option<Recording>,
    arena: &mut Arena,
    work: impl Fn(&mut Arena) -> Result<()>,
) -> Result<()> {
    if recorded.is_none() {
        match arena.record(&work) {
            Ok(recording) => *recorded = Some(recording),
            // The CPU launches no kernels to record.
            Err(Error::Unavailable { .. }) => return work(arena),
            Err(other) => return Err(other),
        }
    }
    recorded.iter().try_for_each(|step| step.run(arena))
}
