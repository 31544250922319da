//! What the operations of networks check of their operands before anything is read or written.

use crate::{Error, Precision, Result, Slot};
use std::fmt;

/// The extents of a tensor, as messages have them: `2 x 7 x 7 x 512`.
pub(crate) struct Extents<'a>(pub(crate) &'a [usize]);

impl fmt::Display for Extents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&words.join(" x "))
    }
}

/// One operation's operands, under its name.
#[derive(Clone, Copy)]
pub(crate) struct Check(pub(crate) &'static str);

impl Check {
    /// That `slot`, the operand `what`, has the values that its shape asks for.
    pub(crate) fn shape(self, what: &str, slot: Slot, shape: &[usize]) -> Result<()> {
        let wanted: usize = shape.iter().product();
        if slot.len() == wanted {
            return Ok(());
        }
        let (name, len, shape) = (self.0, slot.len(), Extents(shape));
        Err(Error::Argument(format!("{name}: {what} has {len} values, its shape {shape} needs {wanted}")))
    }

    /// As `shape`, where the operand may be left out.
    pub(crate) fn optional(self, what: &str, slot: Slot, shape: &[usize]) -> Result<()> {
        if slot.is_empty() { Ok(()) } else { self.shape(what, slot, shape) }
    }

    /// That operands are stored alike; those left out take no part.
    pub(crate) fn alike(self, slots: &[(&str, Slot)]) -> Result<Precision> {
        let mut there = slots.iter().filter(|(_, slot)| !slot.is_empty());
        let Some((first, one)) = there.next() else { return Ok(Precision::F32) };
        match there.find(|(_, slot)| slot.precision() != one.precision()) {
            None => Ok(one.precision()),
            Some((second, other)) => Err(Error::Argument(format!(
                "{}: {first} is {} and {second} {}: they must be alike",
                self.0,
                one.precision().name(),
                other.precision().name()
            ))),
        }
    }

    /// That operands are 32-bit floats.
    pub(crate) fn floats(self, slots: &[(&str, Slot)]) -> Result<()> {
        match slots.iter().find(|(_, slot)| !slot.is_empty() && slot.precision() != Precision::F32) {
            None => Ok(()),
            Some((what, slot)) => Err(Error::Argument(format!(
                "{}: {what} is {}, it must be f32",
                self.0,
                slot.precision().name()
            ))),
        }
    }

    /// That a workspace has the floats that this shape needs.
    pub(crate) fn workspace(self, work: Slot, needed: usize) -> Result<()> {
        let (name, given) = (self.0, work.len());
        if given >= needed {
            return Ok(());
        }
        Err(Error::Argument(format!("{name}: a workspace of {given} values, this shape needs {needed}")))
    }

    /// That no operand that is written shares memory with another operand.
    pub(crate) fn apart(self, reads: &[(&str, Slot)], writes: &[(&str, Slot)]) -> Result<()> {
        for (at, (what, slot)) in writes.iter().enumerate() {
            if let Some((other, _)) =
                reads.iter().chain(&writes[at + 1..]).find(|(_, other)| slot.overlaps(*other))
            {
                return Err(Error::Argument(format!(
                    "{}: {what} is written, and shares memory with {other}",
                    self.0
                )));
            }
        }
        Ok(())
    }
}

/// How many neighbouring channels a thread of a GPU takes: as many as 16 bytes hold, or 1 where a pixel or one of the
/// tensors at these addresses does not start at a multiple of 16 bytes.
#[cfg(gpu)]
pub(crate) fn channels_at_once(precision: Precision, channels: usize, addresses: &[u64]) -> usize {
    let wide = 16 / precision.bytes();
    if channels.is_multiple_of(wide) && addresses.iter().all(|address| address.is_multiple_of(16)) {
        wide
    } else {
        1
    }
}
