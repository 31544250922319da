//! Batches of images from a set of bytes on the device: normalised, and, where asked, cropped, resized and flipped. The host
//! only sends which images a training step reads.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::operand::{Check, Extents};
use crate::device::On;
use crate::{Arena, Error, Result, Slot};

/// Floats that describe one image of a batch: row, top, left, height, width, and whether it is flipped.
pub const CHOICE: usize = 6;

/// Limit of images in a set: f32 counts exactly to there.
const MOST_IMAGES: usize = 1 << 24;

/// Limit of rows and columns: above it f32 cannot represent pixel centres.
const MOST_PIXELS: usize = 1 << 23;

/// The shape of set and batch: both have images of (height, width, channels).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TakeImages {
    /// Images in the set.
    pub images: usize,
    /// Images in a batch.
    pub batch: usize,
    /// Rows of pixels of an image.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
}

/// The source of one image of a batch: an image of the set, and a box in pixels, which may be fractional. The box is resized
/// to the whole image of the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Index of the image in the set.
    pub row: u32,
    /// Distance of the box from the image's upper edge.
    pub top: f32,
    /// Distance of the box from the image's left edge.
    pub left: f32,
    /// The box's height, 1 or more.
    pub height: f32,
    /// The box's width, 1 or more.
    pub width: f32,
    /// Whether the image is mirrored horizontally.
    pub flip: bool,
}

impl Choice {
    /// The whole image `row` of a set of images of this height and width.
    pub fn whole(row: u32, height: usize, width: usize) -> Self {
        Choice { row, top: 0.0, left: 0.0, height: height as f32, width: width as f32, flip: false }
    }
}

impl TakeImages {
    /// For a set of `images` images, and batches of `batch`.
    ///
    /// # Errors
    /// [`Error::Argument`] for an extent of 0, 2^24 images or more, 2^23 rows or columns or more, or an image of 2^31
    /// values or more.
    pub fn new(images: usize, batch: usize, [height, width, channels]: [usize; 3]) -> Result<Self> {
        let values = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
        let fits = (1..MOST_IMAGES).contains(&images)
            && batch > 0
            && height.max(width) < MOST_PIXELS
            && values
                .is_some_and(|values| (1..1 << 31).contains(&values) && values.checked_mul(batch).is_some());
        if fits {
            return Ok(TakeImages { images, batch, height, width, channels });
        }
        Err(Error::Argument(format!(
            "take_images: batches of {batch} out of {images} images of {}: none may be 0, images must be fewer than 2^24, \
             rows and columns than 2^23, and an image's values than 2^31",
            Extents(&[height, width, channels])
        )))
    }

    /// Values of the operand `choices`: [`CHOICE`] for each image of a batch.
    pub fn choices_len(&self) -> usize {
        CHOICE * self.batch
    }

    /// Values of an image.
    fn values(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Writes the operand `choices` of [`take`]. Where there are fewer choices than images in a batch, the last one is
    /// repeated.
    ///
    /// # Errors
    /// [`Error::Argument`] for no choices, more than a batch has, a row that the set does not have, or a box that is
    /// smaller than a pixel or leaves the image; as [`Arena::write`].
    pub fn write_choices(&self, arena: &mut Arena, slot: Slot, choices: &[Choice]) -> Result<()> {
        let given = choices.len();
        let Some(last) = choices.last().filter(|_| given <= self.batch) else {
            return Err(Error::Argument(format!(
                "take_images: {given} choices for a batch of {}: at least 1 is needed, and no more than the batch has",
                self.batch
            )));
        };
        for (at, choice) in choices.iter().enumerate() {
            self.check(at, choice)?;
        }
        let padded = choices.iter().chain(std::iter::repeat(last)).take(self.batch);
        let floats: Vec<f32> = padded
            .flat_map(|c| [c.row as f32, c.top, c.left, c.height, c.width, f32::from(u8::from(c.flip))])
            .collect();
        arena.write(slot, &floats)
    }

    fn check(&self, at: usize, choice: &Choice) -> Result<()> {
        let Choice { row, top, left, height, width, .. } = *choice;
        if row as usize >= self.images {
            return Err(Error::Argument(format!(
                "take_images: choice {at} is image {row}: the set has {}, counted from 0",
                self.images
            )));
        }
        // In f64, in which these sums are exact enough.
        let within = |from: f32, extent: f32, len: usize| {
            from >= 0.0 && extent >= 1.0 && f64::from(from) + f64::from(extent) <= len as f64
        };
        if within(top, height, self.height) && within(left, width, self.width) {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "take_images: choice {at} is a box of {height} x {width} pixels at ({top}, {left}): it must be 1 or more \
             pixels high and wide, and lie inside {} x {}",
            self.height, self.width
        )))
    }
}

