//! The operations of adversarial attacks between passes of a network: projected gradient steps in a ball about the original,
//! random starts and squares. They work on a batch of f32 images x in pixel units, whose originals are x0; the network's
//! input is y = x scale\[c\] + shift\[c\] (as in [`take_images`](super::take_images)), so that the gradient with respect to
//! pixels is g scale\[c\], g being the gradient with respect to y.
//!
//! Operands, where an operation has them:
//!
//! | | shape | |
//! |---|---|---|
//! | `origin`, `x`, `previous`, ... | (batch, height, width, channels) | f32 |
//! | `g` | (batch, height, width, channels) | f32 or bf16: the gradient with respect to y |
//! | `y` | (batch, height, width, channels) | f32 or bf16, written: the network's next input; [`Slot::NONE`] where it is not wanted |
//! | `controls` | (batch, [`Perturb::CONTROLS`]) | f32: written by [`Perturb::write_controls`] |
//! | `scale` | (2, channels) | f32: the scales, all above 0, then the shifts |
//! | `norms` | (batch, 3) | f32: written by [`gradient_norms`] |
//!
//! Everything that changes between images and iterations is in `controls`: a recorded iteration ([`Arena::record`]) reads
//! the current controls at each run.
//!
//! **The ball is held exactly.** For finite originals, all values of which lie in the range, and any finite x and
//! gradient, every x that is written lies in the range and, as real numbers, |x - x0| <= epsilon in each value (L∞), or
//! ||x - x0|| <= epsilon (1 + 1e-6) (L2): results are rounded towards x0. An epsilon of 0 gives x0 to the bit.
//! Where an original lies outside the range, the result lies in the range.
//!
//! Every device gives the same bits, except for [`Noise::Ball`], whose logarithms and sines may differ by a unit in the
//! last place.
//!
//! ```
//! use sharpdim::ops::perturb::{self, Control, Noise, Norm, Perturb};
//! use sharpdim::{Device, Layout, Precision, Slot};
//! // One image of 1 x 2 pixels, with a gradient as from a network's backward pass.
//! let p = Perturb::new(1, [1, 2, 1], [0.0, 255.0])?;
//! let mut layout = Layout::new(Precision::F32);
//! let [origin, x] = [2, 2].map(|len| layout.f32(len));
//! let (g, y) = (layout.values(2), layout.values(2));
//! let (controls, scale) = (layout.f32(p.controls_len()), layout.f32(2));
//! let mut arena = layout.build(&Device::cpu())?;
//! arena.write(origin, &[100.0, 254.0])?;
//! arena.write(scale, &[0.5, -1.0])?;
//! p.write_controls(&mut arena, controls, &[Control { epsilon: 8.0, step: 2.0, ..Control::default() }])?;
//! // Projected gradient descent: a random start in the ball, then steps.
//! perturb::noise(&mut arena, &p, origin, x, controls, scale, y, Noise::Uniform, 7)?;
//! for _ in 0..10 {
//!     arena.write(g, &[-0.25, 0.75])?;
//!     perturb::step(&mut arena, &p, Norm::Linf, origin, x, g, controls, scale, y)?;
//! }
//! assert_eq!(arena.to_vec(x)?, [92.0, 255.0]);
//! assert_eq!(arena.to_vec(y)?, [45.0, 126.5]);
//! # Ok::<(), sharpdim::Error>(())
//! ```

mod control;
mod cpu;
#[cfg(gpu)]
mod cuda;
mod operands;

use super::operand::Extents;
use crate::device::On;
use crate::{Arena, Error, Result, Slot};
pub use control::Control;
use operands::{Operands, Work};

/// A batch's shape, and the range of pixels' values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Perturb {
    /// Images in a batch.
    pub batch: usize,
    /// Rows of pixels of an image.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
    /// The smallest value of a pixel, usually 0.
    pub low: f32,
    /// The largest value of a pixel, usually 255.
    pub high: f32,
}

/// The norm of a ball.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Norm {
    /// The greatest absolute value: each value may change by epsilon.
    Linf,
    /// The Euclidean norm of all of an image's values.
    L2,
}

