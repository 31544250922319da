//! `sharpdim figure`: draws a figure of a study's results, by chosen estimators and attack.

use crate::failure::{Failure, print};
use crate::outputs;
use clap::builder::{PossibleValue, PossibleValuesParser};
use sharpdim::study::{FIGURES, LawOptions, Results, Store, draw, store_path};
use std::path::PathBuf;

const MORE: &str = "\
STUDY is the folder of a `sharpdim study`, or a store file. The figure's caption, with its
statistics, is printed.

Examples:
  sharpdim figure figure2 demo --to figure2.svg
  sharpdim figure figure3 demo --attack fgsm --epsilon 8

Exit codes: 0, 1 for an error, as where nothing can be drawn yet, 2 for a command line
that makes no sense.";

/// Draws a figure of a study's results, the paper's or another
#[derive(clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Which figure
    #[arg(value_name = "NAME", value_parser = names())]
    name: String,

    /// A study's folder, or its store
    #[arg(value_name = "STUDY", default_value = "study")]
    study: PathBuf,

    /// The file, .svg or .png [default: NAME.svg and NAME.png]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,

    /// The estimator of the images' dimension
    #[arg(long, value_name = "NAME", default_value = "mle")]
    data_estimator: String,

    /// The estimator of the representations' dimension
    #[arg(long, value_name = "NAME", default_value = "twonn")]
    repr_estimator: String,

    /// Attack
    #[arg(long, default_value = "fgsm")]
    attack: String,

    /// Epsilon of the attack, in pixel units
    #[arg(long, value_name = "E", default_value_t = 2.0)]
    epsilon: f64,
}

fn names() -> PossibleValuesParser {
    let each = FIGURES.iter().map(|figure| PossibleValue::new(figure.name).help(figure.about));
    PossibleValuesParser::new(each.collect::<Vec<_>>())
}

/// `sharpdim figure`: returns the exit code.
pub fn main(args: Args) -> Result<u8, Failure> {
    print(&args.draw()?).map(|()| 0)
}

impl Args {
    fn draw(&self) -> Result<String, Failure> {
        let name = &self.name;
        let paths = match &self.to {
            Some(path) => {
                outputs::figure("--to", path)?;
                vec![path.clone()]
            }
            None => ["svg", "png"].map(|ending| PathBuf::from(format!("{name}.{ending}"))).to_vec(),
        };
        let store = if self.study.is_dir() { store_path(&self.study, None) } else { self.study.clone() };
        let laws = LawOptions {
            data_estimator: self.data_estimator.clone(),
            repr_estimator: self.repr_estimator.clone(),
            attack: self.attack.clone(),
            epsilon: self.epsilon,
            ..LawOptions::default()
        };
        let drawn = draw(&Results::from_store(&Store::open(&store)?, &laws)?, name)?;
        for path in &paths {
            drawn.figure.write(path)?;
        }
        let files: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        Ok(format!("{}\nWritten: {}", drawn.caption, files.join(", ")))
    }
}
