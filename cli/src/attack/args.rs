//! The command line of `sharpdim attack`: what can be asked for, what it teaches with --help, and what it means to the library.

use crate::failure::Failure;
use crate::inputs::{Part, Wanted};
use crate::outputs;
use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use sharpdim::attack::{Attack, Goal, NamedAttack, NamedSettings, Norm};
use sharpdim::nn::Trained;
use std::path::PathBuf;

const ABOUT: &str = "\
Runs adversarial attacks on a trained network: searches near each image for one with a
higher loss, and reports loss and accuracy penalties (Konz & Mazurowski, ICLR 2024,
relate these to label sharpness).

CHECKPOINT is checkpoint.safetensors of a run of `sharpdim train`. Without DATA, the run's
test images are loaded again. Epsilons are in pixel units, 0 to 255. The loss penalty is
attacked less clean loss, the accuracy penalty clean less robust accuracy, each with a
95 % bootstrap interval over the images.";

const MORE: &str = "\
Accuracy under an attack is an upper bound of robust accuracy: a stronger attack may find
more. `masked` counts images with gradient masking, a gradient of 0 at some step, where
gradient attacks fail: try square or apgd-dlr.

Examples:
  sharpdim train && sharpdim attack trained/checkpoint.safetensors           FGSM on the test images
  sharpdim attack CHECKPOINT --attack noise,fgsm,pgd,apgd           from weak to strong
  sharpdim attack CHECKPOINT --out grid.png --curves curves.png     pictures and charts
  sharpdim attack CHECKPOINT --norm l2 --epsilon 100,200 --attack pgd --restarts 5
  sharpdim attack CHECKPOINT --attack pgd --towards lesion          targeted, at a class
  sharpdim attack CHECKPOINT --attack bim --least 16                least epsilon of each image
  sharpdim attack CHECKPOINT mnist --classes 3,8 --count 100        other images
  sharpdim attack CHECKPOINT --json                                 JSON for programs

Ctrl-C prints what is finished; a second one ends at once. Exit codes: 0, 1 for an error,
2 for a command line that makes no sense, 130 after Ctrl-C.";

/// Attacks a trained network, and measures the loss and accuracy that it loses
#[derive(clap::Args)]
#[command(long_about = ABOUT, after_long_help = format!("{}\n{MORE}", table()))]
pub struct Args {
    /// Checkpoint of a training, as `sharpdim train` writes it
    pub checkpoint: PathBuf,

    #[command(flatten)]
    pub wanted: Wanted,

    /// train or test images [default: test images of the training; of DATA the training part]
    #[arg(long, value_enum)]
    pub part: Option<Part>,

    /// Attacks, one or several
    #[arg(long, value_name = "A,B", value_parser = names(), value_delimiter = ',', default_value = "fgsm")]
    pub attack: Vec<String>,

    /// Largest perturbation: of each value (linf), or Euclidean norm of all (l2)
    #[arg(long, value_name = "E,F", value_delimiter = ',', value_parser = above(true), default_value = "1,2,4,8")]
    pub epsilon: Vec<f32>,

    /// Norm of the perturbation that epsilon bounds
    #[arg(long, value_enum, default_value_t = NormName::Linf)]
    pub norm: NormName,

    /// Steps of bim, pgd, mi-fgsm (10 where not given) and apgd (100)
    #[arg(long, value_name = "N")]
    pub steps: Option<u32>,

    /// Random starts of pgd and apgd, of which the best is kept
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub restarts: u32,

    /// Queries of square: forward passes of each image
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub queries: u32,

    /// Targeted: attack towards this class, by name, rather than away from the true one
    #[arg(long, value_name = "CLASS")]
    pub towards: Option<String>,

    /// Also find, by bisection to 1/64 of it, the least epsilon up to this that flips each image
    #[arg(long, value_name = "UPPER", value_parser = above(false))]
    pub least: Option<f32>,

    /// Bootstrap draws for the intervals
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub draws: usize,

    /// Batch size
    #[arg(long, value_name = "B", default_value_t = 64)]
    pub batch: usize,

