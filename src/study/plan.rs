//! A study's plan: which datasets, networks, sizes, seeds, attacks and measures, read from TOML.

use crate::attack::{NamedAttack, NamedSettings};
use crate::data::{Color, Domain, Family, Named};
use crate::measure::Estimator;
use crate::nn::Model;
use crate::represent::relative_depth;
use crate::{Error, Precision, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The classes of a classification task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Classes {
    /// All that the dataset has.
    All,
    /// These, by name.
    Named(Vec<String>),
    /// A pair that is drawn: the draw's number, from 0 on.
    Draw(usize),
}

impl Classes {
    /// How many there are, where the plan fixes it.
    pub(super) fn count(&self) -> Option<usize> {
        match self {
            Classes::All => None,
            Classes::Named(names) => Some(names.len()),
            Classes::Draw(_) => Some(2),
        }
    }
}

/// A grid of experiments: every dataset's class pairs, with every network, training size and seed. In TOML, with the settings of
/// Konz & Mazurowski (ICLR 2024) as defaults.
///
/// ```
/// use sharpdim::study::Plan;
/// let plan = Plan::parse(r#"
///     name = "digits"
///     models = ["resnet18"]
///     train = [100, 200]
///     seeds = [0, 1]
///     size = 32
///
///     [[datasets]]
///     name = "mnist"
///     dataset = "mnist"
///     classes = [["3", "8"], ["1", "7"]]
/// "#)?;
/// // 2 pairs x 2 sizes x 2 seeds are measured, and a network is trained on each.
/// assert_eq!(plan.tasks().len(), 16);
/// assert_eq!(plan.epochs, 100);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it is called.
    pub name: String,
    /// The networks: [`Model`]'s names.
    #[serde(default = "all_models")]
    pub models: Vec<String>,
    /// Numbers of images to train on.
    #[serde(default = "paper_sizes")]
    pub train: Vec<usize>,
    /// Images to test on.
    #[serde(default = "paper_test")]
    pub test: usize,
    /// Seeds: of the images drawn and of all that is random in a training.
    #[serde(default = "one_seed")]
    pub seeds: Vec<u64>,
    /// Images are resized to as many pixels a side.
    #[serde(default = "paper_size")]
    pub size: usize,
    /// Times that each training image is seen.
    #[serde(default = "paper_epochs")]
    pub epochs: u32,
    /// Images in a batch; the paper's for each network by default.
    pub batch: Option<usize>,
    /// The learning rate of a network, by its name; the paper's by default.
    #[serde(default)]
    pub rates: BTreeMap<String, f32>,
    /// `f32` or `bf16`; by default bf16 on GPUs and f32 on the CPU.
    pub precision: Option<String>,
    /// `patient`: no patient has images in both training and test set, where patients are known; `image`: as published.
    #[serde(default = "by_patient")]
    pub split: String,
    /// Estimators of d_data and d_repr, by [`Estimator::name`].
    #[serde(default = "paper_estimators")]
    pub estimators: Vec<String>,
    /// Layers whose representations are measured; `all` for each one. `last_hidden` always is.
    #[serde(default)]
    pub layers: Vec<String>,
    /// `paper`: the mean of ten draws of 1000 images; `all-pairs`: the maximum over all pairs of the training images.
    #[serde(default = "paper_protocol")]
    pub sharpness: String,
    /// Attacks on the test images, in L∞, by [`NamedAttack`]'s names.
    #[serde(default = "paper_attacks")]
    pub attacks: Vec<String>,
    /// Their strengths, in units of pixel value of 255.
    #[serde(default = "paper_epsilons")]
    pub epsilons: Vec<f32>,
    /// Other preprocessings, under which the images of the greatest training size are measured too.
    #[serde(default)]
    pub variants: Vec<Variant>,
    /// The datasets.
    pub datasets: Vec<DatasetPlan>,
    /// What it was read from.
    #[serde(skip)]
    text: String,
}

