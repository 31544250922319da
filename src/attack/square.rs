//! The Square Attack: random search with forward passes only.

use super::batchwise::{Batch, Batchwise, Perturbed};
use super::target::{Part, Target};
use super::{Attack, Counts, Goal, Norm, counted, first_greatest};
use crate::ops::perturb::{Control, Square as Kind};
use crate::ops::philox::{key, philox};
use crate::{Error, Result};

/// The last word of the counter for windows' positions; 1 to 5 are those of [`perturb`](crate::ops::perturb).
const PLACES: u32 = 6;

/// The Square Attack in L∞ (Andriushchenko et al., *Square Attack: a query-efficient black-box adversarial attack via
/// random search*, ECCV 2020): stripes of epsilon and -epsilon, then random windows. A window is kept if it lowers the
/// margin (the label's logit minus the greatest of the others) or, targeted, the cross-entropy of the target class. It needs
/// no gradients, so gradient masking does not affect it. An image no longer changes once the attack on it succeeded.
///
/// ```
/// use sharpdim::attack::{Attack, Square};
/// assert_eq!(Square { queries: 500, ..Square::default() }.name(), "Square (L∞, 500 queries)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Square {
    /// Forward passes per image.
    pub queries: u32,
    /// The fraction of an image that the first windows cover; the paper's schedule halves it at 10, 50, 200, 500, 1000, 2000,
    /// 4000, 6000 and 8000 of 10 000 queries.
    pub p: f32,
    /// Untargeted, or the target class.
    pub goal: Goal,
    /// Seed of the random numbers.
    pub seed: u64,
}

impl Default for Square {
    /// 1 000 queries, windows of 0.8 at first, untargeted, seed 0.
    fn default() -> Self {
        Square { queries: 1000, p: 0.8, goal: Goal::Away, seed: 0 }
    }
}

impl Square {
    /// The side of a query's windows by the paper's schedule, at most the image's smaller side.
    fn side(&self, query: u32, [height, width]: [usize; 2]) -> u32 {
        let of_ten_thousand = u64::from(query) * 10_000 / u64::from(self.queries);
        let halvings = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000]
            .iter()
            .filter(|from| of_ten_thousand > **from)
            .count();
        let part = f64::from(self.p) / (1u32 << halvings) as f64;
        let side = (part * (height * width) as f64).sqrt().round();
        side.clamp(1.0, height.min(width) as f64) as u32
    }
}

impl Attack for Square {
    fn name(&self) -> String {
        format!("Square (L∞, {} queries{})", self.queries, self.goal.words())
    }

    fn norm(&self) -> Norm {
        Norm::Linf
    }

    fn passes(&self) -> Counts {
        Counts { forward: u64::from(self.queries) + 1, backward: 0 }
    }
}

/// A number below `end`, uniform up to 2^-32.
fn below(word: u32, end: u32) -> u32 {
    ((u64::from(word) * u64::from(end)) >> 32) as u32
}

/// The class's logit minus the greatest of the others.
fn margin(logits: &[f32], class: u32) -> f32 {
    let others = logits.iter().enumerate().filter(|(other, _)| *other != class as usize);
    logits[class as usize] - others.map(|(_, logit)| *logit).fold(f32::NEG_INFINITY, f32::max)
}

/// The class's cross-entropy.
fn cross_entropy(logits: &[f32], class: u32) -> f32 {
    let over = logits.iter().map(|z| f64::from(*z) - f64::from(logits[class as usize]));
    // The greatest is factored out, so that the sum does not overflow.
    let greatest = over.clone().fold(f64::NEG_INFINITY, f64::max);
    (greatest + over.map(|z| (z - greatest).exp()).sum::<f64>().ln()) as f32
}

impl Batchwise for Square {
    fn check(&self, target: &Target) -> Result<()> {
        counted("queries", self.queries)?;
        self.goal.check(target)?;
        if self.p > 0.0 && self.p <= 1.0 {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "initial windows of {} of an image: it must be above 0 and at most 1",
            self.p
        )))
    }

    fn batch(&self, target: &mut Target, batch: &Batch<'_>) -> Result<Perturbed> {
        target.begin(batch.images, batch.labels)?;
        let [height, width, _] = target.shape();
        let mut best = vec![f32::INFINITY; batch.labels.len()];
        let mut there = vec![false; batch.labels.len()];
        for query in 0..self.queries {
            let side = self.side(query, [height, width]);
            let images = batch.epsilons.iter().zip(batch.numbers);
            let controls: Vec<Control> = images
                .map(|(epsilon, number)| {
                    let places = philox([0, *number, query, PLACES], key(self.seed));
                    Control {
                        epsilon: *epsilon,
                        image: *number,
                        draw: query,
                        row: below(places[0], height as u32 - side + 1),
                        column: below(places[1], width as u32 - side + 1),
                        side,
                        ..Control::default()
                    }
                })
                .collect();
            target.write_controls(&controls)?;
            let kind = if query == 0 { Kind::Stripes } else { Kind::Window };
            target.perform(&[Part::Square(kind, self.seed), Part::Forward])?;
            let logits = target.logits()?;
            let each = logits.chunks_exact(target.classes()).zip(batch.labels);
            let better: Vec<bool> = each
                .zip(best.iter_mut().zip(&mut there))
                .map(|((logits, label), (best, there))| {
                    let class = self.goal.class(*label, logits.len());
                    let (found, arrived) = match self.goal {
                        Goal::Away => {
                            let margin = margin(logits, class);
                            (margin, margin <= 0.0)
                        }
                        _ => (cross_entropy(logits, class), first_greatest(logits) == class),
                    };
                    let better = !*there && found < *best;
                    if better {
                        (*best, *there) = (found, arrived);
                    }
                    better
                })
                .collect();
            target.keep(&better)?;
            if there.iter().all(|there| *there) {
                break;
            }
        }
        Ok(Perturbed { images: target.best()?, masked: vec![false; batch.labels.len()] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn the_cross_entropy_does_not_overflow() {
        let at = |logits: [f32; 3], class: u32| cross_entropy(&logits, class);
        assert_eq!(at([0.0; 3], 1), 3f32.ln());
        assert_eq!(at([1e30, 0.0, -1e30], 0), 0.0);
        assert_eq!(at([1e30, 0.0, 1.0], 1), 1e30);
        let (z, sum) = ([1.5f64, -0.5, 2.0], 1.5f64.exp() + (-0.5f64).exp() + 2.0f64.exp());
        assert_abs_diff_eq!(f64::from(at([1.5, -0.5, 2.0], 1)), sum.ln() - z[1], epsilon = 1e-6);
    }

    #[test]
    fn windows_shrink_as_the_paper_has_it() {
        let square = Square { queries: 10_000, ..Square::default() };
        let side = |query| square.side(query, [224, 224]);
        // 224 sqrt(0.8 / 2^j), as torch's AutoAttack rounds it.
        let sides = [(0, 200), (10, 200), (11, 142), (51, 100), (201, 71), (8001, 9), (9999, 9)];
        for (query, want) in sides {
            assert_eq!(side(query), want, "query {query}");
        }
        assert_eq!(square.side(0, [8, 2]), 2);
        assert_eq!(square.side(9999, [3, 3]), 1);
    }
}
