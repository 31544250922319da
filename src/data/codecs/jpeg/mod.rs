//! JPEG of 8 bits, gray or of three colours: baseline, extended and progressive, Huffman-coded (ITU-T T.81). Pixels are those of
//! libjpeg-turbo with its default settings, and so Pillow's and torchvision's, to the bit: no decoder in Rust at hand gives them.
//!
//! Damaged data are an error, where libjpeg fills them up and warns. In two things this is as lenient: bytes after the last
//! pixel, before the next marker, are skipped, and so are bytes between segments.

mod colour;
mod huffman;
mod idct;
mod scan;
mod segments;

pub(in crate::data) use segments::{Head, Segments, ends};

use super::image_bytes::LARGEST;
use colour::{Plane, Stretch};
use huffman::Table;
use idct::Worths;
use scan::{Coefficients, Decoding, Part, Scan, Stage};
use std::cell::RefCell;

/// Most scans of a file, which has about ten: each costs a pass over all blocks for a few bytes.
const MOST_SCANS: usize = 200;
/// Largest scratch memory that a thread keeps for its next image.
const KEPT: usize = 1 << 24;
/// The error for a file that ends before its image does.
pub(in crate::data) const CUT: &str = "is cut short: the JPEG data has no end-of-image marker";

/// An image, row by row.
#[derive(Debug)]
pub(in crate::data) struct Pixels {
    pub height: usize,
    pub width: usize,
    /// 1, gray, or 3.
    pub channels: usize,
    pub values: Vec<u8>,
}

/// The colour space of an image's three components; pixels are RGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) enum Colours {
    /// By the markers in the data, or else as libjpeg guesses.
    Marked,
    /// YCbCr.
    Ybr,
    Rgb,
}

/// Decodes an image; `None` where its kind is not read here: other processes, precisions and numbers of components, sizes of
/// components that do not divide the image's, Huffman tables that are not in the data, and progressive images that lack the last
/// bits, which libjpeg smooths.
///
/// # Errors
/// The reason, to follow the file's name.
pub(in crate::data) fn decode(bytes: &[u8], colours: Colours) -> Result<Option<Pixels>, String> {
    let mut scratch = SCRATCH.take();
    let decoded = Image::decode(bytes, colours, &mut scratch);
    if scratch.len() <= KEPT {
        SCRATCH.set(scratch);
    }
    decoded
}

