//! The elements of a DICOM data set: finds the few values that are needed here.
//! Sequences are stepped over without recursion, so that no nesting, however deep, costs stack or memory.

use super::syntax::{Syntax, syntax_of};
use flate2::read::DeflateDecoder;
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;

/// The group above, the element below: (0028,0010) is `0x0028_0010`.
pub(super) type Tag = u32;

pub(super) const TRANSFER_SYNTAX: Tag = 0x0002_0010;
pub(super) const SOP_INSTANCE_UID: Tag = 0x0008_0018;
pub(super) const SERIES_DESCRIPTION: Tag = 0x0008_103e;
pub(super) const PATIENT_ID: Tag = 0x0010_0020;
pub(super) const STUDY_UID: Tag = 0x0020_000d;
pub(super) const SERIES_UID: Tag = 0x0020_000e;
pub(super) const INSTANCE_NUMBER: Tag = 0x0020_0013;
pub(super) const SAMPLES: Tag = 0x0028_0002;
pub(super) const PHOTOMETRIC: Tag = 0x0028_0004;
pub(super) const PLANAR: Tag = 0x0028_0006;
pub(super) const FRAMES: Tag = 0x0028_0008;
pub(super) const ROWS: Tag = 0x0028_0010;
pub(super) const COLUMNS: Tag = 0x0028_0011;
pub(super) const BITS_ALLOCATED: Tag = 0x0028_0100;
pub(super) const BITS_STORED: Tag = 0x0028_0101;
pub(super) const HIGH_BIT: Tag = 0x0028_0102;
pub(super) const SIGNED: Tag = 0x0028_0103;
pub(super) const INTERCEPT: Tag = 0x0028_1052;
pub(super) const SLOPE: Tag = 0x0028_1053;
/// Of red, green and blue.
pub(super) const PALETTE_SHAPES: [Tag; 3] = [0x0028_1101, 0x0028_1102, 0x0028_1103];
pub(super) const PALETTES: [Tag; 3] = [0x0028_1201, 0x0028_1202, 0x0028_1203];
pub(super) const FLOAT_PIXELS: Tag = 0x7fe0_0008;
pub(super) const DOUBLE_PIXELS: Tag = 0x7fe0_0009;
const PIXELS: Tag = 0x7fe0_0010;

const WANTED: [Tag; 26] = [
    SOP_INSTANCE_UID,
    SERIES_DESCRIPTION,
    PATIENT_ID,
    STUDY_UID,
    SERIES_UID,
    INSTANCE_NUMBER,
    SAMPLES,
    PHOTOMETRIC,
    PLANAR,
    FRAMES,
    ROWS,
    COLUMNS,
    BITS_ALLOCATED,
    BITS_STORED,
    HIGH_BIT,
    SIGNED,
    INTERCEPT,
    SLOPE,
    PALETTE_SHAPES[0],
    PALETTE_SHAPES[1],
    PALETTE_SHAPES[2],
    PALETTES[0],
    PALETTES[1],
    PALETTES[2],
    FLOAT_PIXELS,
    DOUBLE_PIXELS,
];