/// A dataset of a [`Plan`]. Its own settings override the plan's.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetPlan {
    /// What it is called in results.
    pub name: String,
    /// `natural`, `radiology` or another word: datasets of one domain are fitted together.
    #[serde(default = "natural")]
    pub domain: String,
    /// One of the paper's datasets as its owner hands it out, by [`Named`]'s name.
    pub dataset: Option<String>,
    /// Its classification task.
    pub task: Option<String>,
    /// Its folder within the data folder; its name by default.
    pub path: Option<PathBuf>,
    /// Images that are generated instead.
    pub generated: Option<Generated>,
    /// Classes of the classification task, each list an experiment of its own. Without these and `draws`: all of the dataset's.
    #[serde(default)]
    pub classes: Vec<Vec<String>>,
    /// How many pairs of its classes are drawn.
    pub draws: Option<usize>,
    /// Whether test images come from the dataset's own test part.
    #[serde(default)]
    pub test_part: bool,
    /// `gray` or `rgb`; as stored by default.
    pub color: Option<String>,
    /// Overrides the plan's.
    pub train: Option<Vec<usize>>,
    /// Overrides the plan's.
    pub test: Option<usize>,
    /// Overrides the plan's.
    pub seeds: Option<Vec<u64>>,
    /// Overrides the plan's.
    pub epochs: Option<u32>,
    /// Overrides the plan's.
    #[serde(default)]
    pub rates: BTreeMap<String, f32>,
}

/// Generated images in a [`Plan`]: [`Domain`]'s dials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generated {
    /// `objects` or `radiology`.
    pub family: String,
    /// The number of latent factors.
    pub latents: usize,
    /// The size of the change that decides the label.
    pub contrast: f64,
}

/// Another preprocessing in a [`Plan`]; the dataset's where a field is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Pixels a side.
    pub size: Option<usize>,
    /// `gray` or `rgb`.
    pub color: Option<String>,
    /// `max`: each image scaled by its maximum to 8 bits; `none`: values as they are; `unit`: as `max`, then divided by 255.
    pub scale: Option<String>,
}

fn all_models() -> Vec<String> {
    Model::ALL.map(|model| model.name().to_owned()).to_vec()
}
fn paper_sizes() -> Vec<usize> {
    vec![500, 750, 1000, 1250, 1500, 1750]
}
fn paper_test() -> usize {
    750
}
fn one_seed() -> Vec<u64> {
    vec![0]
}
fn paper_size() -> usize {
    224
}
fn paper_epochs() -> u32 {
    100
}
fn by_patient() -> String {
    "patient".into()
}
fn paper_estimators() -> Vec<String> {
    vec!["mle".into(), "twonn".into()]
}
fn paper_protocol() -> String {
    "paper".into()
}
fn paper_attacks() -> Vec<String> {
    vec!["fgsm".into()]
}
fn paper_epsilons() -> Vec<f32> {
    vec![1.0, 2.0, 4.0, 8.0]
}
fn natural() -> String {
    "natural".into()
}

/// The plans that come with the library: name, description, TOML.
const BUILT_IN: [(&str, &str, &str); 2] = [
    (
        "paper",
        "the paper's grid: eleven datasets, six networks, six training sizes",
        include_str!("plans/paper.toml"),
    ),
    ("demo", "generated images: a controlled study that takes minutes", include_str!("plans/demo.toml")),
];

impl Plan {
    /// The names of the plans that come with the library, each with a line about it.
    pub fn built_in() -> impl Iterator<Item = (&'static str, &'static str)> {
        BUILT_IN.iter().map(|(name, about, _)| (*name, *about))
    }

