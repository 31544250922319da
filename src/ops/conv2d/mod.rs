//! Two-dimensional convolution over NHWC images, and its gradients, as implicit matrix products (implicit GEMM): the matrix
//! of patches is never stored as a whole. A linear layer is a convolution of 1 x 1 images.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::operand::{Check, Extents};
use crate::device::On;
use crate::ops::Activation;
use crate::{Arena, Device, Error, Result, Slot};

/// A convolution's shape: images (n, h, w, c), weights (k, r, s, c), output (n, p, q, k), as cross-correlation:
///
/// y\[n, p, q, k\] = b\[k\] + sum over r, s, c of x\[n, p stride - padding + r, q stride - padding + s, c\] w\[k, r, s, c\],
///
/// where x is 0 outside the image.
///
/// ```
/// use sharpdim::ops::{Activation, conv2d::{self, Conv2d}};
/// use sharpdim::{Device, Layout, Precision, Slot};
/// // One image of 1 x 3 pixels, and a filter of 1 x 1 that doubles.
/// let conv = Conv2d::new([1, 1, 3, 1], 1, 1, 1, 0)?;
/// let mut layout = Layout::new(Precision::F32);
/// let (x, w, y) = (layout.values(3), layout.values(1), layout.values(conv.output_len()));
/// let device = Device::cpu();
/// let work = layout.f32(conv.workspace_len(&device, Precision::F32));
/// let mut arena = layout.build(&device)?;
/// arena.write(x, &[1.0, 2.0, 3.0])?;
/// arena.write(w, &[2.0])?;
/// conv2d::forward(&mut arena, &conv, x, w, Slot::NONE, Activation::Identity, y, work)?;
/// assert_eq!(arena.to_vec(y)?, [2.0, 4.0, 6.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// Images in a batch.
    pub batch: usize,
    /// Rows of an image.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Channels of a pixel.
    pub in_channels: usize,
    /// Filters, and so channels of an output pixel.
    pub out_channels: usize,
    /// Rows and columns of a filter.
    pub kernel: usize,
    /// Step from one output pixel's patch to the next, in pixels.
    pub stride: usize,
    /// Rows and columns of zeros around the image.
    pub padding: usize,
}

impl Conv2d {
    /// A convolution of images (n, h, w, c).
    ///
    /// # Errors
    /// [`Error::Argument`] for an extent or stride of 0, for filters larger than the padded image, and for tensors
    /// of 2^31 values or more.
    pub fn new(
        [batch, height, width, in_channels]: [usize; 4],
        out_channels: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Result<Self> {
        let conv = Conv2d { batch, height, width, in_channels, out_channels, kernel, stride, padding };
        let images = [batch, height, width, in_channels];
        let bad = |why: String| Err(Error::Argument(format!("conv2d: {why}")));
        if images.contains(&0) || [out_channels, kernel, stride].contains(&0) {
            return bad(format!(
                "images {}, {out_channels} filters of {kernel} x {kernel}, stride {stride}: none may be 0",
                Extents(&images)
            ));
        }
        if kernel > height + 2 * padding || kernel > width + 2 * padding {
            return bad(format!(
                "filters of {kernel} x {kernel} are larger than images of {height} x {width} with padding {padding}"
            ));
        }
        if padding >= kernel {
            return bad(format!("padding {padding} must be below the filter's size, {kernel}"));
        }
        let sizes = [
            images.iter().try_fold(1usize, |all, e| all.checked_mul(*e)),
            conv.output_shape().iter().try_fold(1usize, |all, e| all.checked_mul(*e)),
            conv.weight_shape().iter().try_fold(1usize, |all, e| all.checked_mul(*e)),
        ];
        if sizes.iter().any(|size| size.is_none_or(|size| size >= 1 << 31)) {
            return bad(format!("images {}: a tensor would have 2^31 values or more", Extents(&images)));
        }
        Ok(conv)
    }

    /// A linear layer y = x w^T + b of x (batch, inputs) and w (outputs, inputs).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn linear(batch: usize, inputs: usize, outputs: usize) -> Result<Self> {
        Self::new([batch, 1, 1, inputs], outputs, 1, 1, 0)
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
        [self.batch, self.height, self.width, self.in_channels]
    }

    /// The output's extents: n, p, q, k.
    pub fn output_shape(&self) -> [usize; 4] {
        [self.batch, self.out_height(), self.out_width(), self.out_channels]
    }

    /// The weights' extents: k, r, s, c.
    pub fn weight_shape(&self) -> [usize; 4] {
        [self.out_channels, self.kernel, self.kernel, self.in_channels]
    }

    /// Values of the images.
    pub fn input_len(&self) -> usize {
        self.input_shape().iter().product()
    }

    /// Values of the output.
    pub fn output_len(&self) -> usize {
        self.output_shape().iter().product()
    }

    /// Values of the weights.
    pub fn weight_len(&self) -> usize {
        self.weight_shape().iter().product()
    }

