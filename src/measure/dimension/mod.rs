//! Estimators of intrinsic dimension on one search for nearest neighbours, with the field's conventions as
//! types, 95 % intervals, and the samples left out and why. Each has a file, and a row of the table below.

mod among;
mod correlation;
mod duplicates;
mod entry;
mod ess;
mod estimate;
mod estimator;
mod geo_mle;
mod gride;
mod intervals;
mod local_pca;
mod method;
mod mind_ml;
mod mle;
mod mle_range;
mod moments;
mod neighbourhood;
mod symmetric;
mod tle;
mod two_nn;

pub use correlation::Correlation;
pub use duplicates::Duplicates;
pub use entry::{estimate, estimates, estimates_of, intrinsic_dim, intrinsic_dims};
pub use ess::Ess;
pub use estimate::{Estimate, Excluded};
pub use estimator::Reads;
pub use geo_mle::GeoMle;
pub use gride::Gride;
pub use local_pca::{LocalPca, PcaRule};
pub use mind_ml::MindMl;
pub use mle::{Mle, MleNorm, Pooling};
pub use mle_range::MleRange;
pub use moments::Moments;
pub use tle::Tle;
pub use two_nn::TwoNn;

pub(super) use entry::{check_between, estimates_from, searched, values};
use estimate::{infinite, nothing_left};
pub(super) use intervals::Halving;
use method::Method;

estimator::estimators! {
    /// An estimator with its convention.
    ///
    /// ```
    /// use sharpdim::measure::{Estimator, Mle, MleNorm};
    /// let levina_bickel = Estimator::Mle(Mle { k: 10, norm: MleNorm::KMinus1, ..Mle::default() });
    /// assert_eq!(levina_bickel.to_string(), "MLE, k = 10, k - 1 norm, harmonic mean");
    /// assert_eq!(levina_bickel.neighbours(), 10);
    /// assert_eq!("mle".parse::<Estimator>()?, Mle::default().into()); // k = 20
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub enum Estimator {
        /// Maximum likelihood.
        Mle(Mle): Mle::default();
        /// Two nearest neighbours.
        TwoNn(TwoNn):
            TwoNn::default(),
            TwoNn::ClosedForm { duplicates: Duplicates::Exclude },
            TwoNn::bayes();
        /// Maximum likelihood, averaged over a range of k.
        MleRange(MleRange): MleRange::default();
        /// Maximum likelihood, extrapolated to distance 0.
        GeoMle(GeoMle): GeoMle::default();
        /// Two neighbours at any scale.
        Gride(Gride): Gride::default();
        /// Method of moments.
        Moments(Moments): Moments::default();
        /// The nearest distance over the k+1-st.
        MindMl(MindMl): MindMl::default();
        /// Correlation dimension.
        Correlation(Correlation): Correlation::default();
        /// Tight local estimator.
        Tle(Tle): Tle::default();
        /// Expected simplex skewness.
        Ess(Ess): Ess::default();
        /// Local principal components.
        LocalPca(LocalPca): LocalPca::default();
    }
}
