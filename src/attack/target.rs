//! A network under attack: its passes and an attack's operations as parts, which on a GPU are recorded together.

use crate::nn::{Model, Network, Passes, Purpose, Room, Settings, State, Topology, Trained, run_recorded};
use crate::ops::cross_entropy::CrossEntropy;
use crate::ops::perturb::{self, Control, Noise, Norm, Perturb, Square};
use crate::{Arena, Device, Error, Precision, Recording, Result, Slot};
use std::ops::ControlFlow;

/// Recordings that are kept: those of a few attacks. They hold their seeds, so that there could be any number.
const MOST_RECORDINGS: usize = 16;

/// A network whose images are attacked, with room for a batch of them: weights stay as they are, batch normalisation
/// takes its running statistics, nothing is dropped.
///
/// Images are f32 in pixel units (n, h, w, c), from 0 to 255 if [`with_range`](Self::with_range) says nothing else; the
/// network reads x scale\[c\] + shift\[c\] of them.
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
    /// Images of the batch that are not padding.
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
    /// To the logits.
    pub forward: u64,
    /// Back to the images' gradient.
    pub backward: u64,
}

/// A piece of an attack's iteration. `input` is brought up to date by whatever moves images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part {
    /// Logits and cross-entropies.
    Forward,
    /// The cross-entropies' gradient, and its norms.
    Backward,
    /// The gradient of the loss whose gradient by logits was written, and its norms.
    BackwardFromLogits,
    /// The gradient is added to the direction.
    Accumulate,
    /// A step along the gradient.
    Step(Norm),
    /// A step along the direction.
    StepAlong(Norm),
    /// Auto-PGD's step along the direction.
    StepApgd(Norm),
    /// A start at random.
    Noise(Noise, u64),
    /// A candidate, in x, of the best images.
    Square(Square, u64),
    /// What the network reads of x.
    Normalise,
}

