//! When to write a training's checkpoint: by time, so that a kill loses little and writing takes little time.

use super::trainer::Trainer;
use crate::Result;
use std::path::Path;
use std::time::{Duration, Instant};

/// Seconds of training for each second of writing: checkpoints take at most a fiftieth of the time.
const COST: u32 = 50;

/// Decides when the next checkpoint is due: an interval after the last one or the start, and at least 50 times the
/// duration of the last write after it. One timer may serve several trainings.
///
/// ```
/// use sharpdim::nn::SaveTimer;
/// use std::time::Duration;
/// let timer = SaveTimer::new(SaveTimer::INTERVAL);
/// assert!(!timer.is_due());
/// assert!(SaveTimer::new(Duration::ZERO).is_due());
/// ```
#[derive(Clone, Debug)]
pub struct SaveTimer {
    interval: Duration,
    since: Instant,
    took: Duration,
}

impl SaveTimer {
    /// The default interval: half a minute.
    pub const INTERVAL: Duration = Duration::from_secs(30);

    /// Starts now. With an interval of zero a checkpoint is always due, regardless of its cost.
    pub fn new(interval: Duration) -> Self {
        SaveTimer { interval, since: Instant::now(), took: Duration::ZERO }
    }

    /// Counts from now on, for another training.
    pub fn restart(&mut self) {
        self.since = Instant::now();
    }

    /// Whether a checkpoint is due.
    pub fn is_due(&self) -> bool {
        is_due(self.interval, self.took, self.since.elapsed())
    }

    /// Writes a checkpoint, and counts from its end on.
    ///
    /// # Errors
    /// As [`Trainer::save`].
    pub fn save(&mut self, trainer: &mut Trainer, path: &Path) -> Result<()> {
        let begun = Instant::now();
        trainer.save(path)?;
        self.took = begun.elapsed();
        self.since = Instant::now();
        Ok(())
    }
}

fn is_due(interval: Duration, took: Duration, elapsed: Duration) -> bool {
    interval.is_zero() || elapsed >= interval.max(COST * took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_interval_and_at_most_a_fiftieth_of_the_time() {
        let due = |interval: f64, took: f64, elapsed: f64| {
            let [interval, took, elapsed] = [interval, took, elapsed].map(Duration::from_secs_f64);
            is_due(interval, took, elapsed)
        };
        // None was written yet, or a fast one: the interval decides.
        assert!(!due(30.0, 0.0, 29.9) && due(30.0, 0.0, 30.0));
        assert!(!due(30.0, 0.6, 29.9) && due(30.0, 0.6, 30.0));
        // It took two seconds: 2 % of 100.
        assert!(!due(30.0, 2.0, 99.9) && due(30.0, 2.0, 100.0));
        // Zero is always due, as in tests.
        assert!(due(0.0, 2.0, 0.0));
    }
}
