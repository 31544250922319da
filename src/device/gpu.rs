//! What real and emulated GPUs have in common: typed buffers, checked copies, launches, timing, and a
//! workspace that is kept from call to call.

use super::kernels::{Kernel, Params};
use crate::{Error, Result};
use std::marker::PhantomData;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The five verbs, on whichever GPU it is.
pub(crate) enum Backend {
    #[cfg(feature = "cuda")]
    Cuda(super::cuda::Cuda),
    #[cfg(feature = "emulator")]
    Emulated(super::emulated::Emulated),
}

/// Memory of a GPU; given back when dropped.
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

/// Calls the same method on whichever backend it is.
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

/// Grid, block and dynamic shared memory of a launch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch {
    pub grid: [u32; 3],
    pub threads: u32,
    pub shared_bytes: u32,
}

/// An open GPU.
pub(crate) struct Gpu {
    backend: Backend,
    memory_limit: AtomicU64,
    workspace: Mutex<Option<Memory>>,
}

impl Gpu {
    pub(crate) fn new(backend: Backend) -> Self {
        Gpu { backend, memory_limit: AtomicU64::new(0), workspace: Mutex::new(None) }
    }

    pub(crate) fn name(&self) -> String {
        each!(&self.backend, b => b.name())
    }

    pub(crate) fn description(&self) -> String {
        each!(&self.backend, b => b.description())
    }

    /// How many blocks it takes to keep every multiprocessor busy.
    pub(crate) fn multiprocessors(&self) -> usize {
        each!(&self.backend, b => b.multiprocessors())
    }

    pub(crate) fn set_memory_limit(&self, bytes: u64) {
        self.memory_limit.store(bytes, Ordering::Relaxed);
    }

    /// Bytes of data that an operation may keep here: what the user allows, else most of what is free.
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

    /// A buffer of `len` values whose content is not defined.
    pub(crate) fn allocate<T: Plain>(&self, len: usize) -> Result<Buffer<T>> {
        let memory = self.allocate_bytes(len * size_of::<T>())?;
        Ok(Buffer { memory, len, of: PhantomData })
    }

    fn allocate_bytes(&self, bytes: usize) -> Result<Memory> {
        each!(&self.backend, b => b.allocate(bytes.max(1)).map(Into::into))
            .map_err(|reason| self.error(format!("allocate {bytes} bytes"), reason))
    }

    /// A buffer that holds `values`.
    pub(crate) fn upload<T: Plain>(&self, values: &[T]) -> Result<Buffer<T>> {
        let mut buffer = self.allocate(values.len())?;
        self.write(&mut buffer, 0, values)?;
        Ok(buffer)
    }

