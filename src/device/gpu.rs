//! The common interface of real and emulated GPUs: typed buffers, checked copies, launches, timing, recording, and a
//! workspace that is reused between calls.

use super::kernels::{Kernel, Launch, Params};
use super::recorder::{Recorded, Recorder};
use crate::{Error, Result};
use bytemuck::Pod;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The backend: a real or an emulated GPU.
pub(crate) enum Backend {
    #[cfg(feature = "cuda")]
    Cuda(super::cuda::Cuda),
    #[cfg(feature = "emulator")]
    Emulated(super::emulated::Emulated),
}

/// Memory of a GPU, freed when dropped.
pub(crate) enum Memory {
    #[cfg(feature = "cuda")]
    Cuda(super::cuda::CudaMemory),
    #[cfg(feature = "emulator")]
    Emulated(super::emulated::EmulatedMemory),
}

#[cfg(feature = "cuda")]
impl From<super::cuda::Cuda> for Backend {
    fn from(cuda: super::cuda::Cuda) -> Self {
        Backend::Cuda(cuda)
    }
}

#[cfg(feature = "emulator")]
impl From<super::emulated::Emulated> for Backend {
    fn from(emulated: super::emulated::Emulated) -> Self {
        Backend::Emulated(emulated)
    }
}

#[cfg(feature = "cuda")]
impl From<super::cuda::CudaMemory> for Memory {
    fn from(memory: super::cuda::CudaMemory) -> Self {
        Memory::Cuda(memory)
    }
}

#[cfg(feature = "emulator")]
impl From<super::emulated::EmulatedMemory> for Memory {
    fn from(memory: super::emulated::EmulatedMemory) -> Self {
        Memory::Emulated(memory)
    }
}

/// Calls the same method on either backend.
macro_rules! each {
    ($backend:expr, $b:ident => $call:expr) => {
        match $backend {
            #[cfg(feature = "cuda")]
            Backend::Cuda($b) => $call,
            #[cfg(feature = "emulator")]
            Backend::Emulated($b) => $call,
        }
    };
}

#[cfg(all(feature = "cuda", feature = "emulator"))]
const OTHER_MEMORY: &str = "the memory is of another kind of GPU";

/// Calls the same method on either backend, with its memory.
macro_rules! each_memory {
    ($backend:expr, $memory:expr, $b:ident, $m:ident => $call:expr) => {
        match ($backend, $memory) {
            #[cfg(feature = "cuda")]
            (Backend::Cuda($b), Memory::Cuda($m)) => $call,
            #[cfg(feature = "emulator")]
            (Backend::Emulated($b), Memory::Emulated($m)) => $call,
            #[cfg(all(feature = "cuda", feature = "emulator"))]
            (Backend::Cuda(_), Memory::Emulated(_)) | (Backend::Emulated(_), Memory::Cuda(_)) => {
                Err(OTHER_MEMORY.into())
            }
        }
    };
}

/// An open GPU.
pub(crate) struct Gpu {
    backend: Backend,
    memory_limit: AtomicU64,
    workspace: Mutex<Option<Memory>>,
    /// The recording in progress. Each call holds a read lock, so that none is running on another thread when a
    /// recording begins.
    recorder: RwLock<Option<Recorder>>,
}

impl Gpu {
    pub(crate) fn new(backend: Backend) -> Self {
        Gpu {
            backend,
            memory_limit: AtomicU64::new(0),
            workspace: Mutex::new(None),
            recorder: RwLock::new(None),
        }
    }

    pub(crate) fn name(&self) -> String {
        each!(&self.backend, b => b.name())
    }

    pub(crate) fn description(&self) -> String {
        each!(&self.backend, b => b.description())
    }

    /// The number of multiprocessors, from which launches derive their number of blocks.
    pub(crate) fn multiprocessors(&self) -> usize {
        each!(&self.backend, b => b.multiprocessors())
    }

    pub(crate) fn set_memory_limit(&self, bytes: u64) {
        self.memory_limit.store(bytes, Ordering::Relaxed);
    }

    /// Bytes of data that an operation may keep here: the user's limit, else most of the free memory.
    pub(crate) fn memory_for_data(&self) -> Result<u64> {
        match self.memory_limit.load(Ordering::Relaxed) {
            0 => {
                let free = each!(&self.backend, b => b.free_memory())
                    .map_err(|reason| self.error("ask for free memory".into(), reason))?;
                Ok(free / 10 * 8)
            }
            limit => Ok(limit),
        }
    }

