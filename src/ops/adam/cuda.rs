//! `adam` on a GPU.

use super::{Adam, Guard};
use crate::device::{Addresses, Gpu, Kernel, params};
use crate::ops::vectors::{Vectors, copy_kind};
use crate::{Result, Slot};
use bytemuck::NoUninit;

/// Mirrors `AdamParams` of kernels/adam.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct AdamParams {
    weights: u64,
    m: u64,
    v: u64,
    gradient: u64,
    step: u64,
    copy: u64,
    halt: u64,
    norm: u64,
    len: u64,
    vectors: u64,
    beta1: f32,
    beta2: f32,
    eps: f32,
    decay: f32,
    decoupled: u32,
    copy_kind: u32,
    most: f32,
    unused: u32,
}
params!(AdamParams: 112 bytes, beta1 at 80);

#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub(super) fn update(
    gpu: &Gpu,
    at: Addresses,
    adam: &Adam,
    weights: Slot,
    gradient: Slot,
    m: Slot,
    v: Slot,
    step: Slot,
    copy: Slot,
    guard: Guard,
) -> Result<()> {
    let operands = [weights, gradient, m, v, copy].map(|slot| (at.address(slot), slot.precision().bytes()));
    let split = Vectors::new(weights.len(), 4, &operands)?;
    let params = AdamParams {
        weights: at.address(weights),
        m: at.address(m),
        v: at.address(v),
        gradient: at.address(gradient),
        step: at.address(step),
        copy: at.address(copy),
        halt: at.address(guard.halt),
        norm: at.address(guard.norm),
        len: split.len,
        vectors: split.vectors,
        beta1: adam.beta1,
        beta2: adam.beta2,
        eps: adam.eps,
        decay: adam.weight_decay,
        decoupled: adam.decoupled.into(),
        copy_kind: copy_kind(copy),
        most: guard.most,
        unused: 0,
    };
    // SAFETY: every tensor lies in the arena; the step has 3 floats, the guard's one each or no address, the others `len`
    // values, floats but for the copy, whose precision is a parameter, as `mod.rs` checks.
    unsafe { gpu.launch(Kernel::Adam, &params, split.launch()) }
}
