//! The inverse cosine transform of JPEG as libjpeg's default does it, to the bit: Loeffler, Ligtenberg and Moschytz's, with
//! 13 fractional bits, along columns and then along rows, rounded to 2 fractional bits between them.

/// Coefficients of a block of 8 x 8 pixels, in rows.
pub type Block = [i16; 64];
/// The quantisation table.
pub type Worths = [i32; 64];

/// Fractional bits of the constants, and of values between both passes.
const BITS: i32 = 13;
const BETWEEN: i32 = 2;

/// A fixed-point constant.
const fn fixed(value: f64) -> i32 {
    (value * (1 << BITS) as f64 + 0.5) as i32
}

/// The last coefficient, in order of their coding, of those that lie in the first four rows and columns.
const FEW: u8 = 9;

/// Writes the pixels of blocks that lie beside each other; `last` says of each up to which, in order of coding, it has
/// coefficients. A row of pixels is `stride` long.
pub fn pixels(blocks: &[Block], last: &[u8], worths: &Worths, out: &mut [u8], stride: usize) {
    #[cfg(target_arch = "x86_64")]
    if crate::simd::Simd::current() >= crate::simd::Simd::Avx2 {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::pixels(blocks, last, worths, out, stride) };
    }
    each(blocks, last, worths, out, stride, |block, _| portable(block, worths));
}

/// Goes through blocks; those of one value are filled with it.
#[inline(always)]
fn each(
    blocks: &[Block],
    last: &[u8],
    worths: &Worths,
    out: &mut [u8],
    stride: usize,
    transform: impl Fn(&Block, bool) -> [[u8; 8]; 8],
) {
    for (at, (block, last)) in blocks.iter().zip(last).enumerate() {
        let rows = match last {
            0 => [[one_value(block, worths); 8]; 8],
            _ => transform(block, *last <= FEW),
        };
        for (row, pixels) in rows.iter().enumerate() {
            if let Some(to) = out.get_mut(row * stride + 8 * at..).and_then(|out| out.first_chunk_mut()) {
                *to = *pixels;
            }
        }
    }
}

/// The value of all pixels of a block with a DC coefficient only.
fn one_value(block: &Block, worths: &Worths) -> u8 {
    let pass = |value: i32, down: i32| (value << BITS).wrapping_add(1 << (down - 1)) >> down;
    let value = pass(pass(i32::from(block[0]).wrapping_mul(worths[0]), FIRST), SECOND);
    (value.clamp(-128, 127) + 128) as u8
}

/// Numbers of 32 bits, one or several beside each other; what is too large wraps.
trait Lanes: Copy {
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn times(self, factor: i32) -> Self;
    fn plus(self, summand: i32) -> Self;
    fn up<const BITS: i32>(self) -> Self;
    fn down<const BITS: i32>(self) -> Self;
}

/// One column, or one row; results have `DOWN` bits less behind the point, rounded.
#[inline(always)]
fn line<L: Lanes, const DOWN: i32>([i0, i1, i2, i3, i4, i5, i6, i7]: [L; 8]) -> [L; 8] {
    // The even half, with the rounding's half in it.
    let both = i2.add(i6).times(fixed(0.541196100));
    let a2 = both.sub(i6.times(fixed(1.847759065)));
    let a3 = both.add(i2.times(fixed(0.765366865)));
    let half = 1 << (DOWN - 1);
    let (a0, a1) = (i0.add(i4).up::<BITS>().plus(half), i0.sub(i4).up::<BITS>().plus(half));
    let (e0, e3, e1, e2) = (a0.add(a3), a0.sub(a3), a1.add(a2), a1.sub(a2));
    // The odd half.
    let (z1, z2, z3, z4) = (i7.add(i1), i5.add(i3), i7.add(i3), i5.add(i1));
    let z5 = z3.add(z4).times(fixed(1.175875602));
    let (z1, z2) = (z1.times(-fixed(0.899976223)), z2.times(-fixed(2.562915447)));
    let z3 = z3.times(-fixed(1.961570560)).add(z5);
    let z4 = z4.times(-fixed(0.390180644)).add(z5);
    let o0 = i7.times(fixed(0.298631336)).add(z1).add(z3);
    let o1 = i5.times(fixed(2.053119869)).add(z2).add(z4);
    let o2 = i3.times(fixed(3.072711026)).add(z2).add(z3);
    let o3 = i1.times(fixed(1.501321110)).add(z1).add(z4);
    [
        e0.add(o3).down::<DOWN>(),
        e1.add(o2).down::<DOWN>(),
        e2.add(o1).down::<DOWN>(),
        e3.add(o0).down::<DOWN>(),
        e3.sub(o0).down::<DOWN>(),
        e2.sub(o1).down::<DOWN>(),
        e1.sub(o2).down::<DOWN>(),
        e0.sub(o3).down::<DOWN>(),
    ]
}