    /// The TOML of a plan that comes with the library.
    ///
    /// ```
    /// use sharpdim::study::Plan;
    /// let plan = Plan::parse(Plan::text_of("paper").unwrap())?;
    /// assert_eq!((plan.models.len(), plan.datasets.len()), (6, 11));
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn text_of(name: &str) -> Option<&'static str> {
        BUILT_IN.iter().find(|(known, ..)| *known == name).map(|(.., text)| *text)
    }

    /// A plan of a file, or of a name that comes with the library.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, with the known names where there is none; as [`parse`](Self::parse), with the
    /// file's name.
    pub fn read(path: &Path) -> Result<Self> {
        if let Some(text) = path.to_str().and_then(Plan::text_of) {
            return Plan::parse(text);
        }
        let text = std::fs::read_to_string(path).map_err(|source| {
            let known: Vec<&str> = Plan::built_in().map(|(name, _)| name).collect();
            match source.kind() {
                std::io::ErrorKind::NotFound => Error::Argument(format!(
                    "there is no plan {}: neither a file, nor one of {}",
                    path.display(),
                    known.join(", ")
                )),
                _ => Error::io(path, source),
            }
        })?;
        Plan::parse(&text).map_err(|error| Error::format(path, error.to_string()))
    }

    /// A plan of TOML.
    ///
    /// # Errors
    /// [`Error::Argument`] for what is not TOML, or not a plan, with the line; and for invalid names, numbers or combinations.
    pub fn parse(text: &str) -> Result<Self> {
        let mut plan: Plan = toml::from_str(text)
            .map_err(|e| Error::Argument(format!("is not a plan: {}", e.to_string().trim_end())))?;
        plan.check()?;
        plan.text = text.to_owned();
        Ok(plan)
    }

    /// The TOML that it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn check(&self) -> Result<()> {
        let bad = |why: String| Err(Error::Argument(why));
        if self.datasets.is_empty() {
            return bad("the plan has no datasets: add a table [[datasets]] for each".into());
        }
        distinct("models", &self.models)?;
        for model in &self.models {
            model.parse::<Model>()?;
        }
        distinct("estimators", &self.estimators)?;
        self.estimators()?;
        distinct("attacks", &self.attacks)?;
        for attack in &self.attacks {
            let attack = match NamedAttack::find(attack) {
                Ok(attack) => attack,
                Err(error) => return bad(format!("attacks: {error}")),
            };
            for dataset in &self.datasets {
                for classes in dataset.choices().iter().filter_map(Classes::count) {
                    let settings = NamedSettings { classes, ..NamedSettings::default() };
                    if let Err(error) = attack.with(&settings) {
                        return bad(format!("attacks: {error} (dataset {})", dataset.name));
                    }
                }
            }
        }
        if let Some(bad_one) = self.epsilons.iter().find(|e| !(e.is_finite() && **e > 0.0)) {
            return bad(format!(
                "epsilons: {bad_one} is not a strength: each must be above 0, in units of pixel value"
            ));
        }
        for layer in self.layers.iter().filter(|layer| *layer != "all") {
            for model in self.models()? {
                relative_depth(model, layer)?;
            }
        }
        one_of("split", &self.split, &["patient", "image"])?;
        one_of("sharpness", &self.sharpness, &["paper", "all-pairs"])?;
        if let Some(precision) = &self.precision {
            precision.parse::<Precision>()?;
        }
        check_rates("rates", &self.rates)?;
        check_counts("", &self.train, self.test, self.epochs, &self.seeds)?;
        let least = self.models()?.iter().map(|model| model.least_size()).max().unwrap_or(1);
        if self.size < least {
            return bad(format!(
                "size: images of {} pixels are too small: these networks need {least}",
                self.size
            ));
        }
        if self.batch == Some(0) {
            return bad("batch: 0 images; at least 1 is needed".into());
        }
        for variant in &self.variants {
            color(variant.color.as_deref())?;
            one_of("scale", variant.scale.as_deref().unwrap_or("max"), &["max", "none", "unit"])?;
            if variant.size == Some(0) {
                return bad("variants: images of 0 pixels".into());
            }
        }
        let mut names = BTreeSet::new();
        for dataset in &self.datasets {
            dataset.check(self)?;
            if !names.insert(&dataset.name) {
                return bad(format!("two datasets are called {:?}", dataset.name));
            }
        }
        Ok(())
    }

    /// The networks.
    pub(super) fn models(&self) -> Result<Vec<Model>> {
        self.models.iter().map(|name| name.parse()).collect()
    }

    /// The estimators.
    pub(super) fn estimators(&self) -> Result<Vec<Estimator>> {
        let named = |name: &String| {
            name.parse().map_err(|error| match error {
                Error::Argument(reason) => Error::Argument(format!("estimators: {reason}")),
                other => other,
            })
        };
        self.estimators.iter().map(named).collect()
    }
}

impl DatasetPlan {
    fn check(&self, plan: &Plan) -> Result<()> {
        let bad = |why: String| Err(Error::Argument(format!("dataset {:?}: {why}", self.name)));
        let sources = [self.dataset.is_some(), self.generated.is_some()];
        if sources == [true, true] || (self.generated.is_some() && self.path.is_some()) {
            return bad("it is either generated or read from files, not both".into());
        }
        if let Some(name) = &self.dataset {
            name.parse::<Named>()?;
        } else if self.task.is_some() {
            return bad("a task needs one of the paper's datasets: name it with dataset".into());
        }
        if let Some(generated) = &self.generated {
            generated.domain(plan.size)?;
            if self.test_part {
                return bad("generated images have no test part".into());
            }
        }
        if !self.classes.is_empty() && self.draws.is_some() {
            return bad("its classes are either named or drawn, not both".into());
        }
        if self.draws == Some(0) {
            return bad("0 draws: at least 1 is needed".into());
        }
        if let Some(few) = self.classes.iter().find(|classes| classes.len() < 2) {
            return bad(format!("the classes {few:?} are fewer than two"));
        }
        color(self.color.as_deref())?;
        check_rates(&format!("dataset {:?}: rates", self.name), &self.rates)?;
        let (train, seeds) = (self.sizes(plan), self.seeds(plan));
        check_counts(&format!("dataset {:?}: ", self.name), train, self.test(plan), self.epochs(plan), seeds)
    }

