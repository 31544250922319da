//! `sharpness` on a GPU: sums and the closest pairs come from where the tiles are made; pairs too close
//! for a float tile's value are recomputed.

use super::{Found, Progress, Task, closest};
use crate::Result;
use crate::device::{Gpu, Kernel, Params};
use crate::ops::pairs::NEAR;
use crate::ops::pairs::cuda::{PairParams, Prepared, appended};
use std::mem::offset_of;

/// See kernels/common/warp_list.cuh.
const EMPTY_BYTE: u8 = 0x7F;
const EMPTY: u64 = 0x7F7F_7F7F_7F7F_7F7F;
/// Pairs too close for a float tile's value that there is room for.
const NEAR_PAIRS: usize = 1 << 20;

/// Mirrors `SharpnessParams` of kernels/sharpness.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct SharpnessParams {
    pairs: PairParams,
    labels: u64,
    groups: u64,
    keys: u64,
    indices: u64,
    lock: u64,
    sums: u64,
    near_pairs: u64,
    near_count: u64,
    near_capacity: u32,
    unused: u32,
    near: f64,
}
const _: () = assert!(size_of::<SharpnessParams>() == 192 && offset_of!(SharpnessParams, near) == 184);
// SAFETY: repr(C), no padding, as asserted by size.
unsafe impl Params for SharpnessParams {}

pub(super) fn sharpness(gpu: &Gpu, task: &Task<'_>, progress: Progress<'_>) -> Result<Found> {
    let exact = task.points.bytes();
    let wanted = if exact { task.top } else { task.top + task.top / 2 + 12 };
    let prepared = Prepared::new(gpu, task.points)?;
    // More pairs than the longest list holds, or a range that leaves f32's.
    if wanted > 256 || !prepared.sane() {
        return Ok(super::cpu::sharpness(task, progress));
    }
    let (list, kernel) = match (wanted <= 32, exact) {
        (true, true) => (32, Kernel::SharpnessU8L32),
        (true, false) => (32, Kernel::SharpnessF32L32),
        (false, true) => (256, Kernel::SharpnessU8L256),
        (false, false) => (256, Kernel::SharpnessF32L256),
    };
    let (labels, groups) = (gpu.upload(task.labels)?, gpu.upload(task.groups)?);
    let mut keys = gpu.allocate::<f64>(list)?;
    let mut indices = gpu.allocate::<u64>(list)?;
    let mut lock = gpu.allocate::<u32>(1)?;
    let mut near_count = gpu.allocate::<u32>(1)?;
    let near_pairs = gpu.allocate::<u32>(if exact { 2 } else { 2 * NEAR_PAIRS })?;
    gpu.fill(&mut keys, EMPTY_BYTE)?;
    gpu.fill(&mut indices, EMPTY_BYTE)?;
    gpu.fill(&mut lock, 0)?;
    gpu.fill(&mut near_count, 0)?;
    let unit = prepared.unit();
    let (mut sum, mut sum_of_squares) = (0.0, 0.0);
    prepared.for_each_launch(progress, |work| {
        let sums = gpu.allocate::<f64>(2 * work.tiles)?;
        let params = SharpnessParams {
            pairs: work.pairs,
            labels: labels.address(),
            groups: groups.address(),
            keys: keys.address(),
            indices: indices.address(),
            lock: lock.address(),
            sums: sums.address(),
            near_pairs: near_pairs.address(),
            near_count: near_count.address(),
            near_capacity: if exact { 0 } else { NEAR_PAIRS as u32 },
            unused: 0,
            near: NEAR * prepared.eta(),
        };
        // SAFETY: the pair parameters are `Prepared`'s, which name live buffers; labels and groups have an
        // entry for each sample, the list has `list` places, and the sums two for each tile.
        unsafe { gpu.launch(kernel, &params, work.launch)? };
        for pair in gpu.download(&sums)?.chunks(2) {
            sum += pair[0] / unit.sqrt();
            sum_of_squares += pair[1] / unit;
        }
        Ok(())
    })?;

    let near = gpu.download(&near_count)?[0] as usize;
    if near > NEAR_PAIRS {
        // The samples lie in clumps whose distances are lost beside those between clumps.
        return Ok(super::cpu::sharpness(task, progress));
    }
    let mut pairs = appended(gpu, &near_pairs, near)?;
    pairs.sort_unstable();
    let squared = prepared.squared_distances(&pairs)?;
    for squared in &squared {
        sum += 1.0 / squared.sqrt();
        sum_of_squares += 1.0 / squared;
    }
    let mut found: Vec<(f64, (u32, u32))> = squared.into_iter().zip(pairs).collect();

    let (keys, indices) = (gpu.download(&keys)?, gpu.download(&indices)?);
    let listed: Vec<(f64, (u32, u32))> = keys
        .into_iter()
        .zip(indices)
        .filter(|(_, index)| *index != EMPTY)
        .map(|(key, index)| (key, ((index >> 32) as u32, index as u32)))
        .collect();
    if exact {
        return Ok(Found { sharpest: closest(listed, task.top), sum, sum_of_squares });
    }
    let pairs: Vec<(u32, u32)> = listed.iter().map(|(_, pair)| *pair).collect();
    found.extend(prepared.squared_distances(&pairs)?.into_iter().zip(pairs));
    let sharpest = closest(found, task.top);
    // Every pair that is not listed is at least as far as the last one's bound.
    let last = listed.last().map_or(0.0, |(key, _)| key * unit);
    let reach = sharpest.last().map_or(f64::INFINITY, |pair| pair.distance.powi(2));
    if listed.len() == list && reach >= last {
        return Ok(super::cpu::sharpness(task, progress));
    }
    Ok(Found { sharpest, sum, sum_of_squares })
}
