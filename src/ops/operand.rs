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

/// An operand: its name in messages, where it is, and what it must be.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a> {
    what: &'static str,
    slot: Slot,
    shape: &'a [usize],
    optional: bool,
    stored: Stored,
}

/// How an operand's values are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stored {
    /// As those of the operation's others.
    Alike,
    /// In 32 bits.
    Float,
    /// In either precision.
    Any,
}

impl<'a> Operand<'a> {
    /// One that is stored as the operation's others are.
    pub(crate) const fn new(what: &'static str, slot: Slot, shape: &'a [usize]) -> Self {
        Operand { what, slot, shape, optional: false, stored: Stored::Alike }
    }

    /// One of 32-bit floats.
    pub(crate) const fn float(what: &'static str, slot: Slot, shape: &'a [usize]) -> Self {
        Operand { stored: Stored::Float, ..Operand::new(what, slot, shape) }
    }

    /// One of either precision, whatever the others are.
    pub(crate) const fn any(what: &'static str, slot: Slot, shape: &'a [usize]) -> Self {
        Operand { stored: Stored::Any, ..Operand::new(what, slot, shape) }
    }

    pub(crate) const fn slot(self) -> Slot {
        self.slot
    }

    /// It may be [`Slot::NONE`].
    pub(crate) const fn optional(self) -> Self {
        Operand { optional: true, ..self }
    }
}

/// All operands of an operation.
pub(crate) struct Operands<'a> {
    /// The operation.
    pub(crate) name: &'static str,
    pub(crate) reads: &'a [Operand<'a>],
    pub(crate) writes: &'a [Operand<'a>],
    /// What is written and not read afterwards, and the least floats that it has.
    pub(crate) work: Option<(Slot, usize)>,
}

impl Operands<'_> {
    /// That each has its shape and is stored as it should be, and that none which is written shares memory with another.
    pub(crate) fn check(&self) -> Result<()> {
        let check = Check(self.name);
        let all = || self.reads.iter().chain(self.writes);
        for operand in all() {
            let Operand { what, slot, shape, optional, .. } = *operand;
            if !(optional && slot.is_empty()) {
                check.shape(what, slot, shape)?;
            }
        }
        let named = |operand: &Operand<'_>| (operand.what, operand.slot);
        let stored = |how| all().filter(move |operand| operand.stored == how).map(named);
        check.alike(&stored(Stored::Alike).collect::<Vec<_>>())?;
        let work = self.work.map(|(slot, _)| ("the workspace", slot));
        check.floats(&stored(Stored::Float).chain(work).collect::<Vec<_>>())?;
        let reads: Vec<_> = self.reads.iter().map(named).collect();
        let writes: Vec<_> = self.writes.iter().map(named).chain(work).collect();
        check.apart(&reads, &writes)?;
        self.work.map_or(Ok(()), |(slot, needed)| check.workspace(slot, needed))
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
