//! What a network is asked for: images, passes, precision and what moves its weights.

use crate::Precision;
use crate::ops::adam::Adam;
use crate::ops::sgd::Sgd;

/// Whether batch normalisation takes the batch's statistics and dropout drops, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The batch's statistics, which move the running ones, and dropout: PyTorch's `train()`.
    Training,
    /// The running statistics and no dropout: PyTorch's `eval()`.
    Evaluation,
}

/// How weights are moved.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Optimiser {
    /// Adam or AdamW: two more values for each weight.
    Adam(Adam),
    /// Stochastic gradient descent: one more value for each weight.
    Sgd(Sgd),
}

/// Which passes are planned: memory is set aside for these only.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Purpose {
    /// Forward passes in evaluation mode. Activations give their memory to later ones.
    Inference,
    /// The same, and the gradient of the loss by the images: what attacks need. Weights get none.
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

    /// As messages have it: "for training".
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
    /// Images in a batch. Passes in evaluation mode that compute no gradients of weights take fewer as well.
    pub batch: usize,
    /// A second size of batches, for an epoch's last one: it shares the weights, and the memory of the first.
    pub last_batch: Option<usize>,
    /// Channels of an image.
    pub channels: usize,
    /// Classes: logits of an image.
    pub classes: usize,
    /// Height and width of images.
    pub size: [usize; 2],
    /// What activations and the weights in products are stored as; master weights are f32 always.
    pub precision: Precision,
    /// Which passes are planned.
    pub purpose: Purpose,
    /// Activations that stay until the next forward pass, of [`Model::activations`](super::Model::activations).
    pub taps: Vec<String>,
    /// Probability of a value to fall in VGG's classifier, in training mode.
    pub dropout: f32,
    /// Dropout's seed.
    pub seed: u64,
    /// The greatest norm of all weights' gradients together: longer ones are shortened to it before a step, as
    /// PyTorch's `clip_grad_norm_` does.
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
