//! Settings of a training, with the paper's as defaults.

use super::model::Model;
use super::settings::Optimiser;
use crate::data::Images;
use crate::ops::adam::Adam;
use crate::ops::take_images::Choice;
use crate::random::Random;
use crate::{Device, Error, Precision, Result};
use serde_json::{Map, Value, json};

/// Attempts to draw a crop that fits, as in torchvision.
const CROP_DRAWS: usize = 10;
/// Range of a crop's aspect ratio (width to height), torchvision's.
const RATIOS: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];
/// Random streams by purpose; each epoch has one of each.
const ORDER: u64 = 1 << 32;
const AUGMENTATION: u64 = 2 << 32;

/// Settings of a training.
///
/// ```
/// use sharpdim::Device;
/// use sharpdim::nn::{Model, Recipe};
/// let recipe = Recipe { epochs: 20, flip: true, ..Recipe::paper(Model::ResNet18, &Device::cpu()) };
/// assert_eq!((recipe.batch, recipe.rate), (40, 1e-3));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The network.
    pub model: Model,
    /// Classes: logits of an image.
    pub classes: usize,
    /// Passes over the training images.
    pub epochs: u32,
    /// Images in a batch. An epoch's last batch has the rest.
    pub batch: usize,
    /// How weights are updated.
    pub optimiser: Optimiser,
    /// Learning rate.
    pub rate: f32,
    /// Dropout probability in VGG's classifier.
    pub dropout: f32,
    /// bf16, on GPUs only, is mixed precision: master weights and sums are f32.
    pub precision: Precision,
    /// Normalisation of pixels.
    pub normalise: Normalise,
    /// Whether training images are mirrored with probability 1/2.
    pub flip: bool,
    /// Random crops: the least and greatest fraction of the area, with aspect ratios from 3/4 to 4/3, resized bilinearly
    /// without antialiasing to the image's size; torchvision's `RandomResizedCrop` has 0.08 and 1.
    pub crop: Option<[f32; 2]>,
    /// Gradient clipping: the largest norm of all weights' gradients together.
    pub clip: Option<f32>,
    /// Early stopping: training ends when the test loss has not fallen for so many epochs.
    pub patience: Option<u32>,
    /// Seed of initial weights, order, dropout and augmentation.
    pub seed: u64,
}

/// How a pixel's value v, 0 to 255, is normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Normalise {
    /// v itself.
    None,
    /// v / 255: from 0 to 1.
    #[default]
    Unit,
    /// (v - mean) / standard deviation of the training images, per channel.
    Standard,
}

impl Recipe {
    /// The settings of Konz & Mazurowski 2024: Adam with weight decay 1e-4 (added to the gradient), 100 epochs, no
    /// augmentation; learning rate 1e-3 for ResNets, 1e-4 for VGGs (1e-6 for VGGs on SVHN is for you to set); batches
    /// of 40 for ResNet-18, 25 for ResNet-34, 12 for ResNet-50, 6 for VGGs; mixed precision on GPUs, f32 on the CPU; two
    /// classes.
    pub fn paper(model: Model, device: &Device) -> Self {
        Recipe {
            model,
            classes: 2,
            epochs: 100,
            batch: model.paper_batch(),
            optimiser: Optimiser::Adam(Adam { weight_decay: 1e-4, ..Adam::default() }),
            rate: model.paper_rate(),
            dropout: 0.5,
            precision: if device.is_cpu() { Precision::F32 } else { Precision::Bf16 },
            normalise: Normalise::Unit,
            flip: false,
            crop: None,
            clip: None,
            patience: None,
            seed: 0,
        }
    }

    /// Checks what the plan of a network does not.
    pub(super) fn check(&self) -> Result<()> {
        let bad = |why: String| Err(Error::Argument(why));
        if !(self.rate.is_finite() && self.rate > 0.0) {
            return bad(format!("a learning rate of {}: it must be above 0", self.rate));
        }
        if self.epochs == 0 {
            return bad("0 epochs: at least 1 is needed".into());
        }
        if self.patience == Some(0) {
            return bad("patience of 0 epochs: at least 1 is needed".into());
        }
        match self.crop {
            Some([least, most]) if !(0.0 < least && least <= most && most <= 1.0) => bad(format!(
                "crops of {least} to {most} of the area: they must be above 0, ascending, and at most 1"
            )),
            _ => Ok(()),
        }
    }

    /// The settings, by name, that a resumed training must share with the original.
    pub(super) fn settings(&self, name: &str) -> Map<String, Value> {
        let optimiser = match self.optimiser {
            Optimiser::Adam(Adam { beta1, beta2, eps, weight_decay, decoupled }) => json!({
                "name": if decoupled { "adamw" } else { "adam" },
                "beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay,
            }),
            Optimiser::Sgd(sgd) => json!({
                "name": "sgd", "momentum": sgd.momentum, "nesterov": sgd.nesterov,
                "weight_decay": sgd.weight_decay,
            }),
        };
        let normalise = match self.normalise {
            Normalise::None => "none",
            Normalise::Unit => "unit",
            Normalise::Standard => "standard",
        };
        let all = json!({
            "model": name, "classes": self.classes, "batch": self.batch, "optimiser": optimiser,
            "learning rate": self.rate, "dropout": self.dropout, "precision": self.precision.name(),
            "normalise": normalise, "flip": self.flip, "crop": self.crop, "clip": self.clip, "seed": self.seed,
        });
        match all {
            Value::Object(all) => all,
            _ => unreachable!("an object was made"),
        }
    }

