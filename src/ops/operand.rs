//! Checks of the operands of networks' operations: shapes, precisions, overlaps and workspaces.

use crate::{Error, Precision, Result, Slot};
use std::fmt;

/// Displays a shape: `2 x 7 x 7 x 512`.
pub(crate) struct Extents<'a>(pub(crate) &'a [usize]);

impl fmt::Display for Extents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&words.join(" x "))
    }
}

/// Checks of one operation, whose name begins its messages.
#[derive(Clone, Copy)]
pub(crate) struct Check(pub(crate) &'static str);

impl Check {
    /// Checks that `slot`, the operand `what`, has as many values as its shape.
    pub(crate) fn shape(self, what: &str, slot: Slot, shape: &[usize]) -> Result<()> {
        let wanted: usize = shape.iter().product();
        if slot.len() == wanted {
            return Ok(());
        }
        let (name, len, shape) = (self.0, slot.len(), Extents(shape));
        Err(Error::Argument(format!("{name}: {what} has {len} values, its shape {shape} needs {wanted}")))
    }

    /// As `shape`, for an optional operand.
    pub(crate) fn optional(self, what: &str, slot: Slot, shape: &[usize]) -> Result<()> {
        if slot.is_empty() { Ok(()) } else { self.shape(what, slot, shape) }
    }

    /// Checks that operands have one precision, and returns it; operands left out are skipped.
    pub(crate) fn alike(self, slots: &[(&str, Slot)]) -> Result<Precision> {
        let mut present = slots.iter().filter(|(_, slot)| !slot.is_empty());
        let Some((first, one)) = present.next() else { return Ok(Precision::F32) };
        match present.find(|(_, slot)| slot.precision() != one.precision()) {
            None => Ok(one.precision()),
            Some((second, other)) => Err(Error::Argument(format!(
                "{}: {first} is {} and {second} {}: they must have the same precision",
                self.0,
                one.precision().name(),
                other.precision().name()
            ))),
        }
    }

    /// Checks that operands are f32.
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

    /// Checks that a workspace is large enough.
    pub(crate) fn workspace(self, work: Slot, needed: usize) -> Result<()> {
        let (name, given) = (self.0, work.len());
        if given >= needed {
            return Ok(());
        }
        Err(Error::Argument(format!("{name}: a workspace of {given} values, this shape needs {needed}")))
    }

    /// Checks that no written operand overlaps another operand.
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

/// An operand: its name in messages, its slot, and its requirements.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a> {
    what: &'static str,
    slot: Slot,
    shape: &'a [usize],
    optional: bool,
    stored: Stored,
}

/// The precision required of an operand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stored {
    /// The same as the operation's other operands.
    Alike,
    /// f32.
    Float,
    /// Either precision.
    Any,
}

impl<'a> Operand<'a> {
    /// An operand with the precision of the others.
    pub(crate) const fn new(what: &'static str, slot: Slot, shape: &'a [usize]) -> Self {
        Operand { what, slot, shape, optional: false, stored: Stored::Alike }
    }

    /// An f32 operand.
    pub(crate) const fn float(what: &'static str, slot: Slot, shape: &'a [usize]) -> Self {
        Operand { stored: Stored::Float, ..Operand::new(what, slot, shape) }
    }

    /// An operand of either precision, whatever the others have.
    pub(crate) const fn any(what: &'static str, slot: Slot, shape: &'a [usize]) -> Self {
        Operand { stored: Stored::Any, ..Operand::new(what, slot, shape) }
    }

    pub(crate) const fn slot(self) -> Slot {
        self.slot
    }

    /// Allows [`Slot::NONE`].
    pub(crate) const fn optional(self) -> Self {
        Operand { optional: true, ..self }
    }
}

/// All operands of an operation.
pub(crate) struct Operands<'a> {
    /// The operation's name.
    pub(crate) name: &'static str,
    pub(crate) reads: &'a [Operand<'a>],
    pub(crate) writes: &'a [Operand<'a>],
    /// The workspace, and the number of floats that it needs.
    pub(crate) work: Option<(Slot, usize)>,
}

impl Operands<'_> {
    /// Checks shapes and precisions, and that no written operand overlaps another.
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

/// Number of adjacent channels per GPU thread: those in 16 bytes, or 1 where pixels or one of the tensors at these addresses
/// are not aligned to 16 bytes.
#[cfg(gpu)]
pub(crate) fn channels_at_once(precision: Precision, channels: usize, addresses: &[u64]) -> usize {
    let wide = 16 / precision.bytes();
    if channels.is_multiple_of(wide) && addresses.iter().all(|address| address.is_multiple_of(16)) {
        wide
    } else {
        1
    }
}
