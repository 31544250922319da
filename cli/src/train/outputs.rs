//! The folder of a training: checkpoint, weights, metrics and curves, each written whole or not at all.

use crate::failure::Failure;
use crate::train::curves;
use serde_json::json;
use sharpdim::nn::{SaveTimer, Trainer};
use sharpdim::report::write_whole;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub struct Folder {
    pub checkpoint: PathBuf,
    weights: PathBuf,
    metrics: PathBuf,
    curves: PathBuf,
}

impl Folder {
    /// Makes the folder, or says why nothing can be written there, before any work is done.
    pub fn open(path: &Path, resume: bool, restart: bool) -> Result<Self, Failure> {
        let refuse = |error: io::Error| Failure::new(format!("--out {}: {error}", path.display()));
        fs::create_dir_all(path).map_err(refuse)?;
        // By making a file: permissions alone do not show it.
        let probe = path.join(format!(".train-{}.probe", std::process::id()));
        fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe)).map_err(refuse)?;
        let file = |name: &str| path.join(name);
        let folder = Folder {
            checkpoint: file("checkpoint.safetensors"),
            weights: file("weights.safetensors"),
            metrics: file("metrics.jsonl"),
            curves: file("curves.png"),
        };
        if folder.checkpoint.exists() && !resume && !restart {
            return Err(Failure::usage(format!(
                "--out {}: has a checkpoint already: --resume continues from it, --restart replaces it",
                path.display()
            )));
        }
        Ok(folder)
    }

    pub fn save(&self, trainer: &mut Trainer, timer: &mut SaveTimer) -> Result<(), Failure> {
        timer.save(trainer, &self.checkpoint).map_err(|error| {
            let kept = if self.checkpoint.exists() { "; the checkpoint before it is as it was" } else { "" };
            Failure::new(format!("the checkpoint cannot be written: {error}{kept}"))
        })
    }

    pub fn weights(&self, trainer: &Trainer) -> Result<(), Failure> {
        Ok(trainer.network().save(&self.weights)?)
    }

    /// The metrics and curves of all epochs, in place of what was there: of a run that was killed, they may have gone
    /// further than its last checkpoint.
    pub fn results(&self, trainer: &Trainer) -> Result<(), Failure> {
        let mut lines = String::new();
        for epoch in trainer.history() {
            let line = json!({
                "epoch": epoch.epoch,
                "train_loss": epoch.train_loss,
                "train_accuracy": epoch.train_accuracy,
                "test_loss": epoch.test_loss,
                "test_accuracy": epoch.test_accuracy,
                "seconds": epoch.seconds,
                "images_per_second": epoch.images_per_second,
            });
            lines += &format!("{line}\n");
        }
        write_whole(&self.metrics, lines.as_bytes())?;
        if !trainer.history().is_empty() {
            curves::draw(trainer)?.write(&self.curves)?;
        }
        Ok(())
    }

    /// The files that a run leaves.
    pub fn written(&self, stopped: bool) -> Vec<&Path> {
        let all = [&self.checkpoint, &self.weights, &self.metrics, &self.curves];
        let there = |path: &&Path| path.exists() && !(stopped && *path == self.weights.as_path());
        all.into_iter().map(PathBuf::as_path).filter(there).collect()
    }
}
