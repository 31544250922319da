//! The Square Attack: random search, by forward passes alone.

use super::one::{Batch, Batchwise, Moved};
use super::target::{Part, Target};
use super::{Attack, Norm, counted};
use crate::ops::perturb::{Control, Square as Kind};
use crate::ops::philox::{key, philox};
use crate::{Error, Result};

/// The last word of the counter that places are drawn with; 1 to 5 are [`perturb`](crate::ops::perturb)'s own.
const PLACES: u32 = 6;

/// The Square Attack in L∞ (Andriushchenko et al., *Square Attack: a query-efficient black-box adversarial attack via
/// random search*, ECCV 2020): stripes of epsilon and -epsilon, then windows at random, of which each is kept that lowers
/// the margin, the label's logit less the greatest of the others. It takes no gradients, so that none can be masked. An
/// image that is taken for another class is left as it is from then on.
///
/// ```
/// use sharpdim::attack::{Attack, Square};
/// assert_eq!(Square { queries: 500, ..Square::default() }.name(), "Square (L∞, 500 queries)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Square {
    /// Forward passes of an image.
    pub queries: u32,
    /// The part of an image that the first windows take; the paper's schedule halves it as queries go by, at 10, 50, 200,
    /// 500, 1000, 2000, 4000, 6000 and 8000 of 10 000.
    pub p: f32,
    /// Of the random numbers.
    pub seed: u64,
}

impl Default for Square {
    /// 1 000 queries, windows of 0.8 at first, seed 0.
    fn default() -> Self {
        Square { queries: 1000, p: 0.8, seed: 0 }
    }
}

impl Square {
    /// The side of a query's windows: the paper's schedule, of a square that the image has room for.
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
        format!("Square (L∞, {} queries)", self.queries)
    }

    fn norm(&self) -> Norm {
        Norm::Linf
    }
}

/// A number below `end`, evenly but for one in 2^32.
fn below(word: u32, end: u32) -> u32 {
    ((u64::from(word) * u64::from(end)) >> 32) as u32
}

/// The label's logit less the greatest of the others.
fn margin(logits: &[f32], label: u32) -> f32 {
    let others = logits.iter().enumerate().filter(|(class, _)| *class != label as usize);
    logits[label as usize] - others.map(|(_, logit)| *logit).fold(f32::NEG_INFINITY, f32::max)
}

impl Batchwise for Square {
    fn check(&self, _target: &Target) -> Result<()> {
        counted("queries", self.queries)?;
        if self.p > 0.0 && self.p <= 1.0 {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "windows of {} of an image at first: it must be above 0 and at most 1",
            self.p
        )))
    }

    fn batch(&self, target: &mut Target, batch: &Batch<'_>) -> Result<Moved> {
        target.begin(batch.images, batch.labels)?;
        let [height, width, _] = target.shape();
        let mut best = vec![f32::INFINITY; batch.labels.len()];
        for query in 0..self.queries {
            let side = self.side(query, [height, width]);
            let told = batch.epsilons.iter().zip(batch.numbers);
            let controls: Vec<Control> = told
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
            target.tell(&controls)?;
            let kind = if query == 0 { Kind::Stripes } else { Kind::Window };
            target.perform(&[Part::Square(kind, self.seed), Part::Forward])?;
            let logits = target.logits()?;
            let margins = logits.chunks_exact(target.classes()).zip(batch.labels);
            let better: Vec<bool> = margins
                .zip(&mut best)
                .map(|((logits, label), best)| {
                    let found = margin(logits, *label);
                    // Where it is taken for another class already there is nothing to be won.
                    let better = *best > 0.0 && found < *best;
                    if better {
                        *best = found;
                    }
                    better
                })
                .collect();
            target.keep(&better)?;
            if best.iter().all(|margin| *margin <= 0.0) {
                break;
            }
        }
        Ok(Moved { images: target.best()?, masked: vec![false; batch.labels.len()] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
