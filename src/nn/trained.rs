//! Trained networks: reading a checkpoint, and building a network with its weights.

use super::checkpoint;
use super::epoch::{Epoch, TRAINING_IMAGES, described};
use super::model::Model;
use super::network::Network;
use super::plan::NetworkPlan;
use super::settings::{Purpose, Settings};
use super::state::State;
use crate::data::Images;
use crate::{Device, Error, Precision, Result};
use serde_json::Value;
use std::path::Path;

/// A trained network, from a [`Trainer`](super::Trainer) or a checkpoint.
///
/// ```
/// use sharpdim::Device;
/// use sharpdim::data::{Dataset, Images, Preprocess};
/// use sharpdim::nn::{Mode, Model, Purpose, Recipe, Trained, Trainer};
/// let how = Preprocess { size: Some((32, 32)), ..Preprocess::default() };
/// let images = Images::new(Dataset::generated(4, 32, 0)?.load_pixels(&how, &|_finished| {})?)?;
/// let device = Device::cpu();
/// let recipe = Recipe { epochs: 1, ..Recipe::paper(Model::ResNet18, &device) };
/// let mut trainer = Trainer::new(&device, &images, &images, recipe)?;
/// while !trainer.is_finished() {
///     trainer.step()?;
/// }
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("checkpoint.safetensors");
/// trainer.save(&path)?;
///
/// let trained = Trained::read(&path)?;
/// assert_eq!((trained.model, trained.shape), (Model::ResNet18, [32, 32, 1]));
/// assert!(trained.was_trained_on(&images));
/// let mut network = trained.network(&device, 8, Purpose::Inference, &[])?;
/// network.set_images(&trained.normalised(images.pixels()))?;
/// network.forward(Mode::Evaluation)?;
/// assert_eq!(network.logits()?.len(), 8 * 2);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trained {
    /// The network.
    pub model: Model,
    /// Classes: logits of an image.
    pub classes: usize,
    /// The names of the classes.
    pub class_names: Vec<String>,
    /// Height, width and channels of its images.
    pub shape: [usize; 3],
    /// The precision it was trained in.
    pub precision: Precision,
    /// The network's input for a pixel's value v, 0 to 255, is v times the channel's factor plus its offset: all factors,
    /// then all offsets.
    pub scale: Vec<f32>,
    /// The results of its epochs.
    pub history: Vec<Epoch>,
    /// The note of [`Trainer::set_note`](super::Trainer::set_note).
    pub note: String,
    /// Its weights and running statistics.
    pub state: State,
    /// The description of its training images.
    pub(super) images: String,
}

impl Trained {
    /// Reads a checkpoint, with the weights at the time it was written.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::Format`] where it is truncated, or no checkpoint of a known network.
    pub fn read(path: &Path) -> Result<Self> {
        let about = checkpoint::about(path)?;
        let wrong = |what: &str| Error::format(path, format!("its metadata lack {what}"));
        let settings = about.get("settings").ok_or_else(|| wrong("its settings"))?;
        let text = |object: &Value, name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
        let model = text(settings, "model").ok_or_else(|| wrong("its network"))?;
        let model = model.parse().map_err(|error: Error| Error::format(path, error.to_string()))?;
        let precision = text(settings, "precision").and_then(|name| name.parse().ok());
        let shape: Option<Vec<usize>> =
            about.get("shape").and_then(Value::as_array).and_then(|shape| shape.iter().map(number).collect());
        let names = about.get("class_names").and_then(Value::as_array);
        let names: Option<Vec<String>> =
            names.and_then(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect());
        let shape: [usize; 3] =
            shape.and_then(|shape| shape.try_into().ok()).ok_or_else(|| wrong("its images' shape"))?;
        let (state, scale) = checkpoint::weights(path)?;
        if scale.len() != 2 * shape[2] {
            return Err(Error::format(
                path,
                format!("{} does not have two values per channel", checkpoint::SCALE),
            ));
        }
        Ok(Trained {
            model,
            classes: settings.get("classes").and_then(number).ok_or_else(|| wrong("its classes"))?,
            class_names: names.ok_or_else(|| wrong("its classes' names"))?,
            shape,
            precision: precision.ok_or_else(|| wrong("its precision"))?,
            scale,
            history: Epoch::history(&about).ok_or_else(|| wrong("its history of epochs"))?,
            note: text(&about, "note").unwrap_or_default(),
            images: text(settings, TRAINING_IMAGES).unwrap_or_default(),
            state,
        })
    }

    /// A network with these weights, for batches of up to `batch` images, that keeps the activations `taps`
    /// ([`Model::activations`]). On the CPU it computes in f32, whatever the precision of its training.
    ///
    /// # Errors
    /// As [`NetworkPlan::new`], [`Network::new`] and [`Network::load_state`].
    pub fn network(&self, device: &Device, batch: usize, purpose: Purpose, taps: &[&str]) -> Result<Network> {
        let [height, width, channels] = self.shape;
        let settings = Settings {
            batch,
            channels,
            classes: self.classes,
            size: [height, width],
            precision: if device.is_cpu() { Precision::F32 } else { self.precision },
            purpose,
            taps: taps.iter().map(|tap| (*tap).to_owned()).collect(),
            ..Settings::default()
        };
        let mut network = Network::new(NetworkPlan::new(device, self.model, &settings)?, 0)?;
        network.load_state(&self.state)?;
        Ok(network)
    }

    /// Whether these are the images that it was trained on, by number, shape and a checksum of pixels and labels.
    pub fn was_trained_on(&self, images: &Images) -> bool {
        self.images == described(images)
    }

    /// The network's input for pixels (n, h, w, c).
    pub fn normalised(&self, pixels: &[u8]) -> Vec<f32> {
        let channels = self.shape[2];
        let (factors, offsets) = self.scale.split_at(channels);
        let value = |(at, v): (usize, &u8)| f32::from(*v) * factors[at % channels] + offsets[at % channels];
        pixels.iter().enumerate().map(value).collect()
    }
}
