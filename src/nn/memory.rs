//! Slots of the tensors that passes share: weights, images that stay on the device, and the tensors of an attack.

use crate::ops::perturb::Perturb;
use crate::{Layout, Slot};

/// The images that stay on the device, and their results in this epoch: all [`Slot::NONE`] without such images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data {
    /// Bytes (n, h, w, c).
    pub images: Slot,
    /// Factor and offset of each channel.
    pub scale: Slot,
    /// Each image's loss, then 1 where it was classified correctly.
    pub table: Slot,
    /// The batch's first row in the table, and its number of images.
    pub place: Slot,
    /// Whether a loss was not finite.
    pub halt: Slot,
}

impl Data {
    pub const NONE: Data = Data {
        images: Slot::NONE,
        scale: Slot::NONE,
        table: Slot::NONE,
        place: Slot::NONE,
        halt: Slot::NONE,
    };

    pub fn new(layout: &mut Layout, images: usize, [height, width, channels]: [usize; 3]) -> Self {
        Data {
            images: layout.bytes_of(images * height * width * channels),
            scale: layout.f32(2 * channels),
            table: layout.f32(2 * images),
            place: layout.f32(2),
            halt: layout.f32(1),
        }
    }
}

/// The slots of an entry of the state dict.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Its master values; none for counts of batches.
    pub value: Slot,
    pub gradient: Slot,
    /// The operand of matrix products: the bf16 copy, or the master values.
    pub factor: Slot,
    /// The optimiser's moments.
    pub moments: [Slot; 2],
}

impl Place {
    pub const NONE: Place =
        Place { value: Slot::NONE, gradient: Slot::NONE, factor: Slot::NONE, moments: [Slot::NONE; 2] };
}

/// The tensors of an attack: images (n, h, w, c) in f32 pixel units, unless stated otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttackTensors {
    /// The originals.
    pub origin: Slot,
    /// The images as they are now.
    pub x: Slot,
    /// The images of the step before.
    pub previous: Slot,
    /// The best images so far.
    pub best: Slot,
    /// The accumulated gradient, which steps follow.
    pub direction: Slot,
    /// The best images' direction.
    pub best_direction: Slot,
    /// Per-image parameters of attacks: (n, [`Perturb::CONTROLS`]).
    pub controls: Slot,
    /// Controls that select the images to keep or restore.
    pub choice: Slot,
    /// Factors, then offsets, of channels.
    pub scale: Slot,
    /// Norms of gradients (n, 3).
    pub norms: Slot,
}

impl AttackTensors {
    /// For a network that is not attacked.
    pub(super) const NONE: AttackTensors = AttackTensors {
        origin: Slot::NONE,
        x: Slot::NONE,
        previous: Slot::NONE,
        best: Slot::NONE,
        direction: Slot::NONE,
        best_direction: Slot::NONE,
        controls: Slot::NONE,
        choice: Slot::NONE,
        scale: Slot::NONE,
        norms: Slot::NONE,
    };

    pub(super) fn new(layout: &mut Layout, batch: usize, [height, width, channels]: [usize; 3]) -> Self {
        let images = batch * height * width * channels;
        let controls = batch * Perturb::CONTROLS;
        AttackTensors {
            origin: layout.f32(images),
            x: layout.f32(images),
            previous: layout.f32(images),
            best: layout.f32(images),
            direction: layout.f32(images),
            best_direction: layout.f32(images),
            controls: layout.f32(controls),
            choice: layout.f32(controls),
            scale: layout.f32(2 * channels),
            norms: layout.f32(3 * batch),
        }
    }

    pub(super) fn all(&self) -> [Slot; 10] {
        let &AttackTensors {
            origin,
            x,
            previous,
            best,
            direction,
            best_direction,
            controls,
            choice,
            scale,
            norms,
        } = self;
        [origin, x, previous, best, direction, best_direction, controls, choice, scale, norms]
    }
}
