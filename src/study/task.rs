//! The tasks of a plan: its experiments, each with an identity from all that its result depends on.

use super::plan::{Classes, DatasetPlan, Plan};
use crate::attack::{Counts, NamedAttack, NamedSettings};
use crate::nn::Model;
use serde_json::{Value, json};
use std::fmt;

/// Time of a backward pass, in forward passes, about.
const BACKWARD: u64 = 2;

/// What is done in a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Dimension and label sharpness of the training images are measured.
    Measure,
    /// A network is trained on them, tested, attacked, and its representations are measured.
    Train,
}

impl Kind {
    /// Its name in stores.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Measure => "measure",
            Kind::Train => "train",
        }
    }
}

/// One experiment of a [`Plan`].
///
/// ```
/// use sharpdim::study::Plan;
/// let plan = Plan::parse(Plan::text_of("demo").unwrap())?;
/// let first = &plan.tasks()[0];
/// assert_eq!(first.id.len(), 16);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// A checksum of its settings: the same experiment has the same id everywhere.
    pub id: String,
    /// A checksum of its images' settings, which a measurement and the trainings on them share.
    pub images: String,
    /// What is done.
    pub kind: Kind,
    /// Its place in the plan.
    pub position: usize,
    /// Its dataset's place in the plan.
    pub dataset: usize,
    /// The dataset's name.
    pub name: String,
    /// The dataset's domain.
    pub domain: String,
    /// The classes.
    pub classes: Classes,
    /// The network, of a training.
    pub model: Option<Model>,
    /// Images to train on.
    pub train: usize,
    /// Images to test on.
    pub test: usize,
    /// The seed.
    pub seed: u64,
    /// Epochs of training.
    pub epochs: u32,
    /// The learning rate, where the plan sets one.
    pub rate: Option<f32>,
    /// Whether other preprocessings are measured too.
    pub variants: bool,
    /// All that its result depends on, as JSON.
    pub settings: String,
    /// Its approximate cost, in forward passes of an image through ResNet-18 at this size.
    pub cost: f64,
}

impl fmt::Display for Task {
    /// As `mnist (draw 2), resnet18, 500 images, seed 0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        match &self.classes {
            Classes::All => (),
            Classes::Named(names) => write!(f, " ({})", names.join(" and "))?,
            Classes::Draw(draw) => write!(f, " (pair {})", draw + 1)?,
        }
        match self.model {
            Some(model) => write!(f, ", {model}")?,
            None => write!(f, ", measures")?,
        }
        write!(f, ", {} images, seed {}", self.train, self.seed)
    }
}

impl Plan {
    /// All experiments of the plan, in the order in which they are done: those on the same images follow each other.
    pub fn tasks(&self) -> Vec<Task> {
        let models: Vec<Model> = self.models.iter().filter_map(|name| name.parse().ok()).collect();
        let mut tasks = Vec::new();
        for (at, dataset) in self.datasets.iter().enumerate() {
            let greatest = dataset.sizes(self).iter().copied().max().unwrap_or(0);
            for classes in dataset.choices() {
                for seed in dataset.seeds(self) {
                    for train in dataset.sizes(self) {
                        let with_variants = *train == greatest && !self.variants.is_empty();
                        let first = Task {
                            id: String::new(),
                            images: String::new(),
                            kind: Kind::Measure,
                            position: 0,
                            dataset: at,
                            name: dataset.name.clone(),
                            domain: dataset.domain.clone(),
                            classes: classes.clone(),
                            model: None,
                            train: *train,
                            test: dataset.test(self),
                            seed: *seed,
                            epochs: 0,
                            rate: None,
                            variants: with_variants,
                            settings: String::new(),
                            cost: *train as f64,
                        };
                        let trainings = models.iter().map(|model| Task {
                            kind: Kind::Train,
                            model: Some(*model),
                            epochs: dataset.epochs(self),
                            rate: rate(self, dataset, *model),
                            variants: false,
                            ..first.clone()
                        });
                        for task in [first.clone()].into_iter().chain(trainings) {
                            tasks.push(self.identified(task, tasks.len()));
                        }
                    }
                }
            }
        }
        tasks
    }

    fn identified(&self, task: Task, position: usize) -> Task {
        let dataset = &self.datasets[task.dataset];
        let images = json!({
            "name": task.name, "dataset": dataset.dataset, "task": dataset.task, "generated": dataset.generated,
            "classes": match &task.classes {
                Classes::All => Value::Null,
                Classes::Named(names) => json!(names),
                Classes::Draw(draw) => json!(draw),
            },
            "train": task.train, "test": task.test, "test_part": dataset.test_part, "seed": task.seed,
            "size": self.size, "color": dataset.color, "split": self.split,
        });
        let mut settings =
            json!({ "kind": task.kind.name(), "images": images.clone(), "estimators": self.estimators });
        match task.model {
            None => {
                settings["sharpness"] = json!(self.sharpness);
                settings["variants"] = if task.variants { json!(self.variants) } else { json!([]) };
            }
            Some(model) => {
                settings["model"] = json!(model.name());
                settings["epochs"] = json!(task.epochs);
                settings["batch"] = json!(self.batch);
                settings["rate"] = json!(task.rate);
                settings["precision"] = json!(self.precision);
                settings["layers"] = json!(self.layers);
                settings["attacks"] = json!(self.attacks);
                settings["epsilons"] = json!(self.epsilons);
            }
        }
        let settings = canonical(settings);
        let step = (1 + BACKWARD) as f64;
        let passes = f64::from(task.epochs) * (step * task.train as f64 + task.test as f64)
            + self.attack_passes() * task.test as f64;
        let cost = task.model.map_or(task.cost, |model| passes * model.cost() + 4.0 * task.train as f64);
        Task {
            id: checksum(&settings),
            images: checksum(&canonical(images)),
            position,
            settings,
            cost,
            ..task
        }
    }
}

impl Plan {
    /// The cost of all attacks on a test image, in forward passes.
    fn attack_passes(&self) -> f64 {
        // A plan is checked: what cannot be made here has other classes than two.
        let settings = NamedSettings { classes: usize::MAX, ..NamedSettings::default() };
        let attacks =
            self.attacks.iter().filter_map(|name| NamedAttack::find(name).ok()?.with(&settings).ok());
        let passes = attacks.map(|attack| attack.passes());
        let each: u64 = passes.map(|Counts { forward, backward }| forward + BACKWARD * backward).sum();
        (each * self.epsilons.len() as u64) as f64
    }
}

fn rate(plan: &Plan, dataset: &DatasetPlan, model: Model) -> Option<f32> {
    dataset.rates.get(model.name()).or_else(|| plan.rates.get(model.name())).copied()
}

/// JSON with sorted keys, whichever features `serde_json` is built with.
fn canonical(mut value: Value) -> String {
    value.sort_all_objects();
    value.to_string()
}

fn checksum(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}
