//! Windows and OS/2 bitmaps: palettes of 1, 4 and 8 bits, plain or run-length encoded, and 16, 24 and 32 bits, in the
//! usual fields or any others. Decoded here, as the one small crate for it fills the missing
//! part of a cut file with black.

/// A file whose headers have been read.
pub(in crate::data) struct Bmp<'a> {
    pub height: usize,
    pub width: usize,
    pub alpha: bool,
    /// Whether the first row of the file is the lowest.
    bottom_up: bool,
    pixels: Pixels,
    /// From where the pixels begin.
    data: &'a [u8],
}

enum Pixels {
    /// Indices of this many bits into these colours.
    Palette { bits: usize, colors: Vec<[u8; 3]>, encoded: bool },
    /// Bytes of a pixel, and where its red, green and blue are.
    Fields { bytes: usize, fields: [Field; 3] },
}

/// The bits of one channel in a pixel.
#[derive(Clone, Copy)]
struct Field {
    shift: u32,
    bits: u32,
}

impl Field {
    fn from_mask(mask: u32) -> Result<Self, String> {
        let (shift, bits) = (mask.trailing_zeros(), mask.count_ones());
        if mask == 0 || (mask >> shift).trailing_ones() != bits {
            return Err(format!("its colour mask {mask:#010x} is not one run of bits"));
        }
        Ok(Field { shift, bits })
    }

    /// The value in 8 bits.
    fn value(self, pixel: u32) -> u8 {
        let most = u32::MAX >> (32 - self.bits);
        let value = pixel >> self.shift & most;
        if self.bits > 8 {
            return (value >> (self.bits - 8)) as u8;
        }
        ((value * 255 + most / 2) / most) as u8
    }
}

/// Little-endian numbers of a file.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn short(&self, at: usize) -> Result<u32, String> {
        let bytes = self.0.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map(|bytes| u32::from(u16::from_le_bytes(*bytes))).ok_or_else(cut)
    }

    fn long(&self, at: usize) -> Result<u32, String> {
        let bytes = self.0.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map(|bytes| u32::from_le_bytes(*bytes)).ok_or_else(cut)
    }
}

fn cut() -> String {
    "it is cut short".into()
}

/// Bytes of the file's own header.
const FILE_HEADER: usize = 14;

impl<'a> Bmp<'a> {
    pub fn new(file: &'a [u8]) -> Result<Self, String> {
        let numbers = Numbers(file);
        let (start, header) = (numbers.long(10)? as usize, numbers.long(FILE_HEADER)? as usize);
        let old = header == 12;
        if !old && !(16..=256).contains(&header) {
            return Err(format!("its header says that it has {header} bytes"));
        }
        let (width, height, bits) = if old {
            (numbers.short(18)? as i32, numbers.short(20)? as i32, numbers.short(24)?)
        } else {
            (numbers.long(18)? as i32, numbers.long(22)? as i32, numbers.short(28)?)
        };
        if width < 0 || height == i32::MIN {
            return Err(format!("its header says that it has {height} x {width} pixels"));
        }
        // Fields that a short header leaves out are 0.
        let field = |at: usize| if at + 4 <= FILE_HEADER + header && !old { numbers.long(at) } else { Ok(0) };
        let (compression, used) = (field(30)?, field(46)? as usize);
        let data = file.get(start..).ok_or_else(cut)?;
        let mut alpha = false;
        let pixels = match (bits, compression) {
            (1 | 4 | 8, 0) | (8, 1) | (4, 2) => {
                let most = 1 << bits;
                let count = if used == 0 { most } else { used.min(most) };
                let entry = if old { 3 } else { 4 };
                let table = file.get(FILE_HEADER + header..start).ok_or_else(cut)?;
                let colors =
                    table.chunks_exact(entry).take(count).map(|color| [color[2], color[1], color[0]]);
                Pixels::Palette { bits: bits as usize, colors: colors.collect(), encoded: compression != 0 }
            }
            (24, 0) => Pixels::Fields { bytes: 3, fields: fields([0xff_0000, 0xff00, 0xff])? },
            (32, 0) => Pixels::Fields { bytes: 4, fields: fields([0xff_0000, 0xff00, 0xff])? },
            (16, 0) => Pixels::Fields { bytes: 2, fields: fields([0x7c00, 0x3e0, 0x1f])? },
            (16 | 32, 3 | 6) => {
                // Of the later headers a part, else behind the header: at one place.
                let mask = |at: usize| numbers.long(FILE_HEADER + 40 + 4 * at);
                alpha = (header >= 56 || compression == 6) && mask(3)? != 0;
                Pixels::Fields { bytes: bits as usize / 8, fields: fields([mask(0)?, mask(1)?, mask(2)?])? }
            }
            _ => return Err(format!("its pixels have {bits} bits and the compression {compression}")),
        };
        let bottom_up = height > 0;
        let (height, width) = (height.unsigned_abs() as usize, width as usize);
        Ok(Bmp { height, width, alpha, bottom_up, pixels, data })
    }