/// The noise that [`noise`] draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Noise {
    /// Each value uniform from -epsilon to epsilon: uniform in the L∞ ball.
    Uniform,
    /// Each value epsilon or -epsilon.
    Signs,
    /// Uniform in the L2 ball of radius epsilon.
    Ball,
}

/// The candidates that [`square`] draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Square {
    /// The start: vertical stripes, each column of each channel changed by epsilon or -epsilon.
    Stripes,
    /// The window of an image's control: each of its channels epsilon or -epsilon from the original.
    Window,
}

impl Perturb {
    /// For batches of `batch` images of (height, width, channels), whose values go from `low` to `high`.
    ///
    /// # Errors
    /// [`Error::Argument`] for an extent of 0, 2^24 rows or columns or more, or an image of 2^31 values or more; a range
    /// that is empty or not finite.
    pub fn new(batch: usize, [height, width, channels]: [usize; 3], [low, high]: [f32; 2]) -> Result<Self> {
        let values = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
        let fits = batch > 0
            && height.max(width) < 1 << 24
            && values
                .is_some_and(|values| (1..1 << 31).contains(&values) && values.checked_mul(batch).is_some());
        if !fits {
            return Err(Error::Argument(format!(
                "perturb: {batch} images of {}: none may be 0, rows and columns must be fewer than 2^24, and an image's \
                 values than 2^31",
                Extents(&[height, width, channels])
            )));
        }
        if !(low < high && low.is_finite() && high.is_finite()) {
            return Err(Error::Argument(format!(
                "perturb: values from {low} to {high}: the range must be finite and not empty"
            )));
        }
        Ok(Perturb { batch, height, width, channels, low, high })
    }
}

/// Writes three norms of each image's gradient with respect to pixels, g scale\[c\], to `norms`: the sum of absolute values
/// (L1), the Euclidean norm (L2), and the number of values that are exactly 0, of which many indicate a gradient that is
/// masked or underflows. L1 and L2 are NaN where a value is, and infinite where they exceed f32; sums are in f64.
///
/// ```
/// use sharpdim::ops::perturb::{self, Perturb};
/// use sharpdim::{Device, Layout, Precision};
/// let p = Perturb::new(1, [1, 3, 1], [0.0, 255.0])?;
/// let mut layout = Layout::new(Precision::F32);
/// let (g, scale, norms) = (layout.values(3), layout.f32(2), layout.f32(3));
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(g, &[6.0, 0.0, -8.0])?;
/// arena.write(scale, &[0.5, 0.0])?;
/// perturb::gradient_norms(&mut arena, &p, g, scale, norms)?;
/// assert_eq!(arena.to_vec(norms)?, [7.0, 5.0, 1.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
///
/// # Errors
/// [`Error::Argument`] for an operand of another size or precision, or that shares memory with one that is written;
/// [`Error::Device`] where the device fails.
pub fn gradient_norms(arena: &mut Arena, p: &Perturb, g: Slot, scale: Slot, norms: Slot) -> Result<()> {
    let operands = Operands { g: Some(g), scale: Some(scale), other: Some(norms), ..Operands::default() };
    run(arena, p, Work::GradientNorms, operands)
}

/// The network's input: y = x scale\[c\] + shift\[c\], product and sum rounded separately, as in
/// [`take_images`](super::take_images::take).
///
/// ```
/// use sharpdim::ops::perturb::{self, Perturb};
/// use sharpdim::{Device, Layout, Precision};
/// let p = Perturb::new(1, [1, 2, 1], [0.0, 255.0])?;
/// let mut layout = Layout::new(Precision::F32);
/// let (x, scale, y) = (layout.f32(2), layout.f32(2), layout.values(2));
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(x, &[0.0, 255.0])?;
/// arena.write(scale, &[2.0 / 255.0, -1.0])?;
/// perturb::normalise(&mut arena, &p, x, scale, y)?;
/// assert_eq!(arena.to_vec(y)?, [-1.0, 1.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
///
/// # Errors
/// As [`gradient_norms`].
pub fn normalise(arena: &mut Arena, p: &Perturb, x: Slot, scale: Slot, y: Slot) -> Result<()> {
    let operands = Operands { from: Some(x), scale: Some(scale), y: Some(y), ..Operands::default() };
    run(arena, p, Work::Normalise, operands)
}

