//! From the components of a JPEG image to rows of its pixels as libjpeg makes them by default, to the bit: chroma
//! of half the size upsampled by a triangle filter, and YCbCr turned to RGB in fixed point with 16 fractional bits.

use crate::simd::vectorized;
use macro_rules_attribute::apply;

/// How a component is upsampled to the image's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// It has that size.
    None,
    /// Twice the columns, by the triangle filter.
    Columns,
    /// Twice the rows, by the triangle filter.
    Rows,
    /// Twice both.
    Both,
    /// Each value repeated so often in a row, and each row so often.
    Repeat(usize, usize),
}

impl Stretch {
    /// libjpeg's choice for a component `width` wide that is subsampled by these factors.
    pub fn new(columns: usize, rows: usize, width: usize) -> Self {
        match (columns, rows) {
            (1, 1) => Stretch::None,
            (2, 1) if width > 2 => Stretch::Columns,
            (1, 2) => Stretch::Rows,
            (2, 2) if width > 2 => Stretch::Both,
            _ => Stretch::Repeat(columns, rows),
        }
    }
}

/// A component's values: rows of `stride`, of which so much is the image's.
pub struct Plane<'a> {
    pub values: &'a [u8],
    pub stride: usize,
    pub width: usize,
    pub height: usize,
    pub stretch: Stretch,
}

impl Plane<'_> {
    fn line(&self, at: usize) -> &[u8] {
        &self.values[at.min(self.height - 1) * self.stride..][..self.width]
    }

    /// Row `at` of the image's size; it may be longer than the image is wide.
    pub fn row<'a>(&'a self, at: usize, to: &'a mut Vec<u8>, sums: &mut Vec<u16>) -> &'a [u8] {
        // The nearer row and the other one beside; at the edges it is the same.
        let near = at / 2;
        let other = if at.is_multiple_of(2) { near.saturating_sub(1) } else { near + 1 };
        match self.stretch {
            Stretch::None => return self.line(at),
            Stretch::Columns => {
                to.resize(2 * self.width, 0);
                wider(self.line(at), to);
            }
            Stretch::Rows => {
                to.resize(self.width, 0);
                taller(self.line(near), self.line(other), 1 + (at % 2) as u16, to);
            }
            Stretch::Both => {
                to.resize(2 * self.width, 0);
                sums.resize(self.width, 0);
                both(self.line(near), self.line(other), sums, to);
            }
            Stretch::Repeat(columns, rows) => {
                to.clear();
                to.extend(self.line(at / rows).iter().flat_map(|value| std::iter::repeat_n(*value, columns)));
            }
        }
        to
    }
}

/// Three quarters of the nearer value and one of the other; halves are rounded down and up by turns. At least two values.
#[apply(vectorized)]
fn wider(row: &[u8], to: &mut [u8]) {
    let to = to.as_chunks_mut::<2>().0;
    let last = row.len() - 1;
    let [left, here, right] = [&row[..last - 1], &row[1..last], &row[2..]];
    for (((to, left), here), right) in to[1..].iter_mut().zip(left).zip(here).zip(right) {
        let three = 3 * u16::from(*here);
        *to = [((three + u16::from(*left) + 1) >> 2) as u8, ((three + u16::from(*right) + 2) >> 2) as u8];
    }
    let quarter =
        |near: u8, other: u8, half: u16| ((3 * u16::from(near) + u16::from(other) + half) >> 2) as u8;
    to[0] = [row[0], quarter(row[0], row[1], 2)];
    to[last] = [quarter(row[last], row[last - 1], 1), row[last]];
}

/// Three quarters of the nearer row and one of the other.
#[apply(vectorized)]
fn taller(near: &[u8], other: &[u8], half: u16, to: &mut [u8]) {
    for ((to, near), other) in to.iter_mut().zip(near).zip(other) {
        *to = ((3 * u16::from(*near) + u16::from(*other) + half) >> 2) as u8;
    }
}

/// Both at once, rounded at the end. At least two values.
#[apply(vectorized)]
fn both(near: &[u8], other: &[u8], sums: &mut [u16], to: &mut [u8]) {
    for ((sum, near), other) in sums.iter_mut().zip(near).zip(other) {
        *sum = 3 * u16::from(*near) + u16::from(*other);
    }
    let to = to.as_chunks_mut::<2>().0;
    let last = sums.len() - 1;
    let [left, here, right] = [&sums[..last - 1], &sums[1..last], &sums[2..]];
    for (((to, left), here), right) in to[1..].iter_mut().zip(left).zip(here).zip(right) {
        *to = [((3 * here + left + 8) >> 4) as u8, ((3 * here + right + 7) >> 4) as u8];
    }
    let (first, second) = (sums[0], sums[1]);
    to[0] = [((4 * first + 8) >> 4) as u8, ((3 * first + second + 7) >> 4) as u8];
    let (end, before) = (sums[last], sums[last - 1]);
    to[last] = [((3 * end + before + 8) >> 4) as u8, ((4 * end + 7) >> 4) as u8];
}

/// A fixed-point constant with 16 fractional bits.
const fn fixed(value: f64) -> i32 {
    (value * 65536.0 + 0.5) as i32
}

/// Rows of YCbCr, as pixels.
#[apply(vectorized)]
pub fn rgb(luma: &[u8], blue: &[u8], red: &[u8], to: &mut [[u8; 3]]) {
    const HALF: i32 = 1 << 15;
    for (((to, y), b), r) in to.iter_mut().zip(luma).zip(blue).zip(red) {
        let (y, b, r) = (i32::from(*y), i32::from(*b) - 128, i32::from(*r) - 128);
        let red = y + ((fixed(1.402) * r + HALF) >> 16);
        let green = y + ((HALF - fixed(0.34414) * b - fixed(0.71414) * r) >> 16);
        let blue = y + ((fixed(1.772) * b + HALF) >> 16);
        *to = [red, green, blue].map(|value| value.clamp(0, 255) as u8);
    }
}

/// Three rows as pixels.
pub fn interleaved(rows: [&[u8]; 3], to: &mut [[u8; 3]]) {
    let [a, b, c] = rows;
    for (((to, a), b), c) in to.iter_mut().zip(a).zip(b).zip(c) {
        *to = [*a, *b, *c];
    }
}
