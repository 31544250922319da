//! The Euclidean norm of a tensor, such as all gradients of a network.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::operand::Check;
use crate::device::On;
use crate::{Arena, Device, Error, Result, Slot};

/// 32-bit floats of workspace that [`norm`] needs on a device for a tensor of `len` values.
pub fn workspace_len(device: &Device, len: usize) -> usize {
    #[cfg(gpu)]
    if let Some(gpu) = device.gpu() {
        return cuda::workspace_len(gpu, len);
    }
    let _ = (device, len);
    0
}

/// The square root of the sum of squares of x (f32), to `out` (one f32). Not finite where a value is not.
///
/// ```
/// use sharpdim::{Device, Layout, Precision, ops::norm};
/// let mut layout = Layout::new(Precision::F32);
/// let device = Device::cpu();
/// let [x, out, work] = [2, 1, norm::workspace_len(&device, 2)].map(|len| layout.f32(len));
/// let mut arena = layout.build(&device)?;
/// arena.write(x, &[3e30, 4e30])?;
/// norm::norm(&mut arena, x, out, work)?;
/// assert_eq!(arena.to_vec(out)?, [5e30]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
///
/// # Errors
/// [`Error::Argument`] for an empty tensor, operands of another size or precision, or that share memory;
/// [`Error::Device`] where the device fails.
pub fn norm(arena: &mut Arena, x: Slot, out: Slot, work: Slot) -> Result<()> {
    let check = Check("norm");
    if x.is_empty() {
        return Err(Error::Argument("norm: an empty tensor".into()));
    }
    check.shape("the norm", out, &[1])?;
    check.floats(&[("the tensor", x), ("the norm", out), ("the workspace", work)])?;
    check.apart(&[("the tensor", x)], &[("the norm", out), ("the workspace", work)])?;
    let (given, needed) = (work.len(), workspace_len(arena.device(), x.len()));
    if given < needed {
        return Err(Error::Argument(format!("norm: a workspace of {given} values, {needed} are needed")));
    }
    match arena.on() {
        On::Cpu(floats) => {
            let ([x], [out]) = floats.split([x], [out]);
            out[0] = cpu::norm(x);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::norm(gpu, at, x, out, work),
    }
}
