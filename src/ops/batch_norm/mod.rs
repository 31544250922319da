//! Batch normalisation of NHWC images over all but their channels (Ioffe & Szegedy 2015), fused with a residual network's
//! sum with a shortcut and ReLU; and its gradients.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::operand::{Operand, Operands};
use crate::device::On;
use crate::ops::Activation;
use crate::{Arena, Device, Error, Result, Slot};

/// Batch normalisation of `rows` pixels, of all images together, with `channels` values each:
///
/// y = gamma (x - mean) / sqrt(variance + eps) + beta, then + shortcut, then an [`Activation`], both optional.
///
/// ```
/// use sharpdim::ops::Activation;
/// use sharpdim::ops::batch_norm::{self, BatchNorm, Weights};
/// use sharpdim::{Device, Layout, Precision, Slot};
/// let norm = BatchNorm::new(2, 1)?;
/// let mut layout = Layout::new(Precision::F32);
/// let [x, y] = [2, 2].map(|len| layout.values(len));
/// let [gamma, beta, mean, variance, saved] = [1, 1, 1, 1, 2].map(|len| layout.f32(len));
/// let device = Device::cpu();
/// let work = layout.f32(norm.workspace_len(&device));
/// let mut arena = layout.build(&device)?;
/// arena.write(x, &[1.0, 3.0])?;
/// arena.write(gamma, &[10.0])?;
/// let weights = Weights { gamma, beta, mean, variance };
/// batch_norm::forward_training(&mut arena, &norm, x, weights, Slot::NONE, Activation::Identity, y, saved, work)?;
/// assert!((arena.to_vec(y)?[1] - 10.0).abs() < 1e-3);
/// // The running mean went a tenth of the way from 0 to 2.
/// assert!((arena.to_vec(mean)?[0] - 0.2).abs() < 1e-6);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// Pixels of all images.
    pub rows: usize,
    /// Values of a pixel.
    pub channels: usize,
    /// Added to the variance.
    pub eps: f32,
    /// Weight of a batch's statistics in the update of the running statistics.
    pub momentum: f32,
}

/// Weights and running statistics, f32, one value for each channel.
#[derive(Clone, Copy, Debug)]
pub struct Weights {
    /// The factor.
    pub gamma: Slot,
    /// The offset.
    pub beta: Slot,
    /// The running mean.
    pub mean: Slot,
    /// The running variance, unbiased.
    pub variance: Slot,
}

/// The gradients that [`backward`] writes.
#[derive(Clone, Copy, Debug)]
pub struct Gradients {
    /// Gradient of the images, (rows, channels).
    pub x: Slot,
    /// Gradient of the factor, f32.
    pub gamma: Slot,
    /// Gradient of the offset, f32.
    pub beta: Slot,
    /// Gradient of the shortcut, (rows, channels): [`Slot::NONE`] without a shortcut.
    pub shortcut: Slot,
}

/// The statistics that a forward pass used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// The batch's own, which depend on x.
    Batch,
    /// Running statistics, which are constants.
    Running,
}

impl BatchNorm {
    /// With PyTorch's eps, 1e-5, and momentum, 0.1.
    ///
    /// # Errors
    /// [`Error::Argument`] for no rows or channels, or 2^31 values or more.
    pub fn new(rows: usize, channels: usize) -> Result<Self> {
        match rows.checked_mul(channels) {
            Some(1..0x8000_0000) => Ok(BatchNorm { rows, channels, eps: 1e-5, momentum: 0.1 }),
            _ => Err(Error::Argument(format!(
                "batch_norm: {rows} pixels of {channels} channels: neither may be 0, nor their product 2^31 or more"
            ))),
        }
    }

    /// 32-bit floats of workspace that any of the passes needs on a device.
    pub fn workspace_len(&self, device: &Device) -> usize {
        #[cfg(gpu)]
        if let Some(gpu) = device.gpu() {
            return cuda::workspace_len(gpu, self);
        }
        let _ = device;
        0
    }

    fn shape(&self) -> [usize; 2] {
        [self.rows, self.channels]
    }
}