    /// Seed of drawn images, random starts and bootstraps
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,

    /// auto, cpu or cuda:I
    #[arg(long, default_value = "auto")]
    pub device: String,

    /// Draw images, perturbations (magnified) and attacked images, at the greatest epsilon
    #[arg(long, value_name = "FILE.png")]
    pub out: Option<PathBuf>,

    /// How many images --out shows
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub show: usize,

    /// Draw the loss penalty against epsilon, as PNG or SVG
    #[arg(long, value_name = "FILE.png")]
    pub curves: Option<PathBuf>,

    /// Show no progress
    #[arg(long)]
    pub quiet: bool,

    /// One JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NormName {
    Linf,
    L2,
}

/// A number in pixel units, 0 or, where `zero` says so, above it.
fn above(zero: bool) -> impl Fn(&str) -> Result<f32, String> + Clone + Send + Sync {
    move |text| match text.parse::<f32>() {
        Ok(value) if value.is_finite() && (value > 0.0 || zero && value == 0.0) => Ok(value),
        _ => {
            Err(format!("a number {} is wanted, in pixel units", if zero { "from 0 on" } else { "above 0" }))
        }
    }
}

impl Args {
    /// Refuses options that make no sense together, and files that could not be written: before the work, not after it.
    pub fn check(self) -> Result<Self, Failure> {
        let files = [("--out", &self.out), ("--curves", &self.curves)];
        for (option, path) in files.into_iter().filter_map(|(option, path)| Some((option, path.as_ref()?))) {
            outputs::figure(option, path)?;
        }
        if self.attack.iter().any(|name| name == ALL) && self.attack.len() > 1 {
            return Err(Failure::usage("--attack: all stands alone, or attacks by name"));
        }
        if self.out.is_some() && !(1..=64).contains(&self.show) {
            return Err(Failure::usage(format!("--show {}: from 1 to 64 images are shown", self.show)));
        }
        Ok(self)
    }

    pub fn part(&self) -> Part {
        let of_training = self.wanted.data.is_none();
        self.part.unwrap_or(if of_training { Part::Test } else { Part::Train })
    }

    /// The attacks asked for, on this network.
    pub fn attacks(&self, trained: &Trained) -> Result<Vec<Box<dyn Attack>>, Failure> {
        let goal = match &self.towards {
            None => Goal::Away,
            Some(name) => match trained.class_names.iter().position(|known| known == name) {
                Some(class) => Goal::Class(class as u32),
                None => {
                    let known = trained.class_names.join(", ");
                    return Err(Failure::usage(format!(
                        "--towards {name}: the network's classes are {known}"
                    )));
                }
            },
        };
        let settings = NamedSettings {
            norm: match self.norm {
                NormName::Linf => Norm::Linf,
                NormName::L2 => Norm::L2,
            },
            goal,
            steps: self.steps,
            restarts: self.restarts,
            queries: self.queries,
            seed: self.seed,
            classes: trained.classes,
        };
        if self.attack == [ALL] {
            return Ok(NamedAttack::all().iter().filter_map(|attack| attack.with(&settings).ok()).collect());
        }
        let attacks = self.attack.iter().map(|name| NamedAttack::find(name)?.with(&settings));
        attacks.map(|attack| attack.map_err(|error| Failure::usage(format!("--attack: {error}")))).collect()
    }
}

/// In place of a name: each attack that the network and the norm allow.
const ALL: &str = "all";

fn names() -> PossibleValuesParser {
    let names = NamedAttack::all().iter().map(NamedAttack::name);
    PossibleValuesParser::new(names.chain([ALL]).collect::<Vec<_>>())
}

/// What `--help` says of each attack.
fn table() -> String {
    let attacks = NamedAttack::all().iter().map(|attack| (attack.name(), attack.about()));
    let rows = attacks.chain([(ALL, "each that the network and the norm allow")]);
    rows.fold("Attacks:\n".to_owned(), |table, (name, about)| format!("{table}  {name:9}  {about}\n"))
}
