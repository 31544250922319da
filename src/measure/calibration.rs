//! Calibrated intervals for the true dimension, bias included, from the same estimator on samples of the same size of
//! many manifolds of known dimension.

use super::dimension::{Estimator, values};
use crate::data::manifolds::{Manifold, Settings};
use crate::random::Random;
use crate::{Device, Error, Result, whole_file};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Draws that are compared with an estimate: those whose own estimates are nearest to it, and those as near as the last.
/// One more draw is between two of 119 that are 114 places apart with probability 114 / 120 = 95 %.
const NEAREST: usize = 119;

/// Draws that the CPU makes side by side: small samples leave cores idle within one.
const AT_A_TIME: usize = 16;

/// Raise it when the population or an estimate changes: cached draws are then made anew.
const VERSION: u32 = 2;

/// A kind of manifold, of a dimension where it can have any, and the most dimensions that it is drawn with.
type Kind = (fn(usize) -> Manifold, usize);

/// No limit.
const ANY: usize = usize::MAX;

/// Paraboloids of more dimensions have such heavy tails that their samples look low-dimensional, down to 1: the
/// benchmark's have 3 to 9.
const PARABOLOID: usize = 12;

/// Every kind there is, each once: `Affine` is a cube of another size, which no estimator sees.
const KINDS: [Kind; 18] = [
    (|dim| Manifold::Sphere { dim }, ANY),
    (|dim| Manifold::Ball { dim }, ANY),
    (|dim| Manifold::Cube { dim }, ANY),
    (|dim| Manifold::CubeSurface { dim }, ANY),
    (|dim| Manifold::Gaussian { dim }, ANY),
    (|dim| Manifold::FlatTorus { dim }, ANY),
    (|dim| Manifold::Nonlinear { dim, repeats: 1 }, ANY),
    (|dim| Manifold::Beta { dim }, ANY),
    (|dim| Manifold::Tangents { dim }, ANY),
    (|dim| Manifold::Paraboloid { dim }, PARABOLOID),
    (|_| Manifold::Affine3To5, ANY),
    (|_| Manifold::SwissRoll, ANY),
    (|_| Manifold::Helix, ANY),
    (|_| Manifold::Helicoid, ANY),
    (|_| Manifold::Spiral, ANY),
    (|_| Manifold::SCurve, ANY),
    (|_| Manifold::Moebius, ANY),
    (|_| Manifold::Nonlinear4To6, ANY),
];

/// Which manifolds are drawn.
///
/// ```
/// use sharpdim::measure::Population;
/// let (third, _) = Population::default().draw(3);
/// assert!((1..=256).contains(&third.intrinsic_dim()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Population {
    /// The greatest dimension (of paraboloids, at most 12): those from 1 to it are drawn uniformly in their
    /// logarithm, so that as many have 2 to 4 as have 20 to 40.
    pub max_dim: usize,
    /// The same seed gives the same draws.
    pub seed: u64,
}

impl Default for Population {
    fn default() -> Self {
        Population { max_dim: 256, seed: 0 }
    }
}

impl Population {
    /// The manifold of draw `at`, and the seed of its sample. Each [kind](Manifold) is as likely as any other; swiss
    /// rolls and others of fixed dimension included.
    pub fn draw(&self, at: usize) -> (Manifold, u64) {
        let mut random = Random::stream(self.seed, at as u64);
        let (kind, most) = KINDS[random.below(KINDS.len())];
        let most = self.max_dim.clamp(1, most);
        let dim = ((most + 1) as f64).powf(random.fraction()) as usize;
        (kind(dim.clamp(1, most)), random.bits())
    }
}

