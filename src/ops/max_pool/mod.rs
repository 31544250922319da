//! Max pooling over NHWC images, and its gradient. Where a window has its maximum more than once, the gradient goes to
//! the first, as in PyTorch; where it holds NaN, to the last NaN.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::operand::{Extents, Operand, Operands};
use crate::device::On;
use crate::{Arena, Error, Result, Slot};

/// A max pool's shape: images (n, h, w, c) to (n, p, q, c), windows of `kernel` x `kernel`, `stride` apart, over images
/// padded by `padding` rows and columns that are never a maximum.
///
/// ```
/// use sharpdim::ops::max_pool::{self, MaxPool};
/// use sharpdim::{Device, Layout, Precision};
/// let pool = MaxPool::new([1, 2, 2, 1], 2, 2, 0)?;
/// let mut layout = Layout::new(Precision::F32);
/// let (x, y, dy, dx) = (layout.values(4), layout.values(1), layout.values(1), layout.values(4));
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(x, &[1.0, 4.0, 2.0, 4.0])?;
/// arena.write(dy, &[5.0])?;
/// max_pool::forward(&mut arena, &pool, x, y)?;
/// max_pool::backward(&mut arena, &pool, x, y, dy, dx)?;
/// assert_eq!(arena.to_vec(y)?, [4.0]);
/// assert_eq!(arena.to_vec(dx)?, [0.0, 5.0, 0.0, 0.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MaxPool {
    /// Images in a batch.
    pub batch: usize,
    /// Rows of an image.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Channels of a pixel.
    pub channels: usize,
    /// Rows and columns of a window.
    pub kernel: usize,
    /// Step from one window to the next, in pixels.
    pub stride: usize,
    /// Rows and columns of padding, at most half a window.
    pub padding: usize,
}

impl MaxPool {
    /// A pool over images (n, h, w, c).
    ///
    /// # Errors
    /// [`Error::Argument`] for an extent or stride of 0, a window larger than the padded image, padding above half
    /// a window, and tensors of 2^31 values or more.
    pub fn new(
        [batch, height, width, channels]: [usize; 4],
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Result<Self> {
        let images = [batch, height, width, channels];
        if images.contains(&0) || kernel == 0 || stride == 0 {
            return Err(Error::Argument(format!(
                "max_pool: images {}, windows of {kernel} x {kernel}, stride {stride}: none may be 0",
                Extents(&images)
            )));
        }
        // In this order none of it overflows: 2 `padding` is below `kernel` + 1.
        if padding > kernel / 2 || kernel - 2 * padding > height || kernel - 2 * padding > width {
            return Err(Error::Argument(format!(
                "max_pool: windows of {kernel} x {kernel} with padding {padding} do not fit images of {height} x \
                 {width}: they must be no larger than the padded image, and the padding at most half of them"
            )));
        }
        let pool = MaxPool { batch, height, width, channels, kernel, stride, padding };
        let small = |shape: [usize; 4]| {
            let len = shape.iter().try_fold(1usize, |all, e| all.checked_mul(*e));
            len.is_some_and(|len| len < 1 << 31)
        };
        // With padding, there may be more windows than pixels.
        if !small(images) || kernel >= 1 << 31 || !small(pool.output_shape()) {
            return Err(Error::Argument(format!(
                "max_pool: images {}, windows of {kernel} x {kernel}: no tensor may have 2^31 values or more, \
                 nor a window as many rows",
                Extents(&images)
            )));
        }
        Ok(pool)
    }

    /// Rows of an output image.
    pub fn out_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Pixels in a row of an output image.
    pub fn out_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// The images' extents: n, h, w, c.
    pub fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.height, self.width, self.channels]
    }

    /// The output's extents: n, p, q, c.
    pub fn output_shape(&self) -> [usize; 4] {
        [self.batch, self.out_height(), self.out_width(), self.channels]
    }
}

/// The maximum of each window: x (n, h, w, c) to y (n, p, q, c). NaN where a window holds one.
///
/// # Errors
/// [`Error::Argument`] for an operand of another size or precision, or that shares memory with y; [`Error::Device`]
/// where the device fails.
pub fn forward(arena: &mut Arena, pool: &MaxPool, x: Slot, y: Slot) -> Result<()> {
    let (images, output) = (pool.input_shape(), pool.output_shape());
    let reads = &[Operand::new("the images", x, &images)];
    let writes = &[Operand::new("the output", y, &output)];
    Operands { name: "max_pool", reads, writes, work: None }.check()?;
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

/// The images' gradient dx from x, y and the output's gradient dy.
///
/// # Errors
/// As [`forward`].
pub fn backward(arena: &mut Arena, pool: &MaxPool, x: Slot, y: Slot, dy: Slot, dx: Slot) -> Result<()> {
    let (images, output) = (pool.input_shape(), pool.output_shape());
    let reads = &[
        Operand::new("the images", x, &images),
        Operand::new("the output", y, &output),
        Operand::new("the output's gradient", dy, &output),
    ];
    let writes = &[Operand::new("the images' gradient", dx, &images)];
    Operands { name: "max_pool, the images' gradient", reads, writes, work: None }.check()?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([x, dy], [dx]) = floats.split([x, dy], [dx]);
            cpu::backward(pool, x, dy, dx);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::backward(gpu, at, pool, x, y, dy, dx),
    }
}
