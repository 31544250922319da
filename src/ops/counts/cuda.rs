//! `counts_within` on a GPU: counted where the tiles are made; pairs too near a radius for a float tile's value are
//! recomputed.

use super::Progress;
use crate::Result;
use crate::device::{Gpu, Kernel, Params};
use crate::ops::pairs::Rows;
use crate::ops::pairs::cuda::{PairParams, Prepared, appended};
use std::mem::offset_of;

/// Radii of a launch.
const MOST_RADII: usize = 8;
/// Pairs too near a radius that there is room for.
const NEAR_PAIRS: usize = 1 << 22;

/// Mirrors `CountsParams` of kernels/counts.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct CountsParams {
    pairs: PairParams,
    counts: u64,
    near_pairs: u64,
    near_count: u64,
    near_capacity: u32,
    radii: u32,
    squared: [f64; MOST_RADII],
}
const _: () = assert!(size_of::<CountsParams>() == 208 && offset_of!(CountsParams, squared) == 144);
// SAFETY: repr(C), no padding, as asserted by size.
unsafe impl Params for CountsParams {}

pub(super) fn counts<const R: usize>(
    gpu: &Gpu,
    samples: &Rows<'_>,
    squared: [f64; R],
    progress: Progress<'_>,
) -> Result<Vec<[u64; R]>> {
    const { assert!(R <= MOST_RADII) };
    let prepared = Prepared::new(gpu, samples)?;
    if !prepared.sane() {
        // Values whose range leaves f32's: nothing here could be screened.
        return Ok(super::cpu::counts(samples, squared, progress));
    }
    let exact = samples.bytes();
    let kernel = if exact { Kernel::CountsU8 } else { Kernel::CountsF32 };
    let capacity = if exact { 0 } else { NEAR_PAIRS.min(samples.n() * samples.n() / 2) };
    let mut counts = gpu.allocate::<u32>(samples.n() * R)?;
    let mut near_count = gpu.allocate::<u32>(1)?;
    let near_pairs = gpu.allocate::<u32>(2 * capacity)?;
    gpu.fill(&mut counts, 0)?;
    gpu.fill(&mut near_count, 0)?;
    let mut radii = [0.0; MOST_RADII];
    for (radius, squared) in radii.iter_mut().zip(squared) {
        // The unit is a power of two.
        *radius = squared / prepared.unit();
    }
    prepared.for_each_launch(progress, |work| {
        let params = CountsParams {
            pairs: work.pairs,
            counts: counts.address(),
            near_pairs: near_pairs.address(),
            near_count: near_count.address(),
            near_capacity: capacity as u32,
            radii: R as u32,
            squared: radii,
        };
        // SAFETY: the pair parameters are `Prepared`'s, which name live buffers; each sample has R counts, and
        // the list room for `capacity` pairs.
        unsafe { gpu.launch(kernel, &params, work.launch) }
    })?;

    let near = gpu.download(&near_count)?[0] as usize;
    if near > capacity {
        // The radii lie where nearly all distances do.
        return Ok(super::cpu::counts(samples, squared, progress));
    }
    let mut pairs = appended(gpu, &near_pairs, near)?;
    pairs.sort_unstable();
    let counts = gpu.download(&counts)?;
    let mut counts: Vec<[u64; R]> =
        counts.as_chunks::<R>().0.iter().map(|counts| counts.map(u64::from)).collect();
    for ((i, j), found) in pairs.iter().zip(prepared.squared_distances(&pairs)?) {
        for which in (0..R).filter(|which| found < squared[*which]) {
            counts[*i as usize][which] += 1;
            counts[*j as usize][which] += 1;
        }
    }
    Ok(counts)
}
