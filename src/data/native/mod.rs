//! Readers for the files that the owners of datasets hand out: DICOM, NIfTI, MATLAB, CSV and XLSX.
//! Each takes nothing on trust: a length is checked against the bytes that are there before it costs memory.

pub(super) mod dicom;
pub(super) mod mat;
pub(super) mod nifti;
pub(super) mod table;
#[cfg(test)]
mod tests;

/// Each value of `N` bytes, from its bytes in the order least significant first.
fn each<const N: usize, T>(bytes: &[u8], big_endian: bool, of: impl Fn([u8; N]) -> T) -> Vec<T> {
    let value = |bytes: &[u8; N]| {
        let mut bytes = *bytes;
        if big_endian {
            bytes.reverse();
        }
        of(bytes)
    };
    bytes.as_chunks().0.iter().map(value).collect()
}
