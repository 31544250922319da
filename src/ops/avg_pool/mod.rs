//! Adaptive average pooling of NHWC images to a given size, and its gradient. To 1 x 1 it is global average pooling.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::operand::{Extents, Operand, Operands};
use crate::device::On;
use crate::{Arena, Error, Result, Slot};
use std::ops::Range;

/// A pool's shape: images (n, h, w, c) to (n, p, q, c). Output row i is the mean of the rows from floor(i h / p) to
/// ceil((i + 1) h / p), which overlap where p does not divide h, and repeat where p is above it; columns likewise.
///
/// ```
/// use sharpdim::ops::avg_pool::{self, AvgPool};
/// use sharpdim::{Device, Layout, Precision};
/// let pool = AvgPool::new([1, 2, 2, 1], [1, 1])?;
/// let mut layout = Layout::new(Precision::F32);
/// let (x, y) = (layout.values(4), layout.values(1));
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(x, &[1.0, 2.0, 3.0, 6.0])?;
/// avg_pool::forward(&mut arena, &pool, x, y)?;
/// assert_eq!(arena.to_vec(y)?, [3.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AvgPool {
    /// Images in a batch.
    pub batch: usize,
    /// Rows of an image.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Channels of a pixel.
    pub channels: usize,
    /// Rows of an output image.
    pub out_height: usize,
    /// Pixels in a row of an output image.
    pub out_width: usize,
}

impl AvgPool {
    /// A pool of images (n, h, w, c) to (n, p, q, c).
    ///
    /// # Errors
    /// [`Error::Argument`] for an extent of 0, and tensors of 2^31 values or more.
    pub fn new(
        [batch, height, width, channels]: [usize; 4],
        [out_height, out_width]: [usize; 2],
    ) -> Result<Self> {
        let pool = AvgPool { batch, height, width, channels, out_height, out_width };
        let small = |shape: [usize; 4]| {
            let len = shape.iter().try_fold(1usize, |all, e| all.checked_mul(*e));
            len.is_some_and(|len| (1..1 << 31).contains(&len))
        };
        if small(pool.input_shape()) && small(pool.output_shape()) {
            return Ok(pool);
        }
        Err(Error::Argument(format!(
            "avg_pool: images {} to {out_height} x {out_width}: no extent may be 0, and no tensor may have 2^31 values or more",
            Extents(&pool.input_shape())
        )))
    }

    /// The images' extents: n, h, w, c.
    pub fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.height, self.width, self.channels]
    }

    /// The output's extents: n, p, q, c.
    pub fn output_shape(&self) -> [usize; 4] {
        [self.batch, self.out_height, self.out_width, self.channels]
    }
}

/// Rows (or columns) of the image in window `at` of `windows`.
fn window(at: usize, windows: usize, extent: usize) -> Range<usize> {
    at * extent / windows..((at + 1) * extent).div_ceil(windows)
}

/// Windows that contain row (or column) `at` of the image.
fn windows(at: usize, windows: usize, extent: usize) -> Range<usize> {
    at * windows / extent..((at + 1) * windows).div_ceil(extent)
}

/// The mean of each window: x (n, h, w, c) to y (n, p, q, c).
///
/// # Errors
/// [`Error::Argument`] for an operand of another size or precision, or that shares memory with y; [`Error::Device`]
/// where the device fails.
pub fn forward(arena: &mut Arena, pool: &AvgPool, x: Slot, y: Slot) -> Result<()> {
    let (images, output) = (pool.input_shape(), pool.output_shape());
    let reads = &[Operand::new("the images", x, &images)];
    let writes = &[Operand::new("the output", y, &output)];
    Operands { name: "avg_pool", reads, writes, work: None }.check()?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([x], [y]) = floats.split([x], [y]);
            cpu::forward(pool, x, y);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::forward(gpu, at, pool, x, y),
    }
}

/// The images' gradient dx from the output's, dy.
///
/// # Errors
/// As [`forward`].
pub fn backward(arena: &mut Arena, pool: &AvgPool, dy: Slot, dx: Slot) -> Result<()> {
    let (images, output) = (pool.input_shape(), pool.output_shape());
    let reads = &[Operand::new("the output's gradient", dy, &output)];
    let writes = &[Operand::new("the images' gradient", dx, &images)];
    Operands { name: "avg_pool, the images' gradient", reads, writes, work: None }.check()?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([dy], [dx]) = floats.split([dy], [dx]);
            cpu::backward(pool, dy, dx);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::backward(gpu, at, pool, dy, dx),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_those_that_hold_a_row() {
        for extent in 1..12 {
            for count in 1..12 {
                for at in 0..extent {
                    let holding: Vec<usize> =
                        (0..count).filter(|i| window(*i, count, extent).contains(&at)).collect();
                    let found: Vec<usize> = windows(at, count, extent).collect();
                    assert_eq!(found, holding, "row {at} of {extent}, {count} windows");
                }
            }
        }
    }
}
