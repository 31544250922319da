//! The binary version of CIFAR-10: records of one label byte and 3 x 32 x 32 pixel bytes, planes R, G, B.
//! `data_batch_1.bin` .. `data_batch_5.bin` are the training part, `test_batch.bin` the test part.

use super::format::Format;
use crate::data::buffer::Buffer;
use crate::data::folder::Listing;
use crate::data::found::{Found, Split};
use crate::data::source::{Packed, Source};
use crate::data::stream::{Stream, prefer_plain};
use crate::{Error, Result};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const RECORD: usize = 1 + 3 * PLANE;
/// A file of more records than this is no CIFAR-10: it bounds what a gzipped file may unpack to.
const MOST_RECORDS: usize = 1_000_000;

const NAMES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

pub(in crate::data) struct Cifar10;

impl Format for Cifar10 {
    fn in_folder(&self) -> &'static str {
        "CIFAR-10 batches"
    }

    fn as_file(&self) -> &'static str {
        "a CIFAR-10 batch (.bin)"
    }

    fn mark<'a>(&self, listing: &'a Listing) -> Option<&'a str> {
        listing.names().find(|name| batch_of(name, Split::Train) || batch_of(name, Split::Test))
    }

    fn open_folder(&self, folder: &Path, listing: &Listing, split: Split) -> Result<Found> {
        let mut files: Vec<PathBuf> =
            listing.names().filter(|name| batch_of(name, split)).map(|name| folder.join(name)).collect();
        prefer_plain(&mut files);
        if files.is_empty() {
            let wanted = match split {
                Split::Train => "data_batch_1.bin .. data_batch_5.bin",
                Split::Test => "test_batch.bin",
            };
            return Err(Error::format(
                folder,
                format!("holds CIFAR-10 batches, but none of its {split} part: {wanted}"),
            ));
        }
        let notes = match (split, files.len()) {
            (Split::Train, count @ 1..5) => {
                vec![format!("{}: {count} of the 5 training batches of CIFAR-10 are there", folder.display())]
            }
            _ => Vec::new(),
        };
        open(&files, notes)
    }

    /// A batch that is opened alone may be called anything.
    fn is_called(&self, name: &str) -> bool {
        is_binary(name)
    }

    fn open_file(&self, path: &Path, _split: Split) -> Result<Found> {
        open(&[path.to_owned()], Vec::new())
    }
}

/// Whether a file name is that of any binary file.
fn is_binary(name: &str) -> bool {
    name.strip_suffix(".gz").unwrap_or(name).ends_with(".bin")
}

fn batch_of(name: &str, split: Split) -> bool {
    is_binary(name)
        && match split {
            Split::Train => name.starts_with("data_batch_"),
            Split::Test => name.starts_with("test_batch."),
        }
}

fn open(files: &[PathBuf], notes: Vec<String>) -> Result<Found> {
    let class_names = class_names(&files[0].with_file_name("batches.meta.txt"))?;
    let (mut pixels, mut labels, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for file in files {
        let records = read_records(file)?;
        for (at, record) in records.chunks_exact(RECORD).enumerate() {
            if usize::from(record[0]) >= NAMES.len() {
                return Err(Error::format(
                    file,
                    format!("record {at} has the label {}: those of CIFAR-10 are 0 to 9", record[0]),
                ));
            }
            labels.push(u32::from(record[0]));
        }
        let before = pixels.len();
        pixels.resize(before + records.len() / RECORD * 3 * PLANE, 0);
        pixels[before..]
            .par_chunks_exact_mut(3 * PLANE)
            .zip(records.par_chunks_exact(RECORD))
            .for_each(|(image, record)| interleave(&record[1..], image));
        parts.push((file.clone(), records.len() / RECORD));
    }
    let packed =
        Packed { pixels: Buffer::u8(pixels), height: SIDE, width: SIDE, channels: 3, features: false, parts };
    Ok(Found {
        format: "CIFAR-10",
        source: Source::Packed(packed),
        labels,
        class_names,
        labelled: true,
        notes,
        left_out: Vec::new(),
    })
}

fn read_records(path: &Path) -> Result<Vec<u8>> {
    let mut file = Stream::open(path)?;
    let bytes = file.up_to(MOST_RECORDS * RECORD + 1)?;
    if bytes.len() > MOST_RECORDS * RECORD {
        return Err(file.wrong(format!("holds more than {MOST_RECORDS} records: it is no CIFAR-10 batch")));
    }
    if bytes.is_empty() {
        return Err(file.wrong("holds no images"));
    }
    if bytes.len() % RECORD != 0 {
        return Err(file.wrong(format!(
            "holds {} bytes, which are not whole CIFAR-10 records of {RECORD} bytes: {} are left over",
            bytes.len(),
            bytes.len() % RECORD
        )));
    }
    Ok(bytes)
}

/// Planes R, G, B to pixels RGB.
fn interleave(planes: &[u8], image: &mut [u8]) {
    for (at, pixel) in image.chunks_exact_mut(3).enumerate() {
        pixel.copy_from_slice(&[planes[at], planes[PLANE + at], planes[2 * PLANE + at]]);
    }
}

/// The names in `batches.meta.txt`, or the standard ones where there is no such file.
fn class_names(path: &Path) -> Result<Vec<String>> {
    if !path.exists() {
        return Ok(NAMES.map(String::from).to_vec());
    }
    let mut file = Stream::open(path)?;
    let text = file.up_to(1 << 16)?;
    let text = String::from_utf8_lossy(&text);
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
    let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
    if names.len() != NAMES.len() || distinct.len() != NAMES.len() {
        return Err(file.wrong(format!(
            "holds {} class names, {} of them distinct: CIFAR-10 has ten, one a line",
            names.len(),
            distinct.len()
        )));
    }
    Ok(names)
}
