//! All pairs on a GPU: rows converted for the tensor cores, the geometry of tiles and splits, and the
//! parameters that pair kernels share. Data that exceeds the device's memory is uploaded block by block.

use super::quantise::{column_ranges, widest};
use super::{Float, NEAR, Rows};
use crate::Result;
use crate::device::{Buffer, Gpu, Kernel, Launch, params};
use crate::points::Kind;
use bytemuck::NoUninit;
use std::mem::offset_of;
use std::ops::Range;

/// Rows and columns of a tile.
pub(crate) const TILE: usize = 128;
/// Threads of a block.
pub(crate) const THREADS: u32 = 256;
/// Dynamic shared memory of a pair kernel: 4 stages of 16 KiB, or half a tile of doubles, rows 129 apart.
pub(crate) const SHARED_BYTES: u32 = 66_048;
/// Bytes of a row that one step multiplies: 64 8-bit values, or 16 floats in two parts.
const STEP_BYTES: usize = 64;
/// Bytes of a tile's sums in one split.
const PARTIAL_BYTES: usize = TILE * TILE * 4;
/// Bytes of the sums kept at once: they limit the tiles of one launch.
const WORKSPACE_BYTES: usize = 256 << 20;

/// Mirrors `PairParams` of kernels/common/pair_tile.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, NoUninit)]
pub(crate) struct PairParams {
    left: u64,
    right: u64,
    left_term: u64,
    right_term: u64,
    left_norm: u64,
    right_norm: u64,
    tiles: u64,
    partial: u64,
    arrived: u64,
    left_rows: u32,
    right_rows: u32,
    left_first: u32,
    right_first: u32,
    steps: u32,
    splits: u32,
    eta: f64,
    near: f64,
    diagonal: u32,
    between: u32,
}
const _: () = assert!(size_of::<PairParams>() == 120);
const _: () = assert!(offset_of!(PairParams, left_rows) == 72 && offset_of!(PairParams, eta) == 96);

/// Mirrors `PrepareParams` of kernels/pairs.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct PrepareParams {
    values: u64,
    centre: u64,
    out: u64,
    term: u64,
    norm: u64,
    rows: u32,
    dim: u32,
    steps: u32,
    scale: f32,
}
params!(PrepareParams: 56 bytes, rows at 40);

/// Mirrors `DistancesParams` of kernels/pairs.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, NoUninit)]
struct DistancesParams {
    left: u64,
    right: u64,
    pairs: u64,
    out: u64,
    count: u32,
    dim: u32,
}
params!(DistancesParams: 40 bytes);

/// Samples, or queries and their reference samples, uploaded to a GPU block by block.
pub(crate) struct Streamed<'a> {
    gpu: &'a Gpu,
    rows: Rows<'a>,
    /// Each side of a tile has one block on the device at a time; no block holds rows of both sets.
    blocks: Vec<Range<usize>>,
}

/// The form in which samples go to the tensor cores.
pub(crate) struct Prepared<'a> {
    streamed: Streamed<'a>,
    /// Subtracted from each column of floats before scaling: the bytes of f32 values, of f64 ones for 64-bit data.
    centre: Option<Buffer<u8>>,
    scale: f32,
    steps: usize,
}

/// A block of samples on the device.
struct Block {
    rows: Range<usize>,
    prepared: Buffer<u8>,
    term: Buffer<f64>,
    norm: Option<Buffer<f64>>,
}

/// The positions of one launch's tiles, and how their sums are split.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Batch {
    /// Row block and column block of each tile.
    tiles: Vec<u32>,
    splits: usize,
}

/// Launch parameters that all pair kernels share.
pub(crate) struct PairLaunch {
    pub pairs: PairParams,
    pub launch: Launch,
    /// Tiles in this launch.
    pub tiles: usize,
}

