//! `sharpness` on a GPU: sums and the closest pairs are fused with the tiles; pairs too close
//! for a float tile's value are recomputed.

use super::{Found, Progress, Task, closest};
use crate::Result;
use crate::device::{Buffer, Gpu, Kernel, params};
use crate::ops::pairs::cuda::{NEAR_PAIRS, Pair, PairLaunch, PairList, PairListParams, PairParams, Prepared};
use bytemuck::NoUninit;

/// See kernels/common/warp_list.cuh.
const EMPTY_BYTE: u8 = 0x7F;
const EMPTY: u64 = 0x7F7F_7F7F_7F7F_7F7F;

/// Mirrors `SharpnessParams` of kernels/sharpness.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct SharpnessParams {
    pairs: PairParams,
    labels: u64,
    groups: u64,
    keys: u64,
    indices: u64,
    lock: u64,
    sums: u64,
    near_pairs: PairListParams,
}
params!(SharpnessParams: 200 bytes, near_pairs at 168);

pub(super) fn sharpness(gpu: &Gpu, task: &Task<'_>, progress: Progress<'_>) -> Result<Found> {
    let prepared = Prepared::new(gpu, task.points)?;
    let Some(mut sums) = Sums::new(gpu, task, &prepared)? else {
        return Ok(super::cpu::sharpness(task, progress));
    };
    prepared.for_each_launch(progress, |work| sums.launch(work))?;
    match sums.finish(&prepared)? {
        Some(found) => Ok(found),
        None => Ok(super::cpu::sharpness(task, progress)),
    }
}

/// Sums and closest pairs so far, on the device and on the host.
pub(in crate::ops) struct Sums<'a> {
    gpu: &'a Gpu,
    exact: bool,
    top: usize,
    list: usize,
    kernel: Kernel,
    labels: Buffer<u32>,
    groups: Buffer<u32>,
    keys: Buffer<f64>,
    indices: Buffer<u64>,
    lock: Buffer<u32>,
    near_pairs: PairList,
    unit: f64,
    sum: f64,
    sum_of_squares: f64,
}

impl<'a> Sums<'a> {
    /// `None` where more pairs are wanted than the longest list holds, or the range of values leaves that of f32.
    pub(in crate::ops) fn new(
        gpu: &'a Gpu,
        task: &Task<'_>,
        prepared: &Prepared<'_>,
    ) -> Result<Option<Self>> {
        let exact = prepared.exact();
        let wanted = if exact { task.top } else { task.top + task.top / 2 + 12 };
        if wanted > 256 || !prepared.sane() {
            return Ok(None);
        }
        let (list, kernel) = match (wanted <= 32, exact) {
            (true, true) => (32, Kernel::SharpnessU8L32),
            (true, false) => (32, Kernel::SharpnessF32L32),
            (false, true) => (256, Kernel::SharpnessU8L256),
            (false, false) => (256, Kernel::SharpnessF32L256),
        };
        let mut sums = Sums {
            gpu,
            exact,
            top: task.top,
            list,
            kernel,
            labels: gpu.upload(task.labels)?,
            groups: gpu.upload(task.groups)?,
            keys: gpu.allocate(list)?,
            indices: gpu.allocate(list)?,
            lock: gpu.allocate(1)?,
            near_pairs: PairList::new(gpu, if exact { 0 } else { NEAR_PAIRS })?,
            unit: prepared.unit(),
            sum: 0.0,
            sum_of_squares: 0.0,
        };
        gpu.fill(&mut sums.keys, EMPTY_BYTE)?;
        gpu.fill(&mut sums.indices, EMPTY_BYTE)?;
        gpu.fill(&mut sums.lock, 0)?;
        Ok(Some(sums))
    }

    /// Accumulates a launch's pairs, of rows prepared from the same samples.
    pub(in crate::ops) fn launch(&mut self, work: &PairLaunch) -> Result<()> {
        let sums = self.gpu.allocate::<f64>(2 * work.tiles)?;
        let params = SharpnessParams {
            pairs: work.pairs,
            labels: self.labels.address(),
            groups: self.groups.address(),
            keys: self.keys.address(),
            indices: self.indices.address(),
            lock: self.lock.address(),
            sums: sums.address(),
            near_pairs: self.near_pairs.params(),
        };
        // SAFETY: the pair parameters are `Prepared`'s, which name live buffers; labels and groups have an
        // entry for each sample, the list has `list` entries, and the sums two for each tile.
        unsafe { self.gpu.launch(self.kernel, &params, work.launch)? };
        for pair in self.gpu.download(&sums)?.chunks(2) {
            self.sum += pair[0] / self.unit.sqrt();
            self.sum_of_squares += pair[1] / self.unit;
        }
        Ok(())
    }

    /// `None` where too many pairs are too close, or too similar, for the GPU's lists: the CPU takes over.
    pub(in crate::ops) fn finish(self, prepared: &Prepared<'_>) -> Result<Option<Found>> {
        let Sums { gpu, exact, top, list, unit, mut sum, mut sum_of_squares, .. } = self;
        let Some(near) = prepared.recomputed(&self.near_pairs)? else {
            // The samples form clusters, within which distances are too small beside those between clusters.
            return Ok(None);
        };
        for (_, squared) in &near {
            sum += 1.0 / squared.sqrt();
            sum_of_squares += 1.0 / squared;
        }
        let mut found: Vec<(f64, Pair)> = near.into_iter().map(|(pair, squared)| (squared, pair)).collect();

        let (keys, indices) = (gpu.download(&self.keys)?, gpu.download(&self.indices)?);
        let listed: Vec<(f64, Pair)> = keys
            .into_iter()
            .zip(indices)
            .filter(|(_, index)| *index != EMPTY)
            .map(|(key, index)| (key, ((index >> 32) as u32, index as u32)))
            .collect();
        if exact {
            return Ok(Some(Found { sharpest: closest(listed, top), sum, sum_of_squares }));
        }
        let pairs: Vec<Pair> = listed.iter().map(|(_, pair)| *pair).collect();
        found.extend(prepared.squared_distances(&pairs)?.into_iter().zip(pairs));
        let sharpest = closest(found, top);
        // Every pair that is not listed is at least as far as the last one's bound.
        let last = listed.last().map_or(0.0, |(key, _)| key * unit);
        let reach = sharpest.last().map_or(f64::INFINITY, |pair| pair.distance.powi(2));
        if listed.len() == list && reach >= last {
            return Ok(None);
        }
        Ok(Some(Found { sharpest, sum, sum_of_squares }))
    }
}
