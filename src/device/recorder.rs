//! The state of a recording in progress: its calls, and the thread that makes it.

use crate::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;

/// Recorded calls.
pub(crate) enum Recorded {
    #[cfg(feature = "cuda")]
    Cuda(super::cuda::Graph),
    #[cfg(feature = "emulator")]
    Emulated(Vec<super::emulated::Call>),
}

/// A recording in progress.
pub(crate) struct Recorder {
    /// The thread whose calls are recorded.
    thread: ThreadId,
    /// The arena whose memory it may use.
    arena: u64,
    /// Whether another arena was used, whose memory may be freed before the recording.
    strayed: AtomicBool,
    /// A CUDA GPU keeps its calls itself.
    #[cfg(feature = "emulator")]
    calls: std::sync::Mutex<Vec<super::emulated::Call>>,
}

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

    /// Whether this thread records.
    pub(crate) fn is_mine(&self) -> bool {
        self.thread == std::thread::current().id()
    }

    /// Why a call that cannot be recorded is refused.
    pub(crate) fn refusal(&self) -> String {
        if self.is_mine() {
            "only launches and fills can be recorded, and a recording is being made".into()
        } else {
            "another thread is making a recording on this device".into()
        }
    }

    /// Notes that this thread uses an arena.
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

    /// Whether it used its own arena only.
    pub(crate) fn check(&self) -> Result<()> {
        if self.strayed.load(Ordering::Relaxed) {
            return Err(Error::Argument(
                "a recording can use no arena but its own: another's memory may be freed before it".into(),
            ));
        }
        Ok(())
    }
}
