//! The passes of `ratio_quantiles` on a GPU: counting or collecting pairs is fused with the tiles; pairs too
//! close for a float tile's value are recomputed.

use super::{Bins, Task, most_open};
use crate::Result;
use crate::device::{Buffer, Gpu, Kernel, params};
use crate::ops::Progress;
use crate::ops::pairs::cuda::{NEAR_PAIRS, PairList, PairListParams, PairParams, Prepared};
use bytemuck::NoUninit;

/// Mirrors `RatioQuantilesParams` of kernels/ratio_quantiles.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, NoUninit)]
struct RatioQuantilesParams {
    pairs: PairParams,
    labels: u64,
    groups: u64,
    slots: u64,
    counts: u64,
    near_pairs: PairListParams,
    ranges: u64,
    open: PairListParams,
    range_count: u32,
    unused: u32,
    unit: f64,
}
params!(RatioQuantilesParams: 240 bytes, unit at 232);

pub(super) struct Passes<'a> {
    gpu: &'a Gpu,
    task: &'a Task<'a>,
    prepared: Prepared<'a>,
    labels: Buffer<u32>,
    groups: Buffer<u32>,
}

impl<'a> Passes<'a> {
    /// `None` where the data's range exceeds that of f32.
    pub(super) fn new(gpu: &'a Gpu, task: &'a Task<'a>) -> Result<Option<Self>> {
        let prepared = Prepared::new(gpu, task.points)?;
        if !prepared.sane() {
            return Ok(None);
        }
        let (labels, groups) = (gpu.upload(task.labels)?, gpu.upload(task.groups)?);
        Ok(Some(Passes { gpu, task, prepared, labels, groups }))
    }

    /// Launches `kernel` on all tiles; `own` has the parameters that only this kernel uses. Returns the squared
    /// distances of the pairs that were too close; `None` where their list overflowed.
    fn run(
        &self,
        kernel: Kernel,
        own: RatioQuantilesParams,
        progress: Progress<'_>,
    ) -> Result<Option<Vec<f64>>> {
        let (gpu, prepared) = (self.gpu, &self.prepared);
        let near_pairs = PairList::new(gpu, if prepared.exact() { 0 } else { NEAR_PAIRS })?;
        prepared.for_each_launch_while_room(&near_pairs, progress, |work| {
            let params = RatioQuantilesParams {
                pairs: work.pairs,
                labels: self.labels.address(),
                groups: self.groups.address(),
                near_pairs: near_pairs.params(),
                unit: prepared.unit(),
                ..own
            };
            // SAFETY: the pair parameters are `Prepared`'s, which name live buffers; labels and groups have an
            // entry for each sample. The lengths of the buffers in `own` are given below, where it is made.
            unsafe { gpu.launch(kernel, &params, work.launch) }
        })?;
        // On overflow, the samples form clusters, within which distances are too small beside those between clusters.
        let near = prepared.recomputed(&near_pairs)?;
        Ok(near.map(|near| near.into_iter().map(|(_, squared)| squared).collect()))
    }
}

impl super::Passes for Passes<'_> {
    fn count(&self, bins: &Bins, progress: Progress<'_>) -> Result<Option<Vec<u64>>> {
        let gpu = self.gpu;
        let slots = bins.slots.as_ref().map(|slots| gpu.upload(slots)).transpose()?;
        let mut counts = gpu.allocate::<u64>(bins.len)?;
        gpu.fill(&mut counts, 0)?;
        let kernel = if self.exact() { Kernel::RatioQuantilesU8 } else { Kernel::RatioQuantilesF32 };
        // Slots, if any, have an entry for each of the first pass's bins, counts one for each bin.
        let slots_at = slots.as_ref().map_or(0, Buffer::address);
        let own = RatioQuantilesParams { slots: slots_at, counts: counts.address(), ..Default::default() };
        let Some(close) = self.run(kernel, own, progress)? else {
            return Ok(None);
        };
        let mut counts = gpu.download(&counts)?;
        for squared in close {
            if let Some(count) = counts.get_mut(bins.index(squared)) {
                *count += 1;
            }
        }
        Ok(Some(counts))
    }

    fn open(&self, ranges: &[(f64, f64)], progress: Progress<'_>) -> Result<Option<Vec<(f64, f64)>>> {
        let (gpu, n) = (self.gpu, self.task.points.n());
        let capacity = most_open(self.task.points.dim()).min(n * (n - 1) / 2);
        let ends = gpu.upload(&ranges.iter().flat_map(|range| [range.0, range.1]).collect::<Vec<f64>>())?;
        let open = PairList::with_values(gpu, capacity)?;
        // Each range has two numbers.
        let own = RatioQuantilesParams {
            ranges: ends.address(),
            range_count: ranges.len() as u32,
            open: open.params(),
            ..Default::default()
        };
        let Some(close) = self.run(Kernel::RatioQuantilesOpenF32, own, progress)? else {
            return Ok(None);
        };
        let Some(open) = open.sorted_with_values(gpu)? else { return Ok(None) };
        let pairs: Vec<_> = open.iter().map(|(pair, _)| *pair).collect();
        let squared = self.prepared.squared_distances(&pairs)?;
        let inside = |s: &f64| ranges.iter().any(|range| (range.0..=range.1).contains(s));
        let close = close.into_iter().filter(inside).map(|squared| (squared, squared));
        Ok(Some(open.into_iter().map(|(_, taken)| taken).zip(squared).chain(close).collect()))
    }

    fn exact(&self) -> bool {
        self.prepared.exact()
    }

    fn rough(&self) -> bool {
        // The CPU's float products are more precise.
        false
    }
}
