//! `tally` on a GPU.

use super::Tally;
use crate::device::{Addresses, Gpu, Kernel, Launch, params};
use crate::{Precision, Result, Slot};
use bytemuck::NoUninit;

/// Images per block: one warp each.
const IMAGES: usize = 8;

/// Mirrors `TallyParams` of kernels/tally.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct TallyParams {
    logits: u64,
    labels: u64,
    losses: u64,
    place: u64,
    table: u64,
    halt: u64,
    batch: u32,
    classes: u32,
    len: u32,
    unused: u32,
}
params!(TallyParams: 64 bytes, batch at 48);

/// Logits, labels, losses, place, table, halt.
pub(super) fn record(gpu: &Gpu, at: Addresses, tally: &Tally, operands: [Slot; 6]) -> Result<()> {
    let kernel = match operands[0].precision() {
        Precision::F32 => Kernel::TallyF32,
        Precision::Bf16 => Kernel::TallyBf16,
    };
    let [logits, labels, losses, place, table, halt] = operands.map(|slot| at.address(slot));
    // Every extent is below 2^24, as `Tally::new` checks.
    let [batch, classes, len] = [tally.batch, tally.classes, tally.len].map(|extent| extent as u32);
    let params = TallyParams { logits, labels, losses, place, table, halt, batch, classes, len, unused: 0 };
    let grid = [tally.batch.div_ceil(IMAGES) as u32, 1, 1];
    // SAFETY: all six tensors lie in the arena, of the sizes that `mod.rs` checks; warps past the batch return, and a
    // label is compared with the number of classes, and a row with the table's length, before they are indices.
    unsafe { gpu.launch(kernel, &params, Launch { grid, threads: 256, shared_bytes: 0 }) }
}
