//! Auto-PGD: projected gradient descent with adaptive step size.

use super::batchwise::{Batch, Batchwise, Perturbed};
use super::gradient::{Starts, in_words};
use super::target::{Part, Target};
use super::{Attack, Counts, Goal, Norm, counted};
use crate::ops::perturb::Control;
use crate::{Error, Result};

/// The loss of auto-PGD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// The cross-entropy.
    #[default]
    CrossEntropy,
    /// The difference of logits ratio (DLR), -(z_y - max of the others) / (z_π1 - z_π3), where π sorts the logits in
    /// descending order: it does not depend on the logits' scale, and its gradient does not underflow. It needs three or
    /// more classes. Targeted at class t, -(z_y - z_t) / (z_π1 - (z_π3 + z_π4) / 2), with four or more; 0 where t is the
    /// label.
    Dlr,
}

/// Auto-PGD (Croce & Hein, *Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
/// attacks*, ICML 2020, algorithm 1): steps with momentum. The step size starts at 2 epsilon; at a checkpoint an image's is
/// halved where too few steps raised its loss (condition 1), or where neither its step size nor its best loss changed since
/// the last checkpoint (condition 2), and it continues from its best image. The best image is the result. Checkpoints come
/// after ceil(p_j steps) steps, with p = 0, 0.22, and increments that shrink by 0.03 down to 0.06. Of an image's restarts the
/// one with the greatest loss is the result.
///
/// ```
/// use sharpdim::attack::{Apgd, Attack, Loss};
/// let apgd = Apgd { loss: Loss::Dlr, ..Apgd::default() };
/// assert_eq!(apgd.name(), "APGD-DLR (L∞, 100 steps, random start)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Apgd {
    /// The ball's norm.
    pub norm: Norm,
    /// The loss.
    pub loss: Loss,
    /// Number of steps.
    pub steps: u32,
    /// The fraction of steps since the last checkpoint that must have raised the loss to keep the step size.
    pub rho: f32,
    /// Alpha: the weight of the gradient step; 1 - alpha is that of the previous step's direction.
    pub momentum: f32,
    /// Whether it starts at a random point, uniform in the ball, or at the image.
    pub random_start: bool,
    /// Number of starts.
    pub restarts: u32,
    /// Untargeted, or the target class.
    pub goal: Goal,
    /// Seed of the random starts.
    pub seed: u64,
}

impl Default for Apgd {
    /// L∞, cross-entropy, 100 steps, rho 0.75, momentum 0.75, one random start, untargeted, seed 0.
    fn default() -> Self {
        Apgd {
            norm: Norm::Linf,
            loss: Loss::CrossEntropy,
            steps: 100,
            rho: 0.75,
            momentum: 0.75,
            random_start: true,
            restarts: 1,
            goal: Goal::Away,
            seed: 0,
        }
    }
}

/// The steps after which there is a checkpoint.
fn checkpoints(steps: u32) -> Vec<u32> {
    // In hundredths, to avoid rounding.
    let (mut before, mut p) = (0, 22);
    let mut all = Vec::new();
    while p <= 100 {
        all.push((p * u64::from(steps)).div_ceil(100) as u32);
        (before, p) = (p, p + (p - before).saturating_sub(3).max(6));
    }
    // With few steps, several may coincide.
    all.dedup();
    all
}

/// The state of an image's optimisation.
#[derive(Clone, Copy)]
struct Ascent {
    step: f32,
    /// The current objective: the loss, negated where the attack minimises it.
    now: f32,
    best: f32,
    /// Number of steps since the last checkpoint that raised the objective.
    raised: u32,
    /// At the last checkpoint: the best objective, and whether the step was halved.
    best_then: f32,
    halved_then: bool,
}

impl Ascent {
    /// At a checkpoint, `steps` after the last one: whether to halve the step and restart from the best image.
    fn checkpoint(&mut self, steps: u32, rho: f32) -> bool {
        let few = f64::from(self.raised) < f64::from(rho) * f64::from(steps);
        let stuck = !self.halved_then && self.best == self.best_then;
        let halve = few || stuck;
        if halve {
            self.step /= 2.0;
            self.now = self.best;
        }
        (self.raised, self.best_then, self.halved_then) = (0, self.best, halve);
        halve
    }
}