/// Normalises by the batch's own statistics, and updates the running statistics. x, y and `shortcut` (or [`Slot::NONE`])
/// (rows, channels); `saved` (2, channels) f32 gets the mean and 1 / sqrt(variance + eps), for [`backward`]; `work` of
/// [`BatchNorm::workspace_len`] floats.
///
/// # Errors
/// [`Error::Argument`] for a single row, which has no variance, and for operands of another size or precision, or that
/// share memory with what is written; [`Error::Device`] where the device fails.
#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub fn forward_training(
    arena: &mut Arena,
    norm: &BatchNorm,
    x: Slot,
    weights: Weights,
    shortcut: Slot,
    activation: Activation,
    y: Slot,
    saved: Slot,
    work: Slot,
) -> Result<()> {
    if norm.rows == 1 {
        return Err(Error::Argument(format!(
            "batch_norm: one pixel of {} channels has no variance: train on more images, or larger ones",
            norm.channels
        )));
    }
    check_forward(arena, norm, x, weights, shortcut, y, saved, work)?;
    match arena.on() {
        On::Cpu(floats) => {
            let Weights { gamma, beta, mean, variance } = weights;
            let ([x, gamma, beta, shortcut], [y, mean, variance, saved]) =
                floats.split([x, gamma, beta, shortcut], [y, mean, variance, saved]);
            let low = cpu::statistics(norm, x, mean, variance, saved);
            cpu::normalise(norm, x, saved, &low, gamma, beta, shortcut, activation, y);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => {
            cuda::forward_training(gpu, at, norm, x, weights, shortcut, activation, y, saved, work)
        }
    }
}

/// Normalises by the running statistics, which do not change. Operands as for [`forward_training`].
///
/// # Errors
/// As [`forward_training`], but a single row is valid.
#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub fn forward_inference(
    arena: &mut Arena,
    norm: &BatchNorm,
    x: Slot,
    weights: Weights,
    shortcut: Slot,
    activation: Activation,
    y: Slot,
    saved: Slot,
    work: Slot,
) -> Result<()> {
    check_forward(arena, norm, x, weights, shortcut, y, saved, work)?;
    match arena.on() {
        On::Cpu(floats) => {
            let Weights { gamma, beta, mean, variance } = weights;
            let ([x, gamma, beta, mean, variance, shortcut], [y, saved]) =
                floats.split([x, gamma, beta, mean, variance, shortcut], [y, saved]);
            cpu::running(norm, mean, variance, saved);
            cpu::normalise(norm, x, saved, &[], gamma, beta, shortcut, activation, y);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => {
            cuda::forward_inference(gpu, at, norm, x, weights, shortcut, activation, y, saved)
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
fn check_forward(
    arena: &Arena,
    norm: &BatchNorm,
    x: Slot,
    weights: Weights,
    shortcut: Slot,
    y: Slot,
    saved: Slot,
    work: Slot,
) -> Result<()> {
    let (one, all, two) = ([norm.channels], norm.shape(), [2, norm.channels]);
    let reads = &[
        Operand::new("the images", x, &all),
        Operand::new("the shortcut", shortcut, &all).optional(),
        Operand::float("gamma", weights.gamma, &one),
        Operand::float("beta", weights.beta, &one),
    ];
    let writes = &[
        Operand::new("the output", y, &all),
        Operand::float("the saved statistics", saved, &two),
        Operand::float("the running mean", weights.mean, &one),
        Operand::float("the running variance", weights.variance, &one),
    ];
    let work = Some((work, norm.workspace_len(arena.device())));
    Operands { name: "batch_norm", reads, writes, work }.check()
}

/// The gradients of x, gamma, beta and the shortcut, from dy and what [`forward_training`] (`Statistics::Batch`) or
/// [`forward_inference`] (`Statistics::Running`) saved. `y`, its output, gives ReLU's mask;
/// [`Slot::NONE`] without ReLU.
///
/// # Errors
/// As [`forward_training`].
#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub fn backward(
    arena: &mut Arena,
    norm: &BatchNorm,
    statistics: Statistics,
    x: Slot,
    y: Slot,
    gamma: Slot,
    saved: Slot,
    dy: Slot,
    into: Gradients,
    work: Slot,
) -> Result<()> {
    let (one, all, two) = ([norm.channels], norm.shape(), [2, norm.channels]);
    let reads = &[
        Operand::new("the images", x, &all),
        Operand::new("the output", y, &all).optional(),
        Operand::new("the output's gradient", dy, &all),
        Operand::float("gamma", gamma, &one),
        Operand::float("the saved statistics", saved, &two),
    ];
    let writes = &[
        Operand::new("the images' gradient", into.x, &all),
        Operand::new("the shortcut's gradient", into.shortcut, &all).optional(),
        Operand::float("gamma's gradient", into.gamma, &one),
        Operand::float("beta's gradient", into.beta, &one),
    ];
    let needed = norm.workspace_len(arena.device());
    Operands { name: "batch_norm, its gradients", reads, writes, work: Some((work, needed)) }.check()?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([x, y, gamma, saved, dy], [dx, dgamma, dbeta, shortcut]) =
                floats.split([x, y, gamma, saved, dy], [into.x, into.gamma, into.beta, into.shortcut]);
            cpu::sums(norm, x, y, saved, dy, dgamma, dbeta);
            cpu::backward(norm, statistics, [x, y, gamma, saved, dy, dgamma, dbeta], dx, shortcut);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::backward(gpu, at, norm, statistics, x, y, gamma, saved, dy, into, work),
    }
}