/// Height, width and channels of the image that a file begins with; `None` where the frame header is not in these bytes, or the kind is not read here.
pub(in crate::data) fn extents(start: &[u8]) -> Option<[usize; 3]> {
    for segment in Segments::new(start).ok()? {
        match segment.ok()? {
            (marker @ (0xc0..=0xc3 | 0xc5..=0xcb | 0xcd..=0xcf), body) => {
                let frame = Frame::parse(marker - 0xc0, body).ok()??;
                return Some([frame.height, frame.width, frame.components.len()]);
            }
            (0xda, _) => return None,
            _ => {}
        }
    }
    None
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Scratch memory, kept from image to image, so that it need not be allocated and cleared each time.
#[derive(Default)]
struct Scratch {
    /// A scan without what is stuffed between its bytes, and where its parts end.
    packed: Vec<u8>,
    ends: Vec<usize>,
    coefficients: [Coefficients; 3],
    planes: [Vec<u8>; 3],
    /// Four for DC coefficients, four for AC: most files of a set have the same.
    tables: [Option<Table>; 8],
}

impl Scratch {
    /// Bytes that it takes, but for what is small.
    fn len(&self) -> usize {
        let blocks: usize = self.coefficients.iter().map(|component| component.blocks.capacity() * 128).sum();
        let planes: usize = self.planes.iter().map(Vec::capacity).sum();
        blocks + planes + self.packed.capacity() + self.ends.capacity() * 8
    }
}

/// A component of the image.
struct Component {
    id: u8,
    /// Blocks of it in a unit of the whole image.
    across: usize,
    down: usize,
    /// The number of its quantisation table, and that table when its first scan began.
    table: u8,
    worths: Option<Worths>,
    /// Its own pixels.
    width: usize,
    height: usize,
    /// How many low bits of each coefficient, in zigzag order, are missing; -1 where all are.
    missing: [i8; 64],
}

/// The frame header.
struct Frame {
    progressive: bool,
    height: usize,
    width: usize,
    components: Vec<Component>,
    /// Units of the whole image, across and down.
    columns: usize,
    rows: usize,
}

fn damaged(what: &str) -> String {
    format!("has damaged JPEG data: {what}")
}

impl Frame {
    /// `None` for a kind of JPEG that is not decoded here.
    fn parse(process: u8, body: &[u8]) -> Result<Option<Self>, String> {
        let [precision, y1, y0, x1, x0, count, parts @ ..] = body else {
            return Err(damaged("a frame that is cut short"));
        };
        let [height, width] = [[*y1, *y0], [*x1, *x0]].map(|extent| usize::from(u16::from_be_bytes(extent)));
        let parts = parts.as_chunks::<3>().0;
        if process > 2 || *precision != 8 || height == 0 || width == 0 || ![1, 3].contains(count) {
            return Ok(None);
        }
        if parts.len() != usize::from(*count) {
            return Err(damaged("a frame whose number of components is wrong"));
        }
        let sizes = |[_, size, _]: &[u8; 3]| [usize::from(size >> 4), usize::from(size & 15)];
        // The size of a single component means nothing.
        let sizes: Vec<[usize; 2]> = match count {
            1 => vec![[1, 1]],
            _ => parts.iter().map(sizes).collect(),
        };
        if sizes.as_flattened().iter().any(|size| !(1..=4).contains(size)) {
            return Err(damaged("invalid sampling factors"));
        }
        let [across, down] = [0, 1].map(|axis: usize| sizes.iter().map(|size| size[axis]).max().unwrap_or(1));
        if sizes.iter().any(|size| !across.is_multiple_of(size[0]) || !down.is_multiple_of(size[1])) {
            return Ok(None);
        }
        let component = |([id, _, table], [own_across, own_down]): (&[u8; 3], &[usize; 2])| Component {
            id: *id,
            across: *own_across,
            down: *own_down,
            table: *table,
            worths: None,
            width: (width * own_across).div_ceil(across),
            height: (height * own_down).div_ceil(down),
            missing: [-1; 64],
        };
        Ok(Some(Frame {
            progressive: process == 2,
            height,
            width,
            components: parts.iter().zip(&sizes).map(component).collect(),
            columns: width.div_ceil(8 * across),
            rows: height.div_ceil(8 * down),
        }))
    }

    /// Whether `len` bytes can hold it (a block takes at least a bit), and its size is within the limit for images.
    fn fits(&self, bytes: usize) -> bool {
        if (self.height * self.width * self.components.len()) as u64 > LARGEST {
            return false;
        }
        let unit: usize = self.components.iter().map(|component| component.across * component.down).sum();
        self.columns * self.rows * unit <= 8 * bytes
    }

    /// Room for the pixels of all components, and for the coefficients of some rows of units.
    fn reserve(&self, rows: usize, coefficients: &mut [Coefficients; 3], planes: &mut [Vec<u8>; 3]) {
        for ((of, coefficients), plane) in self.components.iter().zip(coefficients).zip(planes) {
            coefficients.row = self.columns * of.across;
            let blocks = rows * of.down * coefficients.row;
            coefficients.blocks.clear();
            coefficients.blocks.resize(blocks, [0; 64]);
            coefficients.last.clear();
            coefficients.last.resize(blocks, 0);
            // All of it will be written to: what the last image left need not be cleared.
            let pixels = 64 * self.rows * of.down * coefficients.row;
            plane.resize(pixels, 0);
        }
    }

    /// A row of units, from its coefficients to its pixels.
    fn transform(&self, from: usize, to: usize, coefficients: &[Coefficients; 3], planes: &mut [Vec<u8>; 3]) {
        for ((of, coefficients), plane) in self.components.iter().zip(coefficients).zip(planes) {
            let Some(worths) = &of.worths else { continue };
            let Coefficients { blocks, last, row } = coefficients;
            for down in 0..of.down {
                let from = (from * of.down + down) * row..(from * of.down + down + 1) * row;
                let out = &mut plane[64 * row * (to * of.down + down)..][..64 * row];
                idct::pixels(&blocks[from.clone()], &last[from], worths, out, 8 * row);
            }
        }
    }

    /// Blocks of one component that have any of its pixels, across and down.
    fn own_blocks(&self, at: usize) -> [usize; 2] {
        [self.components[at].width.div_ceil(8), self.components[at].height.div_ceil(8)]
    }
}

/// The state of a decoding.
struct Image<'a> {
    bytes: &'a [u8],
    worths: [Option<Worths>; 4],
    /// Which Huffman tables are this image's.
    known: [bool; 8],
    interval: usize,
    jfif: bool,
    adobe: Option<u8>,
}

