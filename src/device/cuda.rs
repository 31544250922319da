//! Real GPUs, through cudarc: libcuda is loaded when a device is opened, not at build or program start.

use super::kernels::{Kernel, Launch};
use crate::{Error, Result};
use cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaGraph, CudaSlice, CudaStream, DevicePtr, DeviceRepr,
    DriverError, LaunchConfig, PushKernelArg, result, sys,
};
use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex, PoisonError};

include!(concat!(env!("OUT_DIR"), "/fatbins.rs"));

/// An open GPU: one stream, on which everything runs in order, and all kernels, loaded.
pub(crate) struct Cuda {
    ordinal: usize,
    name: String,
    multiprocessors: usize,
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    /// By kernel number.
    functions: Vec<CudaFunction>,
    returns: Arc<Returns>,
}

/// Memory to free when a capture ends: freeing is an operation of the stream, and would
/// be recorded.
#[derive(Default)]
struct Returns(Mutex<Option<Vec<CudaSlice<u8>>>>);

impl Returns {
    /// Frees memory now, or when the capture ends.
    fn take(&self, slice: CudaSlice<u8>) {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(waiting) => waiting.push(slice),
            // Under the lock, so that no capture begins before memory is freed.
            None => drop(slice),
        }
    }
}

/// Memory of a GPU, freed to the stream's pool when dropped.
pub(crate) struct CudaMemory {
    slice: ManuallyDrop<CudaSlice<u8>>,
    address: u64,
    returns: Arc<Returns>,
}

impl Drop for CudaMemory {
    fn drop(&mut self) {
        // SAFETY: taken once, and not used afterwards.
        self.returns.take(unsafe { ManuallyDrop::take(&mut self.slice) });
    }
}

/// Launches captured from the stream, ready to run.
pub(crate) struct Graph(Mutex<CudaGraph>);
// SAFETY: the driver's graphs may be used from any thread, but by one at a time, which the lock ensures; calls bind
// the context to the thread first.
unsafe impl Send for Graph {}
// SAFETY: as above.
unsafe impl Sync for Graph {}

impl CudaMemory {
    pub(crate) fn address(&self) -> u64 {
        self.address
    }

    pub(crate) fn bytes(&self) -> usize {
        self.slice.len()
    }
}

/// A kernel's parameters as bytes. The driver copies as many as the kernel's signature has.
#[repr(C, align(16))]
struct Blob([u8; Blob::BYTES]);
// SAFETY: bytes.
unsafe impl DeviceRepr for Blob {}
impl Blob {
    const BYTES: usize = 256;
}

fn says(error: DriverError) -> String {
    // Debug gives the driver's own message.
    format!("{error:?}")
}

impl Cuda {
    pub(crate) fn open(ordinal: usize) -> Result<Self> {
        let unavailable = |reason: String| Error::Unavailable { device: format!("cuda:{ordinal}"), reason };
        // SAFETY: loads the library if it is installed. Without this check, cudarc's first call panics.
        if !unsafe { sys::is_culib_present() } {
            return Err(unavailable("no CUDA driver (libcuda) was found on this machine".into()));
        }
        let count = CudaContext::device_count().map_err(|e| unavailable(says(e)))?;
        if ordinal >= count as usize {
            return Err(unavailable(format!("the driver sees {count} GPUs; they are numbered from 0")));
        }
        let context = CudaContext::new(ordinal).map_err(|e| unavailable(says(e)))?;
        let (major, minor) = context.compute_capability().map_err(|e| unavailable(says(e)))?;
        if major < 8 {
            return Err(unavailable(format!(
                "its compute capability is {major}.{minor}: the kernels need 8.0 (Ampere) or later"
            )));
        }
        // With a single stream, events that order streams would only cost time.
        // SAFETY: nothing has been allocated yet, and everything will run on one stream.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().map_err(|e| unavailable(says(e)))?;
        let functions = load(&context).map_err(unavailable)?;
        let name = context.name().map_err(|e| unavailable(says(e)))?;
        let attribute = sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
        let multiprocessors = context.attribute(attribute).map_err(|e| unavailable(says(e)))? as usize;
        let returns = Arc::default();
        Ok(Cuda { ordinal, name, multiprocessors, context, stream, functions, returns })
    }

    pub(crate) fn name(&self) -> String {
        format!("cuda:{}", self.ordinal)
    }

    pub(crate) fn description(&self) -> String {
        self.name.clone()
    }

    pub(crate) fn multiprocessors(&self) -> usize {
        self.multiprocessors
    }

    pub(crate) fn free_memory(&self) -> Result<u64, String> {
        self.bind()?;
        self.context.mem_get_info().map(|(free, _)| free as u64).map_err(says)
    }

    pub(crate) fn allocate(&self, bytes: usize) -> Result<CudaMemory, String> {
        self.bind()?;
        // SAFETY: no byte is read before it is written.
        let slice = unsafe { self.stream.alloc::<u8>(bytes) }.map_err(says)?;
        let address = slice.device_ptr(&self.stream).0;
        Ok(CudaMemory { slice: ManuallyDrop::new(slice), address, returns: self.returns.clone() })
    }

    pub(crate) fn write(&self, memory: &mut CudaMemory, at: usize, bytes: &[u8]) -> Result<(), String> {
        self.bind()?;
        let mut part = memory.slice.slice_mut(at..at + bytes.len());
        self.stream.memcpy_htod(bytes, &mut part).map_err(says)?;
        // The caller may change its bytes as soon as this returns.
        self.synchronise()
    }

