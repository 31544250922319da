//! Planning a network before anything is allocated: the memory layout, the steps of each pass, and the bytes they need.

use super::compile::Context;
use super::graph::{Entry, Graph, Node, Role};
use super::memory::{AttackTensors, Data, Place};
use super::model::Model;
use super::program::Program;
use super::settings::{Mode, Optimiser, Purpose, Settings, Wants};
use super::topology::Topology;
use crate::ops::guard::Guard;
use crate::ops::{adam, convert, norm, sgd};
use crate::{Arena, Device, Error, Layout, Precision, Result, Slot};
use std::fmt;

/// Weights lie in one tensor, each aligned to this many values and padded with 0: enough for any vector load, and for
/// the 128 bytes of a cache line in bf16 too.
const STEP: usize = 64;

/// Bytes of a network's memory, by purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bytes {
    /// Weights, their bf16 copy where there is one, and running statistics.
    pub weights: usize,
    /// Gradients of weights.
    pub gradients: usize,
    /// The optimiser's state.
    pub optimiser: usize,
    /// Images that stay on the device, those of an attack included.
    pub data: usize,
    /// Batches of images, activations and their gradients.
    pub activations: usize,
    /// Scratch memory of operations.
    pub workspace: usize,
}

impl Bytes {
    /// Their sum.
    pub fn total(&self) -> usize {
        self.weights + self.gradients + self.optimiser + self.data + self.activations + self.workspace
    }
}

/// What is planned in addition to the passes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extra {
    /// Images kept on the device, 8 bits a value, from which batches are taken.
    pub images: usize,
    /// Tests take batches of this size.
    pub test_batch: Option<usize>,
    /// Whether to plan the tensors of an attack.
    pub attacked: bool,
}

/// A network's shapes, steps and memory on a device, before anything is allocated.
///
/// ```
/// use sharpdim::Device;
/// use sharpdim::nn::{Model, NetworkPlan, Settings};
/// let settings = Settings { batch: 8, size: [64, 64], ..Settings::default() };
/// let plan = NetworkPlan::new(&Device::cpu(), Model::ResNet18, &settings)?;
/// assert_eq!(plan.parameters(), 11_177_538);
/// println!("{plan}");
/// # assert!(plan.bytes().weights >= 4 * plan.parameters() && plan.bytes().gradients == 0);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NetworkPlan {
    pub(super) device: Device,
    pub(super) topology: Topology,
    pub(super) settings: Settings,
    pub(super) entries: Vec<Entry>,
    pub(super) places: Vec<Place>,
    /// One for each size of batches.
    pub(super) programs: Vec<Program>,
    /// Which of them runs the test batches of a training, in evaluation mode only.
    pub(super) tests: Option<usize>,
    /// All weights, padding between them.
    pub(super) weights: Slot,
    pub(super) gradient: Slot,
    /// Adam's m and v, or SGD's buffer.
    pub(super) moments: [Slot; 2],
    /// The weights in bf16, or none.
    copy: Slot,
    /// The step's number, for dropout.
    pub(super) count: Slot,
    /// The optimiser's scalars of each step.
    pub(super) rate: Slot,
    /// The norm of all gradients.
    pub(super) norm: Slot,
    /// The images kept on the device, and the results of batches.
    pub(super) data: Data,
    /// The tensors of an attack.
    pub(super) attack: AttackTensors,
    pub(super) layout: Layout,
    bytes: Bytes,
}

impl NetworkPlan {
    /// Plans a network. On the CPU the workspace is sized for the current rayon pool: run it in the same pool.
    ///
    /// # Errors
    /// [`Error::Argument`] for a batch, channels or classes of 0; for images smaller than
    /// [`Model::least_size`]; for tensors of 2^31 values or more; for an unknown activation; for a dropout that is
    /// not a probability below 1; and for training where some batch normalisation would see a single pixel, which has no
    /// variance.
    pub fn new(device: &Device, model: Model, settings: &Settings) -> Result<Self> {
        Self::with_topology(device, &model.topology(), settings)
    }

    /// As [`new`](Self::new), for any topology.
    #[doc(hidden)]
    pub fn with_topology(device: &Device, topology: &Topology, settings: &Settings) -> Result<Self> {
        Self::with_extra(device, topology, settings, &Extra::default())
    }

