//! Trains a network on a labelled image dataset, from random weights: shows progress, writes checkpoints, resumes
//! from them. The library does the training.

mod args;
mod curves;
mod outputs;
mod progress;

pub use args::Args;

use crate::failure::{Failure, print};
use crate::interrupt::{INTERRUPTED, on_interrupt};
use outputs::Folder;
use progress::Watch;
use serde_json::json;
use sharpdim::Device;
use sharpdim::nn::{Epoch, SaveTimer, Trainer};
use std::sync::atomic::Ordering;

/// `sharpdim train`: returns the exit code.
pub fn main(args: Args) -> Result<u8, Failure> {
    let (text, code) = train(&args.check()?)?;
    print(&text).map(|()| code)
}

/// Trains; returns what is printed, and the exit code.
fn train(args: &Args) -> Result<(String, u8), Failure> {
    let device = Device::parse(&args.device).map_err(Failure::asked)?;
    let folder = Folder::open(&args.out, args.resume, args.restart)?;
    let stop = on_interrupt("sharpdim: stopping after this batch; once more stops at once, unsaved")?;
    let chosen = args.chosen();
    let images = chosen.load(args.no_cache, &stop)?;
    let recipe = args.recipe(&device, images.train.class_names().len())?;
    let mut trainer = Trainer::new(&device, &images.train, &images.test, recipe)?;
    trainer.set_note(chosen.note());
    // They are on the device now.
    let described = images.described();
    drop(images);
    let mut watch = Watch::start(args.quiet, &trainer);
    watch.say(&format!("{}", trainer.network().plan()));
    if let Some(reason) = device.fallback() {
        watch.say(&format!("On the CPU: {reason}"));
    }
    if args.resume {
        if folder.checkpoint.exists() {
            trainer.load(&folder.checkpoint)?;
            watch.resumed(&trainer);
        } else {
            watch.say(&format!("{} has no checkpoint yet: starting from the beginning", args.out.display()));
        }
    }
    folder.results(&trainer)?;

    let mut timer = SaveTimer::new(args.save_every);
    let mut stopped = false;
    while !trainer.is_finished() {
        let progress = trainer.step()?;
        watch.show(&progress);
        stopped = stop.load(Ordering::Relaxed) && !trainer.is_finished();
        if stopped {
            break;
        }
        // Before the metrics, so that every epoch in them is in the checkpoint.
        if timer.is_due() && !trainer.is_finished() {
            folder.save(&mut trainer, &mut timer)?;
        }
        if progress.finished.is_some() {
            folder.results(&trainer)?;
        }
    }
    watch.end();
    folder.save(&mut trainer, &mut timer)?;
    folder.results(&trainer)?;
    if !stopped {
        folder.weights(&trainer)?;
    }
    let text = if args.json {
        as_json(&device, &trainer, &folder, stopped)
    } else {
        as_text(&device, &trainer, &described, &folder, stopped)
    };
    Ok((text, if stopped { INTERRUPTED } else { 0 }))
}

fn as_json(device: &Device, trainer: &Trainer, folder: &Folder, stopped: bool) -> String {
    let last = trainer.history().last();
    let last_epoch = |value: fn(&Epoch) -> f64| last.map(value);
    json!({
        "test_accuracy": last_epoch(|epoch| epoch.test_accuracy),
        "test_loss": last_epoch(|epoch| epoch.test_loss),
        "train_accuracy": last_epoch(|epoch| epoch.train_accuracy),
        "train_loss": last_epoch(|epoch| epoch.train_loss),
        "epochs": trainer.history().len(),
        "images_per_second": speed(trainer.history()),
        "device": device.name(),
        "checkpoint": folder.checkpoint.display().to_string(),
        "stopped": stopped,
    })
    .to_string()
}

/// Training images a second, of all epochs together.
fn speed(history: &[Epoch]) -> Option<f64> {
    let seconds: f64 = history.iter().map(|epoch| epoch.seconds).sum();
    let images: f64 = history.iter().map(|epoch| epoch.seconds * epoch.images_per_second).sum();
    (seconds > 0.0).then(|| images / seconds)
}

fn as_text(device: &Device, trainer: &Trainer, images: &str, folder: &Folder, stopped: bool) -> String {
    let mut lines = vec![
        format!(
            "Network          {} from random weights, seed {}",
            trainer.network().plan().name(),
            trainer.recipe().seed
        ),
        format!("Images           {images}"),
    ];
    if let Some(epoch) = trainer.history().last() {
        let accuracy = |part: f64| format!("{:.1} %", 100.0 * part);
        lines.push(format!("Epochs           {} of {}", epoch.epoch, trainer.recipe().epochs));
        lines.push(format!(
            "Test accuracy    {}, loss {:.4}",
            accuracy(epoch.test_accuracy),
            epoch.test_loss
        ));
        lines.push(format!(
            "Train accuracy   {}, loss {:.4}",
            accuracy(epoch.train_accuracy),
            epoch.train_loss
        ));
    }
    if let Some(speed) = speed(trainer.history()) {
        lines.push(format!("Speed            {speed:.1} images/s in training, on {}", device.name()));
    }
    let files: Vec<String> = folder.written(stopped).iter().map(|path| path.display().to_string()).collect();
    lines.push(format!("Written          {}", files.join("\n                 ")));
    if stopped {
        lines.push("Stopped          the same command with --resume continues".into());
    }
    lines.join("\n")
}