/// One step of projected gradient ascent, writing x and the network's next input y in one pass (Madry et al., *Towards deep
/// learning models resistant to adversarial attacks*, ICLR 2018; a single step from x0 is Goodfellow et al.'s fast
/// gradient sign method, ICLR 2015):
///
/// L∞: x <- P(x + step sign(g)), sign(0) and sign(NaN) being 0; P clips to x0 - epsilon .. x0 + epsilon.
///
/// L2: x <- P(x + step g' / ||g'||), g' = g scale\[c\]; P scales x - x0 down to a norm of epsilon. An image whose ||g'||
/// is 0 or not finite does not move.
///
/// Both then clip to the range. `g` may also be the sum of [`accumulate`], whatever the network's precision.
///
/// ```
/// use sharpdim::ops::perturb::{self, Control, Norm, Perturb};
/// use sharpdim::{Device, Layout, Precision, Slot};
/// let p = Perturb::new(1, [1, 2, 1], [0.0, 255.0])?;
/// let mut layout = Layout::new(Precision::F32);
/// let [origin, x, g, scale] = [2; 4].map(|len| layout.f32(len));
/// let controls = layout.f32(p.controls_len());
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(origin, &[100.0, 50.0])?;
/// arena.write(x, &[100.0, 50.0])?;
/// arena.write(g, &[3.0, -4.0])?;
/// arena.write(scale, &[1.0, 0.0])?;
/// p.write_controls(&mut arena, controls, &[Control { epsilon: 8.0, step: 5.0, ..Control::default() }])?;
/// perturb::step(&mut arena, &p, Norm::L2, origin, x, g, controls, scale, Slot::NONE)?;
/// assert_eq!(arena.to_vec(x)?, [103.0, 46.0]);
/// perturb::step(&mut arena, &p, Norm::Linf, origin, x, g, controls, scale, Slot::NONE)?;
/// assert_eq!(arena.to_vec(x)?, [108.0, 42.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
///
/// # Errors
/// As [`gradient_norms`].
#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub fn step(
    arena: &mut Arena,
    p: &Perturb,
    ball: Norm,
    origin: Slot,
    x: Slot,
    g: Slot,
    controls: Slot,
    scale: Slot,
    y: Slot,
) -> Result<()> {
    let operands = Operands {
        origin: Some(origin),
        x: Some(x),
        g: Some(g),
        controls: Some(controls),
        scale: Some(scale),
        y: Some(y),
        ..Operands::default()
    };
    run(arena, p, Work::Step(ball), operands)
}

/// Accumulates gradients with momentum (Dong et al., *Boosting adversarial attacks with momentum*, CVPR 2018):
/// sum <- momentum sum + g / ||g'||_1, with the L1 norm with respect to pixels from `norms`, written by [`gradient_norms`]
/// for the same gradient; nothing is added where the norm is 0 or not finite. `sum` (f32, like x) starts at 0, and is with
/// respect to y, as g is: [`step`] accepts it as g.
///
/// ```
/// use sharpdim::ops::perturb::{self, Control, Perturb};
/// use sharpdim::{Device, Layout, Precision};
/// let p = Perturb::new(1, [1, 2, 1], [0.0, 255.0])?;
/// let mut layout = Layout::new(Precision::F32);
/// let [g, scale, sum] = [2; 3].map(|len| layout.f32(len));
/// let (norms, controls) = (layout.f32(3), layout.f32(p.controls_len()));
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(g, &[3.0, -1.0])?;
/// arena.write(scale, &[1.0, 0.0])?;
/// p.write_controls(&mut arena, controls, &[Control { momentum: 1.0, ..Control::default() }])?;
/// perturb::gradient_norms(&mut arena, &p, g, scale, norms)?;
/// for _ in 0..2 {
///     perturb::accumulate(&mut arena, &p, g, norms, controls, sum)?;
/// }
/// assert_eq!(arena.to_vec(sum)?, [1.5, -0.5]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
///
/// # Errors
/// As [`gradient_norms`].
pub fn accumulate(
    arena: &mut Arena,
    p: &Perturb,
    g: Slot,
    norms: Slot,
    controls: Slot,
    sum: Slot,
) -> Result<()> {
    let operands = Operands {
        g: Some(g),
        norms: Some(norms),
        controls: Some(controls),
        other: Some(sum),
        ..Operands::default()
    };
    run(arena, p, Work::Accumulate, operands)
}

