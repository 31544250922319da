//! Memory for packed rows: chunks of columns in one allocation, with huge pages where it is large.
//!
//! A pass over a few thousand samples takes milliseconds, a tenth of which were page faults, one per 4 KB at every call.

use bytemuck::Pod;
use memmap2::MmapMut;
use std::ops::Range;

/// A huge page on x86-64, and on aarch64 with pages of 4 KB.
const HUGE: usize = 2 << 20;

/// Chunks of packed rows.
pub(crate) struct Panels<T> {
    memory: Memory<T>,
    /// Where each chunk ends.
    ends: Vec<usize>,
}

enum Memory<T> {
    Small(Vec<T>),
    /// Mapped memory, and its used bytes, from the start of a huge page on.
    Huge(MmapMut, Range<usize>),
}

impl<T> Default for Panels<T> {
    fn default() -> Self {
        Panels { memory: Memory::Small(Vec::new()), ends: Vec::new() }
    }
}

impl<T: Pod + Send + Sync> Panels<T> {
    /// Replaces the chunks by chunks of these lengths, with arbitrary values.
    pub fn lay_out(&mut self, lengths: impl Iterator<Item = usize>) -> Vec<&mut [T]> {
        self.ends.clear();
        self.ends.extend(lengths.scan(0, |end, length| {
            *end += length;
            Some(*end)
        }));
        let len = self.ends.last().copied().unwrap_or(0);
        if self.memory.all().len() < len {
            // Free the old memory first.
            self.memory = Memory::Small(Vec::new());
            self.memory = Memory::new(len);
        }
        let (mut left, mut begin) = (self.memory.all_mut(), 0);
        let chunk = |end: &usize| {
            let (chunk, rest) = std::mem::take(&mut left).split_at_mut(end - begin);
            (left, begin) = (rest, *end);
            chunk
        };
        self.ends.iter().map(chunk).collect()
    }

    /// A chunk.
    pub fn chunk(&self, at: usize) -> &[T] {
        let begin = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.memory.all()[begin..self.ends[at]]
    }
}

impl<T: Pod + Send + Sync> Memory<T> {
    fn new(len: usize) -> Self {
        // Fresh pages are zero: the threads that fill them touch them first.
        Self::huge(len * size_of::<T>()).unwrap_or_else(|| Memory::Small(vec![T::zeroed(); len]))
    }

    /// `None` for less than a page, or where the system has none: the allocator is used then.
    fn huge(bytes: usize) -> Option<Self> {
        if bytes < HUGE {
            return None;
        }
        let pages = bytes.checked_next_multiple_of(HUGE)?;
        // One more page for alignment; untouched memory costs nothing.
        let map = MmapMut::map_anon(pages.checked_add(HUGE)?).ok()?;
        let from = map.as_ptr().align_offset(HUGE);
        if from > HUGE {
            return None;
        }
        #[cfg(target_os = "linux")]
        {
            // A system without huge pages refuses, and uses small ones.
            _ = map.advise_range(memmap2::Advice::HugePage, from, pages);
        }
        Some(Memory::Huge(map, from..from + bytes))
    }

    fn all(&self) -> &[T] {
        match self {
            Memory::Small(values) => values,
            // The start of a huge page.
            Memory::Huge(map, used) => bytemuck::cast_slice(&map[used.clone()]),
        }
    }

    fn all_mut(&mut self) -> &mut [T] {
        match self {
            Memory::Small(values) => values,
            Memory::Huge(map, used) => bytemuck::cast_slice_mut(&mut map[used.clone()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each chunk keeps its values, in small memory and in huge pages.
    #[test]
    fn chunks_lie_apart() {
        let mut panels = Panels::<u32>::default();
        for lengths in [vec![], vec![3, 0, 5], vec![1 << 20, 7, 1 << 19], vec![2, 1 << 18], vec![3 << 20]] {
            let chunks = panels.lay_out(lengths.iter().copied());
            assert!(chunks.iter().map(|chunk| chunk.len()).eq(lengths.iter().copied()));
            for (at, chunk) in chunks.into_iter().enumerate() {
                chunk.fill(at as u32 + 1);
            }
            for (at, length) in lengths.iter().enumerate() {
                assert_eq!(panels.chunk(at).len(), *length);
                assert!(panels.chunk(at).iter().all(|value| *value == at as u32 + 1));
            }
        }
    }
}
