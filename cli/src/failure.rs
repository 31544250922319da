//! How the program ends: with what it prints, or with why there is no result, and the exit code.

use sharpdim::Error;
use std::io::{self, Write};
use std::process::ExitCode;

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

    /// The library's error; a bad argument is a mistake of the command line.
    pub fn asked(error: Error) -> Self {
        match error {
            Error::Argument(message) => Failure::usage(message),
            other => other.into(),
        }
    }

    /// The same, with the dataset it is about.
    pub fn in_dataset(self, dataset: &str) -> Self {
        Failure { message: format!("{dataset}: {}", self.message), ..self }
    }
}

/// The library's error, and what on the command line may help.
pub fn advise(error: Error, advice: &str) -> Failure {
    Failure::new(format!("{error}; {advice}"))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::new(error.to_string())
    }
}

/// The program's exit code; a failure's message goes to stderr.
pub fn ended(done: Result<u8, Failure>) -> ExitCode {
    done.map_or_else(
        |failure| {
            // Not eprintln!, which panics where stderr is closed.
            let _ = writeln!(io::stderr(), "sharpdim: {}", failure.message);
            ExitCode::from(failure.code)
        },
        ExitCode::from,
    )
}

/// Prints the result.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        // A closed pipe is no error: the reader, as `head`, has enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write the result: {error}")))
        }
        _ => Ok(()),
    }
}
