//! A graph as the steps of its forward and backward passes, each tensor placed by when it lives: what no later step
//! reads gives its memory to what comes after.

use super::graph::{Graph, Node, Role};
use super::plan::{Data, Mode, Place};
use crate::ops::avg_pool::{self, AvgPool};
use crate::ops::batch_norm::{self, BatchNorm, Gradients, Statistics, Weights};
use crate::ops::conv2d::{self, Conv2d};
use crate::ops::cross_entropy::{self, CrossEntropy};
use crate::ops::dropout::{self, Dropout};
use crate::ops::max_pool::{self, MaxPool};
use crate::ops::take_images::{self, Choice, TakeImages};
use crate::ops::tally::{self, Tally};
use crate::ops::{Activation, norm, relu};
use crate::{Arena, Device, Layout, Precision, Result, Slot};

/// One call of an operation. Numbers are those of the program's tensors; slots are of weights and their gradients.
#[derive(Clone, Copy, Debug)]
enum Step {
    Conv {
        conv: Conv2d,
        x: usize,
        w: Slot,
        bias: Slot,
        activation: Activation,
        y: usize,
    },
    ConvInput {
        conv: Conv2d,
        dy: usize,
        w: Slot,
        add: bool,
        dx: usize,
    },
    ConvWeight {
        conv: Conv2d,
        x: usize,
        dy: usize,
        dw: Slot,
        db: Slot,
    },
    Norm {
        norm: BatchNorm,
        x: usize,
        weights: Weights,
        shortcut: Option<usize>,
        activation: Activation,
        y: usize,
        saved: usize,
    },
    NormGradient {
        norm: BatchNorm,
        x: usize,
        y: Option<usize>,
        gamma: Slot,
        saved: usize,
        dy: usize,
        dx: usize,
        shortcut: Option<usize>,
        /// Gradients of gamma and beta: wanted ones, or tensors that nothing reads.
        into: [Wanted; 2],
    },
    Relu {
        x: usize,
        y: usize,
    },
    ReluGradient {
        y: usize,
        dy: usize,
    },
    Sum {
        x: usize,
        y: usize,
    },
    MaxPool {
        pool: MaxPool,
        x: usize,
        y: usize,
    },
    MaxPoolGradient {
        pool: MaxPool,
        x: usize,
        y: usize,
        dy: usize,
        dx: usize,
    },
    AvgPool {
        pool: AvgPool,
        x: usize,
        y: usize,
    },
    AvgPoolGradient {
        pool: AvgPool,
        dy: usize,
        dx: usize,
    },
    Dropout {
        dropout: Dropout,
        x: usize,
    },
    Loss {
        loss: CrossEntropy,
        logits: usize,
    },
    LossGradient {
        loss: CrossEntropy,
        logits: usize,
        into: usize,
    },
}

/// Where a weight's gradient goes.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    Yes(Slot),
    No(usize),
}

/// A tensor of a program.
#[derive(Clone, Copy, Debug)]
struct Tensor {
    len: usize,
    /// In 32 bits whatever the network's precision.
    float: bool,
    /// It outlives the passes: the host reads or writes it.
    kept: bool,
}

/// Which gradients a program computes: by default none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wants {
    pub parameters: bool,
    pub input: bool,
}

/// What a program reads that is not its own.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub device: &'a Device,
    pub places: &'a [Place],
    pub wants: Wants,
    pub dropout: f32,
    pub seed: u64,
    /// Modules whose activations stay.
    pub taps: &'a [&'a str],
    /// Images that stay on the device.
    pub data: usize,
    /// The least workspace, for what runs outside the passes.
    pub workspace: usize,
}

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
    /// The logits' gradient, which the pass back begins with, or [`Slot::NONE`]. Its memory is other tensors' at other
    /// times: it holds what is written between the forward pass and the pass back.
    pub logits_gradient: Slot,
    pub workspace: Slot,
    /// Names, shapes of one image's values, and slots of what stays.
    pub taps: Vec<(String, [usize; 3], Slot)>,
    /// Where images stay on the device: how batches are taken of them, what is taken, and how results are kept.
    data: Option<(TakeImages, Slot, Tally)>,
    /// The layer that each step of the forward pass is of.
    layers: Vec<String>,
}