impl PairLaunch {
    /// For another kernel that reads the same tiles: it reuses the sums of this launch.
    pub(crate) fn again(&self) -> PairLaunch {
        let [tiles, _, _] = self.launch.grid;
        PairLaunch {
            pairs: PairParams { arrived: 0, ..self.pairs },
            launch: Launch { grid: [tiles, 1, 1], ..self.launch },
            tiles: self.tiles,
        }
    }
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(gpu: &'a Gpu, rows: impl Into<Rows<'a>>) -> Result<Self> {
        let rows = rows.into();
        let dim = rows.dim();
        let (centre, scale, steps) = match rows.kind() {
            Kind::U8 => (None, 1.0, dim.div_ceil(STEP_BYTES)),
            kind => {
                let (bytes, widest) = match kind {
                    Kind::F64 => centre::<f64>(&rows, |middle| middle.to_ne_bytes().to_vec()),
                    _ => centre::<f32>(&rows, |middle| (middle as f32).to_ne_bytes().to_vec()),
                };
                // A power of two that scales the widest range to about 1.
                let scale = if widest > 0.0 { (-widest.log2().ceil()).exp2() as f32 } else { 1.0 };
                (Some(gpu.upload(&bytes)?), scale, dim.div_ceil(STEP_BYTES / 4))
            }
        };
        // A block holds its original samples only while it is prepared.
        let given = dim * rows.value_bytes();
        let streamed = Streamed::new(gpu, rows, given, steps * STEP_BYTES)?;
        Ok(Prepared { streamed, centre, scale, steps })
    }

    /// Whether f32 arithmetic can hold the data after scaling.
    pub(crate) fn sane(&self) -> bool {
        self.scale.is_normal()
    }

    /// Whether values are exact squared distances, as for 8-bit data.
    pub(crate) fn exact(&self) -> bool {
        self.centre.is_none()
    }

    /// A value's error is at most this times (norm_i + norm_j)^2.
    pub(crate) fn eta(&self) -> f64 {
        if self.exact() {
            return 0.0;
        }
        // x is stored to 2^-18 |x| and was centred and scaled to 2^-23 |x|, of 64-bit values too, which are rounded after
        // that: its distances change by at most 2^-17.9 (|x| + |y|), their squares by 2^-16.8 (|x| + |y|)^2. low.low is
        // left out: 2^-19 of the same. Each of a split's steps adds three products of 16 terms to an f32 sum, whose
        // truncations stay below 2^-22 |x||y|, and |x||y| <= (|x| + |y|)^2 / 4, twice over.
        let steps = self.most_steps().min(self.steps) as f64;
        2f64.powf(-16.5) + 3.0 * steps * 2f64.powi(-22) / 2.0
    }

    /// Squared length of one unit of the scaled data.
    pub(crate) fn unit(&self) -> f64 {
        1.0 / f64::from(self.scale).powi(2)
    }

    /// Most steps of one split: more would overflow int32 sums, or make f32 sums inaccurate.
    fn most_steps(&self) -> usize {
        if self.exact() { 32_768 / STEP_BYTES } else { 1024 }
    }

    fn load(&self, rows: Range<usize>) -> Result<Block> {
        let Streamed { gpu, rows: samples, .. } = &self.streamed;
        let dim = samples.dim();
        let len = rows.len();
        let prepared = gpu.allocate::<u8>(len * self.steps * STEP_BYTES)?;
        let term = gpu.allocate::<f64>(len)?;
        let mut params = PrepareParams {
            values: 0,
            centre: 0,
            out: prepared.address(),
            term: term.address(),
            norm: 0,
            rows: len as u32,
            dim: dim as u32,
            steps: self.steps as u32,
            scale: self.scale,
        };
        let launch = Launch { grid: [len as u32, 1, 1], threads: THREADS, shared_bytes: 64 };
        let given = gpu.upload(samples.block(rows.clone()).bytes())?;
        params.values = given.address();
        let mut norm = None;
        if let Some(centre) = &self.centre {
            let norms = gpu.allocate::<f64>(len)?;
            params.norm = norms.address();
            params.centre = centre.address();
            norm = Some(norms);
        }
        let kernel = match samples.kind() {
            Kind::U8 => Kernel::PrepareU8,
            Kind::F32 => Kernel::PrepareF32,
            Kind::F64 => Kernel::PrepareF64,
            Kind::F16 => Kernel::PrepareF16,
            Kind::BF16 => Kernel::PrepareBf16,
        };
        // SAFETY: one block to each of `len` rows; every buffer is as long as the kernel's comment says, and
        // `centre` has `dim` values.
        unsafe { gpu.launch(kernel, &params, launch)? };
        gpu.synchronise()?;
        Ok(Block { rows, prepared, term, norm })
    }

