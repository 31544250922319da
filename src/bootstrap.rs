//! The percentile bootstrap (Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13): samples drawn with
//! replacement by a seed, and the interval of a statistic's values over them.

use crate::random::Random;

/// Draws bootstrap samples of `count` items.
pub(crate) struct Resampler {
    random: Random,
    count: usize,
}

impl Resampler {
    /// From one of a seed's independent streams.
    pub(crate) fn new(seed: u64, stream: u64, count: usize) -> Self {
        Resampler { random: Random::stream(seed, stream), count }
    }

    /// The next sample: as many indices as there are items, drawn with replacement.
    pub(crate) fn sample(&mut self) -> impl Iterator<Item = usize> {
        (0..self.count).map(|_| self.random.below(self.count))
    }
}

/// The 95 % percentile interval: the 2.5 % and 97.5 % quantiles of the samples' values, which are sorted for it.
#[cfg(feature = "networks")]
pub(crate) fn interval(values: &mut [f64]) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    [0.025, 0.975].map(|part| quantile(values, part))
}

/// Of sorted values, interpolated linearly between neighbours.
#[cfg(feature = "networks")]
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_follow_the_seed() {
        let draws = |stream| {
            let mut resampler = Resampler::new(7, stream, 5);
            (0..20).map(|_| resampler.sample().collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert_eq!(draws(0), draws(0));
        assert_ne!(draws(0), draws(1));
        assert!(draws(0).iter().all(|sample| sample.len() == 5));
        assert!((0..5).all(|index| draws(0).concat().contains(&index)));
        assert_eq!(Resampler::new(7, 0, 0).sample().count(), 0);
    }

    #[cfg(feature = "networks")]
    #[test]
    fn quantiles_are_interpolated() {
        assert_eq!(quantile(&[0.0, 1.0, 2.0], 0.25), 0.5);
        assert_eq!(quantile(&[5.0], 0.975), 5.0);
        let mut values: Vec<f64> = (0..=40).rev().map(f64::from).collect();
        assert_eq!(interval(&mut values), [1.0, 39.0]);
    }
}