/// What a program's steps share while it is made.
struct Making<'a> {
    graph: &'a Graph,
    context: &'a Context<'a>,
    tensors: Vec<Tensor>,
    forward: Vec<Step>,
    backward: Vec<Step>,
    /// The tensor that a batch normalisation saved its statistics in, by the value that it wrote.
    saved: Vec<Option<usize>>,
    /// The layer that each step of the forward pass is of.
    layers: Vec<String>,
}

impl Program {
    /// The steps of a graph, and its tensors in `layout`, which holds what all programs share.
    pub fn new(graph: &Graph, context: &Context<'_>, layout: &mut Layout) -> Result<Self> {
        let logits = graph.values.len() - 1;
        let [batch, _, _, classes] = graph.values[logits];
        let loss = CrossEntropy::new(batch, classes)?;
        let kept = |value: usize| {
            let tapped = |(name, of): &(String, usize)| *of == value && context.taps.contains(&name.as_str());
            value == 0 || value == logits || graph.names.iter().any(tapped)
        };
        let tensors = graph.values.iter().enumerate().map(|(value, shape)| Tensor {
            len: shape.iter().product(),
            float: false,
            kept: kept(value),
        });
        let mut making = Making {
            graph,
            context,
            tensors: tensors.collect(),
            forward: Vec::new(),
            backward: Vec::new(),
            saved: vec![None; graph.values.len()],
            layers: Vec::new(),
        };
        for node in &graph.nodes {
            making.forward(node)?;
        }
        let gradient = making.backward(loss, logits)?;
        let Making { mut tensors, forward, backward, layers, .. } = making;
        if let Some(gradient) = gradient {
            tensors[gradient].kept = true;
        }

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
        let workspace =
            forward.iter().chain(&backward).map(|step| step.workspace(context.device, layout.precision()));
        let workspace = layout.f32(workspace.fold(context.workspace, usize::max));
        let loss = Step::Loss { loss, logits };
        let slots = place(&tensors, forward.iter().chain([&loss]).chain(&backward), layout);
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

    /// Logits of the images.
    pub fn forward(&self, arena: &mut Arena, mode: Mode, step: Slot) -> Result<()> {
        arena.in_pool(|arena| self.forward.iter().try_for_each(|one| self.run(one, arena, mode, step, 0.0)))
    }

    /// Which images the next batch is of, and what is done to them.
    pub fn choose(&self, arena: &mut Arena, choices: &[Choice]) -> Result<()> {
        let (take, slot, _) = self.of_data();
        take.write_choices(arena, *slot, choices)
    }

    /// The chosen images, from those that stay on the device.
    pub fn take(&self, arena: &mut Arena, data: &Data) -> Result<()> {
        let (take, choices, _) = self.of_data();
        take_images::take(arena, take, data.images, *choices, data.scale, self.images)
    }

    /// Losses and what was told right, into the table.
    pub fn tally(&self, arena: &mut Arena, data: &Data) -> Result<()> {
        let (.., tally) = self.of_data();
        let (logits, labels, losses) = (self.logits, self.labels, self.losses);
        tally::record(arena, tally, logits, labels, losses, data.place, data.table, data.halt)
    }

    fn of_data(&self) -> &(TakeImages, Slot, Tally) {
        self.data.as_ref().expect("planned with images that stay on the device")
    }

    /// The layer whose output is the first, in a forward pass on the images that are there, to have a value that is
    /// not finite; `None` where all are.
    pub fn first_not_finite(&self, arena: &mut Arena, mode: Mode, count: Slot) -> Result<Option<String>> {
        for (step, layer) in self.forward.iter().zip(&self.layers) {
            self.run(step, arena, mode, count, 0.0)?;
            let written = match *step {
                Step::Conv { y, .. } | Step::Norm { y, .. } | Step::Relu { y, .. } => y,
                Step::MaxPool { y, .. } | Step::AvgPool { y, .. } => y,
                Step::Dropout { x, .. } => x,
                Step::Sum { y, .. } => y,
                Step::Loss { .. } | Step::LossGradient { .. } => unreachable!("no step of a forward pass"),
                Step::ConvInput { .. } | Step::ConvWeight { .. } | Step::NormGradient { .. } => {
                    unreachable!("no step of a forward pass")
                }
                Step::ReluGradient { .. } | Step::MaxPoolGradient { .. } | Step::AvgPoolGradient { .. } => {
                    unreachable!("no step of a forward pass")
                }
            };
            if arena.to_vec(self.slots[written])?.iter().any(|value| !value.is_finite()) {
                return Ok(Some(layer.clone()));
            }
        }
        Ok(None)
    }

    /// Each image's loss.
    pub fn loss(&self, arena: &mut Arena) -> Result<()> {
        self.run(&self.loss, arena, Mode::Evaluation, Slot::NONE, 0.0)
    }

    /// Gradients of the mean loss of the first `rows` images, after a forward pass in the same mode.
    pub fn backward(&self, arena: &mut Arena, mode: Mode, step: Slot, rows: usize) -> Result<()> {
        let scale = 1.0 / rows as f32;
        arena
            .in_pool(|arena| self.backward.iter().try_for_each(|one| self.run(one, arena, mode, step, scale)))
    }

    /// The same of another loss, whose gradient by the logits was written to `logits_gradient` after the forward pass.
    pub fn backward_from_logits(&self, arena: &mut Arena, mode: Mode, step: Slot) -> Result<()> {
        let mut steps = self.backward.iter().skip(1);
        arena.in_pool(|arena| steps.try_for_each(|one| self.run(one, arena, mode, step, 1.0)))
    }

    fn run(&self, step: &Step, arena: &mut Arena, mode: Mode, count: Slot, scale: f32) -> Result<()> {
        let at = |tensor: usize| self.slots[tensor];
        let or_none = |tensor: Option<usize>| tensor.map_or(Slot::NONE, at);
        let work = self.workspace;
        match *step {
            Step::Conv { conv, x, w, bias, activation, y } => {
                conv2d::forward(arena, &conv, at(x), w, bias, activation, at(y), work)
            }
            Step::ConvInput { conv, dy, w, add, dx } => {
                conv2d::backward_input(arena, &conv, at(dy), w, add, at(dx), work)
            }
            Step::ConvWeight { conv, x, dy, dw, db } => {
                conv2d::backward_weight(arena, &conv, at(x), at(dy), dw, db, work)
            }
            Step::Norm { norm, x, weights, shortcut, activation, y, saved } => {
                let forward = match mode {
                    Mode::Training => batch_norm::forward_training,
                    Mode::Evaluation => batch_norm::forward_inference,
                };
                forward(arena, &norm, at(x), weights, or_none(shortcut), activation, at(y), at(saved), work)
            }
            Step::NormGradient { norm, x, y, gamma, saved, dy, dx, shortcut, into } => {
                let statistics = match mode {
                    Mode::Training => Statistics::Batch,
                    Mode::Evaluation => Statistics::Running,
                };
                let [dgamma, dbeta] = into.map(|wanted| match wanted {
                    Wanted::Yes(slot) => slot,
                    Wanted::No(tensor) => at(tensor),
                });
                let into = Gradients { x: at(dx), gamma: dgamma, beta: dbeta, shortcut: or_none(shortcut) };
                let (y, saved) = (or_none(y), at(saved));
                batch_norm::backward(arena, &norm, statistics, at(x), y, gamma, saved, at(dy), into, work)
            }
            Step::Relu { x, y } => relu::forward(arena, at(x), at(y)),
            Step::ReluGradient { y, dy } => relu::backward(arena, at(y), at(dy)),
            Step::Sum { x, y } => relu::add(arena, at(x), at(y)),
            Step::MaxPool { pool, x, y } => max_pool::forward(arena, &pool, at(x), at(y)),
            Step::MaxPoolGradient { pool, x, y, dy, dx } => {
                max_pool::backward(arena, &pool, at(x), at(y), at(dy), at(dx))
            }
            Step::AvgPool { pool, x, y } => avg_pool::forward(arena, &pool, at(x), at(y)),
            Step::AvgPoolGradient { pool, dy, dx } => avg_pool::backward(arena, &pool, at(dy), at(dx)),
            Step::Dropout { dropout, x } => match mode {
                Mode::Training => dropout::apply(arena, &dropout, at(x), count, at(x)),
                Mode::Evaluation => Ok(()),
            },
            Step::Loss { loss, logits } => {
                cross_entropy::forward(arena, &loss, at(logits), self.labels, self.losses)
            }
            Step::LossGradient { loss, logits, into } => {
                cross_entropy::backward(arena, &loss, at(logits), self.labels, scale, at(into))
            }
        }
    }
}

impl Making<'_> {
    fn tensor(&mut self, len: usize, float: bool) -> usize {
        self.tensors.push(Tensor { len, float, kept: false });
        self.tensors.len() - 1
    }

