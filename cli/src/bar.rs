//! How progress bars look, and how lines are printed beside them.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, Write};

/// A line of its own, above the bar where that is shown.
pub fn say(bar: &ProgressBar, quiet: bool, line: &str) {
    if quiet {
        return;
    }
    if bar.is_hidden() {
        // Not eprintln!, which panics where stderr is closed.
        let _ = writeln!(io::stderr(), "{line}");
    } else {
        bar.println(line);
    }
}

/// Prefix, bar, progress as `count` formats it, and the time left.
pub fn style(count: &str) -> ProgressStyle {
    let template = format!("{{prefix:15}} [{{bar:40}}] {count} {{eta}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}
