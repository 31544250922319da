//! Adversarial attacks on networks, and the penalties in loss and accuracy that they cause (the other half of Konz &
//! Mazurowski, *The Effect of Intrinsic Dataset Properties on Generalization*, ICLR 2024).
//!
//! | attack | norms | from | passes of an image |
//! |---|---|---|---|
//! | [`Fgsm`] | L∞, L2 | Goodfellow et al., ICLR 2015 | 1 forward, 1 back |
//! | [`Bim`] | L∞, L2 | Kurakin et al., ICLR 2017 | steps |
//! | [`Pgd`] | L∞, L2 | Madry et al., ICLR 2018 | steps; each of several restarts one forward more |
//! | [`MiFgsm`] | L∞, L2 | Dong et al., CVPR 2018 | steps |
//! | [`Apgd`] | L∞, L2 | Croce & Hein, ICML 2020 | steps + 1, of each restart |
//! | [`Square`] | L∞ | Andriushchenko et al., ECCV 2020 | queries, forward only |
//! | [`UniformNoise`], [`SignNoise`] | L∞, L2; L∞ | controls: no attack at all | none |
//!
//! and one more forward pass each, which evaluates the result. Everything is in pixel units: images, epsilons and steps.
//! Results stay in the ball and the range exactly, as [`ops::perturb`](crate::ops::perturb) has it. Random numbers are a
//! function of seed and image number. The same seed gives the same bits on the same kind of device with a target of the
//! same batch size, whatever else is in the batch; with another batch size the network's sums round differently.
//!
//! **Masked gradients.** The gradient of a very confident network's cross-entropy underflows to 0 in f32: a gradient attack
//! then fails, which says nothing about robustness. [`Attacked::masked`] counts such images; where it is not 0, use [`Apgd`]
//! with [`Loss::Dlr`], which does not underflow, or [`Square`], which needs no gradient.
//!
//! ```
//! use sharpdim::Device;
//! use sharpdim::attack::{Attack, Pgd, Target, robustness};
//! use sharpdim::nn::{Model, Network, NetworkPlan, Settings};
//! let settings = Settings { batch: 4, size: [32, 32], channels: 1, ..Settings::default() };
//! let device = Device::cpu();
//! // Or Target::new(&Trained::read("checkpoint.safetensors".as_ref())?, &device, 64)?
//! let state = Network::new(NetworkPlan::new(&device, Model::ResNet18, &settings)?, 0)?.state()?;
//! let mut target = Target::of_state(&device, Model::ResNet18, &settings, &state, &[1.0 / 255.0, 0.0])?;
//! let images: Vec<f32> = (0..4 * 32 * 32).map(|i| (i * 37 % 256) as f32).collect();
//! let report = robustness(&Pgd { steps: 3, ..Pgd::default() }, &mut target, &images, &[0, 1, 0, 1], &[2.0], 200, 0)?;
//! println!("{report}");
//! assert!(report.levels[0].loss_penalty.value > 0.0);
//! # Ok::<(), sharpdim::Error>(())
//! ```

mod apgd;
mod gradient;
mod named;
mod noise;
mod robust;
mod square;
mod target;

pub use crate::ops::perturb::Norm;
use crate::{Error, Result};
pub use apgd::{Apgd, Loss};
pub use gradient::{Bim, Fgsm, MiFgsm, Pgd, StepSize};
pub use named::{NamedAttack, Settings as NamedSettings};
pub use noise::{SignNoise, UniformNoise};
pub use robust::{Estimate, Level, Report, report, robustness, smallest_epsilon, unattacked};
pub use square::Square;
pub use target::{Counts, Target};

/// The goal of an attack: untargeted, or a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Goal {
    /// Untargeted: raises the loss of the image's label.
    #[default]
    Away,
    /// Targeted: lowers the loss of this class.
    Class(u32),
    /// Targeted: lowers the loss of the class after the label, cyclically.
    Next,
}

impl Goal {
    /// The class of the loss.
    fn class(self, label: u32, classes: usize) -> u32 {
        match self {
            Goal::Away => label,
            Goal::Class(class) => class,
            Goal::Next => (label + 1) % classes as u32,
        }
    }

    /// 1 where that loss is maximised, -1 where it is minimised.
    fn sign(self) -> f32 {
        if self == Goal::Away { 1.0 } else { -1.0 }
    }

