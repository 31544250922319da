//! The steps of a network's passes: each calls an operation on a program's tensors.

use super::settings::Mode;
use crate::ops::avg_pool::{self, AvgPool};
use crate::ops::batch_norm::{self, BatchNorm, Gradients, Statistics, Weights};
use crate::ops::conv2d::{self, Conv2d};
use crate::ops::cross_entropy::{self, CrossEntropy};
use crate::ops::dropout::{self, Dropout};
use crate::ops::max_pool::{self, MaxPool};
use crate::ops::{Activation, elementwise};
use crate::{Arena, Device, Precision, Result, Slot};

/// A call of an operation. Numbers are indices of the program's tensors; slots are those of weights and their gradients.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
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
        /// Gradients of gamma and beta: weights' gradients, or scratch tensors.
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
pub(super) enum Wanted {
    Yes(Slot),
    No(usize),
}

/// What all steps of a pass share.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    /// The slots of the program's tensors.
    pub slots: &'a [Slot],
    pub labels: Slot,
    pub losses: Slot,
    pub workspace: Slot,
    pub mode: Mode,
    /// The step's number, for dropout.
    pub count: Slot,
    /// Factor of the losses' gradients.
    pub scale: f32,
}

impl Step {
    /// The tensors that it reads or writes.
    pub fn tensors(&self) -> Vec<usize> {
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

    /// Floats of workspace that it needs.
    pub fn workspace(&self, device: &Device, precision: Precision) -> usize {
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

    /// The tensor of its output, or of its input's gradient; `None` for other outputs.
    pub fn written(&self) -> Option<usize> {
        match *self {
            Step::Conv { y, .. } | Step::Norm { y, .. } | Step::Relu { y, .. } | Step::Sum { y, .. } => {
                Some(y)
            }
            Step::MaxPool { y, .. } | Step::AvgPool { y, .. } => Some(y),
            Step::Dropout { x, .. } => Some(x),
            Step::ConvInput { dx, .. } | Step::NormGradient { dx, .. } => Some(dx),
            Step::MaxPoolGradient { dx, .. } | Step::AvgPoolGradient { dx, .. } => Some(dx),
            Step::ReluGradient { dy, .. } => Some(dy),
            Step::LossGradient { into, .. } => Some(into),
            Step::ConvWeight { .. } | Step::Loss { .. } => None,
        }
    }

    pub fn run(&self, arena: &mut Arena, pass: &Pass<'_>) -> Result<()> {
        let at = |tensor: usize| pass.slots[tensor];
        let or_none = |tensor: Option<usize>| tensor.map_or(Slot::NONE, at);
        let work = pass.workspace;
        match *self {
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
                let forward = match pass.mode {
                    Mode::Training => batch_norm::forward_training,
                    Mode::Evaluation => batch_norm::forward_inference,
                };
                forward(arena, &norm, at(x), weights, or_none(shortcut), activation, at(y), at(saved), work)
            }
            Step::NormGradient { norm, x, y, gamma, saved, dy, dx, shortcut, into } => {
                let statistics = match pass.mode {
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
            Step::Relu { x, y } => elementwise::relu_forward(arena, at(x), at(y)),
            Step::ReluGradient { y, dy } => elementwise::relu_backward(arena, at(y), at(dy)),
            Step::Sum { x, y } => elementwise::add(arena, at(x), at(y)),
            Step::MaxPool { pool, x, y } => max_pool::forward(arena, &pool, at(x), at(y)),
            Step::MaxPoolGradient { pool, x, y, dy, dx } => {
                max_pool::backward(arena, &pool, at(x), at(y), at(dy), at(dx))
            }
            Step::AvgPool { pool, x, y } => avg_pool::forward(arena, &pool, at(x), at(y)),
            Step::AvgPoolGradient { pool, dy, dx } => avg_pool::backward(arena, &pool, at(dy), at(dx)),
            Step::Dropout { dropout, x } => match pass.mode {
                Mode::Training => dropout::apply(arena, &dropout, at(x), pass.count, at(x)),
                Mode::Evaluation => Ok(()),
            },
            Step::Loss { loss, logits } => {
                cross_entropy::forward(arena, &loss, at(logits), pass.labels, pass.losses)
            }
            Step::LossGradient { loss, logits, into } => {
                cross_entropy::backward(arena, &loss, at(logits), pass.labels, pass.scale, at(into))
            }
        }
    }
}
