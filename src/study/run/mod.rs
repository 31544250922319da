//! Runs a study: its tasks, several at once, each resumed from its checkpoint, its result written in one transaction.

mod work;

use crate::data::Cache;
use crate::nn::SaveTimer;
use crate::study::jobs::{self, Jobs};
use crate::study::plan::Plan;
use crate::study::source::Sources;
use crate::study::store::{Outcome, State, Store};
use crate::study::task::{Kind, Task};
use crate::{Device, Error, Result};
use std::fs::{self, File, TryLockError};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Options of [`run`].
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The folder of all datasets.
    pub data: PathBuf,
    /// The cache of decoded images.
    pub cache: Option<Cache>,
    /// Number (from 1) and count of shards: only this part of the tasks is done. Each shard has a store of its own.
    pub shard: Option<(usize, usize)>,
    /// Tasks that run at once on the CPU, each on a share of rayon's threads. `None` chooses: trainings on small images do
    /// not keep many threads busy, so that several at once take less time. Results do not depend on it; events of several
    /// tasks interleave.
    pub jobs: Option<NonZero<usize>>,
    /// Whether failed tasks are tried again. Those with a transient error always are.
    pub retry: bool,
    /// Whether checkpoints of finished trainings are kept.
    pub keep_checkpoints: bool,
    /// The least time between two checkpoints, which are written at the end of an epoch: see [`SaveTimer`]. Zero: after
    /// every epoch.
    pub save_every: Duration,
    /// Set it to stop the study, at Ctrl-C for example: it stops after the current batch, and keeps what was done.
    pub stop: Arc<AtomicBool>,
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions {
            data: PathBuf::new(),
            cache: None,
            shard: None,
            jobs: None,
            retry: false,
            keep_checkpoints: false,
            save_every: SaveTimer::INTERVAL,
            stop: Arc::default(),
        }
    }
}

/// An event of a running study.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Tasks are skipped, as their images are unavailable.
    Skipped {
        /// The dataset.
        dataset: &'a str,
        /// How many tasks.
        tasks: usize,
        /// Why.
        reason: &'a str,
    },
    /// The study begins.
    Begun {
        /// Tasks left to do, by this process or another.
        left: usize,
        /// All tasks of this shard that can be done.
        total: usize,
        /// The cost of those left: see [`Task::cost`].
        cost: f64,
    },
    /// A task is begun.
    Started {
        /// Which.
        task: &'a Task,
        /// Epochs in its checkpoint.
        epochs: u32,
    },
    /// A task makes progress.
    Moved {
        /// Which.
        task: &'a Task,
        /// The current step, in a word or two.
        what: &'a str,
        /// How much of it is done, from 0 to 1.
        fraction: f64,
    },
    /// A task is done, and its result is in the store.
    Finished {
        /// Which.
        task: &'a Task,
        /// Its result, in a line.
        found: &'a str,
        /// Seconds that it took in this run.
        seconds: f64,
    },
    /// A task failed. The study goes on.
    Failed {
        /// Which.
        task: &'a Task,
        /// Why.
        error: &'a Error,
    },
    /// Another process runs the task, or has done it.
    Elsewhere {
        /// Which.
        task: &'a Task,
    },
}

