//! Stochastic gradient descent with momentum, all of a network's weights in one pass.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::guard::Guard;
use super::operand::Check;
use crate::device::On;
use crate::{Arena, Result, Slot};

/// SGD's hyperparameters; PyTorch's defaults. With g the gradient plus `weight_decay` w:
///
/// b = momentum b + g,  w -= rate b, or rate (g + momentum b) where `nesterov`.
///
/// ```
/// use sharpdim::ops::guard::Guard;
/// use sharpdim::ops::sgd::{self, Sgd};
/// use sharpdim::{Device, Layout, Precision, Slot};
/// let mut layout = Layout::new(Precision::F32);
/// let [weights, gradient, buffer, rate] = [1; 4].map(|len| layout.f32(len));
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(gradient, &[2.0])?;
/// arena.write(rate, &[0.5])?;
/// sgd::update(&mut arena, &Sgd::default(), weights, gradient, buffer, rate, Slot::NONE, Guard::NONE)?;
/// assert_eq!(arena.to_vec(weights)?, [-1.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sgd {
    /// Momentum: decay of the buffer.
    pub momentum: f32,
    /// Weight decay, added to the gradient.
    pub weight_decay: f32,
    /// Whether to use Nesterov momentum (Nesterov 1983, as in Sutskever et al. 2013).
    pub nesterov: bool,
}

/// One step: weights, gradient and buffer b (zeros before the first) f32 of one length, `rate` one f32, the learning
/// rate. `copy` gets the new weights in bf16, or is [`Slot::NONE`]. `guard` may skip the step or clip
/// gradients; [`Guard::NONE`] does neither.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for operands of different sizes, of another precision, or that share
/// memory, or an invalid `most` of the guard; [`Error::Device`](crate::Error::Device) where the device fails.
#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub fn update(
    arena: &mut Arena,
    sgd: &Sgd,
    weights: Slot,
    gradient: Slot,
    buffer: Slot,
    rate: Slot,
    copy: Slot,
    guard: Guard,
) -> Result<()> {
    let check = Check("sgd");
    let len = [weights.len()];
    let [halt, norm] = guard.reads();
    let reads = [("the gradient", gradient), ("the learning rate", rate), halt, norm];
    let writes = [("the weights", weights), ("the buffer", buffer), ("the copy", copy)];
    check.shape("the gradient", gradient, &len)?;
    check.shape("the buffer", buffer, &len)?;
    check.shape("the learning rate", rate, &[1])?;
    check.optional("the copy", copy, &len)?;
    check.floats(&reads)?;
    check.floats(&writes[..2])?;
    guard.check(check)?;
    check.apart(&reads, &writes)?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([gradient, rate, halt, norm], [weights, buffer, copy]) =
                floats.split([gradient, rate, guard.halt, guard.norm], [weights, buffer, copy]);
            if Guard::halts(halt) {
                return Ok(());
            }
            cpu::update(sgd, weights, gradient, buffer, rate[0], guard.factor(norm));
            if !copy.is_empty() {
                copy.copy_from_slice(weights);
            }
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::update(gpu, at, sgd, weights, gradient, buffer, rate, copy, guard),
    }
}
