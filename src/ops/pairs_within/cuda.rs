//! `pairs_within` on a GPU: tiles append the pairs that may be within the radius; for floats, these are
//! recomputed. Where their list overflows, the CPU takes over.

use super::{Found, Task};
use crate::Result;
use crate::device::{Gpu, Kernel, params};
use crate::ops::Progress;
use crate::ops::pairs::cuda::{PairList, PairListParams, PairParams, Prepared};
use crate::ops::pairs::direct::squared_distances;
use bytemuck::NoUninit;

/// The most candidates: 16 bytes each.
const MOST_CANDIDATES: usize = 1 << 25;

/// Mirrors `PairsWithinParams` of kernels/pairs_within.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct PairsWithinParams {
    pairs: PairParams,
    found: PairListParams,
    reach: f64,
}
params!(PairsWithinParams: 160 bytes, reach at 152);

pub(super) fn pairs_within(gpu: &Gpu, task: &Task<'_>, progress: Progress<'_>) -> Result<Found> {
    let n = task.points.n();
    let prepared = Prepared::new(gpu, task.points)?;
    let exact = prepared.exact();
    if !prepared.sane() || n < 2 {
        return Ok(super::cpu::pairs_within(task, progress));
    }
    let capacity =
        (n * (n - 1) / 2).min(task.most.saturating_mul(2).saturating_add(1024)).min(MOST_CANDIDATES);
    let found = if exact { PairList::with_values(gpu, capacity)? } else { PairList::new(gpu, capacity)? };
    // A margin for the roundings of a few operations: an extra pair costs nothing.
    let reach = if exact { task.squared } else { task.squared / prepared.unit() * (1.0 + 1e-9) };
    let kernel = if exact { Kernel::PairsWithinU8 } else { Kernel::PairsWithinF32 };
    prepared.for_each_launch_while_room(&found, &|fraction| progress(fraction.min(0.99)), |work| {
        let params = PairsWithinParams { pairs: work.pairs, found: found.params(), reach };
        // SAFETY: the pair parameters are `Prepared`'s, which name live buffers; the list has values for 8-bit data.
        unsafe { gpu.launch(kernel, &params, work.launch) }
    })?;
    let on_the_cpu = || super::cpu::pairs_within(task, &|fraction| progress(fraction.max(0.99)));
    if exact {
        let Some(found) = found.sorted_with_values(gpu)? else { return Ok(on_the_cpu()) };
        return finish(found.into_iter().map(|((i, j), squared)| (i, j, squared)).collect(), task, progress);
    }
    let Some(found) = prepared.recomputed(&found)? else { return Ok(on_the_cpu()) };
    let mut all: Vec<_> = found.into_iter().map(|((i, j), squared)| (i, j, squared)).collect();
    // Sums in another order may fall on the other side of the radius: near it the CPU's decide.
    let open = |squared: f64| (squared - task.squared).abs() <= 1e-11 * task.squared;
    let pairs: Vec<_> = all.iter().filter(|pair| open(pair.2)).map(|(i, j, _)| (*i, *j)).collect();
    let again = squared_distances(task.points, &pairs);
    all.iter_mut().filter(|pair| open(pair.2)).zip(again).for_each(|(pair, squared)| pair.2 = squared);
    all.retain(|(_, _, squared)| *squared <= task.squared);
    finish(all, task, progress)
}

fn finish(all: Vec<(u32, u32, f64)>, task: &Task<'_>, progress: Progress<'_>) -> Result<Found> {
    if all.len() <= task.most {
        progress(1.0);
        return Ok(Found::Pairs(all));
    }
    let within = all.len() as u64;
    let mut squared: Vec<f64> = all.into_iter().map(|(_, _, squared)| squared).collect();
    progress(1.0);
    Ok(Found::TooMany { within, squared: *squared.select_nth_unstable_by(task.most, f64::total_cmp).1 })
}