    /// Red, green and blue of all pixels, from the top.
    pub fn rgb(&self) -> Result<Vec<u8>, String> {
        let mut rgb = vec![0; 3 * self.width * self.height];
        match &self.pixels {
            Pixels::Palette { bits, colors, encoded: true } => {
                let numbers = self.decoded(*bits)?;
                for (y, row) in numbers.chunks_exact(self.width).enumerate() {
                    let pixels = row.iter().map(|number| match number {
                        Some(number) => color(colors, *number),
                        // Some readers have black there, and others the palette's first colour.
                        None if colors.first() == Some(&[0; 3]) => Ok([0; 3]),
                        None => Err("its run lengths skip pixels, and its first colour is not black".into()),
                    });
                    self.paint(&mut rgb, y, pixels)?;
                }
            }
            Pixels::Palette { bits, colors, encoded: false } => {
                let number = |row: &[u8], x: usize| {
                    let from_left = x * bits % 8;
                    row[x * bits / 8] >> (8 - bits - from_left) & (0xff >> (8 - bits))
                };
                for (y, row) in self.rows(self.width * bits)?.enumerate() {
                    self.paint(&mut rgb, y, (0..self.width).map(|x| color(colors, number(row, x))))?;
                }
            }
            Pixels::Fields { bytes, fields } => {
                for (y, row) in self.rows(self.width * bytes * 8)?.enumerate() {
                    let pixels = row.chunks_exact(*bytes).take(self.width).map(|pixel| {
                        let mut wide = [0; 4];
                        wide[..*bytes].copy_from_slice(pixel);
                        Ok(fields.map(|field| field.value(u32::from_le_bytes(wide))))
                    });
                    self.paint(&mut rgb, y, pixels)?;
                }
            }
        }
        Ok(rgb)
    }

    /// Rows of pixels of `bits` bits, each padded to four bytes, in file order.
    fn rows(&self, bits: usize) -> Result<impl Iterator<Item = &'a [u8]>, String> {
        let row = bits.div_ceil(32) * 4;
        // The last row's padding may be missing.
        let least = (row * (self.height - 1) + bits.div_ceil(8)).min(row * self.height);
        if self.data.len() < least {
            return Err(cut());
        }
        Ok(self.data.chunks(row).take(self.height))
    }

    /// Writes a row of the file to its place.
    fn paint(
        &self,
        rgb: &mut [u8],
        y: usize,
        pixels: impl Iterator<Item = Result<[u8; 3], String>>,
    ) -> Result<(), String> {
        let y = if self.bottom_up { self.height - 1 - y } else { y };
        let row = &mut rgb[3 * self.width * y..3 * self.width * (y + 1)];
        for (out, pixel) in row.chunks_exact_mut(3).zip(pixels) {
            out.copy_from_slice(&pixel?);
        }
        Ok(())
    }

    /// The palette indices of a run-length encoded image, in file order; `None` for skipped pixels.
    fn decoded(&self, bits: usize) -> Result<Vec<Option<u8>>, String> {
        let mut numbers = vec![None; self.width * self.height];
        let (mut x, mut y) = (0, 0);
        let mut bytes = self.data.iter().copied();
        let mut next = || bytes.next().ok_or_else(cut);
        let mut put = |x: usize, y: usize, number: u8| {
            if x < self.width && y < self.height {
                numbers[y * self.width + x] = Some(number);
                Ok(())
            } else {
                Err(format!("it continues at row {}, column {}, outside the image", y + 1, x + 1))
            }
        };
        let index = |byte: u8, at: usize| if bits == 8 { byte } else { byte >> (4 * (1 - at % 2)) & 15 };
        loop {
            match (next()?, next()?) {
                (0, 0) => (x, y) = (0, y + 1),
                (0, 1) => return Ok(numbers),
                (0, 2) => (x, y) = (x + usize::from(next()?), y + usize::from(next()?)),
                (0, count) => {
                    let count = usize::from(count);
                    let len = (count * bits).div_ceil(8);
                    let mut byte = 0;
                    for at in 0..count {
                        if bits == 8 || at % 2 == 0 {
                            byte = next()?;
                        }
                        put(x + at, y, index(byte, at))?;
                    }
                    x += count;
                    if len % 2 == 1 {
                        next()?;
                    }
                }
                (count, byte) => {
                    for at in 0..usize::from(count) {
                        put(x + at, y, index(byte, at))?;
                    }
                    x += usize::from(count);
                }
            }
        }
    }
}

