//! `counts_within` on a GPU, fused with the tiles; pairs too near a radius for a float tile's value, or inside a
//! radius' range, are recomputed.

use super::Progress;
use crate::Result;
use crate::device::{Buffer, Gpu, Kernel, params};
use crate::ops::pairs::Rows;
use crate::ops::pairs::cuda::{PairLaunch, PairList, PairListParams, PairParams, Prepared};
use bytemuck::NoUninit;

/// Radii of a launch.
pub(in crate::ops) const MOST_RADII: usize = 8;
/// Capacity of the list of pairs too near a radius.
const NEAR_PAIRS: usize = 1 << 22;

/// Mirrors `CountsParams` of kernels/counts.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct CountsParams {
    pairs: PairParams,
    counts: u64,
    near_pairs: PairListParams,
    radii: u32,
    unused: u32,
    low: [f64; MOST_RADII],
    high: [f64; MOST_RADII],
}
params!(CountsParams: 296 bytes, high at 232);

pub(super) fn counts<const R: usize>(
    gpu: &Gpu,
    samples: &Rows<'_>,
    squared: [f64; R],
    progress: Progress<'_>,
) -> Result<Vec<[u64; R]>> {
    const { assert!(R <= MOST_RADII) };
    let prepared = Prepared::new(gpu, samples)?;
    if let Some(counter) = Counter::new(gpu, &prepared, samples, &squared.map(|squared| [squared; 2]))? {
        prepared.for_each_launch(progress, |work| counter.launch(work))?;
        if let Some(counts) = counter.finish(&prepared, &squared)? {
            return Ok(counts.as_chunks::<R>().0.to_vec());
        }
    }
    Ok(super::cpu::counts(samples, squared, progress))
}

/// Counts pairs nearer than some radii, given as ranges before the pass, and exactly after it.
pub(in crate::ops) struct Counter<'a> {
    gpu: &'a Gpu,
    kernel: Kernel,
    /// The range of each squared radius, in the values' unit.
    ranges: Vec<[f64; 2]>,
    counts: Buffer<u32>,
    near_pairs: PairList,
}

impl<'a> Counter<'a> {
    /// For up to [`MOST_RADII`] ranges of squared radii, in the data's units squared. `None` where the values' range
    /// exceeds that of f32, so that nothing could be screened.
    pub(in crate::ops) fn new(
        gpu: &'a Gpu,
        prepared: &Prepared<'_>,
        samples: &Rows<'_>,
        ranges: &[[f64; 2]],
    ) -> Result<Option<Self>> {
        if !prepared.sane() {
            return Ok(None);
        }
        let exact = prepared.exact();
        let open = !exact || ranges.iter().any(|[low, high]| low < high);
        let capacity = if open { NEAR_PAIRS.min(samples.n() * samples.n() / 2) } else { 0 };
        let mut counter = Counter {
            gpu,
            kernel: if exact { Kernel::CountsU8 } else { Kernel::CountsF32 },
            // The unit is a power of two.
            ranges: ranges.iter().map(|range| range.map(|squared| squared / prepared.unit())).collect(),
            counts: gpu.allocate(samples.n() * ranges.len())?,
            near_pairs: PairList::new(gpu, capacity)?,
        };
        gpu.fill(&mut counter.counts, 0)?;
        Ok(Some(counter))
    }

    /// Counts a launch's pairs, of rows prepared from the same samples.
    pub(in crate::ops) fn launch(&self, work: &PairLaunch) -> Result<()> {
        let (mut low, mut high) = ([0.0; MOST_RADII], [0.0; MOST_RADII]);
        for (range, ends) in self.ranges.iter().zip(low.iter_mut().zip(&mut high)) {
            (*ends.0, *ends.1) = (range[0], range[1]);
        }
        let params = CountsParams {
            pairs: work.pairs,
            counts: self.counts.address(),
            near_pairs: self.near_pairs.params(),
            radii: self.ranges.len() as u32,
            unused: 0,
            low,
            high,
        };
        // SAFETY: the pair parameters are `Prepared`'s, which name live buffers; each sample has a count for each
        // radius.
        unsafe { self.gpu.launch(self.kernel, &params, work.launch) }
    }

    /// For each sample, for each radius in turn, the number of others whose squared distance is below it. Radii
    /// must be inside the ranges. `None` where so many pairs are too near to them that the list overflowed.
    pub(in crate::ops) fn finish(self, prepared: &Prepared<'_>, squared: &[f64]) -> Result<Option<Vec<u64>>> {
        let Some(near) = prepared.recomputed(&self.near_pairs)? else { return Ok(None) };
        let mut counts: Vec<u64> = self.gpu.download(&self.counts)?.into_iter().map(u64::from).collect();
        for ((i, j), found) in near {
            for which in (0..squared.len()).filter(|which| found < squared[*which]) {
                counts[i as usize * squared.len() + which] += 1;
                counts[j as usize * squared.len() + which] += 1;
            }
        }
        Ok(Some(counts))
    }
}