impl Part {
    fn run(self, arena: &mut Arena, p: &Perturb, passes: &Passes<'_>) -> Result<()> {
        let Room { origin, x, previous, best, direction, controls, scale, norms, .. } = passes.room;
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
    /// A trained network, for batches of up to `batch` images. On the CPU it computes in f32, whatever it was trained in.
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

    /// A network of these weights, planned by the settings' batch, channels, classes, size and precision; `scale` has the
    /// factor of each channel, all above 0, then the offset of each, of what the network reads of a pixel's value.
    ///
    /// # Errors
    /// [`Error::Argument`] for a network of one logit, which has no other class to be led to; for a scale that is not
    /// finite, or of other channels, or a factor of 0 or below; and as [`NetworkPlan::new`](crate::nn::NetworkPlan::new),
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

    /// As [`of_state`](Self::of_state), of any topology.
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
                "{}: a network of one logit has one class, which no attack leads away from: two or more are needed",
                topology.name
            )));
        }
        let (factors, offsets) = scale.split_at(channels.min(scale.len()));
        let good = offsets.len() == channels
            && factors.iter().all(|v| *v > 0.0)
            && scale.iter().all(|v| v.is_finite());
        if !good {
            return Err(Error::Argument(format!(
                "a scale of {scale:?}: images of {channels} channels need {channels} factors above 0 and then as many \
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
        arena.write(passes.room.scale, scale)?;
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

    /// The same, of pixels whose values are from `low` to `high`.
    ///
    /// # Errors
    /// [`Error::Argument`] for a range that is empty or not finite.
    pub fn with_range(mut self, low: f32, high: f32) -> Result<Self> {
        let Perturb { batch, height, width, channels, .. } = self.perturb;
        self.perturb = Perturb::new(batch, [height, width, channels], [low, high])?;
        // They hold the old range.
        self.recorded.clear();
        Ok(self)
    }

    /// Least and greatest value of a pixel.
    pub fn range(&self) -> [f32; 2] {
        [self.perturb.low, self.perturb.high]
    }

    /// Height, width and channels of an image.
    pub fn shape(&self) -> [usize; 3] {
        [self.perturb.height, self.perturb.width, self.perturb.channels]
    }

    /// Logits of an image.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The most images of a batch.
    pub fn batch(&self) -> usize {
        self.perturb.batch
    }

    /// The device that it is on.
    pub fn device(&self) -> &Device {
        self.network.plan().device()
    }

    /// Has `watch` told the passes so far, after each step of each batch: for a progress bar, say. Where it answers [`ControlFlow::Break`], what is under way ends with [`Error::Stopped`]; the target is as good as before.
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

    /// The images' passes so far.
    pub fn passes(&self) -> Counts {
        self.passes
    }

    /// The logits (n, classes) and each image's cross-entropy (n), of any number of images.
    ///
    /// # Errors
    /// [`Error::Argument`] for values that are no whole images, are not in the range, or other than a label for each;
    /// [`Error::Data`] for a label that is no class, and where a loss is not finite; [`Error::Device`] where the device
    /// fails.
    pub fn look(&mut self, images: &[f32], labels: &[u32]) -> Result<(Vec<f32>, Vec<f32>)> {
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
                "image {at}: the network's loss is {}: its weights, or the scale of its images, are too large",
                losses[at]
            ))),
        }
    }

    /// That these are images of this network, in its range, with labels.
    pub(super) fn check(&self, images: &[f32], labels: &[u32]) -> Result<()> {
        let (image, [height, width, channels], [low, high]) = (self.image_len(), self.shape(), self.range());
        let count = images.len() / image;
        if count == 0 || !images.len().is_multiple_of(image) {
            return Err(Error::Argument(format!(
                "{} values are no whole images of {height} x {width} x {channels}, of {image} values each",
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

    /// Makes these images the originals and where the attack is, and `classes` those whose loss is taken. At most a batch.
    pub(super) fn begin(&mut self, images: &[f32], classes: &[u32]) -> Result<()> {
        let mut padded = images.to_vec();
        padded.resize(self.batch() * self.image_len(), self.perturb.low);
        let mut labels = classes.to_vec();
        labels.resize(self.batch(), 0);
        self.rows = classes.len();
        let loss = CrossEntropy::new(self.batch(), self.classes)?;
        let (arena, passes) = self.network.parts();
        let Room { origin, x, best, direction, .. } = passes.room;
        for slot in [origin, x, best] {
            arena.write(slot, &padded)?;
        }
        arena.clear(direction)?;
        loss.write_labels(arena, passes.labels(), &labels)
    }

    /// Tells each image what it needs.
    pub(super) fn tell(&mut self, controls: &[Control]) -> Result<()> {
        let (arena, passes) = self.network.parts();
        self.perturb.write_controls(arena, passes.room.controls, controls)
    }

    /// Does these parts, in order: on a GPU as one recording.
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
        let told = self.watch.as_mut().map(|watch| watch(self.passes));
        if told.is_some_and(|told| told.is_break()) { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Keeps x and its direction as the best, of those images that it says.
    pub(super) fn keep(&mut self, which: &[bool]) -> Result<()> {
        self.copy(which, |room| [(room.x, room.best), (room.direction, room.best_direction)])
    }

    /// Goes back to the best, with its direction, of those images that it says.
    pub(super) fn back_to_best(&mut self, which: &[bool]) -> Result<()> {
        self.copy(which, |room| [(room.best, room.x), (room.best_direction, room.direction)])
    }

    fn copy(&mut self, which: &[bool], slots: impl Fn(&Room) -> [(Slot, Slot); 2]) -> Result<()> {
        if !which.contains(&true) {
            return Ok(());
        }
        let controls: Vec<Control> =
            which.iter().map(|keep| Control { keep: *keep, ..Control::default() }).collect();
        let (arena, passes) = self.network.parts();
        let choice = passes.room.choice;
        self.perturb.write_controls(arena, choice, &controls)?;
        slots(&passes.room)
            .into_iter()
            .try_for_each(|(from, to)| perturb::keep(arena, &self.perturb, from, to, choice))
    }

    /// The loss's gradient by the logits, of the batch's images.
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

    /// The images as they are now.
    pub(super) fn images(&mut self) -> Result<Vec<f32>> {
        self.read(|passes| passes.room.x)
    }

    /// The best images.
    pub(super) fn best(&mut self) -> Result<Vec<f32>> {
        self.read(|passes| passes.room.best)
    }

    /// Takes note of the images whose gradient is 0 in every value.
    pub(super) fn note_masked(&mut self, masked: &mut [bool]) -> Result<()> {
        let values = self.image_len() as f32;
        let norms = self.read(|passes| passes.room.norms)?;
        for (masked, norms) in masked.iter_mut().zip(norms.chunks_exact(3)) {
            *masked |= norms[2] >= values;
        }
        Ok(())
    }

    /// The first images' part of a tensor of the batch.
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
