//! The result of one training of a study, as input to fits and figures.

/// The result of one training of a study.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// The dataset's name, as `mnist` or `generated radiology, 8 latents`.
    pub dataset: String,
    /// The dataset's domain: `natural` or `radiology`.
    pub domain: String,
    /// The two classes, as `3 and 8`.
    pub classes: String,
    /// The network, as `resnet18`.
    pub model: String,
    /// Images trained on.
    pub train: usize,
    /// The seed of images and weights.
    pub seed: u64,
    /// Intrinsic dimension of the training images, by estimator: `mle`, `twonn`.
    pub d_data: Vec<(String, f64)>,
    /// Label sharpness of the training images; `None` where it is undefined.
    pub k_f: Option<f64>,
    /// Dimension of the last hidden layer's representation of the training images, by estimator.
    pub d_repr: Vec<(String, f64)>,
    /// Mean cross-entropy of the test images.
    pub test_loss: f64,
    /// Test accuracy.
    pub test_accuracy: f64,
    /// The penalty of each attack.
    pub attacks: Vec<Penalty>,
}

/// The penalty of an attack at one strength.
#[derive(Clone, Debug, PartialEq)]
pub struct Penalty {
    /// The attack, as `fgsm`.
    pub attack: String,
    /// Its strength, in units of pixel value of 255.
    pub epsilon: f64,
    /// The rise of the mean test loss.
    pub loss: f64,
    /// The fall of the accuracy.
    pub accuracy: f64,
}
