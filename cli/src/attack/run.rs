//! Attack after attack, epsilon after epsilon, with a bar and a way to stop: what was finished by then is kept.

use crate::attack::args::Args;
use crate::bar::style;
use crate::failure::Failure;
use crate::inputs::Input;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish};
use sharpdim::attack::{Attack, Attacked, Norm, Report, Target, report, smallest_epsilon, unattacked};
use sharpdim::{Error, Result};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Whether Ctrl-C was pressed. Before attacks begin, and the second time, it ends the process.
#[derive(Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    attacking: Arc<AtomicBool>,
}

impl Stop {
    pub fn on_ctrl_c() -> std::result::Result<Self, Failure> {
        let stop = Stop::default();
        let at_ctrl_c = stop.clone();
        ctrlc::set_handler(move || {
            let again = at_ctrl_c.asked.swap(true, Ordering::Relaxed);
            if again || !at_ctrl_c.attacking.load(Ordering::Relaxed) {
                std::process::exit(i32::from(crate::interrupt::INTERRUPTED));
            }
        })
        .map_err(|error| Failure::new(format!("Ctrl-C cannot be handled: {error}")))?;
        Ok(stop)
    }
}

/// An attack's results.
pub struct Ran {
    pub norm: Norm,
    pub report: Report,
    /// For each finished epsilon, images attacked in a second.
    pub images_per_second: Vec<f64>,
    /// Each image's least epsilon, where it was asked for and finished.
    pub least: Option<Vec<Option<f32>>>,
    /// Of the images that are shown, at the greatest epsilon, where that was finished.
    pub pictures: Option<Attacked>,
}

/// All results, up to where it was stopped.
pub struct Found {
    pub clean: Attacked,
    pub ran: Vec<Ran>,
    /// Positions of the images that are shown.
    pub shown: Vec<usize>,
    pub stopped: bool,
}

impl Found {
    pub fn run(
        args: &Args,
        attacks: &[Box<dyn Attack>],
        target: &mut Target,
        input: &Input,
        labels: &[u32],
        stop: &Stop,
    ) -> Result<Self> {
        let images: Vec<f32> = input.images.pixels().iter().map(|v| f32::from(*v)).collect();
        // Evenly over all of them, class after class.
        let count = if args.out.is_some() { args.show.min(labels.len()) } else { 0 };
        let mut by_class: Vec<usize> = (0..labels.len()).collect();
        by_class.sort_by_key(|at| labels[*at]);
        let shown: Vec<usize> = (0..count).map(|at| by_class[at * labels.len() / count]).collect();

        let each: u64 = attacks.iter().map(|attack| attack.passes().forward).sum();
        // A search by bisection: unattacked, at the upper end, and six halvings.
        let searched = if args.least.is_some() { 8 } else { 0 };
        let passes = labels.len() as u64 * (1 + each * (args.epsilon.len() as u64 + searched));
        let draw = if args.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(passes), draw).with_finish(ProgressFinish::AndClear);
        bar.set_style(style("{percent} %"));
        stop.attacking.store(true, Ordering::Relaxed);
        let (watched, asked) = (bar.clone(), stop.asked.clone());
        target.watch(move |passes| {
            watched.set_position(passes.forward);
            if asked.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });

        bar.set_prefix("unattacked");
        let clean = unattacked(target, &images, labels)?;
        let mut found = Found { clean, ran: Vec::new(), shown, stopped: false };
        let mut before = labels.len() as u64;
        for attack in attacks {
            bar.set_prefix(attack.name().split(' ').next().unwrap_or_default().to_owned());
            found.attack(args, attack.as_ref(), target, &images, labels)?;
            if found.stopped {
                break;
            }
            // Searches that end early leave passes over.
            before += labels.len() as u64 * attack.passes().forward * (args.epsilon.len() as u64 + searched);
            let over = before.saturating_sub(target.passes().forward);
            bar.set_length(bar.length().unwrap_or(before).saturating_sub(over));
            before -= over;
        }
        Ok(found)
    }

    fn attack(
        &mut self,
        args: &Args,
        attack: &dyn Attack,
        target: &mut Target,
        images: &[f32],
        labels: &[u32],
    ) -> Result<()> {
        let greatest = args.epsilon.iter().copied().fold(0.0, f32::max);
        let (mut levels, mut speeds, mut pictures) = (Vec::new(), Vec::new(), None);
        for epsilon in &args.epsilon {
            let start = Instant::now();
            let mut level = match attack.run(target, images, labels, &[*epsilon]) {
                Err(Error::Stopped) => {
                    self.stopped = true;
                    break;
                }
                all => all?.remove(0),
            };
            speeds.push(labels.len() as f64 / start.elapsed().as_secs_f64());
            if *epsilon == greatest && !self.shown.is_empty() {
                pictures = Some(level.select(&self.shown)?);
            }
            // Of all others, what they came to is enough.
            level.images = Vec::new();
            levels.push(level);
        }
        let mut least = None;
        if let (Some(upper), false) = (args.least, self.stopped) {
            match smallest_epsilon(attack, target, images, labels, upper, upper / 64.0) {
                Err(Error::Stopped) => self.stopped = true,
                all => least = Some(all?),
            }
        }
        self.ran.push(Ran {
            norm: attack.norm(),
            report: report(&attack.name(), &self.clean, &levels, args.draws, args.seed)?,
            images_per_second: speeds,
            least,
            pictures,
        });
        Ok(())
    }

    /// Whether anything was finished that could be drawn.
    pub fn drawable(&self) -> bool {
        self.ran.iter().any(|ran| !ran.report.levels.is_empty())
    }
}