impl<'a> Image<'a> {
    fn decode(bytes: &'a [u8], colours: Colours, scratch: &mut Scratch) -> Result<Option<Pixels>, String> {
        let mut segments = Segments::new(bytes)?;
        let mut image =
            Image { bytes, worths: [None; 4], known: [false; 8], interval: 0, jfif: false, adobe: None };
        let mut frame: Option<Frame> = None;
        let mut scans = 0;
        loop {
            let (marker, body) = match segments.next() {
                Some(Ok(segment)) => segment,
                // Of an image that is begun, it is its end that is missing.
                _ if scans > 0 => return Err(CUT.into()),
                Some(Err(error)) => return Err(error),
                None => return Err("has JPEG data without a scan".into()),
            };
            match (marker, &mut frame) {
                (0xc4, _) => image.read_codes(body, &mut scratch.tables)?,
                (0xdb, _) => image.read_worths(body)?,
                (0xdd, _) => {
                    let interval =
                        body.first_chunk().ok_or_else(|| damaged("an empty restart interval segment"))?;
                    image.interval = u16::from_be_bytes(*interval).into();
                }
                (0xe0, _) => image.jfif |= body.len() >= 14 && body.starts_with(b"JFIF\0"),
                (0xee, _) if body.len() >= 12 && body.starts_with(b"Adobe") => image.adobe = Some(body[11]),
                (0xc0..=0xc3 | 0xc5..=0xcb | 0xcd..=0xcf, None) => match Frame::parse(marker - 0xc0, body)? {
                    Some(found) if found.fits(bytes.len()) => frame = Some(found),
                    Some(Frame { height, width, .. }) => {
                        let len = bytes.len();
                        return Err(format!(
                            "claims {height} x {width} pixels: more than its {len} bytes can hold"
                        ));
                    }
                    None => return Ok(None),
                },
                (0xc0..=0xc3 | 0xc5..=0xcb | 0xcd..=0xcf, Some(_)) => return Err(damaged("a second frame")),
                (0xda, None) => return Err("has JPEG data without a frame".into()),
                (0xda, Some(frame)) => {
                    scans += 1;
                    if scans > MOST_SCANS {
                        return Err(damaged("too many scans"));
                    }
                    let one = !frame.progressive && body.first() == Some(&(frame.components.len() as u8));
                    let only = one && scans == 1;
                    if scans == 1 {
                        let rows = if only { 1 } else { frame.rows };
                        frame.reserve(rows, &mut scratch.coefficients, &mut scratch.planes);
                    }
                    let Some(marker) = image.scan(body, segments.at, frame, scratch, only)? else {
                        return Ok(None);
                    };
                    if only {
                        return if ends(bytes, marker) {
                            Ok(Some(image.pixels(frame, colours, &scratch.planes)))
                        } else {
                            Err(CUT.into())
                        };
                    }
                    segments.at = marker;
                }
                (0xd9, Some(frame)) if scans > 0 => {
                    let incomplete =
                        |at: usize| frame.components.iter().any(move |component| component.missing[at] != 0);
                    if frame.components.iter().any(|component| component.missing[0] < 0) {
                        return Err("is cut short: its JPEG data end before all components are there".into());
                    }
                    // libjpeg guesses at them by their neighbours.
                    if (1..10).any(incomplete) {
                        return Ok(None);
                    }
                    for row in 0..frame.rows {
                        frame.transform(row, row, &scratch.coefficients, &mut scratch.planes);
                    }
                    return Ok(Some(image.pixels(frame, colours, &scratch.planes)));
                }
                (0xd9, _) => return Err("has JPEG data without a scan".into()),
                _ => {}
            }
        }
    }

