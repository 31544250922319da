//! The metadata of checkpoints: the results of epochs, and a description of the images.

use crate::data::Images;
use serde_json::{Value, json};

/// The setting that describes the training images.
pub(super) const TRAINING_IMAGES: &str = "training images";

/// Results of an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Epoch {
    /// Its number, from 1 on.
    pub epoch: u32,
    /// Mean cross-entropy of the training images, each before the step on its batch.
    pub train_loss: f64,
    /// Training accuracy, likewise.
    pub train_accuracy: f64,
    /// Mean cross-entropy of the test images after the epoch, in evaluation mode.
    pub test_loss: f64,
    /// Test accuracy after the epoch.
    pub test_accuracy: f64,
    /// Seconds that its steps of training took.
    pub seconds: f64,
    /// Training images a second in them.
    pub images_per_second: f64,
}

impl Epoch {
    pub(super) fn json(&self) -> Value {
        let Epoch { epoch, train_loss, train_accuracy, test_loss, test_accuracy, seconds, images_per_second } =
            *self;
        json!({
            "epoch": epoch, "train_loss": train_loss, "train_accuracy": train_accuracy,
            "test_loss": test_loss, "test_accuracy": test_accuracy,
            "seconds": seconds, "images_per_second": images_per_second,
        })
    }

    /// The results of epochs in a checkpoint's metadata.
    pub(super) fn history(about: &Value) -> Option<Vec<Self>> {
        about.get("history")?.as_array()?.iter().map(Epoch::from_json).collect()
    }

    fn from_json(value: &Value) -> Option<Self> {
        let number = |name: &str| value.get(name).and_then(Value::as_f64);
        Some(Epoch {
            epoch: value.get("epoch")?.as_u64()?.try_into().ok()?,
            train_loss: number("train_loss")?,
            train_accuracy: number("train_accuracy")?,
            test_loss: number("test_loss")?,
            test_accuracy: number("test_accuracy")?,
            seconds: number("seconds")?,
            images_per_second: number("images_per_second")?,
        })
    }
}

/// A description that differs between sets of images: number, shape and checksum.
pub(super) fn described(images: &Images) -> String {
    let [height, width, channels] = images.shape();
    let mut sum = flate2::Crc::new();
    sum.update(images.pixels());
    images.labels().iter().for_each(|label| sum.update(&label.to_le_bytes()));
    format!("{} of {height} x {width} x {channels}, checksum {:08x}", images.len(), sum.sum())
}
