//! The work of a task: images measured, or a network trained, attacked and measured.

use super::{Event, Running, Watch};
use crate::attack::{NamedAttack, NamedSettings, Target, unattacked};
use crate::data::Loaded;
use crate::measure::{Estimate, Estimator, PaperProtocol, Properties, Protocol, intrinsic_properties};
use crate::nn::{Model, Recipe, Trained, Trainer};
use crate::represent::{RepresentationOptions, relative_depth, representations};
use crate::study::plan::Plan;
use crate::study::source::{Prepared, Sources};
use crate::study::store::{AttackResult, Dimension, EpochResult, MeasuredSharpness, Outcome};
use crate::study::task::Task;
use crate::{Error, Result};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Running<'_> {
    pub(super) fn measure(
        &mut self,
        task: &Task,
        sources: &mut Sources<'_>,
        watch: Watch<'_>,
    ) -> Result<Outcome> {
        watch(Event::Started { task, epochs: 0 });
        watch(Event::Moved { task, what: "decoding", fraction: 0.0 });
        let estimators = self.plan.estimators()?;
        let prepared = sources.prepare(task)?;
        let mut outcome = Outcome {
            classes: prepared.classes.clone(),
            checksum: prepared.checksum.clone(),
            device: self.device_name.clone(),
            ..Outcome::default()
        };
        watch(Event::Moved { task, what: "measuring", fraction: 0.3 });
        self.measured(&prepared.loaded, "", false, &estimators, task.seed, &mut outcome)?;
        if task.variants {
            for (at, variant) in self.plan.variants.iter().enumerate() {
                if self.stopping() {
                    return Err(Error::Stopped);
                }
                let fraction = 0.4 + 0.6 * at as f64 / self.plan.variants.len() as f64;
                watch(Event::Moved { task, what: "measuring variants", fraction });
                let loaded = sources.variant(task, variant)?;
                let unit = variant.scale.as_deref() == Some("unit");
                self.measured(&loaded, &variant.in_words(), unit, &estimators, task.seed, &mut outcome)?;
            }
        }
        Ok(outcome)
    }

    /// Dimension and label sharpness of some images.
    fn measured(
        &self,
        loaded: &Loaded,
        preprocessing: &str,
        unit: bool,
        estimators: &[Estimator],
        seed: u64,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let points = loaded.samples.points()?;
        let scaled;
        let points = if unit {
            scaled = points.divided(255);
            scaled.points()?
        } else {
            points
        };
        let protocol = match self.plan.sharpness.as_str() {
            "all-pairs" => Protocol::AllPairs,
            _ => Protocol::Paper(PaperProtocol { seed, ..paper_protocol(&loaded.labels) }),
        };
        let Properties { dimensions, sharpness } =
            intrinsic_properties(self.device, &points, &loaded.labels, estimators, protocol, 1, &|_| ())?;
        for (estimator, found) in estimators.iter().zip(dimensions) {
            let dimension = dimension("data", None, preprocessing, estimator, found)?;
            outcome.dimensions.push(dimension);
        }
        let mut result =
            MeasuredSharpness { preprocessing: preprocessing.to_owned(), ..MeasuredSharpness::default() };
        match sharpness {
            Ok(found) => {
                result.value = Some(if found.draws.is_empty() { found.max } else { found.mean });
                result.maximum = Some(found.max);
                (result.contradictions, result.pairs) = (found.contradictions, found.pairs_compared);
            }
            Err(Error::Data(reason)) => result.error = Some(reason),
            Err(other) => return Err(other),
        }
        outcome.sharpness.push(result);
        Ok(())
    }

    pub(super) fn train(
        &mut self,
        task: &Task,
        sources: &mut Sources<'_>,
        counted_from: &mut Instant,
        watch: Watch<'_>,
    ) -> Result<Outcome> {
        let Some(model) = task.model else { unreachable!("a training has a network") };
        let plan = self.plan;
        let prepared = sources.prepare(task)?;
        let recipe = self.recipe(task, model, prepared)?;
        let precision = recipe.precision.name().to_owned();
        let batch = recipe.batch;
        let checkpoint = self.checkpoint(task);
        let mut trainer = Trainer::new(self.device, &prepared.train, &prepared.test, recipe)?;
        trainer.set_note(task.settings.clone());
        // A checkpoint that is damaged or of other images is ignored: the training starts from the beginning.
        if checkpoint.exists() && trainer.load(&checkpoint).is_err() {
            trainer = Trainer::new(self.device, &prepared.train, &prepared.test, trainer.recipe().clone())?;
            trainer.set_note(task.settings.clone());
        }
        let at = trainer.history().len() as u32;
        watch(Event::Started { task, epochs: at });
        self.timer.restart();
        while !trainer.is_finished() {
            let progress = trainer.step()?;
            let epochs = f64::from(progress.epoch - 1) + progress.done as f64 / progress.of as f64;
            // What comes after the training is about a tenth of the work.
            watch(Event::Moved { task, what: "training", fraction: 0.9 * epochs / f64::from(task.epochs) });
            let stopping = self.stopping() && !trainer.is_finished();
            let keeping = self.options.keep_checkpoints && trainer.is_finished();
            if stopping || keeping || (progress.finished.is_some() && self.timer.is_due()) {
                self.timer.save(&mut trainer, &checkpoint)?;
                self.store.advanced(
                    &task.id,
                    trainer.history().len() as u32,
                    counted_from.elapsed().as_secs_f64(),
                )?;
                *counted_from = Instant::now();
            }
            if stopping {
                return Err(Error::Stopped);
            }
        }
        let mut outcome = Outcome {
            classes: prepared.classes.clone(),
            checksum: prepared.checksum.clone(),
            device: self.device_name.clone(),
            precision: Some(precision),
            epochs: trainer.history().iter().map(epoch_result).collect(),
            ..Outcome::default()
        };
        let trained = trainer.trained()?;
        drop(trainer);
        self.attacked(task, &trained, prepared, batch, watch, &mut outcome)?;
        watch(Event::Moved { task, what: "measuring representations", fraction: 0.97 });
        let estimators = plan.estimators()?;
        let options = RepresentationOptions {
            layers: layers(plan, model),
            estimators: estimators.clone(),
            batch: batch.max(16),
            ..RepresentationOptions::default()
        };
        for layer in representations(self.device, &trained, &prepared.train, &options, &|_| ())? {
            for (estimator, found) in estimators.iter().zip(layer.dims) {
                let depth = Some(relative_depth(model, &layer.layer)?);
                outcome.dimensions.push(dimension(&layer.layer, depth, "", estimator, found)?);
            }
        }
        Ok(outcome)
    }

    fn recipe(&self, task: &Task, model: Model, prepared: &Prepared) -> Result<Recipe> {
        let paper = Recipe::paper(model, self.device);
        let precision = match &self.plan.precision {
            Some(name) => name.parse()?,
            None => paper.precision,
        };
        Ok(Recipe {
            classes: prepared.train.class_names().len(),
            epochs: task.epochs,
            batch: self.plan.batch.unwrap_or(paper.batch),
            rate: task.rate.unwrap_or(paper.rate),
            seed: task.seed,
            precision,
            ..paper
        })
    }

    fn attacked(
        &self,
        task: &Task,
        trained: &Trained,
        prepared: &Prepared,
        batch: usize,
        watch: Watch<'_>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        if self.plan.attacks.is_empty() || self.plan.epsilons.is_empty() {
            return Ok(());
        }
        let mut target = Target::new(trained, self.device, batch.max(16))?;
        let stop = self.options.stop.clone();
        target.watch(move |_| {
            if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let images: Vec<f32> = prepared.test.pixels().iter().map(|value| f32::from(*value)).collect();
        let labels = prepared.test.labels();
        let clean = unattacked(&mut target, &images, labels)?;
        let count = self.plan.attacks.len() as f64;
        for (at, name) in self.plan.attacks.iter().enumerate() {
            let fraction = 0.9 + 0.07 * at as f64 / count;
            watch(Event::Moved { task, what: "attacking", fraction });
            let settings =
                NamedSettings { seed: task.seed, classes: trained.classes, ..NamedSettings::default() };
            let attack = NamedAttack::find(name)?.with(&settings)?;
            for found in attack.run(&mut target, &images, labels, &self.plan.epsilons)? {
                outcome.attacks.push(AttackResult {
                    attack: name.clone(),
                    epsilon: f64::from(found.epsilon),
                    clean: [clean.mean_loss(), clean.accuracy()],
                    attacked: [found.mean_loss(), found.accuracy()],
                });
            }
        }
        Ok(())
    }
}

