//! IDX files, the format of MNIST: a big-endian header, then unsigned bytes.
//! `<part>-images-idx3-ubyte` holds the images, `<part>-labels-idx1-ubyte` their labels; `.gz` or not.

use super::format::Format;
use crate::data::buffer::Buffer;
use crate::data::folder::Listing;
use crate::data::found::{Found, Split, numbered};
use crate::data::source::{Packed, Source, images_len};
use crate::data::stream::{Stream, prefer_plain};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

pub(in crate::data) struct Idx;

impl Format for Idx {
    fn in_folder(&self) -> &'static str {
        "IDX files"
    }

    fn as_file(&self) -> &'static str {
        "an IDX file"
    }

    fn mark<'a>(&self, listing: &'a Listing) -> Option<&'a str> {
        listing.names().find(|name| is_images(name))
    }

    /// The images of `train`, or `t10k` or `test`.
    fn open_folder(&self, folder: &Path, listing: &Listing, split: Split) -> Result<Found> {
        let words: &[&str] = match split {
            Split::Train => &["train"],
            Split::Test => &["t10k", "test"],
        };
        let mut files: Vec<PathBuf> = listing
            .names()
            .filter(|name| is_images(name) && words.iter().any(|word| name.contains(word)))
            .map(|name| folder.join(name))
            .collect();
        prefer_plain(&mut files);
        match files.as_slice() {
            [images] => open(images),
            [] => Err(Error::format(
                folder,
                format!(
                    "holds IDX files, but none for its {split} part: {}-images-idx3-ubyte[.gz]",
                    words[0]
                ),
            )),
            [first, second, ..] => Err(Error::format(
                folder,
                format!(
                    "holds more than one IDX file of {split} images ({} and {}): open one of these files",
                    first.file_name().unwrap_or_default().display(),
                    second.file_name().unwrap_or_default().display()
                ),
            )),
        }
    }

    fn begins(&self, start: &[u8]) -> bool {
        start.starts_with(&[0, 0])
    }

    fn open_file(&self, path: &Path, _split: Split) -> Result<Found> {
        match Stream::open(path)?.up_to(4)?[..] {
            [0, 0, _, 1] => Err(Error::format(path, "holds labels: open the file of images beside it")),
            _ => open(path),
        }
    }
}

/// Whether a file name is that of an IDX file of images.
fn is_images(name: &str) -> bool {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    name.contains("images") && name.ends_with("idx3-ubyte")
}

/// Opens a file of images, and the file of labels beside it.
fn open(images: &Path) -> Result<Found> {
    let labels = labels_beside(images)?;
    let packed = read_images(images)?;
    let values = read_labels(&labels)?;
    let count = packed.parts[0].1;
    if values.len() != count {
        return Err(Error::format(
            labels,
            format!("holds {} labels, but {} holds {count} images", values.len(), images.display()),
        ));
    }
    let values: Vec<i64> = values.into_iter().map(i64::from).collect();
    let (labels, class_names) = numbered(&values);
    Ok(Found {
        format: "IDX",
        source: Source::Packed(packed),
        labels,
        class_names,
        labelled: true,
        notes: Vec::new(),
        left_out: Vec::new(),
    })
}

fn labels_beside(images: &Path) -> Result<PathBuf> {
    let name = images.file_name().unwrap_or_default().to_string_lossy();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    let labels = plain.replace("images", "labels").replace("idx3", "idx1");
    let beside = [images.with_file_name(&labels), images.with_file_name(format!("{labels}.gz"))];
    if labels == plain {
        return Err(Error::format(
            images,
            "its labels file cannot be found by its name: name them as train-images-idx3-ubyte and train-labels-idx1-ubyte",
        ));
    }
    beside.into_iter().find(|path| path.exists()).ok_or_else(|| {
        Error::format(images, format!("its labels are not beside it: expected {labels} or {labels}.gz"))
    })
}

fn read_images(path: &Path) -> Result<Packed> {
    let mut file = Stream::open(path)?;
    magic(&mut file, 3, "images (magic 00 00 08 03)")?;
    let [count, height, width] = extents(&mut file)?;
    let len = images_len(path, count, [height, width, 1], 1)?;
    let pixels = file.rest(len, &format!("its header claims {count} images of {height} x {width} pixels"))?;
    let parts = vec![(path.to_owned(), count)];
    Ok(Packed { pixels: Buffer::u8(pixels), height, width, channels: 1, features: false, parts })
}

fn read_labels(path: &Path) -> Result<Vec<u8>> {
    let mut file = Stream::open(path)?;
    magic(&mut file, 1, "labels (magic 00 00 08 01)")?;
    let [count] = extents(&mut file)?;
    file.rest(count, &format!("its header claims {count} labels"))
}

fn magic(file: &mut Stream<'_>, axes: u8, what: &str) -> Result<()> {
    let found: [u8; 4] = file.header("an IDX header")?;
    if found != [0, 0, 8, axes] {
        let [a, b, c, d] = found;
        return Err(file.wrong(format!(
            "is not an IDX file of 8-bit {what}: it begins with {a:02x} {b:02x} {c:02x} {d:02x}"
        )));
    }
    Ok(())
}

fn extents<const N: usize>(file: &mut Stream<'_>) -> Result<[usize; N]> {
    let mut extents = [0; N];
    for extent in &mut extents {
        *extent = u32::from_be_bytes(file.header("an IDX header")?) as usize;
    }
    Ok(extents)
}
