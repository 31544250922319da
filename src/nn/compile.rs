//! Compiles a graph into the steps of its forward and backward passes, and places tensors by lifetime: the memory of one
//! that no later step reads is reused.

use super::graph::{Graph, Node, Role};
use super::memory::Place;
use super::settings::Wants;
use super::step::{Step, Wanted};
use crate::ops::Activation;
use crate::ops::batch_norm::Weights;
use crate::ops::cross_entropy::CrossEntropy;
use crate::ops::dropout::Dropout;
use crate::{Device, Layout, Precision, Result, Slot};

/// A tensor of a program.
#[derive(Clone, Copy, Debug)]
struct Tensor {
    len: usize,
    /// Stored in f32, whatever the network's precision.
    float: bool,
    /// Lives beyond the passes: the host reads or writes it.
    kept: bool,
}

/// What a program shares with the rest of the network.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub device: &'a Device,
    pub places: &'a [Place],
    pub wants: Wants,
    pub dropout: f32,
    pub seed: u64,
    /// Modules whose activations are kept.
    pub taps: &'a [&'a str],
    /// Images that stay on the device.
    pub data: usize,
    /// The minimum workspace, for operations outside the passes.
    pub workspace: usize,
}

/// A graph's steps, and the tensors that they read and write. Those of the graph's values come first.
pub(super) struct Compiled {
    tensors: Vec<Tensor>,
    pub forward: Vec<Step>,
    /// The layer of each step of the forward pass.
    pub layers: Vec<String>,
    pub loss: Step,
    pub backward: Vec<Step>,
    /// The tensor of the images' gradient, where it is wanted.
    pub gradient: Option<usize>,
}

/// State of the compilation.
struct Compiler<'a> {
    graph: &'a Graph,
    context: &'a Context<'a>,
    tensors: Vec<Tensor>,
    forward: Vec<Step>,
    backward: Vec<Step>,
    /// For each value written by a batch normalisation, the tensor with its saved statistics.
    saved: Vec<Option<usize>>,
    /// The layer of each step of the forward pass.
    layers: Vec<String>,
}

impl Compiled {
    /// The steps of a graph.
    pub fn new(graph: &Graph, context: &Context<'_>) -> Result<Self> {
        let logits = graph.values.len() - 1;
        let [batch, _, _, classes] = graph.values[logits];
        let loss = CrossEntropy::new(batch, classes)?;
        let kept = |value: usize| {
            let tapped =
                |(name, named): &(String, usize)| *named == value && context.taps.contains(&name.as_str());
            value == 0 || value == logits || graph.names.iter().any(tapped)
        };
        let tensors = graph.values.iter().enumerate().map(|(value, shape)| Tensor {
            len: shape.iter().product(),
            float: false,
            kept: kept(value),
        });
        let mut compiler = Compiler {
            graph,
            context,
            tensors: tensors.collect(),
            forward: Vec::new(),
            backward: Vec::new(),
            saved: vec![None; graph.values.len()],
            layers: Vec::new(),
        };
        for node in &graph.nodes {
            compiler.forward(node)?;
        }
        let gradient = compiler.backward(loss, logits)?;
        let Compiler { mut tensors, forward, backward, layers, .. } = compiler;
        if let Some(gradient) = gradient {
            tensors[gradient].kept = true;
        }
        Ok(Compiled { tensors, forward, layers, loss: Step::Loss { loss, logits }, backward, gradient })
    }

    /// All steps, in their order.
    fn steps(&self) -> impl Iterator<Item = &Step> + Clone {
        self.forward.iter().chain([&self.loss]).chain(&self.backward)
    }

    /// Floats of workspace that any step needs.
    pub fn workspace(&self, device: &Device, precision: Precision) -> usize {
        self.steps().map(|step| step.workspace(device, precision)).max().unwrap_or(0)
    }

    /// Places tensors: one that is not kept lives from the first step that touches it to the last.
    pub fn place(&self, layout: &mut Layout) -> Vec<Slot> {
        let (tensors, steps) = (&self.tensors, self.steps());
        let mut slots = vec![Slot::NONE; tensors.len()];
        let reserve = |tensor: &Tensor, layout: &mut Layout| {
            if tensor.float { layout.f32(tensor.len) } else { layout.values(tensor.len) }
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
            // All of a step's tensors are placed before any is released, so that they do not overlap.
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
}

impl Compiler<'_> {
    fn tensor(&mut self, len: usize, float: bool) -> usize {
        self.tensors.push(Tensor { len, float, kept: false });
        self.tensors.len() - 1
    }

    /// A new tensor of another's length, for its gradient.
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
        let layer = |entry: usize| {
            let name = &self.graph.entries[entry].name;
            name.strip_suffix(".weight").unwrap_or(name).to_owned()
        };
        let before = self.layers.last().map_or("the images", String::as_str);
        self.layers.push(match *node {
            Node::Conv { weight, .. } => layer(weight),
            Node::Norm { gamma, .. } => layer(gamma),
            Node::Relu { .. } => format!("the ReLU after {before}"),
            Node::MaxPool { .. } => format!("the max pool after {before}"),
            Node::AvgPool { .. } => format!("the average pool after {before}"),
            Node::Dropout { .. } => format!("dropout after {before}"),
        });
        Ok(())
    }

    /// Adds the steps of the backward pass; returns the tensor of the images' gradient, where it is wanted.
    fn backward(&mut self, loss: CrossEntropy, logits: usize) -> Result<Option<usize>> {
        let Wants { parameters, input } = self.context.wants;
        if !parameters && !input {
            return Ok(None);
        }
        let places = self.context.places;
        // The gradient of each value, once a step wrote one: later steps accumulate into it.
        let mut gradients: Vec<Option<usize>> = vec![None; self.graph.values.len()];
        let into = self.like(logits);
        gradients[logits] = Some(into);
        self.backward.push(Step::LossGradient { loss, logits, into });
        for node in self.graph.nodes.iter().rev() {
            let gradient = |value: usize| gradients[value].expect("a value is read by later operations only");
            match *node {
                Node::Conv { conv, x, weight, bias, activation, y } => {
                    let dy = gradient(y);
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
                    let dy = gradient(y);
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
                        // ReLU's mask comes from its output.
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
                        self.accumulate(&mut gradients, value, gradient);
                    }
                }
                Node::Relu { x, y } => {
                    // In place: nothing else reads the output's gradient.
                    let dy = gradient(y);
                    self.backward.push(Step::ReluGradient { y, dy });
                    self.accumulate(&mut gradients, x, dy);
                }
                Node::MaxPool { pool, x, y } => {
                    let (dy, dx) = (gradient(y), self.like(x));
                    self.backward.push(Step::MaxPoolGradient { pool, x, y, dy, dx });
                    self.accumulate(&mut gradients, x, dx);
                }
                Node::AvgPool { pool, x, y } => {
                    let (dy, dx) = (gradient(y), self.like(x));
                    self.backward.push(Step::AvgPoolGradient { pool, dy, dx });
                    self.accumulate(&mut gradients, x, dx);
                }
                Node::Dropout { layer, x } => {
                    let step = Step::Dropout { dropout: self.dropout(layer)?, x: gradient(x) };
                    self.backward.push(step);
                }
            }
        }
        Ok(gradients[0])
    }

    /// Accumulates the gradient that a step wrote into the gradient of its value.
    fn accumulate(&mut self, gradients: &mut [Option<usize>], value: usize, gradient: usize) {
        match gradients[value] {
            Some(sum) => self.backward.push(Step::Sum { x: gradient, y: sum }),
            None => gradients[value] = Some(gradient),
        }
    }
}
