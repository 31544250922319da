//! `class_pairs` on a GPU: sums are fused with the tiles; pairs that may be the closest of their classes, or are too
//! close for a float tile's value, are recomputed.

use super::{Classes, Found};
use crate::Result;
use crate::device::{Buffer, Gpu, Kernel, Launch, params};
use crate::ops::pairs::Rows;
use crate::ops::pairs::cuda::{
    NEAR_PAIRS, Pair, PairLaunch, PairList, PairListParams, PairParams, Prepared, SHARED_BYTES,
};
use crate::ops::{Progress, SharpPair};
use bytemuck::NoUninit;

/// Capacity of the list of pairs that may be the closest of their classes.
const CANDIDATES: usize = 1 << 22;
/// The most cells in shared memory: those of 16 classes.
const SHARED_CELLS: usize = 136;
/// Bits of the inverse of the greatest distance in a sum's integer part.
const BITS: i32 = 20;
/// Numbers of a cell: see kernels/class_pairs.cu.
const CELL: usize = 4;

/// A squared distance and its pair.
type Closest = Option<(f64, Pair)>;

/// Mirrors `ClassPairsParams` of kernels/class_pairs.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct ClassPairsParams {
    pairs: PairParams,
    classes: u64,
    groups: u64,
    cells: u64,
    near_pairs: PairListParams,
    candidates: PairListParams,
    shared_cells: u32,
    unused: u32,
    scale: f64,
    most: f64,
}
params!(ClassPairsParams: 232 bytes, scale at 216);

pub(super) fn class_pairs(gpu: &Gpu, task: &Classes<'_>, progress: Progress<'_>) -> Result<Vec<Found>> {
    let prepared = Prepared::new(gpu, Rows::from(task.points))?;
    if let Some(table) = Table::new(gpu, task, &prepared)? {
        prepared.for_each_launch(progress, |work| table.launch(work))?;
        if let Some(found) = table.finish(&prepared)? {
            return Ok(found);
        }
    }
    Ok(super::cpu::class_pairs(task, progress))
}

/// Each two classes' results so far, on the device.
pub(in crate::ops) struct Table<'a> {
    gpu: &'a Gpu,
    task: &'a Classes<'a>,
    kernel: Kernel,
    classes: Buffer<u32>,
    groups: Buffer<u32>,
    cells: Buffer<u64>,
    count: usize,
    near_pairs: PairList,
    candidates: PairList,
    unit: f64,
    scale: f64,
    most: f64,
}

impl<'a> Table<'a> {
    /// `None` where the range of values leaves that of f32.
    pub(in crate::ops) fn new(
        gpu: &'a Gpu,
        task: &'a Classes<'a>,
        prepared: &Prepared<'_>,
    ) -> Result<Option<Self>> {
        if !prepared.sane() {
            return Ok(None);
        }
        let (n, unit) = (task.points.n(), prepared.unit());
        let count = task.names.len() * (task.names.len() + 1) / 2;
        // Any distance is at most twice the greatest distance to the first sample.
        let from_first: Vec<Pair> = (1..n as u32).map(|j| (0, j)).collect();
        let greatest = prepared.squared_distances(&from_first)?.into_iter().fold(0.0, f64::max);
        let reach = 2.0 * (greatest / unit).sqrt();
        let scale = if reach > 0.0 { f64::from(1 << BITS) * reach } else { 1.0 };
        // All pairs may fall into one cell, and must not overflow it.
        let all = (n as f64) * (n as f64) / 2.0;
        let mut cells = vec![0; count * CELL];
        cells.iter_mut().skip(CELL - 1).step_by(CELL).for_each(|upper| *upper = f64::INFINITY.to_bits());
        Ok(Some(Table {
            gpu,
            task,
            kernel: if prepared.exact() { Kernel::ClassPairsU8 } else { Kernel::ClassPairsF32 },
            classes: gpu.upload(&task.classes)?,
            groups: gpu.upload(&task.groups)?,
            cells: gpu.upload(&cells)?,
            count,
            near_pairs: PairList::new(gpu, NEAR_PAIRS)?,
            candidates: PairList::with_values(gpu, CANDIDATES)?,
            unit,
            scale,
            most: 2f64.powi(62) / all.max(1.0),
        }))
    }

    /// Accumulates a launch's pairs, of rows prepared from the same samples.
    pub(in crate::ops) fn launch(&self, work: &PairLaunch) -> Result<()> {
        let shared_cells = if self.count <= SHARED_CELLS { self.count } else { 0 };
        let params = ClassPairsParams {
            pairs: work.pairs,
            classes: self.classes.address(),
            groups: self.groups.address(),
            cells: self.cells.address(),
            near_pairs: self.near_pairs.params(),
            candidates: self.candidates.params(),
            shared_cells: shared_cells as u32,
            unused: 0,
            scale: self.scale,
            most: self.most,
        };
        let shared_bytes = SHARED_BYTES + (SHARED_CELLS * CELL * size_of::<u64>()) as u32;
        let launch = Launch { shared_bytes, ..work.launch };
        // SAFETY: the pair parameters are `Prepared`'s, which name live buffers; classes and groups have an entry for
        // each sample, every two classes a cell, and candidates have values.
        unsafe { self.gpu.launch(self.kernel, &params, launch) }
    }

    /// `None` where too many pairs are too close, or too similar, for the GPU's lists: the CPU takes over.
    pub(in crate::ops) fn finish(self, prepared: &Prepared<'_>) -> Result<Option<Vec<Found>>> {
        let Table { gpu, task, unit, .. } = self;
        let Some(near) = prepared.recomputed(&self.near_pairs)? else { return Ok(None) };
        let Some(candidates) = self.candidates.sorted_with_values(gpu)? else { return Ok(None) };
        let cells = gpu.download(&self.cells)?;
        let cell = |(i, j): Pair| super::place(task.classes[i as usize], task.classes[j as usize]);
        let closest: Vec<Pair> = candidates
            .into_iter()
            .filter(|(pair, low)| *low <= f64::from_bits(cells[cell(*pair) * CELL + 3]))
            .map(|(pair, _)| pair)
            .collect();

        // Each cell's sum of 1/distance, number of pairs, and closest pair.
        let mut found: Vec<(f64, u64, Closest)> = cells
            .as_chunks::<CELL>()
            .0
            .iter()
            .map(|[whole, rest, pairs, _]| {
                let sum = *whole as f64 + *rest as f64 / 2f64.powi(32);
                (sum / (self.scale * unit.sqrt()), *pairs, None)
            })
            .collect();
        let offer = |best: &mut Closest, squared: f64, pair| {
            if best.is_none_or(|best| (squared, pair) < best) {
                *best = Some((squared, pair));
            }
        };
        for (pair, squared) in closest.iter().zip(prepared.squared_distances(&closest)?) {
            offer(&mut found[cell(*pair)].2, squared, *pair);
        }
        for (pair, squared) in near {
            let (sum, count, best) = &mut found[cell(pair)];
            *sum += 1.0 / squared.sqrt();
            *count += 1;
            offer(best, squared, pair);
        }
        let classes = (0..task.names.len() as u32).flat_map(|b| (0..=b).map(move |a| [a, b]));
        let mut all: Vec<Found> = classes
            .zip(found)
            .filter_map(|(classes, (sum, pairs, best))| {
                let (squared, (i, j)) = best?;
                let sharpest = SharpPair { pair: [i as usize, j as usize], distance: squared.sqrt() };
                Some(Found { classes, sharpest, sum, pairs })
            })
            .collect();
        all.sort_unstable_by_key(|found| found.classes);
        Ok(Some(all))
    }
}
