//! One scan of a JPEG image: which components are in it, and their coefficients, as they are coded all at once or, in
//! progressive images, a few of them and a few bits of each.

use super::huffman::{Bits, END, Table};
use super::idct::Block;

/// The zigzag order: the place of each coded coefficient in a block.
const PLACES: [u8; 64] = {
    let mut places = [0; 64];
    let (mut at, mut diagonal) = (0, 0);
    while diagonal < 15 {
        let mut step = 0;
        while step <= diagonal {
            // Odd diagonals go down, even ones up.
            let row = if diagonal % 2 == 1 { step } else { diagonal - step };
            let column = diagonal - row;
            if row < 8 && column < 8 {
                places[at] = 8 * row as u8 + column as u8;
                at += 1;
            }
            step += 1;
        }
        diagonal += 1;
    }
    places
};

/// The place in a block of the coefficient with this zigzag index.
#[inline(always)]
pub fn place(at: usize) -> usize {
    usize::from(PLACES[at & 63]) & 63
}

/// One component in a scan.
pub struct Part<'a> {
    /// Which of the image's components.
    pub component: usize,
    pub dc: Option<&'a Table>,
    pub ac: Option<&'a Table>,
    /// Blocks of it in a unit, across and down.
    pub across: usize,
    pub down: usize,
}

/// The part of the coefficients that a scan has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// All of them.
    Whole,
    /// The DC coefficients, without this many of their lowest bits.
    Dc { low: u32 },
    /// One more bit of them.
    DcMore { low: u32 },
    /// AC coefficients of one component, without this many of their lowest bits.
    Ac { first: usize, last: usize, low: u32 },
    /// One more bit of them.
    AcMore { first: usize, last: usize, low: u32 },
}

impl Stage {
    /// Whether it is coded by DC tables.
    pub fn takes_dc(self) -> bool {
        matches!(self, Stage::Whole | Stage::Dc { .. })
    }

    /// Whether it is coded by AC tables.
    pub fn takes_ac(self) -> bool {
        matches!(self, Stage::Whole | Stage::Ac { .. } | Stage::AcMore { .. })
    }
}

/// The coefficients of a component.
#[derive(Default)]
pub struct Coefficients {
    pub blocks: Vec<Block>,
    /// Of each block up to which, in order of coding, it may have any.
    pub last: Vec<u8>,
    /// Blocks in a row.
    pub row: usize,
}

/// Units of a scan: blocks that stand together in it. They come row by row, with restarts after so many.
pub struct Scan<'a> {
    pub parts: Vec<Part<'a>>,
    pub stage: Stage,
    /// Units in a row.
    pub columns: usize,
    /// Units between restarts, or 0.
    pub interval: usize,
}

/// An invalid code, or too few bits.
const WRONG: &str = "bits that are no code";
const SHORT: &str = "too few bits for its pixels";

/// A scan being decoded.
pub struct Decoding<'a> {
    scan: Scan<'a>,
    bytes: &'a [u8],
    /// Where the parts between restarts end, and how many are begun.
    ends: &'a [usize],
    begun: usize,
    bits: Bits<'a>,
    /// Units to the next restart.
    left: usize,
    /// The last DC coefficient of each part.
    before: [i32; 4],
    /// How many blocks more have no further coefficients in this scan.
    empty: u32,
}

impl<'a> Decoding<'a> {
    /// From bytes without what is stuffed between them, parts of which end at `ends`.
    pub fn new(scan: Scan<'a>, bytes: &'a [u8], ends: &'a [usize]) -> Self {
        let bits = Bits::new(bytes, 0, 0);
        Decoding { scan, bytes, ends, begun: 0, bits, left: 0, before: [0; 4], empty: 0 }
    }

