//! How a study goes, on stderr: a bar with what is under way and the time left, and a line for each task that ended.

use crate::bar::say;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sharpdim::study::{Event, Task};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const STEPS: u64 = 1000;

pub struct Watch {
    quiet: bool,
    bar: ProgressBar,
    begun: Instant,
    /// Work in all, and what is done of it, as tasks count it.
    cost: f64,
    done: f64,
    tasks: usize,
    ended: usize,
    /// What earlier runs did of it, which took no time of this one.
    given: f64,
    /// Tasks that are under way, and the work done of each.
    at_work: HashMap<String, f64>,
}

impl Watch {
    pub fn start(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        let begun = Instant::now();
        Watch {
            quiet,
            bar,
            begun,
            cost: 0.0,
            done: 0.0,
            tasks: 0,
            ended: 0,
            given: 0.0,
            at_work: HashMap::new(),
        }
    }

    /// A line of its own.
    pub fn say(&self, line: &str) {
        say(&self.bar, self.quiet, line);
    }

    pub fn see(&mut self, event: &Event<'_>) {
        match event {
            Event::Skipped { dataset, tasks, reason } => {
                self.say(&format!("skipped  {dataset}: {tasks} tasks: {reason}"));
            }
            Event::Begun { left, total, cost } => {
                (self.cost, self.tasks, self.begun) = (*cost, *left, Instant::now());
                if left < total {
                    self.say(&format!("{} of {total} tasks were done before", total - left));
                }
            }
            Event::Started { task, epochs } => {
                let share =
                    if task.epochs > 0 { 0.9 * f64::from(*epochs) / f64::from(task.epochs) } else { 0.0 };
                self.given += share * task.cost;
                if *epochs > 0 {
                    self.say(&format!("resumes after {epochs} epochs: {task}"));
                }
            }
            Event::Moved { task, what, fraction } => {
                self.at_work.insert(task.id.clone(), fraction * task.cost);
                let at = self.done + self.at_work.values().sum::<f64>();
                let others = match self.at_work.len() - 1 {
                    0 => String::new(),
                    others => format!(" (and {others} more)"),
                };
                self.bar.set_prefix(format!("{}/{}", self.ended, self.tasks));
                self.bar.set_position((STEPS as f64 * at / self.cost.max(1.0)) as u64);
                self.bar.set_message(format!("{}; {task}: {what}{others}", self.left(at)));
            }
            Event::Finished { task, found, seconds } => {
                self.end(task);
                let left = self.left(self.done + self.at_work.values().sum::<f64>());
                self.say(&format!(
                    "{:>4}/{}  {task}: {found} ({seconds:.1} s; {left})",
                    self.ended, self.tasks
                ));
            }
            Event::Failed { task, error } => {
                self.end(task);
                self.say(&format!("{:>4}/{}  FAILED {task}: {error}", self.ended, self.tasks));
            }
            Event::Elsewhere { task } => self.say(&format!("another process has {task}")),
            _ => (),
        }
    }

    fn end(&mut self, task: &Task) {
        self.ended += 1;
        self.done += task.cost;
        self.at_work.remove(&task.id);
    }

    /// In words, when this much work is done.
    fn left(&self, done: f64) -> String {
        let here = done - self.given;
        if here <= 0.0 {
            return "time left not known yet".into();
        }
        let seconds = self.begun.elapsed().as_secs_f64() / here * (self.cost - done).max(0.0);
        format!("{:#} left", HumanDuration(Duration::from_secs_f64(seconds.min(1e9))))
    }

    pub fn end_all(&self) {
        self.bar.finish_and_clear();
    }
}
