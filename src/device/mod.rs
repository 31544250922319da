//! Devices, which hold arrays and launch kernels: the CPU, a CUDA GPU, or (for tests) the emulated GPU.
//!
//! Real and emulated GPUs differ in five operations only: allocate, copy, fill, launch,
//! synchronise. Everything above, such as the launch code of every operation, is shared.

#[cfg(feature = "networks")]
mod arena;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "emulator")]
mod emulated;
#[cfg(gpu)]
mod gpu;
#[cfg(gpu)]
mod kernels;
#[cfg(gpu)]
mod recorder;
#[cfg(feature = "networks")]
mod recording;

#[cfg(all(gpu, feature = "networks"))]
pub(crate) use arena::Addresses;
#[cfg(feature = "networks")]
pub(crate) use arena::On;
#[cfg(feature = "networks")]
pub use arena::{Arena, Layout, Precision, Slot};
#[cfg(gpu)]
pub(crate) use gpu::{Buffer, Gpu};
#[cfg(gpu)]
pub(crate) use kernels::{Kernel, Launch, Params, params};
#[cfg(feature = "networks")]
pub use recording::Recording;

use crate::simd::Simd;
use crate::{Error, Result};
use std::fmt;
#[cfg(gpu)]
use std::sync::Arc;

/// Where an operation runs. Cheap to clone; clones share one device.
///
/// ```
/// use sharpdim::Device;
/// let device = Device::best();
/// println!("{device}");
/// device.set_memory_limit(1 << 30); // of a GPU's; the CPU takes no notice
/// assert_eq!(device.clone().name(), device.name());
/// ```
#[derive(Clone)]
pub struct Device {
    #[cfg(gpu)]
    gpu: Option<Arc<Gpu>>,
    fallback: Option<String>,
}

impl Device {
    /// The CPU: all threads of the current rayon pool, and the widest vectors of the processor.
    pub fn cpu() -> Self {
        Device {
            #[cfg(gpu)]
            gpu: None,
            fallback: None,
        }
    }

    /// CUDA GPU number `ordinal`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where this build has no CUDA kernels, no driver is installed, the GPU does
    /// not exist, or it is older than compute capability 8.0.
    ///
    /// ```
    /// use sharpdim::{Device, Error};
    /// match Device::cuda(0) {
    ///     Ok(gpu) => println!("{gpu}"),
    ///     Err(Error::Unavailable { reason, .. }) => println!("on the CPU, then: {reason}"),
    ///     Err(other) => return Err(other),
    /// }
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn cuda(ordinal: usize) -> Result<Self> {
        #[cfg(feature = "cuda")]
        {
            let gpu = Some(Arc::new(Gpu::new(cuda::Cuda::open(ordinal)?.into())));
            Ok(Device { gpu, fallback: None })
        }
        #[cfg(not(feature = "cuda"))]
        Err(Error::Unavailable {
            device: format!("cuda:{ordinal}"),
            reason: "this build has no CUDA kernels: build with `--features cuda`".into(),
        })
    }

    /// The first CUDA GPU, or else the CPU; [`fallback`](Self::fallback) then gives the reason.
    ///
    /// ```
    /// use sharpdim::Device;
    /// let device = Device::best();
    /// assert!(device.name() == "cuda:0" || device.fallback().is_some());
    /// ```
    pub fn best() -> Self {
        match Self::cuda(0) {
            Ok(gpu) => gpu,
            Err(error) => {
                let mut cpu = Self::cpu();
                cpu.fallback = Some(error.to_string());
                cpu
            }
        }
    }

    /// The emulated CUDA device, for tests: the CUDA kernels compiled for this processor.
    /// `order` selects the order in which a block's threads run between two barriers; 0 is by index.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where this build has no emulator.
    ///
    /// ```
    /// use sharpdim::{Device, Error};
    /// match Device::emulated(0) {
    ///     Ok(emulated) => assert_eq!(emulated.name(), "emulated:0"),
    ///     Err(error) => assert!(matches!(error, Error::Unavailable { .. })),
    /// }
    /// ```
    pub fn emulated(order: u64) -> Result<Self> {
        #[cfg(feature = "emulator")]
        {
            let gpu = Some(Arc::new(Gpu::new(emulated::Emulated::new(order).into())));
            Ok(Device { gpu, fallback: None })
        }
        #[cfg(not(feature = "emulator"))]
        Err(Error::Unavailable {
            device: format!("emulated:{order}"),
            reason: "this build has no emulated device: build with `--features emulator`".into(),
        })
    }