/// Estimates on samples of known dimension, all of one size.
///
/// An estimate's own [interval](super::Estimate::low) covers sampling error only. Its bias depends on the unknown manifold;
/// but the same estimator's values on the manifolds of a [`Population`], at the same number of samples, are known.
/// [`truth`](Calibration::truth) inverts them: which dimensions give such an estimate?
///
/// ```
/// use sharpdim::measure::{Calibration, Estimator, Mle, Population, intrinsic_dim};
/// use sharpdim::{Device, data::manifolds::{Manifold, Settings}};
/// let (device, mle) = (Device::cpu(), Estimator::Mle(Mle::default()));
/// // A cube of 6 dimensions, all but filled by its borders: the estimate is low, and its interval with it.
/// let cube = Manifold::Cube { dim: 6 }.sample(200, &Settings::default())?;
/// let found = intrinsic_dim(&device, &cube.points()?, &mle)?;
/// assert!(found.high < 6.0);
///
/// let mut calibration = Calibration::new(200, &[mle], Population::default())?;
/// calibration.extend(&device, 600, &|_| ())?;
/// let truth = calibration.truth(&mle, found.value)?;
/// assert!(truth.holds(6.0) && truth.high.is_finite());
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    n: usize,
    population: Population,
    estimators: Vec<Estimator>,
    draws: Vec<Draw>,
}

#[derive(Clone, Debug, PartialEq)]
struct Draw {
    manifold: Manifold,
    /// Each estimator's value, if it gave one.
    values: Vec<Option<f64>>,
}

/// Where the true dimension is, bias included.
///
/// ```
/// use sharpdim::measure::Truth;
/// let truth = Truth::new(8.9, 22.34);
/// assert!(truth.holds(9.0) && !truth.holds(8.0));
/// assert_eq!(truth.to_string(), "8.90 .. 22.34");
/// assert_eq!(Truth::new(120.0, f64::INFINITY).to_string(), "120.00 or more");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Truth {
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end; infinite where the estimate is beyond nearly all of the population's.
    pub high: f64,
}

impl Truth {
    /// Between these ends.
    pub fn new(low: f64, high: f64) -> Self {
        Truth { low, high }
    }

    /// Whether a dimension is between its ends.
    pub fn holds(&self, dim: f64) -> bool {
        (self.low..=self.high).contains(&dim)
    }
}

impl std::fmt::Display for Truth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.high.is_finite() {
            write!(f, "{:.2} .. {:.2}", self.low, self.high)
        } else {
            write!(f, "{:.2} or more", self.low)
        }
    }
}

impl Calibration {
    /// How many draws [`truth`](Calibration::truth) wants: ten times as many as it looks at.
    pub const DRAWS: usize = 1200;

    /// With no draws yet, for estimates of `n` samples.
    ///
    /// # Errors
    /// [`Error::Argument`] where an estimator's settings make no sense, or it reads more neighbours than `n` samples have.
    pub fn new(n: usize, estimators: &[Estimator], population: Population) -> Result<Self> {
        for estimator in estimators {
            estimator.check()?;
            if estimator.neighbours() >= n {
                return Err(Error::Argument(format!(
                    "{estimator} reads {} neighbours of each sample: {n} samples do not have them",
                    estimator.neighbours()
                )));
            }
        }
        Ok(Calibration { n, population, estimators: estimators.to_vec(), draws: Vec::new() })
    }

    /// The number of samples of each draw.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The number of draws.
    pub fn draws(&self) -> usize {
        self.draws.len()
    }

    /// The manifold of draw `at`, and each estimator's value on its sample, in their order; `None` where it gave none.
    pub fn draw(&self, at: usize) -> (Manifold, &[Option<f64>]) {
        (self.draws[at].manifold, &self.draws[at].values)
    }

    /// Adds draws until there are `draws`; `progress` follows. Draws made before an error are kept.
    ///
    /// # Errors
    /// [`Error::Device`] where the device fails, [`Error::Data`] where there is no memory for a sample.
    pub fn extend(
        &mut self,
        device: &Device,
        draws: usize,
        progress: crate::ops::Progress<'_>,
    ) -> Result<()> {
        while self.draws.len() < draws {
            let some = self.draws.len()..draws.min(self.draws.len() + AT_A_TIME);
            let some: Result<Vec<Draw>> = if device.is_cpu() {
                some.into_par_iter().map(|at| self.make(device, at)).collect()
            } else {
                some.map(|at| self.make(device, at)).collect()
            };
            self.draws.extend(some?);
            progress(self.draws.len() as f64 / draws as f64);
        }
        Ok(())
    }

    fn make(&self, device: &Device, at: usize) -> Result<Draw> {
        let (manifold, seed) = self.population.draw(at);
        let sample = manifold.sample(self.n, &Settings { seed, ..Settings::default() })?;
        let said = values(device, &sample.points()?, &self.estimators, &|_| ())?;
        let values = said.into_iter().map(|value| value.filter(|value| value.is_finite())).collect();
        Ok(Draw { manifold, values })
    }

