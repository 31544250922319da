//! Readers for the files that the owners of datasets hand out: DICOM, NIfTI, MATLAB, CSV and XLSX.
//! Each takes nothing on trust: a length is checked against the bytes that are there before it costs memory.

pub(super) mod dicom;
pub(super) mod mat;
pub(super) mod nifti;
pub(super) mod table;
#[cfg(test)]
mod tests;
