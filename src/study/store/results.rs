//! What a store holds: tasks and their results.

use crate::study::task::Kind;

/// The state of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not done yet, perhaps begun.
    Pending,
    /// Its results are in the store.
    Done,
    /// It ended with an error.
    Failed {
        /// The error.
        error: String,
        /// Whether the error is transient, as a lost device or a full disk.
        passing: bool,
    },
    /// Its data are missing or too few.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// A measured dimension.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dimension {
    /// `data` for the images, else the layer.
    pub layer: String,
    /// The layer's relative depth.
    pub depth: Option<f64>,
    /// The preprocessing in words; empty for the plan's.
    pub preprocessing: String,
    /// The estimator.
    pub estimator: String,
    /// The dimension and its 95 % interval.
    pub value: Option<[f64; 3]>,
    /// Samples that gave no value.
    pub excluded: usize,
    /// Why there is no value.
    pub error: Option<String>,
}

/// A measured label sharpness.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeasuredSharpness {
    /// The preprocessing in words; empty for the plan's.
    pub preprocessing: String,
    /// K_F by the plan's protocol.
    pub value: Option<f64>,
    /// The maximum over all compared pairs.
    pub maximum: Option<f64>,
    /// Pairs of different classes at distance 0.
    pub contradictions: u64,
    /// Pairs compared.
    pub pairs: u64,
    /// Why there is no value.
    pub error: Option<String>,
}

/// The result of an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochResult {
    /// Its number, from 1 on.
    pub epoch: u32,
    /// Mean cross-entropy of the training images.
    pub train_loss: f64,
    /// Training accuracy.
    pub train_accuracy: f64,
    /// Mean cross-entropy of the test images.
    pub test_loss: f64,
    /// Test accuracy.
    pub test_accuracy: f64,
}

/// The result of an attack.
#[derive(Clone, Debug, PartialEq)]
pub struct AttackResult {
    /// The attack's name in the plan.
    pub attack: String,
    /// Its strength.
    pub epsilon: f64,
    /// Mean cross-entropy and accuracy of the clean test images.
    pub clean: [f64; 2],
    /// Likewise under attack.
    pub attacked: [f64; 2],
}

/// All results of a task.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::study) struct Outcome {
    pub classes: String,
    pub checksum: String,
    pub device: String,
    pub precision: Option<String>,
    pub dimensions: Vec<Dimension>,
    pub sharpness: Vec<MeasuredSharpness>,
    pub epochs: Vec<EpochResult>,
    pub attacks: Vec<AttackResult>,
}

/// A task in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The task's identity.
    pub id: String,
    /// That of its images.
    pub images: String,
    /// What is done: `measure` or `train`.
    pub kind: String,
    /// Its place in the plan.
    pub position: usize,
    /// The dataset.
    pub dataset: String,
    /// Its domain.
    pub domain: String,
    /// The classes, if known yet.
    pub classes: String,
    /// The network.
    pub model: Option<String>,
    /// Images to train on.
    pub train: usize,
    /// The seed.
    pub seed: u64,
    /// Its cost: see [`Task::cost`](crate::study::Task::cost).
    pub cost: f64,
    /// Its state.
    pub state: State,
    /// Epochs in its checkpoint.
    pub epochs_done: u32,
    /// Seconds that it took so far.
    pub seconds: f64,
}

/// A dataset's label sharpness under one preprocessing.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantResult {
    /// The dataset.
    pub dataset: String,
    /// Its domain.
    pub domain: String,
    /// The preprocessing in words; empty for the plan's.
    pub preprocessing: String,
    /// The mean K_F over class pairs and seeds.
    pub k_f: f64,
}

/// The dimension of a network's layers against their depth.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerCurve {
    /// The dataset.
    pub dataset: String,
    /// Its domain.
    pub domain: String,
    /// The network.
    pub model: String,
    /// The estimator.
    pub estimator: String,
    /// Layer, relative depth, and the mean dimension over class pairs, sizes and seeds.
    pub layers: Vec<(String, f64, f64)>,
}

/// One measurement of a dataset's images.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// The dataset.
    pub dataset: String,
    /// Its domain.
    pub domain: String,
    /// The classes.
    pub classes: String,
    /// How many images.
    pub train: usize,
    /// The seed by which they were drawn.
    pub seed: u64,
    /// The estimator.
    pub estimator: String,
    /// The dimension and its 95 % interval.
    pub d_data: [f64; 3],
    /// The label sharpness.
    pub k_f: Option<f64>,
}

impl Entry {
    /// Whether it is a training.
    pub fn is_training(&self) -> bool {
        self.kind == Kind::Train.name()
    }
}