    pub(super) fn sizes<'a>(&'a self, plan: &'a Plan) -> &'a [usize] {
        self.train.as_deref().unwrap_or(&plan.train)
    }

    pub(super) fn test(&self, plan: &Plan) -> usize {
        self.test.unwrap_or(plan.test)
    }

    pub(super) fn seeds<'a>(&'a self, plan: &'a Plan) -> &'a [u64] {
        self.seeds.as_deref().unwrap_or(&plan.seeds)
    }

    pub(super) fn epochs(&self, plan: &Plan) -> u32 {
        self.epochs.unwrap_or(plan.epochs)
    }
}

impl Generated {
    /// What is generated, at a size.
    pub(super) fn domain(&self, size: usize) -> Result<Domain> {
        let domain = Domain {
            family: self.family.parse::<Family>()?,
            latents: self.latents,
            contrast: self.contrast,
            size,
            seed: 0,
        };
        domain.check()?;
        Ok(domain)
    }
}

/// A colour by its name.
pub(super) fn color(name: Option<&str>) -> Result<Color> {
    match name {
        None => Ok(Color::AsIs),
        Some("gray") => Ok(Color::Grayscale),
        Some("rgb") => Ok(Color::Rgb),
        Some(other) => Err(Error::Argument(format!("color: {other:?} is neither gray nor rgb"))),
    }
}

fn one_of(what: &str, value: &str, known: &[&str]) -> Result<()> {
    if known.contains(&value) {
        Ok(())
    } else {
        Err(Error::Argument(format!("{what}: {value:?} is not one of {}", known.join(", "))))
    }
}

fn distinct(what: &str, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Err(Error::Argument(format!("{what}: name at least one")));
    }
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        Some(twice) => Err(Error::Argument(format!("{what}: {twice:?} is listed twice"))),
        None => Ok(()),
    }
}

fn check_rates(what: &str, rates: &BTreeMap<String, f32>) -> Result<()> {
    for (model, rate) in rates {
        model.parse::<Model>()?;
        if !(rate.is_finite() && *rate > 0.0) {
            return Err(Error::Argument(format!("{what}: {model}'s rate of {rate} is not above 0")));
        }
    }
    Ok(())
}

fn check_counts(what: &str, train: &[usize], test: usize, epochs: u32, seeds: &[u64]) -> Result<()> {
    let bad = |why: &str| Err(Error::Argument(format!("{what}{why}")));
    if train.is_empty() || train.iter().any(|n| *n < 2) {
        return bad("train: give numbers of images, each at least 2");
    }
    if train.iter().collect::<BTreeSet<_>>().len() < train.len() {
        return bad("train: a number of images is listed twice");
    }
    if seeds.is_empty() || seeds.iter().collect::<BTreeSet<_>>().len() < seeds.len() {
        return bad("seeds: give at least one, each once");
    }
    if seeds.iter().any(|seed| *seed > i64::MAX as u64) {
        return bad("seeds: each must be below 2^63");
    }
    if test == 0 {
        return bad("test: at least 1 image is needed");
    }
    if epochs == 0 {
        return bad("epochs: at least 1 is needed");
    }
    Ok(())
}

impl DatasetPlan {
    pub(super) fn choices(&self) -> Vec<Classes> {
        match (self.draws, self.classes.as_slice()) {
            (Some(draws), _) => (0..draws).map(Classes::Draw).collect(),
            (None, []) => vec![Classes::All],
            (None, named) => named.iter().cloned().map(Classes::Named).collect(),
        }
    }
}

impl Variant {
    /// As results name it.
    pub(super) fn in_words(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.size.map(|size| format!("{size} px")));
        words.extend(self.color.clone());
        words.extend(match self.scale.as_deref() {
            Some("none") => Some("unscaled".to_owned()),
            Some("unit") => Some("values 0 to 1".to_owned()),
            _ => None,
        });
        words.join(", ")
    }
}