    fn check(self, target: &Target) -> Result<()> {
        match self {
            Goal::Class(class) if class as usize >= target.classes() => Err(Error::Argument(format!(
                "target class {class}: the network has {} classes, 0 to {}",
                target.classes(),
                target.classes() - 1
            ))),
            _ => Ok(()),
        }
    }

    /// As part of a name: empty where untargeted.
    fn words(self) -> String {
        match self {
            Goal::Away => String::new(),
            Goal::Class(class) => format!(", towards class {class}"),
            Goal::Next => ", towards the next class".into(),
        }
    }
}

/// The results of an attack at one epsilon, in the order of the images.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Attacked {
    /// Radius of the ball in pixel units.
    pub epsilon: f32,
    /// The images (n, h, w, c), in pixel units.
    pub images: Vec<f32>,
    /// The cross-entropy of each with its own label, whatever loss the attack used.
    pub losses: Vec<f32>,
    /// The predicted class of each: the first of the greatest logits.
    pub predictions: Vec<u32>,
    /// Whether that is not its label, which includes images that were misclassified without an attack.
    pub success: Vec<bool>,
    /// Images whose f32 gradient was 0 in every value at some step of the attack (gradient masking). 0 for attacks without
    /// gradients.
    pub masked: usize,
}

impl Attacked {
    /// The results of some of the images, by index.
    ///
    /// # Errors
    /// [`Error::Argument`] for an index past the last image.
    pub fn select(&self, places: &[usize]) -> Result<Self> {
        let count = self.losses.len();
        if let Some(at) = places.iter().find(|at| **at >= count) {
            return Err(Error::Argument(format!("image {at} of {count}: the first is image 0")));
        }
        let image = self.images.len() / count.max(1);
        let pixels = places.iter().flat_map(|at| &self.images[at * image..(at + 1) * image]);
        Ok(Attacked {
            epsilon: self.epsilon,
            images: pixels.copied().collect(),
            losses: places.iter().map(|at| self.losses[*at]).collect(),
            predictions: places.iter().map(|at| self.predictions[*at]).collect(),
            success: places.iter().map(|at| self.success[*at]).collect(),
            masked: self.masked,
        })
    }

    /// The mean loss.
    pub fn mean_loss(&self) -> f64 {
        self.losses.iter().map(|loss| f64::from(*loss)).sum::<f64>() / self.losses.len() as f64
    }

    /// Robust accuracy: the part of images still classified correctly.
    pub fn accuracy(&self) -> f64 {
        self.success.iter().filter(|success| !**success).count() as f64 / self.success.len() as f64
    }
}

/// An attack, with its settings.
pub trait Attack: batchwise::Batchwise {
    /// Its name and settings, for tables.
    fn name(&self) -> String;

    /// The norm that epsilon bounds.
    fn norm(&self) -> Norm;

    /// The most passes per image, the evaluation of the result included: the length of a progress bar.
    fn passes(&self) -> Counts;

    /// Attacks any number of images (n, h, w, c) at each epsilon separately. An epsilon of 0 returns the images unchanged.
    ///
    /// # Errors
    /// [`Error::Argument`] for values that are not whole images or outside the target's range, for a number of labels
    /// other than that of images, 2^24 images or more, an epsilon that is NaN, below 0, or larger than the range, and
    /// invalid settings; [`Error::Data`] for a label that is no class, and where a loss is not finite;
    /// [`Error::Device`] where the device fails; [`Error::Stopped`] where [`Target::watch`] says so.
    fn run(
        &self,
        target: &mut Target,
        images: &[f32],
        labels: &[u32],
        epsilons: &[f32],
    ) -> Result<Vec<Attacked>> {
        ready(self, target, images, labels, epsilons)?;
        let numbers: Vec<u32> = (0..labels.len() as u32).collect();
        let at = |epsilon: &f32| {
            each(self, target, images, labels, &vec![*epsilon; labels.len()], &numbers)
                .map(|found| Attacked { epsilon: *epsilon, ..found })
        };
        epsilons.iter().map(at).collect()
    }
}

/// An attack on one batch: not public.
mod batchwise {
    use super::{Result, Target};

