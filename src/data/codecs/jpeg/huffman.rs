//! Huffman codes of JPEG: lookup tables, the bit reader of a scan, and the removal of its stuffed bytes.

/// Bits of a table lookup. Most codes with their values are no longer, and two such tables fit into L1.
const LOOK: u32 = 11;
/// In place of a run: no more values in this block, nor in the next 2^v - 1 + as many as v bits say, for a value v.
pub const END: usize = 127;
/// In place of a run: an invalid code.
const BAD: usize = 255;
/// Marks entries that need more than the table: the value's bits follow, or the code is longer.
const MORE: u32 = 1 << 7;

/// A lookup table of the next bits.
pub struct Table {
    /// For each `LOOK` bits: how many belong to it (7 bits), `MORE`, the run of zeros (8 bits), and the value (16 bits).
    /// Where there is `MORE`, the bits are those of the code, 0 if it is longer, and the value is its number of bits.
    quick: Box<[u32; 1 << LOOK]>,
    /// One above the last code of each length.
    above: [u32; 17],
    /// What to add to a code of each length for its place in `symbols`.
    place: [i32; 17],
    symbols: Vec<u8>,
    /// How many codes there are of each length, and for which class, from which it was made.
    counts: [u8; 16],
    dc: bool,
}

impl Table {
    /// The table of a segment's counts of codes and their symbols; for DC coefficients (`dc`), or for AC.
    pub fn new(counts: &[u8; 16], symbols: &[u8], dc: bool) -> Option<Self> {
        let mut table = Table {
            quick: Box::new([MORE; 1 << LOOK]),
            above: [0; 17],
            place: [0; 17],
            symbols: symbols.to_vec(),
            counts: *counts,
            dc,
        };
        if dc && symbols.iter().any(|symbol| *symbol > 15) {
            return None;
        }
        let (mut code, mut done) = (0u32, 0usize);
        for (len, count) in (1u32..).zip(counts) {
            let count = usize::from(*count);
            table.place[len as usize] = done as i32 - code as i32;
            for symbol in symbols.get(done..done + count)? {
                if len <= LOOK {
                    let first = (code as usize) << (LOOK - len);
                    let spread = table.quick.get_mut(first..first + (1 << (LOOK - len)))?;
                    enter(spread, *symbol, len, dc);
                }
                code += 1;
            }
            done += count;
            if code > 1 << len {
                return None;
            }
            table.above[len as usize] = code;
            code <<= 1;
        }
        Some(table)
    }

    /// Whether it was made of these.
    pub fn is_of(&self, counts: &[u8; 16], symbols: &[u8], dc: bool) -> bool {
        (&self.counts, &self.symbols[..], self.dc) == (counts, symbols, dc)
    }
}

/// Enters a code into all places of the table that begin with it.
fn enter(places: &mut [u32], symbol: u8, len: u32, dc: bool) {
    let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    let left = LOOK - len;
    match size {
        0 if dc || run == 15 => places.fill(len | run << 8),
        0 => places.fill(len | (END as u32) << 8 | run << 16),
        _ if size > left => places.fill(len | MORE | run << 8 | size << 16),
        _ => {
            for (bits, same) in (0u32..).zip(places.chunks_exact_mut(1 << (left - size))) {
                same.fill((len + size) | run << 8 | (value(bits, size) as u32) << 16);
            }
        }
    }
}

/// Sign extension: the value of this many bits, negative where the first bit is 0.
#[inline(always)]
fn value(bits: u32, size: u32) -> i32 {
    let bits = bits as i32;
    if bits >> (size - 1) == 0 { bits - (1 << size) + 1 } else { bits }
}

/// The bits of one part of a scan, which end where it does.
#[derive(Clone, Copy)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte to be taken, and where this part ends.
    at: usize,
    end: usize,
    /// The bits that come next, from the top down, and how many of them count.
    bits: u64,
    held: u32,
}

impl<'a> Bits<'a> {
    /// Those from one byte to another; 8 bytes must follow.
    pub fn new(bytes: &'a [u8], at: usize, end: usize) -> Self {
        Bits { bytes, at, end, bits: 0, held: 0 }
    }

