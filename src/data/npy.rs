//! NumPy arrays: images or features, and their labels, as [`array`](super::array) has them.
//! In one `.npz`, or in two `.npy` files side by side.

use super::array::{self, Array, IMAGES_OR_FEATURES, Kind, Labels};
use super::read::{Stream, is_content, open_file as open_plain_file};
use super::{Found, Split};
use crate::{Error, Result};
use npyz::npz::NpzArchive;
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar};
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// The files that a folder of arrays has one of.
pub(super) const FILES: [&str; 2] = ["images.npy", "features.npy"];
/// A longer header than this is no plain array's: those have about 118 bytes.
const LONGEST_HEADER: usize = 4096;

type Archive = NpzArchive<BufReader<std::fs::File>>;

/// The one file of samples among the names in a folder of arrays.
pub(super) fn only_file(folder: &Path, names: &[&str]) -> Result<Option<PathBuf>> {
    match FILES.map(|file| names.contains(&file)) {
        [true, true] => {
            Err(Error::format(folder, "holds images.npy and features.npy: open one of these files"))
        }
        [true, false] => Ok(Some(folder.join(FILES[0]))),
        [false, true] => Ok(Some(folder.join(FILES[1]))),
        [false, false] => Ok(None),
    }
}

/// Opens a `.npy` file of images or features, and the labels beside it.
pub(super) fn open_file(path: &Path) -> Result<Found> {
    let mut samples = Npy::open(Stream::open(path)?)?;
    let layout = samples.layout()?;
    let labels = match labels_beside(path, layout.features)? {
        Some(labels) => {
            let values = Npy::open(Stream::open(&labels)?)?.labels()?;
            Labels::Numbers(values, labels)
        }
        None => Labels::None,
    };
    let bytes = samples.file.rest_mapped(layout.bytes(), &samples.claim())?;
    array::found("NPY", samples.array.packed(&layout, bytes), labels)
}

/// The file of labels: `images` or `features` in the name becomes `labels`; features of another name have
/// theirs in `labels.npy`, or none.
fn labels_beside(path: &Path, features: bool) -> Result<Option<PathBuf>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut beside = name.replace("images", "labels");
    if features && beside == name {
        beside = name.replace("features", "labels");
    }
    if beside == name && (!features || name == "labels.npy") {
        return Err(Error::format(
            path,
            "its labels file cannot be told from its name: name them as images.npy and labels.npy",
        ));
    }
    if beside == name {
        beside = "labels.npy".to_owned();
    }
    let labels = path.with_file_name(&beside);
    match (labels.exists(), features) {
        (true, _) => Ok(Some(labels)),
        (false, true) => Ok(None),
        (false, false) => {
            Err(Error::format(path, format!("its labels are not beside it: expected {beside}")))
        }
    }
}

/// Opens a `.npz` archive with the arrays `images` or `features`, and `labels`; or `train_images` and so on.
pub(super) fn open_archive(path: &Path, split: Split) -> Result<Found> {
    let mut archive =
        NpzArchive::new(BufReader::new(open_plain_file(path)?)).map_err(|e| match is_content(&e) {
            true => Error::format(path, format!("is not a readable .npz (zip) archive: {e}")),
            false => Error::io(path, e),
        })?;
    let mut names: Vec<String> = archive.array_names().map(String::from).collect();
    names.sort();
    let labels = array::named(&names, &["labels"], split);
    let others: Vec<&String> = names.iter().filter(|name| Some(*name) != labels.as_ref()).collect();
    let samples = match (array::named(&names, &IMAGES_OR_FEATURES, split), &others[..]) {
        (Some(name), _) => name,
        (None, [only]) if split == Split::Train => only.to_string(),
        _ => return Err(array::lacking(path, "array", &IMAGES_OR_FEATURES, split, &names)),
    };
    let mut samples = member(path, &mut archive, &samples)?;
    let layout = samples.layout()?;
    if labels.is_none() && !layout.features {
        return Err(array::lacking(path, "array", &["labels"], split, &names));
    }
    let bytes = samples.file.rest_mapped(layout.bytes(), &samples.claim())?;
    let packed = samples.array.packed(&layout, bytes);
    drop(samples);
    let labels = match labels {
        Some(name) => Labels::Numbers(member(path, &mut archive, &name)?.labels()?, path.to_owned()),
        None => Labels::None,
    };
    array::found("NPZ", packed, labels)
}

