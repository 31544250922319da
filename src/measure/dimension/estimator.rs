//! The estimators as one type: the macro behind their table, and the methods of all.

use super::Estimator;
use super::method::Formula;
use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// Makes `Estimator` of a table: a row has a variant with its settings, which implement `Method`, and the kinds that
/// `Estimator::all` lists.
macro_rules! estimators {
    (
        $(#[$about:meta])*
        pub enum Estimator {
            $($(#[$doc:meta])* $variant:ident($settings:ident): $($kind:expr),+;)+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Estimator {
            $($(#[$doc])* $variant($settings),)+
        }

        impl Estimator {
            /// One of each kind, with its default settings, the two of the paper first.
            pub fn all() -> Vec<Estimator> {
                vec![$($(Estimator::$variant($kind),)+)+]
            }

            fn method(&self) -> &dyn Method {
                match self {
                    $(Estimator::$variant(settings) => settings,)+
                }
            }
        }

        $(impl From<$settings> for Estimator {
            fn from(settings: $settings) -> Self {
                Estimator::$variant(settings)
            }
        })+
    };
}
pub(super) use estimators;

/// What an estimator reads of the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reads {
    /// The distances to each sample's nearest neighbours.
    Distances,
    /// The distances among a sample's neighbours, too: far more work.
    Neighbourhoods,
    /// How many pairs of all samples are within a distance.
    Counts,
}

impl Estimator {
    /// Short name, as in command lines, plans of studies and JSON; [`parse`](str::parse) reads it.
    pub fn name(&self) -> &'static str {
        self.method().name()
    }

    /// A description of a few words, for lists of [`all`](Estimator::all).
    ///
    /// ```
    /// for estimator in sharpdim::measure::Estimator::all() {
    ///     println!("{:<12} {}", estimator.name(), estimator.about());
    /// }
    /// ```
    pub fn about(&self) -> &'static str {
        self.method().about()
    }

    /// What it reads of the samples.
    ///
    /// ```
    /// use sharpdim::measure::{Correlation, Ess, Estimator, Mle, Reads};
    /// assert_eq!(Estimator::from(Mle::default()).reads(), Reads::Distances);
    /// assert_eq!(Estimator::from(Ess::default()).reads(), Reads::Neighbourhoods);
    /// assert_eq!(Estimator::from(Correlation::default()).reads(), Reads::Counts);
    /// ```
    pub fn reads(&self) -> Reads {
        match self.formula() {
            Formula::Distances(_) => Reads::Distances,
            Formula::Neighbourhoods(_) => Reads::Neighbourhoods,
            Formula::Counts(_) => Reads::Counts,
        }
    }

    /// Whether it needs the samples themselves, and not only their nearest distances.
    pub fn needs_samples(&self) -> bool {
        self.reads() != Reads::Distances
    }

    /// The most neighbours that it reads of any sample. It may read fewer of one sample than of another.
    pub fn neighbours(&self) -> usize {
        self.method().neighbours()
    }

    /// How many neighbours of each of `n` samples it and its interval read, at most all others. With lists
    /// that are shorter, and where there are too few samples, the interval is a cruder one: see
    /// [`Estimate::low`](super::Estimate::low).
    pub fn reach(&self, n: usize) -> usize {
        self.method().reach(n)
    }

    /// Its number of neighbours as [`with_neighbours`](Estimator::with_neighbours) and
    /// [curves](super::super::dimension_curves) count it; `None` where it has no such setting.
    ///
    /// ```
    /// use sharpdim::measure::{Estimator, MindMl, TwoNn};
    /// let mind = Estimator::from(MindMl { k: 8, ..MindMl::default() });
    /// assert_eq!((mind.k(), mind.neighbours()), (Some(8), 9)); // it reads the k+1-st as well
    /// assert_eq!(Estimator::from(TwoNn::default()).k(), None);
    /// ```
    pub fn k(&self) -> Option<usize> {
        self.method().k()
    }

    /// The same with another number of neighbours: `k` where there is one, the outer one of a correlation
    /// dimension (the inner being half of it), GRIDE's 2 n, and the largest of a range, the smallest of which keeps
    /// its proportion. `None` where there is none, as for TwoNN, or where its settings allow no such `k`.
    ///
    /// ```
    /// use sharpdim::measure::{Estimator, Mle, TwoNn};
    /// let ten = Estimator::Mle(Mle::default()).with_neighbours(10).unwrap();
    /// assert_eq!(ten.neighbours(), 10);
    /// assert_eq!(Estimator::TwoNn(TwoNn::default()).with_neighbours(10), None);
    /// ```
    pub fn with_neighbours(&self, k: usize) -> Option<Estimator> {
        self.method().with_k(k).filter(|other| other.check().is_ok())
    }

    /// The same with another seed of what it draws at random, where it draws.
    ///
    /// ```
    /// use sharpdim::measure::{Estimator, GeoMle, Mle};
    /// let (geo, mle) = (GeoMle::default(), Estimator::from(Mle::default()));
    /// assert_eq!(Estimator::from(geo).with_seed(7), Estimator::GeoMle(GeoMle { seed: 7, ..geo }));
    /// assert_eq!(mle.with_seed(7), mle);
    /// ```
    pub fn with_seed(&self, seed: u64) -> Estimator {
        self.method().with_seed(seed).unwrap_or(*self)
    }

    /// The neighbours within whose median distances these estimators count pairs: the value of
    /// [`Wanted::within`](crate::ops::Wanted::within) for [`all_pairs`](crate::ops::all_pairs).
    ///
    /// ```
    /// use sharpdim::measure::{Correlation, Estimator, Mle};
    /// let both = [Estimator::Mle(Mle::default()), Estimator::Correlation(Correlation::default())];
    /// assert_eq!(Estimator::within(&both), [10, 20]);
    /// ```
    pub fn within(estimators: &[Estimator]) -> Vec<usize> {
        let each = estimators.iter().map(|estimator| match estimator.formula() {
            Formula::Counts(formula) => formula.within(),
            Formula::Distances(_) | Formula::Neighbourhoods(_) => Vec::new(),
        });
        let mut all: Vec<usize> = each.flatten().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Its name and all its settings, as in cached files: never reworded, unlike `Display`.
    pub(in crate::measure) fn key(&self) -> String {
        format!("{} {}", self.name(), self.method().key())
    }

    /// Whether its settings make sense.
    pub(crate) fn check(&self) -> Result<()> {
        self.method().check()
    }

    pub(super) fn formula(&self) -> Formula<'_> {
        self.method().formula()
    }

    pub(super) fn duplicates(&self) -> super::Duplicates {
        self.method().duplicates()
    }
}

impl fmt::Display for Estimator {
    /// The convention in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.method().fmt(f)
    }
}

impl FromStr for Estimator {
    type Err = Error;

    /// The one of this [name](Estimator::name), with default settings.
    ///
    /// # Errors
    /// [`Error::Argument`] where there is none, with the names there are.
    fn from_str(name: &str) -> Result<Self> {
        let all = Estimator::all();
        all.iter().find(|estimator| estimator.name() == name).copied().ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(Estimator::name).collect();
            Error::Argument(format!(
                "there is no estimator {name:?}; the estimators are {}",
                names.join(", ")
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{
        Duplicates, GeoMle, Gride, LocalPca, Mle, MleNorm, MleRange, PcaRule, Pooling, Tle, TwoNn,
    };

    #[test]
    fn names_are_told_apart_and_read_back() {
        let all = Estimator::all();
        for (at, estimator) in all.iter().enumerate() {
            assert_eq!(estimator.name().parse::<Estimator>().unwrap(), *estimator);
            assert!(!estimator.about().is_empty() && !estimator.about().contains('\n'));
            for other in &all[..at] {
                assert_ne!(estimator.name(), other.name());
                assert_ne!(estimator.about(), other.about());
            }
        }
        let unknown = "pca".parse::<Estimator>().unwrap_err().to_string();
        assert!(unknown.contains("\"pca\"") && unknown.contains("mle, twonn, "), "{unknown}");
    }

    /// What settings are asked for is what they are then, and is read.
    #[test]
    fn settings_that_are_changed_are_read() {
        for estimator in Estimator::all() {
            estimator.check().unwrap();
            assert!(estimator.neighbours() >= estimator.k().unwrap_or(1), "{estimator}");
            assert!(estimator.reach(10_000) >= estimator.neighbours(), "{estimator}");
            assert_eq!(estimator.with_neighbours(24).is_some(), estimator.k().is_some(), "{estimator}");
            if let Some(other) = estimator.with_neighbours(24) {
                assert_eq!((other.k(), other.name()), (Some(24), estimator.name()));
                assert_ne!(other.key(), estimator.key());
                assert!(estimator.with_neighbours(0).is_none(), "{estimator}");
            }
            let drawn = estimator.with_seed(77);
            assert_eq!(drawn.key() != estimator.key(), drawn != estimator);
        }
    }

    /// Numbers of neighbours by hand, from each one's definition.
    #[test]
    fn neighbours_by_hand() {
        let mle = Estimator::from(Mle { k: 20, ..Mle::default() });
        let range = Estimator::from(MleRange { from: 10, to: 20, ..MleRange::default() });
        let gride = Estimator::from(Gride { n: 5, ..Gride::default() });
        let geo = Estimator::from(GeoMle { from: 10, to: 40, ..GeoMle::default() });
        assert_eq!((mle.neighbours(), range.neighbours(), gride.neighbours()), (20, 20, 10));
        // A half of 66 neighbours, less four standard deviations, are 20; there are no more than all others.
        assert_eq!([10_000, 67, 66, 22, 21].map(|n| mle.reach(n)), [66, 66, 65, 21, 20]);
        // A half of 116 neighbours, less four standard deviations, are 40; a bootstrap sample needs 100.
        assert_eq!((geo.neighbours(), geo.reach(10_000)), (100, 116));
        // A half is rounded up.
        let scaled = MleRange { from: 8, to: 15, ..MleRange::default() };
        assert_eq!(range.with_neighbours(15), Some(scaled.into()));
    }

    /// Files of other settings are not taken for those of these.
    #[test]
    fn other_settings_have_another_key() {
        let (mle, geo, tle, pca) = (Mle::default(), GeoMle::default(), Tle::default(), LocalPca::default());
        let duplicates = Duplicates::Refuse;
        let (shape, rate) = (1.0, 0.0);
        let settings: [Estimator; 21] = [
            mle.into(),
            Mle { k: 21, ..mle }.into(),
            Mle { norm: MleNorm::KMinus1, ..mle }.into(),
            Mle { pooling: Pooling::Mean, ..mle }.into(),
            Mle { duplicates, ..mle }.into(),
            geo.into(),
            GeoMle { bootstraps: 21, ..geo }.into(),
            GeoMle { degree: 1, ..geo }.into(),
            GeoMle { seed: 1, ..geo }.into(),
            TwoNn::default().into(),
            TwoNn::Fit { discard: 0.25, seed: 0, duplicates: Duplicates::Exclude }.into(),
            TwoNn::Fit { discard: 0.1, seed: 0, duplicates }.into(),
            TwoNn::ClosedForm { duplicates }.into(),
            TwoNn::bayes().into(),
            TwoNn::Bayes { shape, rate, duplicates }.into(),
            TwoNn::Bayes { shape: 2.0, rate, duplicates }.into(),
            tle.into(),
            Tle { epsilon: 1e-7, ..tle }.into(),
            pca.into(),
            LocalPca { rule: PcaRule::Explained(0.05), ..pca }.into(),
            LocalPca { rule: PcaRule::Participation, ..pca }.into(),
        ];
        for (at, one) in settings.iter().enumerate() {
            for other in &settings[..at] {
                assert_ne!(one.key(), other.key());
            }
        }
    }
}
