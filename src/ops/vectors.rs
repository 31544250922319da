//! How operations on each value by itself are shared out on a GPU: a thread takes a vector of neighbouring values,
//! which it reads and writes by 16 bytes, or one value of those that are left. Kernels: kernels/common/vectors.cuh.

use crate::device::Launch;
use crate::{Error, Precision, Result, Slot};

/// Threads of a block.
const THREADS: u32 = 256;

/// Vector length and launch configuration of an elementwise kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vectors {
    /// Values in all.
    pub len: u64,
    /// Vectors among them, from the first value on; the other values are taken one by one.
    pub vectors: u64,
    grid: u32,
}

impl Vectors {
    /// `len` values in vectors of `each`, of operands at these addresses with values of so many bytes. One that does
    /// not lie at a multiple of its vector's bytes (or of 16, if that is less) leaves no vectors: tensors do, unless
    /// they are parts of others.
    pub(crate) fn new(len: usize, each: usize, operands: &[(u64, usize)]) -> Result<Self> {
        let aligned = |&(address, bytes): &(u64, usize)| address % (each * bytes).min(16) as u64 == 0;
        let vectors = if operands.iter().all(aligned) { len / each } else { 0 };
        let threads = vectors + (len - vectors * each);
        let blocks = threads.div_ceil(THREADS as usize);
        // A grid's first extent ends there.
        let grid = i32::try_from(blocks)
            .map_err(|_| Error::Argument(format!("a tensor of {len} values is too long for one launch")))?;
        Ok(Vectors { len: len as u64, vectors: vectors as u64, grid: grid as u32 })
    }

    /// A thread to a vector or a value.
    pub(crate) fn launch(self) -> Launch {
        Launch { grid: [self.grid, 1, 1], threads: THREADS, shared_bytes: 0 }
    }
}

/// The copy of updated weights, as kernels have it.
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