    /// Uploads every pair of blocks and passes each launch of tiles to `run`. Of one set, the tiles cover every
    /// unordered pair once (diagonal tiles each pair twice, and samples with themselves); of two sets, every query with
    /// every reference sample. `done` receives the fraction of pairs finished.
    pub(crate) fn for_each_launch(
        &self,
        done: &dyn Fn(f64),
        mut run: impl FnMut(&PairLaunch) -> Result<()>,
    ) -> Result<()> {
        let Streamed { gpu, rows, blocks } = &self.streamed;
        let asked = blocks.iter().filter(|block| block.start < rows.asked().end).count();
        let first = |at: usize| if rows.two() { asked } else { at };
        let all = (0..asked).map(|at| blocks.len() - first(at)).sum::<usize>() as f64;
        let mut behind = 0.0;
        for (at, rows) in blocks[..asked].iter().enumerate() {
            let left = self.load(rows.clone())?;
            for (other, cols) in blocks.iter().enumerate().skip(first(at)) {
                let right = if other == at { None } else { Some(self.load(cols.clone())?) };
                let right = right.as_ref().unwrap_or(&left);
                let batches = batches(
                    left.rows.len(),
                    right.rows.len(),
                    other == at,
                    self.steps,
                    self.most_steps(),
                    gpu.multiprocessors(),
                    WORKSPACE_BYTES / PARTIAL_BYTES,
                );
                for (done_batches, batch) in batches.iter().enumerate() {
                    self.launch_batch(&left, right, other == at, batch, &mut run)?;
                    done((behind + (done_batches + 1) as f64 / batches.len() as f64) / all);
                }
                behind += 1.0;
            }
        }
        Ok(())
    }

    /// As [`Prepared::for_each_launch`], but stops once `list` has overflowed.
    pub(crate) fn for_each_launch_while_room(
        &self,
        list: &PairList,
        done: &dyn Fn(f64),
        run: impl Fn(&PairLaunch) -> Result<()>,
    ) -> Result<()> {
        let mut overflown = false;
        self.for_each_launch(done, |work| {
            if !overflown {
                run(work)?;
                overflown = list.len(self.streamed.gpu)?.is_none();
            }
            Ok(())
        })
    }

    fn launch_batch(
        &self,
        left: &Block,
        right: &Block,
        diagonal: bool,
        batch: &Batch,
        run: &mut impl FnMut(&PairLaunch) -> Result<()>,
    ) -> Result<()> {
        let gpu = self.streamed.gpu;
        let count = batch.tiles.len() / 2;
        let tiles = gpu.upload(&batch.tiles)?;
        let mut arrived = gpu.allocate::<u32>(count)?;
        gpu.fill(&mut arrived, 0)?;
        gpu.with_workspace::<u8, _>(count * batch.splits * PARTIAL_BYTES, |partial| {
            let norm = |block: &Block| block.norm.as_ref().map_or(0, Buffer::address);
            let pairs = PairParams {
                left: left.prepared.address(),
                right: right.prepared.address(),
                left_term: left.term.address(),
                right_term: right.term.address(),
                left_norm: norm(left),
                right_norm: norm(right),
                tiles: tiles.address(),
                partial: partial.address(),
                arrived: arrived.address(),
                left_rows: left.rows.len() as u32,
                right_rows: right.rows.len() as u32,
                left_first: left.rows.start as u32,
                right_first: right.rows.start as u32,
                steps: self.steps as u32,
                splits: batch.splits as u32,
                eta: self.eta(),
                near: NEAR * self.eta(),
                diagonal: u32::from(diagonal),
                between: u32::from(self.streamed.rows.two()),
            };
            let grid = [count as u32, batch.splits as u32, 1];
            let launch = Launch { grid, threads: THREADS, shared_bytes: SHARED_BYTES };
            run(&PairLaunch { pairs, launch, tiles: count })?;
            // The buffers above must outlive the launch.
            gpu.synchronise()
        })
    }

