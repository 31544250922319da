//! Running a study: tasks, some at once, each begun where another process left it, its result written whole.

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

/// Where a study runs, and what of it.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The folder that datasets' paths are in.
    pub data: PathBuf,
    /// Where decoded images are kept for the next time.
    pub cache: Option<Cache>,
    /// Number and count of a shard, from 1 on: of all tasks, this part. Each shard has a store of its own.
    pub shard: Option<(usize, usize)>,
    /// Tasks that are done at once, on the CPU, each on its part of rayon's threads; `None` chooses: a training on small
    /// images does not keep many threads busy, so that several at once take less time. Results do not depend on it; events
    /// of several tasks come in turns.
    pub jobs: Option<NonZero<usize>>,
    /// Whether tasks that failed are done again. Those whose error may have passed always are.
    pub retry: bool,
    /// Whether trainings that are done leave their checkpoints.
    pub keep_checkpoints: bool,
    /// Where this has passed since the last checkpoint, one is written at the epoch's end: see [`SaveTimer`]. Zero is after
    /// every epoch.
    pub save_every: Duration,
    /// Set from elsewhere, as at Ctrl-C: the study stops after the batch that is under way, and what was done is kept.
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

/// What happens in a study.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Tasks that are left out, for their images cannot be had.
    Skipped {
        /// The dataset.
        dataset: &'a str,
        /// How many tasks.
        tasks: usize,
        /// Why.
        reason: &'a str,
    },
    /// The tasks that are left to do by this process or another.
    Begun {
        /// Their number, of `total`.
        left: usize,
        /// All tasks of this shard that can be done.
        total: usize,
        /// Their work: see [`Task::cost`].
        cost: f64,
    },
    /// A task is begun.
    Started {
        /// Which.
        task: &'a Task,
        /// Epochs that another run of it did already.
        epochs: u32,
    },
    /// It goes on.
    Moved {
        /// Which.
        task: &'a Task,
        /// What it is at, in a word or two.
        what: &'a str,
        /// How much of it is done, from 0 to 1.
        fraction: f64,
    },
    /// It is done, and its result is in the store.
    Finished {
        /// Which.
        task: &'a Task,
        /// What it came to, in a line.
        found: &'a str,
        /// Seconds that it took here.
        seconds: f64,
    },
    /// It failed. The study goes on.
    Failed {
        /// Which.
        task: &'a Task,
        /// Why.
        error: &'a Error,
    },
    /// Another process does it, or has done it.
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
    /// Tasks whose images cannot be had.
    pub skipped: usize,
    /// Tasks that another process is at.
    pub elsewhere: usize,
    /// Whether it stopped as it was asked to.
    pub stopped: bool,
}

/// The file of a study's results in its folder, or that of a shard.
pub fn store_path(folder: &Path, shard: Option<(usize, usize)>) -> PathBuf {
    match shard {
        Some((number, count)) => folder.join(format!("study-{number}-of-{count}.sqlite")),
        None => folder.join("study.sqlite"),
    }
}

/// Runs a plan in a folder: what is done there already is not done again, what was begun goes on from its checkpoint, and other
/// processes may run the same plan in the same folder meanwhile: each task is one's alone. Results are in the folder's
/// [store](store_path). The same plan, data and kind of device give the same results, however often it was interrupted.
///
/// A task that fails is noted with its error, and the others go on; where images cannot be had the tasks on them are skipped.
///
/// # Errors
/// [`Error::Io`] where the folder or the store cannot be written; [`Error::Argument`] for a shard that there is not, and for
/// more than one job on a GPU; [`Error::Device`] where the device failed in two tasks, one after the other: it is lost, probably.
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
            "shard {number} of {count}: they are numbered from 1 to {count}"
        )));
    }
    let runs = folder.join("runs");
    fs::create_dir_all(&runs).map_err(|source| Error::io(&runs, source))?;
    if options.jobs.is_some_and(|jobs| jobs.get() > 1) && !device.is_cpu() {
        return Err(Error::Argument(format!(
            "several jobs at once are for the CPU, and this is {device}: leave them out; for several GPUs, start the study \
             once for each in the same folder"
        )));
    }
    let (number, count) = options.shard.unwrap_or((1, 1));
    let tasks: Vec<Task> =
        plan.tasks().into_iter().filter(|task| task.position % count == number - 1).collect();
    let mut store = Store::create(&store_path(folder, options.shard))?;
    store.add_tasks(plan, &tasks)?;
    store.again(options.retry)?;
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
    study.all(&tasks, &mut sources, watch)
}

