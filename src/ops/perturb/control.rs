//! Per-image parameters of a batch.

use super::Perturb;
use crate::{Arena, Error, Result, Slot};

/// Numbers from here on are not all floats.
const MOST_NUMBER: u32 = 1 << 24;

/// Parameters of one image for the next operations; each reads those that it uses. Written by
/// [`Perturb::write_controls`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Control {
    /// Radius of the ball about the original that x stays in, in pixel units.
    pub epsilon: f32,
    /// How far a step goes, in pixel units: in each value (L∞), or by the Euclidean norm (L2). Below 0 it goes against
    /// the gradient, as in targeted attacks; 0 leaves the image where it is.
    pub step: f32,
    /// What [`accumulate`](super::accumulate) keeps of the gradients before.
    pub momentum: f32,
    /// How much of a step [`step_apgd`](super::step_apgd) takes, from 0 to 1; the rest goes on as the step before went.
    pub alpha: f32,
    /// Whether [`keep`](super::keep) keeps this image.
    pub keep: bool,
    /// The image's number, below 2^24, which its random numbers are a function of: they are the same wherever in a
    /// batch it stands.
    pub image: u32,
    /// Which of the image's draws the next one is, below 2^24: the same image, draw and seed give the same numbers.
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
    /// As kernels/perturb.cu reads them.
    pub(super) fn floats(&self) -> [f32; Perturb::CONTROLS] {
        let number = |v: u32| v as f32;
        [
            // +0 for -0: the ends of the ball keep the sign of a zero.
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

    /// Tells each image of the batch what the next operations read. Where there are fewer controls than images, the
    /// last one is for all that are left.
    ///
    /// # Errors
    /// [`Error::Argument`] for no controls or more than images, a number that is not finite, an epsilon below 0, an
    /// alpha that is not from 0 to 1, an image or a draw of 2^24 or more, a window that leaves the image; as
    /// [`Arena::write`].
    pub fn write_controls(&self, arena: &mut Arena, slot: Slot, controls: &[Control]) -> Result<()> {
        let given = controls.len();
        let Some(last) = controls.last().filter(|_| given <= self.batch) else {
            return Err(Error::Argument(format!(
                "perturb: {given} controls for a batch of {}: from 1 on, and no more than it has",
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
                "a window of {side} x {side} pixels from ({row}, {column}) on: it must lie inside {height} x {width}"
            ));
        }
        Ok(())
    }
}