    fn begin(&mut self) -> Result<(), &'static str> {
        if self.begun > 0 && self.bits.left() {
            return Err("too many bits before a restart marker");
        }
        let start = if self.begun == 0 { 0 } else { self.ends[self.begun - 1] };
        let end = *self.ends.get(self.begun).ok_or("missing restart markers")?;
        self.bits = Bits::new(self.bytes, start, end);
        self.begun += 1;
        (self.before, self.empty) = ([0; 4], 0);
        self.left = if self.scan.interval == 0 { usize::MAX } else { self.scan.interval };
        Ok(())
    }

    /// Decodes the next row of units, which has number `row` in `into`.
    pub fn row(&mut self, row: usize, into: &mut [Coefficients]) -> Result<(), &'static str> {
        // A copy stays in registers.
        let mut bits = self.bits;
        for column in 0..self.scan.columns {
            if self.left == 0 || self.begun == 0 {
                self.bits = bits;
                self.begin()?;
                bits = self.bits;
            }
            self.left -= 1;
            for (part, before) in self.scan.parts.iter().zip(&mut self.before) {
                let to = &mut into[part.component];
                for down in 0..part.down {
                    let first = (row * part.down + down) * to.row + column * part.across;
                    let blocks = to.blocks[first..][..part.across].iter_mut();
                    for (block, last) in blocks.zip(&mut to.last[first..]) {
                        let bits = &mut bits;
                        *last = match (self.scan.stage, part.dc, part.ac) {
                            (Stage::Whole, Some(dc), Some(ac)) => whole(bits, dc, ac, before, block)?,
                            (Stage::Dc { low }, Some(dc), _) => {
                                block[0] = (first_one(bits, dc, before)? << low) as i16;
                                63
                            }
                            (Stage::DcMore { low }, ..) => {
                                block[0] |= (bits.take(1) << low) as i16;
                                63
                            }
                            (Stage::Ac { first, last, low }, _, Some(ac)) => {
                                further(bits, ac, first..last + 1, low, &mut self.empty, block)?;
                                63
                            }
                            (Stage::AcMore { first, last, low }, _, Some(ac)) => {
                                refined(bits, ac, first..last + 1, low, &mut self.empty, block)?;
                                63
                            }
                            _ => return Err("a scan without its Huffman table"),
                        };
                    }
                }
            }
            if bits.overrun() {
                return Err(SHORT);
            }
        }
        self.bits = bits;
        Ok(())
    }
}

/// The next DC coefficient.
#[inline(always)]
fn first_one(bits: &mut Bits<'_>, dc: &Table, before: &mut i32) -> Result<i32, &'static str> {
    let (run, difference) = bits.next(dc);
    if run != 0 {
        return Err(WRONG);
    }
    *before = before.wrapping_add(difference);
    Ok(*before)
}

/// All coefficients of a block; up to which it has any.
#[inline(always)]
fn whole(
    bits: &mut Bits<'_>,
    dc: &Table,
    ac: &Table,
    before: &mut i32,
    block: &mut Block,
) -> Result<u8, &'static str> {
    *block = [0; 64];
    block[0] = first_one(bits, dc, before)? as i16;
    let mut at = 1;
    loop {
        bits.refill();
        for _ in 0..3 {
            let (run, value) = bits.next_held(ac);
            if at + run > 63 {
                return if run == END { Ok(at as u8 - 1) } else { Err(WRONG) };
            }
            at += run;
            block[place(at)] = value as i16;
            at += 1;
            if at > 63 {
                return Ok(63);
            }
        }
    }
}

/// How many blocks, this one included, have no more coefficients.
fn ended(bits: &mut Bits<'_>, more: i32) -> u32 {
    (1 << more) + bits.take(more as u32)
}

/// Some coefficients of a block, of which none is known.
fn further(
    bits: &mut Bits<'_>,
    ac: &Table,
    range: std::ops::Range<usize>,
    low: u32,
    empty: &mut u32,
    block: &mut Block,
) -> Result<(), &'static str> {
    if *empty > 0 {
        *empty -= 1;
        return Ok(());
    }
    let mut at = range.start;
    while at < range.end {
        let (run, value) = bits.next(ac);
        if run == END {
            *empty = ended(bits, value) - 1;
            return Ok(());
        }
        at += run;
        if at >= range.end {
            return Err(WRONG);
        }
        block[place(at)] = (value << low) as i16;
        at += 1;
    }
    Ok(())
}

/// One bit more of some coefficients of a block: of those that are known, and those that come to be so.
fn refined(
    bits: &mut Bits<'_>,
    ac: &Table,
    range: std::ops::Range<usize>,
    low: u32,
    empty: &mut u32,
    block: &mut Block,
) -> Result<(), &'static str> {
    let mut at = range.start;
    while at < range.end && *empty == 0 {
        let (mut run, value) = bits.next(ac);
        if run == END {
            *empty = ended(bits, value);
            break;
        }
        if run > 15 || value.abs() > 1 {
            return Err(WRONG);
        }
        // Known ones on the way do not count.
        loop {
            if at >= range.end {
                return Err(WRONG);
            }
            let coefficient = &mut block[place(at)];
            if *coefficient != 0 {
                refine(bits, coefficient, low);
            } else if run == 0 {
                *coefficient = (value << low) as i16;
                at += 1;
                break;
            } else {
                run -= 1;
            }
            at += 1;
        }
    }
    if *empty > 0 {
        for at in at..range.end {
            let coefficient = &mut block[place(at)];
            if *coefficient != 0 {
                refine(bits, coefficient, low);
            }
        }
        *empty -= 1;
    }
    Ok(())
}

fn refine(bits: &mut Bits<'_>, coefficient: &mut i16, low: u32) {
    let bit = 1 << low;
    if bits.take(1) == 1 && *coefficient & bit == 0 {
        *coefficient = coefficient.wrapping_add(if *coefficient > 0 { bit } else { -bit });
    }
}