    /// A name for a file of these draws, unique to size, population and estimators.
    pub fn file_name(&self) -> PathBuf {
        let hash = blake3::hash(self.header().as_bytes());
        format!("calibration-{}-{}.json", self.n, &hash.to_hex()[..16]).into()
    }

    /// All that draws depend on, as a stable text: cached files are found by it.
    fn header(&self) -> String {
        let Calibration { n, population: Population { max_dim, seed }, estimators, .. } = self;
        let estimators: Vec<String> = estimators.iter().map(Estimator::key).collect();
        format!("version={VERSION} n={n} max_dim={max_dim} seed={seed}; {}", estimators.join("; "))
    }

    /// Writes the draws to a file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let values: Vec<&[Option<f64>]> = self.draws.iter().map(|draw| &draw.values[..]).collect();
        let content = json!({ "of": self.header(), "draws": values });
        whole_file::write(path, content.to_string().as_bytes())
    }

    /// Reads the draws of a [saved](Calibration::save) file, if it has more. Where there is no such file, or it
    /// is of another size, population or estimators, nothing happens.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Format`] where it is damaged.
    ///
    /// ```
    /// use sharpdim::{Device, measure::{Calibration, Estimator, Population, TwoNn}};
    /// let new = || Calibration::new(100, &[Estimator::TwoNn(TwoNn::default())], Population::default());
    /// let (folder, mut first, mut second) = (tempfile::tempdir()?, new()?, new()?);
    /// let file = folder.path().join(first.file_name());
    /// first.extend(&Device::cpu(), 20, &|_| ())?;
    /// first.save(&file)?;
    /// second.resume(&file)?;
    /// assert_eq!((second.draws(), &second), (20, &first));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume(&mut self, path: &Path) -> Result<()> {
        let content = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            content => content.map_err(|error| Error::io(path, error))?,
        };
        let damaged = |what: String| {
            Error::format(path, format!("{what}: remove the file, and its draws are made again"))
        };
        let mut content: Value =
            serde_json::from_slice(&content).map_err(|error| damaged(format!("not JSON ({error})")))?;
        if content["of"].as_str() != Some(&self.header()) {
            return Ok(());
        }
        let draws: Vec<Vec<Option<f64>>> = serde_json::from_value(content["draws"].take())
            .map_err(|error| damaged(format!("\"draws\" is not a list of lists of numbers ({error})")))?;
        if let Some(at) = draws.iter().position(|values| values.len() != self.estimators.len()) {
            return Err(damaged(format!(
                "draw {at} has no value for each of {} estimators",
                self.estimators.len()
            )));
        }
        if draws.len() > self.draws.len() {
            let draw = |(at, values)| Draw { manifold: self.population.draw(at).0, values };
            self.draws = draws.into_iter().enumerate().map(draw).collect();
        }
        Ok(())
    }

    /// An interval for the true dimension, given an estimator's value on as many samples. Each of the 119 draws whose
    /// estimates are nearest to it gives a factor: its true dimension over its estimate. The interval is the estimate times
    /// the narrowest range of factors that holds 115 of the 119, ends included. Where hardly any draw has so high an
    /// estimate there is no upper end, and the lower one is by the sixth smallest factor. Over the population such
    /// intervals hold the truth about 95 times of 100: docs/coverage.md has the counts.
    ///
    /// # Errors
    /// [`Error::Argument`] where the estimator is none of these, or there are too few draws; [`Error::Data`] where the
    /// estimate is not above 0.
    pub fn truth(&self, estimator: &Estimator, value: f64) -> Result<Truth> {
        self.truth_among(estimator, value, |_| true)
    }

    /// As [`truth`](Calibration::truth), by only those draws whose manifold is `wanted`: to use knowledge of the data, or
    /// to test the calibration on a kind that it leaves out.
    ///
    /// # Errors
    /// As [`truth`](Calibration::truth).
    pub fn truth_among(
        &self,
        estimator: &Estimator,
        value: f64,
        wanted: impl Fn(&Manifold) -> bool,
    ) -> Result<Truth> {
        let Some(own) = self.estimators.iter().position(|other| other == estimator) else {
            return Err(Error::Argument(format!("{estimator} was not calibrated")));
        };
        if !(value.is_finite() && value > 0.0) {
            return Err(Error::Data(format!(
                "{estimator}: {value} is not a dimension: it must be finite and above 0"
            )));
        }
        let said = |draw: &Draw| {
            let said = draw.values[own].filter(|said| *said > 0.0 && wanted(&draw.manifold))?;
            Some((said, draw.manifold.intrinsic_dim()))
        };
        let mut near: Vec<(f64, usize)> = self.draws.iter().filter_map(said).collect();
        if near.len() < 2 * NEAREST {
            return Err(Error::Argument(format!(
                "{} draws for which {estimator} gave an estimate are too few to calibrate it: {} are needed, {} are \
                 usual",
                near.len(),
                2 * NEAREST,
                Self::DRAWS
            )));
        }
        let above = near.iter().filter(|(said, _)| *said > value).count();
        // Local PCA gives exactly 2 on many samples: ties are kept, as choosing among them would bias.
        let apart = |said: f64| (said / value).ln().abs();
        near.sort_unstable_by(|a, b| apart(a.0).total_cmp(&apart(b.0)));
        let last = apart(near[NEAREST - 1].0);
        near.truncate(near.partition_point(|(said, _)| apart(*said) <= last));
        let mut factors: Vec<f64> = near.iter().map(|(said, dim)| *dim as f64 / said).collect();
        factors.sort_unstable_by(f64::total_cmp);
        // 6 of 120 places may be missed.
        let missed = (factors.len() + 1) / 20;
        // With few draws above it, dimensions beyond the population could give this estimate too.
        if above < NEAREST / 4 {
            return Ok(Truth { low: value * factors[missed - 1], high: f64::INFINITY });
        }
        // The shortest, not the central one: where most factors are 1, as for local PCA of flat data, the central one
        // would hold more than it says.
        let gaps = factors.len() + 1 - missed;
        let ends = (0..factors.len() - gaps).map(|low| (factors[low], factors[low + gaps]));
        let (low, high) = ends
            .min_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)))
            .expect("119 factors or more, of which 4 may be outside");
        Ok(Truth { low: value * low, high: value * high })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Mle, TwoNn};

    /// Draws take users minutes to hours: with another header here, all cached draws are made again. Where that is meant,
    /// raise `VERSION`.
    #[test]
    fn kept_draws_are_found_again() {
        let estimators = [Mle::default().into(), TwoNn::default().into()];
        let calibration = Calibration::new(500, &estimators, Population::default()).unwrap();
        let header = "version=2 n=500 max_dim=256 seed=0; mle k=20 norm=k-2 pooling=harmonic duplicates=exclude; \
                      twonn discard=0.1 seed=0 duplicates=exclude";
        assert_eq!(calibration.header(), header);
        let name = calibration.file_name();
        assert_eq!(name.to_str().unwrap(), "calibration-500-efd5145fbcd58d93.json");
    }

    #[test]
    fn defaults_have_the_keys_they_had() {
        let all: Vec<String> = Estimator::all().iter().map(Estimator::key).collect();
        let known = [
            "mle k=20 norm=k-2 pooling=harmonic duplicates=exclude",
            "twonn discard=0.1 seed=0 duplicates=exclude",
            "twonn_mle duplicates=exclude",
            "twonn_bayes shape=1 rate=0 duplicates=exclude",
            "mle_range from=10 to=20 norm=k-2 pooling=harmonic duplicates=exclude",
            "geomle from=10 to=40 bootstraps=20 degree=2 pooling=harmonic seed=0 duplicates=exclude",
            "gride n=2 duplicates=exclude",
            "mom k=20 duplicates=exclude",
            "mind_ml k=20 whole=false duplicates=exclude",
            "corr k1=10 k2=20",
            "tle k=20 epsilon=0.000001 duplicates=exclude",
            "ess k=20 duplicates=exclude",
            "lpca k=50 rule=relative:0.05 duplicates=exclude",
        ];
        for key in known {
            assert!(all.iter().any(|own| own == key), "{key} is none of {all:#?}");
        }
    }
}
