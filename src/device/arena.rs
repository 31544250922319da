//! Tensors of one device in one block of memory. Their offsets are planned first, so that the total size is known
//! before anything is allocated, and nothing is allocated while a network runs.

use super::Device;
#[cfg(gpu)]
use super::gpu::{Buffer, Gpu};
use crate::{Error, Result};
#[cfg(gpu)]
use half::bf16;
#[cfg(gpu)]
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Alignment of tensors in bytes: whole cache lines, and enough for any vector load.
const ALIGNMENT: usize = 256;

/// The number format of a tensor's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32-bit floats: on every device.
    F32,
    /// 16-bit floats with the range of 32-bit ones (bfloat16), sums of products in 32 bits: on GPUs.
    Bf16,
}

impl Precision {
    /// Bytes of one value.
    pub const fn bytes(self) -> usize {
        match self {
            Precision::F32 => 4,
            Precision::Bf16 => 2,
        }
    }

    /// `f32` or `bf16`.
    pub const fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        }
    }
}

impl std::str::FromStr for Precision {
    type Err = Error;

    /// From its [`name`](Self::name).
    fn from_str(name: &str) -> Result<Self> {
        [Precision::F32, Precision::Bf16].into_iter().find(|precision| precision.name() == name).ok_or_else(
            || Error::Argument(format!("'{name}' is no precision: expected f32 or bf16 (on GPUs)")),
        )
    }
}

/// The location of a tensor in an [`Arena`]: its first byte, number of values, and precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    at: usize,
    len: usize,
    precision: Precision,
}

impl Slot {
    /// No tensor, for operands that an operation does not need.
    pub const NONE: Slot = Slot { at: 0, len: 0, precision: Precision::F32 };

    /// Number of values.
    pub const fn len(self) -> usize {
        self.len
    }

    /// Whether it has no values: [`NONE`](Self::NONE).
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The number format of its values.
    pub const fn precision(self) -> Precision {
        self.precision
    }

    /// Values `from .. from + len` of it.
    ///
    /// # Panics
    /// Where it has no such values.
    pub fn part(self, from: usize, len: usize) -> Slot {
        assert!(from + len <= self.len, "part {from} .. {} of a tensor of {} values", from + len, self.len);
        Slot { at: self.at + from * self.precision.bytes(), len, precision: self.precision }
    }

    fn end(self) -> usize {
        self.at + self.len * self.precision.bytes()
    }

    /// Whether the two share a byte.
    pub(crate) fn overlaps(self, other: Slot) -> bool {
        self.at < other.end() && other.at < self.end()
    }
}

/// A memory plan: the offset of each tensor. Released memory is reused by later tensors.
///
/// ```
/// use sharpdim::{Device, Layout, Precision};
/// let mut layout = Layout::new(Precision::F32);
/// let (x, y) = (layout.values(6), layout.values(3));
/// assert_eq!(layout.bytes(), 512);
/// let mut arena = layout.build(&Device::cpu())?;
/// arena.write(x, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// assert_eq!(arena.to_vec(x.part(1, 2))?, [2.0, 3.0]);
/// assert_eq!(arena.to_vec(y)?, [0.0; 3]);
/// # Ok::<(), sharpdim::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Layout {
    precision: Precision,
    /// Free ranges of bytes below `end`, in order, never adjacent.
    free: Vec<std::ops::Range<usize>>,
    end: usize,
}

impl Layout {
    /// An empty plan, whose [`values`](Self::values) are of this precision.
    pub fn new(precision: Precision) -> Self {
        Layout { precision, free: Vec::new(), end: 0 }
    }

    /// The precision of [`values`](Self::values).
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// A tensor of `len` values in the plan's precision.
    pub fn values(&mut self, len: usize) -> Slot {
        self.slot(len, self.precision)
    }

    /// A tensor of `len` 32-bit floats, whatever the plan's precision.
    pub fn f32(&mut self, len: usize) -> Slot {
        self.slot(len, Precision::F32)
    }

    /// A tensor of `len` bytes, such as 8-bit images, for [`Arena::write_bytes`]: stored as 32-bit words, of which the
    /// slot has `len.div_ceil(4)`.
    ///
    /// ```
    /// use sharpdim::{Device, Layout, Precision};
    /// let mut layout = Layout::new(Precision::F32);
    /// let image = layout.bytes_of(6);
    /// assert_eq!(image.len(), 2);
    /// let mut arena = layout.build(&Device::cpu())?;
    /// arena.write_bytes(image, 0, &[0, 64, 128])?;
    /// arena.write_bytes(image, 3, &[192, 255, 1])?;
    /// assert!(arena.write_bytes(image, 6, &[0; 3]).is_err());
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn bytes_of(&mut self, len: usize) -> Slot {
        self.f32(len.div_ceil(4))
    }

