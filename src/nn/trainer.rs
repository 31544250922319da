//! Training: images on the device, epochs of training steps and test batches, and resuming from checkpoints.

use super::checkpoint;
use super::epoch::{Epoch, TRAINING_IMAGES, described};
use super::network::Network;
use super::plan::{Extra, NetworkPlan};
use super::recipe::Recipe;
use super::settings::{Mode, Purpose, Settings};
use super::topology::Topology;
use super::trained::Trained;
use crate::data::Images;
use crate::ops::take_images::Choice;
use crate::{Device, Error, Result};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::Instant;

/// Pixels in a test batch, where a training batch has fewer: in small batches of small images, reading the weights is
/// most of the work.
const TEST_PIXELS: usize = 128 * 32 * 32;

/// Images in a test batch: the batches are of equal size, as far as possible.
fn test_batch(images: usize, batch: usize, [height, width, _]: [usize; 3]) -> usize {
    let most = (TEST_PIXELS / (height * width)).max(batch);
    images.div_ceil(images.div_ceil(most))
}

/// What [`Trainer::step`] did.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrainingProgress {
    /// The epoch, from 1 on.
    pub epoch: u32,
    /// Finished batches of the epoch, test batches included.
    pub done: usize,
    /// Batches of an epoch.
    pub batches: usize,
    /// Images of the batch.
    pub images: usize,
    /// Whether it was a test batch.
    pub testing: bool,
    /// The epoch's results, after its last batch.
    pub finished: Option<Epoch>,
}

/// Trains a network: its images stay on the device as 8-bit values and are normalised there, and a step on a GPU is one
/// CUDA graph, of which nothing is read back before the epoch's end.
///
/// The same recipe, images and kind of device give the same bits, whether a training ran in one piece or was resumed
/// from [checkpoints](Self::save).
///
/// ```
/// use sharpdim::Device;
/// use sharpdim::data::{Dataset, Images, Preprocess};
/// use sharpdim::nn::{Model, Recipe, Trainer};
/// let (train, test) = Dataset::generated(12, 32, 0)?.split(16, 8, 0)?;
/// let load = |part: Dataset| {
///     let how = Preprocess { size: Some((32, 32)), ..Preprocess::default() };
///     Images::new(part.load_pixels(&how, &|_finished| {})?)
/// };
/// let device = Device::cpu();
/// let recipe = Recipe { epochs: 2, batch: 8, ..Recipe::paper(Model::ResNet18, &device) };
/// let mut trainer = Trainer::new(&device, &load(train)?, &load(test)?, recipe)?;
/// while !trainer.is_finished() {
///     if let Some(epoch) = trainer.step()?.finished {
///         println!("epoch {}: test accuracy {:.1} %", epoch.epoch, 100.0 * epoch.test_accuracy);
///     }
/// }
/// assert_eq!(trainer.history().len(), 2);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub struct Trainer {
    network: Network,
    recipe: Recipe,
    /// Labels of the training images, then of the test images.
    labels: Vec<u32>,
    train: usize,
    shape: [usize; 3],
    /// Descriptions of both sets of images, for checkpoints.
    images: Map<String, Value>,
    history: Vec<Epoch>,
    /// Finished batches of the epoch.
    done: usize,
    /// Seconds of the epoch's training before `since`; the time since then is not counted yet.
    seconds: f64,
    since: Option<Instant>,
    /// The training images in the epoch's order; made when it begins.
    order: Vec<Choice>,
    class_names: Vec<String>,
    note: String,
}

impl Trainer {
    /// A training from random weights.
    ///
    /// # Errors
    /// [`Error::Argument`] for invalid settings, as [`NetworkPlan::new`], or images whose shapes differ;
    /// [`Error::Data`] for a label that is no class; [`Error::Device`] where the device has not enough memory.
    pub fn new(device: &Device, train: &Images, test: &Images, recipe: Recipe) -> Result<Self> {
        let topology = recipe.model.topology();
        Self::with_topology(device, &topology, train, test, recipe)
    }

