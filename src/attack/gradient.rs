//! Gradient attacks: FGSM, BIM, PGD and MI-FGSM.

use super::batchwise::{Batch, Batchwise, Perturbed};
use super::target::{Part, Target};
use super::{Attack, Counts, Goal, Norm, counted};
use crate::ops::perturb::{Control, Noise};
use crate::{Error, Result};

/// The step size of an attack.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum StepSize {
    /// In pixel units: per value (L∞), or in Euclidean norm (L2).
    Pixels(f32),
    /// In multiples of epsilon / steps.
    Relative(f32),
}

impl StepSize {
    fn in_pixels(self, epsilon: f32, steps: u32) -> f32 {
        match self {
            StepSize::Pixels(step) => step,
            StepSize::Relative(factor) => factor * epsilon / steps as f32,
        }
    }

    fn check(self) -> Result<()> {
        let (StepSize::Pixels(size) | StepSize::Relative(size)) = self;
        if size.is_finite() && size > 0.0 {
            return Ok(());
        }
        Err(Error::Argument(format!("a step size of {size}: it must be finite, and above 0")))
    }
}

impl std::fmt::Display for StepSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StepSize::Pixels(step) => write!(f, "{step}"),
            StepSize::Relative(1.0) => f.write_str("epsilon / steps"),
            StepSize::Relative(factor) => write!(f, "{factor} epsilon / steps"),
        }
    }
}

/// Starting points of an attack.
#[derive(Clone, Copy)]
pub(super) struct Starts {
    /// Noise added to the images, and its seed; `None` starts at the images themselves.
    noise: Option<(Noise, u64)>,
    pub count: u32,
}

impl Starts {
    const AT_IMAGES: Starts = Starts { noise: None, count: 1 };

    /// At random points, uniform in the ball, or at the images.
    pub fn new(norm: Norm, random: bool, count: u32, seed: u64) -> Result<Self> {
        counted("restarts", count)?;
        if !random && count > 1 {
            return Err(Error::Argument(format!(
                "{count} restarts from the image itself would all be the same: use a random start, or one restart"
            )));
        }
        let noise = match norm {
            Norm::Linf => Noise::Uniform,
            Norm::L2 => Noise::Ball,
        };
        Ok(Starts { noise: random.then_some((noise, seed)), count })
    }

    /// The operation that moves images to a start.
    pub fn part(&self) -> Part {
        match self.noise {
            Some((noise, seed)) => Part::Noise(noise, seed),
            None => Part::Normalise,
        }
    }

    /// As part of a name.
    pub fn words(random: bool, count: u32) -> String {
        match (random, count) {
            (true, 1) => ", random start".into(),
            (true, count) => format!(", {count} random starts"),
            (false, _) => String::new(),
        }
    }
}

/// A norm's name.
pub(super) fn in_words(norm: Norm) -> &'static str {
    match norm {
        Norm::Linf => "L∞",
        Norm::L2 => "L2",
    }
}

/// The fast gradient sign method (Goodfellow, Shlens & Szegedy, *Explaining and harnessing adversarial examples*, ICLR
/// 2015): x0 + epsilon sign(g), clipped to the range, g being the loss's gradient with respect to the image; in L2
/// x0 + epsilon g / ||g||.
///
/// See [`Target`] for an example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fgsm {
    /// The ball's norm.
    pub norm: Norm,
    /// Untargeted, or the target class.
    pub goal: Goal,
}

impl Default for Fgsm {
    /// L∞, untargeted.
    fn default() -> Self {
        Fgsm { norm: Norm::Linf, goal: Goal::Away }
    }
}

/// The basic iterative method (Kurakin, Goodfellow & Bengio, *Adversarial examples in the physical world*, ICLR 2017
/// workshop): steps of FGSM from the image itself, each clipped to the ball and the range. The result is the last step's.
///
/// ```
/// use sharpdim::attack::{Attack, Bim, StepSize};
/// // The paper's: a pixel unit a step, min(epsilon + 4, 1.25 epsilon) steps.
/// let bim = Bim { alpha: StepSize::Pixels(1.0), steps: 10, ..Bim::default() };
/// assert_eq!(bim.name(), "BIM (L∞, 10 steps of 1)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bim {
    /// The ball's norm.
    pub norm: Norm,
    /// Step size.
    pub alpha: StepSize,
    /// Number of steps.
    pub steps: u32,
    /// Untargeted, or the target class.
    pub goal: Goal,
}

