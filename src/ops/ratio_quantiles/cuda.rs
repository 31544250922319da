//! A pass of `ratio_quantiles` on a GPU: pairs are counted where the tiles are made; those too close for a
//! float tile's value are recomputed.

use super::{Bins, Task};
use crate::device::{Gpu, Kernel, Params};
use crate::ops::Progress;
use crate::ops::pairs::NEAR;
use crate::ops::pairs::cuda::{PairParams, Prepared};
use crate::{Result, Values};
use std::mem::offset_of;

/// Pairs too close for a float tile's value that there is room for.
const NEAR_PAIRS: usize = 1 << 20;

/// Mirrors `RatioQuantilesParams` of kernels/ratio_quantiles.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct RatioQuantilesParams {
    pairs: PairParams,
    labels: u64,
    groups: u64,
    slots: u64,
    counts: u64,
    near_pairs: u64,
    near_count: u64,
    near_capacity: u32,
    unused: u32,
    near: f64,
    unit: f64,
}
const _: () =
    assert!(size_of::<RatioQuantilesParams>() == 184 && offset_of!(RatioQuantilesParams, unit) == 176);
// SAFETY: repr(C), no padding, as asserted by size.
unsafe impl Params for RatioQuantilesParams {}

/// The number of pairs in each bin.
pub(super) fn count(gpu: &Gpu, task: &Task<'_>, bins: &Bins, progress: Progress<'_>) -> Result<Vec<u64>> {
    let exact = matches!(task.points.values(), Values::U8(_));
    let prepared = Prepared::new(gpu, task.points)?;
    if !prepared.sane() {
        return Ok(super::cpu::count(task, bins, progress));
    }
    let (labels, groups) = (gpu.upload(task.labels)?, gpu.upload(task.groups)?);
    let slots = bins.slots.as_ref().map(|slots| gpu.upload(slots)).transpose()?;
    let mut counts = gpu.allocate::<u64>(bins.len)?;
    let mut near_count = gpu.allocate::<u32>(1)?;
    let capacity = if exact { 0 } else { NEAR_PAIRS };
    let near_pairs = gpu.allocate::<u32>(2 * capacity.max(1))?;
    gpu.fill(&mut counts, 0)?;
    gpu.fill(&mut near_count, 0)?;
    let kernel = if exact { Kernel::RatioQuantilesU8 } else { Kernel::RatioQuantilesF32 };
    let mut near = 0;
    prepared.for_each_launch(&|done| progress(done.min(0.99)), |work| {
        if near > capacity {
            return Ok(());
        }
        let params = RatioQuantilesParams {
            pairs: work.pairs,
            labels: labels.address(),
            groups: groups.address(),
            slots: slots.as_ref().map_or(0, |slots| slots.address()),
            counts: counts.address(),
            near_pairs: near_pairs.address(),
            near_count: near_count.address(),
            near_capacity: capacity as u32,
            unused: 0,
            near: NEAR * prepared.eta(),
            unit: prepared.unit(),
        };
        // SAFETY: the pair parameters are `Prepared`'s, which name live buffers; labels and groups have an
        // entry for each sample, slots, where there are any, one for each first bin, counts one for each
        // bin, and no place after the near pairs' is written.
        unsafe { gpu.launch(kernel, &params, work.launch)? };
        near = gpu.download(&near_count)?[0] as usize;
        Ok(())
    })?;
    if near > capacity {
        // The samples lie in clumps whose distances are lost beside those between clumps.
        return Ok(super::cpu::count(task, bins, &|done| progress(done.max(0.99))));
    }
    let mut counts = gpu.download(&counts)?;
    let mut places = vec![0u32; 2 * near];
    gpu.read(&near_pairs, 0, &mut places)?;
    let mut pairs: Vec<(u32, u32)> = places.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    pairs.sort_unstable();
    for squared in prepared.squared_distances(&pairs)? {
        if let Some(count) = counts.get_mut(bins.of(squared)) {
            *count += 1;
        }
    }
    progress(1.0);
    Ok(counts)
}
