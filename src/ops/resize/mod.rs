//! Preparing images: scaling each by its own maximum to 8 bits, and resizing it bilinearly, with the
//! numbers of the paper's preprocessing (PyTorch's `interpolate`). One image on the CPU, a batch on any device. And
//! [`Embedding`], which has the distances between enlarged images without their pixels.

mod cpu;
#[cfg(gpu)]
mod cuda;
mod embed;

pub use crate::geometry::Geometry;
pub use cpu::*;
pub use embed::Embedding;

use crate::{Device, Error, Result};
use rayon::prelude::*;

/// The values of a batch of images of equal size, row-major: image, row, column, channel.
#[derive(Clone, Copy, Debug)]
pub enum Pixels<'a> {
    /// 8-bit.
    U8(&'a [u8]),
    /// 16-bit.
    U16(&'a [u16]),
    /// Floats.
    F32(&'a [f32]),
}

impl Pixels<'_> {
    fn len(&self) -> usize {
        match self {
            Pixels::U8(values) => values.len(),
            Pixels::U16(values) => values.len(),
            Pixels::F32(values) => values.len(),
        }
    }
}

/// Height, width and channels of an image.
///
/// ```
/// use sharpdim::{Device, ops::resize::{Extents, Pixels, resize}};
/// let rgb: Extents = [1, 1, 3];
/// assert_eq!(resize(&Device::cpu(), Pixels::F32(&[1.0, 2.0, 3.0]), rgb, [1, 2], true)?, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub type Extents = [usize; 3];

/// Resizes a batch of images to `size`, height and width: bilinear, half-pixel centres, antialiased on
/// request. Every device gives the same bits.
///
/// # Errors
/// [`Error::Argument`] where an extent is 0 or the values do not make whole images; [`Error::Device`]
/// where the device fails.
///
/// ```
/// use sharpdim::{Device, ops::resize::{Pixels, resize}};
/// let two = [0u8, 8, 10, 20];
/// let wide = resize(&Device::cpu(), Pixels::U8(&two), [1, 2, 1], [1, 4], false)?;
/// assert_eq!(wide, [0.0, 2.0, 6.0, 8.0, 10.0, 12.5, 17.5, 20.0]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn resize(
    device: &Device,
    pixels: Pixels<'_>,
    image: Extents,
    size: [usize; 2],
    antialias: bool,
) -> Result<Vec<f32>> {
    let [height, width, channels] = image;
    count(pixels.len(), image)?;
    if size.contains(&0) || size.iter().chain(&image).any(|extent| *extent > u16::MAX as usize) {
        return Err(Error::Argument(format!(
            "{height} x {width} x {channels} cannot be resized to {} x {}: extents are 1 to 65535",
            size[0], size[1]
        )));
    }
    #[cfg(gpu)]
    if let Some(gpu) = device.gpu() {
        return cuda::resize(gpu, pixels, image, size, antialias);
    }
    #[cfg(not(gpu))]
    let _ = device;
    let (values, out_values) = (height * width * channels, size[0] * size[1] * channels);
    let mut out = vec![0.0; pixels.len() / values * out_values];
    out.par_chunks_mut(out_values).enumerate().for_each(|(at, out)| {
        let source = at * values..(at + 1) * values;
        let [out_height, out_width] = size;
        match pixels {
            Pixels::U8(all) => {
                resize_bilinear(&all[source], height, width, channels, out, out_height, out_width, antialias);
            }
            Pixels::U16(all) => {
                resize_bilinear(&all[source], height, width, channels, out, out_height, out_width, antialias);
            }
            Pixels::F32(all) => {
                resize_bilinear(&all[source], height, width, channels, out, out_height, out_width, antialias);
            }
        }
    });
    Ok(out)
}

/// Scales each image of a batch by its own maximum to 8 bits: `floor(v * 255 / max)`.
///
/// # Errors
/// [`Error::Argument`] where an extent is 0 or the values do not make whole images; [`Error::Data`] where
/// a float is negative or not finite, with the image and its position; [`Error::Device`] where the device
/// fails.
///
/// ```
/// use sharpdim::{Device, ops::resize::{Pixels, scale_by_max}};
/// let images = Pixels::U16(&[0, 500, 1000, 3, 2, 1]);
/// assert_eq!(scale_by_max(&Device::cpu(), images, [1, 3, 1])?, [0, 127, 255, 255, 170, 85]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn scale_by_max(device: &Device, pixels: Pixels<'_>, image: Extents) -> Result<Vec<u8>> {
    let values: usize = image.iter().product();
    count(pixels.len(), image)?;
    let (out, bad) = scale(device, pixels, values)?;
    if let Some((at, place)) = bad {
        return Err(Error::Data(format!(
            "image {at} has a value at position {place} that is negative or not finite: scaling by the maximum needs neither"
        )));
    }
    Ok(out)
}

/// An image, and a position in it.
type Place = (usize, usize);

/// The scaled images, and the first image with a value that cannot be scaled, with its position.
fn scale(device: &Device, pixels: Pixels<'_>, values: usize) -> Result<(Vec<u8>, Option<Place>)> {
    #[cfg(gpu)]
    if let Some(gpu) = device.gpu() {
        return cuda::scale(gpu, pixels, values);
    }
    #[cfg(not(gpu))]
    let _ = device;
    let mut out = vec![0; pixels.len()];
    let bad = out
        .par_chunks_mut(values)
        .enumerate()
        .filter_map(|(at, out)| {
            let source = at * values..(at + 1) * values;
            match pixels {
                Pixels::U8(all) => scale_by_max_u8(&all[source], out),
                Pixels::U16(all) => scale_by_max_u16(&all[source], out),
                Pixels::F32(all) => {
                    return scale_by_max_f32(&all[source], out).err().map(|place| (at, place));
                }
            }
            None
        })
        .min();
    Ok((out, bad))
}

/// The number of images in `len` values.
fn count(len: usize, [height, width, channels]: Extents) -> Result<usize> {
    let values = height * width * channels;
    if values == 0 || !len.is_multiple_of(values) {
        return Err(Error::Argument(format!(
            "{len} values do not make whole images of {height} x {width} x {channels}"
        )));
    }
    Ok(len / values)
}