/// What the passes drop: all bits of the constants but for those kept between; all, and the 8 of the transform's size.
const FIRST: i32 = BITS - BETWEEN;
const SECOND: i32 = BITS + BETWEEN + 3;

impl Lanes for i32 {
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    fn sub(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    fn times(self, factor: i32) -> Self {
        self.wrapping_mul(factor)
    }
    fn plus(self, summand: i32) -> Self {
        self.wrapping_add(summand)
    }
    fn up<const BITS: i32>(self) -> Self {
        self << BITS
    }
    fn down<const BITS: i32>(self) -> Self {
        self >> BITS
    }
}

/// The pixels of a block, on any processor.
fn portable(block: &Block, worths: &Worths) -> [[u8; 8]; 8] {
    let mut between = [[0; 8]; 8];
    for column in 0..8 {
        let values = std::array::from_fn(|row| {
            i32::from(block[8 * row + column]).wrapping_mul(worths[8 * row + column])
        });
        between.iter_mut().zip(line::<i32, FIRST>(values)).for_each(|(row, value)| row[column] = value);
    }
    between.map(|row| line::<i32, SECOND>(row).map(|value| (value.clamp(-128, 127) + 128) as u8))
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    //! The same, 8 columns or rows at once.

    use super::*;
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    struct Eight(__m256i);

    // SAFETY of all of these: they are inlined into `pixels`, which asks for AVX2, and called from there alone.
    impl Lanes for Eight {
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Eight(unsafe { _mm256_add_epi32(self.0, other.0) })
        }
        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            Eight(unsafe { _mm256_sub_epi32(self.0, other.0) })
        }
        #[inline(always)]
        fn times(self, factor: i32) -> Self {
            Eight(unsafe { _mm256_mullo_epi32(self.0, _mm256_set1_epi32(factor)) })
        }
        #[inline(always)]
        fn plus(self, summand: i32) -> Self {
            Eight(unsafe { _mm256_add_epi32(self.0, _mm256_set1_epi32(summand)) })
        }
        #[inline(always)]
        fn up<const BITS: i32>(self) -> Self {
            Eight(unsafe { _mm256_slli_epi32::<BITS>(self.0) })
        }
        #[inline(always)]
        fn down<const BITS: i32>(self) -> Self {
            Eight(unsafe { _mm256_srai_epi32::<BITS>(self.0) })
        }
    }

    /// # Safety
    /// The processor must have AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn pixels(blocks: &[Block], last: &[u8], worths: &Worths, out: &mut [u8], stride: usize) {
        each(blocks, last, worths, out, stride, |block, few| {
            if few { transform::<4>(block, worths) } else { transform::<8>(block, worths) }
        });
    }

    /// A block whose coefficients lie in its first `N` rows and columns.
    #[inline(always)]
    fn transform<const N: usize>(block: &Block, worths: &Worths) -> [[u8; 8]; 8] {
        // SAFETY: as above; each load is of eight values of an array that has them.
        unsafe {
            let nothing = Eight(_mm256_setzero_si256());
            let mut rows = [nothing; 8];
            for (at, row) in rows.iter_mut().enumerate().take(N) {
                let values = _mm_loadu_si128(block[8 * at..][..8].as_ptr().cast());
                let worths = _mm256_loadu_si256(worths[8 * at..][..8].as_ptr().cast());
                *row = Eight(_mm256_mullo_epi32(_mm256_cvtepi16_epi32(values), worths));
            }
            let mut columns = turned(line::<Eight, FIRST>(rows));
            columns[N..].fill(nothing);
            let [c0, c1, c2, c3, c4, c5, c6, c7] = line::<Eight, SECOND>(columns).map(|column| column.0);
            // Of each half of the rows, four columns in one vector: packing cuts off what is no byte.
            let four = |a, b, c, d| _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
            let order = _mm256_broadcastsi128_si256(_mm_setr_epi8(
                0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15,
            ));
            let signless =
                |bytes| _mm256_xor_si256(_mm256_shuffle_epi8(bytes, order), _mm256_set1_epi8(-128));
            let (left, right) = (signless(four(c0, c1, c2, c3)), signless(four(c4, c5, c6, c7)));
            let mut pairs = [[[0u8; 8]; 4]; 2];
            _mm256_storeu_si256(pairs[0].as_mut_ptr().cast(), _mm256_unpacklo_epi32(left, right));
            _mm256_storeu_si256(pairs[1].as_mut_ptr().cast(), _mm256_unpackhi_epi32(left, right));
            let [[r0, r1, r4, r5], [r2, r3, r6, r7]] = pairs;
            [r0, r1, r2, r3, r4, r5, r6, r7]
        }
    }

    /// Rows to columns.
    #[inline(always)]
    fn turned(rows: [Eight; 8]) -> [Eight; 8] {
        // SAFETY: as above.
        unsafe {
            let [r0, r1, r2, r3, r4, r5, r6, r7] = rows.map(|row| row.0);
            let (a0, a1) = (_mm256_unpacklo_epi32(r0, r1), _mm256_unpackhi_epi32(r0, r1));
            let (a2, a3) = (_mm256_unpacklo_epi32(r2, r3), _mm256_unpackhi_epi32(r2, r3));
            let (a4, a5) = (_mm256_unpacklo_epi32(r4, r5), _mm256_unpackhi_epi32(r4, r5));
            let (a6, a7) = (_mm256_unpacklo_epi32(r6, r7), _mm256_unpackhi_epi32(r6, r7));
            let (b0, b1) = (_mm256_unpacklo_epi64(a0, a2), _mm256_unpackhi_epi64(a0, a2));
            let (b2, b3) = (_mm256_unpacklo_epi64(a1, a3), _mm256_unpackhi_epi64(a1, a3));
            let (b4, b5) = (_mm256_unpacklo_epi64(a4, a6), _mm256_unpackhi_epi64(a4, a6));
            let (b6, b7) = (_mm256_unpacklo_epi64(a5, a7), _mm256_unpackhi_epi64(a5, a7));
            [
                Eight(_mm256_permute2x128_si256::<0x20>(b0, b4)),
                Eight(_mm256_permute2x128_si256::<0x20>(b1, b5)),
                Eight(_mm256_permute2x128_si256::<0x20>(b2, b6)),
                Eight(_mm256_permute2x128_si256::<0x20>(b3, b7)),
                Eight(_mm256_permute2x128_si256::<0x31>(b0, b4)),
                Eight(_mm256_permute2x128_si256::<0x31>(b1, b5)),
                Eight(_mm256_permute2x128_si256::<0x31>(b2, b6)),
                Eight(_mm256_permute2x128_si256::<0x31>(b3, b7)),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is in a block, it comes out as on any processor.
    #[test]
    fn vectors_give_what_single_numbers_give() {
        let mut state = 7u64;
        let mut next = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as i32
        };
        for round in 0..3000 {
            let largest = [3, 50, 2000, 32767][round % 4];
            let few = round % 3 == 0;
            let worths: Worths = std::array::from_fn(|_| 1 + next() % [1, 255, 65535][round % 3]);
            let mut block: Block =
                std::array::from_fn(|_| if next() % 3 == 0 { (next() % (largest + 1)) as i16 } else { 0 });
            block.iter_mut().for_each(|value| *value = if next() & 1 == 0 { *value } else { -*value });
            if few {
                for (at, value) in block.iter_mut().enumerate() {
                    *value = if at % 8 + at / 8 < 4 { *value } else { 0 };
                }
            }
            let mut out = [0; 64];
            pixels(&[block], &[if few { FEW } else { 63 }], &worths, &mut out, 8);
            assert_eq!(out.as_chunks().0, portable(&block, &worths));
            let mut one = [0; 64];
            one[0] = block[0];
            pixels(&[one], &[0], &worths, &mut out, 8);
            assert_eq!(out.as_chunks().0, portable(&one, &worths));
        }
    }
}