    fn slot(&mut self, len: usize, precision: Precision) -> Slot {
        let bytes = (len * precision.bytes()).next_multiple_of(ALIGNMENT);
        // Best fit: larger gaps stay whole for larger tensors.
        let fits = |gap: &&mut std::ops::Range<usize>| gap.len() >= bytes && bytes > 0;
        let at = match self.free.iter_mut().filter(fits).min_by_key(|gap| gap.len()) {
            Some(gap) => {
                gap.start += bytes;
                gap.start - bytes
            }
            None => {
                // A gap at the end grows.
                let at = match self.free.last() {
                    Some(gap) if gap.end == self.end && bytes > 0 => gap.start,
                    _ => self.end,
                };
                self.free.retain(|gap| gap.start != at);
                self.end = at + bytes;
                at
            }
        };
        self.free.retain(|gap| !gap.is_empty());
        Slot { at, len, precision }
    }

    /// Releases a tensor's memory for tensors planned later: it must not be used after any of them is written.
    pub fn release(&mut self, slot: Slot) {
        let bytes = (slot.len * slot.precision.bytes()).next_multiple_of(ALIGNMENT);
        if bytes == 0 {
            return;
        }
        self.free.push(slot.at..slot.at + bytes);
        self.free.sort_by_key(|gap| gap.start);
        let mut merged: Vec<std::ops::Range<usize>> = Vec::with_capacity(self.free.len());
        for gap in self.free.drain(..) {
            match merged.last_mut() {
                Some(last) if last.end >= gap.start => {
                    debug_assert_eq!(last.end, gap.start, "a tensor was released twice");
                    last.end = gap.end;
                }
                _ => merged.push(gap),
            }
        }
        self.free = merged;
    }

    /// Bytes of the whole arena.
    pub fn bytes(&self) -> usize {
        self.end
    }

    /// Allocates it, all zeros.
    ///
    /// # Errors
    /// [`Error::Argument`] for bf16 on the CPU, which computes in f32; [`Error::Device`] where memory does not
    /// suffice.
    pub fn build(&self, device: &Device) -> Result<Arena> {
        let bytes = self.end.max(ALIGNMENT);
        #[cfg(gpu)]
        if let Some(gpu) = device.gpu() {
            let mut buffer = gpu.allocate::<u8>(bytes)?;
            gpu.fill(&mut buffer, 0)?;
            let memory = Memory::Gpu(gpu.clone(), buffer);
            return Ok(Arena::new(device, memory));
        }
        if self.precision != Precision::F32 {
            return Err(Error::Argument("the CPU computes in f32: bf16 needs a GPU".into()));
        }
        let mut values: Vec<f32> = Vec::new();
        values.try_reserve_exact(bytes / 4).map_err(|_| Error::Device {
            device: device.name(),
            action: format!("allocate {bytes} bytes"),
            reason: "out of memory".into(),
        })?;
        values.resize(bytes / 4, 0.0);
        Ok(Arena::new(device, Memory::Cpu(values)))
    }
}

/// The memory that a [`Layout`] planned, on one device.
pub struct Arena {
    device: Device,
    pub(super) memory: Memory,
    /// Unique id, by which a recording recognises its arena.
    pub(super) number: u64,
}

pub(super) enum Memory {
    Cpu(Vec<f32>),
    #[cfg(gpu)]
    Gpu(Arc<Gpu>, Buffer<u8>),
}

