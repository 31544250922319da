//! Lossless JPEG (ITU-T T.81, process 14): each value is its neighbours' prediction and a Huffman-coded
//! difference. No maintained crate reads all of it. Data that end early are an error, not filled up.

use super::jpeg::check;
use super::layout::{PixelLayout, Raw};
use crate::data::codecs::jpeg::{Head, Segments};

pub(super) fn decode(packed: &[u8], layout: &PixelLayout) -> Result<Raw, String> {
    let head = Head::parse(packed)?;
    check(&head, layout)?;
    if head.process != 3 || !(2..=16).contains(&head.precision) {
        return Err(format!(
            "is JPEG of {} bits, process SOF{}, where its transfer syntax says lossless, SOF3",
            head.precision, head.process
        ));
    }
    // Each value takes at least a bit: checked before memory is allocated.
    if layout.values() / 8 > packed.len() {
        return Err(format!(
            "claims {} values: more than its {} packed bytes can hold",
            layout.values(),
            packed.len()
        ));
    }
    let mut values = vec![0u16; layout.values()];
    let mut tables = [const { None }; 4];
    let mut components: Vec<u8> = Vec::new();
    let (mut interval, mut done) = (0, 0);
    let mut segments = Segments::new(packed)?;
    while done < layout.samples {
        let (marker, body) = segments.next().ok_or("has JPEG data that end before a scan")??;
        match marker {
            0xc4 => read_tables(body, &mut tables)?,
            0xc3 => {
                let parts = body.get(6..).unwrap_or_default().as_chunks::<3>().0;
                components = parts.iter().map(|[id, ..]| *id).collect();
                if components.len() != layout.samples
                    || layout.samples > 1 && parts.iter().any(|[_, size, _]| *size != 0x11)
                {
                    return Err("has lossless JPEG data with subsampled colours, which are not read".into());
                }
            }
            0xdd => {
                let rate =
                    body.first_chunk().ok_or("has damaged JPEG data: an empty restart interval segment")?;
                interval = usize::from(u16::from_be_bytes(*rate));
            }
            0xda => {
                let scan = Scan::parse(body, &components, &tables, head.precision, layout, interval)?;
                done += scan.places.len();
                segments.at = scan.decode(packed, segments.at, &mut values)?;
            }
            0xd9 => return Err("is cut short: its JPEG data end before the last colour".into()),
            _ => {}
        }
    }
    Ok(match layout.allocated {
        8 => Raw::Bytes(values.into_iter().map(|value| value as u8).collect()),
        _ => Raw::Words(values),
    })
}

/// A Huffman lookup table: for each next 16 bits, the length of the code and its symbol; length 0
/// for an invalid code.
type Table = Vec<(u8, u8)>;

fn read_tables(mut body: &[u8], tables: &mut [Option<Table>; 4]) -> Result<(), String> {
    let damaged = "has damaged JPEG data: an invalid Huffman table";
    while let [place, counts @ ..] = body {
        let (counts, rest) = counts.split_first_chunk::<16>().ok_or(damaged)?;
        let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
        let (symbols, rest) = rest.split_at_checked(total).ok_or(damaged)?;
        body = rest;
        let mut table = vec![(0, 0); 1 << 16];
        let (mut code, mut symbols) = (0usize, symbols.iter());
        for (shorter, count) in counts.iter().enumerate() {
            let width = 1 << (15 - shorter);
            for symbol in symbols.by_ref().take((*count).into()) {
                table.get_mut(code..code + width).ok_or(damaged)?.fill((shorter as u8 + 1, *symbol));
                code += width;
            }
        }
        // Those of the other class are for cosine transforms.
        if *place < 4 {
            tables[usize::from(*place)] = Some(table);
        }
    }
    Ok(())
}

/// One scan: some of the colours, or all.
struct Scan<'a> {
    /// For each colour in it, its channel and its Huffman table.
    places: Vec<(usize, &'a Table)>,
    predictor: u8,
    /// The point transform: low bits that were dropped.
    dropped: u8,
    /// The prediction of the first value.
    begin: i32,
    columns: usize,
    samples: usize,
    /// Rows between restarts.
    interval: usize,
}

