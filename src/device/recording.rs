//! Recorded work: the launches of a network's step, captured once and run many times with one call each.
//!
//! A step of a network is some hundred short launches, which take the host longer than the GPU. A CUDA GPU captures
//! them from its stream into a graph; the emulated one keeps each call and its parameters. A recording contains
//! addresses, so it runs only in the arena in which it was made.

use super::arena::{Arena, Memory};
#[cfg(gpu)]
use super::recorder::Recorded;
use crate::{Error, Result};
use std::fmt;

/// Work on an [`Arena`]'s tensors that [`Arena::record`] captured.
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
    /// Records the launches of `work` on this arena's GPU instead of running them: every operation in
    /// [`ops`](crate::ops) that takes an arena, and [`clear`](Self::clear). [`Recording::run`] runs them, any number of
    /// times, on the tensors' values at that time. Scalar arguments stay as recorded; values that change from step to
    /// step (a learning rate, dropout's step) are read from tensors.
    ///
    /// A device makes one recording at a time. Meanwhile copies to and from the device, allocations, waits, timings
    /// and calls of other threads are errors, since they cannot be recorded.
    ///
    /// ```
    /// use sharpdim::{Device, Error, Layout, Precision, ops::elementwise};
    /// let mut layout = Layout::new(Precision::F32);
    /// let [x, y] = [3, 3].map(|len| layout.values(len));
    /// let mut arena = layout.build(&Device::best())?;
    /// match arena.record(|arena| elementwise::add(arena, x, y)) {
    ///     Ok(step) => (0..100).try_for_each(|_| step.run(&mut arena))?,
    ///     // The CPU has no launches: there the operations are simply called.
    ///     Err(Error::Unavailable { .. }) => (0..100).try_for_each(|_| elementwise::add(&mut arena, x, y))?,
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
    /// Launches the recorded work once, after all earlier work of the device, without waiting for it.
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
            // SAFETY: it was recorded on this GPU, in this arena, which is borrowed here and whose memory does not
            // move; a recording contains this arena's memory only.
            Memory::Gpu(gpu, _) => unsafe { gpu.run(&self.work) },
        }
    }
}
