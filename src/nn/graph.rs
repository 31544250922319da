//! A topology as a list of operations on numbered tensors, for images of one size in batches of one size, and the
//! list of weights that they read, in the order of torchvision's state dict.

use super::model::Topology;
use crate::ops::avg_pool::AvgPool;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::conv2d::Conv2d;
use crate::ops::max_pool::MaxPool;
use crate::{Error, Result};

/// Extents of images: n, h, w, c.
pub(super) type Shape = [usize; 4];

/// One entry of a state dict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: String,
    /// As torchvision has it: filters (k, c, r, s), matrices (outputs, inputs).
    pub shape: Vec<usize>,
    pub role: Role,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Filters, or a matrix whose columns are the values of images: (k, c, r, s) there, (k, r, s, c) here.
    Filters([usize; 4]),
    /// The bias of a convolution or linear layer of so many inputs.
    Bias(usize),
    Gamma,
    Beta,
    RunningMean,
    RunningVariance,
    /// How many batches the running statistics are of: nothing reads it.
    Batches,
}

impl Role {
    /// Whether an optimiser moves it.
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

/// An operation. `x`, `y` and `shortcut` are numbers of values, the others numbers of entries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    Conv {
        conv: Conv2d,
        x: usize,
        weight: usize,
        bias: Option<usize>,
        relu: bool,
        y: usize,
    },
    Norm {
        norm: BatchNorm,
        x: usize,
        gamma: usize,
        shortcut: Option<usize>,
        relu: bool,
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
    /// The shape of each value; value 0 are the images, the last is the logits.
    pub values: Vec<Shape>,
    /// The values that have a module's name.
    pub names: Vec<(String, usize)>,
}