    /// The squared distances of `pairs`, from the original data.
    pub(crate) fn squared_distances(&self, pairs: &[(u32, u32)]) -> Result<Vec<f64>> {
        self.streamed.squared_distances(pairs)
    }

    /// The pairs of a list, sorted, each with its squared distance from the original data; `None` where the list
    /// overflowed.
    pub(crate) fn recomputed(&self, list: &PairList) -> Result<Option<Vec<(Pair, f64)>>> {
        let Some(pairs) = list.sorted(self.streamed.gpu)? else { return Ok(None) };
        let squared = self.squared_distances(&pairs)?;
        Ok(Some(pairs.into_iter().zip(squared).collect()))
    }
}

impl<'a> Streamed<'a> {
    /// For rows uploaded as `given` bytes each, and kept on the device as `kept` bytes.
    fn new(gpu: &'a Gpu, rows: Rows<'a>, given: usize, kept: usize) -> Result<Self> {
        let block = block_rows(gpu.memory_for_data()?, given, kept, rows.samples());
        let blocks = rows.sets().flat_map(|set| super::blocks(set, block)).collect();
        Ok(Streamed { gpu, rows, blocks })
    }

    /// Rows kept in their original form.
    pub(crate) fn as_given(gpu: &'a Gpu, rows: impl Into<Rows<'a>>) -> Result<Self> {
        let rows = rows.into();
        Self::new(gpu, rows, 0, rows.dim() * rows.value_bytes())
    }

    /// The squared distances of `pairs`; pairs sorted by their first sample cause the least traffic.
    pub(crate) fn squared_distances(&self, pairs: &[(u32, u32)]) -> Result<Vec<f64>> {
        let (gpu, dim) = (self.gpu, self.rows.dim());
        let mut out = vec![0.0; pairs.len()];
        // Pairs sorted by their samples' blocks, so that only two blocks need to be on the device at a time.
        let mut order: Vec<u32> = (0..pairs.len() as u32).collect();
        let key = |at: &u32| {
            let block = |row: u32| self.blocks.partition_point(|block| block.end <= row as usize);
            let (i, j) = pairs[*at as usize];
            (block(i), block(j))
        };
        order.sort_by_cached_key(key);
        let kernel = match self.rows.kind() {
            Kind::U8 => Kernel::SquaredDistancesU8,
            Kind::F32 => Kernel::SquaredDistancesF32,
            Kind::F64 => Kernel::SquaredDistancesF64,
            Kind::F16 => Kernel::SquaredDistancesF16,
            Kind::BF16 => Kernel::SquaredDistancesBf16,
        };
        let upload = |block: usize| gpu.upload(self.rows.block(self.blocks[block].clone()).bytes());
        let mut there: Option<(usize, Buffer<u8>)> = None;
        for group in order.chunk_by(|a, b| key(a) == key(b)) {
            let (left_block, right_block) = key(&group[0]);
            let left = match there.take() {
                Some((block, buffer)) if block == left_block => buffer,
                _ => upload(left_block)?,
            };
            let other = if right_block == left_block { None } else { Some(upload(right_block)?) };
            let right = other.as_ref().unwrap_or(&left);
            for group in group.chunks(1 << 20) {
                let local = group.iter().flat_map(|at| {
                    let (i, j) = pairs[*at as usize];
                    [i - self.blocks[left_block].start as u32, j - self.blocks[right_block].start as u32]
                });
                let chosen = gpu.upload(&local.collect::<Vec<u32>>())?;
                let found = gpu.allocate::<f64>(group.len())?;
                let params = DistancesParams {
                    left: left.address(),
                    right: right.address(),
                    pairs: chosen.address(),
                    out: found.address(),
                    count: group.len() as u32,
                    dim: dim as u32,
                };
                let grid = [group.len().div_ceil(8) as u32, 1, 1];
                let launch = Launch { grid, threads: THREADS, shared_bytes: 0 };
                // SAFETY: the pairs name rows of these two blocks; one warp for each of `count` pairs.
                unsafe { gpu.launch(kernel, &params, launch)? };
                for (at, squared) in group.iter().zip(gpu.download(&found)?) {
                    out[*at as usize] = squared;
                }
            }
            there = Some((left_block, left));
        }
        Ok(out)
    }
}