impl Default for Bim {
    /// L∞, 10 steps of epsilon / 10, untargeted.
    fn default() -> Self {
        Bim { norm: Norm::Linf, alpha: StepSize::Relative(1.0), steps: 10, goal: Goal::Away }
    }
}

/// Projected gradient descent (Madry et al., *Towards deep learning models resistant to adversarial attacks*, ICLR 2018):
/// as [`Bim`], from a random point in the ball, with restarts. The result is the restart whose last step has the greatest
/// loss (targeted: the smallest loss of the target class).
///
/// ```
/// use sharpdim::attack::{Attack, Norm, Pgd};
/// let pgd = Pgd { norm: Norm::L2, steps: 20, restarts: 5, ..Pgd::default() };
/// assert_eq!(pgd.name(), "PGD (L2, 20 steps of 2.5 epsilon / steps, 5 random starts)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pgd {
    /// The ball's norm.
    pub norm: Norm,
    /// Step size.
    pub step: StepSize,
    /// Number of steps from each start.
    pub steps: u32,
    /// Whether it starts at a random point, uniform in the ball, or at the image.
    pub random_start: bool,
    /// Number of starts.
    pub restarts: u32,
    /// Untargeted, or the target class.
    pub goal: Goal,
    /// Seed of the random starts.
    pub seed: u64,
}

impl Default for Pgd {
    /// L∞, 10 steps of 2.5 epsilon / 10, one random start, untargeted, seed 0.
    fn default() -> Self {
        Pgd {
            norm: Norm::Linf,
            step: StepSize::Relative(2.5),
            steps: 10,
            random_start: true,
            restarts: 1,
            goal: Goal::Away,
            seed: 0,
        }
    }
}

/// The momentum iterative method (Dong et al., *Boosting adversarial attacks with momentum*, CVPR 2018): steps of
/// epsilon / steps along the sign (in L2 the direction) of a sum: decay times the sum before, plus g / ||g||_1.
///
/// ```
/// use sharpdim::attack::{Attack, Goal, MiFgsm};
/// let targeted = MiFgsm { goal: Goal::Class(1), ..MiFgsm::default() };
/// assert_eq!(targeted.name(), "MI-FGSM (L∞, 10 steps, decay 1, towards class 1)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MiFgsm {
    /// The ball's norm.
    pub norm: Norm,
    /// Decay of the accumulated gradient at each step.
    pub decay: f32,
    /// Number of steps.
    pub steps: u32,
    /// Untargeted, or the target class.
    pub goal: Goal,
}

impl Default for MiFgsm {
    /// L∞, a decay of 1, 10 steps, untargeted.
    fn default() -> Self {
        MiFgsm { norm: Norm::Linf, decay: 1.0, steps: 10, goal: Goal::Away }
    }
}

/// Steps along the gradient, or along accumulated gradients: the iteration that these attacks share.
struct Ascent {
    norm: Norm,
    step: StepSize,
    steps: u32,
    /// Decay of accumulated gradients, where steps follow these.
    decay: Option<f32>,
    starts: Starts,
    goal: Goal,
}

impl Ascent {
    fn check(&self, target: &Target) -> Result<()> {
        counted("steps", self.steps)?;
        self.step.check()?;
        self.goal.check(target)
    }

    fn passes(&self) -> Counts {
        let (steps, starts) = (u64::from(self.steps), u64::from(self.starts.count));
        // Each of several starts needs one more pass, for its final loss.
        let forward = starts * (steps + u64::from(starts > 1)) + 1;
        Counts { forward, backward: starts * steps }
    }