    /// Copies `values` into `buffer`, from place `at` on.
    pub(crate) fn write<T: Plain>(&self, buffer: &mut Buffer<T>, at: usize, values: &[T]) -> Result<()> {
        assert!(at + values.len() <= buffer.len, "write past the end of a device buffer");
        if values.is_empty() {
            return Ok(());
        }
        // SAFETY: `Plain` types have no padding, so that their bytes are all defined.
        let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) };
        each!(&self.backend, b => b.write(&mut buffer.memory, at * size_of::<T>(), bytes))
            .map_err(|reason| self.error("copy to the device".into(), reason))
    }

    /// Copies values `at .. at + out.len()` of `buffer` to the host, when all work before is done.
    pub(crate) fn read<T: Plain>(&self, buffer: &Buffer<T>, at: usize, out: &mut [T]) -> Result<()> {
        assert!(at + out.len() <= buffer.len, "read past the end of a device buffer");
        if out.is_empty() {
            return Ok(());
        }
        // SAFETY: `Plain` types are valid for any bytes.
        let bytes = unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr().cast(), size_of_val(out)) };
        each!(&self.backend, b => b.read(&buffer.memory, at * size_of::<T>(), bytes))
            .map_err(|reason| self.error("copy from the device".into(), reason))
    }

    /// All values of `buffer`.
    pub(crate) fn download<T: Plain>(&self, buffer: &Buffer<T>) -> Result<Vec<T>> {
        let mut values = vec![T::default(); buffer.len];
        self.read(buffer, 0, &mut values)?;
        Ok(values)
    }

    /// Sets every byte of `buffer`.
    pub(crate) fn fill<T: Plain>(&self, buffer: &mut Buffer<T>, byte: u8) -> Result<()> {
        let bytes = buffer.len * size_of::<T>();
        each!(&self.backend, b => b.fill(&mut buffer.memory, bytes, byte))
            .map_err(|reason| self.error("fill device memory".into(), reason))
    }

    /// Runs `kernel` on `params`. Launches run one after another, in order with copies and fills.
    ///
    /// # Safety
    /// Every address in `params` must be of memory on this GPU that is as large as the kernel, with
    /// this grid, reads and writes, and that outlives the launch.
    pub(crate) unsafe fn launch<P: Params>(&self, kernel: Kernel, params: &P, launch: Launch) -> Result<()> {
        assert_eq!(kernel.params(), size_of::<P>(), "{}: another kernel's parameters", kernel.name());
        assert!(launch.shared_bytes <= kernel.most_shared_bytes(), "{}: shared memory", kernel.name());
        if launch.grid.contains(&0) {
            return Ok(());
        }
        let params: *const P = params;
        // SAFETY: as this function's own promise; the parameters' size was checked above.
        unsafe { each!(&self.backend, b => b.launch(kernel, params.cast(), size_of::<P>(), launch)) }
            .map_err(|reason| self.error(format!("launch {} {launch:?}", kernel.name()), reason))
    }

    /// Waits until everything launched so far is done.
    pub(crate) fn synchronise(&self) -> Result<()> {
        each!(&self.backend, b => b.synchronise())
            .map_err(|reason| self.error("wait for the device".into(), reason))
    }

    /// What `work` returns, and the seconds that its launches and copies took here, between two events.
    pub(crate) fn timed<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<(R, f64)> {
        let error = |reason| self.error("time by events".into(), reason);
        let start = each!(&self.backend, b => b.event().map(Event::from)).map_err(error)?;
        let result = work()?;
        let end = each!(&self.backend, b => b.event().map(Event::from)).map_err(error)?;
        Ok((result, end.seconds_since(&start).map_err(error)?))
    }

    /// Runs `work` with a buffer of at least `len` values that is kept for the next call, with whatever
    /// is in it. Concurrent callers each get one.
    pub(crate) fn with_workspace<T: Plain, R>(
        &self,
        len: usize,
        work: impl FnOnce(&mut Buffer<T>) -> Result<R>,
    ) -> Result<R> {
        let kept = self.workspace.lock().unwrap_or_else(|e| e.into_inner()).take();
        let bytes = len * size_of::<T>();
        let memory = match kept {
            Some(memory) if memory.bytes() >= bytes => memory,
            _ => self.allocate_bytes(bytes)?,
        };
        let mut buffer = Buffer { memory, len, of: PhantomData };
        let result = work(&mut buffer);
        *self.workspace.lock().unwrap_or_else(|e| e.into_inner()) = Some(buffer.memory);
        result
    }

    fn error(&self, action: String, reason: String) -> Error {
        Error::Device { device: self.name(), action, reason }
    }
}

/// A moment in the order of a GPU's work.
pub(crate) enum Event {
    #[cfg(feature = "cuda")]
    Cuda(cudarc::driver::CudaEvent),
    /// The emulated GPU has done its work when a call returns.
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
    of: PhantomData<T>,
}

impl<T: Plain> Buffer<T> {
    /// Its address on the device, for a kernel's parameters.
    pub(crate) fn address(&self) -> u64 {
        self.memory.address()
    }

    /// How many values it has.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// Types that are nothing but their bytes: no padding, and any bytes make a value.
///
/// # Safety
/// Exactly that.
pub(crate) unsafe trait Plain: Copy + Default {}
// SAFETY: numbers are, all of them below.
unsafe impl Plain for u8 {}
unsafe impl Plain for u16 {}
unsafe impl Plain for u32 {}
unsafe impl Plain for u64 {}
unsafe impl Plain for i32 {}
unsafe impl Plain for f32 {}
unsafe impl Plain for f64 {}