    /// A tensor like another: its gradient.
    fn like(&mut self, value: usize) -> usize {
        self.tensor(self.tensors[value].len, false)
    }

    fn dropout(&self, layer: u32) -> Result<Dropout> {
        Dropout::new(self.context.dropout, self.context.seed, layer)
    }

    fn forward(&mut self, node: &Node) -> Result<()> {
        let places = self.context.places;
        let step = match *node {
            Node::Conv { conv, x, weight, bias, activation, y } => {
                let bias = bias.map_or(Slot::NONE, |bias| places[bias].value);
                Step::Conv { conv, x, w: places[weight].factor, bias, activation, y }
            }
            Node::Norm { norm, x, gamma, shortcut, activation, y } => {
                debug_assert_eq!(self.graph.entries[gamma].role, Role::Gamma);
                let [gamma, beta, mean, variance] = std::array::from_fn(|i| places[gamma + i].value);
                let saved = self.tensor(2 * norm.channels, true);
                self.saved[y] = Some(saved);
                let weights = Weights { gamma, beta, mean, variance };
                Step::Norm { norm, x, weights, shortcut, activation, y, saved }
            }
            Node::Relu { x, y } => Step::Relu { x, y },
            Node::MaxPool { pool, x, y } => Step::MaxPool { pool, x, y },
            Node::AvgPool { pool, x, y } => Step::AvgPool { pool, x, y },
            Node::Dropout { layer, x } => Step::Dropout { dropout: self.dropout(layer)?, x },
        };
        self.forward.push(step);
        let of = |entry: usize| {
            let name = &self.graph.entries[entry].name;
            name.strip_suffix(".weight").unwrap_or(name).to_owned()
        };
        let before = self.layers.last().map_or("the images", String::as_str);
        self.layers.push(match *node {
            Node::Conv { weight, .. } => of(weight),
            Node::Norm { gamma, .. } => of(gamma),
            Node::Relu { .. } => format!("the ReLU after {before}"),
            Node::MaxPool { .. } => format!("the max pool after {before}"),
            Node::AvgPool { .. } => format!("the average pool after {before}"),
            Node::Dropout { .. } => format!("dropout after {before}"),
        });
        Ok(())
    }

