//! Random noise of an attack's size, as a control.

use super::batchwise::{Batch, Batchwise, Perturbed};
use super::gradient::in_words;
use super::target::{Part, Target};
use super::{Attack, Counts, Norm};
use crate::Result;
use crate::ops::perturb::{Control, Noise};

/// Uniform noise in the ball: in L∞ each value independently from -epsilon to epsilon. It needs no pass of the network.
///
/// ```
/// use sharpdim::attack::{Attack, UniformNoise};
/// assert_eq!(UniformNoise::default().name(), "uniform noise (L∞)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UniformNoise {
    /// The ball's norm.
    pub norm: Norm,
    /// Seed of the random numbers.
    pub seed: u64,
}

impl Default for UniformNoise {
    /// L∞, seed 0.
    fn default() -> Self {
        UniformNoise { norm: Norm::Linf, seed: 0 }
    }
}

/// Each value epsilon or -epsilon at random: [`Fgsm`](super::Fgsm) with random signs in place of the gradient's.
///
/// ```
/// use sharpdim::attack::{Attack, SignNoise};
/// assert_eq!(SignNoise::default().name(), "noise of random signs (L∞)");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SignNoise {
    /// Seed of the random numbers.
    pub seed: u64,
}

/// Only the evaluation of the result.
const EVALUATION: Counts = Counts { forward: 1, backward: 0 };

impl Attack for UniformNoise {
    fn name(&self) -> String {
        format!("uniform noise ({})", in_words(self.norm))
    }

    fn norm(&self) -> Norm {
        self.norm
    }

    fn passes(&self) -> Counts {
        EVALUATION
    }
}

impl Attack for SignNoise {
    fn name(&self) -> String {
        "noise of random signs (L∞)".into()
    }

    fn norm(&self) -> Norm {
        Norm::Linf
    }

    fn passes(&self) -> Counts {
        EVALUATION
    }
}

impl Batchwise for UniformNoise {
    fn check(&self, _target: &Target) -> Result<()> {
        Ok(())
    }

    fn batch(&self, target: &mut Target, batch: &Batch<'_>) -> Result<Perturbed> {
        let kind = match self.norm {
            Norm::Linf => Noise::Uniform,
            Norm::L2 => Noise::Ball,
        };
        noise(target, batch, kind, self.seed)
    }
}

impl Batchwise for SignNoise {
    fn check(&self, _target: &Target) -> Result<()> {
        Ok(())
    }

    fn batch(&self, target: &mut Target, batch: &Batch<'_>) -> Result<Perturbed> {
        noise(target, batch, Noise::Signs, self.seed)
    }
}

fn noise(target: &mut Target, batch: &Batch<'_>, kind: Noise, seed: u64) -> Result<Perturbed> {
    target.begin(batch.images, batch.labels)?;
    let images = batch.epsilons.iter().zip(batch.numbers);
    let controls: Vec<Control> = images
        .map(|(epsilon, number)| Control { epsilon: *epsilon, image: *number, ..Control::default() })
        .collect();
    target.write_controls(&controls)?;
    target.perform(&[Part::Noise(kind, seed)])?;
    Ok(Perturbed { images: target.images()?, masked: vec![false; batch.labels.len()] })
}