fn fields(masks: [u32; 3]) -> Result<[Field; 3], String> {
    let [red, green, blue] = masks.map(Field::from_mask);
    Ok([red?, green?, blue?])
}

fn color(colors: &[[u8; 3]], number: u8) -> Result<[u8; 3], String> {
    let known = colors.get(usize::from(number)).copied();
    known.ok_or_else(|| format!("it has colour {number} of a palette of {}", colors.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use image::ImageFormat;

    /// A file with a header of 40 bytes, or of 12 where `old`; `extra` goes between header and pixels.
    fn file(
        old: bool,
        [height, width]: [i32; 2],
        [bits, compression, used]: [u32; 3],
        extra: &[u8],
        data: &[u8],
    ) -> Vec<u8> {
        let header = if old {
            let fields = [width as u16, height as u16, 1, bits as u16];
            [&12u32.to_le_bytes()[..], &fields.map(u16::to_le_bytes).concat()].concat()
        } else {
            let fields = [width as u32, height as u32, 1 | bits << 16, compression, 0, 2835, 2835, used, 0];
            [&40u32.to_le_bytes()[..], &fields.map(u32::to_le_bytes).concat()].concat()
        };
        let start = (FILE_HEADER + header.len() + extra.len()) as u32;
        let whole = [b"BM\0\0\0\0\0\0\0\0", &start.to_le_bytes()[..], &header, extra, data].concat();
        let len = whole.len() as u32;
        [&whole[..2], &len.to_le_bytes(), &whole[6..]].concat()
    }

    fn rgb(file: &[u8]) -> Result<Vec<u8>, String> {
        Bmp::new(file)?.rgb()
    }

    /// What another library reads, and that nothing but a whole file is read.
    #[track_caller]
    fn as_another_reads_it(file: &[u8], from: usize) {
        let want = image::load_from_memory_with_format(file, ImageFormat::Bmp).unwrap().to_rgb8();
        let bmp = Bmp::new(file).unwrap();
        assert_eq!([bmp.height, bmp.width], [want.height() as usize, want.width() as usize]);
        assert_eq!(bmp.rgb().unwrap(), want.into_raw());
        for end in 0..from {
            assert!(rgb(&file[..end]).is_err(), "{end} of {} bytes", file.len());
        }
    }

    fn noise(count: usize, seed: u64) -> Vec<u8> {
        let mut random = Random::stream(seed, 0);
        (0..count).map(|_| random.bits() as u8).collect()
    }

    #[test]
    fn plain_ones_of_every_width() {
        for width in 1..=17 {
            for (bits, entry) in [(1, 4), (4, 4), (8, 4), (16, 0), (24, 0), (32, 0)] {
                let row = (width as usize * bits as usize).div_ceil(32) * 4;
                let palette = noise((entry << bits) * usize::from(bits <= 8), 1);
                let data = noise(3 * row, width as u64);
                let whole = file(false, [3, width], [bits, 0, 0], &palette, &data);
                let filled = row - (width as usize * bits as usize).div_ceil(8);
                as_another_reads_it(&whole, whole.len() - filled);
                // From the top.
                as_another_reads_it(&file(false, [-3, width], [bits, 0, 0], &palette, &data), 0);
            }
            let data = noise(2 * (width as usize).div_ceil(4) * 4, 2);
            as_another_reads_it(&file(true, [2, width], [8, 0, 0], &noise(768, 3), &data), 0);
        }
    }

    #[test]
    fn fields_of_every_kind() {
        let masks = |masks: [u32; 3]| masks.map(u32::to_le_bytes).concat();
        for (bits, fields) in [
            (16, [0xf800, 0x07e0, 0x001f]),
            (16, [0x0f00, 0x00f0, 0x000f]),
            (16, [0x001f, 0x03e0, 0x7c00]),
            (32, [0xff, 0xff00, 0xff_0000]),
            (32, [0xff00_0000, 0x00ff_0000, 0x0000_ff00]),
        ] {
            let row = (5 * bits as usize).div_ceil(32) * 4;
            as_another_reads_it(&file(false, [4, 5], [bits, 3, 0], &masks(fields), &noise(4 * row, 4)), 0);
        }
        for (fields, reason) in [([0xf80f, 0x7e0, 0x10], "not one run"), ([0, 0x7e0, 0x1f], "not one run")] {
            let error = rgb(&file(false, [1, 2], [16, 3, 0], &masks(fields), &[0; 4])).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn run_lengths() {
        // Pixels that are passed over are black.
        let palette = [&[0; 4][..], &noise(1020, 5)].concat();
        // Runs, literals of odd and even number, the end of a row, a move, the end.
        let eight: &[u8] = &[
            3, 7, 0, 3, 1, 2, 3, 0, 2, 9, 0, 0, // a row of eight
            0, 4, 5, 6, 7, 8, 4, 200, 0, 0, // another
            0, 2, 2, 0, 6, 77, 0, 0, 8, 1, 0, 1,
        ];
        as_another_reads_it(&file(false, [4, 8], [8, 1, 0], &palette, eight), 1076 + eight.len() + 14 - 36);
        let four: &[u8] =
            &[5, 0x12, 0, 3, 0x34, 0x50, 0, 0, 0, 5, 0x67, 0x89, 0xa0, 0, 3, 0xbc, 0, 0, 8, 0xde, 0, 1];
        as_another_reads_it(&file(false, [3, 8], [4, 2, 0], &palette[..64], four), 60);
        let says = |data: &[u8], reason: &str| {
            let error = rgb(&file(false, [2, 8], [8, 1, 0], &palette, data)).unwrap_err();
            assert!(error.contains(reason), "{error}");
        };
        says(&[9, 1, 0, 1], "row 1, column 9");
        says(&[8, 1, 0, 0, 8, 1, 0, 0, 1, 1, 0, 1], "row 3, column 1");
        says(&[8, 1, 0, 0, 8, 1], "cut short");
        says(&[0, 200, 1, 2], "cut short");
        let colored = file(false, [2, 8], [8, 1, 0], &noise(1024, 6), &[3, 1, 0, 1]);
        assert!(rgb(&colored).unwrap_err().contains("run lengths skip pixels"));
    }

    #[test]
    fn what_is_not_read_says_why() {
        let says = |file: Vec<u8>, reason: &str| {
            let error = rgb(&file).unwrap_err();
            assert!(error.contains(reason), "{error}");
        };
        says(file(false, [1, 1], [8, 0, 2], &[0; 8], &[2, 0, 0, 0]), "colour 2 of a palette of 2");
        says(file(false, [1, 1], [8, 4, 0], &[], &[0; 4]), "8 bits and the compression 4");
        says(file(false, [1, 1], [2, 0, 0], &[], &[0; 4]), "2 bits");
        says(file(false, [1, -1], [24, 0, 0], &[], &[0; 4]), "1 x -1 pixels");
        let mut longer = file(false, [1, 1], [24, 0, 0], &[], &[0; 4]);
        longer[14] = 13;
        says(longer, "header says that it has 13 bytes");
    }
}