    /// As [`with_topology`](Self::with_topology), with what [`Extra`] asks for.
    pub(super) fn with_extra(
        device: &Device,
        topology: &Topology,
        settings: &Settings,
        extra: &Extra,
    ) -> Result<Self> {
        let &Extra { images, test_batch, attacked } = extra;
        let &Settings { batch, last_batch, channels, classes, size: [height, width], .. } = settings;
        let name = topology.name;
        let extents = [("batch", batch), ("last_batch", last_batch.unwrap_or(1)), ("channels", channels)];
        for (what, extent) in extents.into_iter().chain([("classes", classes)]) {
            if extent == 0 {
                return Err(Error::Argument(format!("{name}: {what} is 0: it must be 1 or more")));
            }
        }
        if let Some(clip) = settings.clip.filter(|clip| !(clip.is_finite() && *clip > 0.0)) {
            return Err(Error::Argument(format!("{name}: gradients clipped to {clip}: it must be above 0")));
        }
        let known = topology.activations();
        if let Some(tap) = settings.taps.iter().find(|tap| !known.contains(tap)) {
            let known = known.join(", ");
            return Err(Error::Argument(format!("{name} has no activation {tap:?}: it has {known}")));
        }
        let taps: Vec<&str> = settings.taps.iter().map(|tap| topology.module(tap)).collect();
        let mut sizes = vec![batch];
        sizes.extend(last_batch.filter(|last| *last != batch));
        let trained = sizes.len();
        sizes.extend(test_batch);
        let tests = test_batch.map(|_| trained);
        let graphs: Vec<Graph> = sizes
            .iter()
            .map(|batch| topology.graph([*batch, height, width, channels], classes, &taps))
            .collect::<Result<_>>()?;
        if matches!(settings.purpose, Purpose::Training(_)) {
            for (graph, batch) in graphs.iter().zip(&sizes).take(trained) {
                let single = |node: &Node| matches!(node, Node::Norm { norm, .. } if norm.rows == 1);
                if graph.nodes.iter().any(single) {
                    return Err(Error::Argument(format!(
                        "{name} cannot train on batches of {batch} image of {height} x {width}: some of its batch \
                         normalisations would see one pixel, which has no variance; take more images, or larger ones"
                    )));
                }
            }
        }

        let entries = graphs[0].entries.clone();
        let wants = settings.purpose.wants();
        let mut layout = Layout::new(settings.precision);
        let (parameter_starts, parameters) = starts(&entries, Role::is_parameter);
        let (statistic_starts, statistics) = starts(&entries, Role::is_statistic);
        let weights = layout.f32(parameters);
        let gradient = if wants.parameters { layout.f32(parameters) } else { Slot::NONE };
        let (moments, rate) = match settings.purpose {
            Purpose::Training(Optimiser::Adam(_)) => {
                ([layout.f32(parameters), layout.f32(parameters)], layout.f32(3))
            }
            Purpose::Training(Optimiser::Sgd(_)) => ([layout.f32(parameters), Slot::NONE], layout.f32(1)),
            Purpose::Inference | Purpose::InputGradient | Purpose::Gradients => ([Slot::NONE; 2], Slot::NONE),
        };
        let statistics = layout.f32(statistics);
        let copy = match settings.precision {
            Precision::F32 => Slot::NONE,
            Precision::Bf16 => layout.values(parameters),
        };
        let (count, norm) = (layout.f32(1), layout.f32(1));
        let data = match images {
            0 => Data::NONE,
            images => Data::new(&mut layout, images, [height, width, channels]),
        };
        let attack = if attacked {
            AttackTensors::new(&mut layout, batch, [height, width, channels])
        } else {
            AttackTensors::NONE
        };
        let places: Vec<Place> = entries
            .iter()
            .zip(parameter_starts.iter().zip(&statistic_starts))
            .map(|(entry, (start, statistic))| {
                let len = entry.len();
                let part = |slot: Slot| if slot.is_empty() { Slot::NONE } else { slot.part(*start, len) };
                match entry.role {
                    Role::Batches => Place::NONE,
                    Role::RunningMean | Role::RunningVariance => {
                        let value = statistics.part(*statistic, len);
                        Place { value, factor: value, ..Place::NONE }
                    }
                    Role::Filters(_) | Role::Bias | Role::Gamma | Role::Beta => {
                        let value = part(weights);
                        let factor = if copy.is_empty() { value } else { part(copy) };
                        Place { value, gradient: part(gradient), factor, moments: moments.map(part) }
                    }
                }
            })
            .collect();

        let context = Context {
            device,
            places: &places,
            wants,
            dropout: settings.dropout,
            seed: settings.seed,
            taps: &taps,
            data: images,
            workspace: if wants.parameters { norm::workspace_len(device, parameters) } else { 0 },
        };
        // Batches of all sizes share memory: one runs at a time.
        let shared = layout.clone();
        let mut programs = Vec::new();
        for (at, graph) in graphs.iter().enumerate() {
            let mut own = shared.clone();
            let wants = if Some(at) == tests { Wants::default() } else { wants };
            programs.push(Program::new(graph, &Context { wants, ..context }, &mut own)?);
            if own.bytes() > layout.bytes() {
                layout = own;
            }
        }
        let bytes = |slots: &[Slot]| slots.iter().map(|slot| slot.len() * slot.precision().bytes()).sum();
        let mut all = Bytes {
            weights: bytes(&[weights, statistics, copy]),
            gradients: bytes(&[gradient]),
            optimiser: bytes(&moments),
            data: bytes(&[data.images]) + bytes(&attack.all()),
            activations: 0,
            workspace: programs.iter().map(|program| bytes(&[program.workspace])).max().unwrap_or(0),
        };
        all.activations = layout.bytes() - all.total();
        Ok(NetworkPlan {
            device: device.clone(),
            topology: *topology,
            settings: settings.clone(),
            entries,
            places,
            programs,
            tests,
            weights,
            gradient,
            moments,
            copy,
            count,
            rate,
            norm,
            data,
            attack,
            layout,
            bytes: all,
        })
    }