/// The DLR loss of one image, untargeted or towards a class, and its gradient.
fn dlr(logits: &[f32], label: u32, towards: Option<u32>, gradient: &mut [f32]) -> f32 {
    let label = label as usize;
    let z = |class: usize| f64::from(logits[class]);
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| z(*b).total_cmp(&z(*a)));
    let first = order[0];
    let (other, lower) = match towards {
        None => (if first == label { order[1] } else { first }, &order[2..3]),
        Some(class) => (class as usize, &order[2..4]),
    };
    let part = 1.0 / lower.len() as f64;
    // 1e-12 as in the authors' code: the ratio of equal logits is undefined.
    let below = z(first) - lower.iter().map(|class| part * z(*class)).sum::<f64>() + 1e-12;
    let above = z(label) - z(other);
    let mut all = vec![0.0; logits.len()];
    all[label] -= 1.0 / below;
    all[other] += 1.0 / below;
    all[first] += above / below / below;
    lower.iter().for_each(|class| all[*class] -= part * above / below / below);
    gradient.iter_mut().zip(all).for_each(|(to, v)| *to = v as f32);
    (-above / below) as f32
}

impl Attack for Apgd {
    fn name(&self) -> String {
        let loss = match self.loss {
            Loss::CrossEntropy => "CE",
            Loss::Dlr => "DLR",
        };
        let starts = Starts::words(self.random_start, self.restarts);
        let (norm, goal) = (in_words(self.norm), self.goal.words());
        format!("APGD-{loss} ({norm}, {} steps{starts}{goal})", self.steps)
    }

    fn norm(&self) -> Norm {
        self.norm
    }

    fn passes(&self) -> Counts {
        let backward = u64::from(self.restarts) * (u64::from(self.steps) + 1);
        Counts { forward: backward + 1, backward }
    }
}

impl Apgd {
    fn starts(&self) -> Result<Starts> {
        Starts::new(self.norm, self.random_start, self.restarts, self.seed)
    }

    /// 1 where the loss is maximised, -1 where it is minimised. The targeted DLR loss is maximised too.
    fn sign(&self) -> f32 {
        match self.loss {
            Loss::CrossEntropy => self.goal.sign(),
            Loss::Dlr => 1.0,
        }
    }

    /// Performs `moves`, and returns each image's objective; the objective's gradient becomes the direction.
    fn climb(
        &self,
        target: &mut Target,
        moves: Part,
        labels: &[u32],
        masked: &mut [bool],
    ) -> Result<Vec<f32>> {
        let losses = match self.loss {
            Loss::CrossEntropy => {
                target.perform(&[moves, Part::Forward, Part::Backward, Part::Accumulate])?;
                let sign = self.sign();
                target.losses()?.iter().map(|loss| sign * loss).collect()
            }
            Loss::Dlr => {
                target.perform(&[moves, Part::Forward])?;
                let (logits, classes) = (target.logits()?, target.classes());
                let mut gradient = vec![0.0; logits.len()];
                let images = logits.chunks_exact(classes).zip(gradient.chunks_exact_mut(classes));
                let losses = images.zip(labels).map(|((logits, gradient), label)| {
                    let towards = (self.goal != Goal::Away).then(|| self.goal.class(*label, classes));
                    dlr(logits, *label, towards, gradient)
                });
                let losses = losses.collect();
                target.write_logits_gradient(&gradient)?;
                target.perform(&[Part::BackwardFromLogits, Part::Accumulate])?;
                losses
            }
        };
        target.note_masked(masked)?;
        Ok(losses)
    }
}

impl Batchwise for Apgd {
    fn check(&self, target: &Target) -> Result<()> {
        counted("steps", self.steps)?;
        self.starts()?;
        self.goal.check(target)?;
        for (what, value) in [("rho", self.rho), ("momentum", self.momentum)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::Argument(format!("a {what} of {value}: it must be from 0 to 1")));
            }
        }
        match self.loss {
            Loss::Dlr if target.classes() < 3 => Err(Error::Argument(
                "the DLR loss needs three classes or more, and the network has 2: take Loss::CrossEntropy"
                    .into(),
            )),
            Loss::Dlr if self.goal != Goal::Away && target.classes() < 4 => Err(Error::Argument(
                "the DLR loss towards a class needs four classes or more, and the network has 3: take Loss::CrossEntropy"
                    .into(),
            )),
            _ => Ok(()),
        }
    }

    fn batch(&self, target: &mut Target, batch: &Batch<'_>) -> Result<Perturbed> {
        let mut masked = vec![false; batch.labels.len()];
        let (mut images, mut best) = (Vec::new(), Vec::new());
        for restart in 0..self.restarts {
            let losses = self.one_start(target, batch, restart, &mut masked)?;
            let found = target.best()?;
            if restart == 0 {
                (images, best) = (found, losses);
                continue;
            }
            let image = target.image_len();
            let each = images.chunks_exact_mut(image).zip(found.chunks_exact(image));
            for ((image, found), (best, loss)) in each.zip(best.iter_mut().zip(losses)) {
                if loss > *best {
                    image.copy_from_slice(found);
                    *best = loss;
                }
            }
        }
        Ok(Perturbed { images, masked })
    }
}