/// The batch y (batch, height, width, channels), f32 or bf16: y\[n, i, j, c\] = value scale\[c\] + shift\[c\], product
/// and sum rounded separately. `set` is bytes (images, height, width, channels) of
/// [`Layout::bytes_of`](crate::Layout::bytes_of), `choices` what [`TakeImages::write_choices`] writes, `scale` f32
/// (2, channels): the scales, then the shifts; (1 / (255 std), -mean / std) for the mean and standard deviation of a
/// channel whose values go from 0 to 1.
///
/// `value` is linear between the four pixels around source row top + (i + 1/2) box height / height - 1/2 and the source
/// column likewise (of column width - 1 - j where flipped), both clamped to the box's first and last
/// pixel: PyTorch's bilinear `interpolate` of the box, without antialiasing. For the whole image it is the
/// byte itself. Every device gives the same bits. An image with an invalid choice is NaN.
///
/// ```
/// use sharpdim::ops::take_images::{self, Choice, TakeImages};
/// use sharpdim::{Device, Layout, Precision};
/// // Three images of one row of four pixels.
/// let op = TakeImages::new(3, 2, [1, 4, 1])?;
/// let mut layout = Layout::new(Precision::F32);
/// let (set, choices) = (layout.bytes_of(3 * 4), layout.f32(op.choices_len()));
/// let (scale, y) = (layout.f32(2), layout.values(2 * 4));
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write_bytes(set, 0, &[0, 1, 2, 3, 10, 20, 30, 40, 7, 8, 9, 10])?;
/// arena.write(scale, &[2.0, 1.0])?;
/// let flipped = Choice { flip: true, ..Choice::whole(1, 1, 4) };
/// let first_half = Choice { width: 2.0, ..Choice::whole(1, 1, 4) };
/// op.write_choices(&mut arena, choices, &[flipped, first_half])?;
/// take_images::take(&mut arena, &op, set, choices, scale, y)?;
/// assert_eq!(arena.to_vec(y)?, [81.0, 61.0, 41.0, 21.0, 21.0, 26.0, 36.0, 41.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
///
/// # Errors
/// [`Error::Argument`] for an operand of another size or precision, or that shares memory with the batch;
/// [`Error::Device`] where the device fails.
pub fn take(
    arena: &mut Arena,
    op: &TakeImages,
    set: Slot,
    choices: Slot,
    scale: Slot,
    y: Slot,
) -> Result<()> {
    let check = Check("take_images");
    let &TakeImages { images, batch, height, width, channels } = op;
    if set.len() != (images * op.values()).div_ceil(4) {
        let (has, shape) = (4 * set.len(), [images, height, width, channels]);
        return Err(Error::Argument(format!(
            "take_images: the set has {has} bytes in words of 4, its shape {} needs {}",
            Extents(&shape),
            images * op.values()
        )));
    }
    let reads = [("the set", set), ("the choices", choices), ("the scales and shifts", scale)];
    check.shape("the choices", choices, &[batch, CHOICE])?;
    check.shape("the scales and shifts", scale, &[2, channels])?;
    check.shape("the batch", y, &[batch, height, width, channels])?;
    check.floats(&reads)?;
    check.apart(&reads, &[("the batch", y)])?;
    match arena.on() {
        On::Cpu(floats) => {
            let ([set, choices, scale], [y]) = floats.split([set, choices, scale], [y]);
            cpu::take(op, set, choices, scale, y);
            Ok(())
        }
        #[cfg(gpu)]
        On::Gpu(gpu, at) => cuda::take(gpu, at, op, set, choices, scale, y),
    }
}
