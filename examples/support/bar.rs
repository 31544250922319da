//! How the examples' progress bars look.

use indicatif::ProgressStyle;

/// What is done, a bar, how much of it as `count` says, and the time left.
pub fn style(count: &str) -> ProgressStyle {
    let template = format!("{{prefix:15}} [{{bar:40}}] {count} {{eta}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}
