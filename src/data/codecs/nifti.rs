//! NIfTI-1 and NIfTI-2 volumes, `.nii` and `.nii.gz`: one volume of numbers in space. Their headers are of a fixed
//! size, and read here; what they claim is checked against the file's length before memory is allocated.

use super::each;
use crate::data::stream::Stream;
use crate::{Error, Result};
use std::path::Path;

/// No volume is larger than this, in bytes as it is stored.
const LARGEST: u64 = 1 << 32;
/// Largest gap between a header and its values.
const LONGEST_EXTENSION: usize = 1 << 24;
/// Deflate's greatest compression ratio.
const DENSEST: u64 = 1032;

/// A volume of `dims` voxels along x, y and z. Values are after scaling, and finite.
#[derive(Debug)]
pub(in crate::data) struct Volume {
    pub dims: [usize; 3],
    /// x fastest, z slowest.
    values: Vec<f32>,
}

/// The fields of a header.
struct Header {
    dims: [usize; 3],
    number: Number,
    /// Where values begin.
    offset: f64,
    slope: f64,
    intercept: f64,
}

#[derive(Clone, Copy)]
enum Number {
    U8,
    I8,
    I16,
    U16,
    I32,
    U32,
    F32,
    F64,
}

/// A file whose header was read: its values come next.
struct Begun {
    file: Stream<'static>,
    header: Header,
    /// Bytes of all values, and in what words the header claims them.
    len: usize,
    claim: String,
    big_endian: bool,
}

impl Begun {
    fn open(path: &Path) -> Result<Self> {
        let packed = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
        let mut file = Stream::open(path)?;
        let big_endian = match file.header("a NIfTI header")? {
            [0x5c, 1, 0, 0] | [0x1c, 2, 0, 0] => false,
            [0, 0, 1, 0x5c] | [0, 0, 2, 0x1c] => true,
            [a, b, c, d] => {
                return Err(file.wrong(format!(
                    "is no NIfTI volume: it begins with {a:02x} {b:02x} {c:02x} {d:02x}, not with a header's length, 348 or 540"
                )));
            }
        };
        // The rest of the shorter header; the longer one goes on.
        let mut fields: Vec<u8> = vec![0; 4];
        fields.extend(file.header::<344>("a NIfTI header")?);
        let mut read = fields.len();
        let one = match &fields[344..348] {
            b"n+1\0" => true,
            b"ni1\0" => {
                return Err(
                    file.wrong("is the header of a pair of files, .hdr and .img: make them one .nii file")
                );
            }
            _ if fields[4..8] == *b"n+2\0" => {
                fields.extend(file.header::<192>("a NIfTI-2 header")?);
                read = fields.len();
                false
            }
            _ => return Err(file.wrong("is no NIfTI volume: its header has neither the mark n+1 nor n+2")),
        };
        let fields = Fields { bytes: &fields, big_endian };
        let header = if one { fields.one() } else { fields.two() };
        let header = header.map_err(|reason| file.wrong(reason))?;
        let Header { dims, number, offset, .. } = header;
        // 0 is written where values follow the header.
        let offset = if offset == 0.0 { read as f64 } else { offset };
        if !(read as f64..(read + LONGEST_EXTENSION) as f64).contains(&offset) || offset.fract() != 0.0 {
            return Err(file
                .wrong(format!("claims that its values begin at byte {offset}: the header ends at {read}")));
        }
        let [x, y, z] = dims;
        let claim = format!("its header claims {x} x {y} x {z} voxels of {} bytes", number.bytes());
        let len = dims.iter().try_fold(number.bytes() as u64, |len, extent| len.checked_mul(*extent as u64));
        let Some(len) = len.filter(|len| *len <= LARGEST && len / DENSEST <= packed) else {
            return Err(file.wrong(format!("{claim}: more than its {packed} bytes can hold, or than 4 GiB")));
        };
        let between = offset as usize - read;
        if file.up_to(between)?.len() < between {
            return Err(file.wrong(format!("ends before byte {offset}, where its values begin")));
        }
        Ok(Begun { file, header, len: len as usize, claim, big_endian })
    }
}

impl Volume {
    /// Voxels along x, y and z, by the header alone.
    pub fn dims(path: &Path) -> Result<[usize; 3]> {
        Ok(Begun::open(path)?.header.dims)
    }

    pub fn open(path: &Path) -> Result<Self> {
        let Begun { mut file, header, len, claim, big_endian } = Begun::open(path)?;
        let Header { dims, number, slope, intercept, .. } = header;
        let [x, y, _] = dims;
        let bytes = file.rest(len, &claim)?;
        let scaled = |value: f64| (if slope == 0.0 { value } else { slope * value + intercept }) as f32;
        let values = number.read(&bytes, big_endian, scaled);
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(file.wrong(format!(
                "has the value {} at voxel ({}, {}, {}): every value must be finite",
                values[at],
                at % x,
                at / x % y,
                at / (x * y)
            )));
        }
        Ok(Volume { dims, values })
    }

    /// The 0.1 and 99.9 percentiles of all values, linear between neighbours, as `numpy.percentile` has them.
    pub fn percentiles(&self) -> (f64, f64) {
        let mut values = self.values.clone();
        let mut at = |percent: f64| {
            let place = percent / 100.0 * (values.len() - 1) as f64;
            let (_, below, rest) = values.select_nth_unstable_by(place as usize, f32::total_cmp);
            let below = f64::from(*below);
            let above = rest.iter().copied().min_by(f32::total_cmp).map_or(below, f64::from);
            let (part, range) = (place.fract(), above - below);
            // As numpy rounds: from the nearer of both.
            if part < 0.5 { below + range * part } else { above - range * (1.0 - part) }
        };
        (at(0.1), at(99.9))
    }

    /// All values: x fastest, z slowest.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The slice at `z`, row-major: its rows are x, its columns y, as nibabel's `get_fdata()[:, :, z]`. Its
    /// height is `dims[0]`, its width `dims[1]`. Nothing where there is no such slice.
    pub fn slice(&self, z: usize) -> Option<Vec<f32>> {
        let [height, width, _] = self.dims;
        let plane = self.values.chunks_exact(height * width).nth(z)?;
        Some((0..height * width).map(|at| plane[at / width + at % width * height]).collect())
    }
}

