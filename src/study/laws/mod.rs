//! The paper's laws fitted to a study's trainings, each with its intervals, its points and the excluded observations.

mod bound;
mod dependence;
mod generalization;
mod regression;
mod robustness;
mod statements;

pub use bound::Bound;
pub use dependence::{BetweenDomains, Dependence};
pub use generalization::{AgainstOne, Exponent, Exponents, Law};
pub use regression::{Excluded, Point, Regression, Scope};
pub use robustness::{Over, PenaltyOf, Robustness};
pub use statements::Statement;

use super::Observation;
use regression::Quantities;

/// Options of [`laws`]: which quantities, and how it resamples.
#[derive(Clone, Debug, PartialEq)]
pub struct LawOptions {
    /// The estimator of d_data, by its name in [`Observation::d_data`].
    pub data_estimator: String,
    /// The estimator of d_repr, by its name in [`Observation::d_repr`].
    pub repr_estimator: String,
    /// The attack of [`Laws::statements`].
    pub attack: String,
    /// Its strength, in units of pixel value of 255; finite.
    pub epsilon: f64,
    /// Resamples of each bootstrap.
    pub draws: usize,
    /// Permutations for each correlation's p value.
    pub permutations: usize,
    /// The seed of every draw: a seed gives the same numbers on every machine.
    pub seed: u64,
}

impl Default for LawOptions {
    /// The paper's: d_data by the MLE, d_repr by TwoNN, FGSM of strength 2; 2000 draws and 10000 permutations.
    fn default() -> Self {
        LawOptions {
            data_estimator: "mle".into(),
            repr_estimator: "twonn".into(),
            attack: "fgsm".into(),
            epsilon: 2.0,
            draws: 2000,
            permutations: 10_000,
            seed: 0,
        }
    }
}

/// What [`laws`] finds. Logarithms are natural. Every list has a fit for each [`Scope`], those over all domains and all
/// models first; a fit that is impossible has the reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Laws {
    /// Log test loss on d_data.
    pub log_loss_on_d_data: Dependence,
    /// Log test loss on d_repr.
    pub log_loss_on_d_repr: Dependence,
    /// Test accuracy, a fraction of 1, on d_data.
    pub accuracy_on_d_data: Dependence,
    /// Test accuracy, a fraction of 1, on d_repr.
    pub accuracy_on_d_repr: Dependence,
    /// `log L = a + b1 (-(1/d_data) log N) + b2 log K_F`.
    pub generalization_data: Vec<Law>,
    /// `log L = a + b1 (-(1/d_data) log N)`, without label sharpness.
    pub generalization_data_without_k_f: Vec<Law>,
    /// `log L = a + b1 (-(1/d_repr) log N)`.
    pub generalization_repr: Vec<Law>,
    /// The slope of log L on log N of each dataset, its classes and model, beside the laws' exponents.
    pub exponents: Exponents,
    /// What attacks cost, against K_F: for each attack and strength found, and those of the options.
    pub robustness: Vec<Robustness>,
    /// How often d_repr <= d_data.
    pub bound: Vec<Bound>,
    /// Attacks left out since their strength is not finite.
    pub excluded: Vec<Excluded>,
    /// The options.
    pub options: LawOptions,
}

/// Fits the laws of Konz & Mazurowski (ICLR 2024) to the results of trainings:
///
/// ```text
/// generalization in data dimension:            log L <~ -(1/d_data) log N + log K_F + a
/// generalization in representation dimension:  log L <~ -(1/d_repr) log N + a
/// bound:                                       d_repr <~ d_data
/// robustness R:                                log R >~ -log K_F + log b
/// ```
///
/// A point is one observation: sizes, classes, models and seeds are not averaged, unless said so, as where
/// [`Over`] names dataset means. Observations of a dataset are not independent, so intervals and p values
/// that assume independence are too narrow and too small; the bootstrap resamples whole datasets (all observations of a
/// name), and means have one point for each. Where a quantity is missing, is not finite, or has no logarithm, as a test
/// loss of 0, the observation is left out of that fit, and is listed with it.
///
/// ```
/// use sharpdim::study::{LawOptions, Observation, laws};
/// let made = |dataset: &str, d: f64, test_loss| Observation {
///     dataset: dataset.into(), domain: "natural".into(), model: "resnet18".into(), train: 500,
///     d_data: vec![("mle".into(), d)], test_loss, ..Observation::default()
/// };
/// let observations = [made("a", 8.0, 0.2), made("b", 10.0, 0.3), made("c", 13.0, 0.5), made("d", 16.0, 0.0)];
/// let found = laws(&observations, &LawOptions { draws: 100, ..LawOptions::default() });
/// let pooled = &found.log_loss_on_d_data.fits[0];
/// assert!(pooled.fit.as_ref().unwrap().coefficient("d_data").unwrap().value > 0.0);
/// // The logarithm of a loss of 0 is undefined.
/// assert_eq!((pooled.points.len(), pooled.excluded.len()), (3, 1));
/// for statement in found.statements() {
///     println!("{}\n    {} (n = {})", statement.claim, statement.found, statement.n);
/// }
/// ```
pub fn laws(observations: &[Observation], options: &LawOptions) -> Laws {
    let scopes = Scope::all(observations);
    let quantities = Quantities { options };
    let dependence = |y, x| dependence::dependence(observations, &scopes, y, x, options);
    let law = |columns: &[&_]| {
        generalization::laws(observations, &scopes, &quantities.log_loss(), columns, options)
    };
    let by_data = quantities.by_dimension("-(1/d_data) log N", quantities.d_data());
    let by_repr = quantities.by_dimension("-(1/d_repr) log N", quantities.d_repr());
    let (robustness, excluded) = robustness::robustness(observations, options);
    Laws {
        log_loss_on_d_data: dependence(&quantities.log_loss(), &quantities.d_data()),
        log_loss_on_d_repr: dependence(&quantities.log_loss(), &quantities.d_repr()),
        accuracy_on_d_data: dependence(&quantities.accuracy(), &quantities.d_data()),
        accuracy_on_d_repr: dependence(&quantities.accuracy(), &quantities.d_repr()),
        generalization_data: law(&[&by_data, &quantities.log_k_f()]),
        generalization_data_without_k_f: law(&[&by_data]),
        generalization_repr: law(&[&by_repr]),
        exponents: generalization::exponents(observations, &quantities),
        robustness,
        bound: bound::bounds(observations, &scopes, options),
        excluded,
        options: options.clone(),
    }
}