    /// Up to a batch of the target's images.
    pub struct Batch<'a> {
        pub(super) images: &'a [f32],
        pub(super) labels: &'a [u32],
        /// One per image.
        pub(super) epsilons: &'a [f32],
        /// Image numbers, which seed random numbers.
        pub(super) numbers: &'a [u32],
    }

    /// The perturbed images, and which had masked gradients.
    pub struct Perturbed {
        pub(super) images: Vec<f32>,
        pub(super) masked: Vec<bool>,
    }

    pub trait Batchwise {
        /// Checks the settings against this network.
        fn check(&self, target: &Target) -> Result<()>;
        fn batch(&self, target: &mut Target, batch: &Batch<'_>) -> Result<Perturbed>;
    }
}

/// Checks the arguments of [`Attack::run`].
fn ready<A: Attack + ?Sized>(
    attack: &A,
    target: &Target,
    images: &[f32],
    labels: &[u32],
    epsilons: &[f32],
) -> Result<()> {
    attack.check(target)?;
    target.check(images, labels)?;
    let [low, high] = target.range();
    let most = match attack.norm() {
        Norm::Linf => f64::from(high) - f64::from(low),
        Norm::L2 => (f64::from(high) - f64::from(low)) * (target.image_len() as f64).sqrt(),
    };
    match epsilons.iter().find(|epsilon| !(0.0..=most).contains(&f64::from(**epsilon))) {
        None => Ok(()),
        Some(epsilon) => Err(Error::Argument(format!(
            "{}: an epsilon of {epsilon}: in pixel units it must be from 0 to {most}, for pixels from {low} to {high}",
            attack.name()
        ))),
    }
}

/// Attacks each image at its own epsilon. Losses and predictions are those of the returned images.
fn each<A: Attack + ?Sized>(
    attack: &A,
    target: &mut Target,
    images: &[f32],
    labels: &[u32],
    epsilons: &[f32],
    numbers: &[u32],
) -> Result<Attacked> {
    let (batch, image) = (target.batch(), target.image_len());
    let (mut moved, mut masked) = (Vec::with_capacity(images.len()), 0);
    for from in (0..labels.len()).step_by(batch) {
        let rows = from..labels.len().min(from + batch);
        let found = attack.batch(
            target,
            &batchwise::Batch {
                images: &images[rows.start * image..rows.end * image],
                labels: &labels[rows.clone()],
                epsilons: &epsilons[rows.clone()],
                numbers: &numbers[rows],
            },
        )?;
        moved.extend(found.images);
        masked += found.masked.iter().filter(|masked| **masked).count();
    }
    let (logits, losses) = target.evaluate(&moved, labels)?;
    let predictions: Vec<u32> = logits.chunks_exact(target.classes()).map(first_greatest).collect();
    let success = predictions.iter().zip(labels).map(|(prediction, label)| prediction != label).collect();
    Ok(Attacked { epsilon: 0.0, images: moved, losses, predictions, success, masked })
}

fn first_greatest(logits: &[f32]) -> u32 {
    let greater = |best: usize, at: usize| if logits[at] > logits[best] { at } else { best };
    (0..logits.len()).reduce(greater).unwrap_or(0) as u32
}

/// Checks that a number of steps, restarts or queries fits the counters of random numbers.
fn counted(what: &str, number: u32) -> Result<()> {
    if (1..1 << 24).contains(&number) {
        return Ok(());
    }
    Err(Error::Argument(format!("{number} {what}: at least 1 is needed, and fewer than 2^24")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selected_images_come_with_their_results() {
        let all = Attacked {
            epsilon: 2.0,
            images: vec![0.0, 1.0, 10.0, 11.0, 20.0, 21.0],
            losses: vec![0.5, 1.5, 2.5],
            predictions: vec![7, 8, 9],
            success: vec![true, false, true],
            masked: 1,
        };
        let some = all.select(&[2, 0]).unwrap();
        assert_eq!(some.images, [20.0, 21.0, 0.0, 1.0]);
        assert_eq!((some.losses, some.predictions), (vec![2.5, 0.5], vec![9, 7]));
        assert_eq!((some.success, some.masked, some.epsilon), (vec![true, true], 1, 2.0));
        assert!(all.select(&[3]).unwrap_err().to_string().contains("image 3 of 3"));
    }
}
