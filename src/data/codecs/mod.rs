//! Decoders: from the bytes of one file to an image, a volume, an array's header or a table. They know nothing of
//! datasets. None trusts its input: a length is checked against the existing bytes before it costs memory.

pub(super) mod bmp;
pub(super) mod dicom;
pub(super) mod image_bytes;
pub(super) mod jpeg;
pub(super) mod nifti;
pub(super) mod npy_header;
pub(super) mod table;
pub(crate) mod tensors;

#[cfg(test)]
#[path = "../../../tests/support/npz.rs"]
mod npz;
#[cfg(test)]
mod tests;

/// All values of `N` bytes each; `convert` gets little-endian bytes.
pub(super) fn each<const N: usize, T>(
    bytes: &[u8],
    big_endian: bool,
    convert: impl Fn([u8; N]) -> T,
) -> Vec<T> {
    let value = |bytes: &[u8; N]| {
        let mut bytes = *bytes;
        if big_endian {
            bytes.reverse();
        }
        convert(bytes)
    };
    bytes.as_chunks().0.iter().map(value).collect()
}
