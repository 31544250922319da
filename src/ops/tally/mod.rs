//! Records a batch's losses and correct predictions in a table that the host reads once an epoch instead of at every step,
//! and a flag for losses that are not finite.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::operand::Check;
use crate::device::On;
use crate::{Arena, Error, Result, Slot};

/// The shape of a batch, and the table's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tally {
    /// Images in a batch.
    pub batch: usize,
    /// Logits of an image.
    pub classes: usize,
    /// Images in the table.
    pub len: usize,
}

impl Tally {
    /// ```
    /// use sharpdim::ops::tally::{self, Tally};
    /// use sharpdim::{Device, Layout, Precision};
    /// let counts = Tally::new(2, 3, 10)?;
    /// let mut layout = Layout::new(Precision::F32);
    /// let logits = layout.values(2 * 3);
    /// let [labels, losses, place, table, halt] = [2, 2, 2, 2 * 10, 1].map(|len| layout.f32(len));
    /// let mut arena = layout.build(&Device::cpu())?;
    /// arena.write(logits, &[0.0, 2.0, 1.0, 3.0, 2.0, 1.0])?;
    /// arena.write(labels, &[1.0, 2.0])?;
    /// arena.write(losses, &[0.4, 2.4])?;
    /// // The batch's 2 images are the table's 4 and 5.
    /// arena.write(place, &[4.0, 2.0])?;
    /// tally::record(&mut arena, &counts, logits, labels, losses, place, table, halt)?;
    /// assert_eq!(arena.to_vec(table.part(4, 2))?, [0.4, 2.4]);
    /// assert_eq!(arena.to_vec(table.part(10 + 4, 2))?, [1.0, 0.0]);
    /// assert_eq!(arena.to_vec(halt)?, [0.0]);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] for an extent of 0, or 2^24 or more, beyond which f32 does not count exactly.
    pub fn new(batch: usize, classes: usize, len: usize) -> Result<Self> {
        if [batch, classes, len].iter().all(|extent| (1..1 << 24).contains(extent)) {
            return Ok(Tally { batch, classes, len });
        }
        Err(Error::Argument(format!(
            "tally: {batch} images of {classes} classes, for a table of {len}: none may be 0, or 2^24 or more"
        )))
    }
}

/// Writes a batch's results into the table. `place` (f32, 2) is `from` and `rows`: for each image i below `rows`,
/// table\[0, from + i\] = losses\[i\] and table\[1, from + i\] = 1 where the first of its greatest logits is its label's,
/// else 0, also where a logit is NaN or the label is no class. halt\[0\] becomes 1 where one of these losses is not finite;
/// it is never cleared.
///
/// `logits` (batch, classes) f32 or bf16; `labels` and `losses` (batch), `table` (2, len), `halt` (1), all f32. Rows
/// beyond the batch or the table are skipped; values of `place` are truncated, and negative ones and NaN are 0.
///
/// # Errors
/// [`Error::Argument`] for an operand of another size or precision, or that shares memory with one that is written;
/// [`Error::Device`] where the device fails.
#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub fn record(
    arena: &mut Arena,
    tally: &Tally,
    logits: Slot,
    labels: Slot,
    losses: Slot,
    place: Slot,
    table: Slot,
    halt: Slot,
) -> Result<()> {
    let check = Check("tally");
    let &Tally { batch, classes, len } = tally;
    let floats = [
        ("the labels", labels),
        ("the losses", losses),
        ("the rows", place),
        ("the table", table),
        ("the halt flag", halt),
    ];
    check.shape("the logits", logits, &[batch, classes])?;
    check.shape("the labels", labels, &[batch])?;
    check.shape("the losses", losses, &[batch])?;
    check.shape("the rows", place, &[2])?;
    check.shape("the table", table, &[2, len])?;
    check.shape("the halt flag", halt, &[1])?;
    check.floats(&floats)?;
    check.apart(&[("the logits", logits), floats[0], floats[1], floats[2]], &floats[3..])?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([logits, labels, losses, place], [table, halt]) =
                floats.split([logits, labels, losses, place], [table, halt]);
            cpu::record(tally, logits, labels, losses, place, table, &mut halt[0]);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::record(gpu, at, tally, [logits, labels, losses, place, table, halt]),
    }
}
