//! `pairs_within` on a GPU: tiles append the pairs that may be within the radius; of floats, these are
//! recomputed. More than there is room for are the CPU's affair.

use super::{Found, Task};
use crate::device::{Gpu, Kernel, Params};
use crate::ops::Progress;
use crate::ops::pairs::cuda::{PairParams, Prepared, appended};
use crate::ops::pairs::direct::squared_distances;
use crate::{Result, Values};
use std::mem::offset_of;

/// Candidates that there is room for at most: 16 bytes each.
const MOST_CANDIDATES: usize = 1 << 25;

/// Mirrors `PairsWithinParams` of kernels/pairs_within.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct PairsWithinParams {
    pairs: PairParams,
    found: u64,
    values: u64,
    count: u64,
    capacity: u32,
    unused: u32,
    reach: f64,
}
const _: () = assert!(size_of::<PairsWithinParams>() == 152 && offset_of!(PairsWithinParams, reach) == 144);
// SAFETY: repr(C), no padding, as asserted by size.
unsafe impl Params for PairsWithinParams {}

pub(super) fn pairs_within(gpu: &Gpu, task: &Task<'_>, progress: Progress<'_>) -> Result<Found> {
    let n = task.points.n();
    let exact = matches!(task.points.values(), Values::U8(_));
    let prepared = Prepared::new(gpu, task.points)?;
    if !prepared.sane() || n < 2 {
        return Ok(super::cpu::pairs_within(task, progress));
    }
    let capacity =
        (n * (n - 1) / 2).min(task.most.saturating_mul(2).saturating_add(1024)).min(MOST_CANDIDATES);
    let found = gpu.allocate::<u32>(2 * capacity)?;
    let values = gpu.allocate::<f64>(if exact { capacity } else { 1 })?;
    let mut count = gpu.allocate::<u32>(1)?;
    gpu.fill(&mut count, 0)?;
    // Room for the roundings of a few operations: letting a pair through costs nothing.
    let reach = if exact { task.squared } else { task.squared / prepared.unit() * (1.0 + 1e-9) };
    let kernel = if exact { Kernel::PairsWithinU8 } else { Kernel::PairsWithinF32 };
    let mut overflown = false;
    prepared.for_each_launch(&|fraction| progress(fraction.min(0.99)), |work| {
        if overflown {
            return Ok(());
        }
        let params = PairsWithinParams {
            pairs: work.pairs,
            found: found.address(),
            values: values.address(),
            count: count.address(),
            capacity: capacity as u32,
            unused: 0,
            reach,
        };
        // SAFETY: the pair parameters are `Prepared`'s, which name live buffers; there are `capacity` places
        // for pairs and, for 8-bit data, for their values, and no place after these is written.
        unsafe { gpu.launch(kernel, &params, work.launch)? };
        overflown = gpu.download(&count)?[0] as usize > capacity;
        Ok(())
    })?;
    if overflown {
        return Ok(super::cpu::pairs_within(task, &|fraction| progress(fraction.max(0.99))));
    }
    let count = gpu.download(&count)?[0] as usize;
    let mut pairs = appended(gpu, &found, count)?;
    if exact {
        let mut squared = vec![0.0; count];
        gpu.read(&values, 0, &mut squared)?;
        let mut all: Vec<_> = pairs.into_iter().zip(squared).map(|((i, j), s)| (i, j, s)).collect();
        all.sort_unstable_by_key(|(i, j, _)| (*i, *j));
        return finish(all, task, progress);
    }
    pairs.sort_unstable();
    let squared = prepared.squared_distances(&pairs)?;
    let mut all: Vec<_> = pairs.into_iter().zip(squared).map(|((i, j), s)| (i, j, s)).collect();
    // Sums in another order may fall on the other side of the radius: there the CPU's decide.
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
