//! The emulated CUDA device: kernels as compiled by the host's C++ compiler, run by emulator/runtime.cpp.

use super::gpu::{Launch, Memory};
use super::kernels::Kernel;
use std::ffi::{CStr, c_char, c_int, c_void};

type KernelFn = unsafe extern "C" fn(*const c_void);

unsafe extern "C" {
    fn sharpdim_emulator_launch(
        kernel: KernelFn,
        params: *const c_void,
        grid: *const u32,
        block: *const u32,
        shared_bytes: u32,
        order_seed: u64,
        error: *mut c_char,
        error_len: usize,
    ) -> c_int;
    fn sharpdim_emulator_alloc(bytes: usize) -> *mut c_void;
    fn sharpdim_emulator_free(memory: *mut c_void);
}

/// A device whose threads run in the order that a seed says.
pub(crate) struct Emulated {
    order: u64,
}

/// Memory with guards on both sides, poisoned when allocated.
pub(crate) struct EmulatedMemory {
    start: *mut c_void,
    bytes: usize,
}

// SAFETY: plain memory; the emulator allocates and frees from any thread.
unsafe impl Send for EmulatedMemory {}
// SAFETY: as above; shared references only read the address.
unsafe impl Sync for EmulatedMemory {}

impl Drop for EmulatedMemory {
    fn drop(&mut self) {
        // SAFETY: allocated by the emulator, and freed once.
        unsafe { sharpdim_emulator_free(self.start) }
    }
}

impl EmulatedMemory {
    pub(crate) fn address(&self) -> u64 {
        self.start as u64
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl From<EmulatedMemory> for Memory {
    fn from(memory: EmulatedMemory) -> Self {
        Memory::Emulated(memory)
    }
}

fn emulated(memory: &Memory) -> &EmulatedMemory {
    match memory {
        Memory::Emulated(memory) => memory,
        #[cfg(feature = "cuda")]
        Memory::Cuda(_) => panic!("a real GPU's memory on the emulated device"),
    }
}

impl Emulated {
    pub(crate) fn new(order: u64) -> Self {
        Emulated { order }
    }

    pub(crate) fn name(&self) -> String {
        format!("emulated:{}", self.order)
    }

    pub(crate) fn description(&self) -> String {
        "CUDA kernels on the CPU, for tests".into()
    }

    /// Few, so that tests reach the code for many tiles with little work.
    pub(crate) fn multiprocessors(&self) -> usize {
        2
    }

    pub(crate) fn free_memory(&self) -> Result<u64, String> {
        Ok(1 << 30)
    }

    pub(crate) fn allocate(&self, bytes: usize) -> Result<EmulatedMemory, String> {
        // SAFETY: any size may be asked for.
        let start = unsafe { sharpdim_emulator_alloc(bytes) };
        if start.is_null() {
            return Err("out of memory".into());
        }
        Ok(EmulatedMemory { start, bytes })
    }

    pub(crate) fn write(&self, memory: &mut Memory, at: usize, bytes: &[u8]) -> Result<(), String> {
        let memory = emulated(memory);
        assert!(at + bytes.len() <= memory.bytes);
        // SAFETY: inside the allocation, as just checked.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), memory.start.cast::<u8>().add(at), bytes.len())
        };
        Ok(())
    }

    pub(crate) fn read(&self, memory: &Memory, at: usize, bytes: &mut [u8]) -> Result<(), String> {
        let memory = emulated(memory);
        assert!(at + bytes.len() <= memory.bytes);
        // SAFETY: inside the allocation, as just checked.
        unsafe {
            let from = memory.start.cast::<u8>().add(at);
            std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), bytes.len());
        }
        Ok(())
    }

    pub(crate) fn fill(&self, memory: &mut Memory, bytes: usize, byte: u8) -> Result<(), String> {
        let memory = emulated(memory);
        assert!(bytes <= memory.bytes);
        // SAFETY: inside the allocation, as just checked.
        unsafe { memory.start.cast::<u8>().write_bytes(byte, bytes) };
        Ok(())
    }

    /// # Safety
    /// As [`Gpu::launch`](super::Gpu::launch).
    pub(crate) unsafe fn launch(
        &self,
        kernel: Kernel,
        params: *const c_void,
        _size: usize,
        launch: Launch,
    ) -> Result<(), String> {
        // SAFETY: the caller's promise; the table's functions take this kernel's parameters.
        unsafe { run(kernel.emulated(), params, launch, self.order) }
    }

    pub(crate) fn event(&self) -> Result<std::time::Instant, String> {
        Ok(std::time::Instant::now())
    }

    pub(crate) fn synchronise(&self) -> Result<(), String> {
        Ok(())
    }
}

/// # Safety
/// `params` must point to what `kernel` takes, and addresses in it to memory as large as it reads and writes.
unsafe fn run(kernel: KernelFn, params: *const c_void, launch: Launch, order: u64) -> Result<(), String> {
    let mut error = [0 as c_char; 1024];
    let block = [launch.threads, 1, 1];
    // SAFETY: the caller's promise; the error is written within its length and ends in 0.
    let failed = unsafe {
        sharpdim_emulator_launch(
            kernel,
            params,
            launch.grid.as_ptr(),
            block.as_ptr(),
            launch.shared_bytes,
            order,
            error.as_mut_ptr(),
            error.len(),
        )
    };
    if failed == 0 {
        return Ok(());
    }
    // SAFETY: as above.
    let message = unsafe { CStr::from_ptr(error.as_ptr()) };
    Err(message.to_string_lossy().into_owned())
}
