//! A figure of a study as a program: where the results are, where the figure goes, by which estimators and attack.

use crate::failure::{Failure, ended, print};
use crate::outputs;
use clap::{Args, Command, FromArgMatches};
use sharpdim::study::{FIGURES, LawOptions, Results, Store, draw, store_path};
use std::path::PathBuf;
use std::process::ExitCode;

const MORE: &str = "\
The results are those of the program `study`: a folder that it wrote, or a store of its own
name. What is printed is the figure's caption, with the statistics behind it.

Exit codes: 0, 1 for an error, as that there is nothing to draw yet, 2 for a command line
that makes no sense.";

#[derive(Args)]
struct Options {
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

    /// Of which attack
    #[arg(long, default_value = "fgsm")]
    attack: String,

    /// Of which strength, of 255
    #[arg(long, value_name = "E", default_value_t = 2.0)]
    epsilon: f64,
}

/// The program that draws the figure of this name.
pub fn main(name: &'static str) -> ExitCode {
    let about = FIGURES.iter().find(|figure| figure.name == name).map_or("", |figure| figure.about);
    let command = Command::new(name).version(env!("CARGO_PKG_VERSION")).about(about).after_help(MORE);
    let matches = Options::augment_args(command).get_matches();
    let done = Options::from_arg_matches(&matches)
        .map_err(|error| Failure::usage(error.to_string()))
        .and_then(|options| options.draw(name))
        .and_then(|text| print(&text).map(|()| 0));
    ended(name, done)
}

impl Options {
    fn draw(&self, name: &str) -> Result<String, Failure> {
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
        let drawn = draw(&Results::of(&Store::open(&store)?, &laws)?, name)?;
        for path in &paths {
            drawn.figure.write(path)?;
        }
        let files: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        Ok(format!("{}\nWritten: {}", drawn.caption, files.join(", ")))
    }
}
