//! Mapped files: one that is larger than memory opens, and only the rows that are loaded are read; one that
//! was cut short meanwhile is an error, and ends nothing.

use super::make::*;
use sharpdim::data::{Dataset, OnBad, Preprocess, Selection};
use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

const ROWS: usize = 1 << 12;
const DIM: usize = 1 << 22;

/// Writes a file of 64 GiB of zeros, which take no room, after a header, but for the first values of its last
/// row; `None` where the file system cannot have it.
fn huge(folder: &Folder, name: &str, header: &[u8]) -> Option<PathBuf> {
    let path = folder.file(name, header);
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    let len = header.len() as u64 + (ROWS * DIM * 4) as u64;
    if let Err(error) = file.set_len(len) {
        println!("no file of 64 GiB can be made here: {error}");
        return None;
    }
    file.seek(SeekFrom::Start(len - 4 * DIM as u64)).unwrap();
    file.write_all(&[1.5f32, -2.5].map(f32::to_le_bytes).concat()).unwrap();
    Some(path)
}

fn last_row_is_read(dataset: &Dataset) {
    let selection = Selection { classes: Some(vec!["1".into()]), ..Selection::default() };
    let last = dataset.select(&selection).unwrap();
    let (loaded, most) = largest_request(|| last.load(&Preprocess::default(), &|_| {}).unwrap());
    assert_eq!(loaded.samples.dim(), DIM);
    assert_eq!((&values(&loaded)[..3], loaded.index), (&[1.5, -2.5, 0.0][..], vec![0]));
    assert!(most <= 4 * DIM, "{most} bytes were asked for at once");
}

fn last_is_1() -> Vec<u8> {
    (0..ROWS).map(|at| u8::from(at == ROWS - 1)).collect()
}

#[test]
fn npy_larger_than_memory() {
    let folder = Folder::new();
    folder.file("labels.npy", npy("|u1", &[ROWS], &last_is_1()));
    for shape in [&[ROWS, DIM][..], &[ROWS, 1 << 11, 1 << 11]] {
        let Some(path) = huge(&folder, "images.npy", &npy("<f4", shape, &[])) else { return };
        let (dataset, most) = largest_request(|| Dataset::open(&path).unwrap());
        assert!(most < 1 << 18, "{most} bytes were asked for at once");
        if shape.len() == 2 {
            last_row_is_read(&dataset);
        }
    }
}

#[test]
fn safetensors_larger_than_memory() {
    let folder = Folder::new();
    let (labels, bytes) = (last_is_1(), ROWS * DIM * 4 + ROWS);
    let header = format!(
        r#"{{"labels":{{"dtype":"U8","shape":[{ROWS}],"data_offsets":[0,{ROWS}]}},
            "features":{{"dtype":"F32","shape":[{ROWS},{DIM}],"data_offsets":[{ROWS},{bytes}]}}}}"#
    );
    let Some(path) = huge(&folder, "x.safetensors", &tensors_with(&header, &labels)) else { return };
    let (dataset, most) = largest_request(|| Dataset::open(&path).unwrap());
    assert!(most < 1 << 18, "{most} bytes were asked for at once");
    last_row_is_read(&dataset);
}

#[test]
fn a_file_that_is_cut_short_after_it_was_opened() {
    let folder = Folder::new();
    let npy = folder.file("features.npy", npy("|u1", &[100, 1000], &noise(100_000, 1)));
    let packed = tensors(&[("features", "U8", &[100, 1000], &noise(100_000, 1))]);
    let safetensors = folder.file("x.safetensors", packed);
    for path in [npy, safetensors] {
        let dataset = Dataset::open(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(5000).unwrap();
        assert_says(dataset.load(&raw(), &|_| {}), &[name, "cut short after it was opened"]);
        let skipping = Preprocess { on_bad: OnBad::Skip, ..raw() };
        assert_says(dataset.load(&skipping, &|_| {}), &["cut short after it was opened"]);
    }
}

#[test]
fn gzipped_npy_is_read_not_mapped() {
    let folder = Folder::new();
    let path = folder.file("features.npy", gz(&npy("|u1", &[2, 2], &[1, 2, 3, 4])));
    assert_eq!(values(&load(&path, &raw()).unwrap()), [1.0, 2.0, 3.0, 4.0]);
    folder.file("features.npy", gz(&npy("|u1", &[2, 2], &[1, 2, 3])));
    assert_says(Dataset::open(&path), &["4 bytes, but 3 follow"]);
}
