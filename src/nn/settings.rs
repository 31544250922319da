//! Settings of a network: images, passes, precision and optimiser.

use crate::Precision;
use crate::ops::adam::Adam;
use crate::ops::sgd::Sgd;

/// Whether batch normalisation uses the batch's statistics and dropout is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The batch's statistics, which update the running ones, and dropout: PyTorch's `train()`.
    Training,
    /// The running statistics and no dropout: PyTorch's `eval()`.
    Evaluation,
}

/// How weights are updated.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Optimiser {
    /// Adam or AdamW: two more values for each weight.
    Adam(Adam),
    /// Stochastic gradient descent: one more value for each weight.
    Sgd(Sgd),
}

/// Which passes are planned: memory is reserved for these only.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Purpose {
    /// Forward passes in evaluation mode. The memory of activations is reused.
    Inference,
    /// The same, and the gradient of the loss with respect to the images, which attacks need; none of weights.
    InputGradient,
    /// Forward passes in either mode, and the gradients of all weights and of the images.
    Gradients,
    /// Forward passes in either mode, the gradients of all weights, and an optimiser. Images get no gradient.
    Training(Optimiser),
}

impl Purpose {
    pub(super) fn wants(self) -> Wants {
        let (parameters, input) = match self {
            Purpose::Inference => (false, false),
            Purpose::InputGradient => (false, true),
            Purpose::Gradients => (true, true),
            Purpose::Training(_) => (true, false),
        };
        Wants { parameters, input }
    }

    /// For messages: "planned for ...".
    pub(super) fn words(self) -> &'static str {
        match self {
            Purpose::Inference => "inference",
            Purpose::InputGradient => "gradients of images",
            Purpose::Gradients => "gradients of weights and images",
            Purpose::Training(Optimiser::Adam(_)) => "training with Adam",
            Purpose::Training(Optimiser::Sgd(_)) => "training with SGD",
        }
    }
}

/// What a network is planned for.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Images in a batch. Passes in evaluation mode without gradients of weights also accept fewer.
    pub batch: usize,
    /// A second batch size, for an epoch's last batch: it shares the weights and memory of the first.
    pub last_batch: Option<usize>,
    /// Channels of an image.
    pub channels: usize,
    /// Classes: logits of an image.
    pub classes: usize,
    /// Height and width of images.
    pub size: [usize; 2],
    /// Precision of activations and of weights in matrix products; master weights are always f32.
    pub precision: Precision,
    /// Which passes are planned.
    pub purpose: Purpose,
    /// Activations to keep until the next forward pass, out of [`Model::activations`](super::Model::activations).
    pub taps: Vec<String>,
    /// Dropout probability in VGG's classifier, in training mode.
    pub dropout: f32,
    /// Dropout's seed.
    pub seed: u64,
    /// Gradient clipping: the largest norm of all weights' gradients together, as PyTorch's `clip_grad_norm_`.
    pub clip: Option<f32>,
}

impl Default for Settings {
    /// Inference of one image of 224 x 224 and three channels, two classes, f32, dropout 0.5, no clipping.
    fn default() -> Self {
        Settings {
            batch: 1,
            last_batch: None,
            channels: 3,
            classes: 2,
            size: [224, 224],
            precision: Precision::F32,
            purpose: Purpose::Inference,
            taps: Vec::new(),
            dropout: 0.5,
            seed: 0,
            clip: None,
        }
    }
}

/// Which gradients a program computes: by default none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wants {
    pub parameters: bool,
    pub input: bool,
}