/// One step of auto-PGD (Croce & Hein, *Reliable evaluation of adversarial robustness with an ensemble of diverse
/// parameter-free attacks*, ICML 2020), with projection P and direction of [`step`]:
///
/// z = P(x + step direction(g)),  new = P(x + alpha (z - x) + (1 - alpha) (x - previous)),  previous <- x,  x <- new
///
/// An alpha of 1, as in the first step, gives z, and does not read `previous`.
///
/// ```
/// use sharpdim::ops::perturb::{self, Control, Norm, Perturb};
/// use sharpdim::{Device, Layout, Precision, Slot};
/// let p = Perturb::new(1, [1, 2, 1], [0.0, 255.0])?;
/// let mut layout = Layout::new(Precision::F32);
/// let [origin, x, previous, g, scale] = [2; 5].map(|len| layout.f32(len));
/// let controls = layout.f32(p.controls_len());
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(origin, &[100.0, 50.0])?;
/// arena.write(x, &[100.0, 50.0])?;
/// arena.write(g, &[1.0, -1.0])?;
/// arena.write(scale, &[1.0, 0.0])?;
/// for alpha in [1.0, 0.75] {
///     let told = Control { epsilon: 8.0, step: 4.0, alpha, ..Control::default() };
///     p.write_controls(&mut arena, controls, &[told])?;
///     perturb::step_apgd(&mut arena, &p, Norm::Linf, origin, x, previous, g, controls, scale, Slot::NONE)?;
/// }
/// assert_eq!(arena.to_vec(previous)?, [104.0, 46.0]);
/// assert_eq!(arena.to_vec(x)?, [108.0, 42.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
///
/// # Errors
/// As [`gradient_norms`].
#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub fn step_apgd(
    arena: &mut Arena,
    p: &Perturb,
    ball: Norm,
    origin: Slot,
    x: Slot,
    previous: Slot,
    g: Slot,
    controls: Slot,
    scale: Slot,
    y: Slot,
) -> Result<()> {
    let operands = Operands {
        origin: Some(origin),
        x: Some(x),
        other: Some(previous),
        g: Some(g),
        controls: Some(controls),
        scale: Some(scale),
        y: Some(y),
        ..Operands::default()
    };
    run(arena, p, Work::StepApgd(ball), operands)
}

/// A random start: x <- x0 + noise, in the ball and the range, and the network's input y.
///
/// Words are Philox 4x32-10's (Salmon et al. 2011): key (seed's low and high word), counter (index / 4, the image's
/// number, its draw, 1 for [`Noise::Uniform`], 2 for [`Noise::Signs`], 3 for [`Noise::Ball`]), and word index % 4 for a
/// value's index in its image. [`Noise::Ball`] makes two normal numbers from two words (Box & Muller 1958), scaled to a norm
/// of epsilon u^(1 / values), with u from the counter's index 2^32 - 1.
///
/// ```
/// use sharpdim::ops::perturb::{self, Control, Noise, Perturb};
/// use sharpdim::{Device, Layout, Precision, Slot};
/// let p = Perturb::new(2, [1, 2, 1], [0.0, 255.0])?;
/// let mut layout = Layout::new(Precision::F32);
/// let [origin, x] = [4, 4].map(|len| layout.f32(len));
/// let (controls, scale) = (layout.f32(p.controls_len()), layout.f32(2));
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(origin, &[100.0; 4])?;
/// let told = [5, 3].map(|image| Control { epsilon: 8.0, image, ..Control::default() });
/// p.write_controls(&mut arena, controls, &told)?;
/// perturb::noise(&mut arena, &p, origin, x, controls, scale, Slot::NONE, Noise::Signs, 1)?;
/// assert!(arena.to_vec(x)?.iter().all(|v| *v == 92.0 || *v == 108.0));
/// # Ok::<(), sharpdim::Error>(())
/// ```
///
/// # Errors
/// As [`gradient_norms`].
#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub fn noise(
    arena: &mut Arena,
    p: &Perturb,
    origin: Slot,
    x: Slot,
    controls: Slot,
    scale: Slot,
    y: Slot,
    kind: Noise,
    seed: u64,
) -> Result<()> {
    let operands = Operands {
        origin: Some(origin),
        x: Some(x),
        controls: Some(controls),
        scale: Some(scale),
        y: Some(y),
        ..Operands::default()
    };
    run(arena, p, Work::Noise(kind, seed), operands)
}