    fn read_codes(&mut self, mut body: &[u8], tables: &mut [Option<Table>; 8]) -> Result<(), String> {
        let wrong = || damaged("an invalid Huffman table");
        while let [class, rest @ ..] = body {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(wrong)?;
            let total = counts.iter().map(|count| usize::from(*count)).sum();
            let (symbols, rest) = rest.split_at_checked(total).ok_or_else(wrong)?;
            body = rest;
            if class & 0xec != 0 {
                return Err(wrong());
            }
            let (place, dc) = (usize::from((class >> 4) * 4 + (class & 3)), *class < 4);
            let kept = tables[place].as_ref().is_some_and(|table| table.is_of(counts, symbols, dc));
            if !kept {
                tables[place] = Some(Table::new(counts, symbols, dc).ok_or_else(wrong)?);
            }
            self.known[place] = true;
        }
        Ok(())
    }

    fn read_worths(&mut self, mut body: &[u8]) -> Result<(), String> {
        let wrong = || damaged("an invalid quantisation table");
        while let [kind, rest @ ..] = body {
            let wide = kind >> 4 != 0;
            let (values, rest) = rest.split_at_checked(if wide { 128 } else { 64 }).ok_or_else(wrong)?;
            body = rest;
            let table = self.worths.get_mut(usize::from(kind & 15)).ok_or_else(wrong)?;
            let mut worths = [0; 64];
            for (at, worth) in values.chunks_exact(values.len() / 64).enumerate() {
                worths[scan::place(at)] = worth.iter().fold(0, |worth, byte| worth << 8 | i32::from(*byte));
            }
            *table = Some(worths);
        }
        Ok(())
    }

    /// Decodes the scan with this header from byte `at` on; where the next marker is. Where it is the only one, blocks become
    /// pixels row by row, else they are kept. `None` where Huffman tables lack: those of films are known from elsewhere.
    fn scan(
        &self,
        body: &[u8],
        at: usize,
        frame: &mut Frame,
        scratch: &mut Scratch,
        only: bool,
    ) -> Result<Option<usize>, String> {
        let wrong = || damaged("a scan that cannot be");
        let (count, rest) = body.split_first().ok_or_else(wrong)?;
        let (chosen, rest) = rest.split_at_checked(2 * usize::from(*count)).ok_or_else(wrong)?;
        let [first, last, bits, ..] = *rest else { return Err(wrong()) };
        let stage =
            if frame.progressive { stage(first, last, bits).ok_or_else(wrong)? } else { Stage::Whole };
        let Scratch { packed, ends, coefficients, planes, tables } = scratch;
        let table = |place: u8| {
            let place = usize::from(place);
            tables[place].as_ref().filter(|_| self.known[place])
        };
        let mut parts: Vec<Part<'_>> = Vec::new();
        for [id, codes] in chosen.as_chunks().0 {
            let component = frame.components.iter().position(|known| known.id == *id).ok_or_else(wrong)?;
            if codes & 0xcc != 0 || parts.iter().any(|part| part.component == component) {
                return Err(wrong());
            }
            let found = &mut frame.components[component];
            if found.worths.is_none() {
                let worths = self.worths.get(usize::from(found.table)).copied().flatten();
                found.worths =
                    Some(worths.ok_or_else(|| damaged("a component without a quantisation table"))?);
            }
            note(&mut found.missing, stage).ok_or_else(|| damaged("a scan out of order"))?;
            let (dc, ac) = (table(codes >> 4), table(4 + (codes & 3)));
            if stage.takes_dc() && dc.is_none() || stage.takes_ac() && ac.is_none() {
                return Ok(None);
            }
            parts.push(Part { component, dc, ac, across: found.across, down: found.down });
        }
        let [columns, rows] = match &mut parts[..] {
            [] => return Err(wrong()),
            // A component by itself has no more blocks than it needs.
            [one] => {
                (one.across, one.down) = (1, 1);
                frame.own_blocks(one.component)
            }
            _ if matches!(stage, Stage::Ac { .. } | Stage::AcMore { .. }) => return Err(wrong()),
            _ => [frame.columns, frame.rows],
        };
        let marker =
            huffman::unstuffed(self.bytes, at, packed, ends).ok_or(CUT)?.map_err(|what| damaged(&what))?;
        let scan = Scan { parts, stage, columns, interval: self.interval };
        let mut decoding = Decoding::new(scan, packed, ends);
        for row in 0..rows {
            decoding.row(if only { 0 } else { row }, coefficients).map_err(damaged)?;
            if only {
                frame.transform(0, row, coefficients, planes);
            }
        }
        Ok(Some(marker))
    }

