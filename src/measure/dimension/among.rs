//! Distances among a sample's nearest neighbours, which TLE, expected simplex skewness and local PCA read: computed
//! once for all three.

use super::duplicates::refuse_twins;
use super::estimate::mean_of_local;
use super::intervals::{self, Halving, independent};
use super::method::FromNeighbourhoods;
use super::neighbourhood::Neighbourhood;
use super::{Estimate, Estimator};
use crate::ops::{Neighbours, distances_among, neighbours};
use crate::random::Random;
use crate::{Device, Points, Result};
use rayon::prelude::*;

/// Pairs of neighbours whose distances are held at a time.
const PAIRS: usize = 1 << 22;

/// Applies `each` to the neighbourhoods of `k` neighbours of these samples.
fn of_neighbourhoods<T: Send>(
    device: &Device,
    points: &Points<'_>,
    neighbours: &Neighbours,
    samples: &[usize],
    k: usize,
    each: impl Fn(usize, &Neighbourhood<'_>) -> T + Sync,
) -> Result<Vec<T>> {
    let pairs_each = k * (k - 1) / 2;
    let n = points.n();
    let all_pairs = n * n.saturating_sub(1) / 2;
    if all_pairs <= PAIRS.min(samples.len() * pairs_each) {
        // Neighbourhoods share many pairs: computing all pairs once costs less.
        let all: Vec<u32> = (0..n as u32).collect();
        let squared = distances_among(device, points, &all, n)?;
        let at = |a: u32, b: u32| {
            let (low, high) = (a.min(b) as usize, a.max(b) as usize);
            squared[high * (high - 1) / 2 + low]
        };
        let one = |i: &usize| {
            let near = &neighbours.indices(*i)[..k];
            let among: Vec<f64> =
                (0..k).flat_map(|a| (0..a).map(move |b| (a, b))).map(|(a, b)| at(near[a], near[b])).collect();
            each(*i, &Neighbourhood { own: &neighbours.squared_distances(*i)[..k], among: &among })
        };
        return Ok(samples.par_iter().map(one).collect());
    }
    let mut found = Vec::with_capacity(samples.len());
    for some in samples.chunks((PAIRS / pairs_each).max(1)) {
        // Some pairs are in several neighbourhoods, but computing them again costs less than looking them up.
        let sets: Vec<u32> = some.iter().flat_map(|i| &neighbours.indices(*i)[..k]).copied().collect();
        let squared = distances_among(device, points, &sets, k)?;
        let one = |(i, among): (&usize, &[f64])| {
            each(*i, &Neighbourhood { own: &neighbours.squared_distances(*i)[..k], among })
        };
        found.par_extend(some.par_iter().zip(squared.par_chunks(pairs_each)).map(one));
    }
    Ok(found)
}

/// An estimator with its formula.
pub(super) type Asked<'a> = (&'a Estimator, &'a dyn FromNeighbourhoods);

/// A sample's local dimension, NaN where it is undefined.
fn local_dim(formula: &dyn FromNeighbourhoods, near: &Neighbourhood<'_>) -> f64 {
    if near.own[0] == 0.0 { f64::NAN } else { formula.local_dim(near) }
}

/// The estimates of estimators that read distances among neighbours.
pub(super) fn estimates(
    device: &Device,
    points: &Points<'_>,
    neighbours: &Neighbours,
    estimators: &[Asked<'_>],
    halving: Halving,
) -> Result<Vec<Result<Estimate>>> {
    let Some(k) = estimators.iter().map(|(estimator, _)| estimator.neighbours()).max() else {
        return Ok(Vec::new());
    };
    let samples: Vec<usize> = (0..neighbours.n()).collect();
    let values = of_neighbourhoods(device, points, neighbours, &samples, k, |_, near| -> Vec<f64> {
        estimators.iter().map(|(_, formula)| local_dim(*formula, near)).collect()
    })?;
    let find = |(at, asked): (usize, &Asked<'_>)| {
        let local: Vec<f64> = values.iter().map(|values| values[at]).collect();
        let sharing = match halving {
            Halving::Done => sharing(device, points, &local, *asked)?,
            Halving::LeftOut => intervals::sharing(&[]),
        };
        Ok(refuse_twins(neighbours, asked.0).and_then(|()| {
            let error = |finite: &[f64]| sharing * independent(finite);
            mean_of_local(neighbours, local, "neighbours too much alike", error, *asked.0)
        }))
    };
    estimators.iter().enumerate().map(find).collect()
}

/// Random halvings: fewer than for lists of distances, as neighbourhoods cost more.
const HALVINGS: u64 = 30;

/// The most samples that are halved: enough for halves to hold many neighbourhoods of `k`.
fn halved(k: usize) -> usize {
    (20_000 / k).max(5 * k).min(1000).max(4 * k)
}

/// [`intervals::sharing`] for the mean of `local`, on a random subset of at most a thousand samples.
fn sharing(
    device: &Device,
    points: &Points<'_>,
    local: &[f64],
    (estimator, formula): Asked<'_>,
) -> Result<f64> {
    let mut kept: Vec<usize> = (0..local.len()).filter(|i| local[*i].is_finite()).collect();
    let k = estimator.neighbours();
    if kept.len() > halved(k) {
        let chosen = Random::stream(0, 0).subset(kept.len(), halved(k));
        kept = chosen.into_iter().map(|at| kept[at]).collect();
    }
    let n = kept.len();
    if n < 2 * (k + 1) {
        return Ok(intervals::sharing(&[]));
    }
    let rows = points.gather(&kept);
    let points = rows.points()?;
    let reach = intervals::reach(k, n);
    let neighbours = neighbours(device, &points, reach)?;
    let sides: Vec<Vec<bool>> = (0..HALVINGS).map(|halving| intervals::sides(0, halving, n)).collect();
    let samples: Vec<usize> = (0..n).collect();
    // Each sample's value within its half, for each halving.
    let values = of_neighbourhoods(device, &points, &neighbours, &samples, reach, |i, near| -> Vec<f64> {
        let listed = neighbours.indices(i);
        let within = |side: &Vec<bool>| {
            let same = (0..reach).filter(|at| side[listed[*at] as usize] == side[i]);
            let chosen: Vec<usize> = same.take(k).collect();
            if chosen.len() < k {
                return f64::NAN;
            }
            let own: Vec<f64> = chosen.iter().map(|at| near.own[*at]).collect();
            let among = (0..k).flat_map(|a| (0..a).map(move |b| (a, b)));
            let among: Vec<f64> = among.map(|(a, b)| near.squared(chosen[a], chosen[b])).collect();
            local_dim(formula, &Neighbourhood { own: &own, among: &among })
        };
        sides.iter().map(within).collect()
    })?;
    let halving = |(halving, side): (usize, &Vec<bool>)| {
        intervals::halve(side, (0..n).map(|i| (i, values[i][halving])))
    };
    Ok(intervals::sharing(&sides.iter().enumerate().filter_map(halving).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::manifolds::{Manifold, Settings};
    use crate::measure::{Ess, Tle};

    /// Of each sample the neighbours up to twice as far as the nearest.
    struct Within;

    impl FromNeighbourhoods for Within {
        fn local_dim(&self, near: &Neighbourhood<'_>) -> f64 {
            near.own.iter().take_while(|squared| **squared <= 4.0 * near.own[0]).count() as f64
        }
    }

    /// A formula may choose its number of neighbours sample by sample, together with others that read more or fewer.
    #[test]
    fn a_formula_uses_as_many_neighbours_as_each_sample_gives() {
        let sample = Manifold::SwissRoll.sample(300, &Settings::default()).unwrap();
        let (device, points) = (Device::cpu(), sample.points().unwrap());
        let near = neighbours(&device, &points, 30).unwrap();
        let (ess, tle) = (Ess { k: 5, ..Ess::default() }, Tle { k: 30, ..Tle::default() });
        let (few, most) = (Estimator::Ess(ess), Estimator::Tle(tle));
        // No estimator has this formula: it is asked under the name of another.
        let asked: [Asked<'_>; 3] = [(&most, &Within), (&few, &ess), (&most, &tle)];
        let found = estimates(&device, &points, &near, &asked, Halving::Done).unwrap();
        let found = found[0].as_ref().unwrap();
        let want = |i: usize| {
            let distances: Vec<f64> = near.distances(i).collect();
            distances.iter().filter(|d| **d <= 2.0 * distances[0]).count() as f64
        };
        let want: Vec<f64> = (0..300).map(want).collect();
        assert_eq!(found.local, want);
        assert!(want.iter().any(|count| *count < 5.0) && want.iter().any(|count| *count > 20.0));
        assert!(found.low < found.value && found.value < found.high);
    }
}
