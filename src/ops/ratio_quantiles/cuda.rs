//! The passes of `ratio_quantiles` on a GPU: pairs are counted, or collected, where the tiles are made; those
//! too close for a float tile's value are recomputed.

use super::{Bins, Task, most_open};
use crate::device::{Buffer, Gpu, Kernel, Params};
use crate::ops::Progress;
use crate::ops::pairs::NEAR;
use crate::ops::pairs::cuda::{PairParams, Prepared, appended};
use crate::{Result, Values};
use std::mem::offset_of;

/// Pairs too close for a float tile's value that there is room for.
const NEAR_PAIRS: usize = 1 << 20;

/// Mirrors `RatioQuantilesParams` of kernels/ratio_quantiles.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct RatioQuantilesParams {
    pairs: PairParams,
    labels: u64,
    groups: u64,
    slots: u64,
    counts: u64,
    near_pairs: u64,
    near_count: u64,
    ranges: u64,
    open_pairs: u64,
    open_taken: u64,
    open_count: u64,
    near_capacity: u32,
    open_capacity: u32,
    range_count: u32,
    unused: u32,
    near: f64,
    unit: f64,
}
const _: () =
    assert!(size_of::<RatioQuantilesParams>() == 224 && offset_of!(RatioQuantilesParams, unit) == 216);
// SAFETY: repr(C), no padding, as asserted by size.
unsafe impl Params for RatioQuantilesParams {}

pub(super) struct Passes<'a> {
    gpu: &'a Gpu,
    task: &'a Task<'a>,
    prepared: Prepared<'a>,
    exact: bool,
    labels: Buffer<u32>,
    groups: Buffer<u32>,
    near_pairs: Buffer<u32>,
}

impl<'a> Passes<'a> {
    /// `None` where the data's range leaves f32's.
    pub(super) fn new(gpu: &'a Gpu, task: &'a Task<'a>) -> Result<Option<Self>> {
        let exact = matches!(task.points.values(), Values::U8(_));
        let prepared = Prepared::new(gpu, task.points)?;
        if !prepared.sane() {
            return Ok(None);
        }
        let (labels, groups) = (gpu.upload(task.labels)?, gpu.upload(task.groups)?);
        let near_pairs = gpu.allocate::<u32>(if exact { 2 } else { 2 * NEAR_PAIRS })?;
        Ok(Some(Passes { gpu, task, prepared, exact, labels, groups, near_pairs }))
    }

    /// Launches `kernel` on all tiles with what `own` fills in beside what both kernels have. Gives the squared
    /// distances of the pairs that were too close; `None` where there is no room for them.
    fn run(
        &self,
        kernel: Kernel,
        own: RatioQuantilesParams,
        progress: Progress<'_>,
    ) -> Result<Option<Vec<f64>>> {
        let (gpu, prepared) = (self.gpu, &self.prepared);
        let mut near_count = gpu.allocate::<u32>(1)?;
        gpu.fill(&mut near_count, 0)?;
        let capacity = if self.exact { 0 } else { NEAR_PAIRS };
        let mut near = 0;
        prepared.for_each_launch(progress, |work| {
            if near > capacity {
                return Ok(());
            }
            let params = RatioQuantilesParams {
                pairs: work.pairs,
                labels: self.labels.address(),
                groups: self.groups.address(),
                near_pairs: self.near_pairs.address(),
                near_count: near_count.address(),
                near_capacity: capacity as u32,
                near: NEAR * prepared.eta(),
                unit: prepared.unit(),
                ..own
            };
            // SAFETY: the pair parameters are `Prepared`'s, which name live buffers; labels and groups have an
            // entry for each sample; no place after the near pairs' is written. What `own` names is as long
            // as its makers below say.
            unsafe { gpu.launch(kernel, &params, work.launch)? };
            near = gpu.download(&near_count)?[0] as usize;
            Ok(())
        })?;
        if near > capacity {
            // The samples lie in clumps whose distances are lost beside those between clumps.
            return Ok(None);
        }
        let mut pairs = appended(gpu, &self.near_pairs, near)?;
        pairs.sort_unstable();
        Ok(Some(prepared.squared_distances(&pairs)?))
    }
}

impl super::Passes for Passes<'_> {
    fn count(&self, bins: &Bins, progress: Progress<'_>) -> Result<Option<Vec<u64>>> {
        let gpu = self.gpu;
        let slots = bins.slots.as_ref().map(|slots| gpu.upload(slots)).transpose()?;
        let mut counts = gpu.allocate::<u64>(bins.len)?;
        gpu.fill(&mut counts, 0)?;
        let kernel = if self.exact { Kernel::RatioQuantilesU8 } else { Kernel::RatioQuantilesF32 };
        // Slots, where there are any, have an entry for each of the first pass's bins, counts one for each bin.
        let slots_at = slots.as_ref().map_or(0, Buffer::address);
        let own = RatioQuantilesParams { slots: slots_at, counts: counts.address(), ..Default::default() };
        let Some(close) = self.run(kernel, own, progress)? else {
            return Ok(None);
        };
        let mut counts = gpu.download(&counts)?;
        for squared in close {
            if let Some(count) = counts.get_mut(bins.of(squared)) {
                *count += 1;
            }
        }
        Ok(Some(counts))
    }

    fn open(&self, ranges: &[(f64, f64)], progress: Progress<'_>) -> Result<Option<Vec<(f64, f64)>>> {
        let (gpu, n) = (self.gpu, self.task.points.n());
        let capacity = most_open(self.task.points.dim()).min(n * (n - 1) / 2);
        let ends = gpu.upload(&ranges.iter().flat_map(|range| [range.0, range.1]).collect::<Vec<f64>>())?;
        let open_pairs = gpu.allocate::<u32>(2 * capacity)?;
        let open_taken = gpu.allocate::<f64>(capacity)?;
        let mut open_count = gpu.allocate::<u32>(1)?;
        gpu.fill(&mut open_count, 0)?;
        // There are two numbers to a range, and no place after `open_capacity` is written.
        let own = RatioQuantilesParams {
            ranges: ends.address(),
            range_count: ranges.len() as u32,
            open_pairs: open_pairs.address(),
            open_taken: open_taken.address(),
            open_count: open_count.address(),
            open_capacity: capacity as u32,
            ..Default::default()
        };
        let Some(close) = self.run(Kernel::RatioQuantilesOpenF32, own, progress)? else {
            return Ok(None);
        };
        let count = gpu.download(&open_count)?[0] as usize;
        if count > capacity {
            return Ok(None);
        }
        let mut taken = vec![0.0; count];
        gpu.read(&open_taken, 0, &mut taken)?;
        let mut open: Vec<_> = appended(gpu, &open_pairs, count)?.into_iter().zip(taken).collect();
        open.sort_unstable_by_key(|(pair, _)| *pair);
        let pairs: Vec<_> = open.iter().map(|(pair, _)| *pair).collect();
        let squared = self.prepared.squared_distances(&pairs)?;
        let inside = |s: &f64| ranges.iter().any(|range| (range.0..=range.1).contains(s));
        let close = close.into_iter().filter(inside).map(|squared| (squared, squared));
        Ok(Some(open.into_iter().map(|(_, taken)| taken).zip(squared).chain(close).collect()))
    }

    fn exact(&self) -> bool {
        self.exact
    }

    fn rough(&self) -> bool {
        // The CPU's floats are better.
        false
    }
}
