//! Elementwise operations: ReLU, its gradient, and the sum of two tensors, where they are not fused into a convolution or a
//! batch normalisation.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::operand::Check;
use crate::device::On;
use crate::{Arena, Result, Slot};

/// y = max(x, 0), of any number of values. NaN stays NaN.
///
/// ```
/// use sharpdim::{Device, Layout, Precision, ops::elementwise};
/// let mut layout = Layout::new(Precision::F32);
/// let [x, y, dy] = [3, 3, 3].map(|len| layout.values(len));
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(x, &[-1.0, 0.0, 2.0])?;
/// arena.write(dy, &[1.0, 1.0, 1.0])?;
/// elementwise::relu_forward(&mut arena, x, y)?;
/// elementwise::relu_backward(&mut arena, y, dy)?;
/// assert_eq!(arena.to_vec(y)?, [0.0, 0.0, 2.0]);
/// assert_eq!(arena.to_vec(dy)?, [0.0, 0.0, 1.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for operands of different sizes or precisions, or that share memory;
/// [`Error::Device`](crate::Error::Device) where the device fails.
pub fn relu_forward(arena: &mut Arena, x: Slot, y: Slot) -> Result<()> {
    let check = Check("relu");
    check.shape("the output", y, &[x.len()])?;
    check.alike(&[("the input", x), ("the output", y)])?;
    check.apart(&[("the input", x)], &[("the output", y)])?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([x], [y]) = floats.split([x], [y]);
            cpu::relu_forward(x, y);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::relu_forward(gpu, at, x, y),
    }
}

/// ReLU's gradient, in place: `gradient`, of the output y, becomes that of the input: 0 where y is not above 0.
///
/// # Errors
/// As [`relu_forward`].
pub fn relu_backward(arena: &mut Arena, y: Slot, gradient: Slot) -> Result<()> {
    let check = Check("relu, its gradient");
    check.shape("the gradient", gradient, &[y.len()])?;
    check.alike(&[("the output", y), ("the gradient", gradient)])?;
    check.apart(&[("the output", y)], &[("the gradient", gradient)])?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([y], [gradient]) = floats.split([y], [gradient]);
            cpu::relu_backward(y, gradient);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::relu_backward(gpu, at, y, gradient),
    }
}

/// y += x, of any number of values: a residual sum, or accumulated gradients.
///
/// ```
/// use sharpdim::{Device, Layout, Precision, ops::elementwise};
/// let mut layout = Layout::new(Precision::F32);
/// let [x, y] = [2, 2].map(|len| layout.values(len));
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(x, &[1.0, 2.0])?;
/// arena.write(y, &[10.0, 20.0])?;
/// elementwise::add(&mut arena, x, y)?;
/// assert_eq!(arena.to_vec(y)?, [11.0, 22.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
///
/// # Errors
/// As [`relu_forward`].
pub fn add(arena: &mut Arena, x: Slot, y: Slot) -> Result<()> {
    let check = Check("add");
    check.shape("the sum", y, &[x.len()])?;
    check.alike(&[("the term", x), ("the sum", y)])?;
    check.apart(&[("the term", x)], &[("the sum", y)])?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([x], [y]) = floats.split([x], [y]);
            cpu::add(x, y);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::add(gpu, at, x, y),
    }
}