    /// The steps from the loss back; returns the tensor of the images' gradient, where it is wanted.
    fn backward(&mut self, loss: CrossEntropy, logits: usize) -> Result<Option<usize>> {
        let Wants { parameters, input } = self.context.wants;
        if !parameters && !input {
            return Ok(None);
        }
        let places = self.context.places;
        // The gradient of each value, once a step wrote it: later steps add theirs.
        let mut gradients: Vec<Option<usize>> = vec![None; self.graph.values.len()];
        let into = self.like(logits);
        gradients[logits] = Some(into);
        self.backward.push(Step::LossGradient { loss, logits, into });
        for node in self.graph.nodes.iter().rev() {
            let of = |value: usize| gradients[value].expect("a value is read by later operations only");
            match *node {
                Node::Conv { conv, x, weight, bias, activation, y } => {
                    let dy = of(y);
                    match activation {
                        Activation::Identity => (),
                        Activation::Relu => self.backward.push(Step::ReluGradient { y, dy }),
                    }
                    if parameters {
                        let db = bias.map_or(Slot::NONE, |bias| places[bias].gradient);
                        let dw = places[weight].gradient;
                        self.backward.push(Step::ConvWeight { conv, x, dy, dw, db });
                    }
                    if x > 0 || input {
                        let (dx, add) = match gradients[x] {
                            Some(dx) => (dx, true),
                            None => (self.like(x), false),
                        };
                        gradients[x] = Some(dx);
                        let w = places[weight].factor;
                        self.backward.push(Step::ConvInput { conv, dy, w, add, dx });
                    }
                }
                Node::Norm { norm, x, gamma, shortcut, activation, y } => {
                    let dy = of(y);
                    let into = [gamma, gamma + 1].map(|entry| {
                        if parameters {
                            Wanted::Yes(places[entry].gradient)
                        } else {
                            Wanted::No(self.tensor(norm.channels, true))
                        }
                    });
                    let dx = self.like(x);
                    let shortcut = shortcut.map(|value| (value, self.like(value)));
                    self.backward.push(Step::NormGradient {
                        norm,
                        x,
                        // Its ReLU is undone by what it wrote.
                        y: match activation {
                            Activation::Identity => None,
                            Activation::Relu => Some(y),
                        },
                        gamma: places[gamma].value,
                        saved: self.saved[y].expect("the forward pass saved its statistics"),
                        dy,
                        dx,
                        shortcut: shortcut.map(|(_, gradient)| gradient),
                        into,
                    });
                    for (value, gradient) in [Some((x, dx)), shortcut].into_iter().flatten() {
                        self.meet(&mut gradients, value, gradient);
                    }
                }
                Node::Relu { x, y } => {
                    // In place: nothing else reads the output's gradient.
                    let dy = of(y);
                    self.backward.push(Step::ReluGradient { y, dy });
                    self.meet(&mut gradients, x, dy);
                }
                Node::MaxPool { pool, x, y } => {
                    let (dy, dx) = (of(y), self.like(x));
                    self.backward.push(Step::MaxPoolGradient { pool, x, y, dy, dx });
                    self.meet(&mut gradients, x, dx);
                }
                Node::AvgPool { pool, x, y } => {
                    let (dy, dx) = (of(y), self.like(x));
                    self.backward.push(Step::AvgPoolGradient { pool, dy, dx });
                    self.meet(&mut gradients, x, dx);
                }
                Node::Dropout { layer, x } => {
                    let step = Step::Dropout { dropout: self.dropout(layer)?, x: of(x) };
                    self.backward.push(step);
                }
            }
        }
        Ok(gradients[0])
    }

