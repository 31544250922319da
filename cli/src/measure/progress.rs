//! Bars for the long steps, on stderr and not where that is no terminal, and the clock.

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use std::time::Instant;

/// A bar of so many things; it goes when it is dropped.
pub fn bar(what: &'static str, len: usize) -> ProgressBar {
    styled(what, len as u64, "{pos}/{len}")
}

/// A bar for a fraction: [`show`] moves it.
pub fn fraction_bar(what: &'static str) -> ProgressBar {
    styled(what, 1000, "{percent} %")
}

pub fn show(bar: &ProgressBar, done: f64) {
    bar.set_position((done * 1000.0) as u64);
}

fn styled(what: &'static str, len: u64, count: &str) -> ProgressBar {
    let template = format!("{{prefix:15}} [{{bar:40}}] {count} {{eta}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(len)
        .with_style(style.progress_chars("=> "))
        .with_prefix(what)
        .with_finish(ProgressFinish::AndClear)
}

pub struct Clock {
    last: Instant,
}

impl Clock {
    pub fn start() -> Self {
        Clock { last: Instant::now() }
    }

    /// Seconds since the last lap.
    pub fn lap(&mut self) -> f64 {
        let now = Instant::now();
        let lap = (now - self.last).as_secs_f64();
        self.last = now;
        lap
    }
}
