//! The operands that attacks' operations have in common, and their shapes.

use super::{Noise, Norm, Perturb, Square};
use crate::ops::operand::{self, Operand};
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
            Work::GradientNorms
            | Work::Normalise
            | Work::Step(_)
            | Work::StepApgd(_)
            | Work::Accumulate
            | Work::Keep => 0,
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
            Work::GradientNorms
            | Work::Normalise
            | Work::Step(_)
            | Work::StepApgd(_)
            | Work::Accumulate
            | Work::Keep => 0,
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
            Work::StepApgd(_) => ("the images before", images()),
            // They have none.
            Work::Normalise | Work::Step(_) | Work::Noise(..) => ("nothing", Vec::new()),
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

/// An operand, or one that is left out where the operation does not have it.
fn named<'a>(
    kind: fn(&'static str, Slot, &'a [usize]) -> Operand<'a>,
    what: &'static str,
    slot: Option<Slot>,
    shape: &'a [usize],
) -> Operand<'a> {
    match slot {
        Some(slot) => kind(what, slot, shape),
        None => kind(what, Slot::NONE, shape).optional(),
    }
}

/// Checks all operands: those that are read and those that are written, in the order that devices take them.
pub(super) fn checked(p: &Perturb, work: Work, operands: Operands) -> Result<([Slot; 6], [Slot; 3])> {
    let images = [p.batch, p.height, p.width, p.channels];
    let (norms, controls, scale) = ([p.batch, 3], [p.batch, Perturb::CONTROLS], [2, p.channels]);
    let (what_other, other) = work.other(p);
    let input = named(Operand::any, "the network's input", operands.y, &images);
    let left = operands.x.or(operands.other).is_some();
    let reads = [
        named(Operand::float, "the originals", operands.origin, &images),
        named(Operand::float, "the images", operands.from, &images),
        named(Operand::any, "the gradient", operands.g, &images),
        named(Operand::float, "the norms", operands.norms, &norms),
        named(Operand::float, "the controls", operands.controls, &controls),
        named(Operand::float, "the scales and shifts", operands.scale, &scale),
    ];
    let writes = [
        named(Operand::float, "the images", operands.x, &images),
        named(Operand::float, what_other, operands.other, &other),
        // Left out only where an operation leaves something else.
        if left { input.optional() } else { input },
    ];
    operand::Operands { name: "perturb", reads: &reads, writes: &writes, work: None }.check()?;
    Ok((reads.map(|read| read.slot()), writes.map(|write| write.slot())))
}