    /// A buffer of `len` uninitialised values.
    pub(crate) fn allocate<T: Pod>(&self, len: usize) -> Result<Buffer<T>> {
        let memory = self.allocate_bytes(len * size_of::<T>())?;
        Ok(Buffer { memory, len, value: PhantomData })
    }

    fn allocate_bytes(&self, bytes: usize) -> Result<Memory> {
        self.unrecorded(
            || format!("allocate {bytes} bytes"),
            || each!(&self.backend, b => b.allocate(bytes.max(1)).map(Into::into)),
        )
    }

    /// A buffer that holds `values`.
    pub(crate) fn upload<T: Pod>(&self, values: &[T]) -> Result<Buffer<T>> {
        let mut buffer = self.allocate(values.len())?;
        self.write(&mut buffer, 0, values)?;
        Ok(buffer)
    }

    /// Copies `values` into `buffer`, from index `at` on.
    pub(crate) fn write<T: Pod>(&self, buffer: &mut Buffer<T>, at: usize, values: &[T]) -> Result<()> {
        assert!(at + values.len() <= buffer.len, "write past the end of a device buffer");
        if values.is_empty() {
            return Ok(());
        }
        let bytes = bytemuck::cast_slice(values);
        let write = || each_memory!(&self.backend, &mut buffer.memory, b, memory => b.write(memory, at * size_of::<T>(), bytes));
        self.unrecorded(|| "copy to the device".into(), write)
    }

    /// Copies values `at .. at + out.len()` of `buffer` to the host, after all earlier work.
    pub(crate) fn read<T: Pod>(&self, buffer: &Buffer<T>, at: usize, out: &mut [T]) -> Result<()> {
        assert!(at + out.len() <= buffer.len, "read past the end of a device buffer");
        if out.is_empty() {
            return Ok(());
        }
        let bytes = bytemuck::cast_slice_mut(out);
        let read = || each_memory!(&self.backend, &buffer.memory, b, memory => b.read(memory, at * size_of::<T>(), bytes));
        self.unrecorded(|| "copy from the device".into(), read)
    }

    /// All values of `buffer`.
    pub(crate) fn download<T: Pod>(&self, buffer: &Buffer<T>) -> Result<Vec<T>> {
        let mut values = vec![T::zeroed(); buffer.len];
        self.read(buffer, 0, &mut values)?;
        Ok(values)
    }

    /// Sets every byte of `buffer`.
    pub(crate) fn fill<T: Pod>(&self, buffer: &mut Buffer<T>, byte: u8) -> Result<()> {
        self.fill_part(buffer, 0..buffer.len, byte)
    }

    /// Sets every byte of a range of values of `buffer`; it can be recorded.
    pub(crate) fn fill_part<T: Pod>(
        &self,
        buffer: &mut Buffer<T>,
        values: std::ops::Range<usize>,
        byte: u8,
    ) -> Result<()> {
        assert!(values.end <= buffer.len, "fill past the end of a device buffer");
        let (at, bytes) = (values.start * size_of::<T>(), values.len() * size_of::<T>());
        let fill = |recorder: Option<&Recorder>| match (&self.backend, &mut buffer.memory, recorder) {
            #[cfg(feature = "cuda")]
            (Backend::Cuda(b), Memory::Cuda(memory), _) => b.fill(memory, at, bytes, byte),
            #[cfg(feature = "emulator")]
            (Backend::Emulated(b), Memory::Emulated(memory), None) => b.fill(memory, at, bytes, byte),
            #[cfg(feature = "emulator")]
            (Backend::Emulated(b), Memory::Emulated(memory), Some(recorder)) => {
                recorder.keep(b.fill_later(memory, at, bytes, byte));
                Ok(())
            }
            #[cfg(all(feature = "cuda", feature = "emulator"))]
            (Backend::Cuda(_), Memory::Emulated(_), _) | (Backend::Emulated(_), Memory::Cuda(_), _) => {
                Err(OTHER_MEMORY.into())
            }
        };
        self.recorded(|| "fill device memory".into(), fill)
    }

