//! `take_images` on a GPU.

use super::TakeImages;
use crate::device::{Addresses, Gpu, Kernel, Launch, params};
use crate::{Error, Precision, Result, Slot};
use bytemuck::NoUninit;

/// Threads of a block.
const THREADS: usize = 256;

/// Mirrors `TakeImagesParams` of kernels/take_images.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct TakeImagesParams {
    set: u64,
    choices: u64,
    scale: u64,
    y: u64,
    images: u32,
    height: u32,
    width: u32,
    channels: u32,
    values: u32,
    blocks: u32,
    wide: u32,
    unused: u32,
}
params!(TakeImagesParams: 64 bytes, images at 32);

/// Values per thread, and blocks per image: a thread takes 16 bytes of the batch, where each of its images is aligned to
/// 16 bytes, or else one value.
fn split(values: usize, bytes: usize, y: u64) -> (usize, usize) {
    let wide = 16 / bytes;
    let each = if y.is_multiple_of(16) && values.is_multiple_of(wide) { wide } else { 1 };
    (each, values.div_ceil(each * THREADS))
}

pub(super) fn take(
    gpu: &Gpu,
    at: Addresses,
    op: &TakeImages,
    set: Slot,
    choices: Slot,
    scale: Slot,
    y: Slot,
) -> Result<()> {
    let kernel = match y.precision() {
        Precision::F32 => Kernel::TakeImagesF32,
        Precision::Bf16 => Kernel::TakeImagesBf16,
    };
    let (each, blocks) = split(op.values(), y.precision().bytes(), at.address(y));
    let grid = op.batch.checked_mul(blocks).and_then(|grid| i32::try_from(grid).ok()).ok_or_else(|| {
        Error::Argument(format!("take_images: a batch of {} images is too large for a launch", op.batch))
    })?;
    // Every extent is below 2^31, as `TakeImages::new` checks.
    let params = TakeImagesParams {
        set: at.address(set),
        choices: at.address(choices),
        scale: at.address(scale),
        y: at.address(y),
        images: op.images as u32,
        height: op.height as u32,
        width: op.width as u32,
        channels: op.channels as u32,
        values: op.values() as u32,
        blocks: blocks as u32,
        wide: (each > 1).into(),
        unused: 0,
    };
    let launch = Launch { grid: [grid as u32, 1, 1], threads: THREADS as u32, shared_bytes: 0 };
    // SAFETY: all four tensors lie in the arena, of the sizes that `mod.rs` checks; the kernel compares a choice's row
    // with the number of images and cuts its pixels off at the image's edges before they are indices, and reads the set
    // by words of 4 bytes only where each image begins at one.
    unsafe { gpu.launch(kernel, &params, launch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_an_image_has_one_thread() {
        for bytes in [2, 4] {
            for values in 1..5000 {
                for y in [256, 256 + bytes as u64] {
                    let (each, blocks) = split(values, bytes, y);
                    // As kernels/take_images.cu has it: all or none of a thread's values are the image's.
                    assert!(values % each == 0 && blocks * THREADS * each >= values);
                    assert!((blocks - 1) * THREADS * each < values);
                    assert!(each == 1 || (y % 16 == 0 && values * bytes % 16 == 0 && each * bytes == 16));
                    assert!(each > 1 || y % 16 != 0 || values * bytes % 16 != 0);
                }
            }
        }
    }
}
