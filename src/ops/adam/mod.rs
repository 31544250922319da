//! Adam (Kingma & Ba 2015) and AdamW (Loshchilov & Hutter 2019), all of a network's weights in one pass.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::guard::Guard;
use super::operand::Check;
use crate::device::On;
use crate::{Arena, Result, Slot};

/// Adam's hyperparameters; PyTorch's defaults. With g the gradient, t the step from 1 on:
///
/// m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
/// w -= rate / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps)
///
/// ```
/// use sharpdim::ops::adam::{self, Adam};
/// use sharpdim::ops::guard::Guard;
/// use sharpdim::{Device, Layout, Precision, Slot};
/// let adam = Adam::default();
/// let mut layout = Layout::new(Precision::F32);
/// let [weights, gradient, m, v, step] = [1, 1, 1, 1, 3].map(|len| layout.f32(len));
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(gradient, &[123.0])?;
/// arena.write(step, &adam.step(1e-3, 1))?;
/// adam::update(&mut arena, &adam, weights, gradient, m, v, step, Slot::NONE, Guard::NONE)?;
/// // The first step is one of the learning rate, whatever the gradient's size.
/// assert!((arena.to_vec(weights)?[0] + 1e-3).abs() < 1e-8);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Decay of the mean gradient.
    pub beta1: f32,
    /// Decay of the mean squared gradient.
    pub beta2: f32,
    /// Added to the denominator.
    pub eps: f32,
    /// Weight decay.
    pub weight_decay: f32,
    /// Whether decay is AdamW's (`decoupled`: w -= rate decay w), not added to the gradient (g += decay w).
    pub decoupled: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decoupled: false }
    }
}

impl Adam {
    /// The operand `step`, which changes at each step: the learning rate, and 1 - beta^t of both betas.
    pub fn step(&self, rate: f32, t: u32) -> [f32; 3] {
        let unbias = |beta: f32| (1.0 - f64::from(beta).powf(f64::from(t))) as f32;
        [rate, unbias(self.beta1), unbias(self.beta2)]
    }
}

/// One step: weights, gradient, m and v f32 of one length, `step` from [`Adam::step`]. `copy` gets the new weights in
/// bf16, for the next step's products; [`Slot::NONE`] where none is wanted. `guard` may skip the step or clip
/// gradients; [`Guard::NONE`] does neither.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for operands of different sizes, of another precision, or that share
/// memory, or an invalid `most` of the guard; [`Error::Device`](crate::Error::Device) where the device fails.
#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub fn update(
    arena: &mut Arena,
    adam: &Adam,
    weights: Slot,
    gradient: Slot,
    m: Slot,
    v: Slot,
    step: Slot,
    copy: Slot,
    guard: Guard,
) -> Result<()> {
    let check = Check("adam");
    let len = [weights.len()];
    let [halt, norm] = guard.reads();
    let reads = [("the gradient", gradient), ("the step", step), halt, norm];
    let writes = [("the weights", weights), ("m", m), ("v", v), ("the copy", copy)];
    check.shape("the gradient", gradient, &len)?;
    check.shape("m", m, &len)?;
    check.shape("v", v, &len)?;
    check.shape("the step", step, &[3])?;
    check.optional("the copy", copy, &len)?;
    check.floats(&reads)?;
    check.floats(&writes[..3])?;
    guard.check(check)?;
    check.apart(&reads, &writes)?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([gradient, step, halt, norm], [weights, m, v, copy]) =
                floats.split([gradient, step, guard.halt, guard.norm], [weights, m, v, copy]);
            if Guard::halts(halt) {
                return Ok(());
            }
            cpu::update(adam, weights, gradient, m, v, step, guard.factor(norm));
            if !copy.is_empty() {
                copy.copy_from_slice(weights);
            }
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::update(gpu, at, adam, weights, gradient, m, v, step, copy, guard),
    }
}