/// The tensors of an arena, as operations access them.
pub(crate) enum On<'a> {
    Cpu(Floats<'a>),
    #[cfg(gpu)]
    Gpu(&'a Gpu, Addresses),
}

impl Arena {
    fn new(device: &Device, memory: Memory) -> Self {
        static ARENAS: AtomicU64 = AtomicU64::new(0);
        Arena { device: device.clone(), memory, number: ARENAS.fetch_add(1, Ordering::Relaxed) }
    }

    /// Its device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Sets a tensor's values, rounded to its precision.
    ///
    /// # Errors
    /// [`Error::Argument`] for another number of values; [`Error::Device`] where the device fails.
    pub fn write(&mut self, slot: Slot, values: &[f32]) -> Result<()> {
        if values.len() != slot.len {
            return Err(lengths(slot, values.len()));
        }
        match &mut self.memory {
            Memory::Cpu(all) => all[slot.at / 4..][..slot.len].copy_from_slice(values),
            #[cfg(gpu)]
            Memory::Gpu(gpu, buffer) => match slot.precision {
                Precision::F32 => gpu.write(buffer, slot.at, bytemuck::cast_slice(values))?,
                Precision::Bf16 => {
                    let halves: Vec<u16> = values.iter().map(|v| bf16::from_f32(*v).to_bits()).collect();
                    gpu.write(buffer, slot.at, bytemuck::cast_slice(&halves))?;
                }
            },
        }
        Ok(())
    }

    /// Sets bytes `from .. from + bytes.len()` of a tensor of [`Layout::bytes_of`]; the others stay.
    ///
    /// # Errors
    /// [`Error::Argument`] where the tensor ends before; [`Error::Device`] where the device fails.
    pub fn write_bytes(&mut self, slot: Slot, from: usize, bytes: &[u8]) -> Result<()> {
        let has = slot.len * slot.precision.bytes();
        if from > has || bytes.len() > has - from {
            let len = bytes.len();
            return Err(Error::Argument(format!(
                "{len} bytes from byte {from} on of a tensor of {has} bytes"
            )));
        }
        match &mut self.memory {
            Memory::Cpu(all) => {
                let slot = bytemuck::cast_slice_mut(&mut all[slot.at / 4..][..slot.len]);
                slot[from..][..bytes.len()].copy_from_slice(bytes);
            }
            #[cfg(gpu)]
            Memory::Gpu(gpu, buffer) => gpu.write(buffer, slot.at + from, bytes)?,
        }
        Ok(())
    }

    /// Sets a tensor's values to 0. On a GPU it is asynchronous, and can be recorded.
    ///
    /// ```
    /// use sharpdim::{Device, Layout, Precision};
    /// let mut layout = Layout::new(Precision::F32);
    /// let x = layout.values(3);
    /// let mut arena = layout.build(&Device::cpu())?;
    /// arena.write(x, &[1.0, 2.0, 3.0])?;
    /// arena.clear(x.part(1, 2))?;
    /// assert_eq!(arena.to_vec(x)?, [1.0, 0.0, 0.0]);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Device`] where the device fails.
    pub fn clear(&mut self, slot: Slot) -> Result<()> {
        match &mut self.memory {
            Memory::Cpu(all) => all[slot.at / 4..][..slot.len].fill(0.0),
            #[cfg(gpu)]
            Memory::Gpu(gpu, buffer) => {
                gpu.uses(self.number);
                gpu.fill_part(buffer, slot.at..slot.end(), 0)?;
            }
        }
        Ok(())
    }

    /// Reads a tensor's values, after all earlier work.
    ///
    /// # Errors
    /// [`Error::Argument`] for another number of values; [`Error::Device`] where the device fails.
    pub fn read(&self, slot: Slot, out: &mut [f32]) -> Result<()> {
        if out.len() != slot.len {
            return Err(lengths(slot, out.len()));
        }
        match &self.memory {
            Memory::Cpu(all) => out.copy_from_slice(&all[slot.at / 4..][..slot.len]),
            #[cfg(gpu)]
            Memory::Gpu(gpu, buffer) => {
                let mut bytes = vec![0; slot.len * slot.precision.bytes()];
                gpu.read(buffer, slot.at, &mut bytes)?;
                match slot.precision {
                    Precision::F32 => {
                        let words = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b));
                        out.iter_mut().zip(words).for_each(|(out, v)| *out = v);
                    }
                    Precision::Bf16 => {
                        let halves =
                            bytes.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32());
                        out.iter_mut().zip(halves).for_each(|(out, v)| *out = v);
                    }
                }
            }
        }
        Ok(())
    }

    /// A tensor's values.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn to_vec(&self, slot: Slot) -> Result<Vec<f32>> {
        let mut values = vec![0.0; slot.len];
        self.read(slot, &mut values)?;
        Ok(values)
    }

    /// Waits until the device has finished all earlier work.
    ///
    /// # Errors
    /// [`Error::Device`] where it failed.
    pub fn synchronise(&self) -> Result<()> {
        #[cfg(gpu)]
        if let Memory::Gpu(gpu, _) = &self.memory {
            gpu.synchronise()?;
        }
        Ok(())
    }

    /// Runs work of many short operations: on the CPU in one of rayon's threads, since each operation called from
    /// outside would wake one.
    pub(crate) fn in_pool<T: Send>(&mut self, work: impl FnOnce(&mut Arena) -> T + Send) -> T {
        if self.device.is_cpu() { rayon::scope(|_| work(self)) } else { work(self) }
    }

    /// This arena's tensors, as operations access them.
    pub(crate) fn on(&mut self) -> On<'_> {
        match &mut self.memory {
            Memory::Cpu(values) => On::Cpu(Floats(values)),
            #[cfg(gpu)]
            Memory::Gpu(gpu, buffer) => {
                gpu.uses(self.number);
                let addresses = Addresses { start: buffer.address(), bytes: buffer.len() };
                On::Gpu(gpu, addresses)
            }
        }
    }
}

fn lengths(slot: Slot, given: usize) -> Error {
    Error::Argument(format!("{given} values for a tensor of {}", slot.len))
}

/// A CPU's tensors.
pub(crate) struct Floats<'a>(&'a mut [f32]);

