//! Readers for the files that the owners of datasets hand out: DICOM, NIfTI, MATLAB, CSV and XLSX.
//! Each takes nothing on trust: a length is checked against the bytes that are there before it costs memory.

pub(super) mod dicom;
pub(super) mod mat;
#[allow(dead_code, reason = "the named datasets read them")]
pub(super) mod nifti;
#[allow(dead_code, reason = "the named datasets read them")]
pub(super) mod table;
#[cfg(test)]
mod tests;