/// Copies selected images: best <- x where [`Control::keep`].
///
/// ```
/// use sharpdim::ops::perturb::{self, Control, Perturb};
/// use sharpdim::{Device, Layout, Precision};
/// let p = Perturb::new(2, [1, 1, 1], [0.0, 255.0])?;
/// let mut layout = Layout::new(Precision::F32);
/// let [x, best] = [2, 2].map(|len| layout.f32(len));
/// let controls = layout.f32(p.controls_len());
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(x, &[1.0, 2.0])?;
/// p.write_controls(&mut arena, controls, &[false, true].map(|keep| Control { keep, ..Control::default() }))?;
/// perturb::keep(&mut arena, &p, x, best, controls)?;
/// assert_eq!(arena.to_vec(best)?, [0.0, 2.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
///
/// # Errors
/// As [`gradient_norms`].
pub fn keep(arena: &mut Arena, p: &Perturb, x: Slot, best: Slot, controls: Slot) -> Result<()> {
    let operands =
        Operands { from: Some(x), other: Some(best), controls: Some(controls), ..Operands::default() };
    run(arena, p, Work::Keep, operands)
}

/// A candidate of the Square Attack in the L∞ ball (Andriushchenko et al., *Square Attack: a query-efficient black-box
/// adversarial attack via random search*, ECCV 2020), and its network input y: x0 + epsilon or x0 - epsilon where
/// `kind` draws, clipped to the range, and x elsewhere. `x` is the best candidate so far, and may be `origin`.
///
/// The sign is bit 31 of a word as in [`noise`], with counter (column channels + channel, ..., 4) for [`Square::Stripes`] and
/// (channel, ..., 5) for [`Square::Window`].
///
/// ```
/// use sharpdim::ops::perturb::{self, Control, Perturb, Square};
/// use sharpdim::{Device, Layout, Precision, Slot};
/// let p = Perturb::new(1, [2, 3, 1], [0.0, 255.0])?;
/// let mut layout = Layout::new(Precision::F32);
/// let [x, candidate] = [6, 6].map(|len| layout.f32(len));
/// let (controls, scale) = (layout.f32(p.controls_len()), layout.f32(2));
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(x, &[100.0; 6])?;
/// let told = Control { epsilon: 8.0, row: 0, column: 1, side: 2, ..Control::default() };
/// p.write_controls(&mut arena, controls, &[told])?;
/// perturb::square(&mut arena, &p, x, x, candidate, controls, scale, Slot::NONE, Square::Window, 1)?;
/// let moved: Vec<f32> = arena.to_vec(candidate)?.iter().map(|v| (v - 100.0).abs()).collect();
/// assert_eq!(moved, [0.0, 8.0, 8.0, 0.0, 8.0, 8.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
///
/// # Errors
/// As [`gradient_norms`].
#[allow(clippy::too_many_arguments, reason = "an operation's operands")]
pub fn square(
    arena: &mut Arena,
    p: &Perturb,
    origin: Slot,
    x: Slot,
    candidate: Slot,
    controls: Slot,
    scale: Slot,
    y: Slot,
    kind: Square,
    seed: u64,
) -> Result<()> {
    let operands = Operands {
        origin: Some(origin),
        from: Some(x),
        other: Some(candidate),
        controls: Some(controls),
        scale: Some(scale),
        y: Some(y),
        ..Operands::default()
    };
    run(arena, p, Work::Square(kind, seed), operands)
}

/// Checks all operands, and runs the operation on the device.
fn run(arena: &mut Arena, p: &Perturb, work: Work, operands: Operands) -> Result<()> {
    let (reads, writes) = operands::checked(p, work, operands)?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([origin, from, g, norms, controls, scale], [x, other, y]) = floats.split(reads, writes);
            cpu::run(p, work, cpu::Tensors { origin, from, g, norms, controls, scale }, [x, other, y]);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::run(gpu, at, p, work, reads, writes),
    }
}