/// The middle of each column's range, converted by `bytes`, and the widest range.
fn centre<T: Float>(rows: &Rows<'_>, bytes: fn(f64) -> Vec<u8>) -> (Vec<u8>, f64) {
    let (low, high): (Vec<T>, Vec<T>) = column_ranges(rows);
    let middles = low.iter().zip(&high).map(|(low, high)| (low.f64() + high.f64()) / 2.0);
    (middles.flat_map(bytes).collect(), widest(&low, &high))
}

/// Mirrors `PairList` of kernels/common/pair_tile.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, NoUninit)]
pub(crate) struct PairListParams {
    pairs: u64,
    values: u64,
    count: u64,
    capacity: u64,
}
const _: () = assert!(size_of::<PairListParams>() == 32);

/// The lower sample, and the higher.
pub(crate) type Pair = (u32, u32);

/// Capacity of a list of the pairs too close for a float tile's value.
pub(crate) const NEAR_PAIRS: usize = 1 << 20;

/// A list to which kernels append pairs of samples, in any order.
pub(crate) struct PairList {
    pairs: Buffer<u32>,
    values: Option<Buffer<f64>>,
    count: Buffer<u32>,
    capacity: usize,
}

impl PairList {
    /// With capacity for `capacity` pairs.
    pub(crate) fn new(gpu: &Gpu, capacity: usize) -> Result<Self> {
        let mut count = gpu.allocate(1)?;
        gpu.fill(&mut count, 0)?;
        Ok(PairList { pairs: gpu.allocate(2 * capacity)?, values: None, count, capacity })
    }

    /// With a value beside each pair.
    pub(crate) fn with_values(gpu: &Gpu, capacity: usize) -> Result<Self> {
        Ok(PairList { values: Some(gpu.allocate(capacity)?), ..PairList::new(gpu, capacity)? })
    }

    pub(crate) fn params(&self) -> PairListParams {
        PairListParams {
            pairs: self.pairs.address(),
            values: self.values.as_ref().map_or(0, Buffer::address),
            count: self.count.address(),
            capacity: self.capacity as u64,
        }
    }

    /// The pairs, sorted; `None` where the list overflowed.
    fn sorted(&self, gpu: &Gpu) -> Result<Option<Vec<Pair>>> {
        let Some(len) = self.len(gpu)? else { return Ok(None) };
        let mut pairs = self.first(gpu, len)?;
        pairs.sort_unstable();
        Ok(Some(pairs))
    }

    /// The pairs, sorted, each with its value; `None` where the list overflowed.
    pub(crate) fn sorted_with_values(&self, gpu: &Gpu) -> Result<Option<Vec<(Pair, f64)>>> {
        let Some(len) = self.len(gpu)? else { return Ok(None) };
        let mut values = vec![0.0; len];
        gpu.read(self.values.as_ref().expect("a list with values"), 0, &mut values)?;
        let mut all: Vec<_> = self.first(gpu, len)?.into_iter().zip(values).collect();
        all.sort_unstable_by_key(|(pair, _)| *pair);
        Ok(Some(all))
    }

    /// The number of pairs; `None` where the list overflowed.
    fn len(&self, gpu: &Gpu) -> Result<Option<usize>> {
        let count = gpu.download(&self.count)?[0] as usize;
        Ok((count <= self.capacity).then_some(count))
    }

