//! The emulated CUDA device: kernels as compiled by the host's C++ compiler, run by emulator/runtime.cpp.

use super::kernels::{Kernel, Launch};
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

/// A device whose threads run in an order given by a seed.
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

/// A recorded call.
pub(crate) enum Call {
    /// A kernel, its parameters' bytes in words that align them, and its geometry.
    Launch { kernel: Kernel, params: Vec<u64>, launch: Launch },
    /// A fill of a range of bytes, by its address.
    Fill { start: u64, bytes: usize, byte: u8 },
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

    /// Few, so that small tests reach the code for many tiles.
    pub(crate) fn multiprocessors(&self) -> usize {
        2
    }

    pub(crate) fn free_memory(&self) -> Result<u64, String> {
        Ok(1 << 30)
    }

    pub(crate) fn allocate(&self, bytes: usize) -> Result<EmulatedMemory, String> {
        // SAFETY: any size is valid.
        let start = unsafe { sharpdim_emulator_alloc(bytes) };
        if start.is_null() {
            return Err("out of memory".into());
        }
        Ok(EmulatedMemory { start, bytes })
    }

    pub(crate) fn write(&self, memory: &mut EmulatedMemory, at: usize, bytes: &[u8]) -> Result<(), String> {
        assert!(at + bytes.len() <= memory.bytes);
        // SAFETY: inside the allocation, as just checked.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), memory.start.cast::<u8>().add(at), bytes.len())
        };
        Ok(())
    }

    pub(crate) fn read(&self, memory: &EmulatedMemory, at: usize, bytes: &mut [u8]) -> Result<(), String> {
        assert!(at + bytes.len() <= memory.bytes);
        // SAFETY: inside the allocation, as just checked.
        unsafe {
            let from = memory.start.cast::<u8>().add(at);
            std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), bytes.len());
        }
        Ok(())
    }

    pub(crate) fn fill(
        &self,
        memory: &mut EmulatedMemory,
        at: usize,
        bytes: usize,
        byte: u8,
    ) -> Result<(), String> {
        assert!(at + bytes <= memory.bytes);
        // SAFETY: inside the allocation, as just checked.
        unsafe { memory.start.cast::<u8>().add(at).write_bytes(byte, bytes) };
        Ok(())
    }

    /// `fill`, as a recorded call.
    pub(crate) fn fill_later(&self, memory: &EmulatedMemory, at: usize, bytes: usize, byte: u8) -> Call {
        assert!(at + bytes <= memory.bytes);
        Call::Fill { start: memory.address() + at as u64, bytes, byte }
    }

    /// # Safety
    /// As [`Gpu::launch`](super::Gpu::launch); `params` are the bytes of the kernel's, aligned as they are.
    pub(crate) unsafe fn launch(&self, kernel: Kernel, params: &[u8], launch: Launch) -> Result<(), String> {
        // SAFETY: the caller's promise; the table's functions take this kernel's parameters.
        unsafe { run(kernel.emulated(), params.as_ptr().cast(), launch, self.order) }
    }

    /// `launch`, as a recorded call.
    pub(crate) fn launch_later(&self, kernel: Kernel, params: &[u8], launch: Launch) -> Call {
        let mut words = vec![0u64; params.len().div_ceil(8)];
        bytemuck::cast_slice_mut(&mut words)[..params.len()].copy_from_slice(params);
        Call::Launch { kernel, params: words, launch }
    }

    /// Makes the calls of a recording, in order.
    ///
    /// # Safety
    /// The promises made when they were recorded must still hold.
    pub(crate) unsafe fn run(&self, calls: &[Call]) -> Result<(), String> {
        for call in calls {
            match call {
                Call::Launch { kernel, params, launch } => {
                    // SAFETY: the caller's promise.
                    unsafe { run(kernel.emulated(), params.as_ptr().cast(), *launch, self.order) }
                        .map_err(|reason| format!("launch {} {launch:?}: {reason}", kernel.name()))?;
                }
                // SAFETY: inside an allocation when recorded; the caller promises that it still exists.
                Call::Fill { start, bytes, byte } => unsafe {
                    (*start as *mut u8).write_bytes(*byte, *bytes);
                },
            }
        }
        Ok(())
    }

    pub(crate) fn event(&self) -> Result<std::time::Instant, String> {
        Ok(std::time::Instant::now())
    }

    pub(crate) fn synchronise(&self) -> Result<(), String> {
        Ok(())
    }
}

/// # Safety
/// `params` must point to the parameters of `kernel`, and addresses in them to memory as large as it accesses.
unsafe fn run(kernel: KernelFn, params: *const c_void, launch: Launch, order: u64) -> Result<(), String> {
    let mut error = [0 as c_char; 1024];
    let block = [launch.threads, 1, 1];
    // SAFETY: the caller's promise; the error message is written within its length and ends in 0.
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
