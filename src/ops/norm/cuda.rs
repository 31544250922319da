//! `norm` on a GPU: partial sums, then their sum.

use crate::device::{Addresses, Gpu, Kernel, Launch, params};
use crate::{Error, Result, Slot};
use bytemuck::NoUninit;

/// Values of a piece: `norm_piece` of kernels/norm.cu.
const PIECE: usize = 16_384;

/// Mirrors `NormParams` of kernels/norm.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct NormParams {
    x: u64,
    partials: u64,
    out: u64,
    len: u64,
    pieces: u32,
    aligned: u32,
}
params!(NormParams: 40 bytes, pieces at 32);

/// Two floats of workspace for each piece's double, and one for alignment to 8 bytes.
pub(super) fn workspace_len(_gpu: &Gpu, len: usize) -> usize {
    2 * len.div_ceil(PIECE) + 1
}

/// Rounds an address that is a multiple of 4 up to a multiple of 8.
fn doubles(address: u64) -> u64 {
    address.next_multiple_of(8)
}

pub(super) fn norm(gpu: &Gpu, at: Addresses, x: Slot, out: Slot, work: Slot) -> Result<()> {
    let blocks = x.len().div_ceil(PIECE);
    let pieces = i32::try_from(blocks)
        .map_err(|_| Error::Argument(format!("norm: a tensor of {} values is too long", x.len())))?
        as u32;
    let params = NormParams {
        x: at.address(x),
        partials: doubles(at.address(work)),
        out: at.address(out),
        len: x.len() as u64,
        pieces,
        aligned: at.address(x).is_multiple_of(16).into(),
    };
    let launch = |blocks| Launch { grid: [blocks, 1, 1], threads: 256, shared_bytes: 64 };
    // SAFETY: all three tensors lie in the arena; the workspace holds a double for each piece, of which there is one to
    // a block, as `mod.rs` checks by `workspace_len`.
    unsafe { gpu.launch(Kernel::NormPartials, &params, launch(pieces))? };
    // SAFETY: as above.
    unsafe { gpu.launch(Kernel::NormTotal, &params, launch(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_holds_every_piece_wherever_it_starts() {
        for len in [1, PIECE - 1, PIECE, PIECE + 1, 10 * PIECE, 10 * PIECE + 1] {
            let pieces = len.div_ceil(PIECE) as u64;
            assert!((pieces - 1) * (PIECE as u64) < len as u64 && len as u64 <= pieces * PIECE as u64);
            for start in (512..528).step_by(4) {
                let end = start + 4 * (2 * pieces + 1);
                let first = doubles(start);
                assert!(first >= start && first.is_multiple_of(8) && first + 8 * pieces <= end);
            }
        }
    }
}
