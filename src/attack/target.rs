//! A network under attack: its passes and an attack's operations, which on a GPU are recorded together.

use crate::nn::{
    AttackTensors, Model, Network, Passes, Purpose, Settings, State, Topology, Trained, run_recorded,
};
use crate::ops::cross_entropy::CrossEntropy;
use crate::ops::perturb::{self, Control, Noise, Norm, Perturb, Square};
use crate::{Arena, Device, Error, Precision, Recording, Result, Slot};
use std::ops::ControlFlow;

/// Recordings that are kept, enough for a few attacks: a recording contains its seed, so their number is unbounded.
const MOST_RECORDINGS: usize = 16;

/// A network under attack, with the memory for a batch of images: weights are fixed, batch normalisation uses running
/// statistics, and there is no dropout.
///
/// Images are f32 in pixel units (n, h, w, c), from 0 to 255 unless [`with_range`](Self::with_range) changes that; the
/// network's input is x scale\[c\] + shift\[c\].
///
/// ```
/// use sharpdim::Device;
/// use sharpdim::attack::{Attack, Fgsm, Target};
/// use sharpdim::nn::{Model, Network, NetworkPlan, Settings};
/// let settings = Settings { batch: 2, size: [32, 32], channels: 1, ..Settings::default() };
/// let device = Device::cpu();
/// let state = Network::new(NetworkPlan::new(&device, Model::ResNet18, &settings)?, 0)?.state()?;
/// let mut target = Target::of_state(&device, Model::ResNet18, &settings, &state, &[1.0 / 255.0, 0.0])?;
/// let images: Vec<f32> = (0..3 * 32 * 32).map(|i| (i % 256) as f32).collect();
/// let found = Fgsm::default().run(&mut target, &images, &[0, 1, 1], &[4.0])?;
/// assert!(found[0].images.iter().zip(&images).all(|(x, origin)| (x - origin).abs() <= 4.0));
/// assert_eq!(target.passes().backward, 3);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub struct Target {
    network: Network,
    perturb: Perturb,
    classes: usize,
    recorded: Vec<(Vec<Part>, Option<Recording>)>,
    /// Images of the batch, without padding.
    rows: usize,
    passes: Counts,
    watch: Option<Watch>,
}

/// Receives the number of passes so far, and says whether to go on.
type Watch = Box<dyn FnMut(Counts) -> ControlFlow<()> + Send>;

/// Passes of images through a network: a batch of five counts five times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Forward passes, to the logits.
    pub forward: u64,
    /// Backward passes, to the images' gradient.
    pub backward: u64,
}

/// An operation of an attack's iteration. Those that change the images also update the network's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part {
    /// Computes logits and cross-entropies.
    Forward,
    /// Computes the cross-entropies' gradient, and its norms.
    Backward,
    /// Computes the gradient of the loss whose gradient with respect to the logits was written, and its norms.
    BackwardFromLogits,
    /// Accumulates the gradient into the direction.
    Accumulate,
    /// A step along the gradient.
    Step(Norm),
    /// A step along the direction.
    StepAlong(Norm),
    /// Auto-PGD's step along the direction.
    StepApgd(Norm),
    /// A random start.
    Noise(Noise, u64),
    /// Writes candidates to x, from the best images.
    Square(Square, u64),
    /// Computes the network's input from x.
    Normalise,
}

impl Part {
    fn run(self, arena: &mut Arena, p: &Perturb, passes: &Passes<'_>) -> Result<()> {
        let AttackTensors { origin, x, previous, best, direction, controls, scale, norms, .. } =
            passes.tensors;
        let (y, g) = (passes.input(), passes.gradient());
        match self {
            Part::Forward => {
                passes.forward(arena)?;
                passes.loss(arena)
            }
            Part::Backward => {
                passes.backward(arena)?;
                perturb::gradient_norms(arena, p, g, scale, norms)
            }
            Part::BackwardFromLogits => {
                passes.backward_from_logits(arena)?;
                perturb::gradient_norms(arena, p, g, scale, norms)
            }
            Part::Accumulate => perturb::accumulate(arena, p, g, norms, controls, direction),
            Part::Step(norm) => perturb::step(arena, p, norm, origin, x, g, controls, scale, y),
            Part::StepAlong(norm) => perturb::step(arena, p, norm, origin, x, direction, controls, scale, y),
            Part::StepApgd(norm) => {
                perturb::step_apgd(arena, p, norm, origin, x, previous, direction, controls, scale, y)
            }
            Part::Noise(kind, seed) => perturb::noise(arena, p, origin, x, controls, scale, y, kind, seed),
            Part::Square(kind, seed) => {
                perturb::square(arena, p, origin, best, x, controls, scale, y, kind, seed)
            }
            Part::Normalise => perturb::normalise(arena, p, x, scale, y),
        }
    }
}

