//! `--calibrate`: intervals for the true dimension. Estimates of samples of known dimension depend on the dataset's size
//! only: they are cached for the next run as they are made, so that Ctrl-C loses little.

use crate::failure::Failure;
use crate::measure::args::Args;
use crate::measure::progress::{fraction_bar, show};
use sharpdim::data::Cache;
use sharpdim::measure::{Calibration, Estimate, Estimator, Population, Truth};
use sharpdim::{Device, Error, Result};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// More samples than this are not drawn 1200 times: that would take hours.
const MOST: usize = 20_000;

/// How often draws are written to the cache.
const KEPT: Duration = Duration::from_secs(2);

/// What is found for each estimator, and why nothing is for another.
pub struct Calibrated {
    calibration: Calibration,
    /// Those that were calibrated, each of which said something of the dataset.
    estimators: Vec<Estimator>,
    pub truths: Vec<(Estimator, Truth)>,
    pub notes: Vec<String>,
}

impl Calibrated {
    pub fn draws(&self) -> usize {
        self.calibration.draws()
    }

    /// Of each draw for which an estimator said something above 0: that, and the true dimension.
    pub fn said(&self, estimator: &Estimator) -> Vec<(f64, f64)> {
        let Some(own) = self.estimators.iter().position(|other| other == estimator) else {
            return Vec::new();
        };
        let said = |at| {
            let (manifold, values) = self.calibration.draw(at);
            let said: Option<f64> = values[own];
            Some((said.filter(|said| *said > 0.0)?, manifold.intrinsic_dim() as f64))
        };
        (0..self.draws()).filter_map(said).collect()
    }

    pub fn truth(&self, estimator: &Estimator) -> Option<&Truth> {
        self.truths.iter().find(|(own, _)| own == estimator).map(|(_, truth)| truth)
    }
}

/// Refuses sizes that would take hours, before anything is measured.
pub fn check(args: &Args, n: usize) -> Result<(), Failure> {
    if args.calibrate && n > MOST {
        Err(Failure::new(format!(
            "--calibrate estimates {} samples of {n} points each, which takes hours: measure {MOST} at most, as \
             --per-class draws them",
            Calibration::DRAWS
        )))
    } else {
        Ok(())
    }
}

pub fn calibrate<'a>(
    args: &Args,
    device: &Device,
    n: usize,
    found: impl Iterator<Item = &'a Estimate>,
) -> Result<Calibrated, Failure> {
    let found: Vec<&Estimate> = found.collect();
    let estimators: Vec<Estimator> = found.iter().map(|found| found.estimator).collect();
    let mut calibration = Calibration::new(n, &estimators, Population::default())?;
    let mut notes = Vec::new();
    let folder =
        Cache::standard().filter(|_| !args.no_cache).map(|cache| cache.folder().join("calibrations"));
    let file = folder.as_ref().map(|folder| folder.join(calibration.file_name()));
    if let Some(Err(why)) = file.as_deref().map(|file| calibration.resume(file)) {
        notes.push(format!("calibrated anew: {why}"));
    }
    let before = calibration.draws();
    if let Some(why) = draw(&mut calibration, device, file.as_deref())? {
        notes.push(format!("the calibration is not kept for the next run: {why}"));
    }
    if before > 0 {
        notes.push(format!(
            "of the calibration's {} draws {before} are of an earlier run",
            calibration.draws()
        ));
    }
    let mut truths = Vec::new();
    for found in found {
        match calibration.truth(&found.estimator, found.value) {
            // It gave no value for most draws, or none that is a dimension.
            Err(Error::Argument(why) | Error::Data(why)) => {
                notes.push(format!("no true dimension by {}: {why}", found.estimator.name()))
            }
            truth => truths.push((found.estimator, truth?)),
        }
    }
    Ok(Calibrated { calibration, estimators, truths, notes })
}

/// Makes the missing draws; returns why they could not be cached, if so.
fn draw(calibration: &mut Calibration, device: &Device, file: Option<&Path>) -> Result<Option<Error>> {
    let bar = fraction_bar("calibration");
    let (mut last, mut trouble) = (Instant::now(), None);
    while calibration.draws() < Calibration::DRAWS {
        let next = Calibration::DRAWS.min(calibration.draws() + 16);
        calibration.extend(device, next, &|_| ())?;
        show(&bar, next as f64 / Calibration::DRAWS as f64);
        let due = next == Calibration::DRAWS || last.elapsed() > KEPT;
        if let Some(file) = file.filter(|_| due && trouble.is_none()) {
            trouble = keep(calibration, file).err();
            last = Instant::now();
        }
    }
    Ok(trouble)
}

fn keep(calibration: &Calibration, file: &Path) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(|source| Error::Io { path: folder.into(), source })?;
    }
    calibration.save(file)
}