    /// As [`new`](Self::new), for any topology.
    #[doc(hidden)]
    pub fn with_topology(
        device: &Device,
        topology: &Topology,
        train: &Images,
        test: &Images,
        recipe: Recipe,
    ) -> Result<Self> {
        recipe.check()?;
        let shape = train.shape();
        if test.shape() != shape {
            let words = |[height, width, channels]: [usize; 3]| format!("{height} x {width} x {channels}");
            return Err(Error::Argument(format!(
                "training images are {}, test images {}: they must have one shape; resize them, or convert all to gray or RGB",
                words(shape),
                words(test.shape())
            )));
        }
        let labels = [train.labels(), test.labels()].concat();
        if let Some(at) = labels.iter().position(|label| *label as usize >= recipe.classes) {
            let (what, number) = if at < train.len() { ("training", at) } else { ("test", at - train.len()) };
            return Err(Error::Data(format!(
                "{what} image {number} is of class {}: the network has {} classes, 0 to {}",
                labels[at],
                recipe.classes,
                recipe.classes - 1
            )));
        }
        let batch = recipe.batch.min(train.len());
        let settings = Settings {
            batch,
            last_batch: Some(train.len() % batch.max(1)).filter(|last| *last > 0),
            channels: shape[2],
            classes: recipe.classes,
            size: [shape[0], shape[1]],
            precision: recipe.precision,
            purpose: Purpose::Training(recipe.optimiser),
            dropout: recipe.dropout,
            seed: recipe.seed,
            clip: recipe.clip,
            ..Settings::default()
        };
        let extra = Extra {
            images: labels.len(),
            test_batch: Some(test_batch(test.len(), batch, shape)),
            ..Extra::default()
        };
        let plan = NetworkPlan::with_extra(device, topology, &settings, &extra)?;
        let mut network = Network::new(plan, recipe.seed)?;
        network.set_data([train.pixels(), test.pixels()], &recipe.scale(train))?;
        let images = [(TRAINING_IMAGES, train), ("test images", test)];
        Ok(Trainer {
            network,
            labels,
            train: train.len(),
            shape,
            images: images
                .into_iter()
                .map(|(what, images)| (what.to_owned(), described(images).into()))
                .collect(),
            recipe,
            history: Vec::new(),
            done: 0,
            seconds: 0.0,
            since: None,
            order: Vec::new(),
            class_names: train.class_names().to_vec(),
            note: String::new(),
        })
    }

    /// Resumes from a checkpoint. Epochs and patience may differ from the checkpoint's; all other settings must be the
    /// same.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::Format`] for a truncated file, one that is no checkpoint, or one
    /// of other images or settings, which it names. The training then stays as it was.
    pub fn load(&mut self, path: &Path) -> Result<()> {
        let about = checkpoint::about(path)?;
        let wrong = |what: &str| Error::format(path, format!("its metadata lack {what}"));
        let theirs = about.get("settings").and_then(Value::as_object).ok_or_else(|| wrong("its settings"))?;
        let ours = self.settings();
        let differing: Vec<String> = ours
            .iter()
            .filter(|(name, value)| theirs.get(*name) != Some(value))
            .map(|(name, value)| {
                let there = theirs.get(name).map_or("nothing".into(), in_words);
                format!("{name}: {there} there, {} here", in_words(value))
            })
            .collect();
        if !differing.is_empty() {
            return Err(Error::format(
                path,
                format!("is of a training with other settings ({})", differing.join("; ")),
            ));
        }
        let number = |name: &str| about.get(name).and_then(Value::as_u64);
        let steps =
            number("steps").and_then(|steps| u32::try_from(steps).ok()).ok_or_else(|| wrong("its steps"))?;
        // An unfinished test starts again: its batches may have had another size.
        let done = number("batches").map(|done| (done as usize).min(self.training_batches()));
        let done = done.ok_or_else(|| wrong("the position in its epoch"))?;
        let seconds = about.get("seconds").and_then(Value::as_f64).ok_or_else(|| wrong("its seconds"))?;
        let history = Epoch::history(&about).ok_or_else(|| wrong("its history of epochs"))?;
        checkpoint::load(&mut self.network, path)?;
        self.network.steps = steps;
        (self.history, self.done, self.seconds, self.since) = (history, done, seconds, None);
        self.order.clear();
        Ok(())
    }

