//! The operands that attacks' operations have in common, and their shapes.

use super::{Noise, Norm, Perturb, Square};
use crate::ops::operand::Check;
use crate::{Result, Slot};

/// An operation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    GradientNorms,
    Normalise,
    Step(Norm),
    StepApgd(Norm),
    Accumulate,
    Noise(Noise, u64),
    Keep,
    Square(Square, u64),
}

impl Work {
    /// The seed of its random numbers.
    #[cfg(gpu)]
    pub(super) fn seed(self) -> u64 {
        match self {
            Work::Noise(_, seed) | Work::Square(_, seed) => seed,
            _ => 0,
        }
    }

    /// What its random numbers are for: the last word of their counter.
    pub(super) fn purpose(self) -> u32 {
        match self {
            Work::Noise(Noise::Uniform, _) => 1,
            Work::Noise(Noise::Signs, _) => 2,
            Work::Noise(Noise::Ball, _) => 3,
            Work::Square(Square::Stripes, _) => 4,
            Work::Square(Square::Window, _) => 5,
            _ => 0,
        }
    }

    /// The name and the shape of the operand `other`.
    fn other(self, p: &Perturb) -> (&'static str, Vec<usize>) {
        let images = || vec![p.batch, p.height, p.width, p.channels];
        match self {
            Work::GradientNorms => ("the norms", vec![p.batch, 3]),
            Work::Accumulate => ("the sum", images()),
            Work::Keep => ("the best images", images()),
            Work::Square(..) => ("the candidate", images()),
            _ => ("the images before", images()),
        }
    }
}

/// An operation's operands: those that it has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Operands {
    pub origin: Option<Slot>,
    /// Images that are read only.
    pub from: Option<Slot>,
    pub g: Option<Slot>,
    pub norms: Option<Slot>,
    pub controls: Option<Slot>,
    pub scale: Option<Slot>,
    /// Images that move.
    pub x: Option<Slot>,
    /// What else is written.
    pub other: Option<Slot>,
    /// May be `Slot::NONE` where the operation's result is another.
    pub y: Option<Slot>,
}

/// Checks all operands: those that are read and those that are written, in the order that devices take them.
pub(super) fn checked(p: &Perturb, work: Work, operands: Operands) -> Result<([Slot; 6], [Slot; 3])> {
    let check = Check("perturb");
    let images = [p.batch, p.height, p.width, p.channels];
    let (controls, scale) = ([p.batch, Perturb::CONTROLS], [2, p.channels]);
    let (what_other, other) = work.other(p);
    let Operands { origin, from, g, norms, .. } = operands;
    let reads = [
        ("the originals", origin, &images[..]),
        ("the images", from, &images),
        ("the gradient", g, &images),
        ("the norms", norms, &[p.batch, 3]),
        ("the controls", operands.controls, &controls),
        ("the scales and shifts", operands.scale, &scale),
    ];
    let writes = [
        ("the images", operands.x, &images[..]),
        (what_other, operands.other, &other),
        ("the network's input", operands.y, &images),
    ];
    // Left out only where an operation leaves something else.
    let optional = operands.x.or(operands.other).and(operands.y).filter(|y| y.is_empty());
    for (what, slot, shape) in reads.into_iter().chain(writes) {
        let Some(slot) = slot else { continue };
        if what == "the network's input" && optional.is_some() {
            continue;
        }
        check.shape(what, slot, shape)?;
        if !["the gradient", "the network's input"].contains(&what) {
            check.floats(&[(what, slot)])?;
        }
    }
    let named = |(what, slot, _): (&'static str, Option<Slot>, _)| (what, slot.unwrap_or(Slot::NONE));
    check.apart(&reads.map(named), &writes.map(named))?;
    Ok((reads.map(|read| named(read).1), writes.map(|write| named(write).1)))
}