impl<'a> Floats<'a> {
    /// The tensors that an operation reads, and those that it writes. [`Slot::NONE`] gives an empty slice.
    ///
    /// # Panics
    /// Where a written tensor overlaps another, or one lies outside the arena.
    pub(crate) fn split<const R: usize, const W: usize>(
        self,
        reads: [Slot; R],
        writes: [Slot; W],
    ) -> ([&'a [f32]; R], [&'a mut [f32]; W]) {
        for slot in reads.iter().chain(&writes) {
            assert!(
                slot.precision == Precision::F32 && slot.end() <= 4 * self.0.len(),
                "{slot:?}: not of this arena"
            );
        }
        for (at, slot) in writes.iter().enumerate() {
            let others = reads.iter().chain(&writes[at + 1..]);
            for other in others {
                assert!(!slot.overlaps(*other), "{slot:?} is written, and shares values with {other:?}");
            }
        }
        let start = self.0.as_mut_ptr();
        // SAFETY: every slot lies within the arena, which `self` borrows for 'a; written ones overlap no other, and
        // the rest are only read.
        unsafe {
            (
                reads.map(|slot| std::slice::from_raw_parts(start.add(slot.at / 4), slot.len)),
                writes.map(|slot| std::slice::from_raw_parts_mut(start.add(slot.at / 4), slot.len)),
            )
        }
    }
}

/// A GPU's tensors.
#[cfg(gpu)]
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
    start: u64,
    bytes: usize,
}

#[cfg(gpu)]
impl Addresses {
    /// The address of a tensor's first value; 0 for [`Slot::NONE`].
    ///
    /// # Panics
    /// Where it lies outside the arena.
    pub(crate) fn address(&self, slot: Slot) -> u64 {
        if slot.is_empty() {
            return 0;
        }
        assert!(slot.end() <= self.bytes, "{slot:?}: not of this arena");
        self.start + slot.at as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_released_is_used_again() {
        let mut layout = Layout::new(Precision::F32);
        let [a, b, c] = [100, 30, 64].map(|len| layout.values(len));
        assert_eq!((a.at, b.at, c.at, layout.bytes()), (0, 512, 768, 1024));
        layout.release(b);
        assert_eq!(layout.values(65).at, 1024, "too large for the gap");
        assert_eq!(layout.values(1).at, 512);
        layout.release(a);
        layout.release(c);
        let (d, e) = (layout.values(20), layout.values(100));
        assert_eq!((d.at, e.at), (768, 0), "the smallest gap that fits");
        assert!(!d.overlaps(e) && a.overlaps(e));
    }

    #[test]
    fn the_last_gap_grows() {
        let mut layout = Layout::new(Precision::F32);
        let [a, b] = [64, 64].map(|len| layout.values(len));
        layout.release(b);
        layout.release(a);
        assert_eq!(layout.values(300).at, 0);
        assert_eq!(layout.bytes(), 1280);
    }

    #[test]
    fn bytes_lie_in_words_in_order() {
        let mut layout = Layout::new(Precision::F32);
        let (slot, after) = (layout.bytes_of(5), layout.f32(1));
        let mut arena = layout.build(&Device::cpu()).unwrap();
        assert_eq!(
            (slot.len(), layout.bytes_of(0), layout.bytes_of(4).len()),
            (2, Slot { at: 512, ..Slot::NONE }, 1)
        );
        arena.write(after, &[7.0]).unwrap();
        arena.write_bytes(slot, 0, &[1, 2, 3]).unwrap();
        arena.write_bytes(slot, 3, &[4, 5]).unwrap();
        arena.write_bytes(slot, 8, &[]).unwrap();
        arena.write_bytes(Slot::NONE, 0, &[]).unwrap();
        let words = arena.to_vec(slot).unwrap();
        assert_eq!(bytemuck::cast_slice::<f32, u8>(&words), [1, 2, 3, 4, 5, 0, 0, 0]);
        for (from, len) in [(8, 1), (9, 0), (4, 5), (usize::MAX, 1)] {
            let error = arena.write_bytes(slot, from, &vec![9; len]).unwrap_err().to_string();
            assert_eq!(error, format!("{len} bytes from byte {from} on of a tensor of 8 bytes"));
        }
        assert_eq!(arena.to_vec(after).unwrap(), [7.0]);
    }

    #[test]
    #[should_panic = "shares values"]
    fn operands_that_overlap_are_refused() {
        let mut layout = Layout::new(Precision::F32);
        let x = layout.values(8);
        let mut arena = layout.build(&Device::cpu()).unwrap();
        match arena.on() {
            On::Cpu(floats) => floats.split([x.part(0, 5)], [x.part(4, 2)]),
            #[cfg(gpu)]
            On::Gpu(..) => unreachable!("the arena is the CPU's"),
        };
    }
}
