//! Small files of every format, and what the tests ask of them.
//! An allocator that remembers the largest request shows what a lying header made the reader allocate.

use flate2::{Compression, write::GzEncoder};
use image::{DynamicImage, ImageFormat};
use proptest::prelude::ProptestConfig;
use sharpdim::data::{Color, Dataset, Loaded, OnBad, Preprocess, Scale};
use sharpdim::{Result, Values};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder that is gone after the test.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and the folders above it.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }
}

pub fn gz(content: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(content).unwrap();
    gz.finish().unwrap()
}

/// Bytes that look like nothing in particular, the same each time.
pub fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

pub fn idx_images(count: u32, height: u32, width: u32, pixels: &[u8]) -> Vec<u8> {
    let extents = [count, height, width].map(u32::to_be_bytes).concat();
    [&[0, 0, 8, 3], &extents[..], pixels].concat()
}

pub fn idx_labels(labels: &[u8]) -> Vec<u8> {
    [&[0, 0, 8, 1], &(labels.len() as u32).to_be_bytes()[..], labels].concat()
}

/// A record for each label, with noise for pixels.
pub fn cifar(labels: &[u8]) -> Vec<u8> {
    let record = |(at, label): (usize, &u8)| [&[*label], &noise(3072, at as u32)[..]].concat();
    labels.iter().enumerate().flat_map(record).collect()
}

/// An NPY file: `dtype` as NumPy writes it, as `<u2`.
pub fn npy(dtype: &str, shape: &[usize], values: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|extent| format!("{extent},")).collect();
    npy_with(&format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({shape}), }}"), values)
}

/// An NPY file with any text for its header.
pub fn npy_with(header: &str, values: &[u8]) -> Vec<u8> {
    let header = format!("{header:<117}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), values].concat()
}

pub fn npz(arrays: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in arrays {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A safetensors file: of each tensor its name, type (as `F32`), shape and bytes.
pub fn tensors(tensors: &[(&str, &str, &[usize], &[u8])]) -> Vec<u8> {
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let (start, end) = (data.len(), data.len() + bytes.len());
        entries.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
        ));
        data.extend_from_slice(bytes);
    }
    tensors_with(&format!("{{{}}}", entries.join(",")), &data)
}

/// A safetensors file with any text for its header.
pub fn tensors_with(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

pub fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// An 8-bit gray PNG of noise.
pub fn png(height: u32, width: u32, seed: u32) -> Vec<u8> {
    let pixels = noise((height * width) as usize, seed);
    encoded(image::GrayImage::from_raw(width, height, pixels).unwrap(), ImageFormat::Png)
}

/// An RGB PNG of noise.
pub fn rgb_png(height: u32, width: u32, seed: u32) -> Vec<u8> {
    let pixels = noise((height * width * 3) as usize, seed);
    encoded(image::RgbImage::from_raw(width, height, pixels).unwrap(), ImageFormat::Png)
}

/// The images as they are: no scaling, no resizing.
pub fn raw() -> Preprocess {
    Preprocess { scale: Scale::None, size: None, color: Color::AsIs, antialias: false, on_bad: OnBad::Fail }
}

pub fn load(path: &Path, how: &Preprocess) -> Result<Loaded> {
    Dataset::open(path)?.load(how, &|_| {})
}

/// The values of all samples, as they are or as resized.
pub fn values(loaded: &Loaded) -> Vec<f32> {
    (0..loaded.samples.n()).flat_map(|sample| loaded.image(sample)).collect()
}

pub fn is_u8(loaded: &Loaded) -> bool {
    matches!(loaded.samples.points().unwrap().values(), Values::U8(_))
}

/// Asserts that an error's message has all these words.
#[track_caller]
pub fn assert_says<T>(result: Result<T>, words: &[&str]) {
    let Err(error) = result else { panic!("no error, where one with {words:?} is due") };
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in the message: {message}");
    }
}

/// A number of cases to draw; a failing one is printed, not written into the source tree.
pub fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// The most bytes that this thread asked for at once while it did `work`.
pub fn largest_request<T>(work: impl FnOnce() -> T) -> (T, usize) {
    LARGEST.set(0);
    let done = work();
    (done, LARGEST.get())
}

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

struct Watching;

#[global_allocator]
static ALLOCATOR: Watching = Watching;

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

fn note(size: usize) {
    // At a thread's end its variables are gone already.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}