struct Running<'a> {
    device: &'a Device,
    /// As results have it: with all threads, of which a job has a part.
    device_name: String,
    plan: &'a Plan,
    runs: PathBuf,
    options: &'a RunOptions,
    store: Store,
    summary: Summary,
    /// Whether the device failed in the task before.
    failed_before: bool,
    timer: SaveTimer,
    /// Set where one of several jobs ended with an error: the others stop as if they were asked to.
    given_up: Arc<AtomicBool>,
}

impl Running<'_> {
    fn all(&mut self, tasks: &[Task], sources: &mut Sources<'_>, watch: Watch<'_>) -> Result<Summary> {
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
        // Once more through those that others were at: they may have been killed, or only have been looking.
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
            if !self.one(task, sources, watch)? {
                jobs.leave(task);
            }
        }
    }

    /// The same by several threads, each with a part of rayon's threads, a connection to the store and images of its own.
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
            workers.push((own, sources.beside(), jobs::pool(part)?));
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

    /// Removes the files of tasks that are done, and what processes that were killed left of them.
    fn clear(&self, is_done: impl Fn(&str) -> bool) -> Result<()> {
        let wrong = |source| Error::io(&self.runs, source);
        for entry in fs::read_dir(&self.runs).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            // ID.lock, ID.safetensors, and the folder .ID.safetensors.part of a write.
            let id = name.trim_start_matches('.').split('.').next().unwrap_or_default();
            let kept = self.options.keep_checkpoints && name.ends_with(".safetensors");
            if is_done(id) && !kept {
                // What cannot be removed is in nobody's way.
                _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            }
        }
        Ok(())
    }

    /// The tasks whose images can be had; the others are noted, once for each dataset and reason.
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
            let lacking = match &before {
                Some((images, lacking)) if *images == task.images => lacking.clone(),
                _ => sources.lacking(task),
            };
            before = Some((&task.images, lacking.clone()));
            let Some(reason) = lacking else {
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

    /// Does a task; false where another process is at it.
    fn one(&mut self, task: &Task, sources: &mut Sources<'_>, watch: Watch<'_>) -> Result<bool> {
        // The system takes the lock from a process that dies, so that no task stays one's that is no more.
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
        let mut told = begun;
        let done = match task.kind {
            Kind::Measure => self.measure(task, sources, watch),
            Kind::Train => self.train(task, sources, &mut told, watch),
        };
        match done {
            Ok(outcome) => {
                self.store.finish(&task.id, &outcome, told.elapsed().as_secs_f64())?;
                self.summary.done += 1;
                self.failed_before = false;
                self.clear(|id| id == task.id)?;
                let found = in_a_line(&outcome);
                watch(Event::Finished { task, found: &found, seconds: begun.elapsed().as_secs_f64() });
            }
            Err(Error::Stopped) => self.summary.stopped = true,
            // A full disk, or a folder that is gone: no task would fare better. It stays to be done.
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

    /// The file goes before the lock does. Who locked it meanwhile finds the task done.
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

/// What a task came to, as progress tells it.
fn in_a_line(outcome: &Outcome) -> String {
    let dimension = |layer: &str| {
        let found =
            outcome.dimensions.iter().find(|found| found.layer == layer && found.preprocessing.is_empty());
        found.and_then(|found| found.value).map(|values| values[0])
    };
    let mut parts = Vec::new();
    if let Some(last) = outcome.epochs.last() {
        parts.push(format!("test loss {:.4}, {:.1} % right", last.test_loss, 100.0 * last.test_accuracy));
    }
    parts.extend(dimension("data").map(|d| format!("d_data {d:.1}")));
    parts.extend(outcome.sharpness.first().and_then(|found| found.value).map(|k| format!("K_F {k:.2e}")));
    parts.extend(dimension("last_hidden").map(|d| format!("d_repr {d:.1}")));
    parts.join(", ")
}