    /// Parses `auto`, `cpu`, `cuda:I` or `emulated:ORDER`, as in command lines.
    ///
    /// # Errors
    /// [`Error::Argument`] for any other word, and where the environment variable [`SHARPDIM_SIMD`](crate::simd) names an
    /// instruction set that this processor lacks; as [`cuda`](Self::cuda) for a GPU that does not exist.
    ///
    /// ```
    /// use sharpdim::Device;
    /// assert_eq!(Device::parse("cpu")?.name(), "cpu");
    /// assert!(Device::parse("gpu").unwrap_err().to_string().contains("cuda:0"));
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let unknown = || {
            Error::Argument(format!(
                "'{text}' is no device: expected auto, cpu or cuda:0 (or another number)"
            ))
        };
        Simd::check()?;
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::best()),
            None if text == "cpu" => Ok(Self::cpu()),
            None if text == "cuda" => Self::cuda(0),
            Some(("cuda", ordinal)) => Self::cuda(ordinal.parse().map_err(|_| unknown())?),
            Some(("emulated", order)) => Self::emulated(order.parse().map_err(|_| unknown())?),
            _ => Err(unknown()),
        }
    }

    /// Why [`best`](Self::best) fell back to the CPU, if it did.
    pub fn fallback(&self) -> Option<&str> {
        self.fallback.as_deref()
    }

    /// Whether it is the CPU.
    ///
    /// ```
    /// assert!(sharpdim::Device::cpu().is_cpu());
    /// ```
    pub fn is_cpu(&self) -> bool {
        #[cfg(gpu)]
        return self.gpu.is_none();
        #[cfg(not(gpu))]
        true
    }

    /// Short name, as in command lines: `cpu`, `cuda:0`, `emulated:0`.
    pub fn name(&self) -> String {
        #[cfg(gpu)]
        if let Some(gpu) = &self.gpu {
            return gpu.name();
        }
        "cpu".into()
    }

    /// The result of `work`, and the seconds it took: on a GPU between two events around its work on the
    /// device's stream, on the CPU by the clock.
    ///
    /// ```
    /// use sharpdim::{Device, Points, ops::neighbours};
    /// let device = Device::cpu();
    /// let points = Points::u8(&[0, 0, 3, 4, 0, 1], 2)?;
    /// let (nearest, seconds) = device.timed(|| neighbours(&device, &points, 1))?;
    /// assert!(nearest.k() == 1 && seconds >= 0.0);
    /// # Ok::<(), sharpdim::Error>(())
    /// ```
    ///
    /// # Errors
    /// That of `work`; [`Error::Device`] where the device fails.
    pub fn timed<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<(R, f64)> {
        #[cfg(gpu)]
        if let Some(gpu) = &self.gpu {
            return gpu.timed(work);
        }
        let start = std::time::Instant::now();
        let result = work()?;
        Ok((result, start.elapsed().as_secs_f64()))
    }

    /// Lets operations keep at most `bytes` of their data on the GPU at once; more is processed in blocks.
    /// The default is the memory that is free when an operation starts. The CPU reads the caller's
    /// memory and ignores this.
    pub fn set_memory_limit(&self, bytes: u64) {
        #[cfg(gpu)]
        if let Some(gpu) = &self.gpu {
            gpu.set_memory_limit(bytes);
        }
        #[cfg(not(gpu))]
        let _ = bytes;
    }

    /// The GPU, if it is one.
    #[cfg(gpu)]
    pub(crate) fn gpu(&self) -> Option<&Arc<Gpu>> {
        self.gpu.as_ref()
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(gpu)]
        if let Some(gpu) = &self.gpu {
            return write!(f, "{} ({})", gpu.name(), gpu.description());
        }
        let threads = rayon::current_num_threads();
        write!(f, "cpu ({threads} threads, {})", Simd::current().title())
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
