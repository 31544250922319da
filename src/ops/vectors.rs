//! Launches of elementwise kernels: a thread takes a vector of adjacent values, read and written by 16 bytes, or one value
//! of the tail. Kernels: kernels/common/vectors.cuh.

use crate::device::Launch;
use crate::{Error, Precision, Result, Slot};

/// Threads of a block.
const THREADS: u32 = 256;

/// Vector length and launch configuration of an elementwise kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vectors {
    /// Number of values.
    pub len: u64,
    /// Number of vectors, from the first value on; the tail is processed value by value.
    pub vectors: u64,
    grid: u32,
}

impl Vectors {
    /// `len` values in vectors of `each`, for operands given by address and bytes per value. There are no vectors where an
    /// operand is not aligned to its vector's bytes (or to 16, if that is less), which happens only to parts of tensors.
    pub(crate) fn new(len: usize, each: usize, operands: &[(u64, usize)]) -> Result<Self> {
        let aligned = |&(address, bytes): &(u64, usize)| address % (each * bytes).min(16) as u64 == 0;
        let vectors = if operands.iter().all(aligned) { len / each } else { 0 };
        let threads = vectors + (len - vectors * each);
        let blocks = threads.div_ceil(THREADS as usize);
        // The limit of a grid's first extent.
        let grid = i32::try_from(blocks)
            .map_err(|_| Error::Argument(format!("a tensor of {len} values is too long for one launch")))?;
        Ok(Vectors { len: len as u64, vectors: vectors as u64, grid: grid as u32 })
    }

    /// One thread per vector or value.
    pub(crate) fn launch(self) -> Launch {
        Launch { grid: [self.grid, 1, 1], threads: THREADS, shared_bytes: 0 }
    }
}

/// The kernels' code for the copy of updated weights.
pub(crate) fn copy_kind(copy: Slot) -> u32 {
    match copy.precision() {
        _ if copy.is_empty() => 0,
        Precision::F32 => 1,
        Precision::Bf16 => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_one_thread() {
        for each in [4, 8] {
            for len in 0..3000 {
                for operands in [&[(512, 4), (1024, 2)][..], &[(512, 4), (516, 4)]] {
                    let split = Vectors::new(len, each, operands).unwrap();
                    // As kernels/common/vectors.cuh does it.
                    let mut next = 0;
                    for thread in 0..u64::from(split.grid) * u64::from(THREADS) {
                        let (first, count) = if thread < split.vectors {
                            (thread * each as u64, each as u64)
                        } else {
                            (split.vectors * each as u64 + thread - split.vectors, 1)
                        };
                        if first < split.len {
                            assert_eq!(first, next);
                            next += count;
                        }
                    }
                    assert_eq!(next, len as u64, "{each} of {len}");
                    assert!(split.vectors == 0 || operands[1].0 == 1024);
                    assert!(split.grid == 0 || (split.grid as usize - 1) * 256 < len);
                }
            }
        }
    }

    #[test]
    fn vectors_lie_where_they_can_be_read_at_once() {
        for (address, bytes, each, fits) in [
            (8, 2, 4, true),
            (8, 4, 4, false),
            (12, 2, 4, false),
            (16, 2, 8, true),
            (16, 4, 8, true),
            (24, 4, 8, false),
        ] {
            assert_eq!(Vectors::new(64, each, &[(address, bytes)]).unwrap().vectors > 0, fits, "{address}");
        }
        assert!(Vectors::new(1 << 42, 4, &[(0, 4)]).is_err());
    }
}
