//! Checks the names of files to be written before the work, not after it.

use crate::failure::Failure;
use std::path::Path;

/// That a figure can be written to the file that an option names, by its ending.
pub fn figure(option: &str, path: &Path) -> Result<(), Failure> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("png" | "svg") => Ok(()),
        _ => Err(Failure::usage(format!(
            "{option} {}: a file that ends in .png or .svg is wanted",
            path.display()
        ))),
    }
}