impl Apgd {
    /// Runs all steps from one start. The target then holds the best images, whose objectives are returned.
    fn one_start(
        &self,
        target: &mut Target,
        batch: &Batch<'_>,
        restart: u32,
        masked: &mut [bool],
    ) -> Result<Vec<f32>> {
        let (rows, sign) = (batch.labels.len(), self.sign());
        // The cross-entropy takes the goal's class, the DLR loss the label.
        let of_loss = |label: &u32| match self.loss {
            Loss::CrossEntropy => self.goal.class(*label, target.classes()),
            Loss::Dlr => *label,
        };
        let classes: Vec<u32> = batch.labels.iter().map(of_loss).collect();
        target.begin(batch.images, &classes)?;
        let controls = |ascents: &[Ascent], alpha: f32| -> Vec<Control> {
            let images = batch.epsilons.iter().zip(batch.numbers).enumerate();
            let controls = images.map(|(at, (epsilon, number))| Control {
                epsilon: *epsilon,
                step: ascents.get(at).map_or(0.0, |ascent| sign * ascent.step),
                // No accumulation: the direction is this gradient alone, in f32 whatever the network's precision.
                momentum: 0.0,
                alpha,
                image: *number,
                draw: restart,
                ..Control::default()
            });
            controls.collect()
        };
        target.write_controls(&controls(&[], 1.0))?;
        let losses = self.climb(target, self.starts()?.part(), &classes, masked)?;
        target.keep(&vec![true; rows])?;
        let mut ascents: Vec<Ascent> = losses
            .iter()
            .zip(batch.epsilons)
            .map(|(loss, epsilon)| Ascent {
                step: 2.0 * epsilon,
                now: *loss,
                best: *loss,
                raised: 0,
                best_then: *loss,
                halved_then: false,
            })
            .collect();
        let (checkpoints, mut last) = (checkpoints(self.steps), 0);
        for step in 1..=self.steps {
            let alpha = if step == 1 { 1.0 } else { self.momentum };
            target.write_controls(&controls(&ascents, alpha))?;
            let losses = self.climb(target, Part::StepApgd(self.norm), &classes, masked)?;
            let mut better = vec![false; rows];
            for ((ascent, loss), better) in ascents.iter_mut().zip(&losses).zip(&mut better) {
                ascent.raised += u32::from(*loss > ascent.now);
                ascent.now = *loss;
                if *loss > ascent.best {
                    (ascent.best, *better) = (*loss, true);
                }
            }
            target.keep(&better)?;
            if checkpoints.contains(&step) {
                let halved: Vec<bool> =
                    ascents.iter_mut().map(|ascent| ascent.checkpoint(step - last, self.rho)).collect();
                target.back_to_best(&halved)?;
                last = step;
            }
        }
        Ok(ascents.iter().map(|ascent| ascent.best).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::{abs_diff_eq, assert_abs_diff_eq};

    #[test]
    fn checkpoints_are_the_papers() {
        assert_eq!(checkpoints(100), [22, 41, 57, 70, 80, 87, 93, 99]);
        assert_eq!(checkpoints(10), [3, 5, 6, 7, 8, 9, 10]);
        assert_eq!(checkpoints(1), [1]);
    }

    #[test]
    fn the_ratios_gradient_is_its_slope() {
        let at = |logits: &[f64; 5], label: usize, towards: Option<u32>| {
            let mut order = *logits;
            order.sort_by(|a, b| b.total_cmp(a));
            if let Some(class) = towards {
                return -(logits[label] - logits[class as usize]) / (order[0] - (order[2] + order[3]) / 2.0);
            }
            let others = logits.iter().enumerate().filter(|(class, _)| *class != label);
            let other = others.map(|(_, z)| *z).fold(f64::NEG_INFINITY, f64::max);
            -(logits[label] - other) / (order[0] - order[2])
        };
        let logits = [1.5, -0.25, 3.0, 0.5, -1.0];
        for label in 0..5 {
            for towards in std::iter::once(None).chain((0..5).map(Some)) {
                let mut gradient = [0.0; 5];
                let value = dlr(&logits.map(|z| z as f32), label as u32, towards, &mut gradient);
                assert_abs_diff_eq!(f64::from(value), at(&logits, label, towards), epsilon = 1e-6);
                for class in 0..5 {
                    let moved = |by: f64| {
                        let mut logits = logits;
                        logits[class] += by;
                        at(&logits, label, towards)
                    };
                    let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                    let alike = abs_diff_eq!(f64::from(gradient[class]), slope, epsilon = 1e-5);
                    assert!(alike, "{label}, {towards:?}, {class}");
                }
            }
        }
    }
}