/// A volume, and what its values are scaled between.
#[derive(Debug)]
pub(in crate::data) struct Scaled {
    volume: Volume,
    low: f64,
    high: f64,
}

impl Scaled {
    pub fn open(path: &Path) -> Result<Self> {
        let volume = Volume::open(path)?;
        let (low, high) = volume.percentiles();
        Ok(Scaled { volume, low, high })
    }

    /// Height and width of a slice.
    pub fn extents(&self) -> [usize; 2] {
        [self.volume.dims[0], self.volume.dims[1]]
    }

    /// A slice as [`Volume::slice`] has it, of values from 0 to 255 between the volume's percentiles, cut off at both.
    pub fn slice(&self, z: usize) -> Option<Vec<f32>> {
        let (low, range) = (self.low, self.high - self.low);
        let scaled = |v: &f32| {
            if range > 0.0 { (((f64::from(*v) - low) / range).clamp(0.0, 1.0) * 255.0) as f32 } else { 0.0 }
        };
        Some(self.volume.slice(z)?.iter().map(scaled).collect())
    }
}

/// A header's bytes.
struct Fields<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Fields<'_> {
    fn at<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut field: [u8; N] = std::array::from_fn(|byte| self.bytes[at + byte]);
        if self.big_endian {
            field.reverse();
        }
        field
    }

    fn short(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.at(at))
    }

    fn float(&self, at: usize) -> f64 {
        f32::from_le_bytes(self.at(at)).into()
    }

    fn double(&self, at: usize) -> f64 {
        f64::from_le_bytes(self.at(at))
    }

    /// NIfTI-1.
    fn one(&self) -> Result<Header, String> {
        let dims = std::array::from_fn(|at| self.short(40 + 2 * at).into());
        header(dims, self.short(70), self.float(108), self.float(112), self.float(116))
    }

    /// NIfTI-2.
    fn two(&self) -> Result<Header, String> {
        let dims = std::array::from_fn(|at| i64::from_le_bytes(self.at(16 + 8 * at)));
        let offset = i64::from_le_bytes(self.at(168)) as f64;
        header(dims, self.short(12), offset, self.double(176), self.double(184))
    }
}

fn header(dims: [i64; 8], datatype: i16, offset: f64, slope: f64, intercept: f64) -> Result<Header, String> {
    let [count, extents @ ..] = dims;
    let Some(extents) =
        usize::try_from(count).ok().filter(|count| *count > 0).and_then(|count| extents.get(..count))
    else {
        return Err(format!("claims {count} dimensions: 1 to 7 are allowed"));
    };
    if let Some(extent) = extents.iter().find(|extent| **extent < 1) {
        return Err(format!("claims a dimension of {extent} voxels: each must be at least 1"));
    }
    let volumes = extents.iter().skip(3).fold(1i64, |all, extent| all.saturating_mul(*extent));
    if volumes != 1 {
        return Err(format!("holds {volumes} volumes, of time points or channels: one is expected"));
    }
    let extent = |at: usize| extents.get(at).map_or(1, |extent| *extent as usize);
    let number = match datatype {
        2 => Number::U8,
        4 => Number::I16,
        8 => Number::I32,
        16 => Number::F32,
        64 => Number::F64,
        256 => Number::I8,
        512 => Number::U16,
        768 => Number::U32,
        other => {
            return Err(format!(
                "has values of datatype {other}: integers of 8, 16 and 32 bits and floats of 32 and 64 are read"
            ));
        }
    };
    // A slope of NaN means that none was set.
    let slope = if slope.is_finite() { slope } else { 0.0 };
    if slope != 0.0 && !intercept.is_finite() {
        return Err(format!(
            "scales its values by {slope} and adds {intercept}: a finite number is expected"
        ));
    }
    Ok(Header { dims: [extent(0), extent(1), extent(2)], number, offset, slope, intercept })
}

impl Number {
    fn bytes(self) -> usize {
        match self {
            Number::U8 | Number::I8 => 1,
            Number::I16 | Number::U16 => 2,
            Number::I32 | Number::U32 | Number::F32 => 4,
            Number::F64 => 8,
        }
    }

    fn read(self, bytes: &[u8], big_endian: bool, scaled: impl Fn(f64) -> f32) -> Vec<f32> {
        match self {
            Number::U8 => each(bytes, big_endian, |v| scaled(u8::from_le_bytes(v).into())),
            Number::I8 => each(bytes, big_endian, |v| scaled(i8::from_le_bytes(v).into())),
            Number::I16 => each(bytes, big_endian, |v| scaled(i16::from_le_bytes(v).into())),
            Number::U16 => each(bytes, big_endian, |v| scaled(u16::from_le_bytes(v).into())),
            Number::I32 => each(bytes, big_endian, |v| scaled(i32::from_le_bytes(v).into())),
            Number::U32 => each(bytes, big_endian, |v| scaled(u32::from_le_bytes(v).into())),
            Number::F32 => each(bytes, big_endian, |v| scaled(f32::from_le_bytes(v).into())),
            Number::F64 => each(bytes, big_endian, |v| scaled(f64::from_le_bytes(v))),
        }
    }
}