const ITEM: Tag = 0xfffe_e000;
const ITEM_END: Tag = 0xfffe_e00d;
const SEQUENCE_END: Tag = 0xfffe_e0dd;
/// The undefined length, of what ends at a delimiter.
const UNDEFINED: u32 = u32::MAX;
/// Value representations (VRs) with 32-bit lengths in explicit data sets.
const LONG: [&[u8; 2]; 13] =
    [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"];
/// Largest inflated size of a deflated data set.
const LARGEST: u64 = 1 << 30;

/// A data set: bytes, and which of them are the values that are wanted.
#[derive(Debug)]
pub(super) struct DataSet {
    pub bytes: Vec<u8>,
    pub syntax: Syntax,
    values: BTreeMap<Tag, Range<usize>>,
    /// None where there are none, or where reading ended before them.
    pub pixels: Option<Pixels>,
    /// Whether the pixel data element was reached.
    pub reached: bool,
}

/// Where the pixels are.
#[derive(Debug)]
pub(super) enum Pixels {
    /// Uncompressed; in 16-bit words, or in bytes.
    Plain { range: Range<usize>, words: bool },
    /// Compressed, in fragments, after an offset table of frames, which may be empty.
    Packed { table: Range<usize>, fragments: Vec<Range<usize>> },
}

/// Whether a file begins as DICOM does: with the mark after a preamble, or with the elements that follow it.
pub(in crate::data) fn is_dicom(start: &[u8]) -> bool {
    start.get(128..132) == Some(b"DICM")
        || (matches!(start, [2, 0, 0 | 1 | 2 | 16, 0, ..])
            && matches!(start.get(4..6), Some(b"UL" | b"OB" | b"UI")))
}

impl DataSet {
    /// Reads a file's elements; to its pixels, or them too.
    pub fn read(bytes: Vec<u8>, with_pixels: bool) -> Result<Self, String> {
        let start = match bytes.get(128..132) {
            Some(b"DICM") => 132,
            _ => 0,
        };
        let (syntax, start) = meta(&bytes, start)?;
        let (bytes, start) = if syntax.deflated { (inflated(&bytes[start..])?, 0) } else { (bytes, start) };
        let mut walker =
            Walker { bytes: &bytes, at: start, explicit: syntax.explicit, big: syntax.big_endian };
        let (mut values, mut pixels, mut reached) = (BTreeMap::new(), None, false);
        while walker.at < bytes.len() {
            let head = walker.head(false)?;
            if head.tag == PIXELS {
                reached = true;
                if with_pixels {
                    pixels = Some(walker.pixels(&head)?);
                }
                break;
            }
            match walker.value(&head)? {
                Some(range) if WANTED.contains(&head.tag) => {
                    values.insert(head.tag, range);
                }
                _ => {}
            }
        }
        Ok(DataSet { syntax, values, pixels, reached, bytes })
    }

    /// The bytes of a value.
    pub fn value(&self, tag: Tag) -> Option<&[u8]> {
        self.values.get(&tag).map(|range| &self.bytes[range.clone()])
    }

    /// A value that is text, without what pads it. Text is read as UTF-8, of which ASCII is a part.
    pub fn text(&self, tag: Tag) -> Option<String> {
        let text = String::from_utf8_lossy(self.value(tag)?).into_owned();
        let text = text.trim_matches([' ', '\0']).to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// The words of a value, 16 bits each.
    pub fn words(&self, tag: Tag) -> Option<Vec<u16>> {
        let words = self.value(tag)?.as_chunks().0.iter();
        Some(
            words
                .map(|word| {
                    if self.syntax.big_endian { u16::from_be_bytes(*word) } else { u16::from_le_bytes(*word) }
                })
                .collect(),
        )
    }

    /// A value that is one number of 16 bits.
    pub fn number(&self, tag: Tag) -> Option<usize> {
        self.words(tag)?.first().map(|word| usize::from(*word))
    }
}

/// The elements about the file itself, always explicit and little endian: how what follows is written, and
/// where it begins.
fn meta(bytes: &[u8], start: usize) -> Result<(Syntax, usize), String> {
    let mut walker = Walker { bytes, at: start, explicit: true, big: false };
    let mut syntax = None;
    while let Some([2, 0, ..]) = bytes.get(walker.at..) {
        let head = walker.head(false)?;
        if let Some(range) = walker.value(&head)?
            && head.tag == TRANSFER_SYNTAX
        {
            let uid = String::from_utf8_lossy(&bytes[range]).trim_matches([' ', '\0']).to_owned();
            syntax = Some(syntax_of(&uid)?);
        }
    }
    let rest = bytes.get(walker.at..).unwrap_or_default();
    match (syntax, rest) {
        (Some(syntax), _) => Ok((syntax, walker.at)),
        // Files from before there were such elements begin with the data set.
        (None, [8, 0, _, _, a, b, ..]) => {
            let explicit = a.is_ascii_uppercase() && b.is_ascii_uppercase();
            Ok((syntax_of(if explicit { "1.2.840.10008.1.2.1" } else { "1.2.840.10008.1.2" })?, walker.at))
        }
        (None, _) if walker.at > start => {
            Err("does not say how it is written: it has no transfer syntax (0002,0010)".into())
        }
        _ => Err("is no DICOM file: it has no DICM after 128 bytes, nor does it begin with DICOM's elements"
            .into()),
    }
}

/// A deflated data set. Memory grows with the inflated bytes, up to a limit.
fn inflated(packed: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = DeflateDecoder::new(packed).take(LARGEST + 1).read_to_end(&mut bytes);
    read.map_err(|e| {
        format!(
            "its compressed data is damaged or cut short: {} bytes could be read of it ({e})",
            bytes.len()
        )
    })?;
    if bytes.len() as u64 > LARGEST {
        Err("unpacks to more than 1 GiB: no image file to read here".into())
    } else {
        Ok(bytes)
    }
}

/// An element's header.
struct Head {
    tag: Tag,
    /// The value representation, where explicit.
    kind: [u8; 2],
    len: u32,
}

struct Walker<'a> {
    bytes: &'a [u8],
    at: usize,
    explicit: bool,
    big: bool,
}

impl Walker<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk());
        let taken = *taken.ok_or_else(|| {
            format!("is cut short: it ends within an element, at byte {}", self.bytes.len())
        })?;
        self.at += N;
        Ok(taken)
    }

    fn short(&mut self) -> Result<u16, String> {
        self.take().map(|bytes| if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn long(&mut self) -> Result<u32, String> {
        self.take().map(|bytes| if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// The next element's header; `implicit` where it has no VR, whatever the data set's syntax.
    fn head(&mut self, implicit: bool) -> Result<Head, String> {
        let start = self.at;
        let tag = Tag::from(self.short()?) << 16 | Tag::from(self.short()?);
        // Delimiters never have a VR.
        if implicit || !self.explicit || tag >> 16 == 0xfffe {
            return Ok(Head { tag, kind: [0; 2], len: self.long()? });
        }
        let kind: [u8; 2] = self.take()?;
        if !kind.iter().all(u8::is_ascii_uppercase) {
            return Err(format!(
                "is damaged: the kind of element {}, at byte {start}, is {:02x} {:02x}, not two letters",
                named(tag),
                kind[0],
                kind[1]
            ));
        }
        let len = if LONG.contains(&&kind) {
            self.short()?;
            self.long()?
        } else {
            self.short()?.into()
        };
        Ok(Head { tag, kind, len })
    }

    /// Steps over a value: where it is, but for a sequence that ends at a delimiter.
    fn value(&mut self, head: &Head) -> Result<Option<Range<usize>>, String> {
        match head.len {
            UNDEFINED => self.skip_sequence(&head.kind == b"UN").map(|()| None),
            _ => self.bytes_of(head).map(Some),
        }
    }

    fn bytes_of(&mut self, head: &Head) -> Result<Range<usize>, String> {
        let follow = self.bytes.len() - self.at;
        if head.len as usize > follow {
            return Err(format!(
                "is cut short: element {} claims {} bytes, but {follow} follow",
                named(head.tag),
                head.len
            ));
        }
        let range = self.at..self.at + head.len as usize;
        self.at = range.end;
        Ok(range)
    }

    /// Steps over a sequence to its delimiter, whatever is nested in it. Sequences hold items, and items
    /// hold elements that may be sequences: at even depths items stand, at odd ones elements.
    fn skip_sequence(&mut self, implicit: bool) -> Result<(), String> {
        let mut depth = 0usize;
        // Within a value of unknown VR, elements are implicit.
        let mut implicit_from = if implicit { 0 } else { usize::MAX };
        loop {
            let items = depth.is_multiple_of(2);
            let head = self.head(depth >= implicit_from)?;
            match head.tag {
                ITEM if items && head.len == UNDEFINED => depth += 1,
                ITEM if items => {
                    self.bytes_of(&head)?;
                }
                SEQUENCE_END if items && depth == 0 => return Ok(()),
                SEQUENCE_END if items => {
                    depth -= 1;
                    if depth < implicit_from {
                        implicit_from = usize::MAX;
                    }
                }
                ITEM_END if !items => depth -= 1,
                tag if items => {
                    return Err(format!(
                        "is damaged: in a sequence, {} stands where an item should",
                        named(tag)
                    ));
                }
                _ if head.len == UNDEFINED => {
                    depth += 1;
                    if &head.kind == b"UN" {
                        implicit_from = implicit_from.min(depth);
                    }
                }
                _ => {
                    self.bytes_of(&head)?;
                }
            }
        }
    }

    fn pixels(&mut self, head: &Head) -> Result<Pixels, String> {
        if head.len != UNDEFINED {
            // Without a VR, values are in words.
            let words = &head.kind != b"OB";
            return Ok(Pixels::Plain { range: self.bytes_of(head)?, words });
        }
        let mut items = Vec::new();
        loop {
            let head = self.head(false)?;
            match head.tag {
                ITEM if head.len != UNDEFINED => items.push(self.bytes_of(&head)?),
                SEQUENCE_END => break,
                tag => {
                    return Err(format!("is damaged: {} stands among its pixel fragments", named(tag)));
                }
            }
        }
        if items.is_empty() {
            return Err("has no pixels: there are no fragments in its pixel data".into());
        }
        let table = items.remove(0);
        Ok(Pixels::Packed { table, fragments: items })
    }
}

fn named(tag: Tag) -> String {
    format!("({:04x},{:04x})", tag >> 16, tag & 0xffff)
}
