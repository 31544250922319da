//! The operands of `perturb`'s operations, and their shapes.

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

    /// The last word of the counter of its random numbers.
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
            // These have no such operand.
            Work::Normalise | Work::Step(_) | Work::Noise(..) => ("nothing", Vec::new()),
        }
    }
}

/// The operands of an operation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Operands {
    pub origin: Option<Slot>,
    /// Images that are read only.
    pub from: Option<Slot>,
    pub g: Option<Slot>,
    pub norms: Option<Slot>,
    pub controls: Option<Slot>,
    pub scale: Option<Slot>,
    /// Images that are written.
    pub x: Option<Slot>,
    /// The other output.
    pub other: Option<Slot>,
    /// The network's input: may be `Slot::NONE` where the operation has another output.
    pub y: Option<Slot>,
}

/// An operand, optional where the operation does not have it.
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

/// Checks all operands, and returns those read and those written, in the order that devices expect.
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
        // Optional only where an operation has another output.
        if left { input.optional() } else { input },
    ];
    operand::Operands { name: "perturb", reads: &reads, writes: &writes, work: None }.check()?;
    Ok((reads.map(|read| read.slot()), writes.map(|write| write.slot())))
}
