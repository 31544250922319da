//! Guards of an optimiser's step: skipping it after a loss that is not finite, and gradient clipping. Both are read from
//! tensors, so that a recorded step checks them at each run.

use super::operand::Check;
use crate::{Error, Result, Slot};

/// What [`adam::update`](super::adam::update) and [`sgd::update`](super::sgd::update) check before a step.
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
/// // A loss was not finite: weights no longer change.
/// arena.write(halt, &[1.0])?;
/// let before = arena.to_vec(weights)?;
/// sgd::update(&mut arena, &Sgd::default(), weights, gradient, buffer, rate, Slot::NONE, guard)?;
/// assert_eq!(arena.to_vec(weights)?, before);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guard {
    /// One f32, set by [`tally::record`](super::tally::record): where it is not 0, a step changes nothing.
    /// [`Slot::NONE`] takes every step.
    pub halt: Slot,
    /// One f32, the norm of all gradients, written by [`norm::norm`](super::norm::norm): gradients are multiplied by
    /// min(1, most / (norm + 1e-6)) first, as in PyTorch's `clip_grad_norm_`; a norm of NaN makes them NaN. The gradients in
    /// memory do not change. [`Slot::NONE`] does not clip.
    pub norm: Slot,
    /// The norm to which gradients are clipped.
    pub most: f32,
}

impl Guard {
    /// No guard: every step is taken, without clipping.
    pub const NONE: Guard = Guard { halt: Slot::NONE, norm: Slot::NONE, most: 0.0 };

    /// Its operands, by name.
    pub(super) fn reads(&self) -> [(&'static str, Slot); 2] {
        [("the halt flag", self.halt), ("the norm", self.norm)]
    }

    /// Checks its operands and `most`.
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
            "{}: gradients clipped to a norm of {most}: it must be positive and finite",
            check.0
        )))
    }

    /// Whether the flag says to skip the step.
    pub(super) fn halts(halt: &[f32]) -> bool {
        halt.first().is_some_and(|halt| *halt != 0.0)
    }

    /// The factor of the gradients.
    pub(super) fn factor(&self, norm: &[f32]) -> f32 {
        let Some(norm) = norm.first() else { return 1.0 };
        let factor = self.most / (norm + 1e-6);
        // Not `min`, which would return 1 where the norm is NaN.
        if factor > 1.0 { 1.0 } else { factor }
    }
}