    pub(crate) fn read(&self, memory: &CudaMemory, at: usize, bytes: &mut [u8]) -> Result<(), String> {
        self.bind()?;
        let part = memory.slice.slice(at..at + bytes.len());
        self.stream.memcpy_dtoh(&part, bytes).map_err(says)?;
        self.synchronise()
    }

    pub(crate) fn fill(
        &self,
        memory: &mut CudaMemory,
        at: usize,
        bytes: usize,
        byte: u8,
    ) -> Result<(), String> {
        if bytes == 0 {
            return Ok(());
        }
        self.bind()?;
        assert!(at + bytes <= memory.slice.len());
        let start = memory.address + at as u64;
        // SAFETY: inside the allocation, as just checked, and ordered by the stream.
        unsafe { result::memset_d8_async(start, byte, bytes, self.stream.cu_stream()) }.map_err(says)
    }

    /// Begins a capture: launches and fills go into a graph instead of running.
    pub(crate) fn begin_capture(&self) -> Result<(), String> {
        self.bind()?;
        let mut returns = self.returns.0.lock().unwrap_or_else(PoisonError::into_inner);
        // This thread only: other threads' work on other streams must not disturb this capture.
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        self.stream.begin_capture(mode).map_err(says)?;
        *returns = Some(Vec::new());
        Ok(())
    }

    /// Ends a capture, and returns its graph.
    pub(crate) fn end_capture(&self) -> Result<Graph, String> {
        let graph = self.stream.end_capture(sys::CUgraphInstantiate_flags(0)).map_err(says);
        self.returns.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let graph = graph?.ok_or("the driver captured nothing")?;
        Ok(Graph(Mutex::new(graph)))
    }

    /// Ends a capture and discards its graph.
    pub(crate) fn abandon_capture(&self) {
        // A context that cannot be bound has failed, which every later call will report.
        if self.bind().is_ok() {
            // SAFETY: the stream is this device's; this function owns the graph, if there is one.
            unsafe {
                if let Ok(graph) = result::stream::end_capture(self.stream.cu_stream())
                    && !graph.is_null()
                {
                    let _ = result::graph::destroy(graph);
                }
            }
        }
        self.returns.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Runs a captured graph, in the stream's order.
    pub(crate) fn run(&self, graph: &Graph) -> Result<(), String> {
        graph.0.lock().unwrap_or_else(PoisonError::into_inner).launch().map_err(says)
    }

    /// # Safety
    /// As [`Gpu::launch`](super::Gpu::launch); `params` are the bytes of the kernel's.
    pub(crate) unsafe fn launch(&self, kernel: Kernel, params: &[u8], launch: Launch) -> Result<(), String> {
        self.bind()?;
        let mut blob = Blob([0; Blob::BYTES]);
        blob.0[..params.len()].copy_from_slice(params);
        let config = LaunchConfig {
            grid_dim: launch.grid.into(),
            block_dim: (launch.threads, 1, 1),
            shared_mem_bytes: launch.shared_bytes,
        };
        let mut builder = self.stream.launch_builder(&self.functions[kernel as usize]);
        builder.arg(&blob);
        // SAFETY: the caller's promise.
        unsafe { builder.launch(config) }.map(|_| ()).map_err(says)
    }

    /// An event after all work so far.
    pub(crate) fn event(&self) -> Result<CudaEvent, String> {
        self.bind()?;
        // Timing must be enabled explicitly.
        self.stream.record_event(Some(sys::CUevent_flags::CU_EVENT_DEFAULT)).map_err(says)
    }

    pub(crate) fn synchronise(&self) -> Result<(), String> {
        self.stream.synchronize().map_err(says)?;
        // The context keeps errors of memory freed meanwhile.
        self.context.check_err().map_err(says)
    }

    /// Binds the context to this thread: any thread may use a device.
    fn bind(&self) -> Result<(), String> {
        self.context.bind_to_thread().map_err(says)
    }
}

/// Every kernel, by number.
fn load(context: &Arc<CudaContext>) -> Result<Vec<CudaFunction>, String> {
    if FATBINS.is_empty() {
        return Err("this build has no kernels: it was made without nvcc".into());
    }
    let mut modules = HashMap::new();
    for (file, fatbin) in FATBINS {
        let module = context
            .load_module(cudarc::nvrtc::Ptx::from_binary(fatbin.to_vec()))
            .map_err(|e| format!("kernels/{file}.cu does not load: {}", says(e)))?;
        modules.insert(*file, module);
    }
    let find = |kernel: &Kernel| {
        let (name, file) = (kernel.name(), kernel.file());
        let module = modules.get(file).ok_or(format!("kernels/{file}.cu was not compiled"))?;
        let function = module
            .load_function(name)
            .map_err(|e| format!("kernel {name} of kernels/{file}.cu: {}", says(e)))?;
        // More than 48 KiB of dynamic shared memory must be requested.
        let attribute = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        function
            .set_attribute(attribute, kernel.most_shared_bytes() as i32)
            .map_err(|e| format!("kernel {name}: shared memory: {}", says(e)))?;
        Ok(function)
    };
    Kernel::ALL.iter().map(find).collect()
}
