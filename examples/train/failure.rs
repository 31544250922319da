//! Why there is no result, with the exit code.

use sharpdim::Error;

/// A message, and an exit code: 2 for a command line that makes no sense, 1 for all else.
pub struct Failure {
    pub code: u8,
    pub message: String,
}

impl Failure {
    /// The command line makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Failure { code: 2, message: message.into() }
    }

    pub fn new(message: impl Into<String>) -> Self {
        Failure { code: 1, message: message.into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::new(error.to_string())
    }
}
