//! Conversion of a tensor to another precision, such as weights to bf16 before matrix products.

#[cfg(gpu)]
mod cuda;

use super::operand::Check;
use crate::device::On;
use crate::{Arena, Result, Slot};

/// y = x, rounded to y's precision, to the nearest and ties to even.
///
/// ```
/// use sharpdim::{Device, Layout, Precision, ops::convert};
/// let mut layout = Layout::new(Precision::F32);
/// let (x, y) = (layout.f32(1), layout.values(1));
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(x, &[1.5])?;
/// convert::copy(&mut arena, x, y)?;
/// assert_eq!(arena.to_vec(y)?, [1.5]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for operands of different sizes, or that share memory;
/// [`Error::Device`](crate::Error::Device) where the device fails.
pub fn copy(arena: &mut Arena, x: Slot, y: Slot) -> Result<()> {
    let check = Check("convert");
    check.shape("the output", y, &[x.len()])?;
    check.apart(&[("the input", x)], &[("the output", y)])?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([x], [y]) = floats.split([x], [y]);
            y.copy_from_slice(x);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::copy(gpu, at, x, y),
    }
}