    /// Refills to at least 56 bits; beyond the end they are undefined.
    #[inline(always)]
    pub fn refill(&mut self) {
        let next = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk());
        self.bits |= next.map_or(0, |next| u64::from_be_bytes(*next)) >> self.held;
        self.at += ((63 - self.held) >> 3) as usize;
        self.held |= 56;
    }

    #[inline(always)]
    fn skip(&mut self, count: u32) {
        self.bits <<= count;
        self.held -= count;
    }

    /// Whether whole bytes are left.
    pub fn left(&self) -> bool {
        8 * self.end + self.held as usize >= 8 * self.at + 8
    }

    /// Whether more bits were taken than there are.
    pub fn overrun(&self) -> bool {
        8 * self.at > 8 * self.end + self.held as usize
    }

    /// The next run of zeros and the value after it, 0 after a run of 15; or `END`, or a longer run where it is no code.
    #[inline(always)]
    pub fn next(&mut self, table: &Table) -> (usize, i32) {
        self.refill();
        self.next_held(table)
    }

    /// As `next`, up to three times after a `refill`: 56 bits are enough for two that the table tells, of `LOOK` bits, and one
    /// of the longest, of 31; after such a one there are 56 again.
    #[inline(always)]
    pub fn next_held(&mut self, table: &Table) -> (usize, i32) {
        let entry = table.quick[(self.bits >> (64 - LOOK)) as usize];
        if entry & MORE != 0 {
            let (len, run, value) = longer(self.bits, table, entry);
            self.skip(len);
            self.refill();
            return (run, value);
        }
        self.skip(entry & 63);
        ((entry >> 8 & 255) as usize, entry as i32 >> 16)
    }

    /// The next bits, at most 16.
    #[inline(always)]
    pub fn take(&mut self, count: u32) -> u32 {
        if self.held < 32 {
            self.refill();
        }
        let bits = (self.bits >> 32 >> (32 - count)) as u32;
        self.skip(count);
        bits
    }
}

/// How many of the next bits belong to a code and its value, the run, and the value, where the table alone does not tell.
/// (Bits go in and out by value: those of a scan then stay in registers.)
#[inline(never)]
fn longer(bits: u64, table: &Table, entry: u32) -> (u32, usize, i32) {
    let (mut len, mut run, mut size) = (entry & 63, entry >> 8 & 255, entry >> 16);
    if len == 0 {
        let code = |len: u32| (bits >> (64 - len)) as u32;
        let Some(found) = (LOOK + 1..=16).find(|len| code(*len) < table.above[*len as usize]) else {
            return (0, BAD, 0);
        };
        let place = code(found) as i32 + table.place[found as usize];
        let Some(symbol) = usize::try_from(place).ok().and_then(|place| table.symbols.get(place)) else {
            return (0, BAD, 0);
        };
        (len, run, size) = (found, u32::from(symbol >> 4), u32::from(symbol & 15));
    }
    match size {
        0 if table.dc || run == 15 => (len, run as usize, 0),
        0 => (len, END, run as i32),
        _ => (len + size, run as usize, value((bits << len >> (64 - size)) as u32, size)),
    }
}

/// The bytes of a scan from `at` on, put behind one another into `packed` without what is stuffed between them, 8 zeros after
/// them; where each part ends that is followed by a restart, and where the last does. The place of the next marker, `None`
/// where there is none.
pub fn unstuffed(
    bytes: &[u8],
    mut at: usize,
    packed: &mut Vec<u8>,
    ends: &mut Vec<usize>,
) -> Option<Result<usize, String>> {
    packed.clear();
    ends.clear();
    loop {
        let rest = bytes.get(at..)?;
        let plain = until_ff(rest)?;
        packed.extend_from_slice(&rest[..plain]);
        let filled = rest[plain..].iter().take_while(|byte| **byte == 0xff).count();
        let marker = at + plain + filled - 1;
        match bytes.get(marker + 1)? {
            0 => packed.push(0xff),
            restart @ 0xd0..=0xd7 => {
                if usize::from(restart & 7) != ends.len() % 8 {
                    return Some(Err("a restart out of turn".into()));
                }
                ends.push(packed.len());
            }
            _ => {
                ends.push(packed.len());
                packed.extend_from_slice(&[0; 8]);
                return Some(Ok(marker));
            }
        }
        at = marker + 2;
    }
}

/// The place of the first byte of ones.
fn until_ff(bytes: &[u8]) -> Option<usize> {
    let (wide, _) = bytes.as_chunks::<32>();
    // Without an early end within, this is done in vectors.
    let has = |chunk: &&[u8; 32]| chunk.iter().fold(false, |has, byte| has | (*byte == 0xff));
    let skipped = 32 * wide.iter().position(|chunk| has(&chunk)).unwrap_or(wide.len());
    bytes[skipped..].iter().position(|byte| *byte == 0xff).map(|at| skipped + at)
}