    /// The factors of all channels, then their offsets.
    pub(super) fn scale(&self, images: &Images) -> Vec<f32> {
        let channels = images.shape()[2];
        match self.normalise {
            Normalise::None => [vec![1.0; channels], vec![0.0; channels]].concat(),
            Normalise::Unit => [vec![1.0 / 255.0; channels], vec![0.0; channels]].concat(),
            Normalise::Standard => {
                // Exact: 2^32 pixels of 255^2 fit 64 bits.
                let (mut sums, mut squares) = (vec![0u64; channels], vec![0u64; channels]);
                for pixel in images.pixels().chunks_exact(channels) {
                    for ((value, sum), square) in pixel.iter().zip(&mut sums).zip(&mut squares) {
                        *sum += u64::from(*value);
                        *square += u64::from(*value).pow(2);
                    }
                }
                let count = (images.pixels().len() / channels) as f64;
                let moments = sums.iter().zip(&squares).map(|(sum, square)| {
                    let mean = *sum as f64 / count;
                    let variance = (*square as f64 / count - mean * mean).max(0.0);
                    // A constant channel becomes 0.
                    (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
                });
                let (scale, shift) =
                    moments.map(|(mean, sd)| ((1.0 / sd) as f32, (-mean / sd) as f32)).unzip();
                [scale, shift].map(|values: Vec<f32>| values).concat()
            }
        }
    }

    /// The training images of an epoch, in its order: a function of seed and epoch alone.
    pub(super) fn epoch(&self, epoch: u32, images: usize, [height, width, _]: [usize; 3]) -> Vec<Choice> {
        let stream = |purpose: u64| Random::stream(self.seed, purpose | u64::from(epoch));
        let mut order: Vec<u32> = (0..images as u32).collect();
        stream(ORDER).shuffle(&mut order, images);
        let mut random = stream(AUGMENTATION);
        let choice = |row| {
            let mut choice = Choice::whole(row, height, width);
            if let Some(areas) = self.crop {
                let [top, left, height, width] = crop(&mut random, [height, width], areas.map(f64::from));
                choice = Choice { top, left, height, width, ..choice };
            }
            Choice { flip: self.flip && random.bits() >> 63 == 1, ..choice }
        };
        order.into_iter().map(choice).collect()
    }
}

/// Top, left, height and width of a random part of an image, in whole pixels, as torchvision draws it.
fn crop(random: &mut Random, [height, width]: [usize; 2], [least, most]: [f64; 2]) -> [f32; 4] {
    let (rows, columns) = (height as f64, width as f64);
    let place = |random: &mut Random, room: f64| (random.fraction() * (room + 1.0)).floor();
    for _ in 0..CROP_DRAWS {
        let area = rows * columns * (least + (most - least) * random.fraction());
        let [low, high] = RATIOS.map(f64::ln);
        let ratio = (low + (high - low) * random.fraction()).exp();
        let (w, h) = ((area * ratio).sqrt().round(), (area / ratio).sqrt().round());
        if (1.0..=columns).contains(&w) && (1.0..=rows).contains(&h) {
            let (top, left) = (place(random, rows - h), place(random, columns - w));
            return [top, left, h, w].map(|v| v as f32);
        }
    }
    // The largest central crop of an allowed ratio.
    let (w, h) = match columns / rows {
        ratio if ratio < RATIOS[0] => (columns, (columns / RATIOS[0]).round()),
        ratio if ratio > RATIOS[1] => ((rows * RATIOS[1]).round(), rows),
        _ => (columns, rows),
    };
    [((rows - h) / 2.0).floor(), ((columns - w) / 2.0).floor(), h, w].map(|v| v as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_are_inside_and_of_the_areas_asked_for() {
        let mut random = Random::stream(0, 0);
        for [rows, columns] in [[32, 32], [7, 50], [50, 7], [1, 1], [224, 200]] {
            let mut mean = 0.0;
            for _ in 0..2000 {
                let [top, left, h, w] = crop(&mut random, [rows, columns], [0.3, 0.9]).map(f64::from);
                assert!(top >= 0.0 && left >= 0.0 && h >= 1.0 && w >= 1.0);
                assert!(top + h <= rows as f64 && left + w <= columns as f64);
                mean += h * w / (rows * columns) as f64 / 2000.0;
            }
            if rows == columns && rows > 1 {
                // Uniform from 0.3 to 0.9; the crops that do not fit are large ones.
                assert!((0.5..0.62).contains(&mean), "{mean}");
            }
        }
    }

    #[test]
    fn an_epoch_has_every_image_once_in_an_order_of_its_own() {
        let recipe = Recipe { seed: 3, ..Recipe::paper(Model::ResNet18, &Device::cpu()) };
        let rows = |epoch| -> Vec<u32> {
            recipe.epoch(epoch, 101, [8, 8, 1]).iter().map(|choice| choice.row).collect()
        };
        let sorted = |mut rows: Vec<u32>| {
            rows.sort_unstable();
            rows
        };
        assert_eq!(sorted(rows(0)), (0..101).collect::<Vec<_>>());
        assert_eq!(sorted(rows(1)), sorted(rows(0)));
        assert!(rows(0) != rows(1) && rows(0) == rows(0));
        let flipping = Recipe { flip: true, ..recipe };
        let flipped = flipping.epoch(0, 1000, [8, 8, 1]).iter().filter(|choice| choice.flip).count();
        assert!((420..580).contains(&flipped), "{flipped}");
    }
}