    /// A gradient that a step wrote, to those that its value has.
    fn meet(&mut self, gradients: &mut [Option<usize>], value: usize, gradient: usize) {
        match gradients[value] {
            Some(sum) => self.backward.push(Step::Sum { x: gradient, y: sum }),
            None => gradients[value] = Some(gradient),
        }
    }
}

impl Step {
    /// The tensors that it reads or writes.
    fn tensors(&self) -> Vec<usize> {
        let all = match *self {
            Step::Conv { x, y, .. }
            | Step::Relu { x, y }
            | Step::MaxPool { x, y, .. }
            | Step::AvgPool { x, y, .. }
            | Step::Sum { x, y } => vec![Some(x), Some(y)],
            Step::ConvInput { dy, dx, .. } | Step::AvgPoolGradient { dy, dx, .. } => vec![Some(dy), Some(dx)],
            Step::ConvWeight { x, dy, .. } => vec![Some(x), Some(dy)],
            Step::Norm { x, shortcut, y, saved, .. } => vec![Some(x), shortcut, Some(y), Some(saved)],
            Step::NormGradient { x, y, saved, dy, dx, shortcut, into, .. } => {
                let [gamma, beta] = into.map(|wanted| match wanted {
                    Wanted::Yes(_) => None,
                    Wanted::No(tensor) => Some(tensor),
                });
                vec![Some(x), y, Some(saved), Some(dy), Some(dx), shortcut, gamma, beta]
            }
            Step::ReluGradient { y, dy } => vec![Some(y), Some(dy)],
            Step::MaxPoolGradient { x, y, dy, dx, .. } => vec![Some(x), Some(y), Some(dy), Some(dx)],
            Step::Dropout { x, .. } => vec![Some(x)],
            Step::Loss { logits, .. } => vec![Some(logits)],
            Step::LossGradient { logits, into, .. } => vec![Some(logits), Some(into)],
        };
        all.into_iter().flatten().collect()
    }