/// The observer of events.
type Watch<'a> = &'a mut (dyn FnMut(Event<'_>) + Send);

/// How a study ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tasks whose results are in the store, from earlier runs too.
    pub done: usize,
    /// Tasks that failed.
    pub failed: usize,
    /// Tasks whose images are unavailable.
    pub skipped: usize,
    /// Tasks that another process is running.
    pub elsewhere: usize,
    /// Whether it stopped on request.
    pub stopped: bool,
}

/// The file of a study's results in its folder, or that of a shard.
pub fn store_path(folder: &Path, shard: Option<(usize, usize)>) -> PathBuf {
    match shard {
        Some((number, count)) => folder.join(format!("study-{number}-of-{count}.sqlite")),
        None => folder.join("study.sqlite"),
    }
}

/// Runs a plan in a folder. Tasks that are done there are not repeated, and trainings resume from their checkpoints. Other
/// processes may run the same plan in the same folder at the same time: no two run one task. Results are in the folder's
/// [store](store_path). The same plan, data and kind of device give the same results, however often it was interrupted.
///
/// A failed task is noted with its error, and the others go on; tasks whose images are unavailable are skipped.
///
/// # Errors
/// [`Error::Io`] where the folder or the store cannot be written; [`Error::Argument`] for a shard out of range, and for
/// more than one job on a GPU; [`Error::Device`] where the device failed in two tasks in a row, and so is probably lost.
///
/// ```
/// use sharpdim::study::{Plan, RunOptions, Store, run, store_path};
/// let plan = Plan::parse(r#"
///     name = "tiny"
///     models = ["resnet18"]
///     train = [24]
///     test = 8
///     size = 32
///     epochs = 1
///     [[datasets]]
///     name = "bright spots"
///     generated = { family = "radiology", latents = 2, contrast = 0.5 }
/// "#)?;
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path();
/// let summary = run(&sharpdim::Device::cpu(), &plan, folder, &RunOptions::default(), &mut |_event| ())?;
/// assert_eq!((summary.done, summary.failed), (2, 0));
/// let observations = Store::open(&store_path(folder, None))?.observations()?;
/// println!("test loss {:.3} at d_data {:.1}", observations[0].test_loss, observations[0].d_data[0].1);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn run(
    device: &Device,
    plan: &Plan,
    folder: &Path,
    options: &RunOptions,
    watch: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<Summary> {
    if let Some((number, count)) = options.shard
        && !(1..=count).contains(&number)
    {
        return Err(Error::Argument(format!(
            "shard {number} of {count}: shards are numbered from 1 to {count}"
        )));
    }
    let runs = folder.join("runs");
    fs::create_dir_all(&runs).map_err(|source| Error::io(&runs, source))?;
    if options.jobs.is_some_and(|jobs| jobs.get() > 1) && !device.is_cpu() {
        return Err(Error::Argument(format!(
            "several jobs at once run on the CPU only, not on {device}; for several GPUs, start the study \
             once for each in the same folder"
        )));
    }
    let (number, count) = options.shard.unwrap_or((1, 1));
    let tasks: Vec<Task> =
        plan.tasks().into_iter().filter(|task| task.position % count == number - 1).collect();
    let mut store = Store::create(&store_path(folder, options.shard))?;
    store.add_tasks(plan, &tasks)?;
    store.reset_to_pending(options.retry)?;
    let mut sources = Sources::new(plan, &options.data, options.cache.clone());
    let mut study = Running {
        device,
        device_name: device.to_string(),
        plan,
        runs,
        options,
        store,
        summary: Summary::default(),
        failed_before: false,
        timer: SaveTimer::new(options.save_every),
        given_up: Arc::default(),
    };
    study.run_all(&tasks, &mut sources, watch)
}

struct Running<'a> {
    device: &'a Device,
    /// As in results: with all threads, of which a job has a share.
    device_name: String,
    plan: &'a Plan,
    runs: PathBuf,
    options: &'a RunOptions,
    store: Store,
    summary: Summary,
    /// Whether the device failed in the previous task.
    failed_before: bool,
    timer: SaveTimer,
    /// Set where one of several jobs ended with an error: the others then stop.
    given_up: Arc<AtomicBool>,
}