impl Target {
    /// A trained network, for batches of up to `batch` images. On the CPU it computes in f32, whatever the precision of its
    /// training.
    ///
    /// # Errors
    /// As [`of_state`](Self::of_state).
    pub fn new(trained: &Trained, device: &Device, batch: usize) -> Result<Self> {
        let [height, width, channels] = trained.shape;
        let settings = Settings {
            batch,
            channels,
            classes: trained.classes,
            size: [height, width],
            precision: if device.is_cpu() { Precision::F32 } else { trained.precision },
            ..Settings::default()
        };
        Self::of_state(device, trained.model, &settings, &trained.state, &trained.scale)
    }

    /// A network with these weights, planned with the settings' batch, channels, classes, size and precision. `scale` has the
    /// factors that normalise each channel, all above 0, then the offsets.
    ///
    /// # Errors
    /// [`Error::Argument`] for a network with one logit, which has no second class; for a scale that is not
    /// finite, has another number of channels, or a factor of 0 or below; and as [`NetworkPlan::new`](crate::nn::NetworkPlan::new),
    /// [`Network::new`] and [`Network::load_state`].
    pub fn of_state(
        device: &Device,
        model: Model,
        settings: &Settings,
        state: &State,
        scale: &[f32],
    ) -> Result<Self> {
        Self::with_topology(device, &model.topology(), settings, state, scale)
    }

    /// As [`of_state`](Self::of_state), for any topology.
    #[doc(hidden)]
    pub fn with_topology(
        device: &Device,
        topology: &Topology,
        settings: &Settings,
        state: &State,
        scale: &[f32],
    ) -> Result<Self> {
        let &Settings { batch, channels, classes, size: [height, width], .. } = settings;
        if classes == 1 {
            return Err(Error::Argument(format!(
                "{}: the network has one logit, and so one class: an attack needs two or more",
                topology.name
            )));
        }
        let (factors, offsets) = scale.split_at(channels.min(scale.len()));
        let good = offsets.len() == channels
            && factors.iter().all(|v| *v > 0.0)
            && scale.iter().all(|v| v.is_finite());
        if !good {
            return Err(Error::Argument(format!(
                "a scale of {scale:?}: images of {channels} channels need {channels} factors above 0, then as many \
                 offsets, all finite"
            )));
        }
        let settings = Settings {
            purpose: Purpose::InputGradient,
            last_batch: None,
            taps: Vec::new(),
            ..settings.clone()
        };
        let mut network = Network::attacked(device, topology, &settings, state)?;
        let (arena, passes) = network.parts();
        arena.write(passes.tensors.scale, scale)?;
        Ok(Target {
            network,
            perturb: Perturb::new(batch, [height, width, channels], [0.0, 255.0])?,
            classes,
            recorded: Vec::new(),
            rows: 0,
            passes: Counts::default(),
            watch: None,
        })
    }

    /// The same for pixel values from `low` to `high`.
    ///
    /// # Errors
    /// [`Error::Argument`] for a range that is empty or not finite.
    pub fn with_range(mut self, low: f32, high: f32) -> Result<Self> {
        let Perturb { batch, height, width, channels, .. } = self.perturb;
        self.perturb = Perturb::new(batch, [height, width, channels], [low, high])?;
        // Recordings contain the old range.
        self.recorded.clear();
        Ok(self)
    }

    /// Smallest and largest value of a pixel.
    pub fn range(&self) -> [f32; 2] {
        [self.perturb.low, self.perturb.high]
    }

    /// Height, width and channels of an image.
    pub fn shape(&self) -> [usize; 3] {
        [self.perturb.height, self.perturb.width, self.perturb.channels]
    }

    /// Number of classes: logits of an image.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Batch size.
    pub fn batch(&self) -> usize {
        self.perturb.batch
    }

    /// Its device.
    pub fn device(&self) -> &Device {
        self.network.plan().device()
    }

