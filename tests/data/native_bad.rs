//! What can be wrong with the files that datasets' owners hand out: the message names the file and says why, and
//! neither a header that lies nor a bomb costs memory.

use super::make::*;
use super::native::file;
use flate2::{Compression, write::ZlibEncoder};
use sharpdim::data::Dataset;
use std::io::Write;

/// An element of a MATLAB file: its type, its length, its value, and what fills that up to 8 bytes.
fn element(kind: u32, value: &[u8]) -> Vec<u8> {
    let head = [kind.to_le_bytes(), (value.len() as u32).to_le_bytes()].concat();
    [&head[..], value, &vec![0; (8 - value.len() % 8) % 8]].concat()
}

/// An array of a name, a class and dimensions, its values of a type.
fn array(name: &str, class: u8, extents: &[i32], kind: u32, values: &[u8]) -> Vec<u8> {
    let extents: Vec<u8> = extents.iter().flat_map(|extent| extent.to_le_bytes()).collect();
    let flags = element(6, &[class, 0, 0, 0, 0, 0, 0, 0]);
    let parts = [flags, element(5, &extents), element(1, name.as_bytes()), element(kind, values)];
    element(14, &parts.concat())
}

fn packed(array: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(array).unwrap();
    let packed = zlib.finish().unwrap();
    [&15u32.to_le_bytes()[..], &(packed.len() as u32).to_le_bytes(), &packed].concat()
}

fn matlab(arrays: &[Vec<u8>]) -> Vec<u8> {
    let mut head = b"MATLAB 5.0 MAT-file".to_vec();
    head.resize(124, b' ');
    [&head[..], &[0, 1], b"IM", &arrays.concat()].concat()
}

/// An array X of `count` images.
fn images(count: i32) -> Vec<u8> {
    array("X", 9, &[32, 32, 3, count], 2, &noise(3072 * count as usize, 1))
}

fn labels(values: &[u8]) -> Vec<u8> {
    array("y", 9, &[values.len() as i32, 1], 2, values)
}

fn says(content: Vec<u8>, words: &[&str]) {
    let folder = Folder::new();
    let path = folder.file("train_32x32.mat", content);
    let (opened, most) = largest_request(|| Dataset::open(&path));
    assert_says(opened, &[&["train_32x32.mat: "], words].concat());
    assert!(most < 1 << 18, "{words:?}: {most} bytes were asked for at once");
}

#[test]
fn svhn_that_is_wrong() {
    let folder = Folder::new();
    let small = matlab(&[labels(&[3, 10]), packed(&images(2))]);
    let dataset = Dataset::open(&folder.file("x.mat", &small)).unwrap();
    assert_eq!((dataset.labels(), dataset.name(0)), (&[3, 0][..], "x.mat#0".into()));
    let one = matlab(&[array("X", 9, &[32, 32, 3], 2, &noise(3072, 1)), labels(&[1])]);
    assert_eq!(Dataset::open(&folder.file("x.mat", &one)).unwrap().len(), 1);

    says(b"MATLAB 7.3 MAT-file, of HDF5".to_vec(), &["MATLAB 7.3", "'-v7'"]);
    says(b"hello".to_vec(), &["is cut short"]);
    says(vec![b' '; 200], &["is no MATLAB 5 file"]);
    says(matlab(&[]), &["has no array X"]);
    says(matlab(&[images(2)]), &["has no array y"]);
    says(matlab(&[images(2), labels(&[1])]), &["holds 1 labels, but 2 images"]);
    says(matlab(&[images(2), labels(&[1, 11])]), &["label 11 for image 1", "10 for the digit 0"]);
    let halves = [1.5f64, 2.0].map(f64::to_le_bytes).concat();
    says(matlab(&[images(2), array("y", 6, &[2, 1], 9, &halves)]), &["label 1.5 for image 0"]);
    says(matlab(&[array("X", 6, &[32, 32, 3, 1], 2, &noise(3072, 1))]), &["class 6: uint8"]);
    says(
        matlab(&[array("X", 9, &[32, 31, 3, 1], 2, &noise(3072, 1))]),
        &["[32, 31, 3, 1]", "[32, 32, 3, N]"],
    );
    says(matlab(&[array("X", 9, &[32, 32, 3, 2], 2, &noise(3072, 1))]), &["claims 2 images"]);
    says(matlab(&[array("X", 9, &[32, 32, 3, i32::MAX], 2, &[0; 8])]), &["claims 2147483647 images"]);
    let whole = matlab(&[images(2), labels(&[1, 2])]);
    says(whole[..5000].to_vec(), &["is cut short", "6208 bytes", "4864 follow"]);
}

#[test]
fn svhn_bombs_cost_nothing() {
    // A hundred million zeros in a hundred thousand bytes, as another array, as a name, and as too few images.
    let zeros = vec![0; 100_000_000];
    says(matlab(&[packed(&array("Z", 9, &[100_000_000, 1], 2, &zeros))]), &["has no array X"]);
    let name = element(1, &zeros[..10_000_000]);
    let start = [element(6, &[9; 8]), element(5, &[1; 8]), name].concat();
    says(matlab(&[packed(&element(14, &start))]), &["the name of an array claims 10000000 bytes"]);
    let lies = array("X", 9, &[32, 32, 3, 1], 2, &zeros);
    says(matlab(&[packed(&lies)]), &["the array X claims 100000000 bytes", "3072 are expected"]);
}

#[test]
fn dicom_headers_that_lie_allocate_nothing() {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    // Rows and columns of 65535, for the few bytes that there are.
    for name in ["u16.dcm", "u8.dcm", "rle_u16.dcm", "lossless_u16.dcm", "jpeg_gray.dcm"] {
        let mut lies = file(name);
        for element in [0x10, 0x11] {
            let head = [0x28, 0, element, 0, b'U', b'S', 2, 0];
            let at = lies.windows(8).position(|bytes| bytes == head).unwrap();
            lies[at + 8..at + 10].fill(0xff);
        }
        let folder = Folder::new();
        folder.file(&format!("class/{name}"), lies);
        let (loaded, most) = threads.install(|| largest_request(|| load(folder.path(), &raw())));
        assert_says(loaded, &[name, "65535 x 65535"]);
        assert!(most < 1 << 20, "{name}: {most} bytes were asked for at once");
    }
}

#[test]
fn dicom_cut_anywhere_is_told() {
    for name in ["u16.dcm", "rle_rgb.dcm", "lossless_u8.dcm", "jpeg_gray.dcm", "deflated.dcm", "implicit.dcm"]
    {
        let whole = file(name);
        let folder = Folder::new();
        for len in (1..whole.len()).step_by(7) {
            folder.file(&format!("class/{name}"), &whole[..len]);
            assert_says(load(folder.path(), &raw()), &[name]);
        }
    }
}
