//! Activations of all images, a row each, as the network computes them: in memory, or in a temporary file that is mapped
//! once complete.

use crate::{Error, Result};
use memmap2::Mmap;
use std::fs::File;
use std::io::{BufWriter, Write};

/// Bytes that go to a file at once.
const BUFFER: usize = 1 << 20;

/// Where rows are written to.
pub(super) enum Matrix {
    Held(Vec<f32>),
    /// An unlinked file: gone when the process ends, even if killed.
    Filed(BufWriter<File>),
}

/// All rows, to be read.
pub(super) enum Rows {
    Held(Vec<f32>),
    Mapped(Mmap),
}

/// Which of these sizes in bytes are held in memory: the smallest, as many as fit into `most` bytes.
pub(super) fn held(sizes: &[u64], most: u64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|at| sizes[*at]);
    let (mut held, mut sum) = (vec![false; sizes.len()], 0u64);
    for at in order {
        sum = sum.saturating_add(sizes[at]);
        held[at] = sum <= most;
    }
    held
}

impl Matrix {
    /// In memory, with room for so many values.
    ///
    /// # Errors
    /// [`Error::Data`] where there is no such memory.
    pub fn held(values: usize) -> Result<Self> {
        let mut rows = Vec::new();
        rows.try_reserve_exact(values).map_err(|_| {
            Error::Data(format!("there is no memory for {values} values of 4 bytes: set a smaller budget"))
        })?;
        Ok(Matrix::Held(rows))
    }

    /// In a temporary file.
    pub fn filed() -> Result<Self> {
        let file = tempfile::tempfile().map_err(|error| Error::io(std::env::temp_dir(), error))?;
        Ok(Matrix::Filed(BufWriter::with_capacity(BUFFER, file)))
    }

    pub fn append(&mut self, more: &[f32]) -> Result<()> {
        match self {
            Matrix::Held(rows) => rows.extend_from_slice(more),
            Matrix::Filed(file) => {
                let write = |value: &f32| file.write_all(&value.to_ne_bytes());
                more.iter().try_for_each(write).map_err(|error| Error::io(std::env::temp_dir(), error))?;
            }
        }
        Ok(())
    }

    pub fn finish(self) -> Result<Rows> {
        match self {
            Matrix::Held(rows) => Ok(Rows::Held(rows)),
            Matrix::Filed(file) => {
                let folder = std::env::temp_dir;
                let file = file.into_inner().map_err(|error| Error::io(folder(), error.into_error()))?;
                // SAFETY: the file is unlinked, so that no other process can change or truncate it while it is mapped; every
                // byte was written, so that no read finds the disk full.
                let map = unsafe { Mmap::map(&file) };
                Ok(Rows::Mapped(map.map_err(|error| Error::io(folder(), error))?))
            }
        }
    }
}

impl Rows {
    pub fn values(&self) -> &[f32] {
        match self {
            Rows::Held(rows) => rows,
            // A map begins at a page, and holds whole values.
            Rows::Mapped(map) => bytemuck::cast_slice(map),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_stay_in_memory() {
        assert_eq!(held(&[5, 1, 3], 4), [false, true, true]);
        assert_eq!(held(&[5, 1, 3], 3), [false, true, false]);
        assert_eq!(held(&[5, 1, 3], 9), [true; 3]);
        assert_eq!(held(&[5, 1, 3], 0), [false; 3]);
        assert_eq!(held(&[u64::MAX, u64::MAX], u64::MAX - 1), [false; 2]);
        assert!(held(&[], 7).is_empty());
    }

    #[test]
    fn a_file_has_what_was_written() {
        let values: Vec<f32> = (0..300_000).map(|i| i as f32 * 0.5 - 1000.0).collect();
        let mut filed = Matrix::filed().unwrap();
        values.chunks(70_001).for_each(|part| filed.append(part).unwrap());
        assert!(filed.finish().unwrap().values() == values);
    }
}
