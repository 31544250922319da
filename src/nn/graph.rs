//! A network as a list of operations on numbered values, for one size of images and batches, and its weights in the
//! order of torchvision's state dict.

use super::init::{Draw, Linear};
use crate::Result;
use crate::ops::Activation;
use crate::ops::avg_pool::AvgPool;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::conv2d::Conv2d;
use crate::ops::max_pool::MaxPool;

/// Extents of images: n, h, w, c.
pub(super) type Shape = [usize; 4];

/// One entry of a state dict.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub name: String,
    /// torchvision's: filters (k, c, r, s), matrices (outputs, inputs).
    pub shape: Vec<usize>,
    pub role: Role,
    /// The distribution of its initial values.
    pub draw: Draw,
}

/// The role of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Filters, or a matrix over the values of an image: (k, c, r, s) in the state dict, (k, r, s, c) on the device.
    Filters([usize; 4]),
    /// The bias of a convolution or linear layer.
    Bias,
    Gamma,
    Beta,
    RunningMean,
    RunningVariance,
    /// Number of batches in the running statistics: no operation reads it.
    Batches,
}

impl Role {
    /// Whether an optimiser updates it.
    pub fn is_parameter(self) -> bool {
        !self.is_statistic() && self != Role::Batches
    }

    pub fn is_statistic(self) -> bool {
        matches!(self, Role::RunningMean | Role::RunningVariance)
    }
}

impl Entry {
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// An operation. `x`, `y` and `shortcut` are indices of values, the others indices of entries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    Conv {
        conv: Conv2d,
        x: usize,
        weight: usize,
        bias: Option<usize>,
        activation: Activation,
        y: usize,
    },
    Norm {
        norm: BatchNorm,
        x: usize,
        gamma: usize,
        shortcut: Option<usize>,
        activation: Activation,
        y: usize,
    },
    Relu {
        x: usize,
        y: usize,
    },
    MaxPool {
        pool: MaxPool,
        x: usize,
        y: usize,
    },
    AvgPool {
        pool: AvgPool,
        x: usize,
        y: usize,
    },
    /// In place.
    Dropout {
        layer: u32,
        x: usize,
    },
}

pub(super) struct Graph {
    pub entries: Vec<Entry>,
    pub nodes: Vec<Node>,
    /// The shape of each value; value 0 is the images, the last is the logits.
    pub values: Vec<Shape>,
    /// Module names and their values.
    pub names: Vec<(String, usize)>,
}

