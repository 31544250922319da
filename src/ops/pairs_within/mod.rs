//! `pairs_within`: all pairs of samples within a radius, without storing the N x N matrix.

mod cpu;
#[cfg(gpu)]
mod cuda;

use super::Progress;
use crate::{Device, Error, Points, Result};

/// A device's result.
enum Found {
    /// All pairs, sorted.
    Pairs(Vec<(u32, u32, f64)>),
    /// Too many pairs: `within` of them; the first beyond the limit has the squared distance `squared`.
    TooMany { within: u64, squared: f64 },
}

/// All unordered pairs of samples whose squared distance is at most `squared_radius` (in the data's units
/// squared): the two samples, the lower index first, and the squared distance, sorted by the samples.
///
/// Squared distances are exact integers for 8-bit data, and within 1e-12 relative of the truth for floats,
/// recomputed as sums of squared differences; on every device, pairs that close to the radius are decided by
/// f64 sums on the CPU. Memory grows with the pairs found, of which at most `most` are returned.
///
/// # Errors
/// [`Error::Argument`] where the radius is negative, NaN or infinite, or `most` is 0; [`Error::Data`] where
/// more than `most` pairs are within it: the message gives their number, and a radius that is small enough; [`Error::Device`] where the device fails.
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

/// As [`pairs_within`], with a progress callback.
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
                "no radius is small enough, as too many samples are identical".into()
            }
        ))),
    }
}

/// Checked input of all devices.
struct Task<'a> {
    points: &'a Points<'a>,
    squared: f64,
    most: usize,
}