    /// Multiplications and additions of one pass, padding included.
    pub fn operations(&self) -> f64 {
        2.0 * self.output_len() as f64 * (self.kernel * self.kernel * self.in_channels) as f64
    }

    /// Output pixels of all images: rows of the matrix of patches.
    pub(crate) fn pixels(&self) -> usize {
        self.batch * self.out_height() * self.out_width()
    }

    /// Values of a patch: columns of the matrix of patches.
    pub(crate) fn patch(&self) -> usize {
        self.kernel * self.kernel * self.in_channels
    }

    /// 32-bit floats of workspace that any of the passes needs on a device, for operands of this precision.
    pub fn workspace_len(&self, device: &Device, precision: crate::Precision) -> usize {
        #[cfg(gpu)]
        if let Some(gpu) = device.gpu() {
            return cuda::workspace_len(gpu, self, precision);
        }
        let _ = (device, precision);
        cpu::workspace_len(self)
    }
}

/// y = activation(x * w + b): x (n, h, w, c), w (k, r, s, c), b (k) in f32 or
/// [`Slot::NONE`], y (n, p, q, k); `work` of [`Conv2d::workspace_len`] floats, or more.
///
/// # Errors
/// [`Error::Argument`] for an operand of another size or precision, or one that shares memory with y;
/// [`Error::Device`] where the device fails.
#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub fn forward(
    arena: &mut Arena,
    conv: &Conv2d,
    x: Slot,
    w: Slot,
    bias: Slot,
    activation: Activation,
    y: Slot,
    work: Slot,
) -> Result<()> {
    let check = Check("conv2d");
    check.shape("the images", x, &conv.input_shape())?;
    check.shape("the weights", w, &conv.weight_shape())?;
    check.optional("the bias", bias, &[conv.out_channels])?;
    check.shape("the output", y, &conv.output_shape())?;
    let reads = [("the images", x), ("the weights", w), ("the bias", bias)];
    let precision = check.alike(&[reads[0], reads[1], ("the output", y)])?;
    check.floats(&[reads[2], ("the workspace", work)])?;
    check.apart(&reads, &[("the output", y), ("the workspace", work)])?;
    Check("conv2d").workspace(work, conv.workspace_len(arena.device(), precision))?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([x, w, bias], [y, work]) = floats.split([x, w, bias], [y, work]);
            cpu::forward(conv, x, w, bias, activation, y, work);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::forward(gpu, at, conv, x, w, bias, activation, y, work),
    }
}

/// The gradient of the images: dx from dy (n, p, q, k) and w, accumulated into dx where `add`.
///
/// # Errors
/// As [`forward`].
#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub fn backward_input(
    arena: &mut Arena,
    conv: &Conv2d,
    dy: Slot,
    w: Slot,
    add: bool,
    dx: Slot,
    work: Slot,
) -> Result<()> {
    let check = Check("conv2d, the images' gradient");
    check.shape("the output's gradient", dy, &conv.output_shape())?;
    check.shape("the weights", w, &conv.weight_shape())?;
    check.shape("the images' gradient", dx, &conv.input_shape())?;
    let reads = [("the output's gradient", dy), ("the weights", w)];
    let precision = check.alike(&[reads[0], reads[1], ("the images' gradient", dx)])?;
    check.floats(&[("the workspace", work)])?;
    check.apart(&reads, &[("the images' gradient", dx), ("the workspace", work)])?;
    Check("conv2d").workspace(work, conv.workspace_len(arena.device(), precision))?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([dy, w], [dx, work]) = floats.split([dy, w], [dx, work]);
            cpu::backward_input(conv, dy, w, add, dx, work);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::backward_input(gpu, at, conv, dy, w, add, dx, work),
    }
}

/// The gradients of the weights and of the bias, from x and dy; `dw` and `db` are f32, `db` may be [`Slot::NONE`].
/// The order of sums depends on the shape only.
///
/// # Errors
/// As [`forward`].
#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub fn backward_weight(
    arena: &mut Arena,
    conv: &Conv2d,
    x: Slot,
    dy: Slot,
    dw: Slot,
    db: Slot,
    work: Slot,
) -> Result<()> {
    let check = Check("conv2d, the weights' gradient");
    check.shape("the images", x, &conv.input_shape())?;
    check.shape("the output's gradient", dy, &conv.output_shape())?;
    check.shape("the weights' gradient", dw, &conv.weight_shape())?;
    check.optional("the bias' gradient", db, &[conv.out_channels])?;
    let reads = [("the images", x), ("the output's gradient", dy)];
    let writes = [("the weights' gradient", dw), ("the bias' gradient", db), ("the workspace", work)];
    let precision = check.alike(&reads)?;
    check.floats(&writes)?;
    check.apart(&reads, &writes)?;
    Check("conv2d").workspace(work, conv.workspace_len(arena.device(), precision))?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([x, dy], [dw, db, work]) = floats.split([x, dy], [dw, db, work]);
            cpu::backward_weight(conv, x, dy, dw, db, work);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::backward_weight(gpu, at, conv, x, dy, dw, db, work),
    }
}
