//! The one error type of the crate: every public function that can fail returns [`Result`].
//! A message says what was wrong, where (file, row, argument), and what would be right.

use std::path::PathBuf;

/// Everything that can go wrong in this crate.
///
/// ```
/// use sharpdim::{Error, Points};
/// let error = Points::f32(&[0.0, 1.0, f32::NAN, 2.0], 2).unwrap_err();
/// assert!(matches!(error, Error::Data(_)));
/// assert_eq!(error.to_string(), "sample 1 has the value NaN at position 0: every value must be finite");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// A file's content is not what its format promises.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong in it, and what would be right.
        reason: String,
    },

    /// A file could not be fetched.
    #[error("{file} cannot be fetched: {reason}")]
    Download {
        /// The file's name.
        file: String,
        /// What each mirror said, and what would help.
        reason: String,
    },

    /// An argument, or a combination of arguments, makes no sense.
    #[error("{0}")]
    Argument(String),

    /// The data cannot be measured: too few samples, a value that is not finite, a single class.
    #[error("{0}")]
    Data(String),

    /// Training came to a loss that is not finite. The weights are those before that step.
    #[error(
        "step {step} (epoch {epoch}): the loss is {loss}: {layer} is the first with a value that is not finite; {advice}"
    )]
    Diverged {
        /// The optimiser's step, from 1 on.
        step: u32,
        /// The epoch that it is in, from 1 on.
        epoch: u32,
        /// The loss: an infinity or NaN.
        loss: f32,
        /// The layer, or the weights, in the order of the forward pass.
        layer: String,
        /// What would help.
        advice: String,
    },

    /// The caller asked for an end, as [`Target::watch`](crate::attack::Target::watch) can.
    #[error("stopped on request")]
    Stopped,

    /// The device asked for does not exist here, or this build cannot use it.
    #[error("{device} is unavailable: {reason}")]
    Unavailable {
        /// The device asked for, as `cuda:0`.
        device: String,
        /// Why, and what would help.
        reason: String,
    },

    /// A device that was open failed: out of memory, a kernel that could not be launched, a lost GPU.
    #[error("{device}: {action}: {reason}")]
    Device {
        /// The device, as `cuda:0`.
        device: String,
        /// What was being done, as `launch neighbours_tile_u8`.
        action: String,
        /// What the driver said.
        reason: String,
    },
}

/// `std::result::Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Error::Io { path: path.into(), source }
    }

    pub(crate) fn format(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Error::Format { path: path.into(), reason: reason.into() }
    }
}