    /// The settings it was planned with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The network's name.
    pub fn name(&self) -> &str {
        self.topology.name
    }

    /// The number of weights, without running statistics.
    pub fn parameters(&self) -> usize {
        self.entries.iter().filter(|entry| entry.role.is_parameter()).map(Entry::len).sum()
    }

    /// Names and shapes of its state dict, in torchvision's order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.entries.iter().map(|entry| (entry.name.as_str(), entry.shape.as_slice()))
    }

    /// The memory it needs.
    pub fn bytes(&self) -> Bytes {
        self.bytes
    }

    /// The shape of an image's activation (h, w, c); of linear layers (1, 1, values).
    ///
    /// # Errors
    /// [`Error::Argument`] for an activation that is not kept.
    pub fn activation_shape(&self, name: &str) -> Result<[usize; 3]> {
        self.tap(0, name).map(|(shape, _)| shape)
    }

    /// Shape and slot of a kept activation.
    pub(super) fn tap(&self, program: usize, name: &str) -> Result<([usize; 3], Slot)> {
        let module = self.topology.module(name);
        let taps = &self.programs[program].taps;
        let wanted = self.settings.taps.iter().any(|tap| tap == name);
        match taps.iter().find(|(tap, ..)| tap == module).filter(|_| wanted) {
            Some((_, shape, slot)) => Ok((*shape, *slot)),
            None => Err(Error::Argument(format!(
                "{}: the activation {name:?} is not kept: settings.taps names [{}]",
                self.name(),
                self.settings.taps.join(", ")
            ))),
        }
    }

    /// The size of test batches in a training, where one is planned.
    pub(super) fn test_batch(&self) -> Option<usize> {
        self.tests.map(|tests| self.programs[tests].batch)
    }

    /// All programs except that of test batches, with their indices.
    pub(super) fn for_training(&self) -> impl Iterator<Item = (usize, &Program)> {
        self.programs.iter().enumerate().filter(|(at, _)| Some(*at) != self.tests)
    }

    /// Updates the bf16 weights from the master weights.
    pub(super) fn round(&self, arena: &mut Arena) -> Result<()> {
        if self.copy.is_empty() { Ok(()) } else { convert::copy(arena, self.weights, self.copy) }
    }

    /// One training step on the current batch: forward, losses, gradients of the mean loss, and the optimiser. It only
    /// calls operations, so that it can be recorded once and replayed; what changes from step to step (images, labels,
    /// the step's number, the optimiser's scalars) is written before.
    pub(super) fn training_step(&self, arena: &mut Arena, program: usize) -> Result<()> {
        let passes = &self.programs[program];
        passes.forward(arena, Mode::Training, self.count)?;
        passes.loss(arena)?;
        passes.backward(arena, Mode::Training, self.count, passes.batch)?;
        self.update(arena, program)
    }

    /// As [`training_step`](Self::training_step), on images taken from those on the device. Losses and predictions go
    /// into the table; after a loss that is not finite, weights no longer change.
    pub(super) fn taken_step(&self, arena: &mut Arena, program: usize) -> Result<()> {
        let passes = &self.programs[program];
        passes.take(arena, &self.data)?;
        passes.forward(arena, Mode::Training, self.count)?;
        passes.loss(arena)?;
        passes.tally(arena, &self.data)?;
        passes.backward(arena, Mode::Training, self.count, passes.batch)?;
        self.update(arena, program)
    }

    /// A test batch in evaluation mode, taken the same way.
    pub(super) fn taken_test(&self, arena: &mut Arena, program: usize) -> Result<()> {
        let passes = &self.programs[program];
        passes.take(arena, &self.data)?;
        passes.forward(arena, Mode::Evaluation, self.count)?;
        passes.loss(arena)?;
        passes.tally(arena, &self.data)
    }

    /// The optimiser's step from the current gradients.
    pub(super) fn update(&self, arena: &mut Arena, program: usize) -> Result<()> {
        let [m, v] = self.moments;
        let mut guard = Guard { halt: self.data.halt, ..Guard::NONE };
        if let Some(most) = self.settings.clip {
            norm::norm(arena, self.gradient, self.norm, self.programs[program].workspace)?;
            guard = Guard { norm: self.norm, most, ..guard };
        }
        match self.optimiser()? {
            Optimiser::Adam(adam) => {
                adam::update(arena, &adam, self.weights, self.gradient, m, v, self.rate, self.copy, guard)
            }
            Optimiser::Sgd(sgd) => {
                sgd::update(arena, &sgd, self.weights, self.gradient, m, self.rate, self.copy, guard)
            }
        }
    }

    pub(super) fn optimiser(&self) -> Result<Optimiser> {
        match self.settings.purpose {
            Purpose::Training(optimiser) => Ok(optimiser),
            Purpose::Inference | Purpose::InputGradient | Purpose::Gradients => {
                Err(self.not_planned("an optimiser"))
            }
        }
    }

    /// The error for something that was not planned.
    pub(super) fn not_planned(&self, what: &str) -> Error {
        let words = self.settings.purpose.words();
        Error::Argument(format!("{}: this network is planned for {words}, not for {what}", self.name()))
    }
}