/// A convolution whose weights are declared, but not yet its operation: entries and operations differ in order.
#[derive(Clone, Copy)]
pub(super) struct Filters {
    weight: usize,
    bias: Option<usize>,
    out: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Graph {
    /// A graph without operations, for images of this shape.
    pub fn empty(input: Shape) -> Self {
        Graph {
            entries: Vec::new(),
            nodes: Vec::new(),
            values: vec![input],
            names: vec![("input".into(), 0)],
        }
    }

    /// Gives a value a module's name.
    pub fn named(&mut self, name: &str, value: usize) {
        self.names.push((name.to_owned(), value));
    }

    fn value(&mut self, shape: Shape) -> usize {
        self.values.push(shape);
        self.values.len() - 1
    }

    fn entry(&mut self, name: String, shape: Vec<usize>, role: Role, draw: Draw) -> usize {
        self.entries.push(Entry { name, shape, role, draw });
        self.entries.len() - 1
    }

    /// The entries of a convolution by filters (k, c, r, r); initial biases, if any, are 0.
    pub fn filters(
        &mut self,
        name: &str,
        shape: [usize; 4],
        stride: usize,
        padding: usize,
        bias: bool,
    ) -> Filters {
        let [out, _, kernel, _] = shape;
        let draw = Draw::filters(shape);
        let weight = self.entry(format!("{name}.weight"), shape.to_vec(), Role::Filters(shape), draw);
        let zero = Draw::Constant(0.0);
        let bias = bias.then(|| self.entry(format!("{name}.bias"), vec![out], Role::Bias, zero));
        Filters { weight, bias, out, kernel, stride, padding }
    }

    /// The entries of a linear layer of `outputs` by `channels` x `rows` x `columns`.
    pub fn linear(&mut self, name: &str, shape: [usize; 4], init: Linear) -> Filters {
        let [out, channels, rows, columns] = shape;
        let inputs = channels * rows * columns;
        let [weights, biases] = init.draws(inputs);
        let weight = self.entry(format!("{name}.weight"), vec![out, inputs], Role::Filters(shape), weights);
        let bias = self.entry(format!("{name}.bias"), vec![out], Role::Bias, biases);
        Filters { weight, bias: Some(bias), out, kernel: 1, stride: 1, padding: 0 }
    }

    /// The five entries of a batch normalisation; returns the first.
    pub fn norm_entries(&mut self, name: &str, channels: usize) -> usize {
        let one = vec![channels];
        let [zero, unit] = [0.0, 1.0].map(Draw::Constant);
        let gamma = self.entry(format!("{name}.weight"), one.clone(), Role::Gamma, unit);
        self.entry(format!("{name}.bias"), one.clone(), Role::Beta, zero);
        self.entry(format!("{name}.running_mean"), one.clone(), Role::RunningMean, zero);
        self.entry(format!("{name}.running_var"), one, Role::RunningVariance, unit);
        self.entry(format!("{name}.num_batches_tracked"), Vec::new(), Role::Batches, zero);
        gamma
    }

    pub fn conv(&mut self, filters: Filters, x: usize, activation: Activation) -> Result<usize> {
        let Filters { out, kernel, stride, padding, .. } = filters;
        let conv = Conv2d::new(self.values[x], out, kernel, stride, padding)?;
        Ok(self.push_conv(conv, filters, x, activation))
    }

    /// A linear layer on all values of an image.
    pub fn dense(&mut self, layer: Filters, x: usize, activation: Activation) -> Result<usize> {
        let [batch, height, width, channels] = self.values[x];
        let conv = Conv2d::linear(batch, height * width * channels, layer.out)?;
        Ok(self.push_conv(conv, layer, x, activation))
    }

    fn push_conv(&mut self, conv: Conv2d, filters: Filters, x: usize, activation: Activation) -> usize {
        let y = self.value(conv.output_shape());
        self.nodes.push(Node::Conv { conv, x, weight: filters.weight, bias: filters.bias, activation, y });
        y
    }

    pub fn norm(
        &mut self,
        gamma: usize,
        x: usize,
        shortcut: Option<usize>,
        activation: Activation,
    ) -> Result<usize> {
        let [batch, height, width, channels] = self.values[x];
        let norm = BatchNorm::new(batch * height * width, channels)?;
        let y = self.value(self.values[x]);
        self.nodes.push(Node::Norm { norm, x, gamma, shortcut, activation, y });
        Ok(y)
    }

    /// ReLU as a separate operation.
    pub fn relu(&mut self, x: usize) -> usize {
        let y = self.value(self.values[x]);
        self.nodes.push(Node::Relu { x, y });
        y
    }

    pub fn max_pool(&mut self, x: usize, [kernel, stride, padding]: [usize; 3]) -> Result<usize> {
        let pool = MaxPool::new(self.values[x], kernel, stride, padding)?;
        let y = self.value(pool.output_shape());
        self.nodes.push(Node::MaxPool { pool, x, y });
        Ok(y)
    }

    pub fn avg_pool(&mut self, x: usize, outputs: [usize; 2]) -> Result<usize> {
        let pool = AvgPool::new(self.values[x], outputs)?;
        let y = self.value(pool.output_shape());
        self.nodes.push(Node::AvgPool { pool, x, y });
        Ok(y)
    }

    /// Dropout in place. Each `layer` draws its own mask.
    pub fn dropout(&mut self, layer: u32, x: usize) {
        self.nodes.push(Node::Dropout { layer, x });
    }
}
