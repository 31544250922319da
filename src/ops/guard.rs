//! What may hold an optimiser back: a step that must not be taken, and gradients that are too long. Both are read from
//! tensors, so that a recorded step decides anew at each run.

use super::operand::Check;
use crate::{Error, Result, Slot};

/// What [`adam::update`](super::adam::update) and [`sgd::update`](super::sgd::update) look at before a step.
///
/// ```
/// use sharpdim::ops::guard::Guard;
/// use sharpdim::ops::sgd::{self, Sgd};
/// use sharpdim::{Device, Layout, Precision, Slot};
/// let mut layout = Layout::new(Precision::F32);
/// let [weights, gradient, buffer, rate, halt, norm] = [1; 6].map(|len| layout.f32(len));
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(gradient, &[4.0])?;
/// arena.write(norm, &[4.0])?;
/// arena.write(rate, &[1.0])?;
/// let guard = Guard { halt, norm, most: 0.5 };
/// sgd::update(&mut arena, &Sgd::default(), weights, gradient, buffer, rate, Slot::NONE, guard)?;
/// assert!((arena.to_vec(weights)?[0] + 0.5).abs() < 1e-6);
/// // A loss was not finite: nothing moves any more.
/// arena.write(halt, &[1.0])?;
/// let before = arena.to_vec(weights)?;
/// sgd::update(&mut arena, &Sgd::default(), weights, gradient, buffer, rate, Slot::NONE, guard)?;
/// assert_eq!(arena.to_vec(weights)?, before);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guard {
    /// One f32, as [`tally::record`](super::tally::record) sets it: where it is not 0, a step changes nothing.
    /// [`Slot::NONE`]: every step is taken.
    pub halt: Slot,
    /// One f32, the norm of all gradients, as [`norm::norm`](super::norm::norm) writes it: each gradient is multiplied by
    /// min(1, most / (norm + 1e-6)) first, as PyTorch's `clip_grad_norm_` does it; a norm that is NaN makes them NaN. The
    /// tensor of gradients stays as it is. [`Slot::NONE`]: gradients are taken as they are.
    pub norm: Slot,
    /// The greatest norm that gradients keep.
    pub most: f32,
}

impl Guard {
    /// No guard: every step is taken, with the gradients as they are.
    pub const NONE: Guard = Guard { halt: Slot::NONE, norm: Slot::NONE, most: 0.0 };

    /// Its operands, by name.
    pub(super) fn reads(&self) -> [(&'static str, Slot); 2] {
        [("the halt", self.halt), ("the norm", self.norm)]
    }

    /// That its operands are such, and `most` a norm.
    pub(super) fn check(&self, check: Check) -> Result<()> {
        for (what, slot) in self.reads() {
            check.optional(what, slot, &[1])?;
        }
        check.floats(&self.reads())?;
        let Guard { norm, most, .. } = *self;
        if norm.is_empty() || (most > 0.0 && most.is_finite()) {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "{}: gradients of a norm of at most {most}: it must be positive and finite",
            check.0
        )))
    }

    /// Whether the step is not to be taken, by what its operand holds.
    pub(super) fn halts(halt: &[f32]) -> bool {
        halt.first().is_some_and(|halt| *halt != 0.0)
    }

    /// What gradients are multiplied by.
    pub(super) fn factor(&self, norm: &[f32]) -> f32 {
        let Some(norm) = norm.first() else { return 1.0 };
        let factor = self.most / (norm + 1e-6);
        // Not `min`, which would take 1 where the norm is NaN.
        if factor > 1.0 { 1.0 } else { factor }
    }
}