impl Running<'_> {
    fn run_all(&mut self, tasks: &[Task], sources: &mut Sources<'_>, watch: Watch<'_>) -> Result<Summary> {
        let states: std::collections::HashMap<String, State> =
            self.store.entries()?.into_iter().map(|entry| (entry.id, entry.state)).collect();
        let mut left: Vec<&Task> = Vec::new();
        for task in tasks {
            match states.get(&task.id) {
                Some(State::Done) => self.summary.done += 1,
                Some(State::Failed { .. }) => self.summary.failed += 1,
                _ => left.push(task),
            }
        }
        self.clear(|id| states.get(id) == Some(&State::Done))?;
        let left = self.without_skipped(left, sources, watch)?;
        let cost = left.iter().map(|task| task.cost).sum();
        watch(Event::Begun {
            left: left.len(),
            total: left.len() + self.summary.done + self.summary.failed,
            cost,
        });
        let count = jobs::count(self.device, self.plan, &left, self.options.jobs);
        // Tries again the tasks that other processes had locked: those may have been killed.
        let mut left = left;
        loop {
            let jobs = Jobs::new(&left);
            if count == 1 {
                self.work(&jobs, sources, watch)?;
            } else {
                self.work_in_parts(&jobs, count, sources, watch)?;
            }
            let elsewhere = jobs.elsewhere();
            self.summary.elsewhere = elsewhere.len();
            if self.summary.stopped || elsewhere.is_empty() || elsewhere.len() == left.len() {
                return Ok(self.summary);
            }
            left = elsewhere;
        }
    }

    /// Does tasks until none is left.
    fn work(&mut self, jobs: &Jobs<'_, '_>, sources: &mut Sources<'_>, watch: Watch<'_>) -> Result<()> {
        loop {
            self.summary.stopped |= self.stopping();
            let Some(task) = jobs.next().filter(|_| !self.summary.stopped) else {
                return Ok(());
            };
            if !self.run_task(task, sources, watch)? {
                jobs.defer(task);
            }
        }
    }

    /// As [`work`](Self::work), by several jobs, each with a share of rayon's threads, its own connection and its own images.
    fn work_in_parts(
        &mut self,
        jobs: &Jobs<'_, '_>,
        count: usize,
        sources: &Sources<'_>,
        watch: Watch<'_>,
    ) -> Result<()> {
        let watch = Mutex::new(watch);
        let mut workers = Vec::new();
        for part in jobs::threads(count) {
            let own = Running {
                store: Store::open(self.store.path())?,
                summary: Summary::default(),
                runs: self.runs.clone(),
                device_name: self.device_name.clone(),
                timer: SaveTimer::new(self.options.save_every),
                given_up: Arc::clone(&self.given_up),
                ..*self
            };
            workers.push((own, sources.for_another_thread(), jobs::pool(part)?));
        }
        let ended: Vec<(Summary, Result<()>)> = thread::scope(|scope| {
            let started: Vec<_> = workers
                .into_iter()
                .map(|(mut own, mut sources, pool)| {
                    let watch = &watch;
                    scope.spawn(move || {
                        let worked = pool.install(|| {
                            own.work(jobs, &mut sources, &mut |event| {
                                watch.lock().unwrap_or_else(PoisonError::into_inner)(event);
                            })
                        });
                        if worked.is_err() {
                            own.given_up.store(true, Ordering::Relaxed);
                        }
                        (own.summary, worked)
                    })
                })
                .collect();
            started
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let mut worked = Ok(());
        for (Summary { done, failed, stopped, .. }, own) in ended {
            self.summary.done += done;
            self.summary.failed += failed;
            self.summary.stopped |= stopped;
            worked = worked.and(own);
        }
        worked
    }

    /// Removes the files of done tasks, also those left by killed processes.
    fn clear(&self, is_done: impl Fn(&str) -> bool) -> Result<()> {
        let wrong = |source| Error::io(&self.runs, source);
        for entry in fs::read_dir(&self.runs).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            // ID.lock, ID.safetensors, and the folder .ID.safetensors.part of a write.
            let id = name.trim_start_matches('.').split('.').next().unwrap_or_default();
            let kept = self.options.keep_checkpoints && name.ends_with(".safetensors");
            if is_done(id) && !kept {
                // A file that cannot be removed does no harm.
                _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            }
        }
        Ok(())
    }

    /// The tasks whose images are available; the others are noted, once for each dataset and reason.
    fn without_skipped<'t>(
        &mut self,
        tasks: Vec<&'t Task>,
        sources: &mut Sources<'_>,
        watch: Watch<'_>,
    ) -> Result<Vec<&'t Task>> {
        let mut kept = Vec::new();
        let mut skipped: Vec<(String, String, Vec<&str>)> = Vec::new();
        let mut before: Option<(&str, Option<String>)> = None;
        for task in tasks {
            let unavailable = match &before {
                Some((images, unavailable)) if *images == task.images => unavailable.clone(),
                _ => sources.unavailable(task),
            };
            before = Some((&task.images, unavailable.clone()));
            let Some(reason) = unavailable else {
                kept.push(task);
                continue;
            };
            let known = skipped.iter().position(|(name, known, _)| *name == task.name && *known == reason);
            let at = known.unwrap_or_else(|| {
                skipped.push((task.name.clone(), reason, Vec::new()));
                skipped.len() - 1
            });
            skipped[at].2.push(&task.id);
        }
        for (dataset, reason, ids) in &skipped {
            self.store.skip(ids, reason)?;
            self.summary.skipped += ids.len();
            watch(Event::Skipped { dataset, tasks: ids.len(), reason });
        }
        Ok(kept)
    }

    fn stopping(&self) -> bool {
        self.options.stop.load(Ordering::Relaxed) || self.given_up.load(Ordering::Relaxed)
    }

    /// Does a task; false where another process is running it.
    fn run_task(&mut self, task: &Task, sources: &mut Sources<'_>, watch: Watch<'_>) -> Result<bool> {
        // The system releases the lock of a process that dies.
        let Some(lock) = self.lock(task)? else {
            watch(Event::Elsewhere { task });
            return Ok(false);
        };
        if self.store.is_done(&task.id)? {
            self.summary.done += 1;
            watch(Event::Elsewhere { task });
            self.unlock(task, lock);
            return Ok(true);
        }
        let begun = Instant::now();
        let mut counted_from = begun;
        let done = match task.kind {
            Kind::Measure => self.measure(task, sources, watch),
            Kind::Train => self.train(task, sources, &mut counted_from, watch),
        };
        match done {
            Ok(outcome) => {
                self.store.finish(&task.id, &outcome, counted_from.elapsed().as_secs_f64())?;
                self.summary.done += 1;
                self.failed_before = false;
                self.clear(|id| id == task.id)?;
                let found = in_a_line(&outcome);
                watch(Event::Finished { task, found: &found, seconds: begun.elapsed().as_secs_f64() });
            }
            Err(Error::Stopped) => self.summary.stopped = true,
            // A full disk or a missing folder would fail every task: this one stays pending.
            Err(Error::Io { path, source }) if path.starts_with(&self.runs) || path == self.store.path() => {
                return Err(Error::Io { path, source });
            }
            Err(error) => {
                let lost = matches!(error, Error::Device { .. });
                let passing = lost || matches!(error, Error::Io { .. } | Error::Unavailable { .. });
                self.store.fail(&task.id, &error.to_string(), passing)?;
                self.summary.failed += 1;
                watch(Event::Failed { task, error: &error });
                if lost && self.failed_before {
                    return Err(error);
                }
                self.failed_before = lost;
            }
        }
        self.unlock(task, lock);
        Ok(true)
    }

    fn lock(&self, task: &Task) -> Result<Option<File>> {
        let path = lock_path(&self.runs, &task.id);
        let file = File::create(&path).map_err(|source| Error::io(&path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(Error::io(&path, source)),
        }
    }

    /// Removes the file before the lock is released. A process that locks it meanwhile finds the task done.
    fn unlock(&self, task: &Task, lock: File) {
        _ = fs::remove_file(lock_path(&self.runs, &task.id));
        drop(lock);
    }

    fn checkpoint(&self, task: &Task) -> PathBuf {
        self.runs.join(format!("{}.safetensors", task.id))
    }
}

/// Where a task's lock is.
pub(in crate::study) fn lock_path(runs: &Path, id: &str) -> PathBuf {
    runs.join(format!("{id}.lock"))
}

/// A task's result in a line, for progress.
fn in_a_line(outcome: &Outcome) -> String {
    let dimension = |layer: &str| {
        let found =
            outcome.dimensions.iter().find(|found| found.layer == layer && found.preprocessing.is_empty());
        found.and_then(|found| found.value).map(|values| values[0])
    };
    let mut parts = Vec::new();
    if let Some(last) = outcome.epochs.last() {
        parts.push(format!("test loss {:.4}, accuracy {:.1} %", last.test_loss, 100.0 * last.test_accuracy));
    }
    parts.extend(dimension("data").map(|d| format!("d_data {d:.1}")));
    parts.extend(outcome.sharpness.first().and_then(|found| found.value).map(|k| format!("K_F {k:.2e}")));
    parts.extend(dimension("last_hidden").map(|d| format!("d_repr {d:.1}")));
    parts.join(", ")
}
