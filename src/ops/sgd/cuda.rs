//! `sgd` on a GPU.

use super::{Guard, Sgd};
use crate::device::{Addresses, Gpu, Kernel, params};
use crate::ops::vectors::{Vectors, copy_kind};
use crate::{Result, Slot};
use bytemuck::NoUninit;

/// Mirrors `SgdParams` of kernels/sgd.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct SgdParams {
    weights: u64,
    buffer: u64,
    gradient: u64,
    rate: u64,
    copy: u64,
    halt: u64,
    norm: u64,
    len: u64,
    vectors: u64,
    momentum: f32,
    decay: f32,
    nesterov: u32,
    copy_kind: u32,
    most: f32,
    unused: u32,
}
params!(SgdParams: 96 bytes, momentum at 72);

#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub(super) fn update(
    gpu: &Gpu,
    at: Addresses,
    sgd: &Sgd,
    weights: Slot,
    gradient: Slot,
    buffer: Slot,
    rate: Slot,
    copy: Slot,
    guard: Guard,
) -> Result<()> {
    let operands = [weights, gradient, buffer, copy].map(|slot| (at.address(slot), slot.precision().bytes()));
    let split = Vectors::new(weights.len(), 4, &operands)?;
    let params = SgdParams {
        weights: at.address(weights),
        buffer: at.address(buffer),
        gradient: at.address(gradient),
        rate: at.address(rate),
        copy: at.address(copy),
        halt: at.address(guard.halt),
        norm: at.address(guard.norm),
        len: split.len,
        vectors: split.vectors,
        momentum: sgd.momentum,
        decay: sgd.weight_decay,
        nesterov: sgd.nesterov.into(),
        copy_kind: copy_kind(copy),
        most: guard.most,
        unused: 0,
    };
    // SAFETY: every tensor lies in the arena; the rate is a float, the guard's operands are one each or no address, the
    // others have `len` values, floats but for the copy, whose precision is a parameter, as `mod.rs` checks.
    unsafe { gpu.launch(Kernel::Sgd, &params, split.launch()) }
}
