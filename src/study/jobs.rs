//! Several tasks of a study at once: their number, their queue, and their threads.

use super::plan::Plan;
use super::task::Task;
use crate::nn::{self, Model, Purpose, Recipe, Settings};
use crate::{Device, Error, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Images of at most this side are small: a training on them is many short operations, after each of which threads
/// wait for each other.
const SMALL: usize = 64;
/// The most memory, in bytes, of all trainings at once where no number of jobs is given.
const MEMORY: usize = 4 << 30;

/// A queue of tasks that several threads take from.
pub(super) struct Jobs<'l, 't> {
    tasks: &'l [&'t Task],
    next: AtomicUsize,
    elsewhere: Mutex<Vec<&'t Task>>,
}

impl<'l, 't> Jobs<'l, 't> {
    pub fn new(tasks: &'l [&'t Task]) -> Self {
        Jobs { tasks, next: AtomicUsize::new(0), elsewhere: Mutex::default() }
    }

    /// The next task: each is given once.
    pub fn next(&self) -> Option<&'t Task> {
        self.tasks.get(self.next.fetch_add(1, Ordering::Relaxed)).copied()
    }

    /// Notes a task that another process is running.
    pub fn defer(&self, task: &'t Task) {
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// The tasks that were left to other processes, in the study's order.
    pub fn elsewhere(self) -> Vec<&'t Task> {
        let mut tasks = self.elsewhere.into_inner().unwrap_or_else(PoisonError::into_inner);
        tasks.sort_by_key(|task| task.position);
        tasks
    }
}

/// How many tasks run at once: the given number, else as many as keep the CPU's threads busy.
pub(super) fn count(device: &Device, plan: &Plan, left: &[&Task], asked: Option<NonZero<usize>>) -> usize {
    let most = left.len().max(1);
    if let Some(asked) = asked {
        return asked.get().min(most);
    }
    if !device.is_cpu() || plan.size > SMALL {
        return 1;
    }
    let mut models: Vec<Model> = left.iter().filter_map(|task| task.model).collect();
    models.dedup();
    let mut memory = 1;
    for model in models {
        let paper = Recipe::paper(model, device);
        let settings = Settings {
            batch: plan.batch.unwrap_or(paper.batch),
            size: [plan.size; 2],
            purpose: Purpose::Training(paper.optimiser),
            ..Settings::default()
        };
        // A network that cannot be planned fails in its own task, which says why.
        if let Ok(planned) = nn::Plan::new(device, model, &settings) {
            memory = planned.bytes().total().max(memory);
        }
    }
    rayon::current_num_threads().min(MEMORY / memory).clamp(1, most)
}

/// The threads of each job: an equal share of rayon's, to within one.
pub(super) fn threads(jobs: usize) -> impl Iterator<Item = usize> {
    let threads = rayon::current_num_threads();
    (0..jobs).map(move |job| (threads / jobs + usize::from(job < threads % jobs)).max(1))
}

/// A job's thread pool.
pub(super) fn pool(threads: usize) -> Result<ThreadPool> {
    let built = ThreadPoolBuilder::new().num_threads(threads).build();
    built.map_err(|error| Error::Argument(format!("{threads} more threads cannot be started: {error}")))
}
