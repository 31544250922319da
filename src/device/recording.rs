//! Recorded work: the launches of a network's step, taken down once and run many times with one call each.
//!
//! A step of a network is some hundred short launches, whose cost on the host is more than their work on the GPU. A
//! CUDA GPU captures them from its stream into a graph; the emulated one keeps each call and its parameters. What a
//! recording holds are addresses: it belongs to the arena that it was made in, and runs on no other.

#[cfg(gpu)]
use super::gpu::Gpu;
use super::{Arena, arena::Memory};
use crate::{Error, Result};
use std::fmt;
#[cfg(gpu)]
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(gpu)]
use std::thread::ThreadId;

/// Work on an [`Arena`]'s tensors that [`Arena::record`] took down.
pub struct Recording {
    /// The arena's number.
    arena: u64,
    #[cfg(gpu)]
    work: Recorded,
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recording(of arena {})", self.arena)
    }
}

impl Arena {
    /// Takes down what `work` does on this arena's GPU instead of doing it: every operation on this arena's tensors
    /// whose work is launches alone, which those in [`ops`](crate::ops) that take an arena are, and
    /// [`clear`](Self::clear). [`Recording::run`] then does it, as often as wanted, with what the tensors hold by
    /// then. Scalars that an operation takes as arguments stay as they were recorded; what changes from step to step
    /// (a learning rate, dropout's step) is read from tensors.
    ///
    /// A device makes one recording at a time. Meanwhile copies to and from the device, allocations, waits and
    /// timings on it are refused, and so is all that other threads ask of it: none of that can be recorded.
    ///
    /// ```
    /// use sharpdim::{Device, Error, Layout, Precision, ops::relu};
    /// let mut layout = Layout::new(Precision::F32);
    /// let [x, y] = [3, 3].map(|len| layout.values(len));
    /// let mut arena = layout.build(&Device::best())?;
    /// match arena.record(|arena| relu::add(arena, x, y)) {
    ///     Ok(step) => (0..100).try_for_each(|_| step.run(&mut arena))?,
    ///     // The CPU has no launches: there the operations are simply called.
    ///     Err(Error::Unavailable { .. }) => (0..100).try_for_each(|_| relu::add(&mut arena, x, y))?,
    ///     Err(other) => return Err(other),
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// That of `work`, and then nothing is kept; [`Error::Unavailable`] on the CPU; [`Error::Argument`] where `work`
    /// uses another arena of the same device; [`Error::Device`] for what cannot be recorded, within a recording,
    /// and where the device fails.
    pub fn record(&mut self, work: impl FnOnce(&mut Arena) -> Result<()>) -> Result<Recording> {
        match &self.memory {
            Memory::Cpu(_) => {
                drop(work);
                let reason =
                    "it records nothing, as it launches nothing: call the operations themselves".into();
                Err(Error::Unavailable { device: "cpu".into(), reason })
            }
            #[cfg(gpu)]
            Memory::Gpu(gpu, _) => {
                let (gpu, arena) = (gpu.clone(), self.number);
                let work = gpu.record(arena, || work(self))?;
                Ok(Recording { arena, work })
            }
        }
    }
}

impl Recording {
    /// Does the recorded work once, after all that was asked of the device before, and waits for none of it.
    ///
    /// # Errors
    /// [`Error::Argument`] for an arena other than that which recorded it; [`Error::Device`] within a recording, and
    /// where the device fails.
    pub fn run(&self, arena: &mut Arena) -> Result<()> {
        if arena.number != self.arena {
            return Err(Error::Argument(
                "a recording runs on the arena that it was made in: its addresses are that one's".into(),
            ));
        }
        match &arena.memory {
            Memory::Cpu(_) => unreachable!("the CPU records nothing"),
            #[cfg(gpu)]
            // SAFETY: it was recorded on this GPU, in this arena, whose memory stays where it is as long as it lives
            // and is borrowed here; nothing but this arena's memory can be in a recording.
            Memory::Gpu(gpu, _) => unsafe { gpu.run(&self.work) },
        }
    }
}

/// What a GPU took down.
#[cfg(gpu)]
pub(crate) enum Recorded {
    #[cfg(feature = "cuda")]
    Cuda(super::cuda::Graph),
    #[cfg(feature = "emulator")]
    Emulated(Vec<super::emulated::Call>),
}

/// A recording that is being made.
#[cfg(gpu)]
pub(crate) struct Recorder {
    /// Whose calls are recorded.
    thread: ThreadId,
    /// Whose memory may be in it.
    arena: u64,
    /// Whether another arena was used, whose memory may go before the recording does.
    strayed: AtomicBool,
    /// A CUDA GPU keeps its calls itself.
    #[cfg(feature = "emulator")]
    calls: std::sync::Mutex<Vec<super::emulated::Call>>,
}

#[cfg(gpu)]
impl Recorder {
    pub(crate) fn new(arena: u64) -> Self {
        Recorder {
            thread: std::thread::current().id(),
            arena,
            strayed: AtomicBool::new(false),
            #[cfg(feature = "emulator")]
            calls: std::sync::Mutex::default(),
        }
    }

    /// Whether it is this thread that records.
    pub(crate) fn is_mine(&self) -> bool {
        self.thread == std::thread::current().id()
    }

    /// Why a call that cannot be recorded is refused.
    pub(crate) fn refusal(&self) -> String {
        if self.is_mine() {
            "a recording is being made, which can hold nothing but launches and fills".into()
        } else {
            "another thread is making a recording on this device".into()
        }
    }

    /// Takes note that this thread uses an arena.
    pub(crate) fn uses(&self, arena: u64) {
        if self.is_mine() && arena != self.arena {
            self.strayed.store(true, Ordering::Relaxed);
        }
    }

    /// Keeps a call for later.
    #[cfg(feature = "emulator")]
    pub(crate) fn keep(&self, call: super::emulated::Call) {
        self.calls.lock().unwrap_or_else(|e| e.into_inner()).push(call);
    }

    /// The calls kept, in order.
    #[cfg(feature = "emulator")]
    pub(crate) fn take(&self) -> Vec<super::emulated::Call> {
        std::mem::take(&mut self.calls.lock().unwrap_or_else(|e| e.into_inner()))
    }

    /// Whether all of it was on the one arena.
    pub(crate) fn check(&self) -> Result<()> {
        if self.strayed.load(Ordering::Relaxed) {
            return Err(Error::Argument(
                "a recording can use no arena but the one that makes it: another's memory may go before it"
                    .into(),
            ));
        }
        Ok(())
    }
}

/// Ends a recording that nobody waits for any more: one whose work panicked.
#[cfg(gpu)]
pub(crate) struct Abandon<'a>(pub(crate) &'a Gpu);

#[cfg(gpu)]
impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
