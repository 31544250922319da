//! `pairs_within`: all pairs of samples that are no further from each other than a radius, never holding
//! the N x N matrix.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::Progress;
use crate::{Device, Error, Points, Result};

/// What the devices' code hands back.
enum Found {
    /// All of them, sorted.
    Pairs(Vec<(u32, u32, f64)>),
    /// There are `within` of them, more than are wanted; the first that is too many is at `squared`.
    TooMany { within: u64, squared: f64 },
}

/// All unordered pairs of samples whose squared distance is at most `squared_radius` (in the data's units
/// squared): the two samples, the lower index first, and the squared distance, sorted by the samples.
///
/// Squared distances are exact integers for 8-bit data, and within 1e-12 relative of the truth for floats,
/// recomputed as sums of squared differences; whatever lies that close to the radius is within or not as
/// f64 sums on the CPU say, on every device. Memory grows with the pairs found, of which at most `most`
/// are given.
///
/// # Errors
/// [`Error::Argument`] where the radius is negative, NaN or infinite, or `most` is 0; [`Error::Data`] where
/// more than `most` pairs are within it: the message says how many are, and below which radius there are
/// not too many; [`Error::Device`] where the device fails.
///
/// ```
/// use sharpdim::{Device, Points, ops::pairs_within};
/// let points = Points::u8(&[0, 0, 3, 4, 0, 1], 2)?;
/// assert_eq!(pairs_within(&Device::cpu(), &points, 18.0, 100)?, [(0, 2, 1.0), (1, 2, 18.0)]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn pairs_within(
    device: &Device,
    points: &Points<'_>,
    squared_radius: f64,
    most: usize,
) -> Result<Vec<(u32, u32, f64)>> {
    pairs_within_with(device, points, squared_radius, most, &|_| ())
}

/// As [`pairs_within`], telling `progress` how far it is.
///
/// ```
/// use sharpdim::{Device, Points, ops::pairs_within_with};
/// let points = Points::u8(&[0, 0, 3, 4, 0, 1], 2)?;
/// let found = pairs_within_with(&Device::cpu(), &points, 1.0, 100, &|done| println!("{:.0} %", 100.0 * done))?;
/// assert_eq!(found, [(0, 2, 1.0)]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn pairs_within_with(
    device: &Device,
    points: &Points<'_>,
    squared_radius: f64,
    most: usize,
    progress: Progress<'_>,
) -> Result<Vec<(u32, u32, f64)>> {
    if !(squared_radius >= 0.0 && squared_radius.is_finite()) {
        return Err(Error::Argument(format!(
            "the squared radius is {squared_radius}: it must be finite and at least 0"
        )));
    }
    if most == 0 {
        return Err(Error::Argument("at most 0 pairs are asked for: ask for at least 1".into()));
    }
    let task = Task { points, squared: squared_radius, most };
    #[cfg(gpu)]
    let found = match device.gpu() {
        Some(gpu) => cuda::pairs_within(gpu, &task, progress)?,
        None => cpu::pairs_within(&task, progress),
    };
    #[cfg(not(gpu))]
    let found = {
        let _ = device;
        cpu::pairs_within(&task, progress)
    };
    match found {
        Found::Pairs(pairs) => Ok(pairs),
        Found::TooMany { within, squared } => Err(Error::Data(format!(
            "{within} pairs of samples are within {} of each other, and at most {most} are wanted: {}",
            squared_radius.sqrt(),
            if squared > 0.0 {
                format!("take a radius below {}", squared.sqrt())
            } else {
                "so many samples are identical that no radius would do".into()
            }
        ))),
    }
}

/// What every device's code works on, checked.
struct Task<'a> {
    points: &'a Points<'a>,
    squared: f64,
    most: usize,
}
