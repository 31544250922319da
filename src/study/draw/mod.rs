//! The paper's figures, and its appendix's, from a study's results.

mod charts;
mod words;

use super::laws::{LawOptions, Laws, laws};
use super::store::{LayerCurve, Measurement, Store, VariantResult};
use super::{Observation, PUBLISHED};
use crate::figure::Figure;
use crate::{Error, Result};

/// The results that figures are drawn from.
pub struct Results {
    /// Measurements of images.
    pub measurements: Vec<Measurement>,
    /// Results of trainings.
    pub observations: Vec<Observation>,
    /// Label sharpness under other preprocessings.
    pub variants: Vec<VariantResult>,
    /// The dimension of representations, layer by layer.
    pub curves: Vec<LayerCurve>,
    /// The laws on them.
    pub laws: Laws,
}

impl Results {
    /// Reads a study's store, and fits the laws with these options.
    ///
    /// # Errors
    /// As [`Store::observations`].
    pub fn from_store(store: &Store, options: &LawOptions) -> Result<Self> {
        let observations = store.observations()?;
        Ok(Results {
            measurements: store.measurements()?,
            variants: store.variants()?,
            curves: store.layer_curves()?,
            laws: laws(&observations, options),
            observations,
        })
    }
}

/// A figure of a study with its caption.
pub struct Drawn {
    /// The figure.
    pub figure: Figure,
    /// The caption: what it shows, with statistics.
    pub caption: String,
}

/// A figure that [`draw`] knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FigureName {
    /// As `figure1`.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
}

/// The paper's five figures, then the appendix's.
pub const FIGURES: [FigureName; 13] = [
    named("figure1", "Intrinsic dimension and label sharpness of each dataset"),
    named("figure2", "Test loss against the images' intrinsic dimension"),
    named("figure3", "Rise of the loss under attack against label sharpness"),
    named("figure4", "Test loss against the representations' intrinsic dimension"),
    named("figure5", "The representations' intrinsic dimension against the images'"),
    named("accuracy", "Test accuracy against the images' intrinsic dimension"),
    named("accuracy-repr", "Test accuracy against the representations' intrinsic dimension"),
    named("twonn", "Test loss against the images' intrinsic dimension by TwoNN"),
    named("penalty-accuracy", "Fall of the accuracy under attack against label sharpness"),
    named("strengths", "Rise of the loss and Pearson's r by the attack's strength"),
    named("exponents", "How fast the test loss falls with images, against the laws' exponents"),
    named("invariance", "Label sharpness under other sizes, channels and ranges of values"),
    named("layers", "Intrinsic dimension of representations, layer by layer"),
];

const fn named(name: &'static str, about: &'static str) -> FigureName {
    FigureName { name, about }
}

/// Draws a figure of [`FIGURES`], by its name.
///
/// # Errors
/// [`Error::Argument`] for a name that is not among them; [`Error::Data`] where the results have nothing to draw, with what is
/// missing.
///
/// ```no_run
/// use sharpdim::study::{LawOptions, Results, Store, draw};
/// let store = Store::open("study/study.sqlite".as_ref())?;
/// let drawn = draw(&Results::from_store(&store, &LawOptions::default())?, "figure2")?;
/// drawn.figure.write("figure2.svg".as_ref())?;
/// println!("{}", drawn.caption);
/// # Ok::<(), sharpdim::Error>(())
/// ```
pub fn draw(results: &Results, name: &str) -> Result<Drawn> {
    let options = &results.laws.options;
    let data = || charts::Against::data(&options.data_estimator);
    let repr = || charts::Against::repr(&options.repr_estimator);
    match name {
        "figure1" => charts::datasets(results, &PUBLISHED),
        "figure2" => charts::generalization(results, data(), false),
        "figure3" => charts::penalties(results, false),
        "figure4" => charts::generalization(results, repr(), false),
        "figure5" => charts::bound(results),
        "accuracy" => charts::generalization(results, data(), true),
        "accuracy-repr" => charts::generalization(results, repr(), true),
        "twonn" => charts::generalization(results, charts::Against::data("twonn"), false),
        "penalty-accuracy" => charts::penalties(results, true),
        "strengths" => charts::strengths(results),
        "exponents" => charts::exponents(results),
        "invariance" => charts::invariance(results),
        "layers" => charts::layers(results),
        other => {
            let known: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
            Err(Error::Argument(format!("there is no figure {other:?}; there are {}", known.join(", "))))
        }
    }
}
