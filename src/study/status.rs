//! The status of a study: tasks done, running, failed, skipped, and the time left.

use super::run::lock_path;
use super::store::{Entry, State, Store};
use crate::Result;
use std::fs::{File, TryLockError};
use std::path::Path;

/// The status of a study.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Tasks that are done.
    pub done: Vec<Entry>,
    /// Tasks that a process is running now.
    pub running: Vec<Entry>,
    /// Tasks to do; those begun have `epochs_done`.
    pub pending: Vec<Entry>,
    /// Tasks that ended with an error.
    pub failed: Vec<Entry>,
    /// Tasks whose images are unavailable.
    pub skipped: Vec<Entry>,
    /// Estimated seconds left at the pace so far, with as many tasks at once as now; `None` before any task is done.
    pub seconds_left: Option<f64>,
}

impl Status {
    /// Reads the status from a study's store, in the study's folder.
    ///
    /// # Errors
    /// As [`Store::entries`].
    ///
    /// ```no_run
    /// use sharpdim::study::{Status, Store};
    /// let folder = std::path::Path::new("study");
    /// let status = Status::read(&Store::open(&folder.join("study.sqlite"))?, folder)?;
    /// println!("{} done, {} left", status.done.len(), status.pending.len() + status.running.len());
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn read(store: &Store, folder: &Path) -> Result<Self> {
        let mut status = Status::default();
        for entry in store.entries()? {
            let running =
                entry.state == State::Pending && is_locked(&lock_path(&folder.join("runs"), &entry.id));
            match entry.state {
                State::Done => status.done.push(entry),
                State::Pending if running => status.running.push(entry),
                State::Pending => status.pending.push(entry),
                State::Failed { .. } => status.failed.push(entry),
                State::Skipped { .. } => status.skipped.push(entry),
            }
        }
        status.seconds_left = seconds_left(&status);
        Ok(status)
    }
}

/// The estimate of the time left, by the pace of measurements and of trainings.
fn seconds_left(status: &Status) -> Option<f64> {
    let mut seconds = 0.0;
    for training in [false, true] {
        let sums = |entries: &[Entry]| {
            let chosen = entries.iter().filter(|entry| entry.is_training() == training);
            chosen.fold((0.0, 0.0), |(cost, seconds), entry| (cost + entry.cost, seconds + entry.seconds))
        };
        let (done, took) = sums(&status.done);
        let (running, spent) = sums(&status.running);
        let (pending, begun) = sums(&status.pending);
        let left = running + pending;
        if left > 0.0 {
            if done == 0.0 {
                return None;
            }
            seconds += (left * took / done - spent - begun).max(0.0);
        }
    }
    Some(seconds / status.running.len().max(1) as f64)
}

/// Whether a process holds a lock. One that is only looked at is not left behind.
fn is_locked(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
        Err(_) => false,
    }
}