/// A convolution whose weights are declared: entries come in another order than operations.
#[derive(Clone, Copy)]
struct Filters {
    weight: usize,
    bias: Option<usize>,
    out: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Graph {
    /// The network for images of `input`'s extents. Linear layers whose module is among `apart` are followed by ReLU
    /// as an operation of its own, so that their own output stays.
    pub fn new(topology: &Topology, input: Shape, classes: usize, apart: &[&str]) -> Result<Self> {
        let [_, height, width, _] = input;
        let least = topology.least_size();
        if height < least || width < least {
            return Err(Error::Argument(format!(
                "{} takes images of {least} x {least} or more, not of {height} x {width}",
                topology.name()
            )));
        }
        let mut graph = Graph {
            entries: Vec::new(),
            nodes: Vec::new(),
            values: vec![input],
            names: vec![("input".into(), 0)],
        };
        match topology {
            Topology::Residual { bottleneck, stem, stages, .. } => {
                graph.residual(*bottleneck, *stem, stages, classes)?;
            }
            Topology::Plain { stages, pooled, hidden, .. } => {
                graph.plain(stages, *pooled, *hidden, classes, apart)?;
            }
        }
        Ok(graph)
    }

    fn residual(
        &mut self,
        bottleneck: bool,
        stem: usize,
        stages: &[(usize, usize)],
        classes: usize,
    ) -> Result<()> {
        let channels = self.values[0][3];
        let conv1 = self.filters("conv1", [stem, channels, 7, 7], 2, 3, false);
        let bn1 = self.norm_entries("bn1", stem);
        let x = self.conv(conv1, 0, false)?;
        let x = self.norm(bn1, x, None, true)?;
        let pool = MaxPool::new(self.values[x], 3, 2, 1)?;
        let mut x = self.max_pool(pool, x);
        self.named("maxpool", x);
        for (stage, (width, blocks)) in stages.iter().enumerate() {
            let layer = format!("layer{}", stage + 1);
            for block in 0..*blocks {
                let stride = if block == 0 && stage > 0 { 2 } else { 1 };
                x = self.block(&format!("{layer}.{block}"), x, *width, stride, bottleneck)?;
            }
            self.named(&layer, x);
        }
        let pool = AvgPool::new(self.values[x], [1, 1])?;
        let x = self.avg_pool(pool, x);
        self.named("avgpool", x);
        let inputs = self.values[x][3];
        let fc = self.linear("fc", [classes, inputs, 1, 1]);
        let y = self.conv(fc, x, false)?;
        self.named("fc", y);
        Ok(())
    }

    fn block(
        &mut self,
        name: &str,
        x: usize,
        width: usize,
        stride: usize,
        bottleneck: bool,
    ) -> Result<usize> {
        let inputs = self.values[x][3];
        let outputs = if bottleneck { 4 * width } else { width };
        let filters = |graph: &mut Self, at: usize, k, c, size: usize, stride| {
            let conv =
                graph.filters(&format!("{name}.conv{at}"), [k, c, size, size], stride, size / 2, false);
            (conv, graph.norm_entries(&format!("{name}.bn{at}"), k))
        };
        // The bottleneck's stride is its 3 x 3 convolution's, as torchvision has it.
        let layers = if bottleneck {
            vec![
                filters(self, 1, width, inputs, 1, 1),
                filters(self, 2, width, width, 3, stride),
                filters(self, 3, outputs, width, 1, 1),
            ]
        } else {
            vec![filters(self, 1, width, inputs, 3, stride), filters(self, 2, width, width, 3, 1)]
        };
        let shortcut = if stride != 1 || inputs != outputs {
            let conv =
                self.filters(&format!("{name}.downsample.0"), [outputs, inputs, 1, 1], stride, 0, false);
            let norm = self.norm_entries(&format!("{name}.downsample.1"), outputs);
            let shortcut = self.conv(conv, x, false)?;
            self.norm(norm, shortcut, None, false)?
        } else {
            x
        };
        let mut y = x;
        let last = layers.len() - 1;
        for (at, (conv, norm)) in layers.into_iter().enumerate() {
            y = self.conv(conv, y, false)?;
            y = self.norm(norm, y, (at == last).then_some(shortcut), true)?;
        }
        Ok(y)
    }

    fn plain(
        &mut self,
        stages: &[(usize, usize)],
        pooled: usize,
        hidden: usize,
        classes: usize,
        apart: &[&str],
    ) -> Result<()> {
        let (mut x, mut module) = (0, 0);
        for (width, convolutions) in stages {
            for _ in 0..*convolutions {
                let inputs = self.values[x][3];
                let conv = self.filters(&format!("features.{module}"), [*width, inputs, 3, 3], 1, 1, true);
                x = self.conv(conv, x, true)?;
                module += 2;
            }
            let pool = MaxPool::new(self.values[x], 2, 2, 0)?;
            x = self.max_pool(pool, x);
            self.named(&format!("features.{module}"), x);
            module += 1;
        }
        let [batch, height, width, channels] = self.values[x];
        // The pool to the size that the images have anyhow is the identity.
        if [height, width] != [pooled, pooled] {
            let pool = AvgPool::new(self.values[x], [pooled, pooled])?;
            x = self.avg_pool(pool, x);
        }
        self.named("avgpool", x);
        for (at, (outputs, [inputs, rows, columns])) in
            [(hidden, [channels, pooled, pooled]), (hidden, [hidden, 1, 1]), (classes, [hidden, 1, 1])]
                .into_iter()
                .enumerate()
        {
            let name = format!("classifier.{}", 3 * at);
            let layer = self.linear(&name, [outputs, inputs, rows, columns]);
            let (last, alone) = (at == 2, apart.contains(&name.as_str()));
            let conv = Conv2d::linear(batch, inputs * rows * columns, outputs)?;
            x = self.conv_of(conv, layer, x, !last && !alone);
            self.named(&name, x);
            if last {
                break;
            }
            if alone {
                let y = self.value(self.values[x]);
                self.nodes.push(Node::Relu { x, y });
                x = y;
            }
            // In place: what falls is 0, and gets no gradient from ReLU either.
            self.nodes.push(Node::Dropout { layer: at as u32, x });
        }
        Ok(())
    }

    fn value(&mut self, shape: Shape) -> usize {
        self.values.push(shape);
        self.values.len() - 1
    }

    fn named(&mut self, name: &str, value: usize) {
        self.names.push((name.to_owned(), value));
    }

    fn entry(&mut self, name: String, shape: Vec<usize>, role: Role) -> usize {
        self.entries.push(Entry { name, shape, role });
        self.entries.len() - 1
    }

    fn filters(
        &mut self,
        name: &str,
        shape: [usize; 4],
        stride: usize,
        padding: usize,
        bias: bool,
    ) -> Filters {
        let [out, inputs, kernel, _] = shape;
        let weight = self.entry(format!("{name}.weight"), shape.to_vec(), Role::Filters(shape));
        let inputs = inputs * kernel * kernel;
        let bias = bias.then(|| self.entry(format!("{name}.bias"), vec![out], Role::Bias(inputs)));
        Filters { weight, bias, out, kernel, stride, padding }
    }

    /// A linear layer of `outputs` by `channels` x `rows` x `columns`.
    fn linear(&mut self, name: &str, shape: [usize; 4]) -> Filters {
        let [out, channels, rows, columns] = shape;
        let inputs = channels * rows * columns;
        let weight = self.entry(format!("{name}.weight"), vec![out, inputs], Role::Filters(shape));
        let bias = self.entry(format!("{name}.bias"), vec![out], Role::Bias(inputs));
        Filters { weight, bias: Some(bias), out, kernel: 1, stride: 1, padding: 0 }
    }

    /// The five entries of a batch normalisation; returns the first.
    fn norm_entries(&mut self, name: &str, channels: usize) -> usize {
        let one = vec![channels];
        let gamma = self.entry(format!("{name}.weight"), one.clone(), Role::Gamma);
        self.entry(format!("{name}.bias"), one.clone(), Role::Beta);
        self.entry(format!("{name}.running_mean"), one.clone(), Role::RunningMean);
        self.entry(format!("{name}.running_var"), one, Role::RunningVariance);
        self.entry(format!("{name}.num_batches_tracked"), Vec::new(), Role::Batches);
        gamma
    }

    fn conv(&mut self, filters: Filters, x: usize, relu: bool) -> Result<usize> {
        let Filters { out, kernel, stride, padding, .. } = filters;
        let conv = Conv2d::new(self.values[x], out, kernel, stride, padding)?;
        Ok(self.conv_of(conv, filters, x, relu))
    }

    fn conv_of(&mut self, conv: Conv2d, filters: Filters, x: usize, relu: bool) -> usize {
        let y = self.value(conv.output_shape());
        self.nodes.push(Node::Conv { conv, x, weight: filters.weight, bias: filters.bias, relu, y });
        y
    }

    fn norm(&mut self, gamma: usize, x: usize, shortcut: Option<usize>, relu: bool) -> Result<usize> {
        let [batch, height, width, channels] = self.values[x];
        let norm = BatchNorm::new(batch * height * width, channels)?;
        let y = self.value(self.values[x]);
        self.nodes.push(Node::Norm { norm, x, gamma, shortcut, relu, y });
        Ok(y)
    }

    fn max_pool(&mut self, pool: MaxPool, x: usize) -> usize {
        let y = self.value(pool.output_shape());
        self.nodes.push(Node::MaxPool { pool, x, y });
        y
    }

    fn avg_pool(&mut self, pool: AvgPool, x: usize) -> usize {
        let y = self.value(pool.output_shape());
        self.nodes.push(Node::AvgPool { pool, x, y });
        y
    }
}