    /// Calls `watch` with the number of passes so far after each step of each batch, as for a progress bar. Where it returns
    /// [`ControlFlow::Break`], the current attack ends with [`Error::Stopped`]; the target stays usable.
    ///
    /// ```
    /// use sharpdim::attack::{Attack, Bim, Target};
    /// use sharpdim::nn::{Model, Network, NetworkPlan, Settings};
    /// use sharpdim::{Device, Error};
    /// use std::ops::ControlFlow;
    /// let settings = Settings { batch: 2, size: [32, 32], channels: 1, ..Settings::default() };
    /// let device = Device::cpu();
    /// let state = Network::new(NetworkPlan::new(&device, Model::ResNet18, &settings)?, 0)?.state()?;
    /// let mut target = Target::of_state(&device, Model::ResNet18, &settings, &state, &[1.0 / 255.0, 0.0])?;
    /// target.watch(|passes| if passes.forward < 6 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) });
    /// let stopped = Bim::default().run(&mut target, &vec![128.0; 2 * 32 * 32], &[0, 1], &[4.0]);
    /// assert!(matches!(stopped, Err(Error::Stopped)));
    /// assert_eq!(target.passes().forward, 6);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn watch(&mut self, watch: impl FnMut(Counts) -> ControlFlow<()> + Send + 'static) {
        self.watch = Some(Box::new(watch));
    }

    /// Number of passes so far.
    pub fn passes(&self) -> Counts {
        self.passes
    }

    /// Evaluates any number of images: logits (n, classes) and each image's cross-entropy (n).
    ///
    /// # Errors
    /// [`Error::Argument`] for values that are not whole images or outside the range, or without one label for each image;
    /// [`Error::Data`] for a label that is no class, and where a loss is not finite; [`Error::Device`] where the device
    /// fails.
    pub fn evaluate(&mut self, images: &[f32], labels: &[u32]) -> Result<(Vec<f32>, Vec<f32>)> {
        self.check(images, labels)?;
        let (mut logits, mut losses) = (Vec::new(), Vec::new());
        let (batch, image) = (self.batch(), self.image_len());
        for (images, labels) in images.chunks(batch * image).zip(labels.chunks(batch)) {
            self.begin(images, labels)?;
            self.perform(&[Part::Normalise, Part::Forward])?;
            logits.extend(self.logits()?);
            losses.extend(self.losses()?);
        }
        match losses.iter().position(|loss| !loss.is_finite()) {
            None => Ok((logits, losses)),
            Some(at) => Err(Error::Data(format!(
                "image {at}: the network's loss is {}: its weights, or its images' scale, are too large",
                losses[at]
            ))),
        }
    }

    /// Checks images and labels against the network and its range.
    pub(super) fn check(&self, images: &[f32], labels: &[u32]) -> Result<()> {
        let (image, [height, width, channels], [low, high]) = (self.image_len(), self.shape(), self.range());
        let count = images.len() / image;
        if count == 0 || !images.len().is_multiple_of(image) {
            return Err(Error::Argument(format!(
                "{} values are not a whole number of images of {height} x {width} x {channels}, of {image} values each",
                images.len()
            )));
        }
        if labels.len() != count {
            return Err(Error::Argument(format!(
                "{} labels for {count} images: each needs one",
                labels.len()
            )));
        }
        if let Some(at) = images.iter().position(|v| !(low..=high).contains(v)) {
            return Err(Error::Argument(format!(
                "image {} has the value {}: pixels are from {low} to {high} here",
                at / image,
                images[at]
            )));
        }
        match labels.iter().position(|label| *label as usize >= self.classes) {
            None => Ok(()),
            Some(at) => Err(Error::Data(format!(
                "image {at} has the label {}: the network has {} classes, 0 to {}",
                labels[at],
                self.classes,
                self.classes - 1
            ))),
        }
    }

    /// Begins an attack on up to a batch of images, with `classes` as the labels of the loss.
    pub(super) fn begin(&mut self, images: &[f32], classes: &[u32]) -> Result<()> {
        let mut padded = images.to_vec();
        padded.resize(self.batch() * self.image_len(), self.perturb.low);
        let mut labels = classes.to_vec();
        labels.resize(self.batch(), 0);
        self.rows = classes.len();
        let loss = CrossEntropy::new(self.batch(), self.classes)?;
        let (arena, passes) = self.network.parts();
        let AttackTensors { origin, x, best, direction, .. } = passes.tensors;
        for slot in [origin, x, best] {
            arena.write(slot, &padded)?;
        }
        arena.clear(direction)?;
        loss.write_labels(arena, passes.labels(), &labels)
    }

    /// Writes the parameters of each image.
    pub(super) fn write_controls(&mut self, controls: &[Control]) -> Result<()> {
        let (arena, passes) = self.network.parts();
        self.perturb.write_controls(arena, passes.tensors.controls, controls)
    }

    /// Performs these operations in order: on a GPU as one recording.
    pub(super) fn perform(&mut self, parts: &[Part]) -> Result<()> {
        let at = match self.recorded.iter().position(|(recorded, _)| recorded == parts) {
            Some(at) => at,
            None => {
                if self.recorded.len() == MOST_RECORDINGS {
                    self.recorded.remove(0);
                }
                self.recorded.push((parts.to_vec(), None));
                self.recorded.len() - 1
            }
        };
        let (arena, passes) = self.network.parts();
        run_recorded(&mut self.recorded[at].1, arena, |arena| {
            parts.iter().try_for_each(|part| part.run(arena, &self.perturb, &passes))
        })?;
        for part in parts {
            match part {
                Part::Forward => self.passes.forward += self.rows as u64,
                Part::Backward | Part::BackwardFromLogits => self.passes.backward += self.rows as u64,
                Part::Accumulate | Part::Step(_) | Part::StepAlong(_) | Part::StepApgd(_) => {}
                Part::Noise(..) | Part::Square(..) | Part::Normalise => {}
            }
        }
        let answer = self.watch.as_mut().map(|watch| watch(self.passes));
        if answer.is_some_and(|answer| answer.is_break()) { Err(Error::Stopped) } else { Ok(()) }
    }

    /// For the selected images, keeps x and its direction as the best.
    pub(super) fn keep(&mut self, which: &[bool]) -> Result<()> {
        self.copy(which, |tensors| [(tensors.x, tensors.best), (tensors.direction, tensors.best_direction)])
    }

    /// For the selected images, returns to the best and its direction.
    pub(super) fn back_to_best(&mut self, which: &[bool]) -> Result<()> {
        self.copy(which, |tensors| [(tensors.best, tensors.x), (tensors.best_direction, tensors.direction)])
    }

    fn copy(&mut self, which: &[bool], slots: impl Fn(&AttackTensors) -> [(Slot, Slot); 2]) -> Result<()> {
        if !which.contains(&true) {
            return Ok(());
        }
        let controls: Vec<Control> =
            which.iter().map(|keep| Control { keep: *keep, ..Control::default() }).collect();
        let (arena, passes) = self.network.parts();
        let choice = passes.tensors.choice;
        self.perturb.write_controls(arena, choice, &controls)?;
        slots(&passes.tensors)
            .into_iter()
            .try_for_each(|(from, to)| perturb::keep(arena, &self.perturb, from, to, choice))
    }

    /// Writes the loss's gradient with respect to the logits.
    pub(super) fn write_logits_gradient(&mut self, gradient: &[f32]) -> Result<()> {
        let mut padded = gradient.to_vec();
        padded.resize(self.batch() * self.classes, 0.0);
        let (arena, passes) = self.network.parts();
        arena.write(passes.logits_gradient(), &padded)
    }

    /// Each image's cross-entropy.
    pub(super) fn losses(&mut self) -> Result<Vec<f32>> {
        self.read(|passes| passes.losses())
    }

    /// (n, classes).
    pub(super) fn logits(&mut self) -> Result<Vec<f32>> {
        self.read(|passes| passes.logits())
    }

    /// The current images.
    pub(super) fn images(&mut self) -> Result<Vec<f32>> {
        self.read(|passes| passes.tensors.x)
    }

    /// The best images.
    pub(super) fn best(&mut self) -> Result<Vec<f32>> {
        self.read(|passes| passes.tensors.best)
    }

    /// Marks the images whose gradient is 0 in every value.
    pub(super) fn note_masked(&mut self, masked: &mut [bool]) -> Result<()> {
        let values = self.image_len() as f32;
        let norms = self.read(|passes| passes.tensors.norms)?;
        for (masked, norms) in masked.iter_mut().zip(norms.chunks_exact(3)) {
            *masked |= norms[2] >= values;
        }
        Ok(())
    }

    /// The values of the batch's images in a tensor, without padding.
    fn read(&mut self, slot: impl Fn(&Passes<'_>) -> Slot) -> Result<Vec<f32>> {
        let (batch, rows) = (self.batch(), self.rows);
        let (arena, passes) = self.network.parts();
        let slot = slot(&passes);
        arena.to_vec(slot.part(0, slot.len() / batch * rows))
    }

    pub(super) fn image_len(&self) -> usize {
        self.shape().iter().product()
    }
}
