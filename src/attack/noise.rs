//! Noise of an attack's size: what an attack is to be better than.

use super::gradient::in_words;
use super::one::{Batch, Batchwise, Moved};
use super::target::{Part, Target};
use super::{Attack, Counts, Norm};
use crate::Result;
use crate::ops::perturb::{Control, Noise};

/// Noise that is uniform in the ball: in L∞ each value by itself from -epsilon to epsilon. No pass of the network.
///
/// ```
/// use sharpdim::attack::{Attack, UniformNoise};
/// assert_eq!(UniformNoise::default().name(), "uniform noise (L∞)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UniformNoise {
    /// The ball's norm.
    pub norm: Norm,
    /// Of the random numbers.
    pub seed: u64,
}

impl Default for UniformNoise {
    /// L∞, seed 0.
    fn default() -> Self {
        UniformNoise { norm: Norm::Linf, seed: 0 }
    }
}

/// Each value epsilon or -epsilon, at random: what [`Fgsm`](super::Fgsm) would be without knowing the gradient.
///
/// ```
/// use sharpdim::attack::{Attack, SignNoise};
/// assert_eq!(SignNoise::default().name(), "noise of random signs (L∞)");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SignNoise {
    /// Of the random numbers.
    pub seed: u64,
}

/// For an image that is only evaluated.
const TOLD: Counts = Counts { forward: 1, backward: 0 };

impl Attack for UniformNoise {
    fn name(&self) -> String {
        format!("uniform noise ({})", in_words(self.norm))
    }

    fn norm(&self) -> Norm {
        self.norm
    }

    fn passes(&self) -> Counts {
        TOLD
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
        TOLD
    }
}

impl Batchwise for UniformNoise {
    fn check(&self, _target: &Target) -> Result<()> {
        Ok(())
    }

    fn batch(&self, target: &mut Target, batch: &Batch<'_>) -> Result<Moved> {
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

    fn batch(&self, target: &mut Target, batch: &Batch<'_>) -> Result<Moved> {
        noise(target, batch, Noise::Signs, self.seed)
    }
}

fn noise(target: &mut Target, batch: &Batch<'_>, kind: Noise, seed: u64) -> Result<Moved> {
    target.begin(batch.images, batch.labels)?;
    let told = batch.epsilons.iter().zip(batch.numbers);
    let controls: Vec<Control> = told
        .map(|(epsilon, number)| Control { epsilon: *epsilon, image: *number, ..Control::default() })
        .collect();
    target.tell(&controls)?;
    target.perform(&[Part::Noise(kind, seed)])?;
    Ok(Moved { images: target.images()?, masked: vec![false; batch.labels.len()] })
}