    /// Writes a checkpoint. An earlier file at the path is replaced only once the new one is complete.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written; [`Error::Diverged`] where a loss was not finite: such a
    /// state is not written; [`Error::Device`] where the device fails.
    pub fn save(&mut self, path: &Path) -> Result<()> {
        self.check()?;
        self.pause()?;
        let about = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "settings": self.settings(),
            "steps": self.network.steps(),
            "batches": self.done,
            "seconds": self.seconds,
            "history": self.history.iter().map(Epoch::json).collect::<Vec<_>>(),
            "shape": self.shape,
            "class_names": self.class_names,
            "note": self.note,
        });
        checkpoint::save(&self.network, &about, path)
    }

    /// The network as it is now: what [`Trained::read`] would read from a [checkpoint](Self::save) written now.
    ///
    /// # Errors
    /// As [`save`](Self::save), without file errors.
    pub fn trained(&mut self) -> Result<Trained> {
        self.check()?;
        Ok(Trained {
            model: self.recipe.model,
            classes: self.recipe.classes,
            class_names: self.class_names.clone(),
            shape: self.shape,
            precision: self.recipe.precision,
            scale: self.network.arena.to_vec(self.network.plan.data.scale)?,
            history: self.history.clone(),
            note: self.note.clone(),
            images: self.images[TRAINING_IMAGES].as_str().unwrap_or_default().to_owned(),
            state: self.network.state()?,
        })
    }

    /// Trains on the next batch, or, at the end of an epoch, evaluates the next test batch. On a GPU it waits for the device
    /// at the end of an epoch only.
    ///
    /// # Errors
    /// [`Error::Argument`] where the training is finished; [`Error::Diverged`] where a loss is not finite, with its
    /// step, which on a GPU is noticed at the end of the epoch's steps only; [`Error::Device`] where the device
    /// fails.
    pub fn step(&mut self) -> Result<TrainingProgress> {
        if self.is_finished() {
            return Err(Error::Argument(format!(
                "the training is finished: it had {} epochs",
                self.history.len()
            )));
        }
        let epoch = self.history.len() as u32 + 1;
        if self.order.is_empty() {
            self.order = self.recipe.epoch(epoch, self.train, self.shape);
        }
        let (choices, from) = self.batch(self.done);
        let labels: Vec<u32> = choices.iter().map(|choice| self.labels[choice.row as usize]).collect();
        let testing = self.done >= self.training_batches();
        if testing {
            self.network.test_taken(&choices, &labels, from)?;
        } else {
            self.since.get_or_insert_with(Instant::now);
            self.network.train_taken(&choices, &labels, from, self.recipe.rate)?;
        }
        self.done += 1;
        // Reading the CPU's results needs no waiting.
        let cpu = self.network.plan().device().is_cpu();
        let phase_ends = self.done == self.training_batches() || self.done == self.batches();
        if cpu || phase_ends {
            self.check()?;
        }
        if phase_ends {
            self.pause()?;
        }
        let done = self.done;
        let finished = if done == self.batches() { Some(self.finish(epoch)?) } else { None };
        Ok(TrainingProgress {
            epoch,
            done,
            batches: self.batches(),
            images: choices.len(),
            testing,
            finished,
        })
    }

    /// Whether all epochs are done, or the test loss has not fallen for as many as the recipe's patience.
    pub fn is_finished(&self) -> bool {
        let epochs = self.history.len();
        let best =
            self.history.iter().enumerate().min_by(|(_, a), (_, b)| a.test_loss.total_cmp(&b.test_loss));
        let waited = best.map_or(0, |(at, _)| epochs - 1 - at);
        epochs >= self.recipe.epochs as usize
            || self.recipe.patience.is_some_and(|patience| waited >= patience as usize)
    }

    /// Stores a note in checkpoints, such as where the images are from; [`Trained::note`](super::Trained::note) returns it.
    pub fn set_note(&mut self, note: impl Into<String>) {
        self.note = note.into();
    }

    /// The results of each finished epoch.
    pub fn history(&self) -> &[Epoch] {
        &self.history
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The network as it is now.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The network as it is now, by value.
    pub fn into_network(self) -> Network {
        self.network
    }

    /// Batches of an epoch, training and test.
    pub fn batches(&self) -> usize {
        self.training_batches() + (self.labels.len() - self.train).div_ceil(self.test_batch())
    }

    /// Images in a test batch.
    fn test_batch(&self) -> usize {
        self.network.plan().test_batch().expect("planned with tests")
    }

    fn training_batches(&self) -> usize {
        self.train.div_ceil(self.network.plan().settings().batch)
    }

    /// The images of a batch of the epoch, and their first row in its table.
    fn batch(&self, at: usize) -> (Vec<Choice>, usize) {
        match at.checked_sub(self.training_batches()) {
            None => {
                let most = self.network.plan().settings().batch;
                let from = at * most;
                (self.order[from..self.train.min(from + most)].to_vec(), from)
            }
            Some(at) => {
                let most = self.test_batch();
                let from = self.train + at * most;
                let rows = from..self.labels.len().min(from + most);
                let [height, width, _] = self.shape;
                (rows.map(|row| Choice::whole(row as u32, height, width)).collect(), from)
            }
        }
    }

    /// Waits for the device, and adds the time since the last pause.
    fn pause(&mut self) -> Result<()> {
        if let Some(since) = self.since.take() {
            self.network.arena.synchronise()?;
            self.seconds += since.elapsed().as_secs_f64();
        }
        Ok(())
    }

    /// Mean loss and accuracy of a range of images in the table.
    fn found(&self, from: usize, len: usize) -> Result<(f64, f64)> {
        let table = self.network.plan.data.table;
        let mean = |from: usize| -> Result<f64> {
            let values = self.network.arena.to_vec(table.part(from, len))?;
            Ok(values.iter().map(|value| f64::from(*value)).sum::<f64>() / len as f64)
        };
        Ok((mean(from)?, mean(self.labels.len() + from)?))
    }

    fn finish(&mut self, epoch: u32) -> Result<Epoch> {
        let (train_loss, train_accuracy) = self.found(0, self.train)?;
        let (test_loss, test_accuracy) = self.found(self.train, self.labels.len() - self.train)?;
        let seconds = std::mem::take(&mut self.seconds);
        let images_per_second = if seconds > 0.0 { self.train as f64 / seconds } else { 0.0 };
        let finished =
            Epoch { epoch, train_loss, train_accuracy, test_loss, test_accuracy, seconds, images_per_second };
        self.history.push(finished);
        self.done = 0;
        self.order.clear();
        Ok(finished)
    }

    /// Fails where a loss was not finite, with the first such step and the layer it came from.
    fn check(&mut self) -> Result<()> {
        let data = self.network.plan.data;
        if self.network.arena.to_vec(data.halt)?[0] == 0.0 {
            return Ok(());
        }
        let losses = self.network.arena.to_vec(data.table.part(0, self.labels.len()))?;
        for at in 0..self.done {
            let (choices, from) = self.batch(at);
            let Some(loss) = losses[from..from + choices.len()].iter().find(|loss| !loss.is_finite()) else {
                continue;
            };
            let training = self.training_batches();
            let mode = if at < training { Mode::Training } else { Mode::Evaluation };
            // Steps after that loss changed no weight, but were counted.
            let before = self.network.steps() - self.done.min(training) as u32 + at.min(training) as u32;
            let layer = self.network.first_not_finite(&choices, mode, before)?;
            let rate = self.recipe.rate;
            return Err(Error::Diverged {
                step: before + u32::from(at < training),
                epoch: self.history.len() as u32 + 1,
                loss: *loss,
                layer: layer.unwrap_or_else(|| "the loss itself".into()),
                advice: match self.recipe.clip {
                    Some(_) => format!("take a learning rate below {rate}"),
                    None => format!("take a learning rate below {rate}, or clip gradients"),
                },
            });
        }
        unreachable!("the table has the loss that stopped the optimiser")
    }

    /// The settings that a checkpoint must share with this training, by name.
    fn settings(&self) -> Map<String, Value> {
        let mut settings = self.recipe.settings(self.network.plan().name());
        settings.extend(self.images.clone());
        settings
    }
}

fn in_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".into(),
        other => other.to_string(),
    }
}