fn member<'a>(path: &Path, archive: &'a mut Archive, name: &str) -> Result<Npy<'a>> {
    let name = format!("{name}.npy");
    match archive.zip_archive().by_name(&name) {
        Ok(file) => Npy::open(Stream::member(path, format!("{name} in it: "), Box::new(file))),
        Err(e) => Err(Error::format(path, format!("{name} in it cannot be read: {e}"))),
    }
}

/// A plain array whose header has been read, and whose values have not.
struct Npy<'a> {
    file: Stream<'a>,
    array: Array,
    order: Order,
}

impl<'a> Npy<'a> {
    fn open(mut file: Stream<'a>) -> Result<Self> {
        let header = read_header(&mut file)?;
        let dtype = header.dtype();
        let DType::Plain(plain) = &dtype else {
            return Err(file.wrong("is an array of records: expected plain numbers"));
        };
        let array = Array {
            path: file.path().to_owned(),
            member: file.member_name().to_owned(),
            shape: header.shape().iter().map(|n| usize::try_from(*n).unwrap_or(usize::MAX)).collect(),
            kind: match plain.type_char() {
                TypeChar::Bool => Kind::Bool,
                TypeChar::Uint => Kind::Uint,
                TypeChar::Int => Kind::Int,
                TypeChar::Float => Kind::Float,
                _ => Kind::Other,
            },
            bytes: plain.num_bytes().unwrap_or(0),
            big_endian: plain.endianness() == Endianness::Big,
            dtype: dtype.descr(),
        };
        Ok(Npy { array, order: header.order(), file })
    }

    fn layout(&self) -> Result<array::Layout> {
        let layout = self.array.layout()?;
        if self.order == Order::Fortran {
            let what = if layout.features { "features" } else { "images" };
            return Err(self
                .array
                .wrong(format!("is in Fortran order: save it as numpy.ascontiguousarray({what})")));
        }
        Ok(layout)
    }

    fn labels(&mut self) -> Result<Vec<i64>> {
        let raw = self.file.rest(self.array.labels_len()?, &self.claim())?;
        self.array.labels(&raw)
    }

    fn claim(&self) -> String {
        format!("its header claims an array {} of {}", self.array.shape(), self.array.dtype)
    }
}

/// Reads a header, and hands it to `npyz` only when its parser cannot overflow on it.
fn read_header(file: &mut Stream<'_>) -> Result<NpyHeader> {
    let start: [u8; 8] = file.header("an NPY header")?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err(file.wrong("is not an NPY array: it does not begin with \\x93NUMPY"));
    }
    let (size, size_bytes) = match start[6] {
        1 => {
            let bytes: [u8; 2] = file.header("an NPY header")?;
            (usize::from(u16::from_le_bytes(bytes)), bytes.to_vec())
        }
        _ => {
            let bytes: [u8; 4] = file.header("an NPY header")?;
            (u32::from_le_bytes(bytes) as usize, bytes.to_vec())
        }
    };
    if size > LONGEST_HEADER {
        return Err(file.wrong(format!("claims a header of {size} bytes: a plain array's has about 118")));
    }
    let text = file.up_to(size)?;
    if text.len() < size {
        return Err(file.wrong(format!("ends after {} of the {size} bytes of its header", text.len())));
    }
    // `npyz` multiplies the extents unchecked and descends into brackets without limit. Numbers of
    // at most 19 digits in all have a product below 2^64, and no plain array needs more.
    if text.iter().filter(|c| c.is_ascii_digit()).count() > 19 {
        return Err(file.wrong("its header claims more values than memory can address"));
    }
    if text.iter().filter(|c| b"([{".contains(c)).count() > 8 {
        return Err(file.wrong("its header is not that of a plain array"));
    }
    let whole = [&start[..], &size_bytes, &text].concat();
    NpyHeader::from_reader(&whole[..]).map_err(|e| file.wrong(format!("its NPY header cannot be read: {e}")))
}
