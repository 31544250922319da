//! `neighbours` on a GPU: tiles fused with selection, then, for floats, the candidates recomputed and
//! every sample's list checked to have been long enough.

use super::{Neighbours, Progress};
use crate::Result;
use crate::device::{Buffer, Gpu, Kernel, params};
use crate::ops::pairs::Rows;
use crate::ops::pairs::cuda::{PairLaunch, PairParams, Prepared};
use crate::ops::pairs::keeper::sort;
use bytemuck::NoUninit;

/// The fill of an empty list entry; see kernels/common/warp_list.cuh.
const EMPTY_BYTE: u8 = 0x7F;
const EMPTY: u32 = 0x7F7F_7F7F;

/// Mirrors `NeighboursParams` of kernels/neighbours.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct NeighboursParams {
    pairs: PairParams,
    keys: u64,
    indices: u64,
    locks: u64,
    unused: u64,
}
params!(NeighboursParams: 152 bytes, keys at 120);

pub(super) fn neighbours(gpu: &Gpu, rows: &Rows<'_>, k: usize, progress: Progress<'_>) -> Result<Neighbours> {
    let Some(list) = list_length(rows, k) else { return Ok(super::cpu::neighbours(rows, k, progress)) };
    let prepared = Prepared::new(gpu, rows)?;
    if !prepared.sane() {
        // The values' range exceeds that of f32: nothing could be screened.
        return Ok(super::cpu::neighbours(rows, k, progress));
    }
    let lists = Lists::new(gpu, rows, k, list)?;
    prepared.for_each_launch(progress, |work| lists.launch(work))?;
    lists.finish(&prepared)
}

/// Entries of a sample's list; `None` where a warp's registers cannot hold them: the CPU's results are the same.
pub(in crate::ops) fn list_length(rows: &Rows<'_>, k: usize) -> Option<usize> {
    let others = rows.others(0).count();
    // Floats are screened by bounds: extra entries for the pairs whose bounds overlap the k-th's.
    let wanted = if rows.bytes() { k } else { (k + k / 2 + 12).min(others).max(k) };
    [32, 64, 128, 256].into_iter().find(|length| *length >= wanted)
}

/// Each sample's nearest so far, on the device.
pub(in crate::ops) struct Lists<'a> {
    gpu: &'a Gpu,
    rows: &'a Rows<'a>,
    k: usize,
    list: usize,
    kernel: Kernel,
    keys: Buffer<f64>,
    indices: Buffer<u32>,
    locks: Buffer<u32>,
}

impl<'a> Lists<'a> {
    /// Empty lists of `list` entries, one for each query row.
    pub(in crate::ops) fn new(gpu: &'a Gpu, rows: &'a Rows<'a>, k: usize, list: usize) -> Result<Self> {
        let n = rows.asked().len();
        let kernel = match (rows.bytes(), list) {
            (true, 32) => Kernel::NeighboursU8L32,
            (true, 64) => Kernel::NeighboursU8L64,
            (true, 128) => Kernel::NeighboursU8L128,
            (true, _) => Kernel::NeighboursU8L256,
            (false, 32) => Kernel::NeighboursF32L32,
            (false, 64) => Kernel::NeighboursF32L64,
            (false, 128) => Kernel::NeighboursF32L128,
            (false, _) => Kernel::NeighboursF32L256,
        };
        let mut keys = gpu.allocate::<f64>(n * list)?;
        let mut indices = gpu.allocate::<u32>(n * list)?;
        let mut locks = gpu.allocate::<u32>(n)?;
        gpu.fill(&mut keys, EMPTY_BYTE)?;
        gpu.fill(&mut indices, EMPTY_BYTE)?;
        gpu.fill(&mut locks, 0)?;
        Ok(Lists { gpu, rows, k, list, kernel, keys, indices, locks })
    }

    /// Offers a launch's pairs, of rows prepared from the same samples.
    pub(in crate::ops) fn launch(&self, work: &PairLaunch) -> Result<()> {
        let params = NeighboursParams {
            pairs: work.pairs,
            keys: self.keys.address(),
            indices: self.indices.address(),
            locks: self.locks.address(),
            unused: 0,
        };
        // SAFETY: the pair parameters are `Prepared`'s, which name live buffers; the lists have `list`
        // entries, and the locks one, for each query row.
        unsafe { self.gpu.launch(self.kernel, &params, work.launch) }
    }

    pub(in crate::ops) fn finish(self, prepared: &Prepared<'_>) -> Result<Neighbours> {
        let Lists { gpu, rows, k, list, keys, indices, .. } = self;
        let (n, others) = (rows.asked().len(), rows.others(0).count());
        let (keys, indices) = (gpu.download(&keys)?, gpu.download(&indices)?);
        let row = |i: usize| {
            let keys = &keys[i * list..(i + 1) * list];
            let places = keys.iter().zip(&indices[i * list..]);
            places.filter(|(_, index)| **index != EMPTY).map(|(key, index)| (*key, *index))
        };
        if rows.bytes() {
            return Ok(super::collect(rows, k, (0..n).map(|i| row(i).collect()).collect()));
        }
        let candidates: Vec<Vec<u32>> = (0..n).map(|i| row(i).map(|(_, j)| j).collect()).collect();
        let mut found = super::recompute(&candidates, |pairs| prepared.squared_distances(pairs))?;
        let mut open = Vec::new();
        for (i, own) in found.iter_mut().enumerate() {
            sort(own);
            // Every unlisted pair is at least as far as the last entry's bound; a list of all other samples is
            // complete.
            let last = row(i).next_back().map_or(0.0, |(key, _)| key * prepared.unit());
            let closed = own.len() == others || (own.len() == list && own[k - 1].0 < last);
            if !closed {
                open.push(i);
            }
        }
        super::compare_with_all(rows, &open, &mut found, |pairs| prepared.squared_distances(pairs))?;
        Ok(super::collect(rows, k, found))
    }
}