    fn workspace(&self, device: &Device, precision: Precision) -> usize {
        match self {
            Step::Conv { conv, .. } | Step::ConvInput { conv, .. } | Step::ConvWeight { conv, .. } => {
                conv.workspace_len(device, precision)
            }
            Step::Norm { norm, .. } | Step::NormGradient { norm, .. } => norm.workspace_len(device),
            Step::Relu { .. } | Step::ReluGradient { .. } | Step::Sum { .. } | Step::Dropout { .. } => 0,
            Step::MaxPool { .. } | Step::MaxPoolGradient { .. } => 0,
            Step::AvgPool { .. } | Step::AvgPoolGradient { .. } => 0,
            Step::Loss { .. } | Step::LossGradient { .. } => 0,
        }
    }
}

/// Floats of workspace for the norm of all gradients.
pub(super) fn norm_workspace(device: &Device, parameters: usize) -> usize {
    norm::workspace_len(device, parameters)
}

/// Places tensors: one that is not kept lives from the first step that touches it to the last.
fn place<'a>(
    tensors: &[Tensor],
    steps: impl Iterator<Item = &'a Step> + Clone,
    layout: &mut Layout,
) -> Vec<Slot> {
    let mut slots = vec![Slot::NONE; tensors.len()];
    let reserve = |tensor: &Tensor, layout: &mut Layout| match tensor.float {
        true => layout.f32(tensor.len),
        false => layout.values(tensor.len),
    };
    for (tensor, slot) in tensors.iter().zip(&mut slots).filter(|(tensor, _)| tensor.kept) {
        *slot = reserve(tensor, layout);
    }
    let mut last = vec![0; tensors.len()];
    for (at, step) in steps.clone().enumerate() {
        step.tensors().into_iter().for_each(|tensor| last[tensor] = at);
    }
    for (at, step) in steps.enumerate() {
        let touched = step.tensors();
        // All of a step's tensors are placed before any is given back: they are apart.
        for tensor in &touched {
            if slots[*tensor].is_empty() {
                slots[*tensor] = reserve(&tensors[*tensor], layout);
            }
        }
        for tensor in touched {
            if last[tensor] == at && !tensors[tensor].kept {
                layout.release(slots[tensor]);
            }
        }
    }
    slots
}
