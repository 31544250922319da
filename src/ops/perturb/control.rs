//! Per-image parameters of a batch.

use super::Perturb;
use crate::{Arena, Error, Result, Slot};

/// Integers below this are exact in f32.
const MOST_NUMBER: u32 = 1 << 24;

/// Parameters of one image for the next operations, each of which reads those that it needs. Written by
/// [`Perturb::write_controls`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Control {
    /// Radius of the ball about the original, in pixel units.
    pub epsilon: f32,
    /// Step size in pixel units: per value (L∞), or in Euclidean norm (L2). Negative steps descend, as in targeted attacks; 0
    /// does not move the image.
    pub step: f32,
    /// Decay of the accumulated gradient in [`accumulate`](super::accumulate).
    pub momentum: f32,
    /// Weight of the new step in [`step_apgd`](super::step_apgd), from 0 to 1; 1 - alpha is that of the previous step.
    pub alpha: f32,
    /// Whether [`keep`](super::keep) copies this image.
    pub keep: bool,
    /// The image's number, below 2^24. Its random numbers are a function of it, independent of its position in a batch.
    pub image: u32,
    /// The number of the draw, below 2^24: the same image, draw and seed give the same random numbers.
    pub draw: u32,
    /// The window's upper edge, for [`square`](super::square).
    pub row: u32,
    /// The window's left edge.
    pub column: u32,
    /// The window's height and width; 0 for none.
    pub side: u32,
}

impl Default for Control {
    /// Nothing moves: epsilon, step and momentum 0, alpha 1, no window.
    fn default() -> Self {
        Control {
            epsilon: 0.0,
            step: 0.0,
            momentum: 0.0,
            alpha: 1.0,
            keep: false,
            image: 0,
            draw: 0,
            row: 0,
            column: 0,
            side: 0,
        }
    }
}

impl Control {
    /// The layout of kernels/perturb.cu.
    pub(super) fn floats(&self) -> [f32; Perturb::CONTROLS] {
        let number = |v: u32| v as f32;
        [
            // +0 for -0: the ball's bounds would keep the sign of a zero.
            self.epsilon + 0.0,
            self.step,
            self.momentum,
            self.alpha,
            f32::from(u8::from(self.keep)),
            number(self.image),
            number(self.draw),
            number(self.row),
            number(self.column),
            number(self.side),
        ]
    }

    /// From the floats of a tensor, whatever they are: casts truncate, and make 0 of NaN and negative numbers.
    pub(super) fn from_floats(floats: &[f32]) -> Self {
        let number = |at: usize| floats[at] as u32;
        Control {
            epsilon: floats[0],
            step: floats[1],
            momentum: floats[2],
            alpha: floats[3],
            keep: floats[4] != 0.0,
            image: number(5),
            draw: number(6),
            row: number(7),
            column: number(8),
            side: number(9),
        }
    }
}

impl Perturb {
    /// Floats of one image's [`Control`].
    pub const CONTROLS: usize = 10;

    /// Values of the operand `controls`: [`CONTROLS`](Self::CONTROLS) for each image of a batch.
    pub fn controls_len(&self) -> usize {
        Self::CONTROLS * self.batch
    }

    /// Writes the operand `controls`. Where there are fewer controls than images, the last one is repeated.
    ///
    /// # Errors
    /// [`Error::Argument`] for no controls or more than images, a number that is not finite, an epsilon below 0, an
    /// alpha that is not from 0 to 1, an image or a draw of 2^24 or more, a window that leaves the image; as
    /// [`Arena::write`].
    pub fn write_controls(&self, arena: &mut Arena, slot: Slot, controls: &[Control]) -> Result<()> {
        let given = controls.len();
        let Some(last) = controls.last().filter(|_| given <= self.batch) else {
            return Err(Error::Argument(format!(
                "perturb: {given} controls for a batch of {}: at least 1 is needed, and no more than the batch has",
                self.batch
            )));
        };
        for (at, control) in controls.iter().enumerate() {
            self.check(control)
                .map_err(|what| Error::Argument(format!("perturb: control {at} has {what}")))?;
        }
        let padded = controls.iter().chain(std::iter::repeat(last)).take(self.batch);
        let floats: Vec<f32> = padded.flat_map(Control::floats).collect();
        arena.write(slot, &floats)
    }

    fn check(&self, control: &Control) -> std::result::Result<(), String> {
        let &Control { epsilon, step, momentum, alpha, image, draw, row, column, side, .. } = control;
        if !(0.0..f32::INFINITY).contains(&epsilon) {
            return Err(format!("an epsilon of {epsilon}: it must be finite, and 0 or more"));
        }
        for (what, value) in [("a step", step), ("a momentum", momentum)] {
            if !value.is_finite() {
                return Err(format!("{what} of {value}: it must be finite"));
            }
        }
        if !(0.0..=1.0).contains(&alpha) {
            return Err(format!("an alpha of {alpha}: it must be from 0 to 1"));
        }
        for (what, number) in [("image", image), ("draw", draw)] {
            if number >= MOST_NUMBER {
                return Err(format!("{what} {number}: it must be below 2^24"));
            }
        }
        let within = |from: u32, len: usize| u64::from(from) + u64::from(side) <= len as u64;
        if side > 0 && !(within(row, self.height) && within(column, self.width)) {
            let (height, width) = (self.height, self.width);
            return Err(format!(
                "a window of {side} x {side} pixels at ({row}, {column}): it must lie inside {height} x {width}"
            ));
        }
        Ok(())
    }
}