/// The start of each entry for which `is` holds in one tensor of them all, and the tensor's length.
fn starts(entries: &[Entry], is: impl Fn(Role) -> bool) -> (Vec<usize>, usize) {
    let mut end = 0;
    let starts = entries.iter().map(|entry| {
        let start = end;
        if is(entry.role) {
            end += entry.len().next_multiple_of(STEP);
        }
        start
    });
    (starts.collect(), end)
}

impl fmt::Display for NetworkPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { batch, last_batch, channels, classes, size: [height, width], .. } = &self.settings;
        let bytes = |bytes: usize| match bytes as f64 {
            b if b >= 1e9 => format!("{:.2} GB", b / 1e9),
            b if b >= 1e6 => format!("{:.1} MB", b / 1e6),
            b => format!("{:.1} kB", b / 1e3),
        };
        let Bytes { weights, gradients, optimiser, data, activations, workspace } = self.bytes;
        let data = if data == 0 { String::new() } else { format!("images {}, ", bytes(data)) };
        let last = last_batch.map_or(String::new(), |last| format!(" (and {last})"));
        write!(
            f,
            "{}, {:.1} million weights, {classes} classes; {} in {} on {}: batches of {batch}{last} images of \
             {height} x {width} x {channels}; {} of memory: weights {}, their gradients {}, optimiser {}, \
             {data}activations {}, workspace {}",
            self.name(),
            self.parameters() as f64 / 1e6,
            self.settings.purpose.words(),
            self.settings.precision.name(),
            self.device.name(),
            bytes(self.bytes.total()),
            bytes(weights),
            bytes(gradients),
            bytes(optimiser),
            bytes(activations),
            bytes(workspace),
        )
    }
}
