//! Dropout (Srivastava et al. 2014) with counter-based random numbers: the mask is a function of seed, layer, step and the
//! value's index, the same on every device, so that it need not be stored for the gradient.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::operand::Check;
use crate::device::On;
use crate::{Arena, Error, Result, Slot};

/// Dropout of one layer: a value becomes 0 with probability `probability`, else it is divided by 1 - `probability`.
///
/// Random words are Philox 4x32-10's (Salmon et al. 2011): key (seed's low and high word), counter (index / 4, layer,
/// step, 0). A value is dropped where its word is below `probability` 2^32.
///
/// ```
/// use sharpdim::ops::dropout::{self, Dropout};
/// use sharpdim::{Device, Layout, Precision};
/// let dropout = Dropout::new(0.5, 7, 0)?;
/// let mut layout = Layout::new(Precision::F32);
/// let (x, y, step) = (layout.values(1000), layout.values(1000), layout.f32(1));
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(x, &[1.0; 1000])?;
/// dropout::apply(&mut arena, &dropout, x, step, y)?;
/// let kept = arena.to_vec(y)?.iter().filter(|v| **v == 2.0).count();
/// assert!((440..560).contains(&kept));
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Probability that a value is dropped, from 0 to below 1.
    pub probability: f32,
    /// The network's seed.
    pub seed: u64,
    /// The layer's number: layers have different masks.
    pub layer: u32,
}

impl Dropout {
    /// # Errors
    /// [`Error::Argument`] for a probability that is not from 0 to below 1.
    pub fn new(probability: f32, seed: u64, layer: u32) -> Result<Self> {
        if (0.0..1.0).contains(&probability) {
            return Ok(Dropout { probability, seed, layer });
        }
        Err(Error::Argument(format!("dropout: a probability of {probability}: it must be from 0 to below 1")))
    }

    /// A value is dropped where its word is below this.
    fn threshold(&self) -> u32 {
        // 0..1 times 2^32, exact in 64 bits; below 2^32 as the probability is below 1 by at least 2^-24.
        (f64::from(self.probability) * 4_294_967_296.0) as u32
    }

    /// Factor of the values that are kept.
    fn factor(&self) -> f32 {
        1.0 / (1.0 - self.probability)
    }
}

/// y = x with values dropped. Applied to the output's gradient it gives the input's: the mask is the same. `step` is one
/// f32, an integer below 2^24; x and y may be the same tensor.
///
/// # Errors
/// [`Error::Argument`] for operands of different sizes or precisions, or that overlap in part;
/// [`Error::Device`] where the device fails.
pub fn apply(arena: &mut Arena, dropout: &Dropout, x: Slot, step: Slot, y: Slot) -> Result<()> {
    let check = Check("dropout");
    check.shape("the output", y, &[x.len()])?;
    check.shape("the step", step, &[1])?;
    check.floats(&[("the step", step)])?;
    check.alike(&[("the input", x), ("the output", y)])?;
    check.apart(&[("the step", step)], &[("the output", y)])?;
    if x != y {
        check.apart(&[("the input", x)], &[("the output", y)])?;
    }
    match arena.on() {
        On::Cpu(floats) => {
            if x == y {
                let ([step], [y]) = floats.split([step], [y]);
                cpu::apply(dropout, step[0], y);
            } else {
                let ([x, step], [y]) = floats.split([x, step], [y]);
                y.copy_from_slice(x);
                cpu::apply(dropout, step[0], y);
            }
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::apply(gpu, at, dropout, x, step, y),
    }
}