    fn batch(&self, target: &mut Target, batch: &Batch<'_>) -> Result<Perturbed> {
        let sign = self.goal.sign();
        let classes: Vec<u32> =
            batch.labels.iter().map(|label| self.goal.class(*label, target.classes())).collect();
        let ascend: &[Part] = match self.decay {
            Some(_) => &[Part::Forward, Part::Backward, Part::Accumulate, Part::StepAlong(self.norm)],
            None => &[Part::Forward, Part::Backward, Part::Step(self.norm)],
        };
        let mut masked = vec![false; classes.len()];
        let mut best: Option<Vec<f32>> = None;
        for restart in 0..self.starts.count {
            if restart == 0 {
                target.begin(batch.images, &classes)?;
            }
            let controls: Vec<Control> = batch
                .epsilons
                .iter()
                .zip(batch.numbers)
                .map(|(epsilon, number)| Control {
                    epsilon: *epsilon,
                    step: sign * self.step.in_pixels(*epsilon, self.steps),
                    momentum: self.decay.unwrap_or(0.0),
                    image: *number,
                    draw: restart,
                    ..Control::default()
                })
                .collect();
            target.write_controls(&controls)?;
            target.perform(&[self.starts.part()])?;
            for _ in 0..self.steps {
                target.perform(ascend)?;
                target.note_masked(&mut masked)?;
            }
            if self.starts.count == 1 {
                return Ok(Perturbed { images: target.images()?, masked });
            }
            target.perform(&[Part::Forward])?;
            let found = target.losses()?;
            let best = best.get_or_insert_with(|| vec![-sign * f32::INFINITY; found.len()]);
            let better: Vec<bool> =
                found.iter().zip(&*best).map(|(found, best)| sign * found > sign * best).collect();
            best.iter_mut()
                .zip(&found)
                .zip(&better)
                .filter(|(_, better)| **better)
                .for_each(|((best, found), _)| *best = *found);
            target.keep(&better)?;
        }
        Ok(Perturbed { images: target.best()?, masked })
    }
}

/// An attack that is an [`Ascent`].
macro_rules! ascends {
    ($attack:ident, $name:expr, $norm:expr, $ascent:expr) => {
        impl Attack for $attack {
            fn name(&self) -> String {
                let name: fn(&$attack) -> String = $name;
                name(self)
            }

            fn norm(&self) -> Norm {
                let norm: fn(&$attack) -> Norm = $norm;
                norm(self)
            }

            fn passes(&self) -> Counts {
                self.ascent().map_or_else(|_| Counts::default(), |ascent| ascent.passes())
            }
        }

        impl Batchwise for $attack {
            fn check(&self, target: &Target) -> Result<()> {
                self.ascent()?.check(target)
            }

            fn batch(&self, target: &mut Target, batch: &Batch<'_>) -> Result<Perturbed> {
                self.ascent()?.batch(target, batch)
            }
        }

        impl $attack {
            fn ascent(&self) -> Result<Ascent> {
                let ascent: fn(&$attack) -> Result<Ascent> = $ascent;
                ascent(self)
            }
        }
    };
}

const PLAIN: Ascent = Ascent {
    norm: Norm::Linf,
    step: StepSize::Relative(1.0),
    steps: 1,
    decay: None,
    starts: Starts::AT_IMAGES,
    goal: Goal::Away,
};

ascends!(
    Fgsm,
    |fgsm| format!("FGSM ({}{})", in_words(fgsm.norm), fgsm.goal.words()),
    |fgsm| fgsm.norm,
    |fgsm| Ok(Ascent { norm: fgsm.norm, goal: fgsm.goal, ..PLAIN })
);

ascends!(
    Bim,
    |bim| {
        let Bim { norm, alpha, steps, goal } = bim;
        format!("BIM ({}, {steps} steps of {alpha}{})", in_words(*norm), goal.words())
    },
    |bim| bim.norm,
    |bim| Ok(Ascent { norm: bim.norm, step: bim.alpha, steps: bim.steps, goal: bim.goal, ..PLAIN })
);

ascends!(
    Pgd,
    |pgd| {
        let Pgd { norm, step, steps, random_start, restarts, goal, .. } = pgd;
        let starts = Starts::words(*random_start, *restarts);
        format!("PGD ({}, {steps} steps of {step}{starts}{})", in_words(*norm), goal.words())
    },
    |pgd| pgd.norm,
    |pgd| {
        let &Pgd { norm, step, steps, random_start, restarts, goal, seed } = pgd;
        let starts = Starts::new(norm, random_start, restarts, seed)?;
        Ok(Ascent { norm, step, steps, starts, goal, ..PLAIN })
    }
);

ascends!(
    MiFgsm,
    |mi| {
        let MiFgsm { norm, decay, steps, goal } = mi;
        format!("MI-FGSM ({}, {steps} steps, decay {decay}{})", in_words(*norm), goal.words())
    },
    |mi| mi.norm,
    |mi| {
        if !(mi.decay.is_finite() && mi.decay >= 0.0) {
            return Err(Error::Argument(format!(
                "a decay of {}: it must be finite, and 0 or more",
                mi.decay
            )));
        }
        let &MiFgsm { norm, decay, steps, goal } = mi;
        Ok(Ascent { norm, steps, decay: Some(decay), goal, ..PLAIN })
    }
);