/// The paper's draws of 1000 images; one draw of all where there are fewer.
fn paper_protocol(labels: &[u32]) -> PaperProtocol {
    let mut counts = std::collections::BTreeMap::new();
    labels.iter().for_each(|label| *counts.entry(label).or_insert(0usize) += 1);
    let balanced = counts.values().min().copied().unwrap_or(0) * counts.len();
    let paper = PaperProtocol::default();
    if balanced <= paper.samples {
        // Every draw would be of the same images.
        PaperProtocol { samples: balanced, repeats: 1, ..paper }
    } else {
        paper
    }
}

fn layers(plan: &Plan, model: Model) -> Vec<String> {
    let all = plan.layers.iter().any(|layer| layer == "all");
    let mut layers = if all { model.activations() } else { plan.layers.clone() };
    if !layers.iter().any(|layer| layer == "last_hidden") {
        layers.push("last_hidden".into());
    }
    layers
}

/// An estimate, or why there is none, which is a result too.
fn dimension(
    layer: &str,
    depth: Option<f64>,
    preprocessing: &str,
    estimator: &Estimator,
    found: Result<Estimate>,
) -> Result<Dimension> {
    let dimension = Dimension {
        layer: layer.to_owned(),
        depth,
        preprocessing: preprocessing.to_owned(),
        estimator: estimator.name().to_owned(),
        ..Dimension::default()
    };
    match found {
        Ok(found) if found.value.is_finite() => Ok(Dimension {
            value: Some([found.value, found.low, found.high]),
            excluded: found.excluded.count(),
            ..dimension
        }),
        Ok(found) => Ok(Dimension { error: Some(format!("the estimate is {}", found.value)), ..dimension }),
        Err(Error::Data(reason)) => Ok(Dimension { error: Some(reason), ..dimension }),
        Err(other) => Err(other),
    }
}

fn epoch_result(epoch: &crate::nn::Epoch) -> EpochResult {
    EpochResult {
        epoch: epoch.epoch,
        train_loss: epoch.train_loss,
        train_accuracy: epoch.train_accuracy,
        test_loss: epoch.test_loss,
        test_accuracy: epoch.test_accuracy,
    }
}
