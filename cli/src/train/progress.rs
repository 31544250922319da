//! Progress of a training, on stderr: a bar with images a second and the time left, and a line for each epoch.

use crate::bar::say;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sharpdim::nn::{Trainer, TrainingProgress};
use std::time::{Duration, Instant};

pub struct Watch {
    quiet: bool,
    bar: ProgressBar,
    /// Batches of all epochs.
    batches: u64,
    epochs: u32,
    begun: Instant,
    /// Batches that this run has done.
    done: u64,
    /// Images trained on, and the seconds that took.
    trained: (usize, f64),
    last: Instant,
}

impl Watch {
    pub fn start(quiet: bool, trainer: &Trainer) -> Self {
        let epochs = trainer.recipe().epochs;
        let batches = u64::from(epochs) * trainer.batches() as u64;
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(batches), target);
        let style = ProgressStyle::with_template("{prefix:15} [{bar:30}] {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        let now = Instant::now();
        Watch { quiet, bar, batches, epochs, begun: now, done: 0, trained: (0, 0.0), last: now }
    }

    /// A line of its own.
    pub fn say(&self, line: &str) {
        say(&self.bar, self.quiet, line);
    }

    pub fn resumed(&mut self, trainer: &Trainer) {
        let epochs = trainer.history().len();
        self.bar.set_position(epochs as u64 * trainer.batches() as u64);
        self.say(&format!("Going on after {epochs} epochs"));
        (self.begun, self.last) = (Instant::now(), Instant::now());
    }

    pub fn show(&mut self, progress: &TrainingProgress) {
        self.done += 1;
        let took = self.last.elapsed().as_secs_f64();
        self.last = Instant::now();
        if !progress.testing {
            self.trained = (self.trained.0 + progress.images, self.trained.1 + took);
        }
        let position = u64::from(progress.epoch - 1) * progress.batches as u64 + progress.done as u64;
        let left = self.begun.elapsed().as_secs_f64() / self.done as f64 * (self.batches - position) as f64;
        let left = HumanDuration(Duration::from_secs_f64(left));
        let speed = self.trained.0 as f64 / self.trained.1.max(1e-9);
        self.bar.set_prefix(format!("epoch {}/{}", progress.epoch, self.epochs));
        let what = if progress.testing { "testing" } else { "training" };
        self.bar.set_message(format!("{what}, {speed:.1} images/s, {left:#} left"));
        self.bar.set_position(position);
        if let Some(epoch) = progress.finished {
            self.say(&format!(
                "epoch {:>3}/{}   training: loss {:.4}, accuracy {:5.1} %   test: loss {:.4}, accuracy {:5.1} %   {:.1} images/s, {left:#} left",
                epoch.epoch,
                self.epochs,
                epoch.train_loss,
                100.0 * epoch.train_accuracy,
                epoch.test_loss,
                100.0 * epoch.test_accuracy,
                epoch.images_per_second,
            ));
        }
    }

    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