    fn first(&self, gpu: &Gpu, count: usize) -> Result<Vec<Pair>> {
        let mut places = vec![0; 2 * count];
        gpu.read(&self.pairs, 0, &mut places)?;
        Ok(places.as_chunks::<2>().0.iter().map(|[i, j]| (*i, *j)).collect())
    }
}

/// Samples of a block: all if they fit, else so many that two blocks fit, one of them with its original samples.
fn block_rows(memory: u64, given: usize, prepared: usize, n: usize) -> usize {
    let fit = |blocks: usize| {
        (memory as usize).saturating_sub(WORKSPACE_BYTES / 4) / (given + blocks * prepared + 64)
    };
    if fit(1) >= n {
        return n.max(1).next_multiple_of(TILE);
    }
    // At least one tile: if even that does not fit, the allocation fails.
    (fit(2) / 2 / TILE * TILE).max(TILE)
}

/// Divides the tiles of two blocks into launches, and their sums into splits.
///
/// There are enough splits for two blocks per multiprocessor, and for at most `most_steps` each; a launch has no
/// more tiles than the workspace holds sums for. Tiles are ordered by diagonals, so that those that run
/// concurrently have different rows and columns and do not wait for one another.
fn batches(
    rows: usize,
    cols: usize,
    diagonal: bool,
    steps: usize,
    most_steps: usize,
    multiprocessors: usize,
    room: usize,
) -> Vec<Batch> {
    let (tall, broad) = (rows.div_ceil(TILE), cols.div_ceil(TILE));
    let mut tiles = Vec::new();
    for shift in 0..tall + broad {
        for p in 0..tall {
            // In a diagonal block only q >= p; in others all, with wrap-around.
            let q = p + shift;
            if diagonal && q < broad {
                tiles.push([p as u32, q as u32]);
            } else if !diagonal && shift < broad {
                tiles.push([p as u32, (q % broad) as u32]);
            }
        }
    }
    let least = steps.div_ceil(most_steps);
    let busy = (2 * multiprocessors).div_ceil(tiles.len().max(1));
    // A split of fewer than 8 steps would spend more on its sums than on its products.
    let splits = busy.min(steps / 8).max(least).max(1);
    tiles
        .chunks((room / splits).max(1))
        .map(|tiles| Batch { tiles: tiles.as_flattened().to_vec(), splits })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn launches_hold_each_tile_once() {
        for (rows, cols) in [(1, 1), (128, 128), (129, 300), (640, 640), (1000, 130), (1750, 1750)] {
            for diagonal in [false, true] {
                if diagonal && rows != cols {
                    continue;
                }
                for (steps, room) in [(1, 1), (13, 4), (600, 1000), (9408, 40)] {
                    let batches = batches(rows, cols, diagonal, steps, 512, 132, room);
                    let mut seen = HashSet::new();
                    for batch in &batches {
                        assert!(steps.div_ceil(batch.splits) <= 512);
                        assert!(batch.splits <= steps.max(1));
                        assert!(batch.tiles.len() / 2 * batch.splits <= room.max(batch.splits));
                        for tile in batch.tiles.chunks(2) {
                            assert!(seen.insert((tile[0], tile[1])), "tile twice");
                        }
                    }
                    let (tall, broad) = (rows.div_ceil(TILE) as u32, cols.div_ceil(TILE) as u32);
                    for p in 0..tall {
                        for q in 0..broad {
                            assert_eq!(seen.contains(&(p, q)), !diagonal || q >= p, "{rows} {cols} {p} {q}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn blocks_fit_the_memory() {
        for memory in [1u64 << 20, 1 << 28, 1 << 30] {
            for n in [0, 1, 200, 5000, 1_000_000] {
                let rows = block_rows(memory, 3072, 3072, n);
                assert!(rows.is_multiple_of(TILE) && rows > 0);
                let blocks = if rows >= n { 1 } else { 2 };
                let used = rows.min(n) * (blocks * 3072 + 3072);
                assert!(used as u64 <= memory || rows == TILE, "{memory} {n} {rows}");
            }
        }
    }
}