    /// Runs `kernel` on `params`. Launches run one after another, in order with copies and fills.
    ///
    /// # Safety
    /// Every address in `params` must be of memory on this GPU that is as large as the kernel, with
    /// this grid, reads and writes, and that outlives the launch.
    pub(crate) unsafe fn launch<P: Params>(&self, kernel: Kernel, params: &P, launch: Launch) -> Result<()> {
        assert_eq!(kernel.params(), P::NAME, "{}: another kernel's parameters", kernel.name());
        assert!(launch.shared_bytes <= kernel.most_shared_bytes(), "{}: shared memory", kernel.name());
        if launch.grid.contains(&0) {
            return Ok(());
        }
        let params = bytemuck::bytes_of(params);
        let run = |recorder: Option<&Recorder>| match (&self.backend, recorder) {
            #[cfg(feature = "cuda")]
            // SAFETY: as this function's own promise; whose parameters they are was checked above.
            (Backend::Cuda(b), _) => unsafe { b.launch(kernel, params, launch) },
            #[cfg(feature = "emulator")]
            // SAFETY: as above.
            (Backend::Emulated(b), None) => unsafe { b.launch(kernel, params, launch) },
            #[cfg(feature = "emulator")]
            (Backend::Emulated(b), Some(recorder)) => {
                recorder.keep(b.launch_later(kernel, params, launch));
                Ok(())
            }
        };
        self.recorded(|| format!("launch {} {launch:?}", kernel.name()), run)
    }

    /// Records the work of `work` here, in the memory of one arena, given by its number.
    pub(crate) fn record(&self, arena: u64, work: impl FnOnce() -> Result<()>) -> Result<Recorded> {
        let error = |reason| self.error("record".into(), reason);
        let mut recorder = self.recorder_mut();
        if let Some(recorder) = &*recorder {
            return Err(error(recorder.refusal()));
        }
        match &self.backend {
            #[cfg(feature = "cuda")]
            Backend::Cuda(b) => b.begin_capture().map_err(error)?,
            #[cfg(feature = "emulator")]
            Backend::Emulated(_) => {}
        }
        *recorder = Some(Recorder::new(arena));
        drop(recorder);
        let abandon = Abandon(self);
        work()?;
        std::mem::forget(abandon);
        let mut recorder = self.recorder_mut();
        let made = recorder.take().expect("only this function takes it");
        let recorded = match &self.backend {
            #[cfg(feature = "cuda")]
            Backend::Cuda(b) => Recorded::Cuda(b.end_capture().map_err(error)?),
            #[cfg(feature = "emulator")]
            Backend::Emulated(_) => Recorded::Emulated(made.take()),
        };
        made.check()?;
        Ok(recorded)
    }

    /// Ends a recording and discards it.
    fn abandon(&self) {
        let mut recorder = self.recorder_mut();
        *recorder = None;
        match &self.backend {
            #[cfg(feature = "cuda")]
            Backend::Cuda(b) => b.abandon_capture(),
            #[cfg(feature = "emulator")]
            Backend::Emulated(_) => {}
        }
    }

    /// Runs a recording.
    ///
    /// # Safety
    /// It was recorded here, and its arena's memory still exists.
    pub(crate) unsafe fn run(&self, recorded: &Recorded) -> Result<()> {
        let run = || match (&self.backend, recorded) {
            #[cfg(feature = "cuda")]
            (Backend::Cuda(b), Recorded::Cuda(graph)) => b.run(graph),
            #[cfg(feature = "emulator")]
            // SAFETY: the caller's promise; that of each call was made when it was recorded.
            (Backend::Emulated(b), Recorded::Emulated(calls)) => unsafe { b.run(calls) },
            #[cfg(all(feature = "cuda", feature = "emulator"))]
            _ => Err("the recording is of another kind of GPU".into()),
        };
        self.unrecorded(|| "run a recording".into(), run)
    }

    /// Notes in the current recording which arena its thread uses.
    pub(crate) fn uses(&self, arena: u64) {
        if let Some(recorder) = &*self.recorder() {
            recorder.uses(arena);
        }
    }

