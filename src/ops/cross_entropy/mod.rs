//! Softmax cross-entropy, stable for any finite logits, and its gradient.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::operand::Check;
use crate::device::On;
use crate::{Arena, Error, Result, Slot};

/// A batch's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CrossEntropy {
    /// Images in a batch.
    pub batch: usize,
    /// Logits of an image.
    pub classes: usize,
}

impl CrossEntropy {
    /// ```
    /// use sharpdim::ops::cross_entropy::{self, CrossEntropy};
    /// use sharpdim::{Device, Layout, Precision};
    /// let loss = CrossEntropy::new(1, 2)?;
    /// let mut layout = Layout::new(Precision::F32);
    /// let [logits, gradient] = [2, 2].map(|len| layout.values(len));
    /// let [labels, losses] = [1, 1].map(|len| layout.f32(len));
    /// let mut arena = layout.build(&Device::cpu())?;
    /// arena.write(logits, &[1000.0, 1000.0])?;
    /// loss.write_labels(&mut arena, labels, &[1])?;
    /// cross_entropy::forward(&mut arena, &loss, logits, labels, losses)?;
    /// cross_entropy::backward(&mut arena, &loss, logits, labels, 1.0, gradient)?;
    /// assert!((arena.to_vec(losses)?[0] - 2f32.ln()).abs() < 1e-6);
    /// assert_eq!(arena.to_vec(gradient)?, [0.5, -0.5]);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] for no images or no classes, or 2^24 classes or more.
    pub fn new(batch: usize, classes: usize) -> Result<Self> {
        if batch > 0 && (1..1 << 24).contains(&classes) {
            return Ok(CrossEntropy { batch, classes });
        }
        Err(Error::Argument(format!(
            "cross_entropy: {batch} images of {classes} classes: neither may be 0, nor the classes 2^24 or more"
        )))
    }

    /// Writes a batch's labels, as floats.
    ///
    /// # Errors
    /// [`Error::Data`] for a label that is no class, by image; as [`Arena::write`].
    pub fn write_labels(&self, arena: &mut Arena, slot: Slot, labels: &[u32]) -> Result<()> {
        if let Some(at) = labels.iter().position(|label| *label as usize >= self.classes) {
            return Err(Error::Data(format!(
                "image {at} has the label {}: the network has {} classes, 0 to {}",
                labels[at],
                self.classes,
                self.classes - 1
            )));
        }
        let floats: Vec<f32> = labels.iter().map(|label| *label as f32).collect();
        arena.write(slot, &floats)
    }
}

/// Each image's loss, ln(sum over j of exp(z_j)) - z_label: `logits` (batch, classes), `labels` and `losses` (batch) f32.
/// NaN where a label is no class, which [`CrossEntropy::write_labels`] refuses.
///
/// # Errors
/// [`Error::Argument`] for an operand of another size or precision, or that shares memory with the losses;
/// [`Error::Device`] where the device fails.
pub fn forward(
    arena: &mut Arena,
    loss: &CrossEntropy,
    logits: Slot,
    labels: Slot,
    losses: Slot,
) -> Result<()> {
    let check = Check("cross_entropy");
    check.shape("the logits", logits, &[loss.batch, loss.classes])?;
    check.shape("the labels", labels, &[loss.batch])?;
    check.shape("the losses", losses, &[loss.batch])?;
    check.floats(&[("the labels", labels), ("the losses", losses)])?;
    check.apart(&[("the logits", logits), ("the labels", labels)], &[("the losses", losses)])?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([logits, labels], [losses]) = floats.split([logits, labels], [losses]);
            cpu::forward(loss, logits, labels, losses);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::forward(gpu, at, loss, logits, labels, losses),
    }
}

/// The logits' gradient, `scale` (softmax(z) - onehot(label)): with `scale` = 1 / batch that of the mean loss.
///
/// # Errors
/// As [`forward`].
pub fn backward(
    arena: &mut Arena,
    loss: &CrossEntropy,
    logits: Slot,
    labels: Slot,
    scale: f32,
    gradient: Slot,
) -> Result<()> {
    let check = Check("cross_entropy, the logits' gradient");
    check.shape("the logits", logits, &[loss.batch, loss.classes])?;
    check.shape("the labels", labels, &[loss.batch])?;
    check.shape("the gradient", gradient, &[loss.batch, loss.classes])?;
    check.floats(&[("the labels", labels)])?;
    check.alike(&[("the logits", logits), ("the gradient", gradient)])?;
    check.apart(&[("the logits", logits), ("the labels", labels)], &[("the gradient", gradient)])?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([logits, labels], [gradient]) = floats.split([logits, labels], [gradient]);
            cpu::backward(loss, logits, labels, scale, gradient);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::backward(gpu, at, loss, logits, labels, scale, gradient),
    }
}
