//! Reads the NumPy arrays of test vectors, little-endian and in C order, without the library's own reader.

#![allow(dead_code, reason = "the tests of measures read single arrays only")]

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use zip::ZipArchive;

/// An array: the type of its values as NumPy writes it, its extents, its bytes.
pub struct Array {
    pub dtype: String,
    pub shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Array {
    /// The values of a `.npy` file.
    pub fn open(path: impl AsRef<Path>) -> Self {
        Array::parse(&fs::read(path).unwrap())
    }

    fn parse(file: &[u8]) -> Self {
        assert_eq!(&file[..8], b"\x93NUMPY\x01\x00");
        let (header, bytes) = file[10..].split_at(usize::from(u16::from_le_bytes([file[8], file[9]])));
        let header = str::from_utf8(header).unwrap();
        assert!(header.contains("'fortran_order': False"), "{header}");
        let between = |from: &str, to: &str| header.split_once(from).unwrap().1.split_once(to).unwrap().0;
        let shape = between("'shape': (", ")").split(',').map(str::trim).filter(|extent| !extent.is_empty());
        Array {
            dtype: between("'descr': '", "'").to_owned(),
            shape: shape.map(|extent| extent.parse().unwrap()).collect(),
            bytes: bytes.to_vec(),
        }
    }

    /// The values, which are of that type.
    pub fn values<T: Value>(&self) -> Vec<T> {
        assert_eq!(self.dtype.trim_start_matches(['<', '|']), T::NAME);
        let values: Vec<T> = bytemuck::pod_collect_to_vec(&self.bytes);
        assert_eq!(values.len(), self.shape.iter().product::<usize>());
        values
    }
}

/// The types that vectors have.
pub trait Value: bytemuck::Pod {
    const NAME: &str;
}

macro_rules! values {
    ($($type:ty: $name:literal),*) => {$(
        impl Value for $type {
            const NAME: &str = $name;
        }
    )*};
}
values!(u8: "u1", u16: "u2", i16: "i2", u32: "u4", f32: "f4", f64: "f8");

/// An archive of arrays.
pub struct Npz(ZipArchive<File>);

impl Npz {
    pub fn open(path: impl AsRef<Path>) -> Self {
        Npz(ZipArchive::new(File::open(path).unwrap()).unwrap())
    }

    pub fn names(&self) -> Vec<String> {
        let names = self.0.file_names().map(|name| name.unwrap().into_owned());
        names.map(|name| name.strip_suffix(".npy").unwrap().to_owned()).collect()
    }

    /// The array of that name, if there is one.
    pub fn array(&mut self, name: &str) -> Option<Array> {
        let mut file = Vec::new();
        self.0.by_name(&format!("{name}.npy")).ok()?.read_to_end(&mut file).unwrap();
        Some(Array::parse(&file))
    }
}