    fn recorder(&self) -> RwLockReadGuard<'_, Option<Recorder>> {
        self.recorder.read().unwrap_or_else(|e| e.into_inner())
    }

    fn recorder_mut(&self) -> RwLockWriteGuard<'_, Option<Recorder>> {
        self.recorder.write().unwrap_or_else(|e| e.into_inner())
    }

    /// Makes a call that can be recorded: it goes into this thread's recording, if there is one.
    fn recorded<R>(
        &self,
        action: impl FnOnce() -> String,
        call: impl FnOnce(Option<&Recorder>) -> Result<R, String>,
    ) -> Result<R> {
        match &*self.recorder() {
            Some(recorder) if !recorder.is_mine() => Err(recorder.refusal()),
            recorder => call(recorder.as_ref()),
        }
        .map_err(|reason| self.error(action(), reason))
    }

    /// Makes a call that cannot be recorded.
    fn unrecorded<R>(
        &self,
        action: impl FnOnce() -> String,
        call: impl FnOnce() -> Result<R, String>,
    ) -> Result<R> {
        match &*self.recorder() {
            Some(recorder) => Err(recorder.refusal()),
            None => call(),
        }
        .map_err(|reason| self.error(action(), reason))
    }

    /// Waits until all work launched so far is done.
    pub(crate) fn synchronise(&self) -> Result<()> {
        self.unrecorded(|| "wait for the device".into(), || each!(&self.backend, b => b.synchronise()))
    }

    /// The result of `work`, and the seconds that its launches and copies took here, between two events.
    pub(crate) fn timed<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<(R, f64)> {
        let error = |reason| self.error("time by events".into(), reason);
        let event = || each!(&self.backend, b => b.event().map(Event::from));
        let start = self.unrecorded(|| "time by events".into(), event)?;
        let result = work()?;
        let end = self.unrecorded(|| "time by events".into(), event)?;
        Ok((result, end.seconds_since(&start).map_err(error)?))
    }

    /// Runs `work` with a buffer of at least `len` values, of arbitrary content, that is kept for the next
    /// call. Concurrent callers each get one.
    pub(crate) fn with_workspace<T: Pod, R>(
        &self,
        len: usize,
        work: impl FnOnce(&mut Buffer<T>) -> Result<R>,
    ) -> Result<R> {
        // A recording would contain the address of memory that the next call may replace.
        self.unrecorded(|| "lend a workspace".into(), || Ok(()))?;
        let kept = self.workspace.lock().unwrap_or_else(|e| e.into_inner()).take();
        let bytes = len * size_of::<T>();
        let memory = match kept {
            Some(memory) if memory.bytes() >= bytes => memory,
            _ => self.allocate_bytes(bytes)?,
        };
        let mut buffer = Buffer { memory, len, value: PhantomData };
        let result = work(&mut buffer);
        *self.workspace.lock().unwrap_or_else(|e| e.into_inner()) = Some(buffer.memory);
        result
    }

    fn error(&self, action: String, reason: String) -> Error {
        Error::Device { device: self.name(), action, reason }
    }
}

/// Ends a recording whose work panicked.
struct Abandon<'a>(&'a Gpu);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// An event in the order of a GPU's work.
pub(crate) enum Event {
    #[cfg(feature = "cuda")]
    Cuda(cudarc::driver::CudaEvent),
    /// The emulated GPU has finished its work when a call returns.
    #[cfg(feature = "emulator")]
    Emulated(std::time::Instant),
}

#[cfg(feature = "cuda")]
impl From<cudarc::driver::CudaEvent> for Event {
    fn from(event: cudarc::driver::CudaEvent) -> Self {
        Event::Cuda(event)
    }
}

#[cfg(feature = "emulator")]
impl From<std::time::Instant> for Event {
    fn from(instant: std::time::Instant) -> Self {
        Event::Emulated(instant)
    }
}

impl Event {
    /// Waits for both events.
    fn seconds_since(&self, start: &Event) -> Result<f64, String> {
        match (self, start) {
            #[cfg(feature = "cuda")]
            (Event::Cuda(end), Event::Cuda(start)) => {
                start.elapsed_ms(end).map(|ms| f64::from(ms) / 1e3).map_err(|error| format!("{error:?}"))
            }
            #[cfg(feature = "emulator")]
            (Event::Emulated(end), Event::Emulated(start)) => Ok((*end - *start).as_secs_f64()),
            #[cfg(all(feature = "cuda", feature = "emulator"))]
            _ => Err("events of two devices".into()),
        }
    }
}

impl Memory {
    fn address(&self) -> u64 {
        match self {
            #[cfg(feature = "cuda")]
            Memory::Cuda(memory) => memory.address(),
            #[cfg(feature = "emulator")]
            Memory::Emulated(memory) => memory.address(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            #[cfg(feature = "cuda")]
            Memory::Cuda(memory) => memory.bytes(),
            #[cfg(feature = "emulator")]
            Memory::Emulated(memory) => memory.bytes(),
        }
    }
}

/// `len` values of one type in a GPU's memory.
pub(crate) struct Buffer<T> {
    memory: Memory,
    len: usize,
    value: PhantomData<T>,
}

impl<T: Pod> Buffer<T> {
    /// Its address on the device, for a kernel's parameters.
    pub(crate) fn address(&self) -> u64 {
        self.memory.address()
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}