impl<'a> Scan<'a> {
    fn parse(
        body: &[u8],
        components: &[u8],
        tables: &'a [Option<Table>; 4],
        precision: u8,
        layout: &PixelLayout,
        interval: usize,
    ) -> Result<Self, String> {
        let damaged = "has damaged JPEG data: an invalid scan header";
        let (count, rest) = body.split_first().ok_or(damaged)?;
        let (parts, rest) = rest.split_at_checked(2 * usize::from(*count)).ok_or(damaged)?;
        let [predictor @ 1..=7, _, dropped, ..] = *rest else { return Err(damaged.into()) };
        let dropped = dropped & 15;
        if parts.is_empty() || dropped >= precision {
            return Err(damaged.into());
        }
        let mut places = Vec::new();
        for [id, table] in parts.as_chunks().0 {
            let place = components.iter().position(|known| known == id).ok_or(damaged)?;
            let table = tables.get(usize::from(table >> 4)).and_then(Option::as_ref).ok_or(damaged)?;
            places.push((place, table));
        }
        if !interval.is_multiple_of(layout.columns) {
            return Err(format!(
                "has lossless JPEG data with restarts after {interval} pixels, which are not whole rows of {}",
                layout.columns
            ));
        }
        Ok(Scan {
            places,
            predictor,
            dropped,
            begin: 1 << (precision - dropped - 1),
            columns: layout.columns,
            samples: layout.samples,
            interval: interval / layout.columns,
        })
    }

    /// Decodes from byte `at` on; where the next marker is.
    fn decode(&self, packed: &[u8], at: usize, values: &mut [u16]) -> Result<usize, String> {
        let mut bits = Bits { bytes: packed, at, bits: 0, held: 0 };
        let row = self.columns * self.samples;
        for begin in (0..values.len()).step_by(row) {
            let since = if self.interval == 0 { begin / row } else { (begin / row) % self.interval };
            if since == 0 && begin > 0 {
                bits.restart()?;
            }
            for pixel in (begin..begin + row).step_by(self.samples) {
                for (place, table) in &self.places {
                    let here = pixel + place;
                    let difference = bits.difference(table)?;
                    let left = || i32::from(values[here - self.samples]);
                    let above = || i32::from(values[here - row]);
                    let predicted = match (pixel > begin, since > 0) {
                        (false, false) => self.begin,
                        (true, false) => left(),
                        (false, true) => above(),
                        (true, true) => {
                            let corner = || i32::from(values[here - row - self.samples]);
                            match self.predictor {
                                1 => left(),
                                2 => above(),
                                3 => corner(),
                                4 => left() + above() - corner(),
                                5 => left() + ((above() - corner()) >> 1),
                                6 => above() + ((left() - corner()) >> 1),
                                _ => (left() + above()) >> 1,
                            }
                        }
                    };
                    values[here] = (predicted + difference) as u16;
                }
            }
        }
        if self.dropped > 0 {
            for (place, _) in &self.places {
                values
                    .iter_mut()
                    .skip(*place)
                    .step_by(self.samples)
                    .for_each(|value| *value <<= self.dropped);
            }
        }
        Ok(bits.at)
    }
}

/// Bits of a scan, to its marker.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The bits that come next, from the top down, and how many there are.
    bits: u64,
    held: u32,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.held <= 56 {
            let byte = match self.bytes.get(self.at..) {
                Some([0xff, 0, ..]) => {
                    self.at += 1;
                    0xff
                }
                Some([0xff, ..]) | Some([]) | None => return,
                Some([byte, ..]) => *byte,
            };
            self.at += 1;
            self.bits |= u64::from(byte) << (56 - self.held);
            self.held += 8;
        }
    }

    fn skip(&mut self, count: u32) -> Result<(), String> {
        if count > self.held {
            return Err("is cut short: its JPEG data end before the last pixel".into());
        }
        self.bits <<= count;
        self.held -= count;
        Ok(())
    }

    fn difference(&mut self, table: &Table) -> Result<i32, String> {
        if self.held < 32 {
            self.fill();
        }
        let (len, count) = table[(self.bits >> 48) as usize];
        match (len, count) {
            (1.., 0) => self.skip(len.into()).map(|()| 0),
            (1.., 16) => self.skip(len.into()).map(|()| 32768),
            (1.., 1..16) => {
                self.skip(len.into())?;
                let value = (self.bits >> (64 - count)) as i32;
                self.skip(count.into())?;
                // Those that begin with 0 are negative.
                Ok(if value >> (count - 1) == 0 { value - (1 << count) + 1 } else { value })
            }
            // Zeros stand where there are no more bits.
            _ if self.held < 16 => Err("is cut short: its JPEG data end before the last pixel".into()),
            _ => Err("has damaged JPEG data: an invalid Huffman code".into()),
        }
    }

    /// Steps over a restart's marker, and what is left of the byte before it.
    fn restart(&mut self) -> Result<(), String> {
        // Whole bytes of what is held would be data beyond the marker.
        if self.held >= 8 {
            return Err("has damaged JPEG data: too many bits before a restart marker".into());
        }
        (self.bits, self.held) = (0, 0);
        match self.bytes.get(self.at..) {
            Some([0xff, 0xd0..=0xd7, ..]) => self.at += 2,
            _ => return Err("has damaged JPEG data: a missing restart marker".into()),
        }
        Ok(())
    }
}