    /// The pixels of an image whose components are there.
    fn pixels(&self, frame: &Frame, colours: Colours, planes: &[Vec<u8>; 3]) -> Pixels {
        let Frame { height, width, ref components, .. } = *frame;
        let sizes = [0, 1].map(|axis: usize| {
            components.iter().map(|component| [component.across, component.down][axis]).max().unwrap_or(1)
        });
        let planes: Vec<Plane<'_>> = components
            .iter()
            .zip(planes)
            .map(|(component, values)| Plane {
                values,
                stride: 8 * frame.columns * component.across,
                width: component.width,
                height: component.height,
                stretch: Stretch::new(
                    sizes[0] / component.across,
                    sizes[1] / component.down,
                    component.width,
                ),
            })
            .collect();
        let mut values = Vec::with_capacity(height * width * components.len());
        match &planes[..] {
            [a, b, c] => {
                let ids: Vec<u8> = components.iter().map(|component| component.id).collect();
                let ybr = match (colours, self.jfif, self.adobe) {
                    (Colours::Ybr, ..) | (Colours::Marked, true, _) => true,
                    (Colours::Rgb, ..) => false,
                    (Colours::Marked, false, Some(transform)) => transform != 0,
                    (Colours::Marked, false, None) => ids != *b"RGB",
                };
                let mut lines = [const { Vec::new() }; 3];
                let [line_a, line_b, line_c] = &mut lines;
                let (mut sums, mut pixels) = (Vec::new(), vec![[0; 3]; width]);
                for at in 0..height {
                    let rows = [
                        a.row(at, line_a, &mut sums),
                        b.row(at, line_b, &mut sums),
                        c.row(at, line_c, &mut sums),
                    ];
                    if ybr {
                        colour::rgb(rows[0], rows[1], rows[2], &mut pixels)
                    } else {
                        colour::interleaved(rows, &mut pixels)
                    }
                    values.extend_from_slice(pixels.as_flattened());
                }
            }
            _ => {
                for rows in
                    planes.iter().flat_map(|plane| plane.values.chunks_exact(plane.stride)).take(height)
                {
                    values.extend_from_slice(&rows[..width]);
                }
            }
        }
        Pixels { height, width, channels: components.len(), values }
    }
}

/// The stage of a progressive scan; `None` where its parameters are invalid.
fn stage(first: u8, last: u8, bits: u8) -> Option<Stage> {
    let (before, low) = (u32::from(bits >> 4), u32::from(bits & 15));
    let (first, last) = (usize::from(first), usize::from(last));
    if low > 13 || before != 0 && before != low + 1 {
        return None;
    }
    match (first, last, before) {
        (0, 0, 0) => Some(Stage::Dc { low }),
        (0, 0, _) => Some(Stage::DcMore { low }),
        (0, ..) | (_, 64.., _) => None,
        _ if last < first => None,
        (_, _, 0) => Some(Stage::Ac { first, last, low }),
        _ => Some(Stage::AcMore { first, last, low }),
    }
}

/// Notes which bits a scan has; `None` where they are out of order.
fn note(missing: &mut [i8; 64], stage: Stage) -> Option<()> {
    let (range, before, low) = match stage {
        Stage::Whole => (0..64, -1, 0),
        Stage::Dc { low } => (0..1, -1, low as i8),
        Stage::DcMore { low } => (0..1, low as i8 + 1, low as i8),
        Stage::Ac { first, last, low } => (first..last + 1, -1, low as i8),
        Stage::AcMore { first, last, low } => (first..last + 1, low as i8 + 1, low as i8),
    };
    let missing = missing.get_mut(range)?;
    let in_turn = missing.iter().all(|missing| *missing == before);
    missing.fill(low);
    in_turn.then_some(())
}
